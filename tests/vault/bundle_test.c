/* Bundles that clients bring: what is taken of them, and what is not: keys of no use (K10),
 * passwords that are stretched for ever (K17), certificates of other keys. */
#include "keys.h"

#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/rsa.h>

#include "vault/cert_x509.h"

static X509 *certify(EVP_PKEY *key) {
    X509 *x = X509_new();
    X509_set_version(x, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
    X509_gmtime_adj(X509_getm_notBefore(x), 0);
    X509_gmtime_adj(X509_getm_notAfter(x), 86400);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
                               (const unsigned char *)"a", -1, -1, 0);
    X509_set_issuer_name(x, X509_get_subject_name(x));
    assert_int_equal(X509_set_pubkey(x, key), 1);
    int id = EVP_PKEY_get_base_id(key);
    assert_true(X509_sign(x, key, id == EVP_PKEY_ED25519 ? NULL : EVP_sha256()) > 0);
    return x;
}

struct shape { /* of a PKCS #12 file */
    const char *password;
    int cipher, iterations, mac_iterations;
};
static const struct shape usual = {"pass", NID_aes_256_cbc, 2048, 2048};

static void p12(EVP_PKEY *key, X509 *x, STACK_OF(X509) * chain, const struct shape *shape,
                struct cella_buffer *out) {
    PKCS12 *made = PKCS12_create(shape->password, NULL, key, x, chain, shape->cipher, shape->cipher,
                                 shape->iterations, shape->mac_iterations, 0);
    unsigned char *der = NULL;
    int size = i2d_PKCS12(made, &der);
    assert_true(size > 0);
    out->size = 0;
    GOOD(cella_buffer_append(out, cella_bytes(der, (size_t)size)));
    OPENSSL_free(der);
    PKCS12_free(made);
}

static void taken(struct cella_bytes bundle, const char *password, EVP_PKEY *key, size_t behind) {
    CELLA_MATERIAL material = NULL;
    CELLA_BUFFER leaf = {0}, chain = {0};
    GOOD(cella_cert_import(bundle, password, &material, &leaf, &chain));
    assert_int_equal(EVP_PKEY_eq(cella_material_pkey(material), key), 1);
    assert_true(cella_cert_fits(cella_buffer_bytes(&leaf), material));
    assert_int_equal(chain.size != 0, behind != 0);
}

static void refused(struct cella_bytes bundle, const char *password, const char *what) {
    CELLA_MATERIAL material = NULL;
    CELLA_BUFFER leaf = {0}, chain = {0};
    struct cella_result result = cella_cert_import(bundle, password, &material, &leaf, &chain);
    if (!cella_failed(result)) fail_msg("%s: taken", what);
    enum cella_code code = cella_code_of(result);
    if (code != CELLA_ERR_FORMAT && code != CELLA_ERR_UNSUPPORTED) fail_msg("%s: %d", what, code);
    assert_null(material);
    cella_result_drop(result);
}

static void to_pem(EVP_PKEY *key, X509 *x, const EVP_CIPHER *cipher, struct cella_buffer *out) {
    BIO *bio = BIO_new(BIO_s_mem());
    char *text = NULL;
    PEM_write_bio_PKCS8PrivateKey(bio, key, cipher, cipher ? "pass" : NULL, cipher ? 4 : 0, NULL,
                                  NULL);
    if (x) PEM_write_bio_X509(bio, x);
    long size = BIO_get_mem_data(bio, &text);
    out->size = 0;
    GOOD(cella_buffer_append(out, cella_bytes(text, (size_t)size)));
    BIO_free(bio);
}

/* --- What is taken --- */

static void what_others_export(void **state) {
    (void)state;
    static const struct shape shapes[] = {
        {"pass", NID_aes_256_cbc, 2048, 2048},
        {"pass", NID_pbe_WithSHA1And3_Key_TripleDES_CBC, 2000, 1},
        {"pass", NID_aes_128_cbc, 100000, 100000},
        {"pass", -1, 0, 2048}, /* nothing encrypted */
        {"", NID_aes_256_cbc, 2048, 2048},
        {NULL, NID_aes_256_cbc, 2048, -1}, /* no MAC */
    };
    EVP_PKEY *key = EVP_EC_gen("prime256v1"), *rsa = EVP_RSA_gen(2048);
    X509 *x = certify(key), *other = certify(rsa);
    STACK_OF(X509) *chain = sk_X509_new_null();
    CELLA_BUFFER bundle = {0};
    sk_X509_push(chain, other);
    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
        p12(key, x, NULL, &shapes[i], &bundle);
        taken(cella_buffer_bytes(&bundle), shapes[i].password, key, 0);
        if (shapes[i].password && *shapes[i].password && shapes[i].mac_iterations > 0)
            refused(cella_buffer_bytes(&bundle), "Pass", "another password");
    }
    p12(key, x, chain, &usual, &bundle);
    taken(cella_buffer_bytes(&bundle), "pass", key, 1);
    p12(rsa, other, NULL, &usual, &bundle);
    taken(cella_buffer_bytes(&bundle), "pass", rsa, 0);
    to_pem(key, x, NULL, &bundle);
    taken(cella_buffer_bytes(&bundle), NULL, key, 0);
    to_pem(key, x, EVP_aes_256_cbc(), &bundle);
    refused(cella_buffer_bytes(&bundle), NULL, "a PEM key that is encrypted");
    to_pem(key, other, NULL, &bundle);
    refused(cella_buffer_bytes(&bundle), NULL, "the certificate of another key");
    to_pem(key, NULL, NULL, &bundle);
    refused(cella_buffer_bytes(&bundle), NULL, "a key alone");
    sk_X509_pop_free(chain, X509_free);
    X509_free(x);
    EVP_PKEY_free(key);
    EVP_PKEY_free(rsa);
}

