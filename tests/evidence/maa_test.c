/* Azure Attestation tokens: all vectors, every claim; and tokens of our own key, wrong in one thing
 * each (A24, A25, A26, A27, A29, A32, A36). */
#include "vector.h"

#include <openssl/bn.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "evidence/family.h"
#include "evidence/jwt.h"

static struct cella_collateral *keys_of(const char *name, struct cella_bytes jwks) {
    struct cella_collateral *collateral = NULL;
    bool taken = false;
    VECTOR_OK(cella_collateral_new(&collateral));
    VECTOR_OK(cella_collateral_add(collateral, name, jwks, &taken));
    VECTOR_OK(cella_collateral_finish(collateral));
    return collateral;
}

/* --- Vectors --- */

static size_t accepted, refused, without_key;

/* Each claim of the payload, as jansson reads it, under its flattened name. */
static void same_value(const struct cella_verification *v, const char *name, json_t *value) {
    const char *key;
    json_t *inner;
    char longer[256];
    if (json_is_object(value)) {
        json_object_foreach(value, key, inner) {
            snprintf(longer, sizeof(longer), "%s.%s", name, key);
            same_value(v, longer, inner);
        }
    } else if (json_is_string(value)) {
        vector_same_text(v, name, json_string_value(value));
    } else if (json_is_integer(value)) {
        vector_same_number(v, name, (uint64_t)json_integer_value(value));
    } else if (json_is_boolean(value)) {
        assert_int_equal(vector_claim(v, name)->type, CELLA_CLAIM_BOOLEAN);
        vector_same_number(v, name, json_is_true(value));
    } else {
        fail_msg("%s", name);
    }
}

static void same_common(const struct cella_verification *v, const json_t *claims) {
    if (!json_object_get(claims, "x-ms-attestation-type")) {
        vector_same_text(v, "tee", "unknown"); /* the service's word on something else */
        return;
    }
    vector_same_text(v, "tee", "sgx");
    vector_same_hex(v, "measurement",
                    json_string_value(json_object_get(claims, "x-ms-sgx-mrenclave")));
    vector_same_hex(v, "signer", json_string_value(json_object_get(claims, "x-ms-sgx-mrsigner")));
    vector_same_hex(v, "report-data",
                    json_string_value(json_object_get(claims, "x-ms-sgx-report-data")));
    vector_same_number(
        v, "product-id",
        (uint64_t)json_integer_value(json_object_get(claims, "x-ms-sgx-product-id")));
    vector_same_number(v, "svn",
                       (uint64_t)json_integer_value(json_object_get(claims, "x-ms-sgx-svn")));
    vector_same_number(v, "debug", json_is_true(json_object_get(claims, "x-ms-sgx-is-debuggable")));
}

static void check_good(struct cella_bytes token, const struct cella_collateral *keys,
                       const json_t *expected) {
    json_t *claims = json_object_get(expected, "claims");
    uint64_t nbf = (uint64_t)json_integer_value(json_object_get(claims, "nbf"));
    uint64_t exp = (uint64_t)json_integer_value(json_object_get(claims, "exp"));
    const uint64_t good[] = {nbf, exp, nbf - 60, exp + 60};
    for (size_t i = 0; i < 4; i++) {
        CELLA_VERIFICATION v;
        vector_verify(token, keys, CELLA_EVIDENCE_AUTO, good[i], &v);
        if (!v.verdict)
            print_error("%s: %s: %s %s\n", v.reason.step, v.reason.field, v.reason.expected,
                        v.reason.found);
        assert_int_equal(v.type, CELLA_EVIDENCE_MAA);
        assert_int_equal(v.verdict, CELLA_VERIFY_ACCEPTED);
        same_value(&v, "maa", claims);
        same_common(&v, claims);
        vector_same_number(&v, "issued",
                           (uint64_t)json_integer_value(json_object_get(claims, "iat")));
        assert_null(cella_claimset_find(v.claims, "maa.omitted"));
    }
    vector_refused(token, keys, CELLA_EVIDENCE_MAA, exp + 61, "token time: exp"); /* A27 */
    vector_refused(token, keys, CELLA_EVIDENCE_MAA, nbf - 61, "token time: nbf");
    vector_refused(token, NULL, CELLA_EVIDENCE_MAA, nbf, "collateral: jwks");
}

