/* The issuer's endpoints: documents, tokens, refusals as Entra words them, keys and their
 * rotation. */
#include <pthread.h>

#include "request.h"

static struct wish usual(const struct stand *s) {
    return (struct wish){.grant = "client_credentials",
                         .client = s->app.client,
                         .secret = s->secret,
                         .scope = SCOPE};
}

static enum cella_code check_bearer(struct stand *s, const char *token, uint64_t now,
                                    struct cella_caller *caller) {
    const char *audience[] = {VAULT};
    CELLA_BUFFER header = {0};
    GOOD(cella_buffer_append(&header, cella_bytes_text("Bearer ")));
    GOOD(cella_buffer_append(&header, cella_bytes_text(token)));
    struct cella_result r =
        cella_bearer_check(s->issuers, cella_buffer_bytes(&header), audience, 1, now, caller);
    enum cella_code code = cella_code_of(r);
    cella_result_drop(r);
    return code;
}

static void test_documents(void **state) {
    struct stand *s = *state;
    static const struct fake_headers none = {NULL, NULL, NULL};
    static const char *const names[] = {TENANT, "common", "organizations"};
    ANSWER a = {0};
    for (size_t i = 0; i < 3; i++) {
        char target[128];
        snprintf(target, sizeof(target), "/%s/v2.0/.well-known/openid-configuration", names[i]);
        ask(s, "GET", target, "", &none, &a);
        assert_int_equal(a.status, 200);
        assert_string_equal(member(&a, "issuer"), URL "/" TENANT "/v2.0");
        assert_string_equal(member(&a, "token_endpoint"), URL TOKEN);
        assert_string_equal(member(&a, "jwks_uri"), URL "/" TENANT "/discovery/v2.0/keys");
        assert_string_not_equal(member(&a, "authorization_endpoint"), "");
    }
    ask(s, "GET", "/" TENANT "/.well-known/openid-configuration", "", &none, &a);
    assert_string_equal(member(&a, "issuer"), URL "/" TENANT "/");
    assert_string_equal(member(&a, "token_endpoint"), URL TOKEN1);
    ask(s, "GET", "/" TENANT "/discovery/v2.0/keys", "", &none, &a);
    json_t *key = json_array_get(json_object_get(a.body, "keys"), 0);
    assert_string_equal(json_string_value(json_object_get(key, "use")), "sig");
    assert_non_null(json_object_get(key, "n"));
    assert_null(json_object_get(key, "d"));
    assert_int_equal(json_array_size(json_object_get(key, "x5c")), 1);
}

static void test_routes(void **state) {
    struct stand *s = *state;
    static const struct fake_headers none = {NULL, NULL, NULL};
    static const struct {
        const char *method, *target;
        int status;
        unsigned code;
    } rows[] = {
        {"GET", "/", 404, 900561},
        {"GET", "/" TENANT, 404, 900561},
        {"GET", "//" TENANT "/v2.0/.well-known/openid-configuration", 400, 90023},
        {"GET", "/" TENANT "/v2.0/.well-known/openid-configuration/", 404, 900561},
        {"GET", "/" TENANT "/v2.0/%2e%2e/keys", 400, 90023},
        {"GET", "/" TENANT "/../common/discovery/keys", 400, 90023},
        {"GET", "/22222222-2222-4333-8444-555555555555/v2.0/.well-known/openid-configuration", 400,
         90002},
        {"POST", "/22222222-2222-4333-8444-555555555555/oauth2/v2.0/token", 400, 90002},
        {"POST", "/consumers/oauth2/v2.0/token", 400, 90002},
        {"GET", "/contoso.example/discovery/v2.0/keys", 400, 90002},
        {"GET", TOKEN, 405, 900561},
        {"PUT", TOKEN, 405, 900561},
        {"POST", "/" TENANT "/discovery/v2.0/keys", 405, 900561},
        {"HEAD", "/" TENANT "/discovery/v2.0/keys", 405, 900561},
        {"GET", "/" TENANT "/oauth2/v2.0/authorize?client_id=x", 400, 700054},
    };
    ANSWER a = {0};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        ask(s, rows[i].method, rows[i].target, "", &none, &a);
        if (a.status != rows[i].status || code_in(&a) != rows[i].code)
            fail_msg("%s: %d, %u", rows[i].target, a.status, code_in(&a));
    }
    ask(s, "GET", "/11111111-2222-4333-8444-55555555555A/discovery/v2.0/keys", "", &none, &a);
    assert_int_equal(a.status, 400);
}

