/* K12: hostile names, each in a name's place of every family: refused before anything is looked up,
 * nothing of them echoed, no file made. */
#include "fixture.h"

#include <dirent.h>

#define V "?api-version=7.4"

/* What names may not hold, alone and beside, between and around good letters. */
static const char *const hostile[] = {
    "..",
    "../x",
    "..%2f",
    "%2e%2e%2fx",
    "%252e%252e",
    "..;/x",
    "..%5c",
    "%c0%ae",
    "\xc0\xae",
    "\xe0\x80\xae",
    "%00",
    "%01",
    "%0a",
    "%0d%0ax:y",
    "\n",
    "\r\nx: y",
    "\t",
    " ",
    "%20",
    "+",
    "_",
    ".",
    ",",
    ";",
    ":",
    "%3a",
    "@",
    "&",
    "=",
    "$",
    "!",
    "*",
    "'",
    "\"",
    "(",
    "[",
    "{",
    "|",
    "\\",
    "^",
    "`",
    "<",
    "~",
    "%",
    "%zz",
    "%u002e",
    "&#46;",
    "' OR 1=1--",
    "\xc3\xa9",
    "\xd0\xb0",
    "\xcc\x81",
    "\xef\xbc\x8f",
    "\xe2\x80\xae",
    "\xe2\x84\xaa",
    "\xff",
    "\xed\xa0\x80",
    "\xf0\x9f\x98\x80",
    "\x7f",
    "\x1b[2J",
    "%s%n",
};
enum { HOSTILE = sizeof(hostile) / sizeof(hostile[0]) };

static int set_up(void **state) {
    *state = rig_new(false);
    return 0;
}
static int tear_down(void **state) {
    rig_free(*state);
    return 0;
}

static size_t files_of(const char *folder) {
    size_t count = 0;
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    while (readdir(dir)) count++;
    closedir(dir);
    return count;
}

/* 400, and an answer of plain letters, whatever was asked. */
static void refused(struct rig *rig, const char *method, const char *path, const char *body) {
    struct cella_http_response answer;
    ask(rig, HOST, rig->token, method, path, body, &answer);
    if (answer.status != 400) fail_msg("%s %s: %d", method, path, answer.status);
    for (size_t i = 0; i < answer.body.size; i++)
        if (answer.body.data[i] < ' ' || answer.body.data[i] > '~')
            fail_msg("%s %s: byte %02x in the answer", method, path, answer.body.data[i]);
    answer_free(&answer);
}

static void refused_everywhere(struct rig *rig, const char *name) {
    static const struct {
        const char *method, *before, *after, *body;
    } calls[] = {
        {"GET", "/keys/", V, NULL},
        {"POST", "/keys/", "/create" V, "{\"kty\":\"EC\"}"},
        {"DELETE", "/deletedkeys/", V, NULL},
        {"PUT", "/secrets/", V, "{\"value\":\"x\"}"},
        {"GET", "/secrets/", "/versions" V, NULL},
        {"POST", "/certificates/", "/create" V, "{\"policy\":{}}"},
    };
    char path[8192];
    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
        snprintf(path, sizeof(path), "%s%s%s", calls[i].before, name, calls[i].after);
        refused(rig, calls[i].method, path, calls[i].body);
    }
}

static void hostile_names(void **state) {
    struct rig *rig = *state;
    static const char *const around[][2] = {{"", ""}, {"a", ""}, {"", "a"}, {"a-", "-9"}};
    size_t before = files_of(rig->folder), names = 0;
    for (size_t i = 0; i < HOSTILE; i++)
        for (size_t j = 0; j < sizeof(around) / sizeof(around[0]); j++) {
            char name[64];
            snprintf(name, sizeof(name), "%s%s%s", around[j][0], hostile[i], around[j][1]);
            refused_everywhere(rig, name);
            names++;
        }
    assert_true(names >= 200);
    assert_int_equal(files_of(rig->folder), before);
    static const char *const families[] = {"/keys" V, "/secrets" V, "/certificates" V};
    for (size_t i = 0; i < 3; i++) {
        json_t *list = call(rig, "GET", families[i], NULL, 200);
        assert_int_equal(json_array_size(json_object_get(list, "value")), 0);
        json_decref(list);
    }
}

static void lengths(void **state) {
    struct rig *rig = *state;
    static const size_t bad[] = {128, 129, 255, 1000, 4000, 5000};
    char name[5001], path[6000];
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        memset(name, 'a', bad[i]);
        name[bad[i]] = 0;
        refused_everywhere(rig, name);
    }
    for (size_t size = 126; size <= 127; size++) {
        memset(name, 'b', size);
        name[size] = 0;
        snprintf(path, sizeof(path), "/secrets/%s" V, name);
        json_decref(call(rig, "PUT", path, "{\"value\":\"x\"}", 200));
        json_decref(call(rig, "GET", path, NULL, 200));
    }
}

/* One thing, however its name is spelled, and by no folding but that of A to Z. */
static void one_name_in_any_case(void **state) {
    struct rig *rig = *state;
    json_decref(call(rig, "PUT", "/secrets/Straw-1" V, "{\"value\":\"x\"}", 200));
    json_t *got = call(rig, "PUT", "/secrets/sTRAW-1" V, "{\"value\":\"y\"}", 200);
    assert_non_null(strstr(at(got, "id"), "/secrets/Straw-1/"));
    json_decref(got);
    json_decref(call(rig, "DELETE", "/secrets/STRAW-1" V, NULL, 200));
    json_decref(call(rig, "GET", "/secrets/Straw-1" V, NULL, 404));
    json_decref(call(rig, "PUT", "/secrets/straw-1" V, "{\"value\":\"x\"}", 409));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(hostile_names, set_up, tear_down),
        cmocka_unit_test_setup_teardown(lengths, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_name_in_any_case, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
