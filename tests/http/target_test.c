#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/memory.h"
#include "http/percent.h"
#include "http/target.h"

static enum cella_code parse(struct cella_bytes text, struct cella_http_target *out) {
    struct cella_result r = cella_http_target_parse(text, out);
    enum cella_code code = cella_code_of(r);
    cella_result_drop(r);
    return code;
}

static bool has(const struct cella_http_target *t, const char *name, const char *value) {
    struct cella_bytes found;
    return cella_http_parameter(t, name, &found) && found.size == strlen(value) &&
           cella_equal(found.data, value, found.size);
}

static void plain_targets(void **state) {
    struct cella_http_target t;
    (void)state;
    assert_int_equal(parse(cella_bytes_text("/a/b?x=1&y=%41%2f%C3%A9&z&e="), &t), CELLA_OK);
    assert_true(cella_http_path_is(&t, "/a/b"));
    assert_false(cella_http_path_is(&t, "/a/"));
    assert_false(cella_http_path_is(&t, "/a/b/"));
    assert_int_equal(t.count, 4);
    assert_true(has(&t, "x", "1"));
    assert_true(has(&t, "y", "A/\xc3\xa9"));
    assert_true(has(&t, "z", ""));
    assert_true(has(&t, "e", ""));
    assert_false(has(&t, "X", "1"));
    assert_int_equal(parse(cella_bytes_text("/?a=b=c&%61b=+"), &t), CELLA_OK);
    assert_true(has(&t, "a", "b=c"));
    assert_true(has(&t, "ab", "+"));
    assert_int_equal(parse(cella_bytes_text("/a.b/..c/d../..."), &t), CELLA_OK);
    assert_int_equal(parse(cella_bytes_text("/a?"), &t), CELLA_OK);
    assert_int_equal(t.count, 0);
}

/* Azure Attestation's operations, and the names of parameters as Key Vault's clients encode them.
 */
static void operations_of_services(void **state) {
    struct cella_http_target t;
    (void)state;
    static const char *const same[] = {
        "/policies/SgxEnclave:reset?api%2Dversion=2020-10-01",
        "/policies/SgxEnclave%3Areset?api-version=2020-10-01",
        "/policies/SgxEnclave%3areset?%61pi%2dversion=2020%2D10%2D01",
    };
    for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
        assert_int_equal(parse(cella_bytes_text(same[i]), &t), CELLA_OK);
        assert_true(cella_http_path_is(&t, "/policies/SgxEnclave:reset"));
        assert_int_equal(t.count, 1);
        assert_true(has(&t, "api-version", "2020-10-01"));
    }
    assert_int_equal(parse(cella_bytes_text("/%3A%3A?a=%3A"), &t), CELLA_OK);
    assert_true(cella_http_path_is(&t, "/::") && has(&t, "a", ":"));
}

/* K12, K19: two hundred ways to say another path than one seems to. */
static void hostile_paths(void **state) {
    static const char *const parts[] = {
        "..",
        ".",
        "%2e%2e",
        "%2e",
        "%2E.",
        ".%2e",
        "%252e%252e",
        "%c0%ae%c0%ae",
        "%c0%af",
        "%00",
        "a%00b",
        "%0a",
        "%0d%0a",
        "%20",
        "%2f",
        "%5c",
        "\\..",
        "..\\",
        ";a=b",
        "..;",
        "%3b",
        "#",
        "a#b",
        "%23",
        "%3f",
        "%25",
        "%2525",
        "%",
        "%g0",
        "%3",
        "%u002e",
        "\x2e\x80",
        "\xef\xbc\x8f",
        "\xc0\xae",
        "\x01",
        "\x7f",
        "a b",
        "\t",
        "%61",
        "%41",
        "%7e",
        "%2D",
        "%3A..%2f",
        "%e2%80%ae",
        "",
        "%3A/..",
        "./",
        "../",
    };
    static const struct {
        const char *before, *after;
    } frames[] = {
        {"/", "/b"}, {"/a/", "/b"}, {"/a/", "/../b"}, {"//a/", "/b"}, {"/policies/", "/x"}};
    struct cella_http_target t;
    char text[128];
    size_t count = 0;
    (void)state;
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
        for (size_t k = 0; k < sizeof(frames) / sizeof(frames[0]); k++, count++) {
            int size =
                snprintf(text, sizeof(text), "%s%s%s", frames[k].before, parts[i], frames[k].after);
            if (parse(cella_bytes(text, (size_t)size), &t) != CELLA_ERR_FORMAT)
                fail_msg("accepted: %s", text);
        }
    assert_true(count >= 200);
}

