/* The grammar and meaning of release policies (K01, K03): tables, and every change of a good policy
 * by a byte. */
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include "crypto/jose.h"
#include "vault/authority.h"
#include "vault/release_policy.h"

#include <cmocka.h>

#define A "https://att.test"
#define POLICY(conditions)                                                                         \
    "{\"version\":\"1.0.0\",\"anyOf\":[{\"authority\":\"" A "\",\"allOf\":[" conditions "]}]}"

static const char *const bad[] = {
    "{}",
    "[]",
    "{\"version\":\"1.0.0\"}",
    "{\"version\":\"1.0.0\",\"anyOf\":[]}",
    "{\"version\":\"2.0\",\"anyOf\":[{\"authority\":\"" A
    "\",\"allOf\":[{\"claim\":\"a\",\"equals\":1}]}]}",
    "{\"anyOf\":[{\"authority\":\"" A "\",\"allOf\":[{\"claim\":\"a\",\"equals\":1}]}]}",
    "{\"version\":\"1.0.0\",\"allOf\":[{\"authority\":\"" A
    "\",\"allOf\":[{\"claim\":\"a\",\"equals\":1}]}]}",
    "{\"version\":\"1.0.0\",\"anyOf\":[{\"authority\":\"http://att.test\","
    "\"allOf\":[{\"claim\":\"a\",\"equals\":1}]}]}",
    "{\"version\":\"1.0.0\",\"anyOf\":[{\"allOf\":[{\"claim\":\"a\",\"equals\":1}]}]}",
    "{\"version\":\"1.0.0\",\"anyOf\":[{\"authority\":\"" A "\"}]}",
    "{\"version\":\"1.0.0\",\"anyOf\":[{\"authority\":\"" A "\",\"allOf\":[]}]}",
    "{\"version\":\"1.0.0\",\"anyOf\":[{\"authority\":\"" A "\",\"noneOf\":[{\"claim\":\"a\","
    "\"equals\":1}]}]}",
    "{\"version\":\"1.0.0\",\"anyOf\":[{\"authority\":\"" A
    "\",\"allOf\":[{\"claim\":\"a\",\"equals\":1}],\"anyOf\":[{\"claim\":\"a\",\"equals\":1}]}]}",
    POLICY(""),
    POLICY("{}"),
    POLICY("{\"claim\":\"a\"}"),
    POLICY("{\"equals\":1}"),
    POLICY("{\"claim\":\"\",\"equals\":1}"),
    POLICY("{\"claim\":1,\"equals\":1}"),
    POLICY("{\"claim\":\"a\",\"equal\":1}"),
    POLICY("{\"claim\":\"a\",\"Equals\":1}"),
    POLICY("{\"claim\":\"a\",\"equals\":1,\"less\":2}"),
    POLICY("{\"claim\":\"a\",\"equals\":1,\"note\":\"x\"}"),
    POLICY("{\"claim\":\"a\",\"equals\":null}"),
    POLICY("{\"claim\":\"a\",\"equals\":1.5}"),
    POLICY("{\"claim\":\"a\",\"equals\":[1]}"),
    POLICY("{\"claim\":\"a\",\"less\":\"x\"}"),
    POLICY("{\"claim\":\"a\",\"less\":true}"),
    POLICY("{\"claim\":\"a\",\"exists\":1}"),
    POLICY("{\"claim\":\"a\",\"condition\":\"equals\"}"),
    POLICY("{\"claim\":\"a\",\"condition\":\"is\",\"value\":1}"),
    POLICY("{\"claim\":\"a\",\"condition\":\"equals\",\"value\":1,\"x\":2}"),
    POLICY("{\"allOf\":[{\"claim\":\"a\",\"equals\":1}],\"claim\":\"a\",\"equals\":1}"),
    POLICY("{\"anyOf\":[]}"),
    POLICY("{\"allOf\":{\"claim\":\"a\",\"equals\":1}}"),
    POLICY("{\"claim\":\"a\",\"equals\":1,\"equals\":2}"),
};

static void refuses_what_is_no_policy(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct cella_release_policy *policy = NULL;
        struct cella_result result = cella_release_policy_new(cella_bytes_text(bad[i]), &policy);
        if (!cella_failed(result)) print_error("taken: %s\n", bad[i]);
        assert_true(cella_failed(result));
        assert_null(policy);
        cella_result_drop(result);
    }
}

static void normal_form(void **state) {
    (void)state;
    static const char *const pairs[][2] = {
        {"{ \"version\": \"1.0\", \"anyof\": [ { \"authority\": \"" A
         "/\", \"allof\": [ {\"claim\":"
         "\"sdk-test\",\"condition\":\"equals\",\"value\":\"true\"} ] } ] }",
         "{\"anyOf\":[{\"allOf\":[{\"claim\":\"sdk-test\",\"equals\":\"true\"}],\"authority\":\"" A
         "/\"}],\"version\":\"1.0.0\"}"},
    };
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        struct cella_release_policy *policy = NULL;
        CELLA_BUFFER text = {0};
        assert_false(
            cella_failed(cella_release_policy_new(cella_bytes_text(pairs[i][0]), &policy)));
        assert_false(cella_failed(cella_release_policy_normal(policy, &text)));
        assert_int_equal(text.size, strlen(pairs[i][1]));
        assert_memory_equal(text.data, pairs[i][1], text.size);
        cella_release_policy_free(&policy);
    }
}

