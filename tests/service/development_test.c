/* A development set-up's configuration is one that the parser takes, whatever host and port; and
 * its certificates are issued, kept, renewed and reloaded. */
#include "service/development.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
/* cmocka wants these before it */
#include <setjmp.h>
#include <cmocka.h>

#include "base/file.h"
#include "base/memory.h"
#include "service/certificates.h"
#include "service/config.h"

enum { DAY_S = 86400 };
static const uint64_t NOW = 1800000000;

static struct cella_result config_for(const char *host, const char *listen, unsigned port,
                                      const char *folder, struct cella_service_config *config) {
    CELLA_BUFFER text = {0};
    struct cella_service_development d = {.host = host,
                                          .listen = listen,
                                          .port = port,
                                          .six = true,
                                          .tenant = "8d9b7a3e-1111-4222-8333-444455556666"};
    TRY(cella_service_development_config(&d, &text));
    return cella_service_config_parse(cella_buffer_bytes(&text), "cella.conf", folder, config);
}

static void parses(void **state) {
    (void)state;
    static const struct {
        const char *host, *listen;
        unsigned port;
        const char *url, *at;
    } cases[] = {
        {"localhost", NULL, 8443, "https://localhost:8445", "127.0.0.1:8445"},
        {"a.example.test", "10.1.2.3", 443, "https://a.example.test:445", "10.1.2.3:445"},
        {"::1", "::1", 441, "https://[::1]", "[::1]:443"},
        {"192.0.2.7", "0.0.0.0", 65527, "https://192.0.2.7:65529", "0.0.0.0:65529"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        CELLA_SERVICE_CONFIG c = {0};
        assert_false(
            cella_failed(config_for(cases[i].host, cases[i].listen, cases[i].port, "/d", &c)));
        assert_int_equal(c.attest_count, 3);
        assert_string_equal(c.attest[0].url, cases[i].url);
        assert_string_equal(c.attest[0].listen.item[0], cases[i].at);
        assert_string_equal(c.attest[1].policy_certificates, "/d/dev/policy-signing.pem");
        assert_true(c.tls.development);
    }
}

static void knows_hosts(void **state) {
    (void)state;
    CELLA_SERVICE_CONFIG c = {0};
    struct cella_service_hosts hosts;
    assert_false(cella_failed(config_for("a.example.test", NULL, 8443, "/d", &c)));
    assert_false(cella_failed(cella_service_hosts_of(&c, &hosts)));
    assert_int_equal(hosts.count, 5);
    assert_string_equal(hosts.host[4], "*.a.example.test");
}

/* --- Certificates --- */

struct fixture {
    char folder[32];
    struct cella_service_config config;
    struct cella_service_certificates *certificates;
    int certified;
    bool refuse;
};

static struct cella_result certify(void *context, const struct cella_service_pair *pair,
                                   struct cella_bytes certificate, struct cella_bytes key) {
    struct fixture *f = context;
    (void)pair;
    ENSURE(!f->refuse, CELLA_ERR_FORMAT, NULL, "the key does not fit");
    assert_true(certificate.size > 0 && key.size > 0);
    f->certified++;
    return CELLA_SUCCESS;
}

static int set_up(void **state) {
    struct fixture *f = calloc(1, sizeof(*f));
    struct cella_service_hosts hosts;
    strcpy(f->folder, "/tmp/cella-certs-XXXXXX");
    if (!mkdtemp(f->folder)) return 1;
    assert_false(cella_failed(config_for("localhost", NULL, 8443, f->folder, &f->config)));
    assert_false(cella_failed(cella_service_hosts_of(&f->config, &hosts)));
    assert_false(cella_failed(cella_service_make_authority(f->folder, &hosts, NOW)));
    assert_false(
        cella_failed(cella_service_certificates_open(&f->config, NOW, false, &f->certificates)));
    *state = f;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *f = *state;
    char command[64];
    snprintf(command, sizeof(command), "rm -rf '%s'", f->folder);
    cella_service_certificates_free(&f->certificates);
    cella_service_config_free(&f->config);
    int bad = system(command);
    free(f);
    return bad;
}

static struct cella_buffer server_pem(const struct fixture *f) {
    struct cella_buffer pem = {0};
    char path[64];
    snprintf(path, sizeof(path), "%s/tls/server.pem", f->folder);
    assert_false(cella_failed(cella_file_read(path, 1 << 16, &pem)));
    return pem;
}

static bool same(const struct cella_buffer *a, const struct cella_buffer *b) {
    return a->size == b->size && cella_equal(a->data, b->data, a->size);
}

static void keeps(void **state) {
    struct fixture *f = *state;
    CELLA_BUFFER first = server_pem(f);
    char path[64];
    struct stat st;
    snprintf(path, sizeof(path), "%s/tls/server.key", f->folder);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    snprintf(path, sizeof(path), "%s/tls/ca.key", f->folder);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    cella_service_certificates_tend(f->certificates, NOW + DAY_S, certify, f);
    assert_int_equal(f->certified, 0);
    struct cella_service_certificates *again = NULL;
    assert_false(
        cella_failed(cella_service_certificates_open(&f->config, NOW + DAY_S, false, &again)));
    cella_service_certificates_free(&again);
    CELLA_BUFFER second = server_pem(f);
    assert_true(same(&first, &second));
}

/* Renewed when a third of its life is left, or the clock was set back before it. */
static void renews(void **state) {
    struct fixture *f = *state;
    CELLA_BUFFER first = server_pem(f);
    cella_service_certificates_tend(f->certificates, NOW + 59 * DAY_S, certify, f);
    assert_int_equal(f->certified, 0);
    cella_service_certificates_tend(f->certificates, NOW + 61 * DAY_S, certify, f);
    assert_int_equal(f->certified, 1);
    CELLA_BUFFER second = server_pem(f);
    assert_false(same(&first, &second));
    assert_true(f->certificates->pair[0].not_after_unix > NOW + 150 * DAY_S);
    cella_service_certificates_tend(f->certificates, NOW - DAY_S / 2, certify, f);
    assert_int_equal(f->certified, 2);
    assert_true(f->certificates->pair[0].not_before_unix < NOW - DAY_S / 2);
    cella_service_certificates_tend(f->certificates, NOW - DAY_S / 2, certify, f);
    assert_int_equal(f->certified, 2);
}

/* What does not fit stays out, and is taken as soon as it does. */
static void stays_with_the_old(void **state) {
    struct fixture *f = *state;
    f->refuse = true;
    cella_service_certificates_tend(f->certificates, NOW + 61 * DAY_S, certify, f);
    assert_true(f->certificates->pair[0].not_after_unix < NOW + 91 * DAY_S);
    cella_service_certificates_tend(f->certificates, NOW + 61 * DAY_S, certify, f);
    f->refuse = false;
    cella_service_certificates_tend(f->certificates, NOW + 61 * DAY_S, certify, f);
    assert_int_equal(f->certified, 1);
    assert_true(f->certificates->pair[0].not_after_unix > NOW + 150 * DAY_S);
}

/* A crash between the key and its certificate, or a lost file: made anew. */
static void mends(void **state) {
    struct fixture *f = *state;
    static const char *const damage[] = {"cp tls/ca.key tls/server.key", "rm tls/server.key",
                                         "rm tls/server.pem", "echo x > tls/server.pem"};
    for (size_t i = 0; i < sizeof(damage) / sizeof(damage[0]); i++) {
        char command[128];
        struct cella_service_certificates *again = NULL;
        snprintf(command, sizeof(command), "cd %s && %s", f->folder, damage[i]);
        assert_int_equal(system(command), 0);
        assert_false(cella_failed(cella_service_certificates_open(&f->config, NOW, false, &again)));
        bool fits;
        assert_false(
            cella_failed(cella_ca_key_fits(cella_buffer_bytes(&again->pair[0].certificate),
                                           cella_secret_bytes(&again->pair[0].key), &fits)));
        assert_true(fits);
        cella_service_certificates_free(&again);
    }
}

/* A url with another host: certified when the authority may, else said so. */
static void follows_hosts(void **state) {
    struct fixture *f = *state;
    struct cella_service_certificates *again = NULL;
    f->config.attest[0].url = "https://below.localhost:8445";
    assert_false(cella_failed(cella_service_certificates_open(&f->config, NOW, false, &again)));
    cella_service_certificates_free(&again);
    f->config.attest[0].url = "https://elsewhere.test";
    struct cella_result r = cella_service_certificates_open(&f->config, NOW, false, &again);
    assert_int_equal(cella_code_of(r), CELLA_ERR_REFUSED);
    cella_result_drop(r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parses),
        cmocka_unit_test(knows_hosts),
        cmocka_unit_test_setup_teardown(keeps, set_up, tear_down),
        cmocka_unit_test_setup_teardown(renews, set_up, tear_down),
        cmocka_unit_test_setup_teardown(stays_with_the_old, set_up, tear_down),
        cmocka_unit_test_setup_teardown(mends, set_up, tear_down),
        cmocka_unit_test_setup_teardown(follows_hosts, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
