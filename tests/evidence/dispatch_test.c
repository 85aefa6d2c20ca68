/* What the dispatcher makes of a verifier's answers, also of wrong ones (A35): with verifiers made
 * for it. */
#include "fixture.h"

#define cella_evidence_detect made_detect
#define cella_evidence_kind   made_kind
#include "../../src/evidence/dispatch.c"

static cella_family_verify *answer;

static bool detect_all(struct cella_bytes evidence) { return evidence.size > 0; }

static struct cella_result run_answer(struct cella_bytes evidence,
                                      const struct cella_collateral *collateral,
                                      const struct cella_evidence_options *options,
                                      struct cella_verification *out) {
    return answer(evidence, collateral, options, out);
}

static const struct made_kind made = {CELLA_EVIDENCE_SNP, detect_all, run_answer};

const struct made_kind *made_detect(struct cella_bytes evidence) {
    return detect_all(evidence) ? &made : NULL;
}

const struct made_kind *made_kind(enum cella_evidence_type type) {
    return type == CELLA_EVIDENCE_SNP ? &made : NULL;
}

#define ANSWER(name)                                                                               \
    static struct cella_result name(struct cella_bytes evidence,                                   \
                                    const struct cella_collateral *collateral,                     \
                                    const struct cella_evidence_options *options,                  \
                                    struct cella_verification *out)

ANSWER(says_yes_unshown) {
    (void)evidence, (void)collateral, (void)options;
    cella_claim_text(out->claims, "tee", "snp");
    return CELLA_SUCCESS;
}

ANSWER(fails_without_reason) {
    (void)evidence, (void)collateral, (void)options;
    cella_claim_text(out->claims, "tee", "snp"); /* too early */
    FAIL(CELLA_ERR_FORMAT, "do this", "a plain error");
}

ANSWER(refuses_authentic) {
    (void)evidence, (void)collateral, (void)options;
    out->authentic = true;
    cella_claim_text(out->claims, "tee", "snp");
    struct cella_result r = cella_refuse(out, CELLA_ERR_REFUSED, "tcb level", "tcb status",
                                         "update", "UpToDate", "OutOfDate");
    out->verdict = CELLA_VERIFY_ACCEPTED; /* not its to say */
    return r;
}

ANSWER(accepts_after_a_try) {
    (void)evidence, (void)collateral, (void)options;
    cella_result_drop(cella_refuse(out, CELLA_ERR_INTEGRITY, "vcek", "signature", NULL, "a", "b"));
    out->authentic = true;
    return CELLA_SUCCESS;
}

ANSWER(claims_too_much) {
    (void)evidence, (void)collateral, (void)options;
    out->authentic = true;
    cella_claim_text(out->claims, "tee", "\xff");
    return CELLA_SUCCESS;
}

ANSWER(has_no_memory) {
    (void)evidence, (void)collateral, (void)options;
    out->authentic = true;
    FAIL(CELLA_ERR_MEMORY, NULL, "no memory left");
}

static const struct cella_evidence_options at = {.time_unix = NOW};

static void run_with(cella_family_verify *which, struct cella_verification *v) {
    answer = which;
    OK(cella_verify(cella_bytes_text("x"), NULL, &at, v));
    assert_int_equal(v->type, CELLA_EVIDENCE_SNP);
    assert_null(v->envelope);
}

static void a_yes_must_be_shown(void **state) {
    (void)state;
    CELLA_VERIFICATION v = {0};
    run_with(says_yes_unshown, &v);
    assert_int_equal(v.verdict, CELLA_VERIFY_REFUSED);
    assert_string_equal(v.reason.step, "verdict");
    assert_int_equal(cella_claimset_count(v.claims), 0);
}

static void a_plain_error_is_a_refusal_with_reason(void **state) {
    (void)state;
    CELLA_VERIFICATION v = {0};
    run_with(fails_without_reason, &v);
    assert_int_equal(v.verdict, CELLA_VERIFY_REFUSED);
    assert_string_equal(v.reason.field, "snp");
    assert_string_equal(v.reason.found, "a plain error");
    assert_string_equal(v.reason.remedy, "do this");
    assert_int_equal(cella_claimset_count(v.claims), 0); /* claims of what is not authentic */
}

static void authentic_and_refused_keeps_its_claims(void **state) {
    (void)state;
    CELLA_VERIFICATION v = {0};
    run_with(refuses_authentic, &v);
    assert_int_equal(v.verdict, CELLA_VERIFY_REFUSED);
    assert_true(v.authentic);
    assert_int_equal(cella_claimset_count(v.claims), 1);
    assert_string_equal(v.reason.found, "OutOfDate");
}

static void what_was_tried_before_leaves_no_reason(void **state) {
    (void)state;
    CELLA_VERIFICATION v = {0};
    run_with(accepts_after_a_try, &v);
    assert_int_equal(v.verdict, CELLA_VERIFY_ACCEPTED);
    assert_string_equal(v.reason.step, "");
}

static void claims_out_of_bounds_refuse(void **state) {
    (void)state;
    CELLA_VERIFICATION v = {0};
    run_with(claims_too_much, &v);
    assert_int_equal(v.verdict, CELLA_VERIFY_REFUSED);
    assert_string_equal(v.reason.step, "claims");
}

static void no_memory_is_no_verdict(void **state) {
    (void)state;
    CELLA_VERIFICATION v = {0};
    answer = has_no_memory;
    assert_int_equal(code_of(cella_verify(cella_bytes_text("x"), NULL, &at, &v)), CELLA_ERR_MEMORY);
    assert_int_equal(v.verdict, CELLA_VERIFY_REFUSED);
    assert_false(v.authentic);
    assert_null(v.claims);
}

static void a_type_without_verifier_is_refused(void **state) {
    (void)state;
    CELLA_VERIFICATION v = {0};
    const struct cella_evidence_options other = {.type = CELLA_EVIDENCE_MAA};
    answer = accepts_after_a_try;
    OK(cella_verify(cella_bytes_text("x"), NULL, &other, &v));
    assert_int_equal(v.verdict, CELLA_VERIFY_REFUSED);
    assert_string_equal(v.reason.field, "type");
    assert_string_equal(v.reason.found, "maa");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_yes_must_be_shown),
        cmocka_unit_test(a_plain_error_is_a_refusal_with_reason),
        cmocka_unit_test(authentic_and_refused_keeps_its_claims),
        cmocka_unit_test(what_was_tried_before_leaves_no_reason),
        cmocka_unit_test(claims_out_of_bounds_refuse),
        cmocka_unit_test(no_memory_is_no_verdict),
        cmocka_unit_test(a_type_without_verifier_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
