/* Cryptographic operations with keys (azure-keyvault 4), and random bytes. */
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "crypto/digest.h"
#include "crypto/jose.h"
#include "vault/change.h"
#include "vault/keys.h"
#include "vault/vault_inner.h"

enum { RANDOM_MAX = 128, OPERAND_MAX = 1 << 18 };

static const struct {
    const char *path, *op; /* of the path in lower case, and of key_ops */
    enum cella_operation operation;
    bool past; /* also outside the key's time: what is there must stay readable */
} uses[] = {
    {"encrypt", "encrypt", CELLA_OP_ENCRYPT, false},
    {"decrypt", "decrypt", CELLA_OP_DECRYPT, true},
    {"wrapkey", "wrapKey", CELLA_OP_WRAP, false},
    {"unwrapkey", "unwrapKey", CELLA_OP_UNWRAP, true},
    {"sign", "sign", CELLA_OP_SIGN, false},
    {"verify", "verify", CELLA_OP_VERIFY, true},
};

static bool forbidden(struct cella_vault_call *call, const char *inner, const char *op,
                      const char *what) {
    cella_vault_error(call, 403, "Forbidden", inner, "Operation %s is not %s", op, what);
    return false;
}

bool cella_key_usable(struct cella_vault_call *call, const struct cella_record *record,
                      const char *op) {
    const json_t *ops = json_object_get(record->public, "key_ops");
    int64_t now = (int64_t)call->now_unix;
    bool past = false, listed = strcmp(op, "release") == 0;
    for (size_t i = 0; i < sizeof(uses) / sizeof(uses[0]); i++)
        if (strcmp(op, uses[i].op) == 0) past = uses[i].past;
    for (size_t i = 0; i < json_array_size(ops); i++)
        listed = listed || strcmp(json_string_value(json_array_get(ops, i)), op) == 0;
    if (!record->enabled) return forbidden(call, "KeyDisabled", op, "allowed on a disabled key.");
    if (!past && record->not_before >= 0 && now < record->not_before)
        return forbidden(call, "KeyNotYetValid", op, "allowed on a key that is not yet valid.");
    if (!past && record->expires >= 0 && now >= record->expires)
        return forbidden(call, "KeyExpired", op, "allowed on an expired key.");
    return listed || forbidden(call, "KeyOperationForbidden", op, "permitted on this key.");
}

/* --- Operands --- */

struct inputs { /* owned; what is encrypted and wrapped is secret, so they are wiped */
    struct cella_buffer value, iv, aad, tag, digest;
};

static void wipe_inputs(struct inputs *inputs) {
    struct cella_buffer *all[] = {&inputs->value, &inputs->iv, &inputs->aad, &inputs->tag,
                                  &inputs->digest};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        if (all[i]->data) cella_wipe(all[i]->data, all[i]->capacity);
        cella_buffer_free(all[i]);
    }
}

static bool take(struct cella_vault_call *call, const json_t *body, const char *name, bool needed,
                 struct cella_buffer *out) {
    const json_t *value = json_object_get(body, name);
    struct cella_bytes text = cella_bytes(json_string_value(value), json_string_length(value));
    if ((!value || json_is_null(value)) && !needed) return true;
    bool good = json_is_string(value) && text.size <= OPERAND_MAX;
    struct cella_result result = good ? cella_base64_decode(text, true, out) : CELLA_SUCCESS;
    good = good && !cella_failed(result);
    cella_result_drop(result);
    if (good) return true;
    cella_vault_error(call, 400, "BadParameter", NULL, "Property %s has invalid value\r\n", name);
    return false;
}

static bool take_all(struct cella_vault_call *call, const json_t *body, bool verify,
                     struct inputs *inputs, struct cella_operands *operands) {
    const json_t *alg = json_object_get(body, "alg");
    if (!json_is_string(alg)) {
        cella_vault_error(call, 400, "BadParameter", NULL,
                          "alg: expected the name of an algorithm");
        return false;
    }
    if (!take(call, body, "value", true, &inputs->value) ||
        !take(call, body, "digest", verify, &inputs->digest) ||
        !take(call, body, "iv", false, &inputs->iv) ||
        !take(call, body, "aad", false, &inputs->aad) ||
        !take(call, body, "tag", false, &inputs->tag))
        return false;
    struct cella_bytes value = cella_buffer_bytes(&inputs->value);
    *operands =
        (struct cella_operands){.algorithm = json_string_value(alg),
                                .value = verify ? cella_buffer_bytes(&inputs->digest) : value,
                                .signature = verify ? value : cella_bytes(NULL, 0),
                                .iv = cella_buffer_bytes(&inputs->iv),
                                .aad = cella_buffer_bytes(&inputs->aad),
                                .tag = cella_buffer_bytes(&inputs->tag)};
    return true;
}

