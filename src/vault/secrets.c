/* Secrets (azure-keyvault 5). The value is sealed; content type, tags and attributes are not. */
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "crypto/jose.h"
#include "vault/backup.h"
#include "vault/change.h"
#include "vault/vault_inner.h"

enum { VALUE_MAX = 25 * 1024 /* bytes (K26) */, TYPE_MAX = 255 };

/* A record without its value. */
static json_t *show_item(const struct cella_vault_call *call, const struct cella_record *record,
                         bool versioned) {
    static const char *const members[] = {"contentType", "kid"};
    char id[512];
    cella_vault_id(call, record, versioned, id);
    json_t *object =
        json_pack("{s:s, s:o}", "id", id, "attributes", cella_vault_attributes_json(call, record));
    for (size_t i = 0; object && i < sizeof(members) / sizeof(members[0]); i++) {
        json_t *member = json_object_get(record->public, members[i]);
        if (member) json_object_set(object, members[i], member);
    }
    if (object && record->tags) json_object_set(object, "tags", record->tags);
    if (object && record->managed) json_object_set_new(object, "managed", json_true());
    cella_vault_show_deleted(call, record, object);
    return object;
}
static json_t *show(const struct cella_vault_call *call, const struct cella_record *record) {
    return show_item(call, record, true);
}
static json_t *show_thing(const struct cella_vault_call *call, const struct cella_record *record) {
    return show_item(call, record, false);
}

static bool bad(struct cella_vault_call *call, const char *property) {
    cella_vault_error(call, 400, "BadParameter", NULL, "Property %s has invalid value\r\n",
                      property);
    return false;
}

static bool read_type(struct cella_vault_call *call, const json_t *body,
                      struct cella_record *record) {
    json_t *type = json_object_get(body, "contentType");
    if (!type || json_is_null(type)) return true;
    if (!json_is_string(type) || json_string_length(type) > TYPE_MAX) return bad(call, "");
    return json_object_set(record->public, "contentType", type) == 0;
}

static CELLA_RESULT seal_value(struct cella_vault_call *call, const json_t *value,
                               struct cella_record *record) {
    char context[384];
    TRY(cella_record_version(record->version));
    TRY(cella_record_context(call->settings->name, record, context));
    /* One byte first, so that an empty value is one too. */
    CELLA_SECRET bytes = {0};
    TRY(cella_secret_new(json_string_length(value) + 1, &bytes));
    cella_copy(bytes.data + 1, json_string_value(value), json_string_length(value));
    return cella_sealer_seal(call->parts->sealer, context, cella_secret_bytes(&bytes),
                             &record->sealed);
}

static void answer_value(struct cella_vault_call *call, const struct cella_record *record,
                         const char *value, size_t size) {
    CELLA_JSON body = show(call, record);
    bool good = body && json_object_set_new(body, "value", json_stringn(value, size)) == 0;
    cella_vault_json(call, 200, good ? body : NULL);
}

static bool new_record(struct cella_vault_call *call, const json_t *body,
                       struct cella_record *record) {
    const json_t *value = json_object_get(body, "value");
    int64_t now = (int64_t)call->now_unix;
    *record = (struct cella_record){.kind = CELLA_RECORD_SECRET,
                                    .enabled = true,
                                    .not_before = -1,
                                    .expires = -1,
                                    .created = now,
                                    .updated = now,
                                    .deleted = -1,
                                    .purge_at = -1,
                                    .public = json_object()};
    cella_copy(record->name, call->name, strlen(call->name) + 1);
    if (!json_is_string(value)) return bad(call, "value");
    if (json_string_length(value) > VALUE_MAX) {
        cella_vault_error(call, 400, "BadParameter", NULL,
                          "The secret value is too long: expected at most %d bytes, found %zu",
                          VALUE_MAX, json_string_length(value));
        return false;
    }
    return record->public && read_type(call, body, record) &&
           cella_vault_attributes(call, body, record);
}

static void set(struct cella_vault_call *call) {
    CELLA_SESSION session = NULL;
    CELLA_RECORD record = {0};
    char id[512];
    CELLA_JSON body = cella_vault_body(call);
    if (!body || !new_record(call, body, &record)) return;
    const json_t *value = json_object_get(body, "value");
    struct cella_result result = seal_value(call, value, &record);
    if (!cella_failed(result) && !cella_vault_begin(call, true, &session)) return;
    if (!cella_failed(result)) result = cella_records_add(session, call->settings->name, &record);
    cella_vault_id(call, &record, true, id);
    if (cella_failed(result))
        cella_vault_failure(call, CELLA_RECORD_SECRET, result);
    else if (cella_vault_commit(call, &session, CELLA_RECORD_SECRET, "set", id))
        answer_value(call, &record, json_string_value(value), json_string_length(value));
}

