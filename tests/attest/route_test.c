/* Routes: one spelling per resource, what each needs, and that who may and what is done are decided
 * about the same thing (K19). */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "attest/route.h"

static struct cella_attest_route route;

static enum cella_attest_route_fault look(const char *method, const char *target) {
    cella_attest_route_read(cella_bytes_text(method), cella_bytes_text(target), &route);
    return route.fault;
}

static void test_table(void **state) {
    (void)state;
    static const struct {
        const char *method, *target;
        enum cella_attest_action action;
        const char *permission;
    } row[] = {
        {"GET", "/.well-known/openid-configuration", CELLA_ATTEST_DISCOVERY, NULL},
        {"GET", "/certs", CELLA_ATTEST_KEYS, NULL},
        {"POST", "/attest/SgxEnclave?api-version=2020-10-01", CELLA_ATTEST_ATTEST, NULL},
        {"POST", "/attest/sevsnpvm", CELLA_ATTEST_ATTEST, NULL},
        {"POST", "/attest/SoftwareEnclave", CELLA_ATTEST_ATTEST, NULL},
        {"POST", "/attest/AzureGuest", CELLA_ATTEST_ATTEST, NULL},
        {"POST", "/attest/Tpm", CELLA_ATTEST_ATTEST, CELLA_ACTION_ATTESTATION_READ},
        {"GET", "/policies/TDXVM", CELLA_ATTEST_POLICY_GET, CELLA_ACTION_ATTESTATION_READ},
        {"PUT", "/policies/Tpm", CELLA_ATTEST_POLICY_SET, CELLA_ACTION_ATTESTATION_WRITE},
        {"POST", "/policies/Tpm:reset", CELLA_ATTEST_POLICY_RESET, CELLA_ACTION_ATTESTATION_DELETE},
        {"POST", "/policies/Tpm%3Areset", CELLA_ATTEST_POLICY_RESET,
         CELLA_ACTION_ATTESTATION_DELETE},
        {"POST", "/policies/Tpm%3areset?api-version=1", CELLA_ATTEST_POLICY_RESET,
         CELLA_ACTION_ATTESTATION_DELETE},
        {"GET", "/certificates", CELLA_ATTEST_CERTIFICATES_GET, CELLA_ACTION_ATTESTATION_READ},
        {"POST", "/certificates:add", CELLA_ATTEST_CERTIFICATES_ADD,
         CELLA_ACTION_ATTESTATION_WRITE},
        {"POST", "/certificates%3Aremove", CELLA_ATTEST_CERTIFICATES_REMOVE,
         CELLA_ACTION_ATTESTATION_DELETE},
        {"GET", "/tcbbaselines/SgxEnclave", CELLA_ATTEST_BASELINES, CELLA_ACTION_ATTESTATION_READ},
        {"GET", "/decisions/0-1-2", CELLA_ATTEST_EXPLANATION, CELLA_ACTION_ATTESTATION_EXPLAIN},
    };
    for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
        if (look(row[i].method, row[i].target) != CELLA_ATTEST_ROUTE_GOOD)
            fail_msg("%s", row[i].target);
        assert_int_equal(route.action, row[i].action);
        if (row[i].permission)
            assert_string_equal(route.permission, row[i].permission);
        else
            assert_null(route.permission);
        bool open = row[i].action == CELLA_ATTEST_DISCOVERY || row[i].action == CELLA_ATTEST_KEYS;
        assert_int_equal(route.versioned, !open);
    }
}

