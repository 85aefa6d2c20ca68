/* Tpm: challenges, requests, reports: the protocol with a TPM of paper, and what is refused of it
 * (threats.md A13, A14, A21, A22, A24, A31; azure-attestation 6.3, 9.7). */
#include "tpm_forge.h"

#include "attest/decide.h"
#include "attest/tpm_challenge.h"
#include "attest/tpm_request.h"

enum { ALL_PCRS = 0xffffff };

static struct forge_tpm tpm;
static EVP_PKEY *ca;
static struct cella_jose_key *attest_key, *other_key;

static int make_keys(void **state) {
    (void)state;
    forge_tpm_make(&tpm);
    ca = EVP_RSA_gen(2048);
    GOOD(cella_jose_key_new(CELLA_JOSE_RSA, 2048, &attest_key));
    GOOD(cella_jose_key_new(CELLA_JOSE_RSA, 2048, &other_key));
    return ca ? 0 : -1;
}
static int free_keys(void **state) {
    (void)state;
    forge_tpm_free(&tpm);
    EVP_PKEY_free(ca);
    cella_jose_key_free(&attest_key);
    cella_jose_key_free(&other_key);
    return 0;
}

static const char permits[] = "version=1.0; authorizationrules{=> permit();}; issuancerules{};";

/* --- The service --- */

/* The root of TPMs is a CA of paper: its certificate is what the operator names. */
static void start(struct stand *stand, const char *policy) {
    CELLA_BUFFER root = {0};
    int64_t now = (int64_t)time(NULL);
    stand_make(stand, CELLA_ATTEST_AAD);
    GOOD(cella_tpm_challenges_migrate(stand->database));
    forge_ak_certificate(ca, ca, "TPM CA", "TPM CA", true, now - 100, now + 3600, &root);
    FILE *file = fopen(stand_path(stand, "root.der"), "w");
    assert_non_null(file);
    fwrite(root.data, 1, root.size, file);
    fclose(file);
    char path[256];
    snprintf(path, sizeof(path), "%s", stand_path(stand, "root.der"));
    const struct cella_trust_settings settings = {.roots = path, .source = "none"};
    GOOD(cella_trust_new(&settings, &stand->instance.trust));
    stand_start(stand);
    if (!policy) return;
    ANSWER answer = {0};
    char *jws = policy_jws(NULL, policy);
    put(stand, CELLA_ATTEST_TPM, jws, &answer);
    if (answer.status != 200) fail_msg("%s", answer.message);
    free(jws);
}
static void finish(struct stand *stand) {
    cella_trust_free(&stand->instance.trust);
    stand_remove(stand);
}

struct reply {
    int status;
    json_t *message; /* inner, of 200 */
    char text[512];  /* of an error */
};
static void reply_free(struct reply *reply) { json_decref(reply->message); }
#define REPLY __attribute__((cleanup(reply_free))) struct reply

static void post_as(struct stand *stand, const struct cella_caller *caller, uint64_t now,
                    const char *body, struct reply *reply) {
    struct cella_http_request request = request_of(body);
    struct cella_http_response response = {0};
    CELLA_DECISION decision = {.instance = &stand->instance,
                               .type = CELLA_ATTEST_TPM,
                               .request = &request,
                               .caller = caller,
                               .now_unix = now};
    cella_attest_tpm(&decision, &response);
    CELLA_JSON outer = NULL;
    CELLA_BUFFER text = {0};
    *reply = (struct reply){.status = response.status};
    GOOD(cella_json_object(response.body.size ? response.body : cella_buffer_bytes(&response.text),
                           "answer", &outer));
    const char *data = json_string_value(json_object_get(outer, "data"));
    const char *error =
        json_string_value(json_object_get(json_object_get(outer, "error"), "message"));
    snprintf(reply->text, sizeof(reply->text), "%s", error ? error : "");
    if (data) {
        GOOD(cella_base64_decode(cella_bytes_text(data), true, &text));
        GOOD(cella_json_object(cella_buffer_bytes(&text), "data", &reply->message));
    }
    cella_buffer_free(&response.text);
    cella_buffer_free(&response.header_text);
}

