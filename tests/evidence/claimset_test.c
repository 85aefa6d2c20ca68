/* Claim sets: typed, bounded, owned; errors stick. And what is shown of them. */
#include "fixture.h"

#include "base/moment.h"
#include "base/text.h"
#include "evidence/claims.h"

static struct cella_claimset *fresh(void) {
    struct cella_claimset *set = NULL;
    OK(cella_claimset_new(&set));
    return set;
}

static void keeps_what_it_is_given(void **state) {
    (void)state;
    struct cella_claimset *set = fresh();
    char name[] = "tee", text[] = "snp";
    uint8_t bytes[] = {1, 2, 0xff};
    cella_claim_text(set, name, text);
    cella_claim_bytes(set, "measurement", CELLA_BYTES_OF(bytes));
    cella_claim_number(set, "svn", UINT64_MAX);
    cella_claim_boolean(set, "debug", true);
    cella_claim_time(set, "issued", NOW);
    cella_claim_bytes(set, "empty", cella_bytes(NULL, 0));
    memset(name, 'x', sizeof(name) - 1);
    memset(text, 'x', sizeof(text) - 1);
    memset(bytes, 0, sizeof(bytes));
    OK(cella_claimset_result(set));
    assert_int_equal(cella_claimset_count(set), 6);
    const struct cella_claim *tee = cella_claimset_find(set, "tee");
    assert_non_null(tee);
    assert_int_equal(tee->type, CELLA_CLAIM_TEXT);
    assert_memory_equal(tee->bytes.data, "snp", 3);
    assert_int_equal(cella_claimset_find(set, "svn")->number, UINT64_MAX);
    assert_memory_equal(cella_claimset_find(set, "measurement")->bytes.data, "\x01\x02\xff", 3);
    assert_null(cella_claimset_find(set, "xxx"));
    assert_null(cella_claimset_at(set, 6));
    cella_claimset_free(&set);
    assert_null(set);
    assert_int_equal(cella_claimset_count(NULL), 0);
    assert_null(cella_claimset_find(NULL, "tee"));
}

/* Large values move to blocks of their own and stay where they are. */
static void views_stay_while_it_grows(void **state) {
    (void)state;
    struct cella_claimset *set = fresh();
    static uint8_t large[CELLA_CLAIM_VALUE_MAX];
    const uint8_t *at[100];
    for (int i = 0; i < 100; i++) {
        char name[16];
        snprintf(name, sizeof(name), "c%d", i);
        memset(large, i, sizeof(large));
        cella_claim_bytes(set, name, cella_bytes(large, (size_t)(i * 600)));
        at[i] = cella_claimset_at(set, (size_t)i)->bytes.data;
    }
    OK(cella_claimset_result(set));
    for (int i = 0; i < 100; i++) {
        const struct cella_claim *claim = cella_claimset_at(set, (size_t)i);
        assert_ptr_equal(claim->bytes.data, at[i]);
        for (size_t b = 0; b < claim->bytes.size; b++) assert_int_equal(claim->bytes.data[b], i);
    }
    cella_claimset_free(&set);
}

/* The first error stays, and nothing is added after it. */
static void sticks(struct cella_claimset *set, enum cella_code code, const char *word) {
    size_t count = cella_claimset_count(set);
    cella_claim_text(set, "later", "x");
    assert_int_equal(cella_claimset_count(set), count);
    struct cella_result r = cella_claimset_result(set);
    assert_int_equal(cella_code_of(r), code);
    assert_non_null(strstr(r.error->what, word));
    cella_result_drop(r);
    cella_claimset_free(&set);
}

static void refuses_beyond_its_bounds(void **state) {
    (void)state;
    static uint8_t large[CELLA_CLAIM_VALUE_MAX + 1];
    char name[CELLA_CLAIM_NAME_MAX + 1];
    struct cella_claimset *set = fresh();
    for (int i = 0; i <= CELLA_CLAIM_MAX; i++) cella_claim_number(set, "n", 1);
    sticks(set, CELLA_ERR_LIMIT, "more than");
    cella_claim_bytes(set = fresh(), "big", CELLA_BYTES_OF(large));
    sticks(set, CELLA_ERR_LIMIT, "big");
    cella_claim_number(set = fresh(), "", 1);
    sticks(set, CELLA_ERR_FORMAT, "name");
    cella_claim_number(set = fresh(), "a b", 1);
    sticks(set, CELLA_ERR_FORMAT, "name");
    cella_claim_number(set = fresh(), "t\xc3\xa9", 1); /* looks like another name to a person */
    sticks(set, CELLA_ERR_FORMAT, "name");
    memset(name, 'n', sizeof(name) - 1);
    name[sizeof(name) - 1] = 0;
    cella_claim_number(set = fresh(), name, 1);
    sticks(set, CELLA_ERR_FORMAT, "name");
    name[CELLA_CLAIM_NAME_MAX - 1] = 0;
    cella_claim_number(set = fresh(), name, 1);
    OK(cella_claimset_result(set));
    cella_claimset_free(&set);
    cella_claim_time(set = fresh(), "late", 253402300800ULL);
    sticks(set, CELLA_ERR_FORMAT, "late");
}

