/* Whose access tokens are believed: A24 to A27, K01, each by what must not pass. */
#include <pthread.h>
#include <utime.h>

#include "stand.h"

#define ISS "https://issuer.test/realm"
enum { NOW = 1800000000 };

struct other {
    struct signer a, b, ec;
    struct cella_issuers *issuers;
    struct cella_caller caller;
    char why[512];
};

static json_t *claims_of(void) {
    return json_pack("{s:s, s:s, s:s, s:s, s:I, s:I, s:I}", "iss", ISS, "aud", VAULT, "sub",
                     "subject-1", "azp", "app-1", "iat", (json_int_t)NOW, "nbf", (json_int_t)NOW,
                     "exp", (json_int_t)NOW + 600);
}

static enum cella_code check_header(struct other *o, struct cella_bytes header, uint64_t now) {
    const char *audience[] = {"https://localhost:8444", VAULT};
    memset(&o->caller, 0xff, sizeof(o->caller));
    struct cella_result r = cella_bearer_check(o->issuers, header, audience, 2, now, &o->caller);
    enum cella_code code = cella_code_of(r);
    snprintf(o->why, sizeof(o->why), "%s", code ? r.error->what : "");
    cella_result_drop(r);
    if (code != CELLA_OK) { /* A35 */
        assert_false(o->caller.known || o->caller.object[0] || o->caller.issuer[0]);
        assert_int_equal(code, CELLA_ERR_PERMISSION);
    }
    return code;
}

static enum cella_code check_text(struct other *o, struct cella_bytes token, uint64_t now) {
    CELLA_BUFFER header = {0};
    GOOD(cella_buffer_append(&header, cella_bytes_text("Bearer ")));
    GOOD(cella_buffer_append(&header, token));
    return check_header(o, cella_buffer_bytes(&header), now);
}

static enum cella_code check_at(struct other *o, json_t *header, json_t *claims, uint64_t now) {
    CELLA_BUFFER token = {0};
    sign(&o->a, CELLA_JOSE_RS256, header, claims, &token);
    return check_text(o, cella_buffer_bytes(&token), now);
}

/* With one claim changed; NULL: without it. Steals the value. */
static enum cella_code check_claim(struct other *o, const char *name, json_t *value) {
    json_t *claims = claims_of();
    if (value)
        json_object_set_new(claims, name, value);
    else
        json_object_del(claims, name);
    return check_at(o, header_of(&o->a), claims, NOW);
}

static enum cella_code check_head(struct other *o, const char *name, json_t *value) {
    json_t *header = header_of(&o->a);
    if (value)
        json_object_set_new(header, name, value);
    else
        json_object_del(header, name);
    return check_at(o, header, claims_of(), NOW);
}

#define YES(code) assert_int_equal((code), CELLA_OK)
#define NO(code)  assert_int_equal((code), CELLA_ERR_PERMISSION)
#define WHY(o, text)                                                                               \
    do {                                                                                           \
        if (!strstr((o)->why, (text))) fail_msg("expected '%s', found '%s'", (text), (o)->why);    \
    } while (0)

static void test_accepted(void **state) {
    struct other *o = *state;
    YES(check_claim(o, "jti", json_string("1")));
    assert_true(o->caller.known && !o->caller.own);
    assert_string_equal(o->caller.object, "subject-1");
    assert_string_equal(o->caller.app, "app-1");
    assert_string_equal(o->caller.issuer, ISS);
    assert_string_equal(o->caller.tenant, "");
    YES(check_claim(o, "oid", json_string("object-1"))); /* Entra, version 2 */
    assert_string_equal(o->caller.object, "object-1");
    YES(check_claim(o, "appid", json_string("app-2")));
    assert_string_equal(o->caller.app, "app-2");
    YES(check_claim(o, "nbf", NULL)); /* Keycloak has none */
    YES(check_claim(o, "aud", json_pack("[s,s]", "account", VAULT "/")));
    YES(check_claim(o, "tid", json_string("t-1")));
    assert_string_equal(o->caller.tenant, "t-1");
    YES(check_head(o, "typ", json_string("at+JWT")));
    YES(check_head(o, "typ", json_string("jwt")));
}

