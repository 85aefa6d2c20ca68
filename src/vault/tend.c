/* What the vault does by itself as time goes: rotation, renewal, purges that are due. */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "vault/certificates.h"
#include "vault/keys_hsm.h"
#include "vault/vault_inner.h"

enum { DUE_MAX = 1000 /* purges a round */ };

static struct cella_vault *vault_of(struct cella_vaults *vaults, const char *name) {
    for (size_t i = 0; i < vaults->count; i++)
        if (strcmp(vaults->vault[i].settings.name, name) == 0) return &vaults->vault[i];
    return NULL;
}

static CELLA_RESULT next_noted(struct cella_vaults *vaults, const char *note,
                               struct cella_record_name *at, bool *there) {
    CELLA_SESSION session = NULL;
    TRY(cella_session_begin(vaults->parts.database, false, &session));
    return cella_records_noted(session, note, at, there);
}

/* All that have such a note. One that fails does not keep the others from it. */
static CELLA_RESULT renew_all(struct cella_vaults *vaults, const char *note, int64_t now) {
    struct cella_record_name at = {.kind = CELLA_RECORD_KEY};
    for (bool there = true;;) {
        TRY(next_noted(vaults, note, &at, &there));
        if (!there) return CELLA_SUCCESS;
        struct cella_vault *vault = vault_of(vaults, at.vault);
        struct cella_result result = CELLA_SUCCESS;
        if (vault)
            result = at.kind == CELLA_RECORD_KEY ? cella_key_rotate_due(vault, at.name, now)
                                                 : cella_cert_renew_due(vault, at.name, now);
        if (cella_failed(result)) cella_result_print(result);
        cella_result_drop(result);
    }
}

static CELLA_RESULT audit_purge(struct cella_vaults *vaults, const struct cella_record_name *due) {
    static const char *const plurals[] = {"keys", "secrets", "certificates"};
    char object[300];
    snprintf(object, sizeof(object), "%s/%s", plurals[due->kind], due->name);
    json_t *record =
        json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "service", "vault", "instance", due->vault,
                  "who", "retention", "action", "purge", "object", object, "verdict", "ok");
    ENSURE(record, CELLA_ERR_MEMORY, NULL, "no memory for an audit record");
    struct cella_result result = cella_audit_append(vaults->parts.audit, record);
    json_decref(record);
    return result;
}

static CELLA_RESULT purge_one(struct cella_vaults *vaults, int64_t now, bool *there) {
    CELLA_SESSION session = NULL;
    struct cella_record_name due = {.kind = CELLA_RECORD_KEY};
    TRY(cella_session_begin(vaults->parts.database, true, &session));
    TRY(cella_records_due(session, now, &due, there));
    if (!*there) return CELLA_SUCCESS;
    TRY(cella_records_purge(session, due.vault, due.kind, due.name));
    TRY(audit_purge(vaults, &due));
    return cella_session_commit(&session);
}

CELLA_RESULT cella_vaults_tend(struct cella_vaults *vaults, uint64_t now_unix) {
    bool there = true, any = false;
    TRY(renew_all(vaults, "rotation", (int64_t)now_unix)); /* of keys */
    TRY(renew_all(vaults, "policy", (int64_t)now_unix));   /* of certificates */
    for (int i = 0; there && i < DUE_MAX; i++) {
        TRY(purge_one(vaults, (int64_t)now_unix, &there));
        any = any || there;
    }
    if (any) cella_keyring_clear(vaults->keyring);
    for (size_t i = 0; i < vaults->count; i++) { /* one does not keep the others from it */
        struct cella_result result = cella_vault_hsm_tend(&vaults->vault[i], (int64_t)now_unix);
        if (cella_failed(result)) cella_result_print(result);
        cella_result_drop(result);
    }
    return CELLA_SUCCESS;
}
