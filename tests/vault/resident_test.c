/* Keys that live in an HSM, through the vault's API: what they do, what they cannot, what is left
 * of them, and what becomes of them when store and HSM do not agree. */
#include <openssl/bn.h>
#include <openssl/ecdsa.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>

#include "../hsm/token.h"
#include "crypto/digest.h"
#include "fixture.h"
#include "hsm/hsm.h"
#include "keys.h"
#include "vault/residents.h"
#include "vault/whole.h"

#define V "?api-version=7.6"

static struct token token;

static int set_up(void **state) {
    token_new(&token);
    *state = rig_new_on(false, token.uri);
    return 0;
}
static int set_up_managed(void **state) {
    token_new(&token);
    *state = rig_new_on(true, token.uri);
    return 0;
}
static int tear_down(void **state) {
    rig_free(*state);
    token_free(&token);
    return 0;
}

/* --- What the token has --- */

static struct cella_result count_one(void *context, const uint8_t id[16], const char *label) {
    (void)id;
    (void)label;
    ++*(size_t *)context;
    return CELLA_SUCCESS;
}

static size_t objects(const char *label) {
    struct cella_hsm *hsm = NULL;
    size_t count = 0;
    GOOD(cella_hsm_open(token.uri, token.folder, &hsm));
    GOOD(cella_hsm_each(hsm, label, count_one, &count));
    cella_hsm_close(&hsm);
    return count;
}

static void create(struct rig *rig, const char *name, const char *body) {
    char path[128];
    snprintf(path, sizeof(path), "/keys/%s/create" V, name);
    json_decref(call(rig, "POST", path, body, 200));
}

static void refused_with(json_t *reply, const char *words) {
    if (!strstr(at(reply, "error.message"), words))
        fail_msg("expected '%s' in: %s", words, at(reply, "error.message"));
    json_decref(reply);
}

static void says_what_is_true(void **state) {
    struct rig *rig = *state;
    json_t *made = call(rig, "POST", "/keys/true1/create" V, "{\"kty\":\"RSA-HSM\"}", 200);
    assert_string_equal(at(made, "key.kty"), "RSA-HSM");
    assert_string_equal(at(made, "attributes.hsmPlatform"),
                        "pkcs11:manufacturer=SoftHSM_project;model=SoftHSM_v2");
    json_decref(made);
    assert_int_equal(objects("cella/v1/true1"), 1);
    made = call(rig, "POST", "/keys/true2/create" V, "{\"kty\":\"RSA\"}", 200);
    assert_string_equal(at(made, "key.kty"), "RSA");
    assert_string_equal(at(made, "attributes.hsmPlatform"), "0");
    json_decref(made);
    assert_int_equal(objects("cella/v1/true2"), 0);
    refused_with(call(rig, "GET", "/keys/true1/attestation" V, NULL, 400), "PKCS #11");
    refused_with(call(rig, "GET", "/keys/true2/attestation" V, NULL, 400), "software");
}

static void a_managed_hsm_has_no_others(void **state) {
    struct rig *rig = *state;
    static const char *const kinds[][2] = {{"{\"kty\":\"RSA\"}", "RSA-HSM"},
                                           {"{\"kty\":\"EC\"}", "EC-HSM"},
                                           {"{\"kty\":\"oct\"}", "oct-HSM"}};
    for (size_t i = 0; i < 3; i++) {
        json_t *made = call(rig, "POST", "/keys/only/create" V, kinds[i][0], 200);
        assert_string_equal(at(made, "key.kty"), kinds[i][1]);
        assert_memory_equal(at(made, "attributes.hsmPlatform"), "pkcs11:", 7);
        json_decref(made);
    }
    assert_int_equal(objects("cella/v1/only"), 3);
}

/* --- Signatures, under OpenSSL's own eyes --- */

static void add_number(OSSL_PARAM_BLD *builder, const char *param, const json_t *key,
                       const char *member, BIGNUM **kept) {
    CELLA_BUFFER bytes = {0};
    GOOD(cella_base64_decode(cella_bytes_text(at(key, member)), true, &bytes));
    *kept = BN_bin2bn(bytes.data, (int)bytes.size, NULL);
    assert_int_equal(OSSL_PARAM_BLD_push_BN(builder, param, *kept), 1);
}