static void test_token(void **state) {
    struct stand *s = *state;
    struct wish w = usual(s);
    struct cella_caller caller;
    uint64_t now = unix_now();
    ANSWER a = {0};
    wish_for(s, TOKEN, &w, &a);
    assert_int_equal(a.status, 200);
    assert_string_equal(member(&a, "token_type"), "Bearer");
    assert_int_equal(json_integer_value(json_object_get(a.body, "expires_in")), 3599);
    assert_non_null(strstr(a.header, "Cache-Control: no-store"));
    assert_int_equal(check_bearer(s, member(&a, "access_token"), now, &caller), CELLA_OK);
    assert_true(caller.own);
    assert_string_equal(caller.object, s->app.object);
    assert_string_equal(caller.app, s->app.client);
    assert_string_equal(caller.tenant, TENANT);
    assert_string_equal(caller.issuer, URL "/" TENANT "/");
    assert_int_equal(check_bearer(s, member(&a, "access_token"), now + 3600 + 62, &caller),
                     CELLA_ERR_PERMISSION);
    w.scope = "https://localhost:8445/.default"; /* registered by the operator */
    wish_for(s, TOKEN, &w, &a);
    assert_int_equal(a.status, 200);
    assert_int_equal(check_bearer(s, member(&a, "access_token"), now, &caller),
                     CELLA_ERR_PERMISSION); /* another audience */
    w.scope = VAULT "//.default";           /* the resource with its slash */
    wish_for(s, "/common/oauth2/v2.0/token", &w, &a);
    assert_int_equal(check_bearer(s, member(&a, "access_token"), now, &caller), CELLA_OK);
}

static void test_old_endpoint(void **state) {
    struct stand *s = *state;
    struct wish w = usual(s);
    struct cella_caller caller;
    ANSWER a = {0};
    w.scope = NULL;
    w.resource = VAULT;
    wish_for(s, TOKEN1 "?api-version=1.0", &w, &a);
    assert_int_equal(a.status, 200);
    assert_string_equal(member(&a, "expires_in"), "3599");
    assert_string_equal(member(&a, "resource"), VAULT);
    assert_int_equal(check_bearer(s, member(&a, "access_token"), unix_now(), &caller), CELLA_OK);
    w.resource = NULL;
    wish_for(s, TOKEN1, &w, &a);
    assert_int_equal(code_in(&a), 900144);
    w.resource = "https://graph.microsoft.com";
    wish_for(s, TOKEN1, &w, &a);
    assert_int_equal(code_in(&a), 500011);
}

static void test_refusals(void **state) {
    struct stand *s = *state;
    const struct wish good = usual(s);
    char longer[64], shorter[64], guid[GUID_SIZE];
    snprintf(longer, sizeof(longer), "%sA", s->secret);
    snprintf(shorter, sizeof(shorter), "%.43s", s->secret);
    GOOD(guid_make(guid));
    const struct {
        const char *what, *value;
        int status;
        const char *error;
        unsigned code;
    } rows[] = {
        {"secret", longer, 401, "invalid_client", 7000215},
        {"secret", shorter, 401, "invalid_client", 7000215},
        {"secret", "", 401, "invalid_client", 7000215},
        {"secret", NULL, 401, "invalid_client", 7000216},
        {"client", guid, 400, "unauthorized_client", 700016},
        {"client", "tester", 400, "unauthorized_client", 700016}, /* names are not ids */
        {"client", s->app.object, 400, "unauthorized_client", 700016},
        {"client", "' OR 1=1 --", 400, "unauthorized_client", 700016},
        {"client", "", 400, "invalid_request", 900144},
        {"client", NULL, 400, "invalid_request", 900144},
        {"grant", NULL, 400, "invalid_request", 900144},
        {"grant", "password", 400, "unsupported_grant_type", 70003},
        {"grant", "authorization_code", 400, "unsupported_grant_type", 70003},
        {"grant", "refresh_token", 400, "unsupported_grant_type", 70003},
        {"scope", NULL, 400, "invalid_request", 900144},
        {"scope", VAULT, 400, "invalid_scope", 70011},
        {"scope", "/.default", 400, "invalid_scope", 70011},
        {"scope", SCOPE " openid", 400, "invalid_scope", 70011},
        {"scope", SCOPE " https://attest.azure.net/.default", 400, "invalid_scope", 70011},
        {"scope", VAULT "/.Default", 400, "invalid_scope", 70011},
        {"scope", "https://graph.microsoft.com/.default", 400, "invalid_resource", 500011},
        {"scope", "https://VAULT.azure.net/.default", 400, "invalid_resource", 500011},
        {"scope", VAULT "///.default", 400, "invalid_resource", 500011},
        {"scope", URL "/.default", 400, "invalid_resource", 500011},
        {"assertion", "a.b.c", 400, "invalid_request", 90023}, /* two proofs */
    };
    ANSWER a = {0};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct wish w = good;
        const char **place = strcmp(rows[i].what, "secret") == 0   ? &w.secret
                             : strcmp(rows[i].what, "client") == 0 ? &w.client
                             : strcmp(rows[i].what, "grant") == 0  ? &w.grant
                             : strcmp(rows[i].what, "scope") == 0  ? &w.scope
                                                                   : &w.assertion;
        *place = rows[i].value;
        wish_for(s, TOKEN, &w, &a);
        if (a.status != rows[i].status || code_in(&a) != rows[i].code ||
            strcmp(member(&a, "error"), rows[i].error) != 0)
            fail_msg("%s '%s': %d %s %u", rows[i].what, rows[i].value ? rows[i].value : "(none)",
                     a.status, member(&a, "error"), code_in(&a));
        assert_null(json_object_get(a.body, "access_token"));            /* A35 */
        assert_null(strstr(member(&a, "error_description"), s->secret)); /* K11 */
    }
}

