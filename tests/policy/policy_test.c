#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <cella/policy.h>
#include <pthread.h>

/* --- Helpers --- */

static struct cella_policy *compiled(const char *text) {
    struct cella_policy *policy = NULL;
    struct cella_result r = cella_policy_compile(cella_bytes_text(text), &policy, NULL);
    if (cella_failed(r)) print_error("%s\n%s\n", text, r.error->what);
    assert_false(cella_failed(r));
    return policy;
}

static struct cella_policy_claims *claims_of(const char *json) {
    struct cella_policy_claims *claims = NULL;
    assert_false(cella_failed(cella_policy_claims_new(&claims)));
    struct cella_result r =
        cella_policy_claims_json(claims, cella_bytes_text(json), CELLA_POLICY_SERVICE);
    if (cella_failed(r)) print_error("%s\n", r.error->what);
    assert_false(cella_failed(r));
    return claims;
}

/* What a policy says of claims: 'p'ermitted, 'd'enied, 'e'rror. issued, unless NULL, gets
 * "type=value;" of each. */
static char say(const char *text, const char *json, char *issued, size_t size) {
    struct cella_policy *policy = compiled(text);
    struct cella_policy_claims *claims = claims_of(json);
    CELLA_POLICY_OUTCOME outcome;
    size_t count = 0, at = 0;
    const struct cella_policy_claim *claim = cella_policy_claims_at(claims, &count);
    assert_false(cella_failed(cella_policy_evaluate(policy, claim, count, true, &outcome)));
    if (issued) issued[0] = 0;
    for (size_t i = 0; issued && i < outcome.issued_count; i++) {
        const struct cella_policy_claim *c = &outcome.issued[i];
        at += (size_t)snprintf(issued + at, size - at, "%.*s=", (int)c->type.size,
                               (const char *)c->type.data);
        if (c->value.type == CELLA_POLICY_STRING)
            at += (size_t)snprintf(issued + at, size - at, "%.*s;", (int)c->value.text.size,
                                   (const char *)c->value.text.data);
        else if (c->value.type == CELLA_POLICY_INTEGER)
            at += (size_t)snprintf(issued + at, size - at, "%lld;", (long long)c->value.integer);
        else
            at += (size_t)snprintf(issued + at, size - at, "%s;", c->value.integer ? "yes" : "no");
    }
    char verdict = outcome.error.line ? 'e' : outcome.verdict == CELLA_POLICY_PERMITTED ? 'p' : 'd';
    if (verdict == 'e') assert_int_equal(outcome.verdict, CELLA_POLICY_DENIED);
    if (verdict != 'p') assert_int_equal(outcome.issued_count, 0);
    cella_policy_claims_free(&claims);
    cella_policy_free(&policy);
    return verdict;
}

/* --- Grammar --- */

static void test_valid(void **state) {
    (void)state;
    static const char *const texts[] = {
        "version=1.0;authorizationrules{};issuancerules{};",
        "version= 1.0;\nauthorizationrules\n{\n=> permit();\n};\n\nissuancerules\n{\n};\n",
        "Version = 1 . 0 ; AuthorizationRules { => permit ( ) ; } ; Issuancerules { } ;",
        "version=1.0; authorizationrules{=> permit();}",
        "version=1.0; authorizationrules{=> permit();};",
        "version=1.0; authorizationrules{=> permit();}; issuancerules{}",
        "version=1.1; configurationrules{=> issueproperty(type=\"x-ms-sgx-tcbidentifier\", "
        "value=\"azuredefault\");}; "
        "authorizationrules{=> permit();}; issuancerules{c:[type==\"x-ms-sgx-svn\"] => "
        "issue(type=\"svn\", value=c.value);};",
        "version=1.1; authorizationrules{}; issuancerules{};",
        "version=1.0; // first\nauthorizationrules { // second => deny();\n "
        "c:[type==\"$is-debuggable\"] && [value==true] => deny(); => permit(); };",
        "version=1.0; authorizationrules{ [] => permit(); c:[] => permit(); [value==0x1F, "
        "value>-5] => permit(); };",
        "version=1.0; authorizationrules{ a:[type==\"x\"] && b:[type==\"y\", value==a.value, "
        "issuer==a.issuer, valueType==a.valueType] => add(claim=b); };",
        "version=1.0; authorizationrules{}; issuancerules{ => issue(value=1, type=\"x\"); => "
        "issueproperty(type=\"omit_x5c\", value=true); };",
        "version=1.2; authorizationrules{ ![type==\"x\"] && ! [ type == \"y\" ] => permit(); };",
        "version=1.2; authorizationrules{ c:[] && [value==JsonToClaimValue(JmesPath(c.value, "
        "\"a[?b == `1`]\n | [0]\"))] => permit(); };",
        "version=1.0; authorizationrules{ [value==\"say \\\"hi\\\" \\\\\"] => permit(); };",
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct cella_policy *policy = compiled(texts[i]);
        cella_policy_free(&policy);
    }
}

#define RULE(text)  "version=1.2; authorizationrules{ " text " };"
#define ISSUE(text) "version=1.2; authorizationrules{}; issuancerules{ " text " };"