static char *envelope(const char *inner, bool wrapped) {
    CELLA_BUFFER data = {0};
    char *text = NULL, *out = NULL;
    if (asprintf(&text, wrapped ? "{\"payload\":%s}" : "%s", inner) < 0) abort();
    GOOD(cella_base64_encode(cella_bytes_text(text), true, &data));
    if (asprintf(&out, "{\"data\":\"%.*s\"}", (int)data.size, (const char *)data.data) < 0) abort();
    free(text);
    return out;
}

static void post(struct stand *stand, const char *inner, bool wrapped, struct reply *reply) {
    char *body = envelope(inner, wrapped);
    post_as(stand, a_caller(), (uint64_t)time(NULL), body, reply);
    free(body);
}

/* --- The client --- */

struct client {
    char challenge[128], context[1024]; /* base64url, as given */
    uint32_t mask;
    bool windows, boot_claim; /* NCrypt claims instead of tpm_quote */
    const char *att_type, *typ;
    unsigned algorithm;
    struct cella_jose_key *signer, *named; /* who signs, and what attest_key says */
    struct cella_buffer certificate;
    struct cella_buffer extra; /* of the quote; empty: as it should be */
    json_t *custom;
    uint32_t ak_attributes; /* 0: aik_area is left out */
    bool break_signature, break_value, drop_event;
};
static void client_free(struct client *client) {
    cella_buffer_free(&client->certificate);
    cella_buffer_free(&client->extra);
    json_decref(client->custom);
}
#define CLIENT __attribute__((cleanup(client_free))) struct client

static void client_make(struct client *client) {
    int64_t now = (int64_t)time(NULL);
    *client = (struct client){.mask = ALL_PCRS,
                              .att_type = "basic",
                              .typ = "attReq",
                              .algorithm = CELLA_JOSE_PS256,
                              .signer = attest_key,
                              .named = attest_key,
                              .ak_attributes = AK_ATTRIBUTES};
    forge_ak_certificate(tpm.ak, ca, "TPM CA", "AK", false, now - 100, now + 3600,
                         &client->certificate);
}

static void challenge(struct stand *stand, struct client *client) {
    REPLY reply = {0};
    post(stand, "{\"type\":\"aikcert\"}", false, &reply);
    if (reply.status != 200) fail_msg("%s", reply.text);
    snprintf(client->challenge, sizeof(client->challenge), "%s",
             json_string_value(json_object_get(reply.message, "challenge")));
    snprintf(client->context, sizeof(client->context), "%s",
             json_string_value(json_object_get(reply.message, "service_context")));
}

static json_t *url64(struct cella_bytes bytes) {
    CELLA_BUFFER text = {0};
    GOOD(cella_base64_encode(bytes, true, &text));
    return json_stringn(text.size ? (const char *)text.data : "", text.size);
}

static void extra_data(const struct client *client, struct cella_buffer *out) {
    CELLA_BUFFER raw = {0};
    uint8_t thumbprint[32], digest[32];
    if (client->extra.size) {
        forge_append(out, client->extra.data, client->extra.size);
        return;
    }
    GOOD(cella_base64_decode(cella_bytes_text(client->challenge), true, &raw));
    if (client->windows) {
        forge_append(out, raw.data, raw.size);
        return;
    }
    GOOD(cella_jose_key_thumbprint(client->named, thumbprint));
    const struct cella_bytes parts[] = {cella_buffer_bytes(&raw), CELLA_BYTES_OF(thumbprint)};
    GOOD(cella_hash(CELLA_HASH_SHA256, parts, 2, digest));
    forge_append(out, digest, 32);
}

