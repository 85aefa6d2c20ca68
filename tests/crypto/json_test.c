/* Strict JSON (threats.md A29): a table of what is taken and what is not, bounds, and the library's
 * own reader as the measure, over texts that are changed at random. */
#include "jose_tools.h"

#include <time.h>

/* With NUL within, since the sizes are those of the arrays. */
#define T(literal)                                                                                 \
    { literal, sizeof(literal) - 1 }
struct row {
    const char *text;
    size_t size;
};

static const struct row good[] = {
    T("{}"),
    T(" \t\r\n{ \"a\" : [ ] } \n"),
    T("{\"\":0}"),
    T("{\"a\":{\"a\":{\"a\":1}},\"b\":{\"a\":1}}"),
    T("{\"a\":true,\"b\":false,\"c\":null}"),
    T("{\"n\":[0,-0,1,-1,9223372036854775807,-9223372036854775808]}"),
    T("{\"r\":[0.5,1e5,1E5,1e+5,1e-5,-0.0,0e0,1.5e300,1e-400,123456789012345678901234567890.0]}"),
    T("{\"s\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0001\\u00e4\\u20ac\\ud83d\\ude00\"}"),
    T("{\"s\":\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\x7f\xf4\x8f\xbf\xbf\xef\xbf\xbf\"}"),
    T("{\"\\u0061\\n\":{\"\\u0062\":\"\\u0063\"}}"),
    T("{\"x5c\":[\"AA\\u002B\\/\"]}"),
};

