/* Whether a certificate is signed by its own key, also by means that are too weak for anything
 * else.
 *
 * The signature shows that no byte of the certificate was changed since it was made, and that its
 * maker had the key; trust comes from the evidence alone, and possession is shown anew in every TLS
 * handshake. So SHA-1 and short RSA keys of old makers are read here and nowhere else, and said to
 * be weak.
 */
#include <openssl/evp.h>
#include <openssl/x509.h>

#include "base/memory.h"
#include "crypto/der.h"
#include "crypto/openssl.h"
#include "evidence/ratls.h"

static const struct weak {
    uint8_t oid[9];
    const EVP_MD *(*digest)(void);
} weak_algorithms[] = {
    {{0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x05}, EVP_sha1}, /* sha1WithRSAEncryption */
    {{0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b},
     EVP_sha256}, /* sha256WithRSAEncryption, of a short key */
};
enum { WEAK_COUNT = sizeof(weak_algorithms) / sizeof(weak_algorithms[0]), RSA_BITS_MIN = 2048 };

static const EVP_MD *weak_digest(struct cella_bytes der) {
    struct cella_reader r = cella_reader(der), outer = cella_der_read(&r, CELLA_DER_SEQUENCE);
    (void)cella_der_read(&outer, CELLA_DER_SEQUENCE); /* what is signed */
    struct cella_reader algorithm = cella_der_read(&outer, CELLA_DER_SEQUENCE);
    struct cella_bytes oid = cella_der_bytes(&algorithm, CELLA_DER_OID);
    for (size_t i = 0; i < WEAK_COUNT; i++)
        if (oid.size == sizeof(weak_algorithms[i].oid) &&
            cella_equal(oid.data, weak_algorithms[i].oid, oid.size))
            return weak_algorithms[i].digest();
    return NULL;
}

static void free_key(EVP_PKEY **key) { EVP_PKEY_free(*key); }
static void free_md(EVP_MD_CTX **ctx) { EVP_MD_CTX_free(*ctx); }

static struct cella_result check_weak(const struct cella_certificate *c, bool *weak_key) {
    const unsigned char *at = c->spki.data;
    __attribute__((cleanup(free_key))) EVP_PKEY *key = d2i_PUBKEY(NULL, &at, (long)c->spki.size);
    __attribute__((cleanup(free_md))) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    const EVP_MD *digest = weak_digest(c->der);
    bool rsa =
        key && EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA && at == c->spki.data + c->spki.size;
    bool good =
        ctx && digest && rsa && EVP_DigestVerifyInit(ctx, NULL, digest, NULL, key) == 1 &&
        EVP_DigestVerify(ctx, c->signature.data, c->signature.size, c->tbs.data, c->tbs.size) == 1;
    if (key) *weak_key = EVP_PKEY_get_bits(key) < RSA_BITS_MIN;
    ERR_clear_error();
    ENSURE(good, CELLA_ERR_INTEGRITY, NULL,
           "the certificate's signature is not by its own key, or of no known kind");
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_ratls_self_signed(const struct cella_certificate *c, bool *weak,
                                     bool *weak_key) {
    CELLA_VERIFYKEY key = NULL;
    *weak = *weak_key = false;
    struct cella_result r = cella_verifykey_new(c->spki, &key);
    if (!cella_failed(r) && c->signature_algorithm != CELLA_SIG_NONE)
        return cella_certificate_check(c, key);
    bool memory = cella_code_of(r) == CELLA_ERR_MEMORY;
    if (memory) return r;
    cella_result_drop(r);
    *weak = true;
    return check_weak(c, weak_key);
}
