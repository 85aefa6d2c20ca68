/* Keys shown, listed, updated, deleted. */
#include "crypto/jose.h"
#include "vault/keys_hsm.h"

#include <stdio.h>
#include <string.h>

#include "vault/change.h"
#include "vault/vault_inner.h"

/* The JWK's own members of a record's public JSON. */
static const char *const shown[] = {"kty", "key_ops", "n", "e", "crv", "x", "y"};

static json_t *key_attributes(const struct cella_vault_call *call,
                              const struct cella_record *record) {
    json_t *attributes = cella_vault_attributes_json(call, record);
    const json_t *exportable = json_object_get(record->public, "exportable");
    if (!attributes) return NULL;
    json_object_set_new(attributes, "exportable", json_boolean(json_is_true(exportable)));
    /* "0" is software, whatever kty says; else what the HSM says of itself. */
    const char *platform = json_string_value(json_object_get(record->public, "hsm"));
    json_object_set_new(attributes, "hsmPlatform", json_string(platform ? platform : "0"));
    return attributes;
}

json_t *cella_key_bundle(const struct cella_vault_call *call, const struct cella_record *record) {
    char id[512];
    const json_t *policy = json_object_get(record->public, "release_policy");
    cella_vault_id(call, record, true, id);
    json_t *bundle =
        json_pack("{s:{s:s}, s:o}", "key", "kid", id, "attributes", key_attributes(call, record));
    json_t *key = json_object_get(bundle, "key");
    for (size_t i = 0; key && i < sizeof(shown) / sizeof(shown[0]); i++) {
        json_t *member = json_object_get(record->public, shown[i]);
        if (member) json_object_set(key, shown[i], member);
    }
    if (bundle && record->tags) json_object_set(bundle, "tags", record->tags);
    if (bundle && policy) json_object_set(bundle, "release_policy", (json_t *)policy);
    if (bundle && record->managed) json_object_set_new(bundle, "managed", json_true());
    cella_vault_show_deleted(call, record, bundle);
    return bundle;
}

static json_t *item(const struct cella_vault_call *call, const struct cella_record *record,
                    bool versioned) {
    char id[512];
    cella_vault_id(call, record, versioned, id);
    json_t *object = json_pack("{s:s, s:o}", "kid", id, "attributes", key_attributes(call, record));
    if (object && record->tags) json_object_set(object, "tags", record->tags);
    if (object && record->managed) json_object_set_new(object, "managed", json_true());
    cella_vault_show_deleted(call, record, object);
    return object;
}
static json_t *thing_item(const struct cella_vault_call *call, const struct cella_record *record) {
    return item(call, record, false);
}
static json_t *version_item(const struct cella_vault_call *call,
                            const struct cella_record *record) {
    return item(call, record, true);
}

void cella_key_list(struct cella_vault_call *call, bool deleted) {
    cella_vault_list(call, CELLA_RECORD_KEY, false, deleted, thing_item);
}
void cella_key_versions(struct cella_vault_call *call) {
    cella_vault_list(call, CELLA_RECORD_KEY, true, false, version_item);
}
void cella_key_delete(struct cella_vault_call *call) {
    cella_vault_delete(call, CELLA_RECORD_KEY, cella_key_bundle);
}
void cella_key_get_deleted(struct cella_vault_call *call) {
    cella_vault_get_deleted(call, CELLA_RECORD_KEY, cella_key_bundle);
}
void cella_key_recover(struct cella_vault_call *call) {
    cella_vault_recover(call, CELLA_RECORD_KEY, cella_key_bundle);
}
void cella_key_purge(struct cella_vault_call *call) {
    if (!cella_key_hsm_may_purge(call)) return;
    cella_vault_purge(call, CELLA_RECORD_KEY);
    cella_keyring_clear(call->vault->service->keyring);
    if (call->response->status != 204) return;
    struct cella_result result = cella_vault_hsm_sweep(call->vault, (int64_t)call->now_unix);
    if (cella_failed(result)) cella_result_print(result); /* it is tried again */
    cella_result_drop(result);
}