static EVP_PKEY *public_key(const json_t *key, const char *group) {
    OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, group ? "EC" : "RSA", NULL);
    EVP_PKEY *out = NULL;
    BIGNUM *kept[2] = {NULL, NULL};
    uint8_t point[1 + 2 * 66] = {4};
    if (group) {
        CELLA_BUFFER x = {0}, y = {0};
        GOOD(cella_base64_decode(cella_bytes_text(at(key, "x")), true, &x));
        GOOD(cella_base64_decode(cella_bytes_text(at(key, "y")), true, &y));
        memcpy(point + 1, x.data, x.size);
        memcpy(point + 1 + x.size, y.data, y.size);
        OSSL_PARAM_BLD_push_utf8_string(builder, OSSL_PKEY_PARAM_GROUP_NAME, group, 0);
        OSSL_PARAM_BLD_push_octet_string(builder, OSSL_PKEY_PARAM_PUB_KEY, point,
                                         1 + x.size + y.size);
    } else {
        add_number(builder, OSSL_PKEY_PARAM_RSA_N, key, "n", &kept[0]);
        add_number(builder, OSSL_PKEY_PARAM_RSA_E, key, "e", &kept[1]);
    }
    OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(builder);
    assert_int_equal(EVP_PKEY_fromdata_init(context), 1);
    assert_int_equal(EVP_PKEY_fromdata(context, &out, EVP_PKEY_PUBLIC_KEY, params), 1);
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(builder);
    EVP_PKEY_CTX_free(context);
    BN_free(kept[0]);
    BN_free(kept[1]);
    return out;
}

static bool verifies(EVP_PKEY *key, const EVP_MD *md, int padding, struct cella_bytes digest,
                     struct cella_bytes signature) {
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(key, NULL);
    unsigned char *der = NULL;
    assert_int_equal(EVP_PKEY_verify_init(context), 1);
    if (padding) assert_int_equal(EVP_PKEY_CTX_set_rsa_padding(context, padding), 1);
    if (padding == RSA_PKCS1_PSS_PADDING)
        assert_int_equal(EVP_PKEY_CTX_set_rsa_pss_saltlen(context, RSA_PSS_SALTLEN_DIGEST), 1);
    assert_int_equal(EVP_PKEY_CTX_set_signature_md(context, md), 1);
    if (!padding) {
        int half = (int)signature.size / 2;
        ECDSA_SIG *sig = ECDSA_SIG_new();
        ECDSA_SIG_set0(sig, BN_bin2bn(signature.data, half, NULL),
                       BN_bin2bn(signature.data + half, half, NULL));
        signature.size = (size_t)i2d_ECDSA_SIG(sig, &der);
        signature.data = der;
        ECDSA_SIG_free(sig);
    }
    bool good =
        EVP_PKEY_verify(context, signature.data, signature.size, digest.data, digest.size) == 1;
    OPENSSL_free(der);
    EVP_PKEY_CTX_free(context);
    return good;
}

static void sign_and_check(struct rig *rig, const char *algorithm, const char *body,
                           const char *group, const EVP_MD *md, int padding) {
    uint8_t digest[64] = {1, 2, 3};
    char text[128], request[2048];
    CELLA_BUFFER signature = {0};
    json_t *made = call(rig, "POST", "/keys/k/create" V, body, 200);
    EVP_PKEY *key = public_key(json_object_get(made, "key"), group);
    base64url(cella_bytes(digest, (size_t)EVP_MD_size(md)), text, sizeof(text));
    snprintf(request, sizeof(request), "{\"alg\":\"%s\",\"value\":\"%s\"}", algorithm, text);
    json_t *signed_ = call(rig, "POST", "/keys/k/sign" V, request, 200);
    GOOD(cella_base64_decode(cella_bytes_text(at(signed_, "value")), true, &signature));
    assert_true(verifies(key, md, padding, cella_bytes(digest, (size_t)EVP_MD_size(md)),
                         cella_buffer_bytes(&signature)));
    snprintf(request, sizeof(request), "{\"alg\":\"%s\",\"digest\":\"%s\",\"value\":\"%s\"}",
             algorithm, text, at(signed_, "value"));
    json_t *verified = call(rig, "POST", "/keys/k/verify" V, request, 200);
    assert_true(json_is_true(json_object_get(verified, "value")));
    digest[0] ^= 1;
    assert_false(verifies(key, md, padding, cella_bytes(digest, (size_t)EVP_MD_size(md)),
                          cella_buffer_bytes(&signature)));
    json_decref(verified);
    json_decref(signed_);
    json_decref(made);
    EVP_PKEY_free(key);
}

