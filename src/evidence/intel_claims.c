#include "evidence/intel.h"

#include <stdio.h>
#include <string.h>

#include "base/memory.h"

enum { NAME_SIZE = 48, ADVISORIES_MAX = 256, ADVISORY_SIZE = 40, TUD_BITS = 0xff };

/* "sgx." or "tdx." before a name. */
static const char *under(const struct cella_intel_job *job, char name[NAME_SIZE],
                         const char *rest) {
    cella_copy(name, job->tdx ? "tdx." : "sgx.", 4);
    cella_copy(name + 4, rest, strlen(rest) + 1);
    return name;
}

static void put_bytes(struct cella_intel_job *job, const char *rest, struct cella_bytes bytes) {
    char name[NAME_SIZE];
    cella_claim_bytes(job->out->claims, under(job, name, rest), bytes);
}
static void put_number(struct cella_intel_job *job, const char *rest, uint64_t number) {
    char name[NAME_SIZE];
    cella_claim_number(job->out->claims, under(job, name, rest), number);
}
static void put_text(struct cella_intel_job *job, const char *rest, const char *text) {
    char name[NAME_SIZE];
    cella_claim_text(job->out->claims, under(job, name, rest), text);
}
static void put_boolean(struct cella_intel_job *job, const char *rest, bool value) {
    char name[NAME_SIZE];
    cella_claim_boolean(job->out->claims, under(job, name, rest), value);
}

static void sgx_claims(struct cella_intel_job *job) {
    struct cella_claimset *c = job->out->claims;
    const struct cella_sgx_body *b = &job->quote.sgx;
    cella_claim_bytes(c, "measurement", b->mrenclave);
    cella_claim_bytes(c, "signer", b->mrsigner);
    cella_claim_number(c, "product-id", b->isvprodid);
    cella_claim_number(c, "svn", b->isvsvn);
    cella_claim_boolean(c, "debug", (b->flags & CELLA_SGX_FLAG_DEBUG) != 0); /* A03 */
    cella_claim_bytes(c, "report-data", b->report_data);
    cella_claim_bytes(c, "config-id", b->configid);
    cella_claim_bytes(c, "sgx.mrenclave", b->mrenclave);
    cella_claim_bytes(c, "sgx.mrsigner", b->mrsigner);
    cella_claim_bytes(c, "sgx.cpusvn", b->cpusvn);
    cella_claim_number(c, "sgx.miscselect", b->miscselect);
    cella_claim_bytes(c, "sgx.attributes", b->attributes);
    cella_claim_number(c, "sgx.config-svn", b->configsvn);
    cella_claim_bytes(c, "sgx.isvextprodid", b->isvextprodid);
    cella_claim_bytes(c, "sgx.isvfamilyid", b->isvfamilyid);
}

static void td_claims(struct cella_intel_job *job) {
    static const char *const rtmr[] = {"tdx.rtmr0", "tdx.rtmr1", "tdx.rtmr2", "tdx.rtmr3"};
    struct cella_claimset *c = job->out->claims;
    const struct cella_td_body *b = &job->quote.td;
    cella_claim_bytes(c, "measurement", b->mrtd);
    /* Any bit of the TUD group (0 DEBUG, 1-7 reserved for its like) opens the TD to its host (A03,
     * A21). */
    cella_claim_boolean(c, "debug", (b->attributes.data[0] & TUD_BITS) != 0);
    cella_claim_bytes(c, "report-data", b->report_data);
    cella_claim_bytes(c, "config-id", b->mrconfigid);
    cella_claim_bytes(c, "tdx.mrtd", b->mrtd);
    for (size_t i = 0; i < 4; i++) cella_claim_bytes(c, rtmr[i], b->rtmr[i]);
    cella_claim_bytes(c, "tdx.mrowner", b->mrowner);
    cella_claim_bytes(c, "tdx.mrownerconfig", b->mrownerconfig);
    cella_claim_bytes(c, "tdx.attributes", b->attributes);
    cella_claim_boolean(c, "tdx.sept-ve-disable",
                        (b->attributes.data[3] >> 4 & 1) != 0); /* bit 28 */
    cella_claim_boolean(c, "tdx.migratable", (b->attributes.data[3] >> 5 & 1) != 0);
    cella_claim_boolean(c, "tdx.pks", (b->attributes.data[3] >> 6 & 1) != 0);
    cella_claim_boolean(c, "tdx.key-locker", (b->attributes.data[3] >> 7 & 1) != 0);
    cella_claim_boolean(c, "tdx.perfmon", (b->attributes.data[7] >> 7 & 1) != 0); /* bit 63 */
    cella_claim_bytes(c, "tdx.xfam", b->xfam);
    cella_claim_bytes(c, "tdx.tee-tcb-svn", b->tee_tcb_svn);
    cella_claim_bytes(c, "tdx.mrseam", b->mrseam);
    cella_claim_bytes(c, "tdx.mrsignerseam", b->mrsignerseam);
    cella_claim_bytes(c, "tdx.seam-attributes", b->seam_attributes);
    if (job->quote.body_type != CELLA_QUOTE_BODY_TD15) return;
    cella_claim_bytes(c, "tdx.tee-tcb-svn2", b->tee_tcb_svn2);
    cella_claim_bytes(c, "tdx.mrservicetd", b->mrservicetd);
}

