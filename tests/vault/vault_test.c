/* The vault's API, call by call, from the challenge to the audit log. */
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

static void error_is(json_t *reply, const char *code, const char *inner) {
    assert_string_equal(at(reply, "error.code"), code);
    if (inner) assert_string_equal(at(reply, "error.innererror.code"), inner);
    json_decref(reply);
}

static void challenge_comes_before_all_else(void **state) {
    struct rig *rig = *state;
    int status = 0;
    json_t *reply = call_as(rig, NULL, "POST", "/keys/k1/create" V, "", &status);
    assert_int_equal(status, 401);
    error_is(reply, "Unauthorized", NULL);
    reply = call_as(rig, "Bearer nonsense", "GET", "/keys/../../x", NULL, &status);
    assert_int_equal(status, 401);
    error_is(reply, "Unauthorized", NULL);
}

static void roles_decide(void **state) {
    struct rig *rig = *state;
    char token[2048];
    int status = 0;
    login_token(rig, "stranger", token, sizeof(token));
    json_t *there, *missing;
    json_decref(call(rig, "POST", "/keys/k1/create" V, "{\"kty\":\"EC\"}", 200));
    there = call_as(rig, token, "GET", "/keys/k1" V, NULL, &status);
    assert_int_equal(status, 403);
    missing = call_as(rig, token, "GET", "/keys/k2" V, NULL, &status);
    assert_int_equal(status, 403);
    /* K27: the same but for the name that was asked for */
    assert_string_equal(at(there, "error.innererror.code"), "ForbiddenByRbac");
    assert_string_equal(at(missing, "error.innererror.code"), "ForbiddenByRbac");
    json_decref(there);
    json_decref(missing);
    GOOD(cella_access_assign(rig->database, "stranger", "Key Vault Crypto User",
                             "/vault/v1/keys/k1"));
    json_decref(call_as(rig, token, "GET", "/keys/k1" V, NULL, &status));
    assert_int_equal(status, 200);
    json_decref(call_as(rig, token, "GET", "/keys/k2" V, NULL, &status));
    assert_int_equal(status, 403);
    json_decref(call_as(rig, token, "DELETE", "/keys/k1" V, NULL, &status));
    assert_int_equal(status, 403);
}

static void key_life(void **state) {
    struct rig *rig = *state;
    json_t *made = call(rig, "POST", "/keys/K-1/create?api%2Dversion=2025-07-01",
                        "{\"kty\":\"RSA\",\"tags\":{\"a\":\"b\"},\"managed\":true}", 200);
    const char *kid = at(made, "key.kid");
    assert_memory_equal(kid, "https://" HOST "/keys/K-1/", strlen("https://" HOST "/keys/K-1/"));
    assert_null(json_object_get(made, "managed")); /* K14 */
    assert_null(json_object_get(json_object_get(made, "key"), "d"));
    json_t *got = call(rig, "GET", "/keys/k-1/" V, NULL, 200);
    assert_string_equal(at(got, "key.kid"), kid);
    assert_string_equal(at(got, "tags.a"), "b");
    json_decref(got);
    json_decref(call(rig, "POST", "/keys/k-1/create" V, "{\"kty\":\"RSA\"}", 200));
    json_t *list = call(rig, "GET", "/keys/k-1/versions" V, NULL, 200);
    assert_int_equal(json_array_size(json_object_get(list, "value")), 2);
    json_decref(list);
    list = call(rig, "GET", "/keys" V, NULL, 200);
    assert_int_equal(json_array_size(json_object_get(list, "value")), 1);
    assert_string_equal(at(json_array_get(json_object_get(list, "value"), 0), "kid"),
                        "https://" HOST "/keys/K-1");
    json_decref(list);
    json_t *gone = call(rig, "DELETE", "/keys/k-1" V, NULL, 200);
    assert_string_equal(at(gone, "recoveryId"), "https://" HOST "/deletedkeys/K-1");
    json_decref(gone);
    error_is(call(rig, "GET", "/keys/k-1" V, NULL, 404), "KeyNotFound", NULL);
    error_is(call(rig, "POST", "/keys/k-1/create" V, "{\"kty\":\"EC\"}", 409), "Conflict",
             "ObjectIsDeletedButRecoverable");
    json_decref(call(rig, "POST", "/deletedkeys/k-1/recover" V, NULL, 200));
    json_decref(call(rig, "GET", "/keys/k-1" V, NULL, 200));
    json_decref(call(rig, "DELETE", "/keys/k-1" V, NULL, 200));
    json_decref(call(rig, "DELETE", "/deletedkeys/k-1" V, NULL, 204));
    error_is(call(rig, "GET", "/deletedkeys/k-1" V, NULL, 404), "KeyNotFound", NULL);
    json_decref(made);
}

