#include "vault/change.h"

#include <stdio.h>
#include <string.h>

#include "crypto/jose.h"

static const char *const plurals[] = {"keys", "secrets", "certificates"};
enum { DAY_S = 86400 };
enum transition { TO_DELETED, TO_LIVE, TO_NOTHING };

void cella_vault_id(const struct cella_vault_call *call, const struct cella_record *record,
                    bool versioned, char id[512]) {
    snprintf(id, 512, "%s/%s/%s%s%s", call->base, plurals[record->kind], record->name,
             versioned ? "/" : "", versioned ? record->version : "");
}

bool cella_vault_begin(struct cella_vault_call *call, bool write, struct cella_session **session) {
    *session = MOVE(call->looked_in);
    if (*session && !write) return true;
    cella_session_end(session);
    struct cella_result result = cella_session_begin(call->parts->database, write, session);
    if (!cella_failed(result)) return true;
    cella_vault_failure(call, CELLA_RECORD_KEY, result);
    return false;
}

bool cella_vault_commit(struct cella_vault_call *call, struct cella_session **session,
                        enum cella_record_kind kind, const char *action, const char *object) {
    if (!cella_vault_audit(call, action, object, "ok", NULL)) return false;
    struct cella_result result = cella_session_commit(session);
    if (!cella_failed(result)) return true;
    cella_vault_audit(call, action, object, "failed", "the store did not take it");
    call->response->text.size = 0;
    cella_vault_failure(call, kind, result);
    return false;
}

bool cella_vault_find(struct cella_vault_call *call, struct cella_session *session,
                      enum cella_record_kind kind, bool deleted, bool sealed,
                      struct cella_record *record) {
    struct cella_result result = cella_records_get(session, call->settings->name, kind, call->name,
                                                   call->version, deleted, sealed, record);
    if (!cella_failed(result)) return true;
    cella_vault_failure(call, kind, result);
    return false;
}

void cella_vault_show_deleted(const struct cella_vault_call *call,
                              const struct cella_record *record, json_t *object) {
    char id[512];
    if (record->deleted < 0 || !object) return;
    snprintf(id, sizeof(id), "%s/deleted%s/%s", call->base, plurals[record->kind], record->name);
    json_object_set_new(object, "recoveryId", json_string(id));
    json_object_set_new(object, "deletedDate", json_integer(record->deleted));
    json_object_set_new(object, "scheduledPurgeDate", json_integer(record->purge_at));
}

/* A certificate's key and secret live and go with it. */
static CELLA_RESULT each(enum cella_record_kind kind, struct cella_session *session,
                         const char *vault, const char *name, enum transition to, int64_t deleted,
                         int64_t purge_at) {
    bool all = kind == CELLA_RECORD_CERTIFICATE;
    for (int i = all ? CELLA_RECORD_KEY : (int)kind; i <= (int)kind; i++) {
        enum cella_record_kind one = (enum cella_record_kind)i;
        if (to == TO_DELETED)
            TRY(cella_records_delete(session, vault, one, name, deleted, purge_at));
        else if (to == TO_LIVE)
            TRY(cella_records_recover(session, vault, one, name));
        else
            TRY(cella_records_purge(session, vault, one, name));
    }
    return CELLA_SUCCESS;
}

/* A key or secret that belongs to a certificate goes with it alone. */
static bool is_own(struct cella_vault_call *call, const struct cella_record *record) {
    if (!record->managed) return true;
    cella_vault_error(call, 403, "Forbidden", NULL,
                      "This %s belongs to a certificate; delete, recover or purge the certificate "
                      "instead.",
                      record->kind == CELLA_RECORD_KEY ? "key" : "secret");
    return false;
}

static void answer_shown(struct cella_vault_call *call, const struct cella_record *record,
                         cella_vault_show *show) {
    CELLA_JSON body = show(call, record);
    cella_vault_json(call, 200, body);
}