static void test_header(void **state) {
    struct other *o = *state;
    static const char *const bad[] = {"",          "Bearer",   "Bearer ",  "Basic abc",
                                      "bearerx",   "Bearer\t", "Bearer a", "Bearer a.b.c",
                                      "Bearer ..", " Bearer a"};
    CELLA_BUFFER token = {0}, header = {0};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        NO(check_header(o, cella_bytes_text(bad[i]), NOW));
    NO(check_header(o, cella_bytes(NULL, 0), NOW));
    sign(&o->a, CELLA_JOSE_RS256, header_of(&o->a), claims_of(), &token);
    static const struct {
        const char *before, *after;
        bool good;
    } rows[] = {{"bearer ", "", true},        {"BEARER   ", "", true},  {"Bearer ", " ", false},
                {"Bearer ", ",x", false},     {"Bearer ", "\n", false}, {"Bearer \"", "\"", false},
                {"Bearer Bearer ", "", false}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        header.size = 0;
        GOOD(cella_buffer_append(&header, cella_bytes_text(rows[i].before)));
        GOOD(cella_buffer_append(&header, cella_buffer_bytes(&token)));
        GOOD(cella_buffer_append(&header, cella_bytes_text(rows[i].after)));
        bool good = check_header(o, cella_buffer_bytes(&header), NOW) == CELLA_OK;
        if (good != rows[i].good) fail_msg("%s...%s", rows[i].before, rows[i].after);
    }
    assert_null(strstr(o->why, "eyJ")); /* K11: no part of a token is in the reason */
}

/* A24: alg is fixed by the key. */
static void test_algorithms(void **state) {
    struct other *o = *state;
    static const char *const names[] = {"none",  "None",  "nOnE",  "HS256",    "HS512", "ES256",
                                        "RS384", "PS256", "EdDSA", "RSA-OAEP", "",      "rs256"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        /* the right signature, and a header that says otherwise */
        CELLA_BUFFER good = {0}, head = {0}, forged = {0};
        char text[128];
        sign(&o->a, CELLA_JOSE_RS256, header_of(&o->a), claims_of(), &good);
        snprintf(text, sizeof(text), "{\"alg\":\"%s\",\"typ\":\"JWT\",\"kid\":\"a\"}", names[i]);
        GOOD(cella_base64_encode(cella_bytes_text(text), true, &head));
        const uint8_t *dot = memchr(good.data, '.', good.size);
        GOOD(cella_buffer_append(&forged, cella_buffer_bytes(&head)));
        GOOD(cella_buffer_append(&forged, cella_bytes(dot, good.size - (size_t)(dot - good.data))));
        NO(check_text(o, cella_buffer_bytes(&forged), NOW));
        /* and without a signature */
        while (forged.size && forged.data[forged.size - 1] != '.') forged.size--;
        NO(check_text(o, cella_buffer_bytes(&forged), NOW));
    }
    /* an EC key's signature under an RSA key's kid, and the other way round */
    CELLA_BUFFER token = {0};
    sign(&o->ec, CELLA_JOSE_ES256, header_of(&o->a), claims_of(), &token);
    NO(check_text(o, cella_buffer_bytes(&token), NOW));
    sign(&o->a, CELLA_JOSE_RS256, header_of(&o->ec), claims_of(), &token);
    NO(check_text(o, cella_buffer_bytes(&token), NOW));
    sign(&o->ec, CELLA_JOSE_ES256, header_of(&o->ec), claims_of(), &token);
    NO(check_text(o, cella_buffer_bytes(&token), NOW)); /* not in this issuer's set */
}

