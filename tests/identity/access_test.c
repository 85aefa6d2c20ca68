/* Roles and assignments: what is allowed, and everything that is not. */
#include <time.h>

#include "stand.h"

#define KEYS_READ "Microsoft.KeyVault/vaults/keys/read"
#define ME        "0a0a0a0a-0000-4000-8000-00000000000a"

static struct cella_caller caller_of(const char *object) {
    struct cella_caller caller = {.known = true, .own = true, .issuer = URL "/" TENANT "/"};
    snprintf(caller.object, sizeof(caller.object), "%s", object);
    return caller;
}

static bool allows_caller(struct stand *s, const struct cella_caller *caller, const char *action,
                          const char *scope) {
    bool allowed = true;
    GOOD(cella_access_allows(s->database, caller, action, scope, &allowed));
    return allowed;
}

static bool allows(struct stand *s, const char *object, const char *action, const char *scope) {
    struct cella_caller caller = caller_of(object);
    return allows_caller(s, &caller, action, scope);
}

static void test_deny_by_default(void **state) {
    struct stand *s = *state;
    const struct cella_caller nobody = {.known = false};
    assert_false(allows(s, ME, KEYS_READ, "/vault/v1"));
    GOOD(cella_access_assign(s->database, ME, "Key Vault Reader", "/"));
    assert_true(allows(s, ME, KEYS_READ, "/vault/v1"));
    assert_false(allows(s, "0a0a0a0a-0000-4000-8000-00000000000b", KEYS_READ, "/vault/v1"));
    assert_false(allows(s, "", KEYS_READ, "/vault/v1"));
    assert_false(allows_caller(s, &nobody, KEYS_READ, "/vault/v1"));
    struct cella_caller unknown = caller_of(ME);
    unknown.known = false; /* whatever else it says */
    assert_false(allows_caller(s, &unknown, KEYS_READ, "/vault/v1"));
    GOOD(cella_access_revoke(s->database, ME, "Key Vault Reader", "/"));
    assert_false(allows(s, ME, KEYS_READ, "/vault/v1"));
    REFUSED(cella_access_revoke(s->database, ME, "Key Vault Reader", "/"), CELLA_ERR_NOT_FOUND);
}

static void test_scopes(void **state) {
    struct stand *s = *state;
    static const struct {
        const char *scope;
        bool in;
    } rows[] = {
        {"/vault/ab", true},        {"/vault/ab/keys", true},
        {"/vault/ab/keys/k", true}, {"/VAULT/AB/keys/K", true},
        {"/vault/a", false},        {"/vault/abc", false},
        {"/vault", false},          {"/", false},
        {"/attest/ab", false},      {"/vault/b/ab", false},
        {"/x/vault/ab", false},
    };
    GOOD(cella_access_assign(s->database, ME, "Key Vault Reader", "/vault/Ab"));
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (allows(s, ME, KEYS_READ, rows[i].scope) != rows[i].in) fail_msg("%s", rows[i].scope);
    GOOD(cella_access_assign(s->database, ME, "Key Vault Crypto User", "/vault/b/keys/k1"));
    assert_true(allows(s, ME, KEYS_READ, "/vault/b/keys/k1"));
    assert_false(allows(s, ME, KEYS_READ, "/vault/b/keys/k2"));
    assert_false(allows(s, ME, KEYS_READ, "/vault/b/keys"));
    assert_false(allows(s, ME, KEYS_READ, "/vault/b"));
}

static void test_bad_words(void **state) {
    struct stand *s = *state;
    static const char *const scopes[] = {
        "",      "vault", "/vault/", "//",    "/a//b",     "/a/.", "/a/..",
        "/../a", "/a b",  "/a%2fb",  "/a\\b", "/\xc3\xa4", "/a\n", "/1/2/3/4/5/6/7/8"};
    for (size_t i = 0; i < sizeof(scopes) / sizeof(scopes[0]); i++)
        REFUSED(cella_access_assign(s->database, ME, "Key Vault Reader", scopes[i]),
                CELLA_ERR_USAGE);
    struct cella_caller caller = caller_of(ME);
    bool allowed = true;
    REFUSED(cella_access_allows(s->database, &caller, KEYS_READ, "/a/../b", &allowed),
            CELLA_ERR_INTERNAL);
    assert_false(allowed);
    REFUSED(cella_access_assign(s->database, ME, "Key Vault Readers", "/"), CELLA_ERR_NOT_FOUND);
    REFUSED(cella_access_assign(s->database, "", "Key Vault Reader", "/"), CELLA_ERR_USAGE);
    REFUSED(cella_access_assign(s->database, "a\nb", "Key Vault Reader", "/"), CELLA_ERR_USAGE);
    GOOD(cella_access_assign(s->database, ME, "Key Vault Reader", "/1/2/3/4/5/6/7"));
    assert_true(allows(s, ME, KEYS_READ, "/1/2/3/4/5/6/7"));
}

