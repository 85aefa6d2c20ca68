/* Key material: published vectors of AES, and private keys that are none (K08, K10). */
#include "keys.h"

static const struct {
    const char *algorithm, *key, *iv, *plain, *cipher;
} rows[] = {
    /* RFC 3394, 4.1 and 4.6 */
    {"A128KW", "000102030405060708090a0b0c0d0e0f", "", "00112233445566778899aabbccddeeff",
     "1fa68b0a8112b447aef34bd8fb5a7b829d3e862371d2cfe5"},
    {"A256KW", "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f", "",
     "00112233445566778899aabbccddeeff000102030405060708090a0b0c0d0e0f",
     "28c9f404c4b810f4cbccb35cfb87f8263f5786e2d80ed326cbc7f0e71a99f43bfb988b9b7a02dd21"},
    /* RFC 5649, 6 */
    {"CKM_AES_KEY_WRAP_PAD", "5840df6e29b02af1ab493b705bf16ea1ae8338f4dcc176a8", "",
     "c37b7e6492584340bed12207808941155068f738",
     "138bdeaa9b8fa7fc61f97742e72248ee5ae6ae5360d1ae6a5f54f373fa543b6a"},
    {"CKM_AES_KEY_WRAP_PAD", "5840df6e29b02af1ab493b705bf16ea1ae8338f4dcc176a8", "",
     "466f7250617369", "afbeb0f07dfbf5419200f2ccb50bb24f"},
    /* azure-keyvault 8.6 */
    {"CKM_AES_KEY_WRAP_PAD", "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f", "",
     "00112233445566778899aabbccddeeff01234567",
     "95b0be6addd6e25cfcb5c6315bc771822de4a60adb5523d19490493ee7a7ae5f"},
    {"CKM_AES_KEY_WRAP_PAD", "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f", "",
     "00112233445566778899aabbccddeeff", "afc860015ffe2d75bedf43c444fe58f4ad9d89c4ec71e23b"},
    /* SP 800-38A, F.2.1 */
    {"A128CBC", "2b7e151628aed2a6abf7158809cf4f3c", "000102030405060708090a0b0c0d0e0f",
     "6bc1bee22e409f96e93d7e117393172a", "7649abac8119b246cee98e9b12e9197d"},
};

static void vectors_of_aes(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        CELLA_MATERIAL key = NULL;
        CELLA_PRODUCT made = {0}, back = {0};
        uint8_t k[32], iv[16], p[64], c[64];
        bool wraps = rows[i].iv[0] == 0;
        GOOD(cella_material_load(CELLA_MATERIAL_OCT, hex(rows[i].key, k), &key));
        struct cella_bytes plain = hex(rows[i].plain, p), cipher = hex(rows[i].cipher, c);
        struct cella_operands with = {
            .algorithm = rows[i].algorithm, .value = plain, .iv = hex(rows[i].iv, iv)};
        GOOD(cella_material_use(key, wraps ? CELLA_OP_WRAP : CELLA_OP_ENCRYPT, &with, &made));
        assert_int_equal(made.size, cipher.size);
        assert_memory_equal(made.value, cipher.data, cipher.size);
        with.value = cipher;
        GOOD(cella_material_use(key, wraps ? CELLA_OP_UNWRAP : CELLA_OP_DECRYPT, &with, &back));
        assert_int_equal(back.size, plain.size);
        assert_memory_equal(back.value, plain.data, plain.size);
        for (size_t bit = 0; wraps && bit < 8 * cipher.size; bit++) {
            CELLA_PRODUCT none = {0};
            c[bit / 8] ^= (uint8_t)(1U << bit % 8);
            struct cella_result result = cella_material_use(key, CELLA_OP_UNWRAP, &with, &none);
            assert_int_equal(cella_code_of(result), CELLA_ERR_INTEGRITY);
            assert_null(none.value);
            cella_result_drop(result);
            c[bit / 8] ^= (uint8_t)(1U << bit % 8);
        }
    }
}

/* McGrew and Viega's test case 4. */
static void gcm(void **state) {
    (void)state;
    CELLA_MATERIAL key = NULL;
    CELLA_PRODUCT back = {0};
    uint8_t k[16], p[64], c[64], a[32], iv[12], tag[16];
    GOOD(cella_material_load(CELLA_MATERIAL_OCT, hex("feffe9928665731c6d6a8f9467308308", k), &key));
    struct cella_operands with = {
        .algorithm = "A128GCM",
        .value = hex("42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e"
                     "21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091",
                     c),
        .aad = hex("feedfacedeadbeeffeedfacedeadbeefabaddad2", a),
        .iv = hex("cafebabefacedbaddecaf888", iv),
        .tag = hex("5bc94fbc3221a5db94fae95ae7121a47", tag)};
    struct cella_bytes plain =
        hex("d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
            "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
            p);
    GOOD(cella_material_use(key, CELLA_OP_DECRYPT, &with, &back));
    assert_int_equal(back.size, plain.size);
    assert_memory_equal(back.value, plain.data, plain.size);
    uint8_t *flipped[] = {c, a, iv, tag};
    for (size_t i = 0; i < 4; i++) {
        CELLA_PRODUCT none = {0};
        flipped[i][3] ^= 1;
        struct cella_result result = cella_material_use(key, CELLA_OP_DECRYPT, &with, &none);
        assert_int_equal(cella_code_of(result), CELLA_ERR_INTEGRITY);
        assert_null(none.value);
        cella_result_drop(result);
        flipped[i][3] ^= 1;
    }
    /* K08: a nonce of the caller's is not taken */
    CELLA_PRODUCT none = {0};
    struct cella_result result = cella_material_use(key, CELLA_OP_ENCRYPT, &with, &none);
    assert_int_equal(cella_code_of(result), CELLA_ERR_USAGE);
    cella_result_drop(result);
}

