/* Who may ask, what a policy decides, what is said of it, and that nothing is said that the audit
 * log does not have. */
#include <signal.h>
#include <sys/resource.h>

#include "rig.h"

#include "../evidence/fixture.h"

#define VERSION  "?api-version=2020-10-01"
#define RESOURCE "https://attest.azure.net"

struct bench { /* software evidence: no vectors needed */
    struct rig rig;
    struct fixture fixture;
    char path[256];
    const char *list[1];
};

static void bench_make(struct bench *b) {
    *b = (struct bench){0};
    fixture_new(&b->fixture);
    rig_make(&b->rig, NULL, 0);
    snprintf(b->path, sizeof(b->path), "%s/platform.der", b->rig.stand.folder);
    GOOD(cella_file_write(b->path, cella_buffer_bytes(&b->fixture.spki), 0600, 0));
    b->list[0] = b->path;
    struct cella_trust_settings trust = {
        .source = "none", .platform = b->list, .platform_count = 1};
    cella_attest_free(&b->rig.attest);
    cella_trust_free(&b->rig.trust);
    GOOD(cella_trust_new(&trust, &b->rig.trust));
    rig_start(&b->rig);
}
static void bench_remove(struct bench *b) {
    fixture_free(&b->fixture);
    rig_remove(&b->rig);
}
#define BENCH __attribute__((cleanup(bench_remove))) struct bench

static struct reply ask(struct bench *b, const char *host, const char *draft) {
    json_t *body = body_of("evidence", cella_buffer_bytes(&b->fixture.evidence));
    if (draft) json_object_set_new(body, "draftPolicyForAttestation", json_string(draft));
    return rig_attest(&b->rig, host, "SoftwareEnclave", body);
}

static struct reply set_policy(struct bench *b, const char *host, const char *text) {
    char *jws = policy_jws(NULL, text);
    struct reply out = rig_call(&b->rig, "PUT", host, "/policies/SoftwareEnclave" VERSION,
                                rig_bearer(&b->rig, "writer", RESOURCE, 0), cella_bytes_text(jws));
    free(jws);
    return out;
}

static bool mentions(const struct reply *reply, const char *word) {
    if (!strstr(reply->message, word)) print_error("no '%s' in: %s\n", word, reply->message);
    return strstr(reply->message, word) != NULL;
}

/* --- Hosts and versions --- */

static void test_hosts(void **state) {
    (void)state;
    BENCH b;
    bench_make(&b);
    static const struct {
        const char *host;
        int status;
        const char *issuer;
    } row[] = {
        {"localhost:8445", 200, "https://localhost:8445"},
        {"LocalHost:8445", 200, "https://localhost:8445"},
        {"shared.example", 200, "https://shared.example"},
        {"SHARED.example:443", 200, "https://shared.example"},
        {"[::1]:8445", 200, "https://[::1]:8445"},
        {"localhost", 404, NULL},
        {"localhost:443", 404, NULL},
        {"localhost:84450", 404, NULL},
        {"shared.example:8445", 404, NULL},
        {"shared.example.", 404, NULL},
        {"x@shared.example", 404, NULL},
        {"shared.example/", 404, NULL},
        {"", 404, NULL},
    };
    for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
        REPLY reply = rig_get(&b.rig, row[i].host, "/.well-known/openid-configuration", NULL);
        ANSWERED(reply, row[i].status);
        if (row[i].issuer)
            assert_string_equal(json_string_value(json_object_get(reply.body, "issuer")),
                                row[i].issuer);
        else
            assert_string_equal(reply.code, "NotFound");
    }
}

static void test_versions(void **state) {
    (void)state;
    BENCH b;
    bench_make(&b);
    REPLY missing =
        rig_call(&b.rig, "POST", DEV, "/attest/SgxEnclave", NULL, cella_bytes_text("{}"));
    ANSWERED(missing, 400);
    assert_true(mentions(&missing, "api-version"));
    REPLY unknown = rig_call(&b.rig, "POST", DEV, "/attest/SgxEnclave?api-version=2019-01-01", NULL,
                             cella_bytes_text("{}"));
    ANSWERED(unknown, 400);
    assert_string_equal(unknown.code, "UnsupportedApiVersion");
    REPLY encoded = rig_call(&b.rig, "POST", DEV, "/attest/SgxEnclave?api%2Dversion=2025-06-01",
                             NULL, cella_bytes_text("{}"));
    ANSWERED(encoded, 400);
    assert_true(mentions(&encoded, "quote")); /* it got as far as the body */
    REPLY method = rig_get(&b.rig, DEV, "/attest/SgxEnclave" VERSION, NULL);
    ANSWERED(method, 405);
    assert_string_equal(method.allow, "POST");
    REPLY type =
        rig_call(&b.rig, "POST", DEV, "/attest/Nitro" VERSION, NULL, cella_bytes_text("{}"));
    ANSWERED(type, 404);
    REPLY target = rig_get(&b.rig, DEV, "/%63erts", NULL);
    ANSWERED(target, 400);
}

