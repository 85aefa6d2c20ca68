/* Rotation: by hand, by policy, and the policy itself (azure-keyvault 2.7); key attestation. */
#include <string.h>
#include <strings.h>

#include "crypto/jose.h"
#include "vault/change.h"
#include "vault/duration.h"
#include "vault/keys_hsm.h"
#include "vault/vault_inner.h"

static const char note[] = "rotation";
enum { EXPIRY_DAYS_MIN = 28, TRIGGER_DAYS_MIN = 7 };

/* --- The policy --- */

struct rotation {
    bool expires, rotates, before; /* before: counted back from the expiry */
    struct cella_duration expiry, trigger;
};

static bool bad(struct cella_vault_call *call, const char *message) {
    cella_vault_error(call, 400, "BadParameter", NULL, "%s", message);
    return false;
}

/* One of lifetimeActions; a false without an answer when call is NULL. */
static const char *read_action(const json_t *action, struct rotation *out) {
    const json_t *trigger = json_object_get(action, "trigger");
    const char *after = json_string_value(json_object_get(trigger, "timeAfterCreate"));
    const char *before = json_string_value(json_object_get(trigger, "timeBeforeExpiry"));
    const char *type =
        json_string_value(json_object_get(json_object_get(action, "action"), "type"));
    struct cella_duration duration;
    if (!type || (strcasecmp(type, "Rotate") != 0 && strcasecmp(type, "Notify") != 0))
        return "lifetimeActions: expected action.type of Rotate or Notify";
    if (!after == !before)
        return "lifetimeActions: expected trigger of either timeAfterCreate or timeBeforeExpiry";
    if (!cella_duration_read(after ? after : before, &duration) ||
        cella_duration_days(&duration) < TRIGGER_DAYS_MIN)
        return "lifetimeActions: expected a duration of P7D or more, for example P90D or P18M";
    if (before && strcasecmp(type, "Rotate") == 0 && !out->expires)
        return "lifetimeActions: timeBeforeExpiry needs attributes.expiryTime";
    if (strcasecmp(type, "Rotate") != 0) return NULL;
    out->rotates = true;
    out->before = before != NULL;
    out->trigger = duration;
    return NULL;
}

static const char *read_rotation(const json_t *policy, struct rotation *out) {
    const json_t *actions = json_object_get(policy, "lifetimeActions");
    const json_t *expiry = json_object_get(json_object_get(policy, "attributes"), "expiryTime");
    *out = (struct rotation){.expires = expiry && !json_is_null(expiry)};
    if (out->expires && (!cella_duration_read(json_string_value(expiry), &out->expiry) ||
                         cella_duration_days(&out->expiry) < EXPIRY_DAYS_MIN))
        return "attributes.expiryTime: expected a duration of P28D or more";
    if (actions && !json_is_array(actions)) return "lifetimeActions: expected a list";
    for (size_t i = 0; i < json_array_size(actions); i++) {
        const char *wrong = read_action(json_array_get(actions, i), out);
        if (wrong) return wrong;
    }
    return NULL;
}

static CELLA_RESULT load_policy(const struct cella_vault *vault, struct cella_session *session,
                                const char *name, json_t **out) {
    CELLA_BUFFER text = {0};
    *out = NULL;
    TRY(cella_records_note_get(session, vault->settings.name, CELLA_RECORD_KEY, name, note, &text));
    return text.size ? cella_json_object(cella_buffer_bytes(&text), "rotation policy", out)
                     : CELLA_SUCCESS;
}

static json_t *default_policy(void) {
    return json_pack("{s:[{s:{s:s}, s:{s:s}}], s:{}}", "lifetimeActions", "trigger",
                     "timeBeforeExpiry", "P30D", "action", "type", "Notify", "attributes");
}

static void answer_policy(struct cella_vault_call *call, const struct cella_record *record,
                          json_t *policy) {
    char id[512];
    CELLA_JSON body = policy ? json_incref(policy) : default_policy();
    cella_vault_id(call, record, false, id);
    strncat(id, "/rotationpolicy", sizeof(id) - strlen(id) - 1);
    bool good = body && json_object_set_new(body, "id", json_string(id)) == 0;
    cella_vault_json(call, 200, good ? body : NULL);
}

