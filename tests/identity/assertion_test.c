/* Clients that prove themselves by what they or another issuer signed (RFC 7523). */
#include <pthread.h>

#include "crypto/digest.h"
#include "request.h"

#define EXTERNAL "https://issuer.test"
#define JWT_TYPE "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

struct own {
    struct stand stand;
    struct signer rsa, ec, other, external;
    struct cella_buffer der, ec_der; /* certificates of rsa and ec */
};

static void put_pem(struct stand *s, const struct cella_jose_key *key, uint64_t ends,
                    struct cella_buffer *der, char thumbprint[65]) {
    CELLA_BUFFER pem = {0};
    struct cella_jose_certificate as = {
        .common_name = "tester", .not_before_unix = 1700000000, .not_after_unix = ends};
    der->size = 0;
    GOOD(cella_jose_certify(key, &as, der));
    GOOD(cella_buffer_append(&pem, cella_bytes_text("-----BEGIN CERTIFICATE-----\n")));
    GOOD(cella_base64_encode(cella_buffer_bytes(der), false, &pem));
    GOOD(cella_buffer_append(&pem, cella_bytes_text("\n-----END CERTIFICATE-----\n")));
    GOOD(cella_app_certificate_add(s->database, &s->app, cella_buffer_bytes(&pem), thumbprint));
}

static json_t *named_by(const char *name, enum cella_hash hash, const struct cella_buffer *der,
                        bool pad) {
    uint8_t digest[CELLA_HASH_SIZE_MAX];
    const struct cella_bytes bytes = cella_buffer_bytes(der);
    CELLA_BUFFER text = {0};
    GOOD(cella_hash(hash, &bytes, 1, digest));
    GOOD(cella_base64_encode(cella_bytes(digest, cella_hash_size(hash)), true, &text));
    if (pad) GOOD(cella_buffer_append(&text, cella_bytes_text("=")));
    return json_pack("{s:s, s:s%}", "typ", "JWT", name, (const char *)text.data, text.size);
}

static json_t *header_s256(struct own *o) {
    return named_by("x5t#S256", CELLA_HASH_SHA256, &o->der, false);
}

static json_t *claims_of(struct own *o) {
    const json_int_t now = (json_int_t)unix_now();
    char jti[GUID_SIZE];
    GOOD(guid_make(jti));
    return json_pack("{s:s, s:s, s:s, s:s, s:I, s:I}", "aud", URL TOKEN, "iss", o->stand.app.client,
                     "sub", o->stand.app.client, "jti", jti, "nbf", now, "exp", now + 600);
}

static unsigned send(struct own *o, const char *assertion) {
    ANSWER a = {0};
    struct wish w = {.grant = "client_credentials",
                     .client = o->stand.app.client,
                     .scope = SCOPE,
                     .type = JWT_TYPE,
                     .assertion = assertion};
    wish_for(&o->stand, TOKEN, &w, &a);
    assert_int_equal(a.status == 200, json_object_get(a.body, "access_token") != NULL);
    if (a.status != 200) assert_int_equal(a.status, 401);
    return a.status == 200 ? 0 : code_in(&a);
}

/* The code of the refusal, or 0 for a token. Steals header and claims. */
static unsigned try_with(struct own *o, const struct signer *by, unsigned algorithm, json_t *header,
                         json_t *claims) {
    CELLA_BUFFER token = {0};
    sign(by, algorithm, header, claims, &token);
    return send(o, done(&token));
}

static unsigned try_claim(struct own *o, const char *name, json_t *value) {
    json_t *claims = claims_of(o);
    if (value)
        json_object_set_new(claims, name, value);
    else
        json_object_del(claims, name);
    return try_with(o, &o->rsa, CELLA_JOSE_PS256, header_s256(o), claims);
}

