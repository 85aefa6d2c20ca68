#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"
#include "crypto/digest.h"
#include "crypto/key.h"

static bool fails(struct cella_result r) {
    bool failed = cella_failed(r);
    cella_result_print(r);
    cella_result_drop(r);
    return failed;
}
#define OK(r) assert_false(fails(r))

static enum cella_code code_of(struct cella_result r) {
    enum cella_code code = cella_code_of(r);
    cella_result_drop(r);
    return code;
}

static struct cella_bytes text(const char *t) { return cella_bytes_text(t); }

static void signs_and_verifies(void **state) {
    (void)state;
    CELLA_KEY key = NULL;
    CELLA_KEY public = NULL;
    CELLA_KEY other = NULL;
    CELLA_KEY same = NULL;
    CELLA_BUFFER spki = {0};
    uint8_t signature[64], print[32], digest[32];
    OK(cella_key_new_p256(&key));
    OK(cella_key_new_p256(&other));
    OK(cella_key_share(key, &same));
    OK(cella_key_spki(key, &spki));
    assert_int_equal(spki.size, CELLA_P256_SPKI_SIZE);
    OK(cella_key_public(cella_buffer_bytes(&spki), &public));
    OK(cella_key_fingerprint(public, print));
    OK(cella_sha256(cella_buffer_bytes(&spki), digest));
    assert_memory_equal(print, digest, 32);
    OK(cella_key_sign_p256(same, text("message"), signature));
    OK(cella_key_verify_p256(public, text("message"), signature));
    OK(cella_key_verify_p256(key, text("message"), signature));
    assert_int_equal(code_of(cella_key_verify_p256(public, text("messagf"), signature)),
                     CELLA_ERR_INTEGRITY);
    assert_int_equal(code_of(cella_key_verify_p256(other, text("message"), signature)),
                     CELLA_ERR_INTEGRITY);
    assert_int_equal(code_of(cella_key_sign_p256(public, text("message"), signature)),
                     CELLA_ERR_USAGE);
    for (size_t bit = 0; bit < 512; bit++) {
        signature[bit / 8] ^= (uint8_t)(1U << bit % 8);
        assert_int_equal(code_of(cella_key_verify_p256(public, text("message"), signature)),
                         CELLA_ERR_INTEGRITY);
        signature[bit / 8] ^= (uint8_t)(1U << bit % 8);
    }
}

/* RFC 6979 section A.2.5: P-256, SHA-256, message "sample". */
static void verifies_a_published_signature(void **state) {
    (void)state;
    uint8_t spki[91], signature[64];
    CELLA_KEY key = NULL;
    OK(cella_hex_decode(text("3059301306072a8648ce3d020106082a8648ce3d030107034200"
                             "0460fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6"
                             "7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299"),
                        spki, 91));
    OK(cella_hex_decode(text("efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716"
                             "f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8"),
                        signature, 64));
    OK(cella_key_public(CELLA_BYTES_OF(spki), &key));
    OK(cella_key_verify_p256(key, text("sample"), signature));
    assert_int_equal(code_of(cella_key_verify_p256(key, text("test"), signature)),
                     CELLA_ERR_INTEGRITY);
    spki[90] ^= 1; /* off the curve (threats.md A20) */
    CELLA_KEY off = NULL;
    assert_int_equal(code_of(cella_key_public(CELLA_BYTES_OF(spki), &off)), CELLA_ERR_FORMAT);
    assert_null(off);
}

static void keeps_a_private_key_private(void **state) {
    (void)state;
    char folder[] = "/tmp/cella-key-XXXXXX", path[64];
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/key.pem", folder);
    CELLA_KEY key = NULL;
    CELLA_KEY again = NULL;
    struct stat st;
    uint8_t a[32], b[32], signature[64];
    OK(cella_key_new_p256(&key));
    OK(cella_key_save(key, path));
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(code_of(cella_key_save(key, path)), CELLA_ERR_EXISTS);
    OK(cella_key_load_p256(path, &again));
    OK(cella_key_fingerprint(key, a));
    OK(cella_key_fingerprint(again, b));
    assert_memory_equal(a, b, 32);
    OK(cella_key_sign_p256(again, text("m"), signature));
    OK(cella_key_verify_p256(key, text("m"), signature));
    cella_key_free(&again);
    assert_int_equal(chmod(path, 0640), 0);
    assert_int_equal(code_of(cella_key_load_p256(path, &again)), CELLA_ERR_PERMISSION);
    assert_null(again);
    unlink(path);
    OK(cella_file_write(
        path, text("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"), 0600, 0));
    assert_int_equal(code_of(cella_key_load_p256(path, &again)), CELLA_ERR_FORMAT);
    unlink(path);
    rmdir(folder);
}

static void der_of(EVP_PKEY *pkey, struct cella_buffer *out) {
    unsigned char *der = NULL;
    int n = i2d_PUBKEY(pkey, &der);
    assert_true(n > 0);
    out->size = 0;
    OK(cella_buffer_append(out, cella_bytes(der, (size_t)n)));
    OPENSSL_free(der);
}