/* NCRYPT_TPM_PLATFORM_ATTESTATION_STATEMENT */
static void platform_claim(const struct client *client, struct cella_bytes quote,
                           struct cella_bytes signature, struct cella_buffer *out) {
    CELLA_BUFFER tpmt = {0};
    forge_u16(&tpmt, CELLA_TPM_RSASSA);
    forge_u16(&tpmt, CELLA_TPM_SHA256);
    forge_2b(&tpmt, signature);
    forge_append(out, "ALPT\0\0\0\0", 8);
    forge_u32le(out, CELLA_TPM_SHA256);
    forge_u32le(out, (uint32_t)tpmt.size);
    forge_u32le(out, (uint32_t)quote.size);
    forge_u32le(out, 24 * 32);
    forge_append(out, tpmt.data, tpmt.size);
    forge_append(out, quote.data, quote.size);
    forge_append(out, tpm.pcr, sizeof(tpm.pcr));
    if (client->break_value) out->data[out->size - 1] ^= 1;
}

static json_t *tpm_data(const struct client *client) {
    CELLA_BUFFER quote = {0}, signature = {0}, extra = {0}, values = {0}, area = {0}, claim = {0},
                 spki = {0};
    CELLA_JOSE_KEY ak = NULL;
    extra_data(client, &extra);
    forge_tpm_quote(&tpm, client->mask, cella_buffer_bytes(&extra), &quote);
    forge_rsa_sign(tpm.ak, cella_buffer_bytes(&quote), &signature);
    if (client->break_signature) signature.data[5] ^= 1;
    for (unsigned p = 0; p < 24; p++)
        if (client->mask >> p & 1) forge_append(&values, tpm.pcr[p], 32);
    if (client->break_value) values.data[0] ^= 1;
    forge_spki(tpm.ak, &spki);
    GOOD(cella_jose_key_spki(cella_buffer_bytes(&spki), &ak));
    struct cella_bytes log = cella_buffer_bytes(&tpm.log);
    if (client->drop_event) log.size -= 4 + 4 + 4 + 2 + 32 + 4 + 12;
    json_t *data = json_pack("{s:o, s:o, s:o}", "srtm_boot_log", url64(log), "aik_cert",
                             url64(cella_buffer_bytes(&client->certificate)), "aik_pub",
                             cella_jose_key_members(ak));
    platform_claim(client, cella_buffer_bytes(&quote), cella_buffer_bytes(&signature), &claim);
    if (client->windows)
        json_object_set_new(data, "current_claim", url64(cella_buffer_bytes(&claim)));
    if (client->boot_claim)
        json_object_set_new(data, "boot_claim", url64(cella_buffer_bytes(&claim)));
    if (client->windows) return data;
    json_t *own = json_pack("{s:o, s:o, s:o}", "attest", url64(cella_buffer_bytes(&quote)),
                            "signature", url64(cella_buffer_bytes(&signature)), "pcrs",
                            url64(cella_buffer_bytes(&values)));
    if (client->ak_attributes) {
        forge_public(tpm.ak, client->ak_attributes, CELLA_TPM_RSASSA, &area);
        json_object_set_new(own, "aik_area", url64(cella_buffer_bytes(&area)));
    }
    json_object_set_new(data, "tpm_quote", own);
    return data;
}

/* {"request": JWS}; to be freed. */
static char *request_json(const struct client *client) {
    json_t *payload =
        json_pack("{s:s, s:{s:s, s:s, s:s, s:o, s:o, s:s}}", "att_type", client->att_type,
                  "att_data", "rp_id", "https://rp", "rp_data", "cnBkYXRh", "challenge",
                  client->challenge, "tpm_att_data", tpm_data(client), "attest_key",
                  cella_jose_key_members(client->named), "service_context", client->context);
    if (client->custom)
        json_object_set(json_object_get(payload, "att_data"), "custom_claims", client->custom);
    char *text = json_dumps(payload, JSON_COMPACT), *out = NULL;
    CELLA_BUFFER jws = {0};
    CELLA_JSON header = json_pack("{s:s}", "typ", client->typ);
    GOOD(cella_jws_sign(client->signer, client->algorithm, header, cella_bytes_text(text), &jws));
    if (asprintf(&out, "{\"request\":\"%.*s\"}", (int)jws.size, (const char *)jws.data) < 0)
        abort();
    free(text);
    json_decref(payload);
    return out;
}