static void test_invalid(void **state) {
    (void)state;
    static const struct {
        const char *text;
        unsigned line, column;
        const char *expected;
    } bad[] = {
        {"", 1, 1, "version"},
        {"authorizationrules{};", 1, 1, "version"},
        {"version=1.0", 1, 12, ";"},
        {"version=1;", 1, 10, "."},
        {"version=1.3;", 1, 11, "1.2"},
        {"version=2.0;", 1, 9, "1.2"},
        {"version==1.0;", 1, 8, "="},
        {"version=1.0;", 1, 13, "authorizationrules"},
        {"version=1.0; issuancerules{};", 1, 29 + 1, "authorizationrules"},
        {"version=1.0; configurationrules{}; authorizationrules{};", 1, 14, "1.0 has no"},
        {"version=1.1; authorizationrules{}; configurationrules{};", 1, 36, "order"},
        {"version=1.0; authorizationrules{}; authorizationrules{};", 1, 36, "order"},
        {"version=1.0; authorizationrules{} issuancerules{};", 1, 35, ";"},
        {"version=1.0;\nauthorizationrules{\n  => permit()\n};", 4, 1, ";"},
        {"version=1.0;\nauthorizationrules{\n  => permit();", 3, 15, "}"},
        {RULE("c:[type=\"x\"] => permit();"), 1, 41, "=="},
        {RULE("[type==\"x\"] permit();"), 1, 46, "=>"},
        {RULE("[type==\"x\"] || [type==\"y\"] => permit();"), 1, 46, "=>"},
        {RULE("[type==\"x\"], [type==\"y\"] => permit();"), 1, 45, "=>"},
        {RULE("[kind==\"x\"] => permit();"), 1, 35, "valueType"},
        {RULE("[type==x] => permit();"), 1, 41, "string"},
        {RULE("[type==\"x] => permit();"), 1, 41, "string"},
        {RULE("[type==\"\\n\"] => permit();"), 1, 41, "string"},
        {RULE("[type==5] => permit();"), 1, 41, "string"},
        {RULE("[type<\"x\"] => permit();"), 1, 35, "=="},
        {RULE("[value<\"x\"] => permit();"), 1, 41, "integer"},
        {RULE("[value<=true] => permit();"), 1, 42, "integer"},
        {RULE("[value==12x] => permit();"), 1, 42, "string"},
        {RULE("[value==9223372036854775808] => permit();"), 1, 42, "string"},
        {RULE("[value==c.value] => permit();"), 1, 42, "binds"},
        {RULE("c:[value==c.value] => permit();"), 1, 44, "binds"},
        {RULE("c:[] && c:[] => permit();"), 1, 42, "another name"},
        {RULE("!c:[] => permit();"), 1, 35, "["},
        {RULE("=> permit(1);"), 1, 44, "no arguments"},
        {RULE("=> issue(type=\"x\", value=1);"), 1, 37, "permit()"},
        {RULE("=> allow();"), 1, 37, "permit()"},
        {ISSUE("=> permit();"), 1, 54, "issue()"},
        {ISSUE("=> issue();"), 1, 60, "type="},
        {ISSUE("=> issue(type=\"x\");"), 1, 68, "value="},
        {ISSUE("=> issue(type==\"x\", value=1);"), 1, 64, "="},
        {ISSUE("=> issue(type=\"x\", type=\"y\");"), 1, 70, "once"},
        {ISSUE("=> issue(type=1, value=1);"), 1, 65, "string"},
        {ISSUE("c:[] => issue(claim=d);"), 1, 71, "binds"},
        {ISSUE("c:[] => issue(claim=c, value=1);"), 1, 74, "alone"},
        {ISSUE("=> issue(type=\"x\", value=Upper(\"a\"));"), 1, 76, "functions"},
        {ISSUE("=> issue(type=\"x\", value=AppendString(\"a\"));"), 1, 92, "2 arguments"},
        {ISSUE("=> issue(type=\"x\", value=NegateBool(true, false));"), 1, 91, "1 argument"},
        {ISSUE("=> issue(type=\"x\", value=JmesPath(\"{}\", \"a[\"));"), 1, 91, "JMESPath"},
        {ISSUE("=> issue(type=\"x\", value=JmesPath(\"{}\", 5));"), 1, 91, "JMESPath"},
        {"version=1.0; authorizationrules{ ![] => permit(); };", 1, 34, "no !"},
        {"version=1.1; authorizationrules{}; issuancerules{ => issue(type=\"x\", "
         "value=NegateBool(true)); };",
         1, 76, "no function"},
        {"version=1.0; authorizationrules{ /* x */ => permit(); };", 1, 34, "["},
        {"version=1.0; authorizationrules{ [type==\xe2\x80\x9dx\xe2\x80\x9d] => permit(); };", 1,
         41, "string"},
        {"version=1.0; authorizationrules{=>permit();}; issuancerules{}; more", 1, 64, "end"},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct cella_policy *policy = NULL;
        struct cella_policy_fault fault;
        struct cella_result r =
            cella_policy_compile(cella_bytes_text(bad[i].text), &policy, &fault);
        if (!cella_failed(r) || fault.line != bad[i].line || fault.column != bad[i].column ||
            !strstr(fault.expected, bad[i].expected))
            print_error("%s\n  %u:%u expected %s, found %s\n", bad[i].text, fault.line,
                        fault.column, fault.expected, fault.found);
        assert_true(cella_failed(r));
        assert_null(policy);
        assert_int_equal(fault.line, bad[i].line);
        assert_int_equal(fault.column, bad[i].column);
        assert_non_null(strstr(fault.expected, bad[i].expected));
        assert_true(fault.found[0] && fault.path[0]);
        cella_result_drop(r);
    }
}

