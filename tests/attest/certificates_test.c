/* Policy management certificates: who may change the list, what the list takes, and who may sign
 * policies by it. */
#include <openssl/x509v3.h>
#include <signal.h>
#include <sys/wait.h>

#include "attest/managers.h"
#include "stand.h"

#define PERMIT "version=1.0; authorizationrules{=> permit();}; issuancerules{};"
enum { DAY = 86400 };

/* An isolated instance whose first certificate is the signer's. */
static void isolated(struct stand *stand, const struct signer *manager, struct cella_buffer *pem) {
    stand_make(stand, CELLA_ATTEST_ISOLATED);
    stand->instance.settings.policy_certificates =
        pem_of(cella_buffer_bytes(&manager->certificate), pem);
    stand_start(stand);
}

static void change_body(struct stand *stand, bool add, const char *body, struct answer *answer) {
    struct cella_http_request request = request_of(body);
    struct cella_http_response response = {0};
    cella_certificates_change(&stand->instance, add, a_caller(), &request, &response);
    answer_read(&stand->instance, &response, answer);
}

static char *certificate_payload(const char *member, struct cella_bytes der) {
    CELLA_JSON text = base64_json(der);
    CELLA_JSON json = json_pack("{s:{s:s, s:[O]}}", member, "kty", "RSA", "x5c", text);
    return json_dumps(json, JSON_COMPACT);
}

static void change(struct stand *stand, bool add, const struct signer *signer,
                   const struct signer *subject, struct answer *answer) {
    char *payload =
        certificate_payload("policyCertificate", cella_buffer_bytes(&subject->certificate));
    char *jws = jws_of(signer, payload), body[16384];
    snprintf(body, sizeof(body), "\"%s\"", jws);
    change_body(stand, add, body, answer);
    free(payload), free(jws);
}
#define CHANGED(stand, add, signer, subject)                                                       \
    do {                                                                                           \
        ANSWER changed_ = {0};                                                                     \
        change((stand), (add), (signer), (subject), &changed_);                                    \
        if (changed_.status != 200)                                                                \
            fail_msg("%d %s: %s", changed_.status, changed_.code, changed_.message);               \
        assert_string_equal(claim_text(&changed_, "x-ms-policycertificates-result"),               \
                            (add) ? "IsPresent" : "IsAbsent");                                     \
        char thumbprint_[CELLA_THUMBPRINT_TEXT];                                                   \
        GOOD(cella_thumbprint(cella_buffer_bytes(&(subject)->certificate), thumbprint_));          \
        assert_string_equal(claim_text(&changed_, "x-ms-certificate-thumbprint"), thumbprint_);    \
    } while (0)
#define NOT_CHANGED(stand, add, signer, subject)                                                   \
    do {                                                                                           \
        ANSWER not_ = {0};                                                                         \
        change((stand), (add), (signer), (subject), &not_);                                        \
        if (not_.status != 400 || strcmp(not_.code, "InvalidOperation") != 0)                      \
            fail_msg("%d %s: %s", not_.status, not_.code, not_.message);                           \
    } while (0)

static size_t listed(struct stand *stand, const struct signer *signer, bool *there) {
    struct cella_http_request request = request_of("");
    struct cella_http_response response = {0};
    ANSWER answer = {0};
    cella_certificates_get(&stand->instance, &request, &response);
    answer_read(&stand->instance, &response, &answer);
    assert_int_equal(answer.status, 200);
    const json_t *keys =
        json_object_get(json_object_get(answer.claims, "x-ms-policy-certificates"), "keys");
    assert_true(json_is_array(keys));
    CELLA_JSON expected = signer ? base64_json(cella_buffer_bytes(&signer->certificate)) : NULL;
    *there = false;
    for (size_t i = 0; i < json_array_size(keys); i++) {
        const json_t *key = json_array_get(keys, i);
        const char *texts[] = {"alg", "kty", "use"};
        for (size_t t = 0; t < 3; t++) assert_true(json_is_string(json_object_get(key, texts[t])));
        if (expected && json_equal(json_array_get(json_object_get(key, "x5c"), 0), expected))
            *there = true;
    }
    return json_array_size(keys);
}

