/* Secure key release, from a token to the key opened by the one who holds the token's key. */
#include "fixture.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#define V "?api-version=7.4"
#define POLICY                                                                                     \
    "{\"version\":\"1.0.0\",\"anyOf\":[{\"authority\":\"" AUTHORITY                                \
    "\",\"allOf\":[{\"claim\":\"x-ms-attestation-type\",\"equals\":\"sevsnpvm\"},"                 \
    "{\"claim\":\"svn\",\"greaterOrEquals\":2}]}]}"

static void encode(const char *text, char *out, size_t size) {
    CELLA_BUFFER buffer = {0};
    GOOD(cella_base64_encode(cella_bytes_text(text), true, &buffer));
    snprintf(out, size, "%.*s", (int)buffer.size, (const char *)buffer.data);
}

static int set_up(void **state) {
    struct rig *rig = rig_new(false);
    char policy[1024], body[2048];
    encode(POLICY, policy, sizeof(policy));
    snprintf(
        body, sizeof(body),
        "{\"kty\":\"EC-HSM\",\"attributes\":{\"exportable\":true},\"release_policy\":{\"data\":"
        "\"%s\"}}",
        policy);
    json_decref(call(rig, "POST", "/keys/k/create" V, body, 200));
    *state = rig;
    return 0;
}
static int tear_down(void **state) {
    rig_free(*state);
    return 0;
}

static json_t *claims(const struct cella_material *key, int svn) {
    json_int_t now = (json_int_t)time(NULL);
    json_t *jwk = cella_material_members(key), *sign = json_deep_copy(jwk);
    json_object_update_new(jwk, json_pack("{s:s, s:s, s:[s]}", "kid", "mine", "kty", "RSA",
                                          "key_ops", "encrypt"));
    json_object_update_new(sign, json_pack("{s:s, s:s, s:[s]}", "kid", "HCLAkPub", "kty", "RSA",
                                           "key_ops", "sign"));
    return json_pack("{s:s, s:I, s:I, s:I, s:s, s:s, s:i, s:{s:[o, o]}}", "iss", AUTHORITY, "iat",
                     now, "nbf", now, "exp", now + 600, "jti", "t1", "x-ms-attestation-type",
                     "sevsnpvm", "svn", svn, "x-ms-runtime", "keys", sign, jwk);
}

static json_t *release(struct rig *rig, json_t *of, const char *more, int status) {
    char token[8192], body[10000];
    sign_token(rig->attest, "attest", of, token, sizeof(token));
    snprintf(body, sizeof(body), "{\"target\":\"%s\"%s}", token, more);
    return call(rig, "POST", "/keys/k/release" V, body, status);
}

static json_t *decode_json(const char *text, size_t size) {
    CELLA_BUFFER bytes = {0};
    GOOD(cella_base64_decode(cella_bytes(text, size), true, &bytes));
    json_t *object = json_loadb((const char *)bytes.data, bytes.size, 0, NULL);
    assert_non_null(object);
    return object;
}

/* Opens key_hsm with OpenSSL's own words: RSA-OAEP, then AES key wrap with padding. */
static void open_key(const struct cella_material *holder, const char *key_hsm, const EVP_MD *hash,
                     uint8_t *der, int *size) {
    CELLA_JSON envelope = decode_json(key_hsm, strlen(key_hsm));
    CELLA_BUFFER cipher = {0};
    uint8_t kek[512];
    size_t kek_size = sizeof(kek);
    int last = 0;
    assert_string_equal(at(envelope, "header.kid"), "mine");
    GOOD(cella_base64_decode(cella_bytes_text(at(envelope, "ciphertext")), true, &cipher));
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(cella_material_pkey(holder), NULL);
    assert_int_equal(EVP_PKEY_decrypt_init(context), 1);
    EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_OAEP_PADDING);
    EVP_PKEY_CTX_set_rsa_oaep_md(context, hash);
    EVP_PKEY_CTX_set_rsa_mgf1_md(context, hash);
    assert_int_equal(EVP_PKEY_decrypt(context, kek, &kek_size, cipher.data, 256), 1);
    EVP_PKEY_CTX_free(context);
    assert_int_equal(kek_size, 32);
    EVP_CIPHER_CTX *aes = EVP_CIPHER_CTX_new();
    EVP_CIPHER_CTX_set_flags(aes, EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
    assert_int_equal(EVP_DecryptInit_ex(aes, EVP_aes_256_wrap_pad(), NULL, kek, NULL), 1);
    assert_int_equal(EVP_DecryptUpdate(aes, der, size, cipher.data + 256, (int)cipher.size - 256),
                     1);
    assert_int_equal(EVP_DecryptFinal_ex(aes, der + *size, &last), 1);
    *size += last;
    EVP_CIPHER_CTX_free(aes);
}

