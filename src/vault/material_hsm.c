/* Resident keys used in their HSM. The token does what needs the key and no more: padding is taken
 * off here, in constant time, so that neither its answers nor its time tell of it (K06, K08), and
 * an error of the token's is one of its own. */
#define OPENSSL_SUPPRESS_DEPRECATED /* OAEP off a block that EVP did not decrypt */
#include <openssl/err.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "base/memory.h"
#include "crypto/digest.h"
#include "vault/material_inner.h"

enum { RSA_SIZE_MAX = 512, BLOCK = 16, GCM_IV = 12, GCM_TAG = 16, ROOM = 64, PREFIX = 32 };

static CELLA_RESULT run(const struct cella_material *material,
                        const struct cella_operands *operands, const struct cella_hsm_use *how,
                        struct cella_bytes in, struct cella_product *out) {
    ENSURE(operands->hsm, CELLA_ERR_UNAVAILABLE, "set hsm_keys of the vault again",
           "the key lives in an HSM, and the vault's configuration names none");
    TRY(cella_product_room(out, in.size + RSA_SIZE_MAX + ROOM));
    struct cella_result result =
        cella_hsm_use(operands->hsm, material->id, how, in, out->value, out->capacity, &out->size);
    if (cella_failed(result)) cella_product_free(out);
    if (cella_code_of(result) != CELLA_ERR_NOT_FOUND) return result;
    cella_result_drop(result); /* 404 would say that the vault does not have it */
    FAIL(CELLA_ERR_INTERNAL, "restore the HSM from its backup",
         "a key of the vault is not in its HSM any more");
}

/* --- Signing --- */

/* DigestInfo (RFC 8017, 9.2). */
static CELLA_RESULT digest_info(const struct cella_algorithm *algorithm, struct cella_bytes digest,
                                uint8_t *out, size_t *size) {
    X509_SIG *sig = X509_SIG_new();
    X509_ALGOR *as = NULL;
    ASN1_OCTET_STRING *value = NULL;
    if (sig) X509_SIG_getm(sig, &as, &value);
    bool good =
        sig &&
        X509_ALGOR_set0(as, OBJ_nid2obj(OBJ_txt2nid(algorithm->digest)), V_ASN1_NULL, NULL) == 1 &&
        ASN1_OCTET_STRING_set(value, digest.data, (int)digest.size) == 1;
    int length = good ? i2d_X509_SIG(sig, NULL) : -1;
    good = length > 0 && (size_t)length <= digest.size + PREFIX && i2d_X509_SIG(sig, &out) > 0;
    X509_SIG_free(sig);
    ENSURE(good, CELLA_ERR_INTERNAL, NULL, "cannot write a digest");
    *size = (size_t)length;
    return CELLA_SUCCESS;
}

static CELLA_RESULT sign(const struct cella_material *material,
                         const struct cella_algorithm *algorithm,
                         const struct cella_operands *operands, struct cella_product *out) {
    uint8_t info[EVP_MAX_MD_SIZE + PREFIX];
    struct cella_bytes value = operands->value;
    struct cella_hsm_use how = {.scheme = CELLA_HSM_PKCS1, .digest_size = algorithm->digest_size};
    size_t size = 0;
    TRY(cella_check_signed(material, algorithm, value));
    switch (algorithm->scheme) {
    case CELLA_SCHEME_PSS: how.scheme = CELLA_HSM_PSS; break;
    case CELLA_SCHEME_ECDSA: how.scheme = CELLA_HSM_ECDSA; break;
    case CELLA_SCHEME_HMAC:
        FAIL(CELLA_ERR_UNSUPPORTED, NULL,
             "%s: symmetric keys in this vault's HSM are AES keys, which sign nothing",
             algorithm->name);
    case CELLA_SCHEME_PKCS1:
        TRY(digest_info(algorithm, value, info, &size));
        value = cella_bytes(info, size);
        break;
    default: break;
    }
    return run(material, operands, &how, value, out);
}

/* --- RSA --- */

static CELLA_RESULT unpad_oaep(const struct cella_material *material,
                               const struct cella_algorithm *algorithm, const uint8_t *block,
                               struct cella_product *out) {
    const EVP_MD *digest = EVP_get_digestbyname(algorithm->digest);
    int k = (int)material->bits / 8;
    TRY(cella_product_room(out, (size_t)k));
    int size =
        RSA_padding_check_PKCS1_OAEP_mgf1(out->value, k, block, k, k, NULL, 0, digest, digest);
    ERR_clear_error();
    out->size = size >= 0 ? (size_t)size : 0;
    if (size >= 0) return CELLA_SUCCESS;
    cella_product_free(out);
    return CELLA_NOT_DECRYPTED;
}

static CELLA_RESULT unpad(const struct cella_material *material,
                          const struct cella_algorithm *algorithm, struct cella_bytes cipher,
                          const struct cella_product *raw, struct cella_product *out) {
    uint8_t block[RSA_SIZE_MAX] = {0};
    size_t k = material->bits / 8;
    ENSURE(raw->size > 0 && raw->size <= k, CELLA_ERR_INTERNAL, NULL,
           "the HSM gave a block of %zu bytes", raw->size);
    cella_copy(block + k - raw->size, raw->value, raw->size);
    struct cella_result result = algorithm->scheme == CELLA_SCHEME_RSA1_5
                                     ? cella_unpad_v15(material, cipher, block, out)
                                     : unpad_oaep(material, algorithm, block, out);
    cella_wipe(block, sizeof(block));
    return result;
}

