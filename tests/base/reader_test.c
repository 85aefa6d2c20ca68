#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/memory.h"
#include "base/reader.h"
#include "base/writer.h"

static void reads_what_was_written(void **state) {
    (void)state;
    uint8_t space[64];
    struct cella_writer w = cella_writer(space, sizeof(space));
    cella_writer_u8(&w, 1);
    cella_writer_u16le(&w, 0x0203);
    cella_writer_u32be(&w, 0x04050607);
    cella_writer_u64le(&w, 0x08090a0b0c0d0e0fULL);
    cella_writer_put(&w, cella_bytes_text("abc"));
    struct cella_reader r = cella_reader(cella_writer_bytes(&w));
    assert_int_equal(cella_reader_u8(&r), 1);
    assert_int_equal(cella_reader_u16le(&r), 0x0203);
    assert_int_equal(cella_reader_u32be(&r), 0x04050607);
    assert_true(cella_reader_u64le(&r) == 0x08090a0b0c0d0e0fULL);
    cella_reader_expect(&r, cella_bytes_text("abc"));
    assert_true(cella_reader_done(&r));
}

/* threats.md A31: every length one too long fails, sticks, and yields zeros. */
static void fails_at_the_end_and_stays_failed(void **state) {
    (void)state;
    const uint8_t five[5] = {1, 2, 3, 4, 5};
    struct cella_reader r = cella_reader(cella_bytes(five, 5));
    assert_int_equal(cella_reader_u32le(&r), 0x04030201);
    assert_int_equal(cella_reader_u16le(&r), 0);
    assert_true(r.failed);
    assert_int_equal(cella_reader_u8(&r), 0);
    assert_int_equal(cella_reader_left(&r), 0);
    struct cella_reader sub = cella_reader_sub(&r, 1);
    assert_true(sub.failed);
    r = cella_reader(cella_bytes(five, 5));
    assert_null(cella_reader_bytes(&r, SIZE_MAX).data);
    assert_true(r.failed);
    uint8_t out[6] = {9, 9, 9, 9, 9, 9};
    r = cella_reader(cella_bytes(five, 5));
    cella_reader_copy(&r, out, 6);
    assert_int_equal(out[0], 0);
    assert_false(cella_reader_done(&r));
}

static void writer_never_passes_its_capacity(void **state) {
    (void)state;
    uint8_t space[8] = {0};
    struct cella_writer w = cella_writer(space, 5);
    cella_writer_u32le(&w, 1);
    cella_writer_u16le(&w, 0xffff);
    assert_true(w.failed);
    assert_int_equal(space[4], 0);
    assert_int_equal(cella_writer_bytes(&w).size, 0);
}

/* threats.md R20: compared with 128-bit arithmetic over the edge set. */
static void range_inside_equals_wide_arithmetic(void **state) {
    (void)state;
    const uint64_t base = 0x10000, size = 0x4000;
    const uint64_t edge[] = {0,           1,
                             base - 1,    base,
                             base + 1,    base + size - 1,
                             base + size, base + size + 1,
                             size - 1,    size,
                             size + 1,    1ULL << 63,
                             UINT64_MAX};
    for (size_t i = 0; i < sizeof(edge) / 8; i++)
        for (size_t j = 0; j < sizeof(edge) / 8; j++) {
            unsigned __int128 end = (unsigned __int128)edge[i] + edge[j];
            bool want = edge[i] >= base && end <= (unsigned __int128)base + size;
            assert_int_equal(cella_range_inside(edge[i], edge[j], base, size), want);
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_was_written),
        cmocka_unit_test(fails_at_the_end_and_stays_failed),
        cmocka_unit_test(writer_never_passes_its_capacity),
        cmocka_unit_test(range_inside_equals_wide_arithmetic),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
