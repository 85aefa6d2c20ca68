#include "evidence/tpm_attest.h"

#include "base/memory.h"
#include "base/reader.h"

enum { TPM2B_MAX = 130, SELECT_SIZE_MAX = 4 };

/* TPM2B: a size of 16 bits, then as many bytes. */
static struct cella_bytes read_2b(struct cella_reader *r, size_t max) {
    size_t size = cella_reader_u16be(r);
    if (size > max) r->failed = true;
    return cella_reader_bytes(r, size);
}

static void read_selection(struct cella_reader *r, struct cella_tpm_attest *out) {
    out->bank_count = cella_reader_u32be(r);
    if (out->bank_count > CELLA_TPM_BANK_MAX) r->failed = true;
    for (uint32_t i = 0; !r->failed && i < out->bank_count; i++) {
        out->bank[i].hash = cella_reader_u16be(r);
        size_t size = cella_reader_u8(r);
        if (size > SELECT_SIZE_MAX) r->failed = true;
        for (size_t j = 0; !r->failed && j < size; j++)
            out->bank[i].pcrs |= (uint32_t)cella_reader_u8(r) << (8 * j);
    }
}

CELLA_RESULT cella_tpm_attest_parse(struct cella_bytes bytes, struct cella_tpm_attest *out) {
    *out = (struct cella_tpm_attest){0};
    struct cella_tpm_attest found = {0};
    struct cella_reader r = cella_reader(bytes);
    uint32_t magic = cella_reader_u32be(&r);
    uint16_t type = cella_reader_u16be(&r);
    /* The magic is what a restricted key never signs for data from outside (A22). */
    ENSURE(!r.failed && magic == CELLA_TPM_MAGIC, CELLA_ERR_FORMAT, NULL,
           "TPM quote: magic: expected %08x, found %08x", CELLA_TPM_MAGIC, magic);
    ENSURE(type == CELLA_TPM_ATTEST_QUOTE, CELLA_ERR_FORMAT, NULL,
           "TPM quote: type: expected %04x (quote), found %04x", CELLA_TPM_ATTEST_QUOTE, type);
    found.signer = read_2b(&r, TPM2B_MAX);
    found.extra_data = read_2b(&r, TPM2B_MAX);
    found.clock_ms = cella_reader_u64be(&r);
    found.reset_count = cella_reader_u32be(&r);
    found.restart_count = cella_reader_u32be(&r);
    uint8_t safe = cella_reader_u8(&r);
    found.safe = safe == 1;
    found.firmware = cella_reader_u64be(&r);
    read_selection(&r, &found);
    found.pcr_digest = read_2b(&r, TPM2B_MAX);
    ENSURE(cella_reader_done(&r) && safe <= 1, CELLA_ERR_FORMAT, NULL,
           "TPM quote: TPMS_ATTEST of %zu bytes is cut short, too long, or has a size out of range",
           bytes.size);
    *out = found;
    return CELLA_SUCCESS;
}

/* r or s: at most 32 bytes, shorter where it begins with zeros. */
static void read_scalar(struct cella_reader *r, uint8_t out[32]) {
    struct cella_bytes bytes = read_2b(r, 32);
    cella_zero(out, 32);
    if (bytes.size) cella_copy(out + 32 - bytes.size, bytes.data, bytes.size);
}

CELLA_RESULT cella_tpm_signature_verify(const struct cella_key *ak, struct cella_bytes message,
                                        struct cella_bytes signature) {
    struct cella_reader r = cella_reader(signature);
    uint16_t scheme = cella_reader_u16be(&r), hash = cella_reader_u16be(&r);
    bool rsa = scheme == CELLA_TPM_RSASSA || scheme == CELLA_TPM_RSAPSS;
    ENSURE(!r.failed && (rsa || scheme == CELLA_TPM_ECDSA), CELLA_ERR_FORMAT, NULL,
           "TPM quote: signature scheme: expected 0014 (RSASSA), 0016 (RSAPSS) or 0018 (ECDSA), "
           "found %04x",
           scheme);
    ENSURE(hash == CELLA_TPM_SHA256, CELLA_ERR_UNSUPPORTED,
           "make an attestation key whose scheme uses SHA-256",
           "TPM quote: hash of the signature: expected 000b (SHA-256), found %04x", hash);
    uint8_t pair[CELLA_P256_SIGNATURE_SIZE];
    struct cella_bytes whole = {NULL, 0};
    if (rsa) {
        whole = read_2b(&r, CELLA_TPM_SIGNATURE_MAX);
    } else {
        read_scalar(&r, pair);
        read_scalar(&r, pair + 32);
    }
    ENSURE(cella_reader_done(&r), CELLA_ERR_FORMAT, NULL,
           "TPM quote: TPMT_SIGNATURE of %zu bytes does not fit its sizes", signature.size);
    if (rsa) return cella_key_verify_rsa(ak, scheme == CELLA_TPM_RSAPSS, message, whole);
    return cella_key_verify_p256(ak, message, pair);
}
