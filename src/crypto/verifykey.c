#include "crypto/verifykey.h"

#include <stdlib.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "crypto/der.h"
#include "crypto/openssl.h"
#include "crypto/verifykey_inner.h"

enum { RSA_SIZE_MIN = 256, RSA_SIZE_MAX = 512, DIGEST_SIZE_MAX = 64 };

static const struct verifykey_algorithm algorithms[] = {
    [CELLA_SIG_ECDSA_P256_SHA256] = {CELLA_VERIFYKEY_P256, 0, false},
    [CELLA_SIG_ECDSA_P384_SHA384] = {CELLA_VERIFYKEY_P384, 1, false},
    [CELLA_SIG_ECDSA_P256_SHA384] = {CELLA_VERIFYKEY_P256, 1, false},
    [CELLA_SIG_ECDSA_P384_SHA256] = {CELLA_VERIFYKEY_P384, 0, false},
    [CELLA_SIG_RSA_PKCS1_SHA256] = {CELLA_VERIFYKEY_RSA, 0, false},
    [CELLA_SIG_RSA_PKCS1_SHA384] = {CELLA_VERIFYKEY_RSA, 1, false},
    [CELLA_SIG_RSA_PKCS1_SHA512] = {CELLA_VERIFYKEY_RSA, 2, false},
    [CELLA_SIG_RSA_PSS_SHA256] = {CELLA_VERIFYKEY_RSA, 0, true},
    [CELLA_SIG_RSA_PSS_SHA384] = {CELLA_VERIFYKEY_RSA, 1, true},
    [CELLA_SIG_RSA_PSS_SHA512] = {CELLA_VERIFYKEY_RSA, 2, true},
};
enum { ALGORITHM_COUNT = sizeof(algorithms) / sizeof(algorithms[0]) };

void cella_verifykey_free(struct cella_verifykey **key) {
    if (!*key) return;
    EVP_PKEY_CTX_free((*key)->verify);
    EVP_PKEY_free((*key)->pkey);
    if ((*key)->point.p) ecc_point_clear(&(*key)->point);
    for (size_t i = 0; i < VERIFYKEY_DIGESTS; i++) EVP_MD_free((*key)->digest[i]);
    free(*key);
    *key = NULL;
}

enum cella_verifykey_kind cella_verifykey_kind(const struct cella_verifykey *key) {
    return key->kind;
}

static CELLA_RESULT key_new(enum cella_verifykey_kind kind, size_t size,
                            struct cella_verifykey **out) {
    static const char *const names[VERIFYKEY_DIGESTS] = {"SHA256", "SHA384", "SHA512"};
    CELLA_VERIFYKEY key = calloc(1, sizeof(*key));
    ENSURE(key, CELLA_ERR_MEMORY, NULL, "no memory for a public key");
    key->kind = kind;
    key->size = size;
    for (size_t i = 0; i < VERIFYKEY_DIGESTS; i++) {
        key->digest[i] = EVP_MD_fetch(NULL, names[i], NULL);
        OPENSSL(key->digest[i] ? 1 : 0, "find a digest");
    }
    *out = MOVE(key);
    return CELLA_SUCCESS;
}

