#include "vault/call.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "crypto/jose.h"
#include "vault/vault_inner.h"

enum { MESSAGE_MAX = 1024, PAGE_CONTEXT = 1024, PAGE_TOKEN_S = 3600, TAG_MAX = 256 };

/* --- Answers --- */

void cella_vault_json(struct cella_vault_call *call, int status, const json_t *body) {
    char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
    struct cella_http_response *r = call->response;
    r->text.size = 0; /* in place of another answer, not behind it */
    struct cella_result result =
        text ? cella_buffer_append(&r->text, cella_bytes_text(text)) : CELLA_SUCCESS;
    r->status = text && !cella_failed(result) ? status : 500;
    r->content_type = "application/json; charset=utf-8";
    r->body = cella_buffer_bytes(&r->text);
    cella_result_drop(result);
    free(text);
}

void cella_vault_error(struct cella_vault_call *call, int status, const char *code,
                       const char *inner, const char *format, ...) {
    char message[MESSAGE_MAX];
    va_list list;
    va_start(list, format);
    vsnprintf(message, sizeof(message), format, list);
    va_end(list);
    json_t *text = cella_json_text(message);
    CELLA_JSON body = inner ? json_pack("{s:{s:s, s:o, s:{s:s}}}", "error", "code", code, "message",
                                        text, "innererror", "code", inner)
                            : json_pack("{s:{s:s, s:o}}", "error", "code", code, "message", text);
    call->response->note = code;
    cella_vault_json(call, status, body);
}

static const struct {
    const char *word, *plural, *missing;
} kinds[] = {[CELLA_RECORD_KEY] = {"key", "keys", "KeyNotFound"},
             [CELLA_RECORD_SECRET] = {"secret", "secrets", "SecretNotFound"},
             [CELLA_RECORD_CERTIFICATE] = {"certificate", "certificates", "CertificateNotFound"}};

static void not_found(struct cella_vault_call *call, enum cella_record_kind kind) {
    const char *version = call->version && *call->version ? call->version : NULL;
    cella_vault_error(call, 404, kinds[kind].missing, NULL,
                      "A %s with (name/id) %s%s%s was not found in this key vault. If you recently "
                      "deleted this %s you may be able to recover it using the correct recovery "
                      "command.",
                      kinds[kind].word, call->name, version ? "/" : "", version ? version : "",
                      kinds[kind].word);
}

void cella_vault_failure(struct cella_vault_call *call, enum cella_record_kind kind,
                         struct cella_result result) {
    const char *what = result.error->what;
    switch (cella_code_of(result)) {
    case CELLA_ERR_NOT_FOUND: not_found(call, kind); break;
    case CELLA_ERR_EXISTS:
        cella_vault_error(
            call, 409, "Conflict", "ObjectIsDeletedButRecoverable",
            "%c%s %s is currently in a deleted but recoverable state, and its name "
            "cannot be reused; in this state, the %s can only be recovered or purged.",
            kinds[kind].word[0] - 'a' + 'A', kinds[kind].word + 1, call->name, kinds[kind].word);
        break;
    case CELLA_ERR_USAGE:
    case CELLA_ERR_FORMAT:
    case CELLA_ERR_LIMIT:
    case CELLA_ERR_UNSUPPORTED:
        cella_vault_error(call, 400, "BadParameter", NULL, "%s", what);
        break;
    case CELLA_ERR_IO:
    case CELLA_ERR_UNAVAILABLE:
        cella_result_print(result);
        cella_http_header(call->response, "Retry-After", "1");
        cella_vault_error(call, 503, "ServiceUnavailable", NULL,
                          "The store%s can't be used now; nothing was changed",
                          call->settings && call->settings->hsm_keys ? " or the vault's HSM" : "");
        break;
    default: /* ours: the log has it, the caller does not (K11) */
        cella_result_print(result);
        cella_vault_error(call, 500, "InternalServerError", NULL,
                          "The request %s failed inside; its operator's log says why",
                          call->request->id);
    }
    cella_result_drop(result);
}

json_t *cella_vault_body(struct cella_vault_call *call) {
    json_t *body = NULL;
    struct cella_result result = cella_json_object(call->request->body, "request body", &body);
    if (!cella_failed(result)) return body;
    cella_vault_error(call, 400, "BadParameter", NULL, "%s", result.error->what);
    cella_result_drop(result);
    return NULL;
}