static bool refused(struct cella_bytes text, enum cella_code code) {
    struct cella_policy *policy = NULL;
    struct cella_result r = cella_policy_compile(text, &policy, NULL);
    bool as_wanted = cella_code_of(r) == code && !policy;
    cella_policy_free(&policy);
    cella_result_drop(r);
    return as_wanted;
}

static void test_bytes(void **state) {
    (void)state;
    assert_true(refused(cella_bytes_text("\xef\xbb\xbfversion=1.0; authorizationrules{};"),
                        CELLA_ERR_FORMAT));
    assert_true(
        refused(cella_bytes_text("version=1.0; // \xff\nauthorizationrules{};"), CELLA_ERR_FORMAT));
    assert_true(refused(
        cella_bytes("version=1.0; authorizationrules{ [type==\"a\0b\"] => permit(); };", 60),
        CELLA_ERR_FORMAT));
}

/* Cut at every byte: refused, but for a final semicolon, which may be missing. Any byte changed: no
 * crash, and what is accepted can be evaluated. */
static void test_cut_and_changed(void **state) {
    (void)state;
    static const char text[] =
        "version=1.2; authorizationrules{ c:[type==\"x\", value>=2] && ![issuer==c.value] => "
        "permit(); }; "
        "issuancerules{ => issue(type=\"y\", value=JmesPath(\"{\\\"a\\\": [1]}\", \"a[0]\")); };";
    for (size_t size = 0, end = (size_t)(strstr(text, " issuancerules") - text);
         size + 1 < strlen(text); size++) {
        bool whole = size + 1 >= end &&
                     size <= end + 1; /* authorizationrules alone, with or without ; and space */
        struct cella_policy *policy = NULL;
        struct cella_result r = cella_policy_compile(cella_bytes(text, size), &policy, NULL);
        assert_int_equal(cella_failed(r), !whole);
        cella_policy_free(&policy);
        cella_result_drop(r);
    }
    for (size_t at = 0; at < strlen(text); at++)
        for (int bit = 0; bit < 8; bit++) {
            char changed[sizeof(text)];
            struct cella_policy *policy = NULL;
            CELLA_POLICY_OUTCOME outcome = {0};
            memcpy(changed, text, sizeof(text));
            changed[at] = (char)(changed[at] ^ 1 << bit);
            cella_result_drop(
                cella_policy_compile(cella_bytes(changed, strlen(text)), &policy, NULL));
            if (policy) cella_result_drop(cella_policy_evaluate(policy, NULL, 0, true, &outcome));
            cella_policy_free(&policy);
        }
}

/* --- Meaning --- */

static void test_default_deny(void **state) { /* A38 */
    (void)state;
    assert_int_equal(say("version=1.0;authorizationrules{};", "{\"a\":1}", NULL, 0), 'd');
    assert_int_equal(say("version=1.0;authorizationrules{=>add(type=\"permit\",value=true);};",
                         "{}", NULL, 0),
                     'd');
    assert_int_equal(say(RULE("=> permit();"), "{}", NULL, 0), 'p');
    assert_int_equal(say(RULE("=> permit(); => deny();"), "{}", NULL, 0), 'd');
    assert_int_equal(say(RULE("=> deny(); => permit();"), "{}", NULL, 0), 'd');
    assert_int_equal(say(RULE("[type==\"a\"] => deny(); => permit();"), "{\"b\":1}", NULL, 0), 'p');
}

