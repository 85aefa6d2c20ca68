/* MRTD of a firmware against values that other programs gave, and of a firmware made here. */
#include "sample.h"

#include "base/text.h"
#include "crypto/digest.h"
#include "image/ovmf.h"
#include "image/tdx_measure.h"

/* Debian's ovmf 2022.11-6+deb12u2, usr/share/ovmf/OVMF.fd; single pass, and two pass as two
 * independent programs have it. */
static const char debian_sha256[] =
    "7b456907dd0786d415999e801a1ac4637b8ed4d7cf5378cfc6edbe5e574dd773";
static const char single_pass[] = "4c7206f0f483c524f12c366c711e9049030a8d47c471ee5aa9c4999a08de4057"
                                  "fb887fed0744d5631a212967fb231c47";
static const char two_pass[] = "acccbcc870a381adab0d3919d90a7f268ac3b0364771f202ed4bb4e892d045b3"
                               "3db3b32e6924cba830a724eed443f7e1";

static bool read_debian(struct cella_buffer *out) {
    const char *path = getenv("CELLA_OVMF");
    uint8_t digest[32], expected[32];
    struct cella_result r =
        cella_file_read(path ? path : "/usr/share/ovmf/OVMF.fd", CELLA_OVMF_IMAGE_MAX, out);
    bool read = !cella_failed(r);
    cella_result_drop(r);
    if (!read) return false;
    assert_ok(cella_sha256(cella_buffer_bytes(out), digest));
    assert_ok(cella_hex_decode(cella_bytes_text(debian_sha256), expected, 32));
    return memcmp(digest, expected, 32) == 0; /* another version has other values */
}

static void debian_firmware(void **state) {
    (void)state;
    CELLA_BUFFER file = {0};
    uint8_t mrtd[48];
    char hex[97];
    if (!read_debian(&file)) {
        print_message("the package ovmf is not there in the version known\n");
        skip();
    }
    assert_ok(cella_tdx_mrtd(cella_buffer_bytes(&file), false, mrtd));
    cella_hex_encode(CELLA_BYTES_OF(mrtd), hex);
    assert_string_equal(hex, single_pass);
    assert_ok(cella_tdx_mrtd(cella_buffer_bytes(&file), true, mrtd));
    cella_hex_encode(CELLA_BYTES_OF(mrtd), hex);
    assert_string_equal(hex, two_pass);
}

enum { MADE_SIZE = 8192, FOOTER_AT = MADE_SIZE - 32 - 18, TDX_AT = 4096, SECTION_AT = TDX_AT + 16 };

/* Two pages; the second holds the metadata: one extended section of two pages with the first page's
 * bytes, one only added, one for later. */
static void make(uint8_t image[MADE_SIZE], uint32_t count) {
    static const uint8_t footer[16] = {0xde, 0x82, 0xb5, 0x96, 0xb2, 0x1f, 0xf7, 0x45,
                                       0xba, 0xea, 0xa3, 0x66, 0xc5, 0x5a, 0x08, 0x2d};
    static const uint8_t tdx[16] = {0x35, 0x65, 0x7a, 0xe4, 0x4a, 0x98, 0x98, 0x47,
                                    0x86, 0x5e, 0x46, 0x85, 0xa7, 0xbf, 0x8e, 0xc2};
    static const uint32_t sections[3][5] = {
        {4096, 0x10000, 8192, 0, 1}, {0, 0x40000, 4096, 3, 0}, {0, 0x80000, 4096, 4, 2}};
    memset(image, 0, MADE_SIZE);
    for (size_t i = 0; i < 4096; i++) image[i] = (uint8_t)(i * 7);
    struct cella_writer w = cella_writer(image + TDX_AT, 4096);
    cella_writer_put(&w, cella_bytes("TDVF", 4));
    cella_writer_u32le(&w, 16 + 32 * count);
    cella_writer_u32le(&w, 1);
    cella_writer_u32le(&w, count);
    for (size_t i = 0; i < 3; i++) {
        cella_writer_u32le(&w, 0);
        cella_writer_u32le(&w, sections[i][0]);
        cella_writer_u64le(&w, sections[i][1]);
        cella_writer_u64le(&w, sections[i][2]);
        cella_writer_u32le(&w, sections[i][3]);
        cella_writer_u32le(&w, sections[i][4]);
    }
    w = cella_writer(image + FOOTER_AT - 22, 22 + 18);
    cella_writer_u32le(&w, MADE_SIZE - TDX_AT);
    cella_writer_u16le(&w, 22);
    cella_writer_put(&w, CELLA_BYTES_OF(tdx));
    cella_writer_u16le(&w, 22 + 18);
    cella_writer_put(&w, CELLA_BYTES_OF(footer));
    assert_false(w.failed);
}

