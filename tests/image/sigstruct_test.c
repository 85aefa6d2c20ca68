#include "sample.h"

#include <dirent.h>

#include "base/text.h"
#include "image/sigstruct.h"

static bool read_vector(const char *name, struct cella_buffer *out) {
    char path[8192];
    const char *folder = sample_vectors();
    if (!folder) return false;
    snprintf(path, sizeof(path), "%s/sgx-sigstruct/%s/sigstruct.bin", folder, name);
    assert_ok(cella_file_read(path, 65536, out));
    return true;
}

/* Real ones, signed by Intel and others: signature, Q1, Q2, and written back byte for byte. */
static void all_vectors(void **state) {
    (void)state;
    char path[8192];
    unsigned seen = 0;
    if (!sample_vectors()) skip();
    snprintf(path, sizeof(path), "%s/sgx-sigstruct", sample_vectors());
    DIR *dir = opendir(path);
    assert_non_null(dir);
    for (struct dirent *e; (e = readdir(dir));) {
        CELLA_BUFFER file = {0};
        struct cella_sigstruct s;
        uint8_t again[CELLA_SGX_SIGSTRUCT_SIZE];
        if (e->d_name[0] == '.') continue;
        assert_true(read_vector(e->d_name, &file));
        assert_ok(cella_sigstruct_parse(cella_buffer_bytes(&file), &s));
        assert_ok(cella_sigstruct_verify(&s));
        cella_sigstruct_write(&s, again);
        assert_memory_equal(again, file.data, sizeof(again));
        seen++;
    }
    closedir(dir);
    assert_true(seen >= 12);
}

/* Values from the vectors' own list, made by another parser. */
static void known_values(void **state) {
    (void)state;
    static const struct {
        const char *name, *mrsigner;
        uint16_t product, svn;
        uint32_t date;
    } known[] = {
        {"intel-commonloader-sample",
         "52ce2abdf8d1d22174c06b985cd444bfa4afd278c641253496549eb4dd600275", 0, 1, 0x20180926},
        {"from-intel-pce-1.25.100.1",
         "c54a62f2be9ef76efb1f3930ad81ea7f60defc1f5f25e09b7c067a815ae0c6cb", 1, 16, 0x20240811},
        {"from-signal-cdsi-oe-3ded70",
         "fc1ec5b81f576768943b7e25cb967e59117faa793ec147be76d344e6dfeb535b", 1, 1, 0x20250718},
        {"from-gprsgx", "83d719e77deaca1470f6baf62a4d774303c899db69020f9c70ee1dfc08c7ce9e", 0, 0,
         0x20200404},
    };
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        CELLA_BUFFER file = {0};
        struct cella_sigstruct s;
        uint8_t mrsigner[32];
        char hex[65];
        if (!read_vector(known[i].name, &file)) skip();
        assert_ok(cella_sigstruct_parse(cella_buffer_bytes(&file), &s));
        assert_ok(cella_sigstruct_mrsigner(&s, mrsigner));
        cella_hex_encode(CELLA_BYTES_OF(mrsigner), hex);
        assert_string_equal(hex, known[i].mrsigner);
        assert_int_equal(s.product_id, known[i].product);
        assert_int_equal(s.svn, known[i].svn);
        assert_int_equal(s.date, known[i].date);
    }
}

static struct cella_result check(struct cella_bytes bytes) {
    struct cella_sigstruct s;
    TRY(cella_sigstruct_parse(bytes, &s));
    return cella_sigstruct_verify(&s);
}

static void make(uint8_t out[CELLA_SGX_SIGSTRUCT_SIZE]) {
    struct cella_sigstruct s = {
        .date = 0x20260101, .flags = 4, .xfrm = 3, .product_id = 1, .svn = 2};
    uint8_t message[CELLA_SIGSTRUCT_SIGNED_SIZE], modulus[CELLA_RSA3072_SIZE],
        signature[CELLA_RSA3072_SIZE];
    cella_sigstruct_signed(&s, message);
    assert_ok(cella_rsa3072_modulus(sample_key(), modulus));
    assert_ok(cella_rsa3072_sign(sample_key(), CELLA_BYTES_OF(message), signature));
    assert_ok(cella_sigstruct_attach(&s, modulus, signature));
    cella_sigstruct_write(&s, out);
}

/* No bit of it is free. */
static void every_bit_counts(void **state) {
    (void)state;
    uint8_t bytes[CELLA_SGX_SIGSTRUCT_SIZE];
    make(bytes);
    assert_ok(check(CELLA_BYTES_OF(bytes)));
    for (size_t i = 0; i < sizeof(bytes); i++)
        for (unsigned bit = 0; bit < 8; bit += i % 16 ? 7 : 1) {
            bytes[i] ^= (uint8_t)(1U << bit);
            struct cella_result r = check(CELLA_BYTES_OF(bytes));
            if (!cella_failed(r)) fail_msg("bit %u of byte %zu was flipped and accepted", bit, i);
            cella_result_drop(r);
            bytes[i] ^= (uint8_t)(1U << bit);
        }
}

static void sizes(void **state) {
    (void)state;
    uint8_t bytes[CELLA_SGX_SIGSTRUCT_SIZE + 1] = {0};
    make(bytes);
    for (size_t size = 0; size < CELLA_SGX_SIGSTRUCT_SIZE; size++)
        assert_code(check(cella_bytes(bytes, size)), CELLA_ERR_FORMAT);
    assert_code(check(CELLA_BYTES_OF(bytes)), CELLA_ERR_FORMAT);
}

/* A signature under one key is none under another. */
static void other_key(void **state) {
    (void)state;
    struct cella_sigstruct s = {.date = 0x20260101};
    uint8_t message[CELLA_SIGSTRUCT_SIGNED_SIZE], modulus[CELLA_RSA3072_SIZE],
        signature[CELLA_RSA3072_SIZE];
    CELLA_RSA3072 key = NULL;
    assert_ok(cella_rsa3072_new(&key));
    cella_sigstruct_signed(&s, message);
    assert_ok(cella_rsa3072_modulus(key, modulus));
    assert_ok(cella_rsa3072_sign(sample_key(), CELLA_BYTES_OF(message), signature));
    struct cella_result r = cella_sigstruct_attach(&s, modulus, signature);
    assert_true(cella_failed(r));
    cella_result_drop(r);
    memset(modulus, 0, sizeof(modulus));
    assert_code(cella_sigstruct_attach(&s, modulus, signature), CELLA_ERR_FORMAT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_vectors),      cmocka_unit_test(known_values),
        cmocka_unit_test(every_bit_counts), cmocka_unit_test(sizes),
        cmocka_unit_test(other_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
