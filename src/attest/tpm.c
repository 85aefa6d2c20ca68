/* Tpm: challenge, then a signed request with a quote over it, answered with a report
 * (azure-attestation 6.3). */
#include <stdlib.h>
#include <string.h>

#include "attest/answer.h"
#include "attest/decide.h"
#include "attest/lenient.h"
#include "attest/meters.h"
#include "attest/tpm_challenge.h"
#include "attest/tpm_claims.h"
#include "base/memory.h"
#include "base/text.h"

struct exchange {
    struct cella_decision *decision;
    struct cella_http_response *response;
    struct cella_buffer text; /* owned: the inner JSON */
    json_t *root;             /* owned */
    const json_t *message;    /* of root: bare, or under "payload" */
    bool wrapped;
};
static void exchange_free(struct exchange *x) {
    cella_buffer_free(&x->text);
    json_decref(x->root);
}
#define EXCHANGE __attribute__((cleanup(exchange_free))) struct exchange

/* --- Messages --- */

static struct cella_result read_message(struct exchange *x) {
    CELLA_JSON outer = NULL;
    TRY(cella_json_object(x->decision->request->body, "request body", &outer));
    TRY(cella_lenient_member(outer, "data", true, &x->text));
    TRY(cella_json_object(cella_buffer_bytes(&x->text), "data", &x->root));
    const json_t *payload = json_object_get(x->root, "payload");
    x->wrapped = json_is_object(payload);
    x->message = x->wrapped ? payload : x->root;
    return CELLA_SUCCESS;
}

/* In the form in which the client asked. */
static struct cella_result answer(const struct exchange *x, json_t *message) {
    CELLA_JSON inner = x->wrapped ? json_pack("{s:O}", "payload", message) : json_incref(message);
    char *text = inner ? json_dumps(inner, JSON_COMPACT) : NULL;
    CELLA_BUFFER data = {0};
    ENSURE(text, CELLA_ERR_MEMORY, NULL, "no memory for an answer");
    struct cella_result r = cella_base64_encode(cella_bytes_text(text), true, &data);
    free(text);
    TRY(r);
    CELLA_JSON body = json_pack("{s:o}", "data", json_stringn((const char *)data.data, data.size));
    cella_answer_json(x->response, 200, body);
    return CELLA_SUCCESS;
}

/* --- Challenge --- */

static json_t *base64_json(struct cella_bytes bytes) {
    CELLA_BUFFER text = {0};
    struct cella_result r = cella_base64_encode(bytes, true, &text);
    bool good = !cella_failed(r);
    cella_result_drop(r);
    return good ? json_stringn((const char *)text.data, text.size) : NULL;
}

static bool is(struct cella_bytes text, const char *word) {
    return text.size == strlen(word) && cella_equal(text.data, word, text.size);
}

static struct cella_result give_challenge(const struct exchange *x) {
    uint8_t challenge[CELLA_TPM_CHALLENGE_SIZE];
    CELLA_BUFFER context = {0};
    struct cella_bytes type = cella_lenient_text(x->message, "type");
    ENSURE(is(type, "aikcert") || is(type, "aikpub"), CELLA_ERR_UNSUPPORTED,
           "begin with {\"type\":\"aikcert\"}",
           "data: expected a type of \"aikcert\" or \"aikpub\", or a request");
    TRY(cella_tpm_challenge_new(x->decision->instance, x->decision->caller, x->decision->now_unix,
                                challenge, &context));
    CELLA_JSON message =
        json_pack("{s:o, s:o}", "challenge", base64_json(CELLA_BYTES_OF(challenge)),
                  "service_context", base64_json(cella_buffer_bytes(&context)));
    ENSURE(message, CELLA_ERR_MEMORY, NULL, "no memory for a challenge");
    return answer(x, message);
}

/* --- Report --- */

/* PS256 and nothing else, by the key that the payload names: it proves possession, not more
 * (A24). */
static struct cella_result open_request(struct cella_bytes text, struct cella_tpm_request *out) {
    CELLA_JWS jws = {0};
    TRY_IN(cella_jws_open(text, false, &jws), "request");
    ENSURE(jws.typ && strcmp(jws.typ, "attReq") == 0, CELLA_ERR_FORMAT, NULL,
           "request: typ: expected attReq");
    TRY(cella_tpm_request_parse(jws.payload, out));
    TRY_IN(cella_jws_check(&jws, out->attest_key, CELLA_JOSE_PS256), "request: attest_key");
    return CELLA_SUCCESS;
}

