/* Verification of SGX and TDX quotes: the steps in their order (intel.h). */
#include "evidence/intel.h"

#include "base/memory.h"
#include "crypto/digest.h"

static const char new_quote[] = "ask the machine for a new quote";

/* A11: the QE vouches for exactly this attestation key and its authentication data; the rest of the
 * field is zero. */
static struct cella_result check_binding(struct cella_intel_job *job) {
    const struct cella_quote *q = &job->quote;
    uint8_t expected[64] = {0};
    CELLA_SHA256 sha = {0};
    TRY(cella_sha256_begin(&sha));
    TRY(cella_sha256_add(&sha, q->attestation_key));
    TRY(cella_sha256_add(&sha, q->qe_auth));
    TRY(cella_sha256_end(&sha, expected));
    if (!cella_equal(expected, q->qe.report_data.data, sizeof(expected)))
        REFUSE(job->out, CELLA_ERR_INTEGRITY, "qe report", "qe report.report data", new_quote,
               "SHA-256 of attestation key and authentication data, then zeros",
               cella_text_hex(job->out, q->qe.report_data));
    return CELLA_SUCCESS;
}

static struct cella_result check_quote(struct cella_intel_job *job) {
    CELLA_VERIFYKEY key = NULL;
    REFUSE_TRY(job->out, cella_verifykey_from_point(job->quote.attestation_key, &key),
               "quote signature", "attestation key", new_quote, "a point of P-256"); /* A20 */
    REFUSE_TRY(job->out,
               cella_verifykey_check(key, CELLA_SIG_ECDSA_P256_SHA256, job->quote.signed_part,
                                     job->quote.signature),
               "quote signature", "quote.signature", new_quote, "signed with the attestation key");
    return CELLA_SUCCESS;
}

static void add_links(struct cella_intel_job *job) {
    struct cella_verification *out = job->out;
    int32_t root = cella_link_add(out, -1, "certificate", "Intel SGX Root CA",
                                  "pinned by its public key", true);
    int32_t ca = cella_link_add(out, root, "certificate", cella_intel_role_name(job->chain.ca_role),
                                "signed by the root", true);
    job->pck_link =
        cella_link_add(out, ca, "certificate", "Intel SGX PCK Certificate",
                       cella_text(out, "ppid %s, signed by its authority",
                                  cella_text_hex(out, CELLA_BYTES_OF(job->chain.pck.ppid))),
                       true);
    int32_t qe = cella_link_add(out, job->pck_link, "report", "quoting enclave",
                                "signed with the PCK key", true);
    int32_t key = cella_link_add(out, qe, "key", "attestation key",
                                 "hash in the quoting enclave's report data", true);
    job->quote_link = cella_link_add(out, key, "quote", job->tdx ? "TDX quote" : "SGX quote",
                                     "signed with the attestation key", true);
}

static void add_collateral_links(struct cella_intel_job *job) {
    struct cella_verification *out = job->out;
    int32_t signer =
        cella_link_add(out, 0, "certificate", "Intel SGX TCB Signing", "signed by the root", true);
    cella_link_add(out, signer, "tcb info", job->tdx ? "TDX TCB info" : "SGX TCB info",
                   "signed, of the PCK certificate's fmspc and pceid", true);
    cella_link_add(out, signer, "qe identity", cella_enclave_id_name(job->identity->identity.id),
                   "signed; the quoting enclave has it", true);
    cella_link_add(out, 1, "crl", "of the PCK authority", "the PCK certificate is not on it", true);
    cella_link_add(out, 0, "crl", "of the root", "PCK authority and TCB signer are not on it",
                   true);
}

/* Signatures and chain; what is known of revocation and of the QE. */
static struct cella_result hold(struct cella_intel_job *job) {
    TRY(cella_intel_chain_hold(job));
    TRY(check_binding(job));
    TRY(check_quote(job));
    TRY(cella_intel_revocation(job));
    if (job->identity) TRY(cella_intel_qe_identity(job));
    job->out->authentic = true;
    add_links(job);
    cella_intel_claims(job);
    return CELLA_SUCCESS;
}

static struct cella_result run(struct cella_intel_job *job, struct cella_bytes evidence) {
    REFUSE_TRY(job->out, cella_quote_parse(evidence, &job->quote), "quote", "quote", new_quote,
               "a DCAP quote, whole");
    bool tdx = job->quote.body_type != CELLA_QUOTE_BODY_SGX;
    if (tdx != job->tdx)
        REFUSE(job->out, CELLA_ERR_FORMAT, "quote", "quote.tee type",
               "name the type that it is (--type)", job->tdx ? "TDX" : "SGX", tdx ? "TDX" : "SGX");
    TRY(hold(job));
    if (tdx) TRY(cella_intel_logs(job));
    TRY(cella_intel_collateral_needed(job));
    add_collateral_links(job);
    return cella_intel_tcb(job);
}

static struct cella_result verify(struct cella_bytes evidence,
                                  const struct cella_collateral *collateral,
                                  const struct cella_evidence_options *options,
                                  struct cella_verification *out, bool tdx) {
    struct cella_intel_job job; /* large, and filled in before it is read */
    job.state = cella_collateral_of(collateral, &cella_family_intel);
    if (!job.state) FAIL(CELLA_ERR_MEMORY, NULL, "no memory for Intel's roots");
    job.options = options;
    job.out = out;
    job.tdx = tdx;
    job.chain.has_root = false;
    job.chain.ca_owned = job.chain.leaf_key = NULL;
    job.tcbinfo = NULL;
    job.identity = NULL;
    job.pck_crl = job.root_crl = NULL;
    job.launch = job.current = (struct cella_tcb_match){0};
    struct cella_result r = run(&job, evidence);
    cella_intel_chain_free(&job.chain);
    return r;
}

struct cella_result cella_verify_sgx(struct cella_bytes evidence,
                                     const struct cella_collateral *collateral,
                                     const struct cella_evidence_options *options,
                                     struct cella_verification *out) {
    return verify(evidence, collateral, options, out, false);
}

struct cella_result cella_verify_tdx(struct cella_bytes evidence,
                                     const struct cella_collateral *collateral,
                                     const struct cella_evidence_options *options,
                                     struct cella_verification *out) {
    return verify(evidence, collateral, options, out, true);
}

/* Version, key type, TEE type and vendor as in any quote; damaged ones go to the same verifier for
 * their reason. */
static bool looks_like(struct cella_bytes e, bool tdx) {
    static const uint8_t vendor[16] = {0x93, 0x9a, 0x72, 0x33, 0xf7, 0x9c, 0x4c, 0xa9,
                                       0x94, 0x0a, 0x0d, 0xb3, 0x95, 0x7f, 0x06, 0x07};
    if (e.size < CELLA_QUOTE_HEADER_SIZE || e.data[0] < 3 || e.data[0] > 5 || e.data[1] != 0 ||
        e.data[3] != 0)
        return false;
    bool tee = e.data[4] == (tdx ? 0x81 : 0) && e.data[5] == 0 && e.data[6] == 0 && e.data[7] == 0;
    return tee && cella_equal(e.data + 12, vendor, sizeof(vendor));
}

bool cella_detect_sgx(struct cella_bytes evidence) { return looks_like(evidence, false); }
bool cella_detect_tdx(struct cella_bytes evidence) { return looks_like(evidence, true); }
