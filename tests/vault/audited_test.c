/* Every answer to a known caller is a line of the audit log, written before it (K22): lists, what
 * is read, what is refused, and what is no path at all. */
#include "fixture.h"

#define V "?api-version=7.4"

static int set_up(void **state) {
    *state = rig_new(false);
    return 0;
}
static int tear_down(void **state) {
    rig_free(*state);
    return 0;
}

static uint64_t lines(struct rig *rig) {
    uint64_t count = 0, size = 0;
    cella_audit_end(rig->audit, &count, &size);
    return count;
}

/* The newest line; new. */
static json_t *newest(struct rig *rig) {
    char path[128], line[8192], last[8192] = "";
    snprintf(path, sizeof(path), "%s/audit.log", rig->folder);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    while (fgets(line, sizeof(line), file)) memcpy(last, line, sizeof(last));
    fclose(file);
    json_t *record = json_loads(last, 0, NULL);
    assert_non_null(record);
    return record;
}

static const struct {
    const char *method, *target, *body;
    int status;
    const char *verdict, *why; /* of the last line; why NULL: none */
} rows[] = {
    {"POST", "/keys/k1/create" V, "{\"kty\":\"RSA\"}", 200, "ok", NULL},
    {"PUT", "/secrets/s1" V, "{\"value\":\"hush\"}", 200, "ok", NULL},
    {"GET", "/keys" V, NULL, 200, "ok", NULL},
    {"GET", "/keys/k1" V, NULL, 200, "ok", NULL},
    {"GET", "/keys/k1/versions" V, NULL, 200, "ok", NULL},
    {"GET", "/keys/k1/rotationpolicy" V, NULL, 200, "ok", NULL},
    {"GET", "/deletedkeys" V, NULL, 200, "ok", NULL},
    {"GET", "/secrets" V, NULL, 200, "ok", NULL},
    {"GET", "/secrets/s1" V, NULL, 200, "ok", NULL},
    {"GET", "/secrets/s1/versions" V, NULL, 200, "ok", NULL},
    {"GET", "/certificates" V, NULL, 200, "ok", NULL},
    {"GET", "/certificates/issuers" V, NULL, 200, "ok", NULL},
    {"POST", "/rng" V, "{\"count\":8}", 200, "ok", NULL},
    {"GET", "/keys/missing" V, NULL, 404, "refused", "KeyNotFound"},
    {"DELETE", "/keys/missing" V, NULL, 404, "refused", "KeyNotFound"},
    {"POST", "/keys/k1/sign" V, "{\"alg\":\"none\"}", 400, "refused", "BadParameter"},
    {"POST", "/keys/k2/create" V, "{", 400, "refused", "BadParameter"},
    {"GET", "/keys" V "&$skiptoken=AAAA", NULL, 400, "refused", "BadParameter"},
    {"GET", "/keys?maxresults=0&api-version=7.4", NULL, 400, "refused", "BadParameter"},
    {"GET", "/keys", NULL, 400, "refused", "BadParameter"},
    {"GET", "/nothing" V, NULL, 404, "refused", "NotFound"},
    {"BREW", "/keys/k1" V, NULL, 404, "refused", "NotFound"},
    {"GET", "/keys/a_b" V, NULL, 400, "refused", "BadParameter"},
    {"GET", "/keys/%00" V, NULL, 400, "refused", "BadParameter"},
    {"GET", "/keys/\xff\xc3\x28" V, NULL, 400, "refused", "BadParameter"}, /* no UTF-8 */
};

static void every_answer_is_a_line(void **state) {
    struct rig *rig = *state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint64_t before = lines(rig);
        json_decref(call(rig, rows[i].method, rows[i].target, rows[i].body, rows[i].status));
        if (lines(rig) != before + 1)
            fail_msg("%s %s: %d lines", rows[i].method, rows[i].target, (int)(lines(rig) - before));
        json_t *record = newest(rig);
        const char *why = at(record, "why");
        assert_string_equal(at(record, "who"), "owner");
        assert_string_equal(at(record, "verdict"), rows[i].verdict);
        if (rows[i].why) assert_string_equal(why ? why : "none", rows[i].why);
        assert_memory_equal(at(record, "object"), "https://" HOST, strlen("https://" HOST));
        assert_null(strstr(at(record, "object"), "hush")); /* K11 */
        json_decref(record);
    }
}

static void lists_say_what_was_listed(void **state) {
    struct rig *rig = *state;
    json_decref(call(rig, "GET", "//secrets/" V "&maxresults=3", NULL, 200));
    json_t *record = newest(rig);
    assert_string_equal(at(record, "action"),
                        "Microsoft.KeyVault/vaults/secrets/readMetadata/action");
    assert_string_equal(at(record, "object"), "https://" HOST "/secrets");
    assert_int_equal(json_integer_value(json_object_get(record, "status")), 200);
    json_decref(record);
}

static void a_role_that_is_missing(void **state) {
    struct rig *rig = *state;
    char token[2048];
    int status = 0;
    uint64_t before = lines(rig);
    login_token(rig, "stranger", token, sizeof(token));
    json_decref(call_as(rig, token, "GET", "/keys" V, NULL, &status));
    assert_int_equal(status, 403);
    assert_int_equal(lines(rig), before + 1);
    json_t *record = newest(rig);
    assert_string_equal(at(record, "who"), "stranger");
    assert_string_equal(at(record, "verdict"), "refused");
    json_decref(record);
}

/* Who is nobody, and who asks too much, fills no log. */
static void not_everything_is_a_line(void **state) {
    struct rig *rig = *state;
    int status = 0, over = 0;
    uint64_t before = lines(rig);
    json_decref(call_as(rig, NULL, "GET", "/keys" V, NULL, &status));
    json_decref(call_as(rig, "Bearer x", "GET", "/keys" V, NULL, &status));
    assert_int_equal(status, 401);
    assert_int_equal(lines(rig), before);
    cella_vaults_free(&rig->vaults);
    rig->settings.rate = 5;
    rig_serve(rig);
    for (int i = 0; i < 40; i++) {
        json_decref(call_as(rig, rig->token, "GET", "/nothing" V, NULL, &status));
        over += status == 429;
    }
    assert_true(over > 0);
    assert_int_equal(lines(rig), before + 40 - (uint64_t)over);
}

/* What can't be written is not answered, be it only a list. */
static void no_line_no_answer(void **state) {
    struct rig *rig = *state;
    char path[128], away[128];
    int status = 0;
    static const char *const targets[] = {"/keys" V, "/keys/k1" V, "/keys/missing" V, "/x" V};
    json_decref(call(rig, "POST", "/keys/k1/create" V, "{\"kty\":\"RSA\"}", 200));
    snprintf(path, sizeof(path), "%s/audit.log", rig->folder);
    snprintf(away, sizeof(away), "%s/away.log", rig->folder);
    assert_int_equal(rename(path, away), 0);
    for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
        json_t *reply = call_as(rig, rig->token, "GET", targets[i], NULL, &status);
        assert_int_equal(status, 503);
        assert_string_equal(at(reply, "error.code"), "ServiceUnavailable");
        assert_null(json_object_get(reply, "value"));
        assert_null(json_object_get(reply, "key"));
        json_decref(reply);
    }
    assert_int_equal(rename(away, path), 0);
    json_decref(call(rig, "GET", "/keys" V, NULL, 200));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(every_answer_is_a_line), TEST(lists_say_what_was_listed),
        TEST(a_role_that_is_missing), TEST(not_everything_is_a_line),
        TEST(no_line_no_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