/* --- Who may --- */

static void test_roles(void **state) {
    (void)state;
    BENCH b;
    bench_make(&b);
    static const struct {
        const char *method, *target, *object, *audience;
        int64_t age_s;
        int status;
    } row[] = {
        {"GET", "/policies/SgxEnclave" VERSION, "reader", RESOURCE, 0, 200},
        {"GET", "/policies/SgxEnclave" VERSION, "reader", RESOURCE "/", 0, 200},
        {"GET", "/policies/SgxEnclave" VERSION, "reader", "https://localhost:8445", 0, 200},
        {"GET", "/policies/SgxEnclave" VERSION, "writer", RESOURCE, 0, 200},
        {"GET", "/certificates" VERSION, "reader", RESOURCE, 0, 200},
        {"GET", "/policies/SgxEnclave" VERSION, NULL, NULL, 0, 401},
        {"GET", "/policies/SgxEnclave" VERSION, "nobody", RESOURCE, 0, 401},
        {"GET", "/policies/SgxEnclave" VERSION, "reader", "https://vault.azure.net", 0, 401},
        {"GET", "/policies/SgxEnclave" VERSION, "reader", "https://shared.example", 0, 401},
        {"GET", "/policies/SgxEnclave" VERSION, "reader", RESOURCE, 7300, 401},
        {"GET", "/policies/SgxEnclave" VERSION, "reader", RESOURCE, -7300, 401},
        {"PUT", "/policies/SgxEnclave" VERSION, "reader", RESOURCE, 0, 401},
        {"POST", "/policies/SgxEnclave:reset" VERSION, "reader", RESOURCE, 0, 401},
        {"POST", "/certificates:add" VERSION, "reader", RESOURCE, 0, 401},
        {"POST", "/certificates:remove" VERSION, "reader", RESOURCE, 0, 401},
        {"POST", "/attest/Tpm" VERSION, NULL, NULL, 0, 401},
        {"GET", "/tcbbaselines/SgxEnclave" VERSION, NULL, NULL, 0, 401},
        {"GET", "/decisions/x" VERSION, NULL, NULL, 0, 401},
        {"GET", "/decisions/x" VERSION, "reader", RESOURCE, 0, 401},
        /* who is not known learns nothing of versions either */
        {"GET", "/policies/SgxEnclave", NULL, NULL, 0, 401},
    };
    for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
        const char *bearer =
            row[i].object ? rig_bearer(&b.rig, row[i].object, row[i].audience, row[i].age_s) : NULL;
        REPLY reply =
            rig_call(&b.rig, row[i].method, DEV, row[i].target, bearer, cella_bytes_text("x"));
        if (reply.status != row[i].status)
            fail_msg("%zu: %s %s: %d %s", i, row[i].method, row[i].target, reply.status,
                     reply.message);
        if (row[i].status == 401) assert_string_equal(reply.code, "Unauthorized");
    }
    /* a role at another instance is none here */
    REPLY other = rig_get(&b.rig, "[::1]:8445", "/policies/SgxEnclave" VERSION,
                          rig_bearer(&b.rig, "reader", RESOURCE, 0));
    ANSWERED(other, 401);
}

/* Attesting is for anybody, and a bearer that comes all the same is not looked at. */
static void test_bearer_ignored(void **state) {
    (void)state;
    BENCH b;
    bench_make(&b);
    REPLY reply = rig_call(&b.rig, "POST", DEV, "/attest/SgxEnclave" VERSION, "Bearer nonsense",
                           cella_bytes_text("{}"));
    ANSWERED(reply, 400);
    assert_string_equal(reply.code, "InvalidParameter");
}

static void test_shared(void **state) {
    (void)state;
    BENCH b;
    bench_make(&b);
    REPLY set = set_policy(&b, SHARED, "version=1.0; authorizationrules{=> permit();};");
    ANSWERED(set, 400);
    assert_string_equal(set.code, "InvalidOperation");
    REPLY get = rig_get(&b.rig, SHARED, "/policies/SgxEnclave" VERSION,
                        rig_bearer(&b.rig, "writer", RESOURCE, 0));
    ANSWERED(get, 200);
}

/* --- Policies --- */

