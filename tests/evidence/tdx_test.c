/* TDX quotes: all vectors, every field, every collateral set; every flip and cut (A01, A05, A21,
 * A31, A36). */
#include "intel_vector.h"

static void check_quote(const char *path) {
    static const char *const fields[][2] = {{"tee_tcb_svn", "tdx.tee-tcb-svn"},
                                            {"mrseam", "tdx.mrseam"},
                                            {"mrsignerseam", "tdx.mrsignerseam"},
                                            {"seamattributes", "tdx.seam-attributes"},
                                            {"tdattributes", "tdx.attributes"},
                                            {"xfam", "tdx.xfam"},
                                            {"mrtd", "tdx.mrtd"},
                                            {"mrconfigid", "config-id"},
                                            {"mrowner", "tdx.mrowner"},
                                            {"mrownerconfig", "tdx.mrownerconfig"},
                                            {"rtmr0", "tdx.rtmr0"},
                                            {"rtmr1", "tdx.rtmr1"},
                                            {"rtmr2", "tdx.rtmr2"},
                                            {"rtmr3", "tdx.rtmr3"},
                                            {"report_data", "report-data"},
                                            {"tee_tcb_svn2", "tdx.tee-tcb-svn2"},
                                            {"mrservicetd", "tdx.mrservicetd"}};
    char file[512];
    CELLA_BUFFER quote = {0};
    CELLA_VERIFICATION v;
    struct cella_quote q;
    snprintf(file, sizeof(file), "%s/expected.json", path);
    json_t *expected = vector_json(file);
    const json_t *body = json_object_get(expected, "body");
    snprintf(file, sizeof(file), "%s/quote.bin", path);
    vector_read(file, &quote);
    intel_same_quote(cella_buffer_bytes(&quote), expected, &q);
    vector_verify(cella_buffer_bytes(&quote), NULL, CELLA_EVIDENCE_AUTO, 1770000000, &v);
    assert_int_equal(v.type, CELLA_EVIDENCE_TDX);
    assert_true(v.authentic);
    assert_int_equal(v.verdict, CELLA_VERIFY_REFUSED);
    intel_same_platform(&v, "tdx.", expected);
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        bool there = json_object_get(body, fields[i][0]) != NULL;
        if (there)
            vector_same_hex(&v, fields[i][1], intel_text(body, fields[i][0]));
        else
            assert_null(cella_claimset_find(v.claims, fields[i][1]));
    }
    vector_same_number(&v, "debug", q.td.attributes.data[0] != 0);
    size_t i;
    json_t *set;
    json_array_foreach(json_object_get(expected, "collateral_sets"), i, set)
        intel_check_set(path, set, cella_buffer_bytes(&quote), CELLA_EVIDENCE_TDX, "tdx.", true);
    json_decref(expected);
}

static void every_vector(void **state) {
    (void)state;
    if (vector_has("tdx-quote")) assert_true(vector_each("tdx-quote", check_quote) >= 25);
}

static void flips_and_cuts(void **state) {
    (void)state;
    if (!vector_has("tdx-quote")) return;
    intel_flips("tdx-quote/v4-b0c06f000000-dcap-qvl-f1c85033", "collateral-20250704-ev17",
                CELLA_EVIDENCE_TDX, 1751600000, "UpToDate");
    intel_flips("tdx-quote/v5-90c06f000000-go-tdx-guest-cf77a6e9", "collateral-20260214-ev18",
                CELLA_EVIDENCE_TDX, 1771000000, "UpToDate");
}

/* One type's evidence is not the other's, also when asked for. */
static void forced_type(void **state) {
    (void)state;
    CELLA_BUFFER quote = {0};
    if (!vector_has("tdx-quote")) return;
    vector_read("tdx-quote/v4-b0c06f000000-dcap-qvl-f1c85033/quote.bin", &quote);
    vector_refused(cella_buffer_bytes(&quote), NULL, CELLA_EVIDENCE_SGX, 1751600000,
                   "quote: quote.tee type");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_vector),
        cmocka_unit_test(flips_and_cuts),
        cmocka_unit_test(forced_type),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