static void check_vector(const char *path) {
    char file[600];
    CELLA_BUFFER token = {0}, jwks = {0};
    snprintf(file, sizeof(file), "%s/%s/token.jwt", vector_root(), path);
    if (access(file, R_OK) != 0) return; /* evidence-928c12bc: what tokens were made from */
    snprintf(file, sizeof(file), "%s/token.jwt", path);
    vector_read(file, &token);
    snprintf(file, sizeof(file), "%s/%s/jwks.json", vector_root(), path);
    if (access(file, R_OK) != 0) {
        vector_refused(cella_buffer_bytes(&token), NULL, CELLA_EVIDENCE_AUTO, 1744090000,
                       "collateral: jwks");
        without_key++;
        return;
    }
    snprintf(file, sizeof(file), "%s/jwks.json", path);
    vector_read(file, &jwks);
    snprintf(file, sizeof(file), "%s/expected.json", path);
    json_t *expected = vector_json(file);
    struct cella_collateral *keys = keys_of("jwks.json", cella_buffer_bytes(&jwks));
    if (strncmp(json_string_value(json_object_get(expected, "verdict")), "accept", 6) == 0) {
        check_good(cella_buffer_bytes(&token), keys, expected);
        accepted++;
    } else {
        vector_refused(cella_buffer_bytes(&token), keys, CELLA_EVIDENCE_AUTO, 1654037279,
                       "token header: alg");
        refused++;
    }
    cella_collateral_free(&keys);
    json_decref(expected);
}

static void all_vectors(void **state) {
    (void)state;
    if (!vector_has("maa-jwt")) skip();
    vector_each("maa-jwt", check_vector);
    print_message("%zu accepted, %zu refused, %zu without a public key\n", accepted, refused,
                  without_key);
    assert_true(accepted >= 12 && refused >= 4 && without_key >= 1);
}

#define ISOLATED "maa-jwt/SimpleAttest-SgxEnclave_Isolated-e512af89"
enum { ISOLATED_TIME = 1654037279 };

/* A36: every character of the token, by flips that stay within base64url and by flips that do not;
 * every cut. */
static void flips(void **state) {
    (void)state;
    if (!vector_has(ISOLATED)) skip();
    CELLA_BUFFER token = {0}, jwks = {0};
    vector_read(ISOLATED "/token.jwt", &token);
    vector_read(ISOLATED "/jwks.json", &jwks);
    struct cella_bytes bytes = cella_buffer_bytes(&token);
    struct cella_collateral *keys = keys_of("jwks.json", cella_buffer_bytes(&jwks));
    for (size_t i = 0; i < bytes.size; i++) {
        uint8_t before = token.data[i];
        token.data[i] = before == 'A' ? 'B' : 'A';
        vector_refused(bytes, keys, CELLA_EVIDENCE_MAA, ISOLATED_TIME, NULL);
        token.data[i] = before ^ (uint8_t)(1U << (i % 8));
        vector_refused(bytes, keys, CELLA_EVIDENCE_MAA, ISOLATED_TIME, NULL);
        token.data[i] = before;
        vector_refused(cella_bytes(token.data, i), keys, CELLA_EVIDENCE_MAA, ISOLATED_TIME, NULL);
    }
    /* A32: all last characters; one spelling only. */
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    uint8_t last = token.data[bytes.size - 1];
    for (size_t i = 0; i < 64; i++) {
        CELLA_VERIFICATION v;
        token.data[bytes.size - 1] = (uint8_t)alphabet[i];
        vector_verify(bytes, keys, CELLA_EVIDENCE_MAA, ISOLATED_TIME, &v);
        assert_int_equal(v.verdict, alphabet[i] == last);
    }
    cella_collateral_free(&keys);
}

/* --- Tokens of our own --- */

static EVP_PKEY *own;

static void append(struct cella_buffer *to, const char *text) {
    VECTOR_OK(cella_buffer_append(to, cella_bytes_text(text)));
}

static void number_of(const char *name, struct cella_buffer *out) {
    BIGNUM *number = NULL;
    uint8_t bytes[512];
    assert_int_equal(EVP_PKEY_get_bn_param(own, name, &number), 1);
    int size = BN_bn2bin(number, bytes);
    VECTOR_OK(cella_base64_encode(cella_bytes(bytes, (size_t)size), true, out));
    BN_free(number);
}

/* {"kid":"k","kty":"RSA","n":..,"e":..EXTRA} */
static void own_jwk(struct cella_buffer *out, const char *kid, const char *extra) {
    CELLA_BUFFER n = {0}, e = {0};
    number_of("n", &n);
    number_of("e", &e);
    append(out, "{\"kid\":\"");
    append(out, kid);
    append(out, "\",\"kty\":\"RSA\",\"n\":\"");
    VECTOR_OK(cella_buffer_append(out, cella_buffer_bytes(&n)));
    append(out, "\",\"e\":\"");
    VECTOR_OK(cella_buffer_append(out, cella_buffer_bytes(&e)));
    append(out, "\"");
    append(out, extra);
    append(out, "}");
}