static void test_missing_and_typed(void **state) { /* A38 */
    (void)state;
    static const struct {
        const char *condition, *claims;
        char wanted;
    } rows[] = {
        {"[type==\"a\", value==1]", "{}", 'd'},
        {"[type==\"a\", value!=1]", "{}", 'd'},
        {"[type==\"a\", value<1]", "{}", 'd'},
        {"![type==\"a\", value==1]", "{}", 'p'},
        {"[type==\"a\", value==1]", "{\"a\":1}", 'p'},
        {"[type==\"a\", value==1]", "{\"a\":\"1\"}", 'd'},
        {"[type==\"a\", value!=1]", "{\"a\":\"1\"}", 'd'},
        {"[type==\"a\", value==\"1\"]", "{\"a\":1}", 'd'},
        {"[type==\"a\", value==true]", "{\"a\":1}", 'd'},
        {"[type==\"a\", value==1]", "{\"a\":true}", 'd'},
        {"[type==\"a\", value==true]", "{\"a\":\"true\"}", 'd'},
        {"[type==\"a\", value==false]", "{\"a\":null}", 'd'},
        {"[type==\"a\", value==\"null\"]", "{\"a\":null}", 'd'},
        {"[type==\"a\", value>0]", "{\"a\":\"5\"}", 'd'},
        {"[type==\"a\", value>0]", "{\"a\":1.5}", 'd'},
        {"[type==\"a\", value>=5]", "{\"a\":5}", 'p'},
        {"[type==\"a\", value<-1]", "{\"a\":-2}", 'p'},
        {"[type==\"a\", value==\"abc\"]", "{\"a\":\"abcd\"}", 'd'}, /* no prefixes, no patterns */
        {"[type==\"a\", value==\"a*\"]", "{\"a\":\"ab\"}", 'd'},
        {"[type==\"a\", value==\"ABC\"]", "{\"a\":\"abc\"}", 'd'},
        {"[type==\"A\"]", "{\"a\":1}", 'd'},
        {"[type==\"a\"]", "{\"a\":[]}", 'd'}, /* any of nothing is false */
        {"[type==\"a\", value==2]", "{\"a\":[1,2,3]}", 'p'},
        {"[type==\"a\", value==1, value==2]", "{\"a\":[1,2]}",
         'd'}, /* of one claim, not of the list */
        {"[value==7]", "{\"a\":1,\"b\":7}", 'p'},
        {"[]", "{}", 'd'},
        {"[]", "{\"a\":1}", 'p'},
        {"![]", "{}", 'p'},
        {"[type==\"a\", valueType==\"Integer\"]", "{\"a\":1}", 'p'},
        {"[type==\"a\", valueType==\"Integer\"]", "{\"a\":\"1\"}", 'd'},
        {"[type==\"a\", issuer==\"AttestationService\"]", "{\"a\":1}", 'p'},
        {"[type==\"a\", issuer==\"AttestationService\"]",
         "[{\"type\":\"a\",\"value\":1,\"issuer\":\"CustomClaim\"}]", 'd'},
        {"[type==\"a\", issuer!=\"AttestationService\"]",
         "[{\"type\":\"a\",\"value\":1,\"issuer\":\"CustomClaim\"}]", 'p'},
        {"c:[type==\"a\"] && [type==\"b\", value==c.value]", "{\"a\":[1,2],\"b\":2}", 'p'},
        {"c:[type==\"a\"] && [type==\"b\", value==c.value]", "{\"a\":[1,2],\"b\":3}", 'd'},
        {"c:[type==\"a\"] && [type==\"b\", value==c.value]", "{\"a\":1,\"b\":\"1\"}", 'd'},
        {"c:[type==\"a\"] && [type==\"b\", value==NegateBool(c.value)]", "{\"a\":true,\"b\":false}",
         'p'},
        {"c:[type==\"a\"] && [type==\"b\", value==NegateBool(c.value)]", "{\"a\":1,\"b\":false}",
         'e'},
        {"c:[type==\"a\"] && [value==ContainsOnlyValue(c.value, 1)]", "{\"a\":[1,1],\"b\":true}",
         'p'},
        {"c:[type==\"a\"] && [value==JsonToClaimValue(c.value)]", "{\"a\":\"null\",\"b\":\"null\"}",
         'd'}, /* an empty set equals nothing */
        {"[type==\"a\", value==ContainsOnlyValue(JsonToClaimValue(\"[]\"), 1)]", "{\"a\":false}",
         'p'},
        {"[type==\"a\", value==ContainsOnlyValue(1, JsonToClaimValue(\"[]\"))]", "{\"a\":false}",
         'e'},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char text[512];
        snprintf(text, sizeof(text), "version=1.2; authorizationrules{ %s => permit(); };",
                 rows[i].condition);
        char found = say(text, rows[i].claims, NULL, 0);
        if (found != rows[i].wanted)
            print_error("%s over %s: %c\n", rows[i].condition, rows[i].claims, found);
        assert_int_equal(found, rows[i].wanted);
    }
}