static void report(struct stand *stand, const struct client *client, bool wrapped,
                   struct reply *reply) {
    char *request = request_json(client);
    post(stand, request, wrapped, reply);
    free(request);
}

/* --- Good rounds --- */

static json_t *report_claims(struct stand *stand, const struct reply *reply, bool wrapped,
                             json_t **header) {
    const json_t *message = wrapped ? json_object_get(reply->message, "payload") : reply->message;
    const char *token = json_string_value(json_object_get(message, "report"));
    assert_non_null(token);
    CELLA_JWS jws = {0};
    GOOD(cella_jws_open(cella_bytes_text(token), false, &jws));
    if (header) *header = json_incref(jws.header);
    return token_claims(&stand->instance, cella_bytes_text(token));
}

static const char tells[] =
    "version=1.2; configurationrules{ => issueproperty(type=\"required_pcr_mask\", value=255); };"
    "authorizationrules{"
    "c:[type == \"pcrs\", issuer==\"AttestationService\"] => add(type=\"pcr23\", "
    "value=JsonToClaimValue(JmesPath(c.value, \"PCRs[? Index == `23`].Digests.SHA256 | @[0] == "
    "'0000000000000000000000000000000000000000000000000000000000000000'\")));"
    "[type==\"aikValidated\", value==true, issuer==\"AttestationService\"] && "
    "[type==\"pcr23\", value==true] => permit(); };"
    "issuancerules{"
    "c:[type==\"aikPubHash\"] => issue(claim=c);"
    "c:[type==\"tpmVersion\"] => issue(claim=c);"
    "c:[type==\"secureBootEnabled\"] => issue(claim=c);"
    "c:[type==\"attestKeyBound\"] => issue(claim=c);"
    /* As published for TPM attestation. */
    "c:[type == \"events\", issuer==\"AttestationService\"] => add(type = \"efiConfigVariables\", "
    "value = JmesPath(c.value, \"Events[?EventTypeString == 'EV_EFI_VARIABLE_DRIVER_CONFIG' && "
    "ProcessedData.VariableGuid == '8BE4DF61-93CA-11D2-AA0D-00E098032B8C']\"));"
    "c:[type == \"efiConfigVariables\", issuer==\"AttestationPolicy\"]=> issue(type = "
    "\"SecureBootEnabled\", value = JsonToClaimValue(JmesPath(c.value, \"[?ProcessedData."
    "UnicodeName == 'SecureBoot'] | length(@) == `1` && @[0].ProcessedData.VariableData == "
    "'AQ'\")));"
    "};";

static void test_round(void **state) {
    (void)state;
    for (int i = 0; i < 4; i++) {
        struct stand stand;
        REPLY reply = {0};
        CLIENT client;
        json_t *header = NULL;
        bool wrapped = i & 1;
        start(&stand, tells);
        client_make(&client);
        client.windows = i >= 2;
        client.boot_claim = i == 3;
        challenge(&stand, &client);
        report(&stand, &client, wrapped, &reply);
        if (reply.status != 200) fail_msg("%d: %s", i, reply.text);
        CELLA_JSON claims = report_claims(&stand, &reply, wrapped, &header);
        assert_true(json_is_true(json_object_get(claims, "secureBootEnabled")));
        assert_true(json_is_true(json_object_get(claims, "SecureBootEnabled")));
        assert_int_equal(json_integer_value(json_object_get(claims, "tpmVersion")), 2);
        assert_int_equal(json_is_true(json_object_get(claims, "attestKeyBound")), i < 2);
        assert_string_equal(json_string_value(json_object_get(claims, "rp_data")), "cnBkYXRh");
        assert_non_null(
            json_object_get(json_object_get(json_object_get(claims, "cnf"), "jwk"), "n"));
        assert_null(json_object_get(claims, "events")); /* incoming ones stay inside */
        assert_null(json_object_get(claims, "pcrs"));
        assert_true(json_is_array(json_object_get(header, "x5c")));
        assert_string_equal(json_string_value(json_object_get(claims, "ver")), "1.0");
        assert_int_equal(audited(&stand, "\"permitted\""), 1);
        json_decref(header);
        finish(&stand);
    }
}

