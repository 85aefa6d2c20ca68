#include "crypto/transport.h"

#include <limits.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "base/secret.h"
#include "crypto/digest.h"
#include "crypto/openssl.h"

enum { KEY_SIZE = 32, RSA_BITS_MIN = 2048 };

void cella_transport_free(struct cella_transport *transport) {
    cella_buffer_free(&transport->wrapped_key);
    cella_buffer_free(&transport->ciphertext);
}

static struct cella_result wrap_with(EVP_PKEY_CTX *ctx, struct cella_bytes key,
                                     struct cella_buffer *out) {
    size_t size = 0;
    uint8_t *to = NULL;
    OPENSSL(EVP_PKEY_encrypt_init(ctx), "prepare RSA encryption");
    OPENSSL(EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING), "choose the padding");
    OPENSSL(EVP_PKEY_encrypt(ctx, NULL, &size, key.data, key.size), "size a wrapped key");
    TRY(cella_buffer_extend(out, size, &to));
    OPENSSL(EVP_PKEY_encrypt(ctx, to, &size, key.data, key.size), "wrap a key");
    out->size = size;
    return CELLA_SUCCESS;
}

static struct cella_result wrap(struct cella_bytes spki, struct cella_bytes key,
                                struct cella_buffer *out) {
    const uint8_t *at = spki.data;
    EVP_PKEY *pkey = spki.size <= LONG_MAX ? d2i_PUBKEY(NULL, &at, (long)spki.size) : NULL;
    bool fits = pkey && EVP_PKEY_get_base_id(pkey) == EVP_PKEY_RSA &&
                EVP_PKEY_get_bits(pkey) >= RSA_BITS_MIN;
    EVP_PKEY_CTX *ctx = fits ? EVP_PKEY_CTX_new(pkey, NULL) : NULL;
    struct cella_result r =
        !fits
            ? CELLA_FAILURE(CELLA_ERR_UNSUPPORTED, NULL,
                            "transport key: expected an RSA key of at least %d bits", RSA_BITS_MIN)
        : !ctx ? CELLA_FAILURE(CELLA_ERR_MEMORY, NULL, "no memory to wrap a key")
               : wrap_with(ctx, key, out);
    ERR_clear_error();
    EVP_PKEY_CTX_free(ctx);
    EVP_PKEY_free(pkey);
    return r;
}

static struct cella_result encrypt_with(EVP_CIPHER_CTX *ctx, const uint8_t *key,
                                        struct cella_bytes associated, struct cella_bytes message,
                                        struct cella_transport *out) {
    uint8_t *to = NULL;
    int size = 0, tail = 0;
    ENSURE(message.size <= INT_MAX / 2 && associated.size <= INT_MAX / 2, CELLA_ERR_LIMIT, NULL,
           "a message of %zu bytes to encrypt", message.size);
    TRY(cella_buffer_extend(&out->ciphertext, message.size, &to));
    OPENSSL(EVP_EncryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, key, out->iv), "prepare AES-GCM");
    OPENSSL(EVP_EncryptUpdate(ctx, NULL, &size, associated.data, (int)associated.size),
            "authenticate");
    OPENSSL(EVP_EncryptUpdate(ctx, to, &size, message.data, (int)message.size), "encrypt");
    OPENSSL(EVP_EncryptFinal_ex(ctx, to + size, &tail), "encrypt");
    OPENSSL(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_GET_TAG, CELLA_TRANSPORT_TAG, out->tag),
            "take the tag");
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_transport_seal(struct cella_bytes spki, struct cella_bytes associated,
                                  struct cella_bytes message, struct cella_transport *out) {
    CELLA_SECRET key = {0};
    TRY(cella_secret_new(KEY_SIZE, &key));
    TRY(cella_random(key.data, key.size));
    TRY(cella_random(out->iv, sizeof(out->iv)));
    TRY(wrap(spki, cella_secret_bytes(&key), &out->wrapped_key));
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    ENSURE(ctx, CELLA_ERR_MEMORY, NULL, "no memory to encrypt");
    struct cella_result r = encrypt_with(ctx, key.data, associated, message, out);
    EVP_CIPHER_CTX_free(ctx);
    return r;
}
