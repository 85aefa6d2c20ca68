/* The strict reader of signed JSON (A29). */
#include "vector.h"

#include "evidence/json.h"

static bool good(const char *text, size_t size) {
    struct cella_json json;
    uint8_t *copy =
        malloc(size ? size : 1); /* of exactly that size, so that a tool sees reads past it */
    cella_copy(copy, text, size);
    cella_json_begin(&json, cella_bytes(copy, size));
    cella_json_skip(&json);
    struct cella_result r = cella_json_end(&json, "text");
    bool ok = !cella_failed(r);
    cella_result_drop(r);
    free(copy);
    return ok;
}

static void accepted(void **state) {
    (void)state;
    static const char *const texts[] = {"{}",
                                        "[]",
                                        " [ ] ",
                                        "null",
                                        "true",
                                        "false",
                                        "0",
                                        "-0",
                                        "-1.5e+10",
                                        "1E5",
                                        "\"\"",
                                        "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\ud83d\\ude00\"",
                                        "\"\xc3\xa9\xf0\x9f\x98\x80\"",
                                        "{\"a\":1,\"b\":{\"a\":1}}",
                                        "[[],{},[1,2,\"x\"]]",
                                        "\t\r\n{\"a\" : [ 1 , 2 ] } "};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        if (!good(texts[i], strlen(texts[i]))) fail_msg("refused: %s", texts[i]);
}