static void signatures(void **state) {
    struct rig *rig = *state;
    static const struct {
        const char *algorithm, *body, *group;
        const EVP_MD *(*md)(void);
        int padding;
    } all[] = {
        {"RS256", "{\"kty\":\"RSA-HSM\"}", NULL, EVP_sha256, RSA_PKCS1_PADDING},
        {"RS384", "{\"kty\":\"RSA-HSM\"}", NULL, EVP_sha384, RSA_PKCS1_PADDING},
        {"RS512", "{\"kty\":\"RSA-HSM\",\"public_exponent\":17}", NULL, EVP_sha512,
         RSA_PKCS1_PADDING},
        {"PS256", "{\"kty\":\"RSA-HSM\"}", NULL, EVP_sha256, RSA_PKCS1_PSS_PADDING},
        {"PS384", "{\"kty\":\"RSA-HSM\"}", NULL, EVP_sha384, RSA_PKCS1_PSS_PADDING},
        {"PS512", "{\"kty\":\"RSA-HSM\",\"key_size\":3072}", NULL, EVP_sha512,
         RSA_PKCS1_PSS_PADDING},
        {"ES256", "{\"kty\":\"EC-HSM\"}", "prime256v1", EVP_sha256, 0},
        {"ES256K", "{\"kty\":\"EC-HSM\",\"crv\":\"P-256K\"}", "secp256k1", EVP_sha256, 0},
        {"ES384", "{\"kty\":\"EC-HSM\",\"crv\":\"P-384\"}", "secp384r1", EVP_sha384, 0},
        {"ES512", "{\"kty\":\"EC-HSM\",\"crv\":\"P-521\"}", "secp521r1", EVP_sha512, 0},
    };
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        sign_and_check(rig, all[i].algorithm, all[i].body, all[i].group, all[i].md(),
                       all[i].padding);
    /* sizes and algorithms as with software's keys */
    create(rig, "e", "{\"kty\":\"EC-HSM\"}");
    json_decref(call(rig, "POST", "/keys/e/sign" V, "{\"alg\":\"ES256\",\"value\":\"AAAA\"}", 400));
    json_decref(call(rig, "POST", "/keys/e/sign" V, "{\"alg\":\"RS256\",\"value\":\"AAAA\"}", 400));
    json_decref(
        call(rig, "POST", "/keys/e/create" V, "{\"kty\":\"RSA-HSM\",\"key_size\":1024}", 400));
    json_decref(
        call(rig, "POST", "/keys/e/create" V, "{\"kty\":\"RSA-HSM\",\"public_exponent\":4}", 400));
    assert_int_equal(objects("cella/v1/e"), 1); /* what was refused left nothing */
}

/* --- RSA, from OpenSSL to the HSM --- */

static void unwraps(void **state) {
    struct rig *rig = *state;
    static const struct {
        const char *algorithm;
        int padding;
        const EVP_MD *(*md)(void);
    } all[] = {{"RSA1_5", RSA_PKCS1_PADDING, NULL},
               {"RSA-OAEP", RSA_PKCS1_OAEP_PADDING, EVP_sha1},
               {"RSA-OAEP-256", RSA_PKCS1_OAEP_PADDING, EVP_sha256}};
    json_t *made = call(rig, "POST", "/keys/k/create" V, "{\"kty\":\"RSA-HSM\"}", 200);
    EVP_PKEY *key = public_key(json_object_get(made, "key"), NULL);
    for (size_t i = 0; i < 3; i++) {
        EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(key, NULL);
        uint8_t cipher[256];
        size_t size = sizeof(cipher);
        char text[512], request[1024];
        assert_int_equal(EVP_PKEY_encrypt_init(context), 1);
        assert_int_equal(EVP_PKEY_CTX_set_rsa_padding(context, all[i].padding), 1);
        if (all[i].md) {
            EVP_PKEY_CTX_set_rsa_oaep_md(context, all[i].md());
            EVP_PKEY_CTX_set_rsa_mgf1_md(context, all[i].md());
        }
        assert_int_equal(EVP_PKEY_encrypt(context, cipher, &size, (const uint8_t *)"secret", 6), 1);
        EVP_PKEY_CTX_free(context);
        base64url(cella_bytes(cipher, size), text, sizeof(text));
        snprintf(request, sizeof(request), "{\"alg\":\"%s\",\"value\":\"%s\"}", all[i].algorithm,
                 text);
        json_t *opened = call(rig, "POST", "/keys/k/unwrapkey" V, request, 200);
        assert_string_equal(at(opened, "value"), "c2VjcmV0");
        json_decref(opened);
        /* and what the vault wraps */
        snprintf(request, sizeof(request), "{\"alg\":\"%s\",\"value\":\"\"}", all[i].algorithm);
        json_t *wrapped = call(rig, "POST", "/keys/k/encrypt" V, request, 200);
        snprintf(request, sizeof(request), "{\"alg\":\"%s\",\"value\":\"%s\"}", all[i].algorithm,
                 at(wrapped, "value"));
        opened = call(rig, "POST", "/keys/k/decrypt" V, request, 200);
        assert_string_equal(at(opened, "value"), "");
        json_decref(opened);
        json_decref(wrapped);
    }
    EVP_PKEY_free(key);
    json_decref(made);
}

/* --- AES: a key that the test has too --- */

