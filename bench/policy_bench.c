/* What evaluating a policy costs: 50 rules over the claims of an SGX enclave, compiled once. Aim:
 * under 20 us. */
#include <cella/policy.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"

enum { RULES = 50, ROUNDS = 20000, REPEATS = 7, TEXT_SIZE = 32768 };

static const char claims_json[] =
    "{\"x-ms-attestation-type\":\"sgx\",\"x-ms-sgx-is-debuggable\":false,\"x-ms-sgx-product-id\":1,"
    "\"x-ms-sgx-svn\":3,"
    "\"x-ms-sgx-mrenclave\":\"292a1f4b519e46627eb2478a3d9851405653c5b4b0a6925de843834d9216850e\","
    "\"x-ms-sgx-mrsigner\":\"4aea5f9a0ed04b11f889aadfe6a1d376213a29a95a85ce7337ae6f7fece6610c\","
    "\"x-ms-sgx-report-data\":\"00\",\"$is-debuggable\":false,\"$product-id\":1,\"$svn\":3,\"$sgx-"
    "mrenclave\":\"29\",\"$sgx-mrsigner\":\"4a\","
    "\"$tee\":\"sgx\",\"x-ms-runtime\":{\"keys\":[{\"kid\":\"k\",\"kty\":\"RSA\"}]},\"events\":{"
    "\"Events\":[{\"PcrIndex\":7,\"EventSeq\":1},{\"PcrIndex\":12,\"EventSeq\":2}]}}";

/* Version 1.0: each rule has three conditions. */
static void plain(char *text) {
    size_t at = (size_t)snprintf(text, TEXT_SIZE, "version=1.0;authorizationrules{");
    for (int i = 0; i < RULES; i++) {
        if (i == RULES / 2) at += (size_t)snprintf(text + at, TEXT_SIZE - at, "};issuancerules{");
        if (i < RULES / 2)
            at += (size_t)snprintf(
                text + at, TEXT_SIZE - at,
                "[type==\"x-ms-sgx-is-debuggable\", value==false] && [type==\"x-ms-sgx-svn\", "
                "value>=%d] && "
                "[type==\"x-ms-sgx-mrsigner\", "
                "value==\"4aea5f9a0ed04b11f889aadfe6a1d376213a29a95a85ce7337ae6f7fece66"
                "10c\"] => permit();",
                i % 4);
        else
            at += (size_t)snprintf(
                text + at, TEXT_SIZE - at,
                "c:[type==\"x-ms-sgx-mrenclave\"] && [type==\"x-ms-sgx-svn\", value>=%d] && "
                "[type==\"x-ms-attestation-"
                "type\", value==\"sgx\"] => issue(type=\"claim-%d\", value=c.value);",
                i % 4, i);
    }
    snprintf(text + at, TEXT_SIZE - at, "};");
}

/* Version 1.2: half of the rules ask JSON. */
static void queries(char *text) {
    size_t at = (size_t)snprintf(text, TEXT_SIZE,
                                 "version=1.2;authorizationrules{=>permit();};issuancerules{");
    for (int i = 1; i < RULES; i++)
        at += (size_t)snprintf(
            text + at, TEXT_SIZE - at,
            i % 2 ? "c:[type==\"events\"] => issue(type=\"q-%d\", "
                    "value=JsonToClaimValue(JmesPath(c.value, \"Events[?PcrIndex == `12`"
                    " && EventSeq > `1`] | length(@) == `1`\")));"
                  : "![type==\"none-%d\"] => add(type=\"x\", value=1);",
            i);
    snprintf(text + at, TEXT_SIZE - at, "};");
}

static double evaluate(const struct cella_policy *policy, const struct cella_policy_claim *claim,
                       size_t count, bool trace, size_t *issued) {
    double best = 1e9;
    for (int repeat = 0; repeat < REPEATS; repeat++) {
        double start = clock_s(CLOCK_MONOTONIC);
        for (int i = 0; i < ROUNDS / REPEATS; i++) {
            CELLA_POLICY_OUTCOME outcome;
            must(cella_policy_evaluate(policy, claim, count, trace, &outcome));
            if (outcome.verdict != CELLA_POLICY_PERMITTED) exit(1);
            *issued = outcome.issued_count;
        }
        double each = (clock_s(CLOCK_MONOTONIC) - start) / (ROUNDS / REPEATS);
        if (each < best) best = each;
    }
    return best;
}

static void row(const char *name, const char *text, const struct cella_policy_claim *claim,
                size_t count) {
    struct cella_policy *policy = NULL;
    size_t issued = 0;
    double start = clock_s(CLOCK_MONOTONIC);
    for (int i = 0; i < 100; i++) {
        must(cella_policy_compile(cella_bytes_text(text), &policy, NULL));
        if (i < 99) cella_policy_free(&policy);
    }
    double compile = (clock_s(CLOCK_MONOTONIC) - start) / 100,
           plainly = evaluate(policy, claim, count, false, &issued);
    double traced = evaluate(policy, claim, count, true, &issued);
    printf("%-24s %8zu %12.1f %12.2f %12.2f   %s\n", name, issued, compile * 1e6, plainly * 1e6,
           traced * 1e6, plainly < 20e-6 ? "met" : "MISSED");
    cella_policy_free(&policy);
}

int main(void) {
    static char text[TEXT_SIZE];
    struct cella_policy_claims *claims = NULL;
    size_t count = 0;
    must(cella_policy_claims_new(&claims));
    must(cella_policy_claims_json(claims, cella_bytes_text(claims_json), CELLA_POLICY_SERVICE));
    const struct cella_policy_claim *claim = cella_policy_claims_at(claims, &count);
    printf("policy of %d rules over %zu claims; microseconds; aim: evaluation under 20\n", RULES,
           count);
    printf("%-24s %8s %12s %12s %12s\n", "", "issued", "compile", "evaluate", "with trace");
    plain(text);
    row("1.0, three conditions", text, claim, count);
    queries(text);
    row("1.2, 25 JMESPath", text, claim, count);
    cella_policy_claims_free(&claims);
    return 0;
}