/* A25, A26 */
static void test_keys(void **state) {
    struct other *o = *state;
    char *big = malloc(65536);
    memset(big, 'a', 65535);
    big[65535] = 0;
    static const char *const kids[] = {
        "b", "", "A", "a/../a", "../../dev/null", "a'", "a;--", "http://localhost/a", "a "};
    NO(check_head(o, "kid", NULL));
    WHY(o, "kid");
    for (size_t i = 0; i < sizeof(kids) / sizeof(kids[0]); i++)
        NO(check_head(o, "kid", json_string(kids[i])));
    NO(check_head(o, "kid", json_stringn("a\0", 2)));
    NO(check_head(o, "kid", json_integer(1)));
    NO(check_head(o, "kid", json_pack("[s]", "a")));
    NO(check_head(o, "kid", json_string(big)));
    free(big);
    YES(check_head(o, "jku", json_string("https://attacker.test/keys"))); /* data, not fetched */
    CELLA_BUFFER token = {0};
    json_t *header = header_of(&o->b);
    json_object_set_new(header, "jwk", cella_jose_key_members(o->b.key));
    json_object_set_new(header, "jku", json_string("https://attacker.test/keys"));
    sign(&o->b, CELLA_JOSE_RS256, header, claims_of(), &token);
    NO(check_text(o, cella_buffer_bytes(&token), NOW));
    header = header_of(&o->a); /* its own key under a kid that is known */
    json_object_set_new(header, "jwk", cella_jose_key_members(o->b.key));
    sign(&o->b, CELLA_JOSE_RS256, header, claims_of(), &token);
    NO(check_text(o, cella_buffer_bytes(&token), NOW));
    NO(check_head(o, "crit", json_pack("[s]", "exp")));
    NO(check_head(o, "b64", json_false()));
}

static void test_typ(void **state) {
    struct other *o = *state;
    static const char *const bad[] = {"",   "logout+jwt", "JOSE",     "JWTX",
                                      "JW", "at+jwt2",    "dpop+jwt", "secevent+jwt"};
    NO(check_head(o, "typ", NULL));
    WHY(o, "typ");
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        NO(check_head(o, "typ", json_string(bad[i])));
    NO(check_head(o, "typ", json_true()));
}

/* K01: the exact issuer. */
static void test_issuer(void **state) {
    struct other *o = *state;
    static const char *const bad[] = {ISS "/",
                                      "https://issuer.test",
                                      "https://issuer.test/Realm",
                                      "https://ISSUER.test/realm",
                                      "http://issuer.test/realm",
                                      "https://issuer.test:443/realm",
                                      "https://u@issuer.test/realm",
                                      "https://issuer.test.evil/realm",
                                      "https://issuer.test/realm2",
                                      "",
                                      (" " ISS)};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        NO(check_claim(o, "iss", json_string(bad[i])));
    WHY(o, "iss");
    NO(check_claim(o, "iss", NULL));
    NO(check_claim(o, "iss", json_integer(1)));
    NO(check_claim(o, "iss", json_pack("[s]", ISS)));
    NO(check_claim(o, "iss", json_stringn(ISS "\0", sizeof(ISS))));
    /* another known issuer's key does not speak for this one */
    GOOD(cella_issuers_set(o->issuers, "https://second.test", cella_bytes_text(o->b.jwks)));
    CELLA_BUFFER token = {0};
    sign(&o->b, CELLA_JOSE_RS256, header_of(&o->b), claims_of(), &token);
    NO(check_text(o, cella_buffer_bytes(&token), NOW));
}