static void released_key_is_the_key(void **state) {
    struct rig *rig = *state;
    static const struct {
        const char *enc;
        const EVP_MD *(*hash)(void);
    } wraps[] = {{"CKM_RSA_AES_KEY_WRAP", EVP_sha1},
                 {"RSA_AES_KEY_WRAP_256", EVP_sha256},
                 {"RSA_AES_KEY_WRAP_384", EVP_sha384}};
    CELLA_MATERIAL holder = NULL;
    GOOD(cella_material_new(CELLA_MATERIAL_RSA, CELLA_CURVE_NONE, 2048, 0, &holder));
    json_t *public = call(rig, "GET", "/keys/k" V, NULL, 200);
    for (size_t i = 0; i < 3; i++) {
        char more[128];
        uint8_t der[1024];
        int size = 0;
        snprintf(more, sizeof(more), ",\"nonce\":\"n1\",\"enc\":\"%s\"", wraps[i].enc);
        json_t *reply = release(rig, claims(holder, 2), more, 200);
        const char *jws = at(reply, "value");
        const char *first = strchr(jws, '.'), *second = strchr(first + 1, '.');
        json_t *payload = decode_json(first + 1, (size_t)(second - first - 1));
        assert_string_equal(at(payload, "request.nonce"), "n1");
        assert_string_equal(at(payload, "request.enc"), wraps[i].enc);
        assert_string_equal(at(payload, "request.kid"), "https://" HOST "/keys/k");
        CELLA_JWS opened = {0};
        GOOD(cella_jws_open(cella_bytes_text(jws), false, &opened));
        GOOD(cella_jws_check(&opened, rig->release, CELLA_JOSE_RS256));
        open_key(holder, at(payload, "response.key.key.key_hsm"), wraps[i].hash(), der, &size);
        CELLA_MATERIAL got = NULL;
        GOOD(cella_material_load(CELLA_MATERIAL_EC, cella_bytes(der, (size_t)size), &got));
        json_t *members = cella_material_members(got);
        assert_string_equal(at(members, "x"), at(public, "key.x"));
        json_decref(members);
        json_decref(payload);
        json_decref(reply);
    }
    json_decref(public);
}

static void refused(struct rig *rig, json_t *of, const char *message) {
    json_t *reply = release(rig, of, "", 403);
    assert_string_equal(at(reply, "error.message"), message);
    json_decref(reply);
}

static json_t *with(json_t *object, const char *name, json_t *value) {
    if (value)
        json_object_set_new(object, name, value);
    else
        json_object_del(object, name);
    return object;
}

static void refusals(void **state) {
    struct rig *rig = *state;
    static const char unverified[] = "Target environment attestation statement cannot be verified.",
                      unmet[] = "Target environment attestation does not meet key release policy "
                                "requirements";
    json_int_t now = (json_int_t)time(NULL);
    CELLA_MATERIAL holder = NULL;
    GOOD(cella_material_new(CELLA_MATERIAL_RSA, CELLA_CURVE_NONE, 2048, 0, &holder));
    refused(rig, claims(holder, 1), unmet);
    refused(rig, with(claims(holder, 2), "x-ms-attestation-type", json_string("cella-software")),
            unmet);
    refused(rig, with(claims(holder, 2), "x-ms-attestation-type", NULL), unmet);
    refused(rig, with(claims(holder, 2), "iss", json_string("https://other.test")), unverified);
    refused(rig, with(claims(holder, 2), "iss", NULL), unverified);
    refused(rig, with(claims(holder, 2), "exp", json_integer(now - 61)), unverified); /* K02 */
    refused(rig, with(claims(holder, 2), "exp", NULL), unverified);
    refused(rig, with(claims(holder, 2), "exp", json_string("9999999999")), unverified);
    refused(rig, with(claims(holder, 2), "nbf", json_integer(now + 120)), unverified);
    refused(rig, with(claims(holder, 2), "x-ms-runtime", NULL),
            "Target environment attestation statement has no key to encrypt to."); /* K05 */
    json_decref(release(rig, with(claims(holder, 2), "exp", json_integer(now - 30)), "", 200));
    json_decref(release(rig, claims(holder, 2), ",\"enc\":\"RSA1_5\"", 400));
}