static void test_good(void **state) {
    struct own *o = *state;
    static const unsigned algorithms[] = {CELLA_JOSE_RS256, CELLA_JOSE_PS256};
    char hex[65];
    uint8_t digest[20];
    const struct cella_bytes der = cella_buffer_bytes(&o->der);
    for (size_t i = 0; i < 2; i++) {
        unsigned alg = algorithms[i];
        assert_int_equal(try_with(o, &o->rsa, alg, header_s256(o), claims_of(o)), 0);
        assert_int_equal(try_with(o, &o->rsa, alg, named_by("x5t", CELLA_HASH_SHA1, &o->der, false),
                                  claims_of(o)),
                         0);
        assert_int_equal(try_with(o, &o->rsa, alg, named_by("x5t", CELLA_HASH_SHA1, &o->der, true),
                                  claims_of(o)),
                         0); /* as older SDKs of Python write it */
        assert_int_equal(try_with(o, &o->rsa, alg, named_by("kid", CELLA_HASH_SHA1, &o->der, false),
                                  claims_of(o)),
                         0);
    }
    GOOD(cella_hash(CELLA_HASH_SHA1, &der, 1, digest));
    cella_hex_encode(CELLA_BYTES_OF(digest), hex);
    for (size_t i = 0; hex[i]; i++) hex[i] = (char)(hex[i] >= 'a' ? hex[i] - 32 : hex[i]);
    assert_int_equal(try_with(o, &o->rsa, CELLA_JOSE_RS256,
                              json_pack("{s:s,s:s}", "typ", "JWT", "kid", hex), claims_of(o)),
                     0);
    assert_int_equal(try_with(o, &o->ec, CELLA_JOSE_ES256,
                              named_by("x5t#S256", CELLA_HASH_SHA256, &o->ec_der, false),
                              claims_of(o)),
                     0);
    static const char *const audiences[] = {URL TOKEN, URL TOKEN1, URL "/" TENANT "/v2.0",
                                            URL "/" TENANT "/"};
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(try_claim(o, "aud", json_string(audiences[i])), 0);
    assert_int_equal(try_claim(o, "nbf", NULL), 0);
}

static void test_signatures(void **state) {
    struct own *o = *state;
    assert_int_equal(try_with(o, &o->other, CELLA_JOSE_RS256, header_s256(o), claims_of(o)),
                     700027);
    assert_int_equal(try_with(o, &o->rsa, CELLA_JOSE_RS512, header_s256(o), claims_of(o)), 700027);
    assert_int_equal(try_with(o, &o->ec, CELLA_JOSE_ES256, header_s256(o), claims_of(o)), 700027);
    json_t *header = json_pack("{s:s}", "typ", "JWT"); /* which certificate? */
    assert_int_equal(try_with(o, &o->rsa, CELLA_JOSE_RS256, header, claims_of(o)), 700027);
    /* both names, of two certificates */
    header = header_s256(o);
    json_t *second = named_by("x5t", CELLA_HASH_SHA1, &o->ec_der, false);
    json_object_set(header, "x5t", json_object_get(second, "x5t"));
    json_decref(second);
    assert_int_equal(try_with(o, &o->rsa, CELLA_JOSE_RS256, header, claims_of(o)), 700027);
    /* A26: a certificate in the header is none that is registered */
    CELLA_BUFFER der = {0}, text = {0};
    struct cella_jose_certificate as = {.common_name = "tester",
                                        .not_before_unix = 1700000000,
                                        .not_after_unix = (uint64_t)1 << 31};
    GOOD(cella_jose_certify(o->other.key, &as, &der));
    GOOD(cella_base64_encode(cella_buffer_bytes(&der), false, &text));
    header = named_by("x5t#S256", CELLA_HASH_SHA256, &der, false);
    json_object_set_new(header, "x5c", json_pack("[s%]", (const char *)text.data, text.size));
    assert_int_equal(try_with(o, &o->other, CELLA_JOSE_RS256, header, claims_of(o)), 700027);
    header = header_s256(o);
    json_object_set_new(header, "x5c", json_pack("[s%]", (const char *)text.data, text.size));
    assert_int_equal(try_with(o, &o->other, CELLA_JOSE_RS256, header, claims_of(o)), 700027);
    assert_int_equal(try_with(o, &(struct signer){.key = NULL}, CELLA_JOSE_NONE, header_s256(o),
                              claims_of(o)),
                     50027); /* A24 */
    static const char *const broken[] = {"x", "a.b.c", "..", "e30.e30.", "e30.e30.AA"};
    for (size_t i = 0; i < 5; i++) assert_int_equal(send(o, broken[i]), 50027);
}

