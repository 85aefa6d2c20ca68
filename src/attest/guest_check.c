#include "attest/guest_check.h"

#include "attest/lenient.h"
#include "attest/snp_evidence.h"
#include "base/memory.h"
#include "crypto/x509.h"

void cella_guest_checked_free(struct cella_guest_checked *checked) {
    cella_verification_free(&checked->hardware);
}

static bool same(struct cella_bytes a, struct cella_bytes b) {
    return a.size == b.size && cella_equal(a.data, b.data, a.size);
}

/* --- Attestation key --- */

/* TPM2B_PUBLIC as the TPM gives it, or the modulus alone, as older clients unpack it. */
static struct cella_result read_ak(const struct cella_guest_info *info, struct cella_spki *out) {
    const uint32_t need = CELLA_TPM_RESTRICTED | CELLA_TPM_SIGN;
    struct cella_bytes bytes = cella_buffer_bytes(&info->ak_public);
    struct cella_tpm_public public;
    if (bytes.size == 256 || bytes.size == 384) return cella_spki_rsa(bytes, 65537, out);
    TRY_IN(cella_tpm_public_parse(bytes, &public), "AikPub");
    /* An unrestricted key signs anything, also what looks like a quote. */
    ENSURE((public.attributes & need) == need, CELLA_ERR_REFUSED,
           "attest with a restricted signing key",
           "AikPub: attributes: expected restricted and sign, found %08x", public.attributes);
    *out = public.spki;
    return CELLA_SUCCESS;
}

/* Runtime data -> attestation key. */
static struct cella_result check_runtime(const struct cella_guest_info *info,
                                         struct cella_guest_checked *out) {
    TRY_IN(cella_hcl_runtime_parse(cella_buffer_bytes(&info->runtime), &out->runtime),
           "RunTimeData");
    ENSURE(same(cella_spki_bytes(&out->runtime.ak), cella_spki_bytes(&out->ak)),
           CELLA_ERR_INTEGRITY, "attest with the key that the runtime data names",
           "AikPub: it is not HCLAkPub of RunTimeData");
    out->vouched = "hardware";
    return CELLA_SUCCESS;
}

/* On a confidential machine the certificate adds nothing, but one of another key is another
 * machine's. What cannot be read is left: there the NV index may hold anything. */
static struct cella_result check_certificate(const struct cella_guest_info *info,
                                             const struct cella_guest_checked *out) {
    struct cella_certificate leaf;
    struct cella_result r =
        cella_certificate_parse_first(cella_buffer_bytes(&info->ak_certificate), &leaf);
    bool good = !cella_failed(r);
    cella_result_drop(r);
    ENSURE(!good || same(leaf.spki, cella_spki_bytes(&out->ak)), CELLA_ERR_INTEGRITY,
           "send the certificate of this very key", "AikCert: it is of another key than AikPub");
    return CELLA_SUCCESS;
}

/* --- What the key signed --- */

/* The client's protocol quotes without a nonce and binds by the encryption of the answer; one that
 * is there must be the caller's own, or its SHA-256. */
static struct cella_result check_nonce(const struct cella_guest_info *info,
                                       const struct cella_tpm_proof *proof) {
    CELLA_BUFFER nonce = {0};
    uint8_t digest[CELLA_SHA256_SIZE];
    struct cella_bytes found = proof->attest.extra_data;
    if (found.size == 0) return CELLA_SUCCESS;
    TRY(cella_lenient_member(info->client_payload, "nonce", false, &nonce));
    struct cella_bytes expected = cella_buffer_bytes(&nonce);
    TRY(cella_sha256(expected, digest));
    ENSURE(nonce.size && (same(found, expected) || same(found, CELLA_BYTES_OF(digest))),
           CELLA_ERR_INTEGRITY, "quote with the nonce of ClientPayload, or without one",
           "PCR quote: extraData is neither empty nor the nonce of ClientPayload");
    return CELLA_SUCCESS;
}

static struct cella_result check_quote(const struct cella_guest_info *info,
                                       struct cella_guest_checked *out) {
    TRY(cella_tpm_proof_quote(cella_spki_bytes(&out->ak), cella_buffer_bytes(&info->quote),
                              cella_buffer_bytes(&info->quote_signature), info->pcrs, &out->proof));
    ENSURE(out->proof.quoted == info->pcr_set, CELLA_ERR_INTEGRITY, NULL,
           "PcrSet: expected the PCRs that were quoted (mask %06x), found %06x", out->proof.quoted,
           info->pcr_set);
    TRY(check_nonce(info, &out->proof));
    return cella_tpm_proof_log(&out->proof, cella_buffer_bytes(&info->log));
}

