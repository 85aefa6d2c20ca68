/* What a body asks a key to be, with the rules for keys that may be released (azure-keyvault 2.2,
 * 2.5, 8.1, 8.8). */
#include <string.h>
#include <strings.h>

#include "base/text.h"
#include "crypto/jose.h"
#include "vault/keys_hsm.h"
#include "vault/release_policy.h"

static const char default_type[] = "application/json; charset=utf-8";
static const char *const operations[] = {"encrypt", "decrypt",   "sign",   "verify",
                                         "wrapKey", "unwrapKey", "import", "export"};
enum { OPERATIONS = sizeof(operations) / sizeof(operations[0]) };

void cella_key_wish_free(struct cella_key_wish *wish) {
    json_decref(wish->key_ops);
    json_decref(wish->policy);
    wish->key_ops = wish->policy = NULL;
}

static bool bad(struct cella_vault_call *call, const char *message) {
    cella_vault_error(call, 400, "BadParameter", NULL, "%s", message);
    return false;
}

bool cella_key_kty(struct cella_vault_call *call, const char *kty, struct cella_key_wish *wish) {
    static const struct {
        const char *name;
        enum cella_material_kind kind;
    } types[] = {{"RSA", CELLA_MATERIAL_RSA}, {"RSA-HSM", CELLA_MATERIAL_RSA},
                 {"EC", CELLA_MATERIAL_EC},   {"EC-HSM", CELLA_MATERIAL_EC},
                 {"oct", CELLA_MATERIAL_OCT}, {"oct-HSM", CELLA_MATERIAL_OCT}};
    for (size_t i = 0; kty && i < sizeof(types) / sizeof(types[0]); i++) {
        if (strcmp(kty, types[i].name) != 0) continue;
        wish->kind = types[i].kind;
        memcpy(wish->kty, kty, strlen(kty) + 1);
        if (wish->kind == CELLA_MATERIAL_OCT && !call->settings->hsm)
            return bad(call, "kty: symmetric keys are made and kept by a Managed HSM only");
        return true;
    }
    return bad(call, "kty: expected RSA, RSA-HSM, EC, EC-HSM, oct or oct-HSM");
}

json_t *cella_key_ops_read(struct cella_vault_call *call, const json_t *list) {
    json_t *out = json_array();
    bool good = out && json_is_array(list) && json_array_size(list) <= OPERATIONS;
    for (size_t i = 0; good && i < json_array_size(list); i++) {
        const json_t *item = json_array_get(list, i);
        const char *name = json_is_string(item) ? json_string_value(item) : "";
        size_t at = 0;
        while (at < OPERATIONS && strcasecmp(name, operations[at]) != 0) at++;
        good = at < OPERATIONS && json_array_append_new(out, json_string(operations[at])) == 0;
    }
    if (good) return out;
    json_decref(out);
    bad(call, "key_ops: expected a list of encrypt, decrypt, sign, verify, wrapKey, unwrapKey, "
              "import, export");
    return NULL;
}

/* base64url, or base64 with padding as older clients have it. */
static CELLA_RESULT decode_data(const json_t *data, struct cella_buffer *out) {
    ENSURE(json_is_string(data), CELLA_ERR_FORMAT, NULL, "release_policy.data: expected base64url");
    struct cella_bytes text = cella_bytes(json_string_value(data), json_string_length(data));
    struct cella_result result = cella_base64_decode(text, true, out);
    if (!cella_failed(result)) return result;
    cella_result_drop(result);
    out->size = 0;
    return cella_base64_decode(text, false, out);
}