static void cut_and_flipped(void **state) {
    (void)state;
    EVP_PKEY *key = EVP_EC_gen("prime256v1");
    X509 *x = certify(key);
    CELLA_BUFFER bundle = {0};
    p12(key, x, NULL, &(struct shape){"pass", NID_aes_256_cbc, 1, 1}, &bundle);
    for (size_t size = 0; size < bundle.size; size += 7)
        refused(cella_bytes(bundle.data, size), "pass", "cut");
    for (size_t i = 0; i < bundle.size; i++) { /* taken or not: nothing crashes */
        CELLA_MATERIAL material = NULL;
        CELLA_BUFFER leaf = {0}, chain = {0};
        bundle.data[i] ^= (uint8_t)(1U << i % 8);
        cella_result_drop(
            cella_cert_import(cella_buffer_bytes(&bundle), "pass", &material, &leaf, &chain));
        bundle.data[i] ^= (uint8_t)(1U << i % 8);
    }
    X509_free(x);
    EVP_PKEY_free(key);
}

/* --- Passwords that are stretched for ever --- */

/* A MAC of 2^31 - 1 iterations: the INTEGER at the very end (0x0800) made two bytes longer. */
static void many_mac_iterations(struct cella_buffer *bundle) {
    static const uint8_t most[] = {0x02, 0x04, 0x7f, 0xff, 0xff, 0xff};
    size_t mac = bundle->size - 2, end = bundle->size - 4;
    assert_memory_equal(bundle->data + end, "\x02\x02\x08\x00", 4);
    while (bundle->data[mac] != 0x30 || (size_t)bundle->data[mac + 1] + mac + 2 != bundle->size)
        mac--;
    bundle->data[mac + 1] = (uint8_t)(bundle->data[mac + 1] + 2);
    unsigned outer = (unsigned)bundle->data[2] << 8 | bundle->data[3]; /* 30 82 size */
    assert_int_equal(bundle->data[1], 0x82);
    bundle->data[2] = (uint8_t)((outer + 2) >> 8);
    bundle->data[3] = (uint8_t)(outer + 2);
    bundle->size = end;
    GOOD(cella_buffer_append(bundle, CELLA_BYTES_OF(most)));
}

/* Minutes each, were they not refused. */
static void stretched_for_ever(void **state) {
    (void)state;
    EVP_PKEY *key = EVP_EC_gen("prime256v1");
    X509 *x = certify(key);
    CELLA_BUFFER bundle = {0};
    p12(key, x, NULL, &usual, &bundle);
    many_mac_iterations(&bundle);
    refused(cella_buffer_bytes(&bundle), "pass", "a MAC of 2^31 - 1 iterations");
    p12(key, x, NULL, &(struct shape){"pass", NID_aes_256_cbc, 1000001, 1}, &bundle);
    refused(cella_buffer_bytes(&bundle), "pass", "more than a million iterations");
    X509_free(x);
    EVP_PKEY_free(key);
}

static void many_parts(void **state) {
    (void)state;
    EVP_PKEY *key = EVP_EC_gen("prime256v1");
    X509 *x = certify(key);
    STACK_OF(X509) *chain = sk_X509_new_null();
    CELLA_BUFFER bundle = {0};
    for (int i = 0; i < 70; i++) {
        X509_up_ref(x);
        sk_X509_push(chain, x);
    }
    p12(key, x, chain, &usual, &bundle);
    refused(cella_buffer_bytes(&bundle), "pass", "more than 64 parts");
    to_pem(key, x, NULL, &bundle);
    for (int i = 0; i < 70; i++) {
        BIO *bio = BIO_new(BIO_s_mem());
        char *text = NULL;
        PEM_write_bio_X509(bio, x);
        long size = BIO_get_mem_data(bio, &text);
        GOOD(cella_buffer_append(&bundle, cella_bytes(text, (size_t)size)));
        BIO_free(bio);
    }
    refused(cella_buffer_bytes(&bundle), NULL, "more than 64 certificates");
    sk_X509_pop_free(chain, X509_free);
    X509_free(x);
    EVP_PKEY_free(key);
}

/* --- Keys of no use --- */

static void keys_of_no_use(void **state) {
    (void)state;
    const struct {
        const char *what;
        EVP_PKEY *key;
    } rows[] = {{"RSA of 512 bits", EVP_RSA_gen(512)},
                {"RSA of 1024 bits", EVP_RSA_gen(1024)},
                {"RSA of 2056 bits", EVP_RSA_gen(2056)},
                {"P-224", EVP_EC_gen("secp224r1")},
                {"brainpool", EVP_EC_gen("brainpoolP256r1")},
                {"Ed25519", EVP_PKEY_Q_keygen(NULL, NULL, "ED25519")}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        CELLA_BUFFER bundle = {0};
        assert_non_null(rows[i].key);
        X509 *x = certify(rows[i].key);
        p12(rows[i].key, x, NULL, &usual, &bundle);
        refused(cella_buffer_bytes(&bundle), "pass", rows[i].what);
        to_pem(rows[i].key, x, NULL, &bundle);
        refused(cella_buffer_bytes(&bundle), NULL, rows[i].what);
        X509_free(x);
        EVP_PKEY_free(rows[i].key);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_others_export), cmocka_unit_test(cut_and_flipped),
        cmocka_unit_test(stretched_for_ever), cmocka_unit_test(many_parts),
        cmocka_unit_test(keys_of_no_use),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
