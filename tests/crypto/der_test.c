/* DER as X.690 section 10 and 11 has it, and BER's other spellings refused (A30, A31). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#include "base/text.h"
#include "crypto/der.h"

static uint8_t store[300];

static struct cella_reader reader(const char *hex) {
    struct cella_result r = cella_hex_decode(cella_bytes_text(hex), store, strlen(hex) / 2);
    assert_false(cella_failed(r));
    return cella_reader(cella_bytes(store, strlen(hex) / 2));
}

static void reads_lengths(void **state) {
    (void)state;
    static const struct {
        const char *head;
        size_t content; /* bytes that lie there */
        bool good;
    } cases[] = {
        {"0400", 0, true},
        {"0405", 5, true},
        {"047f", 127, true},
        {"048180", 128, true},
        {"0481ff", 255, true},
        {"04820100", 256, true},
        {"0480", 0, false},
        {"048100", 0, false},
        {"04817f", 127, false},
        {"048200ff", 255, false},
        {"0483000100", 256, false},
        {"0484000000ff", 255, false},
        {"0485000000ff", 255, false},
        {"0405", 4, false},
        {"048180", 127, false},
        {"0484ffffffff", 200, false},
        {"0488ffffffffffffffff", 200, false},
        {"04ff", 255, false},
        {"04", 0, false},
        {"0481", 0, false},
        {"", 0, false},
        {"0305", 5, false},
        {"2405", 5, false},
        {"8405", 5, false},
        {"1f0405", 5, false},
        {"0000", 0, false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        memset(store, 0xee, sizeof(store));
        struct cella_reader r = reader(cases[i].head);
        r.size += cases[i].content;
        struct cella_reader whole = r, sub = r;
        struct cella_bytes content = cella_der_bytes(&r, CELLA_DER_OCTET_STRING);
        assert_int_equal(cella_reader_done(&r), cases[i].good);
        assert_int_equal(content.size, cases[i].good ? cases[i].content : 0);
        struct cella_reader inner = cella_der_read(&sub, CELLA_DER_OCTET_STRING);
        assert_int_equal(inner.failed, !cases[i].good);
        uint8_t tag = 0;
        struct cella_bytes all = cella_der_whole(&whole, &tag);
        if (cases[i].good)
            assert_true(all.data == store && all.size == whole.size &&
                        tag == CELLA_DER_OCTET_STRING);
    }
}

static void reads_numbers(void **state) {
    (void)state;
    static const struct {
        const char *hex;
        uint64_t value;
        bool good;
    } cases[] = {
        {"020100", 0, true},
        {"02017f", 127, true},
        {"02020080", 128, true},
        {"0203010001", 65537, true},
        {"02087fffffffffffffff", INT64_MAX, true},
        {"020900ffffffffffffffff", UINT64_MAX, true},
        {"0200", 0, false},
        {"020180", 0, false},
        {"0202007f", 0, false},
        {"02020000", 0, false},
        {"0209010000000000000000", 0, false},
        {"020a00ffffffffffffffffff", 0, false},
        {"0a0101", 0, false},
        {"0202ff80", 0, false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct cella_reader r = reader(cases[i].hex);
        uint64_t value = cella_der_number(&r, CELLA_DER_INTEGER);
        assert_int_equal(cella_reader_done(&r), cases[i].good);
        assert_true(value == (cases[i].good ? cases[i].value : 0));
    }
    struct cella_reader r = reader("0a0102");
    assert_int_equal(cella_der_number(&r, CELLA_DER_ENUMERATED), 2);
}

static void reads_booleans(void **state) {
    (void)state;
    static const char *const bad[] = {"010101", "01017f", "0100", "01020000", "0201ff"};
    struct cella_reader r = reader("0101ff010100");
    assert_true(cella_der_boolean(&r));
    assert_false(cella_der_boolean(&r));
    assert_true(cella_reader_done(&r));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct cella_reader b = reader(bad[i]);
        assert_false(cella_der_boolean(&b));
        assert_true(b.failed);
    }
}

static struct cella_reader time_reader(bool general, const char *text) {
    store[0] = general ? CELLA_DER_GENERALIZED_TIME : CELLA_DER_UTC_TIME;
    store[1] = (uint8_t)strlen(text);
    memcpy(store + 2, text, strlen(text));
    return cella_reader(cella_bytes(store, 2 + strlen(text)));
}

/* Against the C library, a day and a bit at a time from 1970 to past 2400. */
static void reads_times_as_libc(void **state) {
    (void)state;
    for (time_t t = 0; t < 14000000000; t += 86400 + 3607) {
        struct tm tm;
        char text[40];
        gmtime_r(&t, &tm);
        strftime(text, sizeof(text), "%Y%m%d%H%M%SZ", &tm);
        struct cella_reader r = time_reader(true, text);
        assert_true(cella_der_time_unix(&r) == (uint64_t)t && cella_reader_done(&r));
        if (tm.tm_year >= 150) continue;
        r = time_reader(false, text + 2);
        assert_true(cella_der_time_unix(&r) == (uint64_t)t && cella_reader_done(&r));
    }
    struct cella_reader last = time_reader(true, "99991231235959Z");
    assert_true(cella_der_time_unix(&last) == 253402300799 && cella_reader_done(&last));
}

static void refuses_times(void **state) {
    (void)state;
    static const struct {
        bool general;
        const char *text;
    } bad[] = {
        {false, "500101000000Z"}, /* 1950 */
        {true, "19691231235959Z"},   {true, "00000101000000Z"},    {false, "2301010000Z"},
        {false, "230101000000"},     {false, "230101000000+0000"}, {false, "231301000000Z"},
        {false, "230001000000Z"},    {false, "230132000000Z"},     {false, "230100000000Z"},
        {false, "230229000000Z"},    {false, "230431000000Z"},     {false, "230101240000Z"},
        {false, "230101006000Z"},    {false, "230101000060Z"},     {false, "230101000000z"},
        {false, "2301010000 0Z"},    {false, "23010100000:Z"},     {false, "23010100000/Z"},
        {true, "20230101000000.5Z"}, {true, "230101000000Z"},      {true, "21000229000000Z"},
        {false, "20230101000000Z"},  {false, "230101000000ZZ"},    {false, ""},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct cella_reader r = time_reader(bad[i].general, bad[i].text);
        uint64_t t = cella_der_time_unix(&r);
        if (!r.failed || t != 0) printf("taken: %s\n", bad[i].text);
        assert_true(r.failed && t == 0);
    }
}

/* A failure sticks: nothing after it is read. */
static void stays_failed(void **state) {
    (void)state;
    struct cella_reader r = reader("0201800201050101ff0403010203");
    assert_int_equal(cella_der_number(&r, CELLA_DER_INTEGER), 0);
    assert_int_equal(cella_der_number(&r, CELLA_DER_INTEGER), 0);
    assert_false(cella_der_boolean(&r));
    assert_int_equal(cella_der_bytes(&r, CELLA_DER_OCTET_STRING).size, 0);
    assert_int_equal(cella_der_peek(&r), 0);
    assert_true(cella_der_read(&r, CELLA_DER_OCTET_STRING).failed);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_lengths),  cmocka_unit_test(reads_numbers),
        cmocka_unit_test(reads_booleans), cmocka_unit_test(reads_times_as_libc),
        cmocka_unit_test(refuses_times),  cmocka_unit_test(stays_failed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
