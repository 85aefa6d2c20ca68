#include "cli/key_import.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "cli/cli.h"
#include "seal/keyfile.h"

enum { FILE_MAX = 65536, NUMBER_MAX = 1024 };

static void free_number(BIGNUM **number) { BN_clear_free(*number); }
static void free_key(EVP_PKEY **key) { EVP_PKEY_free(*key); }

void cella_key_import_free(json_t **jwk) {
    const char *name;
    json_t *value;
    json_object_foreach(*jwk, name, value) if (json_is_string(value))
        cella_wipe((char *)(uintptr_t)json_string_value(value), json_string_length(value));
    json_decref(*jwk);
    *jwk = NULL;
}

static CELLA_RESULT put(json_t *jwk, const char *name, struct cella_bytes bytes) {
    CELLA_BUFFER text = {0};
    TRY(cella_base64_encode(bytes, true, &text));
    json_object_set_new(jwk, name, json_stringn((const char *)text.data, text.size));
    cella_wipe(text.data, text.size);
    return CELLA_SUCCESS;
}

/* size 0: as short as the number allows (RFC 7518, 6.3); else with zeros before it (6.2). */
static CELLA_RESULT put_number(json_t *jwk, const char *name, const EVP_PKEY *key,
                               const char *parameter, int size) {
    __attribute__((cleanup(free_number))) BIGNUM *number = NULL;
    uint8_t bytes[NUMBER_MAX];
    ENSURE(EVP_PKEY_get_bn_param(key, parameter, &number) == 1, CELLA_ERR_FORMAT, NULL,
           "the key has no %s", name);
    if (size == 0) size = BN_num_bytes(number);
    ENSURE(size <= NUMBER_MAX && BN_bn2binpad(number, bytes, size) == size, CELLA_ERR_LIMIT, NULL,
           "the key's %s is too long", name);
    struct cella_result result = put(jwk, name, cella_bytes(bytes, (size_t)size));
    cella_wipe(bytes, sizeof(bytes));
    return result;
}

static CELLA_RESULT put_rsa(json_t *jwk, const EVP_PKEY *key) {
    static const struct {
        const char *name, *parameter;
    } numbers[] = {{"n", OSSL_PKEY_PARAM_RSA_N},          {"e", OSSL_PKEY_PARAM_RSA_E},
                   {"d", OSSL_PKEY_PARAM_RSA_D},          {"p", OSSL_PKEY_PARAM_RSA_FACTOR1},
                   {"q", OSSL_PKEY_PARAM_RSA_FACTOR2},    {"dp", OSSL_PKEY_PARAM_RSA_EXPONENT1},
                   {"dq", OSSL_PKEY_PARAM_RSA_EXPONENT2}, {"qi", OSSL_PKEY_PARAM_RSA_COEFFICIENT1}};
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        TRY(put_number(jwk, numbers[i].name, key, numbers[i].parameter, 0));
    return CELLA_SUCCESS;
}

static CELLA_RESULT put_ec(json_t *jwk, const EVP_PKEY *key) {
    static const struct {
        const char *group, *curve;
        int size;
    } curves[] = {{"prime256v1", "P-256", 32},
                  {"secp256k1", "P-256K", 32},
                  {"secp384r1", "P-384", 48},
                  {"secp521r1", "P-521", 66}};
    char group[32] = "";
    EVP_PKEY_get_utf8_string_param(key, OSSL_PKEY_PARAM_GROUP_NAME, group, sizeof(group), NULL);
    for (size_t i = 0; i < sizeof(curves) / sizeof(curves[0]); i++) {
        if (strcmp(group, curves[i].group) != 0) continue;
        json_object_set_new(jwk, "crv", json_string(curves[i].curve));
        TRY(put_number(jwk, "x", key, OSSL_PKEY_PARAM_EC_PUB_X, curves[i].size));
        TRY(put_number(jwk, "y", key, OSSL_PKEY_PARAM_EC_PUB_Y, curves[i].size));
        return put_number(jwk, "d", key, OSSL_PKEY_PARAM_PRIV_KEY, curves[i].size);
    }
    FAIL(CELLA_ERR_UNSUPPORTED, NULL, "expected a key on P-256, P-256K, P-384 or P-521, found %s",
         group[0] ? group : "an unnamed curve");
}

static CELLA_RESULT read_pem(const char *path, struct cella_bytes text, json_t *jwk,
                             const char **kty) {
    BIO *bio = BIO_new_mem_buf(text.data, (int)text.size);
    __attribute__((cleanup(free_key))) EVP_PKEY *key =
        bio ? PEM_read_bio_PrivateKey(bio, NULL, NULL, (char *)(uintptr_t) "") : NULL;
    BIO_free(bio);
    ENSURE(key, CELLA_ERR_FORMAT, "decrypt it first with `openssl pkey`, if it has a passphrase",
           "%s: expected a data key of 64 hex digits, or a private key in PEM", path);
    bool rsa = EVP_PKEY_is_a(key, "RSA") == 1;
    ENSURE(rsa || EVP_PKEY_is_a(key, "EC") == 1, CELLA_ERR_UNSUPPORTED, NULL,
           "%s: expected a key of RSA or EC", path);
    *kty = rsa ? "RSA" : "EC";
    return rsa ? put_rsa(jwk, key) : put_ec(jwk, key);
}

CELLA_RESULT cella_key_import_read(const char *path, bool hsm, json_t **out) {
    __attribute__((cleanup(cella_key_import_free))) json_t *jwk = json_object();
    CELLA_BUFFER text = {0};
    CELLA_SECRET data = {0};
    const char *kty = "oct";
    char name[16];
    *out = NULL;
    TRY(cella_file_read(path, FILE_MAX, &text));
    bool pem = memmem(text.data, text.size, "-----BEGIN", 10) != NULL;
    struct cella_result result = CELLA_SUCCESS;
    if (pem) result = read_pem(path, cella_buffer_bytes(&text), jwk, &kty);
    cella_wipe(text.data, text.size);
    TRY(result);
    if (!pem) {
        TRY(cella_keyfile_read(path, &data));
        TRY(put(jwk, "k", cella_secret_bytes(&data)));
    }
    snprintf(name, sizeof(name), "%s%s", kty, hsm ? "-HSM" : "");
    ENSURE(json_object_set_new(jwk, "kty", json_string(name)) == 0, CELLA_ERR_MEMORY, NULL,
           "no memory for a key");
    *out = MOVE(jwk);
    return CELLA_SUCCESS;
}
