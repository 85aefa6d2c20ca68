/* Records as sessions for reading keep them (store/database.h: never older than a query would be).
 * For records.c. */
#ifndef CELLA_VAULT_RECORDS_KEPT_H
#define CELLA_VAULT_RECORDS_KEPT_H

#include "vault/records.h"

enum { RECORD_KEY_MAX = 256 };

/* What was asked for; a version of "" is the newest. */
struct record_asked {
    const char *vault, *fold, *version;
    enum cella_record_kind kind;
    bool deleted, sealed;
};
/* Shares what is public, copies what is sealed. */
bool record_recall(struct cella_session *session, const struct record_asked *asked,
                   struct cella_record *out);
void record_keep(struct cella_session *session, const struct record_asked *asked,
                 const struct cella_record *record);

#endif