static void signs_and_decrypts(void **state) {
    struct rig *rig = *state;
    char body[1024];
    json_decref(call(rig, "POST", "/keys/r/create" V, "{\"kty\":\"RSA\"}", 200));
    json_t *made =
        call(rig, "POST", "/keys/r//sign" V,
             "{\"alg\":\"RS256\",\"value\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}", 200);
    snprintf(body, sizeof(body),
             "{\"alg\":\"RS256\",\"digest\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\","
             "\"value\":\"%s\"}",
             at(made, "value"));
    json_t *verified = call(rig, "POST", "/keys/r/verify" V, body, 200);
    assert_true(json_is_true(json_object_get(verified, "value")));
    json_decref(verified);
    json_decref(made);
    made = call(rig, "POST", "/keys/r/wrapKey" V,
                "{\"alg\":\"RSA-OAEP-256\",\"value\":\"c2VjcmV0\"}", 200);
    snprintf(body, sizeof(body), "{\"alg\":\"RSA-OAEP-256\",\"value\":\"%s\"}", at(made, "value"));
    json_t *opened = call(rig, "POST", "/keys/r/unwrapkey" V, body, 200);
    assert_string_equal(at(opened, "value"), "c2VjcmV0");
    json_decref(opened);
    json_decref(made);
    json_decref(call(rig, "PATCH", "/keys/r" V, "{\"key_ops\":[\"verify\"]}", 200)); /* K09 */
    error_is(call(rig, "POST", "/keys/r/unwrapkey" V, body, 403), "Forbidden",
             "KeyOperationForbidden");
    json_decref(call(rig, "PATCH", "/keys/r" V, "{\"attributes\":{\"enabled\":false}}", 200));
    error_is(call(rig, "POST", "/keys/r/verify" V,
                  "{\"alg\":\"RS256\",\"digest\":\"AA\",\"value\":\"AA\"}", 403),
             "Forbidden", "KeyDisabled");
}

/* K26: nothing is a message too. */
static void empty_messages(void **state) {
    struct rig *rig = *state;
    char body[1024];
    json_decref(call(rig, "POST", "/keys/r/create" V, "{\"kty\":\"RSA\"}", 200));
    json_t *made =
        call(rig, "POST", "/keys/r/encrypt" V, "{\"alg\":\"RSA-OAEP\",\"value\":\"\"}", 200);
    snprintf(body, sizeof(body), "{\"alg\":\"RSA-OAEP\",\"value\":\"%s\"}", at(made, "value"));
    json_t *opened = call(rig, "POST", "/keys/r/decrypt" V, body, 200);
    assert_string_equal(at(opened, "value"), "");
    json_decref(opened);
    json_decref(made);
}

/* What stands in a policy becomes entries of a certificate, and nothing that OpenSSL reads
 * otherwise. */
