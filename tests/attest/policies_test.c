/* Policies of an instance: what is taken and refused, and by whom. */
#include "stand_policies.h"

/* --- Hashes and defaults --- */

static void hashes_are_azures(void **state) {
    (void)state;
    char hash[44];
    GOOD(cella_policy_hash(cella_bytes_text(PERMIT), hash));
    assert_string_equal(hash, "z0FRjKS0ssQTNur1V6BV8WIrh9M3fzgTo0EfHRvapWU");
    CELLA_BUFFER jws = {0};
    GOOD(cella_statement_unsecured(cella_bytes_text(PERMIT), &jws));
    assert_int_equal(jws.size, strlen(UNSECURED_PERMIT));
    assert_memory_equal(jws.data, UNSECURED_PERMIT, jws.size);
}

/* x-ms-policy-hash in tokens that Azure's shared providers gave for their default policies:
 * vectors/maa-jwt, SimpleAttest-SgxEnclave_Shared and sev-snp-sample. */
static void defaults_are_azures(void **state) {
    (void)state;
    static const char enclave[] = "bROrN897ZfWmWY2V0FLUlu3uwk5xatGnKYHn3zBbSlw";
    static const char machine[] = "9NY0VnTQ-IiBriBplVUpFbczcDaEBUwsiFYAzHu_gco";
    static const char *const expected[CELLA_ATTEST_TYPE_COUNT] = {
        enclave, enclave, machine, machine, machine, NULL, NULL};
    struct stand stand;
    stand_make(&stand, CELLA_ATTEST_SHARED);
    stand_start(&stand);
    for (int type = 0; type < CELLA_ATTEST_TYPE_COUNT; type++) {
        const struct cella_policy_entry *entry = NULL;
        GOOD(cella_policies_take(stand.instance.policies, (enum cella_attest_type)type, &entry));
        if (!expected[type]) {
            assert_null(entry); /* nothing permits what no policy names */
            continue;
        }
        assert_string_equal(entry->hash, expected[type]);
        assert_true(entry->is_default);
        assert_null(entry->signer);
        assert_non_null(entry->policy);
        cella_policies_drop(stand.instance.policies, entry);
    }
    ANSWER answer = {0};
    get(&stand, CELLA_ATTEST_SGX, &answer);
    assert_int_equal(answer.status, 200);
    assert_int_equal(json_object_size(answer.claims), 5); /* and iss, iat, nbf, exp: no more */
    assert_memory_equal(claim_text(&answer, "x-ms-policy"), "eyJhbGciOiJub25lIn0.", 20);
    ANSWER none = {0};
    CELLA_STATEMENT statement = {0};
    CELLA_BUFFER text = {0};
    get(&stand, CELLA_ATTEST_TPM, &none);
    GOOD(cella_statement_read(cella_bytes_text(claim_text(&none, "x-ms-policy")), &statement));
    GOOD(cella_statement_policy(&statement, &text));
    /* a remark, and no policy: clients that read it get a text, and none that permits */
    struct cella_policy *policy = NULL;
    assert_memory_equal(text.data, "// ", 3);
    REFUSED(cella_policy_compile(cella_buffer_bytes(&text), &policy, NULL), CELLA_ERR_FORMAT);
    stand_remove(&stand);
}

/* --- Setting --- */