static struct cella_collateral *own_keys(const char *kid, const char *extra) {
    CELLA_BUFFER jwks = {0};
    append(&jwks, "{\"keys\":[");
    own_jwk(&jwks, kid, extra);
    append(&jwks, "]}");
    return keys_of("jwks.json", cella_buffer_bytes(&jwks));
}

static void own_token(const char *header, struct cella_bytes payload, const EVP_MD *md,
                      struct cella_buffer *out) {
    uint8_t signature[512];
    size_t size = sizeof(signature);
    out->size = 0;
    VECTOR_OK(cella_base64_encode(cella_bytes_text(header), true, out));
    append(out, ".");
    VECTOR_OK(cella_base64_encode(payload, true, out));
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    assert_int_equal(EVP_DigestSignInit(ctx, NULL, md, NULL, own), 1);
    assert_int_equal(EVP_DigestSign(ctx, signature, &size, out->data, out->size), 1);
    EVP_MD_CTX_free(ctx);
    append(out, ".");
    VECTOR_OK(cella_base64_encode(cella_bytes(signature, size), true, out));
}

#define HEADER  "{\"alg\":\"RS256\",\"kid\":\"k\",\"typ\":\"JWT\"}"
#define TIMES   "\"iss\":\"https://i\",\"nbf\":1000,\"iat\":1000,\"exp\":2000"
#define PAYLOAD "{" TIMES ",\"x-ms-attestation-type\":\"sgx\"}"
enum { OWN_TIME = 1500 };

static void own_refused(const char *header, const char *payload,
                        const struct cella_collateral *keys, const char *where) {
    CELLA_BUFFER token = {0};
    own_token(header, cella_bytes_text(payload), EVP_sha256(), &token);
    vector_refused(cella_buffer_bytes(&token), keys, CELLA_EVIDENCE_MAA, OWN_TIME, where);
}

static void own_accepted(const char *header, const char *payload,
                         const struct cella_collateral *keys, struct cella_verification *out) {
    CELLA_BUFFER token = {0};
    own_token(header, cella_bytes_text(payload), EVP_sha256(), &token);
    vector_verify(cella_buffer_bytes(&token), keys, CELLA_EVIDENCE_AUTO, OWN_TIME, out);
    if (!out->verdict)
        print_error("%s: %s: %s\n", out->reason.step, out->reason.field, out->reason.found);
    assert_int_equal(out->verdict, CELLA_VERIFY_ACCEPTED);
}

/* A24, A25, A26, A27 of the header: rightly signed each time, so that the refusal is the header's
 * own. */
