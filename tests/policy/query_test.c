#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "policy/query.h"

static const char json[] =
    "{\"a\":1,\"b\":{\"c\":[{\"n\":\"x\",\"v\":3},{\"n\":\"y\",\"v\":1},{\"n\":\"z\"}]},\"l\":[0,1,"
    "2,3,4,5],\"s\":\"h\\u00e9llo\",\"m\":[[1,2],[3],4],"
    "\"e\":[],\"t\":true,\"w\":\"\\\\windows\\\\x.sys\"}";

/* The result as JSON; "parse: why" or "run: why". For the caller to free. */
static char *ask(const char *query) {
    struct cella_arena arena;
    const char *failed = NULL;
    size_t at = 0;
    uint64_t steps = 0;
    char *out = NULL;
    cella_arena_begin(&arena, CELLA_POLICY_MEMORY_MAX);
    struct cella_query_run run = {.arena = &arena, .steps = &steps};
    const struct cella_document *on = cella_document_read(&arena, cella_bytes_text(json), &failed,
                                                          &at),
                                *found = NULL;
    assert_non_null(on);
    const struct cella_query *q =
        cella_query_compile(&arena, cella_bytes_text(query), &failed, &at);
    if (q) found = cella_query_run(q, on, &run);
    if (!q)
        assert_true(asprintf(&out, "parse: %s", failed) > 0);
    else if (!found)
        assert_true(asprintf(&out, "run: %s", run.failed) > 0);
    else {
        struct cella_bytes text = cella_document_write(&arena, found);
        out = strndup((const char *)text.data, text.size);
    }
    cella_arena_free(&arena);
    return out;
}

