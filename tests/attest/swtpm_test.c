/* AzureGuest and Tpm with a real TPM's bytes (swtpm, tpm2-tools): its keys, its certification, its
 * quotes; the answer is decrypted inside it. Skipped where the tools are not installed. */
#include "guest_forge.h"

#include <sys/wait.h>

#include "attest/decide.h"
#include "attest/tpm_challenge.h"
#include "evidence/tpm_attest.h"

static char folder[128];
static bool skipped;

static int run(const char *what, const char *first, const char *second) {
    char command[1024];
    snprintf(command, sizeof(command), "%s/tests/attest/swtpm_attest.sh %s %s '%s' '%s'",
             CELLA_SOURCE_ROOT, folder, what, first, second);
    int status = system(command);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void load(const char *name, struct cella_buffer *out) {
    char path[256];
    uint8_t bytes[4096];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *file = fopen(path, "rb");
    if (!file) fail_msg("%s is not there", path);
    size_t size = fread(bytes, 1, sizeof(bytes), file);
    fclose(file);
    cella_buffer_free(out);
    forge_append(out, bytes, size);
}

static void save(const char *name, struct cella_bytes bytes) {
    char path[256];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes.data, 1, bytes.size, file), bytes.size);
    fclose(file);
}

static EVP_PKEY *key_of(const struct cella_buffer *public) {
    struct cella_tpm_public parsed;
    GOOD(cella_tpm_public_parse(cella_buffer_bytes(public), &parsed));
    const uint8_t *at = parsed.spki.data;
    EVP_PKEY *key = d2i_PUBKEY(NULL, &at, (long)parsed.spki.size);
    assert_non_null(key);
    return key;
}

static int setup(void **state) {
    (void)state;
    const char *base = getenv("TMPDIR");
    snprintf(folder, sizeof(folder), "%s/swtpm-XXXXXX", base ? base : "/tmp");
    if (!mkdtemp(folder)) return -1;
    int status = run("setup", "", "");
    skipped = status == 77;
    if (skipped) print_message("swtpm or tpm2-tools are not installed: skipped\n");
    return status == 0 || skipped ? 0 : -1;
}
static int cleanup(void **state) {
    (void)state;
    nftw(folder, stand_unlink, 8, FTW_DEPTH | FTW_PHYS);
    return 0;
}

static void start(struct stand *stand, const struct cella_buffer *root, EVP_PKEY *trusted) {
    CELLA_BUFFER spki = {0}, text = {0};
    char ak[256], path[256];
    stand_make(stand, CELLA_ATTEST_AAD);
    GOOD(cella_tpm_challenges_migrate(stand->database));
    snprintf(path, sizeof(path), "%s", stand_path(stand, "root.der"));
    snprintf(ak, sizeof(ak), "%s", stand_path(stand, "ak.pem"));
    if (root) {
        FILE *file = fopen(path, "wb");
        assert_non_null(file);
        fwrite(root->data, 1, root->size, file);
        fclose(file);
    }
    forge_spki(trusted, &spki);
    GOOD(cella_base64_encode(cella_buffer_bytes(&spki), false, &text));
    FILE *file = fopen(ak, "w");
    assert_non_null(file);
    fprintf(file, "-----BEGIN PUBLIC KEY-----\n");
    for (size_t at = 0; at < text.size; at += 64)
        fprintf(file, "%.*s\n", (int)(text.size - at < 64 ? text.size - at : 64),
                (const char *)text.data + at);
    fprintf(file, "-----END PUBLIC KEY-----\n");
    fclose(file);
    const char *const platform[] = {ak};
    const struct cella_trust_settings settings = {.roots = root ? path : NULL,
                                                  .source = "none",
                                                  .platform = platform,
                                                  .platform_count = root ? 0 : 1};
    GOOD(cella_trust_new(&settings, &stand->instance.trust));
    stand_start(stand);
}
static void finish(struct stand *stand) {
    cella_trust_free(&stand->instance.trust);
    stand_remove(stand);
}

static json_t *ask(struct stand *stand, enum cella_attest_type type, const char *body) {
    struct cella_http_request request = request_of(body);
    struct cella_http_response response = {0};
    CELLA_DECISION decision = {.instance = &stand->instance,
                               .type = type,
                               .request = &request,
                               .caller = a_caller(),
                               .now_unix = (uint64_t)time(NULL)};
    json_t *answer = NULL;
    if (type == CELLA_ATTEST_TPM)
        cella_attest_tpm(&decision, &response);
    else
        cella_attest_guest(&decision, &response);
    struct cella_bytes text =
        response.body.size ? response.body : cella_buffer_bytes(&response.text);
    if (response.status != 200)
        fail_msg("%d: %.*s", response.status, (int)text.size, (const char *)text.data);
    GOOD(cella_json_object(text, "answer", &answer));
    cella_buffer_free(&response.text);
    cella_buffer_free(&response.header_text);
    return answer;
}