static CELLA_RESULT normal_policy(const json_t *object, json_t **out) {
    CELLA_BUFFER text = {0}, normal = {0}, data = {0};
    const json_t *type = json_object_get(object, "contentType"),
                 *immutable = json_object_get(object, "immutable");
    struct cella_release_policy *policy = NULL;
    ENSURE(json_is_object(object), CELLA_ERR_FORMAT, NULL, "release_policy: expected an object");
    ENSURE(!type || json_is_null(type) ||
               (json_is_string(type) &&
                strncmp(json_string_value(type), "application/json", 16) == 0),
           CELLA_ERR_FORMAT, NULL, "release_policy.contentType: expected application/json");
    ENSURE(!immutable || json_is_boolean(immutable) || json_is_null(immutable), CELLA_ERR_FORMAT,
           NULL, "release_policy.immutable: expected true or false");
    TRY(decode_data(json_object_get(object, "data"), &text));
    TRY(cella_release_policy_new(cella_buffer_bytes(&text), &policy));
    struct cella_result result = cella_release_policy_normal(policy, &normal);
    cella_release_policy_free(&policy);
    TRY(result);
    TRY(cella_base64_encode(cella_buffer_bytes(&normal), true, &data));
    *out = json_pack("{s:s, s:s%, s:b}", "contentType",
                     json_is_string(type) ? json_string_value(type) : default_type, "data",
                     (const char *)data.data, data.size, "immutable", json_is_true(immutable));
    ENSURE(*out, CELLA_ERR_MEMORY, NULL, "no memory for a release policy");
    return CELLA_SUCCESS;
}

json_t *cella_key_policy_read(struct cella_vault_call *call, const json_t *object) {
    json_t *out = NULL;
    struct cella_result result = normal_policy(object, &out);
    if (cella_failed(result)) cella_vault_failure(call, CELLA_RECORD_KEY, result);
    return out;
}

bool cella_key_policy_may_follow(struct cella_vault_call *call, const struct cella_record *before,
                                 const json_t *policy) {
    const json_t *old = json_object_get(before->public, "release_policy");
    if (!json_is_true(json_object_get(old, "immutable"))) return true;
    const char *had = json_string_value(json_object_get(old, "data"));
    const char *has = json_string_value(json_object_get(policy, "data"));
    if (has && strcmp(had, has) == 0 && json_is_true(json_object_get(policy, "immutable")))
        return true;
    return bad(call, "AKV.SKR.1020: Immutable Key Release Policy cannot be modified.");
}

/* What lives in the vault's HSM is called so; and cannot be released, as it cannot leave. */
static bool place(struct cella_vault_call *call, struct cella_key_wish *wish) {
    wish->resident = cella_key_is_for_hsm(call->vault, wish->kty);
    if (!wish->resident) return true;
    if (!strstr(wish->kty, "-HSM"))
        strncat(wish->kty, "-HSM", sizeof(wish->kty) - strlen(wish->kty) - 1);
    return !wish->exportable ||
           bad(call, "attributes.exportable: this key would live in the vault's HSM, which lets no "
                     "key out. Make keys that are to be released in a vault without hsm_keys.");
}

bool cella_key_wish_read(struct cella_vault_call *call, const json_t *body, const json_t *key_ops,
                         struct cella_key_wish *wish) {
    const json_t *exportable = json_object_get(json_object_get(body, "attributes"), "exportable");
    const json_t *policy = json_object_get(body, "release_policy");
    if (json_is_array(key_ops) && json_array_size(key_ops) > 0 &&
        !(wish->key_ops = cella_key_ops_read(call, key_ops)))
        return false;
    if (key_ops && !json_is_array(key_ops) && !json_is_null(key_ops))
        return bad(call, "key_ops: expected a list");
    if (exportable && !json_is_boolean(exportable) && !json_is_null(exportable))
        return bad(call, "attributes.exportable: expected true or false");
    wish->exportable = json_is_true(exportable);
    bool has_policy = policy && !json_is_null(policy);
    if (wish->exportable && !has_policy)
        return bad(call, "AKV.SKR.1004: Exportable keys must have release policy.");
    if (!wish->exportable && has_policy)
        return bad(call, "AKV.SKR.1005: Non-exportable keys must not have release policy.");
    if (wish->exportable && !strstr(wish->kty, "-HSM") && !call->settings->hsm &&
        !call->settings->insecure_release_software)
        return bad(call, "AKV.SKR.1006: Exportable keys must be HSM keys: expected kty of RSA-HSM "
                         "or EC-HSM.");
    if (!place(call, wish)) return false;
    return !has_policy || (wish->policy = cella_key_policy_read(call, policy)) != NULL;
}
