/* The names that Azure's service gives, against tokens that it made for evidence which is at hand.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <cella/verify.h>

#include "base/file.h"
#include "base/text.h"
#include "evidence/snp_claims.h"
#include "policy/outcome_json.h"

enum { FILE_MAX = 1 << 20 };

static const char *vectors(void) {
    const char *given = getenv("CELLA_VECTORS");
    return given ? given : CELLA_SOURCE_ROOT "/../shared/vectors";
}

static bool read_vector(const char *path, struct cella_buffer *out) {
    char full[1024];
    snprintf(full, sizeof(full), "%s/%s", vectors(), path);
    struct cella_result r = cella_file_read(full, FILE_MAX, out);
    bool there = !cella_failed(r);
    if (!there) print_message("skipped: no %s\n", full);
    cella_result_drop(r);
    return there;
}

/* The payload of a token, as JSON. */
static json_t *payload_of(struct cella_bytes token) {
    CELLA_BUFFER payload = {0};
    const char *from = memchr(token.data, '.', token.size);
    assert_non_null(from);
    const char *end = strchr(++from, '.');
    assert_non_null(end);
    assert_false(
        cella_failed(cella_base64_decode(cella_bytes(from, (size_t)(end - from)), true, &payload)));
    json_t *out =
        json_loadb((const char *)payload.data, payload.size, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(out);
    return out;
}

/* Every claim mapped is in the token with that value; and every name of the token that begins with
 * the prefix is mapped, but for those that the service makes from what is no evidence. Returns how
 * many were compared. */
static int compare(const struct cella_policy_claims *claims, const json_t *token,
                   const char *prefix, const char *except) {
    size_t count = 0;
    int compared = 0;
    const char *name;
    const json_t *value;
    const struct cella_policy_claim *claim = cella_policy_claims_at(claims, &count);
    json_t *mapped = cella_policy_claims_object(claim, count);
    assert_non_null(mapped);
    json_object_foreach((json_t *)(uintptr_t)token, name, value) {
        if (strncmp(name, prefix, strlen(prefix)) != 0 || strstr(except, name)) continue;
        const json_t *ours = json_object_get(mapped, name);
        if (!ours || !json_equal(ours, value)) print_error("%s differs\n", name);
        assert_true(ours && json_equal(ours, value));
        compared++;
    }
    json_object_foreach(mapped, name, value) {
        if (name[0] == '$') continue;
        if (!json_object_get(token, name)) print_error("%s is in no such token\n", name);
        assert_non_null(json_object_get(token, name));
    }
    json_decref(mapped);
    return compared;
}

static struct cella_buffer token_at(const char *path, bool *there) {
    struct cella_buffer token = {0};
    *there = read_vector(path, &token);
    if (*there)
        assert_false(
            cella_failed(cella_buffer_append(&token, cella_bytes("", 1)))); /* a C string */
    return token;
}

static void test_sgx(void **state) {
    (void)state;
    static const char *const tokens[] = {
        "maa-jwt/SimpleAttest-OpenEnclave_Shared-a141ef7c/token.jwt",
        "maa-jwt/SimpleAttest-SgxEnclave_Isolated-e512af89/token.jwt",
        "maa-jwt/AttestWithRuntimeDataJson-SgxEnclave_Aad-e4d235b9/token.jwt",
        "maa-jwt/AttestWithDraftPolicy-OpenEnclave_Aad-9d76e52d/token.jwt",
    };
    CELLA_BUFFER report = {0};
    CELLA_VERIFICATION verification = {0};
    struct cella_policy_claims *claims = NULL;
    if (!read_vector("maa-jwt/evidence-928c12bc/oe_report.bin", &report)) skip();
    const struct cella_evidence_options options = {.type = CELLA_EVIDENCE_SGX,
                                                   .time_unix = 1654037279};
    struct cella_bytes quote =
        cella_bytes(report.data + 16, report.size - 16); /* Open Enclave's header */
    struct cella_collateral *none = NULL;
    assert_false(cella_failed(cella_collateral_new(&none)));
    assert_false(cella_failed(cella_collateral_finish(none)));
    assert_false(cella_failed(cella_verify(quote, none, &options, &verification)));
    assert_true(verification.authentic);
    assert_false(cella_failed(cella_policy_claims_new(&claims)));
    cella_policy_claims_verified(claims, verification.claims, false);
    assert_false(cella_failed(cella_policy_claims_result(claims)));
    for (size_t i = 0; i < sizeof(tokens) / sizeof(tokens[0]); i++) {
        bool there = false;
        CELLA_BUFFER token = token_at(tokens[i], &there);
        if (!there) continue;
        json_t *payload = payload_of(cella_buffer_bytes(&token));
        assert_int_equal(compare(claims, payload, "x-ms-sgx-", "x-ms-sgx-collateral x-ms-sgx-ehd"),
                         6);
        assert_int_equal(compare(claims, payload, "x-ms-attestation-type", ""), 1);
        json_decref(payload);
    }
    cella_policy_claims_free(&claims);
    cella_collateral_free(&none);
}

/* The service's own default policy, over the evidence, issues what is in the token. */
static void test_sgx_default_policy(void **state) {
    (void)state;
    static const char text[] =
        "version= 1.0;authorizationrules{=> permit();};issuancerules{"
        "c:[type==\"x-ms-sgx-is-debuggable\"] => issue(type=\"is-debuggable\", value=c.value);"
        "c:[type==\"x-ms-sgx-mrsigner\"] => issue(type=\"sgx-mrsigner\", value=c.value);"
        "c:[type==\"x-ms-sgx-mrenclave\"] => issue(type=\"sgx-mrenclave\", value=c.value);"
        "c:[type==\"x-ms-sgx-product-id\"] => issue(type=\"product-id\", value=c.value);"
        "c:[type==\"x-ms-sgx-svn\"] => issue(type=\"svn\", value=c.value);"
        "c:[type==\"x-ms-attestation-type\"] => issue(type=\"tee\", value=c.value);};";
    bool there = false;
    CELLA_BUFFER token =
        token_at("maa-jwt/SimpleAttest-OpenEnclave_Shared-a141ef7c/token.jwt", &there);
    struct cella_policy *policy = NULL;
    struct cella_policy_claims *claims = NULL;
    CELLA_POLICY_OUTCOME outcome = {0};
    size_t count = 0;
    if (!there) skip();
    json_t *payload = payload_of(cella_buffer_bytes(&token));
    char *all = json_dumps(payload, JSON_COMPACT);
    assert_false(cella_failed(cella_policy_compile(cella_bytes_text(text), &policy, NULL)));
    assert_false(cella_failed(cella_policy_claims_new(&claims)));
    assert_false(cella_failed(
        cella_policy_claims_json(claims, cella_bytes_text(all), CELLA_POLICY_SERVICE)));
    const struct cella_policy_claim *claim = cella_policy_claims_at(claims, &count);
    assert_false(cella_failed(cella_policy_evaluate(policy, claim, count, false, &outcome)));
    assert_int_equal(outcome.verdict, CELLA_POLICY_PERMITTED);
    json_t *issued = cella_policy_claims_object(outcome.issued, outcome.issued_count);
    assert_int_equal(json_object_size(issued), 6);
    const char *name;
    const json_t *value;
    json_object_foreach(issued, name, value)
        assert_true(json_equal(json_object_get(payload, name), value));
    /* The token lists what its policy issued. */
    assert_true(json_equal(json_object_get(payload, "x-ms-policy"), issued));
    json_decref(issued);
    json_decref(payload);
    free(all);
    cella_policy_claims_free(&claims);
    cella_policy_free(&policy);
}

static void test_snp(void **state) {
    (void)state;
    bool there = false;
    CELLA_BUFFER report = {0};
    CELLA_BUFFER token = token_at("maa-jwt/sev-snp-sample/token.jwt", &there);
    if (!there ||
        !read_vector("snp-report/v2-unknown-nocert-microsoft-azure-atte-b7a21119/report.bin",
                     &report))
        skip();
    /* The report came without its certificates, so its claims are made here as they are after
     * verification. */
    struct cella_snp_report parsed;
    struct cella_snp_cert cert = {.line = CELLA_SNP_MILAN, .role = CELLA_SNP_VCEK};
    struct cella_claimset *verified = NULL;
    struct cella_policy_claims *claims = NULL;
    assert_false(cella_failed(cella_snp_report_parse(cella_buffer_bytes(&report), &parsed)));
    assert_false(cella_failed(cella_claimset_new(&verified)));
    assert_false(cella_failed(cella_snp_claims(&parsed, &cert, false, verified)));
    assert_false(cella_failed(cella_policy_claims_new(&claims)));
    cella_policy_claims_verified(claims, verified, false);
    json_t *payload = payload_of(cella_buffer_bytes(&token));
    assert_int_equal(compare(claims, payload, "x-ms-sevsnpvm-", ""), 17);
    json_decref(payload);
    cella_policy_claims_free(&claims);
    cella_claimset_free(&verified);
}

/* A TD's claims, which no token at hand shows: names and forms by the service's description. */
static void test_tdx(void **state) {
    (void)state;
    static const char *const wanted[] = {"tdx_mrtd",
                                         "tdx_rtmr3",
                                         "tdx_report_data",
                                         "tdx_td_attributes",
                                         "tdx_td_attributes_debug",
                                         "tdx_td_attributes_septve_disable",
                                         "tdx_seamsvn",
                                         "dbgstat",
                                         "attester_tcb_status",
                                         "attester_advisory_ids",
                                         "eat_profile",
                                         "x-ms-attestation-type"};
    static const uint8_t bytes[16] = {3, 0, 6}, attributes[8] = {0, 0, 0, 0x10};
    struct cella_claimset *verified = NULL;
    struct cella_policy_claims *claims = NULL;
    size_t count = 0;
    assert_false(cella_failed(cella_claimset_new(&verified)));
    cella_claim_text(verified, "tee", "tdx");
    cella_claim_boolean(verified, "debug", false);
    cella_claim_bytes(verified, "measurement", CELLA_BYTES_OF(bytes));
    cella_claim_bytes(verified, "report-data", CELLA_BYTES_OF(bytes));
    cella_claim_bytes(verified, "tdx.rtmr3", CELLA_BYTES_OF(bytes));
    cella_claim_bytes(verified, "tdx.attributes", CELLA_BYTES_OF(attributes));
    cella_claim_bytes(verified, "tdx.tee-tcb-svn", CELLA_BYTES_OF(bytes));
    cella_claim_boolean(verified, "tdx.sept-ve-disable", true);
    cella_claim_text(verified, "tcb-status", "OutOfDate");
    cella_claim_list_text(verified, "advisories", "INTEL-SA-00001");
    cella_claim_list_text(verified, "advisories", "INTEL-SA-00002");
    assert_false(cella_failed(cella_policy_claims_new(&claims)));
    cella_policy_claims_verified(claims, verified, false);
    const struct cella_policy_claim *claim = cella_policy_claims_at(claims, &count);
    json_t *mapped = cella_policy_claims_object(claim, count);
    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
        assert_non_null(json_object_get(mapped, wanted[i]));
    assert_string_equal(json_string_value(json_object_get(mapped, "tdx_td_attributes")),
                        "0000001000000000");
    assert_string_equal(json_string_value(json_object_get(mapped, "dbgstat")), "disabled");
    assert_int_equal(json_integer_value(json_object_get(mapped, "tdx_seamsvn")), 3);
    assert_int_equal(json_array_size(json_object_get(mapped, "attester_advisory_ids")), 2);
    json_decref(mapped);
    cella_policy_claims_free(&claims);
    cella_claimset_free(&verified);
}

/* Software evidence has no name of hardware, whatever is asked (A23). */
static void test_software(void **state) {
    (void)state;
    struct cella_claimset *verified = NULL;
    struct cella_policy_claims *claims = NULL;
    size_t count = 0;
    assert_false(cella_failed(cella_claimset_new(&verified)));
    cella_claim_text(verified, "tee", "software");
    cella_claim_bytes(verified, "measurement", cella_bytes("0123", 4));
    cella_claim_number(verified, "software.xfrm", UINT64_MAX);
    assert_false(cella_failed(cella_policy_claims_new(&claims)));
    cella_policy_claims_verified(claims, verified, false);
    const struct cella_policy_claim *claim = cella_policy_claims_at(claims, &count);
    assert_int_equal(count, 2); /* its type and its measurement */
    json_t *mapped = cella_policy_claims_object(claim, count);
    assert_string_equal(json_string_value(json_object_get(mapped, "x-ms-attestation-type")),
                        "cella-software");
    assert_string_equal(json_string_value(json_object_get(mapped, "x-ms-cella-mrenclave")),
                        "30313233");
    json_decref(mapped);
    cella_policy_claims_verified(claims, verified, true);
    claim = cella_policy_claims_at(claims, &count);
    assert_int_equal(count, 2 + 2 + 3);
    assert_int_equal(claim[6].value.type,
                     CELLA_POLICY_STRING); /* no order over what 63 bits do not hold */
    cella_policy_claims_free(&claims);
    cella_claimset_free(&verified);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sgx),      cmocka_unit_test(test_sgx_default_policy),
        cmocka_unit_test(test_snp),      cmocka_unit_test(test_tdx),
        cmocka_unit_test(test_software),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