static void against_software(void **state) {
    struct rig *rig = *state;
    uint8_t bytes[32], back[64];
    char text[64], request[1024];
    struct cella_material *ours = NULL;
    static const char *const algorithms[] = {"A256GCM", "A256CBC", "A256CBCPAD", "A256KW",
                                             "CKM_AES_KEY_WRAP_PAD"};
    static const char iv[] = "AAECAwQFBgcICQoLDA0ODw";
    GOOD(cella_random(bytes, sizeof(bytes)));
    GOOD(cella_material_load(CELLA_MATERIAL_OCT, CELLA_BYTES_OF(bytes), &ours));
    base64url(CELLA_BYTES_OF(bytes), text, sizeof(text));
    snprintf(request, sizeof(request), "{\"key\":{\"kty\":\"oct\",\"k\":\"%s\"},\"Hsm\":true}",
             text);
    json_t *made = call(rig, "PUT", "/keys/o" V, request, 200);
    assert_string_equal(at(made, "key.kty"), "oct-HSM");
    assert_null(json_object_get(json_object_get(made, "key"), "k"));
    json_decref(made);
    for (size_t i = 0; i < 5; i++) {
        bool wraps = i > 2, gcm = i == 0;
        CELLA_BUFFER cipher = {0}, got_iv = {0}, tag = {0};
        CELLA_PRODUCT plain = {0};
        snprintf(request, sizeof(request),
                 "{\"alg\":\"%s\",\"value\":\"AAECAwQFBgcICQoLDA0ODw\"%s%s%s}", algorithms[i],
                 wraps ? ""
                 : gcm ? ",\"aad\":\"BBBB\""
                       : ",\"iv\":\"",
                 wraps || gcm ? "" : iv, wraps || gcm ? "" : "\"");
        json_t *sealed =
            call(rig, "POST", wraps ? "/keys/o/wrapkey" V : "/keys/o/encrypt" V, request, 200);
        GOOD(cella_base64_decode(cella_bytes_text(at(sealed, "value")), true, &cipher));
        GOOD(cella_base64_decode(cella_bytes_text(gcm ? at(sealed, "iv") : iv), true, &got_iv));
        if (gcm) GOOD(cella_base64_decode(cella_bytes_text(at(sealed, "tag")), true, &tag));
        struct cella_operands with = {
            .algorithm = algorithms[i],
            .value = cella_buffer_bytes(&cipher),
            .iv = wraps ? cella_bytes(NULL, 0) : cella_buffer_bytes(&got_iv),
            .aad = gcm ? cella_bytes("\4\20\101", 3) : cella_bytes(NULL, 0),
            .tag = cella_buffer_bytes(&tag)};
        GOOD(cella_material_use(ours, wraps ? CELLA_OP_UNWRAP : CELLA_OP_DECRYPT, &with, &plain));
        assert_int_equal(plain.size, 16);
        for (uint8_t k = 0; k < 16; k++) back[k] = k;
        assert_memory_equal(plain.value, back, 16);
        /* and back in the HSM */
        snprintf(request, sizeof(request), "{\"alg\":\"%s\",\"value\":\"%s\"%s%s%s%s%s%s}",
                 algorithms[i], at(sealed, "value"), wraps ? "" : ",\"iv\":\"",
                 wraps ? ""
                 : gcm ? at(sealed, "iv")
                       : iv,
                 wraps ? "" : "\"", gcm ? ",\"aad\":\"BBBB\",\"tag\":\"" : "",
                 gcm ? at(sealed, "tag") : "", gcm ? "\"" : "");
        json_t *opened =
            call(rig, "POST", wraps ? "/keys/o/unwrapkey" V : "/keys/o/decrypt" V, request, 200);
        assert_string_equal(at(opened, "value"), "AAECAwQFBgcICQoLDA0ODw");
        json_decref(opened);
        json_decref(sealed);
    }
    json_decref(call(rig, "PATCH", "/keys/o" V, "{\"key_ops\":[\"sign\"]}", 200));
    refused_with(
        call(rig, "POST", "/keys/o/sign" V,
             "{\"alg\":\"HS256\",\"value\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}", 400),
        "AES keys");
    cella_material_free(&ours);
}

/* --- What the store has of them --- */