/* The examples of Azure's description of the functions, in values of our own. */
static void test_issued(void **state) {
    (void)state;
    static const struct {
        const char *rules, *claims, *issued;
    } rows[] = {
        {"=> issue(type=\"x\", value=\"y\"); => issue(type=\"n\", value=-3); => issue(type=\"b\", "
         "value=true);",
         "{}", "x=y;n=-3;b=yes;"},
        {"c:[type==\"a\"] => issue(type=\"x\", value=c.value);", "{\"a\":[1,\"two\",true]}",
         "x=1;x=two;x=yes;"},
        {"c:[type==\"a\"] => issue(type=\"x\", value=c.issuer);", "{\"a\":1}",
         "x=AttestationService;"},
        {"c:[type==\"a\"] => issue(claim=c);", "{\"a\":[1,2]}", "a=1;a=2;"},
        {"c:[type==\"a\"] => issue(type=\"x\", value=c.value);", "{\"b\":1}", ""},
        {"=> add(type=\"x\", value=1); [type==\"x\", issuer==\"AttestationPolicy\"] => "
         "issue(type=\"y\", value=2);",
         "{}", "y=2;"},
        {"=> issue(type=\"x\", value=1); c:[type==\"x\"] => issue(type=\"y\", value=c.value);",
         "{}", "x=1;y=1;"},
        {"=> issue(type=\"iss\", value=\"me\"); => issue(type=\"x-ms-ver\", value=\"9\");", "{}",
         ""},
        {"=> issue(type=\"r\", value=JmesPath(\"{\\\"foo\\\": \\\"bar\\\"}\", \"foo\"));", "{}",
         "r=\"bar\";"},
        {"c:[type==\"j\"] && q:[type==\"q\"] => issue(type=\"r\", value=JmesPath(c.value, "
         "q.value));",
         "{\"j\":\"{\\\"values\\\": [0,1,2]}\",\"q\":\"values[2]\"}", "r=2;"},
        {"=> issue(type=\"r\", value=JmesPath(\"{}\", \"none\"));", "{}", "r=null;"},
        {"c:[type==\"j\"] => issue(type=\"r\", value=JsonToClaimValue(c.value));",
         "{\"j\":[\"100\",\"true\",\"abc\",\"\\\"s\\\"\"]}", "r=100;r=yes;r=abc;r=s;"},
        {"=> issue(type=\"r\", value=JsonToClaimValue(\"[0, \\\"abc\\\", true, null, 0]\"));", "{}",
         "r=0;r=abc;r=yes;r=0;"},
        {"=> issue(type=\"r\", value=JsonToClaimValue(\"null\"));", "{}", ""},
        {"a:[type==\"a\"] && b:[type==\"b\"] => issue(type=\"r\", value=IsSubsetOf(a.value, "
         "b.value));",
         "{\"a\":[\"abc\",100],\"b\":[true,\"abc\",100]}", "r=yes;"},
        {"a:[type==\"a\"] && b:[type==\"b\"] => issue(type=\"r\", value=IsSubsetOf(b.value, "
         "a.value));",
         "{\"a\":[\"abc\",100],\"b\":[true,\"abc\",100]}", "r=no;"},
        {"a:[type==\"a\"] && b:[type==\"b\"] => issue(type=\"r\", value=AppendString(a.value, "
         "b.value));",
         "{\"a\":\"abc\",\"b\":[\"x\",\"\"]}", "r=abcx;r=abc;"},
        {"a:[type==\"a\"] => issue(type=\"r\", value=NegateBool(a.value));", "{\"a\":true}",
         "r=no;"},
        {"a:[type==\"a\"] => issue(type=\"r\", value=ContainsOnlyValue(a.value, 100));",
         "{\"a\":[100,101]}", "r=no;"},
        {"![type==\"a\"] => add(type=\"a\", value=300); c:[type==\"a\"] => issue(claim=c);", "{}",
         "a=300;"},
        /* An event log, in the way that published policies ask one. */
        {"c:[type==\"events\", issuer==\"AttestationService\"] => add(type=\"efi\", "
         "value=JmesPath(c.value, \"Events[?EventTypeString "
         "== 'EV_EFI' && ProcessedData.Guid == 'G']\"));"
         "c:[type==\"efi\", issuer==\"AttestationPolicy\"] => issue(type=\"secureBoot\", "
         "value=JsonToClaimValue(JmesPath(c.value, "
         "\"[?ProcessedData.Name == 'SecureBoot'] | length(@) == `1` && @[0].ProcessedData.Data == "
         "'AQ'\")));"
         "![type==\"secureBoot\", issuer==\"AttestationPolicy\"] => issue(type=\"secureBoot\", "
         "value=false);",
         "{\"events\":{\"Events\":[{\"EventTypeString\":\"EV_EFI\",\"PcrIndex\":7,"
         "\"ProcessedData\":{\"Guid\":\"G\",\"Name\":\"SecureBoot\","
         "\"Data\":\"AQ\"}},{\"EventTypeString\":\"EV_SEPARATOR\",\"PcrIndex\":7}]}}",
         "secureBoot=yes;"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char text[2048], issued[512];
        snprintf(text, sizeof(text),
                 "version=1.2; authorizationrules{=>permit();}; issuancerules{ %s };",
                 rows[i].rules);
        assert_int_equal(say(text, rows[i].claims, issued, sizeof(issued)), 'p');
        assert_string_equal(issued, rows[i].issued);
    }
}

static void test_errors_deny(void **state) { /* A35 */
    (void)state;
    static const struct {
        const char *rules, *claims;
    } rows[] = {
        {"=> issue(type=\"r\", value=JsonToClaimValue(\"{}\"));", "{}"},
        {"=> issue(type=\"r\", value=JsonToClaimValue(\"[[1]]\"));", "{}"},
        {"=> issue(type=\"r\", value=JsonToClaimValue(\"1.5\"));", "{}"},
        {"=> issue(type=\"r\", value=JmesPath(\"\", \"a\"));", "{}"},
        {"=> issue(type=\"r\", value=JmesPath(\"{\", \"a\"));", "{}"},
        {"=> issue(type=\"r\", value=JmesPath(\"{\\\"a\\\":1,\\\"a\\\":2}\", \"a\"));",
         "{}"}, /* A29 */
        {"=> issue(type=\"r\", value=JmesPath(\"5\", \"length(@)\"));", "{}"},
        {"c:[type==\"q\"] => issue(type=\"r\", value=JmesPath(\"{}\", c.value));",
         "{\"q\":\"a[\"}"},
        {"c:[type==\"q\"] => issue(type=\"r\", value=JmesPath(c.value, \"a\"));", "{\"q\":5}"},
        {"=> issue(type=\"r\", value=AppendString(\"a\", 1));", "{}"},
        {"=> issue(type=\"r\", value=NegateBool(\"true\"));", "{}"},
        {"c:[] => issue(type=c.value, value=1);", "{\"a\":1}"},
        {"c:[] => issue(type=c.type, value=1);", "{\"a\":1,\"b\":1}"},
        {"=> issue(type=\"\", value=1);", "{}"},
        {"c:[type==\"pcrs\"] => issue(claim=c);",
         "[{\"type\":\"pcrs\",\"value\":\"{}\",\"readOnly\":true}]"},
        {"c:[type==\"pcrs\"] => issue(type=\"p\", value=JmesPath(c.value, \"@\"));",
         "[{\"type\":\"pcrs\",\"value\":\"{}\",\"readOnly\":true}]"},
        {"c:[type==\"pcrs\"] => add(type=\"p\", value=AppendString(\"x\", c.value)); "
         "d:[type==\"p\"] => issue(claim=d);",
         "[{\"type\":\"pcrs\",\"value\":\"{}\",\"readOnly\":true}]"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char text[1024];
        snprintf(text, sizeof(text),
                 "version=1.2; authorizationrules{=>permit();}; issuancerules{ %s };",
                 rows[i].rules);
        char found = say(text, rows[i].claims, NULL, 0);
        if (found != 'e') print_error("%s: %c\n", rows[i].rules, found);
        assert_int_equal(found, 'e');
    }
    /* What only looks at a read-only claim may be issued. */
    assert_int_equal(say(ISSUE("c:[] => issue(type=\"p\", value=ContainsOnlyValue(c.value, 1));"),
                         "{}", NULL, 0),
                     'd');
    assert_int_equal(say("version=1.2; authorizationrules{=>permit();}; issuancerules{ c:[] => "
                         "issue(type=\"p\", value=ContainsOnlyValue(c.value, 1)); };",
                         "[{\"type\":\"pcrs\",\"value\":1,\"readOnly\":true}]", NULL, 0),
                     'p');
}

static void test_sections(void **state) {
    (void)state;
    /* What authorization adds, issuance sees; when denied, nothing is issued; properties are kept
     * apart. */
    char issued[64];
    assert_int_equal(say("version=1.1; configurationrules{ => issueproperty(type=\"p\", value=7); "
                         "}; authorizationrules{ [type==\"p\", "
                         "value==7] => permit(); => add(type=\"k\", value=1); }; issuancerules{ "
                         "c:[type==\"k\"] => issue(claim=c); };",
                         "{}", issued, sizeof(issued)),
                     'p');
    assert_string_equal(issued, "k=1;");
    struct cella_policy *policy =
        compiled("version=1.1; configurationrules{ => issueproperty(type=\"p\", value=7); }; "
                 "authorizationrules{};");
    CELLA_POLICY_OUTCOME outcome;
    assert_false(cella_failed(cella_policy_configure(policy, &outcome)));
    assert_int_equal(outcome.property_count, 1);
    assert_int_equal(outcome.property[0].value.integer, 7);
    assert_int_equal(outcome.verdict, CELLA_POLICY_DENIED);
    cella_policy_free(&policy);
}

/* --- Limits --- */

/* head, then part count times, then tail. */
static char *repeated(const char *head, const char *part, size_t count, const char *tail) {
    size_t size = strlen(head) + count * strlen(part) + strlen(tail) + 1, at = 0;
    char *text = malloc(size);
    assert_non_null(text);
    at += (size_t)snprintf(text, size, "%s", head);
    for (size_t i = 0; i < count; i++) at += (size_t)snprintf(text + at, size - at, "%s", part);
    snprintf(text + at, size - at, "%s", tail);
    return text;
}

static void check_limit(const char *head, const char *part, size_t most, const char *tail) {
    char *good = repeated(head, part, most, tail), *bad = repeated(head, part, most + 1, tail);
    struct cella_policy *policy = compiled(good);
    cella_policy_free(&policy);
    assert_true(refused(cella_bytes_text(bad), CELLA_ERR_LIMIT));
    free(good);
    free(bad);
}

static void test_limits(void **state) { /* A29 */
    (void)state;
    check_limit("version=1.0; authorizationrules{", "=>permit();", CELLA_POLICY_RULES_MAX, "};");
    check_limit("version=1.0; authorizationrules{[]", "&&[]", CELLA_POLICY_CONDITIONS_MAX - 1,
                "=>permit();};");
    check_limit("version=1.0; authorizationrules{[value==1", ",value==1",
                CELLA_POLICY_MATCHES_MAX - 1, "]=>permit();};");
    char *calls = repeated("version=1.2; authorizationrules{[value==", "NegateBool(",
                           CELLA_POLICY_NESTING_MAX + 1, "true");
    assert_true(refused(cella_bytes_text(calls), CELLA_ERR_LIMIT));
    free(calls);
    char *deep = repeated("version=1.2; authorizationrules{[value==", "NegateBool(", 20000, "true");
    assert_true(refused(cella_bytes_text(deep), CELLA_ERR_LIMIT));
    free(deep);
    char *large = repeated("version=1.0; authorizationrules{", " ", CELLA_POLICY_TEXT_MAX, "};");
    assert_true(refused(cella_bytes_text(large), CELLA_ERR_LIMIT));
    free(large);
}

/* The error that evaluating ends with: what was expected. */
static void fails_by(const char *text, const char *json, const char *expected) {
    struct cella_policy *policy = compiled(text);
    struct cella_policy_claims *claims = claims_of(json);
    CELLA_POLICY_OUTCOME outcome;
    size_t count = 0;
    const struct cella_policy_claim *claim = cella_policy_claims_at(claims, &count);
    assert_false(cella_failed(cella_policy_evaluate(policy, claim, count, false, &outcome)));
    assert_int_equal(outcome.verdict, CELLA_POLICY_DENIED);
    bool by = strstr(outcome.error.expected, expected) || strstr(outcome.error.found, expected);
    if (!by) print_error("expected %s, found %s\n", outcome.error.expected, outcome.error.found);
    assert_true(by);
    cella_policy_claims_free(&claims);
    cella_policy_free(&policy);
}

static void grows(const char *head, const char *part, size_t count, const char *tail,
                  const char *json, const char *expected) {
    char *text = repeated(head, part, count, tail);
    fails_by(text, json, expected);
    free(text);
}

#define PERMIT "version=1.2; authorizationrules{=>permit(); "
#define QUERY                                                                                      \
    "version=1.2; authorizationrules{=>permit();}; "                                               \
    "issuancerules{=>issue(type=\"x\",value=JmesPath(\"[1,2]\",\"@"

/* Rules that double claims, values, lists or work until a limit stops them: denied with its error,
 * soon (A29). */
static void test_growth(void **state) {
    (void)state;
    char *many = repeated("{\"a\":[\"x\"", ",\"x\"", 4000, "]}"),
         *some = repeated("{\"a\":[\"x\"", ",\"x\"", 500, "]}");
    grows(PERMIT "=>add(type=\"a\",value=\"xy\");", "c:[type==\"a\"]=>add(claim=c);", 20, "};",
          "{}", "4096 claims");
    grows(PERMIT "=>add(type=\"a0\",value=\"0123456789abcdef\");",
          "c:[type==\"a0\"]=>add(type=\"a0\",value=AppendString(c.value,c.value));", 5, "};", "{}",
          "64 MiB");
    grows(PERMIT, "[value==-1]=>deny();", 1000, "};", many, "2000000 steps");
    grows("version=1.2; authorizationrules{ c:[] && "
          "[value==AppendString(AppendString(AppendString(c.value,c.value),c.value),c.value)]",
          " ", 1, "=> permit(); };", some, "");
    grows(QUERY, "|[@,@]", 60, "\"));};", "{}", "1 MiB");
    grows(QUERY, "|[@,@]", 40, "|@[0]==@[1]\"));};", "{}", "more steps");
    grows(QUERY, "|[@,@][]", 40, "|length(@)\"));};", "{}", "more");
    free(many);
    free(some);
}

/* --- Threads, trace, warnings --- */

static void *evaluate_often(void *shared) {
    struct cella_policy_claims *claims = claims_of("{\"x\":{\"a\":[3,4]}}");
    size_t count = 0;
    const struct cella_policy_claim *claim = cella_policy_claims_at(claims, &count);
    for (int i = 0; i < 300; i++) {
        CELLA_POLICY_OUTCOME outcome;
        assert_false(cella_failed(cella_policy_evaluate(shared, claim, count, i % 2, &outcome)));
        assert_int_equal(outcome.verdict, CELLA_POLICY_PERMITTED);
        assert_int_equal(outcome.issued_count, 2);
    }
    cella_policy_claims_free(&claims);
    return NULL;
}

static void test_threads(void **state) {
    (void)state;
    struct cella_policy *policy =
        compiled("version=1.2; authorizationrules{=>permit();}; issuancerules{ c:[type==\"x\"] => "
                 "issue(type=\"y\", value=JsonToClaimValue(JmesPath(c.value, \"sort(a)\"))); };");
    pthread_t thread[4];
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, evaluate_often, policy), 0);
    for (int i = 0; i < 4; i++) pthread_join(thread[i], NULL);
    cella_policy_free(&policy);
}