void cella_key_rotation_get(struct cella_vault_call *call) {
    CELLA_SESSION session = NULL;
    CELLA_RECORD record = {0};
    CELLA_JSON policy = NULL;
    if (!cella_vault_begin(call, false, &session) ||
        !cella_vault_find(call, session, CELLA_RECORD_KEY, false, false, &record))
        return;
    struct cella_result result = load_policy(call->vault, session, call->name, &policy);
    if (cella_failed(result))
        cella_vault_failure(call, CELLA_RECORD_KEY, result);
    else
        answer_policy(call, &record, policy);
}

/* The actions as they are known, checked before, and nothing else that came with them (K14). */
static json_t *known_actions(const json_t *actions) {
    json_t *list = json_array();
    for (size_t i = 0; list && i < json_array_size(actions); i++) {
        const json_t *one = json_array_get(actions, i);
        const json_t *trigger = json_object_get(one, "trigger");
        json_t *type = json_object_get(json_object_get(one, "action"), "type");
        json_array_append_new(
            list, json_pack("{s:{s:O*, s:O*}, s:{s:O}}", "trigger", "timeAfterCreate",
                            json_object_get(trigger, "timeAfterCreate"), "timeBeforeExpiry",
                            json_object_get(trigger, "timeBeforeExpiry"), "action", "type", type));
    }
    return list;
}

/* What is kept: the client's actions and expiry, and the service's times. */
static json_t *kept(const struct cella_vault_call *call, const json_t *body, const json_t *old) {
    const json_t *actions = json_object_get(body, "lifetimeActions");
    const json_t *expiry = json_object_get(json_object_get(body, "attributes"), "expiryTime");
    const json_t *created = json_object_get(json_object_get(old, "attributes"), "created");
    json_int_t now = (json_int_t)call->now_unix;
    json_t *policy =
        json_pack("{s:o, s:{s:I, s:I}}", "lifetimeActions", known_actions(actions), "attributes",
                  "created", created ? json_integer_value(created) : now, "updated", now);
    if (policy && expiry && !json_is_null(expiry))
        json_object_set(json_object_get(policy, "attributes"), "expiryTime", (json_t *)expiry);
    return policy;
}

void cella_key_rotation_set(struct cella_vault_call *call) {
    CELLA_SESSION session = NULL;
    CELLA_RECORD record = {0};
    CELLA_JSON old = NULL;
    struct rotation rotation;
    char id[512];
    CELLA_JSON body = cella_vault_body(call);
    const char *wrong = body ? read_rotation(body, &rotation) : NULL;
    if (wrong) bad(call, wrong);
    if (!body || wrong || !cella_vault_begin(call, true, &session) ||
        !cella_vault_find(call, session, CELLA_RECORD_KEY, false, false, &record))
        return;
    struct cella_result result = load_policy(call->vault, session, call->name, &old);
    CELLA_JSON policy = kept(call, body, old);
    char *text = policy ? json_dumps(policy, JSON_COMPACT) : NULL;
    if (!cella_failed(result) && text)
        result = cella_records_note(session, call->settings->name, CELLA_RECORD_KEY, call->name,
                                    note, cella_bytes_text(text));
    free(text);
    cella_vault_id(call, &record, false, id);
    if (cella_failed(result))
        cella_vault_failure(call, CELLA_RECORD_KEY, result);
    else if (cella_vault_commit(call, &session, CELLA_RECORD_KEY, "set rotation policy", id))
        answer_policy(call, &record, policy);
}

/* --- Rotating --- */

/* What the next version of a key is made of, before the transaction that adds it: making a key
 * takes its time, and an HSM may take long. */
struct next {
    struct cella_key_wish wish;
    char version[CELLA_RECORD_VERSION_SIZE + 1];
    struct cella_material *material; /* owned */
};
static void free_next(struct next *next) {
    cella_key_wish_free(&next->wish);
    cella_material_free(&next->material);
}
#define NEXT __attribute__((cleanup(free_next))) struct next

/* The same kind and size as the newest, and where such keys live now. */
static void read_shape(const struct cella_vault *vault, const struct cella_record *newest,
                       struct cella_key_wish *wish) {
    const char *kty = json_string_value(json_object_get(newest->public, "kty"));
    const char *crv = json_string_value(json_object_get(newest->public, "crv"));
    bool exportable = json_is_true(json_object_get(newest->public, "exportable"));
    *wish = (struct cella_key_wish){
        .kind = kty[0] == 'R'   ? CELLA_MATERIAL_RSA
                : kty[0] == 'E' ? CELLA_MATERIAL_EC
                                : CELLA_MATERIAL_OCT,
        .bits = (unsigned)json_integer_value(json_object_get(newest->public, "bits")),
        .resident =
            cella_key_is_in_hsm(newest) || (!exportable && cella_key_is_for_hsm(vault, kty))};
    if (crv) cella_curve_find(crv, &wish->curve);
    snprintf(wish->kty, sizeof(wish->kty), "%s%s", kty,
             wish->resident && !strstr(kty, "-HSM") ? "-HSM" : "");
}

