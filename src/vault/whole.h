/* A whole vault in one sealed file: keys, secrets and certificates with all versions, policies and
 * pending requests, deleted ones too (docs/formats/vault-backup.md). The file opens with the root
 * that it was made under, and with no other; a running server goes on meanwhile. Memory is bounded
 * whatever the vault holds. */
#ifndef CELLA_VAULT_WHOLE_H
#define CELLA_VAULT_WHOLE_H

#include "store/database.h"
#include "store/sealer.h"

struct cella_vault_whole_count {
    uint64_t things, versions, notes;
};
struct cella_vault_whole {
    struct cella_database *database;
    const struct cella_sealer *sealer; /* of the store */
    const char *root;                  /* of the file */
    const char *folder;                /* that paths of the root are relative to */
    /* Called when all is read or written, and before it counts (K22); a failure undoes it. */
    struct cella_result (*note)(void *context, const char *vault,
                                const struct cella_vault_whole_count *count);
    void *context;
};

/* Of one moment. path must not exist; it does not after a failure. */
CELLA_RESULT cella_vault_whole_backup(const struct cella_vault_whole *whole, const char *vault,
                                      const char *path, struct cella_vault_whole_count *count);
/* Into a vault that has nothing yet: all, or nothing. as NULL: the name that the file has. */
CELLA_RESULT cella_vault_whole_restore(const struct cella_vault_whole *whole, const char *path,
                                       const char *as, struct cella_vault_whole_count *count);

#endif
