/* Expectations: the verdict is refuse until everything holds. */
#include "fixture.h"

#include "policy/expect.h"

static struct cella_claims base_claims(void) {
    struct cella_claims claims;
    memset(&claims, 0, sizeof(claims));
    fixture_claims(&claims.software);
    return claims;
}

/* All that can be asked, and true. */
static struct cella_expect base_expect(void) {
    struct cella_claims claims = base_claims();
    struct cella_expect e = {.has_mrenclave = true,
                             .has_mrsigner = true,
                             .has_product_id = true,
                             .has_min_svn = true,
                             .has_report_data = true,
                             .has_config_id = true,
                             .product_id = 7,
                             .min_svn = 3,
                             .allow_software = true,
                             .min_assurance = CELLA_ASSURANCE_S1};
    memcpy(e.mrenclave, claims.software.identity.mrenclave, 32);
    memcpy(e.mrsigner, claims.software.identity.mrsigner, 32);
    memcpy(e.report_data, claims.software.report_data, 64);
    memcpy(e.config_id, claims.software.identity.config_id, 64);
    return e;
}

/* The name of the one check that did not hold, or NULL when accepted. */
static const char *refused_by(const struct cella_expect *e, const struct cella_claims *claims) {
    struct cella_appraisal a;
    const char *name = NULL;
    cella_appraise(e, claims, &a);
    for (uint32_t i = 0; i < a.count; i++)
        if (!a.check[i].held && !name) name = a.check[i].claim;
    assert_int_equal(a.verdict, name ? CELLA_VERDICT_REFUSE : CELLA_VERDICT_ACCEPT);
    assert_int_equal(code_of(cella_appraisal_result(&a)), name ? CELLA_ERR_REFUSED : CELLA_OK);
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
    const struct {
        uint8_t *bytes;
        size_t size;
        const char *name;
    } fields[] = {{e.mrenclave, 32, "mrenclave"},
                  {e.mrsigner, 32, "mrsigner"},
                  {e.report_data, 64, "report-data"},
                  {e.config_id, 64, "config-id"}};
    struct cella_claims c = base_claims();
    for (size_t i = 0; i < 4; i++)
        for (size_t bit = 0; bit < fields[i].size * 8; bit++) {
            fields[i].bytes[bit / 8] ^= (uint8_t)(1U << bit % 8);
            assert_string_equal(refused_by(&e, &c), fields[i].name);
            fields[i].bytes[bit / 8] ^= (uint8_t)(1U << bit % 8);
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
    e.min_svn = 4;
    assert_string_equal(refused_by(&e, &c), "svn");
    e.min_svn = 2;
    assert_null(refused_by(&e, &c));
    e.product_id = 6;
    assert_string_equal(refused_by(&e, &c), "product-id");
    e.product_id = 7;
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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepts_when_all_holds),
        cmocka_unit_test(zeroed_refuses),
        cmocka_unit_test(compares_every_bit),
        cmocka_unit_test(holds_to_levels_versions_and_modes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
