/* JSON Web Signatures and Keys: every algorithm both ways, and what must be refused (threats.md A24
 * to A29, A32; RFC 8725). */
#include "jose_tools.h"

static const struct {
    enum cella_jose_kind kind;
    unsigned algorithm;
    const char *name;
    size_t size;
} rows[] = {
    {CELLA_JOSE_RSA, CELLA_JOSE_RS256, "RS256", 256},
    {CELLA_JOSE_RSA, CELLA_JOSE_RS384, "RS384", 256},
    {CELLA_JOSE_RSA, CELLA_JOSE_RS512, "RS512", 256},
    {CELLA_JOSE_RSA, CELLA_JOSE_PS256, "PS256", 256},
    {CELLA_JOSE_RSA, CELLA_JOSE_PS384, "PS384", 256},
    {CELLA_JOSE_RSA, CELLA_JOSE_PS512, "PS512", 256},
    {CELLA_JOSE_P256, CELLA_JOSE_ES256, "ES256", 64},
    {CELLA_JOSE_P384, CELLA_JOSE_ES384, "ES384", 96},
    {CELLA_JOSE_P521, CELLA_JOSE_ES512, "ES512", 132},
};
enum { ROWS = sizeof(rows) / sizeof(rows[0]) };

static struct cella_jose_key *keys[4]; /* one of each kind, made once */

static int make_keys(void **state) {
    (void)state;
    for (unsigned kind = 0; kind < 4; kind++) OK(cella_jose_key_new(kind, 2048, &keys[kind]));
    return 0;
}

static int free_keys(void **state) {
    (void)state;
    for (unsigned kind = 0; kind < 4; kind++) cella_jose_key_free(&keys[kind]);
    return 0;
}

static void signs_and_checks_with_every_algorithm(void **state) {
    (void)state;
    for (size_t i = 0; i < ROWS; i++) {
        CELLA_BUFFER token = {0};
        CELLA_JWS jws = {0};
        CELLA_JSON header = json_pack("{s:s,s:s}", "typ", "JWT", "kid", "one");
        CELLA_JSON payload = NULL;
        struct cella_jose_key *key = keys[rows[i].kind];
        OK(cella_jws_sign(key, rows[i].algorithm, header, text("{\"a\":1}"), &token));
        OK(cella_jws_open(cella_buffer_bytes(&token), false, &jws));
        assert_int_equal(jws.algorithm, rows[i].algorithm);
        assert_string_equal(cella_jose_name(jws.algorithm), rows[i].name);
        assert_string_equal(jws.kid, "one");
        assert_string_equal(jws.typ, "JWT");
        assert_int_equal(jws.signature.size, rows[i].size);
        assert_int_equal(jws.payload.size, 7);
        OK(cella_jws_check(&jws, key, rows[i].algorithm));
        OK(cella_jws_check(&jws, key, CELLA_JOSE_ANY));
        OK(cella_jws_object(&jws, &payload));
        assert_int_equal(json_integer_value(json_object_get(payload, "a")), 1);
        /* A24: what is allowed is the caller's word */
        assert_int_equal(code_of(cella_jws_check(&jws, key, CELLA_JOSE_ANY & ~rows[i].algorithm)),
                         CELLA_ERR_FORMAT);
        for (unsigned kind = 0; kind < 4; kind++)
            if (kind != rows[i].kind)
                assert_int_equal(code_of(cella_jws_check(&jws, keys[kind], CELLA_JOSE_ANY)),
                                 CELLA_ERR_FORMAT);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signs_and_checks_with_every_algorithm),
    };
    return cmocka_run_group_tests_name("jose", tests, make_keys, free_keys);
}
