/* AES-256-GCM: published vectors, equality of every implementation with OpenSSL, refusal of every
 * changed bit. */
#include "seal/gcm.h"

#include <openssl/evp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "base/text.h"
#include "seal/gcm_internal.h"

struct vector {
    const char *key, *nonce, *aad, *plain, *cipher, *tag;
};

/* McGrew and Viega, "The Galois/Counter Mode of Operation", appendix B, test cases 13 to 16
 * (AES-256, 96-bit IV). */
static const struct vector vectors[] = {
    {"0000000000000000000000000000000000000000000000000000000000000000", "000000000000000000000000",
     "", "", "", "530f8afbc74536b9a963b4f1c4cb738b"},
    {"0000000000000000000000000000000000000000000000000000000000000000", "000000000000000000000000",
     "", "00000000000000000000000000000000", "cea7403d4d606b6e074ec5d3baf39d18",
     "d0d1c8a799996bf0265b98b5d48ab919"},
    {"feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308", "cafebabefacedbaddecaf888",
     "",
     "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b"
     "525b16aedf5aa0de6"
     "57ba637b391aafd255",
     "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828"
     "838c5f61e6393ba7a"
     "0abcc9f662898015ad",
     "b094dac5d93471bdec1a502270e3cc6c"},
    {"feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308", "cafebabefacedbaddecaf888",
     "feedfacedeadbeeffeedfacedeadbeefabaddad2",
     "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b"
     "525b16aedf5aa0de6"
     "57ba637b39",
     "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828"
     "838c5f61e6393ba7a"
     "0abcc9f662",
     "76fc6ece0f4e1768cddf8853bb2d551b"},
};

static size_t unhex(const char *text, uint8_t *out) {
    assert_false(cella_failed(cella_hex_decode(cella_bytes_text(text), out, strlen(text) / 2)));
    return strlen(text) / 2;
}

static void check_vector(const struct vector *v) {
    uint8_t key[32], nonce[12], aad[64], plain[64], cipher[64], tag[16], out[64], got[16];
    unhex(v->key, key);
    unhex(v->nonce, nonce);
    unhex(v->tag, tag);
    size_t aad_size = unhex(v->aad, aad), size = unhex(v->plain, plain);
    unhex(v->cipher, cipher);
    struct cella_gcm gcm;
    cella_gcm_init(&gcm, key);
    cella_gcm_encrypt(&gcm, nonce, cella_bytes(aad, aad_size), cella_bytes(plain, size), out, got);
    assert_memory_equal(got, tag, 16);
    if (size) assert_memory_equal(out, cipher, size);
    assert_true(cella_gcm_decrypt(&gcm, nonce, cella_bytes(aad, aad_size),
                                  cella_bytes(cipher, size), out, tag));
    if (size) assert_memory_equal(out, plain, size);
}

static void each_kind(void (*check)(void)) {
    int tried = 0;
    for (int kind = CELLA_GCM_BEARSSL; kind <= CELLA_GCM_VAES_AVX512; kind++) {
        if (!cella_gcm_available((enum cella_gcm_kind)kind)) {
            printf("notice: implementation %d is not available on this processor\n", kind);
            continue;
        }
        cella_gcm_force((enum cella_gcm_kind)kind);
        check();
        tried++;
    }
    cella_gcm_force(CELLA_GCM_AUTO);
    assert_true(tried >= 1);
}

static void check_vectors(void) {
    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) check_vector(&vectors[i]);
}

static void published_vectors(void **state) {
    (void)state;
    each_kind(check_vectors);
}

static void openssl_encrypt(const uint8_t *key, const uint8_t *nonce, struct cella_bytes aad,
                            struct cella_bytes in, uint8_t *out, uint8_t *tag) {
    EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    int n = 0;
    assert_int_equal(EVP_EncryptInit_ex(c, EVP_aes_256_gcm(), NULL, key, nonce), 1);
    if (aad.size) assert_int_equal(EVP_EncryptUpdate(c, NULL, &n, aad.data, (int)aad.size), 1);
    if (in.size) assert_int_equal(EVP_EncryptUpdate(c, out, &n, in.data, (int)in.size), 1);
    assert_int_equal(EVP_EncryptFinal_ex(c, out + in.size, &n), 1);
    assert_int_equal(EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_GET_TAG, 16, tag), 1);
    EVP_CIPHER_CTX_free(c);
}

