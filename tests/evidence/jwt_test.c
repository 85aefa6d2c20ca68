/* Tokens as text: their one spelling, what of the header is taken, and strings with escapes (A24,
 * A25, A32). */
#include "vector.h"

#include "evidence/json.h"
#include "evidence/jwt.h"

/* "HEADER.PAYLOAD.SIGNATURE" of plain texts. */
static void make(const char *header, const char *payload, const char *signature,
                 struct cella_buffer *out) {
    const char *const parts[] = {header, payload, signature};
    out->size = 0;
    for (int i = 0; i < 3; i++) {
        if (i > 0) VECTOR_OK(cella_buffer_append(out, cella_bytes(".", 1)));
        VECTOR_OK(cella_base64_encode(cella_bytes_text(parts[i]), true, out));
    }
}

static bool opens(struct cella_bytes text, struct cella_jwt *out) {
    struct cella_result r = cella_jwt_open(text, out);
    bool good = !cella_failed(r);
    if (!good) assert_int_equal(cella_code_of(r), CELLA_ERR_FORMAT);
    cella_result_drop(r);
    return good;
}

static bool opens_text(const char *text) {
    CELLA_JWT jwt = {0};
    return opens(cella_bytes_text(text), &jwt);
}

static void parts(void **state) {
    (void)state;
    CELLA_BUFFER text = {0};
    CELLA_JWT jwt = {0};
    make("{\"alg\":\"RS256\",\"kid\":\"a\\/\\u00e9\",\"typ\":\"JWT\",\"x\":[{}]}", "{\"p\":1}",
         "sig", &text);
    VECTOR_OK(cella_buffer_append(&text, cella_bytes_text("\r\n")));
    assert_true(cella_jwt_detect(cella_buffer_bytes(&text)));
    assert_true(opens(cella_buffer_bytes(&text), &jwt));
    assert_string_equal(jwt.alg, "RS256");
    assert_true(jwt.has_kid);
    assert_int_equal(jwt.kid_size, 4);
    assert_memory_equal(jwt.kid, "a/\xc3\xa9", 4);
    assert_int_equal(jwt.payload.size, 7);
    assert_memory_equal(jwt.payload.data, "{\"p\":1}", 7);
    assert_int_equal(jwt.signature.size, 3);
    assert_memory_equal(jwt.signature.data, "sig", 3);
    assert_ptr_equal(jwt.signed_part.data, text.data);
    assert_int_equal(jwt.signed_part.size, text.size - 2 - 1 - 4);
}

/* A32: one spelling. "e30" is {} and "eyJhIjoxfQ" is {"a":1}. */
static void spellings(void **state) {
    (void)state;
    static const struct {
        const char *text;
        bool good;
    } rows[] = {
        {"e30.e30.", true},
        {"e30.e30.AA", true},
        {"e30.e30.AB", false},
        {"e30.e30.A", false},
        {"e30.e30.AA==", false},
        {"e30.e30.AAA=", false},
        {"e31.e30.AA", false},
        {"e30=.e30.AA", false},
        {"e30.e30.+A", false},
        {"e30.e30./w", false},
        {"e30.e30._w", true},
        {" e30.e30.AA", false},
        {"e30.e30.AA ", false},
        {"e30 .e30.AA", false},
        {"e30.e30", false},
        {"e30", false},
        {"", false},
        {"..", false},
        {".e30.AA", false},
        {"e30..AA", false},
        {"e30.e30.AA.", false},
        {"e30.e30.AA.AA", false},
        {"e30.e30.AA.AA.AA", false},
        {"e30.e30.A\nA", false},
        {"e30\n.e30.AA", false},
        {"e30.e30.AA\n", true},
        {"W10.e30.AA", false},
        {"e30g.e30.AA", true}, /* "{} " */
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (opens_text(rows[i].text) != rows[i].good) print_error("%s\n", rows[i].text);
        assert_int_equal(opens_text(rows[i].text), rows[i].good);
    }
    CELLA_BUFFER nul = {0};
    CELLA_JWT jwt = {0};
    VECTOR_OK(cella_buffer_append(&nul, cella_bytes("e30.e3\0.AA", 10)));
    assert_false(opens(cella_buffer_bytes(&nul), &jwt));
}

