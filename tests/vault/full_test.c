/* K22: what can't be written to the audit log, or to the store, is not done: refused with one
 * answer, with nothing of a secret in it, and nothing is changed. */
#include "audit/audit.h"
#include "fixture.h"
#include "keys.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#define V     "?api-version=7.4"
#define ECDSA "{\"alg\":\"ES256\",\"value\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}"

static int set_up(void **state) {
    struct rig *rig = rig_new(false);
    signal(SIGXFSZ, SIG_IGN);
    json_decref(call(rig, "POST", "/keys/k/create" V, "{\"kty\":\"EC\"}", 200));
    json_decref(call(rig, "PUT", "/keys/k/rotationpolicy" V,
                     "{\"lifetimeActions\":[{\"trigger\":{\"timeAfterCreate\":\"P7D\"},\"action\":{"
                     "\"type\":\"Rotate\"}}]}",
                     200));
    json_decref(call(rig, "POST", "/keys/d/create" V, "{\"kty\":\"EC\"}", 200));
    json_decref(call(rig, "DELETE", "/keys/d" V, NULL, 200));
    json_decref(call(rig, "PUT", "/secrets/s" V, "{\"value\":\"very secret\"}", 200));
    *state = rig;
    return 0;
}
static void limit_files(rlim_t size) {
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = size;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}
static int tear_down(void **state) {
    limit_files(RLIM_INFINITY);
    rig_free(*state);
    return 0;
}

static rlim_t size_of(const struct rig *rig, const char *name) {
    char path[128];
    struct stat found;
    snprintf(path, sizeof(path), "%s/%s", rig->folder, name);
    assert_int_equal(stat(path, &found), 0);
    return (rlim_t)found.st_size;
}

/* What changes the vault. */
static const struct {
    const char *method, *target, *body;
} changes[] = {
    {"POST", "/keys/new/create" V, "{\"kty\":\"EC\"}"},
    {"POST", "/keys/k/create" V, "{\"kty\":\"EC\"}"},
    {"POST", "/keys/k/rotate" V, ""},
    {"PATCH", "/keys/k" V, "{\"tags\":{\"a\":\"b\"}}"},
    {"PUT", "/keys/k/rotationpolicy" V, "{}"},
    {"DELETE", "/keys/k" V, NULL},
    {"POST", "/deletedkeys/d/recover" V, NULL},
    {"DELETE", "/deletedkeys/d" V, NULL},
    {"PUT", "/secrets/s" V, "{\"value\":\"another secret\"}"},
    {"PATCH", "/secrets/s" V, "{\"tags\":{\"a\":\"b\"}}"},
    {"DELETE", "/secrets/s" V, NULL},
    {"POST", "/certificates/c/create" V,
     "{\"policy\":{\"key_props\":{\"kty\":\"EC\",\"crv\":\"P-256\"},\"x509_props\":{\"subject\":"
     "\"CN=a\"},\"issuer\":{\"name\":\"Self\"}}}"},
    {"PUT", "/certificates/contacts" V, "{\"contacts\":[{\"email\":\"a@b.example\"}]}"},
};
/* What gives something away; and reading, which is to be written too. */
static const struct {
    const char *method, *target, *body;
} uses[] = {
    {"GET", "/secrets/s" V, NULL},
    {"POST", "/keys/k/sign" V, ECDSA},
    {"POST", "/keys/k/backup" V, NULL},
    {"POST", "/secrets/s/backup" V, NULL},
    {"POST", "/keys/k/release" V, "{\"target\":\"x\"}"}, /* refused, which is to be written too */
    {"GET", "/keys" V, NULL},
    {"GET", "/keys/k" V, NULL},
    {"GET", "/keys/missing" V, NULL},
    {"GET", "/nothing" V, NULL},
};

/* 503 as one JSON object that says so, and no more. */
static void unavailable(struct rig *rig, const char *token, const char *method, const char *target,
                        const char *body) {
    struct cella_http_response answer;
    ask(rig, HOST, token, method, target, body, &answer);
    if (answer.status != 503)
        fail_msg("%s %s: %d %.*s", method, target, answer.status, (int)answer.body.size,
                 (const char *)answer.body.data);
    CELLA_JSON reply = json_loadb((const char *)answer.body.data, answer.body.size, 0, NULL);
    if (!reply)
        fail_msg("%s %s: not JSON: %.*s", method, target, (int)answer.body.size,
                 (const char *)answer.body.data);
    assert_string_equal(at(reply, "error.code"), "ServiceUnavailable");
    assert_int_equal(json_object_size(reply), 1);
    answer_free(&answer);
}

static void changes_are_refused(struct rig *rig) {
    for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++)
        unavailable(rig, rig->token, changes[i].method, changes[i].target, changes[i].body);
}