static void hostile_policies(void **state) {
    struct rig *rig = *state;
    static const char *const props[] = {
        "\"ekus\":[\"@section\"]",           "\"ekus\":[\"1.2.3,critical\"]",
        "\"ekus\":[\"no such usage\"]",      "\"sans\":{\"dns_names\":[\"a,IP:10.0.0.1\"]}",
        "\"sans\":{\"dns_names\":[\"@a\"]}", "\"sans\":{\"ipAddresses\":[\"nowhere\"]}",
        "\"sans\":{\"dirName\":[\"x\"]}",    "\"key_usage\":[\"everything\"]",
        "\"subject\":\"no name\"",           "\"validity_months\":0",
        "\"validity_months\":1000",
    };
    char body[512];
    for (size_t i = 0; i < sizeof(props) / sizeof(props[0]); i++) {
        snprintf(body, sizeof(body),
                 "{\"policy\":{\"x509_props\":{\"subject\":\"CN=a\",%s},\"issuer\":{\"name\":"
                 "\"Self\"}}}",
                 props[i]);
        if (strncmp(props[i], "\"subject\"", 9) == 0)
            snprintf(body, sizeof(body), "{\"policy\":{\"x509_props\":{%s}}}", props[i]);
        json_decref(call(rig, "POST", "/certificates/c/create" V, body, 400));
    }
    json_decref(call(rig, "GET", "/certificates/c" V, NULL, 404));
}

static void contacts_life(void **state) {
    struct rig *rig = *state;
    static const char path[] = "/certificates/contacts" V;
    json_decref(call(rig, "GET", path, NULL, 404));
    json_decref(call(rig, "PUT", path, "{\"contacts\":{}}", 400));
    json_decref(call(rig, "PUT", path, "{\"contacts\":[{\"email\":\"a@b.example\"}]}", 200));
    json_t *got = call(rig, "GET", path, NULL, 200);
    assert_int_equal(json_array_size(json_object_get(got, "contacts")), 1);
    json_decref(got);
    json_decref(call(rig, "DELETE", path, NULL, 200));
    json_decref(call(rig, "GET", path, NULL, 404));
}

static void secret_life(void **state) {
    struct rig *rig = *state;
    json_t *set = call(rig, "PUT", "/secrets/s1" V,
                       "{\"value\":\"hush\",\"contentType\":\"text/plain\"}", 200);
    assert_string_equal(at(set, "value"), "hush");
    json_decref(set);
    json_t *got = call(rig, "GET", "/secrets/s1/" V, NULL, 200);
    assert_string_equal(at(got, "value"), "hush");
    json_decref(got);
    json_decref(call(rig, "PUT", "/secrets/empty" V, "{\"value\":\"\"}", 200));
    got = call(rig, "GET", "/secrets/empty" V, NULL, 200);
    assert_string_equal(at(got, "value"), "");
    json_decref(got);
    json_t *list = call(rig, "GET", "/secrets?maxresults=1&api-version=7.4", NULL, 200);
    assert_int_equal(json_array_size(json_object_get(list, "value")), 1);
    assert_null(at(json_array_get(json_object_get(list, "value"), 0), "value"));
    char next[1024];
    snprintf(next, sizeof(next), "%s", at(list, "nextLink") + strlen("https://" HOST));
    json_decref(list);
    list = call(rig, "GET", next, NULL, 200);
    assert_int_equal(json_array_size(json_object_get(list, "value")), 1);
    assert_true(json_is_null(json_object_get(list, "nextLink")));
    json_decref(list);
    next[strlen(next) - 3] ^= 1; /* K13 */
    error_is(call(rig, "GET", next, NULL, 400), "BadParameter", NULL);
    json_decref(call(rig, "PATCH", "/secrets/s1" V, "{\"attributes\":{\"enabled\":false}}", 200));
    json_t *refused = call(rig, "GET", "/secrets/s1" V, NULL, 403);
    assert_string_equal(at(refused, "error.message"),
                        "Operation get is not allowed on a disabled secret.");
    json_decref(refused);
}

static void backup_and_restore(void **state) {
    struct rig *rig = *state;
    char body[65536];
    json_decref(call(rig, "PUT", "/secrets/b" V, "{\"value\":\"one\"}", 200));
    json_decref(call(rig, "PUT", "/secrets/b" V, "{\"value\":\"two\"}", 200));
    json_t *backup = call(rig, "POST", "/secrets/b/backup" V, NULL, 200);
    snprintf(body, sizeof(body), "{\"value\":\"%s\"}", at(backup, "value"));
    json_decref(backup);
    error_is(call(rig, "POST", "/secrets/restore" V, body, 409), "Conflict", NULL);
    json_decref(call(rig, "DELETE", "/secrets/b" V, NULL, 200));
    json_decref(call(rig, "DELETE", "/deletedsecrets/b" V, NULL, 204));
    json_decref(call(rig, "POST", "/secrets/restore" V, body, 200));
    json_t *got = call(rig, "GET", "/secrets/b" V, NULL, 200);
    assert_string_equal(at(got, "value"), "two");
    json_decref(got);
    error_is(call(rig, "POST", "/keys/restore" V, body, 400), "BadParameter", NULL);
    body[200] ^= 1;
    error_is(call(rig, "POST", "/secrets/restore" V, body, 400), "BadParameter", NULL);
}

