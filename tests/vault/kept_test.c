/* Nothing that is kept between requests outlives a change, whoever made it: a vault that another
 * process, here another vault over the same store, changes between two requests. */
#include "fixture.h"

#define V "?api-version=7.4"

static const char sign[] =
    "{\"alg\":\"ES256\",\"value\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}";

struct pair {
    struct rig *rig;
    struct cella_vaults *first, *second;
    struct cella_database *own, *others;
};

static int set_up(void **state) {
    struct pair *pair = calloc(1, sizeof(*pair));
    char path[128];
    pair->rig = rig_new(false);
    pair->own = pair->rig->database;
    pair->first = pair->rig->vaults;
    snprintf(path, sizeof(path), "%s/cella.db", pair->rig->folder);
    GOOD(cella_database_open(path, &pair->others));
    pair->rig->database = pair->others;
    rig_serve(pair->rig);
    pair->second = pair->rig->vaults;
    *state = pair;
    return 0;
}

static int tear_down(void **state) {
    struct pair *pair = *state;
    cella_vaults_free(&pair->second);
    cella_database_close(&pair->others);
    pair->rig->vaults = pair->first;
    pair->rig->database = pair->own;
    rig_free(pair->rig);
    free(pair);
    return 0;
}

/* Asked of the first, with a token. */
static int status_of(struct pair *pair, const char *token, const char *method, const char *target,
                     const char *body) {
    int status = 0;
    pair->rig->vaults = pair->first;
    json_decref(call_as(pair->rig, token, method, target, body, &status));
    return status;
}
/* Changed by the second, as the owner. */
static void change(struct pair *pair, const char *method, const char *target, const char *body,
                   int status) {
    pair->rig->vaults = pair->second;
    json_decref(call(pair->rig, method, target, body, status));
}
#define FIRST(method, target, body, status)                                                        \
    for (int i_ = 0; i_ < 2; i_++) /* the second time by what was kept */                          \
    assert_int_equal(status_of(pair, pair->rig->token, method, target, body), status)

static void a_key_that_is_disabled(void **state) {
    struct pair *pair = *state;
    change(pair, "POST", "/keys/k/create" V, "{\"kty\":\"EC\"}", 200);
    for (int i = 0; i < 3; i++) {
        FIRST("POST", "/keys/k/sign" V, sign, 200);
        change(pair, "PATCH", "/keys/k" V, "{\"attributes\":{\"enabled\":false}}", 200);
        FIRST("POST", "/keys/k/sign" V, sign, 403);
        change(pair, "PATCH", "/keys/k" V, "{\"attributes\":{\"enabled\":true}}", 200);
    }
    change(pair, "PATCH", "/keys/k" V, "{\"key_ops\":[\"verify\"]}", 200);
    FIRST("POST", "/keys/k/sign" V, sign, 403);
    change(pair, "PATCH", "/keys/k" V, "{\"key_ops\":[\"sign\"],\"attributes\":{\"exp\":1}}", 200);
    FIRST("POST", "/keys/k/sign" V, sign, 403);
}

static void a_key_that_is_deleted_and_purged(void **state) {
    struct pair *pair = *state;
    change(pair, "POST", "/keys/k/create" V, "{\"kty\":\"EC\"}", 200);
    FIRST("GET", "/keys/k" V, NULL, 200);
    FIRST("POST", "/keys/k/sign" V, sign, 200);
    change(pair, "DELETE", "/keys/k" V, NULL, 200);
    FIRST("GET", "/keys/k" V, NULL, 404);
    FIRST("POST", "/keys/k/sign" V, sign, 404);
    FIRST("GET", "/deletedkeys/k" V, NULL, 200);
    change(pair, "POST", "/deletedkeys/k/recover" V, "", 200);
    FIRST("POST", "/keys/k/sign" V, sign, 200);
    change(pair, "DELETE", "/keys/k" V, NULL, 200);
    change(pair, "DELETE", "/deletedkeys/k" V, NULL, 204);
    FIRST("GET", "/deletedkeys/k" V, NULL, 404);
    FIRST("POST", "/keys/k/sign" V, sign, 404);
}

static void a_key_that_is_rotated(void **state) {
    struct pair *pair = *state;
    char first[128], target[192];
    int status = 0;
    change(pair, "POST", "/keys/k/create" V, "{\"kty\":\"EC\"}", 200);
    for (int i = 0; i < 3; i++) {
        pair->rig->vaults = pair->first;
        json_t *before = call(pair->rig, "GET", "/keys/k" V, NULL, 200);
        snprintf(first, sizeof(first), "%s", strrchr(at(before, "key.kid"), '/') + 1);
        json_decref(before);
        change(pair, "POST", "/keys/k/rotate" V, "", 200);
        pair->rig->vaults = pair->first;
        json_t *after = call_as(pair->rig, pair->rig->token, "GET", "/keys/k" V, NULL, &status);
        assert_string_not_equal(strrchr(at(after, "key.kid"), '/') + 1, first);
        json_decref(after);
        snprintf(target, sizeof(target), "/keys/k/%s/sign" V, first);
        FIRST("POST", target, sign, 200); /* an older version is used by its name */
    }
}

static void a_secret_that_is_replaced(void **state) {
    struct pair *pair = *state;
    char body[64], value[32];
    for (int i = 0; i < 5; i++) {
        snprintf(value, sizeof(value), "value %d", i);
        snprintf(body, sizeof(body), "{\"value\":\"%s\"}", value);
        change(pair, "PUT", "/secrets/s" V, body, 200);
        for (int j = 0; j < 2; j++) {
            pair->rig->vaults = pair->first;
            json_t *got = call(pair->rig, "GET", "/secrets/s" V, NULL, 200);
            assert_string_equal(at(got, "value"), value);
            json_decref(got);
        }
    }
    change(pair, "PATCH", "/secrets/s" V, "{\"attributes\":{\"enabled\":false}}", 200);
    FIRST("GET", "/secrets/s" V, NULL, 403);
}

static void a_role_that_is_taken_away(void **state) {
    struct pair *pair = *state;
    char token[2048];
    login_token(pair->rig, "guest", token, sizeof(token));
    change(pair, "POST", "/keys/k/create" V, "{\"kty\":\"EC\"}", 200);
    for (int i = 0; i < 3; i++) {
        for (int j = 0; j < 2; j++)
            assert_int_equal(status_of(pair, token, "POST", "/keys/k/sign" V, sign), 403);
        GOOD(cella_access_assign(pair->others, "guest", "Key Vault Crypto User", "/vault/v1"));
        for (int j = 0; j < 2; j++)
            assert_int_equal(status_of(pair, token, "POST", "/keys/k/sign" V, sign), 200);
        assert_int_equal(status_of(pair, token, "DELETE", "/keys/k" V, NULL), 403);
        GOOD(cella_access_revoke(pair->others, "guest", "Key Vault Crypto User", "/vault/v1"));
    }
    assert_int_equal(status_of(pair, token, "GET", "/keys/k" V, NULL), 403);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_key_that_is_disabled, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_key_that_is_deleted_and_purged, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_key_that_is_rotated, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_secret_that_is_replaced, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_role_that_is_taken_away, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
