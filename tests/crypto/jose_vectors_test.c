/* The worked examples of RFC 7515 appendix A, RFC 7520 section 4 and RFC 7638 section 3.1. */
#include "jose_tools.h"

#include "../evidence/vector.h"

/* RFC 7515 A.2.1 */
#define KEY_A2                                                                                     \
    "{\"kty\":\"RSA\",\"e\":\"AQAB\",\"n\":\""                                                     \
    "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm"  \
    "4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5r" \
    "exMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyx" \
    "XFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ\"}"
/* RFC 7515 A.3.1, A.4.1 */
#define KEY_A3                                                                                     \
    "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","     \
    "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}"
#define KEY_A4                                                                                     \
    "{\"kty\":\"EC\",\"crv\":\"P-521\",\"x\":\"AekpBQ8ST8a8VcfVOTNl353vSrDCLLJXmPk06wTjxrrjcBpXp5" \
    "EOnYG_NjFZ6OvLFV1jSfS9tsz4qUxcWceqwQGk\",\"y\":\"ADSmRA43Z1DSNx_RvcLI87cdL07l6jQyyBXMoxVg_l2" \
    "Th-x3S1WDhjDly79ajL4Kkd0AZMaZmh9ubmf63e3kyMj2\"}"
/* RFC 7520 3.3 and 3.1, public members */
#define KEY_7520_RSA                                                                               \
    "{\"kty\":\"RSA\",\"kid\":\"bilbo.baggins@hobbiton.example\",\"use\":\"sig\",\"e\":\"AQAB\","  \
    "\"n\":\"n4EPtAOCc9AlkeQHPzHStgAbgs7bTZLwUBZdR8_KuKPEHLd4rHVTeT-O-XV2jRojdNhxJWTDvNd7nqQ0VEiZ" \
    "QHz_AJmSCpMaJMRBSFKrKb2wqVwGU_NsYOYL-QtiWN2lbzcEe6XC0dApr5ydQLrHqkHHig3RBordaZ6Aj-oBHqFEHYpP" \
    "e7Tpe-OfVfHd1E6cS6M1FZcD1NNLYD5lFHpPI9bTwJlsde3uhGqC0ZCuEHg8lhzwOHrtIQbS0FVbb9k3-tVTU4fg_3L_" \
    "vniUFAKwuCLqKnS2BYwdq_mzSnbLY7h_qixoR7jig3__kRhuaxwUkRz5iaiQkqgc5gHdrNP5zw\"}"
#define KEY_7520_EC                                                                                \
    "{\"kty\":\"EC\",\"kid\":\"bilbo.baggins@hobbiton.example\",\"use\":\"sig\",\"crv\":\"P-"      \
    "521\","                                                                                       \
    "\"x\":\"AHKZLLOsCOzz5cY97ewNUajB957y-C-U88c3v13nmGZx6sYl_oJXu9A5RkTKqjqvjyekWF-7ytDyRXYgCF5c" \
    "j0Kt\",\"y\":\"AdymlHvOiLxXkEhayXQnNCvDX4h9htZaCJN34kfmC6pV5OhQHiraVySsUdaQkAgDPrwQrJmbnX9cw" \
    "lGfP-HqHZR1\"}"

#define PAYLOAD_A                                                                                  \
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVl" \
    "fQ"
#define PAYLOAD_7520                                                                               \
    "SXTigJlzIGEgZGFuZ2Vyb3VzIGJ1c2luZXNzLCBGcm9kbywgZ29pbmcgb3V0IHlvdXIgZG9vci4gWW91IHN0ZXAgb250" \
    "byB0aGUgcm9hZCwgYW5kIGlmIHlvdSBkb24ndCBrZWVwIHlvdXIgZmVldCwgdGhlcmXigJlzIG5vIGtub3dpbmcgd2hl" \
    "cmUgeW91IG1pZ2h0IGJlIHN3ZXB0IG9mZiB0by4"

