#include "sample.h"

#include <dirent.h>

#include "crypto/digest.h"
#include "image/foreign.h"
#include "image/sigstruct.h"

static bool read_sgxs(struct cella_buffer *sgxs, struct cella_buffer *signature) {
    char path[8192];
    if (!sample_vectors()) return false;
    snprintf(path, sizeof(path), "%s/sgx-sgxs/test_enclave/enclave.sgxs", sample_vectors());
    assert_ok(cella_file_read(path, 1 << 20, sgxs));
    snprintf(path, sizeof(path), "%s/sgx-sgxs/test_enclave/enclave.sig", sample_vectors());
    assert_ok(cella_file_read(path, 4096, signature));
    return true;
}

/* What others' tools measured and signed is what we measure. */
static void sgxs_vector(void **state) {
    (void)state;
    CELLA_BUFFER file = {0};
    CELLA_BUFFER signature = {0};
    struct cella_sigstruct s;
    uint8_t mrenclave[32];
    if (!read_sgxs(&file, &signature)) skip();
    assert_true(cella_sgxs_is(cella_buffer_bytes(&file)));
    assert_ok(cella_sgxs_measure(cella_buffer_bytes(&file), mrenclave));
    assert_ok(cella_sigstruct_parse(cella_buffer_bytes(&signature), &s));
    assert_ok(cella_sigstruct_verify(&s));
    assert_memory_equal(mrenclave, s.mrenclave, 32);
}

static void sgxs_changed(void **state) {
    (void)state;
    CELLA_BUFFER file = {0};
    CELLA_BUFFER signature = {0};
    uint8_t mrenclave[32], changed[32];
    if (!read_sgxs(&file, &signature)) skip();
    assert_ok(cella_sgxs_measure(cella_buffer_bytes(&file), mrenclave));
    for (size_t at = 0; at < file.size; at += 61) {
        file.data[at] ^= 1;
        struct cella_result r = cella_sgxs_measure(cella_buffer_bytes(&file), changed);
        assert_true(cella_failed(r) || memcmp(mrenclave, changed, 32) != 0);
        cella_result_drop(r);
        file.data[at] ^= 1;
        r = cella_sgxs_measure(cella_bytes(file.data, at), changed);
        assert_true(cella_failed(r) || memcmp(mrenclave, changed, 32) != 0);
        cella_result_drop(r);
    }
}

/* The records of our own measurer for one page, written out by hand. */
static void sgxs_by_hand(void **state) {
    (void)state;
    static uint8_t stream[64 + 64 + 2 * 320];
    struct cella_writer w = cella_writer(stream, sizeof(stream));
    uint8_t mrenclave[32], expected[32];
    cella_writer_put(&w, cella_bytes("ECREATE", 8));
    cella_writer_u32le(&w, 1);
    cella_writer_u64le(&w, 0x10000);
    cella_writer_zero(&w, 44);
    cella_writer_put(&w, cella_bytes("EADD\0\0\0", 8));
    cella_writer_u64le(&w, 0x1000);
    cella_writer_u64le(&w, 0x201);
    cella_writer_zero(&w, 40);
    size_t measured = w.size;
    cella_writer_put(&w, cella_bytes("UNMEASRD", 8));
    cella_writer_u64le(&w, 0x1000);
    cella_writer_zero(&w, 48 + 256);
    assert_ok(cella_sha256(cella_bytes(stream, measured), expected));
    assert_ok(cella_sgxs_measure(cella_bytes(stream, w.size), mrenclave));
    assert_memory_equal(mrenclave, expected, 32);
    cella_writer_put(&w, cella_bytes("EEXTEND", 8));
    cella_writer_u64le(&w, 0x2000); /* not in the page added last */
    cella_writer_zero(&w, 48 + 256);
    assert_code(cella_sgxs_measure(cella_bytes(stream, w.size), mrenclave), CELLA_ERR_FORMAT);
    assert_code(cella_sgxs_measure(cella_bytes(stream + 64, w.size - 64), mrenclave),
                CELLA_ERR_FORMAT);
}

static void check_enclave(const char *path) {
    CELLA_BUFFER file = {0};
    struct cella_sdk_enclave e;
    struct cella_sigstruct s;
    assert_ok(cella_file_read(path, 256 << 20, &file));
    if (!cella_sdk_is(cella_buffer_bytes(&file))) return;
    assert_ok(cella_sdk_measure(cella_buffer_bytes(&file), &e));
    assert_ok(cella_sigstruct_parse(e.sigstruct, &s));
    assert_ok(cella_sigstruct_verify(&s));
    assert_memory_equal(e.mrenclave, s.mrenclave, 32);
    print_message("%s: measured as signed\n", path);
    for (size_t at = 0; at < file.size;
         at += file.size / 20 + 1) { /* cut off: refused or measured, never a crash */
        struct cella_result r = cella_sdk_measure(cella_bytes(file.data, at), &e);
        cella_result_drop(r);
    }
}

/* Signed enclaves of Intel and others are not ours to ship. CELLA_ENCLAVES names a folder that has
 * some. */
static void enclaves_in_the_field(void **state) {
    (void)state;
    const char *folder = getenv("CELLA_ENCLAVES");
    DIR *dir = folder ? opendir(folder) : NULL;
    if (!dir) {
        print_message("CELLA_ENCLAVES names no folder of signed enclaves: skipped\n");
        skip();
    }
    for (struct dirent *e; (e = readdir(dir));) {
        char path[8192];
        snprintf(path, sizeof(path), "%s/%s", folder, e->d_name);
        if (strstr(e->d_name, ".so")) check_enclave(path);
    }
    closedir(dir);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sgxs_vector),
        cmocka_unit_test(sgxs_changed),
        cmocka_unit_test(sgxs_by_hand),
        cmocka_unit_test(enclaves_in_the_field),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