/* The shape that SDKs read, and ids of the request. */
static void test_error_shape(void **state) {
    struct stand *s = *state;
    ANSWER a = {0};
    CELLA_BUFFER body = {0};
    field(&body, "client_id", s->app.client);
    field(&body, "client-request-id", "ABCDEFAB-1111-4222-8333-444444444444");
    field(&body, "grant_type", "client_credentials");
    field(&body, "scope", SCOPE);
    field(&body, "client_secret", "wrong");
    post(s, TOKEN, done(&body), &a);
    assert_int_equal(strncmp(member(&a, "error_description"), "AADSTS7000215: ", 15), 0);
    assert_string_equal(member(&a, "correlation_id"), "abcdefab-1111-4222-8333-444444444444");
    assert_string_equal(member(&a, "trace_id"), "99999999-9999-4999-8999-999999999999");
    assert_int_equal(strlen(member(&a, "timestamp")), strlen("2025-01-01 00:00:00Z"));
    post(s, TOKEN "?client-request-id=nonsense", "grant_type=%00", &a);
    assert_string_equal(member(&a, "correlation_id"), "99999999-9999-4999-8999-999999999999");
    assert_int_equal(code_in(&a), 90023);
}

static void test_bodies(void **state) {
    struct stand *s = *state;
    static const char *const types[] = {NULL, "application/json", "text/plain",
                                        "application/x-www-form-urlencodedx", ""};
    ANSWER a = {0};
    CELLA_BUFFER body = {0};
    field(&body, "client_id", s->app.client);
    field(&body, "grant_type", "client_credentials");
    field(&body, "scope", SCOPE);
    field(&body, "client_secret", s->secret);
    const char *text = done(&body);
    for (size_t i = 0; i < 5; i++) {
        const struct fake_headers headers = {.type = types[i]};
        ask(s, "POST", TOKEN, text, &headers, &a);
        assert_int_equal(code_in(&a), 90023);
    }
    static const char *const more[] = {"&client_secret=x", "&scope=x",      "&", "&x",
                                       "&grant_type=x",    "&client%5Fid=x"};
    for (size_t i = 0; i < 6; i++) {
        char whole[1024];
        snprintf(whole, sizeof(whole), "%s%s", text, more[i]);
        post(s, TOKEN, whole, &a);
        if (code_in(&a) != 90023) fail_msg("%s", more[i]);
    }
    post(s, TOKEN, text, &a);
    assert_int_equal(a.status, 200);
}

