#include "evidence/tpm.h"

#include "base/memory.h"
#include "crypto/cbor.h"
#include "crypto/digest.h"
#include "evidence/format.h"
#include "evidence/tpm_attest.h"

#define BINDING_LABEL "cella platform key v1" /* with its NUL */

CELLA_RESULT cella_tpm_binding(struct cella_bytes platform_spki, uint8_t extra_data[32]) {
    CELLA_SHA256 sha = {0};
    TRY(cella_sha256_begin(&sha));
    TRY(cella_sha256_add(&sha, cella_bytes(BINDING_LABEL, sizeof(BINDING_LABEL))));
    TRY(cella_sha256_add(&sha, platform_spki));
    return cella_sha256_end(&sha, extra_data);
}

CELLA_RESULT cella_tpm_quote_encode(const struct cella_tpm_quote *quote, struct cella_buffer *out) {
    ENSURE(quote->pcr_count >= 1 && quote->pcr_count <= CELLA_TPM_PCR_MAX, CELLA_ERR_USAGE, NULL,
           "a TPM quote over %u PCRs, expected 1 to %d", quote->pcr_count, CELLA_TPM_PCR_MAX);
    size_t before = out->size;
    uint8_t *to = NULL;
    TRY(cella_buffer_extend(out, CELLA_ROOT_EVIDENCE_MAX, &to));
    struct cella_writer w = cella_writer(to, CELLA_ROOT_EVIDENCE_MAX);
    cella_cbor_put_map(&w, 4);
    cella_cbor_put_text(&w, "ak");
    cella_cbor_put_bytes(&w, quote->ak_spki);
    cella_cbor_put_text(&w, "pcrs");
    cella_cbor_put_map(&w, quote->pcr_count);
    for (uint32_t i = 0; i < quote->pcr_count; i++) {
        cella_cbor_put_uint(&w, quote->pcr[i].index);
        cella_cbor_put_bytes(&w, CELLA_BYTES_OF(quote->pcr[i].value));
    }
    cella_cbor_put_text(&w, "attest");
    cella_cbor_put_bytes(&w, quote->attest);
    cella_cbor_put_text(&w, "signature");
    cella_cbor_put_bytes(&w, quote->signature);
    out->size = before + w.size;
    if (w.failed) out->size = before;
    ENSURE(!w.failed, CELLA_ERR_LIMIT, NULL, "a TPM quote does not fit %d bytes",
           CELLA_ROOT_EVIDENCE_MAX);
    return CELLA_SUCCESS;
}

static struct cella_result decode(struct cella_bytes cbor, struct cella_tpm_quote *out) {
    struct cella_cbor c = cella_cbor(cbor, "root evidence (TPM quote)");
    cella_cbor_map(&c, "root evidence", 4, 4);
    cella_cbor_expect_text(&c, "key", "ak");
    out->ak_spki = cella_cbor_bytes(&c, "ak", 1, CELLA_TPM_AK_MAX);
    cella_cbor_expect_text(&c, "key", "pcrs");
    out->pcr_count = (uint32_t)cella_cbor_map(&c, "pcrs", 1, CELLA_TPM_PCR_MAX);
    for (uint32_t i = 0; i < out->pcr_count; i++) {
        out->pcr[i].index = (uint8_t)cella_cbor_uint(&c, "pcr index", CELLA_TPM_PCR_MAX - 1);
        if (i > 0 && out->pcr[i].index <= out->pcr[i - 1].index)
            cella_cbor_refuse(&c, "pcr index", "ascending order", "a lower or equal one");
        cella_cbor_copy(&c, "pcr value", out->pcr[i].value, sizeof(out->pcr[i].value));
    }
    cella_cbor_expect_text(&c, "key", "attest");
    out->attest = cella_cbor_bytes(&c, "attest", 1, CELLA_TPM_ATTEST_MAX);
    cella_cbor_expect_text(&c, "key", "signature");
    out->signature = cella_cbor_bytes(&c, "signature", 1, CELLA_TPM_SIGNATURE_MAX);
    return cella_cbor_end(&c);
}

static struct cella_result check_binding(const struct cella_tpm_attest *attest,
                                         struct cella_bytes platform_spki) {
    uint8_t expected[32];
    TRY(cella_tpm_binding(platform_spki, expected));
    ENSURE(attest->extra_data.size == sizeof(expected) &&
               cella_equal(attest->extra_data.data, expected, sizeof(expected)),
           CELLA_ERR_INTEGRITY, "the quote is of another platform key; start the platform anew",
           "TPM quote: extraData: expected the binding of this platform key, found another value");
    return CELLA_SUCCESS;
}

static struct cella_result check_pcrs(const struct cella_tpm_attest *attest,
                                      const struct cella_tpm_quote *quote) {
    uint32_t listed = 0;
    for (uint32_t i = 0; i < quote->pcr_count; i++) listed |= 1U << quote->pcr[i].index;
    ENSURE(attest->bank_count == 1 && attest->bank[0].hash == CELLA_TPM_SHA256, CELLA_ERR_FORMAT,
           NULL,
           "TPM quote: selection: expected the SHA-256 bank alone, found %u banks, the first of "
           "hash %04x",
           attest->bank_count, attest->bank[0].hash);
    ENSURE(attest->bank[0].pcrs == listed, CELLA_ERR_INTEGRITY, NULL,
           "TPM quote: selection: the quote covers PCRs %06x, the list has %06x",
           attest->bank[0].pcrs, listed);
    uint8_t digest[32];
    CELLA_SHA256 sha = {0};
    TRY(cella_sha256_begin(&sha));
    for (uint32_t i = 0; i < quote->pcr_count; i++)
        TRY(cella_sha256_add(&sha, CELLA_BYTES_OF(quote->pcr[i].value)));
    TRY(cella_sha256_end(&sha, digest));
    ENSURE(attest->pcr_digest.size == sizeof(digest) &&
               cella_equal(attest->pcr_digest.data, digest, sizeof(digest)),
           CELLA_ERR_INTEGRITY, NULL,
           "TPM quote: pcrDigest: it is not the digest of the PCR values listed");
    return CELLA_SUCCESS;
}

/* Every link of A22: signature, magic and type, binding, selection, digest. */
CELLA_RESULT cella_tpm_quote_verify(struct cella_bytes cbor, struct cella_bytes platform_spki,
                                    struct cella_tpm_quote *out) {
    *out = (struct cella_tpm_quote){0};
    struct cella_tpm_quote found = {0};
    struct cella_tpm_attest attest;
    CELLA_KEY ak = NULL;
    TRY(decode(cbor, &found));
    TRY_IN(cella_key_public(found.ak_spki, &ak), "TPM quote: attestation key");
    TRY_IN(cella_tpm_signature_verify(ak, found.attest, found.signature), "TPM quote: signature");
    TRY(cella_tpm_attest_parse(found.attest, &attest));
    TRY(check_binding(&attest, platform_spki));
    TRY(check_pcrs(&attest, &found));
    *out = found;
    return CELLA_SUCCESS;
}
