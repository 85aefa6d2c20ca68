/* Policies of an instance: what is taken and refused, by whom, and that what stands is always one
 * policy whole, through races, other processes and kill -9. */
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "attest/policies_inner.h"
#include "stand.h"

#define PERMIT "version=1.0; authorizationrules{=> permit();}; issuancerules{};"
#define DENY   "version=1.0; authorizationrules{=> deny();}; issuancerules{};"
#define UNSECURED_PERMIT                                                                           \
    "eyJhbGciOiJub25lIn0."                                                                         \
    "eyJBdHRlc3RhdGlvblBvbGljeSI6ImRtVnljMmx2YmoweExqQTdJR0YxZEdodmNtbDZZWFJwYjI1eWRXeGxjM3M5UGlC" \
    "d1pYSnRhWFFvS1R0OU95QnBjM04xWVc1alpYSjFiR1Z6ZTMwNyJ9."
#define RESET "eyJhbGciOiJub25lIn0.."

/* What stands for a type, as requests see it. */
static bool stands(struct stand *stand, enum cella_attest_type type, const char *text) {
    const struct cella_policy_entry *entry = NULL;
    GOOD(cella_policies_take(stand->instance.policies, type, &entry));
    bool same = entry ? text && entry->text.size == strlen(text) &&
                            memcmp(entry->text.data, text, strlen(text)) == 0
                      : !text;
    if (entry) cella_policies_drop(stand->instance.policies, entry);
    return same;
}

#define SET(stand, type, jws)                                                                      \
    do {                                                                                           \
        ANSWER set_ = {0};                                                                         \
        put((stand), (type), (jws), &set_);                                                        \
        if (set_.status != 200) fail_msg("%d %s: %s", set_.status, set_.code, set_.message);       \
    } while (0)
#define NOT_SET(stand, type, jws, status_, code_)                                                  \
    do {                                                                                           \
        ANSWER not_ = {0};                                                                         \
        put((stand), (type), (jws), &not_);                                                        \
        if (not_.status != (status_) || strcmp(not_.code, (code_)) != 0)                           \
            fail_msg("%d %s: %s", not_.status, not_.code, not_.message);                           \
    } while (0)

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
    assert_int_equal(text.size, 0);
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

/* --- K22: no change without its line --- */

