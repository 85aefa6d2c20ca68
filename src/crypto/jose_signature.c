/* Signatures by a JOSE key (RFC 7518 section 3), over OpenSSL's EVP. */
#include <openssl/ec.h>
#include <openssl/rsa.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/jose_inner.h"
#include "crypto/openssl.h"

enum { HASH_MAX = 64, DER_MAX = 160 /* ECDSA-Sig-Value of P-521 */ };

static const struct jose_algorithm algorithms[JOSE_ALGORITHMS] = {
    {"RS256", "SHA256", true, false, CELLA_JOSE_RSA},
    {"RS384", "SHA384", true, false, CELLA_JOSE_RSA},
    {"RS512", "SHA512", true, false, CELLA_JOSE_RSA},
    {"PS256", "SHA256", true, true, CELLA_JOSE_RSA},
    {"PS384", "SHA384", true, true, CELLA_JOSE_RSA},
    {"PS512", "SHA512", true, true, CELLA_JOSE_RSA},
    {"ES256", "SHA256", false, false, CELLA_JOSE_P256},
    {"ES384", "SHA384", false, false, CELLA_JOSE_P384},
    {"ES512", "SHA512", false, false, CELLA_JOSE_P521},
};

const struct jose_algorithm *jose_algorithm_of(unsigned algorithm) {
    bool one = algorithm != 0 && (algorithm & (algorithm - 1)) == 0;
    return one && algorithm <= CELLA_JOSE_ES512 ? &algorithms[__builtin_ctz(algorithm)] : NULL;
}

bool jose_algorithm_named(const char *name, unsigned *algorithm) {
    for (unsigned i = 0; i < JOSE_ALGORITHMS; i++) {
        if (strcmp(name, algorithms[i].name) != 0) continue;
        *algorithm = 1U << i;
        return true;
    }
    *algorithm = CELLA_JOSE_NONE;
    return false;
}

const char *cella_jose_name(enum cella_jose_algorithm algorithm) {
    const struct jose_algorithm *a = jose_algorithm_of(algorithm);
    return a ? a->name : "none";
}

void jose_ready_free(struct jose_ready *ready) {
    if (!ready) return;
    EVP_MD_free(ready->hash);
    EVP_PKEY_CTX_free(ready->verify);
    EVP_PKEY_CTX_free(ready->sign);
    free(ready);
}

/* PS*: the salt is as long as the hash, when signing and when checking (RFC 7518 section 3.5). */
static bool set_up(EVP_PKEY_CTX *ctx, const struct jose_algorithm *a, const EVP_MD *hash) {
    if (EVP_PKEY_CTX_set_signature_md(ctx, hash) <= 0) return false;
    if (!a->rsa) return true;
    if (!a->pss) return EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) > 0;
    return EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING) > 0 &&
           EVP_PKEY_CTX_set_rsa_mgf1_md(ctx, hash) > 0 &&
           EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, RSA_PSS_SALTLEN_DIGEST) > 0;
}

static struct jose_ready *make_ready(const struct cella_jose_key *key,
                                     const struct jose_algorithm *a) {
    struct jose_ready *r = calloc(1, sizeof(*r));
    if (!r) return NULL;
    r->hash = EVP_MD_fetch(NULL, a->hash, NULL);
    r->verify = EVP_PKEY_CTX_new(key->pkey, NULL);
    bool good = r->hash && r->verify && EVP_PKEY_verify_init(r->verify) > 0 &&
                set_up(r->verify, a, r->hash);
    if (good && key->private) {
        r->sign = EVP_PKEY_CTX_new(key->pkey, NULL);
        good = r->sign && EVP_PKEY_sign_init(r->sign) > 0 && set_up(r->sign, a, r->hash);
    }
    if (good) return r;
    jose_ready_free(r);
    return NULL;
}

/* Two threads may both make one; the first to put it down wins. */
static struct cella_result ready_for(const struct cella_jose_key *key, unsigned algorithm,
                                     const struct jose_ready **out) {
    const struct jose_algorithm *a = jose_algorithm_of(algorithm);
    ENSURE(a && (key->algorithms & algorithm), CELLA_ERR_FORMAT, NULL,
           "the algorithm %s does not fit the key", a ? a->name : "none"); /* A24 */
    _Atomic(struct jose_ready *) *slot =
        &((struct cella_jose_key *)key)->ready[__builtin_ctz(algorithm)];
    struct jose_ready *ready = atomic_load_explicit(slot, memory_order_acquire);
    if (!ready) {
        struct jose_ready *mine = make_ready(key, a);
        OPENSSL(mine ? 1 : 0, "make a key ready");
        if (atomic_compare_exchange_strong(slot, &ready, mine))
            ready = mine;
        else
            jose_ready_free(mine);
    }
    *out = ready;
    return CELLA_SUCCESS;
}

