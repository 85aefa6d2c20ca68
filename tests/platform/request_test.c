/* Clients' requests and load plans: whole or refused. */
#include "cmocka_all.h"

#include <sys/mman.h>

#include "base/writer.h"
#include "platform/load.h"
#include "platform/request.h"

static size_t start_request(uint8_t out[512], const char *name, size_t size) {
    struct cella_writer w = cella_writer(out, 512);
    cella_writer_u32le(&w, CELLA_PROTOCOL_START);
    cella_writer_u32le(&w, CELLA_PROTOCOL_VERSION);
    cella_writer_u16le(&w, (uint16_t)size);
    cella_writer_put(&w, cella_bytes(name, size));
    return w.size;
}

static void test_start(void **state) {
    (void)state;
    uint8_t bytes[512];
    struct cella_request request;
    size_t size = start_request(bytes, "app\x1b[2J.cella", 13);
    assert_ok(cella_request_decode(cella_bytes(bytes, size), 5, &request));
    assert_string_equal(request.name,
                        "app?[2J.cella"); /* a terminal's escape does not reach a log */
    for (size_t cut = 0; cut < size; cut++)
        assert_code(CELLA_ERR_PROTOCOL, cella_request_decode(cella_bytes(bytes, cut), 5, &request));
    for (int fds = 0; fds < 9; fds++)
        if (fds != 5)
            assert_code(CELLA_ERR_PROTOCOL,
                        cella_request_decode(cella_bytes(bytes, size), fds, &request));
    bytes[size] = 0;
    assert_code(CELLA_ERR_PROTOCOL,
                cella_request_decode(cella_bytes(bytes, size + 1), 5, &request));
    char longest[300];
    memset(longest, 'n', sizeof(longest));
    assert_ok(
        cella_request_decode(cella_bytes(bytes, start_request(bytes, longest, 255)), 5, &request));
    assert_code(CELLA_ERR_PROTOCOL,
                cella_request_decode(cella_bytes(bytes, start_request(bytes, longest, 256)), 5,
                                     &request));
    bytes[4] = 2;
    assert_code(CELLA_ERR_UNSUPPORTED, cella_request_decode(cella_bytes(bytes, size), 5, &request));
}

static void test_signal_numbers(void **state) {
    (void)state;
    struct cella_request request;
    static const uint32_t bad[] = {0, 65, 66, 0x80000000U, UINT32_MAX};
    uint8_t bytes[12];
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]) + 1; i++) {
        struct cella_writer w = cella_writer(bytes, sizeof(bytes));
        cella_writer_u32le(&w, CELLA_PROTOCOL_SIGNAL);
        cella_writer_u32le(&w, CELLA_PROTOCOL_VERSION);
        cella_writer_u32le(&w, i < 5 ? bad[i] : 15);
        assert_code(i < 5 ? CELLA_ERR_PROTOCOL : CELLA_OK,
                    cella_request_decode(CELLA_BYTES_OF(bytes), 0, &request));
    }
    assert_int_equal(request.signal, 15);
}

static struct cella_load plan, copy;

static void make_plan(void) {
    plan = (struct cella_load){.enclave_size = 1 << 20,
                               .secret = true,
                               .entry = 0x1000,
                               .stack_top = 0x9000,
                               .start_offset = 0xa000,
                               .config_offset = 0x2000,
                               .config_size = 5,
                               .region_count = 3};
    plan.region[0] = (struct cella_load_region){0x1000, 1, 0x3000, PROT_READ | PROT_EXEC,
                                                CELLA_REGION_SHIM_TEXT};
    plan.region[1] =
        (struct cella_load_region){0x8000, 1, 0, PROT_READ | PROT_WRITE, CELLA_REGION_THREAD_STACK};
    plan.region[2] =
        (struct cella_load_region){0xa000, 2, 0, PROT_READ | PROT_WRITE, CELLA_REGION_START};
}

enum { AT_REGION_COUNT = 56 };
static uint32_t forged_count; /* 0: as it is */

static struct cella_result round_trip(size_t cut) {
    static uint8_t bytes[CELLA_LOAD_ENCODED_MAX];
    struct cella_writer w = cella_writer(bytes, sizeof(bytes));
    cella_load_encode(&plan, &w);
    if (forged_count) cella_writer_patch_u32le(&w, AT_REGION_COUNT, forged_count);
    struct cella_reader r = cella_reader(cella_bytes(bytes, cut < w.size ? cut : w.size));
    return cella_load_decode(&r, &copy);
}

static void test_plan(void **state) {
    (void)state;
    make_plan();
    assert_ok(round_trip(SIZE_MAX));
    assert_int_equal(cella_load_writable_pages(&copy), 3);
    assert_int_equal(copy.region[2].offset, 0xa000);
    for (size_t cut = 0; cut < 60 + 3 * 32; cut++) assert_code(CELLA_ERR_FORMAT, round_trip(cut));
}

/* R49, R21: what the mapping code relies on is checked where the plan is read. */
static void test_bad_plans(void **state) {
    (void)state;
#define REFUSED(change)                                                                            \
    do {                                                                                           \
        make_plan();                                                                               \
        change;                                                                                    \
        assert_code(CELLA_ERR_FORMAT, round_trip(SIZE_MAX));                                       \
    } while (0)
    REFUSED(plan.enclave_size = 3 << 20);
    REFUSED(plan.enclave_size = 0);
    REFUSED(plan.enclave_size = 1ULL << 63);
    REFUSED(plan.base_mode = 2);
    REFUSED(plan.entry = 1 << 20);
    REFUSED(plan.start_offset = (1 << 20) - 1);
    REFUSED(forged_count = CELLA_IMAGE_REGION_MAX + 1);
    REFUSED(forged_count = 4); /* one more than there is */
    forged_count = 0;
    REFUSED(plan.region[1].prot |= PROT_EXEC);
    REFUSED(plan.region[0].prot |= PROT_WRITE);
    REFUSED(plan.region[0].prot = 8);
    REFUSED(plan.region[0].file_offset = 0);
    REFUSED(plan.region[0].file_offset = 0x3001);
    REFUSED(plan.region[1].file_offset = 0x3000);
    REFUSED(plan.region[1].offset = 0x1000);
    REFUSED(plan.region[1].offset = 0x8001);
    REFUSED(plan.region[1].pages = 0);
    REFUSED(plan.region[1].pages = 3);
    REFUSED(plan.region[2].pages = UINT64_MAX / 4096);
    REFUSED(plan.region[2].pages = 1ULL << 52);
    REFUSED(plan.region[2].offset = UINT64_MAX - 4095);
    REFUSED(plan.base_mode =
                CELLA_IMAGE_BASE_ZERO); /* its first region lies in the lowest 64 KiB */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_start),
        cmocka_unit_test(test_signal_numbers),
        cmocka_unit_test(test_plan),
        cmocka_unit_test(test_bad_plans),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
