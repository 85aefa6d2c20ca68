/* K21: what is sealed opens in its own place alone. Rows are moved by who can write the store and
 * has no root: between vaults, names, versions and kinds; backups between tenants and kinds. */
#include "fixture.h"
#include "keys.h"

#define V      "?api-version=7.4"
#define SECOND "v2.vault.test:8444"
#define THIRD  "v3.vault.test:8444"
#define ECDSA  "{\"alg\":\"ES256\",\"value\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}"

static int set_up(void **state) {
    struct rig *rig = rig_new(false);
    GOOD(cella_vaults_add(
        rig->vaults, &(struct cella_vault_settings){
                         .name = "v2", .url = "https://" SECOND, .login = rig->settings.login}));
    GOOD(cella_vaults_add(rig->vaults,
                          &(struct cella_vault_settings){.name = "v3",
                                                         .url = "https://" THIRD,
                                                         .login = "https://login.test/other"}));
    for (int i = 2; i <= 3; i++)
        GOOD(cella_access_assign(rig->database, "owner", "Key Vault Administrator",
                                 i == 2 ? "/vault/v2" : "/vault/v3"));
    json_decref(call(rig, "PUT", "/secrets/a" V, "{\"value\":\"canary-a\"}", 200));
    json_decref(call(rig, "PUT", "/secrets/b" V, "{\"value\":\"canary-b\"}", 200));
    json_decref(call(rig, "POST", "/keys/k/create" V, "{\"kty\":\"EC\"}", 200));
    json_decref(call(rig, "POST", "/keys/l/create" V, "{\"kty\":\"EC\"}", 200));
    *state = rig;
    return 0;
}
static int tear_down(void **state) {
    rig_free(*state);
    return 0;
}

static void sql(struct rig *rig, const char *text) {
    CELLA_SESSION session = NULL;
    uint64_t changed = 0;
    GOOD(cella_session_begin(rig->database, true, &session));
    GOOD(cella_execute(session, text, NULL, 0, &changed));
    GOOD(cella_session_commit(&session));
    if (changed == 0) fail_msg("nothing changed: %s", text);
}

/* 500, without a word of what is sealed. */
static void does_not_open(struct rig *rig, const char *host, const char *method, const char *target,
                          const char *body) {
    struct cella_http_response answer;
    ask(rig, host, rig->token, method, target, body, &answer);
    if (answer.status != 500)
        fail_msg("%s%s: %d %.*s", host, target, answer.status, (int)answer.body.size,
                 (const char *)answer.body.data);
    assert_null(memmem(answer.body.data, answer.body.size, "canary", 6));
    answer_free(&answer);
}

#define COLUMNS                                                                                    \
    "version, number, enabled, managed, nbf, expires, created, updated, shown, tags, sealed"
#define MOVED(vault, kind, name, of)                                                               \
    "INSERT INTO vault_version (vault, kind, fold, " COLUMNS ") SELECT '" vault "', " kind         \
    ", '" name "', " COLUMNS " FROM vault_version WHERE " of
#define THING(vault, kind, name, of)                                                               \
    "INSERT INTO vault_thing (vault, kind, fold, name, latest, number, gone, deleted, purge_at) "  \
    "SELECT '" vault "', " kind ", '" name "', '" name                                             \
    "', latest, number, gone, deleted, purge_at FROM vault_thing WHERE " of

/* Whole rows, as a copy into another tenant's vault or under another name. */
static void rows_elsewhere(void **state) {
    struct rig *rig = *state;
    sql(rig, THING("v2", "1", "a", "vault = 'v1' AND kind = 1 AND fold = 'a'"));
    sql(rig, MOVED("v2", "1", "a", "vault = 'v1' AND kind = 1 AND fold = 'a'"));
    does_not_open(rig, SECOND, "GET", "/secrets/a" V, NULL);
    sql(rig, THING("v2", "0", "k", "vault = 'v1' AND kind = 0 AND fold = 'k'"));
    sql(rig, MOVED("v2", "0", "k", "vault = 'v1' AND kind = 0 AND fold = 'k'"));
    does_not_open(rig, SECOND, "POST", "/keys/k/sign" V, ECDSA);
    sql(rig, THING("v1", "1", "z", "vault = 'v1' AND kind = 1 AND fold = 'a'"));
    sql(rig, MOVED("v1", "1", "z", "vault = 'v1' AND kind = 1 AND fold = 'a'"));
    does_not_open(rig, HOST, "GET", "/secrets/z" V, NULL);
    sql(rig, THING("v1", "1", "k", "vault = 'v1' AND kind = 0 AND fold = 'k'")); /* key as secret */
    sql(rig, MOVED("v1", "1", "k", "vault = 'v1' AND kind = 0 AND fold = 'k'"));
    does_not_open(rig, HOST, "GET", "/secrets/k" V, NULL);
    json_decref(call(rig, "GET", "/secrets/a" V, NULL, 200));
    json_decref(call(rig, "POST", "/keys/k/sign" V, ECDSA, 200));
}