static bool holds(const char *conditions, const char *claims, const char *issuer) {
    char text[4096], why[256];
    struct cella_release_policy *policy = NULL;
    CELLA_JSON object = json_loads(claims, 0, NULL);
    assert_non_null(object);
    snprintf(text, sizeof(text), POLICY("%s"), conditions);
    struct cella_result result = cella_release_policy_new(cella_bytes_text(text), &policy);
    if (cella_failed(result)) cella_result_print(result);
    assert_false(cella_failed(result));
    bool held = cella_release_policy_holds(policy, issuer, object, why, sizeof(why));
    assert_true(why[0] != 0);
    cella_release_policy_free(&policy);
    return held;
}

static void meaning(void **state) {
    (void)state;
    static const char claims[] =
        "{\"t\":true,\"f\":false,\"n\":5,\"z\":0,\"neg\":-3,\"s\":\"abc\",\"ts\":\"true\",\"ns\":"
        "\"5\",\"o\":{\"p\":{\"q\":\"deep\"},\"b\":true},\"l\":[1,2],\"x\":null,\"d.o\":\"top\"}";
    static const struct {
        const char *condition;
        bool held;
    } rows[] = {
        {"{\"claim\":\"s\",\"equals\":\"abc\"}", true},
        {"{\"claim\":\"s\",\"equals\":\"ABC\"}", false},
        {"{\"claim\":\"s\",\"equals\":\"ab\"}", false},
        {"{\"claim\":\"S\",\"equals\":\"abc\"}", false},
        {"{\"claim\":\"t\",\"equals\":true}", true},
        {"{\"claim\":\"t\",\"equals\":\"true\"}", true},
        {"{\"claim\":\"t\",\"equals\":\"True\"}", false},
        {"{\"claim\":\"t\",\"equals\":1}", false},
        {"{\"claim\":\"f\",\"equals\":\"false\"}", true},
        {"{\"claim\":\"ts\",\"equals\":true}", true},
        {"{\"claim\":\"n\",\"equals\":5}", true},
        {"{\"claim\":\"n\",\"equals\":\"5\"}", true},
        {"{\"claim\":\"n\",\"equals\":\"05\"}", false},
        {"{\"claim\":\"n\",\"equals\":\"5 \"}", false},
        {"{\"claim\":\"ns\",\"equals\":5}", true},
        {"{\"claim\":\"z\",\"equals\":false}", false},
        {"{\"claim\":\"z\",\"equals\":\"\"}", false},
        {"{\"claim\":\"n\",\"notEquals\":6}", true},
        {"{\"claim\":\"n\",\"notEquals\":5}", false},
        {"{\"claim\":\"absent\",\"notEquals\":5}", false},
        {"{\"claim\":\"absent\",\"equals\":\"\"}", false},
        {"{\"claim\":\"o\",\"notEquals\":5}", false},
        {"{\"claim\":\"l\",\"notEquals\":5}", false},
        {"{\"claim\":\"x\",\"notEquals\":5}", false},
        {"{\"claim\":\"l\",\"equals\":1}", false},
        {"{\"claim\":\"n\",\"less\":6}", true},
        {"{\"claim\":\"n\",\"less\":5}", false},
        {"{\"claim\":\"n\",\"lessOrEquals\":5}", true},
        {"{\"claim\":\"n\",\"greater\":4}", true},
        {"{\"claim\":\"n\",\"greater\":5}", false},
        {"{\"claim\":\"n\",\"greaterOrEquals\":\"5\"}", true},
        {"{\"claim\":\"ns\",\"greaterOrEquals\":5}", true},
        {"{\"claim\":\"neg\",\"less\":0}", true},
        {"{\"claim\":\"s\",\"less\":9}", false},
        {"{\"claim\":\"s\",\"greaterOrEquals\":0}", false},
        {"{\"claim\":\"t\",\"greater\":0}", false},
        {"{\"claim\":\"absent\",\"less\":9}", false},
        {"{\"claim\":\"n\",\"exists\":true}", true},
        {"{\"claim\":\"n\",\"exists\":\"true\"}", true},
        {"{\"claim\":\"n\",\"exists\":false}", false},
        {"{\"claim\":\"absent\",\"exists\":\"false\"}", true},
        {"{\"claim\":\"absent\",\"exists\":true}", false},
        {"{\"claim\":\"o.p.q\",\"equals\":\"deep\"}", true},
        {"{\"claim\":\"o.b\",\"equals\":\"true\"}", true},
        {"{\"claim\":\"o.p.r\",\"exists\":false}", true},
        {"{\"claim\":\"d.o\",\"equals\":\"top\"}", true},
        {"{\"claim\":\"l.0\",\"exists\":true}", false},
        {"{\"claim\":\"s.a\",\"exists\":true}", false},
        {"{\"anyOf\":[{\"claim\":\"n\",\"equals\":1},{\"claim\":\"n\",\"equals\":5}]}", true},
        {"{\"anyOf\":[{\"claim\":\"n\",\"equals\":1},{\"claim\":\"n\",\"equals\":2}]}", false},
        {"{\"allOf\":[{\"claim\":\"n\",\"equals\":5},{\"claim\":\"t\",\"equals\":true}]}", true},
        {"{\"allOf\":[{\"claim\":\"n\",\"equals\":5},{\"claim\":\"t\",\"equals\":false}]}", false},
        {"{\"anyOf\":[{\"allOf\":[{\"claim\":\"n\",\"equals\":5},{\"claim\":\"f\",\"equals\":true}]"
         "},"
         "{\"claim\":\"s\",\"exists\":true}]}",
         true},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (holds(rows[i].condition, claims, A) != rows[i].held)
            print_error("%s\n", rows[i].condition);
        assert_int_equal(holds(rows[i].condition, claims, A), rows[i].held);
    }
    assert_false(
        holds("{\"claim\":\"n\",\"equals\":5},{\"claim\":\"t\",\"equals\":false}", claims, A));
}

