#include "attest/decide.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "attest/answer.h"
#include "attest/explain.h"
#include "attest/meters.h"
#include "attest/outcome.h"
#include "attest/tokens.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"

enum { VALIDITY_MAX_MINUTES = 365 * 24 * 60, REASON_MAX = 1200, TRACE_STEPS_MAX = 100000 };

void cella_decision_free(struct cella_decision *decision) {
    cella_policy_outcome_free(&decision->settings);
    cella_policy_free(&decision->draft_policy);
    if (decision->entry) cella_policies_drop(decision->instance->policies, decision->entry);
    cella_policy_claims_free(&decision->claims);
    json_decref(decision->service);
    *decision = (struct cella_decision){0};
}

/* --- Record --- */

static json_t *text_or_null(const char *text) {
    return text && text[0] ? json_string(text) : json_null();
}

static CELLA_RESULT audit(const struct cella_decision *decision,
                          const struct cella_decided *decided) {
    const struct cella_caller *caller =
        decision->caller && decision->caller->known ? decision->caller : NULL;
    char object[sizeof(decision->instance->scope) + 64];
    char digest[2 * sizeof(decision->evidence_digest) + 1];
    snprintf(object, sizeof(object), "%s/attest/%s", decision->instance->scope,
             cella_attest_type_name(decision->type));
    cella_hex_encode(CELLA_BYTES_OF(decision->evidence_digest), digest);
    CELLA_JSON record =
        json_pack("{s:s, s:s, s:s, s:o, s:o, s:o, s:s, s:o, s:b, s:s, s:o, s:o, s:o}", "action",
                  "attest", "object", object, "who", caller ? caller->object : "anonymous",
                  "tenant", text_or_null(caller ? caller->tenant : NULL), "app",
                  text_or_null(caller ? caller->app : NULL), "peer",
                  text_or_null(decision->request->peer), "evidence", digest, "policy",
                  text_or_null(decision->policy_hash), "draft", decision->draft.size > 0, "verdict",
                  decided->verdict, "reason", text_or_null(decided->reason), "request",
                  text_or_null(decision->request->id), "token", text_or_null(decided->jti));
    ENSURE(record, CELLA_ERR_MEMORY, NULL, "no memory for an audit record");
    return cella_audit_append(decision->instance->audit, record);
}

static void count(const struct cella_decision *decision, enum cella_attest_verdict verdict) {
    const struct cella_attest_meters *meters = decision->instance->meters;
    if (!meters) return;
    cella_metric_count(meters->decisions[decision->type][verdict], 1);
    if (decision->stale) cella_metric_count(meters->stale, 1);
}

/* No word leaves that the log does not have (K22). */
static bool record(const struct cella_decision *decision, const struct cella_decided *decided,
                   enum cella_attest_verdict verdict, struct cella_http_response *response) {
    struct cella_result r = audit(decision, decided);
    if (cella_failed(r)) {
        count(decision, CELLA_DECIDED_FAILED);
        response->note = "audit failed";
        cella_log(CELLA_LOG_ERROR, "attest: audit: %s", r.error->what);
        cella_result_drop(r);
        cella_http_header(response, "Retry-After", "5");
        cella_answer_error(response, 503, "ServiceUnavailable",
                           "The service cannot record its decision now, so it takes none.");
        return false;
    }
    count(decision, verdict);
    cella_explanations_keep(decision, decided);
    return true;
}

/* --- Refusals --- */

static void refuse(struct cella_decision *decision, struct cella_http_response *response,
                   const char *code, const char *reason, enum cella_attest_verdict verdict,
                   const struct cella_policy_outcome *outcome) {
    struct cella_decided decided = {
        .verdict = cella_decided_name(verdict), .code = code, .reason = reason, .outcome = outcome};
    response->note = verdict == CELLA_DECIDED_DENIED ? "policy denied" : "evidence refused";
    if (record(decision, &decided, verdict, response))
        cella_answer_error(response, 400, code, "%s", reason);
}

void cella_decide_refuse(struct cella_decision *decision, struct cella_http_response *response,
                         const char *code, const char *format, ...) {
    char reason[REASON_MAX];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(reason, sizeof(reason), format, arguments);
    va_end(arguments);
    refuse(decision, response, code, reason, CELLA_DECIDED_REFUSED, NULL);
}

static bool own_fault(enum cella_code code) {
    return code == CELLA_ERR_MEMORY || code == CELLA_ERR_INTERNAL || code == CELLA_ERR_IO ||
           code == CELLA_ERR_UNAVAILABLE;
}