static const struct row bad[] = {
    T(""),
    T(" "),
    T("\0"),
    T("{"),
    T("}"),
    T("{}}"),
    T("{}{}"),
    T("{}\0"),
    T("{} x"),
    T("\xef\xbb\xbf{}"),
    T("\xff\xfe{\0}\0"),
    T("{\"a\"}"),
    T("{\"a\":}"),
    T("{\"a\" 1}"),
    T("{\"a\":1,}"),
    T("{,\"a\":1}"),
    T("{\"a\":1,,\"b\":2}"),
    T("{\"a\":1 \"b\":2}"),
    T("{a:1}"),
    T("{'a':1}"),
    T("{1:1}"),
    T("{null:1}"),
    T("{\"a\":1/**/}"),
    T("{\"a\":1}//"),
    T("#\n{}"),
    /* duplicates, at each level and under each spelling */
    T("{\"a\":1,\"a\":1}"),
    T("{\"a\":1,\"b\":2,\"a\":3}"),
    T("{\"a\":1,\"\\u0061\":2}"),
    T("{\"\":1,\"\":2}"),
    T("{\"x\":{\"a\":1,\"a\":1}}"),
    T("{\"x\":[{\"a\":1,\"a\":1}]}"),
    /* lists */
    T("{\"x\":[}"),
    T("{\"x\":[1,]}"),
    T("{\"x\":[,1]}"),
    T("{\"x\":[1 2]}"),
    T("{\"x\":[1}"),
    T("{\"x\":[1]"),
    T("{\"x\":]}"),
    /* numbers */
    T("{\"x\":01}"),
    T("{\"x\":-}"),
    T("{\"x\":+1}"),
    T("{\"x\":-01}"),
    T("{\"x\":00}"),
    T("{\"x\":1.}"),
    T("{\"x\":.1}"),
    T("{\"x\":1e}"),
    T("{\"x\":1e+}"),
    T("{\"x\":0x1}"),
    T("{\"x\":1_0}"),
    T("{\"x\":1e309}"),
    T("{\"x\":-1e309}"),
    T("{\"x\":1.0e}"),
    T("{\"x\":1.e5}"),
    T("{\"x\":9223372036854775808}"),
    T("{\"x\":-9223372036854775809}"),
    T("{\"x\":99999999999999999999999999}"),
    T("{\"x\":NaN}"),
    T("{\"x\":nan}"),
    T("{\"x\":Infinity}"),
    T("{\"x\":-Infinity}"),
    T("{\"x\":1\0}"),
    T("{\"x\":1 1}"),
    /* words */
    T("{\"x\":True}"),
    T("{\"x\":tru}"),
    T("{\"x\":truee}"),
    T("{\"x\":nul}"),
    T("{\"x\":undefined}"),
    /* strings */
    T("{\"x\":\"}"),
    T("{\"x\":\"a\n\"}"),
    T("{\"x\":\"\n\"}"),
    T("{\"x\":\"a\t\"}"),
    T("{\"x\":\"a\r\"}"),
    T("{\"x\":\"\x1f\"}"),
    T("{\"x\":\"\0\"}"),
    T("{\"x\0\":1}"),
    T("{\"x\":\"\\u0000\"}"),
    T("{\"\\u0000\":1}"),
    T("{\"x\":\"\\x41\"}"),
    T("{\"x\":\"\\a\"}"),
    T("{\"x\":\"\\0\"}"),
    T("{\"x\":\"\\\0\"}"),
    T("{\"x\":\"\\U0041\"}"),
    T("{\"x\":\"\\u004\"}"),
    T("{\"x\":\"\\u00g0\"}"),
    T("{\"x\":\"\\u-041\"}"),
    T("{\"x\":\"\\"),
    T("{\"x\":\"\\u"),
    T("{\"x\":\"\\u00"),
    T("{\"x\":\"\\ud800\"}"),
    T("{\"x\":\"\\ud800a\"}"),
    T("{\"x\":\"\\ud800\\n\"}"),
    T("{\"x\":\"\\ud800\\ud800\"}"),
    T("{\"x\":\"\\ud800\\u0041\"}"),
    T("{\"x\":\"\\ude00\"}"),
    T("{\"x\":\"\\ud800"),
    T("{\"x\":\"\\ud800\\"),
    T("{\"x\":\"\\ud800\\u"),
    /* UTF-8 */
    T("{\"x\":\"\x80\"}"),
    T("{\"x\":\"\xc3\"}"),
    T("{\"x\":\"\xc3"),
    T("{\"x\":\"\xc0\xaf\"}"),
    T("{\"x\":\"\xc1\xbf\"}"),
    T("{\"x\":\"\xe0\x80\xaf\"}"),
    T("{\"x\":\"\xed\xa0\x80\"}"),
    T("{\"x\":\"\xf0\x80\x80\xaf\"}"),
    T("{\"x\":\"\xf4\x90\x80\x80\"}"),
    T("{\"x\":\"\xf5\x80\x80\x80\"}"),
    T("{\"x\":\"\xff\"}"),
    T("{\"\xff\":1}"),
};

static struct cella_bytes of(const struct row *row) { return cella_bytes(row->text, row->size); }

/* What the library makes of the same text, with the same strictness. */
static json_t *by_library(struct cella_bytes from) {
    return json_loadb((const char *)from.data, from.size, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY,
                      NULL);
}

static void takes_what_is_strict_json(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        CELLA_JSON value = NULL;
        CELLA_JSON as_value = NULL;
        CELLA_JSON library = by_library(of(&good[i]));
        OK(cella_json_object(of(&good[i]), "text", &value));
        OK(cella_json_value(of(&good[i]), "text", &as_value));
        assert_true(json_equal(value, library) && json_equal(as_value, library));
    }
    static const char *const values[] = {"[]", "1", "-1.5", "\"a\"", "true", "null", " [ 1 , 2 ] "};
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        CELLA_JSON value = NULL;
        CELLA_JSON library = by_library(text(values[i]));
        assert_int_equal(code_of(cella_json_object(text(values[i]), "text", &value)),
                         CELLA_ERR_FORMAT);
        assert_null(value);
        OK(cella_json_value(text(values[i]), "text", &value));
        assert_true(json_equal(value, library));
    }
}