static void test_trace(void **state) {
    (void)state;
    struct cella_policy *policy = compiled("version=1.0;\nauthorizationrules{\n [type==\"a\", "
                                           "value==1] && [type==\"b\"] => permit();\n};");
    struct cella_policy_claims *claims = claims_of("{\"b\":1,\"a\":\"1\"}");
    CELLA_POLICY_OUTCOME outcome;
    size_t count = 0;
    const struct cella_policy_claim *claim = cella_policy_claims_at(claims, &count);
    assert_false(cella_failed(cella_policy_evaluate(policy, claim, count, true, &outcome)));
    assert_int_equal(outcome.trace_count, 1);
    const struct cella_policy_rule_trace *rule = &outcome.trace[0];
    assert_int_equal(rule->line, 3);
    assert_int_equal(rule->column, 2);
    assert_false(rule->fired);
    assert_int_equal(rule->condition_count, 2);
    assert_true(rule->condition[0].reached && !rule->condition[0].held &&
                !rule->condition[1].reached);
    assert_string_equal(rule->condition[0].expected, "value == 1");
    assert_string_equal(rule->condition[0].found, "a = \"1\" (String, AttestationService)");
    cella_policy_claims_free(&claims);
    cella_policy_free(&policy);
}

static void test_warnings(void **state) {
    (void)state;
    static const struct {
        const char *text, *warning;
        bool never;
    } rows[] = {
        {RULE("=> permit();"), NULL, false},
        {RULE(""), "no rule can permit", true},
        {RULE("=> permit(); => deny();"), "always denies", true},
        {RULE("[type==\"a\", value==1, value==2] => permit();"), "never fires", true},
        {RULE("[type==\"a\", value==1, value==\"1\"] => permit();"), "never fires", true},
        {RULE("[type==\"a\", value>3, value<=3] => permit();"), "never fires", true},
        {RULE("[type==\"a\", value>3, value<5] => permit();"), NULL, false},
        {RULE("[type==\"a\", valueType==\"String\", value==1] => permit();"), "never fires", true},
        {RULE("[type==\"a\", type==\"b\"] => permit(); [type==\"c\"] => permit();"), "never fires",
         false},
        {RULE("![value==1, value==2] => permit();"), "always holds", false},
        {RULE("[type==\"x-ms-sgx-mrenclav\"] => permit();"), "no TEE has", false},
        {RULE("[type==\"x-ms-sgx-mrenclave\"] => permit();"), NULL, false},
        {RULE("=> add(type=\"x-ms-own\", value=1); [type==\"x-ms-own\"] => permit();"), NULL,
         false},
        {RULE("[issuer==\"AttestationServer\"] => permit();"), "issuer", false},
        {RULE("[valueType==\"Int\"] => permit();"), "valueType", false},
        {"version=1.0; authorizationrules{=>permit();}; issuancerules{=>issue(type=\"x-ms-ver\", "
         "value=1);};",
         "never issued", false},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct cella_policy_warning warning[4];
        struct cella_policy *policy = compiled(rows[i].text);
        bool never = false;
        size_t count = cella_policy_check(policy, warning, 4, &never);
        if (never != rows[i].never || (count > 0) != (rows[i].warning != NULL))
            print_error("%s: %zu\n", rows[i].text, count);
        assert_int_equal(never, rows[i].never);
        assert_int_equal(count > 0, rows[i].warning != NULL);
        if (rows[i].warning) assert_non_null(strstr(warning[0].text, rows[i].warning));
        cella_policy_free(&policy);
    }
}

