/* What is asked for, told by evidence of real machines; and the sources that may be asked. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/file.h"
#include "base/memory.h"
#include "collateral/store.h"
#include "collateral/wants.h"

static enum cella_code code_of(struct cella_result r) {
    enum cella_code code = cella_code_of(r);
    if (r.error) assert_true(strlen(r.error->what) > 10);
    cella_result_drop(r);
    return code;
}

/* false, with a notice, where the vectors are not there. */
static bool vector(const char *name, struct cella_buffer *out) {
    const char *root = getenv("CELLA_VECTORS");
    char path[1024];
    snprintf(path, sizeof(path), "%s/%s", root ? root : CELLA_SOURCE_ROOT "/../shared/vectors",
             name);
    if (access(path, R_OK) != 0) {
        print_message("no %s: skipped\n", path);
        return false;
    }
    assert_int_equal(code_of(cella_file_read(path, 1 << 20, out)), CELLA_OK);
    return true;
}

static const struct cella_want *find(const struct cella_wants *wants, const char *item) {
    for (size_t i = 0; i < wants->count; i++)
        if (strcmp(wants->want[i].item, item) == 0) return &wants->want[i];
    return NULL;
}

static void of_platforms(void **state) {
    static const uint8_t fmspc[6] = {0x00, 0x60, 0x6a, 0, 0, 0};
    struct cella_wants wants = {.update = "early"};
    (void)state;
    assert_int_equal(code_of(cella_wants_intel(&wants, fmspc, false, false, false)), CELLA_OK);
    assert_int_equal(code_of(cella_wants_intel(&wants, fmspc, true, false, true)), CELLA_OK);
    assert_int_equal(wants.count, 7); /* lists once */
    assert_string_equal(find(&wants, "tcb_info-sgx-00606a000000.json")->path,
                        "/sgx/certification/v4/tcb?fmspc=00606a000000&update=early");
    assert_string_equal(find(&wants, "tcb_info-tdx-00606a000000.json")->path,
                        "/tdx/certification/v4/tcb?fmspc=00606a000000&update=early");
    assert_string_equal(find(&wants, "qe_identity-td_qe.json")->path,
                        "/tdx/certification/v4/qe/identity?update=early");
    assert_string_equal(find(&wants, "pck_crl-processor.der")->path,
                        "/sgx/certification/v4/pckcrl?ca=processor&encoding=der");
    assert_string_equal(find(&wants, "root_ca_crl.der")->path, "/sgx/certification/v4/rootcacrl");
    assert_int_equal(code_of(cella_wants_amd(&wants, "milan", false)), CELLA_OK);
    assert_string_equal(find(&wants, "ask-milan-")->path, "/vcek/v1/Milan/cert_chain");
    assert_string_equal(find(&wants, "crl-milan.der")->path, "/vcek/v1/Milan/crl");
    assert_int_equal(code_of(cella_wants_amd(&wants, "Turin", true)), CELLA_OK);
    assert_string_equal(find(&wants, "asvk-turin-")->path, "/vlek/v1/Turin/cert_chain");
    assert_int_equal(code_of(cella_wants_amd(&wants, "Rome", false)), CELLA_ERR_USAGE);
}

static void of_quotes(void **state) {
    struct cella_wants sgx = {0}, tdx = {0}, named = {0};
    CELLA_BUFFER a = {0}, b = {0}, c = {0};
    (void)state;
    if (!vector("sgx-quote/v3-00606a000000-automata-dcap-attest-268c0681/quote.bin", &a)) return;
    assert_int_equal(code_of(cella_wants_evidence(&sgx, cella_buffer_bytes(&a), NULL)), CELLA_OK);
    assert_int_equal(sgx.count, 4);
    assert_non_null(find(&sgx, "tcb_info-sgx-00606a000000.json"));
    assert_non_null(find(&sgx, "pck_crl-platform.der"));
    assert_null(find(&sgx, "pck_crl-processor.der"));
    if (!vector("tdx-quote/v4-90c06f000000-attestation-rs-140cbd8c/quote.bin", &b)) return;
    assert_int_equal(code_of(cella_wants_evidence(&tdx, cella_buffer_bytes(&b), NULL)), CELLA_OK);
    assert_non_null(find(&tdx, "tcb_info-tdx-90c06f000000.json"));
    assert_non_null(find(&tdx, "qe_identity-td_qe.json"));
    if (!vector("sgx-quote/v3-nopck-oasis-core-72a05bf6/quote.bin", &c)) return;
    assert_int_equal(code_of(cella_wants_evidence(&named, cella_buffer_bytes(&c), NULL)),
                     CELLA_ERR_UNSUPPORTED);
    for (size_t size = 0; size < a.size; size += 7) { /* cut short: refused, whatever it is then */
        struct cella_wants wants = {0};
        enum cella_code code =
            code_of(cella_wants_evidence(&wants, cella_bytes(a.data, size), NULL));
        assert_true(code != CELLA_OK || size > 4000);
    }
}

