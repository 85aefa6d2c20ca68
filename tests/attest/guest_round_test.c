/* AzureGuest: a whole round, from a machine of paper to a token that only its TPM can read
 * (azure-attestation 6.2). */
#include "guest_forge.h"

#include "attest/decide.h"

static struct guest good; /* made once: keys are slow */

static int make_guest(void **state) {
    (void)state;
    guest_make(&good);
    return 0;
}
static int free_guest(void **state) {
    (void)state;
    guest_free(&good);
    return 0;
}

static void with_trust(struct stand *stand, const char *roots) {
    const struct cella_trust_settings settings = {.roots = roots, .source = "none"};
    GOOD(cella_trust_new(&settings, &stand->instance.trust));
}

static void start(struct stand *stand) {
    stand_make(stand, CELLA_ATTEST_AAD);
    stand->instance.settings.insecure_time = FORGE_NOW;
    FILE *file = fopen(stand_path(stand, "root.der"), "w");
    assert_non_null(file);
    fwrite(good.root.data, 1, good.root.size, file);
    fclose(file);
    with_trust(stand, stand_path(stand, "root.der"));
    stand_start(stand);
}
static void finish(struct stand *stand) {
    cella_trust_free(&stand->instance.trust);
    stand_remove(stand);
}

static void ask(struct stand *stand, const char *body, struct answer *answer) {
    struct cella_http_request request = request_of(body);
    struct cella_http_response response = {0};
    CELLA_DECISION decision = {.instance = &stand->instance,
                               .type = CELLA_ATTEST_AZURE_GUEST,
                               .request = &request,
                               .now_unix = (uint64_t)time(NULL)};
    cella_attest_guest(&decision, &response);
    *answer = (struct answer){.status = response.status};
    GOOD(cella_json_object(response.body.size ? response.body : cella_buffer_bytes(&response.text),
                           "answer", &answer->body));
    const json_t *error = json_object_get(answer->body, "error");
    const char *code = json_string_value(json_object_get(error, "code"));
    const char *message = json_string_value(json_object_get(error, "message"));
    snprintf(answer->code, sizeof(answer->code), "%s", code ? code : "");
    snprintf(answer->message, sizeof(answer->message), "%s", message ? message : "");
    cella_buffer_free(&response.text);
    cella_buffer_free(&response.header_text);
}

static void member_bytes(const json_t *object, const char *name, struct cella_buffer *out) {
    const char *text = json_string_value(json_object_get(object, name));
    assert_non_null(text);
    GOOD(cella_base64_decode(cella_bytes_text(text), false, out));
}

/* As the client in the guest does, with OpenSSL in the TPM's place. */
static void open_envelope(const struct answer *answer, EVP_PKEY *key, struct cella_buffer *token) {
    CELLA_BUFFER text = {0}, wrapped = {0}, iv = {0}, tag = {0}, sealed = {0};
    CELLA_JSON envelope = NULL;
    uint8_t inner[512];
    size_t inner_size = sizeof(inner);
    int size = 0, tail = 0;
    const char *encoded = json_string_value(json_object_get(answer->body, "token"));
    assert_non_null(encoded);
    GOOD(cella_base64_decode(cella_bytes_text(encoded), true, &text));
    GOOD(cella_json_object(cella_buffer_bytes(&text), "envelope", &envelope));
    const json_t *parameters = json_object_get(envelope, "EncryptionParams");
    assert_string_equal(json_string_value(json_object_get(parameters, "BlockMode")),
                        "ChainingModeGCM");
    assert_string_equal(json_string_value(json_object_get(parameters, "BlockPadding")), "PKCS7");
    assert_string_equal(json_string_value(json_object_get(parameters, "Cipher")), "AES");
    assert_int_equal(json_integer_value(json_object_get(parameters, "KeySizeInBits")), 256);
    member_bytes(parameters, "Iv", &iv);
    member_bytes(envelope, "AuthenticationData", &tag);
    member_bytes(envelope, "EncryptedInnerKey", &wrapped);
    member_bytes(envelope, "Jwt", &sealed);
    EVP_PKEY_CTX *rsa = EVP_PKEY_CTX_new(key, NULL);
    assert_int_equal(EVP_PKEY_decrypt_init(rsa), 1);
    EVP_PKEY_CTX_set_rsa_padding(rsa, RSA_PKCS1_PADDING);
    assert_int_equal(EVP_PKEY_decrypt(rsa, inner, &inner_size, wrapped.data, wrapped.size), 1);
    EVP_PKEY_CTX_free(rsa);
    assert_int_equal(inner_size, 32);
    uint8_t *to = NULL;
    GOOD(cella_buffer_extend(token, sealed.size, &to));
    EVP_CIPHER_CTX *gcm = EVP_CIPHER_CTX_new();
    EVP_DecryptInit_ex(gcm, EVP_aes_256_gcm(), NULL, NULL, NULL);
    EVP_CIPHER_CTX_ctrl(gcm, EVP_CTRL_GCM_SET_IVLEN, (int)iv.size, NULL);
    EVP_DecryptInit_ex(gcm, NULL, NULL, inner, iv.data);
    EVP_DecryptUpdate(gcm, NULL, &size, (const uint8_t *)"Transport Key", 13);
    EVP_DecryptUpdate(gcm, to, &size, sealed.data, (int)sealed.size);
    EVP_CIPHER_CTX_ctrl(gcm, EVP_CTRL_GCM_SET_TAG, (int)tag.size, tag.data);
    assert_int_equal(EVP_DecryptFinal_ex(gcm, to + size, &tail), 1);
    EVP_CIPHER_CTX_free(gcm);
}