/* --- AzureGuest --- */

static void decoded(const json_t *object, const char *name, bool url, struct cella_buffer *out) {
    const char *text = json_string_value(json_object_get(object, name));
    assert_non_null(text);
    GOOD(cella_base64_decode(cella_bytes_text(text), url, out));
}

/* The inner key comes out of the TPM. */
static json_t *open_answer(struct stand *stand, const json_t *answer) {
    CELLA_BUFFER text = {0}, wrapped = {0}, iv = {0}, tag = {0}, sealed = {0}, inner = {0},
                 token = {0};
    CELLA_JSON envelope = NULL;
    uint8_t *to = NULL;
    int size = 0, tail = 0;
    decoded(answer, "token", true, &text);
    GOOD(cella_json_object(cella_buffer_bytes(&text), "envelope", &envelope));
    decoded(json_object_get(envelope, "EncryptionParams"), "Iv", false, &iv);
    decoded(envelope, "AuthenticationData", false, &tag);
    decoded(envelope, "EncryptedInnerKey", false, &wrapped);
    decoded(envelope, "Jwt", false, &sealed);
    save("wrapped", cella_buffer_bytes(&wrapped));
    assert_int_equal(run("decrypt", "wrapped", "inner"), 0);
    load("inner", &inner);
    assert_int_equal(inner.size, 32);
    GOOD(cella_buffer_extend(&token, sealed.size, &to));
    EVP_CIPHER_CTX *gcm = EVP_CIPHER_CTX_new();
    EVP_DecryptInit_ex(gcm, EVP_aes_256_gcm(), NULL, inner.data, iv.data);
    EVP_DecryptUpdate(gcm, NULL, &size, (const uint8_t *)"Transport Key", 13);
    EVP_DecryptUpdate(gcm, to, &size, sealed.data, (int)sealed.size);
    EVP_CIPHER_CTX_ctrl(gcm, EVP_CTRL_GCM_SET_TAG, (int)tag.size, tag.data);
    assert_int_equal(EVP_DecryptFinal_ex(gcm, to + size, &tail), 1);
    EVP_CIPHER_CTX_free(gcm);
    return token_claims(&stand->instance, cella_buffer_bytes(&token));
}

static void from_tpm(struct guest *g) {
    CELLA_BUFFER values = {0};
    load("ak.pub", &g->ak_public);
    load("enc.pub", &g->key_public);
    load("certify.msg", &g->certify);
    load("certify.sig", &g->certify_signature);
    load("attest", &g->quote);
    load("signature", &g->quote_signature);
    load("pcrs", &values);
    assert_int_equal(values.size, 8 * 32);
    for (unsigned p = 0; p < 8; p++) memcpy(g->tpm.pcr[p], values.data + 32 * (size_t)p, 32);
    cella_buffer_free(&g->tpm.log); /* this TPM saw no firmware */
}

static void test_guest(void **state) {
    (void)state;
    struct stand stand;
    GUEST g;
    if (skipped) skip();
    assert_int_equal(run("quote", "0,1,2,3,4,5,6,7", ""), 0);
    guest_make(&g);
    from_tpm(&g);
    EVP_PKEY *ak = key_of(&g.ak_public);
    guest_runtime(&g, ak); /* the machine's hardware vouches for this TPM */
    guest_report(&g);
    start(&stand, &g.root, ak);
    stand.instance.settings.insecure_time = FORGE_NOW;
    char *body = guest_body(&g);
    CELLA_JSON answer = ask(&stand, CELLA_ATTEST_AZURE_GUEST, body);
    CELLA_JSON claims = open_answer(&stand, answer);
    assert_string_equal(json_string_value(json_object_get(claims, "x-ms-attestation-type")),
                        "azurevm");
    assert_non_null(json_object_get(claims, "x-ms-isolation-tee"));
    assert_null(json_object_get(claims, "secureboot")); /* nothing was measured of it */
    free(body);
    EVP_PKEY_free(ak);
    finish(&stand);
}

static void test_trusted_launch(void **state) {
    (void)state;
    struct stand stand;
    GUEST g;
    if (skipped) skip();
    assert_int_equal(run("quote", "0,1,2,3,4,5,6,7", "313233"), 0); /* the nonce: MTIz */
    guest_make(&g);
    from_tpm(&g);
    g.type = "TrustedLaunch";
    EVP_PKEY *ak = key_of(&g.ak_public);
    start(&stand, NULL, ak);
    char *body = guest_body(&g);
    CELLA_JSON answer = ask(&stand, CELLA_ATTEST_AZURE_GUEST, body);
    CELLA_JSON claims = open_answer(&stand, answer);
    assert_null(json_object_get(claims, "x-ms-isolation-tee"));
    free(body);
    EVP_PKEY_free(ak);
    finish(&stand);
}

/* --- Tpm --- */

