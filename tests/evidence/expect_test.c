/* Expectations: the verdict is refuse until everything holds. */
#include "fixture.h"

#include "evidence/claims.h"
#include "policy/expect.h"

static struct cella_claims base_claims(void) {
    struct cella_claims claims;
    memset(&claims, 0, sizeof(claims));
    fixture_claims(&claims.software);
    return claims;
}

static struct cella_bytes filled(uint8_t space[64], uint8_t value, size_t size) {
    memset(space, value, size);
    return cella_bytes(space, size);
}

enum { MRENCLAVE, MRSIGNER, REPORT_DATA, CONFIG_ID, PRODUCT_ID, MIN_SVN };

/* All that can be asked, and true. */
static struct cella_expect base_expect(void) {
    struct cella_expect e = {.allow_software = true, .min_assurance = CELLA_ASSURANCE_S1};
    uint8_t space[64];
    OK(cella_expect_bytes(&e, CELLA_EXPECT_BYTES, "mrenclave", "measurement",
                          filled(space, 0x11, 32)));
    OK(cella_expect_bytes(&e, CELLA_EXPECT_BYTES, "mrsigner", "signer", filled(space, 0x22, 32)));
    OK(cella_expect_bytes(&e, CELLA_EXPECT_BYTES, "report-data", "report-data",
                          filled(space, 0x44, 64)));
    OK(cella_expect_bytes(&e, CELLA_EXPECT_BYTES, "config-id", "config-id",
                          filled(space, 0x33, 64)));
    OK(cella_expect_number(&e, CELLA_EXPECT_NUMBER, "product-id", "product-id", 7));
    OK(cella_expect_number(&e, CELLA_EXPECT_AT_LEAST, "svn", "svn", 3));
    return e;
}

/* The name of the first check that did not hold, or NULL when accepted. */
static const char *refused_of(const struct cella_expect *e, const struct cella_claimset *set) {
    struct cella_appraisal a;
    cella_appraise(e, set, &a);
    const struct cella_check *failed = cella_appraisal_failed(&a);
    assert_int_equal(a.verdict, failed ? CELLA_VERDICT_REFUSE : CELLA_VERDICT_ACCEPT);
    assert_int_equal(code_of(cella_appraisal_result(&a)), failed ? CELLA_ERR_REFUSED : CELLA_OK);
    return failed ? failed->claim : NULL; /* static, or the expectation's */
}

static const char *refused_by(const struct cella_expect *e, const struct cella_claims *claims) {
    struct cella_claimset *set = NULL;
    OK(cella_claimset_new(&set));
    cella_claims_add(claims, set);
    OK(cella_claimset_result(set));
    const char *name = refused_of(e, set);
    cella_claimset_free(&set);
    return name;
}

static void accepts_when_all_holds(void **state) {
    (void)state;
    struct cella_expect e = base_expect();
    struct cella_claims c = base_claims();
    assert_null(refused_by(&e, &c));
    struct cella_expect least = {.allow_software = true};
    assert_null(refused_by(&least, &c));
}

static void zeroed_refuses(void **state) {
    (void)state;
    struct cella_expect e = {0};
    struct cella_claims c = base_claims();
    struct cella_appraisal unset = {0};
    assert_string_equal(refused_by(&e, &c), "tee"); /* A23 */
    assert_int_equal(unset.verdict, CELLA_VERDICT_REFUSE);
    assert_int_equal(code_of(cella_appraisal_result(&unset)), CELLA_ERR_REFUSED); /* A35 */
}

/* Every bit of every wanted value, each alone. */
static void compares_every_bit(void **state) {
    (void)state;
    struct cella_expect e = base_expect();
    struct cella_claims c = base_claims();
    for (size_t i = MRENCLAVE; i <= CONFIG_ID; i++)
        for (size_t bit = 0; bit < e.item[i].size * 8; bit++) {
            e.item[i].bytes[bit / 8] ^= (uint8_t)(1U << bit % 8);
            assert_string_equal(refused_by(&e, &c), e.item[i].label);
            e.item[i].bytes[bit / 8] ^= (uint8_t)(1U << bit % 8);
        }
    for (size_t i = MRENCLAVE; i <= CONFIG_ID; i++) { /* A33: a prefix is not the value */
        e.item[i].size--;
        assert_string_equal(refused_by(&e, &c), e.item[i].label);
        e.item[i].size++;
    }
}

static void holds_to_levels_versions_and_modes(void **state) {
    (void)state;
    struct cella_expect e = base_expect();
    struct cella_claims c = base_claims();
    e.min_assurance = CELLA_ASSURANCE_S2;
    assert_string_equal(refused_by(&e, &c), "assurance");
    e.min_assurance = CELLA_ASSURANCE_S0;
    assert_null(refused_by(&e, &c));
    e.item[MIN_SVN].number = 4;
    assert_string_equal(refused_by(&e, &c), "svn");
    e.item[MIN_SVN].number = 2;
    assert_null(refused_by(&e, &c));
    e.item[PRODUCT_ID].number = 6;
    assert_string_equal(refused_by(&e, &c), "product-id");
    e.item[PRODUCT_ID].number = 7;
    c.software.identity.debug = true;
    assert_string_equal(refused_by(&e, &c), "debug"); /* T10, A03 */
    e.allow_debug = true;
    assert_null(refused_by(&e, &c));
    c.software.memory_secret = false;
    assert_string_equal(refused_by(&e, &c), "memory");
    e.allow_private_memory = true;
    assert_null(refused_by(&e, &c));
    e.allow_software = false; /* and nothing else makes up for it */
    assert_string_equal(refused_by(&e, &c), "tee");
}

/* --- Other TEEs --- */