static void set_get_reset(void **state) {
    (void)state;
    struct stand stand;
    stand_make(&stand, CELLA_ATTEST_AAD);
    stand_start(&stand);
    ANSWER set = {0}, read = {0}, gone = {0}, after = {0};
    put(&stand, CELLA_ATTEST_SGX, UNSECURED_PERMIT, &set);
    assert_int_equal(set.status, 200);
    assert_string_equal(claim_text(&set, "x-ms-policy-result"), "Updated");
    assert_string_equal(claim_text(&set, "x-ms-policy-token-hash"),
                        "c6sEJQItV50OeP9IrP_bzywAMOVvj5uDPbklA_bwdYQ");
    assert_null(json_object_get(set.claims, "x-ms-policy-signer"));
    assert_null(json_object_get(set.claims, "jti"));
    uint64_t iat = 0, exp = 0;
    assert_true(cella_json_date(set.claims, "iat", &iat) &&
                cella_json_date(set.claims, "exp", &exp) && exp - iat == 3600);
    assert_true(stands(&stand, CELLA_ATTEST_SGX, PERMIT));
    assert_false(stands(&stand, CELLA_ATTEST_OPEN_ENCLAVE, PERMIT)); /* each type has its own */
    get(&stand, CELLA_ATTEST_SGX, &read);
    assert_string_equal(claim_text(&read, "x-ms-policy"), UNSECURED_PERMIT);
    reset(&stand, CELLA_ATTEST_SGX, RESET, &gone);
    assert_string_equal(claim_text(&gone, "x-ms-policy-result"), "Removed");
    assert_int_equal(json_object_size(gone.claims), 5);
    get(&stand, CELLA_ATTEST_SGX, &after);
    assert_string_not_equal(claim_text(&after, "x-ms-policy"), UNSECURED_PERMIT);
    assert_false(stands(&stand, CELLA_ATTEST_SGX, PERMIT));
    assert_int_equal(audited(&stand, "\"policy set\""), 1);
    assert_int_equal(audited(&stand, "\"policy reset\""), 1);
    assert_int_equal(audited(&stand, "\"alice\""), 2);
    assert_int_equal(audited(&stand, "c6sEJQItV50OeP9IrP_bzywAMOVvj5uDPbklA_bwdYQ"), 1);
    stand_remove(&stand);
}

static void policies_outlive_the_process(void **state) {
    (void)state;
    struct stand stand;
    stand_make(&stand, CELLA_ATTEST_AAD);
    stand_start(&stand);
    SIGNER signer;
    signer_make(&signer, CELLA_JOSE_P256);
    char *jws = policy_jws(&signer, DENY);
    SET(&stand, CELLA_ATTEST_SNP, jws);
    stand_close(&stand);
    stand_open(&stand);
    stand_start(&stand);
    const struct cella_policy_entry *entry = NULL;
    ANSWER read = {0};
    GOOD(cella_policies_take(stand.instance.policies, CELLA_ATTEST_SNP, &entry));
    assert_memory_equal(entry->text.data, DENY, strlen(DENY));
    assert_non_null(entry->signer);
    assert_false(entry->is_default);
    cella_policies_drop(stand.instance.policies, entry);
    get(&stand, CELLA_ATTEST_SNP, &read);
    assert_string_equal(claim_text(&read, "x-ms-policy"), jws);
    free(jws);
    stand_remove(&stand);
}

static void bodies_as_clients_send_them(void **state) {
    (void)state;
    struct stand stand;
    stand_make(&stand, CELLA_ATTEST_AAD);
    stand_start(&stand);
    char quoted[512], lines[512];
    snprintf(quoted, sizeof(quoted), "\"%s\"", UNSECURED_PERMIT);
    snprintf(lines, sizeof(lines), "\r\n %s\n", UNSECURED_PERMIT);
    const char *bodies[] = {UNSECURED_PERMIT, quoted, lines};
    for (size_t i = 0; i < 3; i++) {
        ANSWER set = {0};
        put(&stand, CELLA_ATTEST_TDX, bodies[i], &set);
        assert_int_equal(set.status, 200);
        /* of the JWS, however it was wrapped */
        assert_string_equal(claim_text(&set, "x-ms-policy-token-hash"),
                            "c6sEJQItV50OeP9IrP_bzywAMOVvj5uDPbklA_bwdYQ");
    }
    /* the text itself, and base64 of the other alphabet with its padding */
    char *raw = jws_of(NULL, "{\"AttestationPolicy\":\"" PERMIT "\"}");
    char *spaced = jws_of(NULL, "{ \"AttestationPolicy\" : \" \\n" PERMIT "\" }");
    char *padded = jws_of(NULL, "{\"AttestationPolicy\":\"dmVyc2lvbj0xLjA7IGF1dGhvcml6YXRpb25ydWxlc"
                                "3s9PiBwZXJtaXQoKTt9OyBpc3N1YW5jZXJ1bGVze307Ly8/Pz8/Cg==\"}");
    SET(&stand, CELLA_ATTEST_TDX, raw);
    assert_true(stands(&stand, CELLA_ATTEST_TDX, PERMIT));
    SET(&stand, CELLA_ATTEST_TDX, spaced);
    SET(&stand, CELLA_ATTEST_TDX, padded);
    assert_true(stands(&stand, CELLA_ATTEST_TDX, PERMIT "//????\n"));
    free(raw), free(spaced), free(padded);
    stand_remove(&stand);
}