static bool may_sign(struct stand *stand, const struct signer *signer) {
    char *jws = policy_jws(signer, PERMIT);
    ANSWER answer = {0};
    put(stand, CELLA_ATTEST_SGX, jws, &answer);
    free(jws);
    return answer.status == 200;
}

/* --- The list --- */

static void adding_and_removing(void **state) {
    (void)state;
    struct stand stand;
    SIGNER first, second;
    CELLA_BUFFER pem = {0};
    bool there = false;
    signer_make(&first, CELLA_JOSE_RSA);
    signer_make(&second, CELLA_JOSE_P256);
    isolated(&stand, &first, &pem);
    assert_int_equal(listed(&stand, &first, &there), 1);
    assert_true(there);
    assert_false(may_sign(&stand, &second));
    for (int i = 0; i < 2; i++) CHANGED(&stand, true, &first, &second); /* idempotent */
    assert_int_equal(listed(&stand, &second, &there), 2);
    assert_true(there && may_sign(&stand, &second));
    for (int i = 0; i < 2; i++) CHANGED(&stand, false, &second, &first);
    assert_int_equal(listed(&stand, &first, &there), 1);
    assert_false(there || may_sign(&stand, &first));
    NOT_CHANGED(&stand, true, &first, &first);    /* who was removed does not come back */
    NOT_CHANGED(&stand, false, &second, &second); /* the last one stays */
    assert_true(may_sign(&stand, &second));
    assert_int_equal(audited(&stand, "\"certificate add\""), 3);
    assert_int_equal(audited(&stand, "\"certificate remove\""), 3);
    stand_remove(&stand);
}

/* A certificate that was removed is not taken over from the settings again. */
static void first_certificates_come_once(void **state) {
    (void)state;
    struct stand stand;
    SIGNER first, second;
    CELLA_BUFFER pem = {0};
    bool there = false;
    signer_make(&first, CELLA_JOSE_P256);
    signer_make(&second, CELLA_JOSE_P256);
    isolated(&stand, &first, &pem);
    CHANGED(&stand, true, &first, &second);
    CHANGED(&stand, false, &second, &first);
    stand_close(&stand);
    stand_open(&stand);
    stand_start(&stand);
    assert_int_equal(listed(&stand, &first, &there), 1);
    assert_false(there || may_sign(&stand, &first));
    stand_remove(&stand);
}

static void isolated_needs_a_first_certificate(void **state) {
    (void)state;
    struct stand stand;
    SIGNER old, good;
    CELLA_BUFFER ended = {0}, both = {0};
    uint64_t now = (uint64_t)time(NULL);
    signer_make_dated(&old, CELLA_JOSE_P256, now - 10 * DAY, now - DAY, false);
    signer_make(&good, CELLA_JOSE_P256);
    stand_make(&stand, CELLA_ATTEST_ISOLATED);
    struct cella_attest_settings *settings = &stand.instance.settings;
    REFUSED(cella_policies_new(&stand.instance, &stand.instance.policies), CELLA_ERR_USAGE);
    settings->policy_certificates = cella_bytes_text("no PEM at all\n");
    REFUSED(cella_policies_new(&stand.instance, &stand.instance.policies), CELLA_ERR_USAGE);
    settings->policy_certificates = pem_of(cella_buffer_bytes(&old.certificate), &ended);
    REFUSED(cella_policies_new(&stand.instance, &stand.instance.policies), CELLA_ERR_REFUSED);
    pem_of(cella_buffer_bytes(&good.certificate), &both);
    settings->policy_certificates = pem_of(cella_buffer_bytes(&old.certificate), &both);
    REFUSED(cella_policies_new(&stand.instance, &stand.instance.policies), CELLA_ERR_REFUSED);
    /* nothing of the refused ones was kept */
    CELLA_BUFFER pem = {0};
    bool there = false;
    settings->policy_certificates = pem_of(cella_buffer_bytes(&good.certificate), &pem);
    stand_start(&stand);
    assert_int_equal(listed(&stand, &good, &there), 1);
    stand_remove(&stand);
}