/* --- Results --- */

static bool add_bytes(json_t *object, const char *name, struct cella_bytes bytes) {
    CELLA_BUFFER text = {0};
    struct cella_result result = cella_base64_encode(bytes, true, &text);
    bool good =
        !cella_failed(result) &&
        json_object_set_new(object, name, json_stringn((const char *)text.data, text.size)) == 0;
    if (text.data) cella_wipe(text.data, text.capacity);
    cella_result_drop(result);
    return good;
}

static void answer(struct cella_vault_call *call, const char *id, bool verify,
                   const struct cella_operands *operands, const struct cella_product *product) {
    CELLA_JSON body =
        verify ? json_pack("{s:b}", "value", product->valid) : json_pack("{s:s}", "kid", id);
    bool good = body != NULL;
    if (good && !verify)
        good = add_bytes(body, "value", cella_bytes(product->value, product->size));
    if (good && product->iv_size)
        good = add_bytes(body, "iv", cella_bytes(product->iv, product->iv_size)) &&
               add_bytes(body, "tag", cella_bytes(product->tag, product->tag_size)) &&
               (!operands->aad.size || add_bytes(body, "aad", operands->aad));
    cella_vault_json(call, 200, good ? body : NULL);
}

/* --- The operation --- */

/* opened: whether the key itself was there to be used, so that what fails is what was asked. */
static CELLA_RESULT run(struct cella_vault_call *call, const struct cella_record *record,
                        enum cella_operation operation, const struct cella_operands *operands,
                        struct cella_product *product, bool *opened) {
    struct cella_keyring *ring = call->vault->service->keyring;
    struct cella_material *material = NULL;
    *opened = false;
    TRY(cella_keyring_take(ring, call->settings->name, record, &material));
    *opened = true;
    struct cella_operands there = *operands;
    there.hsm = call->vault->hsm;
    struct cella_result result = cella_material_use(material, operation, &there, product);
    cella_keyring_drop(ring, &material);
    return result;
}

/* K06: whatever did not decrypt, one answer. */
static void refuse(struct cella_vault_call *call, struct cella_result result, bool opened) {
    if (!opened || cella_code_of(result) != CELLA_ERR_INTEGRITY) {
        cella_vault_failure(call, CELLA_RECORD_KEY, result);
        return;
    }
    cella_result_drop(result);
    cella_vault_error(call, 400, "BadParameter", NULL, "The parameter is incorrect.\r\n");
}

void cella_key_use(struct cella_vault_call *call) {
    CELLA_SESSION session = NULL;
    CELLA_RECORD record = {0};
    __attribute__((cleanup(wipe_inputs))) struct inputs inputs = {0};
    CELLA_PRODUCT product = {0};
    struct cella_operands operands;
    char id[512];
    size_t use = 0;
    bool opened = false;
    CELLA_JSON body = cella_vault_body(call);
    while (use < sizeof(uses) / sizeof(uses[0]) && strcmp(call->operation, uses[use].path) != 0)
        use++;
    bool verify = uses[use].operation == CELLA_OP_VERIFY;
    if (!body || !take_all(call, body, verify, &inputs, &operands) ||
        !cella_vault_begin(call, false, &session) ||
        !cella_vault_find(call, session, CELLA_RECORD_KEY, false, true, &record) ||
        !cella_key_usable(call, &record, uses[use].op))
        return;
    cella_session_end(&session);
    cella_vault_id(call, &record, true, id);
    struct cella_result result =
        run(call, &record, uses[use].operation, &operands, &product, &opened);
    if (!cella_vault_audit(call, uses[use].op, id, cella_failed(result) ? "failed" : "ok", NULL)) {
        cella_result_drop(result);
        return;
    }
    if (cella_failed(result))
        refuse(call, result, opened);
    else
        answer(call, id, verify, &operands, &product);
}

void cella_vault_random(struct cella_vault_call *call) {
    CELLA_JSON body = cella_vault_body(call);
    const json_t *count = json_object_get(body, "count");
    json_int_t size = json_integer_value(count);
    uint8_t bytes[RANDOM_MAX];
    if (!body) return;
    if (!json_is_integer(count) || size < 1 || size > RANDOM_MAX) {
        cella_vault_error(call, 400, "BadParameter", NULL, "count: expected 1 to %d", RANDOM_MAX);
        return;
    }
    struct cella_result result = cella_random(bytes, (size_t)size);
    if (cella_failed(result)) {
        cella_vault_failure(call, CELLA_RECORD_KEY, result);
        return;
    }
    CELLA_JSON out = json_object();
    bool good = out && add_bytes(out, "value", cella_bytes(bytes, (size_t)size));
    cella_vault_json(call, 200, good ? out : NULL);
    cella_wipe(bytes, sizeof(bytes));
}
