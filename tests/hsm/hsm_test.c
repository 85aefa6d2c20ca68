/* Keys in a token of SoftHSM: made, used from many threads, never readable, gone when destroyed. */
#include "token.h"

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <p11-kit/p11-kit.h>
#include <pthread.h>
#include <time.h>

#include "hsm/hsm.h"

static const uint8_t rsa_id[16] = {1}, ec_id[16] = {2}, aes_id[16] = {3}, no_id[16] = {99};
static const struct cella_hsm_shape rsa = {.kind = CELLA_HSM_RSA, .bits = 2048, .exponent = 65537};
static const struct cella_hsm_shape aes = {.kind = CELLA_HSM_AES, .bits = 256};

static struct token token;
static struct cella_hsm *hsm;
static EVP_PKEY *rsa_key;

static int set_up(void **state) {
    (void)state;
    EVP_PKEY *none = NULL;
    token_new(&token);
    GOOD(cella_hsm_open(token.uri, token.folder, &hsm));
    GOOD(cella_hsm_make(hsm, rsa_id, "cella/v1/rsa", &rsa, &rsa_key));
    GOOD(cella_hsm_make(hsm, aes_id, "cella/v1/aes", &aes, &none));
    assert_null(none);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    EVP_PKEY_free(rsa_key);
    cella_hsm_close(&hsm);
    token_free(&token);
    return 0;
}

static bool verifies(EVP_PKEY *key, const EVP_MD *md, int padding, const uint8_t *digest,
                     const uint8_t *signature, size_t size) {
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(key, NULL);
    assert_int_equal(EVP_PKEY_verify_init(context), 1);
    if (padding) assert_int_equal(EVP_PKEY_CTX_set_rsa_padding(context, padding), 1);
    assert_int_equal(EVP_PKEY_CTX_set_signature_md(context, md), 1);
    if (padding == RSA_PKCS1_PSS_PADDING)
        assert_int_equal(EVP_PKEY_CTX_set_rsa_pss_saltlen(context, RSA_PSS_SALTLEN_DIGEST), 1);
    bool good = EVP_PKEY_verify(context, signature, size, digest, (size_t)EVP_MD_size(md)) == 1;
    EVP_PKEY_CTX_free(context);
    return good;
}

static void signs_pss(void **state) {
    (void)state;
    const EVP_MD *mds[] = {EVP_sha256(), EVP_sha384(), EVP_sha512()};
    uint8_t digest[64] = {7}, out[600];
    for (size_t i = 0; i < 3; i++) {
        const struct cella_hsm_use how = {.scheme = CELLA_HSM_PSS,
                                          .digest_size = (unsigned)EVP_MD_size(mds[i])};
        size_t size = 0;
        GOOD(cella_hsm_use(hsm, rsa_id, &how, cella_bytes(digest, how.digest_size), out,
                           sizeof(out), &size));
        assert_int_equal(size, 256);
        assert_true(verifies(rsa_key, mds[i], RSA_PKCS1_PSS_PADDING, digest, out, size));
        out[9] ^= 1;
        assert_false(verifies(rsa_key, mds[i], RSA_PKCS1_PSS_PADDING, digest, out, size));
    }
}

static void curves(void **state) {
    (void)state;
    static const struct {
        const char *group;
        size_t size;
    } all[] = {{"prime256v1", 64}, {"secp256k1", 64}, {"secp384r1", 96}, {"secp521r1", 132}};
    uint8_t digest[32] = {7}, out[300];
    for (size_t i = 0; i < 4; i++) {
        const struct cella_hsm_shape shape = {.kind = CELLA_HSM_EC, .group = all[i].group};
        const struct cella_hsm_use how = {.scheme = CELLA_HSM_ECDSA};
        EVP_PKEY *key = NULL;
        size_t size = 0;
        GOOD(cella_hsm_make(hsm, ec_id, "cella/v1/ec", &shape, &key));
        GOOD(cella_hsm_use(hsm, ec_id, &how, CELLA_BYTES_OF(digest), out, sizeof(out), &size));
        assert_int_equal(size, all[i].size);
        ECDSA_SIG *signature = ECDSA_SIG_new();
        unsigned char *der = NULL;
        int half = (int)size / 2;
        ECDSA_SIG_set0(signature, BN_bin2bn(out, half, NULL), BN_bin2bn(out + half, half, NULL));
        int der_size = i2d_ECDSA_SIG(signature, &der);
        assert_true(verifies(key, EVP_sha256(), 0, digest, der, (size_t)der_size));
        OPENSSL_free(der);
        ECDSA_SIG_free(signature);
        EVP_PKEY_free(key);
        GOOD(cella_hsm_destroy(hsm, ec_id));
        GOOD(cella_hsm_destroy(hsm, ec_id)); /* it is gone already */
        REFUSED(cella_hsm_use(hsm, ec_id, &how, CELLA_BYTES_OF(digest), out, sizeof(out), &size),
                CELLA_ERR_NOT_FOUND);
    }
}