static void test_properties(void **state) {
    (void)state;
    struct stand stand;
    REPLY reply = {0};
    CLIENT client;
    json_t *header = NULL;
    start(&stand,
          "version=1.2; configurationrules{ => issueproperty(type=\"require_valid_aik_cert\", "
          "value=false); => issueproperty(type=\"required_pcr_mask\", value=128); };"
          "authorizationrules{=> permit();};"
          "issuancerules{ => issueproperty(type=\"report_validity_in_minutes\", value=7);"
          " => issueproperty(type=\"omit_x5c\", value=true);"
          "c:[type==\"aikValidated\"] => issue(claim=c);};");
    client_make(&client);
    client.mask = 0x80;
    cella_buffer_free(&client.certificate);
    challenge(&stand, &client);
    report(&stand, &client, false, &reply);
    if (reply.status != 200) fail_msg("%s", reply.text);
    CELLA_JSON claims = report_claims(&stand, &reply, false, &header);
    assert_int_equal(json_integer_value(json_object_get(claims, "exp")) -
                         json_integer_value(json_object_get(claims, "iat")),
                     7 * 60);
    assert_true(json_is_false(json_object_get(claims, "aikValidated")));
    assert_null(json_object_get(header, "x5c"));
    assert_true(json_is_string(json_object_get(header, "x5t")));
    json_decref(header);
    finish(&stand);
}

static void test_custom_claims(void **state) {
    (void)state;
    struct stand stand;
    CLIENT client;
    start(&stand, "version=1.0; authorizationrules{"
                  "[type==\"https://localhost:8445/custom/floor\", value==3, "
                  "issuer==\"CustomClaim\"] && [type==\"https://localhost:8445/custom/lab\", "
                  "value==true] && [type==\"https://localhost:8445/custom/who\", value==\"me\"] => "
                  "permit(); [type==\"aikValidated\", issuer==\"CustomClaim\"] => deny();};"
                  "issuancerules{};");
    client_make(&client);
    client.custom =
        json_pack("[{s:s,s:s,s:s},{s:s,s:s,s:s},{s:s,s:s,s:s},{s:s,s:s,s:s}]", "name", "floor",
                  "value", "3", "value_type", "Integer", "name", "lab", "value", "true",
                  "value_type", "boolean", "name", "who", "value", "me", "value_type", "String",
                  "name", "aikValidated", "value", "true", "value_type",
                  "Boolean"); /* the last one is not what the service says by that name */
    {
        REPLY reply = {0};
        challenge(&stand, &client);
        report(&stand, &client, false, &reply);
        if (reply.status != 200) fail_msg("%s", reply.text);
    }
    static const char *const bad[][2] = {
        {"x", "Integer"}, {"", "Integer"}, {"1.5", "Integer"}, {"1", "Boolean"}, {"1", "Float"}};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        REPLY reply = {0};
        json_decref(client.custom);
        client.custom =
            json_pack("[{s:s,s:s,s:s}]", "name", "a", "value", bad[i][0], "value_type", bad[i][1]);
        challenge(&stand, &client);
        report(&stand, &client, false, &reply);
        assert_int_equal(reply.status, 400);
        assert_non_null(strstr(reply.text, "custom_claims"));
    }
    finish(&stand);
}

/* --- Refusals --- */

static void expect(struct stand *stand, struct client *client, const char *word) {
    REPLY reply = {0};
    if (!client->challenge[0]) challenge(stand, client);
    report(stand, client, false, &reply);
    client->challenge[0] = 0; /* used, or to be left */
    if (reply.status != 400 || !strstr(reply.text, word))
        fail_msg("expected '%s' in %d: %s", word, reply.status, reply.text);
}

