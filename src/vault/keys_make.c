/* Keys made and imported. */
#include <string.h>

#include "crypto/jose.h"
#include "vault/change.h"
#include "vault/keys_hsm.h"
#include "vault/vault_inner.h"

static json_t *default_operations(enum cella_material_kind kind) {
    switch (kind) {
    case CELLA_MATERIAL_RSA:
        return json_pack("[ssssss]", "encrypt", "decrypt", "sign", "verify", "wrapKey",
                         "unwrapKey");
    case CELLA_MATERIAL_EC: return json_pack("[ss]", "sign", "verify");
    default: return json_pack("[ssss]", "encrypt", "decrypt", "wrapKey", "unwrapKey");
    }
}

CELLA_RESULT cella_key_record(struct cella_vault_call *call, const struct cella_key_wish *wish,
                              const struct cella_material *material, struct cella_record *record) {
    json_t *members = cella_material_members(material);
    record->kind = CELLA_RECORD_KEY;
    record->public =
        json_pack("{s:s, s:o, s:i, s:s*}", "kty", wish->kty, "key_ops",
                  wish->key_ops ? json_incref(wish->key_ops) : default_operations(wish->kind),
                  "bits", (int)cella_material_bits(material), "hsm",
                  wish->resident ? cella_hsm_platform(call->vault->hsm) : NULL);
    bool good = members && record->public && json_object_update(record->public, members) == 0;
    json_decref(members);
    if (good && wish->exportable)
        good = json_object_set_new(record->public, "exportable", json_true()) == 0 &&
               json_object_set(record->public, "release_policy", wish->policy) == 0;
    ENSURE(good, CELLA_ERR_MEMORY, NULL, "no memory for a key");
    return cella_keyring_seal(call->vault->service->keyring, call->settings->name, material,
                              record);
}

/* A fresh record with a version, and what the body says of attributes and tags. */
static bool begin_record(struct cella_vault_call *call, const json_t *body,
                         struct cella_record *record) {
    *record = (struct cella_record){.kind = CELLA_RECORD_KEY,
                                    .enabled = true,
                                    .not_before = -1,
                                    .expires = -1,
                                    .created = (int64_t)call->now_unix,
                                    .updated = (int64_t)call->now_unix,
                                    .deleted = -1,
                                    .purge_at = -1};
    memcpy(record->name, call->name, strlen(call->name) + 1);
    struct cella_result result = cella_record_version(record->version);
    if (!cella_failed(result)) return cella_vault_attributes(call, body, record);
    cella_vault_failure(call, CELLA_RECORD_KEY, result);
    return false;
}

/* What there is of the name already: an immutable policy binds the versions that follow (K04), and
 * the name keeps its first spelling, which the sealing context does not depend on. */
static bool may_follow(struct cella_vault_call *call, struct cella_session *session,
                       const struct cella_key_wish *wish) {
    CELLA_RECORD before = {0};
    struct cella_result result = cella_records_get(session, call->settings->name, CELLA_RECORD_KEY,
                                                   call->name, NULL, false, false, &before);
    if (cella_code_of(result) == CELLA_ERR_NOT_FOUND) {
        cella_result_drop(result);
        return true;
    }
    if (cella_failed(result)) {
        cella_vault_failure(call, CELLA_RECORD_KEY, result);
        return false;
    }
    if (!before.managed) return cella_key_policy_may_follow(call, &before, wish->policy);
    cella_vault_error(call, 403, "Forbidden", NULL,
                      "The key belongs to a certificate; change the certificate instead.");
    return false;
}

/* Stores new material as a version, and answers with its bundle. */
static bool add(struct cella_vault_call *call, const struct cella_key_wish *wish,
                const struct cella_material *material, struct cella_session **session,
                struct cella_record *record) {
    struct cella_result result = cella_key_record(call, wish, material, record);
    if (!cella_failed(result)) {
        if (!cella_vault_begin(call, true, session) || !may_follow(call, *session, wish))
            return false;
        result = cella_records_add(*session, call->settings->name, record);
    }
    if (!cella_failed(result)) result = cella_key_keep(*session, material, record->version);
    if (!cella_failed(result)) return true;
    cella_vault_failure(call, CELLA_RECORD_KEY, result);
    return false;
}

