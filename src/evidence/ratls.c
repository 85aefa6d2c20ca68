#include "evidence/ratls.h"

#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "crypto/digest.h"

enum { NAME_SIZE = CELLA_CLAIM_NAME_MAX };
static const char remedy[] = "ask the peer for a new certificate";

static const struct {
    enum cella_evidence_type type;
    bool amd;
    cella_family_detect *detect;
    cella_family_verify *verify;
} kinds[] = {
    {CELLA_EVIDENCE_SGX, false, cella_detect_sgx, cella_verify_sgx},
    {CELLA_EVIDENCE_TDX, false, cella_detect_tdx, cella_verify_tdx},
    {CELLA_EVIDENCE_SNP, true, cella_detect_snp, cella_verify_snp},
};
enum { KIND_COUNT = sizeof(kinds) / sizeof(kinds[0]) };

struct job {
    struct cella_certificate certificate;
    struct cella_ratls_found found;
    const char *how;
    enum cella_evidence_type inner;
    bool weak, weak_key;
};

/* The evidence, verified as if it had come alone. */
static struct cella_result verify_inner(struct job *job, const struct cella_collateral *collateral,
                                        const struct cella_evidence_options *options,
                                        struct cella_verification *out) {
    for (size_t i = 0; i < KIND_COUNT; i++) {
        if (!(kinds[i].amd ? job->found.amd : job->found.intel) ||
            !kinds[i].detect(job->found.evidence))
            continue;
        job->inner = kinds[i].type;
        return kinds[i].verify(job->found.evidence, collateral, options, out);
    }
    REFUSE(out, CELLA_ERR_FORMAT, "certificate", cella_text(out, "extension %s", job->found.oid),
           remedy, job->found.amd ? "an SNP report" : "an SGX or TDX quote", "neither");
}

/* A13: without this the certificate could carry anybody's evidence. */
static struct cella_result check_binding(struct job *job, struct cella_verification *out) {
    const struct cella_claim *report_data = cella_claimset_find(out->claims, "report-data");
    REFUSE_TRY(out,
               cella_ratls_binding(&job->certificate, &job->found,
                                   report_data ? report_data->bytes : cella_bytes(NULL, 0),
                                   &job->how),
               "key binding", "report data", remedy, "a binding of the certificate's public key");
    if (!job->how)
        REFUSE(out, CELLA_ERR_INTEGRITY, "key binding", "report data", remedy,
               job->found.has_claims ? "SHA-256 of the claims buffer with the key's hash"
                                     : "SHA-256 of the certificate's public key, then zeros",
               report_data ? cella_text_hex(out, report_data->bytes) : "none");
    return CELLA_SUCCESS;
}

/* Names of the claims buffer that are plain enough to be names here. */
static void put_custom(struct cella_claimset *claims, const struct cella_ratls_custom *custom) {
    static const char prefix[] = "ratls.claim.";
    char name[NAME_SIZE];
    size_t at = sizeof(prefix) - 1;
    if (custom->name.size == 0 || custom->name.size >= NAME_SIZE - at ||
        custom->value.size > CELLA_CLAIM_VALUE_MAX)
        return;
    for (size_t i = 0; i < custom->name.size; i++)
        if (custom->name.data[i] <= 0x20 || custom->name.data[i] >= 0x7f) return;
    cella_copy(name, prefix, at);
    cella_copy(name + at, custom->name.data, custom->name.size);
    name[at + custom->name.size] = 0;
    cella_claim_bytes(claims, name, custom->value);
}

static struct cella_result put_claims(const struct job *job, struct cella_verification *out) {
    struct cella_ratls_claims buffer = {0};
    uint8_t digest[CELLA_SHA256_SIZE];
    TRY(cella_sha256(job->certificate.spki, digest));
    cella_claim_text(out->claims, "ratls.extension", job->found.oid);
    cella_claim_text(out->claims, "ratls.evidence", cella_evidence_type_name(job->inner));
    cella_claim_text(out->claims, "ratls.binding", job->how);
    cella_claim_bytes(out->claims, "ratls.public-key", CELLA_BYTES_OF(digest));
    cella_claim_boolean(out->claims, "ratls.weak-signature", job->weak);
    cella_claim_time(out->claims, "ratls.not-before", job->certificate.not_before_unix);
    cella_claim_time(out->claims, "ratls.not-after", job->certificate.not_after_unix);
    if (job->found.has_claims) TRY(cella_ratls_claims_parse(job->found.claims, &buffer));
    for (size_t i = 0; i < buffer.count; i++) put_custom(out->claims, &buffer.custom[i]);
    return CELLA_SUCCESS;
}

static void add_link(const struct job *job, struct cella_verification *out) {
    char name[128];
    int32_t parent = (int32_t)out->link_count - 1;
    while (parent >= 0 && strcmp(out->link[parent].what, "quote") != 0 &&
           strcmp(out->link[parent].what, "report") != 0)
        parent--;
    cella_name_common(job->certificate.subject, name, sizeof(name));
    cella_link_add(out, parent, "certificate", name,
                   cella_text(out, "its key is bound by the report data (%s)", job->how), true);
}

/* After the evidence itself: what is wrong with the carrier alone. */
static struct cella_result check_carrier(const struct job *job,
                                         const struct cella_evidence_options *options,
                                         struct cella_verification *out) {
    const struct cella_certificate *c = &job->certificate;
    if (job->weak_key)
        REFUSE(out, CELLA_ERR_REFUSED, "certificate", "public key", remedy,
               "RSA of at least 2048 bits", "a shorter one");
    if (options->time_unix < c->not_before_unix || options->time_unix > c->not_after_unix)
        REFUSE(out, CELLA_ERR_EXPIRED, "certificate", "validity", remedy,
               cella_text(out, "from %llu to %llu", (unsigned long long)c->not_before_unix,
                          (unsigned long long)c->not_after_unix),
               cella_text(out, "%llu", (unsigned long long)options->time_unix));
    return CELLA_SUCCESS;
}

/* The binding is checked also when the evidence is refused for its TCB: what is not of this key is
 * not authentic. */
static struct cella_result judge(struct job *job, struct cella_result inner,
                                 struct cella_verification *out) {
    if (!out->authentic) return inner;
    struct cella_reason reason = out->reason;
    struct cella_result bound = check_binding(job, out);
    if (cella_failed(bound)) {
        out->authentic = false;
        cella_result_drop(inner);
        return bound;
    }
    out->reason = reason;
    add_link(job, out);
    struct cella_result put = put_claims(job, out);
    if (!cella_failed(put)) return inner;
    cella_result_drop(inner);
    return put;
}

struct cella_result cella_verify_ratls(struct cella_bytes evidence,
                                       const struct cella_collateral *collateral,
                                       const struct cella_evidence_options *options,
                                       struct cella_verification *out) {
    struct job job = {0};
    REFUSE_TRY(out, cella_certificate_parse(evidence, &job.certificate), "certificate",
               "certificate", remedy, "one X.509 certificate");
    REFUSE_TRY(out, cella_ratls_self_signed(&job.certificate, &job.weak, &job.weak_key),
               "certificate", "signature", remedy, "signed by its own key");
    REFUSE_TRY(out, cella_ratls_find(&job.certificate, &job.found), "certificate", "extension",
               remedy, "evidence in an extension");
    TRY(judge(&job, verify_inner(&job, collateral, options, out), out));
    return check_carrier(&job, options, out);
}

bool cella_detect_ratls(struct cella_bytes evidence) { return cella_ratls_looks(evidence); }
