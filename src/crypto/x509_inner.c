#include "crypto/x509_inner.h"

#include "base/memory.h"

bool x509_oid_is(struct cella_bytes oid, const void *bytes, size_t size) {
    return oid.size == size && cella_equal(oid.data, bytes, size);
}
#define OID_IS(oid, text) x509_oid_is(oid, text, sizeof(text) - 1)

static struct cella_bytes read_sequence(struct cella_reader *r) {
    uint8_t tag = 0;
    struct cella_bytes whole = cella_der_whole(r, &tag);
    if (tag != CELLA_DER_SEQUENCE) r->failed = true;
    return whole;
}

bool x509_read_signed(struct cella_reader *r, struct x509_signed *out) {
    struct cella_reader outer = cella_der_read(r, CELLA_DER_SEQUENCE);
    out->tbs = read_sequence(&outer);
    out->algorithm = read_sequence(&outer);
    struct cella_reader bits = cella_der_read(&outer, CELLA_DER_BIT_STRING);
    if (cella_reader_u8(&bits) != 0 || bits.failed) outer.failed = true; /* whole bytes only */
    out->signature = cella_reader_rest(&bits);
    return cella_reader_done(&outer);
}

/* AlgorithmIdentifier of a digest: parameters NULL or absent, both met (RFC 4055 2.1). Bits, 0 for
 * none known. */
static unsigned digest_bits(struct cella_reader *r) {
    struct cella_reader identifier = cella_der_read(r, CELLA_DER_SEQUENCE);
    struct cella_bytes oid = cella_der_bytes(&identifier, CELLA_DER_OID);
    if (cella_reader_left(&identifier) && cella_der_bytes(&identifier, CELLA_DER_NULL).size)
        r->failed = true;
    if (!cella_reader_done(&identifier)) r->failed = true;
    if (OID_IS(oid, "\x60\x86\x48\x01\x65\x03\x04\x02\x01")) return 256;
    if (OID_IS(oid, "\x60\x86\x48\x01\x65\x03\x04\x02\x02")) return 384;
    if (OID_IS(oid, "\x60\x86\x48\x01\x65\x03\x04\x02\x03")) return 512;
    return 0;
}

/* RSASSA-PSS-params (RFC 4055 3.1): one digest for all, salt as long as it. The default trailer is
 * met written out. */
static enum cella_signature_algorithm pss_algorithm(struct cella_reader *identifier) {
    struct cella_reader params = cella_der_read(identifier, CELLA_DER_SEQUENCE);
    struct cella_reader hash = cella_der_read(&params, CELLA_DER_CONTEXT_0);
    unsigned bits = digest_bits(&hash);
    struct cella_reader mask = cella_der_read(&params, CELLA_DER_CONTEXT_0 + 1);
    struct cella_reader generator = cella_der_read(&mask, CELLA_DER_SEQUENCE);
    bool mgf1 =
        OID_IS(cella_der_bytes(&generator, CELLA_DER_OID), "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x08");
    unsigned mask_bits = digest_bits(&generator);
    struct cella_reader salt = cella_der_read(&params, CELLA_DER_CONTEXT_0 + 2);
    uint64_t salt_size = cella_der_number(&salt, CELLA_DER_INTEGER);
    bool ends = cella_reader_done(&hash) && cella_reader_done(&mask) &&
                cella_reader_done(&generator) && cella_reader_done(&salt);
    if (cella_reader_left(&params)) {
        struct cella_reader trailer = cella_der_read(&params, CELLA_DER_CONTEXT_0 + 3);
        ends = ends && cella_der_number(&trailer, CELLA_DER_INTEGER) == 1 &&
               cella_reader_done(&trailer);
    }
    if (!ends || !cella_reader_done(&params) || !mgf1 || mask_bits != bits || salt_size * 8 != bits)
        return CELLA_SIG_NONE;
    return bits == 256   ? CELLA_SIG_RSA_PSS_SHA256
           : bits == 384 ? CELLA_SIG_RSA_PSS_SHA384
           : bits == 512 ? CELLA_SIG_RSA_PSS_SHA512
                         : CELLA_SIG_NONE;
}

static enum cella_signature_algorithm ecdsa_algorithm(struct cella_bytes oid) {
    if (OID_IS(oid, "\x2a\x86\x48\xce\x3d\x04\x03\x02")) return CELLA_SIG_ECDSA_P256_SHA256;
    if (OID_IS(oid, "\x2a\x86\x48\xce\x3d\x04\x03\x03")) return CELLA_SIG_ECDSA_P384_SHA384;
    return CELLA_SIG_NONE;
}

static enum cella_signature_algorithm pkcs1_algorithm(struct cella_bytes oid) {
    if (OID_IS(oid, "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b")) return CELLA_SIG_RSA_PKCS1_SHA256;
    if (OID_IS(oid, "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0c")) return CELLA_SIG_RSA_PKCS1_SHA384;
    if (OID_IS(oid, "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0d")) return CELLA_SIG_RSA_PKCS1_SHA512;
    return CELLA_SIG_NONE;
}

/* Parameters are NULL with PKCS#1 (RFC 4055). With ECDSA they should be absent (RFC 5758 3.2), but
 * mbedTLS, and so the certificates that Gramine makes, writes NULL: taken too, as both copies must
 * be alike anyway. */
