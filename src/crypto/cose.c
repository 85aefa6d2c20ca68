#include "crypto/cose.h"

#include "base/memory.h"

enum { PROTECTED_MAX = 256 };

static void parse_protected(struct cella_cbor *c, const char *content_type,
                            struct cella_cose_sign1 *out) {
    cella_cbor_map(c, "protected header", 3, 3);
    cella_cbor_expect_int(c, "header alg", 1);
    cella_cbor_expect_int(c, "alg", CELLA_COSE_ES256);
    cella_cbor_expect_int(c, "header content type", 3);
    cella_cbor_expect_text(c, "content type", content_type);
    cella_cbor_expect_int(c, "header kid", 4);
    out->kid = cella_cbor_bytes(c, "kid", CELLA_COSE_KID_SIZE, CELLA_COSE_KID_SIZE);
}

/* The algorithm is fixed by this function and the key, never chosen by the header (threats.md A24,
 * A28). */
CELLA_RESULT cella_cose_sign1_parse(struct cella_bytes bytes, const char *content_type,
                                    struct cella_cose_sign1 *out) {
    *out = (struct cella_cose_sign1){0};
    struct cella_cose_sign1 found = {0};
    struct cella_cbor c = cella_cbor(bytes, "COSE_Sign1");
    cella_cbor_tag(&c, "tag of COSE_Sign1", CELLA_COSE_SIGN1);
    cella_cbor_array(&c, "COSE_Sign1", 4, 4);
    found.protected = cella_cbor_bytes(&c, "protected header", 1, PROTECTED_MAX);
    cella_cbor_map(&c, "unprotected header", 0, 0);
    found.payload = cella_cbor_bytes(&c, "payload", 1, SIZE_MAX);
    found.signature =
        cella_cbor_bytes(&c, "signature", CELLA_P256_SIGNATURE_SIZE, CELLA_P256_SIGNATURE_SIZE);
    TRY(cella_cbor_end(&c));
    struct cella_cbor header = cella_cbor(found.protected, "COSE protected header");
    parse_protected(&header, content_type, &found);
    TRY(cella_cbor_end(&header));
    *out = found;
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_cose_sign1_digest(struct cella_sha256 *sha, struct cella_bytes protected,
                                     struct cella_bytes payload, uint8_t digest[32]) {
    uint8_t start[PROTECTED_MAX + 64];
    struct cella_writer w = cella_writer(start, sizeof(start));
    cella_cbor_put_array(&w, 4);
    cella_cbor_put_text(&w, "Signature1");
    cella_cbor_put_bytes(&w, protected);
    cella_cbor_put_bytes(&w, cella_bytes(NULL, 0)); /* no external data */
    uint8_t head[9];
    struct cella_writer size = cella_writer(head, sizeof(head));
    cella_cbor_put_bytes_head(&size, payload.size);
    ENSURE(!w.failed && !size.failed, CELLA_ERR_LIMIT, NULL,
           "COSE protected header of %zu bytes, at most %d", protected.size, PROTECTED_MAX);
    cella_writer_put(&w, cella_writer_bytes(&size));
    TRY(cella_sha256_begin(sha));
    TRY(cella_sha256_add(sha, cella_writer_bytes(&w)));
    TRY(cella_sha256_add(sha, payload));
    return cella_sha256_end(sha, digest);
}

void cella_cose_put_protected(struct cella_writer *w, const char *content_type,
                              const uint8_t kid[CELLA_COSE_KID_SIZE]) {
    cella_cbor_put_map(w, 3);
    cella_cbor_put_int(w, 1);
    cella_cbor_put_int(w, CELLA_COSE_ES256);
    cella_cbor_put_int(w, 3);
    cella_cbor_put_text(w, content_type);
    cella_cbor_put_int(w, 4);
    cella_cbor_put_bytes(w, cella_bytes(kid, CELLA_COSE_KID_SIZE));
}

/* What stands before x || y in the SubjectPublicKeyInfo of an uncompressed P-256 point (RFC 5480).
 */
static const uint8_t spki_prefix[27] = {0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48,
                                        0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48,
                                        0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04};
_Static_assert(sizeof(spki_prefix) + 64 == CELLA_P256_SPKI_SIZE, "prefix, x, y");

void cella_cose_put_key(struct cella_writer *w, const uint8_t spki[CELLA_P256_SPKI_SIZE]) {
    cella_cbor_put_map(w, 5);
    cella_cbor_put_int(w, 1); /* kty */
    cella_cbor_put_int(w, 2); /* EC2 */
    cella_cbor_put_int(w, 3); /* alg */
    cella_cbor_put_int(w, CELLA_COSE_ES256);
    cella_cbor_put_int(w, -1); /* crv */
    cella_cbor_put_int(w, 1);  /* P-256 */
    cella_cbor_put_int(w, -2);
    cella_cbor_put_bytes(w, cella_bytes(spki + sizeof(spki_prefix), 32));
    cella_cbor_put_int(w, -3);
    cella_cbor_put_bytes(w, cella_bytes(spki + sizeof(spki_prefix) + 32, 32));
}

void cella_cose_take_key(struct cella_cbor *c, const char *field,
                         uint8_t spki[CELLA_P256_SPKI_SIZE]) {
    static const int64_t fixed[] = {1, 2, 3, CELLA_COSE_ES256, -1, 1};
    cella_copy(spki, spki_prefix, sizeof(spki_prefix));
    cella_cbor_map(c, field, 5, 5);
    for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++)
        cella_cbor_expect_int(c, field, fixed[i]);
    cella_cbor_expect_int(c, field, -2);
    cella_cbor_copy(c, field, spki + sizeof(spki_prefix), 32);
    cella_cbor_expect_int(c, field, -3);
    cella_cbor_copy(c, field, spki + sizeof(spki_prefix) + 32, 32);
}