/* The sealed bytes alone: of another secret, of an older version, of another key. */
static void bytes_elsewhere(void **state) {
    struct rig *rig = *state;
    sql(rig,
        "UPDATE vault_version SET sealed = (SELECT w.sealed FROM vault_version w WHERE w.vault ="
        " 'v1' AND w.kind = 1 AND w.fold = 'b') WHERE vault = 'v1' AND kind = 1 AND fold = 'a'");
    does_not_open(rig, HOST, "GET", "/secrets/a" V, NULL);
    json_decref(call(rig, "PUT", "/secrets/b" V, "{\"value\":\"canary-new\"}", 200));
    sql(rig,
        "UPDATE vault_version SET sealed = (SELECT w.sealed FROM vault_version w WHERE w.vault ="
        " 'v1' AND w.kind = 1 AND w.fold = 'b' AND w.number = 1)"
        " WHERE vault = 'v1' AND kind = 1 AND fold = 'b' AND number = 2");
    does_not_open(rig, HOST, "GET", "/secrets/b" V, NULL);
    json_decref(call(rig, "POST", "/keys/k/sign" V, ECDSA, 200)); /* its key may be kept by now */
    sql(rig,
        "UPDATE vault_version SET sealed = (SELECT w.sealed FROM vault_version w WHERE w.vault ="
        " 'v1' AND w.kind = 0 AND w.fold = 'l') WHERE vault = 'v1' AND kind = 0 AND fold = 'k'");
    rig_close(rig);
    rig_open(rig);
    does_not_open(rig, HOST, "POST", "/keys/k/sign" V, ECDSA);
}

/* A version that is another's by its name in the store: the older one as if it were the newest. */
static void names_of_versions(void **state) {
    struct rig *rig = *state;
    json_decref(call(rig, "PUT", "/secrets/a" V, "{\"value\":\"canary-new\"}", 200));
    sql(rig, "UPDATE vault_version SET version = 'ffffffffffffffffffffffffffffffff' WHERE vault ="
             " 'v1' AND kind = 1 AND fold = 'a' AND number = 2");
    sql(rig,
        "UPDATE vault_version SET version = (SELECT latest FROM vault_thing WHERE vault = 'v1'"
        " AND kind = 1 AND fold = 'a') WHERE vault = 'v1' AND kind = 1 AND fold = 'a' AND number"
        " = 1");
    does_not_open(rig, HOST, "GET", "/secrets/a" V, NULL);
}

static void restored(struct rig *rig, const char *host, const char *plural, const char *backup,
                     int status) {
    static char body[65536];
    char target[64];
    int found = 0;
    snprintf(body, sizeof(body), "{\"value\":\"%s\"}", backup);
    snprintf(target, sizeof(target), "/%s/restore" V, plural);
    json_decref(call_at(rig, host, rig->token, "POST", target, body, &found));
    if (found != status) fail_msg("%s%s: %d", host, target, found);
}

/* Into a vault of the same tenant, where it is then sealed for that place, and into no other. */
static void backups_elsewhere(void **state) {
    struct rig *rig = *state;
    int status = 0;
    json_t *secret = call(rig, "POST", "/secrets/a/backup" V, NULL, 200);
    json_t *key = call(rig, "POST", "/keys/k/backup" V, NULL, 200);
    restored(rig, HOST, "secrets", at(secret, "value"), 409);
    restored(rig, THIRD, "secrets", at(secret, "value"), 400);
    restored(rig, THIRD, "keys", at(key, "value"), 400);
    restored(rig, SECOND, "keys", at(secret, "value"), 400);
    restored(rig, SECOND, "secrets", at(key, "value"), 400);
    restored(rig, SECOND, "certificates", at(key, "value"), 400);
    restored(rig, SECOND, "secrets", at(secret, "value"), 200);
    restored(rig, SECOND, "keys", at(key, "value"), 200);
    json_decref(key);
    json_decref(secret);
    json_t *got = call_at(rig, SECOND, rig->token, "GET", "/secrets/a" V, NULL, &status);
    assert_string_equal(at(got, "value"), "canary-a");
    json_decref(got);
    sql(rig,
        "UPDATE vault_version SET sealed = (SELECT w.sealed FROM vault_version w WHERE w.vault ="
        " 'v1' AND w.kind = 1 AND w.fold = 'a') WHERE vault = 'v2' AND kind = 1 AND fold = 'a'");
    does_not_open(rig, SECOND, "GET", "/secrets/a" V, NULL);
}

/* --- Release policies --- */