static void text_is_utf8(void **state) {
    (void)state;
    static const char *const good[] = {
        "", "a", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x94\x91", "\xf4\x8f\xbf\xbf", "\t"};
    static const char *const bad[] = {"\x80",
                                      "\xc3",
                                      "\xc0\x80",
                                      "\xe0\x80\x80",
                                      "\xed\xa0\x80",
                                      "\xf4\x90\x80\x80",
                                      "\xf8\x88\x80\x80\x80",
                                      "\xff",
                                      "a\xe2\x82",
                                      "\xf0\x80\x80\x80"};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        struct cella_claimset *set = fresh();
        cella_claim_text(set, "t", good[i]);
        OK(cella_claimset_result(set));
        cella_claimset_free(&set);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct cella_claimset *set = fresh();
        cella_claim_text(set, "t", bad[i]);
        sticks(set, CELLA_ERR_FORMAT, "UTF-8");
    }
}

static void json_nests_and_lists(void **state) {
    (void)state;
    struct cella_claimset *set = fresh();
    cella_claim_text(set, "tee", "sgx");
    cella_claim_number(set, "snp.policy", 5);
    cella_claim_boolean(set, "snp.policy.smt", true);
    cella_claim_boolean(set, "a.b", false);
    cella_claim_number(set, "a", 1); /* after its own part */
    cella_claim_number(set, "large", 1ULL << 53);
    cella_claim_number(set, "exact", (1ULL << 53) - 1);
    cella_claim_list_text(set, "advisories", "one");
    cella_claim_list_text(set, "advisories", "two");
    cella_claim_list_text(set, "alone", "one");
    cella_claim_text(set, "twice", "x");
    cella_claim_text(set, "twice", "y");
    cella_claim_bytes(set, "bytes", cella_bytes("\x01\xAB", 2));
    cella_claim_time(set, "when", 0);
    cella_claim_text(set, ".odd.", "x");
    json_t *json = cella_claimset_json(set);
    char *text = json_dumps(json, JSON_COMPACT);
    assert_string_equal(text, "{\"tee\":\"sgx\",\"snp\":{\"policy\":{\"value\":5,\"smt\":true}},"
                              "\"a\":{\"b\":false,\"value\":1},"
                              "\"large\":\"9007199254740992\",\"exact\":9007199254740991,"
                              "\"advisories\":[\"one\",\"two\"],"
                              "\"alone\":[\"one\"],\"twice\":[\"x\",\"y\"],\"bytes\":\"01ab\","
                              "\"when\":\"1970-01-01T00:00:00Z\",\".odd.\":\"x\"}");
    free(text);
    json_decref(json);
    cella_claimset_free(&set);
}

static void shown_text_is_tame(void **state) {
    (void)state;
    struct cella_claimset *set = fresh();
    char text[16];
    cella_claim_text(set, "t", "a\x1b[31m\n");
    cella_claim_bytes(set, "b", cella_bytes("0123456789", 10));
    cella_claim_show(cella_claimset_at(set, 0), text, sizeof(text));
    assert_string_equal(text, "a?[31m?");
    cella_claim_show(cella_claimset_at(set, 1), text, sizeof(text));
    assert_string_equal(text, "303132333435...");
    cella_claimset_free(&set);
}

static void times_are_strict(void **state) {
    (void)state;
    static const struct {
        const char *text;
        bool good;
        uint64_t unix_s;
    } times[] = {
        {"1970-01-01T00:00:00Z", true, 0},
        {"2026-02-14T00:17:59Z", true, 1771028279},
        {"2025-04-29T10:32:39.691000+00:00", true, 1745922759},
        {"2026-02-14T01:17:59+01:00", true, 1771028279},
        {"2026-02-13T23:47:59-00:30", true, 1771028279},
        {"2024-02-29T00:00:00Z", true, 1709164800},
        {"2023-02-29T00:00:00Z", false, 0},
        {"2026-13-01T00:00:00Z", false, 0},
        {"2026-00-01T00:00:00Z", false, 0},
        {"2026-01-32T00:00:00Z", false, 0},
        {"2026-01-01T24:00:00Z", false, 0},
        {"2026-01-01T00:60:00Z", false, 0},
        {"2026-01-01T00:00:00", false, 0},
        {"2026-01-01T00:00:00.Z", false, 0},
        {"2026-01-01T00:00:00Zx", false, 0},
        {"2026-01-01T00:00:00+1:00", false, 0},
        {"2026-01-01", false, 0},
        {"1969-12-31T23:59:59Z", false, 0},
        {"1970-01-01T00:00:00+01:00", false, 0},
        {"-026-01-01T00:00:00Z", false, 0},
        {"", false, 0},
    };
    for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
        uint64_t found = 1;
        assert_int_equal(cella_time_read(times[i].text, &found), times[i].good);
        if (times[i].good) assert_int_equal(found, times[i].unix_s);
    }
    uint64_t n = 0;
    assert_true(cella_number_read("18446744073709551615", &n) && n == UINT64_MAX);
    assert_false(cella_number_read("18446744073709551616", &n));
    assert_false(cella_number_read("", &n));
    assert_false(cella_number_read("-1", &n));
    assert_false(cella_number_read("1 ", &n));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_what_it_is_given),    cmocka_unit_test(views_stay_while_it_grows),
        cmocka_unit_test(refuses_beyond_its_bounds), cmocka_unit_test(text_is_utf8),
        cmocka_unit_test(json_nests_and_lists),      cmocka_unit_test(shown_text_is_tame),
        cmocka_unit_test(times_are_strict),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
