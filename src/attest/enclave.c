/* Evidence of one TEE: SgxEnclave, OpenEnclave, SevSnpVm, TdxVm, SoftwareEnclave
 * (azure-attestation 3 to 6.1). */
#include <stdio.h>
#include <string.h>

#include "attest/answer.h"
#include "attest/binding.h"
#include "attest/enclave_claims.h"
#include "attest/meters.h"
#include "attest/snp_evidence.h"
#include "base/memory.h"
#include "base/reader.h"
#include "base/text.h"
#include "crypto/digest.h"
#include "evidence/keygrant.h"

/* The type is the endpoint's, whatever the bytes look like (A23). */
static const struct kind {
    const char *member;
    enum cella_evidence_type type;
    const char *tee;
} kinds[CELLA_ATTEST_TYPE_COUNT] = {
    [CELLA_ATTEST_SGX] = {"quote", CELLA_EVIDENCE_SGX, "sgx"},
    [CELLA_ATTEST_OPEN_ENCLAVE] = {"report", CELLA_EVIDENCE_SGX, "sgx"},
    [CELLA_ATTEST_SNP] = {"report", CELLA_EVIDENCE_SNP, "snp"},
    [CELLA_ATTEST_TDX] = {"quote", CELLA_EVIDENCE_TDX, "tdx"},
    [CELLA_ATTEST_SOFTWARE] = {"evidence", CELLA_EVIDENCE_SOFTWARE, "software"},
};

struct enclave {
    struct cella_decision *decision;
    struct cella_http_response *response;
    const struct kind *kind;
    struct cella_attest_body body;
    struct cella_buffer built;        /* what had to be put together */
    struct cella_bytes evidence;      /* as the verifier takes it */
    struct cella_key_request request; /* of a software enclave; key_count 0: none */
    struct cella_verification verified;
};
static void enclave_free(struct enclave *e) {
    cella_attest_body_free(&e->body);
    cella_buffer_free(&e->built);
    cella_verification_free(&e->verified);
}
#define ENCLAVE __attribute__((cleanup(enclave_free))) struct enclave

/* --- Evidence --- */

/* u32 version 1, u32 type 2, u64 size, then an SGX quote. */
static CELLA_RESULT open_report(struct enclave *e) {
    struct cella_reader r = cella_reader(e->body.evidence);
    uint32_t version = cella_reader_u32le(&r), type = cella_reader_u32le(&r);
    uint64_t size = cella_reader_u64le(&r);
    e->evidence = cella_reader_rest(&r);
    ENSURE(
        !r.failed && version == 1 && type == 2 && size == e->evidence.size, CELLA_ERR_FORMAT,
        "send what oe_get_report or oe_get_evidence gave for a remote party, whole",
        "report: expected Open Enclave's header (version 1, type 2, size of the rest %zu), found "
        "version %u, type %u, size %llu",
        e->evidence.size, version, type, (unsigned long long)size);
    return CELLA_SUCCESS;
}

static CELLA_RESULT open_software(struct enclave *e) {
    e->evidence = e->body.evidence;
    if (!cella_key_request_is(e->evidence)) return CELLA_SUCCESS;
    TRY_IN(cella_key_request_parse(e->evidence, &e->request), "evidence");
    e->evidence = e->request.evidence;
    return CELLA_SUCCESS;
}

static CELLA_RESULT open_evidence(struct enclave *e) {
    e->evidence = e->body.evidence;
    switch (e->decision->type) {
    case CELLA_ATTEST_OPEN_ENCLAVE: return open_report(e);
    case CELLA_ATTEST_SOFTWARE: return open_software(e);
    case CELLA_ATTEST_SNP:
        TRY(cella_snp_evidence(e->body.evidence, &e->built));
        e->evidence = cella_buffer_bytes(&e->built);
        return CELLA_SUCCESS;
    default: return CELLA_SUCCESS;
    }
}

static CELLA_RESULT verify(struct enclave *e) {
    const struct cella_attest_instance *instance = e->decision->instance;
    const struct cella_attest_settings *s = &instance->settings;
    struct cella_evidence_options options = {.type = e->kind->type,
                                             .time_unix = s->insecure_time ? s->insecure_time
                                                                           : e->decision->now_unix,
                                             .accept_tcb = s->accept_tcb,
                                             .accept_tcb_count = s->accept_tcb_count,
                                             .grace_s = s->grace_s};
    void *hold = NULL;
    const struct cella_collateral *collateral =
        instance->trust ? cella_trust_take(instance->trust, &hold) : NULL;
    struct cella_result r = cella_verify(e->evidence, collateral, &options, &e->verified);
    if (instance->trust) cella_trust_drop(instance->trust, hold);
    return r;
}

/* --- Refusal --- */

static bool lacks_collateral(const struct cella_reason *why) {
    if (strcmp(why->step, "collateral") == 0) return true;
    return strcmp(why->step, "amd certificate chain") == 0 &&
           (strcmp(why->field, "vcek") == 0 || strcmp(why->field, "vlek") == 0);
}