static void policy_of(int svn, bool immutable, char *out, size_t size) {
    char text[512], data[700];
    snprintf(text, sizeof(text),
             "{\"version\":\"1.0.0\",\"anyOf\":[{\"authority\":\"" AUTHORITY
             "\",\"allOf\":[{\"claim\":\"svn\",\"greaterOrEquals\":%d}]}]}",
             svn);
    base64url(cella_bytes_text(text), data, sizeof(data));
    snprintf(out, size, "{\"data\":\"%s\",\"immutable\":%s}", data, immutable ? "true" : "false");
}

static void exportable(struct rig *rig, const char *name, int svn, bool immutable) {
    char policy[1024], body[2048], target[64];
    policy_of(svn, immutable, policy, sizeof(policy));
    snprintf(target, sizeof(target), "/keys/%s/create" V, name);
    snprintf(body, sizeof(body),
             "{\"kty\":\"EC-HSM\",\"attributes\":{\"exportable\":true},\"release_policy\":%s}",
             policy);
    json_decref(call(rig, "POST", target, body, 200));
}

/* The body of a release to an enclave of svn 1. */
static const char *release_body(struct rig *rig) {
    static char token[4096], body[5000];
    json_int_t now = (json_int_t)time(NULL);
    json_t *jwk = cella_jose_key_members(rig->login);
    json_object_update_new(jwk, json_pack("{s:s, s:[s]}", "kid", "mine", "key_ops", "encrypt"));
    sign_token(rig->attest, "attest",
               json_pack("{s:s, s:I, s:I, s:i, s:{s:[o]}}", "iss", AUTHORITY, "iat", now, "exp",
                         now + 600, "svn", 1, "x-ms-runtime", "keys", jwk),
               token, sizeof(token));
    snprintf(body, sizeof(body), "{\"target\":\"%s\"}", token);
    return body;
}

#define SET(name, what)                                                                            \
    "UPDATE vault_version SET shown = json_set(shown, " what                                       \
    ") WHERE vault = 'v1' AND kind = 0 AND fold = '" name "'"
#define WEAK                                                                                       \
    "'$.release_policy', json((SELECT json_extract(w.shown, '$.release_policy') FROM"              \
    " vault_version w WHERE w.vault = 'v1' AND w.kind = 0 AND w.fold = 'weak'))"

/* K04: who writes another policy into the store, or the flag, or takes immutability away, has a key
 * that does not open: what it may be released to is sealed with it. */
static void policies_elsewhere(void **state) {
    struct rig *rig = *state;
    char policy[1024], body[2048];
    exportable(rig, "weak", 1, false);
    exportable(rig, "strong", 2, false);
    exportable(rig, "fixed", 2, true);
    json_decref(call(rig, "POST", "/keys/weak/release" V, release_body(rig), 200));
    json_decref(call(rig, "POST", "/keys/strong/release" V, release_body(rig), 403));
    json_decref(call(rig, "POST", "/keys/k/release" V, release_body(rig), 403));
    sql(rig, SET("strong", WEAK));
    does_not_open(rig, HOST, "POST", "/keys/strong/release" V, release_body(rig));
    sql(rig, SET("k", WEAK ", '$.exportable', json('true')"));
    does_not_open(rig, HOST, "POST", "/keys/k/release" V, release_body(rig));
    sql(rig, SET("fixed", "'$.release_policy.immutable', json('false')"));
    policy_of(1, false, policy, sizeof(policy));
    snprintf(body, sizeof(body), "{\"release_policy\":%s}", policy);
    does_not_open(rig, HOST, "PATCH", "/keys/fixed" V, body);
    /* and who may changes it */
    exportable(rig, "mine", 2, false);
    json_decref(call(rig, "POST", "/keys/mine/release" V, release_body(rig), 403));
    json_decref(call(rig, "PATCH", "/keys/mine" V, body, 200));
    json_decref(call(rig, "POST", "/keys/mine/release" V, release_body(rig), 200));
    rig_close(rig);
    rig_open(rig);
    json_decref(call(rig, "POST", "/keys/mine/release" V, release_body(rig), 200));
    json_t *backup = call(rig, "POST", "/keys/mine/backup" V, NULL, 200);
    json_decref(call(rig, "DELETE", "/keys/mine" V, NULL, 200));
    json_decref(call(rig, "DELETE", "/deletedkeys/mine" V, NULL, 204));
    restored(rig, HOST, "keys", at(backup, "value"), 200);
    json_decref(backup);
    json_decref(call(rig, "POST", "/keys/mine/release" V, release_body(rig), 200));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(rows_elsewhere, set_up, tear_down),
        cmocka_unit_test_setup_teardown(bytes_elsewhere, set_up, tear_down),
        cmocka_unit_test_setup_teardown(names_of_versions, set_up, tear_down),
        cmocka_unit_test_setup_teardown(backups_elsewhere, set_up, tear_down),
        cmocka_unit_test_setup_teardown(policies_elsewhere, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