static void test_audience(void **state) {
    struct other *o = *state;
    static const char *const bad[] = {"",
                                      "/",
                                      "https://vault.azure.net//",
                                      "https://vault.azure.net/.default",
                                      "https://vault.azure.ne",
                                      "https://VAULT.azure.net",
                                      "https://attest.azure.net",
                                      "vault.azure.net",
                                      "https://vault.azure.net.evil.test"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        NO(check_claim(o, "aud", json_string(bad[i])));
    WHY(o, "aud");
    NO(check_claim(o, "aud", NULL));
    NO(check_claim(o, "aud", json_array()));
    NO(check_claim(o, "aud", json_null()));
    NO(check_claim(o, "aud", json_pack("[[s]]", VAULT)));
    NO(check_claim(o, "aud", json_pack("{s:s}", VAULT, VAULT)));
    NO(check_claim(o, "aud", json_stringn(VAULT "\0x", sizeof(VAULT) + 1)));
    json_t *many = json_array();
    for (int i = 0; i < 65; i++) json_array_append_new(many, json_string(VAULT));
    NO(check_claim(o, "aud", many));
    YES(check_claim(o, "aud", json_string("https://localhost:8444/")));
}

/* A27, K02: the boundaries, and numbers that are none. */
static void test_times(void **state) {
    struct other *o = *state;
    const struct {
        const char *name;
        int64_t at;
        bool good;
    } rows[] = {
        {"exp", NOW - 59, false}, /* before its nbf */
        {"exp", NOW, true},
        {"nbf", NOW + 60, true},
        {"nbf", NOW + 61, false},
        {"iat", NOW + 60, true},
        {"iat", NOW + 61, false},
        {"iat", 0, true},
        {"nbf", NOW + 601, false},
        {"exp", 0, false},
        {"exp", (int64_t)1 << 53, false},
        {"exp", ((int64_t)1 << 53) - 1, true},
        {"exp", -1, false},
        {"iat", -1, false},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if ((check_claim(o, rows[i].name, json_integer(rows[i].at)) == CELLA_OK) != rows[i].good)
            fail_msg("%s %lld: %s", rows[i].name, (long long)rows[i].at, o->why);
    YES(check_at(o, header_of(&o->a), claims_of(), NOW + 600 + 59));
    NO(check_at(o, header_of(&o->a), claims_of(), NOW + 600 + 60));
    YES(check_at(o, header_of(&o->a), claims_of(), NOW - 60));
    NO(check_at(o, header_of(&o->a), claims_of(), NOW - 61));
    NO(check_at(o, header_of(&o->a), claims_of(), 0));
    NO(check_claim(o, "exp", NULL));
    static const char *const names[] = {"exp", "nbf", "iat"};
    for (size_t i = 0; i < 3; i++) {
        NO(check_claim(o, names[i], json_string("1800000100")));
        NO(check_claim(o, names[i], json_real(1800000100.5)));
        NO(check_claim(o, names[i], json_real(1800000100)));
        NO(check_claim(o, names[i], json_true()));
        NO(check_claim(o, names[i], json_null()));
        NO(check_claim(o, names[i], json_array()));
    }
}

static void test_names(void **state) {
    struct other *o = *state;
    char longest[200];
    NO(check_claim(o, "sub", NULL));
    WHY(o, "sub");
    static const char *const names[] = {"sub", "azp", "oid", "appid", "tid"};
    for (size_t i = 0; i < 5; i++) {
        NO(check_claim(o, names[i], json_string("")));
        NO(check_claim(o, names[i], json_integer(1)));
        NO(check_claim(o, names[i], json_string("a\r\nb")));
        NO(check_claim(o, names[i], json_string("\xc3\xa4")));
        NO(check_claim(o, names[i], json_stringn("a\0b", 3)));
        memset(longest, 'x', sizeof(longest));
        longest[128] = 0;
        NO(check_claim(o, names[i], json_string(longest))); /* cut off, it were someone else */
    }
    longest[127] = 0;
    YES(check_claim(o, "sub", json_string(longest)));
    assert_string_equal(o->caller.object, longest);
}

/* A36: each bit of a token. */
static void test_flips(void **state) {
    struct other *o = *state;
    CELLA_BUFFER token = {0};
    sign(&o->a, CELLA_JOSE_RS256, header_of(&o->a), claims_of(), &token);
    YES(check_text(o, cella_buffer_bytes(&token), NOW));
    for (size_t i = 0; i < token.size; i++) {
        uint8_t bit = (uint8_t)(1 << i % 8);
        token.data[i] ^= bit;
        NO(check_text(o, cella_buffer_bytes(&token), NOW));
        token.data[i] ^= bit;
    }
    for (size_t n = 0; n < token.size; n++) NO(check_text(o, cella_bytes(token.data, n), NOW));
}

static void test_tenant(void **state) {
    struct other *o = *state;
    struct cella_issuers *old = o->issuers;
    char path[] = "/tmp/cella-jwks-XXXXXX";
    int fd = mkstemp(path);
    assert_int_equal(write(fd, o->a.jwks, strlen(o->a.jwks)), strlen(o->a.jwks));
    close(fd);
    GOOD(cella_issuers_new(&o->issuers));
    GOOD(cella_issuers_add(o->issuers, ISS, path, "tenant-1"));
    YES(check_claim(o, "tid", json_string("tenant-1")));
    YES(check_claim(o, "tid", NULL));
    assert_string_equal(o->caller.tenant, "tenant-1");
    NO(check_claim(o, "tid", json_string("tenant-2")));
    REFUSED(cella_issuers_add(o->issuers, ISS, path, NULL), CELLA_ERR_EXISTS);
    REFUSED(cella_issuers_set(o->issuers, ISS, cella_bytes_text(o->b.jwks)), CELLA_ERR_EXISTS);
    REFUSED(cella_issuers_add(o->issuers, "https://c.test", "/nonexistent/jwks", NULL),
            CELLA_ERR_IO);
    cella_issuers_free(&o->issuers);
    o->issuers = old;
    unlink(path);
}

static void put_file(const char *path, const char *text) {
    char other[64];
    snprintf(other, sizeof(other), "%s.new", path);
    FILE *file = fopen(other, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    assert_int_equal(rename(other, path), 0);
}

/* The operator replaces the file; what is no key set leaves the keys as they were. */
static void test_file_changes(void **state) {
    struct other *o = *state;
    struct cella_issuers *old = o->issuers;
    char path[] = "/tmp/cella-jwks-XXXXXX";
    CELLA_BUFFER of_b = {0};
    close(mkstemp(path));
    put_file(path, o->a.jwks);
    GOOD(cella_issuers_new(&o->issuers));
    GOOD(cella_issuers_add(o->issuers, ISS, path, NULL));
    sign(&o->b, CELLA_JOSE_RS256, header_of(&o->b), claims_of(), &of_b);
    YES(check_claim(o, "jti", json_string("1")));
    NO(check_text(o, cella_buffer_bytes(&of_b), NOW));
    put_file(path, "{\"keys\":");
    usleep(1100000);
    YES(check_claim(o, "jti", json_string("1")));
    put_file(path, o->b.jwks);
    usleep(1100000);
    YES(check_text(o, cella_buffer_bytes(&of_b), NOW));
    NO(check_claim(o, "jti", json_string("1")));
    cella_issuers_free(&o->issuers);
    o->issuers = old;
    unlink(path);
}

/* What was believed before is so no longer than it would be anew: its time, its audience, its key.
 */
static void test_again(void **state) {
    struct other *o = *state;
    CELLA_BUFFER token = {0};
    const char *elsewhere[] = {"https://attest.azure.net"};
    struct cella_caller caller;
    sign(&o->a, CELLA_JOSE_RS256, header_of(&o->a), claims_of(), &token);
    struct cella_bytes text = cella_buffer_bytes(&token);
    CELLA_BUFFER header = {0};
    GOOD(cella_buffer_append(&header, cella_bytes_text("Bearer ")));
    GOOD(cella_buffer_append(&header, text));
    for (int i = 0; i < 3; i++) {
        YES(check_text(o, text, NOW));
        assert_string_equal(o->caller.object, "subject-1");
        assert_string_equal(o->caller.app, "app-1");
    }
    NO(check_text(o, text, NOW + 660));
    WHY(o, "it ended");
    NO(check_text(o, text, NOW - 61)); /* the clock was put back */
    REFUSED(cella_bearer_check(o->issuers, cella_buffer_bytes(&header), elsewhere, 1, NOW, &caller),
            CELLA_ERR_PERMISSION);
    assert_false(caller.known);
    YES(check_text(o, text, NOW));
    GOOD(cella_issuers_set(o->issuers, ISS, cella_bytes_text(o->b.jwks)));
    NO(check_text(o, text, NOW)); /* its key was withdrawn */
    NO(check_text(o, text, NOW));
    GOOD(cella_issuers_set(o->issuers, ISS, cella_bytes_text(o->a.jwks)));
    YES(check_text(o, text, NOW));
    YES(check_text(o, text, NOW));
}

/* More tokens than are kept: each holds, and each other one of the same names does not. */
static void test_many(void **state) {
    enum { TOKENS = 3000 };
    struct other *o = *state;
    static struct cella_buffer token[TOKENS];
    GOOD(cella_issuers_set(o->issuers, ISS, cella_bytes_text(o->ec.jwks)));
    for (int i = 0; i < TOKENS; i++) {
        json_t *claims = claims_of();
        char name[16];
        snprintf(name, sizeof(name), "s-%d", i);
        json_object_set_new(claims, "sub", json_string(name));
        sign(&o->ec, CELLA_JOSE_ES256, header_of(&o->ec), claims, &token[i]);
    }
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < TOKENS; i++) {
            char name[16];
            snprintf(name, sizeof(name), "s-%d", i);
            YES(check_text(o, cella_buffer_bytes(&token[i]), NOW));
            assert_string_equal(o->caller.object, name);
        }
    for (int i = 0; i < TOKENS; i++) cella_buffer_free(&token[i]);
    GOOD(cella_issuers_set(o->issuers, ISS, cella_bytes_text(o->a.jwks)));
}

static void *replace_keys(void *context) {
    struct other *o = context;
    for (int i = 0; i < 300; i++)
        GOOD(cella_issuers_set(o->issuers, ISS, cella_bytes_text(o->a.jwks)));
    return NULL;
}

static void test_threads(void **state) {
    struct other *o = *state;
    pthread_t thread;
    CELLA_BUFFER token = {0};
    sign(&o->a, CELLA_JOSE_RS256, header_of(&o->a), claims_of(), &token);
    assert_int_equal(pthread_create(&thread, NULL, replace_keys, o), 0);
    for (int i = 0; i < 300; i++) YES(check_text(o, cella_buffer_bytes(&token), NOW));
    pthread_join(thread, NULL);
}

static void test_speed(void **state) {
    enum { COUNT = 2000 };
    struct other *o = *state;
    struct timespec a, b;
    CELLA_BUFFER token = {0};
    sign(&o->a, CELLA_JOSE_RS256, header_of(&o->a), claims_of(), &token);
    clock_gettime(CLOCK_MONOTONIC, &a);
    for (int i = 0; i < COUNT; i++) YES(check_text(o, cella_buffer_bytes(&token), NOW));
    clock_gettime(CLOCK_MONOTONIC, &b);
    double us = (double)(b.tv_sec - a.tv_sec) * 1e6 + (double)(b.tv_nsec - a.tv_nsec) / 1e3;
    print_message("cella_bearer_check, RS256, of one token: %.1f us\n", us / COUNT);
}

static int setup(void **state) {
    struct other *o = calloc(1, sizeof(*o));
    setenv("CELLA_LOG", "error", 0);
    signer_new(&o->a, CELLA_JOSE_RSA, "a");
    signer_new(&o->b, CELLA_JOSE_RSA, "b");
    signer_new(&o->ec, CELLA_JOSE_P256, "ec");
    GOOD(cella_issuers_new(&o->issuers));
    GOOD(cella_issuers_set(o->issuers, ISS, cella_bytes_text(o->a.jwks)));
    *state = o;
    return 0;
}

static int teardown(void **state) {
    struct other *o = *state;
    cella_issuers_free(&o->issuers);
    signer_free(&o->a);
    signer_free(&o->b);
    signer_free(&o->ec);
    free(o);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accepted),   cmocka_unit_test(test_header),
        cmocka_unit_test(test_algorithms), cmocka_unit_test(test_keys),
        cmocka_unit_test(test_typ),        cmocka_unit_test(test_issuer),
        cmocka_unit_test(test_audience),   cmocka_unit_test(test_times),
        cmocka_unit_test(test_names),      cmocka_unit_test(test_flips),
        cmocka_unit_test(test_tenant),     cmocka_unit_test(test_file_changes),
        cmocka_unit_test(test_again),      cmocka_unit_test(test_many),
        cmocka_unit_test(test_threads),    cmocka_unit_test(test_speed),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