static void forged_tokens(void **state) {
    struct rig *rig = *state;
    char token[8192], body[10000];
    CELLA_MATERIAL holder = NULL;
    GOOD(cella_material_new(CELLA_MATERIAL_RSA, CELLA_CURVE_NONE, 2048, 0, &holder));
    sign_token(rig->login, "attest", claims(holder, 2), token, sizeof(token)); /* another key */
    snprintf(body, sizeof(body), "{\"target\":\"%s\"}", token);
    json_decref(call(rig, "POST", "/keys/k/release" V, body, 403));
    sign_token(rig->attest, "unknown", claims(holder, 2), token, sizeof(token)); /* A25 */
    snprintf(body, sizeof(body), "{\"target\":\"%s\"}", token);
    json_decref(call(rig, "POST", "/keys/k/release" V, body, 403));
    CELLA_JSON of = claims(holder, 2);
    CELLA_JSON header = json_pack("{s:s}", "kid", "attest");
    CELLA_BUFFER none = {0}; /* A24: a draft policy's token */
    char *payload = json_dumps(of, 0);
    GOOD(cella_jws_sign(NULL, CELLA_JOSE_NONE, header, cella_bytes_text(payload), &none));
    free(payload);
    snprintf(body, sizeof(body), "{\"target\":\"%.*s\"}", (int)none.size, (const char *)none.data);
    json_decref(call(rig, "POST", "/keys/k/release" V, body, 403));
    json_decref(call(rig, "POST", "/keys/k/release" V, "{\"target\":\"a.b.c\"}", 403));
    json_decref(call(rig, "POST", "/keys/k/release" V, "{}", 400));
}