static void test_claims_json(void **state) { /* A29 */
    (void)state;
    static const char *const bad[] = {"",
                                      "{",
                                      "5",
                                      "\"x\"",
                                      "{\"a\":1,\"a\":2}",
                                      "{\"a\":{\"b\":1,\"b\":2}}",
                                      "{\"a\":18446744073709551616}",
                                      "{\"a\":1} x",
                                      "{\"a\":\"\\ud800\"}",
                                      "{\"\":1}",
                                      "{\"a\":01}",
                                      "{\"a\":+1}",
                                      "{'a':1}",
                                      "{\"a\":1,}",
                                      "[1]",
                                      "[{\"type\":\"a\"}]",
                                      "[{\"type\":1,\"value\":1}]",
                                      "[{\"type\":\"a\",\"value\":1,\"issuer\":\"me\"}]",
                                      "[{\"type\":\"a\",\"value\":1,\"valueType\":\"String\"}]",
                                      "\xef\xbb\xbf{}",
                                      "{\"a\\u0000\":1}",
                                      "{\"a\":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct cella_policy_claims *claims = NULL;
        assert_false(cella_failed(cella_policy_claims_new(&claims)));
        struct cella_result r =
            cella_policy_claims_json(claims, cella_bytes_text(bad[i]), CELLA_POLICY_SERVICE);
        if (!cella_failed(r)) print_error("accepted: %s\n", bad[i]);
        assert_true(cella_failed(r));
        cella_result_drop(r);
        cella_policy_claims_free(&claims);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_valid),        cmocka_unit_test(test_invalid),
        cmocka_unit_test(test_bytes),        cmocka_unit_test(test_cut_and_changed),
        cmocka_unit_test(test_default_deny), cmocka_unit_test(test_missing_and_typed),
        cmocka_unit_test(test_issued),       cmocka_unit_test(test_errors_deny),
        cmocka_unit_test(test_sections),     cmocka_unit_test(test_limits),
        cmocka_unit_test(test_growth),       cmocka_unit_test(test_threads),
        cmocka_unit_test(test_trace),        cmocka_unit_test(test_warnings),
        cmocka_unit_test(test_claims_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