static void test_refusals(void **state) {
    (void)state;
    struct stand stand;
    start(&stand, permits);
#define BREAK(change, word)                                                                        \
    do {                                                                                           \
        CLIENT client;                                                                             \
        client_make(&client);                                                                      \
        change;                                                                                    \
        expect(&stand, &client, word);                                                             \
    } while (0)
    for (int windows = 0; windows < 2; windows++) {
        BREAK(client.windows = windows; client.break_signature = true, "signature");
        BREAK(client.windows = windows; client.break_value = true, "PCR digest");
        BREAK(client.windows = windows; client.drop_event = true, "event log");
        BREAK(client.windows = windows; client.mask = 0xff, "required_pcr_mask");
        BREAK(client.windows = windows;
              forge_append(&client.extra, "an old nonce", 12), windows ? "nonce" : "extraData");
        BREAK(client.windows = windows; cella_buffer_free(&client.certificate), "nobody vouches");
        BREAK(client.windows = windows;
              forge_ak_certificate(tpm.ak, tpm.enc, "another CA", "AK", false, 0, 4000000000,
                                   &client.certificate),
              "AIK");
        BREAK(client.windows = windows; forge_ak_certificate(tpm.enc, ca, "TPM CA", "AK", false, 0,
                                                             4000000000, &client.certificate),
                                        "another key");
        BREAK(client.windows = windows; client.boot_claim = true;
              client.att_type = "vbs", "not implemented");
    }
    BREAK(client.ak_attributes = CELLA_TPM_SIGN, "restricted");
    BREAK(client.att_type = "advanced", "att_type");
    BREAK(client.typ = "JWT", "typ");
    BREAK(client.algorithm = CELLA_JOSE_RS256, "attest_key"); /* A24 */
    BREAK(client.signer = other_key, "attest_key");
    BREAK(client.named = other_key, "attest_key");
    /* A13: the quote of another attest_key is of no use to who has it. */
    BREAK(client.signer = client.named = other_key; challenge(&stand, &client);
          client.named = attest_key; extra_data(&client, &client.extra);
          client.named = other_key, "extraData");
    finish(&stand);
}

static void test_messages(void **state) {
    (void)state;
    struct stand stand;
    start(&stand, permits);
    static const char *const bad[] = {
        "{}",
        "{\"type\":\"ekcert\"}",
        "{\"type\":7}",
        "{\"request\":\"a.b.c\"}",
        "{\"request\":\"\"}",
        "{\"request\":\"eyJhbGciOiJub25lIn0.e30.\"}",
        "{\"request\":\"eyJhbGciOiJQUzI1NiIsInR5cCI6ImF0dFJlcSJ9.e30.AAAA\"}",
        "[]"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        REPLY reply = {0};
        post(&stand, bad[i], false, &reply);
        assert_int_equal(reply.status, 400);
        assert_true(strlen(reply.text) > 10);
    }
    static const char *const bodies[] = {
        "", "{}", "{\"data\":\"!\"}", "{\"data\":3}", "[1]", "{\"data\":\"e30\",\"data\":\"e30\"}"};
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        REPLY reply = {0};
        post_as(&stand, a_caller(), (uint64_t)time(NULL), bodies[i], &reply);
        assert_int_equal(reply.status, 400);
    }
    REPLY wrapped = {0};
    post(&stand, "{\"type\":\"aikcert\"}", true, &wrapped);
    assert_int_equal(wrapped.status, 200);
    assert_non_null(json_object_get(json_object_get(wrapped.message, "payload"), "challenge"));
    finish(&stand);
}

static void test_no_policy(void **state) {
    (void)state;
    struct stand stand;
    REPLY reply = {0};
    start(&stand, NULL);
    post(&stand, "{\"type\":\"aikcert\"}", false, &reply);
    assert_int_equal(reply.status, 400);
    assert_non_null(strstr(reply.text, "VBS attestation policy has not been set"));
    finish(&stand);
}

/* --- Challenges (A14) --- */