static struct cella_result hash_of(const struct jose_ready *ready, struct cella_bytes message,
                                   uint8_t hash[HASH_MAX], unsigned *size) {
    OPENSSL(EVP_Digest(message.data, message.size, hash, size, ready->hash, NULL), "hash");
    return CELLA_SUCCESS;
}

static bool from_der(const uint8_t *der, size_t der_size, uint8_t *rs, size_t size) {
    ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &der, (long)der_size);
    bool done = sig && BN_bn2binpad(ECDSA_SIG_get0_r(sig), rs, (int)size) == (int)size &&
                BN_bn2binpad(ECDSA_SIG_get0_s(sig), rs + size, (int)size) == (int)size;
    ECDSA_SIG_free(sig);
    return done;
}

static bool to_der(const uint8_t *rs, size_t size, uint8_t der[DER_MAX], size_t *der_size) {
    ECDSA_SIG *sig = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn(rs, (int)size, NULL), *s = BN_bin2bn(rs + size, (int)size, NULL);
    bool owned = sig && r && s && ECDSA_SIG_set0(sig, r, s) > 0;
    if (!owned) BN_free(r), BN_free(s);
    int n = owned ? i2d_ECDSA_SIG(sig, NULL) : -1;
    if (n > 0 && n <= DER_MAX) n = i2d_ECDSA_SIG(sig, &der);
    ECDSA_SIG_free(sig);
    *der_size = n > 0 && n <= DER_MAX ? (size_t)n : 0;
    return *der_size > 0;
}

CELLA_RESULT jose_sign(const struct cella_jose_key *key, unsigned algorithm,
                       struct cella_bytes message, uint8_t *signature, size_t *size) {
    const struct jose_ready *ready = NULL;
    uint8_t hash[HASH_MAX], der[DER_MAX];
    unsigned hash_size = 0;
    ENSURE(key->private, CELLA_ERR_USAGE, NULL, "signing needs a private key");
    TRY(ready_for(key, algorithm, &ready));
    TRY(hash_of(ready, message, hash, &hash_size));
    bool rsa = key->kind == CELLA_JOSE_RSA;
    size_t made = rsa ? JOSE_SIGNATURE_MAX : sizeof(der);
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_dup(ready->sign);
    bool good = ctx && EVP_PKEY_sign(ctx, rsa ? signature : der, &made, hash, hash_size) > 0 &&
                (rsa ? made == key->size : from_der(der, made, signature, key->size));
    EVP_PKEY_CTX_free(ctx);
    OPENSSL(good ? 1 : 0, "sign");
    *size = rsa ? made : 2 * key->size;
    return CELLA_SUCCESS;
}

/* OpenSSL refuses r and s outside 1..n-1 (A20), and RSA numbers not below the modulus;
 * tests/crypto/jose_test.c holds it to that. */
CELLA_RESULT jose_verify(const struct cella_jose_key *key, unsigned algorithm,
                         struct cella_bytes message, struct cella_bytes signature) {
    const struct jose_ready *ready = NULL;
    uint8_t hash[HASH_MAX], der[DER_MAX];
    unsigned hash_size = 0;
    size_t der_size = 0;
    TRY(ready_for(key, algorithm, &ready));
    TRY(hash_of(ready, message, hash, &hash_size));
    bool rsa = key->kind == CELLA_JOSE_RSA;
    bool good = signature.size == (rsa ? key->size : 2 * key->size) &&
                (rsa || to_der(signature.data, key->size, der, &der_size));
    EVP_PKEY_CTX *ctx = good ? EVP_PKEY_CTX_dup(ready->verify) : NULL;
    good = ctx && EVP_PKEY_verify(ctx, rsa ? signature.data : der, rsa ? signature.size : der_size,
                                  hash, hash_size) == 1;
    EVP_PKEY_CTX_free(ctx);
    if (!good) ERR_clear_error();
    ENSURE(good, CELLA_ERR_INTEGRITY, NULL,
           "the token's signature does not match: it was changed, or another key made it");
    return CELLA_SUCCESS;
}