static void what_is_no_policy_statement(void **state) {
    (void)state;
    struct stand stand;
    stand_make(&stand, CELLA_ATTEST_AAD);
    stand_start(&stand);
    SET(&stand, CELLA_ATTEST_SGX, UNSECURED_PERMIT);
    static const char *const bodies[] = {
        "",
        " \n",
        "version=1.0; authorizationrules{=> permit();};",
        "{}",
        "{\"policyCertificateToAdd\":\"" UNSECURED_PERMIT "\"}",
        "[\"" UNSECURED_PERMIT "\"]",
        "\"" UNSECURED_PERMIT,
        "\"\"",
        "null",
        "..",
        "eyJhbGciOiJub25lIn0.",
        UNSECURED_PERMIT ".",
        "." UNSECURED_PERMIT,
        RESET,                                                     /* no policy in it */
        "eyJhbGciOiJub25lIn0.e30.",                                /* {} */
        "eyJhbGciOiJub25lIn0.W10.",                                /* [] */
        "eyJhbGciOiJub25lIn0.bnVsbA.",                             /* null */
        "eyJhbGciOiJub25lIn0.eyJBdHRlc3RhdGlvblBvbGljeSI6MX0.",    /* a number */
        "eyJhbGciOiJub25lIn0.eyJBdHRlc3RhdGlvblBvbGljeSI6IiEifQ.", /* not base64 */
        "eyJhbGciOiJOb25lIn0.e30.",                                /* None */
        "eyJhbGciOiJIUzI1NiJ9.e30.AAAA",                           /* HS256 */
        "eyJhbGciOiJSU0EyNTYifQ.e30.AAAA", /* RSA256, of a published sample */
        "eyJhbGciOiJub25lIn0.e30.AAAA",    /* none, and yet a signature */
        "eyJhbGciOiJSUzI1NiJ9.e30.",       /* RS256, and none */
        "eyJ0eXAiOiJKV1QifQ.e30.",         /* no alg */
        "\xff\xfe",
    };
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        ANSWER answer = {0};
        put(&stand, CELLA_ATTEST_SGX, bodies[i], &answer);
        if (answer.status != 400 || strcmp(answer.code, "InvalidOperation") != 0)
            fail_msg("%zu: %d %s %s", i, answer.status, answer.code, answer.message);
    }
    assert_true(stands(&stand, CELLA_ATTEST_SGX, PERMIT)); /* what stood still stands */
    assert_int_equal(audited(&stand, "\"refused\""), sizeof(bodies) / sizeof(bodies[0]));
    stand_remove(&stand);
}

/* Every bit of a signed statement, and every end that it might be cut at. */
static void flipped_and_cut_statements(void **state) {
    (void)state;
    SIGNER signer;
    signer_make(&signer, CELLA_JOSE_P256);
    char *jws = policy_jws(&signer, PERMIT);
    size_t size = strlen(jws);
    for (size_t i = 0; i < size * 8; i++) {
        CELLA_STATEMENT statement = {0};
        char *copy = strdup(jws);
        copy[i / 8] = (char)(copy[i / 8] ^ (1 << (i % 8)));
        struct cella_result r = cella_statement_read(cella_bytes(copy, size), &statement);
        assert_true(cella_failed(r));
        cella_result_drop(r);
        free(copy);
    }
    for (size_t cut = 0; cut < size; cut++) {
        CELLA_STATEMENT statement = {0};
        struct cella_result r = cella_statement_read(cella_bytes(jws, cut), &statement);
        assert_true(cella_failed(r));
        cella_result_drop(r);
    }
    free(jws);
}