static void refuses_what_is_not(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        /* at the end of its memory, so that a byte too far is seen */
        uint8_t *exact = malloc(bad[i].size + 1);
        memcpy(exact, bad[i].text, bad[i].size);
        CELLA_JSON value = NULL;
        if (code_of(cella_json_object(cella_bytes(exact, bad[i].size), "text", &value)) !=
            CELLA_ERR_FORMAT)
            fail_msg("taken: %s", bad[i].text);
        assert_null(value);
        free(exact);
    }
}

static void refuses_every_cut(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        size_t end = good[i].size;
        while (good[i].text[end - 1] != '}') end--;
        for (size_t size = 0; size < end; size++) {
            CELLA_JSON value = NULL;
            assert_int_equal(
                code_of(cella_json_object(cella_bytes(good[i].text, size), "text", &value)),
                CELLA_ERR_FORMAT);
        }
    }
}

/* The library is the measure: the same refused, the same read. Bounded, and the same each time. */
static void agrees_with_the_library(void **state) {
    (void)state;
    static const char letters[] =
        "{}[]\",:\\/bfnrtu0123456789abcdefE+-. \n\t\xc3\xa4\xed\x9f\xf0\xff";
    unsigned seed = 7, taken = 0;
    for (unsigned round = 0; round < 200000; round++) {
        const struct row *row = &good[round % (sizeof(good) / sizeof(good[0]))];
        char changed[256];
        memcpy(changed, row->text, row->size);
        for (unsigned n = 1 + round % 3; n > 0; n--) {
            size_t at = (size_t)rand_r(&seed) % row->size;
            changed[at] = letters[(size_t)rand_r(&seed) % (sizeof(letters) - 1)];
        }
        CELLA_JSON ours = NULL;
        CELLA_JSON library = by_library(cella_bytes(changed, row->size));
        struct cella_result r = cella_json_value(cella_bytes(changed, row->size), "text", &ours);
        bool agree = cella_failed(r) ? !library : library && json_equal(ours, library);
        taken += !cella_failed(r);
        cella_result_drop(r);
        if (!agree) fail_msg("the library differs on: %.*s", (int)row->size, changed);
    }
    assert_true(taken > 1000 && taken < 190000);
}

/* --- Bounds --- */

static void bounds_the_depth(void **state) {
    (void)state;
    static const size_t depths[] = {1, 31, 32, 33, 2048, 2049, 1000000};
    for (size_t i = 0; i < sizeof(depths) / sizeof(depths[0]); i++)
        for (int objects = 0; objects < 2; objects++) {
            CELLA_BUFFER deep = {0};
            CELLA_JSON value = NULL;
            for (size_t d = 0; d < depths[i]; d++)
                OK(cella_buffer_append(&deep, text(objects ? "{\"a\":" : "[")));
            OK(cella_buffer_append(&deep, text("1")));
            for (size_t d = 0; d < depths[i]; d++)
                OK(cella_buffer_append(&deep, text(objects ? "}" : "]")));
            assert_int_equal(code_of(cella_json_value(cella_buffer_bytes(&deep), "text", &value)),
                             depths[i] <= 32 ? CELLA_OK : CELLA_ERR_LIMIT);
        }
}

/* Brackets in strings are letters. */
static void counts_no_depth_in_strings(void **state) {
    (void)state;
    CELLA_JSON value = NULL;
    OK(cella_json_object(text("{\"a\":\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\\\"{{{{\"}"),
                         "text", &value));
}