static void test_basic(void **state) {
    struct stand *s = *state;
    static const char form[] = "grant_type=client_credentials&scope=https%3A%2F%2Fvault.azure.net"
                               "%2F.default";
    char pair[256], header[512], body[512];
    CELLA_BUFFER text = {0};
    ANSWER a = {0};
    snprintf(pair, sizeof(pair), "%s:%s", s->app.client, s->secret);
    GOOD(cella_base64_encode(cella_bytes_text(pair), false, &text));
    snprintf(header, sizeof(header), "basic %.*s", (int)text.size, (const char *)text.data);
    const struct fake_headers good = {.type = form_type, .authorization = header};
    ask(s, "POST", TOKEN, form, &good, &a);
    assert_int_equal(a.status, 200);
    snprintf(body, sizeof(body), "%s&client_id=%s", form, s->app.client);
    ask(s, "POST", TOKEN, body, &good, &a);
    assert_int_equal(a.status, 200);
    snprintf(body, sizeof(body), "%s&client_secret=%s", form, s->secret); /* two proofs */
    ask(s, "POST", TOKEN, body, &good, &a);
    assert_int_equal(code_in(&a), 90023);
    snprintf(body, sizeof(body), "%s&client_id=%s", form, s->app.object);
    ask(s, "POST", TOKEN, body, &good, &a);
    assert_int_equal(code_in(&a), 90023);
    static const char *const bad[] = {"",           "Basic",         "Basic ",     "Basic !",
                                      "Basic YQ==", "Basic Og==",    "Basic YTo=", "Basic OmE=",
                                      "Bearer x",   "Basic YTpiAA=="};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        const struct fake_headers headers = {.type = form_type, .authorization = bad[i]};
        ask(s, "POST", TOKEN, form, &headers, &a);
        if (a.status != 401 || code_in(&a) != 90023) fail_msg("%s: %u", bad[i], code_in(&a));
        assert_non_null(strstr(a.header, "WWW-Authenticate: Basic"));
    }
}

/* Several at a time, expiry, deletion; and nothing of them in the database. */
static void test_secrets(void **state) {
    struct stand *s = *state;
    struct wish w = usual(s);
    CELLA_SECRET second = {0};
    char id[CELLA_ID_TEXT], text[SECRET_TEXT] = "", command[256];
    ANSWER a = {0};
    GOOD(cella_app_secret_create(s->database, &s->app, 1, id, &second));
    memcpy(text, second.data, second.size);
    assert_int_equal(second.size, SECRET_SIZE);
    w.secret = text;
    wish_for(s, TOKEN, &w, &a);
    assert_int_equal(a.status, 200);
    CELLA_SESSION session = NULL;
    const struct cella_value now = time_value(unix_now());
    GOOD(cella_session_begin(s->database, true, &session));
    GOOD(cella_execute(session, "UPDATE identity_secret SET ends_unix = ? WHERE ends_unix < 1e18",
                       &now, 1, NULL));
    GOOD(cella_session_commit(&session));
    wish_for(s, TOKEN, &w, &a);
    assert_int_equal(code_in(&a), 7000222);
    w.secret = "wrong";
    wish_for(s, TOKEN, &w, &a);
    assert_int_equal(code_in(&a), 7000215); /* not told that others are over */
    GOOD(cella_app_secret_delete(s->database, &s->app, id));
    REFUSED(cella_app_secret_delete(s->database, &s->app, id), CELLA_ERR_NOT_FOUND);
    w.secret = text;
    wish_for(s, TOKEN, &w, &a);
    assert_int_equal(code_in(&a), 7000215);
    snprintf(command, sizeof(command), "grep -c -r -e '%s' -e '%s' %s >/dev/null", text, s->secret,
             s->folder);
    assert_int_not_equal(system(command), 0); /* K11 */
    REFUSED(cella_app_secret_create(s->database, &s->app, 731, id, &second), CELLA_ERR_USAGE);
    REFUSED(cella_app_secret_create(s->database, &s->app, 0, id, &second), CELLA_ERR_USAGE);
}

