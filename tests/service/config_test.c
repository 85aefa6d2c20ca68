/* The configuration: what is taken, what each mistake is told as, and the documentation's table. */
#include "service/config.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants these before it */
#include <setjmp.h>
#include <cmocka.h>

#include "attest/instance.h"
#include "base/file.h"
#include "service/config_value.h"

#define TLS    "[tls]\ncertificate = c.pem\nkey = k.pem\n"
#define TENANT "8d9b7a3e-1111-4222-8333-444455556666"
#define IDENTITY                                                                                   \
    "[identity]\nurl = https://localhost:8443\nlisten = 127.0.0.1:8443\ntenant = " TENANT "\n"
#define DEV   "[attest dev]\nurl = https://localhost:8445\nlisten = 127.0.0.1:8445 [::1]:8445\n"
#define WHOLE TLS IDENTITY DEV

static struct cella_result parse(const char *text, struct cella_service_config *out) {
    return cella_service_config_parse(cella_bytes_text(text), "cella.conf", "/data", out);
}

static void takes_defaults(void **state) {
    (void)state;
    CELLA_SERVICE_CONFIG c = {0};
    assert_false(cella_failed(parse(WHOLE, &c)));
    assert_string_equal(c.tls.certificate, "/data/c.pem");
    assert_string_equal(c.server.metrics, "127.0.0.1:8449");
    assert_string_equal(c.server.access_log, "none");
    assert_int_equal(c.server.connection_max, 4096);
    assert_false(c.server.tls12);
    assert_string_equal(c.store.location, "/data/cella.db");
    assert_string_equal(c.store.root, "file:root.key");
    assert_string_equal(c.audit.path, "/data/audit.log");
    assert_int_equal(c.identity.token_s, 3600);
    assert_int_equal(c.attest_count, 1);
    assert_string_equal(c.attest[0].name, "dev");
    assert_int_equal(c.attest[0].listen.count, 2);
    assert_string_equal(c.attest[0].listen.item[1], "[::1]:8445");
    assert_int_equal(c.attest[0].mode, CELLA_ATTEST_AAD);
    assert_int_equal(c.attest[0].algorithm, CELLA_JOSE_RS256);
    assert_int_equal(c.attest[0].token_s, 28800);
    assert_int_equal(c.collateral.refresh_s, 3600);
    assert_null(c.collateral.cache);
}

static void takes_all(void **state) {
    (void)state;
    CELLA_SERVICE_CONFIG c = {0};
    static const char text[] =
        "# a comment\n; another\n" TLS IDENTITY
        "[server]\nworkers = 3\ntls12 = yes\naccess_log = stderr\n"
        "[store]\nlocation = /elsewhere/x.db\nroot = passphrase:secret\n"
        "[issuer entra]\nissuer = https://sts.windows.net/x/\njwks = entra.jwks\n"
        "[attest iso] ; with a remark\nurl = https://a.example\nlisten = 127.0.0.1:9000\n"
        "mode = isolated\npolicy_certificates = p.pem\nalgorithm = ES256\n"
        "accept_tcb = OutOfDate SWHardeningNeeded\ngrace_s = 86400\n"
        "insecure_time = 2026-02-14T00:17:59Z\n"
        "[collateral]\npath = collateral extra.bundle\nsource = pcs=https://localhost:8081\n"
        "cache = cache.bundle\nplatform_keys = a.pem /b.pem\n";
    assert_false(cella_failed(parse(text, &c)));
    assert_int_equal(c.server.workers, 3);
    assert_true(c.server.tls12);
    assert_string_equal(c.store.location, "/elsewhere/x.db");
    assert_string_equal(c.issuer[0].jwks, "/data/entra.jwks");
    assert_int_equal(c.attest[0].mode, CELLA_ATTEST_ISOLATED);
    assert_int_equal(c.attest[0].algorithm, CELLA_JOSE_ES256);
    assert_int_equal(c.attest[0].accept_tcb.count, 2);
    assert_int_equal(c.attest[0].insecure_time, 1771028279);
    assert_string_equal(c.collateral.path.item[1], "/data/extra.bundle");
    assert_string_equal(c.collateral.platform_keys.item[1], "/b.pem");
}