static struct cella_claimset *hardware(bool debug) {
    struct cella_claimset *set = NULL;
    OK(cella_claimset_new(&set));
    cella_claim_text(set, "tee", "snp");
    cella_claim_boolean(set, "debug", debug);
    cella_claim_bytes(set, "report-data", cella_bytes("12345678\0\0\0\0\0\0\0\0", 16));
    cella_claim_number(set, "svn", 1);
    cella_claim_time(set, "issued", 1771028279);
    cella_claim_list_text(set, "advisories", "INTEL-SA-00001");
    cella_claim_list_text(set, "advisories", "INTEL-SA-00002");
    OK(cella_claimset_result(set));
    return set;
}

static void debug_is_asked_of_every_tee(void **state) {
    (void)state;
    struct cella_expect nothing = {0};
    struct cella_claimset *off = hardware(false), *on = hardware(true), *silent = NULL, *tpm = NULL;
    OK(cella_claimset_new(&silent));
    cella_claim_text(silent, "tee", "sgx");
    OK(cella_claimset_new(&tpm));
    cella_claim_text(tpm, "tee", "tpm");
    assert_null(refused_of(&nothing, off));
    assert_string_equal(refused_of(&nothing, on), "debug");     /* A03 */
    assert_string_equal(refused_of(&nothing, silent), "debug"); /* A38: not said is not off */
    assert_null(refused_of(&nothing, tpm));
    cella_claim_text(tpm, "debug", "false"); /* of another type */
    assert_string_equal(refused_of(&nothing, tpm), "debug");
    cella_claimset_free(&off);
    cella_claimset_free(&on);
    cella_claimset_free(&silent);
    cella_claimset_free(&tpm);
}

static void refused_spelling(const struct cella_claimset *set, const char *claim, const char *text,
                             bool refused) {
    struct cella_expect e = {0};
    OK(cella_expect_spelled(&e, claim, text));
    const char *by = refused_of(&e, set);
    if (refused) assert_string_equal(by, claim);
    if (!refused) assert_null(by);
}

/* A38: typed, absent never equals, a list by any of it, nothing twice. */
static void spelled_values_are_typed(void **state) {
    (void)state;
    struct cella_claimset *set = hardware(false);
    refused_spelling(set, "tee", "snp", false);
    refused_spelling(set, "tee", "SNP", true);
    refused_spelling(set, "tee", "snp ", true);
    refused_spelling(set, "tee", "", true);
    refused_spelling(set, "svn", "1", false);
    refused_spelling(set, "svn", "01", false);
    refused_spelling(set, "svn", "1.0", true);
    refused_spelling(set, "svn", "+1", true);
    refused_spelling(set, "svn", "18446744073709551617", true); /* 2^64 + 1 */
    refused_spelling(set, "debug", "false", false);
    refused_spelling(set, "debug", "0", true);
    refused_spelling(set, "debug", "no", true);
    refused_spelling(set, "report-data", "31323334353637380000000000000000", false);
    refused_spelling(set, "report-data", "3132333435363738", true);
    refused_spelling(set, "issued", "2026-02-14T00:17:59Z", false);
    refused_spelling(set, "issued", "2026-02-14T01:17:59.5+01:00", false);
    refused_spelling(set, "issued", "2026-02-14T00:18:00Z", true);
    refused_spelling(set, "issued", "2026-02-30T00:17:59Z", true);
    refused_spelling(set, "advisories", "INTEL-SA-00002", false);
    refused_spelling(set, "advisories", "INTEL-SA-00003", true);
    refused_spelling(set, "absent", "", true);
    refused_spelling(set, "absent", "no such claim", true);
    cella_claim_text(set, "tee", "snp");
    struct cella_expect nothing = {0};
    assert_string_equal(refused_of(&nothing, set), "tee"); /* which now has two answers */
    cella_claimset_free(&set);
}

static void nonce_goes_on_in_zeros(void **state) {
    (void)state;
    struct cella_claimset *set = hardware(false);
    struct cella_expect e = {0};
    OK(cella_expect_bytes(&e, CELLA_EXPECT_NONCE, "report-data", "report-data",
                          cella_bytes("12345678", 8)));
    assert_null(refused_of(&e, set));
    e.item[0].size = 7; /* then an '8' comes */
    assert_string_equal(refused_of(&e, set), "report-data");
    e.item[0].size = 17;
    assert_string_equal(refused_of(&e, set), "report-data");
    cella_claimset_free(&set);
}

static void limits(void **state) {
    (void)state;
    struct cella_expect e = {0};
    uint8_t space[65] = {0};
    assert_int_equal(
        code_of(cella_expect_bytes(&e, CELLA_EXPECT_BYTES, "a", "a", cella_bytes(space, 65))),
        CELLA_ERR_USAGE);
    assert_int_equal(
        code_of(cella_expect_bytes(&e, CELLA_EXPECT_BYTES, "a", "a", cella_bytes(space, 0))),
        CELLA_ERR_USAGE);
    for (int i = 0; i < CELLA_EXPECT_MAX; i++)
        OK(cella_expect_number(&e, CELLA_EXPECT_NUMBER, "svn", "svn", 1));
    assert_int_equal(code_of(cella_expect_spelled(&e, "a", "b")), CELLA_ERR_LIMIT);
    struct cella_claimset *set = hardware(false);
    assert_null(refused_of(&e, set)); /* all of them at once fit an appraisal */
    cella_claimset_free(&set);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepts_when_all_holds),
        cmocka_unit_test(zeroed_refuses),
        cmocka_unit_test(compares_every_bit),
        cmocka_unit_test(holds_to_levels_versions_and_modes),
        cmocka_unit_test(debug_is_asked_of_every_tee),
        cmocka_unit_test(spelled_values_are_typed),
        cmocka_unit_test(nonce_goes_on_in_zeros),
        cmocka_unit_test(limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