/* Through the protocol: a request sent twice. */
static void test_replay(void **state) {
    (void)state;
    struct stand stand;
    CLIENT client;
    REPLY first = {0};
    REPLY second = {0};
    REPLY bob = {0};
    struct cella_caller caller = *a_caller();
    start(&stand, permits);
    client_make(&client);
    challenge(&stand, &client);
    char *request = request_json(&client), *body = envelope(request, false);
    snprintf(caller.object, sizeof(caller.object), "bob");
    post_as(&stand, &caller, (uint64_t)time(NULL), body, &bob);
    assert_int_equal(bob.status, 400);
    assert_non_null(strstr(bob.text, "another caller"));
    post(&stand, request, false, &first);
    if (first.status != 200) fail_msg("%s", first.text);
    post(&stand, request, false, &second);
    assert_int_equal(second.status, 400);
    assert_non_null(strstr(second.text, "used before"));
    free(request);
    free(body);
    finish(&stand);
}

/* --- Bytes (A31) --- */

static void test_mutations(void **state) {
    (void)state;
    CELLA_BUFFER claim = {0}, quote = {0}, signature = {0};
    CLIENT client;
    client_make(&client);
    forge_tpm_quote(&tpm, ALL_PCRS, cella_bytes(NULL, 0), &quote);
    forge_rsa_sign(tpm.ak, cella_buffer_bytes(&quote), &signature);
    platform_claim(&client, cella_buffer_bytes(&quote), cella_buffer_bytes(&signature), &claim);
    struct cella_tpm_statement statement;
    GOOD(cella_tpm_statement_parse(cella_buffer_bytes(&claim), &statement));
    for (size_t cut = 0; cut < claim.size; cut++)
        REFUSED(cella_tpm_statement_parse(cella_bytes(claim.data, cut), &statement),
                CELLA_ERR_FORMAT);
    for (size_t at = 0; at < claim.size; at++) {
        claim.data[at] ^= 0x40;
        struct cella_result r = cella_tpm_statement_parse(cella_buffer_bytes(&claim), &statement);
        if (at < 24) assert_true(cella_failed(r)); /* the head says one thing only */
        cella_result_drop(r);
        claim.data[at] ^= 0x40;
    }
    snprintf(client.challenge, sizeof(client.challenge), "AAAA");
    snprintf(client.context, sizeof(client.context), "AAAA");
    json_t *payload =
        json_pack("{s:s, s:{s:s, s:o, s:o, s:s}}", "att_type", "basic", "att_data", "challenge",
                  "AAAA", "tpm_att_data", tpm_data(&client), "attest_key",
                  cella_jose_key_members(attest_key), "service_context", "AAAA");
    char *text = json_dumps(payload, JSON_COMPACT);
    size_t size = strlen(text);
    forge_seed("tpm_request_own", 0, cella_bytes(text, size));
    forge_seed("tpm_request_claim", 1, cella_buffer_bytes(&claim));
    forge_seed("tpm_request_log", 3, cella_buffer_bytes(&tpm.log));
    {
        CELLA_TPM_REQUEST request = {0};
        GOOD(cella_tpm_request_parse(cella_bytes(text, size), &request));
    }
    for (size_t at = 0; at < size; at += 5) {
        CELLA_TPM_REQUEST request = {0};
        CELLA_TPM_REQUEST shorter = {0};
        struct cella_result r = cella_tpm_request_parse(cella_bytes(text, at), &shorter);
        assert_true(cella_failed(r));
        cella_result_drop(r);
        text[at] ^= 2;
        r = cella_tpm_request_parse(cella_bytes(text, size), &request);
        cella_result_drop(r);
        text[at] ^= 2;
    }
    free(text);
    json_decref(payload);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round),         cmocka_unit_test(test_properties),
        cmocka_unit_test(test_custom_claims), cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_messages),      cmocka_unit_test(test_no_policy),
        cmocka_unit_test(test_replay),        cmocka_unit_test(test_mutations),
    };
    return cmocka_run_group_tests(tests, make_keys, free_keys);
}