void cella_decide_fail(struct cella_decision *decision, struct cella_http_response *response,
                       const char *code, struct cella_result result) {
    if (own_fault(cella_code_of(result))) {
        count(decision, CELLA_DECIDED_FAILED);
        cella_answer_failure(response, "InternalError", result);
        return;
    }
    cella_decide_refuse(decision, response, code, "%s%s%s", result.error->what,
                        result.error->hint ? "; " : "",
                        result.error->hint ? result.error->hint : "");
    cella_result_drop(result);
}

/* --- The policy --- */

static const struct cella_policy *policy_of(const struct cella_decision *decision) {
    return decision->draft_policy ? decision->draft_policy
           : decision->entry      ? decision->entry->policy
                                  : NULL;
}

static void refuse_draft(struct cella_decision *decision, struct cella_http_response *response,
                         const struct cella_policy_fault *fault, struct cella_result result) {
    if (fault->line)
        cella_decide_refuse(decision, response, "PolicyParsingError",
                            "Draft policy: parsing failed at line %u, column %u (%s): unexpected "
                            "symbol %s, expected %s",
                            fault->line, fault->column, fault->path, fault->found, fault->expected);
    else
        cella_decide_refuse(decision, response, "PolicyParsingError", "Draft policy: %s",
                            result.error->what);
    cella_result_drop(result);
}

static bool open_draft(struct cella_decision *decision, struct cella_http_response *response) {
    struct cella_policy_fault fault = {0};
    struct cella_result r = cella_policy_hash(decision->draft, decision->policy_hash);
    if (!cella_failed(r)) {
        r = cella_policy_compile(decision->draft, &decision->draft_policy, &fault);
        if (cella_failed(r) && !own_fault(cella_code_of(r))) {
            refuse_draft(decision, response, &fault, r);
            return false;
        }
    }
    if (!cella_failed(r)) return true;
    cella_decide_fail(decision, response, "PolicyParsingError", r);
    return false;
}

static bool open_stored(struct cella_decision *decision, struct cella_http_response *response) {
    struct cella_attest_instance *instance = decision->instance;
    struct cella_result r =
        cella_policies_take(instance->policies, decision->type, &decision->entry);
    const char *type = cella_attest_type_name(decision->type);
    if (cella_failed(r)) { /* what is stored is not the caller's doing */
        count(decision, CELLA_DECIDED_FAILED);
        cella_log(CELLA_LOG_ERROR, "attest %s: policy of %s: %s", instance->settings.name, type,
                  r.error->what);
        cella_result_drop(r);
        cella_answer_error(response, 500, "InternalError",
                           "The policy of %s cannot be used; the service's log says why.", type);
        return false;
    }
    if (decision->entry && decision->entry->policy) {
        snprintf(decision->policy_hash, sizeof(decision->policy_hash), "%s", decision->entry->hash);
        return true;
    }
    cella_decide_refuse(decision, response, "InvalidOperation",
                        "No attestation policy has been set for %s, and there is no default one; "
                        "set one with PUT /policies/%s, or send draftPolicyForAttestation",
                        type, type);
    return false;
}

static void refuse_outcome(struct cella_decision *decision, struct cella_http_response *response,
                           const struct cella_policy_outcome *outcome) {
    char reason[REASON_MAX];
    int n = snprintf(reason, sizeof(reason), "Policy evaluation denied the request: %s",
                     outcome->reason ? outcome->reason : "the policy could not be evaluated");
    if (outcome->error.line && n > 0 && (size_t)n < sizeof(reason))
        snprintf(reason + n, sizeof(reason) - (size_t)n,
                 "; line %u, column %u: expected %s, found %s", outcome->error.line,
                 outcome->error.column, outcome->error.expected, outcome->error.found);
    size_t size = strlen(reason);
    snprintf(reason + size, sizeof(reason) - size, ". An operator may read why under /decisions/%s",
             decision->request->id ? decision->request->id : "REQUEST-ID");
    refuse(decision, response, "PolicyEvaluationError", reason, CELLA_DECIDED_DENIED, outcome);
}

bool cella_decide_open(struct cella_decision *decision, struct cella_http_response *response) {
    bool good =
        decision->draft.size ? open_draft(decision, response) : open_stored(decision, response);
    if (!good) return false;
    struct cella_result r = cella_policy_configure(policy_of(decision), &decision->settings);
    if (cella_failed(r)) {
        cella_decide_fail(decision, response, "PolicyEvaluationError", r);
        return false;
    }
    if (decision->settings.error.line == 0) return true;
    refuse_outcome(decision, response, &decision->settings);
    return false;
}