static CELLA_RESULT new_ec(enum cella_verifykey_kind kind, struct cella_bytes xy,
                           struct cella_verifykey **out) {
    CELLA_VERIFYKEY key = NULL;
    TRY(key_new(kind, xy.size / 2, &key));
    TRY(kind == CELLA_VERIFYKEY_P256 ? verifykey_load_p256(key, xy) : verifykey_load_p384(key, xy));
    *out = MOVE(key);
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_verifykey_from_point(struct cella_bytes xy, struct cella_verifykey **out) {
    *out = NULL;
    ENSURE(xy.size == 64 || xy.size == 96, CELLA_ERR_FORMAT, NULL,
           "public key: a point of %zu bytes, expected 64 (P-256) or 96 (P-384)", xy.size);
    return new_ec(xy.size == 64 ? CELLA_VERIFYKEY_P256 : CELLA_VERIFYKEY_P384, xy, out);
}

static bool oid_is(struct cella_bytes oid, const char *bytes, size_t size) {
    return oid.size == size && cella_equal(oid.data, bytes, size);
}
#define OID_IS(oid, text) oid_is(oid, text, sizeof(text) - 1)

/* RFC 5480: a named curve and an uncompressed point; anything else would be another name of the
 * same key. */
static CELLA_RESULT new_ec_spki(struct cella_reader *parameters, struct cella_bytes point,
                                struct cella_verifykey **out) {
    struct cella_bytes curve = cella_der_bytes(parameters, CELLA_DER_OID);
    bool p256 = OID_IS(curve, "\x2a\x86\x48\xce\x3d\x03\x01\x07"),
         p384 = OID_IS(curve, "\x2b\x81\x04\x00\x22");
    ENSURE(cella_reader_done(parameters) && (p256 || p384), CELLA_ERR_UNSUPPORTED, NULL,
           "public key: the curve is not given by name as P-256 or P-384");
    ENSURE(point.size == (p256 ? 65 : 97) && point.data[0] == 4, CELLA_ERR_FORMAT, NULL,
           "public key: not an uncompressed point of its curve");
    return new_ec(p256 ? CELLA_VERIFYKEY_P256 : CELLA_VERIFYKEY_P384,
                  cella_bytes(point.data + 1, point.size - 1), out);
}

static struct cella_bytes without_zero(struct cella_bytes number) {
    bool zero = number.size > 1 && number.data[0] == 0;
    return zero ? cella_bytes(number.data + 1, number.size - 1) : number;
}

static CELLA_RESULT new_rsa_spki(struct cella_reader *parameters, struct cella_bytes content,
                                 struct cella_verifykey **out) {
    struct cella_reader r = cella_reader(content);
    struct cella_reader pair = cella_der_read(&r, CELLA_DER_SEQUENCE);
    struct cella_bytes n = without_zero(cella_der_unsigned(&pair, CELLA_DER_INTEGER));
    uint64_t e = cella_der_number(&pair, CELLA_DER_INTEGER);
    bool null =
        cella_der_bytes(parameters, CELLA_DER_NULL).size == 0 && cella_reader_done(parameters);
    ENSURE(null && cella_reader_done(&pair) && cella_reader_done(&r), CELLA_ERR_FORMAT, NULL,
           "public key: not an RSA key in strict DER with an exponent up to 64 bits");
    ENSURE(n.size >= RSA_SIZE_MIN && n.size <= RSA_SIZE_MAX &&
               (n.size > RSA_SIZE_MIN || n.data[0] >= 0x80),
           CELLA_ERR_LIMIT, NULL,
           "public key: an RSA modulus of %zu bytes, expected 2048 to 4096 bits", n.size);
    ENSURE((n.data[n.size - 1] & 1) && (e & 1) && e >= 3, CELLA_ERR_FORMAT, NULL,
           "public key: RSA modulus and exponent must be odd and the exponent at least 3");
    CELLA_VERIFYKEY key = NULL;
    TRY(key_new(CELLA_VERIFYKEY_RSA, n.size, &key));
    TRY(verifykey_load_rsa(key, n, e));
    *out = MOVE(key);
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_verifykey_new(struct cella_bytes spki, struct cella_verifykey **out) {
    *out = NULL;
    struct cella_reader r = cella_reader(spki);
    struct cella_reader outer = cella_der_read(&r, CELLA_DER_SEQUENCE);
    struct cella_reader algorithm = cella_der_read(&outer, CELLA_DER_SEQUENCE);
    struct cella_bytes oid = cella_der_bytes(&algorithm, CELLA_DER_OID);
    struct cella_reader bits = cella_der_read(&outer, CELLA_DER_BIT_STRING);
    uint8_t unused = cella_reader_u8(&bits);
    struct cella_bytes content = cella_reader_rest(&bits);
    ENSURE(cella_reader_done(&outer) && cella_reader_done(&r) && !bits.failed && unused == 0,
           CELLA_ERR_FORMAT, NULL, "public key: not a SubjectPublicKeyInfo in strict DER");
    if (OID_IS(oid, "\x2a\x86\x48\xce\x3d\x02\x01")) return new_ec_spki(&algorithm, content, out);
    if (OID_IS(oid, "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01"))
        return new_rsa_spki(&algorithm, content, out);
    FAIL(CELLA_ERR_UNSUPPORTED, NULL, "public key: neither elliptic curve nor RSA");
}

/* Order of the curves' groups (SEC 2), big-endian. */
static const uint8_t order_p256[32] = {0xff, 0xff, 0xff, 0xff, 0,    0,    0,    0,
                                       0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                       0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84,
                                       0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51};
static const uint8_t order_p384[48] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                       0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                       0xff, 0xff, 0xff, 0xff, 0xc7, 0x63, 0x4d, 0x81, 0xf4, 0x37,
                                       0x2d, 0xdf, 0x58, 0x1a, 0x0d, 0xb2, 0x48, 0xb0, 0xa7, 0x7a,
                                       0xec, 0xec, 0x19, 0x6a, 0xcc, 0xc5, 0x29, 0x73};

/* 0 < number < order (A20): checked here, so that no library behind has to. Public data: time may
 * vary. */
static bool is_scalar(const uint8_t *number, const uint8_t *order, size_t size) {
    bool zero = true;
    for (size_t i = 0; i < size && zero; i++) zero = number[i] == 0;
    return !zero && __builtin_memcmp(number, order, size) < 0;
}

static bool check_ecdsa(const struct cella_verifykey *key, struct cella_bytes digest,
                        struct cella_bytes signature) {
    bool p256 = key->kind == CELLA_VERIFYKEY_P256;
    const uint8_t *order = p256 ? order_p256 : order_p384;
    if (signature.size != 2 * key->size || !is_scalar(signature.data, order, key->size) ||
        !is_scalar(signature.data + key->size, order, key->size))
        return false;
    return p256 ? verifykey_check_p256(key, digest, signature.data)
                : verifykey_check_p384(key, digest, signature.data);
}

CELLA_RESULT cella_verifykey_check(const struct cella_verifykey *key,
                                   enum cella_signature_algorithm algorithm,
                                   struct cella_bytes message, struct cella_bytes signature) {
    ENSURE(algorithm > CELLA_SIG_NONE && (unsigned)algorithm < ALGORITHM_COUNT, CELLA_ERR_FORMAT,
           NULL, "no signature algorithm has the number %d", (int)algorithm);
    const struct verifykey_algorithm *a = &algorithms[algorithm];
    ENSURE(a->kind == key->kind, CELLA_ERR_FORMAT, NULL,
           "the signature algorithm does not fit the key's kind");
    uint8_t bytes[DIGEST_SIZE_MAX];
    unsigned size = 0;
    OPENSSL(EVP_Digest(message.data, message.size, bytes, &size, key->digest[a->digest], NULL),
            "hash");
    struct cella_bytes digest = cella_bytes(bytes, size);
    bool good =
        a->kind != CELLA_VERIFYKEY_RSA
            ? check_ecdsa(key, digest, signature)
            : signature.size == key->size && verifykey_check_rsa(key, a, digest, signature.data);
    ENSURE(good, CELLA_ERR_INTEGRITY, NULL,
           "the signature does not match: the data was changed, or another key made it");
    return CELLA_SUCCESS;
}

static bool copy_integer(struct cella_reader *r, uint8_t *to, size_t size) {
    struct cella_bytes number = without_zero(cella_der_unsigned(r, CELLA_DER_INTEGER));
    if (r->failed || number.size > size) return false;
    cella_zero(to, size - number.size);
    cella_copy(to + size - number.size, number.data, number.size);
    return true;
}

CELLA_RESULT cella_ecdsa_from_der(struct cella_bytes der, uint8_t *rs, size_t size) {
    struct cella_reader r = cella_reader(der);
    struct cella_reader pair = cella_der_read(&r, CELLA_DER_SEQUENCE);
    bool good = copy_integer(&pair, rs, size) && copy_integer(&pair, rs + size, size);
    good = good && cella_reader_done(&pair) && cella_reader_done(&r);
    if (!good) cella_zero(rs, 2 * size);
    ENSURE(good, CELLA_ERR_FORMAT, NULL,
           "not an ECDSA signature of two numbers of %zu bytes in strict DER", size);
    return CELLA_SUCCESS;
}