static void test_apps(void **state) {
    struct stand *s = *state;
    static const char *const bad[] = {"", " a", "a ", "-a", "a\n", "\xc3\xa4", TENANT};
    struct cella_app app;
    char client[CELLA_ID_TEXT], object[CELLA_ID_TEXT];
    CELLA_SECRET secret = {0};
    for (size_t i = 0; i < 7; i++)
        REFUSED(cella_app_create(s->database, bad[i], NULL, &app), CELLA_ERR_USAGE);
    REFUSED(cella_app_create(s->database, "tester", NULL, &app), CELLA_ERR_EXISTS);
    REFUSED(cella_app_create(s->database, "other", s->app.client, &app), CELLA_ERR_EXISTS);
    REFUSED(cella_app_create(s->database, "other", "x", &app), CELLA_ERR_USAGE);
    REFUSED(cella_app_find(s->database, "other", &app), CELLA_ERR_NOT_FOUND);
    GOOD(cella_apps_new(s->database, "dev", client, object, &secret));
    struct wish w = usual(s);
    char text[SECRET_TEXT] = "";
    memcpy(text, secret.data, secret.size);
    ANSWER a = {0};
    w.client = client;
    w.secret = text;
    wish_for(s, TOKEN, &w, &a);
    assert_int_equal(a.status, 200);
    w.client = s->app.client; /* another's secret */
    wish_for(s, TOKEN, &w, &a);
    assert_int_equal(code_in(&a), 7000215);
    GOOD(cella_app_find(s->database, "dev", &app));
    GOOD(cella_app_delete(s->database, &app));
    REFUSED(cella_app_delete(s->database, &app), CELLA_ERR_NOT_FOUND);
    w.client = client;
    wish_for(s, TOKEN, &w, &a);
    assert_int_equal(code_in(&a), 700016);
}

/* --- Keys --- */

static size_t published(struct stand *s) {
    static const struct fake_headers none = {NULL, NULL, NULL};
    ANSWER a = {0};
    ask(s, "GET", "/" TENANT "/discovery/v2.0/keys", "", &none, &a);
    return json_array_size(json_object_get(a.body, "keys"));
}

static const char *signer_at(struct stand *s, uint64_t now) {
    RING ring = ring_hold(s->issuer);
    static char kid[KID_SIZE];
    memcpy(kid, ring_signer(ring, now)->kid, KID_SIZE);
    return kid;
}

static void test_rotation(void **state) {
    struct stand *s = *state;
    const uint64_t now = unix_now(), month = 30 * 86400;
    struct wish w = usual(s);
    struct cella_caller caller;
    char first[KID_SIZE];
    ANSWER a = {0};
    wish_for(s, TOKEN, &w, &a);
    memcpy(first, signer_at(s, now), KID_SIZE);
    GOOD(cella_issuer_tend(s->issuer, now + 3600));
    assert_int_equal(published(s), 1);
    const uint64_t turn = now + month;
    GOOD(cella_issuer_tend(s->issuer, turn));
    assert_int_equal(published(s), 2);
    assert_string_equal(signer_at(s, turn), first); /* announced, not in use yet */
    assert_string_not_equal(signer_at(s, turn + 600), first);
    GOOD(cella_issuer_tend(s->issuer, turn + 700));
    assert_int_equal(published(s), 2); /* once */
    assert_int_equal(check_bearer(s, member(&a, "access_token"), now, &caller), CELLA_OK);
    GOOD(cella_issuer_tend(s->issuer, turn + 600 + 86400 + 300));
    assert_int_equal(published(s), 2);
    GOOD(cella_issuer_tend(s->issuer, turn + 600 + 86400 + 301));
    assert_int_equal(published(s), 1); /* all its tokens have ended */
    assert_int_equal(check_bearer(s, member(&a, "access_token"), now, &caller),
                     CELLA_ERR_PERMISSION);
}

/* A clock that went forward and back: there is always a key that signs and is published. */
static void test_clock(void **state) {
    struct stand *s = *state;
    const uint64_t now = unix_now(), years = 400 * 86400;
    struct wish w = usual(s);
    struct cella_caller caller;
    ANSWER a = {0};
    GOOD(cella_issuer_tend(s->issuer, now + years));
    GOOD(cella_issuer_tend(s->issuer, now + years + 90000));
    wish_for(s, TOKEN, &w, &a);
    assert_int_equal(check_bearer(s, member(&a, "access_token"), now, &caller), CELLA_OK);
    GOOD(cella_issuer_tend(s->issuer, now));
    wish_for(s, TOKEN, &w, &a);
    assert_int_equal(check_bearer(s, member(&a, "access_token"), now, &caller), CELLA_OK);
    GOOD(cella_issuer_tend(s->issuer, now + 10));
    assert_int_equal(published(s), 1);
    GOOD(cella_issuer_tend(s->issuer, now + 30 * 86400)); /* its age counts from now on */
    assert_int_equal(published(s), 2);
}

