#include "attest/tpm_check.h"

#include "base/memory.h"
#include "crypto/digest.h"

void cella_tpm_checked_free(struct cella_tpm_checked *checked) {
    json_decref(checked->events);
    json_decref(checked->boot_events);
    checked->events = checked->boot_events = NULL;
}

static bool same(struct cella_bytes a, struct cella_bytes b) {
    return a.size == b.size && cella_equal(a.data, b.data, a.size);
}

/* --- Who vouches --- */

static struct cella_result check_aik(const struct cella_tpm_request *request,
                                     const struct cella_tpm_demand *demand,
                                     const struct cella_collateral *collateral, uint64_t time_unix,
                                     struct cella_tpm_checked *out) {
    const uint32_t need = CELLA_TPM_RESTRICTED | CELLA_TPM_SIGN;
    struct cella_result r = cella_tpm_proof_vouched(collateral, cella_spki_bytes(&request->ak),
                                                    cella_buffer_bytes(&request->ak_certificate),
                                                    time_unix, false, &out->aik_vouched);
    out->aik_validated = !cella_failed(r);
    bool fatal = demand->require_valid_aik || cella_code_of(r) == CELLA_ERR_MEMORY;
    if (cella_failed(r) && fatal)
        return cella_result_context(r, CELLA_WHERE, "AIK (require_valid_aik_cert)");
    cella_result_drop(r);
    if (!out->aik_validated) out->aik_vouched = NULL;
    ENSURE(!request->ak_described || (request->ak_attributes & need) == need, CELLA_ERR_REFUSED,
           "quote with a restricted signing key",
           "AIK: attributes: expected restricted and sign, found %08x", request->ak_attributes);
    return CELLA_SUCCESS;
}

/* --- Freshness --- */

CELLA_RESULT cella_tpm_binding_of(const struct cella_tpm_request *request, uint8_t binding[32]) {
    uint8_t thumbprint[32];
    TRY(cella_jose_key_thumbprint(request->attest_key, thumbprint));
    const struct cella_bytes parts[] = {cella_buffer_bytes(&request->challenge),
                                        CELLA_BYTES_OF(thumbprint)};
    return cella_hash(CELLA_HASH_SHA256, parts, 2, binding);
}

/* Windows' platform claim covers the challenge: as it is, or hashed by whoever asked for it. */
static struct cella_result covers_challenge(const struct cella_tpm_request *request,
                                            struct cella_bytes extra, bool *covered) {
    struct cella_bytes challenge = cella_buffer_bytes(&request->challenge);
    uint8_t digest[CELLA_HASH_SIZE_MAX];
    *covered = same(extra, challenge);
    for (enum cella_hash hash = CELLA_HASH_SHA1; hash <= CELLA_HASH_SHA256 && !*covered; hash++) {
        TRY(cella_hash(hash, &challenge, 1, digest));
        *covered = same(extra, cella_bytes(digest, cella_hash_size(hash)));
    }
    return CELLA_SUCCESS;
}

static struct cella_result check_fresh(const struct cella_tpm_request *request,
                                       struct cella_tpm_checked *out) {
    struct cella_bytes extra = out->current.attest.extra_data;
    uint8_t binding[CELLA_SHA256_SIZE];
    bool covered = false;
    TRY(cella_tpm_binding_of(request, binding));
    out->key_bound = same(extra, CELLA_BYTES_OF(binding));
    if (out->key_bound) return CELLA_SUCCESS;
    ENSURE(!request->own_form, CELLA_ERR_INTEGRITY,
           "quote with extraData of SHA-256(challenge || RFC 7638 thumbprint of attest_key)",
           "tpm_quote: extraData is not that of this challenge and attest_key");
    TRY(covers_challenge(request, extra, &covered));
    ENSURE(covered, CELLA_ERR_INTEGRITY, "make current_claim with the challenge as its nonce",
           "current_claim: its nonce is not the challenge");
    return CELLA_SUCCESS;
}

/* --- Boot --- */

/* The log of the newest start, and that of a dynamic launch beside it. */
static struct cella_result check_logs(const struct cella_tpm_request *request, bool resumed,
                                      struct cella_tpm_proof *proof, json_t **events,
                                      struct cella_boot_facts *facts) {
    bool srtm_resume = resumed && request->log[CELLA_TPM_SRTM_RESUME].size,
         drtm_resume = resumed && request->log[CELLA_TPM_DRTM_RESUME].size;
    struct cella_bytes logs[] = {
        cella_buffer_bytes(
            &request->log[srtm_resume ? CELLA_TPM_SRTM_RESUME : CELLA_TPM_SRTM_BOOT]),
        cella_buffer_bytes(
            &request->log[drtm_resume ? CELLA_TPM_DRTM_RESUME : CELLA_TPM_DRTM_BOOT])};
    CELLA_JSON dynamic = NULL;
    struct cella_boot_facts more = {0};
    TRY(cella_tpm_proof_log(proof, logs[0]));
    uint32_t explained = proof->explained;
    TRY(cella_tpm_events(proof, logs[0], events, facts));
    if (logs[1].size == 0) return CELLA_SUCCESS;
    TRY_IN(cella_tpm_proof_log(proof, logs[1]), "drtm log");
    TRY(cella_tpm_events(proof, logs[1], &dynamic, &more));
    proof->explained |= explained;
    for (unsigned i = 0; i < CELLA_BOOT_FACT_COUNT; i++) {
        facts->said[i].yes |= i != CELLA_BOOT_SECURE_BOOT && more.said[i].yes;
        facts->said[i].no |= more.said[i].no;
    }
    ENSURE(json_array_extend(json_object_get(*events, "Events"),
                             json_object_get(dynamic, "Events")) == 0,
           CELLA_ERR_MEMORY, NULL, "no memory for the events of a log");
    return CELLA_SUCCESS;
}

static struct cella_result check_boot(const struct cella_tpm_request *request,
                                      struct cella_tpm_checked *out) {
    struct cella_boot_facts facts;
    if (!request->boot.there) return CELLA_SUCCESS;
    TRY_IN(cella_tpm_proof_quote(cella_spki_bytes(&request->ak), request->boot.message,
                                 request->boot.signature, request->boot.pcrs, &out->boot),
           "boot_claim");
    TRY_IN(check_logs(request, false, &out->boot, &out->boot_events, &facts), "boot_claim");
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_tpm_request_check(const struct cella_tpm_request *request,
                                     const struct cella_tpm_demand *demand,
                                     const struct cella_collateral *collateral, uint64_t time_unix,
                                     struct cella_tpm_checked *out) {
    const char *what = request->own_form ? "tpm_quote" : "current_claim";
    cella_zero(out, sizeof(*out));
    TRY(check_aik(request, demand, collateral, time_unix, out));
    TRY_IN(cella_tpm_proof_quote(cella_spki_bytes(&request->ak), request->current.message,
                                 request->current.signature, request->current.pcrs, &out->current),
           "%s", what);
    TRY(check_fresh(request, out));
    uint32_t lacking = demand->required_pcr_mask & ~out->current.quoted;
    ENSURE(lacking == 0, CELLA_ERR_REFUSED, "quote all PCRs that the policy requires",
           "%s: PCRs: the policy requires mask %06x (required_pcr_mask), %06x of it is not quoted",
           what, demand->required_pcr_mask, lacking);
    TRY_IN(check_logs(request, true, &out->current, &out->events, &out->facts), "%s", what);
    return check_boot(request, out);
}
