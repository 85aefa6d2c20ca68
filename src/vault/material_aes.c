/* AES: GCM, CBC with and without padding, key wrap (SP 800-38D, 38A, 38F; RFC 3394, 5649). */
#include <openssl/err.h>

#include "base/memory.h"
#include "crypto/digest.h"
#include "vault/material_inner.h"

enum { GCM_IV = 12, GCM_TAG = 16, BLOCK = 16, ROOM = 2 * BLOCK };

static void free_cipher(EVP_CIPHER_CTX **context) { EVP_CIPHER_CTX_free(*context); }
#define CIPHER __attribute__((cleanup(free_cipher))) EVP_CIPHER_CTX *

static const EVP_CIPHER *cipher_of(enum cella_scheme scheme, unsigned bits) {
    int size = bits == 128 ? 0 : bits == 192 ? 1 : 2;
    switch (scheme) {
    case CELLA_SCHEME_GCM:
        return (const EVP_CIPHER *[]){EVP_aes_128_gcm(), EVP_aes_192_gcm(),
                                      EVP_aes_256_gcm()}[size];
    case CELLA_SCHEME_KW:
        return (const EVP_CIPHER *[]){EVP_aes_128_wrap(), EVP_aes_192_wrap(),
                                      EVP_aes_256_wrap()}[size];
    case CELLA_SCHEME_KWP:
        return (const EVP_CIPHER *[]){EVP_aes_128_wrap_pad(), EVP_aes_192_wrap_pad(),
                                      EVP_aes_256_wrap_pad()}[size];
    default:
        return (const EVP_CIPHER *[]){EVP_aes_128_cbc(), EVP_aes_192_cbc(),
                                      EVP_aes_256_cbc()}[size];
    }
}

/* Sizes of what comes in: what they say wrong of is no secret. */
CELLA_RESULT cella_check_aes(const struct cella_algorithm *algorithm, bool decrypt,
                             const struct cella_operands *operands) {
    size_t size = operands->value.size, iv = operands->iv.size;
    const char *name = algorithm->name;
    switch (algorithm->scheme) {
    case CELLA_SCHEME_GCM:
        if (!decrypt) /* K08: a nonce of the caller's could repeat */
            ENSURE(iv == 0, CELLA_ERR_USAGE, NULL, "%s: iv is made by the service; send none",
                   name);
        else
            ENSURE(iv == GCM_IV && operands->tag.size == GCM_TAG, CELLA_ERR_USAGE, NULL,
                   "%s: expected an iv of %d bytes and a tag of %d", name, GCM_IV, GCM_TAG);
        break;
    case CELLA_SCHEME_CBC:
    case CELLA_SCHEME_CBCPAD:
        ENSURE(iv == BLOCK, CELLA_ERR_USAGE, NULL, "%s: expected an iv of %d bytes, found %zu",
               name, BLOCK, iv);
        ENSURE((!decrypt && algorithm->scheme == CELLA_SCHEME_CBCPAD) ||
                   (size > 0 && size % BLOCK == 0),
               CELLA_ERR_USAGE, NULL, "%s: expected a multiple of %d bytes, found %zu", name, BLOCK,
               size);
        break;
    case CELLA_SCHEME_KW:
        ENSURE(size % 8 == 0 && size >= (decrypt ? 24U : 16U), CELLA_ERR_USAGE, NULL,
               "%s: expected a multiple of 8 bytes, %u or more, found %zu", name,
               decrypt ? 24U : 16U, size);
        break;
    default:
        ENSURE(size > 0 && (!decrypt || (size % 8 == 0 && size >= 16)), CELLA_ERR_USAGE, NULL,
               "%s: a wrong size of %zu bytes", name, size);
    }
    return CELLA_SUCCESS;
}

static bool start(EVP_CIPHER_CTX *context, const struct cella_material *material,
                  const struct cella_algorithm *algorithm, bool decrypt, const uint8_t *iv) {
    EVP_CIPHER_CTX_set_flags(context, EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
    return EVP_CipherInit_ex(context, cipher_of(algorithm->scheme, material->bits), NULL,
                             material->oct.data, iv, decrypt ? 0 : 1) == 1 &&
           EVP_CIPHER_CTX_set_padding(context, algorithm->scheme == CELLA_SCHEME_CBCPAD) == 1;
}

static bool run(EVP_CIPHER_CTX *context, bool gcm, bool decrypt,
                const struct cella_operands *operands, struct cella_product *out, int *size) {
    int last = 0, ignored = 0;
    if (gcm && operands->aad.size &&
        EVP_CipherUpdate(context, NULL, &ignored, operands->aad.data, (int)operands->aad.size) != 1)
        return false;
    if (gcm && decrypt &&
        EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, GCM_TAG, (void *)operands->tag.data) !=
            1)
        return false;
    *size = 0;
    if (operands->value.size && EVP_CipherUpdate(context, out->value, size, operands->value.data,
                                                 (int)operands->value.size) != 1)
        return false;
    if (EVP_CipherFinal_ex(context, out->value + *size, &last) != 1) return false;
    *size += last;
    return !gcm || decrypt ||
           EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, GCM_TAG, out->tag) == 1;
}

CELLA_RESULT cella_use_aes(const struct cella_material *material,
                           const struct cella_algorithm *algorithm, bool decrypt,
                           const struct cella_operands *operands, struct cella_product *out) {
    CIPHER context = EVP_CIPHER_CTX_new();
    bool gcm = algorithm->scheme == CELLA_SCHEME_GCM;
    bool wraps = algorithm->scheme >= CELLA_SCHEME_KW;
    const uint8_t *iv = wraps ? NULL : operands->iv.data;
    int size = 0;
    TRY(cella_check_aes(algorithm, decrypt, operands));
    TRY(cella_product_room(out, operands->value.size + ROOM));
    ENSURE(context, CELLA_ERR_MEMORY, NULL, "no memory for a cipher");
    if (gcm && !decrypt) {
        TRY(cella_random(out->iv, GCM_IV));
        out->iv_size = GCM_IV;
        out->tag_size = GCM_TAG;
        iv = out->iv;
    }
    bool good = start(context, material, algorithm, decrypt, iv) &&
                run(context, gcm, decrypt, operands, out, &size);
    ERR_clear_error();
    if (!good) {
        cella_product_free(out);
        if (decrypt) return CELLA_NOT_DECRYPTED;
        FAIL(CELLA_ERR_INTERNAL, NULL, "cannot encrypt");
    }
    out->size = (size_t)size;
    return CELLA_SUCCESS;
}