enum cella_signature_algorithm x509_algorithm(struct cella_bytes identifier) {
    struct cella_reader r = cella_reader(identifier);
    struct cella_reader inner = cella_der_read(&r, CELLA_DER_SEQUENCE);
    struct cella_bytes oid = cella_der_bytes(&inner, CELLA_DER_OID);
    enum cella_signature_algorithm ecdsa = ecdsa_algorithm(oid), pkcs1 = pkcs1_algorithm(oid);
    enum cella_signature_algorithm found = ecdsa != CELLA_SIG_NONE ? ecdsa : pkcs1;
    bool null = pkcs1 != CELLA_SIG_NONE || (ecdsa != CELLA_SIG_NONE && cella_reader_left(&inner));
    if (null && cella_der_bytes(&inner, CELLA_DER_NULL).size) return CELLA_SIG_NONE;
    if (OID_IS(oid, "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a")) found = pss_algorithm(&inner);
    return cella_reader_done(&inner) && cella_reader_done(&r) ? found : CELLA_SIG_NONE;
}

enum cella_signature_algorithm x509_algorithm_for(enum cella_signature_algorithm algorithm,
                                                  const struct cella_verifykey *key) {
    enum cella_verifykey_kind kind = cella_verifykey_kind(key);
    if (algorithm == CELLA_SIG_ECDSA_P256_SHA256 && kind == CELLA_VERIFYKEY_P384)
        return CELLA_SIG_ECDSA_P384_SHA256;
    if (algorithm == CELLA_SIG_ECDSA_P384_SHA384 && kind == CELLA_VERIFYKEY_P256)
        return CELLA_SIG_ECDSA_P256_SHA384;
    return algorithm;
}

/* Name ::= SEQUENCE OF SET SIZE (1..) OF SEQUENCE { OID, value }; an empty Name is a Name. */
struct cella_bytes x509_read_name(struct cella_reader *r) {
    uint8_t tag = 0;
    struct cella_bytes whole = cella_der_whole(r, &tag);
    struct cella_reader start = cella_reader(whole);
    struct cella_reader parts = cella_der_read(&start, CELLA_DER_SEQUENCE);
    if (parts.failed) r->failed = true;
    while (!r->failed && cella_reader_left(&parts)) {
        struct cella_reader set = cella_der_read(&parts, CELLA_DER_SET);
        do {
            struct cella_reader pair = cella_der_read(&set, CELLA_DER_SEQUENCE);
            size_t oid_size = cella_der_bytes(&pair, CELLA_DER_OID).size;
            (void)cella_der_whole(&pair, &tag);
            if (oid_size == 0 || !cella_reader_done(&pair)) r->failed = true;
        } while (!r->failed && cella_reader_left(&set));
        if (set.failed || parts.failed) r->failed = true;
    }
    return r->failed ? cella_bytes(NULL, 0) : whole;
}

bool x509_next_extension(struct cella_reader *r, struct x509_extension *out) {
    *out = (struct x509_extension){0};
    if (!cella_reader_left(r)) return false;
    struct cella_reader e = cella_der_read(r, CELLA_DER_SEQUENCE);
    out->oid = cella_der_bytes(&e, CELLA_DER_OID);
    /* X.690 11.5: a default is not written; `critical` is there only to be true. */
    if (cella_der_peek(&e) == CELLA_DER_BOOLEAN) {
        out->critical = cella_der_boolean(&e);
        if (!out->critical) r->failed = true;
    }
    out->value = cella_der_bytes(&e, CELLA_DER_OCTET_STRING);
    if (!cella_reader_done(&e) || out->oid.size == 0) r->failed = true;
    return !r->failed;
}

bool x509_extensions_are_distinct(struct cella_bytes extensions) {
    struct cella_bytes seen[X509_EXTENSIONS_MAX];
    size_t count = 0;
    struct cella_reader r = cella_reader(extensions);
    struct x509_extension e;
    while (x509_next_extension(&r, &e)) {
        if (count == X509_EXTENSIONS_MAX) return false;
        for (size_t i = 0; i < count; i++)
            if (x509_oid_is(e.oid, seen[i].data, seen[i].size)) return false;
        seen[count++] = e.oid;
    }
    return !r.failed && count > 0;
}

static CELLA_RESULT check_ecdsa(struct cella_bytes tbs, enum cella_signature_algorithm algorithm,
                                struct cella_bytes signature,
                                const struct cella_verifykey *issuer) {
    uint8_t rs[96];
    size_t half = cella_verifykey_kind(issuer) == CELLA_VERIFYKEY_P384 ? 48 : 32;
    TRY(cella_ecdsa_from_der(signature, rs, half));
    return cella_verifykey_check(issuer, algorithm, tbs, cella_bytes(rs, 2 * half));
}

CELLA_RESULT x509_check(const char *what, struct cella_bytes tbs,
                        enum cella_signature_algorithm algorithm, struct cella_bytes signature,
                        const struct cella_verifykey *issuer) {
    ENSURE(algorithm != CELLA_SIG_NONE, CELLA_ERR_UNSUPPORTED, NULL,
           "%s is signed with an algorithm that is not ECDSA or RSA (PKCS#1, PSS) with SHA-256 to "
           "SHA-512",
           what);
    algorithm = x509_algorithm_for(algorithm, issuer);
    bool rsa = cella_verifykey_kind(issuer) == CELLA_VERIFYKEY_RSA;
    struct cella_result r = !rsa && algorithm <= CELLA_SIG_ECDSA_P384_SHA256
                                ? check_ecdsa(tbs, algorithm, signature, issuer)
                                : cella_verifykey_check(issuer, algorithm, tbs, signature);
    TRY_IN(r, "%s", what);
    return CELLA_SUCCESS;
}