static const struct {
    const char *source, *key;
    unsigned algorithm;
    const char *token;
} rows[] = {
    {"RFC 7515 A.2", KEY_A2, CELLA_JOSE_RS256,
     "eyJhbGciOiJSUzI1NiJ9." PAYLOAD_A "."
     "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5"
     "jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb"
     "1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QO"
     "YEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw"},
    {"RFC 7515 A.3", KEY_A3, CELLA_JOSE_ES256,
     "eyJhbGciOiJFUzI1NiJ9." PAYLOAD_A "."
     "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"},
    {"RFC 7515 A.4", KEY_A4, CELLA_JOSE_ES512,
     "eyJhbGciOiJFUzUxMiJ9.UGF5bG9hZA."
     "AdwMgeerwtHoh-l192l60hp9wAHZFVJbLfD_UxMi70cwnZOYaRI1bKPWROc-mZZqwqT2SI-KGDKB34XO0aw_7XdtAG8G"
     "aSwFKdCAPZgoXD2YBJZCPEX3xKpRwcdOO8KpEHwJjyqOgzDO7iKvU8vcnwNrmxYbSW9ERBXukOXolLzeO_Jn"},
    {"RFC 7520 4.1", KEY_7520_RSA, CELLA_JOSE_RS256,
     "eyJhbGciOiJSUzI1NiIsImtpZCI6ImJpbGJvLmJhZ2dpbnNAaG9iYml0b24uZXhhbXBsZSJ9." PAYLOAD_7520 "."
     "MRjdkly7_-oTPTS3AXP41iQIGKa80A0ZmTuV5MEaHoxnW2e5CZ5NlKtainoFmKZopdHM1O2U4mwzJdQx996ivp83xugl"
     "II7PNDi84wnB-BDkoBwA78185hX-Es4JIwmDLJK3lfWRa-XtL0RnltuYv746iYTh_qHRD68BNt1uSNCrUCTJDt5aAE6x"
     "8wW1Kt9eRo4QPocSadnHXFxnt8Is9UzpERV0ePPQdLuW3IS_de3xyIrDaLGdjluPxUAhb6L2aXic1U12podGU0KLUQSE"
     "_oI-ZnmKJ3F4uOZDnd6QZWJushZ41Axf_fcIe8u9ipH84ogoree7vjbU5y18kDquDg"},
    {"RFC 7520 4.2", KEY_7520_RSA, CELLA_JOSE_PS384,
     "eyJhbGciOiJQUzM4NCIsImtpZCI6ImJpbGJvLmJhZ2dpbnNAaG9iYml0b24uZXhhbXBsZSJ9." PAYLOAD_7520 "."
     "cu22eBqkYDKgIlTpzDXGvaFfz6WGoz7fUDcfT0kkOy42miAh2qyBzk1xEsnk2IpN6-tPid6VrklHkqsGqDqHCdP6O8TT"
     "B5dDDItllVo6_1OLPpcbUrhiUSMxbbXUvdvWXzg-UD8biiReQFlfz28zGWVsdiNAUf8ZnyPEgVFn442ZdNqiVJRmBqrY"
     "RXe8P_ijQ7p8Vdz0TTrxUeT3lm8d9shnr2lfJT8ImUjvAA2Xez2Mlp8cBE5awDzT0qI0n6uiP1aCN_2_jLAeQTlqRHtf"
     "a64QQSUmFAAjVKPbByi7xho0uTOcbH510a6GYmJUAfmWjwZ6oD4ifKo8DYM-X72Eaw"},
    {"RFC 7520 4.3", KEY_7520_EC, CELLA_JOSE_ES512,
     "eyJhbGciOiJFUzUxMiIsImtpZCI6ImJpbGJvLmJhZ2dpbnNAaG9iYml0b24uZXhhbXBsZSJ9." PAYLOAD_7520 "."
     "AE_R_YZCChjn4791jSQCrdPZCNYqHXCTZH0-JZGYNlaAjP2kqaluUIIUnC9qvbu9Plon7KRTzoNEuT4Va2cmL1eJAQy3"
     "mtPBu_u_sDDyYjnAMDxXPn7XrT0lw-kvAD890jl8e2puQens_IEKBpHABlsbEPX6sFY8OcGDqoRuBomu9xQ2"},
};
enum { ROWS = sizeof(rows) / sizeof(rows[0]) };

static struct cella_jose_key *key_of(const char *jwk_text) {
    CELLA_JSON jwk = NULL;
    struct cella_jose_key *key = NULL;
    OK(cella_json_object(text(jwk_text), "JWK", &jwk));
    OK(cella_jose_key_jwk(jwk, &key));
    return key;
}

