/* K27: who may not gets one answer, byte for byte, whether the thing is there, was never, is
 * deleted, disabled or another kind; and nothing is told by the order in which things are checked.
 */
#include "fixture.h"

#define V "?api-version=7.4"
enum { NAME = 8 };
/* All of one length; the last is not there. */
static const char *const names[] = {"thereabc", "disabled", "deletedx", "managedc", "missingx"};
enum { NAMES = sizeof(names) / sizeof(names[0]) };

static const struct {
    const char *method, *path, *rest; /* name and query between and behind */
} routes[] = {
    {"GET", "/keys/", ""},
    {"GET", "/keys/", "/versions"},
    {"GET", "/keys/", "/00000000000000000000000000000000"},
    {"GET", "/keys/", "/rotationpolicy"},
    {"PUT", "/keys/", "/rotationpolicy"},
    {"GET", "/keys/", "/attestation"},
    {"POST", "/keys/", "/create"},
    {"PUT", "/keys/", ""},
    {"PATCH", "/keys/", ""},
    {"DELETE", "/keys/", ""},
    {"POST", "/keys/", "/rotate"},
    {"POST", "/keys/", "/backup"},
    {"POST", "/keys/", "/sign"},
    {"POST", "/keys/", "/decrypt"},
    {"POST", "/keys/", "/unwrapkey"},
    {"POST", "/keys/", "/release"},
    {"GET", "/deletedkeys/", ""},
    {"DELETE", "/deletedkeys/", ""},
    {"POST", "/deletedkeys/", "/recover"},
    {"GET", "/secrets/", ""},
    {"GET", "/secrets/", "/versions"},
    {"PUT", "/secrets/", ""},
    {"PATCH", "/secrets/", ""},
    {"DELETE", "/secrets/", ""},
    {"POST", "/secrets/", "/backup"},
    {"GET", "/deletedsecrets/", ""},
    {"DELETE", "/deletedsecrets/", ""},
    {"POST", "/deletedsecrets/", "/recover"},
    {"GET", "/certificates/", ""},
    {"GET", "/certificates/", "/policy"},
    {"GET", "/certificates/", "/pending"},
    {"POST", "/certificates/", "/create"},
    {"PATCH", "/certificates/", ""},
    {"DELETE", "/certificates/", ""},
    {"GET", "/deletedcertificates/", ""},
    {"DELETE", "/deletedcertificates/", ""},
};

static int set_up(void **state) {
    struct rig *rig = rig_new(false);
    json_decref(call(rig, "POST", "/keys/thereabc/create" V, "{\"kty\":\"EC\"}", 200));
    json_decref(call(rig, "POST", "/keys/disabled/create" V,
                     "{\"kty\":\"EC\",\"attributes\":{\"enabled\":false}}", 200));
    json_decref(call(rig, "POST", "/keys/deletedx/create" V, "{\"kty\":\"EC\"}", 200));
    json_decref(call(rig, "DELETE", "/keys/deletedx" V, NULL, 200));
    json_decref(call(rig, "PUT", "/secrets/thereabc" V, "{\"value\":\"x\"}", 200));
    json_decref(call(rig, "PUT", "/secrets/deletedx" V, "{\"value\":\"x\"}", 200));
    json_decref(call(rig, "DELETE", "/secrets/deletedx" V, NULL, 200));
    json_decref(call(rig, "POST", "/certificates/managedc/create" V,
                     "{\"policy\":{\"key_props\":{\"kty\":\"EC\",\"crv\":\"P-256\"},\"x509_props\":"
                     "{\"subject\":\"CN=a\"},\"issuer\":{\"name\":\"Self\"}}}",
                     202));
    *state = rig;
    return 0;
}
static int tear_down(void **state) {
    rig_free(*state);
    return 0;
}

/* The answer as bytes: status, headers, body, with the asked name taken out. */
static void answer_text(struct rig *rig, const char *token, size_t route, const char *name,
                        const char *body, char *out, size_t size) {
    struct cella_http_response answer;
    char target[256];
    snprintf(target, sizeof(target), "%s%s%s" V, routes[route].path, name, routes[route].rest);
    ask(rig, HOST, token, routes[route].method, target, body, &answer);
    int used = snprintf(out, size, "%d\n", answer.status);
    for (size_t i = 0; i < answer.header_count; i++)
        used += snprintf(out + used, size - (size_t)used, "%s: %s\n", answer.header[i].name,
                         answer.header[i].value);
    snprintf(out + used, size - (size_t)used, "\n%.*s", (int)answer.body.size,
             (const char *)answer.body.data);
    for (char *found; (found = strstr(out, name));) memset(found, '#', NAME);
    answer_free(&answer);
}

static void one_answer(struct rig *rig, const char *token, int status, const char *what) {
    static const char *const bodies[] = {"", "{}", "{\"kty\":\"EC\"}", "not json"};
    static char first[8192], other[8192];
    for (size_t route = 0; route < sizeof(routes) / sizeof(routes[0]); route++) {
        answer_text(rig, token, route, names[0], bodies[0], first, sizeof(first));
        if (atoi(first) != status) fail_msg("%s: %s", what, first);
        for (size_t i = 0; i < 4 * NAMES; i++) {
            answer_text(rig, token, route, names[i / 4], bodies[i % 4], other, sizeof(other));
            if (strcmp(first, other) != 0)
                fail_msg("%s: %s %s%s%s:\n%s\nagainst\n%s", what, routes[route].method,
                         routes[route].path, names[i / 4], routes[route].rest, first, other);
        }
    }
}

static void strangers_learn_nothing(void **state) {
    struct rig *rig = *state;
    char token[2048];
    login_token(rig, "stranger", token, sizeof(token));
    one_answer(rig, token, 403, "no role");
    one_answer(rig, NULL, 401, "no token");
    one_answer(rig, "Bearer x.y.z", 401, "no token that holds");
}

/* A role elsewhere tells no more. */
static void neighbours_learn_nothing(void **state) {
    struct rig *rig = *state;
    static const char *const scopes[] = {"/vault/v1/keys/another", "/vault/v1/keys/there",
                                         "/vault/v1/keys/thereabcd", "/vault/v", "/vault/v2"};
    char token[2048], caller[32];
    for (size_t i = 0; i < sizeof(scopes) / sizeof(scopes[0]); i++) {
        snprintf(caller, sizeof(caller), "neighbour%zu", i);
        login_token(rig, caller, token, sizeof(token));
        GOOD(cella_access_assign(rig->database, caller, "Key Vault Administrator", scopes[i]));
        one_answer(rig, token, 403, scopes[i]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strangers_learn_nothing),
        cmocka_unit_test(neighbours_learn_nothing),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