static enum cella_code try_public(struct cella_bytes bytes) {
    CELLA_KEY key = NULL;
    enum cella_code code = code_of(cella_key_public(bytes, &key));
    assert_int_equal(code == CELLA_OK, key != NULL);
    return code;
}

/* One key, one encoding (threats.md A20, A30): others of the same key would give it a second
 * fingerprint. */
static void takes_one_encoding_only(void **state) {
    (void)state;
    CELLA_BUFFER der = {0};
    EVP_PKEY *key = EVP_EC_gen("P-256");
    der_of(key, &der);
    assert_int_equal(try_public(cella_buffer_bytes(&der)), CELLA_OK);
    OK(cella_buffer_append(&der, cella_bytes("", 1)));
    assert_int_equal(try_public(cella_buffer_bytes(&der)), CELLA_ERR_FORMAT);
    for (size_t n = 0; n < 91; n++)
        assert_int_equal(try_public(cella_bytes(der.data, n)), CELLA_ERR_FORMAT);
    assert_true(EVP_PKEY_set_utf8_string_param(key, OSSL_PKEY_PARAM_EC_POINT_CONVERSION_FORMAT,
                                               "compressed") > 0);
    der_of(key, &der);
    assert_true(der.size < 91);
    assert_int_equal(try_public(cella_buffer_bytes(&der)), CELLA_ERR_FORMAT);
    EVP_PKEY_free(key);
    key = EVP_EC_gen("P-256");
    der_of(key, &der);
    der.data[26] = 6 | (der.data[90] & 1); /* the hybrid form: as long as the uncompressed one */
    assert_int_equal(try_public(cella_buffer_bytes(&der)), CELLA_ERR_FORMAT);
    assert_true(EVP_PKEY_set_utf8_string_param(key, OSSL_PKEY_PARAM_EC_ENCODING,
                                               OSSL_PKEY_EC_ENCODING_EXPLICIT) > 0);
    der_of(key, &der);
    assert_true(der.size > 91);
    assert_int_equal(try_public(cella_buffer_bytes(&der)), CELLA_ERR_FORMAT);
    EVP_PKEY_free(key);
}

static void takes_two_kinds_only(void **state) {
    (void)state;
    static const char *const curves[] = {"P-384", "P-521", "secp256k1"};
    CELLA_BUFFER der = {0};
    for (size_t i = 0; i < 3; i++) {
        EVP_PKEY *key = EVP_EC_gen(curves[i]);
        der_of(key, &der);
        assert_int_equal(try_public(cella_buffer_bytes(&der)), CELLA_ERR_FORMAT);
        EVP_PKEY_free(key);
    }
    static const struct {
        unsigned bits;
        enum cella_code code;
    } sizes[] = {{1024, CELLA_ERR_FORMAT}, {2048, CELLA_OK}};
    for (size_t i = 0; i < 2; i++) {
        EVP_PKEY *key = EVP_RSA_gen(sizes[i].bits);
        der_of(key, &der);
        assert_int_equal(try_public(cella_buffer_bytes(&der)), sizes[i].code);
        EVP_PKEY_free(key);
    }
    EVP_PKEY *ed = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    der_of(ed, &der);
    assert_int_equal(try_public(cella_buffer_bytes(&der)), CELLA_ERR_FORMAT);
    EVP_PKEY_free(ed);
}

static void reads_pem_of_one_key(void **state) {
    (void)state;
    EVP_PKEY *key = EVP_EC_gen("P-256");
    BIO *bio = BIO_new(BIO_s_mem());
    assert_true(PEM_write_bio_PUBKEY(bio, key) > 0);
    char *pem = NULL;
    long n = BIO_get_mem_data(bio, &pem);
    CELLA_BUFFER twice = {0};
    OK(cella_buffer_append(&twice, cella_bytes(pem, (size_t)n)));
    assert_int_equal(try_public(cella_buffer_bytes(&twice)), CELLA_OK);
    OK(cella_buffer_append(&twice, text("\r\n")));
    assert_int_equal(try_public(cella_buffer_bytes(&twice)), CELLA_OK);
    OK(cella_buffer_append(&twice, cella_bytes(pem, (size_t)n)));
    assert_int_equal(try_public(cella_buffer_bytes(&twice)), CELLA_ERR_FORMAT);
    for (size_t cut = 0; cut + 2 < (size_t)n; cut++)
        assert_int_equal(try_public(cella_bytes(twice.data, cut)), CELLA_ERR_FORMAT);
    BIO_free(bio);
    bio = BIO_new(BIO_s_mem()); /* a private key is no public key */
    assert_true(PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) > 0);
    n = BIO_get_mem_data(bio, &pem);
    assert_int_equal(try_public(cella_bytes(pem, (size_t)n)), CELLA_ERR_FORMAT);
    BIO_free(bio);
    EVP_PKEY_free(key);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signs_and_verifies),
        cmocka_unit_test(verifies_a_published_signature),
        cmocka_unit_test(keeps_a_private_key_private),
        cmocka_unit_test(takes_one_encoding_only),
        cmocka_unit_test(takes_two_kinds_only),
        cmocka_unit_test(reads_pem_of_one_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