static void rules_of_exportable_keys(void **state) {
    struct rig *rig = *state;
    char policy[1024], body[4096];
    encode(POLICY, policy, sizeof(policy));
    static const struct {
        const char *text, *tag;
    } rows[] = {
        {"{\"kty\":\"RSA-HSM\",\"attributes\":{\"exportable\":true}}", "AKV.SKR.1004"},
        {"{\"kty\":\"RSA-HSM\",\"release_policy\":{\"data\":\"%s\"}}", "AKV.SKR.1005"},
        {"{\"kty\":\"RSA\",\"attributes\":{\"exportable\":true},\"release_policy\":{\"data\":\"%"
         "s\"}}",
         "AKV.SKR.1006"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char *mark = strstr(rows[i].text, "%s");
        snprintf(body, sizeof(body), "%.*s%s%s",
                 mark ? (int)(mark - rows[i].text) : (int)strlen(rows[i].text), rows[i].text,
                 mark ? policy : "", mark ? mark + 2 : "");
        json_t *reply = call(rig, "POST", "/keys/e/create" V, body, 400);
        assert_non_null(strstr(at(reply, "error.message"), rows[i].tag));
        json_decref(reply);
    }
    json_t *reply = call(rig, "PATCH", "/keys/k" V, "{\"attributes\":{\"exportable\":false}}", 400);
    assert_non_null(strstr(at(reply, "error.message"), "AKV.SKR.1014"));
    json_decref(reply);
}

/* The server's certificate changes while it serves: releases go with it, and a key that does not
 * fit changes nothing. */
static void releases_follow_the_certificate(void **state) {
    struct rig *rig = *state;
    CELLA_MATERIAL holder = NULL;
    CELLA_JOSE_KEY next = NULL;
    CELLA_JWS before = {0}, after = {0};
    GOOD(cella_material_new(CELLA_MATERIAL_RSA, CELLA_CURVE_NONE, 2048, 0, &holder));
    GOOD(cella_jose_key_new(CELLA_JOSE_P256, 0, &next));
    struct cella_result result = certify(rig, next, rig->release);
    assert_int_equal(cella_code_of(result), CELLA_ERR_INTEGRITY);
    cella_result_drop(result);
    json_t *reply = release(rig, claims(holder, 2), "", 200);
    GOOD(cella_jws_open(cella_bytes_text(at(reply, "value")), false, &before));
    GOOD(cella_jws_check(&before, rig->release, CELLA_JOSE_RS256));
    json_decref(reply);
    GOOD(certify(rig, next, next));
    reply = release(rig, claims(holder, 2), "", 200);
    GOOD(cella_jws_open(cella_bytes_text(at(reply, "value")), false, &after));
    GOOD(cella_jws_check(&after, next, CELLA_JOSE_ES256));
    json_decref(reply);
}

/* K04: every way to write to a key whose policy is immutable. */
static void immutable_is_for_ever(void **state) {
    struct rig *rig = *state;
    char policy[1024], other[1024], body[4096];
    encode(POLICY, policy, sizeof(policy));
    encode("{\"version\":\"1.0.0\",\"anyOf\":[{\"authority\":\"https://evil.test\",\"allOf\":[{"
           "\"claim\":\"a\",\"equals\":1}]}]}",
           other, sizeof(other));
    snprintf(body, sizeof(body), "{\"release_policy\":{\"data\":\"%s\",\"immutable\":true}}",
             policy);
    json_decref(call(rig, "PATCH", "/keys/k" V, body, 200));
    snprintf(body, sizeof(body), "{\"release_policy\":{\"data\":\"%s\"}}", other);
    json_t *reply = call(rig, "PATCH", "/keys/k" V, body, 400);
    assert_non_null(strstr(at(reply, "error.message"), "AKV.SKR.1020"));
    json_decref(reply);
    snprintf(
        body, sizeof(body),
        "{\"kty\":\"EC-HSM\",\"attributes\":{\"exportable\":true},\"release_policy\":{\"data\":"
        "\"%s\"}}",
        other);
    json_decref(call(rig, "POST", "/keys/k/create" V, body, 400));
    json_decref(call(rig, "POST", "/keys/k/create" V, "{\"kty\":\"EC-HSM\"}", 400));
    json_decref(call(rig, "POST", "/keys/k/rotate" V, NULL, 200));
    json_t *rotated = call(rig, "GET", "/keys/k" V, NULL, 200);
    assert_string_not_equal(at(rotated, "release_policy.data"), other);
    assert_true(
        json_is_true(json_object_get(json_object_get(rotated, "release_policy"), "immutable")));
    json_decref(rotated);
    json_t *backup = call(rig, "POST", "/keys/k/backup" V, NULL, 200);
    char restored[65536];
    snprintf(restored, sizeof(restored), "{\"value\":\"%s\"}", at(backup, "value"));
    json_decref(backup);
    json_decref(call(rig, "DELETE", "/keys/k" V, NULL, 200));
    json_decref(call(rig, "DELETE", "/deletedkeys/k" V, NULL, 204));
    json_t *back = call(rig, "POST", "/keys/restore" V, restored, 200);
    assert_true(
        json_is_true(json_object_get(json_object_get(back, "release_policy"), "immutable")));
    json_decref(back);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(released_key_is_the_key, set_up, tear_down),
        cmocka_unit_test_setup_teardown(refusals, set_up, tear_down),
        cmocka_unit_test_setup_teardown(forged_tokens, set_up, tear_down),
        cmocka_unit_test_setup_teardown(rules_of_exportable_keys, set_up, tear_down),
        cmocka_unit_test_setup_teardown(releases_follow_the_certificate, set_up, tear_down),
        cmocka_unit_test_setup_teardown(immutable_is_for_ever, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