static void test_policy(void **state) {
    (void)state;
    BENCH b;
    bench_make(&b);
    REPLY set = set_policy(
        &b, DEV,
        "version=1.2; configurationrules{}; authorizationrules{ [type==\"x-ms-cella-svn\", "
        "value>=3] && [type==\"x-ms-cella-is-debuggable\", value==false] => permit(); }; "
        "issuancerules{ => issue(type=\"one\", value=\"a\"); => issue(type=\"two\", value=1); "
        "=> issue(type=\"two\", value=2); => issue(type=\"yes\", value=true); "
        "=> issue(type=\"iss\", value=\"https://evil\"); => issue(type=\"exp\", value=1); "
        "=> issue(type=\"x-ms-attestation-type\", value=\"sgx\"); "
        "=> issue(type=\"x-ms-compliance-status\", value=\"azure-compliant-cvm\"); "
        "=> issue(type=\"x-ms-cella-assurance\", value=\"S3\"); "
        "=> issue(type=\"jti\", value=\"x\"); "
        "=> issue(type=\"nonce\", value=\"x\"); };");
    ANSWERED(set, 200);
    json_t *body = body_of("evidence", cella_buffer_bytes(&b.fixture.evidence));
    json_object_set_new(body, "nonce", json_string("mine"));
    REPLY reply = rig_attest(&b.rig, DEV, "SoftwareEnclave", body);
    ANSWERED(reply, 200);
    assert_false(reply.unsecured);
    assert_string_equal(reply_text(&reply, "one"), "a");
    assert_int_equal(json_array_size(json_object_get(reply.claims, "two")), 2);
    assert_true(json_is_true(json_object_get(reply.claims, "yes")));
    /* reserved: the service's own word stays (azure-attestation 9.5) */
    assert_string_equal(reply_text(&reply, "iss"), "https://localhost:8445");
    assert_string_equal(reply_text(&reply, "x-ms-attestation-type"), "cella-software");
    assert_string_equal(reply_text(&reply, "x-ms-cella-assurance"), "S1");
    assert_null(json_object_get(reply.claims, "x-ms-compliance-status"));
    assert_int_equal(strlen(reply_text(&reply, "jti")), 64);
    assert_true(json_integer_value(json_object_get(reply.claims, "exp")) > time(NULL));
    assert_string_equal(reply_text(&reply, "nonce"), "mine");
    const json_t *shown = json_object_get(reply.claims, "x-ms-policy");
    assert_int_equal(json_object_size(shown), 3);
    assert_int_equal(json_integer_value(json_array_get(json_object_get(shown, "two"), 1)), 2);
}

static void test_denied(void **state) {
    (void)state;
    BENCH b;
    bench_make(&b);
    REPLY set = set_policy(&b, DEV,
                           "version=1.0; authorizationrules{ [type==\"x-ms-cella-svn\", value>=4] "
                           "=> permit(); }; issuancerules{};");
    ANSWERED(set, 200);
    REPLY reply = ask(&b, DEV, NULL);
    ANSWERED(reply, 400);
    assert_string_equal(reply.code, "PolicyEvaluationError");
    assert_null(reply.claims);
    assert_true(mentions(&reply, reply.id));
    assert_int_equal(audited(&b.rig.stand, "\"verdict\":\"denied\""), 1);
    assert_int_equal(audited(&b.rig.stand, reply.id), 1);
    char target[128];
    GOOD(cella_access_assign(b.rig.stand.database, "operator", "Attestation Explainer",
                             "/attest/dev"));
    snprintf(target, sizeof(target), "/decisions/%s" VERSION, reply.id);
    REPLY why = rig_get(&b.rig, DEV, target, rig_bearer(&b.rig, "operator", RESOURCE, 0));
    ANSWERED(why, 200);
    assert_string_equal(json_string_value(json_object_get(why.body, "verdict")), "denied");
    char *text = json_dumps(why.body, JSON_COMPACT);
    assert_non_null(strstr(text, "x-ms-cella-svn"));
    assert_non_null(strstr(text, "value>=4"));
    assert_non_null(strstr(text, "3 (Integer, AttestationService)"));
    free(text);
    /* of another instance, and of no decision */
    REPLY other = rig_get(&b.rig, SHARED, target, rig_bearer(&b.rig, "operator", RESOURCE, 0));
    ANSWERED(other, 401);
    REPLY none = rig_get(&b.rig, DEV, "/decisions/00000000-0000-4000-8000-000000000000" VERSION,
                         rig_bearer(&b.rig, "operator", RESOURCE, 0));
    ANSWERED(none, 404);
}