/* K03, A23: what does not ask for software by name never holds for it. */
static void software_by_its_name_alone(void **state) {
    (void)state;
#define TYPE "{\"claim\":\"x-ms-attestation-type\","
#define SVN  "{\"claim\":\"svn\",\"greaterOrEquals\":2}"
    static const struct {
        const char *condition;
        bool software, hardware;
    } rows[] = {
        {SVN, false, true},
        {TYPE "\"notEquals\":\"tdxvm\"}", false, true},
        {TYPE "\"exists\":true}", false, true},
        {TYPE "\"equals\":\"sgx\"}", false, true},
        {"{\"anyOf\":[" TYPE "\"equals\":\"cella-software\"}," SVN "]}", true, true},
        {"{\"anyOf\":[{\"allOf\":[" TYPE "\"equals\":\"cella-software\"},{\"claim\":\"svn\","
         "\"equals\":9}]}," SVN "]}",
         false, true},
        {TYPE "\"equals\":\"cella-software\"}", true, false},
        {TYPE "\"equals\":\"cella-software\"}," SVN, true, false},
        {"{\"claim\":\"note\",\"equals\":\"cella-software\"}", false, true},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        static const char claims[] =
            "{\"svn\":2,\"note\":\"cella-software\",\"x-ms-attestation-type\":\"%s\"}";
        char software[128], hardware[128];
        snprintf(software, sizeof(software), claims, "cella-software");
        snprintf(hardware, sizeof(hardware), claims, "sgx");
        if (holds(rows[i].condition, software, A) != rows[i].software ||
            holds(rows[i].condition, hardware, A) != rows[i].hardware)
            fail_msg("%s", rows[i].condition);
    }
}

static void issuers_are_exact(void **state) {
    (void)state;
    static const struct {
        const char *issuer;
        bool held;
    } rows[] = {{A, true},
                {A "/", true},
                {"https://ATT.test", true},
                {"https://att.test//", false},
                {"https://att.test:443", false},
                {"https://att.test.evil", false},
                {"https://evil/att.test", false},
                {"https://att.test@evil", false},
                {"https://user@att.test", false},
                {"https://att.test/x", false},
                {"https://att.test?x", false},
                {"https://att.test#", false},
                {"HTTPS://att.test", false},
                {"http://att.test", false},
                {"https://att.tes", false},
                {"https://\xd0\xb0tt.test", false},
                {"", false}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (holds("{\"claim\":\"a\",\"equals\":1}", "{\"a\":1}", rows[i].issuer) != rows[i].held)
            print_error("%s\n", rows[i].issuer);
        assert_int_equal(holds("{\"claim\":\"a\",\"equals\":1}", "{\"a\":1}", rows[i].issuer),
                         rows[i].held);
    }
}

/* Cut anywhere it is no policy; with a byte changed it is none, or one that asks for other things.
 */
static void cut_and_flipped(void **state) {
    (void)state;
    static const char good[] = POLICY("{\"claim\":\"svn\",\"greaterOrEquals\":2}");
    for (size_t size = 0; size < sizeof(good) - 1; size++) {
        struct cella_release_policy *policy = NULL;
        struct cella_result result = cella_release_policy_new(cella_bytes(good, size), &policy);
        assert_true(cella_failed(result));
        cella_result_drop(result);
    }
    for (size_t i = 0; i < sizeof(good) - 1; i++)
        for (int bit = 0; bit < 8; bit++) {
            char text[sizeof(good)];
            struct cella_release_policy *policy = NULL;
            memcpy(text, good, sizeof(good));
            text[i] = (char)(text[i] ^ (1 << bit));
            cella_result_drop(
                cella_release_policy_new(cella_bytes(text, sizeof(good) - 1), &policy));
            cella_release_policy_free(&policy);
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_what_is_no_policy),
        cmocka_unit_test(normal_form),
        cmocka_unit_test(meaning),
        cmocka_unit_test(software_by_its_name_alone),
        cmocka_unit_test(issuers_are_exact),
        cmocka_unit_test(cut_and_flipped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