static void without_isolation_there_is_no_list(void **state) {
    (void)state;
    struct stand stand;
    SIGNER signer;
    bool there = false;
    signer_make(&signer, CELLA_JOSE_P256);
    for (int shared = 0; shared < 2; shared++) {
        stand_make(&stand, shared ? CELLA_ATTEST_SHARED : CELLA_ATTEST_AAD);
        stand_start(&stand);
        assert_int_equal(listed(&stand, NULL, &there), 0);
        NOT_CHANGED(&stand, true, &signer, &signer);
        NOT_CHANGED(&stand, false, &signer, &signer);
        assert_int_equal(listed(&stand, NULL, &there), 0);
        stand_remove(&stand);
    }
}

/* --- Statements --- */

static void bodies_and_names(void **state) {
    (void)state;
    struct stand stand;
    SIGNER manager;
    CELLA_BUFFER pem = {0};
    signer_make(&manager, CELLA_JOSE_P256);
    isolated(&stand, &manager, &pem);
    static const char *const names[] = {"policyCertificate", "maa-policyCertificate",
                                        "x-ms-policyCertificate"};
    static const char *const forms[] = {"\"%s\"", "%s", "{\"policyCertificateToAdd\":\"%s\"}"};
    for (size_t i = 0; i < 9; i++) {
        SIGNER subject;
        signer_make(&subject, CELLA_JOSE_P256);
        char *payload = certificate_payload(names[i % 3], cella_buffer_bytes(&subject.certificate));
        char *jws = jws_of(&manager, payload), *body = NULL;
        ANSWER answer = {0};
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        if (asprintf(&body, forms[i / 3], jws) < 0) abort();
#pragma GCC diagnostic pop
        change_body(&stand, true, body, &answer);
        if (answer.status != 200) fail_msg("%zu: %s", i, answer.message);
        free(payload), free(jws), free(body);
    }
    bool there = false;
    assert_int_equal(listed(&stand, NULL, &there), 10);
    stand_remove(&stand);
}

static void statements_that_are_refused(void **state) {
    (void)state;
    struct stand stand;
    SIGNER manager, other;
    CELLA_BUFFER pem = {0};
    bool there = false;
    signer_make(&manager, CELLA_JOSE_P256);
    signer_make(&other, CELLA_JOSE_P256);
    isolated(&stand, &manager, &pem);
    struct cella_bytes der = cella_buffer_bytes(&other.certificate);
    char *good = certificate_payload("policyCertificate", der);
    char *misnamed = certificate_payload("certificate", der);
    char *cut = certificate_payload("policyCertificate", cella_bytes(der.data, der.size - 1));
    CELLA_JSON text = base64_json(der);
    CELLA_JSON two = json_pack("{s:{s:[O,O]}}", "policyCertificate", "x5c", text, text);
    char *doubled = json_dumps(two, JSON_COMPACT);
    const char *payloads[] = {misnamed,
                              cut,
                              doubled,
                              "",
                              "{}",
                              "[]",
                              "{\"policyCertificate\":\"MIIB\"}",
                              "{\"policyCertificate\":{\"kty\":\"RSA\"}}",
                              "{\"policyCertificate\":{\"x5c\":[]}}",
                              "{\"policyCertificate\":{\"x5c\":[1]}}",
                              "{\"policyCertificate\":{\"x5c\":[\"!\"]}}",
                              "{\"policyCertificate\":{\"n\":\"AQAB\",\"e\":\"AQAB\"}}"};
    for (size_t i = 0; i < sizeof(payloads) / sizeof(payloads[0]); i++) {
        char *jws = jws_of(&manager, payloads[i]);
        ANSWER answer = {0};
        change_body(&stand, true, jws, &answer);
        if (answer.status != 400 || strcmp(answer.code, "InvalidOperation") != 0)
            fail_msg("%zu: %d %s %s", i, answer.status, answer.code, answer.message);
        free(jws);
    }
    char *unsecured = jws_of(NULL, good), *foreign = jws_of(&other, good);
    const char *bodies[] = {unsecured, foreign, "", "{}", "\"\"", "null", "hello"};
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        ANSWER answer = {0};
        change_body(&stand, true, bodies[i], &answer);
        assert_int_equal(answer.status, 400);
        assert_string_equal(answer.code, "InvalidOperation");
    }
    assert_int_equal(listed(&stand, NULL, &there), 1);
    free(good), free(misnamed), free(cut), free(doubled), free(unsecured), free(foreign);
    stand_remove(&stand);
}

/* --- Dates --- */