static void no_change_without_audit(void **state) {
    (void)state;
    struct stand stand;
    struct stat log;
    struct rlimit none, before;
    stand_make(&stand, CELLA_ATTEST_AAD);
    stand_close(&stand);
    stand.in_memory = true; /* so that the log alone runs out of room */
    stand_open(&stand);
    stand_start(&stand);
    SET(&stand, CELLA_ATTEST_SNP, UNSECURED_PERMIT);
    assert_int_equal(stat(stand_path(&stand, "audit.log"), &log), 0);
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    none = (struct rlimit){(rlim_t)log.st_size, before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
    ANSWER set = {0}, gone = {0}, refused = {0};
    put(&stand, CELLA_ATTEST_SGX, UNSECURED_PERMIT, &set);
    reset(&stand, CELLA_ATTEST_SNP, RESET, &gone);
    put(&stand, CELLA_ATTEST_SGX, "hello", &refused); /* nor is a refusal left out */
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_true(set.status >= 500 && gone.status >= 500 && refused.status >= 500);
    assert_false(stands(&stand, CELLA_ATTEST_SGX, PERMIT));
    assert_true(stands(&stand, CELLA_ATTEST_SNP, PERMIT));
    SET(&stand, CELLA_ATTEST_SGX, UNSECURED_PERMIT);
    assert_true(stands(&stand, CELLA_ATTEST_SGX, PERMIT));
    stand_remove(&stand);
}

/* A disk that is full: refused as our fault, said so in the log, and nothing is changed. */
static void a_full_disk_changes_nothing(void **state) {
    (void)state;
    enum { ROOM = 64 << 10, LARGE = 200 << 10 };
    struct stand stand;
    struct rlimit none, before;
    char *policy = malloc(LARGE + 1);
    stand_make(&stand, CELLA_ATTEST_AAD);
    stand_start(&stand);
    SET(&stand, CELLA_ATTEST_SGX, UNSECURED_PERMIT);
    memset(policy, ' ', LARGE);
    memcpy(policy, DENY, sizeof(DENY) - 1);
    policy[LARGE] = 0;
    char *jws = policy_jws(NULL, policy);
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    none = (struct rlimit){ROOM, before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
    ANSWER full = {0}, read = {0};
    put(&stand, CELLA_ATTEST_SGX, jws, &full);
    get(&stand, CELLA_ATTEST_SGX, &read);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(full.status, 503);
    assert_string_equal(claim_text(&read, "x-ms-policy"), UNSECURED_PERMIT);
    assert_true(stands(&stand, CELLA_ATTEST_SGX, PERMIT));
    assert_int_equal(audited(&stand, "\"failed\""), 1);
    SET(&stand, CELLA_ATTEST_SGX, jws);
    assert_true(stands(&stand, CELLA_ATTEST_SGX, policy));
    free(policy), free(jws);
    stand_remove(&stand);
}

/* --- Races, other processes, kill -9 --- */

enum { RACE_TEXTS = 4, RACE_WRITES = 25 };
struct race {
    struct stand *stand;
    char *text[RACE_TEXTS], *jws[RACE_TEXTS], hash[RACE_TEXTS][44];
    _Atomic bool over;
    _Atomic unsigned reads;
};

static void *race_writes(void *context) {
    struct race *race = context;
    for (unsigned i = 0; i < RACE_WRITES; i++)
        SET(race->stand, CELLA_ATTEST_SGX, race->jws[(i + (unsigned)gettid()) % RACE_TEXTS]);
    return NULL;
}

/* Each policy that is lent is one whole: its hash is that of its text, and it stays while lent. */
static void *race_reads(void *context) {
    struct race *race = context;
    while (!race->over) {
        const struct cella_policy_entry *entry = NULL;
        char hash[44];
        GOOD(cella_policies_take(race->stand->instance.policies, CELLA_ATTEST_SGX, &entry));
        GOOD(cella_policy_hash(entry->text, hash));
        assert_string_equal(hash, entry->hash);
        bool known = entry->is_default;
        for (unsigned i = 0; i < RACE_TEXTS; i++) known |= strcmp(hash, race->hash[i]) == 0;
        assert_true(known);
        cella_policies_drop(race->stand->instance.policies, entry);
        race->reads++;
    }
    return NULL;
}

static void race_fill(struct race *race) {
    for (unsigned i = 0; i < RACE_TEXTS; i++) {
        if (asprintf(&race->text[i],
                     "version=1.0; authorizationrules{=> permit();}; "
                     "issuancerules{=> issue(type=\"n\", value=\"%0*u\");};",
                     (int)(10 + 1000 * i), i) < 0)
            abort();
        race->jws[i] = policy_jws(NULL, race->text[i]);
        GOOD(cella_policy_hash(cella_bytes_text(race->text[i]), race->hash[i]));
    }
}
static void race_free(struct race *race) {
    for (unsigned i = 0; i < RACE_TEXTS; i++) free(race->text[i]), free(race->jws[i]);
}

static void reads_never_see_a_mix(void **state) {
    (void)state;
    struct stand stand;
    struct race race = {.stand = &stand};
    pthread_t writer[2], reader[2];
    stand_make(&stand, CELLA_ATTEST_AAD);
    stand_start(&stand);
    race_fill(&race);
    for (int i = 0; i < 2; i++) pthread_create(&reader[i], NULL, race_reads, &race);
    for (int i = 0; i < 2; i++) pthread_create(&writer[i], NULL, race_writes, &race);
    for (int i = 0; i < 2; i++) pthread_join(writer[i], NULL);
    race.over = true;
    for (int i = 0; i < 2; i++) pthread_join(reader[i], NULL);
    assert_true(race.reads > RACE_WRITES);
    /* what stands in memory is what the store has last */
    const struct cella_policy_entry *entry = NULL;
    ANSWER read = {0};
    GOOD(cella_policies_take(stand.instance.policies, CELLA_ATTEST_SGX, &entry));
    get(&stand, CELLA_ATTEST_SGX, &read);
    char *jws = NULL;
    for (unsigned i = 0; i < RACE_TEXTS; i++)
        if (strcmp(entry->hash, race.hash[i]) == 0) jws = race.jws[i];
    assert_non_null(jws);
    assert_string_equal(claim_text(&read, "x-ms-policy"), jws);
    cella_policies_drop(stand.instance.policies, entry);
    race_free(&race);
    stand_remove(&stand);
}

/* Of two that come at once the later commit stands, whichever is taken over last. */
static void the_later_commit_stands(void **state) {
    (void)state;
    struct stand stand;
    struct policy_item *late = NULL;
    stand_make(&stand, CELLA_ATTEST_AAD);
    stand_start(&stand);
    SET(&stand, CELLA_ATTEST_SGX, UNSECURED_PERMIT);
    SET(&stand, CELLA_ATTEST_SGX, UNSECURED_PERMIT);
    assert_true(stands(&stand, CELLA_ATTEST_SGX, PERMIT)); /* the look at the store is done */
    GOOD(policy_item_default(CELLA_ATTEST_SGX, &late));
    late->version = 1;
    policies_install(stand.instance.policies, CELLA_ATTEST_SGX, late);
    assert_true(stands(&stand, CELLA_ATTEST_SGX, PERMIT));
    stand_remove(&stand);
}

static void a_lent_policy_stays(void **state) {
    (void)state;
    struct stand stand;
    const struct cella_policy_entry *entry = NULL;
    CELLA_POLICY_OUTCOME outcome = {0};
    stand_make(&stand, CELLA_ATTEST_AAD);
    stand_start(&stand);
    SET(&stand, CELLA_ATTEST_SGX, UNSECURED_PERMIT);
    GOOD(cella_policies_take(stand.instance.policies, CELLA_ATTEST_SGX, &entry));
    char *deny = policy_jws(NULL, DENY);
    SET(&stand, CELLA_ATTEST_SGX, deny);
    GOOD(cella_policy_evaluate(entry->policy, NULL, 0, false, &outcome));
    assert_int_equal(outcome.verdict, CELLA_POLICY_PERMITTED);
    assert_memory_equal(entry->text.data, PERMIT, strlen(PERMIT));
    cella_policies_drop(stand.instance.policies, entry);
    free(deny);
    stand_remove(&stand);
}

static void processes_agree(void **state) {
    (void)state;
    struct stand stand, other;
    stand_make(&stand, CELLA_ATTEST_AAD);
    stand_start(&stand);
    other = stand;
    other.instance.tokens = NULL, other.instance.policies = NULL;
    stand_open(&other);
    stand_start(&other);
    SET(&stand, CELLA_ATTEST_SGX, UNSECURED_PERMIT);
    ANSWER read = {0};
    get(&other, CELLA_ATTEST_SGX, &read); /* at once for who asks for the policy ... */
    assert_string_equal(claim_text(&read, "x-ms-policy"), UNSECURED_PERMIT);
    char *deny = policy_jws(NULL, DENY);
    SET(&stand, CELLA_ATTEST_SGX, deny);
    usleep(1100 * 1000); /* ... and within a second for who is judged by it */
    assert_true(stands(&other, CELLA_ATTEST_SGX, DENY));
    ANSWER gone = {0};
    reset(&other, CELLA_ATTEST_SGX, RESET, &gone);
    usleep(1100 * 1000);
    assert_false(stands(&stand, CELLA_ATTEST_SGX, DENY));
    free(deny);
    stand_close(&other);
    stand_remove(&stand);
}

/* Sets policies in turn, and writes the number of each that was answered, until it is killed. */
static void set_until_killed(struct stand *stand, const struct race *race, int out) {
    stand_open(stand);
    stand_start(stand);
    for (unsigned i = 0;; i++) {
        ANSWER set = {0};
        unsigned number = i % RACE_TEXTS;
        put(stand, CELLA_ATTEST_SGX, race->jws[number], &set);
        if (set.status != 200 || write(out, &number, sizeof(number)) != sizeof(number)) _exit(1);
    }
}

static void kill_9_loses_nothing(void **state) {
    (void)state;
    enum { KILLS = 12 };
    struct stand stand;
    struct race race = {.stand = &stand};
    stand_make(&stand, CELLA_ATTEST_AAD);
    stand_start(&stand);
    race_fill(&race);
    CELLA_BUFFER before = {0};
    GOOD(cella_tokens_keyset(stand.instance.tokens, &before));
    stand_close(&stand);
    for (unsigned kills = 0; kills < KILLS; kills++) {
        int pipes[2];
        assert_int_equal(pipe(pipes), 0);
        pid_t child = fork();
        if (child == 0) set_until_killed(&stand, &race, pipes[1]);
        assert_true(child > 0);
        close(pipes[1]);
        unsigned answered = RACE_TEXTS, number;
        /* after the first answer, at some point of the following ones */
        if (read(pipes[0], &answered, sizeof(answered)) != sizeof(answered)) fail();
        usleep((useconds_t)(rand() % 20000));
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        while (read(pipes[0], &number, sizeof(number)) == sizeof(number)) answered = number;
        close(pipes[0]);
        stand_open(&stand);
        stand_start(&stand);
        /* the last that was answered, or the one that was under way */
        assert_true(stands(&stand, CELLA_ATTEST_SGX, race.text[answered]) ||
                    stands(&stand, CELLA_ATTEST_SGX, race.text[(answered + 1) % RACE_TEXTS]));
        CELLA_BUFFER after = {0};
        GOOD(cella_tokens_keyset(stand.instance.tokens, &after));
        assert_int_equal(after.size, before.size);
        assert_memory_equal(after.data, before.data, before.size);
        stand_close(&stand);
    }
    race_free(&race);
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
        cmocka_unit_test(no_change_without_audit),
        cmocka_unit_test(a_full_disk_changes_nothing),
        cmocka_unit_test(reads_never_see_a_mix),
        cmocka_unit_test(the_later_commit_stands),
        cmocka_unit_test(a_lent_policy_stays),
        cmocka_unit_test(processes_agree),
        cmocka_unit_test(kill_9_loses_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
