/* RSA encryption: OAEP, and PKCS #1 v1.5, which is kept for clients that ask for it and answers
 * nothing to who forges ciphertexts. */
#include <openssl/err.h>
#include <openssl/rsa.h>

#include "base/memory.h"
#include "crypto/digest.h"
#include "vault/material_inner.h"

enum { RSA_SIZE_MAX = 512, PADDING = 11, LENGTHS = 128, MAC = CELLA_SHA256_SIZE };

static void free_context(EVP_PKEY_CTX **context) { EVP_PKEY_CTX_free(*context); }
#define CONTEXT __attribute__((cleanup(free_context))) EVP_PKEY_CTX *

static bool set_padding(EVP_PKEY_CTX *context, const struct cella_algorithm *algorithm) {
    const EVP_MD *digest = algorithm->digest ? EVP_get_digestbyname(algorithm->digest) : NULL;
    if (!digest) return EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PADDING) == 1;
    return EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_OAEP_PADDING) == 1 &&
           EVP_PKEY_CTX_set_rsa_oaep_md(context, digest) == 1 &&
           EVP_PKEY_CTX_set_rsa_mgf1_md(context, digest) == 1;
}

static CELLA_RESULT encrypt(const struct cella_material *material,
                            const struct cella_algorithm *algorithm, struct cella_bytes value,
                            struct cella_product *out) {
    size_t k = material->bits / 8;
    size_t most = k - (algorithm->digest ? 2 * algorithm->digest_size + 2 : PADDING);
    CONTEXT context = EVP_PKEY_CTX_new(material->pkey, NULL);
    ENSURE(value.size <= most, CELLA_ERR_USAGE, NULL,
           "%s: expected at most %zu bytes under this key, found %zu", algorithm->name, most,
           value.size);
    TRY(cella_product_room(out, k));
    out->size = k;
    ENSURE(context && EVP_PKEY_encrypt_init(context) == 1 && set_padding(context, algorithm) &&
               EVP_PKEY_encrypt(context, out->value, &out->size, value.data, value.size) == 1,
           CELLA_ERR_INTERNAL, NULL, "cannot encrypt");
    return CELLA_SUCCESS;
}

/* --- PKCS #1 v1.5 with implicit rejection (draft-irtf-cfrg-rsa-guidance, as in OpenSSL 3.2) ---
 *
 * A ciphertext whose padding is wrong decrypts to bytes that depend on it and on the key alone, as
 * a random message would: there is nothing to tell Bleichenbacher's forgeries by, in answer or time
 * (K06). Debian 12's OpenSSL does not do it by itself. */

static CELLA_RESULT stretch(const uint8_t key[MAC], const char *label, uint8_t *out, size_t size) {
    uint8_t block[MAC], message[32];
    size_t label_size = __builtin_strlen(label);
    cella_copy(message + 2, label, label_size);
    message[2 + label_size] = (uint8_t)(size * 8 >> 8);
    message[3 + label_size] = (uint8_t)(size * 8);
    for (size_t done = 0, i = 0; done < size; done += MAC, i++) {
        message[0] = (uint8_t)(i >> 8);
        message[1] = (uint8_t)i;
        TRY(cella_hmac_sha256(cella_bytes(key, MAC), cella_bytes(message, label_size + 4), block));
        cella_copy(out + done, block, size - done < MAC ? size - done : MAC);
    }
    return CELLA_SUCCESS;
}

/* All ones when a < b, else 0; neither has its top bit. */
static uint32_t below(uint32_t a, uint32_t b) { return 0U - ((a - b) >> 31); }
static uint32_t zero(uint32_t a) { return below(a, 1); }
static uint32_t choose(uint32_t mask, uint32_t a, uint32_t b) { return (mask & a) | (~mask & b); }

/* The length that a rejected message gets: the last of 128 candidates that is short enough. */
static uint32_t rejected_length(const uint8_t *candidates, uint32_t most) {
    uint32_t length = 0, mask = most;
    for (int i = 1; i < 32; i *= 2) mask |= mask >> i;
    for (int i = 0; i < LENGTHS; i++) {
        uint32_t candidate = ((uint32_t)candidates[2 * i] << 8 | candidates[2 * i + 1]) & mask;
        length = choose(below(candidate, most + 1), candidate, length);
    }
    return length;
}

/* Where the message begins in a padded block, and whether the padding holds: without a branch on
 * its content. */