static void certificates_that_ended(void **state) {
    (void)state;
    struct stand stand;
    SIGNER manager, old, coming;
    CELLA_BUFFER pem = {0};
    bool there = false;
    uint64_t now = (uint64_t)time(NULL);
    signer_make(&manager, CELLA_JOSE_P256);
    signer_make_dated(&old, CELLA_JOSE_P256, now - 10 * DAY, now - DAY, false);
    signer_make_dated(&coming, CELLA_JOSE_P256, now + DAY, now + 10 * DAY, false);
    isolated(&stand, &manager, &pem);
    NOT_CHANGED(&stand, true, &manager, &old);
    CHANGED(&stand, true, &manager, &coming); /* a successor may be named beforehand */
    assert_false(may_sign(&stand, &coming));
    NOT_CHANGED(&stand, false, &manager, &manager); /* nobody could sign until then */
    assert_int_equal(listed(&stand, NULL, &there), 2);
    stand_remove(&stand);
}

/* One that ended while it was on the list: as time does it, put there behind the service's back. */
static void a_manager_ends(void **state) {
    (void)state;
    struct stand stand;
    SIGNER manager, old;
    CELLA_BUFFER pem = {0};
    CELLA_MANAGERS managers = {0};
    CELLA_SESSION session = NULL;
    uint64_t now = (uint64_t)time(NULL);
    signer_make(&manager, CELLA_JOSE_P256);
    signer_make_dated(&old, CELLA_JOSE_P256, now - 10 * DAY, now - DAY, false);
    isolated(&stand, &manager, &pem);
    GOOD(cella_session_begin(stand.database, true, &session));
    GOOD(cella_managers_read(&stand.instance, session, &managers));
    GOOD(cella_managers_add(&stand.instance, session, &managers,
                            cella_buffer_bytes(&old.certificate), now - 2 * DAY));
    GOOD(cella_session_commit(&session));
    char *jws = policy_jws(&old, PERMIT);
    ANSWER answer = {0};
    put(&stand, CELLA_ATTEST_SGX, jws, &answer);
    assert_string_equal(answer.code, "InvalidOperation");
    assert_non_null(strstr(answer.message, "ended"));
    free(jws);
    NOT_CHANGED(&stand, false, &old, &manager);
    NOT_CHANGED(&stand, false, &manager, &manager); /* the only other one has ended */
    CHANGED(&stand, false, &manager, &old);
    stand_remove(&stand);
}

/* --- Chains --- */

struct issue {
    uint64_t from, until;
    const char *constraints, *usage;
    bool other_issuer_name;
};

static EVP_PKEY *pkey_of(const struct signer *signer) {
    CELLA_SECRET pkcs8 = {0};
    GOOD(cella_jose_key_export(signer->key, &pkcs8));
    const unsigned char *at = pkcs8.data;
    EVP_PKEY *pkey = d2i_AutoPrivateKey(NULL, &at, (long)pkcs8.size);
    assert_non_null(pkey);
    return pkey;
}

static void extend(X509 *x509, int nid, const char *value) {
    X509_EXTENSION *extension = value ? X509V3_EXT_conf_nid(NULL, NULL, nid, value) : NULL;
    if (extension) X509_add_ext(x509, extension, -1);
    X509_EXTENSION_free(extension);
}

/* A signer whose certificate the issuer signed. */
static void issued(struct signer *out, const char *name, const struct signer *issuer,
                   const struct issue *as) {
    signer_make(out, CELLA_JOSE_P256);
    const unsigned char *at = issuer->certificate.data;
    X509 *authority = d2i_X509(NULL, &at, (long)issuer->certificate.size), *x509 = X509_new();
    EVP_PKEY *own = pkey_of(out), *signing = pkey_of(issuer);
    X509_set_version(x509, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x509), 4711);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(x509), "CN", MBSTRING_UTF8,
                               (const unsigned char *)name, -1, -1, 0);
    X509_set_issuer_name(x509, as->other_issuer_name ? X509_get_subject_name(x509)
                                                     : X509_get_subject_name(authority));
    ASN1_TIME_set(X509_getm_notBefore(x509), (time_t)as->from);
    ASN1_TIME_set(X509_getm_notAfter(x509), (time_t)as->until);
    X509_set_pubkey(x509, own);
    extend(x509, NID_basic_constraints, as->constraints);
    extend(x509, NID_key_usage, as->usage);
    assert_true(X509_sign(x509, signing, EVP_sha256()) > 0);
    unsigned char *der = NULL;
    int size = i2d_X509(x509, &der);
    cella_buffer_free(&out->certificate);
    GOOD(cella_buffer_append(&out->certificate, cella_bytes(der, (size_t)size)));
    OPENSSL_free(der);
    X509_free(x509), X509_free(authority), EVP_PKEY_free(own), EVP_PKEY_free(signing);
}