/* No runtime data in explanations, whichever way a policy looks at it. */
static void test_explained_without_data(void **state) {
    (void)state;
    BENCH b;
    bench_make(&b);
    static const char data[] = "{\"canary\":\"c4n4ry-in-the-mine\"}";
    static const char *const drafts[] = {
        "version=1.0; authorizationrules{ [type==\"x-ms-runtime\", value==\"x\"] => permit(); };",
        "version=1.0; authorizationrules{ [value==\"x\"] => permit(); };",
        "version=1.0; authorizationrules{ [type!=\"x-ms-ver\", value==\"x\"] => permit(); };",
        ("version=1.2; authorizationrules{=> permit();}; issuancerules{ c:[type==\"x-ms-runtime\"] "
         "=> issue(type=\"mine\", value=JmesPath(c.value, \"canary\")); };")};
    GOOD(cella_access_assign(b.rig.stand.database, "operator", "Attestation Explainer",
                             "/attest/dev"));
    GOOD(cella_sha256(cella_bytes_text(data), b.fixture.claims.report_data));
    memset(b.fixture.claims.report_data + 32, 0, 32);
    b.fixture.evidence.size = 0;
    GOOD(cella_software_evidence(b.fixture.signer, &b.fixture.claims, &b.fixture.evidence));
    for (size_t i = 0; i < sizeof(drafts) / sizeof(drafts[0]); i++) {
        char target[128];
        json_t *body = body_of("evidence", cella_buffer_bytes(&b.fixture.evidence));
        json_object_set_new(body, "draftPolicyForAttestation", json_string(drafts[i]));
        json_object_set_new(body, "runtimeData", data_of(data, "JSON"));
        json_object_set_new(body, "nonce", json_string("c4n4ry-in-the-mine"));
        REPLY reply = rig_attest(&b.rig, DEV, "SoftwareEnclave", body);
        ANSWERED(reply, i == 3 ? 200 : 400);
        snprintf(target, sizeof(target), "/decisions/%s" VERSION, reply.id);
        REPLY why = rig_get(&b.rig, DEV, target, rig_bearer(&b.rig, "operator", RESOURCE, 0));
        ANSWERED(why, 200);
        char *text = json_dumps(why.body, JSON_COMPACT);
        assert_null(strstr(text, "c4n4ry"));
        assert_non_null(strstr(text, "x-ms-runtime")); /* its name is told */
        free(text);
    }
    assert_int_equal(audited(&b.rig.stand, "c4n4ry"), 0); /* nor in the audit log (K11) */
}

static void test_draft(void **state) {
    (void)state;
    BENCH b;
    bench_make(&b);
    REPLY good = ask(&b, DEV, "version=1.0; authorizationrules{=> permit();}; issuancerules{};");
    ANSWERED(good, 200);
    assert_true(good.unsecured);
    assert_string_equal(reply_text(&good, "x-ms-policy-hash"),
                        "z0FRjKS0ssQTNur1V6BV8WIrh9M3fzgTo0EfHRvapWU");
    REPLY parse = ask(&b, DEV, "version=1.0;\nauthorizationrules{ => permitt(); };");
    ANSWERED(parse, 400);
    assert_string_equal(parse.code, "PolicyParsingError");
    assert_true(mentions(&parse, "line 2, column ") && mentions(&parse, "authorizationrules"));
    REPLY deny = ask(&b, DEV, "version=1.0; authorizationrules{=> permit(); => deny();};");
    ANSWERED(deny, 400);
    assert_string_equal(deny.code, "PolicyEvaluationError");
    REPLY nothing = ask(&b, DEV, "version=1.0; authorizationrules{};");
    ANSWERED(nothing, 400); /* A38: no permit is no */
    assert_string_equal(nothing.code, "PolicyEvaluationError");
}

/* K22: what cannot be written down is not done. */
static void test_audit_fails(void **state) {
    (void)state;
    BENCH b;
    bench_make(&b);
    struct rlimit old, none;
    REPLY before = ask(&b, DEV, "version=1.0; authorizationrules{=> permit();};");
    ANSWERED(before, 200);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    none = old;
    none.rlim_cur = 1;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
    REPLY reply = ask(&b, DEV, "version=1.0; authorizationrules{=> permit();};");
    REPLY refused = ask(&b, DEV, "version=1.0; authorizationrules{};");
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    ANSWERED(reply, 503);
    assert_null(reply.claims);
    ANSWERED(refused, 503);
    REPLY after = ask(&b, DEV, "version=1.0; authorizationrules{=> permit();};");
    ANSWERED(after, 200);
}