static void test_round(void **state) {
    (void)state;
    struct stand stand;
    ANSWER answer = {0};
    CELLA_BUFFER token = {0};
    start(&stand);
    char *body = guest_body(&good);
    ask(&stand, body, &answer);
    if (answer.status != 200) fail_msg("%s: %s", answer.code, answer.message);
    open_envelope(&answer, good.tpm.enc, &token);
    CELLA_JSON claims = token_claims(&stand.instance, cella_buffer_bytes(&token));
    answer.claims = json_incref(claims);
    assert_string_equal(claim_text(&answer, "x-ms-attestation-type"), "azurevm");
    assert_string_equal(claim_text(&answer, "iss"), "https://localhost:8445");
    assert_true(json_is_true(json_object_get(claims, "secureboot")));
    assert_string_equal(claim_text(&answer, "x-ms-azurevm-vmid"),
                        "2DEDC52A-6832-46CE-9910-E8C9980BF5A7");
    assert_string_equal(claim_text(&answer, "x-ms-azurevm-ostype"), "Linux");
    assert_string_equal(claim_text(&answer, "x-ms-azurevm-osdistro"), "Ubuntu");
    assert_true(json_is_false(json_object_get(claims, "x-ms-azurevm-is-windows")));
    assert_int_equal(json_integer_value(json_object_get(claims, "x-ms-azurevm-osversion-major")),
                     22);
    assert_int_equal(json_array_size(json_object_get(claims, "x-ms-azurevm-attested-pcrs")), 8);
    /* What was not measured is not said. */
    assert_null(json_object_get(claims, "x-ms-azurevm-testsigning-enabled"));
    assert_null(json_object_get(claims, "x-ms-azurevm-dbxvalidated"));
    const json_t *tee = json_object_get(claims, "x-ms-isolation-tee");
    assert_string_equal(json_string_value(json_object_get(tee, "x-ms-attestation-type")),
                        "sevsnpvm");
    assert_true(json_is_false(json_object_get(tee, "x-ms-sevsnpvm-is-debuggable")));
    assert_string_equal(
        json_string_value(json_object_get(
            json_array_get(json_object_get(json_object_get(tee, "x-ms-runtime"), "keys"), 0),
            "kid")),
        "HCLAkPub");
    const json_t *runtime = json_object_get(claims, "x-ms-runtime");
    assert_string_equal(
        json_string_value(json_object_get(json_object_get(runtime, "client-payload"), "nonce")),
        "MTIz");
    const json_t *key = json_array_get(json_object_get(runtime, "keys"), 0);
    assert_string_equal(json_string_value(json_object_get(key, "kid")),
                        "TpmEphemeralEncryptionKey");
    assert_int_equal(audited(&stand, "AzureGuest"), 1);
    free(body);
    finish(&stand);
}

/* Policies see the nested claims as JSON, and say no before anything is encrypted. */
static void test_policies(void **state) {
    (void)state;
    struct stand stand;
    start(&stand);
    char *body = guest_body(&good);
    static const struct {
        const char *text;
        int status;
    } policies[] = {
        {"version=1.0; authorizationrules{[type==\"secureboot\", value==true] => permit();}; "
         "issuancerules{};",
         200},
        {"version=1.0; authorizationrules{[type==\"secureboot\", value==false] => permit();}; "
         "issuancerules{};",
         400},
        {"version=1.2; authorizationrules{c:[type==\"x-ms-isolation-tee\"] => "
         "add(type=\"debug\", value=JsonToClaimValue(JmesPath(c.value, "
         "\"\\\"x-ms-sevsnpvm-is-debuggable\\\"\"))); [type==\"debug\", value==false] => "
         "permit();}; issuancerules{};",
         200},
    };
    for (size_t i = 0; i < sizeof(policies) / sizeof(policies[0]); i++) {
        ANSWER set = {0};
        ANSWER answer = {0};
        char *jws = policy_jws(NULL, policies[i].text);
        put(&stand, CELLA_ATTEST_AZURE_GUEST, jws, &set);
        assert_int_equal(set.status, 200);
        ask(&stand, body, &answer);
        if (answer.status != policies[i].status)
            fail_msg("policy %zu: %d %s: %s", i, answer.status, answer.code, answer.message);
        if (answer.status == 400) assert_string_equal(answer.code, "PolicyEvaluationError");
        free(jws);
    }
    free(body);
    finish(&stand);
}

static void test_refusals(void **state) {
    (void)state;
    struct stand stand;
    static const struct {
        const char *body, *word;
    } bad[] = {
        {"", "request body"},
        {"{}", "ttestationInfo"},
        {"{\"AttestationInfo\":3}", "AttestationInfo"},
        {"{\"AttestationInfo\":\"e30\"}", "AttestationProtocolVersion"},
        {"{\"attestationInfo\":\"W10\"}", "AttestationInfo"},
        {"{\"AttestationInfo\":\"*\"}", "AttestationInfo"},
    };
    start(&stand);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        ANSWER answer = {0};
        ask(&stand, bad[i].body, &answer);
        assert_int_equal(answer.status, 400);
        if (!strstr(answer.message, bad[i].word)) fail_msg("%zu: %s", i, answer.message);
    }
    struct guest *g = guest_copy(&good);
    g->report[0x90] ^= 1;
    char *body = guest_body(g);
    ANSWER answer = {0};
    ask(&stand, body, &answer);
    assert_int_equal(answer.status, 400);
    assert_string_equal(answer.code, "InvalidParameter");
    assert_non_null(strstr(answer.message, "hardware"));
    assert_int_equal(audited(&stand, "refused"), 1);
    free(body);
    guest_drop(g);
    finish(&stand);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round),
        cmocka_unit_test(test_policies),
        cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, make_guest, free_guest);
}