static void no_key_in_the_store(void **state) {
    struct rig *rig = *state;
    CELLA_MATERIAL ours = NULL;
    CELLA_SESSION session = NULL;
    CELLA_RECORD record = {0};
    CELLA_SECRET kept = {0};
    char context[384];
    GOOD(cella_material_new(CELLA_MATERIAL_RSA, CELLA_CURVE_NONE, 2048, 0, &ours));
    CELLA_JSON jwk = jwk_of(ours);
    CELLA_JSON body = json_pack("{s:O, s:b}", "key", jwk, "hsm", 1);
    char *text = json_dumps(body, 0);
    json_t *made = call(rig, "PUT", "/keys/taken" V, text, 200);
    assert_string_equal(at(made, "key.kty"), "RSA-HSM");
    assert_string_equal(at(made, "key.n"), at(jwk, "n"));
    json_decref(made);
    free(text);
    GOOD(cella_session_begin(rig->database, false, &session));
    GOOD(cella_records_get(session, "v1", CELLA_RECORD_KEY, "taken", NULL, false, true, &record));
    GOOD(cella_record_context("v1", &record, context));
    GOOD(cella_sealer_unseal(rig->sealer, context, cella_buffer_bytes(&record.sealed), &kept));
    static const char *const secrets[] = {"d", "p", "q", "dp", "dq", "qi"};
    for (size_t i = 0; i < 6; i++) {
        CELLA_BUFFER number = {0};
        GOOD(cella_base64_decode(cella_bytes_text(at(jwk, secrets[i])), true, &number));
        assert_null(memmem(kept.data, kept.size, number.data, 16));
    }
    CELLA_BUFFER n = {0};
    GOOD(cella_base64_decode(cella_bytes_text(at(jwk, "n")), true, &n));
    assert_non_null(memmem(kept.data, kept.size, n.data, n.size));
    /* it is used from where it went */
    json_decref(
        call(rig, "POST", "/keys/taken/sign" V,
             "{\"alg\":\"RS256\",\"value\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}", 200));
    assert_int_equal(objects("cella/v1/taken"), 1);
    json_object_set_new(jwk, "d", json_string("AQAB")); /* K10, before the HSM sees it */
    text = json_dumps(body, 0);
    json_decref(call(rig, "PUT", "/keys/taken" V, text, 400));
    free(text);
    assert_int_equal(objects("cella/v1/taken"), 1);
}

/* A symmetric key of a caller's choice is a key, and not a way to another's object. */
static void bytes_of_a_caller_name_no_object(void **state) {
    struct rig *rig = *state;
    create(rig, "k", "{\"kty\":\"oct-HSM\"}");
    json_decref(
        call(rig, "PUT", "/keys/chosen" V,
             "{\"key\":{\"kty\":\"oct-HSM\",\"k\":\"Y2VsbGEgaHNtIGtleSAwMQAAAAAAAAAAAAAAAAAA"
             "AAAAAAEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}}",
             400));
    assert_int_equal(objects("cella/v1/chosen"), 0);
}

static const char sign_body[] =
    "{\"alg\":\"ES256\",\"value\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}";

static void outlives_the_server(void **state) {
    struct rig *rig = *state;
    create(rig, "lives", "{\"kty\":\"EC-HSM\"}");
    cella_vaults_free(&rig->vaults);
    rig_serve(rig);
    json_decref(call(rig, "POST", "/keys/lives/sign" V, sign_body, 200));
    GOOD(cella_vaults_tend(rig->vaults, (uint64_t)time(NULL)));
    /* without the setting the keys are not there, and said to be */
    cella_vaults_free(&rig->vaults);
    const char *uri = rig->settings.hsm_keys;
    rig->settings.hsm_keys = NULL;
    rig_serve(rig);
    json_decref(call(rig, "GET", "/keys/lives" V, NULL, 200));
    json_decref(call(rig, "POST", "/keys/lives/sign" V, sign_body, 503));
    json_decref(call(rig, "POST", "/keys/lives/rotate" V, NULL, 503));
    json_decref(call(rig, "DELETE", "/keys/lives" V, NULL, 200));
    json_decref(call(rig, "DELETE", "/deletedkeys/lives" V, NULL, 503));
    cella_vaults_free(&rig->vaults);
    rig->settings.hsm_keys = uri;
    rig_serve(rig);
}

static void rotates_and_goes(void **state) {
    struct rig *rig = *state;
    char path[256];
    json_t *first = call(rig, "POST", "/keys/turns/create" V, "{\"kty\":\"EC-HSM\"}", 200);
    json_t *second = call(rig, "POST", "/keys/turns/rotate" V, NULL, 200);
    assert_string_not_equal(at(first, "key.x"), at(second, "key.x"));
    assert_string_equal(at(second, "attributes.hsmPlatform"), at(first, "attributes.hsmPlatform"));
    snprintf(path, sizeof(path), "%s/sign" V, strstr(at(first, "key.kid"), "/keys/"));
    json_decref(call(rig, "POST", path, sign_body, 200));
    json_decref(call(rig, "POST", "/keys/turns/sign" V, sign_body, 200));
    assert_int_equal(objects("cella/v1/turns"), 2);
    json_decref(call(rig, "DELETE", "/keys/turns" V, NULL, 200));
    assert_int_equal(objects("cella/v1/turns"), 2); /* it can be recovered */
    json_decref(call(rig, "POST", "/deletedkeys/turns/recover" V, NULL, 200));
    json_decref(call(rig, "POST", "/keys/turns/sign" V, sign_body, 200));
    json_decref(call(rig, "DELETE", "/keys/turns" V, NULL, 200));
    json_decref(call(rig, "DELETE", "/deletedkeys/turns" V, NULL, 204));
    assert_int_equal(objects("cella/v1/turns"), 0);
    json_decref(call(rig, "POST", path, sign_body, 404));
    json_decref(second);
    json_decref(first);
}