static bool same_shape(const struct cella_key_wish *a, const struct cella_key_wish *b) {
    return a->kind == b->kind && a->curve == b->curve && a->bits == b->bits &&
           a->resident == b->resident && strcmp(a->kty, b->kty) == 0;
}

static CELLA_RESULT prepare(const struct cella_vault *vault, const struct cella_record *newest,
                            int64_t now, struct next *next) {
    read_shape(vault, newest, &next->wish);
    TRY(cella_record_version(next->version));
    return cella_key_make(vault, &next->wish, newest->name, next->version, now, &next->material);
}

/* A new version like the newest: same operations, tags and release policy (K04). */
static CELLA_RESULT rotate(const struct cella_vault *vault, struct cella_session *session,
                           const struct cella_record *newest, const json_t *policy, int64_t now,
                           const struct next *next, struct cella_record *out) {
    struct rotation rotation;
    struct cella_key_wish shape;
    read_shape(vault, newest, &shape);
    ENSURE(same_shape(&shape, &next->wish), CELLA_ERR_UNAVAILABLE, NULL,
           "the key became another meanwhile");
    *out = *newest;
    out->sealed = (struct cella_buffer){0};
    out->tags = newest->tags ? json_incref(newest->tags) : NULL;
    out->public = json_deep_copy(newest->public);
    json_t *members = cella_material_members(next->material);
    bool good = out->public && members && json_object_update(out->public, members) == 0 &&
                json_object_set_new(out->public, "kty", json_string(shape.kty)) == 0;
    if (good && shape.resident)
        good = json_object_set_new(out->public, "hsm",
                                   json_string(cella_hsm_platform(vault->hsm))) == 0;
    json_decref(members);
    ENSURE(good, CELLA_ERR_MEMORY, NULL, "no memory for a key");
    out->created = out->updated = now;
    out->enabled = true;
    out->not_before = out->expires = -1;
    if (policy && !read_rotation(policy, &rotation) && rotation.expires)
        out->expires = cella_duration_after(now, &rotation.expiry);
    memcpy(out->version, next->version, sizeof(next->version));
    TRY(cella_keyring_seal(vault->service->keyring, vault->settings.name, next->material, out));
    TRY(cella_records_add(session, vault->settings.name, out));
    return cella_key_keep(session, next->material, out->version);
}

/* The newest as it is now, to a new version in a session. */
static CELLA_RESULT rotate_now(struct cella_vault_call *call, struct cella_session *session,
                               const struct next *next, struct cella_record *fresh) {
    CELLA_RECORD newest = {0};
    CELLA_JSON policy = NULL;
    TRY(cella_records_get(session, call->settings->name, CELLA_RECORD_KEY, call->name, NULL, false,
                          false, &newest));
    TRY(load_policy(call->vault, session, call->name, &policy));
    return rotate(call->vault, session, &newest, policy, (int64_t)call->now_unix, next, fresh);
}

static bool find_newest(struct cella_vault_call *call, struct cella_record *newest) {
    CELLA_SESSION session = NULL;
    if (*call->version) {
        bad(call, "rotate: expected a key without a version");
        return false;
    }
    if (!cella_vault_begin(call, false, &session) ||
        !cella_vault_find(call, session, CELLA_RECORD_KEY, false, false, newest))
        return false;
    return !newest->managed ||
           bad(call, "The key belongs to a certificate; renew the certificate instead.");
}

void cella_key_rotate(struct cella_vault_call *call) {
    CELLA_SESSION session = NULL;
    CELLA_RECORD newest = {0}, fresh = {0};
    NEXT next = {.material = NULL};
    char id[512];
    if (!find_newest(call, &newest)) return;
    struct cella_result result = prepare(call->vault, &newest, (int64_t)call->now_unix, &next);
    if (!cella_failed(result) && cella_vault_begin(call, true, &session))
        result = rotate_now(call, session, &next, &fresh);
    else if (!cella_failed(result)) {
        cella_key_unmake(call->vault, next.material, next.version);
        return;
    }
    cella_vault_id(call, &fresh, true, id);
    if (cella_failed(result)) {
        cella_session_end(&session);
        cella_key_unmake(call->vault, next.material, next.version);
        cella_vault_failure(call, CELLA_RECORD_KEY, result);
        return;
    }
    if (!cella_vault_commit(call, &session, CELLA_RECORD_KEY, "rotate", id)) return;
    CELLA_JSON bundle = cella_key_bundle(call, &fresh);
    cella_vault_json(call, 200, bundle);
}