static void header_forms(void **state) {
    (void)state;
    static const struct {
        const char *header, *alg;
        bool good, has_kid;
    } rows[] = {
        {"{}", "", true, false},
        {"{\"alg\":\"none\"}", "none", true, false}, /* read, and never accepted */
        {"{\"alg\":\"123456789012345\"}", "123456789012345", true, false},
        {"{\"alg\":\"1234567890123456\"}", "", true, false},
        {"{\"alg\":\"R\\u0053256\"}", "", false, false},
        {"{\"kid\":\"\"}", "", true, true},
        {"{\"kid\":null}", "", false, false},
        {"{\"kid\":\"a\",\"kid\":\"b\"}", "", false, false},
        {"{\"typ\":\"jwt\"}", "", false, false},
        {"{\"typ\":1}", "", false, false},
        {"{\"crit\":[]}", "", false, false},
        {"{\"b64\":true}", "", false, false},
        {"{\"\":{\"alg\":\"RS256\"}}", "", true, false},
        {"{\"ALG\":\"RS256\"}", "", true, false},
        {"{} {}", "", false, false},
        {"{", "", false, false},
        {"\"\"", "", false, false},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        CELLA_BUFFER text = {0};
        CELLA_JWT jwt = {0};
        make(rows[i].header, "{}", "", &text);
        bool good = opens(cella_buffer_bytes(&text), &jwt);
        if (good != rows[i].good) print_error("%s\n", rows[i].header);
        assert_int_equal(good, rows[i].good);
        if (!good) continue;
        assert_string_equal(jwt.alg, rows[i].alg);
        assert_int_equal(jwt.has_kid, rows[i].has_kid);
    }
}

static void limits(void **state) {
    (void)state;
    CELLA_BUFFER text = {0};
    uint8_t *to = NULL;
    VECTOR_OK(cella_buffer_append(&text, cella_bytes_text("e30.")));
    VECTOR_OK(cella_buffer_extend(&text, CELLA_JWT_SIZE_MAX - 5, &to));
    memset(to, 'A', CELLA_JWT_SIZE_MAX - 5);
    VECTOR_OK(cella_buffer_append(&text, cella_bytes_text(".")));
    while ((text.size - 5) % 4 == 1) text.size--; /* a size that base64 has */
    CELLA_JWT jwt = {0};
    text.data[text.size - 1] = '.';
    (void)opens(cella_buffer_bytes(&text), &jwt);
    CELLA_JWT more = {0};
    VECTOR_OK(cella_buffer_append(&text, cella_bytes_text("AAAA")));
    assert_false(opens(cella_buffer_bytes(&text), &more));
    for (int size = 253; size <= 256; size++) { /* A25: quotes included, 256 bytes */
        char kid[300], header[400];
        memset(kid, 'k', (size_t)size);
        kid[size] = 0;
        snprintf(header, sizeof(header), "{\"kid\":\"%s\"}", kid);
        CELLA_BUFFER own = {0};
        CELLA_JWT other = {0};
        make(header, "{}", "", &own);
        assert_int_equal(opens(cella_buffer_bytes(&own), &other), size <= 254);
    }
}

static void escapes(void **state) {
    (void)state;
    static const char *const rows[][2] = {
        {"\"\"", ""},
        {"\"a\"", "a"},
        {"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t"},
        {"\"\\u0041\\u00e4\\u20ac\"", "A\xc3\xa4\xe2\x82\xac"},
        {"\"\\ud83d\\ude00!\"", "\xf0\x9f\x98\x80!"},
        {"\"\\udbff\\udfff\"", "\xf4\x8f\xbf\xbf"},
        {"\"\xc3\xa4\"", "\xc3\xa4"},
        {"\"\\u007f\\u0080\\u07ff\\u0800\\uffff\"", "\x7f\xc2\x80\xdf\xbf\xe0\xa0\x80\xef\xbf\xbf"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint8_t text[64];
        struct cella_json json;
        size_t size = strlen(rows[i][0]);
        memcpy(text, rows[i][0], size);
        cella_json_begin(&json, cella_bytes(text, size));
        struct cella_bytes raw = cella_json_raw(&json);
        VECTOR_OK(cella_json_end(&json, "text"));
        assert_int_equal(cella_jwt_text(raw, text), strlen(rows[i][1])); /* in place */
        assert_memory_equal(text, rows[i][1], strlen(rows[i][1]));
    }
}

static void detection(void **state) {
    (void)state;
    assert_true(cella_jwt_detect(cella_bytes_text("eyJhIjoxfQ.e30.AA")));
    assert_true(cella_jwt_detect(cella_bytes_text("eyJhIjoxfQ.e30.\n")));
    assert_false(cella_jwt_detect(cella_bytes_text("eyJhIjoxfQ.e30")));
    assert_false(cella_jwt_detect(cella_bytes_text("eyJhIjoxfQ.e30.AA.AA")));
    assert_false(cella_jwt_detect(cella_bytes_text("eyJhIjoxfQ.e30.A+")));
    assert_false(cella_jwt_detect(cella_bytes_text("fyJhIjoxfQ.e30.AA")));
    assert_false(cella_jwt_detect(cella_bytes_text("")));
    assert_false(cella_jwt_detect(cella_bytes("eyJ", 3)));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts),  cmocka_unit_test(spellings), cmocka_unit_test(header_forms),
        cmocka_unit_test(limits), cmocka_unit_test(escapes),   cmocka_unit_test(detection),
    };
    return cmocka_run_group_tests_name("jwt", tests, NULL, NULL);
}