static bool readable(struct cella_vault_call *call, const struct cella_record *record) {
    int64_t now = (int64_t)call->now_unix;
    const char *inner = NULL, *what = NULL;
    if (!record->enabled) {
        inner = "SecretDisabled";
        what = "a disabled secret.";
    } else if (record->not_before >= 0 && now < record->not_before) {
        inner = "SecretNotYetValid";
        what = "a secret that is not yet valid.";
    }
    if (inner)
        cella_vault_error(call, 403, "Forbidden", inner, "Operation get is not allowed on %s",
                          what);
    return !inner;
}

static void get(struct cella_vault_call *call) {
    CELLA_SESSION session = NULL;
    CELLA_RECORD record = {0};
    CELLA_SECRET value = {0};
    char context[384], id[512];
    if (!cella_vault_begin(call, false, &session) ||
        !cella_vault_find(call, session, CELLA_RECORD_SECRET, false, true, &record) ||
        !readable(call, &record))
        return;
    cella_session_end(&session);
    struct cella_result result = cella_record_context(call->settings->name, &record, context);
    if (!cella_failed(result))
        result = cella_sealer_unseal(call->parts->sealer, context,
                                     cella_buffer_bytes(&record.sealed), &value);
    cella_vault_id(call, &record, true, id);
    if (cella_failed(result))
        cella_vault_failure(call, CELLA_RECORD_SECRET, result);
    else if (cella_vault_audit(call, "get", id, "ok", NULL))
        answer_value(call, &record, (const char *)value.data + 1, value.size - 1);
}

static void update(struct cella_vault_call *call) {
    CELLA_SESSION session = NULL;
    CELLA_RECORD record = {0};
    char id[512];
    CELLA_JSON body = cella_vault_body(call);
    if (!body || !cella_vault_begin(call, true, &session) ||
        !cella_vault_find(call, session, CELLA_RECORD_SECRET, false, false, &record) ||
        !read_type(call, body, &record) || !cella_vault_attributes(call, body, &record))
        return;
    record.updated = (int64_t)call->now_unix;
    struct cella_result result = cella_records_update(session, call->settings->name, &record);
    cella_vault_id(call, &record, true, id);
    if (cella_failed(result)) {
        cella_vault_failure(call, CELLA_RECORD_SECRET, result);
        return;
    }
    if (!cella_vault_commit(call, &session, CELLA_RECORD_SECRET, "update", id)) return;
    CELLA_JSON shown = show(call, &record);
    cella_vault_json(call, 200, shown);
}

static void on_deleted(struct cella_vault_call *call, const char *method) {
    if (!*call->name)
        cella_vault_list(call, CELLA_RECORD_SECRET, false, true, show_thing);
    else if (strcmp(call->operation, "recover") == 0)
        cella_vault_recover(call, CELLA_RECORD_SECRET, show);
    else if (strcmp(method, "DELETE") == 0)
        cella_vault_purge(call, CELLA_RECORD_SECRET);
    else
        cella_vault_get_deleted(call, CELLA_RECORD_SECRET, show);
}

void cella_vault_secrets(struct cella_vault_call *call, const char *method, bool deleted) {
    const char *op = call->operation;
    if (deleted)
        on_deleted(call, method);
    else if (strcmp(op, "versions") == 0)
        cella_vault_list(call, CELLA_RECORD_SECRET, true, false, show);
    else if (strcmp(op, "backup") == 0)
        cella_vault_backup(call, CELLA_RECORD_SECRET);
    else if (strcmp(op, "restore") == 0)
        cella_vault_restore(call, CELLA_RECORD_SECRET, show);
    else if (!*call->name)
        cella_vault_list(call, CELLA_RECORD_SECRET, false, false, show_thing);
    else if (strcmp(method, "PUT") == 0)
        set(call);
    else if (strcmp(method, "PATCH") == 0)
        update(call);
    else if (strcmp(method, "DELETE") == 0)
        cella_vault_delete(call, CELLA_RECORD_SECRET, show);
    else
        get(call);
}