static uint32_t find_message(const uint8_t *block, uint32_t k, uint32_t *at) {
    uint32_t good = zero(block[0]) & zero(block[1] ^ 2U), found = 0, index = 0;
    for (uint32_t i = 2; i < k; i++) {
        uint32_t end = zero(block[i]) & ~found;
        index = choose(end, i, index);
        found |= end;
    }
    *at = index + 1;
    return good & found & ~below(index, 10); /* eight bytes of padding or more */
}

CELLA_RESULT cella_unpad_v15(const struct cella_material *material, struct cella_bytes cipher,
                             const uint8_t *block, struct cella_product *out) {
    uint8_t key[MAC], lengths[2 * LENGTHS], synthetic[RSA_SIZE_MAX], padded[RSA_SIZE_MAX] = {0};
    uint32_t k = material->bits / 8, at = 0;
    cella_copy(padded + k - cipher.size, cipher.data, cipher.size);
    TRY(cella_hmac_sha256(CELLA_BYTES_OF(material->rejection), cella_bytes(padded, k), key));
    TRY(stretch(key, "length", lengths, sizeof(lengths)));
    TRY(stretch(key, "message", synthetic, k));
    uint32_t good = find_message(block, k, &at);
    uint32_t length = choose(good, k - at, rejected_length(lengths, k - PADDING));
    uint32_t start = k - length; /* both messages end at k */
    for (uint32_t i = 0; i < k; i++) synthetic[i] = (uint8_t)choose(good, block[i], synthetic[i]);
    TRY(cella_product_room(out, k));
    out->size = length;
    cella_copy(out->value, synthetic + start, length);
    cella_wipe(synthetic, sizeof(synthetic));
    cella_wipe(key, sizeof(key));
    return CELLA_SUCCESS;
}

static CELLA_RESULT decrypt_v15(const struct cella_material *material, struct cella_bytes cipher,
                                struct cella_product *out) {
    CONTEXT context = EVP_PKEY_CTX_new(material->pkey, NULL);
    uint8_t block[RSA_SIZE_MAX];
    size_t size = sizeof(block);
    bool good = context && EVP_PKEY_decrypt_init(context) == 1 &&
                EVP_PKEY_CTX_set_rsa_padding(context, RSA_NO_PADDING) == 1 &&
                EVP_PKEY_decrypt(context, block, &size, cipher.data, cipher.size) == 1 &&
                size == material->bits / 8;
    ERR_clear_error();
    if (!good) return CELLA_NOT_DECRYPTED; /* a number of n or more: public */
    struct cella_result result = cella_unpad_v15(material, cipher, block, out);
    cella_wipe(block, sizeof(block));
    return result;
}

/* OpenSSL removes OAEP in constant time (Manger); what is left is to say no in one way. */
static CELLA_RESULT decrypt_oaep(const struct cella_material *material,
                                 const struct cella_algorithm *algorithm, struct cella_bytes cipher,
                                 struct cella_product *out) {
    CONTEXT context = EVP_PKEY_CTX_new(material->pkey, NULL);
    TRY(cella_product_room(out, material->bits / 8));
    out->size = out->capacity;
    bool good = context && EVP_PKEY_decrypt_init(context) == 1 && set_padding(context, algorithm) &&
                EVP_PKEY_decrypt(context, out->value, &out->size, cipher.data, cipher.size) == 1;
    ERR_clear_error();
    if (good) return CELLA_SUCCESS;
    cella_product_free(out);
    return CELLA_NOT_DECRYPTED;
}

CELLA_RESULT cella_check_rsa(const struct cella_material *material,
                             const struct cella_algorithm *algorithm, struct cella_bytes value) {
    ENSURE(value.size == material->bits / 8, CELLA_ERR_USAGE, NULL,
           "%s: expected %u bytes, as the key has, found %zu", algorithm->name, material->bits / 8,
           value.size);
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_use_rsa(const struct cella_material *material,
                           const struct cella_algorithm *algorithm, bool decrypt,
                           const struct cella_operands *operands, struct cella_product *out) {
    if (!decrypt) return encrypt(material, algorithm, operands->value, out);
    TRY(cella_check_rsa(material, algorithm, operands->value));
    if (algorithm->scheme == CELLA_SCHEME_RSA1_5)
        return decrypt_v15(material, operands->value, out);
    return decrypt_oaep(material, algorithm, operands->value, out);
}