static struct cella_tpm_demand demand_of(const struct cella_decision *decision) {
    struct cella_tpm_demand demand = {.require_valid_aik = true,
                                      .required_pcr_mask = CELLA_TPM_PCR_MASK};
    const struct cella_policy_value *aik =
        cella_decision_setting(decision, "require_valid_aik_cert");
    const struct cella_policy_value *mask = cella_decision_setting(decision, "required_pcr_mask");
    if (aik && aik->type == CELLA_POLICY_BOOLEAN) demand.require_valid_aik = aik->integer;
    if (mask && mask->type == CELLA_POLICY_INTEGER)
        demand.required_pcr_mask = (uint32_t)mask->integer & CELLA_TPM_PCR_MASK;
    return demand;
}

static struct cella_result check(struct cella_decision *decision,
                                 const struct cella_tpm_request *request,
                                 struct cella_tpm_checked *checked) {
    const struct cella_attest_settings *settings = &decision->instance->settings;
    struct cella_trust *trust = decision->instance->trust;
    struct cella_tpm_demand demand = demand_of(decision);
    void *hold = NULL;
    const struct cella_collateral *set = trust ? cella_trust_take(trust, &hold) : NULL;
    struct cella_result r = cella_tpm_request_check(
        request, &demand, set,
        settings->insecure_time ? settings->insecure_time : decision->now_unix, checked);
    if (trust) cella_trust_drop(trust, hold);
    return r;
}

/* A challenge that was brought back is used, whatever comes out (A14). */
static struct cella_result give_report(const struct exchange *x, struct cella_bytes text) {
    struct cella_decision *decision = x->decision;
    CELLA_TPM_REQUEST request = {0};
    CELLA_TPM_CHECKED checked = {0};
    CELLA_BUFFER token = {0};
    TRY(cella_sha256(text, decision->evidence_digest));
    TRY(open_request(text, &request));
    TRY(cella_tpm_challenge_use(decision->instance, decision->caller, decision->now_unix,
                                cella_buffer_bytes(&request.challenge),
                                cella_buffer_bytes(&request.context)));
    TRY(check(decision, &request, &checked));
    TRY(cella_policy_claims_new(&decision->claims));
    TRY(cella_tpm_claims(&request, &checked, decision->instance->settings.url, decision->claims,
                         &decision->service));
    /* Old names that reports of TPMs still have (azure-attestation 7.4). */
    ENSURE(json_object_set_new(decision->service, "ver", json_string("1.0")) == 0 &&
               json_object_set_new(decision->service, "policy_hash",
                                   json_string(decision->policy_hash)) == 0,
           CELLA_ERR_MEMORY, NULL, "no memory for claims");
    decision->issued_only = true;
    TRY(cella_decide(decision, 0, 1, x->response, &token));
    if (token.size == 0) return CELLA_SUCCESS; /* denied, and said so */
    CELLA_JSON message =
        json_pack("{s:o}", "report", json_stringn((const char *)token.data, token.size));
    ENSURE(message, CELLA_ERR_MEMORY, NULL, "no memory for a report");
    return answer(x, message);
}

/* --- Whole --- */

/* There is no default: what a TPM is trusted for is its owner's to say (azure-attestation 7.5). */
static bool has_policy(const struct exchange *x) {
    const struct cella_policy_entry *entry = NULL;
    struct cella_decision *decision = x->decision;
    struct cella_result r =
        cella_policies_take(decision->instance->policies, decision->type, &entry);
    bool there = !cella_failed(r) && entry;
    if (!cella_failed(r) && entry) cella_policies_drop(decision->instance->policies, entry);
    if (!cella_failed(r) && !entry)
        cella_answer_error(x->response, 400, "InvalidOperation",
                           "A VBS attestation policy has not been set: for Tpm there is no default "
                           "one; set one with PUT /policies/Tpm");
    if (cella_failed(r)) cella_answer_failure(x->response, "InvalidOperation", r);
    return there;
}

void cella_attest_tpm(struct cella_decision *decision, struct cella_http_response *response) {
    EXCHANGE x = {.decision = decision, .response = response};
    struct cella_result r = read_message(&x);
    if (!cella_failed(r) && !has_policy(&x)) return;
    struct cella_bytes request = cella_lenient_text(x.message, "request");
    if (!cella_failed(r) && request.size) {
        if (!cella_decide_open(decision, response)) return;
        r = give_report(&x, request);
        if (cella_failed(r)) cella_decide_fail(decision, response, "InvalidParameter", r);
        return;
    }
    if (!cella_failed(r)) r = give_challenge(&x);
    if (!cella_failed(r)) return;
    if (decision->instance->meters) cella_metric_count(decision->instance->meters->malformed, 1);
    cella_answer_failure(response, "InvalidParameter", r);
}