/* A key that could leave the TPM would let others read the answer. */
static struct cella_result check_key(const struct cella_guest_info *info,
                                     struct cella_guest_checked *out) {
    const uint32_t need = CELLA_TPM_FIXED_TPM | CELLA_TPM_SENSITIVE_DATA_ORIGIN | CELLA_TPM_DECRYPT;
    TRY_IN(cella_tpm_proof_certified(cella_spki_bytes(&out->ak),
                                     cella_buffer_bytes(&info->key_certify),
                                     cella_buffer_bytes(&info->key_certify_signature),
                                     cella_buffer_bytes(&info->key_public), need, &out->key),
           "EncKeyPub");
    ENSURE(out->key.type == CELLA_TPM_RSA && !(out->key.attributes & CELLA_TPM_RESTRICTED),
           CELLA_ERR_REFUSED, "make an RSA key for decryption that is not restricted",
           "EncKeyPub: expected an RSA key that decrypts what it is given");
    return CELLA_SUCCESS;
}

/* --- Hardware --- */

CELLA_RESULT cella_guest_hardware(const struct cella_guest_info *info, struct cella_buffer *out) {
    struct cella_bytes hardware = cella_buffer_bytes(&info->hardware);
    return info->isolation == CELLA_GUEST_SNP
               ? cella_snp_evidence_of(hardware, cella_buffer_bytes(&info->chain), out)
               : cella_buffer_append(out, hardware);
}

/* Hardware -> runtime data: the hash of exactly these bytes, then zeros. */
static struct cella_result check_binding(const struct cella_guest_info *info,
                                         const struct cella_guest_checked *out) {
    const struct cella_claim *claim = cella_claimset_find(out->hardware.claims, "report-data");
    uint8_t expected[64] = {0};
    TRY(cella_sha256(cella_buffer_bytes(&info->runtime), expected));
    ENSURE(claim && same(claim->bytes, CELLA_BYTES_OF(expected)), CELLA_ERR_INTEGRITY,
           "send the runtime data of the same report, unchanged",
           "report data: expected SHA-256 of RunTimeData and zeros, found another value");
    return CELLA_SUCCESS;
}

static struct cella_result check_hardware(const struct cella_guest_info *info,
                                          const struct cella_collateral *collateral,
                                          const struct cella_evidence_options *options,
                                          struct cella_guest_checked *out) {
    CELLA_BUFFER evidence = {0};
    struct cella_evidence_options typed = *options;
    const struct cella_reason *why = &out->hardware.reason;
    typed.type = info->isolation == CELLA_GUEST_TDX ? CELLA_EVIDENCE_TDX : CELLA_EVIDENCE_SNP;
    TRY(cella_guest_hardware(info, &evidence));
    TRY(cella_verify(cella_buffer_bytes(&evidence), collateral, &typed, &out->hardware));
    ENSURE(out->hardware.verdict == CELLA_VERIFY_ACCEPTED, CELLA_ERR_REFUSED,
           why->remedy[0] ? why->remedy : NULL, "hardware: %s: %s: expected %s, found %s",
           why->step, why->field, why->expected, why->found);
    return check_binding(info, out);
}

CELLA_RESULT cella_guest_check(const struct cella_guest_info *info,
                               const struct cella_collateral *collateral,
                               const struct cella_evidence_options *options,
                               struct cella_guest_checked *out) {
    bool confidential = info->isolation != CELLA_GUEST_TRUSTED_LAUNCH;
    cella_zero(out, sizeof(*out));
    TRY(read_ak(info, &out->ak));
    if (confidential) TRY(check_runtime(info, out));
    if (confidential) TRY(check_certificate(info, out));
    TRY(check_quote(info, out));
    TRY(check_key(info, out));
    if (confidential) return check_hardware(info, collateral, options, out);
    TRY_IN(cella_tpm_proof_vouched(collateral, cella_spki_bytes(&out->ak),
                                   cella_buffer_bytes(&info->ak_certificate), options->time_unix,
                                   true, &out->vouched),
           "TrustedLaunch");
    return CELLA_SUCCESS;
}