/* The newest 1024, in memory that is bounded. */
static void test_ring(void **state) {
    (void)state;
    BENCH b;
    bench_make(&b);
    GOOD(cella_access_assign(b.rig.stand.database, "operator", "Attestation Explainer", "/"));
    char first[40], last[40], target[128];
    for (int i = 0; i < 1025; i++) {
        REPLY reply = ask(&b, DEV, "version=1.0; authorizationrules{};");
        snprintf(i == 0 ? first : last, sizeof(first), "%s", reply.id);
    }
    snprintf(target, sizeof(target), "/decisions/%s" VERSION, last);
    REPLY there = rig_get(&b.rig, DEV, target, rig_bearer(&b.rig, "operator", RESOURCE, 0));
    ANSWERED(there, 200);
    snprintf(target, sizeof(target), "/decisions/%s" VERSION, first);
    REPLY gone = rig_get(&b.rig, DEV, target, rig_bearer(&b.rig, "operator", RESOURCE, 0));
    ANSWERED(gone, 404);
}

/* --- Many at once --- */

struct crowd {
    struct bench *bench;
    bool permitted, denied; /* what it saw */
};

static void *attest_many(void *context) {
    struct crowd *crowd = context;
    for (int i = 0; i < 150; i++) {
        REPLY reply = ask(crowd->bench, DEV, NULL);
        bool good = reply.status == 200;
        if (!good) assert_string_equal(reply.code, "PolicyEvaluationError");
        *(good ? &crowd->permitted : &crowd->denied) = true;
    }
    return NULL;
}

/* While a policy is replaced under them: each decision is by the one or by the other. */
static void test_threads(void **state) {
    (void)state;
    enum { THREADS = 3 };
    BENCH b;
    struct crowd crowd[THREADS];
    pthread_t thread[THREADS];
    bench_make(&b);
    GOOD(cella_access_assign(b.rig.stand.database, "operator", "Attestation Explainer", "/"));
    static const char *const policies[] = {"version=1.0; authorizationrules{=> permit();};",
                                           "version=1.0; authorizationrules{=> deny();};"};
    REPLY first = set_policy(&b, DEV, policies[0]);
    ANSWERED(first, 200);
    for (int i = 0; i < THREADS; i++) {
        crowd[i] = (struct crowd){.bench = &b};
        assert_int_equal(pthread_create(&thread[i], NULL, attest_many, &crowd[i]), 0);
    }
    for (int i = 0; i < 20; i++) {
        REPLY set = set_policy(&b, DEV, policies[i % 2]);
        ANSWERED(set, 200);
        REPLY why = rig_get(&b.rig, DEV, "/decisions/00000000-0000-4000-8000-000000000001" VERSION,
                            rig_bearer(&b.rig, "operator", RESOURCE, 0));
        assert_true(why.status == 200 || why.status == 404);
        GOOD(cella_attest_tend(b.rig.attest, (uint64_t)time(NULL)));
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(thread[i], NULL);
        assert_true(crowd[i].permitted || crowd[i].denied);
    }
    assert_int_equal(audited(&b.rig.stand, "\"action\":\"attest\""), THREADS * 150);
}

static void test_settings_refused(void **state) {
    (void)state;
    BENCH b;
    bench_make(&b);
    static const char *const urls[] = {"http://x",
                                       "https://",
                                       "https://x/",
                                       "https://a@x",
                                       "https://localhost:8445",
                                       "https://SHARED.example:443"};
    for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
        struct cella_attest_settings settings = {.name = "new", .url = urls[i]};
        REFUSED(cella_attest_add(b.rig.attest, &settings, b.rig.trust), CELLA_ERR_USAGE);
    }
    static const char *const names[] = {"", "Dev", "a/b", "a b", "dev"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct cella_attest_settings settings = {.name = names[i], .url = "https://y"};
        REFUSED(cella_attest_add(b.rig.attest, &settings, b.rig.trust), CELLA_ERR_USAGE);
    }
    struct cella_attest_settings settings = {
        .name = "new", .url = "https://y", .reference_values = cella_bytes_text("abc\n")};
    REFUSED(cella_attest_add(b.rig.attest, &settings, b.rig.trust), CELLA_ERR_FORMAT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hosts),   cmocka_unit_test(test_versions),
        cmocka_unit_test(test_roles),   cmocka_unit_test(test_bearer_ignored),
        cmocka_unit_test(test_shared),  cmocka_unit_test(test_policy),
        cmocka_unit_test(test_denied),  cmocka_unit_test(test_explained_without_data),
        cmocka_unit_test(test_draft),   cmocka_unit_test(test_audit_fails),
        cmocka_unit_test(test_ring),    cmocka_unit_test(test_settings_refused),
        cmocka_unit_test(test_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