static void add_record(struct cella_sha384 *sha, const char *name, uint64_t gpa) {
    uint8_t record[128] = {0};
    memcpy(record, name, strlen(name));
    for (size_t i = 0; i < 8; i++) record[16 + i] = (uint8_t)(gpa >> 8 * i);
    assert_ok(cella_sha384_add(sha, CELLA_BYTES_OF(record)));
}

static void add_extends(struct cella_sha384 *sha, const uint8_t *page, uint64_t gpa) {
    for (size_t i = 0; i < 4096; i += 256) {
        add_record(sha, "MR.EXTEND", gpa + i);
        assert_ok(cella_sha384_add(sha, cella_bytes(page + i, 256)));
    }
}

/* The records of the made firmware, written out by hand. */
static void by_hand(void **state) {
    (void)state;
    static uint8_t image[MADE_SIZE], zeros[4096];
    uint8_t mrtd[48], expected[48];
    make(image, 3);
    for (int two = 0; two < 2; two++) {
        CELLA_SHA384 sha = {0};
        assert_ok(cella_sha384_begin(&sha));
        add_record(&sha, "MEM.PAGE.ADD", 0x10000);
        if (!two) add_extends(&sha, image, 0x10000);
        add_record(&sha, "MEM.PAGE.ADD", 0x11000);
        if (two) add_extends(&sha, image, 0x10000);
        add_extends(&sha, zeros, 0x11000);
        add_record(&sha, "MEM.PAGE.ADD", 0x40000);
        assert_ok(cella_sha384_end(&sha, expected));
        assert_ok(cella_tdx_mrtd(CELLA_BYTES_OF(image), two, mrtd));
        assert_memory_equal(mrtd, expected, 48);
    }
}

static void put32(uint8_t *image, size_t at, uint32_t value) {
    for (size_t i = 0; i < 4; i++) image[at + i] = (uint8_t)(value >> 8 * i);
}

/* A31: lengths and offsets that do not hold together. */
static void refusals(void **state) {
    (void)state;
    static const struct {
        size_t at;
        uint32_t value;
    } bad[] = {
        {TDX_AT, 0},
        {TDX_AT + 4, 15},
        {TDX_AT + 4, 16 + 95},
        {TDX_AT + 4, UINT32_MAX},
        {TDX_AT + 8, 2},
        {TDX_AT + 12, 4},
        {TDX_AT + 12, UINT32_MAX},
        {SECTION_AT, 4097},
        {SECTION_AT, UINT32_MAX},
        {SECTION_AT + 4, 8193},
        {SECTION_AT + 4, UINT32_MAX},
        {SECTION_AT + 8, 0x10001},
        {SECTION_AT + 16, 4095},
        {SECTION_AT + 20, 1 << 20},
        {FOOTER_AT - 22, 0},
        {FOOTER_AT - 22, MADE_SIZE + 1},
        {FOOTER_AT - 22, UINT32_MAX},
        {FOOTER_AT - 18, 0x65350000 + 17},
        {FOOTER_AT - 18, 0x65350000 + 23},
        {FOOTER_AT, 0x82de0000 + 17},
        {FOOTER_AT, 0x82de0000 + 0xffff},
    };
    static uint8_t image[MADE_SIZE];
    uint8_t mrtd[48];
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        make(image, 3);
        put32(image, bad[i].at, bad[i].value);
        struct cella_result r = cella_tdx_mrtd(CELLA_BYTES_OF(image), false, mrtd);
        if (!cella_failed(r)) print_error("case %zu is taken\n", i);
        assert_true(cella_failed(r));
        cella_result_drop(r);
    }
    memset(image, 0, sizeof(image)); /* no table at all */
    assert_code(cella_tdx_mrtd(CELLA_BYTES_OF(image), false, mrtd), CELLA_ERR_UNSUPPORTED);
}

static void extending(void **state) {
    (void)state;
    uint8_t rtmr[48] = {0}, both[96] = {0}, expected[48], digest[48];
    memset(digest, 0x5a, 48);
    memcpy(both + 48, digest, 48);
    assert_ok(cella_sha384(CELLA_BYTES_OF(both), expected));
    assert_ok(cella_tdx_extend(rtmr, digest));
    assert_memory_equal(rtmr, expected, 48);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(debian_firmware),
        cmocka_unit_test(by_hand),
        cmocka_unit_test(refusals),
        cmocka_unit_test(extending),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