/* The VCEK that belongs to the report is what is wanted, and no other (A16). */
static void of_reports(void **state) {
    struct cella_wants wants = {0};
    struct cella_item item, other;
    CELLA_BUFFER report = {0}, vcek = {0}, stranger = {0};
    (void)state;
    if (!vector("snp-report/v2-milan-vcek-amd-sev-snp-attestat-597d1fae/report.bin", &report) ||
        !vector("snp-report/v2-milan-vcek-amd-sev-snp-attestat-597d1fae/vcek.der", &vcek) ||
        !vector("snp-report/v2-milan-vcek-attestation-rs-2e63568e/vcek.der", &stranger))
        return;
    struct cella_bytes bytes = cella_buffer_bytes(&report);
    assert_int_equal(code_of(cella_wants_evidence(&wants, bytes, NULL)),
                     CELLA_ERR_USAGE); /* no CPUID in version 2 */
    assert_int_equal(code_of(cella_wants_evidence(&wants, bytes, "Milan")), CELLA_OK);
    const struct cella_want *want = find(&wants, "vcek-milan-");
    assert_non_null(want);
    assert_ptr_equal(strstr(want->path, "/vcek/v1/Milan/"), want->path);
    assert_non_null(strstr(want->path, "?blSPL="));
    assert_non_null(strstr(want->path, "&ucodeSPL="));
    assert_null(strstr(want->path, "fmcSPL"));
    assert_int_equal(code_of(cella_item_read("a", cella_buffer_bytes(&vcek), &item)), CELLA_OK);
    assert_int_equal(code_of(cella_item_read("b", cella_buffer_bytes(&stranger), &other)),
                     CELLA_OK);
    assert_true(cella_want_is(want, &item));
    assert_false(cella_want_is(want, &other));
    cella_item_free(&item);
    cella_item_free(&other);
}

static void of_turin(void **state) {
    struct cella_wants wants = {0};
    CELLA_BUFFER report = {0};
    (void)state;
    if (!vector("snp-report/v5-turin-vcek-TEE-Attestation-Veri-85da705e/report.bin", &report))
        return;
    assert_int_equal(code_of(cella_wants_evidence(&wants, cella_buffer_bytes(&report), NULL)),
                     CELLA_OK);
    const struct cella_want *want = find(&wants, "vcek-turin-");
    assert_non_null(want);
    assert_int_equal(strcspn(want->path + strlen("/vcek/v1/Turin/"), "?"),
                     16); /* eight bytes of chip id */
    assert_non_null(strstr(want->path, "?fmcSPL="));
}

static void of_sources(void **state) {
    static const char *const good[][2] = {{"https://a", "https://a"},
                                          {"https://a/", "https://a"},
                                          {"https://a:8081/sgx/certification/v4/",
                                           "https://a:8081"},
                                          {"https://a/b/sgx/certification/v4", "https://a/b"},
                                          {"https://[::1]:8081", "https://[::1]:8081"}};
    static const char *const bad[] = {"",
                                      "a",
                                      "http://a",
                                      "https://",
                                      "https:///a",
                                      "https://a@b",
                                      "https://a?b",
                                      "https://a#b",
                                      "https://a b",
                                      "https://:1",
                                      "file:///a",
                                      "https://a%2f",
                                      "HTTPS://a\n"};
    struct cella_sources sources = {0};
    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_int_equal(code_of(cella_sources_add(&sources, CELLA_MAKER_INTEL, good[i][0])),
                         CELLA_OK);
        assert_string_equal(sources.source[i].base, good[i][1]);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(code_of(cella_sources_add(&sources, CELLA_MAKER_INTEL, bad[i])),
                         CELLA_ERR_USAGE);
    assert_int_equal(code_of(cella_sources_default(&sources)),
                     CELLA_OK); /* Intel's are given: AMD's own only */
    assert_int_equal(sources.count, sizeof(good) / sizeof(good[0]) + 1);
    assert_string_equal(sources.source[sources.count - 1].base, CELLA_AMD_KDS);
    for (int i = 0; i < CELLA_SOURCE_MAX; i++)
        if (sources.count < CELLA_SOURCE_MAX)
            assert_int_equal(code_of(cella_sources_add(&sources, CELLA_MAKER_AMD, "https://x")),
                             CELLA_OK);
    assert_int_equal(code_of(cella_sources_add(&sources, CELLA_MAKER_AMD, "https://x")),
                     CELLA_ERR_LIMIT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_platforms), cmocka_unit_test(of_quotes),  cmocka_unit_test(of_reports),
        cmocka_unit_test(of_turin),     cmocka_unit_test(of_sources),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