static void seals(void **state) {
    (void)state;
    uint8_t plain[32] = {1, 2, 3}, out[128], back[128], iv[16] = {5}, aad[3] = {9};
    const enum cella_hsm_scheme schemes[] = {CELLA_HSM_GCM, CELLA_HSM_CBC, CELLA_HSM_KW,
                                             CELLA_HSM_KWP};
    for (size_t i = 0; i < 4; i++) {
        struct cella_hsm_use how = {.scheme = schemes[i],
                                    .iv = cella_bytes(iv, schemes[i] == CELLA_HSM_GCM ? 12 : 16),
                                    .aad = CELLA_BYTES_OF(aad)};
        size_t size = 0, again = 0;
        GOOD(cella_hsm_use(hsm, aes_id, &how, CELLA_BYTES_OF(plain), out, sizeof(out), &size));
        how.back = true;
        GOOD(cella_hsm_use(hsm, aes_id, &how, cella_bytes(out, size), back, sizeof(back), &again));
        assert_int_equal(again, sizeof(plain));
        assert_memory_equal(back, plain, sizeof(plain));
        if (schemes[i] == CELLA_HSM_CBC) continue; /* it has no integrity */
        out[3] ^= 1;
        REFUSED(cella_hsm_use(hsm, aes_id, &how, cella_bytes(out, size), back, sizeof(back),
                              &again),
                CELLA_ERR_INTEGRITY);
        GOOD(cella_hsm_look(hsm)); /* the token is well */
    }
}

static void wrong_uses(void **state) {
    (void)state;
    uint8_t digest[32] = {7}, out[600];
    size_t size = 0;
    struct cella_hsm_use how = {.scheme = CELLA_HSM_CBC, .iv = cella_bytes(digest, 16)};
    REFUSED(cella_hsm_use(hsm, rsa_id, &how, CELLA_BYTES_OF(digest), out, sizeof(out), &size),
            CELLA_ERR_UNSUPPORTED);
    how.scheme = CELLA_HSM_PSS;
    how.digest_size = 32;
    REFUSED(cella_hsm_use(hsm, no_id, &how, CELLA_BYTES_OF(digest), out, sizeof(out), &size),
            CELLA_ERR_NOT_FOUND);
    how = (struct cella_hsm_use){.scheme = CELLA_HSM_OAEP, .digest_size = 32, .back = true};
    uint8_t block[256] = {0};
    REFUSED(cella_hsm_use(hsm, rsa_id, &how, CELLA_BYTES_OF(block), out, sizeof(out), &size),
            CELLA_ERR_UNSUPPORTED); /* SoftHSM has SHA-1 there alone */
    EVP_PKEY *none = NULL;
    const struct cella_hsm_shape nowhere = {.kind = CELLA_HSM_EC, .group = "nowhere"};
    REFUSED(cella_hsm_make(hsm, no_id, "cella/v1/x", &nowhere, &none), CELLA_ERR_USAGE);
    const struct cella_hsm_shape odd = {.kind = CELLA_HSM_AES, .bits = 8};
    REFUSED(cella_hsm_make(hsm, no_id, "cella/v1/x", &odd, &none), CELLA_ERR_UNSUPPORTED);
}