static void names_mistakes(void **state) {
    (void)state;
    static const struct {
        const char *text, *found;
    } cases[] = {
        {"", "[tls]: expected certificate and key, or development = yes"},
        {TLS, "nothing to serve"},
        {TLS "development = yes\n" IDENTITY, "and not both"},
        {"[tls]\nkey = k\n" IDENTITY, "certificate and key go together"},
        {"x = 1\n", "cella.conf:1: 'x' stands before the first [section]"},
        {"[tls]\n[cellar v]\n", "cella.conf:2: unknown section [cellar v]"},
        {"[server]\nworker = 1\n", "cella.conf:2: unknown setting 'worker' in [server]"},
        {"[server]\nworkers = 1\nworkers = 2\n", "cella.conf:3: [server] workers was already set"},
        {"[server]\n\n[server]\n", "cella.conf:3: [server] was already begun in line 1"},
        {DEV DEV, "[attest dev] was already begun"},
        {"[server]\nworkers = 257\n", "expected a number from 0 to 256, found '257'"},
        {"[server]\nworkers = -1\n", "found '-1'"},
        {"[server]\nworkers = 1x\n", "found '1x'"},
        {"[server]\nworkers =\n", "found ''"},
        {"[server]\ntls12 = true\n", "expected yes or no, found 'true'"},
        {"[server]\nmetrics = localhost:80\n", "expected ADDRESS:PORT, numeric"},
        {"[server]\nmetrics = 127.0.0.1\n", "expected ADDRESS:PORT, numeric"},
        {"[server]\nmetrics = 127.0.0.1:65536\n", "expected ADDRESS:PORT, numeric"},
        {"[server]\nmetrics = ::1:80\n", "expected ADDRESS:PORT, numeric"},
        {"[server]\naccess_log =\n", "access_log: expected a value"},
        {"[identity]\nurl = http://localhost\n", "expected an origin in lower case"},
        {"[identity]\nurl = https://localhost/\n", "expected an origin in lower case"},
        {"[identity]\nurl = https://localhost/x\n", "expected an origin in lower case"},
        {"[identity]\nurl = https://Localhost\n", "expected an origin in lower case"},
        {"[identity]\nurl = https://localhost:443\n", "expected an origin in lower case"},
        {"[identity]\nurl = https://localhost:0443\n", "expected an origin in lower case"},
        {"[identity]\nurl = https://u@localhost\n", "expected an origin in lower case"},
        {"[identity]\nurl = https://\n", "expected an origin in lower case"},
        {"[identity]\nurl = https://[]\n", "expected an origin in lower case"},
        {"[identity]\ntenant = x\n", "expected a GUID in lower case, found 'x'"},
        {"[identity]\ntenant = 8D9B7A3E-1111-4222-8333-444455556666\n", "expected a GUID"},
        {TLS "[identity]\ntenant = " TENANT "\n", "[identity]: expected url, listen and tenant"},
        {"[attest Dev]\n", "expected a name of 1 to 63 of 0-9, a-z and -, found 'Dev'"},
        {"[attest -a]\n", "found '-a'"},
        {"[attest]\n", "unknown section [attest]"},
        {"[attest x]\nmode = open\n", "mode: expected aad, isolated or shared, found 'open'"},
        {"[attest x]\nalgorithm = none\n", "expected RS256 or ES256, found 'none'"},
        {"[attest x]\ninsecure_time = yesterday\n", "expected a time like"},
        {"[attest x]\ntoken_s = 59\n", "expected a number from 60"},
        {TLS "[attest x]\nurl = https://a\n", "[attest x]: expected listen"},
        {WHOLE "policy_certificates = p\n", "policy_certificates are for mode = isolated"},
        {WHOLE "certificate = p\n", "[attest dev]: certificate and key go together"},
        {WHOLE "[attest b]\nurl = https://localhost:8445\nlisten = 127.0.0.1:1\n",
         "[attest b]: [attest dev] has the same url"},
        {WHOLE "[attest b]\nurl = https://b\nlisten = 127.0.0.1:8443\n",
         "[attest b]: [identity] listens on 127.0.0.1:8443 too"},
        {WHOLE "[attest b]\nurl = https://b\nlisten = [::1]:8445\ncertificate = x\nkey = y\n",
         "[attest dev] listens on [::1]:8445 too, with another certificate"},
        {WHOLE "[server]\nmetrics = 127.0.0.1:8445\n", "metrics: [attest dev] listens on"},
        {WHOLE "[issuer x]\nissuer = https://i\n", "[issuer x]: expected issuer and jwks"},
        {WHOLE "[collateral]\nsource = https://i\n", "expected none, pcs=https://HOST"},
        {WHOLE "[collateral]\nsource = none pcs=https://i\n", "none stands alone"},
        {"[tls\n", "cella.conf:1: expected ']'"},
        {"[tls] x\n", "expected nothing after [section], found 'x'"},
        {"[tls]\nnonsense\n", "cella.conf:2: expected NAME = VALUE"},
        {"[tls]\nkey = a\x01z\n", "cella.conf:2: a control character (byte 0x01)"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        CELLA_SERVICE_CONFIG c = {0};
        struct cella_result r = parse(cases[i].text, &c);
        if (!cella_failed(r) || !strstr(r.error->what, cases[i].found))
            fail_msg("case %zu: expected '%s', found '%s'", i, cases[i].found,
                     cella_failed(r) ? r.error->what : "success");
        assert_non_null(r.error->hint);
        cella_result_drop(r);
    }
}

static void limits_lines_and_lists(void **state) {
    (void)state;
    char text[2048] = TLS IDENTITY "[collateral]\npath =";
    CELLA_SERVICE_CONFIG c = {0};
    for (int i = 0; i < CELLA_SERVICE_LIST_MAX; i++) strcat(text, " a");
    assert_false(cella_failed(parse(text, &c)));
    assert_int_equal(c.collateral.path.count, CELLA_SERVICE_LIST_MAX);
    cella_service_config_free(&c);
    strcat(text, " a\n");
    struct cella_result r = parse(text, &c);
    assert_int_equal(cella_code_of(r), CELLA_ERR_USAGE);
    cella_result_drop(r);
    memset(text, 0, sizeof(text));
    strcpy(text, "[tls]\nkey = ");
    memset(text + strlen(text), 'x', 300);
    r = parse(text, &c);
    assert_non_null(strstr(r.error->what, "cella.conf:2: expected a line of at most 198 bytes"));
    cella_result_drop(r);
}

static void knows_loopback(void **state) {
    (void)state;
    static const char *const here[] = {"127.0.0.1:1", "127.9.9.9:8449", "[::1]:0"};
    static const char *const open[] = {"0.0.0.0:1",           "[::]:1",      "10.0.0.1:1",
                                       "[::ffff:10.0.0.1]:1", "localhost:1", ""};
    for (size_t i = 0; i < sizeof(here) / sizeof(here[0]); i++)
        assert_true(cella_conf_loopback(here[i]));
    for (size_t i = 0; i < sizeof(open) / sizeof(open[0]); i++)
        assert_false(cella_conf_loopback(open[i]));
}

/* Whatever bytes: an error, or a configuration that can be freed. */
static void survives_damage(void **state) {
    (void)state;
    char text[sizeof(WHOLE)];
    for (size_t i = 0; i < sizeof(WHOLE) - 1; i++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            CELLA_SERVICE_CONFIG c = {0};
            memcpy(text, WHOLE, sizeof(text));
            text[i] = (char)(text[i] ^ (1 << bit));
            cella_result_drop(
                cella_service_config_parse(cella_bytes(text, sizeof(text) - 1), "c", "/d", &c));
        }
        CELLA_SERVICE_CONFIG c = {0};
        cella_result_drop(cella_service_config_parse(cella_bytes(WHOLE, i), "c", "/d", &c));
    }
}

