/* AzureGuest on TDX, under an Intel of paper (threats.md A13, A22). */
#include "../evidence/intel_forge.h"

#include "attest/guest_claims.h"
#include "tpm_forge.h"

static struct forge maker;
static struct forge_tpm tpm;
static uint8_t bound[64];
static char runtime[2048];

static void make_runtime(void) {
    CELLA_BUFFER modulus = {0};
    uint8_t n[512];
    size_t size = forge_modulus(tpm.ak, n);
    GOOD(cella_base64_encode(cella_bytes(n, size), true, &modulus));
    snprintf(runtime, sizeof(runtime),
             "{\"keys\":[{\"kid\":\"HCLAkPub\",\"key_ops\":[\"sign\"],\"kty\":\"RSA\",\"e\":"
             "\"AQAB\",\"n\":\"%.*s\"}],\"vm-configuration\":{\"vmUniqueId\":\"4711\"}}",
             (int)modulus.size, (const char *)modulus.data);
    GOOD(cella_sha256(cella_bytes_text(runtime), bound));
}

static int setup(void **state) {
    (void)state;
    forge_tpm_make(&tpm);
    make_runtime();
    forge_tdx(&maker, 4, 2);
    maker.report_data = bound;
    return 0;
}
static int cleanup(void **state) {
    (void)state;
    forge_free(&maker);
    forge_tpm_free(&tpm);
    return 0;
}

static void fill(struct cella_guest_info *info) {
    *info = (struct cella_guest_info){
        .isolation = CELLA_GUEST_TDX, .os_major = -1, .os_minor = -1, .pcr_set = 0xff};
    forge_quote(&maker, &info->hardware);
    forge_append(&info->runtime, runtime, strlen(runtime));
    forge_append(&info->log, tpm.log.data, tpm.log.size);
    forge_public(tpm.ak, AK_ATTRIBUTES, CELLA_TPM_RSASSA, &info->ak_public);
    forge_public(tpm.enc, ENC_ATTRIBUTES, CELLA_TPM_NULL, &info->key_public);
    forge_tpm_quote(&tpm, 0xff, cella_bytes(NULL, 0), &info->quote);
    forge_rsa_sign(tpm.ak, cella_buffer_bytes(&info->quote), &info->quote_signature);
    forge_certify(cella_buffer_bytes(&info->key_public), CELLA_TPM_ATTEST_CERTIFY,
                  &info->key_certify);
    forge_rsa_sign(tpm.ak, cella_buffer_bytes(&info->key_certify), &info->key_certify_signature);
    for (unsigned p = 0; p < 8; p++) memcpy(info->pcrs[CELLA_HASH_SHA256].value[p], tpm.pcr[p], 32);
    info->pcrs[CELLA_HASH_SHA256].given = 0xff;
}

static struct cella_result check(const struct cella_guest_info *info,
                                 struct cella_guest_checked *checked) {
    struct cella_collateral *set = forge_set(&maker);
    const struct cella_evidence_options options = {.time_unix = maker.now};
    forge_collateral(&maker, set);
    GOOD(cella_collateral_finish(set));
    struct cella_result r = cella_guest_check(info, set, &options, checked);
    cella_collateral_free(&set);
    return r;
}

static void refused(const struct cella_guest_info *info, const char *word) {
    CELLA_GUEST_CHECKED checked = {0};
    struct cella_result r = check(info, &checked);
    assert_true(cella_failed(r));
    if (!strstr(r.error->what, word)) fail_msg("expected '%s' in: %s", word, r.error->what);
    cella_result_drop(r);
}

static void test_good(void **state) {
    (void)state;
    CELLA_GUEST_INFO info = {0};
    CELLA_GUEST_CHECKED checked = {0};
    CELLA_JSON service = NULL;
    struct cella_policy_claims *claims = NULL;
    fill(&info);
    GOOD(check(&info, &checked));
    GOOD(cella_policy_claims_new(&claims));
    GOOD(cella_guest_claims(&info, &checked, "azure-compliant-cvm", claims, &service));
    const json_t *tee = json_object_get(service, "x-ms-isolation-tee");
    assert_string_equal(json_string_value(json_object_get(tee, "x-ms-attestation-type")), "tdxvm");
    assert_string_equal(json_string_value(json_object_get(tee, "x-ms-compliance-status")),
                        "azure-compliant-cvm");
    assert_int_equal(json_string_length(json_object_get(tee, "tdx_mrtd")), 96);
    assert_non_null(json_object_get(json_object_get(tee, "x-ms-runtime"), "keys"));
    cella_policy_claims_free(&claims);
}

static void test_broken(void **state) {
    (void)state;
    CELLA_GUEST_INFO info = {0};
    fill(&info);
    info.hardware.data[100] ^= 1;
    refused(&info, "hardware");
    info.hardware.data[100] ^= 1;
    info.runtime.data[info.runtime.size - 4] ^= 1; /* of the machine's id */
    refused(&info, "report data");
    info.runtime.data[info.runtime.size - 4] ^= 1;
    bound[40] = 1; /* a tail that is not zero */
    cella_buffer_free(&info.hardware);
    forge_quote(&maker, &info.hardware);
    bound[40] = 0;
    refused(&info, "report data");
    cella_buffer_free(&info.hardware);
    forge_quote(&maker, &info.hardware);
    info.isolation = CELLA_GUEST_SNP; /* a quote is no report */
    refused(&info, "SnpReport");
    info.isolation = CELLA_GUEST_TDX;
    maker.trusted = false;
    refused(&info, "hardware");
    maker.trusted = true;
    CELLA_GUEST_CHECKED checked = {0};
    GOOD(check(&info, &checked));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_good), cmocka_unit_test(test_broken)};
    return cmocka_run_group_tests(tests, setup, cleanup);
}