static CELLA_RESULT decrypt_rsa(const struct cella_material *material,
                                const struct cella_algorithm *algorithm,
                                const struct cella_operands *operands, struct cella_product *out) {
    const struct cella_hsm_use raw = {.scheme = CELLA_HSM_RSA_RAW, .back = true};
    const struct cella_hsm_use oaep = {
        .scheme = CELLA_HSM_OAEP, .back = true, .digest_size = algorithm->digest_size};
    CELLA_PRODUCT block = {0};
    TRY(cella_check_rsa(material, algorithm, operands->value));
    struct cella_result result = run(material, operands, &raw, operands->value, &block);
    bool lacks = cella_code_of(result) == CELLA_ERR_UNSUPPORTED;
    if (!lacks) {
        TRY(result);
        return unpad(material, algorithm, operands->value, &block, out);
    }
    cella_result_drop(result);
    ENSURE(algorithm->scheme == CELLA_SCHEME_OAEP, CELLA_ERR_UNSUPPORTED, NULL,
           "%s: this vault's HSM lacks CKM_RSA_X_509, without which its errors would tell of the "
           "padding; use RSA-OAEP",
           algorithm->name);
    return run(material, operands, &oaep, operands->value, out);
}

/* --- AES --- */

static CELLA_RESULT use_gcm(const struct cella_material *material,
                            const struct cella_operands *operands, struct cella_hsm_use *how,
                            struct cella_product *out) {
    struct cella_bytes in = operands->value;
    CELLA_BUFFER joined = {0}; /* the token's form: the tag behind the ciphertext */
    uint8_t iv[GCM_IV];
    if (how->back) {
        TRY(cella_buffer_append(&joined, in));
        TRY(cella_buffer_append(&joined, operands->tag));
        return run(material, operands, how, cella_buffer_bytes(&joined), out);
    }
    TRY(cella_random(iv, sizeof(iv))); /* K08 */
    how->iv = CELLA_BYTES_OF(iv);
    TRY(run(material, operands, how, in, out));
    ENSURE(out->size == in.size + GCM_TAG, CELLA_ERR_INTERNAL, NULL,
           "the HSM gave %zu bytes of AES-GCM", out->size);
    out->size -= GCM_TAG;
    cella_copy(out->tag, out->value + out->size, GCM_TAG);
    cella_copy(out->iv, iv, GCM_IV);
    out->tag_size = GCM_TAG;
    out->iv_size = GCM_IV;
    return CELLA_SUCCESS;
}

/* Padding of PKCS #7 off whole blocks; its time does not depend on them. */
static bool unpad_blocks(struct cella_product *out) {
    const uint8_t *last = out->value + out->size - BLOCK;
    uint32_t count = last[BLOCK - 1], wrong = (count - 1) & ~(uint32_t)(BLOCK - 1);
    for (uint32_t i = 0; i < BLOCK; i++) {
        uint32_t within = 0U - ((i - count) >> 31); /* all ones when i < count */
        wrong |= within & (last[BLOCK - 1 - i] ^ count);
    }
    if (wrong) return false;
    out->size -= count;
    return true;
}

static CELLA_RESULT use_cbc(const struct cella_material *material, bool pads,
                            const struct cella_operands *operands, const struct cella_hsm_use *how,
                            struct cella_product *out) {
    CELLA_SECRET padded = {0};
    size_t size = operands->value.size, fill = BLOCK - size % BLOCK;
    if (!pads || how->back) TRY(run(material, operands, how, operands->value, out));
    if (!pads) return CELLA_SUCCESS;
    if (how->back) {
        bool good = out->size >= BLOCK && out->size % BLOCK == 0 && unpad_blocks(out);
        if (good) return CELLA_SUCCESS;
        cella_product_free(out);
        return CELLA_NOT_DECRYPTED;
    }
    TRY(cella_secret_new(size + fill, &padded));
    cella_copy(padded.data, operands->value.data, size);
    for (size_t i = 0; i < fill; i++) padded.data[size + i] = (uint8_t)fill;
    return run(material, operands, how, cella_secret_bytes(&padded), out);
}

static CELLA_RESULT use_aes(const struct cella_material *material,
                            const struct cella_algorithm *algorithm, bool back,
                            const struct cella_operands *operands, struct cella_product *out) {
    struct cella_hsm_use how = {.back = back, .iv = operands->iv, .aad = operands->aad};
    TRY(cella_check_aes(algorithm, back, operands));
    switch (algorithm->scheme) {
    case CELLA_SCHEME_GCM:
        how.scheme = CELLA_HSM_GCM;
        return use_gcm(material, operands, &how, out);
    case CELLA_SCHEME_KW: how.scheme = CELLA_HSM_KW; break;
    case CELLA_SCHEME_KWP: how.scheme = CELLA_HSM_KWP; break;
    default:
        how.scheme = CELLA_HSM_CBC;
        return use_cbc(material, algorithm->scheme == CELLA_SCHEME_CBCPAD, operands, &how, out);
    }
    return run(material, operands, &how, operands->value, out);
}

CELLA_RESULT cella_use_hsm(const struct cella_material *material,
                           const struct cella_algorithm *algorithm, enum cella_operation operation,
                           const struct cella_operands *operands, struct cella_product *out) {
    bool back = operation == CELLA_OP_DECRYPT || operation == CELLA_OP_UNWRAP;
    if (algorithm->scheme >= CELLA_SCHEME_PKCS1) return sign(material, algorithm, operands, out);
    if (algorithm->kind == CELLA_MATERIAL_RSA)
        return decrypt_rsa(material, algorithm, operands, out);
    return use_aes(material, algorithm, back, operands, out);
}
