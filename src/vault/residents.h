/* Which keys live in HSMs, by the store: written before the HSM is asked and after it answered, so
 * that a crash between the two leaves no object that nobody knows of, and no object outlives the
 * purge of its key.
 *
 *   making -> kept    with the record of the key, in one transaction
 *   making -> gone    when nothing came of it; found by its age when the server died
 *   kept -> going     with the purge, in one transaction (records.c)
 *   going -> gone     when the object is destroyed
 *
 * The id of an object is its key's version. */
#ifndef CELLA_VAULT_RESIDENTS_H
#define CELLA_VAULT_RESIDENTS_H

#include "vault/records.h"

enum { CELLA_RESIDENT_STALE_S = 600 /* no HSM takes as long to make a key */ };

/* Before the HSM is asked; a transaction of its own. */
CELLA_RESULT cella_residents_begin(struct cella_database *database, const char *vault,
                                   const char *name, const char *version, int64_t now);
/* With the record. CELLA_ERR_UNAVAILABLE: it took so long that the object was destroyed. */
CELLA_RESULT cella_residents_keep(struct cella_session *session, const char *version);
/* With the purge of a key; fold: its name in lower case. */
CELLA_RESULT cella_residents_go(struct cella_session *session, const char *vault, const char *fold);
/* Of a vault that is restored from a file. CELLA_ERR_EXISTS: another vault of this store has it. */
CELLA_RESULT cella_residents_restore(struct cella_session *session, const char *vault,
                                     const char *fold, const char *version);
/* The object is destroyed, or never came to be. */
CELLA_RESULT cella_residents_forget(struct cella_database *database, const char *version);

struct cella_resident {
    char name[CELLA_RECORD_NAME_MAX + 1]; /* in lower case */
    char version[CELLA_RECORD_VERSION_SIZE + 1];
};
/* One of the vault whose object is to go, behind the one given last (zeroed: from the start). */
CELLA_RESULT cella_residents_going(struct cella_database *database, const char *vault, int64_t now,
                                   struct cella_resident *at, bool *there);
/* One that is kept, in the same way; of one key when name is not NULL. */
CELLA_RESULT cella_residents_kept(struct cella_session *session, const char *vault,
                                  const char *name, struct cella_resident *at, bool *there);
/* Whether the store knows an object of the vault, in whatever state. */
CELLA_RESULT cella_residents_known(struct cella_session *session, const char *vault,
                                   const char *version, bool *known);

#endif
