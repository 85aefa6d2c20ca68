/* Certificates of a vault: what the files of the certificates API share (azure-keyvault 6). A
 * certificate's key and secret stand beside it, under its name and version, managed. */
#ifndef CELLA_VAULT_CERTIFICATES_H
#define CELLA_VAULT_CERTIFICATES_H

#include "vault/change.h"
#include "vault/material.h"

/* A record's public JSON holds: cer (base64), x5t (base64url), subject, contentType. */

json_t *cella_cert_show(const struct cella_vault_call *call, const struct cella_record *record);
/* K15: refused with that code when the call's certificate is deleted: what is noted beside one is
 * not there while it is not. */
CELLA_RESULT cella_cert_not_deleted(const struct cella_vault_call *call,
                                    struct cella_session *session, enum cella_code code);
/* The policy that is kept of a name, or NULL in *out. */
CELLA_RESULT cella_cert_policy_load(const struct cella_vault_call *call,
                                    struct cella_session *session, const char *name, json_t **out);
/* As cella_cert_policy, of what a caller wants of this vault: where -HSM means its HSM, such a key
 * is refused, since those of certificates are software's. */
CELLA_RESULT cella_cert_policy_wanted(const struct cella_vault_call *call, const json_t *wanted,
                                      const json_t *base, json_t **out);
/* A new version of certificate, key and secret. record: name, attributes and tags are given, the
 * rest is filled in. CELLA_ERR_EXISTS also when a key or secret of its own has the name. */
CELLA_RESULT cella_cert_store(struct cella_vault_call *call, struct cella_session *session,
                              const json_t *policy, const struct cella_material *material,
                              struct cella_bytes leaf, struct cella_bytes chain,
                              struct cella_record *record);
/* A self-signed certificate of the policy's, stored; its key new, or the newest one's again. */
CELLA_RESULT cella_cert_issue(struct cella_vault_call *call, struct cella_session *session,
                              const json_t *policy, struct cella_record *record);
/* An empty record for a name: enabled, of now. */
void cella_cert_record(const struct cella_vault_call *call, const char *name,
                       struct cella_record *record);

void cella_cert_create(struct cella_vault_call *call);
void cella_cert_take(struct cella_vault_call *call);
void cella_cert_pending(struct cella_vault_call *call, const char *method);
void cella_cert_merge(struct cella_vault_call *call);

/* The sealing context of a pending request's key, which a note keeps. (certificates_make.c) */
void cella_cert_pending_context(const char *vault, const char *name, const char *id,
                                char context[384]);

/* Renews one certificate whose policy says that it is time. (certificates_make.c) */
CELLA_RESULT cella_cert_renew_due(struct cella_vault *vault, const char *name, int64_t now);

#endif