bool cella_vault_audit_more(struct cella_vault_call *call, const char *action, const char *object,
                            const char *verdict, const char *why, json_t *more) {
    CELLA_JSON record =
        json_pack("{s:s, s:s, s:s, s:s, s:s, s:o, s:s, s:o*, s:s}", "service", "vault", "instance",
                  call->settings->name, "who", call->caller.object, "issuer", call->caller.issuer,
                  "action", action, "object", cella_json_text(object), "verdict", verdict, "why",
                  cella_json_text(why), "request", call->request->id);
    /* what is said of every call is not the caller's to say otherwise */
    bool made = record && (!more || json_object_update_missing(record, more) == 0);
    json_decref(more);
    struct cella_result result =
        made ? cella_audit_append(call->parts->audit, record)
             : CELLA_FAILURE(CELLA_ERR_MEMORY, NULL, "no memory for an audit record");
    call->audited = true;
    if (!cella_failed(result)) return true;
    cella_result_print(result);
    cella_result_drop(result);
    cella_http_header(call->response, "Retry-After", "1");
    cella_vault_error(call, 503, "ServiceUnavailable", NULL,
                      "What can't be written to the audit log is not done");
    return false;
}

bool cella_vault_audit(struct cella_vault_call *call, const char *action, const char *object,
                       const char *verdict, const char *why) {
    return cella_vault_audit_more(call, action, object, verdict, why, NULL);
}

/* --- Pages --- */

/* A token is the caller's, for one list of one vault, for an hour: all of that is authenticated
 * with it (K13). */
static void page_context(const struct cella_vault_call *call, const char *path,
                         char context[PAGE_CONTEXT]) {
    snprintf(context, PAGE_CONTEXT, "vault|%s|page|%s|%s|%s", call->settings->name,
             call->caller.issuer, call->caller.object, path);
}

CELLA_RESULT cella_vault_next(const struct cella_vault_call *call, const char *path,
                              const char *after, struct cella_buffer *url) {
    char context[PAGE_CONTEXT], text[CELLA_VAULT_AFTER_MAX + 32];
    CELLA_BUFFER sealed = {0};
    page_context(call, path, context);
    snprintf(text, sizeof(text), "%llu %s", (unsigned long long)call->now_unix + PAGE_TOKEN_S,
             after);
    TRY(cella_sealer_seal(call->parts->sealer, context, cella_bytes_text(text), &sealed));
    char head[640];
    int size =
        snprintf(head, sizeof(head), "%s%s?api-version=%s&maxresults=%u&$skiptoken=", call->base,
                 path, call->api_version, call->page_max);
    ENSURE(size > 0 && (size_t)size < sizeof(head), CELLA_ERR_LIMIT, NULL, "a link this long");
    TRY(cella_buffer_append(url, cella_bytes(head, (size_t)size)));
    return cella_base64_encode(cella_buffer_bytes(&sealed), true, url);
}

static bool open_token(struct cella_vault_call *call, const char *path, struct cella_bytes token,
                       char after[CELLA_VAULT_AFTER_MAX]) {
    char context[PAGE_CONTEXT], text[CELLA_VAULT_AFTER_MAX + 32] = "";
    CELLA_BUFFER sealed = {0};
    CELLA_SECRET opened = {0};
    unsigned long long expires = 0;
    int used = 0;
    page_context(call, path, context);
    struct cella_result result = cella_base64_decode(token, true, &sealed);
    if (!cella_failed(result))
        result =
            cella_sealer_unseal(call->parts->sealer, context, cella_buffer_bytes(&sealed), &opened);
    bool good = !cella_failed(result) && opened.size < sizeof(text);
    cella_result_drop(result);
    if (!good) return false;
    cella_copy(text, opened.data, opened.size);
    good = sscanf(text, "%llu %n", &expires, &used) == 1 && used > 0 && expires > call->now_unix;
    snprintf(after, CELLA_VAULT_AFTER_MAX, "%s", good ? text + used : "");
    return good;
}

