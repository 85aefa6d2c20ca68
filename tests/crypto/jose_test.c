/* JSON Web Signatures and Keys: every algorithm both ways, and what must be refused (threats.md A24
 * to A29, A32; RFC 8725). */
#include "jose_tools.h"

#include <pthread.h>

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

/* One key in many threads from its first use on, when what it needs is made ready. */
static void *use_key(void *argument) {
    struct cella_jose_key *key = argument;
    uintptr_t good = 0;
    for (int i = 0; i < 20; i++) {
        CELLA_BUFFER token = {0};
        CELLA_JWS jws = {0};
        unsigned algorithm = cella_jose_key_algorithms(key) & -cella_jose_key_algorithms(key);
        struct cella_result r = cella_jws_sign(key, algorithm, NULL, text("{}"), &token);
        if (!cella_failed(r)) r = cella_jws_open(cella_buffer_bytes(&token), false, &jws);
        if (!cella_failed(r)) r = cella_jws_check(&jws, key, algorithm);
        good += !cella_failed(r);
        cella_result_drop(r);
    }
    return (void *)good;
}

static void serves_many_threads(void **state) {
    (void)state;
    for (unsigned kind = 0; kind < 4; kind++) {
        CELLA_JOSE_KEY key = NULL;
        pthread_t threads[8];
        OK(cella_jose_key_new(kind, 2048, &key));
        for (size_t i = 0; i < 8; i++)
            assert_int_equal(pthread_create(&threads[i], NULL, use_key, key), 0);
        for (size_t i = 0; i < 8; i++) {
            void *good = NULL;
            assert_int_equal(pthread_join(threads[i], &good), 0);
            assert_int_equal((uintptr_t)good, 20);
        }
    }
}

static void keeps_the_header_it_was_given(void **state) {
    (void)state;
    CELLA_BUFFER token = {0};
    CELLA_JWS jws = {0};
    CELLA_JSON header =
        json_pack("{s:s,s:[s],s:s}", "typ", "JWT", "x5c", "AAAA", "jku", "https://x");
    CELLA_JSON before = json_deep_copy(header);
    OK(cella_buffer_append(&token, text("kept")));
    OK(cella_jws_sign(keys[1], CELLA_JOSE_ES256, header, text(""), &token));
    assert_true(json_equal(header, before));
    assert_memory_equal(token.data, "kept", 4);
    OK(cella_jws_open(cella_bytes(token.data + 4, token.size - 4), false, &jws));
    assert_int_equal(jws.payload.size, 0);
    json_object_set_new(header, "alg", json_string("ES256"));
    assert_true(json_equal(header, jws.header));
    assert_int_equal(code_of(cella_jws_sign(keys[1], CELLA_JOSE_ES256, header, text(""), &token)),
                     CELLA_ERR_INTERNAL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signs_and_checks_with_every_algorithm),
        cmocka_unit_test(serves_many_threads),
        cmocka_unit_test(keeps_the_header_it_was_given),
    };
    return cmocka_run_group_tests_name("jose", tests, make_keys, free_keys);
}