static bool is_due(const struct rotation *rotation, const struct cella_record *newest,
                   int64_t now) {
    if (!rotation->rotates || newest->managed) return false;
    if (!rotation->before) return now >= cella_duration_after(newest->created, &rotation->trigger);
    return newest->expires >= 0 &&
           now >= cella_duration_before(newest->expires, &rotation->trigger);
}

static CELLA_RESULT audit_rotation(const struct cella_vault *vault,
                                   const struct cella_record *key) {
    char object[300];
    snprintf(object, sizeof(object), "keys/%s/%s", key->name, key->version);
    CELLA_JSON record = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "service", "vault", "instance",
                                  vault->settings.name, "who", "rotation policy", "action",
                                  "rotate", "object", object, "verdict", "ok");
    ENSURE(record, CELLA_ERR_MEMORY, NULL, "no memory for an audit record");
    return cella_audit_append(vault->service->parts.audit, record);
}

/* Whether it is due, as it is now. */
static CELLA_RESULT look_due(const struct cella_vault *vault, struct cella_session *session,
                             const char *name, int64_t now, struct cella_record *newest,
                             json_t **policy, bool *due) {
    struct rotation rotation;
    *due = false;
    struct cella_result result = cella_records_get(session, vault->settings.name, CELLA_RECORD_KEY,
                                                   name, NULL, false, false, newest);
    if (cella_code_of(result) == CELLA_ERR_NOT_FOUND) { /* deleted: nothing rotates */
        cella_result_drop(result);
        return CELLA_SUCCESS;
    }
    TRY(result);
    TRY(load_policy(vault, session, name, policy));
    *due = *policy && !read_rotation(*policy, &rotation) && is_due(&rotation, newest, now);
    return CELLA_SUCCESS;
}

static CELLA_RESULT add_due(const struct cella_vault *vault, const char *name, int64_t now,
                            const struct next *next, bool *added) {
    CELLA_SESSION session = NULL;
    CELLA_RECORD newest = {0}, fresh = {0};
    CELLA_JSON policy = NULL;
    TRY(cella_session_begin(vault->service->parts.database, true, &session));
    TRY(look_due(vault, session, name, now, &newest, &policy, added));
    if (!*added) return CELLA_SUCCESS; /* another server did */
    *added = false;
    TRY(rotate(vault, session, &newest, policy, now, next, &fresh));
    TRY(audit_rotation(vault, &fresh));
    *added = true; /* or not, when the commit fails; then housekeeping knows */
    return cella_session_commit(&session);
}

CELLA_RESULT cella_key_rotate_due(const struct cella_vault *vault, const char *name, int64_t now) {
    CELLA_SESSION session = NULL;
    CELLA_RECORD newest = {0};
    CELLA_JSON policy = NULL;
    NEXT next = {.material = NULL};
    bool due = false, added = false;
    TRY(cella_session_begin(vault->service->parts.database, false, &session));
    TRY(look_due(vault, session, name, now, &newest, &policy, &due));
    cella_session_end(&session);
    if (!due) return CELLA_SUCCESS;
    TRY(prepare(vault, &newest, now, &next));
    struct cella_result result = add_due(vault, name, now, &next, &added);
    if (!added) cella_key_unmake(vault, next.material, next.version);
    return result;
}

void cella_key_attestation(struct cella_vault_call *call) {
    CELLA_SESSION session = NULL;
    CELLA_RECORD record = {0};
    if (!cella_vault_begin(call, false, &session) ||
        !cella_vault_find(call, session, CELLA_RECORD_KEY, false, false, &record))
        return;
    /* An HSM's signed statement about its key: PKCS #11 has no call for one, and ours would say no
     * more than hsmPlatform does. */
    cella_vault_error(
        call, 400, "BadParameter", NULL, "%s",
        cella_key_is_in_hsm(&record)
            ? "Key attestation is a statement of the HSM that has the key; this vault's HSM is "
              "reached by PKCS #11, which has none to give."
            : "Key attestation is a statement of the HSM that has the key; this one is sealed by "
              "software under the root of the vault.");
}