static void store(struct cella_vault_call *call, const struct cella_key_wish *wish,
                  const struct cella_material *material, struct cella_record *record,
                  const char *action) {
    CELLA_SESSION session = NULL;
    char id[512];
    if (!add(call, wish, material, &session, record)) {
        cella_session_end(&session);
        cella_key_unmake(call->vault, material, record->version);
        return;
    }
    cella_vault_id(call, record, true, id);
    /* After a commit that failed it is not known what the store has; housekeeping will. */
    if (!cella_vault_commit(call, &session, CELLA_RECORD_KEY, action, id)) return;
    CELLA_JSON bundle = cella_key_bundle(call, record);
    cella_vault_json(call, 200, bundle);
}

static bool read_number(struct cella_vault_call *call, const json_t *body, const char *name,
                        json_int_t most, unsigned *out) {
    const json_t *value = json_object_get(body, name);
    if (!value || json_is_null(value)) return true;
    if (json_is_integer(value) && json_integer_value(value) > 0 &&
        json_integer_value(value) <= most) {
        *out = (unsigned)json_integer_value(value);
        return true;
    }
    cella_vault_error(call, 400, "BadParameter", NULL, "Property %s has invalid value\r\n", name);
    return false;
}

static bool read_shape(struct cella_vault_call *call, const json_t *body,
                       struct cella_key_wish *wish) {
    const char *curve = json_string_value(json_object_get(body, "crv"));
    unsigned exponent = 0;
    wish->curve = CELLA_CURVE_P256;
    wish->bits = wish->kind == CELLA_MATERIAL_RSA ? 2048 : 256;
    if (!read_number(call, body, "key_size", 8192, &wish->bits) ||
        !read_number(call, body, "public_exponent", UINT32_MAX, &exponent))
        return false;
    wish->exponent = exponent;
    if (wish->kind != CELLA_MATERIAL_EC || !curve || cella_curve_find(curve, &wish->curve))
        return true;
    cella_vault_error(call, 400, "BadParameter", NULL,
                      "crv: expected P-256, P-256K, P-384 or P-521, found %.40s", curve);
    return false;
}

void cella_key_create(struct cella_vault_call *call) {
    CELLA_JSON body = cella_vault_body(call);
    CELLA_KEY_WISH wish = {0};
    CELLA_MATERIAL material = NULL;
    CELLA_RECORD record = {0};
    if (!body || !cella_key_kty(call, json_string_value(json_object_get(body, "kty")), &wish) ||
        !read_shape(call, body, &wish) ||
        !cella_key_wish_read(call, body, json_object_get(body, "key_ops"), &wish) ||
        !begin_record(call, body, &record))
        return;
    struct cella_result result = cella_key_make(call->vault, &wish, call->name, record.version,
                                                (int64_t)call->now_unix, &material);
    if (cella_failed(result))
        cella_vault_failure(call, CELLA_RECORD_KEY, result);
    else
        store(call, &wish, material, &record, "create");
}

/* kty of what is imported: with "hsm": true (or "Hsm", as the JavaScript client has it) the key is
 * an HSM's. */
static void mark_hsm(const json_t *body, struct cella_key_wish *wish) {
    const json_t *hsm = json_object_get(body, "hsm");
    if (!hsm) hsm = json_object_get(body, "Hsm");
    if (!json_is_true(hsm) || strstr(wish->kty, "-HSM")) return;
    strncat(wish->kty, "-HSM", sizeof(wish->kty) - strlen(wish->kty) - 1);
}

void cella_key_import(struct cella_vault_call *call) {
    CELLA_JSON body = cella_vault_body(call);
    CELLA_KEY_WISH wish = {0};
    CELLA_MATERIAL material = NULL;
    CELLA_RECORD record = {0};
    const json_t *jwk = json_object_get(body, "key");
    if (!body) return;
    if (!json_is_object(jwk)) {
        cella_vault_error(call, 400, "BadParameter", NULL, "key: expected a JSON web key");
        return;
    }
    if (json_object_get(jwk, "key_hsm")) {
        cella_vault_error(call, 400, "BadParameter", NULL,
                          "key.key_hsm: transfer blobs of an HSM vendor are not taken; send the "
                          "key's members");
        return;
    }
    if (!cella_key_kty(call, json_string_value(json_object_get(jwk, "kty")), &wish)) return;
    mark_hsm(body, &wish);
    if (!cella_key_wish_read(call, body, json_object_get(jwk, "key_ops"), &wish) ||
        !begin_record(call, body, &record))
        return;
    struct cella_result result = cella_material_import(jwk, &material);
    if (!cella_failed(result) && wish.resident)
        result = cella_key_move(call->vault, call->name, record.version, (int64_t)call->now_unix,
                                &material);
    if (cella_failed(result))
        cella_vault_failure(call, CELLA_RECORD_KEY, result);
    else
        store(call, &wish, material, &record, "import");
}