/* Every setting is a row "| name | default |" below its section's heading, and nothing else is. */
static void documented(void **state) {
    (void)state;
    CELLA_BUFFER file = {0};
    struct cella_service_setting s;
    size_t settings = 0, rows = 0;
    assert_false(cella_failed(
        cella_file_read(CELLA_SOURCE_ROOT "/docs/formats/configuration.md", 1 << 20, &file)));
    assert_false(cella_failed(cella_buffer_append(&file, cella_bytes("", 1))));
    char *text = (char *)file.data;
    for (char *at = text; (at = strstr(at, "\n| `")); at++) rows++;
    for (; cella_service_setting_at(settings, &s); settings++) {
        char heading[96], row[128];
        snprintf(heading, sizeof(heading), "\n## [%s]\n", s.section);
        char *from = strstr(text, heading);
        if (!from) fail_msg("configuration.md has no heading ## [%s]", s.section);
        char *end = strstr(from + 1, "\n## ");
        if (!s.initial)
            snprintf(row, sizeof(row), "\n| `%s` | none |", s.name);
        else if (!s.initial[0])
            snprintf(row, sizeof(row), "\n| `%s` | empty |", s.name);
        else
            snprintf(row, sizeof(row), "\n| `%s` | `%s` |", s.name, s.initial);
        char *at = strstr(from, row);
        if (!at || (end && at > end))
            fail_msg("configuration.md: expected '%s' below [%s]", row + 1, s.section);
    }
    assert_int_equal(rows, settings);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_defaults), cmocka_unit_test(takes_all),
        cmocka_unit_test(names_mistakes), cmocka_unit_test(limits_lines_and_lists),
        cmocka_unit_test(knows_loopback), cmocka_unit_test(survives_damage),
        cmocka_unit_test(documented),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