/* All is as set_up left it. */
static void nothing_changed(struct rig *rig) {
    json_t *list = call(rig, "GET", "/keys" V, NULL, 200);
    assert_int_equal(json_array_size(json_object_get(list, "value")), 1);
    json_decref(list);
    list = call(rig, "GET", "/keys/k/versions" V, NULL, 200);
    assert_int_equal(json_array_size(json_object_get(list, "value")), 1);
    assert_null(at(json_array_get(json_object_get(list, "value"), 0), "tags.a"));
    json_decref(list);
    json_decref(call(rig, "GET", "/deletedkeys/d" V, NULL, 200));
    json_decref(call(rig, "GET", "/keys/new" V, NULL, 404));
    json_decref(call(rig, "GET", "/certificates/c" V, NULL, 404));
    json_decref(call(rig, "GET", "/certificates/contacts" V, NULL, 404));
    list = call(rig, "GET", "/secrets/s/versions" V, NULL, 200);
    assert_int_equal(json_array_size(json_object_get(list, "value")), 1);
    json_decref(list);
    list = call(rig, "GET", "/keys/k/rotationpolicy" V, NULL, 200);
    assert_int_equal(json_array_size(json_object_get(list, "lifetimeActions")), 1);
    json_decref(list);
}

static void works_again(struct rig *rig) {
    json_t *secret = call(rig, "GET", "/secrets/s" V, NULL, 200);
    assert_string_equal(at(secret, "value"), "very secret");
    json_decref(secret);
    json_decref(call(rig, "POST", "/keys/k/sign" V, ECDSA, 200));
    for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
        int status = 0;
        if (strcmp(changes[i].method, "DELETE") == 0) continue;
        json_decref(call_as(rig, rig->token, changes[i].method, changes[i].target, changes[i].body,
                            &status));
        if (status / 100 != 2) fail_msg("%s %s: %d", changes[i].method, changes[i].target, status);
    }
}

static void the_log_holds(struct rig *rig) {
    static const uint8_t audit_key[32] = {1};
    struct cella_audit_verdict verdict;
    char path[128];
    snprintf(path, sizeof(path), "%s/audit.log", rig->folder);
    GOOD(cella_audit_verify(path, CELLA_BYTES_OF(audit_key), &verdict));
    if (verdict.broken_line) fail_msg("line %d: %s", (int)verdict.broken_line, verdict.why);
}

/* The log is the largest file by far, and ends where files may. */
static void a_log_that_is_full(void **state) {
    struct rig *rig = *state;
    char token[2048];
    for (int i = 0; i < 6000; i++) {
        CELLA_JSON line = json_pack("{s:s, s:i}", "action", "filling", "number", i);
        GOOD(cella_audit_append(rig->audit, line));
    }
    login_token(rig, "stranger", token, sizeof(token));
    assert_true(size_of(rig, "audit.log") > 1 << 20);
    assert_true(size_of(rig, "cella.db-wal") < 1 << 19);
    limit_files(size_of(rig, "audit.log") + 20);
    changes_are_refused(rig);
    for (size_t i = 0; i < sizeof(uses) / sizeof(uses[0]); i++)
        unavailable(rig, rig->token, uses[i].method, uses[i].target, uses[i].body);
    unavailable(rig, token, "GET", "/secrets/s" V, NULL); /* a refusal is to be written too */
    struct cella_result result = cella_vaults_tend(rig->vaults, (uint64_t)time(NULL) + 100 * 86400);
    assert_true(cella_failed(result)); /* the rotation and the purge that were due */
    cella_result_drop(result);
    limit_files(RLIM_INFINITY);
    nothing_changed(rig);
    works_again(rig);
    the_log_holds(rig);
}

/* A reader that stays keeps SQLite from using its log of changes again: it is the largest file. */
static void a_store_that_is_full(void **state) {
    struct rig *rig = *state;
    static char body[26000];
    char path[128];
    CELLA_DATABASE other = NULL;
    CELLA_SESSION session = NULL;
    snprintf(path, sizeof(path), "%s/cella.db", rig->folder);
    GOOD(cella_database_open(path, &other));
    GOOD(cella_session_begin(other, false, &session));
    snprintf(body, sizeof(body), "{\"value\":\"%025000d\"}", 0);
    for (int i = 0; i < 10; i++) json_decref(call(rig, "PUT", "/secrets/fill" V, body, 200));
    assert_true(size_of(rig, "cella.db-wal") > 1 << 17);
    assert_true(size_of(rig, "audit.log") < 1 << 16);
    limit_files(size_of(rig, "cella.db-wal"));
    changes_are_refused(rig);
    limit_files(size_of(rig, "cella.db-wal"));
    nothing_changed(rig);
    json_t *secret = call(rig, "GET", "/secrets/s" V, NULL, 200); /* what only reads goes on */
    assert_string_equal(at(secret, "value"), "very secret");
    json_decref(secret);
    limit_files(RLIM_INFINITY);
    nothing_changed(rig);
    works_again(rig);
    the_log_holds(rig);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_log_that_is_full, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_store_that_is_full, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