/* K11: whoever has the PIN, and asks the module itself. */
static void private_parts_stay(void **state) {
    (void)state;
    static const struct {
        CK_OBJECT_CLASS class;
        CK_ATTRIBUTE_TYPE type[4];
    } secrets[] = {{CKO_PRIVATE_KEY, {CKA_PRIVATE_EXPONENT, CKA_PRIME_1, CKA_PRIME_2, CKA_VALUE}},
                   {CKO_SECRET_KEY, {CKA_VALUE, CKA_VALUE, CKA_VALUE, CKA_VALUE}}};
    CK_FUNCTION_LIST *module = p11_kit_module_load(token_module(), 0);
    CK_SLOT_ID slot[8];
    CK_ULONG slots = 8, seen = 0;
    CK_SESSION_HANDLE session;
    assert_int_equal(p11_kit_module_initialize(module), CKR_OK);
    assert_int_equal(module->C_GetSlotList(CK_TRUE, slot, &slots), CKR_OK);
    assert_int_equal(module->C_OpenSession(slot[0], CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL,
                                           &session),
                     CKR_OK);
    for (size_t i = 0; i < 2; i++) {
        CK_OBJECT_CLASS class = secrets[i].class;
        CK_ATTRIBUTE wanted = {CKA_CLASS, &class, sizeof(class)};
        CK_OBJECT_HANDLE key;
        CK_ULONG count = 0;
        assert_int_equal(module->C_FindObjectsInit(session, &wanted, 1), CKR_OK);
        while (module->C_FindObjects(session, &key, 1, &count) == CKR_OK && count) {
            for (size_t k = 0; k < 4; k++) {
                uint8_t room[600];
                CK_ATTRIBUTE value = {secrets[i].type[k], room, sizeof(room)};
                CK_RV rv = module->C_GetAttributeValue(session, key, &value, 1);
                assert_true(rv == CKR_ATTRIBUTE_SENSITIVE || rv == CKR_ATTRIBUTE_TYPE_INVALID);
            }
            CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
            CK_ATTRIBUTE open[] = {{CKA_EXTRACTABLE, &yes, 1}, {CKA_SENSITIVE, &no, 1}};
            assert_int_not_equal(module->C_SetAttributeValue(session, key, &open[0], 1), CKR_OK);
            assert_int_not_equal(module->C_SetAttributeValue(session, key, &open[1], 1), CKR_OK);
            seen++;
        }
        module->C_FindObjectsFinal(session);
    }
    assert_int_equal(seen, 2);
    module->C_CloseSession(session);
    p11_kit_module_finalize(module);
    p11_kit_module_release(module);
}

static void *sign_many(void *failed) {
    uint8_t digest[32] = {7}, out[600];
    const struct cella_hsm_use how = {.scheme = CELLA_HSM_PSS, .digest_size = 32};
    for (int i = 0; i < 40; i++) {
        size_t size = 0;
        struct cella_result r =
            cella_hsm_use(hsm, rsa_id, &how, CELLA_BYTES_OF(digest), out, sizeof(out), &size);
        if (cella_failed(r) ||
            !verifies(rsa_key, EVP_sha256(), RSA_PKCS1_PSS_PADDING, digest, out, size))
            ++*(int *)failed;
        cella_result_drop(r);
    }
    return NULL;
}

static void many_threads(void **state) {
    (void)state;
    pthread_t thread[40]; /* more than there are sessions */
    int failed[40] = {0};
    for (int i = 0; i < 40; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, sign_many, &failed[i]), 0);
    for (int i = 0; i < 40; i++) {
        assert_int_equal(pthread_join(thread[i], NULL), 0);
        assert_int_equal(failed[i], 0);
    }
}

static void pause_ms(long ms) {
    const struct timespec t = {ms / 1000, ms % 1000 * 1000000L};
    nanosleep(&t, NULL);
}

static struct cella_result sign_once(void) {
    uint8_t digest[32] = {7}, out[600];
    const struct cella_hsm_use how = {.scheme = CELLA_HSM_PSS, .digest_size = 32};
    size_t size = 0;
    return cella_hsm_use(hsm, rsa_id, &how, CELLA_BYTES_OF(digest), out, sizeof(out), &size);
}