static bool read_count(struct cella_bytes text, uint32_t *out) {
    char digits[8] = "";
    uint64_t number = 0;
    if (text.size == 0 || text.size >= sizeof(digits)) return false;
    cella_copy(digits, text.data, text.size);
    if (!cella_number_read(digits, &number) || number < 1) return false;
    *out = number > CELLA_VAULT_PAGE_MAX ? CELLA_VAULT_PAGE_MAX : (uint32_t)number;
    return number <= CELLA_VAULT_PAGE_MAX;
}

bool cella_vault_page(struct cella_vault_call *call, const struct cella_http_target *target,
                      char after[CELLA_VAULT_AFTER_MAX]) {
    struct cella_bytes value;
    call->page_max = CELLA_VAULT_PAGE_MAX;
    after[0] = 0;
    if (cella_http_parameter(target, "maxresults", &value) && !read_count(value, &call->page_max)) {
        cella_vault_error(call, 400, "BadParameter", NULL, "maxresults: expected 1 to %d",
                          CELLA_VAULT_PAGE_MAX);
        return false;
    }
    if (cella_http_parameter(target, "$skiptoken", &value) && value.size > 0 &&
        !open_token(call, call->path, value, after)) {
        cella_vault_error(call, 400, "BadParameter", NULL,
                          "$skiptoken: not a token of this list for this caller, or older than an "
                          "hour; begin the list again");
        return false;
    }
    return true;
}

/* --- Attributes --- */

static bool bad(struct cella_vault_call *call, const char *what) {
    cella_vault_error(call, 400, "BadParameter", NULL, "Property %s has invalid value\r\n", what);
    return false;
}

static bool read_time(struct cella_vault_call *call, const json_t *attributes, const char *name,
                      int64_t *out) {
    const json_t *value = json_object_get(attributes, name);
    if (!value || json_is_null(value)) return true;
    if (!json_is_integer(value) || json_integer_value(value) < 0 ||
        json_integer_value(value) > UINT32_MAX * 16LL)
        return bad(call, name);
    *out = json_integer_value(value);
    return true;
}

static bool read_tags(struct cella_vault_call *call, const json_t *tags,
                      struct cella_record *record) {
    const char *name;
    json_t *value;
    if (!tags || json_is_null(tags)) return true;
    if (!json_is_object(tags) || json_object_size(tags) > CELLA_RECORD_TAGS_MAX) /* K26 */
        return bad(call, "tags");
    json_object_foreach((json_t *)tags, name, value) {
        if (strlen(name) > TAG_MAX || !json_is_string(value) || json_string_length(value) > TAG_MAX)
            return bad(call, "tags");
    }
    json_decref(record->tags);
    record->tags = json_incref((json_t *)tags);
    return true;
}

/* K14: these members alone are the client's to set; what else it sends of attributes is the
 * service's, and left alone. */
bool cella_vault_attributes(struct cella_vault_call *call, const json_t *body,
                            struct cella_record *record) {
    const json_t *attributes = json_object_get(body, "attributes");
    const json_t *enabled = json_object_get(attributes, "enabled");
    if (attributes && !json_is_object(attributes) && !json_is_null(attributes))
        return bad(call, "attributes");
    if (enabled && !json_is_null(enabled)) {
        if (!json_is_boolean(enabled)) return bad(call, "enabled");
        record->enabled = json_is_true(enabled);
    }
    return read_time(call, attributes, "nbf", &record->not_before) &&
           read_time(call, attributes, "exp", &record->expires) &&
           read_tags(call, json_object_get(body, "tags"), record);
}

static const char *recovery_level(const struct cella_vault_settings *settings) {
    if (settings->recover_days == 90)
        return settings->purge_protection ? "Recoverable" : "Recoverable+Purgeable";
    return settings->purge_protection ? "CustomizedRecoverable" : "CustomizedRecoverable+Purgeable";
}

json_t *cella_vault_attributes_json(const struct cella_vault_call *call,
                                    const struct cella_record *record) {
    json_t *object = json_pack("{s:b, s:I, s:I, s:s, s:i}", "enabled", record->enabled, "created",
                               (json_int_t)record->created, "updated", (json_int_t)record->updated,
                               "recoveryLevel", recovery_level(call->settings), "recoverableDays",
                               (int)call->settings->recover_days);
    if (object && record->not_before >= 0)
        json_object_set_new(object, "nbf", json_integer(record->not_before));
    if (object && record->expires >= 0)
        json_object_set_new(object, "exp", json_integer(record->expires));
    return object;
}
