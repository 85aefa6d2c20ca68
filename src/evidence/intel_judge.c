/* Which collateral serves at the time of verification, and revocation (A05, A06). */
#include "evidence/intel.h"

#include <stdio.h>
#include <string.h>

#include "base/memory.h"

/* In order of how near an item is to serving. */
enum fitness { MISSING = 0, UNSIGNED, NOT_YET, EXPIRED, STALE, SERVES };

static enum fitness in_time(const struct cella_intel_job *job, uint64_t from, uint64_t until) {
    uint64_t now = job->options->time_unix;
    if (now < from) return NOT_YET;
    if (now <= until) return SERVES;
    return now - until <= job->options->grace_s ? STALE : EXPIRED;
}

/* The newest data number wins, then the newest date; of what serves alone: an item from the future
 * or the past cannot push out one that is in force (A05). */
static bool newer(uint32_t evaluation, uint64_t issue, uint32_t than_evaluation,
                  uint64_t than_issue) {
    return evaluation != than_evaluation ? evaluation > than_evaluation : issue > than_issue;
}

/* An item's own reason why it does not serve, for the refusal. */
struct want {
    const char *what;     /* "tcb info", ...: step of a refusal */
    const char *needed;   /* in full, with fmspc and type */
    enum fitness fitness; /* of the best */
    const char *failure;
    uint64_t from_unix, until_unix;
};

static bool better(struct want *w, enum fitness fitness, const char *failure, uint64_t from,
                   uint64_t until) {
    if (fitness < w->fitness || fitness == MISSING) return false;
    *w = (struct want){w->what, w->needed, fitness, failure, from, until};
    return true;
}

static void pick_tcbinfo(struct cella_intel_job *job, struct want *w) {
    const struct cella_tcbinfo *have = NULL;
    for (uint32_t i = 0; i < job->state->tcbinfo_count; i++) {
        const struct cella_intel_tcbinfo *item = job->state->tcbinfo[i];
        const struct cella_tcbinfo *info = &item->info;
        if (info->tdx != job->tdx || !cella_equal(info->fmspc, job->chain.pck.fmspc, 6))
            continue; /* A09 */
        enum fitness f =
            item->sign.held ? in_time(job, info->issue_unix, info->next_unix) : UNSIGNED;
        if (f == w->fitness && have &&
            !newer(info->evaluation, info->issue_unix, have->evaluation, have->issue_unix))
            continue;
        if (!better(w, f, item->sign.failure, info->issue_unix, info->next_unix)) continue;
        have = info;
        job->tcbinfo = f >= STALE ? item : NULL;
    }
}

static void pick_identity(struct cella_intel_job *job, struct want *w) {
    const struct cella_enclave_identity *have = NULL;
    for (uint32_t i = 0; i < job->state->identity_count; i++) {
        const struct cella_intel_identity *item = job->state->identity[i];
        const struct cella_enclave_identity *id = &item->identity;
        if (id->version != 2 || id->id != (job->tdx ? CELLA_ENCLAVE_TD_QE : CELLA_ENCLAVE_QE))
            continue;
        enum fitness f = item->sign.held ? in_time(job, id->issue_unix, id->next_unix) : UNSIGNED;
        if (f == w->fitness && have &&
            !newer(id->evaluation, id->issue_unix, have->evaluation, have->issue_unix))
            continue;
        if (!better(w, f, item->sign.failure, id->issue_unix, id->next_unix)) continue;
        have = id;
        job->identity = f >= STALE ? item : NULL;
    }
}

/* The issuer must be this one by name and key: another's list says nothing (A06). key: for a list
 * that waited for it. */
