#include "fetch/wrap.h"

#include <openssl/core_names.h>
#include <openssl/rsa.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"
#include "crypto/jose.h"
#include "crypto/openssl.h"

enum { RSA_BITS = 2048, RSA_SIZE = RSA_BITS / 8, KEK_SIZE = 32, NUMBER_MAX = 512, ROOM = 16 };

static void free_context(EVP_PKEY_CTX **context) { EVP_PKEY_CTX_free(*context); }
static void free_cipher(EVP_CIPHER_CTX **context) { EVP_CIPHER_CTX_free(*context); }
static void free_number(BIGNUM **number) { BN_free(*number); }

CELLA_RESULT cella_wrap_key_new(EVP_PKEY **out) {
    *out = EVP_RSA_gen(RSA_BITS);
    ENSURE(*out, CELLA_ERR_INTERNAL, NULL, "cannot make an RSA key: %s", cella_openssl_reason());
    return CELLA_SUCCESS;
}

static CELLA_RESULT number(const EVP_PKEY *key, const char *name, struct cella_buffer *out) {
    __attribute__((cleanup(free_number))) BIGNUM *value = NULL;
    uint8_t bytes[NUMBER_MAX];
    OPENSSL(EVP_PKEY_get_bn_param(key, name, &value), "read an RSA key");
    int size = BN_bn2bin(value, bytes);
    return cella_base64_encode(cella_bytes(bytes, (size_t)size), true, out);
}

CELLA_RESULT cella_wrap_key_set(const EVP_PKEY *key, json_t **out) {
    CELLA_BUFFER n = {0}, e = {0};
    TRY(number(key, OSSL_PKEY_PARAM_RSA_N, &n));
    TRY(number(key, OSSL_PKEY_PARAM_RSA_E, &e));
    *out = json_pack("{s:[{s:s, s:s, s:s, s:[s], s:s%, s:s%}]}", "keys", "kid", "fetch", "kty",
                     "RSA", "use", "enc", "key_ops", "encrypt", "n", (const char *)n.data, n.size,
                     "e", (const char *)e.data, e.size);
    ENSURE(*out, CELLA_ERR_MEMORY, NULL, "no memory for a key set");
    return CELLA_SUCCESS;
}

/* --- Opening --- */

/* A JSON object in base64url. */
static CELLA_RESULT object_of(struct cella_bytes text, const char *what, json_t **out) {
    CELLA_BUFFER json = {0};
    *out = NULL;
    TRY_IN(cella_base64_decode(text, true, &json), "%s", what);
    return cella_json_object(cella_buffer_bytes(&json), what, out);
}

/* Names are found in any case; a URL without a version means the newest. */
static bool about(const char *kid, const char *url) {
    size_t size = strlen(url);
    return kid && strncasecmp(kid, url, size) == 0 && (kid[size] == 0 || kid[size] == '/');
}

/* The ciphertext of the one answer that fits: header.PAYLOAD.signature, whose signer TLS has proven
 * to be the vault. */
static CELLA_RESULT take_ciphertext(const char *jws, const char *url, struct cella_buffer *out) {
    const char *first = strchr(jws, '.'), *second = first ? strchr(first + 1, '.') : NULL;
    CELLA_JSON payload = NULL;
    CELLA_JSON envelope = NULL;
    ENSURE(second, CELLA_ERR_FORMAT, NULL, "release: the answer is no token");
    TRY(object_of(cella_bytes((const uint8_t *)first + 1, (size_t)(second - first - 1)), "release",
                  &payload));
    const json_t *key =
        json_object_get(json_object_get(json_object_get(payload, "response"), "key"), "key");
    const char *kid = json_string_value(json_object_get(key, "kid"));
    const char *hsm = json_string_value(json_object_get(key, "key_hsm"));
    ENSURE(hsm && about(kid, url), CELLA_ERR_INTEGRITY, NULL,
           "release: asked for the key %.200s, the answer is about %.200s", url,
           kid ? kid : "no key");
    TRY(object_of(cella_bytes_text(hsm), "key_hsm", &envelope));
    const char *text = json_string_value(json_object_get(envelope, "ciphertext"));
    ENSURE(text, CELLA_ERR_FORMAT, NULL, "key_hsm: no ciphertext");
    return cella_base64_decode(cella_bytes_text(text), true, out);
}

static CELLA_RESULT rsa_open(EVP_PKEY *key, struct cella_bytes cipher, uint8_t kek[RSA_SIZE]) {
    __attribute__((cleanup(free_context))) EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(key, NULL);
    size_t size = RSA_SIZE;
    ENSURE(context && EVP_PKEY_decrypt_init(context) == 1 &&
               EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_OAEP_PADDING) == 1 &&
               EVP_PKEY_CTX_set_rsa_oaep_md(context, EVP_sha256()) == 1 &&
               EVP_PKEY_CTX_set_rsa_mgf1_md(context, EVP_sha256()) == 1 &&
               EVP_PKEY_decrypt(context, kek, &size, cipher.data, cipher.size) == 1 &&
               size == KEK_SIZE,
           CELLA_ERR_INTEGRITY, NULL, "release: not encrypted to this enclave's key");
    return CELLA_SUCCESS;
}

static CELLA_RESULT aes_open(const uint8_t kek[KEK_SIZE], struct cella_bytes cipher,
                             struct cella_secret *out) {
    __attribute__((cleanup(free_cipher))) EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    CELLA_SECRET room = {0};
    int size = 0;
    TRY(cella_secret_new(cipher.size + ROOM, &room));
    if (context) EVP_CIPHER_CTX_set_flags(context, EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
    ENSURE(context && EVP_DecryptInit_ex(context, EVP_aes_256_wrap_pad(), NULL, kek, NULL) == 1 &&
               EVP_DecryptUpdate(context, room.data, &size, cipher.data, (int)cipher.size) == 1 &&
               size > 0,
           CELLA_ERR_INTEGRITY, NULL, "release: the wrapped key was changed");
    return cella_secret_from(cella_bytes(room.data, (size_t)size), out);
}

CELLA_RESULT cella_wrap_open(EVP_PKEY *key, const char *jws, const char *url,
                             struct cella_secret *out) {
    CELLA_BUFFER cipher = {0};
    CELLA_SECRET kek = {0};
    TRY(take_ciphertext(jws, url, &cipher));
    ENSURE(cipher.size > RSA_SIZE && cipher.size <= 65536, CELLA_ERR_FORMAT, NULL,
           "release: a ciphertext of %zu bytes", cipher.size);
    TRY(cella_secret_new(RSA_SIZE, &kek));
    TRY(rsa_open(key, cella_bytes(cipher.data, RSA_SIZE), kek.data));
    return aes_open(kek.data, cella_bytes(cipher.data + RSA_SIZE, cipher.size - RSA_SIZE), out);
}
