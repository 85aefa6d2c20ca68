/* Hashes of the collateral of Intel's that a verdict rests on, in the form in which Azure
 * Attestation shows them: texts end in a NUL there, as Open Enclave hands them on. */
#include "crypto/digest.h"
#include "evidence/intel.h"

#include "base/text.h"

static const uint8_t nul[1] = {0};

/* Files end in line ends that the service's answer has not. */
CELLA_RESULT cella_intel_document_hash(struct cella_bytes text, uint8_t hash[32]) {
    CELLA_SHA256 sha = {0};
    while (text.size > 0 && text.data[text.size - 1] <= ' ') text.size--;
    TRY(cella_sha256_begin(&sha));
    TRY(cella_sha256_add(&sha, text));
    TRY(cella_sha256_add(&sha, CELLA_BYTES_OF(nul)));
    return cella_sha256_end(&sha, hash);
}

static CELLA_RESULT add_pem(struct cella_sha256 *sha, struct cella_bytes der) {
    enum { LINE = 64 };
    CELLA_BUFFER text = {0};
    TRY(cella_base64_encode(der, false, &text));
    TRY(cella_sha256_add(sha, cella_bytes_text("-----BEGIN CERTIFICATE-----\n")));
    for (size_t at = 0; at < text.size; at += LINE) {
        size_t size = text.size - at < LINE ? text.size - at : LINE;
        TRY(cella_sha256_add(sha, cella_bytes(text.data + at, size)));
        TRY(cella_sha256_add(sha, cella_bytes_text("\n")));
    }
    return cella_sha256_add(sha, cella_bytes_text("-----END CERTIFICATE-----\n"));
}

/* The newest root certificate of the key, as the service's answer has it. */
static const struct cella_certificate *root_of(const struct cella_intel *s,
                                               struct cella_bytes spki) {
    const struct cella_certificate *found = NULL;
    for (uint32_t i = 0; i < s->certificate_count; i++) {
        const struct cella_intel_certificate *c = &s->certificate[i];
        if (!c->held || c->role != CELLA_INTEL_ROOT || !cella_intel_same(c->x509.spki, spki))
            continue;
        if (!found || c->x509.not_before_unix > found->not_before_unix) found = &c->x509;
    }
    return found;
}

CELLA_RESULT cella_intel_chain_hash(const struct cella_intel *state,
                                    struct cella_intel_certificate *certificate) {
    CELLA_SHA256 sha = {0};
    const struct cella_certificate *root = root_of(state, certificate->signer_spki);
    TRY(cella_sha256_begin(&sha));
    TRY(add_pem(&sha, certificate->x509.der));
    if (root) TRY(add_pem(&sha, root->der));
    TRY(cella_sha256_add(&sha, CELLA_BYTES_OF(nul)));
    return cella_sha256_end(&sha, certificate->chain_hash);
}

/* --- Claims --- */

static const uint8_t *chain_hash_of(const struct cella_intel *s, struct cella_bytes spki) {
    for (uint32_t i = 0; i < s->certificate_count; i++) {
        const struct cella_intel_certificate *c = &s->certificate[i];
        if (c->held && c->role == CELLA_INTEL_TCB_SIGNING && cella_intel_same(c->x509.spki, spki))
            return c->chain_hash;
    }
    return NULL;
}

static void put(struct cella_intel_job *job, const char *sgx, const char *tdx,
                const uint8_t *hash) {
    if (hash)
        cella_claim_bytes(job->out->claims, job->tdx ? tdx : sgx,
                          cella_bytes(hash, CELLA_SHA256_SIZE));
}

void cella_intel_hash_claims(struct cella_intel_job *job) {
    const struct cella_intel_signed *info = &job->tcbinfo->sign, *qe = &job->identity->sign;
    put(job, "sgx.tcb-info-hash", "tdx.tcb-info-hash", info->hash);
    put(job, "sgx.tcb-info-signer-hash", "tdx.tcb-info-signer-hash",
        chain_hash_of(job->state, info->signer_spki));
    put(job, "sgx.qe-identity-hash", "tdx.qe-identity-hash", qe->hash);
    put(job, "sgx.qe-identity-signer-hash", "tdx.qe-identity-signer-hash",
        chain_hash_of(job->state, qe->signer_spki));
    put(job, "sgx.root-crl-hash", "tdx.root-crl-hash", job->root_crl->hash);
}
