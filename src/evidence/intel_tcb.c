#include "evidence/intel.h"

#include "base/memory.h"

/* (value & mask) == (want & mask), over all bytes (A04). */
static bool masked_equal(const uint8_t *value, const uint8_t *want, const uint8_t *mask,
                         size_t size) {
    uint8_t differs = 0;
    for (size_t i = 0; i < size; i++) differs |= (uint8_t)((value[i] ^ want[i]) & mask[i]);
    return differs == 0;
}

static struct cella_result mismatch(struct cella_intel_job *job, const char *step,
                                    const char *field, struct cella_bytes expected,
                                    struct cella_bytes found) {
    return cella_refuse(job->out, CELLA_ERR_INTEGRITY, step, field,
                        "the evidence was not made by Intel's own software: do not trust it",
                        cella_text_hex(job->out, expected), cella_text_hex(job->out, found));
}

/* A12: who signed the quote must be Intel's quoting enclave. Its level is the TCB's matter. */
struct cella_result cella_intel_qe_identity(struct cella_intel_job *job) {
    static const char step[] = "qe identity";
    const struct cella_enclave_identity *want = &job->identity->identity;
    const struct cella_sgx_body *qe = &job->quote.qe;
    uint8_t misc[4];
    for (size_t i = 0; i < 4; i++) misc[i] = (uint8_t)(qe->miscselect >> (8 * i));
    if (!masked_equal(misc, want->miscselect, want->miscselect_mask, 4))
        return mismatch(job, step, "qe report.miscselect", CELLA_BYTES_OF(want->miscselect),
                        CELLA_BYTES_OF(misc));
    if (!masked_equal(qe->attributes.data, want->attributes, want->attributes_mask, 16))
        return mismatch(job, step, "qe report.attributes", CELLA_BYTES_OF(want->attributes),
                        qe->attributes);
    if (!cella_equal(qe->mrsigner.data, want->mrsigner, 32))
        return mismatch(job, step, "qe report.mrsigner", CELLA_BYTES_OF(want->mrsigner),
                        qe->mrsigner);
    if (qe->isvprodid != want->isvprodid)
        REFUSE(job->out, CELLA_ERR_INTEGRITY, step, "qe report.isvprodid",
               "the evidence was not made by Intel's own software: do not trust it",
               cella_text(job->out, "%u", want->isvprodid),
               cella_text(job->out, "%u", qe->isvprodid));
    return CELLA_SUCCESS;
}

/* A21: the module that measured the TD must be Intel's. */
static struct cella_result check_module(struct cella_intel_job *job,
                                        const struct cella_tdx_module *module) {
    static const char step[] = "tdx module";
    static const uint8_t zero[8];
    const struct cella_td_body *td = &job->quote.td;
    if (!cella_equal(td->mrsignerseam.data, module->mrsigner, 48))
        return mismatch(job, step, "td report.mrsignerseam", CELLA_BYTES_OF(module->mrsigner),
                        td->mrsignerseam);
    if (!cella_equal(td->seam_attributes.data, zero, 8))
        return mismatch(job, step, "td report.seamattributes", CELLA_BYTES_OF(zero),
                        td->seam_attributes);
    if (!masked_equal(td->seam_attributes.data, module->attributes, module->attributes_mask, 8))
        return mismatch(job, step, "td report.seamattributes", CELLA_BYTES_OF(module->attributes),
                        td->seam_attributes);
    return CELLA_SUCCESS;
}

static struct cella_result check_tcbinfo(struct cella_intel_job *job) {
    const struct cella_tcbinfo *info = &job->tcbinfo->info;
    struct cella_bytes pceid = CELLA_BYTES_OF(job->chain.pck.pceid);
    if (!info->has_pceid || !cella_equal(info->pceid, pceid.data, 2)) /* A09 */
        REFUSE(job->out, CELLA_ERR_REFUSED, "tcb info", "tcb info.pceId",
               "give the TCB info of this machine's PCE", cella_text_hex(job->out, pceid),
               info->has_pceid ? cella_text_hex(job->out, CELLA_BYTES_OF(info->pceid)) : "none");
    if (info->tcb_type != 0)
        REFUSE(job->out, CELLA_ERR_UNSUPPORTED, "tcb info", "tcb info.tcbType",
               "use a build that knows it", "0", cella_text(job->out, "%u", info->tcb_type));
    return CELLA_SUCCESS;
}

/* The first line goes into the refusal, all become claims. */
struct lines {
    struct cella_intel_job *job;
    const char *first;
};

static void take_line(void *to, const char *text) {
    struct lines *lines = to;
    if (!lines->first) lines->first = cella_text(lines->job->out, "%s", text);
    cella_claim_list_text(lines->job->out->claims, "tcb-shortfall", text);
}

static struct cella_result refuse_unsupported(struct cella_intel_job *job, const char *shortfall) {
    const char *part = job->launch.unsupported;
    cella_copy(job->out->tcb_status, "TCB_NOT_SUPPORTED", sizeof("TCB_NOT_SUPPORTED"));
    REFUSE(job->out, CELLA_ERR_REFUSED, "tcb level", "tcb status",
           "update the machine's firmware and microcode", "a level that this machine reaches",
           cella_text(job->out, "TCB_NOT_SUPPORTED: no level for the %s%s%s", part,
                      shortfall ? ": " : "", shortfall ? shortfall : ""));
}

static enum cella_tcb_status evaluate(struct cella_intel_job *job) {
    const struct cella_enclave_identity *qe = &job->identity->identity;
    const struct cella_tcbinfo *info = &job->tcbinfo->info;
    job->platform =
        (struct cella_tcb_platform){.sgx = job->chain.pck.component,
                                    .pcesvn = job->chain.pck.pcesvn,
                                    .tdx = job->tdx ? job->quote.td.tee_tcb_svn.data : NULL,
                                    .qe_isvsvn = job->quote.qe.isvsvn};
    cella_tcb_evaluate(info, qe, &job->platform, &job->launch);
    if (job->quote.body_type != CELLA_QUOTE_BODY_TD15) return job->launch.status;
    struct cella_tcb_platform current = job->platform;
    current.tdx = job->quote.td.tee_tcb_svn2.data;
    cella_tcb_evaluate(info, qe, &current, &job->current);
    return cella_tcb_relaunch(job->launch.status, job->current.status);
}

struct cella_result cella_intel_tcb(struct cella_intel_job *job) {
    struct lines lines = {job, NULL};
    TRY(check_tcbinfo(job));
    enum cella_tcb_status status = evaluate(job);
    if (job->launch.module) TRY(check_module(job, job->launch.module));
    if (status != CELLA_TCB_UP_TO_DATE)
        cella_tcb_shortfall(&job->tcbinfo->info, &job->identity->identity, &job->platform,
                            &job->launch, take_line, &lines);
    if (job->launch.unsupported) return refuse_unsupported(job, lines.first);
    const char *name = cella_tcb_status_name(status);
    cella_copy(job->out->tcb_status, name, __builtin_strlen(name) + 1);
    cella_intel_tcb_claims(job);
    return cella_judge_tcb(job->out, job->options, lines.first);
}