static void test_refused(void **state) {
    (void)state;
    static const struct {
        const char *method, *target;
        enum cella_attest_route_fault fault;
    } row[] = {
        {"GET", "", CELLA_ATTEST_ROUTE_MALFORMED},
        {"GET", "certs", CELLA_ATTEST_ROUTE_MALFORMED},
        {"GET", "//certs", CELLA_ATTEST_ROUTE_MALFORMED},
        {"GET", "/x/../certs", CELLA_ATTEST_ROUTE_MALFORMED},
        {"GET", "/./certs", CELLA_ATTEST_ROUTE_MALFORMED},
        {"GET", "/%63erts", CELLA_ATTEST_ROUTE_MALFORMED},
        {"GET", "/certs%2f", CELLA_ATTEST_ROUTE_MALFORMED},
        {"POST", "/policies/Tpm%253Areset", CELLA_ATTEST_ROUTE_MALFORMED}, /* decoded once */
        {"POST", "/policies/Tpm%00:reset", CELLA_ATTEST_ROUTE_MALFORMED},
        {"GET", "/certs?a=1&a=2", CELLA_ATTEST_ROUTE_MALFORMED},
        {"GET", "http://localhost/certs", CELLA_ATTEST_ROUTE_MALFORMED},
        {"GET", "/certs/", CELLA_ATTEST_ROUTE_UNKNOWN},
        {"GET", "/Certs", CELLA_ATTEST_ROUTE_UNKNOWN},
        {"GET", "/certs:add", CELLA_ATTEST_ROUTE_UNKNOWN},
        {"GET", "/", CELLA_ATTEST_ROUTE_UNKNOWN},
        {"POST", "/attest", CELLA_ATTEST_ROUTE_UNKNOWN},
        {"POST", "/attest/", CELLA_ATTEST_ROUTE_UNKNOWN},
        {"POST", "/attest/SgxEnclave/x", CELLA_ATTEST_ROUTE_UNKNOWN},
        {"POST", "/attest/SgxEnclave:reset", CELLA_ATTEST_ROUTE_UNKNOWN},
        {"POST", "/attest/SgxEnclav", CELLA_ATTEST_ROUTE_UNKNOWN},
        {"POST", "/attest/SgxEnclavee", CELLA_ATTEST_ROUTE_UNKNOWN},
        {"GET", "/policies/None", CELLA_ATTEST_ROUTE_UNKNOWN},
        {"POST", "/policies/Tpm:RESET", CELLA_ATTEST_ROUTE_UNKNOWN},
        {"POST", "/policies/Tpm:reset:reset", CELLA_ATTEST_ROUTE_UNKNOWN},
        {"POST", "/policies/:reset", CELLA_ATTEST_ROUTE_UNKNOWN},
        {"POST", "/certificates:purge", CELLA_ATTEST_ROUTE_UNKNOWN},
        {"GET", "/decisions/", CELLA_ATTEST_ROUTE_UNKNOWN},
        {"GET", "/decisions/a/b", CELLA_ATTEST_ROUTE_UNKNOWN},
        {"HEAD", "/certs", CELLA_ATTEST_ROUTE_METHOD},
        {"OPTIONS", "/policies/Tpm", CELLA_ATTEST_ROUTE_METHOD},
        {"get", "/certs", CELLA_ATTEST_ROUTE_METHOD},
        {"GET", "/attest/SgxEnclave", CELLA_ATTEST_ROUTE_METHOD},
        {"POST", "/policies/Tpm", CELLA_ATTEST_ROUTE_METHOD},
        {"DELETE", "/policies/Tpm", CELLA_ATTEST_ROUTE_METHOD},
        {"GET", "/policies/Tpm:reset", CELLA_ATTEST_ROUTE_METHOD},
        {"PUT", "/certificates:add", CELLA_ATTEST_ROUTE_METHOD},
    };
    for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
        if (look(row[i].method, row[i].target) != row[i].fault)
            fail_msg("%s %s: %d", row[i].method, row[i].target, (int)route.fault);
        assert_true((route.allow != NULL) == (row[i].fault == CELLA_ATTEST_ROUTE_METHOD));
    }
    char target[CELLA_HTTP_TARGET_MAX + 8];
    memset(target, 'a', sizeof(target) - 1);
    target[0] = '/';
    target[sizeof(target) - 1] = 0;
    assert_int_equal(look("GET", target), CELLA_ATTEST_ROUTE_MALFORMED);
}

/* K19: whatever a path is made of, what can be changed or read behind a role is never open. */
static void test_random(void **state) {
    (void)state;
    static const char *const piece[] = {"/",
                                        "policies",
                                        "certificates",
                                        "attest",
                                        "SgxEnclave",
                                        "Tpm",
                                        ":reset",
                                        ":add",
                                        "%3A",
                                        "%3a",
                                        "%253A",
                                        "reset",
                                        "remove",
                                        "..",
                                        ".",
                                        "%2f",
                                        "%00",
                                        "?",
                                        "api-version=",
                                        "&",
                                        "certs",
                                        ";",
                                        "\\",
                                        "decisions",
                                        ":remove",
                                        "x",
                                        "tcbbaselines",
                                        "//",
                                        ":",
                                        "#",
                                        "%",
                                        "certs?x=1"};
    static const char *const method[] = {"GET", "PUT", "POST", "DELETE", "HEAD", "PATCH"};
    unsigned seed = 20, good = 0;
    for (int i = 0; i < 100000; i++) {
        char target[512] = "/";
        int pieces = rand_r(&seed) % 7;
        for (int k = 0; k < pieces; k++)
            strcat(target, piece[(unsigned)rand_r(&seed) % (sizeof(piece) / sizeof(piece[0]))]);
        if (look(method[rand_r(&seed) % 6], target) != CELLA_ATTEST_ROUTE_GOOD) continue;
        good++;
        bool open = route.action == CELLA_ATTEST_DISCOVERY || route.action == CELLA_ATTEST_KEYS ||
                    (route.action == CELLA_ATTEST_ATTEST && route.type != CELLA_ATTEST_TPM);
        assert_true((route.permission == NULL) == open);
        assert_null(memchr(route.target.path.data, '%', route.target.path.size));
    }
    assert_true(good > 20); /* it does reach what is there */
}

static void test_versions(void **state) {
    (void)state;
    static const char *const known[] = {"2018-09-01-preview", "2020-10-01", "2022-08-01",
                                        "2022-09-01-preview", "2025-06-01", "2026-03-11-preview"};
    static const char *const unknown[] = {"",           "2020-10-0", "2020-10-011",
                                          "2020-10-02", "latest",    "2018-09-01-PREVIEW"};
    for (size_t i = 0; i < 6; i++) {
        assert_true(cella_attest_version_known(cella_bytes_text(known[i])));
        assert_false(cella_attest_version_known(cella_bytes_text(unknown[i])));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_versions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