/* What each role must not do, beside something it may. */
static void test_roles(void **state) {
    (void)state;
    static const struct {
        const char *role, *may, *may_not;
    } rows[] = {
        {"attestation reader", CELLA_ACTION_ATTESTATION_READ, CELLA_ACTION_ATTESTATION_WRITE},
        {"Attestation Contributor", CELLA_ACTION_ATTESTATION_DELETE,
         CELLA_ACTION_ATTESTATION_EXPLAIN},
        {"Attestation Explainer", CELLA_ACTION_ATTESTATION_EXPLAIN, CELLA_ACTION_ATTESTATION_READ},
        {"Key Vault Administrator", "Microsoft.KeyVault/vaults/secrets/purge/action",
         "Microsoft.KeyVault/managedHsm/keys/read/action"},
        {"Key Vault Reader", "Microsoft.KeyVault/vaults/certificates/read",
         "Microsoft.KeyVault/vaults/secrets/getSecret/action"},
        {"Key Vault Certificates Officer", "Microsoft.KeyVault/vaults/certificates/create/action",
         "Microsoft.KeyVault/vaults/keys/read"},
        {"Key Vault Certificate User", "Microsoft.KeyVault/vaults/secrets/getSecret/action",
         "Microsoft.KeyVault/vaults/certificates/delete"},
        {"Key Vault Crypto Officer", "Microsoft.KeyVault/vaults/keyrotationpolicies/write",
         "Microsoft.KeyVault/vaults/secrets/getSecret/action"},
        {"Key Vault Crypto User", "Microsoft.KeyVault/vaults/keys/sign/action",
         "Microsoft.KeyVault/vaults/keys/release/action"},
        {"Key Vault Crypto Service Encryption User", "Microsoft.KeyVault/vaults/keys/wrap/action",
         "Microsoft.KeyVault/vaults/keys/sign/action"},
        {"Key Vault Crypto Service Release User", "Microsoft.KeyVault/vaults/keys/release/action",
         KEYS_READ},
        {"Key Vault Secrets Officer", "Microsoft.KeyVault/vaults/secrets/setSecret/action",
         KEYS_READ},
        {"4633458b-17de-408a-b874-0445c86b69e6",
         "Microsoft.KeyVault/vaults/secrets/getSecret/action",
         "Microsoft.KeyVault/vaults/secrets/setSecret/action"},
        {"Key Vault Data Access Administrator", "Microsoft.Authorization/roleAssignments/write",
         KEYS_READ},
        {"Managed HSM Administrator", "Microsoft.KeyVault/managedHsm/backup/start/action",
         "Microsoft.KeyVault/managedHsm/keys/sign/action"},
        {"Managed HSM Crypto User", "Microsoft.KeyVault/managedHsm/keys/sign/action",
         "Microsoft.KeyVault/managedHsm/keys/deletedKeys/delete"},
        {"Managed HSM Crypto Auditor", "Microsoft.KeyVault/managedHsm/keys/read/action",
         "Microsoft.KeyVault/managedHsm/keys/write/action"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct cella_role *role = cella_role_find(rows[i].role);
        if (!role || !cella_role_allows(role, rows[i].may) ||
            cella_role_allows(role, rows[i].may_not))
            fail_msg("%s", rows[i].role);
    }
    const struct cella_role *officer = cella_role_find("Key Vault Crypto Officer");
    assert_false(cella_role_allows(officer, "Microsoft.KeyVault/vaults/keys/"));
    assert_false(cella_role_allows(officer, "Microsoft.KeyVault/vaults/keys"));
    assert_false(cella_role_allows(officer, "Microsoft.KeyVault/vaults/keysx/read"));
    assert_true(cella_role_allows(officer, "microsoft.keyvault/VAULTS/keys/READ"));
    assert_false(cella_role_allows(cella_role_find("Key Vault Reader"),
                                   "Microsoft.KeyVault/vaults/keys/read/action"));
    assert_null(cella_role_find(""));
}

static void test_ids_are_unique(void **state) {
    (void)state;
    const struct cella_role *a, *b;
    char guid[GUID_SIZE];
    for (size_t i = 0; (a = cella_role_at(i)); i++) {
        assert_true(guid_read(cella_bytes_text(a->id), guid) && strcmp(guid, a->id) == 0);
        for (size_t k = 0; k < i; k++) {
            b = cella_role_at(k);
            assert_true(strcmp(a->id, b->id) != 0 && strcmp(a->name, b->name) != 0);
        }
    }
}

/* K01, K21: one issuer's names are not another's. */
static void test_issuers(void **state) {
    struct stand *s = *state;
    struct cella_caller other = {.known = true, .issuer = "https://kc.test/realm"};
    snprintf(other.object, sizeof(other.object), "%s", s->app.object);
    GOOD(cella_access_assign(s->database, s->app.object, "Key Vault Reader", "/vault/v1"));
    assert_true(allows(s, s->app.object, KEYS_READ, "/vault/v1"));
    assert_false(allows_caller(s, &other, KEYS_READ, "/vault/v1"));
    snprintf(other.object, sizeof(other.object), "f:alice");
    GOOD(cella_access_assign_of(s->database, "https://kc.test/realm", "f:alice", "Key Vault Reader",
                                "/vault/v1"));
    assert_true(allows_caller(s, &other, KEYS_READ, "/vault/v1"));
    snprintf(other.issuer, sizeof(other.issuer), "https://kc.test/realm2");
    assert_false(allows_caller(s, &other, KEYS_READ, "/vault/v1"));
    snprintf(other.issuer, sizeof(other.issuer), "https://kc.test/realm");
    snprintf(other.object, sizeof(other.object), "F:alice"); /* no GUID: case is part of it */
    assert_false(allows_caller(s, &other, KEYS_READ, "/vault/v1"));
    GOOD(cella_app_delete(s->database, &s->app));
    assert_false(allows(s, s->app.object, KEYS_READ, "/vault/v1"));
}

/* A change by another process is seen by the next question. */
static void test_seen_at_once(void **state) {
    struct stand *s = *state;
    char path[96];
    CELLA_DATABASE other = NULL;
    snprintf(path, sizeof(path), "%s/cella.db", s->folder);
    GOOD(cella_database_open(path, &other));
    for (int i = 0; i < 3; i++) {
        assert_false(allows(s, ME, KEYS_READ, "/vault/v1"));
        GOOD(cella_access_assign(other, ME, "Key Vault Reader", "/vault"));
        GOOD(cella_access_assign(other, ME, "Key Vault Reader", "/vault")); /* again: the same */
        assert_true(allows(s, ME, KEYS_READ, "/vault/v1"));
        GOOD(cella_access_revoke(other, ME, "Key Vault Reader", "/vault"));
    }
}

static void test_changes(void **state) {
    struct stand *s = *state;
    json_t *list = NULL;
    GOOD(cella_access_assign(s->database, ME, "Key Vault Reader", "/vault"));
    GOOD(cella_identity_changes(s->database, 100, &list));
    json_t *newest = json_array_get(list, 0);
    assert_string_equal(json_string_value(json_object_get(newest, "what")), "assign");
    assert_string_equal(json_string_value(json_object_get(newest, "subject")), ME);
    assert_non_null(strstr(json_string_value(json_object_get(newest, "who")), "uid "));
    assert_int_equal(json_integer_value(json_object_get(newest, "seq")), json_array_size(list));
    char *text = json_dumps(list, 0);
    assert_null(strstr(text, s->secret)); /* K11 */
    free(text);
    json_decref(list);
}

static void test_speed(void **state) {
    struct stand *s = *state;
    struct timespec a, b;
    enum { COUNT = 20000 };
    for (int i = 0; i < 200; i++) {
        char scope[32];
        snprintf(scope, sizeof(scope), "/vault/v%d", i);
        GOOD(cella_access_assign(s->database, ME, "Key Vault Crypto User", scope));
    }
    clock_gettime(CLOCK_MONOTONIC, &a);
    for (int i = 0; i < COUNT; i++) assert_true(allows(s, ME, KEYS_READ, "/vault/v7/keys/k1"));
    clock_gettime(CLOCK_MONOTONIC, &b);
    double us = (double)(b.tv_sec - a.tv_sec) * 1e6 + (double)(b.tv_nsec - a.tv_nsec) / 1e3;
    print_message("cella_access_allows: %.1f us\n", us / COUNT);
}

static int setup(void **state) {
    struct stand *s = calloc(1, sizeof(*s));
    stand_new(s, false);
    *state = s;
    return 0;
}
static int teardown(void **state) {
    stand_free(*state);
    free(*state);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_deny_by_default, setup, teardown),
        cmocka_unit_test_setup_teardown(test_scopes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bad_words, setup, teardown),
        cmocka_unit_test(test_roles),
        cmocka_unit_test(test_ids_are_unique),
        cmocka_unit_test_setup_teardown(test_issuers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_seen_at_once, setup, teardown),
        cmocka_unit_test_setup_teardown(test_changes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_speed, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