/* A second process on the same store: the same keys, and one new key for both. */
static void test_two_processes(void **state) {
    struct stand *s = *state;
    struct stand other = {.database = NULL};
    const uint64_t turn = unix_now() + 30 * 86400;
    memcpy(other.folder, s->folder, sizeof(other.folder));
    stand_parts(&other, false);
    assert_string_equal(signer_at(s, turn), signer_at(&other, turn));
    GOOD(cella_issuer_tend(s->issuer, turn));
    GOOD(cella_issuer_tend(other.issuer, turn));
    assert_int_equal(published(s), 2);
    assert_int_equal(published(&other), 2);
    char kid[KID_SIZE];
    memcpy(kid, signer_at(s, turn + 700), KID_SIZE);
    assert_string_equal(signer_at(&other, turn + 700), kid);
    stand_close(&other);
}

static void *tend(void *context) {
    struct stand *s = context;
    GOOD(cella_issuer_tend(s->issuer, unix_now() + 30 * 86400));
    return NULL;
}

static void test_race(void **state) {
    enum { COUNT = 4 };
    struct stand *s = *state;
    struct stand other[COUNT] = {0};
    pthread_t thread[COUNT];
    for (int i = 0; i < COUNT; i++) {
        memcpy(other[i].folder, s->folder, sizeof(s->folder));
        stand_parts(&other[i], false);
    }
    for (int i = 0; i < COUNT; i++) pthread_create(&thread[i], NULL, tend, &other[i]);
    for (int i = 0; i < COUNT; i++) pthread_join(thread[i], NULL);
    tend(s);
    assert_int_equal(published(s), 2);
    for (int i = 0; i < COUNT; i++) stand_close(&other[i]);
}

/* K21: a key moved to another's row, or another root, does not open. */
static void test_sealed(void **state) {
    struct stand *s = *state;
    struct cella_issuer *again = NULL;
    struct cella_issuer_settings settings = {.url = URL, .tenant = TENANT};
    CELLA_SESSION session = NULL;
    GOOD(cella_session_begin(s->database, true, &session));
    GOOD(cella_execute(session, "UPDATE identity_key SET kid = 'x' WHERE kid <> 'x'", NULL, 0,
                       NULL));
    GOOD(cella_session_commit(&session));
    REFUSED(cella_issuer_new(&settings, s->database, s->sealer, &again), CELLA_ERR_INTEGRITY);
    assert_null(again);
    REFUSED(cella_issuer_tend(s->issuer, unix_now()), CELLA_ERR_INTEGRITY);
    struct wish w = usual(s);
    ANSWER a = {0};
    wish_for(s, TOKEN, &w, &a); /* the keys that were there serve on */
    assert_int_equal(a.status, 200);
}

static void test_settings(void **state) {
    struct stand *s = *state;
    struct cella_issuer *issuer = NULL;
    const char *bad_resource[] = {"https://x/"};
    const struct cella_issuer_settings bad[] = {
        {.url = "http://localhost", .tenant = TENANT},
        {.url = "https://", .tenant = TENANT},
        {.url = URL "/", .tenant = TENANT},
        {.url = URL, .tenant = "common"},
        {.url = URL, .tenant = TENANT, .token_s = 86401},
        {.url = URL, .tenant = TENANT, .rotate_s = 3599},
        {.url = URL, .tenant = TENANT, .resource = bad_resource, .resource_count = 1},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        REFUSED(cella_issuer_new(&bad[i], s->database, s->sealer, &issuer), CELLA_ERR_USAGE);
}

static void test_speed(void **state) {
    enum { COUNT = 300 };
    struct stand *s = *state;
    struct wish w = usual(s);
    struct timespec a, b;
    ANSWER answer = {0};
    clock_gettime(CLOCK_MONOTONIC, &a);
    for (int i = 0; i < COUNT; i++) {
        wish_for(s, TOKEN, &w, &answer);
        assert_int_equal(answer.status, 200);
    }
    clock_gettime(CLOCK_MONOTONIC, &b);
    double us = (double)(b.tv_sec - a.tv_sec) * 1e6 + (double)(b.tv_nsec - a.tv_nsec) / 1e3;
    print_message("a token by secret: %.0f us\n", us / COUNT);
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
#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_documents),     TEST(test_routes),   TEST(test_token),
        TEST(test_old_endpoint),  TEST(test_refusals), TEST(test_error_shape),
        TEST(test_bodies),        TEST(test_basic),    TEST(test_secrets),
        TEST(test_apps),          TEST(test_rotation), TEST(test_clock),
        TEST(test_two_processes), TEST(test_race),     TEST(test_sealed),
        TEST(test_settings),      TEST(test_speed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
