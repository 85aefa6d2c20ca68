/* SGX quotes: all vectors, every field, every collateral set; every flip and cut; the test root
 * (A01, A05, A08, A31, A36). */
#include "intel_vector.h"

static void check_quote(const char *path) {
    char file[512];
    CELLA_BUFFER quote = {0};
    CELLA_VERIFICATION v;
    struct cella_quote q;
    snprintf(file, sizeof(file), "%s/expected.json", path);
    json_t *expected = vector_json(file);
    snprintf(file, sizeof(file), "%s/quote.bin", path);
    vector_read(file, &quote);
    intel_same_quote(cella_buffer_bytes(&quote), expected, &q);
    intel_same_sgx_body(&q.sgx, json_object_get(expected, "body"));
    const char *signature = intel_text(expected, "quote_signature"),
               *chain = intel_text(expected, "pck_chain");
    bool genuine = strcmp(signature, "valid") == 0 && chain && strcmp(chain, "valid") == 0;
    vector_verify(cella_buffer_bytes(&quote), NULL, CELLA_EVIDENCE_AUTO, 1750000000, &v);
    assert_int_equal(v.type, CELLA_EVIDENCE_SGX);
    assert_int_equal(v.authentic, genuine);
    assert_int_equal(v.verdict, CELLA_VERIFY_REFUSED);
    if (genuine) {
        const json_t *body = json_object_get(expected, "body");
        intel_same_platform(&v, "sgx.", expected);
        intel_same_claim(&v, "", "measurement", body, "mrenclave");
        intel_same_claim(&v, "", "signer", body, "mrsigner");
        intel_same_claim(&v, "", "product-id", body, "isvprodid");
        intel_same_claim(&v, "", "svn", body, "isvsvn");
        intel_same_claim(&v, "", "report-data", body, "report_data");
        intel_same_claim(&v, "sgx.", "attributes", body, "attributes");
        vector_same_number(&v, "debug", q.sgx.flags >> 1 & 1);
        assert_non_null(strstr(v.reason.found, "collateral missing: tcb info for fmspc"));
    } else if (!chain) {
        assert_string_equal(v.reason.found, "pck certificate missing");
    }
    size_t i;
    json_t *set;
    json_array_foreach(json_object_get(expected, "collateral_sets"), i, set)
        intel_check_set(path, set, cella_buffer_bytes(&quote), CELLA_EVIDENCE_SGX, "sgx.", genuine);
    json_decref(expected);
}

static void every_vector(void **state) {
    (void)state;
    if (vector_has("sgx-quote")) assert_true(vector_each("sgx-quote", check_quote) >= 40);
}

static void flips_and_cuts(void **state) {
    (void)state;
    if (!vector_has("sgx-quote")) return;
    intel_flips("sgx-quote/v3-00606a000000-libsignal-3f0db0ac", "collateral-20220730-ev12",
                CELLA_EVIDENCE_SGX, 1658580000, "UpToDate");
    intel_flips("sgx-quote/v3-00906ed50000-attestation-e9519cd1", "collateral-20220518-ev12",
                CELLA_EVIDENCE_SGX, 1652900000, "SWHardeningNeeded");
}

/* A08: the same names under another key. Type 1 names its PCK certificate, which stands in the
 * collateral. */
static void test_root(void **state) {
    (void)state;
    CELLA_BUFFER quote = {0}, root = {0};
    if (!vector_has("dcap-testroot/sgx")) return;
    vector_read("dcap-testroot/sgx/quote.dat", &quote);
    vector_read("dcap-testroot/sgx/trustedRootCaCert.pem", &root);
    struct cella_bytes roots[1] = {cella_buffer_bytes(&root)};
    for (int own = 0; own < 2; own++) {
        char path[1024];
        struct cella_collateral *set = NULL;
        CELLA_VERIFICATION v;
        snprintf(path, sizeof(path), "%s/dcap-testroot/sgx", vector_root());
        VECTOR_OK(cella_collateral_new(&set));
        if (own) VECTOR_OK(cella_collateral_set_roots(set, roots, 1));
        VECTOR_OK(cella_collateral_add_path(set, path));
        VECTOR_OK(cella_collateral_finish(set));
        vector_verify(cella_buffer_bytes(&quote), set, CELLA_EVIDENCE_AUTO, 1600000000, &v);
        assert_int_equal(v.verdict, own ? CELLA_VERIFY_ACCEPTED : CELLA_VERIFY_REFUSED);
        assert_int_equal(v.authentic, own);
        cella_collateral_free(&set);
    }
}

/* Genuine evidence does not hold under the test root. */
static void other_root(void **state) {
    (void)state;
    CELLA_BUFFER quote = {0}, root = {0};
    if (!vector_has("dcap-testroot/sgx")) return;
    vector_read("sgx-quote/v3-00606a000000-libsignal-3f0db0ac/quote.bin", &quote);
    vector_read("dcap-testroot/sgx/trustedRootCaCert.pem", &root);
    struct cella_bytes roots[1] = {cella_buffer_bytes(&root)};
    struct cella_collateral *set = NULL;
    CELLA_VERIFICATION v;
    VECTOR_OK(cella_collateral_new(&set));
    VECTOR_OK(cella_collateral_set_roots(set, roots, 1));
    VECTOR_OK(cella_collateral_finish(set));
    vector_verify(cella_buffer_bytes(&quote), set, CELLA_EVIDENCE_SGX, 1658580000, &v);
    assert_false(v.authentic);
    assert_string_equal(v.reason.field, "root certificate.key");
    cella_collateral_free(&set);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_vector),
        cmocka_unit_test(flips_and_cuts),
        cmocka_unit_test(test_root),
        cmocka_unit_test(other_root),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