static void refused(void **state) {
    (void)state;
    static const char *const texts[] = {"",
                                        " ",
                                        "{",
                                        "}",
                                        "[",
                                        "]",
                                        "[1,]",
                                        "[,1]",
                                        "[1 2]",
                                        "{\"a\"}",
                                        "{\"a\":}",
                                        "{\"a\":1,}",
                                        "{,}",
                                        "{a:1}",
                                        "{'a':1}",
                                        "{\"a\":1 \"b\":2}",
                                        "{1:2}",
                                        "01",
                                        "-",
                                        "1.",
                                        ".5",
                                        "1e",
                                        "1e+",
                                        "+1",
                                        "0x1",
                                        "NaN",
                                        "Infinity",
                                        "nul",
                                        "nulll",
                                        "tru",
                                        "[1]]",
                                        "{}{}",
                                        "[]x",
                                        "\"",
                                        "\"\\\"",
                                        "\"\\x41\"",
                                        "\"\\u12\"",
                                        "\"\\u12g4\"",
                                        "\"\\ud800\"",
                                        "\"\\ud800\\u0041\"",
                                        "\"\\udc00\"",
                                        "\"\\u0000\"",
                                        "\"a\nb\"",
                                        "\"\x80\"",
                                        "\"\xc0\x80\"",
                                        "\"\xed\xa0\x80\"",
                                        "\"\xf4\x90\x80\x80\"",
                                        "\"\xe2\x82\"",
                                        "\xef\xbb\xbf{}",
                                        "// x\n{}",
                                        "/**/{}",
                                        "{\"a\":1,\"a\":2}",
                                        "{\"b\":{\"a\":1,\"a\":1}}",
                                        "[{\"a\":1,\"b\":2,\"a\":3}]",
                                        "{\"\\u0061\":1}"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        if (good(texts[i], strlen(texts[i]))) fail_msg("accepted: %s", texts[i]);
    assert_false(good("[]\0", 3));
    assert_false(good("\"a\0b\"", 5));
}

/* Depth 32 is the last; a million does not crash. Keys are bounded. */
static void bounds(void **state) {
    (void)state;
    enum { MANY = 1000000 };
    char *text = malloc(2 * MANY + 16);
    for (int depth = 32; depth <= 33; depth++) {
        memset(text, '[', (size_t)depth);
        memset(text + depth, ']', (size_t)depth);
        assert_int_equal(good(text, 2 * (size_t)depth), depth == 32);
    }
    memset(text, '[', MANY);
    assert_false(good(text, MANY));
    memset(text, '{', MANY);
    assert_false(good(text, MANY));
    for (size_t keys = 256; keys <= 257; keys++) {
        size_t n = 0;
        for (size_t i = 0; i < keys; i++)
            n += (size_t)sprintf(text + n, "%c\"k%zu\":%zu", i ? ',' : '{', i, i);
        text[n++] = '}';
        assert_int_equal(good(text, n), keys == 256);
    }
    free(text);
}

static void numbers_and_times(void **state) {
    (void)state;
    static const struct {
        const char *text;
        uint64_t maximum;
        bool good;
    } numbers[] = {{"0", 0, true},
                   {"1", 0, false},
                   {"255", 255, true},
                   {"256", 255, false},
                   {"65535", 65535, true},
                   {"18446744073709551615", UINT64_MAX, true},
                   {"18446744073709551616", UINT64_MAX, false},
                   {"99999999999999999999999", UINT64_MAX, false},
                   {"-1", 255, false},
                   {"1.0", 255, false},
                   {"1e2", 255, false},
                   {"1E2", 255, false},
                   {"\"1\"", 255, false},
                   {"00", 255, false},
                   {"9", 5, false},
                   {"", 5, false}};
    static const struct {
        const char *text;
        uint64_t unix_s; /* 0: refused */
    } times[] = {{"\"2025-06-04T09:25:11Z\"", 1749029111},
                 {"\"2024-02-29T23:59:59Z\"", 1709251199},
                 {"\"2000-02-29T00:00:00Z\"", 951782400},
                 {"\"2100-03-01T00:00:00Z\"", 4107542400},
                 {"\"2023-02-29T00:00:00Z\"", 0},
                 {"\"2100-02-29T00:00:00Z\"", 0},
                 {"\"2025-13-01T00:00:00Z\"", 0},
                 {"\"2025-00-01T00:00:00Z\"", 0},
                 {"\"2025-06-31T00:00:00Z\"", 0},
                 {"\"2025-06-04T24:00:00Z\"", 0},
                 {"\"2025-06-04T09:60:11Z\"", 0},
                 {"\"2025-06-04T09:25:60Z\"", 0},
                 {"\"2025-06-04 09:25:11Z\"", 0},
                 {"\"2025-06-04T09:25:11z\"", 0},
                 {"\"2025-06-04T09:25:11+00:00\"", 0},
                 {"\"2025-06-0xT09:25:11Z\"", 0},
                 {"1749029111", 0}};
    struct cella_json json;
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        cella_json_begin(&json, cella_bytes_text(numbers[i].text));
        cella_json_number(&json, numbers[i].maximum);
        assert_int_equal(json.failed == NULL, numbers[i].good);
    }
    for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
        cella_json_begin(&json, cella_bytes_text(times[i].text));
        assert_int_equal(cella_json_time_unix(&json), times[i].unix_s);
        assert_int_equal(json.failed == NULL, times[i].unix_s != 0);
    }
}

/* The span of a value is its text, no byte more. */
static void spans(void **state) {
    (void)state;
    struct cella_json json;
    struct cella_bytes key, raw = {0};
    cella_json_begin(&json, cella_bytes_text("{ \"a\" :  {\"b\": [1, 2 ]}  , \"c\":1}"));
    for (cella_json_enter_object(&json); cella_json_key(&json, &key);) {
        if (cella_json_is(key, "a"))
            raw = cella_json_raw(&json);
        else
            cella_json_skip(&json);
    }
    VECTOR_OK(cella_json_end(&json, "text"));
    assert_int_equal(raw.size, 14);
    assert_memory_equal(raw.data, "{\"b\": [1, 2 ]}", 14);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(accepted), cmocka_unit_test(refused),
                                       cmocka_unit_test(bounds),
                                       cmocka_unit_test(numbers_and_times),
                                       cmocka_unit_test(spans)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