/* What is missing is fetched behind the request's back: it waits for no network. */
static const char *want(struct enclave *e) {
    struct cella_trust *trust = e->decision->instance->trust;
    if (!trust) return "";
    cella_trust_want(trust, e->evidence);
    if (!cella_trust_fetches(trust)) return "the service's operator has to add it";
    cella_http_header(e->response, "Retry-After", "5");
    return "it is being fetched; try again in a few seconds";
}

/* The verifier speaks to who runs the command; a client has no flags. */
static const char *remedy_of(struct enclave *e) {
    const struct cella_reason *why = &e->verified.reason;
    if (lacks_collateral(why)) return want(e);
    if (strstr(why->remedy, "--accept-tcb"))
        return "update the platform, or have the service's operator accept that status";
    return strstr(why->remedy, "--") || !why->remedy[0] ? "ask for new evidence" : why->remedy;
}

static void refuse(struct enclave *e) {
    const struct cella_reason *why = &e->verified.reason;
    const struct cella_claim *advisory = NULL;
    char advisories[160] = "";
    size_t at = 0;
    for (size_t i = 0; i < cella_claimset_count(e->verified.claims) && at < 120; i++) {
        advisory = cella_claimset_at(e->verified.claims, i);
        if (strcmp(advisory->name, "advisories") != 0 || advisory->bytes.size > 20) continue;
        at += (size_t)snprintf(advisories + at, sizeof(advisories) - at, "%s%.*s",
                               at ? ", " : " Advisories: ", (int)advisory->bytes.size,
                               (const char *)advisory->bytes.data);
    }
    e->decision->reason = *why;
    cella_decide_refuse(e->decision, e->response, "InvalidParameter",
                        "The evidence is not accepted: %s, %s: expected %s, found %s.%s To do: %s.",
                        why->step, why->field, why->expected, why->found, advisories, remedy_of(e));
}

/* --- Whole --- */

static CELLA_RESULT check_bound(struct enclave *e) {
    const struct cella_claimset *claims = e->verified.claims;
    const struct cella_claim *tee = cella_claimset_find(claims, "tee");
    const struct cella_claim *data = cella_claimset_find(claims, "report-data");
    size_t size = strlen(e->kind->tee);
    ENSURE(tee && tee->bytes.size == size && cella_equal(tee->bytes.data, e->kind->tee, size),
           CELLA_ERR_REFUSED, "send it to the endpoint of its type",
           "expected evidence of %s, found another", e->kind->tee); /* A23 */
    if (e->request.key_count) {
        ENSURE(data && data->bytes.size == 64, CELLA_ERR_INTEGRITY, NULL,
               "the evidence of the key request has no report data");
        TRY(cella_key_request_bound(&e->request, data->bytes.data));
    }
    return cella_binding_check(&e->body, claims);
}

static CELLA_RESULT fill(struct enclave *e) {
    struct cella_decision *decision = e->decision;
    const struct cella_claim *stale = cella_claimset_find(e->verified.claims, "collateral-stale");
    decision->stale = stale && stale->number;
    TRY(cella_policy_claims_new(&decision->claims));
    decision->service = json_object();
    ENSURE(decision->service, CELLA_ERR_MEMORY, NULL, "no memory for claims");
    TRY(cella_enclave_claims(decision, e->verified.claims,
                             e->request.key_count ? &e->request : NULL));
    return cella_binding_claims(&e->body, decision);
}

static void decide(struct enclave *e) {
    CELLA_BUFFER token = {0};
    struct cella_result r = check_bound(e);
    if (!cella_failed(r)) r = fill(e);
    if (!cella_failed(r)) r = cella_decide(e->decision, 0, 0, e->response, &token);
    if (cella_failed(r))
        cella_decide_fail(e->decision, e->response, "InvalidParameter", r);
    else if (token.size)
        cella_answer_token(e->response, cella_buffer_bytes(&token));
}

static void judge(struct enclave *e) {
    struct cella_result r = open_evidence(e);
    if (!cella_failed(r)) r = verify(e);
    if (cella_failed(r))
        cella_decide_fail(e->decision, e->response, "InvalidParameter", r);
    else if (!e->verified.authentic || e->verified.verdict != CELLA_VERIFY_ACCEPTED) /* A35 */
        refuse(e);
    else
        decide(e);
}

void cella_attest_enclave(struct cella_decision *decision, struct cella_http_response *response) {
    ENCLAVE e = {.decision = decision, .response = response, .kind = &kinds[decision->type]};
    struct cella_result r =
        cella_attest_body_read(decision->request->body, e.kind->member, &e.body);
    if (!cella_failed(r)) r = cella_sha256(e.body.evidence, decision->evidence_digest);
    if (cella_failed(r)) { /* nothing to decide about: not in the audit log */
        if (decision->instance->meters)
            cella_metric_count(decision->instance->meters->malformed, 1);
        cella_answer_failure(response, "InvalidParameter", r);
        return;
    }
    decision->draft = e.body.draft;
    if (cella_decide_open(decision, response)) judge(&e);
    decision->draft = cella_bytes(NULL, 0); /* of the body, which ends here */
}
