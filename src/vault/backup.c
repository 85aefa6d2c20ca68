#include "vault/backup.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "crypto/jose.h"
#include "vault/keys_hsm.h"
#include "vault/vault_inner.h"

enum { VERSIONS_MAX = 500, PAGE = 25, CONTEXT_MAX = 512 };

/* A backup opens in vaults of the same tenant of this server alone (K21). Within, each version
 * stays sealed as it was in its vault: the outer seal says that it belongs there. */
static void outer_context(const struct cella_vault_call *call, enum cella_record_kind kind,
                          char context[CONTEXT_MAX]) {
    snprintf(context, CONTEXT_MAX, "vault backup|%s|%d", call->settings->login, (int)kind);
}

/* --- Making --- */

static json_t *version_json(const struct cella_record *r) {
    CELLA_BUFFER text = {0};
    struct cella_result result = cella_base64_encode(cella_buffer_bytes(&r->sealed), true, &text);
    json_t *made =
        cella_failed(result)
            ? NULL
            : json_pack("{s:s, s:b, s:b, s:I, s:I, s:I, s:I, s:O, s:O*, s:s%}", "version",
                        r->version, "enabled", r->enabled, "managed", r->managed, "nbf",
                        (json_int_t)r->not_before, "exp", (json_int_t)r->expires, "created",
                        (json_int_t)r->created, "updated", (json_int_t)r->updated, "public",
                        r->public, "tags", r->tags, "sealed", (const char *)text.data, text.size);
    cella_result_drop(result);
    return made;
}

/* All versions into a list, the oldest first. */
static CELLA_RESULT gather(struct cella_vault_call *call, struct cella_session *session,
                           enum cella_record_kind kind, json_t *list) {
    char after[CELLA_RECORD_VERSION_SIZE + 1] = "";
    for (bool more = true; more;) {
        CELLA_RECORD_PAGE page = {0};
        TRY(cella_records_list(session, call->settings->name, kind, call->name, false,
                               *after ? after : NULL, PAGE, &page));
        for (size_t i = 0; i < page.count; i++) {
            CELLA_RECORD whole = {0};
            TRY(cella_records_get(session, call->settings->name, kind, call->name,
                                  page.record[i].version, false, true, &whole));
            json_t *version = version_json(&whole);
            ENSURE(version && json_array_insert_new(list, 0, version) == 0, CELLA_ERR_MEMORY, NULL,
                   "no memory for a backup");
            memcpy(after, whole.version, sizeof(after));
        }
        more = page.more;
        ENSURE(json_array_size(list) <= VERSIONS_MAX, CELLA_ERR_LIMIT, NULL,
               "a backup holds at most %d versions; %s has more", VERSIONS_MAX, call->name);
    }
    return CELLA_SUCCESS;
}

/* What is kept beside a thing and goes with it. */
static const char *note_of(enum cella_record_kind kind) {
    return kind == CELLA_RECORD_KEY           ? "rotation"
           : kind == CELLA_RECORD_CERTIFICATE ? "policy"
                                              : NULL;
}

/* A certificate comes with its key and its secret. */
static enum cella_record_kind first_of(enum cella_record_kind kind) {
    return kind == CELLA_RECORD_CERTIFICATE ? CELLA_RECORD_KEY : kind;
}

static CELLA_RESULT add_part(struct cella_vault_call *call, struct cella_session *session,
                             enum cella_record_kind kind, json_t *parts) {
    CELLA_BUFFER note = {0};
    if (note_of(kind))
        TRY(cella_records_note_get(session, call->settings->name, kind, call->name, note_of(kind),
                                   &note));
    json_t *part = json_pack("{s:i, s:[], s:s%}", "kind", (int)kind, "versions", "note",
                             note.size ? (const char *)note.data : "", note.size);
    ENSURE(part && json_array_append_new(parts, part) == 0, CELLA_ERR_MEMORY, NULL,
           "no memory for a backup");
    return gather(call, session, kind, json_object_get(part, "versions"));
}

