/* C2SP's Wycheproof vectors, where they are (vectors/wycheproof, the files of its testvectors_v1):
 * key wrap, OAEP, PKCS #1 v1.5, GCM and CBC, and import of the keys (K06, K08, K10). */
#include <stdlib.h>
#include <unistd.h>

#include "keys.h"

static json_t *load(const char *name) {
    const char *root = getenv("CELLA_VECTORS");
    char path[512];
    snprintf(path, sizeof(path), "%s/wycheproof/%s.json",
             root ? root : CELLA_SOURCE_ROOT "/../shared/vectors", name);
    if (access(path, R_OK) != 0) {
        print_message("no vectors at %s (set CELLA_VECTORS): skipped\n", path);
        skip();
    }
    json_t *file = json_load_file(path, 0, NULL);
    assert_non_null(file);
    return file;
}

static struct cella_bytes hex_of(const json_t *row, const char *name, struct cella_buffer *out) {
    const char *text = json_string_value(json_object_get(row, name));
    size_t size = text ? strlen(text) / 2 : 0;
    uint8_t *room = NULL;
    out->size = 0;
    if (size == 0) return cella_bytes("", 0);
    GOOD(cella_buffer_extend(out, size, &room));
    return hex(text, room);
}

/* What a row asks, and what must come: its message, or a refusal. */
static void decrypts(const struct cella_material *key, const json_t *row, const char *algorithm,
                     enum cella_operation operation, bool rejects) {
    CELLA_BUFFER ct = {0}, msg = {0}, iv = {0}, aad = {0}, tag = {0};
    CELLA_PRODUCT made = {0};
    const char *wanted = json_string_value(json_object_get(row, "result"));
    struct cella_bytes plain = hex_of(row, "msg", &msg);
    struct cella_operands with = {.algorithm = algorithm,
                                  .value = hex_of(row, "ct", &ct),
                                  .iv = hex_of(row, "iv", &iv),
                                  .aad = hex_of(row, "aad", &aad),
                                  .tag = hex_of(row, "tag", &tag)};
    struct cella_result result = cella_material_use(key, operation, &with, &made);
    bool good = !cella_failed(result),
         same = good && made.size == plain.size &&
                (!made.size || !memcmp(made.value, plain.data, made.size));
    cella_result_drop(result);
    bool valid = strcmp(wanted, "valid") == 0;
    if (valid ? !same : rejects ? same : good)
        if (strcmp(wanted, "acceptable") != 0)
            fail_msg("%s, %d (%s): %s", algorithm,
                     (int)json_integer_value(json_object_get(row, "tcId")),
                     json_string_value(json_object_get(row, "comment")), wanted);
}

/* --- AES --- */

static void aes(const char *file, const char *suffix, enum cella_operation operation,
                size_t least) {
    CELLA_JSON all = load(file);
    const json_t *group, *row;
    size_t i, j, run = 0;
    json_array_foreach(json_object_get(all, "testGroups"), i, group) {
        int bits = (int)json_integer_value(json_object_get(group, "keySize"));
        const json_t *iv = json_object_get(group, "ivSize");
        char algorithm[32];
        if (iv && json_integer_value(iv) != (strcmp(suffix, "GCM") == 0 ? 96 : 128)) continue;
        if (strcmp(suffix, "CKM_AES_KEY_WRAP_PAD") == 0)
            snprintf(algorithm, sizeof(algorithm), "%s", suffix);
        else
            snprintf(algorithm, sizeof(algorithm), "A%d%s", bits, suffix);
        json_array_foreach(json_object_get(group, "tests"), j, row) {
            CELLA_BUFFER key = {0};
            CELLA_MATERIAL material = NULL;
            GOOD(cella_material_load(CELLA_MATERIAL_OCT, hex_of(row, "key", &key), &material));
            decrypts(material, row, algorithm, operation, false);
            run++;
        }
    }
    print_message("%s: %zu\n", file, run);
    assert_true(run >= least);
}