static void texts_that_do_not_parse(void **state) {
    (void)state;
    struct stand stand;
    stand_make(&stand, CELLA_ATTEST_AAD);
    stand_start(&stand);
    static const struct {
        const char *text, *says;
    } cases[] = {
        {"version=1.0;\nauthorizationrules{=> permt();};", "line 2"},
        {"version=7.0; authorizationrules{=> permit();};", "line 1"},
        {"version=1.0; authorizationrules{ c:[type=\"a\"] => permit(); };", "column"},
        {"hello", "version"},
        {"", ""},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        ANSWER answer = {0};
        char *jws = policy_jws(NULL, cases[i].text);
        put(&stand, CELLA_ATTEST_SGX, jws, &answer);
        free(jws);
        if (answer.status != 400 || strcmp(answer.code, "PolicyParsingError") != 0 ||
            !strstr(answer.message, cases[i].says) || !strstr(answer.message, "expected"))
            fail_msg("%zu: %d %s %s", i, answer.status, answer.code, answer.message);
    }
    stand_remove(&stand);
}

/* The largest policy is taken, one byte more is not; nor is a JWS beyond its own limit. */
static void sizes(void **state) {
    (void)state;
    static const char text[] = "version=1.0; authorizationrules{=> permit();};";
    struct stand stand;
    char *policy = malloc(CELLA_POLICY_TEXT_MAX + 2), *huge = malloc(CELLA_JWS_SIZE_MAX + 2);
    stand_make(&stand, CELLA_ATTEST_AAD);
    stand_start(&stand);
    for (size_t over = 0; over < 2; over++) {
        memset(policy, ' ', CELLA_POLICY_TEXT_MAX + over);
        memcpy(policy, text, sizeof(text) - 1);
        policy[CELLA_POLICY_TEXT_MAX + over] = 0;
        char *jws = policy_jws(NULL, policy);
        ANSWER answer = {0};
        put(&stand, CELLA_ATTEST_SGX, jws, &answer);
        assert_int_equal(answer.status, over ? 400 : 200);
        assert_string_equal(answer.code, over ? "PolicyParsingError" : "");
        free(jws);
    }
    memset(huge, 'a', CELLA_JWS_SIZE_MAX + 1);
    huge[CELLA_JWS_SIZE_MAX + 1] = 0;
    NOT_SET(&stand, CELLA_ATTEST_SGX, huge, 400, "InvalidOperation");
    free(policy), free(huge);
    stand_remove(&stand);
}

/* --- Signatures --- */

static void signed_by_anyone_where_roles_guard(void **state) {
    (void)state;
    struct stand stand;
    stand_make(&stand, CELLA_ATTEST_AAD);
    stand_start(&stand);
    for (int i = 0; i < 2; i++) {
        SIGNER signer;
        signer_make(&signer, i ? CELLA_JOSE_P256 : CELLA_JOSE_RSA);
        char *jws = policy_jws(&signer, PERMIT);
        ANSWER set = {0};
        put(&stand, CELLA_ATTEST_SGX, jws, &set);
        assert_int_equal(set.status, 200);
        const json_t *jwk = json_object_get(set.claims, "x-ms-policy-signer");
        assert_int_equal(json_object_size(jwk), 3);
        assert_string_equal(json_string_value(json_object_get(jwk, "alg")), i ? "ES256" : "RS256");
        assert_string_equal(json_string_value(json_object_get(jwk, "kty")), i ? "EC" : "RSA");
        CELLA_JSON certificate = base64_json(cella_buffer_bytes(&signer.certificate));
        assert_true(json_equal(json_array_get(json_object_get(jwk, "x5c"), 0), certificate));
        char thumbprint[CELLA_THUMBPRINT_TEXT];
        GOOD(cella_thumbprint(cella_buffer_bytes(&signer.certificate), thumbprint));
        assert_int_equal(audited(&stand, thumbprint), 1);
        free(jws);
    }
    stand_remove(&stand);
}

static char *tampered(const char *jws, size_t part) {
    char *copy = strdup(jws), *at = copy;
    for (size_t i = 0; i < part; i++) at = strchr(at, '.') + 1;
    at[8] = at[8] == 'A' ? 'B' : 'A';
    return copy;
}