static CELLA_RESULT make(struct cella_vault_call *call, struct cella_session *session,
                         enum cella_record_kind kind, const char *name, struct cella_buffer *out) {
    char context[CONTEXT_MAX];
    CELLA_BUFFER sealed = {0};
    CELLA_JSON body = json_pack("{s:i, s:s, s:s, s:[]}", "backup", 1, "vault", call->settings->name,
                                "name", name, "parts");
    ENSURE(body, CELLA_ERR_MEMORY, NULL, "no memory for a backup");
    for (int k = (int)first_of(kind); k <= (int)kind; k++)
        TRY(add_part(call, session, (enum cella_record_kind)k, json_object_get(body, "parts")));
    char *text = json_dumps(body, JSON_COMPACT);
    ENSURE(text, CELLA_ERR_MEMORY, NULL, "no memory for a backup");
    outer_context(call, kind, context);
    struct cella_result result =
        cella_sealer_seal(call->parts->sealer, context, cella_bytes_text(text), &sealed);
    free(text);
    TRY(result);
    return cella_base64_encode(cella_buffer_bytes(&sealed), true, out);
}

void cella_vault_backup(struct cella_vault_call *call, enum cella_record_kind kind) {
    CELLA_SESSION session = NULL;
    CELLA_RECORD record = {0};
    CELLA_BUFFER value = {0};
    char id[512];
    if (!cella_vault_begin(call, false, &session) ||
        !cella_vault_find(call, session, kind, false, false, &record) ||
        (kind == CELLA_RECORD_KEY && !cella_key_hsm_may_back_up(call, session)))
        return;
    struct cella_result result = make(call, session, kind, record.name, &value);
    cella_vault_id(call, &record, false, id);
    if (cella_failed(result)) {
        cella_vault_failure(call, kind, result);
        return;
    }
    if (!cella_vault_audit(call, "backup", id, "ok", NULL)) return;
    CELLA_JSON body = json_pack("{s:s%}", "value", (const char *)value.data, value.size);
    cella_vault_json(call, 200, body);
}

/* --- Restoring --- */

static CELLA_RESULT open_backup(struct cella_vault_call *call, enum cella_record_kind kind,
                                const json_t *body, json_t **out) {
    const json_t *value = json_object_get(body, "value");
    char context[CONTEXT_MAX];
    CELLA_BUFFER sealed = {0};
    CELLA_SECRET text = {0};
    ENSURE(json_is_string(value), CELLA_ERR_FORMAT, NULL, "value: expected a backup, base64url");
    TRY(cella_base64_decode(cella_bytes(json_string_value(value), json_string_length(value)), true,
                            &sealed));
    outer_context(call, kind, context);
    struct cella_result result =
        cella_sealer_unseal(call->parts->sealer, context, cella_buffer_bytes(&sealed), &text);
    bool good = !cella_failed(result);
    cella_result_drop(result);
    ENSURE(good, CELLA_ERR_FORMAT, NULL,
           "value: not a backup of this kind made by a vault of this server and tenant");
    return cella_json_object(cella_secret_bytes(&text), "backup", out);
}

/* From the seal of the vault it was in to that of this one. */
static CELLA_RESULT reseal(struct cella_vault_call *call, const char *from, const json_t *version,
                           struct cella_record *record) {
    char context[384];
    CELLA_BUFFER sealed = {0};
    CELLA_SECRET bytes = {0};
    const char *text = json_string_value(json_object_get(version, "sealed"));
    if (!text || !*text) return CELLA_SUCCESS;
    TRY(cella_base64_decode(cella_bytes_text(text), true, &sealed));
    TRY(cella_record_context(from, record, context));
    TRY(cella_sealer_unseal(call->parts->sealer, context, cella_buffer_bytes(&sealed), &bytes));
    TRY(cella_record_context(call->settings->name, record, context));
    return cella_sealer_seal(call->parts->sealer, context, cella_secret_bytes(&bytes),
                             &record->sealed);
}

static int64_t number(const json_t *version, const char *name) {
    return (int64_t)json_integer_value(json_object_get(version, name));
}