static const struct cella_intel_crl *pick_crl(struct cella_intel_job *job,
                                              struct cella_bytes issuer, struct cella_bytes spki,
                                              const struct cella_verifykey *key, struct want *w) {
    const struct cella_intel_crl *picked = NULL;
    uint64_t issued = 0;
    for (uint32_t i = 0; i < job->state->crl_count; i++) {
        const struct cella_intel_crl *c = &job->state->crl[i];
        if (!cella_intel_same(c->crl.issuer, issuer)) continue;
        bool held = c->held && cella_intel_same(c->signer_spki, spki);
        if (!c->held && key) {
            struct cella_result r = cella_crl_check(&c->crl, key);
            held = !cella_failed(r);
            cella_result_drop(r);
        }
        enum fitness f =
            held ? in_time(job, c->crl.this_update_unix, c->crl.next_update_unix) : UNSIGNED;
        if (f == w->fitness && c->crl.this_update_unix <= issued) continue;
        if (!better(w, f, c->failure, c->crl.this_update_unix, c->crl.next_update_unix)) continue;
        issued = c->crl.this_update_unix;
        picked = f >= STALE ? c : NULL;
    }
    return picked;
}

enum { WANT_TCBINFO, WANT_IDENTITY, WANT_PCK_CRL, WANT_ROOT_CRL, WANT_COUNT };

static void pick_all(struct cella_intel_job *job, struct want want[WANT_COUNT]) {
    const struct cella_intel_chain *chain = &job->chain;
    char *fmspc = (char[13]){0};
    snprintf(fmspc, 13, "%02x%02x%02x%02x%02x%02x", chain->pck.fmspc[0], chain->pck.fmspc[1],
             chain->pck.fmspc[2], chain->pck.fmspc[3], chain->pck.fmspc[4], chain->pck.fmspc[5]);
    want[WANT_TCBINFO] = (struct want){.what = "tcb info",
                                       .needed = cella_text(job->out, "tcb info for fmspc %s (%s)",
                                                            fmspc, job->tdx ? "TDX" : "SGX")};
    want[WANT_IDENTITY] = (struct want){
        .what = "qe identity", .needed = job->tdx ? "qe identity (TD_QE)" : "qe identity (QE)"};
    want[WANT_PCK_CRL] = (struct want){.what = "pck crl",
                                       .needed = chain->ca_role == CELLA_INTEL_PLATFORM_CA
                                                     ? "crl of Intel SGX PCK Platform CA"
                                                     : "crl of Intel SGX PCK Processor CA"};
    want[WANT_ROOT_CRL] =
        (struct want){.what = "root ca crl", .needed = "crl of Intel SGX Root CA"};
    job->stale = false;
    pick_tcbinfo(job, &want[WANT_TCBINFO]);
    pick_identity(job, &want[WANT_IDENTITY]);
    job->pck_crl =
        pick_crl(job, chain->ca.subject, chain->ca.spki, chain->ca_key, &want[WANT_PCK_CRL]);
    job->root_crl = pick_crl(job, chain->ca.issuer, chain->root_spki, NULL, &want[WANT_ROOT_CRL]);
    for (size_t i = 0; i < WANT_COUNT; i++) job->stale |= want[i].fitness == STALE;
}

static struct cella_result check_revoked(struct cella_intel_job *job,
                                         const struct cella_intel_crl *crl,
                                         const struct cella_certificate *c, const char *field) {
    bool revoked = false;
    if (!crl) return CELLA_SUCCESS;
    REFUSE_TRY(job->out, cella_crl_revokes(&crl->crl, c->serial, &revoked), "revocation", field,
               "fetch the revocation list anew", "a revocation list in strict DER");
    if (revoked)
        REFUSE(job->out, CELLA_ERR_REFUSED, "revocation", field,
               "its machine must not be trusted: use another", "not revoked by its issuer",
               cella_text(job->out, "serial %s is on the list",
                          cella_text_hex(job->out, c->serial)));
    return CELLA_SUCCESS;
}

struct cella_result cella_intel_revocation(struct cella_intel_job *job) {
    struct want want[WANT_COUNT];
    pick_all(job, want);
    TRY(check_revoked(job, job->root_crl, &job->chain.ca, "pck ca certificate"));
    return check_revoked(job, job->pck_crl, &job->chain.leaf, "pck certificate");
}