static void goes_away_and_comes_back(void **state) {
    (void)state;
    GOOD(sign_once());
    token_move(&token, true);
    REFUSED(cella_hsm_look(hsm), CELLA_ERR_UNAVAILABLE);
    REFUSED(sign_once(), CELLA_ERR_UNAVAILABLE);
    REFUSED(cella_hsm_destroy(hsm, rsa_id), CELLA_ERR_UNAVAILABLE);
    token_move(&token, false);
    pause_ms(1050);
    GOOD(sign_once());
}

/* As another vault of the server has it: the module is begun anew when the last of them left it. */
static void comes_back_beside_another(void **state) {
    (void)state;
    struct cella_hsm *other = NULL;
    GOOD(cella_hsm_open(token.uri, token.folder, &other));
    GOOD(cella_hsm_look(other));
    token_move(&token, true);
    REFUSED(sign_once(), CELLA_ERR_UNAVAILABLE);
    REFUSED(cella_hsm_look(other), CELLA_ERR_UNAVAILABLE);
    token_move(&token, false);
    pause_ms(1050);
    GOOD(sign_once());
    GOOD(cella_hsm_look(other));
    cella_hsm_close(&other);
    GOOD(sign_once()); /* it took no login along */
}

/* A token locks after a few wrong PINs: a server that asks again and again would lock it. */
static void a_refused_pin_is_tried_once(void **state) {
    (void)state;
    struct cella_hsm *other = NULL;
    cella_hsm_close(&hsm); /* else its login would do */
    token_pin(&token, "1111\n");
    REFUSED(cella_hsm_open(token.uri, token.folder, &other), CELLA_ERR_PERMISSION);
    assert_null(other);
    token_pin(&token, TOKEN_PIN);
    GOOD(cella_hsm_open(token.uri, token.folder, &hsm));
    GOOD(sign_once());
    token_pin(&token, "1111\n");
    token_move(&token, true);
    REFUSED(sign_once(), CELLA_ERR_UNAVAILABLE);
    token_move(&token, false);
    pause_ms(1050);
    REFUSED(sign_once(), CELLA_ERR_UNAVAILABLE);
    token_pin(&token, TOKEN_PIN);
    pause_ms(1050);
    GOOD(sign_once());
}

static void bad_uris(void **state) {
    (void)state;
    char uri[600];
    GOOD(cella_hsm_check(token.uri, "/"));
    REFUSED(cella_hsm_check("token=vault", "/"), CELLA_ERR_USAGE);
    REFUSED(cella_hsm_check("pkcs11:token=vault", "/"), CELLA_ERR_USAGE);
    REFUSED(cella_hsm_check("pkcs11:token=vault?pin-value=1234", "/"), CELLA_ERR_USAGE); /* K25 */
    REFUSED(cella_hsm_check("pkcs11:token=vault;object=k?pin-source=file:pin", "/"),
            CELLA_ERR_USAGE);
    REFUSED(cella_hsm_check("pkcs11:token=vault;unknown=k?pin-source=file:pin", "/"),
            CELLA_ERR_USAGE);
    snprintf(uri, sizeof(uri), "pkcs11:token=other?module-path=%s&pin-source=file:%s/pin",
             token_module(), token.folder);
    struct cella_hsm *none = NULL;
    REFUSED(cella_hsm_open(uri, token.folder, &none), CELLA_ERR_UNAVAILABLE);
    REFUSED(cella_hsm_open("pkcs11:token=vault?module-path=/no.so&pin-source=file:pin",
                           token.folder, &none),
            CELLA_ERR_UNAVAILABLE);
}

int main(void) {
    token_need();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signs_pss),
        cmocka_unit_test(curves),
        cmocka_unit_test(seals),
        cmocka_unit_test(wrong_uses),
        cmocka_unit_test(private_parts_stay),
        cmocka_unit_test(many_threads),
        cmocka_unit_test(bad_uris),
        cmocka_unit_test(goes_away_and_comes_back),
        cmocka_unit_test(comes_back_beside_another),
        cmocka_unit_test(a_refused_pin_is_tried_once),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
