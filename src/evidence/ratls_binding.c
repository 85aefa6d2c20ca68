#include "base/buffer.h"
#include "base/memory.h"
#include "base/text.h"
#include "crypto/der.h"
#include "crypto/digest.h"
#include "evidence/ratls.h"

enum {
    REPORT_DATA_SIZE = 64,
    PEM_LINE = 64,
    HASH_SHA256 = 1,
    HASH_SHA384 = 7,
    HASH_SHA512 = 8,
    EC_UNCOMPRESSED = 4
};

static bool tail_zero(struct cella_bytes report_data) {
    uint8_t any = 0;
    for (size_t i = CELLA_SHA256_SIZE; i < report_data.size; i++) any |= report_data.data[i];
    return any == 0;
}

static struct cella_result hash_matches(struct cella_bytes bytes, struct cella_bytes report_data,
                                        bool *matches) {
    uint8_t digest[CELLA_SHA256_SIZE];
    TRY(cella_sha256(bytes, digest));
    *matches = cella_equal(digest, report_data.data, sizeof(digest));
    return CELLA_SUCCESS;
}

/* Content of the BIT STRING: RSAPublicKey of PKCS #1, or the point of an EC key. */
static struct cella_bytes key_bits(struct cella_bytes spki) {
    struct cella_reader r = cella_reader(spki), sequence = cella_der_read(&r, CELLA_DER_SEQUENCE);
    (void)cella_der_read(&sequence, CELLA_DER_SEQUENCE);
    struct cella_bytes bits = cella_der_bytes(&sequence, CELLA_DER_BIT_STRING);
    return bits.size > 1 && bits.data[0] == 0 ? cella_bytes(bits.data + 1, bits.size - 1)
                                              : cella_bytes(NULL, 0);
}

/* As Open Enclave hashes it: the PEM text of the key and the NUL that ends it in C. */
static struct cella_result pem_of(struct cella_bytes spki, struct cella_buffer *out) {
    static const char begin[] = "-----BEGIN PUBLIC KEY-----\n",
                      end[] = "-----END PUBLIC KEY-----\n";
    CELLA_BUFFER base64 = {0};
    TRY(cella_base64_encode(spki, false, &base64));
    TRY(cella_buffer_append(out, cella_bytes_text(begin)));
    for (size_t at = 0; at < base64.size; at += PEM_LINE) {
        size_t size = base64.size - at < PEM_LINE ? base64.size - at : PEM_LINE;
        TRY(cella_buffer_append(out, cella_bytes(base64.data + at, size)));
        TRY(cella_buffer_append(out, cella_bytes("\n", 1)));
    }
    return cella_buffer_append(out, CELLA_BYTES_OF(end)); /* with the NUL */
}

/* Interoperable RA-TLS: report data binds the claims buffer, the buffer the key (hash over the
 * whole SPKI). */
static struct cella_result claims_bind(const struct cella_certificate *c,
                                       const struct cella_ratls_found *found,
                                       struct cella_bytes report_data, bool *binds) {
    struct cella_ratls_claims claims;
    uint8_t digest[CELLA_SHA512_SIZE];
    size_t size = 0;
    TRY(cella_ratls_claims_parse(found->claims, &claims));
    switch (claims.hash_algorithm) {
    case HASH_SHA256:
        size = CELLA_SHA256_SIZE;
        TRY(cella_sha256(c->spki, digest));
        break;
    case HASH_SHA384:
        size = CELLA_SHA384_SIZE;
        TRY(cella_sha384(c->spki, digest));
        break;
    case HASH_SHA512:
        size = CELLA_SHA512_SIZE;
        TRY(cella_sha512(c->spki, digest));
        break;
    default:
        FAIL(CELLA_ERR_UNSUPPORTED, NULL,
             "claims buffer: pubkey-hash of algorithm %llu, not SHA-256, SHA-384 or SHA-512",
             (unsigned long long)claims.hash_algorithm); /* truncated hashes, too: A28 */
    }
    TRY(hash_matches(found->claims, report_data, binds));
    *binds = *binds && tail_zero(report_data) && claims.hash.size == size &&
             cella_equal(claims.hash.data, digest, size);
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_ratls_binding(const struct cella_certificate *c,
                                 const struct cella_ratls_found *found,
                                 struct cella_bytes report_data, const char **how) {
    CELLA_BUFFER pem = {0};
    bool matches = false;
    *how = NULL;
    ENSURE(report_data.size == REPORT_DATA_SIZE, CELLA_ERR_FORMAT, NULL,
           "report data: expected 64 bytes, found %zu", report_data.size);
    if (found->has_claims) {
        TRY(claims_bind(c, found, report_data, &matches));
        if (matches) *how = "claims-buffer";
        return CELLA_SUCCESS;
    }
    struct cella_bytes bits = key_bits(c->spki);
    TRY(pem_of(c->spki, &pem));
    const bool point = bits.size > 0 && bits.data[0] == EC_UNCOMPRESSED;
    const struct {
        const char *name;
        struct cella_bytes bytes;
    } forms[] = {
        {"spki", c->spki}, {point ? "ec-point" : "pkcs1", bits}, {"pem", cella_buffer_bytes(&pem)}};
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]) && !*how; i++) {
        if (forms[i].bytes.size == 0) continue;
        TRY(hash_matches(forms[i].bytes, report_data, &matches));
        if (matches) *how = forms[i].name;
    }
    /* Those who hash the point may use the second half themselves; from all others it is zero
     * (A13). */
    if (*how && !tail_zero(report_data) && !(forms[1].name == *how && point)) *how = NULL;
    return CELLA_SUCCESS;
}
