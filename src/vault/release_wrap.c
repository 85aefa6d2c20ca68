/* key_hsm: the released key under a fresh AES key, and that under the RSA key of the token
 * (azure-keyvault 8.6; RFC 5649, RFC 8017). */
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "crypto/digest.h"
#include "vault/release.h"

enum { KEK_SIZE = 32, RSA_SIZE_MAX = 1024, WRAP_EXTRA = 16 };

static void free_context(EVP_PKEY_CTX **context) { EVP_PKEY_CTX_free(*context); }
static void free_cipher(EVP_CIPHER_CTX **context) { EVP_CIPHER_CTX_free(*context); }
#define OF(type, how) __attribute__((cleanup(how))) type *

static const struct {
    const char *name, *digest;
} wraps[] = {
    [CELLA_WRAP_SHA1] = {"CKM_RSA_AES_KEY_WRAP", "SHA1"},
    [CELLA_WRAP_SHA256] = {"RSA_AES_KEY_WRAP_256", "SHA256"},
    [CELLA_WRAP_SHA384] = {"RSA_AES_KEY_WRAP_384", "SHA384"},
};

const char *cella_release_wrap_name(enum cella_release_wrap wrap) { return wraps[wrap].name; }

bool cella_release_wrap_find(const char *name, enum cella_release_wrap *wrap) {
    for (size_t i = 0; i < sizeof(wraps) / sizeof(wraps[0]); i++)
        if (strcmp(name, wraps[i].name) == 0) {
            *wrap = (enum cella_release_wrap)i;
            return true;
        }
    return false;
}

static CELLA_RESULT rsa_encrypt(const json_t *jwk, const char *digest, struct cella_bytes key,
                                struct cella_buffer *out) {
    CELLA_JOSE_KEY public = NULL;
    uint8_t made[RSA_SIZE_MAX];
    size_t size = sizeof(made);
    TRY(cella_jose_key_jwk(jwk, &public));
    OF(EVP_PKEY_CTX, free_context) context = EVP_PKEY_CTX_new(cella_jose_key_pkey(public), NULL);
    const EVP_MD *hash = EVP_get_digestbyname(digest);
    ENSURE(context && hash && EVP_PKEY_encrypt_init(context) == 1 &&
               EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_OAEP_PADDING) == 1 &&
               EVP_PKEY_CTX_set_rsa_oaep_md(context, hash) == 1 &&
               EVP_PKEY_CTX_set_rsa_mgf1_md(context, hash) == 1 &&
               EVP_PKEY_encrypt(context, made, &size, key.data, key.size) == 1,
           CELLA_ERR_INTERNAL, NULL, "cannot encrypt to the token's key");
    return cella_buffer_append(out, cella_bytes(made, size));
}

static CELLA_RESULT aes_wrap(struct cella_bytes kek, struct cella_bytes plain,
                             struct cella_buffer *out) {
    OF(EVP_CIPHER_CTX, free_cipher) context = EVP_CIPHER_CTX_new();
    uint8_t *room = NULL;
    int size = 0, last = 0;
    size_t before = out->size;
    TRY(cella_buffer_extend(out, plain.size + WRAP_EXTRA, &room));
    if (context) EVP_CIPHER_CTX_set_flags(context, EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
    ENSURE(context &&
               EVP_EncryptInit_ex(context, EVP_aes_256_wrap_pad(), NULL, kek.data, NULL) == 1 &&
               EVP_EncryptUpdate(context, room, &size, plain.data, (int)plain.size) == 1 &&
               EVP_EncryptFinal_ex(context, room + size, &last) == 1,
           CELLA_ERR_INTERNAL, NULL, "cannot wrap the key");
    out->size = before + (size_t)(size + last);
    return CELLA_SUCCESS;
}

/* The envelope (8.6 steps 6 and 7). */
static CELLA_RESULT envelope(const json_t *jwk, const char *name, struct cella_bytes cipher,
                             struct cella_buffer *key_hsm) {
    CELLA_BUFFER text = {0};
    const char *kid = json_string_value(json_object_get(jwk, "kid"));
    TRY(cella_base64_encode(cipher, true, &text));
    CELLA_JSON object = json_pack("{s:s, s:{s:s, s:s, s:s}, s:s%}", "schema_version", "1.0",
                                  "header", "kid", kid ? kid : "", "alg", "dir", "enc", name,
                                  "ciphertext", (const char *)text.data, text.size);
    char *json = object ? json_dumps(object, JSON_COMPACT) : NULL;
    ENSURE(json, CELLA_ERR_MEMORY, NULL, "no memory for a released key");
    struct cella_result result = cella_base64_encode(cella_bytes_text(json), true, key_hsm);
    free(json);
    return result;
}

CELLA_RESULT cella_release_wrap(const struct cella_release *release, enum cella_release_wrap wrap,
                                const struct cella_material *material,
                                struct cella_buffer *key_hsm) {
    CELLA_SECRET plain = {0}, kek = {0};
    CELLA_BUFFER cipher = {0};
    ENSURE(release->verdict == CELLA_RELEASE_GRANTED && release->wrap_key, CELLA_ERR_REFUSED, NULL,
           "only what was granted is wrapped"); /* K05 */
    ENSURE(!cella_material_resident(material), CELLA_ERR_REFUSED, NULL,
           "a key that lives in an HSM does not leave it");
    TRY(cella_secret_new(KEK_SIZE, &kek));
    TRY(cella_random(kek.data, kek.size));
    TRY(cella_material_save(material, &plain));
    TRY(rsa_encrypt(release->wrap_key, wraps[wrap].digest, cella_secret_bytes(&kek), &cipher));
    TRY(aes_wrap(cella_secret_bytes(&kek), cella_secret_bytes(&plain), &cipher));
    return envelope(release->wrap_key, wraps[wrap].name, cella_buffer_bytes(&cipher), key_hsm);
}