/* By policy, and by the end of retention. */
static void goes_by_itself(void **state) {
    struct rig *rig = *state;
    const uint64_t now = (uint64_t)time(NULL), day = 86400;
    create(rig, "self", "{\"kty\":\"EC-HSM\"}");
    json_decref(call(rig, "PUT", "/keys/self/rotationpolicy" V,
                     "{\"lifetimeActions\":[{\"trigger\":{\"timeAfterCreate\":\"P30D\"},"
                     "\"action\":{\"type\":\"Rotate\"}}]}",
                     200));
    GOOD(cella_vaults_tend(rig->vaults, now + 31 * day));
    assert_int_equal(objects("cella/v1/self"), 2);
    json_decref(call(rig, "DELETE", "/keys/self" V, NULL, 200));
    GOOD(cella_vaults_tend(rig->vaults, now + 89 * day));
    assert_int_equal(objects("cella/v1/self"), 2);
    GOOD(cella_vaults_tend(rig->vaults, now + 91 * day));
    assert_int_equal(objects("cella/v1/self"), 0);
}

static void what_cannot_be(void **state) {
    struct rig *rig = *state;
    static const char policy[] =
        "\"release_policy\":{\"data\":"
        "\"eyJ2ZXJzaW9uIjoiMS4wLjAiLCJhbnlPZiI6W3siYXV0aG9yaXR5IjoiaHR0cHM6"
        "Ly9hdHQudGVzdDo4NDQ1IiwiYWxsT2YiOlt7ImNsYWltIjoiYSIsImVxdWFscyI6ImIifV19XX0\"}";
    char body[1024];
    create(rig, "stays", "{\"kty\":\"RSA-HSM\"}");
    refused_with(call(rig, "POST", "/keys/stays/backup" V, NULL, 403), "cella vault backup");
    snprintf(body, sizeof(body), "{\"kty\":\"RSA-HSM\",\"attributes\":{\"exportable\":true},%s}",
             policy);
    refused_with(call(rig, "POST", "/keys/x/create" V, body, 400), "without hsm_keys");
    json_decref(call(rig, "POST", "/keys/stays/release" V, "{\"target\":\"x.y.z\"}", 403));
    json_decref(call(rig, "PATCH", "/keys/stays" V, "{\"attributes\":{\"exportable\":true}}", 400));
    refused_with(call(rig, "POST", "/certificates/c/create" V,
                      "{\"policy\":{\"key_props\":{\"kty\":\"RSA-HSM\"},\"x509_props\":{"
                      "\"subject\":\"CN=a\"},"
                      "\"issuer\":{\"name\":\"Self\"}}}",
                      400),
                 "certificates");
    assert_int_equal(objects("cella/v1/stays"), 1);
    assert_int_equal(objects("cella/v1/x"), 0);
}

/* Tokens that do less: said clearly, and nothing is done in a weaker way. */
static void a_token_that_does_less(void **state) {
    struct rig *rig = *state;
    char request[1024];
    create(rig, "less", "{\"kty\":\"RSA-HSM\"}");
    create(rig, "curve", "{\"kty\":\"EC-HSM\"}");
    cella_vaults_free(&rig->vaults);
    token_configure(&token, "-CKM_MD5,CKM_RSA_X_509,CKM_ECDSA"); /* it keeps the first */
    rig_serve(rig);
    static const char *const algorithms[] = {"RSA1_5", "RSA-OAEP", "RSA-OAEP-256"};
    for (size_t i = 0; i < 3; i++) {
        snprintf(request, sizeof(request), "{\"alg\":\"%s\",\"value\":\"c2VjcmV0\"}",
                 algorithms[i]);
        json_t *wrapped = call(rig, "POST", "/keys/less/wrapkey" V, request, 200);
        snprintf(request, sizeof(request), "{\"alg\":\"%s\",\"value\":\"%s\"}", algorithms[i],
                 at(wrapped, "value"));
        json_decref(wrapped);
        json_t *opened = call(rig, "POST", "/keys/less/unwrapkey" V, request, i == 1 ? 200 : 400);
        if (i == 1) { /* the token's own, which is SHA-1 alone */
            assert_string_equal(at(opened, "value"), "c2VjcmV0");
            json_decref(opened);
        } else {
            refused_with(opened, i == 0 ? "CKM_RSA_X_509" : "does not do CKM_RSA_PKCS_OAEP");
        }
    }
    refused_with(call(rig, "POST", "/keys/curve/sign" V, sign_body, 400), "lacks CKM_ECDSA");
    cella_vaults_free(&rig->vaults);
    token_configure(&token, "ALL");
    rig_serve(rig);
    json_decref(call(rig, "POST", "/keys/curve/sign" V, sign_body, 200));
}