static void disguises_are_refused(void **state) {
    static const char *const bad[] = {
        "",         "a",        "?",       "*",          "//",           "/a//b",    "/.",
        "/..",      "/../a",    "/a/.",    "/a/..",      "/a/./b",       "/a/../b",  "/%61",
        "/a%2f",    "/a%00",    "/a\\b",   "/a;b",       "/a#b",         "/a b",     "/a\tb",
        "/\x7f",    "/\x80",    "/a?b=%",  "/a?b=%4",    "/a?b=%4g",     "/a?%=1",   "/a?=1",
        "/a?=",     "/a?&",     "/a?x&&y", "/a?x=1&x=2", "/a?x=1&%78=2", "/a?x=%00", "/a?x=%0a",
        "/a?x=%7f", "/a?x=a#b", "/a?x= ",  "http://a/b", "/a?x=1#",
    };
    struct cella_http_target t;
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (parse(cella_bytes_text(bad[i]), &t) != CELLA_ERR_FORMAT)
            fail_msg("accepted: %s", bad[i]);
    assert_int_equal(parse(CELLA_BYTES_OF("/a\0b"), &t), CELLA_ERR_FORMAT);
}

static void limits(void **state) {
    char text[CELLA_HTTP_TARGET_MAX + 2] = "/";
    struct cella_http_target t;
    (void)state;
    memset(text + 1, 'a', sizeof(text) - 1);
    assert_int_equal(parse(cella_bytes(text, CELLA_HTTP_TARGET_MAX), &t), CELLA_OK);
    assert_int_equal(parse(cella_bytes(text, CELLA_HTTP_TARGET_MAX + 1), &t), CELLA_ERR_LIMIT);
    size_t at = 0;
    for (int i = 0; i <= CELLA_HTTP_PARAMETERS; i++)
        at += (size_t)snprintf(text + at, sizeof(text) - at, "%sk%d=v", i ? "&" : "/?", i);
    assert_int_equal(parse(cella_bytes(text, at), &t), CELLA_ERR_LIMIT);
    memset(text, 'a', 100);
    memcpy(text, "/?", 2);
    assert_int_equal(parse(cella_bytes(text, 100), &t), CELLA_ERR_LIMIT); /* a name of 98 bytes */
}

/* Whatever is accepted after one byte changed, or the end lost, keeps its promises. */
static void truncated_and_flipped(void **state) {
    static const char whole[] = "/sgx/certification/v4/tcb?fmspc=00606A000000&update=%65arly";
    char text[sizeof(whole)];
    struct cella_http_target t;
    (void)state;
    for (size_t i = 0; i + 1 < sizeof(whole); i++) {
        (void)parse(cella_bytes(whole, i), &t);
        for (int c = 0; c < 256; c++) {
            memcpy(text, whole, sizeof(whole));
            text[i] = (char)c;
            if (parse(cella_bytes(text, sizeof(text) - 1), &t) != CELLA_OK) continue;
            assert_true(t.path.size > 0 && t.path.data[0] == '/');
            assert_null(memchr(t.path.data, '%', t.path.size));
            assert_null(memmem(t.path.data, t.path.size, "//", 2));
            for (size_t k = 0; k < t.count; k++) assert_true(t.parameter[k].name.size > 0);
        }
    }
}

static void percent_both_ways(void **state) {
    uint8_t all[256], back[3 * 256];
    size_t size;
    CELLA_BUFFER text = {0};
    (void)state;
    for (int i = 0; i < 256; i++) all[i] = (uint8_t)i;
    assert_false(cella_failed(cella_percent_encode(CELLA_BYTES_OF(all), &text)));
    for (size_t i = 0; i < text.size; i++) assert_true(text.data[i] > ' ' && text.data[i] < 0x7f);
    assert_true(cella_percent_decode(cella_buffer_bytes(&text), back, &size));
    assert_int_equal(size, 256);
    assert_true(cella_equal(back, all, size));
    assert_false(cella_percent_decode(cella_bytes_text("ab%"), back, &size));
    assert_false(cella_percent_decode(cella_bytes_text("ab%1"), back, &size));
    assert_false(cella_percent_decode(cella_bytes_text("ab% 1"), back, &size));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_targets),
        cmocka_unit_test(operations_of_services),
        cmocka_unit_test(hostile_paths),
        cmocka_unit_test(disguises_are_refused),
        cmocka_unit_test(limits),
        cmocka_unit_test(truncated_and_flipped),
        cmocka_unit_test(percent_both_ways),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
