/* A platform inside a TDX guest, under roots made here: hardware root, quote, platform key,
 * enclave, in one evidence (threats.md A01, A03, A13, A23). */
#include "intel_forge.h"

#include "stacked.h"

static struct fixture platform;
static struct forge maker;
static uint8_t bound[64];
static uint8_t mrtd[48]; /* of the forged quote */

static int setup(void **state) {
    (void)state;
    fixture_new(&platform);
    OK(cella_root_binding(cella_buffer_bytes(&platform.spki), bound));
    forge_tdx(&maker, 4, 2);
    maker.report_data = bound;
    memset(mrtd, 0x22, sizeof(mrtd));
    return 0;
}

static int teardown(void **state) {
    (void)state;
    forge_free(&maker);
    fixture_free(&platform);
    return 0;
}

static void verify(const struct forge *f, struct cella_bytes evidence,
                   struct cella_verification *v) {
    struct cella_collateral *set = forge_set(f);
    struct cella_evidence_options options = {
        .time_unix = f->now, .accept_tcb = &f->accept, .accept_tcb_count = f->accept ? 1 : 0};
    forge_collateral(f, set);
    OK(cella_collateral_finish(set));
    OK(cella_verify(evidence, set, &options, v));
    cella_collateral_free(&set);
}

static void play(const struct forge *f, struct cella_verification *v) {
    CELLA_BUFFER quote = {0}, evidence = {0};
    forge_quote(f, &quote);
    stacked_evidence(&platform, CELLA_ROOT_TDX, cella_buffer_bytes(&quote), &evidence);
    verify(f, cella_buffer_bytes(&evidence), v);
}

static void refused(const struct forge *f, const char *where, bool authentic) {
    CELLA_VERIFICATION v;
    play(f, &v);
    stacked_is(&v, where, authentic);
}

static void accepts_without_a_trusted_key(void **state) {
    (void)state;
    CELLA_VERIFICATION v;
    play(&maker, &v);
    stacked_accepted(&v, &platform, "tdx", bound, mrtd);
    assert_int_equal(v.type, CELLA_EVIDENCE_SOFTWARE);
    assert_string_equal(v.tcb_status, "UpToDate");
    stacked_text(&v, "tcb-status", "UpToDate");
    stacked_bytes(&v, "tdx.mrtd", mrtd, 48);
}

static void hardware_refusals_are_its_own(void **state) {
    (void)state;
    struct forge f = maker;
    f.trusted = false;
    refused(&f, "pck chain: root certificate.key", false);
    f = maker;
    f.no_info = true;
    CELLA_VERIFICATION v;
    play(&f, &v);
    assert_int_equal(v.verdict, CELLA_VERIFY_REFUSED);
    assert_true(v.authentic); /* the chain is in the quote; what it lacks is said */
    assert_true(v.reason.remedy[0]);
    f = maker;
    memset(f.tdx_svn, 4, 16); /* below the one level */
    f.tdx_svn[1] = 1;
    refused(&f, "tcb level: tcb status", true);
    f = maker;
    f.qe_svn = 6; /* the quoting enclave's level is OutOfDate */
    refused(&f, "tcb level: tcb status", true);
    f.accept = "OutOfDate";
    CELLA_VERIFICATION w;
    play(&f, &w);
    stacked_accepted(&w, &platform, "tdx", bound, mrtd);
    assert_string_equal(w.tcb_status, "OutOfDate");
}

/* The TDX part refuses debug quotes by itself or not; either way no enclave is accepted. */
static void debug_guest(void **state) {
    (void)state;
    struct forge f = maker;
    f.td_attributes[0] = 1;
    CELLA_VERIFICATION v;
    play(&f, &v);
    assert_int_equal(v.verdict, CELLA_VERIFY_REFUSED);
    assert_non_null(strstr(v.reason.field, "debug"));
}

static void quote_of_another_key(void **state) {
    (void)state;
    struct forge f = maker;
    f.report_data = NULL;
    refused(&f, "root evidence: report data", false);
    for (size_t bit = 0; bit < 512; bit += 37) {
        uint8_t other[64];
        memcpy(other, bound, 64);
        other[bit / 8] ^= (uint8_t)(1U << bit % 8);
        f.report_data = other;
        refused(&f, "root evidence: report data", false);
    }
    /* The quote of one platform in evidence of another, and hardware refused besides. */
    struct fixture thief;
    CELLA_BUFFER quote = {0}, evidence = {0};
    CELLA_VERIFICATION v;
    fixture_new(&thief);
    f = maker;
    f.qe_svn = 6;
    forge_quote(&f, &quote);
    stacked_evidence(&thief, CELLA_ROOT_TDX, cella_buffer_bytes(&quote), &evidence);
    verify(&f, cella_buffer_bytes(&evidence), &v);
    stacked_is(&v, "root evidence: report data", false);
    fixture_free(&thief);
}

static void quote_named_a_report(void **state) {
    (void)state;
    CELLA_BUFFER quote = {0}, evidence = {0};
    CELLA_VERIFICATION v;
    forge_quote(&maker, &quote);
    stacked_evidence(&platform, CELLA_ROOT_SNP, cella_buffer_bytes(&quote), &evidence);
    verify(&maker, cella_buffer_bytes(&evidence), &v);
    assert_int_equal(v.verdict, CELLA_VERIFY_REFUSED);
    assert_false(v.authentic);
    struct forge sgx;
    forge_new(&sgx);
    quote.size = 0;
    forge_quote(&sgx, &quote);
    stacked_evidence(&platform, CELLA_ROOT_TDX, cella_buffer_bytes(&quote), &evidence);
    CELLA_VERIFICATION w;
    verify(&sgx, cella_buffer_bytes(&evidence), &w);
    stacked_is(&w, "quote: quote.tee type", false);
    forge_free(&sgx);
}

/* S3 by MRTD alone would leave kernel and command line open. */
static void s3_pins_the_kernel(void **state) {
    (void)state;
    CELLA_VERIFICATION v;
    struct cella_expect e = {.allow_software = true, .min_assurance = CELLA_ASSURANCE_S3};
    char zeros[97];
    memset(zeros, '0', 96);
    zeros[96] = 0;
    platform.claims.assurance = CELLA_ASSURANCE_S3;
    play(&maker, &v);
    platform.claims.assurance = CELLA_ASSURANCE_S1;
    stacked_text(&v, "assurance", "S3");
    assert_string_equal(stacked_appraise(&v, &e), "root-measurement");
    OK(cella_expect_root(&e, CELLA_BYTES_OF(mrtd)));
    assert_string_equal(stacked_appraise(&v, &e), "root-measurement");
    OK(cella_expect_spelled(&e, "tdx.rtmr1", zeros));
    assert_string_equal(stacked_appraise(&v, &e), "root-measurement");
    OK(cella_expect_spelled(&e, "tdx.rtmr2", zeros));
    assert_null(stacked_appraise(&v, &e));
    memset(e.root_measurement[0], 1, 48);
    assert_string_equal(stacked_appraise(&v, &e), "root-measurement");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepts_without_a_trusted_key),
        cmocka_unit_test(hardware_refusals_are_its_own),
        cmocka_unit_test(debug_guest),
        cmocka_unit_test(quote_of_another_key),
        cmocka_unit_test(quote_named_a_report),
        cmocka_unit_test(s3_pins_the_kernel),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