/* --- When store and HSM do not agree --- */

static void away(void **state) {
    struct rig *rig = *state;
    create(rig, "away1", "{\"kty\":\"EC-HSM\"}");
    create(rig, "away2", "{\"kty\":\"EC\"}");
    create(rig, "away4", "{\"kty\":\"EC-HSM\"}");
    json_decref(call(rig, "DELETE", "/keys/away4" V, NULL, 200));
    token_move(&token, true);
    json_t *reply = call(rig, "POST", "/keys/away1/sign" V, sign_body, 503);
    assert_string_equal(at(reply, "error.code"), "ServiceUnavailable");
    refused_with(reply, "HSM");
    json_decref(call(rig, "POST", "/keys/away3/create" V, "{\"kty\":\"EC-HSM\"}", 503));
    json_decref(call(rig, "POST", "/keys/away1/rotate" V, NULL, 503));
    json_decref(call(rig, "DELETE", "/deletedkeys/away4" V, NULL, 503));
    json_decref(call(rig, "GET", "/deletedkeys/away4" V, NULL, 200)); /* nothing was changed */
    json_decref(call(rig, "GET", "/keys/away3" V, NULL, 404));
    json_decref(call(rig, "POST", "/keys/away2/sign" V, sign_body, 200)); /* the others go on */
    GOOD(cella_vaults_tend(rig->vaults, (uint64_t)time(NULL)));
    token_move(&token, false);
    usleep(1050000);
    json_decref(call(rig, "POST", "/keys/away1/sign" V, sign_body, 200));
    json_decref(call(rig, "DELETE", "/deletedkeys/away4" V, NULL, 204));
    GOOD(cella_vaults_tend(rig->vaults, (uint64_t)time(NULL) + CELLA_RESIDENT_STALE_S + 1));
    assert_int_equal(objects("cella/v1/away"), 1);
}

static void make_object(struct rig *rig, const char *version) {
    struct cella_hsm *hsm = NULL;
    uint8_t id[16];
    EVP_PKEY *public = NULL;
    const struct cella_hsm_shape shape = {.kind = CELLA_HSM_EC, .group = "prime256v1"};
    (void)rig;
    hex(version, id);
    GOOD(cella_hsm_open(token.uri, token.folder, &hsm));
    GOOD(cella_hsm_make(hsm, id, "cella/v1/torn", &shape, &public));
    EVP_PKEY_free(public);
    cella_hsm_close(&hsm);
}

/* A server that died between the HSM's answer and the store's. */
static void torn_creation(void **state) {
    struct rig *rig = *state;
    static const char version[] = "00112233445566778899aabbccddeeff";
    const int64_t now = time(NULL);
    CELLA_SESSION session = NULL;
    GOOD(cella_residents_begin(rig->database, "v1", "torn", version, now));
    make_object(rig, version);
    GOOD(cella_vaults_tend(rig->vaults, (uint64_t)now));
    assert_int_equal(objects("cella/v1/torn"), 1); /* it may be under way in another server */
    GOOD(cella_vaults_tend(rig->vaults, (uint64_t)now + CELLA_RESIDENT_STALE_S + 1));
    assert_int_equal(objects("cella/v1/torn"), 0);
    /* and a server that was not dead, but slow */
    GOOD(cella_session_begin(rig->database, true, &session));
    REFUSED(cella_residents_keep(session, version), CELLA_ERR_UNAVAILABLE);
}

/* A server that died between the store's purge and the HSM's. */
static void torn_purge(void **state) {
    struct rig *rig = *state;
    CELLA_SESSION session = NULL;
    create(rig, "purged", "{\"kty\":\"EC-HSM\"}");
    json_decref(call(rig, "DELETE", "/keys/purged" V, NULL, 200));
    GOOD(cella_session_begin(rig->database, true, &session));
    GOOD(cella_records_purge(session, "v1", CELLA_RECORD_KEY, "purged"));
    GOOD(cella_session_commit(&session));
    assert_int_equal(objects("cella/v1/purged"), 1);
    cella_vaults_free(&rig->vaults);
    rig_serve(rig);
    GOOD(cella_vaults_tend(rig->vaults, (uint64_t)time(NULL)));
    assert_int_equal(objects("cella/v1/purged"), 0);
}