static bool chain_signs(struct stand *stand, const struct signer *signer,
                        const struct signer *const *chain, size_t count) {
    struct cella_bytes x5c[8];
    for (size_t i = 0; i < count; i++) x5c[i] = cella_buffer_bytes(&chain[i]->certificate);
    char *payload = policy_payload(PERMIT), *jws = jws_with(signer, x5c, count, payload);
    ANSWER answer = {0};
    put(stand, CELLA_ATTEST_SGX, jws, &answer);
    free(payload), free(jws);
    return answer.status == 200;
}
#define CHAIN(...)                                                                                 \
    (const struct signer *const[]) { __VA_ARGS__ }

static void chains_to_a_managed_authority(void **state) {
    (void)state;
    struct stand stand;
    SIGNER root, middle, leaf, old, early, ca_leaf, false_ca, below_false, misnamed, no_signing,
        other_root, other_leaf;
    CELLA_BUFFER pem = {0};
    uint64_t now = (uint64_t)time(NULL);
    struct issue valid = {now - DAY, now + 100 * DAY, "critical,CA:FALSE",
                          "critical,digitalSignature", false};
    struct issue authority = valid, past = valid, future = valid, wrong_name = valid,
                 wrong_use = valid;
    authority.constraints = "critical,CA:TRUE", authority.usage = "critical,keyCertSign";
    past.until = now - 60, future.from = now + 3600;
    wrong_name.other_issuer_name = true, wrong_use.usage = "critical,keyEncipherment";
    signer_make_dated(&root, CELLA_JOSE_P256, now - DAY, now + 100 * DAY, true);
    issued(&middle, "middle", &root, &authority);
    issued(&leaf, "leaf", &middle, &valid);
    issued(&old, "old", &root, &past);
    issued(&early, "early", &root, &future);
    issued(&ca_leaf, "direct", &root, &valid);
    issued(&false_ca, "no authority", &root, &valid);
    issued(&below_false, "below", &false_ca, &valid);
    issued(&misnamed, "misnamed", &root, &wrong_name);
    issued(&no_signing, "encipherment", &root, &wrong_use);
    signer_make_dated(&other_root, CELLA_JOSE_P256, now - DAY, now + 100 * DAY, true);
    issued(&other_leaf, "other", &other_root, &valid);
    isolated(&stand, &root, &pem);

    assert_true(chain_signs(&stand, &root, CHAIN(&root), 1));
    assert_true(chain_signs(&stand, &ca_leaf, CHAIN(&ca_leaf), 1));
    assert_true(chain_signs(&stand, &ca_leaf, CHAIN(&ca_leaf, &root), 2));
    assert_true(chain_signs(&stand, &leaf, CHAIN(&leaf, &middle), 2));
    assert_true(chain_signs(&stand, &leaf, CHAIN(&leaf, &middle, &root), 3));

    assert_false(chain_signs(&stand, &leaf, CHAIN(&leaf), 1));        /* a link is missing */
    assert_false(chain_signs(&stand, &leaf, CHAIN(&leaf, &root), 2)); /* likewise */
    assert_false(chain_signs(&stand, &leaf, CHAIN(&leaf, &root, &middle), 3)); /* out of order */
    assert_false(chain_signs(&stand, &old, CHAIN(&old, &root), 2));
    assert_false(chain_signs(&stand, &early, CHAIN(&early, &root), 2));
    assert_false(chain_signs(&stand, &below_false, CHAIN(&below_false, &false_ca), 2));
    assert_false(chain_signs(&stand, &misnamed, CHAIN(&misnamed, &root), 2));
    assert_false(chain_signs(&stand, &no_signing, CHAIN(&no_signing, &root), 2));
    assert_false(chain_signs(&stand, &other_leaf, CHAIN(&other_leaf, &other_root), 2));
    /* of the same name as the managed authority, but with another key */
    assert_false(chain_signs(&stand, &other_root, CHAIN(&other_root), 1));
    assert_false(chain_signs(&stand, &other_leaf, CHAIN(&other_leaf, &root), 2));
    /* signed by the key of a certificate further up */
    assert_false(chain_signs(&stand, &middle, CHAIN(&leaf, &middle), 2));
    stand_remove(&stand);
}