static const struct cella_policy_value *property(const struct cella_policy_outcome *outcome,
                                                 const char *name) {
    const struct cella_policy_value *found = NULL;
    for (size_t i = 0; i < outcome->property_count; i++) {
        struct cella_bytes type = outcome->property[i].type;
        if (type.size == strlen(name) && cella_equal(type.data, name, type.size))
            found = &outcome->property[i].value;
    }
    return found;
}

const struct cella_policy_value *cella_decision_setting(const struct cella_decision *decision,
                                                        const char *name) {
    return property(&decision->settings, name);
}

/* --- The token --- */

/* azure-attestation 9.7: a TPM's policy says how long its report is valid, and what its header
 * has. */
static void apply_properties(const struct cella_decision *decision,
                             const struct cella_policy_outcome *outcome, uint32_t *lifetime_s,
                             int *header) {
    if (decision->type != CELLA_ATTEST_TPM) return;
    const struct cella_policy_value *minutes = property(outcome, "report_validity_in_minutes");
    const struct cella_policy_value *omit = property(outcome, "omit_x5c");
    if (minutes && minutes->type == CELLA_POLICY_INTEGER && minutes->integer > 0)
        *lifetime_s =
            60 * (uint32_t)(minutes->integer < VALIDITY_MAX_MINUTES ? minutes->integer
                                                                    : VALIDITY_MAX_MINUTES);
    if (omit && omit->type == CELLA_POLICY_BOOLEAN && *header == 1) *header = omit->integer ? 2 : 1;
}

static CELLA_RESULT sign(const struct cella_decision *decision, json_t *claims, uint32_t lifetime_s,
                         int header, struct cella_buffer *token) {
    struct cella_tokens *tokens = decision->instance->tokens;
    uint64_t now = decision->now_unix;
    if (decision->draft.size) return cella_tokens_unsecured(tokens, claims, now, lifetime_s, token);
    if (header) return cella_tokens_sign_x5(tokens, claims, now, lifetime_s, header == 2, token);
    return cella_tokens_sign(tokens, claims, now, lifetime_s, true, token);
}

struct permitted {
    json_t *claims, *ignored; /* owned */
};
static void permitted_free(struct permitted *p) {
    json_decref(p->claims);
    json_decref(p->ignored);
}
#define PERMITTED __attribute__((cleanup(permitted_free))) struct permitted

/* The token is made first, so that the record has its name, and is let go after. */
static CELLA_RESULT permit(struct cella_decision *decision,
                           const struct cella_policy_outcome *outcome, uint32_t lifetime_s,
                           int header, struct cella_http_response *response,
                           struct cella_buffer *token) {
    PERMITTED p = {0};
    CELLA_BUFFER made = {0};
    apply_properties(decision, outcome, &lifetime_s, &header);
    p.claims = cella_outcome_claims(decision, outcome, &p.ignored);
    ENSURE(p.claims, CELLA_ERR_MEMORY, NULL, "no memory for a token");
    TRY(sign(decision, p.claims, lifetime_s, header, &made));
    struct cella_decided decided = {.verdict = cella_decided_name(CELLA_DECIDED_PERMITTED),
                                    .reason = outcome->reason,
                                    .outcome = outcome,
                                    .ignored = p.ignored,
                                    .jti = json_string_value(json_object_get(p.claims, "jti"))};
    if (record(decision, &decided, CELLA_DECIDED_PERMITTED, response)) *token = MOVE(made);
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_decide(struct cella_decision *decision, uint32_t lifetime_s, int header,
                          struct cella_http_response *response, struct cella_buffer *token) {
    CELLA_POLICY_OUTCOME outcome = {0};
    size_t size = 0;
    *token = (struct cella_buffer){0};
    if (!policy_of(decision) && !cella_decide_open(decision, response)) return CELLA_SUCCESS;
    TRY(cella_policy_claims_result(decision->claims));
    const struct cella_policy_claim *claim = cella_policy_claims_at(decision->claims, &size);
    TRY(cella_policy_evaluate(policy_of(decision), claim, size, false, &outcome));
    if (outcome.verdict == CELLA_POLICY_PERMITTED) /* A35: anything else is no permission */
        return permit(decision, &outcome, lifetime_s, header, response, token);
    /* Again, to see why: evaluation is pure, and the trace is for denials alone; not of what took
     * long, which a draft of anybody's may be made to do. */
    if (outcome.steps <= TRACE_STEPS_MAX) {
        cella_policy_outcome_free(&outcome);
        TRY(cella_policy_evaluate(policy_of(decision), claim, size, true, &outcome));
    }
    refuse_outcome(decision, response, &outcome);
    return CELLA_SUCCESS;
}