static void key_wrap(void **state) {
    (void)state;
    aes("aes_wrap_test", "KW", CELLA_OP_UNWRAP, 150);
}
static void key_wrap_with_padding(void **state) {
    (void)state;
    aes("aes_kwp_test", "CKM_AES_KEY_WRAP_PAD", CELLA_OP_UNWRAP, 200);
}
static void gcm(void **state) {
    (void)state;
    aes("aes_gcm_test", "GCM", CELLA_OP_DECRYPT, 100);
}
static void cbc(void **state) {
    (void)state;
    aes("aes_cbc_pkcs5_test", "CBCPAD", CELLA_OP_DECRYPT, 150);
}

/* --- RSA --- */

/* The hash that an algorithm of the vault has on both places. */
static const char *oaep_of(const json_t *group) {
    const char *sha = json_string_value(json_object_get(group, "sha"));
    const char *mgf = json_string_value(json_object_get(group, "mgfSha"));
    if (strcmp(sha, mgf) != 0) return NULL;
    if (strcmp(sha, "SHA-1") == 0) return "RSA-OAEP";
    return strcmp(sha, "SHA-256") == 0 ? "RSA-OAEP-256" : NULL;
}

/* A key of a size that the vault takes is taken, as PKCS#8 and as JWK, and is the same; no other.
 */
static bool take_key(const json_t *group, bool as_jwk, struct cella_material **out) {
    int bits = (int)json_integer_value(json_object_get(group, "keySize"));
    CELLA_BUFFER der = {0};
    CELLA_MATERIAL imported = NULL;
    const json_t *jwk = as_jwk ? json_object_get(group, "privateKeyJwk") : NULL;
    bool fits = bits == 2048 || bits == 3072 || bits == 4096;
    if (jwk) {
        struct cella_result result = cella_material_import(jwk, &imported);
        if (cella_failed(result) == fits) fail_msg("a key of %d bits", bits);
        cella_result_drop(result);
    }
    if (!fits) return false;
    GOOD(cella_material_load(CELLA_MATERIAL_RSA, hex_of(group, "privateKeyPkcs8", &der), out));
    if (imported) {
        CELLA_SECRET one = {0}, two = {0};
        GOOD(cella_material_save(imported, &one));
        GOOD(cella_material_save(*out, &two));
        assert_int_equal(one.size, two.size);
        assert_memory_equal(one.data, two.data, one.size);
    }
    return true;
}

static size_t rsa(const char *file, bool oaep) {
    CELLA_JSON all = load(file);
    const json_t *group, *row;
    size_t i, j, run = 0;
    json_array_foreach(json_object_get(all, "testGroups"), i, group) {
        CELLA_MATERIAL key = NULL;
        const char *algorithm = oaep ? oaep_of(group) : "RSA1_5";
        if (!take_key(group, i % 8 == 0, &key) || !algorithm)
            continue; /* checking primes is slow */
        json_array_foreach(json_object_get(group, "tests"), j, row) {
            const json_t *label = json_object_get(row, "label");
            if (json_string_length(label) > 0) continue; /* the vault has none */
            decrypts(key, row, algorithm, run % 2 ? CELLA_OP_UNWRAP : CELLA_OP_DECRYPT, !oaep);
            run++;
        }
    }
    print_message("%s: %zu\n", file, run);
    return run;
}

static void rsa_oaep(void **state) {
    (void)state;
    assert_true(rsa("rsa_oaep_2048_sha1_mgf1sha1_test", true) > 20);
    assert_true(rsa("rsa_oaep_2048_sha256_mgf1sha256_test", true) > 20);
    assert_true(rsa("rsa_oaep_4096_sha256_mgf1sha256_test", true) > 20);
    assert_true(rsa("rsa_oaep_misc_test", true) > 10);
}
static void rsa_v15(void **state) {
    (void)state;
    assert_true(rsa("rsa_pkcs1_2048_test", false) > 50);
    assert_true(rsa("rsa_pkcs1_4096_test", false) > 50);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(key_wrap), cmocka_unit_test(key_wrap_with_padding),
        cmocka_unit_test(gcm),      cmocka_unit_test(cbc),
        cmocka_unit_test(rsa_oaep), cmocka_unit_test(rsa_v15),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