static void holds_the_published_signatures(void **state) {
    (void)state;
    for (size_t i = 0; i < ROWS; i++) {
        CELLA_JWS jws = {0};
        CELLA_JOSE_KEY key = key_of(rows[i].key);
        OK(cella_jws_open(text(rows[i].token), false, &jws));
        assert_int_equal(jws.algorithm, rows[i].algorithm);
        OK(cella_jws_check(&jws, key, rows[i].algorithm));
        /* one bit of what is signed: the last letter of the payload, within its used bits */
        char *changed = strdup(rows[i].token);
        char *letter = strrchr(changed, '.') - 2;
        *letter = *letter == 'B' ? 'C' : 'B';
        assert_int_equal(check_code(text(changed), key, CELLA_JOSE_ANY), CELLA_ERR_INTEGRITY);
        free(changed);
    }
}

/* RFC 7515 A.5 */
static void recognises_the_unsecured_example(void **state) {
    (void)state;
    const char *token = "eyJhbGciOiJub25lIn0." PAYLOAD_A ".";
    CELLA_JWS jws = {0};
    CELLA_JSON payload = NULL;
    assert_int_equal(open_code(text(token), false), CELLA_ERR_FORMAT);
    OK(cella_jws_open(text(token), true, &jws));
    assert_int_equal(jws.algorithm, CELLA_JOSE_NONE);
    OK(cella_jws_object(&jws, &payload));
    assert_string_equal(json_string_value(json_object_get(payload, "iss")), "joe");
    CELLA_JOSE_KEY key = key_of(KEY_A2);
    assert_int_equal(code_of(cella_jws_check(&jws, key, CELLA_JOSE_ANY)), CELLA_ERR_FORMAT);
    assert_int_equal(code_of(cella_jws_check(&jws, NULL, 0)), CELLA_ERR_FORMAT);
}

/* RFC 7638 3.1 */
static void gives_the_published_thumbprint(void **state) {
    (void)state;
    CELLA_JOSE_KEY key =
        key_of("{\"kty\":\"RSA\",\"n\":\"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfA"
               "AtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXA"
               "rwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qM"
               "QvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIq"
               "bw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw\",\"e\":\"AQAB\",\"alg\":\"RS256\","
               "\"kid\":\"2011-04-29\"}");
    uint8_t thumbprint[32];
    CELLA_BUFFER in_text = {0};
    OK(cella_jose_key_thumbprint(key, thumbprint));
    OK(cella_base64_encode(CELLA_BYTES_OF(thumbprint), true, &in_text));
    assert_int_equal(in_text.size, 43);
    assert_memory_equal(in_text.data, "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs", 43);
    assert_int_equal(cella_jose_key_algorithms(key), CELLA_JOSE_RS256); /* its alg's word (A24) */
}

/* Tokens of the real service under the keys that it served with them: those that it signed hold,
 * also where several certificates carry one key under one kid; those of draft policies are
 * unsecured. */
static void holds_a_token_of_the_service(const char *folder) {
    char path[1024];
    CELLA_BUFFER token = {0};
    CELLA_BUFFER json = {0};
    CELLA_JWS jws = {0};
    CELLA_JSON payload = NULL;
    struct cella_jose_keyset *set = NULL;
    const struct cella_jose_key *key = NULL;
    snprintf(path, sizeof(path), "%s/token.jwt", folder);
    if (!vector_has(path)) return;
    vector_read(path, &token);
    while (token.size && token.data[token.size - 1] == '\n') token.size--;
    OK(cella_jws_open(cella_buffer_bytes(&token), true, &jws));
    OK(cella_jws_object(&jws, &payload));
    bool draft = strstr(folder, "DraftPolicy") != NULL;
    assert_int_equal(jws.algorithm, draft ? CELLA_JOSE_NONE : CELLA_JOSE_RS256);
    snprintf(path, sizeof(path), "%s/jwks.json", folder);
    if (!vector_has(path)) return;
    vector_read(path, &json);
    OK(cella_jose_keyset_new(cella_buffer_bytes(&json), &set));
    OK(cella_jose_keyset_find(set, jws.kid, &key));
    assert_int_equal(code_of(cella_jws_check(&jws, key, CELLA_JOSE_RS256)),
                     draft ? CELLA_ERR_FORMAT : CELLA_OK);
    cella_jose_keyset_free(&set);
}

static void holds_the_services_tokens(void **state) {
    (void)state;
    if (vector_has("maa-jwt")) assert_true(vector_each("maa-jwt", holds_a_token_of_the_service));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(holds_the_published_signatures),
        cmocka_unit_test(recognises_the_unsecured_example),
        cmocka_unit_test(gives_the_published_thumbprint),
        cmocka_unit_test(holds_the_services_tokens),
    };
    return cmocka_run_group_tests_name("jose vectors", tests, NULL, NULL);
}