void cella_key_get(struct cella_vault_call *call) {
    CELLA_SESSION session = NULL;
    CELLA_RECORD record = {0};
    if (!cella_vault_begin(call, false, &session) ||
        !cella_vault_find(call, session, CELLA_RECORD_KEY, false, false, &record))
        return;
    CELLA_JSON bundle = cella_key_bundle(call, &record);
    cella_vault_json(call, 200, bundle);
}

/* --- Update --- */

static bool refuse(struct cella_vault_call *call, const char *message) {
    cella_vault_error(call, 400, "BadParameter", NULL, "%s", message);
    return false;
}

static bool update_policy(struct cella_vault_call *call, const json_t *policy,
                          struct cella_record *record) {
    if (!policy || json_is_null(policy)) return true;
    if (!json_is_true(json_object_get(record->public, "exportable")))
        return refuse(call, "AKV.SKR.1005: Non-exportable keys must not have release policy.");
    if (*call->version)
        return refuse(call, "AKV.SKR.1016: the release policy can only be set on the versionless "
                            "key.");
    CELLA_JSON normal = cella_key_policy_read(call, policy);
    if (!normal || !cella_key_policy_may_follow(call, record, normal)) return false; /* K04 */
    return json_object_set(record->public, "release_policy", normal) == 0;
}

static bool update_record(struct cella_vault_call *call, const json_t *body,
                          struct cella_record *record) {
    const json_t *ops = json_object_get(body, "key_ops");
    const json_t *exportable = json_object_get(json_object_get(body, "attributes"), "exportable");
    bool is_exportable = json_is_true(json_object_get(record->public, "exportable"));
    if (record->managed)
        return refuse(call, "The key belongs to a certificate; change the certificate instead.");
    if (json_is_boolean(exportable) && json_is_true(exportable) != is_exportable)
        return refuse(call, "AKV.SKR.1014: Cannot modify the exportable state of a key.");
    if (ops && !json_is_null(ops)) {
        json_t *list = cella_key_ops_read(call, ops);
        if (!list || json_object_set_new(record->public, "key_ops", list) != 0) return false;
    }
    record->updated = (int64_t)call->now_unix;
    return cella_vault_attributes(call, body, record) &&
           update_policy(call, json_object_get(body, "release_policy"), record);
}

/* The same with another release policy, to which the material is sealed (K04). */
static bool update_sealed(struct cella_vault_call *call, const json_t *body,
                          struct cella_record *record) {
    struct cella_keyring *ring = call->vault->service->keyring;
    struct cella_material *material = NULL;
    struct cella_result result = cella_keyring_take(ring, call->settings->name, record, &material);
    bool good = !cella_failed(result) && update_record(call, body, record);
    if (good) result = cella_keyring_seal(ring, call->settings->name, material, record);
    cella_keyring_drop(ring, &material);
    if (!cella_failed(result)) return good;
    cella_vault_failure(call, CELLA_RECORD_KEY, result);
    return false;
}

void cella_key_update(struct cella_vault_call *call) {
    CELLA_SESSION session = NULL;
    CELLA_RECORD record = {0};
    char id[512];
    CELLA_JSON body = cella_vault_body(call);
    const json_t *policy = json_object_get(body, "release_policy");
    bool reseal = policy && !json_is_null(policy);
    if (!body || !cella_vault_begin(call, true, &session) ||
        !cella_vault_find(call, session, CELLA_RECORD_KEY, false, reseal, &record) ||
        !(reseal ? update_sealed(call, body, &record) : update_record(call, body, &record)))
        return;
    struct cella_result result = cella_records_update(session, call->settings->name, &record);
    cella_vault_id(call, &record, true, id);
    if (cella_failed(result)) {
        cella_vault_failure(call, CELLA_RECORD_KEY, result);
        return;
    }
    if (!cella_vault_commit(call, &session, CELLA_RECORD_KEY, "update", id)) return;
    CELLA_JSON bundle = cella_key_bundle(call, &record);
    cella_vault_json(call, 200, bundle);
}