/* --- Imports (K10) --- */

static void refused(const json_t *jwk, const char *what) {
    struct cella_material *none = NULL;
    struct cella_result result = cella_material_import(jwk, &none);
    if (!cella_failed(result)) print_error("taken: %s\n", what);
    assert_int_equal(cella_code_of(result), CELLA_ERR_FORMAT);
    assert_null(none);
    cella_result_drop(result);
}

/* Each as it is but for one member, which is another key's, a small number, or cut. */
static void hostile(const json_t *jwk, const json_t *other, const char *const *names) {
    static const char *const values[] = {"", "AA", "AQ", "Ag", "Aw", "not base64url", "//8="};
    for (size_t n = 0; names[n]; n++) {
        CELLA_JSON bad = json_copy((json_t *)jwk);
        const json_t *right = json_object_get(jwk, names[n]);
        json_object_set(bad, names[n], json_object_get(other, names[n]));
        if (!json_equal(right, json_object_get(bad, names[n]))) refused(bad, names[n]);
        for (size_t v = 0; v < sizeof(values) / sizeof(values[0]); v++) {
            if (strcmp(names[n], "e") == 0 && strlen(values[v]) == 0) continue;
            json_object_set_new(bad, names[n], json_string(values[v]));
            refused(bad, names[n]);
        }
        json_object_set_new(bad, names[n], json_integer(3));
        refused(bad, names[n]);
        size_t half = json_string_length(right) / 8 * 4;
        if (half > 0) {
            json_object_set_new(bad, names[n], json_stringn(json_string_value(right), half));
            refused(bad, names[n]);
        }
    }
}

static bool same(const struct cella_material *a, const struct cella_material *b) {
    CELLA_SECRET one = {0}, two = {0};
    GOOD(cella_material_save(a, &one));
    GOOD(cella_material_save(b, &two));
    return one.size == two.size && memcmp(one.data, two.data, one.size) == 0;
}

static void imports_of_rsa(void **state) {
    (void)state;
    static const char *const all[] = {"n", "e", "d", "p", "q", "dp", "dq", "qi", NULL};
    static const char *const few[] = {"n", "e", "d", NULL};
    CELLA_MATERIAL key = NULL;
    CELLA_MATERIAL other = NULL;
    CELLA_MATERIAL whole = NULL;
    CELLA_MATERIAL found = NULL;

    GOOD(cella_material_new(CELLA_MATERIAL_RSA, CELLA_CURVE_NONE, 2048, 0, &key));
    GOOD(cella_material_new(CELLA_MATERIAL_RSA, CELLA_CURVE_NONE, 2048, 0, &other));
    CELLA_JSON jwk = jwk_of(key);
    CELLA_JSON strange = jwk_of(other);
    GOOD(cella_material_import(jwk, &whole));
    assert_true(same(key, whole));
    hostile(jwk, strange, all);
    for (size_t i = 3; all[i]; i++) json_object_del(jwk, all[i]);
    hostile(jwk, strange, few);
    /* d alone: the same primes, though perhaps in the other order */
    GOOD(cella_material_import(jwk, &found));
    BIGNUM *p = NULL, *q = NULL, *r = NULL;
    EVP_PKEY_get_bn_param(cella_material_pkey(key), OSSL_PKEY_PARAM_RSA_FACTOR1, &p);
    EVP_PKEY_get_bn_param(cella_material_pkey(key), OSSL_PKEY_PARAM_RSA_FACTOR2, &q);
    EVP_PKEY_get_bn_param(cella_material_pkey(found), OSSL_PKEY_PARAM_RSA_FACTOR1, &r);
    assert_true(BN_cmp(p, r) == 0 || BN_cmp(q, r) == 0);
    BN_clear_free(p);
    BN_clear_free(q);
    BN_clear_free(r);
}

static void imports_of_ec(void **state) {
    (void)state;
    static const char *const all[] = {"x", "y", "d", "crv", NULL};
    for (int c = CELLA_CURVE_P256; c <= CELLA_CURVE_P521; c++) {
        CELLA_MATERIAL key = NULL;
        CELLA_MATERIAL other = NULL;
        CELLA_MATERIAL whole = NULL;

        GOOD(cella_material_new(CELLA_MATERIAL_EC, (enum cella_material_curve)c, 0, 0, &key));
        GOOD(cella_material_new(CELLA_MATERIAL_EC, (enum cella_material_curve)c, 0, 0, &other));
        CELLA_JSON jwk = jwk_of(key);
        CELLA_JSON strange = jwk_of(other);
        GOOD(cella_material_import(jwk, &whole));
        assert_true(same(key, whole));
        hostile(jwk, strange, all);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors_of_aes),
        cmocka_unit_test(gcm),
        cmocka_unit_test(imports_of_rsa),
        cmocka_unit_test(imports_of_ec),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
