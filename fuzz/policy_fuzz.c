/* Any text as a policy; what compiles is checked and evaluated over fixed claims, with and without
 * a trace. */
#include <cella/policy.h>
#include <stdlib.h>
#include <string.h>

static const char claims_json[] =
    "[{\"type\":\"a\",\"value\":1},{\"type\":\"a\",\"value\":\"x\",\"issuer\":\"CustomClaim\"},{"
    "\"type\":\"b\",\"value\":true},"
    "{\"type\":\"events\",\"value\":{\"Events\":[{\"EventTypeString\":\"EV_SEPARATOR\","
    "\"PcrIndex\":7,\"ProcessedData\":{\"a\":[1,2,"
    "\"x\"]}}]}},{\"type\":\"pcrs\",\"value\":\"{}\",\"readOnly\":true},{\"type\":\"q\",\"value\":"
    "\"Events[?PcrIndex > `1`]\"}]";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct cella_policy *policy = NULL;
    struct cella_policy_claims *claims = NULL;
    struct cella_policy_warning warning[2];
    CELLA_POLICY_OUTCOME plain = {0}, traced = {0};
    bool never = false;
    size_t count = 0;
    cella_result_drop(cella_policy_compile(cella_bytes(data, size), &policy, NULL));
    if (!policy) return 0;
    cella_policy_check(policy, warning, 2, &never);
    if (cella_failed(cella_policy_claims_new(&claims))) abort();
    if (cella_failed(
            cella_policy_claims_json(claims, cella_bytes_text(claims_json), CELLA_POLICY_SERVICE)))
        abort();
    const struct cella_policy_claim *claim = cella_policy_claims_at(claims, &count);
    if (cella_failed(cella_policy_evaluate(policy, claim, count, false, &plain))) abort();
    if (cella_failed(cella_policy_evaluate(policy, claim, count, true, &traced))) abort();
    /* A policy that can never permit does not; what was not permitted issues nothing; a trace
     * changes nothing. */
    if (never && plain.verdict == CELLA_POLICY_PERMITTED) abort();
    if (plain.verdict != CELLA_POLICY_PERMITTED && plain.issued_count) abort();
    if (plain.verdict != traced.verdict && traced.steps <= CELLA_POLICY_STEPS_MAX) abort();
    cella_policy_claims_free(&claims);
    cella_policy_free(&policy);
    return 0;
}
