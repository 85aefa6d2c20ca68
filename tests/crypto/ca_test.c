/* The development authority: what it issues is for its hosts, and openssl agrees. */
#include "crypto/ca.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
/* cmocka wants these before it */
#include <setjmp.h>
#include <cmocka.h>

#include "base/file.h"

static const char *const hosts[] = {"localhost", "127.0.0.1", "::1", "a.example.test",
                                    "*.a.example.test"};
static const struct cella_ca_request request = {.common_name = "tests",
                                                .host = hosts,
                                                .host_count = 5,
                                                .not_before_unix = 1700000000,
                                                .not_after_unix = 4000000000};

struct pair {
    struct cella_buffer certificate;
    struct cella_secret key;
};
static void free_pair(struct pair *pair) {
    cella_buffer_free(&pair->certificate);
    cella_secret_free(&pair->key);
}
#define PAIR __attribute__((cleanup(free_pair))) struct pair

static void issues_for_hosts(void **state) {
    (void)state;
    PAIR ca = {0}, leaf = {0}, other = {0};
    struct cella_ca_validity validity;
    const char *missing;
    bool is;
    assert_false(cella_failed(cella_ca_new(&request, &ca.certificate, &ca.key)));
    assert_false(cella_failed(cella_ca_new(&request, &other.certificate, &other.key)));
    assert_false(cella_failed(cella_ca_issue(cella_buffer_bytes(&ca.certificate),
                                             cella_secret_bytes(&ca.key), &request,
                                             &leaf.certificate, &leaf.key)));
    struct cella_bytes pem = cella_buffer_bytes(&leaf.certificate);
    assert_false(cella_failed(cella_ca_inspect(pem, hosts, 5, &validity, &missing)));
    assert_null(missing);
    assert_int_equal(validity.not_before_unix, 1700000000);
    assert_int_equal(validity.not_after_unix, 4000000000);
    static const char *const more[] = {"localhost", "10.0.0.1"};
    assert_false(cella_failed(cella_ca_inspect(pem, more, 2, &validity, &missing)));
    assert_string_equal(missing, "10.0.0.1");
    static const char *const deep[] = {"b.c.a.example.test"};
    assert_false(cella_failed(cella_ca_inspect(pem, deep, 1, &validity, &missing)));
    assert_non_null(missing);
    assert_false(cella_failed(cella_ca_signed_by(pem, cella_buffer_bytes(&ca.certificate), &is)) ||
                 !is);
    assert_false(
        cella_failed(cella_ca_signed_by(pem, cella_buffer_bytes(&other.certificate), &is)) || is);
}

static void knows_its_key(void **state) {
    (void)state;
    PAIR a = {0}, b = {0};
    bool fits;
    assert_false(cella_failed(cella_ca_new(&request, &a.certificate, &a.key)));
    assert_false(cella_failed(cella_ca_new(&request, &b.certificate, &b.key)));
    struct cella_bytes certificate = cella_buffer_bytes(&a.certificate);
    assert_false(cella_failed(cella_ca_key_fits(certificate, cella_secret_bytes(&a.key), &fits)) ||
                 !fits);
    assert_false(cella_failed(cella_ca_key_fits(certificate, cella_secret_bytes(&b.key), &fits)) ||
                 fits);
}

static void refuses(void **state) {
    (void)state;
    PAIR ca = {0}, other = {0}, out = {0};
    static const char *const bad[] = {"",    "*",    "*.",  "a,DNS:b",    "a b",
                                      "a;b", "a\nb", "a/b", "dirName:x@", "\xc3\xa4"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct cella_ca_request r = request;
        r.host = &bad[i];
        r.host_count = 1;
        struct cella_result made = cella_ca_new(&r, &out.certificate, &out.key);
        assert_int_equal(cella_code_of(made), CELLA_ERR_USAGE);
        cella_result_drop(made);
    }
    struct cella_ca_request r = request;
    r.not_after_unix = r.not_before_unix;
    struct cella_result made = cella_ca_new(&r, &out.certificate, &out.key);
    assert_true(cella_failed(made));
    cella_result_drop(made);
    assert_false(cella_failed(cella_ca_new(&request, &ca.certificate, &ca.key)));
    assert_false(cella_failed(cella_ca_new(&request, &other.certificate, &other.key)));
    made = cella_ca_issue(cella_buffer_bytes(&ca.certificate), cella_secret_bytes(&other.key),
                          &request, &out.certificate, &out.key);
    assert_int_equal(cella_code_of(made), CELLA_ERR_INTEGRITY);
    cella_result_drop(made);
    struct cella_ca_validity validity;
    const char *missing;
    made = cella_ca_inspect(cella_bytes_text("nonsense"), NULL, 0, &validity, &missing);
    assert_int_equal(cella_code_of(made), CELLA_ERR_FORMAT);
    cella_result_drop(made);
}