static void bounds_the_count_of_values(void **state) {
    (void)state;
    static const char *const items[] = {"1", "{}", "[]", "\"\"", "null"};
    for (size_t i = 0; i < sizeof(items) / sizeof(items[0]); i++)
        for (size_t more = 0; more < 2; more++) {
            CELLA_BUFFER many = {0};
            CELLA_JSON value = NULL;
            OK(cella_buffer_append(&many, text("[")));
            for (size_t n = 0; n < CELLA_JSON_VALUES_MAX - 1 + more; n++) {
                if (n) OK(cella_buffer_append(&many, text(",")));
                OK(cella_buffer_append(&many, text(items[i])));
            }
            OK(cella_buffer_append(&many, text("]")));
            assert_int_equal(code_of(cella_json_value(cella_buffer_bytes(&many), "text", &value)),
                             more ? CELLA_ERR_LIMIT : CELLA_OK);
        }
}

/* A body of 4 MiB costs less than a quarter of a second even under the slowest sanitizer. */
static void reads_large_texts_quickly(void **state) {
    (void)state;
    CELLA_BUFFER large = {0};
    uint8_t *at = NULL;
    struct timespec before, after;
    OK(cella_buffer_append(&large, text("{\"quote\":\"")));
    OK(cella_buffer_extend(&large, 4 << 20, &at));
    memset(at, 'A', 4 << 20);
    OK(cella_buffer_append(&large, text("\"}")));
    CELLA_JSON value = NULL;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
    OK(cella_json_object(cella_buffer_bytes(&large), "text", &value));
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
    assert_int_equal(json_string_length(json_object_get(value, "quote")), 4 << 20);
    assert_true((after.tv_sec - before.tv_sec) * 1000 + (after.tv_nsec - before.tv_nsec) / 1000000 <
                250);
}

static void says_where_and_never_what(void **state) {
    (void)state;
    CELLA_JSON value = NULL;
    struct cella_result r =
        cella_json_object(text("{\"user\":\"a\",\n \"secret\":\"hunter2\" x}"), "body", &value);
    assert_true(cella_failed(r));
    assert_non_null(strstr(r.error->what, "body"));
    assert_non_null(strstr(r.error->what, "line 2, column 21"));
    assert_null(strstr(r.error->what, "hunter2"));
    cella_result_drop(r);
}

/* A27 */
static void takes_dates_that_are_integers(void **state) {
    (void)state;
    static const struct {
        const char *text;
        bool good;
        uint64_t value;
    } rows[] = {
        {"{\"exp\":0}", true, 0},
        {"{\"exp\":1700000000}", true, 1700000000},
        {"{\"exp\":9007199254740991}", true, 9007199254740991},
        {"{\"exp\":9007199254740992}", false, 0},
        {"{\"exp\":9223372036854775807}", false, 0},
        {"{\"exp\":-1}", false, 0},
        {"{\"exp\":1.5}", false, 0},
        {"{\"exp\":1700000000.0}", false, 0},
        {"{\"exp\":17e8}", false, 0},
        {"{\"exp\":\"1700000000\"}", false, 0},
        {"{\"exp\":true}", false, 0},
        {"{\"exp\":null}", false, 0},
        {"{\"exp\":[1700000000]}", false, 0},
        {"{\"Exp\":1700000000}", false, 0},
        {"{}", false, 0},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        CELLA_JSON object = NULL;
        uint64_t value = 1;
        OK(cella_json_object(text(rows[i].text), "claims", &object));
        assert_int_equal(cella_json_date(object, "exp", &value), rows[i].good);
        assert_int_equal(value, rows[i].value);
    }
    uint64_t value = 1;
    assert_false(cella_json_date(NULL, "exp", &value));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_what_is_strict_json),
        cmocka_unit_test(refuses_what_is_not),
        cmocka_unit_test(refuses_every_cut),
        cmocka_unit_test(agrees_with_the_library),
        cmocka_unit_test(bounds_the_depth),
        cmocka_unit_test(counts_no_depth_in_strings),
        cmocka_unit_test(bounds_the_count_of_values),
        cmocka_unit_test(reads_large_texts_quickly),
        cmocka_unit_test(says_where_and_never_what),
        cmocka_unit_test(takes_dates_that_are_integers),
    };
    return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}
