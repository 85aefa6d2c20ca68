/* Bodies of attest requests: what is read in which spelling, and what is no such body. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "attest/body.h"

static const char whole[] =
    "{\"quote\":\"AQID\",\"runtimeData\":{\"data\":\"eyJhIjoxfQ\",\"dataType\":\"JSON\"},"
    "\"initTimeData\":{\"data\":\"_-8\",\"dataType\":\"binary\"},\"nonce\":\"n\","
    "\"draftPolicyForAttestation\":\"version=1.0;\",\"unknown\":[1,{\"x\":null}]}";

static enum cella_code read(const char *text, struct cella_attest_body *out) {
    struct cella_result r = cella_attest_body_read(cella_bytes_text(text), "quote", out);
    enum cella_code code = cella_code_of(r);
    if (r.error) assert_true(strlen(r.error->what) > 10);
    cella_result_drop(r);
    return code;
}

static void test_whole(void **state) {
    (void)state;
    CELLA_ATTEST_BODY body = {0};
    assert_int_equal(read(whole, &body), CELLA_OK);
    assert_int_equal(body.evidence.size, 3);
    assert_memory_equal(body.evidence.data, "\1\2\3", 3);
    assert_true(body.runtime.there && json_is_object(body.runtime.object));
    assert_memory_equal(body.runtime.bytes.data, "{\"a\":1}", 7);
    assert_true(body.init.there && !body.init.object);
    assert_memory_equal(body.init.bytes.data, "\xff\xef", 2);
    assert_string_equal(json_string_value(body.nonce), "n");
    assert_memory_equal(body.draft.data, "version=1.0;", 12);
}

static void test_base64(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int size; /* -1: refused */
    } row[] = {{"", 0},       {"AA", 1},        {"AA==", 1},
               {"AAA=", 2},   {"AAA", 2},       {"AAAA", 3},
               {"+/-_", 3},   {"-_+/", 3},      {"A", -1},
               {"AAAAA", -1}, {"AA=", -1},      {"A===", -1},
               {"AAAA=", -1}, {"AAAA====", -1}, {"AB", -1},
               {"AAB", -1},   {"AA\n", -1},     {"AA AA", -1},
               {"=AAA", -1},  {"AA=A", -1},     {"AA\x80\x80", -1},
               {"AA,A", -1},  {"AA==AA==", -1}};
    for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
        uint8_t out[64];
        size_t size = 0;
        bool good = cella_attest_base64(cella_bytes_text(row[i].text), out, &size);
        if (good != (row[i].size >= 0)) fail_msg("'%s'", row[i].text);
        if (good) assert_int_equal(size, row[i].size);
    }
    for (int c = 1; c < 256; c++) { /* A32: the last character in all spellings */
        uint8_t out[8];
        size_t size = 0;
        char text[3] = {'A', (char)c, 0};
        bool good = cella_attest_base64(cella_bytes_text(text), out, &size);
        assert_true(good == (strchr("AQgw", c) != NULL));
    }
}

static void test_absent(void **state) {
    (void)state;
    static const char *const texts[] = {
        "{\"quote\":\"AQID\",\"initTimeData\":{\"data\":\"\",\"dataType\":\"\"}}",
        ("{\"quote\":\"AQID\",\"initTimeData\":null,\"runtimeData\":null,\"nonce\":null,"
         "\"draftPolicyForAttestation\":null}"),
        "{\"quote\":\"AQID\",\"initTimeData\":{}}",
        "{\"quote\":\"AQID\",\"initTimeData\":{\"data\":null,\"dataType\":\"nonsense\"}}"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        CELLA_ATTEST_BODY body = {0};
        assert_int_equal(read(texts[i], &body), CELLA_OK);
        assert_false(body.init.there || body.runtime.there || body.nonce || body.draft.size);
    }
    CELLA_ATTEST_BODY typeless = {0};
    assert_int_equal(read("{\"quote\":\"AQID\",\"runtimeData\":{\"data\":\"e30\"}}", &typeless),
                     CELLA_OK);
    assert_true(typeless.runtime.there && !typeless.runtime.object); /* Binary is meant */
}

/* Microsoft's sidecar sends 64 bits without a sign. */
static void test_nonce(void **state) {
    (void)state;
    static const struct {
        const char *sent, *echoed;
    } row[] = {{"0", "0"},
               {"-7", "-7"},
               {"\"x\\u00e9\"", "\"xé\""},
               {"9223372036854775807", "9223372036854775807"},
               {"9223372036854775808", "\"9223372036854775808\""},
               {"18446744073709551615", "\"18446744073709551615\""}};
    for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
        CELLA_ATTEST_BODY body = {0};
        char text[128];
        snprintf(text, sizeof(text), "{\"quote\":\"AQID\", \"nonce\" : %s}", row[i].sent);
        assert_int_equal(read(text, &body), CELLA_OK);
        char *echoed = json_dumps(body.nonce, JSON_ENCODE_ANY);
        assert_string_equal(echoed, row[i].echoed);
        free(echoed);
    }
}

