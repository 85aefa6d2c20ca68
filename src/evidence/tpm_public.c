/* TPMT_PUBLIC (TPM 2.0 Library part 2, section 12.2.4): the public half of an attestation key as
 * the TPM describes it. */
#include "base/memory.h"
#include "evidence/tpm_attest.h"

enum { POLICY_MAX = 64, P256 = 0x0003, P384 = 0x0004, RSA_EXPONENT = 65537 };

static struct cella_bytes read_2b(struct cella_reader *r, size_t max) {
    size_t size = cella_reader_u16be(r);
    if (size > max) r->failed = true;
    return cella_reader_bytes(r, size);
}

/* A key that signs has no symmetric algorithm of its own; a storage key does, and cannot quote. */
static void read_scheme(struct cella_reader *r, struct cella_tpm_public *out) {
    if (cella_reader_u16be(r) != CELLA_TPM_NULL) r->failed = true;
    out->scheme = cella_reader_u16be(r);
    if (out->scheme != CELLA_TPM_NULL && out->scheme != CELLA_TPM_RSAES)
        out->scheme_hash = cella_reader_u16be(r);
}

static struct cella_result read_rsa(struct cella_reader *r, struct cella_tpm_public *out) {
    read_scheme(r, out);
    uint16_t bits = cella_reader_u16be(r);
    uint32_t exponent = cella_reader_u32be(r);
    struct cella_bytes modulus = read_2b(r, 512);
    ENSURE(!r->failed && modulus.size * 8 == bits, CELLA_ERR_FORMAT, NULL,
           "attestation key: TPMT_PUBLIC of an RSA key that does not fit its sizes or cannot sign");
    return cella_spki_rsa(modulus, exponent ? exponent : RSA_EXPONENT, &out->spki);
}

static struct cella_result read_ecc(struct cella_reader *r, struct cella_tpm_public *out) {
    uint8_t xy[96] = {0};
    read_scheme(r, out);
    uint16_t curve = cella_reader_u16be(r);
    size_t size = curve == P256 ? 32 : 48;
    if (cella_reader_u16be(r) != CELLA_TPM_NULL) r->failed = true; /* no key derivation */
    struct cella_bytes x = read_2b(r, size), y = read_2b(r, size);
    ENSURE(!r->failed && (curve == P256 || curve == P384), CELLA_ERR_FORMAT, NULL,
           "attestation key: TPMT_PUBLIC of curve %04x: expected 0003 (P-256) or 0004 (P-384) with "
           "sizes that fit",
           curve);
    cella_copy(xy + size - x.size, x.data, x.size);
    cella_copy(xy + 2 * size - y.size, y.data, y.size);
    return cella_spki_point(cella_bytes(xy, 2 * size), &out->spki);
}

static struct cella_bytes without_size(struct cella_bytes bytes) {
    struct cella_reader r = cella_reader(bytes);
    size_t size = cella_reader_u16be(&r);
    return !r.failed && size == bytes.size - 2 ? cella_bytes(bytes.data + 2, size) : bytes;
}

CELLA_RESULT cella_tpm_public_parse(struct cella_bytes bytes, struct cella_tpm_public *out) {
    *out = (struct cella_tpm_public){.area = without_size(bytes)};
    struct cella_reader r = cella_reader(out->area);
    out->type = cella_reader_u16be(&r);
    out->name_hash = cella_reader_u16be(&r);
    out->attributes = cella_reader_u32be(&r);
    read_2b(&r, POLICY_MAX);
    ENSURE(!r.failed && (out->type == CELLA_TPM_RSA || out->type == CELLA_TPM_ECC),
           CELLA_ERR_FORMAT, NULL,
           "attestation key: TPMT_PUBLIC of type %04x: expected 0001 (RSA) or 0023 (ECC)",
           out->type);
    TRY(out->type == CELLA_TPM_RSA ? read_rsa(&r, out) : read_ecc(&r, out));
    ENSURE(cella_reader_done(&r), CELLA_ERR_FORMAT, NULL,
           "attestation key: TPMT_PUBLIC is followed by more bytes");
    return CELLA_SUCCESS;
}