static int verify(const char *folder, const char *check) {
    char command[512];
    snprintf(command, sizeof(command),
             "openssl verify -x509_strict -purpose sslserver -CAfile %s/ca.pem %s %s/leaf.pem "
             ">/dev/null 2>&1",
             folder, check, folder);
    return system(command);
}

/* What a thief of the authority's key would make: openssl signs without asking. */
static void sign_stray(const char *folder, const struct cella_secret *key) {
    char path[64], command[1024];
    snprintf(path, sizeof(path), "%s/ca.key", folder);
    assert_false(cella_failed(cella_file_write(path, cella_secret_bytes(key), 0600, 0)));
    snprintf(
        command, sizeof(command),
        "cd %s && openssl req -newkey rsa:2048 -nodes -keyout k -subj /CN=x -out r 2>/dev/null "
        "&& printf subjectAltName=DNS:elsewhere.test >e && openssl x509 -req -in r -CA ca.pem "
        "-CAkey ca.key -set_serial 7 -days 3 -extfile e -out stray.pem 2>/dev/null",
        folder);
    assert_int_equal(system(command), 0);
}

/* A second opinion, also on the constraints: the authority's key in wrong hands vouches for nobody
 * else. */
static void openssl_agrees(void **state) {
    (void)state;
    char folder[] = "/tmp/cella-ca-XXXXXX", path[64];
    PAIR ca = {0}, leaf = {0}, stray = {0};
    static const char *const elsewhere[] = {"elsewhere.test"};
    assert_non_null(mkdtemp(folder));
    assert_false(cella_failed(cella_ca_new(&request, &ca.certificate, &ca.key)));
    assert_false(cella_failed(cella_ca_issue(cella_buffer_bytes(&ca.certificate),
                                             cella_secret_bytes(&ca.key), &request,
                                             &leaf.certificate, &leaf.key)));
    struct cella_ca_request other = request;
    other.host = elsewhere;
    other.host_count = 1;
    struct cella_result r =
        cella_ca_issue(cella_buffer_bytes(&ca.certificate), cella_secret_bytes(&ca.key), &other,
                       &stray.certificate, &stray.key);
    assert_int_equal(cella_code_of(r), CELLA_ERR_REFUSED);
    cella_result_drop(r);
    snprintf(path, sizeof(path), "%s/ca.pem", folder);
    assert_false(
        cella_failed(cella_file_write(path, cella_buffer_bytes(&ca.certificate), 0600, 0)));
    sign_stray(folder, &ca.key);
    snprintf(path, sizeof(path), "%s/leaf.pem", folder);
    assert_false(
        cella_failed(cella_file_write(path, cella_buffer_bytes(&leaf.certificate), 0600, 0)));
    assert_int_equal(verify(folder, "-verify_hostname localhost"), 0);
    assert_int_equal(verify(folder, "-verify_hostname x.a.example.test"), 0);
    assert_int_equal(verify(folder, "-verify_ip ::1"), 0);
    assert_int_not_equal(verify(folder, "-verify_hostname example.test"), 0);
    assert_int_equal(verify(folder, ""), 0);
    snprintf(path, sizeof(path), "mv %s/stray.pem %s/leaf.pem", folder, folder);
    assert_int_equal(system(path), 0);
    assert_int_not_equal(verify(folder, ""), 0);
    snprintf(path, sizeof(path), "rm -r %s", folder);
    assert_int_equal(system(path), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(issues_for_hosts),
        cmocka_unit_test(knows_its_key),
        cmocka_unit_test(refuses),
        cmocka_unit_test(openssl_agrees),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