static void certificate_life(void **state) {
    struct rig *rig = *state;
    json_t *op =
        call(rig, "POST", "/certificates/c1/create" V,
             "{\"policy\":{\"key_props\":{},\"secret_props\":{},\"x509_props\":{\"subject\":"
             "\"cn=MyCert\",\"sans\":{}},\"issuer\":{\"name\":\"Self\"},\"attributes\":{}},"
             "\"attributes\":{}}",
             202);
    assert_string_equal(at(op, "status"), "completed");
    json_decref(op);
    json_t *cert = call(rig, "GET", "/certificates/c1/" V, NULL, 200);
    assert_non_null(at(cert, "cer"));
    assert_string_equal(at(cert, "policy.x509_props.subject"), "cn=MyCert");
    json_t *secret = call(rig, "GET", "/secrets/c1" V, NULL, 200);
    assert_string_equal(at(secret, "contentType"), "application/x-pkcs12");
    char body[16384];
    snprintf(body, sizeof(body), "{\"value\":\"%s\",\"pwd\":\"\"}", at(secret, "value"));
    json_decref(secret);
    json_t *again = call(rig, "POST", "/certificates/c2/import" V, body, 200);
    assert_string_equal(at(again, "x5t"), at(cert, "x5t"));
    json_decref(again);
    json_decref(cert);
    json_decref(call(rig, "GET", "/keys/c1" V, NULL, 200));
    error_is(call(rig, "DELETE", "/keys/c1" V, NULL, 403), "Forbidden", NULL);
    json_decref(call(rig, "DELETE", "/certificates/c1" V, NULL, 200));
    error_is(call(rig, "GET", "/keys/c1" V, NULL, 404), "KeyNotFound", NULL);
    json_decref(call(rig, "POST", "/deletedcertificates/c1/recover" V, NULL, 200));
    json_decref(call(rig, "GET", "/secrets/c1" V, NULL, 200));
}

static void hostile_names(void **state) {
    struct rig *rig = *state;
    static const char *const targets[] = {"/keys/a_b" V,      "/keys/a%2e" V,  "/keys/.." V,
                                          "/keys/%00" V,      "/keys/a%2fb" V, "/keys/a b" V,
                                          "/keys/\xc3\xa9" V, "/keys/a;b" V,   "/keys/..%2f..%2f" V,
                                          "/keys/a\\b" V};
    for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) /* K12 */
        json_decref(call(rig, "GET", targets[i], NULL, 400));
    json_decref(call(rig, "GET", "/keys/k1", NULL, 400));
    json_decref(call(rig, "GET", "/keys/k1?api-version=1.0", NULL, 400));
    json_decref(call(rig, "BREW", "/keys/k1" V, NULL, 404));
    json_decref(call(rig, "GET", "/nothing" V, NULL, 404));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(challenge_comes_before_all_else, set_up, tear_down),
        cmocka_unit_test_setup_teardown(roles_decide, set_up, tear_down),
        cmocka_unit_test_setup_teardown(key_life, set_up, tear_down),
        cmocka_unit_test_setup_teardown(signs_and_decrypts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(empty_messages, set_up, tear_down),
        cmocka_unit_test_setup_teardown(hostile_policies, set_up, tear_down),
        cmocka_unit_test_setup_teardown(contacts_life, set_up, tear_down),
        cmocka_unit_test_setup_teardown(secret_life, set_up, tear_down),
        cmocka_unit_test_setup_teardown(backup_and_restore, set_up, tear_down),
        cmocka_unit_test_setup_teardown(certificate_life, set_up, tear_down),
        cmocka_unit_test_setup_teardown(hostile_names, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