/* All that is absent, in one text. */
static const char *missing_text(struct cella_intel_job *job, const struct want want[WANT_COUNT]) {
    const char *text = "";
    for (size_t i = 0; i < WANT_COUNT; i++)
        if (want[i].fitness == MISSING)
            text = cella_text(job->out, "%s%s%s", text, text[0] ? ", " : "", want[i].needed);
    return text;
}

/* Why an item of the kind could not be read, if one could not; of the kinds of enum
 * cella_intel_kind. */
static const char *malformed_text(const struct cella_intel_job *job, size_t want) {
    static const enum cella_intel_kind kind[WANT_COUNT] = {CELLA_INTEL_KIND_TCBINFO,
                                                           CELLA_INTEL_KIND_IDENTITY,
                                                           CELLA_INTEL_KIND_CRL,
                                                           CELLA_INTEL_KIND_CRL};
    return job->state->malformed[kind[want]];
}

static struct cella_result refuse_want(struct cella_intel_job *job, const struct want *w) {
    unsigned long long from = w->from_unix, until = w->until_unix, now = job->options->time_unix;
    if (w->fitness == UNSIGNED)
        REFUSE(job->out, CELLA_ERR_INTEGRITY, w->what, "signature",
               "fetch it anew, with its issuer chain",
               cella_text(job->out, "%s signed under a trusted root", w->needed),
               w->failure[0] ? w->failure : "another signer's");
    REFUSE(job->out, CELLA_ERR_EXPIRED, w->what,
           w->fitness == NOT_YET ? "issue date" : "next update",
           w->fitness == NOT_YET ? "check the time that is judged by (--time)"
                                 : "fetch newer collateral",
           cella_text(job->out, "%s in force at %llu", w->needed, now),
           cella_text(job->out, "in force from %llu until %llu (seconds since 1970)", from, until));
}

/* A TCB signing certificate with that key, valid now and not revoked (A06, A07). */
static struct cella_result check_signer(struct cella_intel_job *job, const char *what,
                                        struct cella_bytes spki) {
    const struct cella_intel_certificate *best = NULL;
    uint64_t now = job->options->time_unix;
    for (uint32_t i = 0; i < job->state->certificate_count; i++) {
        const struct cella_intel_certificate *c = &job->state->certificate[i];
        if (!c->held || c->role != CELLA_INTEL_TCB_SIGNING || !cella_intel_same(c->x509.spki, spki))
            continue;
        best = c;
        if (now >= c->x509.not_before_unix && now <= c->x509.not_after_unix) break;
    }
    if (!best || now < best->x509.not_before_unix || now > best->x509.not_after_unix)
        REFUSE(job->out, CELLA_ERR_EXPIRED, what, "tcb signing certificate.validity",
               "fetch it anew, with its issuer chain", "a TCB signing certificate that is valid",
               "one outside its time of validity");
    return check_revoked(job, job->root_crl, &best->x509, "tcb signing certificate");
}

struct cella_result cella_intel_collateral_needed(struct cella_intel_job *job) {
    struct want want[WANT_COUNT];
    pick_all(job, want);
    for (size_t i = 0; i < WANT_COUNT; i++) {
        if (want[i].fitness != MISSING) continue;
        const char *malformed = malformed_text(job, i);
        if (malformed[0])
            REFUSE(job->out, CELLA_ERR_FORMAT, "collateral", want[i].what, "fetch it anew",
                   want[i].needed, malformed);
        const char *missing = missing_text(job, want);
        REFUSE(job->out, CELLA_ERR_NOT_FOUND, "collateral", want[i].what,
               cella_text(job->out, "give it with --collateral; cella collateral fetch gets it"),
               want[i].needed, cella_text(job->out, "collateral missing: %s", missing));
    }
    for (size_t i = 0; i < WANT_COUNT; i++)
        if (want[i].fitness < STALE) return refuse_want(job, &want[i]);
    TRY(check_signer(job, "tcb info", job->tcbinfo->sign.signer_spki));
    return check_signer(job, "qe identity", job->identity->sign.signer_spki);
}