enum { SIZE_MAX_TRIED = 70000 };

static void fill(uint8_t *p, size_t size) {
    for (size_t i = 0; i < size; i++) p[i] = (uint8_t)rand();
}

static void check_against_openssl(void) {
    uint8_t *plain = malloc(SIZE_MAX_TRIED + 64), *mine = malloc(SIZE_MAX_TRIED + 64),
            *theirs = malloc(SIZE_MAX_TRIED + 64);
    srand(7);
    for (int i = 0; i < 400; i++) {
        size_t size = i < 300 ? (size_t)i : (size_t)rand() % (SIZE_MAX_TRIED + 1),
               shift = (size_t)rand() % 16;
        uint8_t key[32], nonce[12], aad[200], tag[16], their_tag[16];
        struct cella_bytes a = cella_bytes(aad, (size_t)rand() % sizeof(aad));
        fill(key, 32), fill(nonce, 12), fill(aad, sizeof(aad)), fill(plain, size + shift);
        struct cella_gcm gcm;
        cella_gcm_init(&gcm, key);
        cella_gcm_encrypt(&gcm, nonce, a, cella_bytes(plain + shift, size), mine, tag);
        openssl_encrypt(key, nonce, a, cella_bytes(plain + shift, size), theirs, their_tag);
        assert_memory_equal(mine, theirs, size);
        assert_memory_equal(tag, their_tag, 16);
        assert_true(
            cella_gcm_decrypt(&gcm, nonce, a, cella_bytes(mine, size), mine, tag)); /* in place */
        assert_memory_equal(mine, plain + shift, size);
        cella_gcm_encrypt(&gcm, nonce, a, cella_bytes(mine, size), mine, tag);
        assert_memory_equal(mine, theirs, size);
    }
    free(plain), free(mine), free(theirs);
}

static void equals_openssl(void **state) {
    (void)state;
    each_kind(check_against_openssl);
}

static void check_refusals(void) {
    uint8_t key[32], nonce[12], aad[16], plain[48], cipher[48], out[48], tag[16], zero[48] = {0};
    fill(key, 32), fill(nonce, 12), fill(aad, 16), fill(plain, 48);
    struct cella_gcm gcm;
    cella_gcm_init(&gcm, key);
    cella_gcm_encrypt(&gcm, nonce, CELLA_BYTES_OF(aad), CELLA_BYTES_OF(plain), cipher, tag);
    struct {
        uint8_t *data;
        size_t size;
    } fields[] = {{nonce, 12}, {aad, 16}, {cipher, 48}, {tag, 16}};
    for (size_t f = 0; f < 4; f++)
        for (size_t bit = 0; bit < fields[f].size * 8; bit++) { /* every bit (R72) */
            fields[f].data[bit / 8] ^= (uint8_t)(1u << bit % 8);
            memset(out, 0xaa, sizeof(out));
            assert_false(cella_gcm_decrypt(&gcm, nonce, CELLA_BYTES_OF(aad), CELLA_BYTES_OF(cipher),
                                           out, tag));
            assert_memory_equal(out, zero, sizeof(out)); /* nothing of the plaintext leaks */
            fields[f].data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
    assert_false(
        cella_gcm_decrypt(&gcm, nonce, CELLA_BYTES_OF(aad), cella_bytes(cipher, 47), out, tag));
    assert_false(
        cella_gcm_decrypt(&gcm, nonce, cella_bytes(aad, 15), CELLA_BYTES_OF(cipher), out, tag));
    assert_true(
        cella_gcm_decrypt(&gcm, nonce, CELLA_BYTES_OF(aad), CELLA_BYTES_OF(cipher), out, tag));
}

static void refuses_every_bit(void **state) {
    (void)state;
    each_kind(check_refusals);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published_vectors),
        cmocka_unit_test(equals_openssl),
        cmocka_unit_test(refuses_every_bit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