static void headers(void **state) {
    (void)state;
    struct cella_collateral *keys = own_keys("k", ",\"use\":\"sig\",\"alg\":\"RS256\"");
    static const char *const rows[][2] = {
        {"{\"alg\":\"none\",\"kid\":\"k\"}", "alg"},
        {"{\"alg\":\"None\",\"kid\":\"k\"}", "alg"},
        {"{\"alg\":\"nOnE\",\"kid\":\"k\"}", "alg"},
        {"{\"alg\":\"HS256\",\"kid\":\"k\"}", "alg"},
        {"{\"alg\":\"RS384\",\"kid\":\"k\"}", "alg"},
        {"{\"alg\":\"PS256\",\"kid\":\"k\"}", "alg"},
        {"{\"alg\":\"ES256\",\"kid\":\"k\"}", "alg"},
        {"{\"alg\":\"rs256\",\"kid\":\"k\"}", "alg"},
        {"{\"alg\":\"RS256 \",\"kid\":\"k\"}", "alg"},
        {"{\"alg\":\"\",\"kid\":\"k\"}", "alg"},
        {"{\"kid\":\"k\"}", "alg"},
        {"{\"alg\":null,\"kid\":\"k\"}", "token"},
        {"{\"alg\":[\"RS256\"],\"kid\":\"k\"}", "token"},
        {"{\"alg\":\"RS256\",\"alg\":\"RS256\",\"kid\":\"k\"}", "token"},
        {"{\"alg\":\"RS256\"}", "kid"},
        {"{\"alg\":\"RS256\",\"kid\":\"\"}", "kid"},
        {"{\"alg\":\"RS256\",\"kid\":\"K\"}", "kid"},
        {"{\"alg\":\"RS256\",\"kid\":\"../../dev/null\"}", "kid"},
        {"{\"alg\":\"RS256\",\"kid\":\"k \"}", "kid"},
        {"{\"alg\":\"RS256\",\"kid\":\"k\\u0000\"}", "token"},
        {"{\"alg\":\"RS256\",\"kid\":1}", "token"},
        {"{\"alg\":\"RS256\",\"kid\":\"k\",\"kid\":\"k\"}", "token"},
        {"{\"alg\":\"RS256\",\"kid\":\"k\",\"crit\":[\"exp\"]}", "token"},
        {"{\"alg\":\"RS256\",\"kid\":\"k\",\"b64\":false}", "token"},
        {"{\"alg\":\"RS256\",\"kid\":\"k\",\"typ\":\"JWE\"}", "token"},
        {"{\"alg\":\"RS256\",\"kid\":\"k\"} ", NULL},
        {"{\"alg\":\"RS256\",\"kid\":\"k\"}x", "token"},
        {"[]", "token"},
        {"{\"alg\":\"RS256\",\"kid\":\"' OR 1=1 --\"}", "kid"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (rows[i][1]) own_refused(rows[i][0], PAYLOAD, keys, rows[i][1]);
    CELLA_VERIFICATION v, w;
    own_accepted(HEADER, PAYLOAD, keys, &v);
    own_accepted("{\"alg\":\"RS256\",\"kid\":\"\\u006b\",\"jku\":\"http://127.0.0.1:1/"
                 "\",\"x5u\":\"http://127.0.0.1:1/\"}",
                 PAYLOAD, keys, &w);
    static char big[70000];
    memset(big, 'k', 65536);
    CELLA_BUFFER header = {0};
    append(&header, "{\"alg\":\"RS256\",\"kid\":\"");
    append(&header, big);
    append(&header, "\"}");
    VECTOR_OK(cella_buffer_append(&header, cella_bytes("", 1)));
    own_refused((const char *)header.data, PAYLOAD, keys, "token");
    cella_collateral_free(&keys);
}

/* A26: a key that the token brings itself, in a header that others would use. */
static void own_key_in_header(void **state) {
    (void)state;
    CELLA_BUFFER header = {0}, token = {0}, other = {0};
    append(&header, "{\"alg\":\"RS256\",\"kid\":\"k\",\"jwk\":");
    own_jwk(&header, "k", "");
    append(&header, "}");
    VECTOR_OK(cella_buffer_append(&header, cella_bytes("", 1)));
    own_refused((const char *)header.data, PAYLOAD, NULL, "collateral: jwks");
    if (!vector_has(ISOLATED)) skip();
    vector_read(ISOLATED "/jwks.json", &other);
    struct cella_collateral *keys = keys_of("jwks.json", cella_buffer_bytes(&other));
    own_refused((const char *)header.data, PAYLOAD, keys, "kid");
    own_refused("{\"alg\":\"RS256\",\"kid\":\"XxRc2vLh1E5FrsNawnRH3PzuFgqg3q7NvCdnjoJHBGE=\"}",
                PAYLOAD, keys, "token signature");
    own_token(HEADER, cella_bytes_text(PAYLOAD), EVP_sha512(),
              &token); /* the digest is not the message's choice */
    cella_collateral_free(&keys);
    keys = own_keys("k", "");
    vector_refused(cella_buffer_bytes(&token), keys, CELLA_EVIDENCE_MAA, OWN_TIME,
                   "token signature");
    cella_collateral_free(&keys);
}

/* A25, A26: key sets that must not be used, or not for this. */
static void key_sets(void **state) {
    (void)state;
    static const char *const extras[][2] = {
        {",\"use\":\"enc\"", "kid"},   {",\"alg\":\"RS512\"", "kid"},
        {",\"alg\":\"HS256\"", "kid"}, {",\"x5c\":[\"AAAA\"]", "kid"},
        {",\"x5c\":[1]", "kid"},       {",\"n\":\"AQAB\"", "jwks"},
        {",\"kid\":\"k\"", "jwks"},
    };
    for (size_t i = 0; i < sizeof(extras) / sizeof(extras[0]); i++) {
        struct cella_collateral *keys = own_keys("k", extras[i][0]);
        own_refused(HEADER, PAYLOAD, keys, extras[i][1]);
        cella_collateral_free(&keys);
    }
    CELLA_BUFFER twice = {0}, same = {0};
    append(&twice, "{\"keys\":[");
    own_jwk(&twice, "k", "");
    append(&twice, ",{\"kid\":\"k\",\"kty\":\"EC\"}]}");
    append(&same, "{\"keys\":[");
    own_jwk(&same, "k", "");
    append(&same, ",");
    own_jwk(&same, "k", ",\"use\":\"sig\"");
    append(&same, "]}");
    struct cella_collateral *keys = keys_of("jwks.json", cella_buffer_bytes(&twice));
    own_refused(HEADER, PAYLOAD, keys, "kid");
    cella_collateral_free(&keys);
    CELLA_VERIFICATION v;
    keys = keys_of("jwks.json", cella_buffer_bytes(&same));
    own_accepted(HEADER, PAYLOAD, keys, &v);
    cella_collateral_free(&keys);
    keys = keys_of("vcek", cella_buffer_bytes(&same)); /* a part of an envelope is no key set */
    own_refused(HEADER, PAYLOAD, keys, "collateral: jwks");
    cella_collateral_free(&keys);
    if (!vector_has(ISOLATED)) skip();
    CELLA_BUFFER real = {0}, both = {0};
    vector_read(ISOLATED "/jwks.json", &real);
    append(&both, "{\"keys\":[");
    own_jwk(&both, "XxRc2vLh1E5FrsNawnRH3PzuFgqg3q7NvCdnjoJHBGE=", "");
    append(&both, "]}");
    bool taken = false;
    VECTOR_OK(cella_collateral_new(&keys));
    VECTOR_OK(cella_collateral_add(keys, "jwks.json", cella_buffer_bytes(&real), &taken));
    VECTOR_OK(cella_collateral_add(keys, "more.json", cella_buffer_bytes(&both), &taken));
    VECTOR_OK(cella_collateral_finish(keys));
    CELLA_BUFFER token = {0};
    vector_read(ISOLATED "/token.jwt", &token);
    vector_refused(cella_buffer_bytes(&token), keys, CELLA_EVIDENCE_MAA, ISOLATED_TIME,
                   "kid"); /* two keys, one kid */
    cella_collateral_free(&keys);
}

/* A self-signed certificate of our key, made out to a name, valid from 1000 to 1600, as base64. */
static void own_certificate(const char *name, struct cella_buffer *out) {
    X509 *x = X509_new();
    unsigned char *der = NULL;
    X509_set_version(x, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
                               (const unsigned char *)name, -1, -1, 0);
    X509_set_issuer_name(x, X509_get_subject_name(x));
    ASN1_TIME_set(X509_getm_notBefore(x), 1000);
    ASN1_TIME_set(X509_getm_notAfter(x), 1600);
    X509_set_pubkey(x, own);
    X509_EXTENSION *basic = X509V3_EXT_conf_nid(NULL, NULL, NID_basic_constraints, "CA:FALSE");
    X509_add_ext(x, basic, -1);
    X509_EXTENSION_free(basic);
    assert_true(X509_sign(x, own, EVP_sha256()) > 0);
    int size = i2d_X509(x, &der);
    VECTOR_OK(cella_base64_encode(cella_bytes(der, (size_t)size), false, out));
    OPENSSL_free(der);
    X509_free(x);
}

static struct cella_collateral *certificate_keys(const char *const *names, size_t count,
                                                 const char *extra) {
    CELLA_BUFFER jwks = {0};
    append(&jwks, "{\"keys\":[");
    for (size_t i = 0; i < count; i++) {
        CELLA_BUFFER certificate = {0};
        own_certificate(names[i], &certificate);
        append(&jwks, i ? ",{\"kid\":\"k\",\"kty\":\"RSA\",\"x5c\":[\""
                        : "{\"kid\":\"k\",\"kty\":\"RSA\",\"x5c\":[\"");
        VECTOR_OK(cella_buffer_append(&jwks, cella_buffer_bytes(&certificate)));
        append(&jwks, "\"]");
        append(&jwks, extra);
        append(&jwks, "}");
    }
    append(&jwks, "]}");
    return keys_of("jwks.json", cella_buffer_bytes(&jwks));
}

/* A27: whose key it is, and until when. */
static void certificates(void **state) {
    (void)state;
    static const char *const names[] = {"https://j", "https://i", "i"};
    static const uint64_t late = 1601;
    CELLA_BUFFER token = {0};
    CELLA_VERIFICATION v, w, x;
    own_token(HEADER, cella_bytes_text(PAYLOAD), EVP_sha256(), &token);
    struct cella_collateral *keys = certificate_keys(&names[0], 1, "");
    own_refused(HEADER, PAYLOAD, keys, "token: iss");
    cella_collateral_free(&keys);
    keys = certificate_keys(&names[1], 1, "");
    own_accepted(HEADER, PAYLOAD, keys, &v);
    vector_refused(cella_buffer_bytes(&token), keys, CELLA_EVIDENCE_MAA, late,
                   "signing certificate: validity");
    cella_collateral_free(&keys);
    keys = certificate_keys(names, 2, ""); /* two certificates of one key */
    own_accepted(HEADER, PAYLOAD, keys, &w);
    cella_collateral_free(&keys);
    keys = certificate_keys(&names[2], 1, ""); /* an authority's names say nothing of the issuer */
    own_accepted(HEADER, PAYLOAD, keys, &x);
    cella_collateral_free(&keys);
    keys = certificate_keys(&names[1], 1, ",\"n\":\"AQAB\",\"e\":\"AQAB\"");
    own_refused(HEADER, PAYLOAD, keys, "kid");
    cella_collateral_free(&keys);
}

static void age(void **state) {
    (void)state;
    struct cella_collateral *keys = own_keys("k", "");
    CELLA_BUFFER token = {0};
    own_token(HEADER, cella_bytes_text(PAYLOAD), EVP_sha256(), &token);
    for (uint64_t now = 1160; now <= 1161; now++) {
        CELLA_VERIFICATION v;
        struct cella_evidence_options options = {.time_unix = now, .max_age_s = 100};
        VECTOR_OK(cella_verify(cella_buffer_bytes(&token), keys, &options, &v));
        assert_int_equal(v.verdict, now == 1160);
        assert_true(v.authentic);
    }
    cella_collateral_free(&keys);
}

/* A27, A29 of the payload. */
static void payloads(void **state) {
    (void)state;
    struct cella_collateral *keys = own_keys("k", "");
    static const char *const rows[] = {
        "{\"iss\":\"https://i\",\"nbf\":1000,\"iat\":1000}",
        "{\"iss\":\"https://i\",\"nbf\":1000,\"exp\":2000}",
        "{\"iss\":\"https://i\",\"iat\":1000,\"exp\":2000}",
        "{\"nbf\":1000,\"iat\":1000,\"exp\":2000}",
        "{\"iss\":\"\",\"nbf\":1000,\"iat\":1000,\"exp\":2000}",
        "{\"iss\":1,\"nbf\":1000,\"iat\":1000,\"exp\":2000}",
        "{\"iss\":\"https://i\",\"nbf\":1000,\"iat\":1000,\"exp\":\"2000\"}",
        "{\"iss\":\"https://i\",\"nbf\":1000,\"iat\":1000,\"exp\":2000.0}",
        "{\"iss\":\"https://i\",\"nbf\":1000,\"iat\":1000,\"exp\":2e3}",
        "{\"iss\":\"https://i\",\"nbf\":1000,\"iat\":1000,\"exp\":1e309}",
        "{\"iss\":\"https://i\",\"nbf\":1000,\"iat\":1000,\"exp\":-1}",
        "{\"iss\":\"https://i\",\"nbf\":1000,\"iat\":1000,\"exp\":9007199254740993}",
        "{\"iss\":\"https://i\",\"nbf\":1000,\"iat\":1000,\"exp\":99999999999999999999}",
        "{\"iss\":\"https://i\",\"nbf\":1000,\"iat\":1000,\"exp\":02000}",
        "{\"iss\":\"https://i\",\"nbf\":null,\"iat\":1000,\"exp\":2000}",
        "{" TIMES ",\"exp\":2001}",
        "{" TIMES ",\"a\":{\"b\":1,\"b\":2}}",
        "{" TIMES ",\"a\":\"\\ud800\"}",
        "{" TIMES ",\"a\":\"\\u0000\"}",
        "{" TIMES ",\"a\":\"\xff\"}",
        "{" TIMES ",}",
        "{" TIMES "} 1",
        "\xef\xbb\xbf{" TIMES "}",
        "{" TIMES "/*c*/}",
        "[{" TIMES "}]",
        ("{" TIMES),
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        own_refused(HEADER, rows[i], keys, "format: token payload");
    static const char *const late[][2] = {
        {"{\"iss\":\"https://i\",\"nbf\":1000,\"iat\":1000,\"exp\":1439}", "exp"},
        {"{\"iss\":\"https://i\",\"nbf\":1561,\"iat\":1000,\"exp\":2000}", "nbf"},
        {"{\"iss\":\"https://i\",\"nbf\":1000,\"iat\":1561,\"exp\":2000}", "iat"},
        {"{\"iss\":\"https://i\",\"nbf\":1550,\"iat\":1000,\"exp\":1500}", "nbf"},
    };
    for (size_t i = 0; i < 4; i++) own_refused(HEADER, late[i][0], keys, late[i][1]);
    CELLA_BUFFER deep = {0}, token = {0};
    append(&deep, "{" TIMES ",\"a\":");
    for (int i = 0; i < 100; i++) append(&deep, "[");
    own_token(HEADER, cella_buffer_bytes(&deep), EVP_sha256(), &token);
    vector_refused(cella_buffer_bytes(&token), keys, CELLA_EVIDENCE_MAA, OWN_TIME,
                   "format: token payload");
    cella_collateral_free(&keys);
}

/* What becomes of claims: nesting, lists, escapes, names that would pass for others. */
static void claims(void **state) {
    (void)state;
    struct cella_collateral *keys = own_keys("k", "");
    CELLA_VERIFICATION v, w, x;
    own_accepted(HEADER,
                 "{" TIMES ",\"x-ms-attestation-type\":\"azurevm\",\"x-ms-sevsnpvm-"
                 "launchmeasurement\":\"00\",\"t\":\"a\\u00e4\\ud83d\\ude00\\n\\/\","
                 "\"f\":1.5,\"neg\":-1,\"n\":null,\"l\":[\"a\",1,{\"b\":true}],\"a.b\":1,\"\":2,"
                 "\"sp ace\":3,"
                 "\"x-ms-runtime\":{\"x-ms-sevsnpvm-launchmeasurement\":\"11\",\"x-ms-attestation-"
                 "type\":\"sgx\"},"
                 "\"x-ms-isolation-tee\":{\"x-ms-attestation-type\":\"sevsnpvm\",\"x-ms-sevsnpvm-"
                 "launchmeasurement\":\"aabb\","
                 "\"x-ms-sevsnpvm-is-debuggable\":false,\"x-ms-sevsnpvm-idkeydigest\":\"0000\",\"x-"
                 "ms-sevsnpvm-guestsvn\":\"7\"}}",
                 keys, &v);
    vector_same_text(&v, "tee", "snp");
    vector_same_hex(&v, "measurement", "aabb");
    vector_same_number(&v, "debug", 0);
    assert_null(cella_claimset_find(v.claims, "signer")); /* none: zero */
    assert_null(cella_claimset_find(v.claims, "svn"));    /* text is no number (A38) */
    vector_same_text(&v, "maa.t", "a\xc3\xa4\xf0\x9f\x98\x80\n/");
    vector_same_text(&v, "maa.f", "1.5");
    vector_same_text(&v, "maa.neg", "-1");
    vector_same_number(&v, "maa.l.2.b", 1);
    vector_same_text(&v, "maa.l", "a");
    assert_null(cella_claimset_find(v.claims, "maa.n"));
    assert_null(cella_claimset_find(v.claims, "maa.a.b"));
    vector_same_number(&v, "maa.omitted", 3);
    own_accepted(HEADER,
                 "{" TIMES ",\"x-ms-attestation-type\":\"tdxvm\",\"tdx_mrtd\":\"ab\",\"tdx_report_"
                 "data\":\"cd\",\"attester_tcb_status\":\"UpToDate\","
                 "\"tdx_td_attributes_debug\":true,\"x-ms-sgx-mrenclave\":\"99\"}",
                 keys, &w);
    vector_same_text(&w, "tee", "tdx");
    vector_same_hex(&w, "measurement", "ab");
    vector_same_number(&w, "debug", 1);
    assert_string_equal(w.tcb_status, "UpToDate");
    own_refused(HEADER,
                "{" TIMES
                ",\"x-ms-attestation-type\":\"tdxvm\",\"attester_tcb_status\":\"OutOfDate\"}",
                keys, "tcb level");
    own_accepted(HEADER,
                 "{" TIMES ",\"x-ms-attestation-type\":\"SGX\",\"x-ms-sgx-mrenclave\":\"99\"}",
                 keys, &x);
    vector_same_text(&x, "tee", "unknown");
    assert_null(cella_claimset_find(x.claims, "measurement"));
    CELLA_BUFFER many = {0}, token = {0};
    append(&many, "{" TIMES);
    for (int i = 0; i < 200; i++) {
        char text[64];
        snprintf(text, sizeof(text), ",\"k%d\":{\"a\":1,\"b\":2,\"c\":3}", i);
        append(&many, text);
    }
    append(&many, "}");
    own_token(HEADER, cella_buffer_bytes(&many), EVP_sha256(), &token);
    CELLA_VERIFICATION y;
    vector_verify(cella_buffer_bytes(&token), keys, CELLA_EVIDENCE_AUTO, OWN_TIME, &y);
    assert_int_equal(y.verdict, CELLA_VERIFY_ACCEPTED);
    assert_non_null(cella_claimset_find(y.claims, "maa.omitted"));
    cella_collateral_free(&keys);
}

/* A29: damaged key sets are a refusal, never a crash, and never half a set. */
static void broken_sets(void **state) {
    (void)state;
    CELLA_BUFFER jwks = {0}, token = {0};
    append(&jwks, "{\"keys\":[");
    own_jwk(&jwks, "k", "");
    append(&jwks, "]}");
    own_token(HEADER, cella_bytes_text(PAYLOAD), EVP_sha256(), &token);
    for (size_t size = 0; size < jwks.size; size++) {
        struct cella_collateral *keys = keys_of("jwks.json", cella_bytes(jwks.data, size));
        vector_refused(cella_buffer_bytes(&token), keys, CELLA_EVIDENCE_MAA, OWN_TIME, NULL);
        cella_collateral_free(&keys);
    }
}

static int make_key(void **state) { return (own = EVP_RSA_gen(2048)) && !*state ? 0 : -1; }

static int drop_key(void **state) {
    (void)state;
    EVP_PKEY_free(own);
    return 0;
}

/* cella's own service on cella's own evidence: what is asked of the token is what would be asked of
 * the evidence (A23), and nothing else has these names. */
#define ONES "1111111111111111111111111111111111111111111111111111111111111111"
static void software_names(void **state) {
    (void)state;
    struct cella_collateral *keys = own_keys("k", "");
    CELLA_VERIFICATION v, other, odd;
    own_accepted(HEADER,
                 "{" TIMES ",\"x-ms-attestation-type\":\"cella-software\",\"x-ms-cella-assurance\":"
                 "\"S1\",\"x-ms-cella-mrenclave\":\"" ONES
                 "\",\"x-ms-cella-svn\":3,\"x-ms-cella-is-debuggable\":false,"
                 "\"x-ms-cella-memory\":\"secret\",\"x-ms-cella-report-data\":\"" ONES ONES
                 "\",\"x-ms-cella-confidential-computing\":false,\"x-ms-sgx-mrsigner\":\"" ONES
                 "\"}",
                 keys, &v);
    vector_same_text(&v, "tee", "software");
    vector_same_text(&v, "assurance", "S1");
    vector_same_text(&v, "software.memory", "secret");
    vector_same_hex(&v, "measurement", ONES);
    vector_same_hex(&v, "report-data", ONES ONES);
    vector_same_number(&v, "svn", 3);
    vector_same_number(&v, "debug", 0);
    vector_same_number(&v, "confidential-computing", 0);
    assert_null(cella_claimset_find(v.claims, "signer")); /* a name of hardware */
    own_accepted(HEADER,
                 "{" TIMES ",\"x-ms-attestation-type\":\"sgx\",\"x-ms-cella-assurance\":\"S3\","
                 "\"x-ms-cella-mrenclave\":\"" ONES "\",\"x-ms-runtime\":{"
                 "\"x-ms-attestation-type\":\"cella-software\"}}",
                 keys, &other);
    vector_same_text(&other, "tee", "sgx");
    vector_same_text(&other, "assurance", "attestation-service");
    assert_null(cella_claimset_find(other.claims, "measurement"));
    /* values of another form than their names promise are no answer */
    own_accepted(HEADER,
                 "{" TIMES
                 ",\"x-ms-attestation-type\":\"cella-software\",\"x-ms-cella-assurance\":["
                 "\"S3\"],\"x-ms-cella-mrenclave\":\"zz\",\"x-ms-cella-memory\":true,"
                 "\"x-ms-cella-is-debuggable\":\"false\"}",
                 keys, &odd);
    vector_same_text(&odd, "tee", "software");
    static const char *const absent[] = {"assurance", "measurement", "software.memory", "debug"};
    for (size_t i = 0; i < sizeof(absent) / sizeof(absent[0]); i++)
        assert_null(cella_claimset_find(odd.claims, absent[i]));
    cella_collateral_free(&keys);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_vectors),       cmocka_unit_test(headers),
        cmocka_unit_test(own_key_in_header), cmocka_unit_test(key_sets),
        cmocka_unit_test(certificates),      cmocka_unit_test(age),
        cmocka_unit_test(payloads),          cmocka_unit_test(claims),
        cmocka_unit_test(broken_sets),       cmocka_unit_test(flips),
        cmocka_unit_test(software_names),
    };
    return cmocka_run_group_tests_name("maa", tests, make_key, drop_key);
}
