/* Keys of JOSE: made, and read of DER. */
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "crypto/jose_inner.h"
#include "crypto/openssl.h"
#include "crypto/x509.h"

enum { DER_MAX = 16384, RSA_EXPONENT_BITS_MAX = 64 };

static void pkey_free(EVP_PKEY **pkey) { EVP_PKEY_free(*pkey); }
#define PKEY __attribute__((cleanup(pkey_free))) EVP_PKEY *
static void number_free(BIGNUM **number) { BN_free(*number); }
#define NUMBER __attribute__((cleanup(number_free))) BIGNUM *

static const struct {
    const char *name, *group; /* of RFC 7518, of OpenSSL */
    size_t size;
    unsigned algorithms;
} kinds[] = {
    [CELLA_JOSE_RSA] = {"RSA", NULL, 0,
                        CELLA_JOSE_RS256 | CELLA_JOSE_RS384 | CELLA_JOSE_RS512 | CELLA_JOSE_PS256 |
                            CELLA_JOSE_PS384 | CELLA_JOSE_PS512},
    [CELLA_JOSE_P256] = {"P-256", "prime256v1", 32, CELLA_JOSE_ES256},
    [CELLA_JOSE_P384] = {"P-384", "secp384r1", 48, CELLA_JOSE_ES384},
    [CELLA_JOSE_P521] = {"P-521", "secp521r1", 66, CELLA_JOSE_ES512},
};

const char *jose_curve_name(enum cella_jose_kind kind) { return kinds[kind].name; }

void cella_jose_key_free(struct cella_jose_key **key) {
    if (!*key) return;
    for (size_t i = 0; i < JOSE_ALGORITHMS; i++) jose_ready_free((*key)->ready[i]);
    EVP_PKEY_free((*key)->pkey);
    free(*key);
    *key = NULL;
}

enum cella_jose_kind cella_jose_key_kind(const struct cella_jose_key *key) { return key->kind; }
unsigned cella_jose_key_algorithms(const struct cella_jose_key *key) { return key->algorithms; }

static struct cella_result check_rsa(const EVP_PKEY *pkey, struct cella_jose_key *key) {
    NUMBER n = NULL;
    NUMBER e = NULL;
    OPENSSL(EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_RSA_N, &n), "read a modulus");
    OPENSSL(EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_RSA_E, &e), "read an exponent");
    int bits = BN_num_bits(n);
    ENSURE(bits >= JOSE_RSA_BITS_MIN && bits <= JOSE_RSA_BITS_MAX, CELLA_ERR_FORMAT,
           "use an RSA key of 2048, 3072 or 4096 bits", "an RSA key of %d bits, expected %d to %d",
           bits, JOSE_RSA_BITS_MIN, JOSE_RSA_BITS_MAX);
    ENSURE(BN_is_odd(n) && BN_is_odd(e) && !BN_is_one(e) && !BN_is_negative(e) &&
               BN_num_bits(e) <= RSA_EXPONENT_BITS_MAX,
           CELLA_ERR_FORMAT, NULL,
           "an RSA key whose modulus is even, or whose exponent is even, 1 or over %d bits",
           RSA_EXPONENT_BITS_MAX);
    key->kind = CELLA_JOSE_RSA;
    key->size = (size_t)(bits + 7) / 8;
    return CELLA_SUCCESS;
}

static struct cella_result check_ec(const EVP_PKEY *pkey, struct cella_jose_key *key) {
    char group[32] = "";
    const char *type = EVP_PKEY_get0_type_name(pkey);
    bool named =
        EVP_PKEY_is_a(pkey, "EC") && EVP_PKEY_get_group_name(pkey, group, sizeof(group), NULL) > 0;
    for (unsigned kind = CELLA_JOSE_P256; named && kind <= CELLA_JOSE_P521; kind++) {
        if (strcmp(group, kinds[kind].group) != 0) continue;
        key->kind = kind;
        key->size = kinds[kind].size;
        return CELLA_SUCCESS;
    }
    ERR_clear_error();
    FAIL(CELLA_ERR_FORMAT, NULL, "a key of kind %s %s, expected RSA, P-256, P-384 or P-521",
         type ? type : "unknown", group);
}

CELLA_RESULT jose_key_from(EVP_PKEY *pkey, bool private, struct cella_jose_key **out) {
    CELLA_JOSE_KEY key = calloc(1, sizeof(*key));
    *out = NULL;
    if (!key) EVP_PKEY_free(pkey);
    ENSURE(key, CELLA_ERR_MEMORY, NULL, "no memory for a key");
    key->pkey = pkey;
    key->private = private;
    TRY(EVP_PKEY_is_a(pkey, "RSA") ? check_rsa(pkey, key) : check_ec(pkey, key));
    key->algorithms = kinds[key->kind].algorithms;
    *out = MOVE(key);
    return CELLA_SUCCESS;
}

/* A difference is no failure, which OpenSSL would leave in its queue. */
bool jose_same(const struct cella_jose_key *a, const struct cella_jose_key *b) {
    bool same = EVP_PKEY_eq(a->pkey, b->pkey) == 1;
    if (!same) ERR_clear_error();
    return same;
}

EVP_PKEY *cella_jose_key_pkey(const struct cella_jose_key *key) { return key->pkey; }

CELLA_RESULT cella_jose_key_new(enum cella_jose_kind kind, unsigned bits,
                                struct cella_jose_key **out) {
    *out = NULL;
    ENSURE(kind != CELLA_JOSE_RSA || bits == 2048 || bits == 3072 || bits == 4096, CELLA_ERR_USAGE,
           NULL, "an RSA key of %u bits, expected 2048, 3072 or 4096", bits);
    EVP_PKEY *pkey = kind == CELLA_JOSE_RSA ? EVP_RSA_gen(bits) : EVP_EC_gen(kinds[kind].name);
    OPENSSL(pkey ? 1 : 0, "make a key");
    return jose_key_from(pkey, true, out);
}