static void test_claims(void **state) {
    struct own *o = *state;
    const int64_t now = (int64_t)unix_now();
    static const char *const audiences[] = {"",
                                            URL,
                                            URL "/" TENANT "/oauth2/v2.0",
                                            "https://login.microsoftonline.com/" TENANT
                                            "/oauth2/v2.0/token",
                                            URL "/common/oauth2/v2.0/token",
                                            VAULT};
    for (size_t i = 0; i < sizeof(audiences) / sizeof(audiences[0]); i++)
        assert_int_equal(try_claim(o, "aud", json_string(audiences[i])), 700023);
    assert_int_equal(try_claim(o, "aud", NULL), 700023);
    assert_int_equal(try_claim(o, "sub", NULL), 700021);
    assert_int_equal(try_claim(o, "sub", json_string(o->stand.app.object)), 700021);
    assert_int_equal(try_claim(o, "sub", json_string("")), 700021);
    const struct {
        const char *name;
        int64_t at;
        unsigned code;
    } rows[] = {
        {"exp", now - 61, 700024}, {"exp", now + 3600 + 90, 700024},  {"exp", now + 3600, 0},
        {"nbf", now + 90, 700024}, {"iat", now + 90, 700024},         {"nbf", now - 500, 0},
        {"exp", -1, 700024},       {"exp", (int64_t)1 << 53, 700024}, {"exp", 0, 700024},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (try_claim(o, rows[i].name, json_integer(rows[i].at)) != rows[i].code)
            fail_msg("%s %lld", rows[i].name, (long long)(rows[i].at - now));
    assert_int_equal(try_claim(o, "exp", NULL), 700024);
    assert_int_equal(try_claim(o, "exp", json_string("1900000000")), 700024);
    assert_int_equal(try_claim(o, "exp", json_real((double)now + 600)), 700024);
    assert_int_equal(try_claim(o, "jti", NULL), 50027);
    assert_int_equal(try_claim(o, "jti", json_string("")), 50027);
    assert_int_equal(try_claim(o, "jti", json_integer(1)), 50027);
    /* of another client's: iss is not client_id, so it is a token of some issuer, who is not known
     */
    assert_int_equal(try_claim(o, "iss", json_string("someone")), 50013);
}

static void test_certificates(void **state) {
    struct own *o = *state;
    struct stand *s = &o->stand;
    char thumbprint[65];
    CELLA_BUFFER der = {0};
    struct signer old = {.key = NULL};
    signer_new(&old, CELLA_JOSE_RSA, "old");
    put_pem(s, old.key, 1700000100, &der, thumbprint);
    assert_int_equal(try_with(o, &old, CELLA_JOSE_RS256,
                              named_by("x5t#S256", CELLA_HASH_SHA256, &der, false), claims_of(o)),
                     700027); /* expired */
    GOOD(cella_app_certificate_delete(s->database, &s->app, thumbprint));
    REFUSED(cella_app_certificate_delete(s->database, &s->app, thumbprint), CELLA_ERR_NOT_FOUND);
    put_pem(s, old.key, (uint64_t)1 << 31, &der, thumbprint);
    assert_int_equal(try_with(o, &old, CELLA_JOSE_RS256,
                              named_by("x5t#S256", CELLA_HASH_SHA256, &der, false), claims_of(o)),
                     0);
    GOOD(cella_app_certificate_delete(s->database, &s->app, thumbprint));
    assert_int_equal(try_with(o, &old, CELLA_JOSE_RS256,
                              named_by("x5t#S256", CELLA_HASH_SHA256, &der, false), claims_of(o)),
                     700027);
    REFUSED(cella_app_certificate_add(s->database, &s->app, cella_bytes_text("none"), thumbprint),
            CELLA_ERR_FORMAT);
    signer_free(&old);
}

/* By default an assertion serves until it ends, as the SDKs use it; where the operator wants so,
 * once (A14, K02). */
static void test_once(void **state) {
    struct own *o = *state;
    struct stand *s = &o->stand;
    CELLA_BUFFER token = {0};
    sign(&o->rsa, CELLA_JOSE_RS256, header_s256(o), claims_of(o), &token);
    const char *text = done(&token);
    assert_int_equal(send(o, text), 0);
    assert_int_equal(send(o, text), 0);
    s->issuer->assertion_once = true;
    assert_int_equal(send(o, text), 0);
    assert_int_equal(send(o, text), 50027);
    assert_int_equal(try_claim(o, "jti", json_string("mine")), 0);
    assert_int_equal(try_claim(o, "jti", json_string("mine")), 50027);
    assert_int_equal(try_claim(o, "jti", json_string("other")), 0);
    /* what was refused is not used up */
    json_t *claims = claims_of(o);
    json_object_set_new(claims, "jti", json_string("late"));
    assert_int_equal(try_with(o, &o->other, CELLA_JOSE_RS256, header_s256(o), claims), 700027);
    assert_int_equal(try_claim(o, "jti", json_string("late")), 0);
    GOOD(cella_issuer_tend(s->issuer, unix_now() + 500)); /* kept until its end */
    assert_int_equal(try_claim(o, "jti", json_string("mine")), 50027);
    GOOD(assertion_forget(s->issuer, unix_now() + 700));
    assert_int_equal(try_claim(o, "jti", json_string("mine")), 0);
    s->issuer->assertion_once = false;
}

struct racer {
    struct own *own;
    const char *text;
    unsigned code;
};
static void *race(void *context) {
    struct racer *r = context;
    r->code = send(r->own, r->text);
    return NULL;
}

static void test_once_in_a_race(void **state) {
    enum { COUNT = 16 };
    struct own *o = *state;
    struct racer racer[COUNT];
    pthread_t thread[COUNT];
    CELLA_BUFFER token = {0};
    unsigned won = 0;
    o->stand.issuer->assertion_once = true;
    sign(&o->rsa, CELLA_JOSE_RS256, header_s256(o), claims_of(o), &token);
    const char *text = done(&token);
    for (int i = 0; i < COUNT; i++) {
        racer[i] = (struct racer){o, text, 1};
        assert_int_equal(pthread_create(&thread[i], NULL, race, &racer[i]), 0);
    }
    for (int i = 0; i < COUNT; i++) {
        pthread_join(thread[i], NULL);
        if (racer[i].code == 0)
            won++;
        else
            assert_int_equal(racer[i].code, 50027);
    }
    assert_int_equal(won, 1);
    o->stand.issuer->assertion_once = false;
}

/* --- Tokens of others --- */

static json_t *external_claims(const char *iss, const char *sub, const char *aud) {
    const json_int_t now = (json_int_t)unix_now();
    return json_pack("{s:s, s:s, s:s, s:I, s:I}", "iss", iss, "sub", sub, "aud", aud, "iat", now,
                     "exp", now + 600);
}

static unsigned try_external(struct own *o, const struct signer *by, json_t *claims) {
    return try_with(o, by, CELLA_JOSE_RS256, json_pack("{s:s}", "kid", by->kid), claims);
}

static void test_federated(void **state) {
    struct own *o = *state;
    struct stand *s = &o->stand;
    const struct cella_app_federation f = {EXTERNAL, "repo:x:main", "api://AzureADTokenExchange"};
    const struct cella_app_federation second = {EXTERNAL, "repo:x:tags", "other"};
#define CLAIMS(iss, sub, aud) external_claims(iss, sub, aud)
    json_t *good = CLAIMS(EXTERNAL, f.subject, f.audience);
    assert_int_equal(try_external(o, &o->external, json_incref(good)), 700211);
    GOOD(cella_app_federation_add(s->database, &s->app, &f));
    REFUSED(cella_app_federation_add(s->database, &s->app, &f), CELLA_ERR_EXISTS);
    GOOD(cella_app_federation_add(s->database, &s->app, &second));
    assert_int_equal(try_external(o, &o->external, json_incref(good)), 0);
    assert_int_equal(try_external(o, &o->external, json_incref(good)), 0);
    assert_int_equal(try_external(o, &o->external, CLAIMS(EXTERNAL, "other", f.audience)), 700213);
    assert_int_equal(try_external(o, &o->external, CLAIMS(EXTERNAL, "repo:x:mai", f.audience)),
                     700213);
    assert_int_equal(try_external(o, &o->external, CLAIMS(EXTERNAL, f.subject, "other")), 700212);
    assert_int_equal(try_external(o, &o->external, CLAIMS(EXTERNAL "/", f.subject, f.audience)),
                     50013); /* K01 */
    assert_int_equal(try_with(o, &o->other, CELLA_JOSE_RS256,
                              json_pack("{s:s}", "kid", o->external.kid), json_incref(good)),
                     50013);
    json_t *late = CLAIMS(EXTERNAL, f.subject, f.audience);
    json_object_set_new(late, "exp", json_integer((json_int_t)unix_now() - 61));
    assert_int_equal(try_external(o, &o->external, late), 50013);
    GOOD(cella_app_federation_delete(s->database, &s->app, &f));
    REFUSED(cella_app_federation_delete(s->database, &s->app, &f), CELLA_ERR_NOT_FOUND);
    assert_int_equal(try_external(o, &o->external, good), 700213);
}

/* An access token of ours says who called, and lets nobody in as an application. */
static void test_own_token(void **state) {
    struct own *o = *state;
    struct stand *s = &o->stand;
    const struct cella_app_federation f = {URL "/" TENANT "/", s->app.object, VAULT};
    struct wish w = {.grant = "client_credentials",
                     .client = s->app.client,
                     .secret = s->secret,
                     .scope = SCOPE};
    ANSWER a = {0};
    GOOD(cella_app_federation_add(s->database, &s->app, &f));
    wish_for(s, TOKEN, &w, &a);
    assert_int_equal(send(o, member(&a, "access_token")), 700211);
    GOOD(cella_app_federation_delete(s->database, &s->app, &f));
}

static void test_form(void **state) {
    struct own *o = *state;
    static const char *const types[] = {NULL, "",
                                        "urn:ietf:params:oauth:client-assertion-type:"
                                        "saml2-bearer"};
    CELLA_BUFFER token = {0};
    ANSWER a = {0};
    sign(&o->rsa, CELLA_JOSE_RS256, header_s256(o), claims_of(o), &token);
    struct wish w = {.grant = "client_credentials",
                     .client = o->stand.app.client,
                     .scope = SCOPE,
                     .assertion = done(&token)};
    for (size_t i = 0; i < 3; i++) {
        w.type = types[i];
        wish_for(&o->stand, TOKEN, &w, &a);
        assert_int_equal(code_in(&a), 90023);
    }
    w.type = JWT_TYPE;
    w.client = "00000000-0000-4000-8000-000000000000";
    wish_for(&o->stand, TOKEN, &w, &a);
    assert_int_equal(code_in(&a), 700016);
}

static int setup(void **state) {
    struct own *o = calloc(1, sizeof(*o));
    char thumbprint[65];
    stand_new(&o->stand, false);
    signer_new(&o->rsa, CELLA_JOSE_RSA, "rsa");
    signer_new(&o->other, CELLA_JOSE_RSA, "other");
    signer_new(&o->external, CELLA_JOSE_RSA, "external");
    signer_new(&o->ec, CELLA_JOSE_P256, "ec");
    put_pem(&o->stand, o->rsa.key, (uint64_t)1 << 31, &o->der, thumbprint);
    put_pem(&o->stand, o->ec.key, (uint64_t)1 << 31, &o->ec_der, thumbprint);
    GOOD(cella_issuers_set(o->stand.issuers, EXTERNAL, cella_bytes_text(o->external.jwks)));
    *state = o;
    return 0;
}
static int teardown(void **state) {
    struct own *o = *state;
    signer_free(&o->rsa);
    signer_free(&o->ec);
    signer_free(&o->other);
    signer_free(&o->external);
    cella_buffer_free(&o->der);
    cella_buffer_free(&o->ec_der);
    stand_free(&o->stand);
    free(o);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),      cmocka_unit_test(test_signatures),
        cmocka_unit_test(test_claims),    cmocka_unit_test(test_certificates),
        cmocka_unit_test(test_once),      cmocka_unit_test(test_once_in_a_race),
        cmocka_unit_test(test_federated), cmocka_unit_test(test_own_token),
        cmocka_unit_test(test_form),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