static CELLA_RESULT restore_version(struct cella_vault_call *call, struct cella_session *session,
                                    enum cella_record_kind kind, const json_t *backup,
                                    const json_t *version, struct cella_record *record) {
    const char *id = json_string_value(json_object_get(version, "version"));
    const char *name = json_string_value(json_object_get(backup, "name"));
    const char *from = json_string_value(json_object_get(backup, "vault"));
    cella_record_free(record);
    *record = (struct cella_record){
        .kind = kind,
        .enabled = json_is_true(json_object_get(version, "enabled")),
        .managed = json_is_true(json_object_get(version, "managed")),
        .not_before = number(version, "nbf"),
        .expires = number(version, "exp"),
        .created = number(version, "created"),
        .updated = number(version, "updated"),
        .deleted = -1,
        .purge_at = -1,
        .public = json_incref(json_object_get(version, "public")),
        .tags = json_incref(json_object_get(version, "tags")),
    };
    ENSURE(id && name && from && cella_record_version_good(cella_bytes_text(id)) &&
               cella_record_name_good(cella_bytes_text(name)) && record->public,
           CELLA_ERR_INTERNAL, NULL, "a backup of ours that is malformed");
    cella_copy(record->name, name, strlen(name) + 1);
    cella_copy(record->version, id, strlen(id) + 1);
    TRY(reseal(call, from, version, record));
    return cella_records_add(session, call->settings->name, record);
}

/* Whether the name is free; deleted ones are found by the first version that is added. */
static CELLA_RESULT is_free(struct cella_vault_call *call, struct cella_session *session,
                            enum cella_record_kind kind, const char *name, bool *out) {
    CELLA_RECORD there = {0};
    struct cella_result result =
        cella_records_get(session, call->settings->name, kind, name, NULL, false, false, &there);
    *out = cella_code_of(result) == CELLA_ERR_NOT_FOUND;
    if (!*out) return result;
    cella_result_drop(result);
    return CELLA_SUCCESS;
}

static CELLA_RESULT restore_part(struct cella_vault_call *call, struct cella_session *session,
                                 const json_t *backup, const json_t *part,
                                 struct cella_record *last) {
    enum cella_record_kind kind =
        (enum cella_record_kind)json_integer_value(json_object_get(part, "kind"));
    const json_t *versions = json_object_get(part, "versions"),
                 *note = json_object_get(part, "note");
    for (size_t i = 0; i < json_array_size(versions); i++)
        TRY(restore_version(call, session, kind, backup, json_array_get(versions, i), last));
    if (!note_of(kind)) return CELLA_SUCCESS;
    return cella_records_note(session, call->settings->name, kind, call->name, note_of(kind),
                              cella_bytes(json_string_value(note), json_string_length(note)));
}

/* The part that was asked for comes last, and is what is shown. */
static CELLA_RESULT restore_all(struct cella_vault_call *call, struct cella_session *session,
                                const json_t *backup, struct cella_record *last) {
    const json_t *parts = json_object_get(backup, "parts");
    for (size_t i = 0; i < json_array_size(parts); i++)
        TRY(restore_part(call, session, backup, json_array_get(parts, i), last));
    return CELLA_SUCCESS;
}

static CELLA_RESULT all_free(struct cella_vault_call *call, struct cella_session *session,
                             enum cella_record_kind kind, const char *name, bool *out) {
    *out = true;
    for (int k = (int)first_of(kind); *out && k <= (int)kind; k++)
        TRY(is_free(call, session, (enum cella_record_kind)k, name, out));
    return CELLA_SUCCESS;
}

void cella_vault_restore(struct cella_vault_call *call, enum cella_record_kind kind,
                         cella_vault_show *show) {
    CELLA_SESSION session = NULL;
    CELLA_RECORD last = {0};
    CELLA_JSON body = cella_vault_body(call);
    CELLA_JSON backup = NULL;
    char id[512];
    bool free_name = false;
    if (!body) return;
    struct cella_result result = open_backup(call, kind, body, &backup);
    const char *name = json_string_value(json_object_get(backup, "name"));
    if (!cella_failed(result) && !cella_vault_begin(call, true, &session)) return;
    if (!cella_failed(result)) result = all_free(call, session, kind, name, &free_name);
    if (!cella_failed(result) && !free_name) {
        cella_vault_error(call, 409, "Conflict", NULL,
                          "The name %s is in use in this vault; restore where it is not", name);
        return;
    }
    call->name = name ? name : "";
    if (!cella_failed(result)) result = restore_all(call, session, backup, &last);
    cella_vault_id(call, &last, true, id);
    if (cella_failed(result)) {
        cella_vault_failure(call, kind, result);
        return;
    }
    if (!cella_vault_commit(call, &session, kind, "restore", id)) return;
    CELLA_JSON shown = show(call, &last);
    cella_vault_json(call, 200, shown);
}