void cella_vault_delete(struct cella_vault_call *call, enum cella_record_kind kind,
                        cella_vault_show *show) {
    CELLA_SESSION session = NULL;
    CELLA_RECORD record = {0};
    char id[512];
    if (!cella_vault_begin(call, true, &session) ||
        !cella_vault_find(call, session, kind, false, false, &record) || !is_own(call, &record))
        return;
    record.deleted = (int64_t)call->now_unix;
    record.purge_at = record.deleted + (int64_t)call->settings->recover_days * DAY_S;
    struct cella_result result = each(kind, session, call->settings->name, call->name, TO_DELETED,
                                      record.deleted, record.purge_at);
    cella_vault_id(call, &record, false, id);
    if (cella_failed(result))
        cella_vault_failure(call, kind, result);
    else if (cella_vault_commit(call, &session, kind, "delete", id))
        answer_shown(call, &record, show);
}

void cella_vault_get_deleted(struct cella_vault_call *call, enum cella_record_kind kind,
                             cella_vault_show *show) {
    CELLA_SESSION session = NULL;
    CELLA_RECORD record = {0};
    if (cella_vault_begin(call, false, &session) &&
        cella_vault_find(call, session, kind, true, false, &record))
        answer_shown(call, &record, show);
}

void cella_vault_recover(struct cella_vault_call *call, enum cella_record_kind kind,
                         cella_vault_show *show) {
    CELLA_SESSION session = NULL;
    CELLA_RECORD record = {0};
    char id[512];
    if (!cella_vault_begin(call, true, &session) ||
        !cella_vault_find(call, session, kind, true, false, &record) || !is_own(call, &record))
        return;
    struct cella_result result =
        each(kind, session, call->settings->name, call->name, TO_LIVE, -1, -1);
    record.deleted = record.purge_at = -1;
    cella_vault_id(call, &record, false, id);
    if (cella_failed(result))
        cella_vault_failure(call, kind, result);
    else if (cella_vault_commit(call, &session, kind, "recover", id))
        answer_shown(call, &record, show);
}

void cella_vault_purge(struct cella_vault_call *call, enum cella_record_kind kind) {
    CELLA_SESSION session = NULL;
    CELLA_RECORD record = {0};
    char id[512];
    if (!cella_vault_begin(call, true, &session) ||
        !cella_vault_find(call, session, kind, true, false, &record) || !is_own(call, &record))
        return;
    if (call->settings->purge_protection) { /* K15: until its time has come, whoever asks */
        cella_vault_error(call, 403, "Forbidden", NULL,
                          "Operation \"purge\" is not allowed because purge protection is enabled "
                          "for this vault. Key Vault service will automatically purge it after the "
                          "retention period has passed.");
        return;
    }
    struct cella_result result =
        each(kind, session, call->settings->name, call->name, TO_NOTHING, -1, -1);
    cella_vault_id(call, &record, false, id);
    if (cella_failed(result))
        cella_vault_failure(call, kind, result);
    else if (cella_vault_commit(call, &session, kind, "purge", id))
        call->response->status = 204;
}

static CELLA_RESULT next_link(struct cella_vault_call *call, const char *path,
                              const struct cella_record *last, bool versions, json_t *body) {
    CELLA_BUFFER url = {0};
    TRY(cella_vault_next(call, path, versions ? last->version : last->name, &url));
    ENSURE(json_object_set_new(body, "nextLink", json_stringn((const char *)url.data, url.size)) ==
               0,
           CELLA_ERR_MEMORY, NULL, "no memory for a list");
    return CELLA_SUCCESS;
}

void cella_vault_list(struct cella_vault_call *call, enum cella_record_kind kind, bool versions,
                      bool deleted, cella_vault_show *item) {
    CELLA_SESSION session = NULL;
    CELLA_RECORD_PAGE page = {0};
    CELLA_RECORD thing = {0};
    if (!cella_vault_begin(call, false, &session)) return;
    if (versions && !cella_vault_find(call, session, kind, deleted, false, &thing)) return;
    struct cella_result result =
        cella_records_list(session, call->settings->name, kind, versions ? call->name : NULL,
                           deleted, *call->page_after ? call->page_after : NULL, call->page_max,
                           &page);
    CELLA_JSON body = json_pack("{s:[], s:n}", "value", "nextLink");
    for (size_t i = 0; body && i < page.count; i++)
        json_array_append_new(json_object_get(body, "value"), item(call, &page.record[i]));
    if (!cella_failed(result) && body && page.more)
        result = next_link(call, call->path, &page.record[page.count - 1], versions, body);
    if (cella_failed(result))
        cella_vault_failure(call, kind, result);
    else
        cella_vault_json(call, 200, body);
}