/* A24 to A26: who signed is the key of x5c[0] alone. */
static void signatures_that_do_not_hold(void **state) {
    (void)state;
    struct stand stand;
    stand_make(&stand, CELLA_ATTEST_AAD);
    stand_start(&stand);
    SIGNER signer, other;
    signer_make(&signer, CELLA_JOSE_P256);
    signer_make(&other, CELLA_JOSE_P256);
    char *payload = policy_payload(PERMIT), *good = jws_of(&signer, payload);
    struct cella_bytes others[] = {cella_buffer_bytes(&other.certificate),
                                   cella_buffer_bytes(&signer.certificate)};
    char *foreign = jws_with(&signer, others, 2, payload); /* signed by the second's key */
    char *bare = jws_with(&signer, NULL, 0, payload);
    char *body = tampered(good, 1), *signature = tampered(good, 2);
    NOT_SET(&stand, CELLA_ATTEST_SGX, foreign, 400, "InvalidOperation");
    NOT_SET(&stand, CELLA_ATTEST_SGX, bare, 400, "InvalidOperation");
    NOT_SET(&stand, CELLA_ATTEST_SGX, body, 400, "InvalidOperation");
    NOT_SET(&stand, CELLA_ATTEST_SGX, signature, 400, "InvalidOperation");
    /* the key offered in the header, by value, by name or by address, is no reason to believe */
    CELLA_JSON jwk = cella_jose_key_members(signer.key);
    const char *member[] = {"jwk", "jku", "kid", "x5u"};
    for (size_t i = 0; i < 4; i++) {
        CELLA_JSON header = json_object();
        CELLA_BUFFER jws = {0};
        json_object_set_new(header, member[i],
                            i ? json_string("https://localhost:8445/certs") : json_incref(jwk));
        GOOD(cella_jws_sign(signer.key, CELLA_JOSE_ES256, header, cella_bytes_text(payload), &jws));
        ANSWER answer = {0};
        put_body(&stand, CELLA_ATTEST_SGX, cella_buffer_bytes(&jws), &answer);
        assert_int_equal(answer.status, 400);
    }
    SET(&stand, CELLA_ATTEST_SGX, good);
    free(payload), free(good), free(foreign), free(bare), free(body), free(signature);
    stand_remove(&stand);
}

static void isolated_wants_a_manager(void **state) {
    (void)state;
    struct stand stand;
    SIGNER manager, other;
    CELLA_BUFFER pem = {0};
    signer_make(&manager, CELLA_JOSE_RSA);
    signer_make(&other, CELLA_JOSE_P256);
    stand_make(&stand, CELLA_ATTEST_ISOLATED);
    stand.instance.settings.policy_certificates =
        pem_of(cella_buffer_bytes(&manager.certificate), &pem);
    stand_start(&stand);
    char *payload = policy_payload(PERMIT), *good = jws_of(&manager, payload),
         *foreign = jws_of(&other, payload);
    /* the manager's certificate beside, or before, that of who signed */
    struct cella_bytes behind[] = {cella_buffer_bytes(&other.certificate),
                                   cella_buffer_bytes(&manager.certificate)};
    struct cella_bytes before[] = {behind[1], behind[0]};
    char *beside = jws_with(&other, behind, 2, payload),
         *ahead = jws_with(&other, before, 2, payload);
    NOT_SET(&stand, CELLA_ATTEST_SGX, UNSECURED_PERMIT, 400, "InvalidOperation");
    NOT_SET(&stand, CELLA_ATTEST_SGX, foreign, 400, "InvalidOperation");
    NOT_SET(&stand, CELLA_ATTEST_SGX, beside, 400, "InvalidOperation");
    NOT_SET(&stand, CELLA_ATTEST_SGX, ahead, 400, "InvalidOperation");
    assert_false(stands(&stand, CELLA_ATTEST_SGX, PERMIT));
    SET(&stand, CELLA_ATTEST_SGX, good);
    assert_true(stands(&stand, CELLA_ATTEST_SGX, PERMIT));
    /* a reset likewise; and a signed policy is no reset */
    ANSWER unsigned_reset = {0}, policy_as_reset = {0}, good_reset = {0};
    reset(&stand, CELLA_ATTEST_SGX, RESET, &unsigned_reset);
    assert_string_equal(unsigned_reset.code, "InvalidOperation");
    reset(&stand, CELLA_ATTEST_SGX, good, &policy_as_reset);
    assert_string_equal(policy_as_reset.code, "InvalidOperation");
    assert_true(stands(&stand, CELLA_ATTEST_SGX, PERMIT));
    char *signed_reset = jws_of(&manager, "");
    reset(&stand, CELLA_ATTEST_SGX, signed_reset, &good_reset);
    assert_string_equal(claim_text(&good_reset, "x-ms-policy-result"), "Removed");
    free(payload), free(good), free(foreign), free(beside), free(ahead), free(signed_reset);
    stand_remove(&stand);
}