static char *data_of(const char *inner) {
    CELLA_BUFFER data = {0};
    char *out = NULL;
    GOOD(cella_base64_encode(cella_bytes_text(inner), true, &data));
    if (asprintf(&out, "{\"data\":\"%.*s\"}", (int)data.size, (const char *)data.data) < 0) abort();
    return out;
}

static json_t *exchange(struct stand *stand, const char *inner) {
    CELLA_BUFFER text = {0};
    char *body = data_of(inner);
    CELLA_JSON answer = ask(stand, CELLA_ATTEST_TPM, body);
    json_t *message = NULL;
    decoded(answer, "data", true, &text);
    GOOD(cella_json_object(cella_buffer_bytes(&text), "data", &message));
    free(body);
    return message;
}

static json_t *quote_json(void) {
    CELLA_BUFFER attest = {0}, signature = {0}, pcrs = {0}, area = {0};
    load("attest", &attest);
    load("signature", &signature);
    load("pcrs", &pcrs);
    load("ak.pub", &area);
    return json_pack("{s:o, s:o, s:o, s:o}", "attest",
                     guest_base64(cella_buffer_bytes(&attest), true), "signature",
                     guest_base64(cella_buffer_bytes(&signature), true), "pcrs",
                     guest_base64(cella_buffer_bytes(&pcrs), true), "aik_area",
                     guest_base64(cella_buffer_bytes(&area), true));
}

static void test_tpm(void **state) {
    (void)state;
    struct stand stand;
    CELLA_BUFFER area = {0}, spki = {0}, challenge = {0}, jws = {0};
    CELLA_JOSE_KEY key = NULL;
    CELLA_JOSE_KEY ak_jose = NULL;
    ANSWER set = {0};
    uint8_t thumbprint[32], digest[32];
    char hex[65];
    if (skipped) skip();
    load("ak.pub", &area);
    EVP_PKEY *ak = key_of(&area);
    start(&stand, NULL, ak);
    char *policy = policy_jws(
        NULL, "version=1.2; authorizationrules{c:[type==\"pcrs\"] => add(type=\"first\", "
              "value=JsonToClaimValue(JmesPath(c.value, \"PCRs[? Index == `0`].Digests.SHA256 "
              "| @[0] != '0000000000000000000000000000000000000000000000000000000000000000'\")));"
              "[type==\"first\", value==true] && [type==\"attestKeyBound\", value==true] && "
              "[type==\"aikValidated\", value==true] => permit();};"
              "issuancerules{c:[type==\"aikPubHash\"] => issue(claim=c);};");
    put(&stand, CELLA_ATTEST_TPM, policy, &set);
    assert_int_equal(set.status, 200);
    free(policy);
    CELLA_JSON given = exchange(&stand, "{\"type\":\"aikcert\"}");
    decoded(given, "challenge", true, &challenge);
    GOOD(cella_jose_key_new(CELLA_JOSE_RSA, 2048, &key));
    GOOD(cella_jose_key_thumbprint(key, thumbprint));
    const struct cella_bytes parts[] = {cella_buffer_bytes(&challenge), CELLA_BYTES_OF(thumbprint)};
    GOOD(cella_hash(CELLA_HASH_SHA256, parts, 2, digest));
    cella_hex_encode(CELLA_BYTES_OF(digest), hex);
    assert_int_equal(
        run("quote", "0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23", hex), 0);
    forge_spki(ak, &spki);
    GOOD(cella_jose_key_spki(cella_buffer_bytes(&spki), &ak_jose));
    json_t *payload =
        json_pack("{s:s, s:{s:O, s:O, s:o, s:{s:o, s:o}}}", "att_type", "basic", "att_data",
                  "challenge", json_object_get(given, "challenge"), "service_context",
                  json_object_get(given, "service_context"), "attest_key",
                  cella_jose_key_members(key), "tpm_att_data", "aik_pub",
                  cella_jose_key_members(ak_jose), "tpm_quote", quote_json());
    char *text = json_dumps(payload, JSON_COMPACT), *request = NULL;
    CELLA_JSON header = json_pack("{s:s}", "typ", "attReq");
    GOOD(cella_jws_sign(key, CELLA_JOSE_PS256, header, cella_bytes_text(text), &jws));
    if (asprintf(&request, "{\"request\":\"%.*s\"}", (int)jws.size, (const char *)jws.data) < 0)
        abort();
    CELLA_JSON report = exchange(&stand, request);
    const char *token = json_string_value(json_object_get(report, "report"));
    assert_non_null(token);
    CELLA_JSON claims = token_claims(&stand.instance, cella_bytes_text(token));
    assert_non_null(json_object_get(claims, "aikPubHash"));
    free(text);
    free(request);
    json_decref(payload);
    EVP_PKEY_free(ak);
    finish(&stand);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_guest),
        cmocka_unit_test(test_trusted_launch),
        cmocka_unit_test(test_tpm),
    };
    return cmocka_run_group_tests(tests, setup, cleanup);
}