/* --- PKCS#8 --- */

static void pkcs8_free(PKCS8_PRIV_KEY_INFO **info) { PKCS8_PRIV_KEY_INFO_free(*info); }
#define PKCS8 __attribute__((cleanup(pkcs8_free))) PKCS8_PRIV_KEY_INFO *

/* A private key whose public half is another's would sign what nobody can check. */
static struct cella_result check_pair(const struct cella_jose_key *key) {
    uint8_t signature[JOSE_SIGNATURE_MAX];
    size_t size = 0;
    struct cella_bytes message = cella_bytes_text("pair");
    unsigned algorithm = key->algorithms & -key->algorithms;
    struct cella_result r = jose_sign(key, algorithm, message, signature, &size);
    if (!cella_failed(r)) r = jose_verify(key, algorithm, message, cella_bytes(signature, size));
    bool good = !cella_failed(r);
    cella_result_drop(r);
    ENSURE(good, CELLA_ERR_FORMAT, NULL, "the halves of a private key do not belong together");
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_jose_key_private(struct cella_bytes pkcs8, struct cella_jose_key **out) {
    *out = NULL;
    ENSURE(pkcs8.size > 0 && pkcs8.size <= DER_MAX, CELLA_ERR_FORMAT, NULL,
           "a private key of %zu bytes, expected 1 to %d", pkcs8.size, DER_MAX);
    const uint8_t *at = pkcs8.data;
    PKCS8 info = d2i_PKCS8_PRIV_KEY_INFO(NULL, &at, (long)pkcs8.size);
    PKEY pkey = info && at == pkcs8.data + pkcs8.size ? EVP_PKCS82PKEY(info) : NULL;
    ENSURE(pkey, CELLA_ERR_FORMAT, "`openssl pkcs8 -topk8 -nocrypt -outform DER` makes one",
           "not a private key in PKCS#8 DER without encryption: %s", cella_openssl_reason());
    CELLA_JOSE_KEY key = NULL;
    TRY(jose_key_from(MOVE(pkey), true, &key));
    TRY(check_pair(key));
    *out = MOVE(key);
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_jose_key_export(const struct cella_jose_key *key, struct cella_secret *pkcs8) {
    *pkcs8 = (struct cella_secret){0};
    ENSURE(key->private, CELLA_ERR_USAGE, NULL, "a public key has no private half to export");
    PKCS8 info = EVP_PKEY2PKCS8(key->pkey);
    int size = info ? i2d_PKCS8_PRIV_KEY_INFO(info, NULL) : -1;
    OPENSSL(size, "encode a private key");
    CELLA_SECRET made = {0};
    TRY(cella_secret_new((size_t)size, &made));
    uint8_t *to = made.data;
    OPENSSL(i2d_PKCS8_PRIV_KEY_INFO(info, &to), "encode a private key");
    *pkcs8 = MOVE(made);
    return CELLA_SUCCESS;
}

/* --- Public keys in DER --- */

CELLA_RESULT cella_jose_key_spki_der(const struct cella_jose_key *key, struct cella_buffer *out) {
    uint8_t *der = NULL;
    int size = i2d_PUBKEY(key->pkey, &der);
    OPENSSL(size, "encode a public key");
    struct cella_result r = cella_buffer_append(out, cella_bytes(der, (size_t)size));
    OPENSSL_free(der);
    return r;
}

/* One key has one encoding (A30): named curve, uncompressed point, shortest lengths. Explicit
 * parameters and compressed or hybrid points, which OpenSSL reads and writes as well, would be
 * other names of the same key (A20): those have another size or another first byte. */
static struct cella_result check_form(const struct cella_jose_key *key, struct cella_bytes der) {
    static const size_t sizes[] = {
        [CELLA_JOSE_P256] = 91, [CELLA_JOSE_P384] = 120, [CELLA_JOSE_P521] = 158};
    CELLA_BUFFER again = {0};
    TRY(cella_jose_key_spki_der(key, &again));
    bool same = again.size == der.size && cella_equal(again.data, der.data, der.size);
    if (key->kind != CELLA_JOSE_RSA)
        same = same && der.size == sizes[key->kind] && der.data[der.size - 2 * key->size - 1] == 4;
    ENSURE(same, CELLA_ERR_FORMAT, NULL,
           "a public key is not in its canonical DER form, or bytes follow it");
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_jose_key_spki(struct cella_bytes der, struct cella_jose_key **out) {
    *out = NULL;
    ENSURE(der.size > 0 && der.size <= DER_MAX, CELLA_ERR_FORMAT, NULL,
           "a public key of %zu bytes, expected 1 to %d", der.size, DER_MAX);
    const uint8_t *at = der.data;
    EVP_PKEY *pkey = d2i_PUBKEY(NULL, &at, (long)der.size);
    ENSURE(pkey, CELLA_ERR_FORMAT, NULL, "not a public key (SubjectPublicKeyInfo DER): %s",
           cella_openssl_reason());
    CELLA_JOSE_KEY key = NULL;
    TRY(jose_key_from(pkey, false, &key));
    TRY(check_form(key, der));
    *out = MOVE(key);
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_jose_key_certificate(struct cella_bytes der, struct cella_jose_key **out) {
    struct cella_certificate certificate;
    *out = NULL;
    TRY(cella_certificate_parse(der, &certificate));
    return cella_jose_key_spki(certificate.spki, out);
}