static void shared_sets_nothing(void **state) {
    (void)state;
    struct stand stand;
    stand_make(&stand, CELLA_ATTEST_AAD);
    stand_start(&stand);
    SET(&stand, CELLA_ATTEST_SGX, UNSECURED_PERMIT);
    stand_close(&stand);
    stand.instance.settings.mode = CELLA_ATTEST_SHARED;
    stand_open(&stand);
    stand_start(&stand);
    NOT_SET(&stand, CELLA_ATTEST_SGX, UNSECURED_PERMIT, 400, "InvalidOperation");
    ANSWER answer = {0};
    reset(&stand, CELLA_ATTEST_SGX, RESET, &answer);
    assert_int_equal(answer.status, 400);
    assert_false(stands(&stand, CELLA_ATTEST_SGX, PERMIT)); /* what was set before is not used */
    stand_remove(&stand);
}

/* A policy from before the instance was isolated: refused, not taken for the default. */
static void isolated_does_not_go_by_unsigned_ones(void **state) {
    (void)state;
    struct stand stand;
    SIGNER manager;
    CELLA_BUFFER pem = {0};
    const struct cella_policy_entry *entry = NULL;
    signer_make(&manager, CELLA_JOSE_P256);
    stand_make(&stand, CELLA_ATTEST_AAD);
    stand_start(&stand);
    SET(&stand, CELLA_ATTEST_SGX, UNSECURED_PERMIT);
    stand_close(&stand);
    stand.instance.settings.mode = CELLA_ATTEST_ISOLATED;
    stand.instance.settings.policy_certificates =
        pem_of(cella_buffer_bytes(&manager.certificate), &pem);
    stand_open(&stand);
    stand_start(&stand);
    REFUSED(cella_policies_take(stand.instance.policies, CELLA_ATTEST_SGX, &entry),
            CELLA_ERR_UNAVAILABLE);
    assert_null(entry);
    char *good = policy_jws(&manager, DENY);
    SET(&stand, CELLA_ATTEST_SGX, good);
    assert_true(stands(&stand, CELLA_ATTEST_SGX, DENY));
    free(good);
    stand_remove(&stand);
}

/* K21: rows of another type or instance do not open, and no row can be made without the root. */
static void moved_policies_do_not_open(void **state) {
    (void)state;
    struct stand stand;
    stand_make(&stand, CELLA_ATTEST_AAD);
    stand_start(&stand);
    SET(&stand, CELLA_ATTEST_SGX, UNSECURED_PERMIT);
    stand_close(&stand);
    stand_open(&stand);
    CELLA_SESSION session = NULL;
    GOOD(cella_session_begin(stand.database, true, &session));
    GOOD(cella_execute(session, "UPDATE attest_policies_entry SET type = 'SoftwareEnclave'", NULL,
                       0, NULL));
    GOOD(cella_session_commit(&session));
    GOOD(cella_tokens_new(&stand.instance, (uint64_t)time(NULL), &stand.instance.tokens));
    REFUSED(cella_policies_new(&stand.instance, &stand.instance.policies), CELLA_ERR_INTEGRITY);
    stand_remove(&stand);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hashes_are_azures),
        cmocka_unit_test(defaults_are_azures),
        cmocka_unit_test(set_get_reset),
        cmocka_unit_test(policies_outlive_the_process),
        cmocka_unit_test(bodies_as_clients_send_them),
        cmocka_unit_test(what_is_no_policy_statement),
        cmocka_unit_test(flipped_and_cut_statements),
        cmocka_unit_test(texts_that_do_not_parse),
        cmocka_unit_test(sizes),
        cmocka_unit_test(signed_by_anyone_where_roles_guard),
        cmocka_unit_test(signatures_that_do_not_hold),
        cmocka_unit_test(isolated_wants_a_manager),
        cmocka_unit_test(shared_sets_nothing),
        cmocka_unit_test(isolated_does_not_go_by_unsigned_ones),
        cmocka_unit_test(moved_policies_do_not_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