static void platform_claims(struct cella_intel_job *job) {
    const struct cella_pck *pck = &job->chain.pck;
    static const char *const types[] = {"standard", "scalable", "scalable-with-integrity"};
    cella_claim_bytes(job->out->claims, "platform-id", CELLA_BYTES_OF(pck->ppid));
    put_number(job, "quote-version", job->quote.version);
    put_bytes(job, "fmspc", CELLA_BYTES_OF(pck->fmspc));
    put_bytes(job, "pceid", CELLA_BYTES_OF(pck->pceid));
    put_bytes(job, "pck-components", CELLA_BYTES_OF(pck->component));
    put_number(job, "pck-pcesvn", pck->pcesvn);
    put_text(job, "pck-ca",
             job->chain.ca_role == CELLA_INTEL_PLATFORM_CA ? "platform" : "processor");
    put_text(job, "type", pck->sgx_type < 3 ? types[pck->sgx_type] : "unknown");
    if (pck->has_instance) put_bytes(job, "platform-instance-id", CELLA_BYTES_OF(pck->instance));
    if (pck->has_configuration) {
        put_boolean(job, "dynamic-platform", pck->dynamic_platform);
        put_boolean(job, "cached-keys", pck->cached_keys);
        put_boolean(job, "smt", pck->smt);
    }
    put_number(job, "qe-isvsvn", job->quote.qe.isvsvn);
    put_bytes(job, "qe-mrsigner", job->quote.qe.mrsigner);
}

void cella_intel_claims(struct cella_intel_job *job) {
    cella_claim_text(job->out->claims, "tee", job->tdx ? "tdx" : "sgx");
    cella_claim_text(job->out->claims, "assurance", "hardware");
    if (job->tdx)
        td_claims(job);
    else
        sgx_claims(job);
    platform_claims(job);
}

struct advisories {
    struct cella_bytes id[ADVISORIES_MAX];
    uint32_t count;
};

/* Keeps the list sorted and without doubles. */
static void insert(struct advisories *all, struct cella_bytes id) {
    uint32_t at = 0;
    int order = -1;
    for (; at < all->count; at++) {
        size_t size = id.size < all->id[at].size ? id.size : all->id[at].size;
        order = memcmp(all->id[at].data, id.data, size);
        if (order == 0) order = all->id[at].size < id.size ? -1 : all->id[at].size > id.size;
        if (order >= 0) break;
    }
    if ((at < all->count && order == 0) || all->count == ADVISORIES_MAX) return;
    memmove(&all->id[at + 1], &all->id[at], (all->count - at) * sizeof(all->id[0]));
    all->id[at] = id;
    all->count++;
}

static void collect(struct advisories *all, const struct cella_tcb_verdict *verdict) {
    struct cella_json json;
    if (verdict->advisories.size == 0) return;
    cella_json_begin(&json, verdict->advisories);
    for (cella_json_array(&json); cella_json_item(&json);) {
        struct cella_bytes id = cella_json_string(&json);
        if (id.size > 0 && id.size < ADVISORY_SIZE) insert(all, id);
    }
}

static void collect_match(struct advisories *all, const struct cella_tcb_match *match) {
    if (match->platform) collect(all, &match->platform->verdict);
    if (match->qe) collect(all, &match->qe->verdict);
    if (match->module_level) collect(all, &match->module_level->verdict);
}

static void put_advisories(struct cella_intel_job *job) {
    struct advisories all;
    all.count = 0;
    collect_match(&all, &job->launch);
    for (uint32_t i = 0; i < all.count; i++) {
        char text[ADVISORY_SIZE];
        cella_copy(text, all.id[i].data, all.id[i].size);
        text[all.id[i].size] = 0;
        cella_claim_list_text(job->out->claims, "advisories", text);
    }
}

/* Each part's own status stands beside the converged one (A02). */
void cella_intel_tcb_claims(struct cella_intel_job *job) {
    struct cella_claimset *c = job->out->claims;
    const struct cella_tcb_match *m = &job->launch;
    cella_claim_text(c, "tcb-status", job->out->tcb_status);
    cella_claim_time(c, "tcb-date", m->date_unix);
    put_advisories(job);
    put_number(job, "tcb-evaluation-number", job->tcbinfo->info.evaluation);
    put_text(job, "tcb-platform-status", cella_tcb_status_name(m->platform->verdict.status));
    put_number(job, "tcb-level", (uint64_t)(m->platform - job->tcbinfo->info.level));
    put_text(job, "tcb-qe-status", cella_tcb_status_name(m->qe->verdict.status));
    if (m->module_level)
        put_text(job, "tcb-module-status", cella_tcb_status_name(m->module_level->verdict.status));
    if (job->quote.body_type == CELLA_QUOTE_BODY_TD15)
        put_text(job, "tcb-current-status", cella_tcb_status_name(job->current.status));
    if (job->stale) cella_claim_boolean(c, "collateral-stale", true);
    cella_intel_hash_claims(job);
}