static void test_refused(void **state) {
    (void)state;
    static const char *const texts[] = {
        "",
        "null",
        "[]",
        "\"quote\"",
        "{",
        "{}",
        "{\"quote\":\"\"}",
        "{\"quote\":7}",
        "{\"quote\":null}",
        "{\"quote\":[\"AQID\"]}",
        "{\"quote\":\"AQI*\"}",
        "{\"Quote\":\"AQID\"}",
        "{\"report\":\"AQID\"}",
        "{\"quote\":\"AQID\",\"quote\":\"AQID\"}", /* A29 */
        "{\"quote\":\"AQID\"}x",
        "{\"quote\":\"AQID\",\"nonce\":1.5}",
        "{\"quote\":\"AQID\",\"nonce\":{}}",
        "{\"quote\":\"AQID\",\"nonce\":true}",
        "{\"quote\":\"AQID\",\"nonce\":18446744073709551616}",
        "{\"quote\":\"AQID\",\"nonce\":99999999999999999999999999}",
        "{\"quote\":\"AQID\",\"draftPolicyForAttestation\":{}}",
        "{\"quote\":\"AQID\",\"runtimeData\":\"e30\"}",
        "{\"quote\":\"AQID\",\"runtimeData\":[]}",
        "{\"quote\":\"AQID\",\"runtimeData\":{\"data\":7}}",
        "{\"quote\":\"AQID\",\"runtimeData\":{\"data\":\"*\"}}",
        "{\"quote\":\"AQID\",\"runtimeData\":{\"data\":\"e30\",\"dataType\":\"XML\"}}",
        "{\"quote\":\"AQID\",\"runtimeData\":{\"data\":\"e30\",\"dataType\":7}}",
        "{\"quote\":\"AQID\",\"runtimeData\":{\"data\":\"W10\",\"dataType\":\"JSON\"}}",
        "{\"quote\":\"AQID\",\"runtimeData\":{\"data\":\"e2E\",\"dataType\":\"JSON\"}}",
        ("{\"quote\":\"AQID\",\"initTimeData\":{\"data\":\"eyJhIjoxLCJhIjoyfQ\",\"dataType\":"
         "\"JSON\"}}"),
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        CELLA_ATTEST_BODY body = {0};
        if (read(texts[i], &body) != CELLA_ERR_FORMAT) fail_msg("taken: %s", texts[i]);
    }
}

/* The evidence goes past the reader of JSON: wherever it stands, and whatever else looks like it,
 * what is read is what JSON says. */
static void test_where_evidence_stands(void **state) {
    (void)state;
    static const struct {
        const char *text;
        bool good;
    } row[] = {
        {"{\"x\":{\"quote\":\"////\"},\"quote\":\"AQID\"}", true},
        {"{\"x\":[\"quote\",\"////\"],\"quote\":\"AQID\"}", true},
        {"{\"x\":\"\\\"quote\\\":\\\"////\",\"quote\":\"AQID\"}", true},
        {"{\"x\":\"quote\",\"quote\" :\t\n\"AQID\" }", true},
        {"{\"quote\":\"AQID\",\"nonce\":9223372036854775808}", true},
        {"{\"nonce\":9223372036854775808,\"quote\":\"AQID\"}", true},
        {"{\"qu\\u006fte\":\"AQID\"}", true}, /* JSON, if unusual */
        {"{\"quote\":\"AQ\\u0049D\"}", true},
        {"{\"x\":{\"nonce\":9223372036854775808},\"quote\":\"AQID\"}", false},
        {"{\"qu\\u006fte\":\"////\",\"quote\":\"AQID\"}", false},
        {"{\"quote\":\"AQID\",\"qu\\u006fte\":\"////\"}", false},
        {"{\"quote\":\"AQID\",\"quote\":\"AQID\"}", false},
        {"{\"nonce\":9223372036854775808,\"nonce\":1,\"quote\":\"AQID\"}", false},
        {"[\"quote\":\"AQID\"]", false},
        {"\"quote\":\"AQID\"", false},
        {"{\"quote\":\"AQID}", false},
        {"{\"quote\":\"AQID\\", false},
        {"{\"quote\"\"AQID\"}", false},
        {"{\"quote\":{\"quote\":\"AQID\"}}", false},
        {"{\"a\":}\"quote\":\"AQID\"}", false},
        {"{\"quote\":\"AQ\nID\"}", false},
        {"{\"quote\":", false},
    };
    for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
        CELLA_ATTEST_BODY body = {0};
        bool good = read(row[i].text, &body) == CELLA_OK;
        if (good != row[i].good) fail_msg("%s", row[i].text);
        if (!good) continue;
        assert_int_equal(body.evidence.size, 3);
        assert_memory_equal(body.evidence.data, "\1\2\3", 3);
    }
}

/* A29: nesting and size end in a refusal, not in the stack. */
static void test_deep(void **state) {
    (void)state;
    enum { DEEP = 1 << 20 };
    char *text = malloc(DEEP + 64);
    int n = sprintf(text, "{\"quote\":\"AQID\",\"x\":");
    memset(text + n, '[', DEEP);
    text[n + DEEP] = 0;
    CELLA_ATTEST_BODY body = {0};
    assert_int_equal(read(text, &body), CELLA_ERR_LIMIT);
    free(text);
}

/* Cut anywhere, or with any bit turned: taken or refused, never more. */
static void test_damaged(void **state) {
    (void)state;
    char text[sizeof(whole)];
    for (size_t size = 0; size + 1 < sizeof(whole); size++) {
        CELLA_ATTEST_BODY body = {0};
        memcpy(text, whole, size);
        text[size] = 0;
        assert_int_not_equal(read(text, &body), CELLA_OK);
    }
    for (size_t bit = 0; bit < 8 * (sizeof(whole) - 1); bit++) {
        CELLA_ATTEST_BODY body = {0};
        memcpy(text, whole, sizeof(whole));
        text[bit / 8] = (char)(text[bit / 8] ^ (1 << bit % 8));
        struct cella_result r =
            cella_attest_body_read(cella_bytes(text, sizeof(whole) - 1), "quote", &body);
        cella_result_drop(r);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole),   cmocka_unit_test(test_base64),
        cmocka_unit_test(test_absent),  cmocka_unit_test(test_nonce),
        cmocka_unit_test(test_refused), cmocka_unit_test(test_deep),
        cmocka_unit_test(test_damaged), cmocka_unit_test(test_where_evidence_stands),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
