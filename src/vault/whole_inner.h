/* The form of the file, for both ways. */
#ifndef CELLA_VAULT_WHOLE_INNER_H
#define CELLA_VAULT_WHOLE_INNER_H

#include <stdio.h>

#include "vault/certificates.h"
#include "vault/whole.h"

enum {
    WHOLE_CHUNK = 1 << 18,             /* bytes of text after which a chunk is closed */
    WHOLE_RECORD_MAX = (1 << 20) + 80, /* of a sealed record */
    WHOLE_CONTEXT = 160,
    WHOLE_HEADER_MAX = 1 << 17
};

/* A chunk's place and whether it is the last: chunks that are left out, moved or cut off do not
 * open. */
static inline void whole_context(const char *vault, uint64_t index, bool last,
                                 char context[WHOLE_CONTEXT]) {
    snprintf(context, WHOLE_CONTEXT, "vault backup file|%s|%llu|%s", vault,
             (unsigned long long)index, last ? "last" : "more");
}

/* From one seal to the other. */
static inline struct cella_result whole_reseal(const struct cella_sealer *from,
                                               const char *from_context, struct cella_bytes sealed,
                                               const struct cella_sealer *to,
                                               const char *to_context, struct cella_buffer *out) {
    CELLA_SECRET opened = {0};
    TRY(cella_sealer_unseal(from, from_context, sealed, &opened));
    return cella_sealer_seal(to, to_context, cella_secret_bytes(&opened), out);
}

/* The context of a version's secret; fold: its name in lower case; shown: what its row says. */
static inline struct cella_result whole_secret(const char *vault, int kind, const char *fold,
                                               const char *version, struct cella_bytes shown,
                                               char context[384]) {
    CELLA_RECORD record = {.kind = (enum cella_record_kind)kind};
    snprintf(record.name, sizeof(record.name), "%s", fold);
    snprintf(record.version, sizeof(record.version), "%s", version);
    TRY(cella_json_object(shown, "stored record", &record.public));
    return cella_record_context(vault, &record, context);
}

/* A note with the key of a pending request in it, from one vault and seal to another; notes that
 * have none come out as they are. */
struct whole_side {
    const char *vault;
    const struct cella_sealer *sealer;
};
CELLA_RESULT whole_note(const struct whole_side *from, const struct whole_side *to,
                        const char *fold, struct cella_bytes note, struct cella_buffer *out);

#endif