static void test_results(void **state) {
    (void)state;
    static const char *const rows[][2] = {
        {"a", "1"},
        {"b.c[0].n", "\"x\""},
        {"b.c[-1].n", "\"z\""},
        {"b.c[9]", "null"},
        {"none.at.all", "null"},
        {"\"a\"", "1"},
        {"b.c[*].v", "[3,1]"},
        {"b.c[].n", "[\"x\",\"y\",\"z\"]"},
        {"m[]", "[1,2,3,4]"},
        {"m[][]", "[1,2,3,4]"},
        {"l[1:3]", "[1,2]"},
        {"l[::-2]", "[5,3,1]"},
        {"l[-2:]", "[4,5]"},
        {"b.*", "[[{\"n\":\"x\",\"v\":3},{\"n\":\"y\",\"v\":1},{\"n\":\"z\"}]]"},
        {"b.c[?v > `1`].n", "[\"x\"]"},
        {"b.c[?v].n | [0]", "\"x\""},
        {"b.c[? n == 'y' || (v == `3` && n == 'x')].n", "[\"x\",\"y\"]"},
        {"b.c[?v != `null`] | length(@) == `2` && @[0].n == 'x'", "true"},
        {"b.c[?!v].n", "[\"z\"]"},
        {"b.c[0].{name: n, \"deep value\": v}", "{\"name\":\"x\",\"deep value\":3}"},
        {"[a, t]", "[1,true]"},
        {"e || a", "1"},
        {"e && a", "[]"},
        {"!e", "true"},
        {"a == '1'", "false"},
        {"a == `1.0`", "true"},
        {"s < 'x'", "null"},
        {"a < `2`", "true"},
        {"length(s)", "5"},
        {"reverse(s)", "\"ollé"
                       "h\""},
        {"length(l)", "6"},
        {"sum(l)", "15"},
        {"avg(e)", "null"},
        {"max(l)", "5"},
        {"sort_by(b.c[:2], &v)[0].n", "\"y\""},
        {"max_by(b.c[:2], &v).n", "\"x\""},
        {"map(&n, b.c)", "[\"x\",\"y\",\"z\"]"},
        {"join('-', b.c[*].n)", "\"x-y-z\""},
        {"keys(b)", "[\"c\"]"},
        {"type(l)", "\"array\""},
        {"to_string(l)", "\"[0,1,2,3,4,5]\""},
        {"to_number('12')", "12"},
        {"to_number('x')", "null"},
        {"contains(l, `3`)", "true"},
        {"contains(s, 'll')", "true"},
        {"contains(l, '3')", "false"},
        {"starts_with(s, 'h')", "true"},
        {"ends_with(s, 'lo')", "true"},
        {"not_null(none, a)", "1"},
        {"merge(b, `{\"x\": 1}`).x", "1"},
        {"ceil(`1.2`)", "2"},
        {"floor(`-1.2`)", "-2"},
        {"abs(`-3`)", "3"},
        {"to_array(a)", "[1]"},
        {"values(b)[0][0].v", "3"},
        {"sort(`[3,1,2]`)", "[1,2,3]"},
        {"sort(`[\"b\",\"a\"]`)", "[\"a\",\"b\"]"},
        {"min(`[\"b\",\"a\"]`)", "\"a\""},
        {"equals_ignore_case(s, 'H\u00e9LLO')", "true"},
        {"equals_ignore_case(s, 'hello')", "false"},
        {"equals_ignore_case(none, none)", "false"},
        {"equals_ignore_case(w, '\\WINDOWS\\x.SYS')", "true"},
        {"'it\\'s'", "\"it's\""},
        {"`\"tick \\` in\"`", "\"tick ` in\""},
        {"b.c | @[?v] | [1].n", "\"y\""},
        {"@.a", "1"},
        {"*.c[0].n", "[\"x\"]"},
        {"b.c[*].[n, v]", "[[\"x\",3],[\"y\",1],[\"z\",null]]"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char *found = ask(rows[i][0]);
        if (strcmp(found, rows[i][1]) != 0) print_error("%s: %s\n", rows[i][0], found);
        assert_string_equal(found, rows[i][1]);
        free(found);
    }
}

static void test_refusals(void **state) {
    (void)state;
    static const char *const rows[][2] = {
        {"", "parse: "},
        {" ", "parse: "},
        {"a.", "parse: "},
        {".a", "parse: "},
        {"a b", "parse: "},
        {"a[", "parse: "},
        {"a]", "parse: "},
        {"a = b", "parse: "},
        {"a[?b]c", "parse: "},
        {"[a", "parse: "},
        {"{a: b", "parse: "},
        {"{a b}", "parse: "},
        {"'a", "parse: "},
        {"\"a", "parse: "},
        {"`{`", "parse: "},
        {"`1", "parse: "},
        {"(a", "parse: "},
        {"a)", "parse: "},
        {"f(a)", "parse: "},
        {"length()", "parse: "},
        {"length(a, b)", "parse: "},
        {"a[1:2:0]", "parse: "},
        {"a[1:2:3:4]", "parse: "},
        {"a[99999999999999999999]", "parse: "},
        {"a || ", "parse: "},
        {"&", "parse: "},
        {"#", "parse: "},
        {"\"length\"(a)", "parse: "},
        {"a.'b'", "parse: "},
        {"[*", "parse: "},
        {"a[b]", "parse: "},
        {"\xff", "parse: "},
        {"b.c[? v == 3]", "parse: "},
        {"length(a)", "run: "},
        {"sum(m)", "run: "},
        {"keys(l)", "run: "},
        {"join('-', l)", "run: "},
        {"sort(m)", "run: "},
        {"abs(s)", "run: "},
        {"sort_by(b.c, &v)", "run: "},
        {"max(`[1,\"a\"]`)", "run: "},
        {"starts_with(a, 'x')", "run: "},
        {"map(n, b.c)", "run: "},
        {"merge(a, b)", "run: "},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char *found = ask(rows[i][0]);
        if (strncmp(found, rows[i][1], strlen(rows[i][1])) != 0)
            print_error("%s: %s\n", rows[i][0], found);
        assert_int_equal(strncmp(found, rows[i][1], strlen(rows[i][1])), 0);
        free(found);
    }
}

enum { SMALL_STACK = 256 << 10 };

/* Nested and long queries, which must end soon, and on the stack of a thread that has little (A29).
 */
static void *ask_deep(void *unused) {
    (void)unused;
    static const char *const parts[] = {"(",    "[",   "!",  "{a:", "a[?",   "length(",
                                        "&",    "a.[", "a|", "a.",  "a||",   "a[*].",
                                        "@[]|", "[[",  "*.", "a==", "[@,@]|"};
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
        for (size_t count = 1; count <= 4096; count *= 8) {
            size_t part = strlen(parts[i]);
            char *query = malloc(count * part + 2);
            assert_non_null(query);
            for (size_t k = 0; k < count; k++) memcpy(query + k * part, parts[i], part);
            memcpy(query + count * part, "a", 2);
            free(ask(query));
            free(query);
        }
    char *found = ask("a || a || a || a || a || a || a || a || a || a || a || a || a || a || a || "
                      "a || a || a || a || a || a || a || a || a");
    assert_string_equal(found, "1");
    free(found);
    return NULL;
}

static void test_depth(void **state) {
    (void)state;
    pthread_attr_t attributes;
    pthread_t thread;
    assert_int_equal(pthread_attr_init(&attributes), 0);
    assert_int_equal(pthread_attr_setstacksize(&attributes, SMALL_STACK), 0);
    assert_int_equal(pthread_create(&thread, &attributes, ask_deep, NULL), 0);
    pthread_join(thread, NULL);
    pthread_attr_destroy(&attributes);
}

static void test_documents(void **state) { /* A29 */
    (void)state;
    static const char *const good[][2] = {
        {" [ 1 , 2.50 , -0 , 1e2 , true , null ] ", "[1,2.5,0,100.0,true,null]"},
        {"\"\\u0041\\ud83d\\ude00\\n\\u0000\"", "\"A\xf0\x9f\x98\x80\\n\\u0000\""},
        {"{\"b\":1,\"a\":{}}", "{\"b\":1,\"a\":{}}"},
        {"-9223372036854775808", "-9223372036854775808"},
        {"\"\\/\"", "\"/\""},
        {"0.1", "0.1"}};
    static const char *const bad[] = {"",
                                      "{",
                                      "[1,]",
                                      "{\"a\"}",
                                      "{\"a\":1,}",
                                      "01",
                                      "1.",
                                      ".5",
                                      "-",
                                      "+1",
                                      "1e",
                                      "NaN",
                                      "tru",
                                      "\"",
                                      "\"\\x\"",
                                      "\"\\u12\"",
                                      "\"\\ud800\"",
                                      "\"\\udc00\"",
                                      "\"\\ud800\\u0041\"",
                                      "\"\x01\"",
                                      "\"\xc0\x80\"",
                                      "\"\xed\xa0\x80\"",
                                      "[1] 2",
                                      "9223372036854775808",
                                      "1e999",
                                      "{\"a\":1,\"a\":1}",
                                      "{\"a\":1,\"\\u0061\":1}",
                                      "/**/1",
                                      "'a'",
                                      "\xef\xbb\xbf[1]"};
    struct cella_arena arena;
    const char *failed = NULL;
    size_t at = 0;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        cella_arena_begin(&arena, CELLA_POLICY_MEMORY_MAX);
        const struct cella_document *d =
            cella_document_read(&arena, cella_bytes_text(good[i][0]), &failed, &at);
        assert_non_null(d);
        struct cella_bytes text = cella_document_write(&arena, d);
        assert_int_equal(text.size, strlen(good[i][1]));
        assert_memory_equal(text.data, good[i][1], text.size);
        cella_arena_free(&arena);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        cella_arena_begin(&arena, CELLA_POLICY_MEMORY_MAX);
        if (cella_document_read(&arena, cella_bytes_text(bad[i]), &failed, &at))
            fail_msg("accepted: %s", bad[i]);
        assert_non_null(failed);
        cella_arena_free(&arena);
    }
}

/* 10^6 brackets, 10^5 keys. */
static void test_large_documents(void **state) {
    (void)state;
    enum { DEEP = 1000000, KEYS = 100000 };
    struct cella_arena arena;
    const char *failed = NULL;
    size_t at = 0, size = 0;
    char *deep = malloc(DEEP), *keys = malloc(KEYS * 16);
    assert_true(deep && keys);
    memset(deep, '[', DEEP);
    cella_arena_begin(&arena, CELLA_POLICY_MEMORY_MAX);
    assert_null(cella_document_read(&arena, cella_bytes(deep, DEEP), &failed, &at));
    cella_arena_free(&arena);
    for (int i = 0; i < KEYS; i++)
        size += (size_t)snprintf(keys + size, 16, "%s\"k%d\":1", i ? "," : "{", i);
    keys[size++] = '}';
    cella_arena_begin(&arena, CELLA_POLICY_MEMORY_MAX);
    assert_non_null(cella_document_read(&arena, cella_bytes(keys, size), &failed, &at));
    cella_arena_free(&arena);
    free(deep);
    free(keys);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_results),         cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_depth),           cmocka_unit_test(test_documents),
        cmocka_unit_test(test_large_documents),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
