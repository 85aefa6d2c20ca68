/* A change of the vault: one transaction, and its audit record before the reply (K22). */
#ifndef CELLA_VAULT_CHANGE_H
#define CELLA_VAULT_CHANGE_H

#include "vault/call.h"

/* Writes the audit record, then commits; answers the error itself and returns false. */
bool cella_vault_commit(struct cella_vault_call *call, struct cella_session **session,
                        enum cella_record_kind kind, const char *action, const char *object);
/* The newest version of a live thing, in a session; false and an answered error. */
bool cella_vault_find(struct cella_vault_call *call, struct cella_session *session,
                      enum cella_record_kind kind, bool deleted, bool sealed,
                      struct cella_record *record);
/* Begins a transaction; false and an answered error. */
bool cella_vault_begin(struct cella_vault_call *call, bool write, struct cella_session **session);

/* Deletion is the same for every kind; what differs is how a record is shown. */
typedef json_t *cella_vault_show(const struct cella_vault_call *call,
                                 const struct cella_record *record);
void cella_vault_delete(struct cella_vault_call *call, enum cella_record_kind kind,
                        cella_vault_show *show);
void cella_vault_get_deleted(struct cella_vault_call *call, enum cella_record_kind kind,
                             cella_vault_show *show);
void cella_vault_recover(struct cella_vault_call *call, enum cella_record_kind kind,
                         cella_vault_show *show);
void cella_vault_purge(struct cella_vault_call *call, enum cella_record_kind kind);
/* Pages of things, or of one thing's versions; item shows one of them. */
void cella_vault_list(struct cella_vault_call *call, enum cella_record_kind kind, bool versions,
                      bool deleted, cella_vault_show *item);
/* recoveryId, deletedDate and scheduledPurgeDate into what is shown of a deleted thing. */
void cella_vault_show_deleted(const struct cella_vault_call *call,
                              const struct cella_record *record, json_t *object);
/* "https://host/keys/NAME[/VERSION]" */
void cella_vault_id(const struct cella_vault_call *call, const struct cella_record *record,
                    bool versioned, char id[512]);

#endif
