#include "evidence/tpm_attest.h"

#include "base/memory.h"
#include "base/reader.h"

enum { TPM2B_MAX = 130, SELECT_SIZE_MAX = 4, SCALAR_MAX = 48 };

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

CELLA_RESULT cella_tpm_attest_read(struct cella_reader *r, struct cella_tpm_attest *out) {
    *out = (struct cella_tpm_attest){0};
    struct cella_tpm_attest found = {0};
    uint32_t magic = cella_reader_u32be(r);
    uint16_t type = cella_reader_u16be(r);
    /* The magic is what a restricted key never signs for data from outside (A22). */
    ENSURE(!r->failed && magic == CELLA_TPM_MAGIC, CELLA_ERR_FORMAT, NULL,
           "TPM quote: magic: expected %08x, found %08x", CELLA_TPM_MAGIC, magic);
    ENSURE(type == CELLA_TPM_ATTEST_QUOTE, CELLA_ERR_FORMAT, NULL,
           "TPM quote: type: expected %04x (quote), found %04x", CELLA_TPM_ATTEST_QUOTE, type);
    found.signer = read_2b(r, TPM2B_MAX);
    found.extra_data = read_2b(r, TPM2B_MAX);
    found.clock_ms = cella_reader_u64be(r);
    found.reset_count = cella_reader_u32be(r);
    found.restart_count = cella_reader_u32be(r);
    uint8_t safe = cella_reader_u8(r);
    found.safe = safe == 1;
    found.firmware = cella_reader_u64be(r);
    read_selection(r, &found);
    found.pcr_digest = read_2b(r, TPM2B_MAX);
    ENSURE(!r->failed && safe <= 1, CELLA_ERR_FORMAT, NULL,
           "TPM quote: TPMS_ATTEST of %zu bytes is cut short, or has a size out of range", r->size);
    *out = found;
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_tpm_attest_parse(struct cella_bytes bytes, struct cella_tpm_attest *out) {
    struct cella_reader r = cella_reader(bytes);
    struct cella_tpm_attest found;
    *out = (struct cella_tpm_attest){0};
    TRY(cella_tpm_attest_read(&r, &found));
    ENSURE(cella_reader_done(&r), CELLA_ERR_FORMAT, NULL,
           "TPM quote: TPMS_ATTEST is followed by %zu bytes more", bytes.size - r.at);
    *out = found;
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_tpm_certify_parse(struct cella_bytes bytes, struct cella_tpm_certify *out) {
    enum { CLOCK_AND_FIRMWARE = 8 + 4 + 4 + 1 + 8 };
    struct cella_reader r = cella_reader(bytes);
    struct cella_tpm_certify found = {0};
    *out = found;
    uint32_t magic = cella_reader_u32be(&r);
    uint16_t type = cella_reader_u16be(&r);
    ENSURE(!r.failed && magic == CELLA_TPM_MAGIC, CELLA_ERR_FORMAT, NULL,
           "TPM certification: magic: expected %08x, found %08x", CELLA_TPM_MAGIC, magic);
    ENSURE(type == CELLA_TPM_ATTEST_CERTIFY, CELLA_ERR_FORMAT, NULL,
           "TPM certification: type: expected %04x (certify), found %04x", CELLA_TPM_ATTEST_CERTIFY,
           type);
    found.signer = read_2b(&r, TPM2B_MAX);
    found.extra_data = read_2b(&r, TPM2B_MAX);
    cella_reader_skip(&r, CLOCK_AND_FIRMWARE);
    found.name = read_2b(&r, TPM2B_MAX);
    read_2b(&r, TPM2B_MAX); /* qualified name */
    ENSURE(cella_reader_done(&r), CELLA_ERR_FORMAT, NULL,
           "TPM certification: TPMS_ATTEST of %zu bytes does not fit its sizes", bytes.size);
    *out = found;
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_tpm_signature_read(struct cella_reader *r, struct cella_tpm_signature *out) {
    *out = (struct cella_tpm_signature){0};
    struct cella_tpm_signature found = {0};
    found.scheme = cella_reader_u16be(r);
    found.hash = cella_reader_u16be(r);
    bool rsa = found.scheme == CELLA_TPM_RSASSA || found.scheme == CELLA_TPM_RSAPSS;
    ENSURE(!r->failed && (rsa || found.scheme == CELLA_TPM_ECDSA), CELLA_ERR_FORMAT, NULL,
           "TPM quote: signature scheme: expected 0014 (RSASSA), 0016 (RSAPSS) or 0018 (ECDSA), "
           "found %04x",
           found.scheme);
    if (rsa) {
        found.value = read_2b(r, CELLA_TPM_SIGNATURE_MAX);
    } else {
        found.r = read_2b(r, SCALAR_MAX);
        found.s = read_2b(r, SCALAR_MAX);
    }
    ENSURE(!r->failed, CELLA_ERR_FORMAT, NULL,
           "TPM quote: TPMT_SIGNATURE of %zu bytes does not fit its sizes", r->size);
    *out = found;
    return CELLA_SUCCESS;
}

/* The forms differ at their first bytes; an RSA integer that begins like TPMT_SIGNATURE still fails
 * its sizes. */
CELLA_RESULT cella_tpm_signature_parse(struct cella_bytes bytes, struct cella_tpm_signature *out) {
    struct cella_reader r = cella_reader(bytes);
    struct cella_result read = cella_tpm_signature_read(&r, out);
    if (!cella_failed(read) && cella_reader_done(&r)) return CELLA_SUCCESS;
    bool der = bytes.size > 8 && bytes.size < 256 && bytes.data[0] == 0x30;
    bool integer = bytes.size >= 256 && bytes.size <= 512 && bytes.size % 64 == 0;
    if (!der && !integer) {
        if (cella_failed(read)) return read;
        FAIL(CELLA_ERR_FORMAT, NULL,
             "TPM quote: TPMT_SIGNATURE of %zu bytes does not fit its sizes", bytes.size);
    }
    cella_result_drop(read);
    *out = (struct cella_tpm_signature){.value = bytes};
    return CELLA_SUCCESS;
}

static enum cella_signature_algorithm algorithm_of(enum cella_verifykey_kind kind, uint16_t scheme,
                                                   uint16_t hash) {
    static const struct {
        enum cella_verifykey_kind kind;
        uint16_t scheme, hash;
        enum cella_signature_algorithm algorithm;
    } known[] = {
        {CELLA_VERIFYKEY_RSA, CELLA_TPM_RSASSA, CELLA_TPM_SHA256, CELLA_SIG_RSA_PKCS1_SHA256},
        {CELLA_VERIFYKEY_RSA, CELLA_TPM_RSASSA, CELLA_TPM_SHA384, CELLA_SIG_RSA_PKCS1_SHA384},
        {CELLA_VERIFYKEY_RSA, CELLA_TPM_RSASSA, CELLA_TPM_SHA512, CELLA_SIG_RSA_PKCS1_SHA512},
        {CELLA_VERIFYKEY_RSA, CELLA_TPM_RSAPSS, CELLA_TPM_SHA256, CELLA_SIG_RSA_PSS_SHA256},
        {CELLA_VERIFYKEY_RSA, CELLA_TPM_RSAPSS, CELLA_TPM_SHA384, CELLA_SIG_RSA_PSS_SHA384},
        {CELLA_VERIFYKEY_RSA, CELLA_TPM_RSAPSS, CELLA_TPM_SHA512, CELLA_SIG_RSA_PSS_SHA512},
        {CELLA_VERIFYKEY_P256, CELLA_TPM_ECDSA, CELLA_TPM_SHA256, CELLA_SIG_ECDSA_P256_SHA256},
        {CELLA_VERIFYKEY_P256, CELLA_TPM_ECDSA, CELLA_TPM_SHA384, CELLA_SIG_ECDSA_P256_SHA384},
        {CELLA_VERIFYKEY_P384, CELLA_TPM_ECDSA, CELLA_TPM_SHA256, CELLA_SIG_ECDSA_P384_SHA256},
        {CELLA_VERIFYKEY_P384, CELLA_TPM_ECDSA, CELLA_TPM_SHA384, CELLA_SIG_ECDSA_P384_SHA384},
    };
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (known[i].kind == kind && known[i].scheme == scheme && known[i].hash == hash)
            return known[i].algorithm;
    return CELLA_SIG_NONE;
}

static struct cella_result put_scalar(struct cella_bytes number, uint8_t *to, size_t size) {
    ENSURE(number.size <= size, CELLA_ERR_FORMAT, NULL,
           "TPM quote: a signature of %zu bytes for a curve of %zu", number.size, size);
    cella_zero(to, size - number.size);
    cella_copy(to + size - number.size, number.data, number.size);
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_tpm_signature_check(const struct cella_verifykey *key,
                                       const struct cella_tpm_signature *signature, uint16_t hash,
                                       struct cella_bytes message) {
    enum cella_verifykey_kind kind = cella_verifykey_kind(key);
    bool rsa = kind == CELLA_VERIFYKEY_RSA;
    uint16_t scheme = signature->scheme ? signature->scheme
                      : rsa             ? CELLA_TPM_RSASSA
                                        : CELLA_TPM_ECDSA;
    uint8_t pair[2 * SCALAR_MAX];
    size_t size = kind == CELLA_VERIFYKEY_P384 ? 48 : 32;
    ENSURE(
        signature->scheme == 0 || signature->hash == hash, CELLA_ERR_FORMAT, NULL,
        "TPM quote: hash of the signature: expected that of the quote's digest (%04x), found %04x",
        hash, signature->hash);
    ENSURE(hash != CELLA_TPM_SHA1, CELLA_ERR_UNSUPPORTED,
           "make an attestation key whose scheme uses SHA-256",
           "TPM quote: hash of the signature: expected SHA-256 or stronger, found 0004 (SHA-1)");
    enum cella_signature_algorithm algorithm = algorithm_of(kind, scheme, hash);
    ENSURE(algorithm != CELLA_SIG_NONE, CELLA_ERR_UNSUPPORTED, NULL,
           "TPM quote: signature scheme %04x with hash %04x does not fit the attestation key",
           scheme, hash);
    if (rsa) return cella_verifykey_check(key, algorithm, message, signature->value);
    if (signature->scheme == 0) {
        TRY(cella_ecdsa_from_der(signature->value, pair, size));
    } else {
        TRY(put_scalar(signature->r, pair, size));
        TRY(put_scalar(signature->s, pair + size, size));
    }
    return cella_verifykey_check(key, algorithm, message, cella_bytes(pair, 2 * size));
}

CELLA_RESULT cella_tpm_signature_verify(const struct cella_key *ak, struct cella_bytes message,
                                        struct cella_bytes signature) {
    struct cella_reader r = cella_reader(signature);
    struct cella_tpm_signature found;
    TRY(cella_tpm_signature_read(&r, &found));
    ENSURE(found.hash == CELLA_TPM_SHA256, CELLA_ERR_UNSUPPORTED,
           "make an attestation key whose scheme uses SHA-256",
           "TPM quote: hash of the signature: expected 000b (SHA-256), found %04x", found.hash);
    ENSURE(cella_reader_done(&r), CELLA_ERR_FORMAT, NULL,
           "TPM quote: TPMT_SIGNATURE of %zu bytes does not fit its sizes", signature.size);
    uint8_t pair[CELLA_P256_SIGNATURE_SIZE];
    if (found.scheme != CELLA_TPM_ECDSA)
        return cella_key_verify_rsa(ak, found.scheme == CELLA_TPM_RSAPSS, message, found.value);
    TRY(put_scalar(found.r, pair, 32));
    TRY(put_scalar(found.s, pair + 32, 32));
    return cella_key_verify_p256(ak, message, pair);
}