/* An object that somebody took out of the HSM: named, and no 404. */
static void lost_object(void **state) {
    struct rig *rig = *state;
    struct cella_hsm *hsm = NULL;
    uint8_t id[16];
    json_t *made = call(rig, "POST", "/keys/lost/create" V, "{\"kty\":\"EC-HSM\"}", 200);
    hex(strrchr(at(made, "key.kid"), '/') + 1, id);
    GOOD(cella_hsm_open(token.uri, token.folder, &hsm));
    GOOD(cella_hsm_destroy(hsm, id));
    cella_hsm_close(&hsm);
    make_object(rig, "ffeeddccbbaa99887766554433221100"); /* and one of nobody's */
    json_decref(call(rig, "POST", "/keys/lost/sign" V, sign_body, 500));
    cella_vaults_free(&rig->vaults);
    rig_serve(rig); /* which compares */
    GOOD(cella_vaults_tend(rig->vaults, (uint64_t)time(NULL) + CELLA_RESIDENT_STALE_S + 1));
    assert_int_equal(objects("cella/v1/torn"), 1); /* left alone */
    json_decref(made);
}

static struct cella_result note_nothing(void *context, const char *vault,
                                        const struct cella_vault_whole_count *count) {
    (void)context;
    (void)vault;
    (void)count;
    return CELLA_SUCCESS;
}

/* A whole backup says where the keys are: another store uses them in the same token, and a store
 * that has them already takes no second owner, whose purge would be the first's too. */
static void whole_backups(void **state) {
    struct rig *rig = *state, *other = rig_new_on(false, token.uri);
    struct cella_vault_whole from = {rig->database, rig->sealer,  "file:whole.key",
                                     rig->folder,   note_nothing, NULL};
    struct cella_vault_whole to = {other->database, other->sealer, "file:whole.key",
                                   rig->folder,     note_nothing,  NULL};
    struct cella_vault_whole_count count;
    char path[128];
    create(rig, "whole", "{\"kty\":\"EC-HSM\"}");
    snprintf(path, sizeof(path), "%s/whole.backup", rig->folder);
    GOOD(cella_vault_whole_backup(&from, "v1", path, &count));
    REFUSED(cella_vault_whole_restore(&from, path, "v2", &count), CELLA_ERR_EXISTS);
    GOOD(cella_vault_whole_restore(&to, path, NULL, &count));
    json_decref(call(other, "POST", "/keys/whole/sign" V, sign_body, 200));
    json_decref(call(other, "DELETE", "/keys/whole" V, NULL, 200));
    json_decref(call(other, "DELETE", "/deletedkeys/whole" V, NULL, 204));
    assert_int_equal(objects("cella/v1/whole"), 0);
    rig_free(other);
}

/* Two servers on one store and one token. */
static void two_servers(void **state) {
    struct rig *rig = *state;
    struct rig other = *rig;
    char path[256];
    rig_serve(&other);
    create(rig, "two1", "{\"kty\":\"EC-HSM\"}");
    create(&other, "two2", "{\"kty\":\"EC-HSM\"}");
    json_decref(call(&other, "POST", "/keys/two1/sign" V, sign_body, 200));
    json_decref(call(rig, "POST", "/keys/two2/sign" V, sign_body, 200));
    json_t *first = call(rig, "GET", "/keys/two1" V, NULL, 200);
    json_decref(call(&other, "POST", "/keys/two1/rotate" V, NULL, 200));
    json_decref(call(rig, "POST", "/keys/two1/rotate" V, NULL, 200));
    snprintf(path, sizeof(path), "%s/sign" V, strstr(at(first, "key.kid"), "/keys/"));
    json_decref(call(&other, "POST", path, sign_body, 200));
    json_decref(call(rig, "DELETE", "/keys/two1" V, NULL, 200));
    json_decref(call(rig, "DELETE", "/deletedkeys/two1" V, NULL, 204));
    json_decref(call(&other, "POST", path, sign_body, 404));
    json_decref(call(&other, "POST", "/keys/two2/sign" V, sign_body, 200));
    assert_int_equal(objects("cella/v1/two"), 1);
    json_decref(first);
    cella_vaults_free(&other.vaults);
    json_decref(call(rig, "POST", "/keys/two2/sign" V, sign_body, 200));
}

int main(void) {
    token_need();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(says_what_is_true),
        cmocka_unit_test(signatures),
        cmocka_unit_test(unwraps),
        cmocka_unit_test(no_key_in_the_store),
        cmocka_unit_test(outlives_the_server),
        cmocka_unit_test(rotates_and_goes),
        cmocka_unit_test(what_cannot_be),
        cmocka_unit_test(a_token_that_does_less),
        cmocka_unit_test(away),
        cmocka_unit_test(torn_creation),
        cmocka_unit_test(torn_purge),
        cmocka_unit_test(lost_object),
        cmocka_unit_test(two_servers),
        cmocka_unit_test(whole_backups),
        cmocka_unit_test(goes_by_itself),
    };
    const struct CMUnitTest managed[] = {
        cmocka_unit_test(a_managed_hsm_has_no_others),
        cmocka_unit_test(against_software),
        cmocka_unit_test(bytes_of_a_caller_name_no_object),
    };
    int failed = cmocka_run_group_tests(tests, set_up, tear_down);
    return failed + cmocka_run_group_tests(managed, set_up_managed, tear_down);
}