/* A managed certificate that is no authority vouches for itself alone. */
static void a_leaf_vouches_for_nobody(void **state) {
    (void)state;
    struct stand stand;
    SIGNER manager, below;
    CELLA_BUFFER pem = {0};
    uint64_t now = (uint64_t)time(NULL);
    struct issue valid = {now - DAY, now + DAY, NULL, NULL, false};
    signer_make(&manager, CELLA_JOSE_P256);
    issued(&below, "below", &manager, &valid);
    isolated(&stand, &manager, &pem);
    assert_false(chain_signs(&stand, &below, CHAIN(&below), 1));
    assert_false(chain_signs(&stand, &below, CHAIN(&below, &manager), 2));
    assert_true(may_sign(&stand, &manager));
    stand_remove(&stand);
}

/* --- Several at once, and kill -9 --- */

struct pull {
    struct stand *stand;
    const struct signer *signer, *subject;
    int status;
};
static void *remove_one(void *context) {
    struct pull *pull = context;
    ANSWER answer = {0};
    change(pull->stand, false, pull->signer, pull->subject, &answer);
    pull->status = answer.status;
    return NULL;
}

/* Two managers who remove each other: one of them wins, and one remains. */
static void two_remove_each_other(void **state) {
    (void)state;
    for (int round = 0; round < 10; round++) {
        struct stand stand;
        SIGNER first, second;
        CELLA_BUFFER pem = {0};
        pthread_t thread[2];
        bool there = false;
        signer_make(&first, CELLA_JOSE_P256);
        signer_make(&second, CELLA_JOSE_P256);
        isolated(&stand, &first, &pem);
        CHANGED(&stand, true, &first, &second);
        struct pull pull[2] = {{&stand, &first, &second, 0}, {&stand, &second, &first, 0}};
        for (int i = 0; i < 2; i++) pthread_create(&thread[i], NULL, remove_one, &pull[i]);
        for (int i = 0; i < 2; i++) pthread_join(thread[i], NULL);
        assert_int_equal((pull[0].status == 200) + (pull[1].status == 200), 1);
        assert_int_equal(listed(&stand, NULL, &there), 1);
        stand_remove(&stand);
    }
}

static void kill_9_keeps_the_list(void **state) {
    (void)state;
    struct stand stand;
    SIGNER manager, other;
    CELLA_BUFFER pem = {0};
    bool there = false;
    signer_make(&manager, CELLA_JOSE_P256);
    signer_make(&other, CELLA_JOSE_P256);
    isolated(&stand, &manager, &pem);
    stand_close(&stand);
    for (int kills = 0; kills < 8; kills++) {
        pid_t child = fork();
        if (child == 0) {
            stand_open(&stand);
            stand_start(&stand);
            for (bool add = true;; add = !add) CHANGED(&stand, add, &manager, &other);
        }
        assert_true(child > 0);
        usleep((useconds_t)(30000 + rand() % 20000));
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        stand_open(&stand);
        stand_start(&stand);
        size_t count = listed(&stand, &manager, &there);
        assert_true(there && count >= 1 && count <= 2);
        stand_close(&stand);
    }
    stand_remove(&stand);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(adding_and_removing),
        cmocka_unit_test(first_certificates_come_once),
        cmocka_unit_test(isolated_needs_a_first_certificate),
        cmocka_unit_test(without_isolation_there_is_no_list),
        cmocka_unit_test(bodies_and_names),
        cmocka_unit_test(statements_that_are_refused),
        cmocka_unit_test(certificates_that_ended),
        cmocka_unit_test(a_manager_ends),
        cmocka_unit_test(chains_to_a_managed_authority),
        cmocka_unit_test(a_leaf_vouches_for_nobody),
        cmocka_unit_test(two_remove_each_other),
        cmocka_unit_test(kill_9_keeps_the_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
