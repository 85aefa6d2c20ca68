#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "identity/form.h"

static enum cella_code parse(const char *text, size_t size) {
    CELLA_FORM form = {.count = 0};
    uint8_t *exact = malloc(size ? size : 1); /* so that a byte too far is found */
    memcpy(exact, text, size);
    struct cella_result r = cella_form_parse(cella_bytes(exact, size), &form);
    enum cella_code code = cella_code_of(r);
    cella_result_drop(r);
    if (code != CELLA_OK) assert_int_equal(form.count, 0); /* A35 */
    free(exact);
    return code;
}

static void test_good(void **state) {
    (void)state;
    CELLA_FORM form = {.count = 0};
    struct cella_bytes value;
    struct cella_result r = cella_form_parse(
        cella_bytes_text("client_id=abc&scope=https%3A%2f%2Fvault.azure.net%2F.default&empty=&"
                         "claims=%7B%22a%22%3A1%7D&x=a+b%2Bc&raw=a/b:c~d!*()"),
        &form);
    assert_false(cella_failed(r));
    assert_int_equal(form.count, 6);
    assert_true(cella_form_find(&form, "scope", &value));
    assert_int_equal(value.size, strlen("https://vault.azure.net/.default"));
    assert_memory_equal(value.data, "https://vault.azure.net/.default", value.size);
    assert_true(cella_form_find(&form, "empty", &value));
    assert_int_equal(value.size, 0);
    assert_true(cella_form_find(&form, "x", &value));
    assert_memory_equal(value.data, "a b+c", 5);
    assert_true(cella_form_find(&form, "raw", &value));
    assert_memory_equal(value.data, "a/b:c~d!*()", 11);
    assert_false(cella_form_find(&form, "client", &value));
    assert_false(cella_form_find(&form, "CLIENT_ID", &value));
}

static void test_refused(void **state) {
    (void)state;
    static const char *const bad[] = {
        "a",        "a=1&",  "&a=1",  "a=1&&b=2", "=1",         "a=%",     "a=%2",
        "a=%2g",    "a=%g0", "a=%00", "a=%0a",    "a=%7F",      "a=1&a=2", "a=1&%61=2",
        "a=b=c",    "a=1&b", "a=\t",  "a=\x7f",   "a=\xc3\xa4", "a = 1",   "a=1\r\n",
        "a=%u0041", "%=1",   "a=1 ",  "a=\x01",   "+=1&+=2",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (parse(bad[i], strlen(bad[i])) != CELLA_ERR_FORMAT) fail_msg("taken: %s", bad[i]);
    assert_int_equal(parse("", 0), CELLA_OK);
    assert_int_equal(parse("a=\0", 3), CELLA_ERR_FORMAT);
    char name[80];
    snprintf(name, sizeof(name), "%064d=1", 0);
    assert_int_equal(parse(name, 66), CELLA_OK);
    snprintf(name, sizeof(name), "%065d=1", 0);
    assert_int_equal(parse(name, 67), CELLA_ERR_FORMAT);
}

static void test_limits(void **state) {
    (void)state;
    char text[1024];
    size_t n = 0;
    for (int i = 0; i < CELLA_FORM_FIELDS; i++)
        n += (size_t)snprintf(text + n, sizeof(text) - n, "%sf%d=1", i ? "&" : "", i);
    assert_int_equal(parse(text, n), CELLA_OK);
    n += (size_t)snprintf(text + n, sizeof(text) - n, "&more=1");
    assert_int_equal(parse(text, n), CELLA_ERR_LIMIT);
    char *big = malloc(CELLA_FORM_MAX + 1);
    memset(big, 'a', CELLA_FORM_MAX + 1);
    big[1] = '=';
    assert_int_equal(parse(big, CELLA_FORM_MAX), CELLA_OK);
    assert_int_equal(parse(big, CELLA_FORM_MAX + 1), CELLA_ERR_LIMIT);
    free(big);
}

static void test_cut_and_flip(void **state) {
    (void)state;
    static const char good[] = "client_id=a%20b&client_secret=x%2By&grant_type=client_credentials";
    char text[sizeof(good)];
    for (size_t n = 0; n < sizeof(good); n++) (void)parse(good, n);
    for (size_t i = 0; i + 1 < sizeof(good); i++)
        for (int bit = 0; bit < 8; bit++) {
            memcpy(text, good, sizeof(good));
            text[i] = (char)(text[i] ^ 1 << bit);
            (void)parse(text, sizeof(good) - 1);
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_cut_and_flip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
