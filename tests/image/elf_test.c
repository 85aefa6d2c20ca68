#include "sample.h"

static uint8_t file[SAMPLE_ELF_SIZE];
static struct cella_elf elf;

static uint8_t *phdr(unsigned i) { return file + SAMPLE_PHDR_AT + i * SAMPLE_PHDR_SIZE; }
static void put32(uint8_t *at, uint32_t v) {
    for (int i = 0; i < 4; i++) at[i] = (uint8_t)(v >> (8 * i));
}
static void put64(uint8_t *at, uint64_t v) {
    for (int i = 0; i < 8; i++) at[i] = (uint8_t)(v >> (8 * i));
}

/* Refused with this code and a message that has these words. */
static void refuses(enum cella_code code, const char *words) {
    struct cella_result r = cella_elf_read(CELLA_BYTES_OF(file), "prog", &elf);
    assert_int_equal(cella_code_of(r), code);
    if (!strstr(r.error->what, words)) fail_msg("'%s' does not say '%s'", r.error->what, words);
    cella_result_drop(r);
    sample_elf(file, false, 0, false);
}

static void accepts(void **state) {
    (void)state;
    for (int fixed = 0; fixed < 2; fixed++) {
        uint64_t base = fixed ? 0x400000 : 0;
        sample_elf(file, fixed, base, false);
        assert_ok(cella_elf_read(CELLA_BYTES_OF(file), "prog", &elf));
        assert_int_equal(elf.fixed, fixed);
        assert_int_equal(elf.segment_count, 3);
        assert_true(elf.entry == base + 0x1010 && elf.phdr_mapped &&
                    elf.phdr == base + SAMPLE_PHDR_AT);
        assert_true(elf.low == base && elf.high == base + 0x7000);
        assert_true(elf.segment[1].executable && !elf.segment[1].writable &&
                    elf.segment[2].writable);
    }
}

static void refusals(void **state) {
    (void)state;
    sample_elf(file, false, 0, false);
    file[1] = 'X';
    refuses(CELLA_ERR_FORMAT, "not an ELF");
    file[4] = 1;
    refuses(CELLA_ERR_UNSUPPORTED, "x86-64");
    file[18] = 183; /* aarch64 */
    refuses(CELLA_ERR_UNSUPPORTED, "machine 183");
    file[16] = 1;
    refuses(CELLA_ERR_UNSUPPORTED, "ELF type 1");
    put32(phdr(3), 3);
    refuses(CELLA_ERR_UNSUPPORTED, "dynamic program");
    put32(phdr(3) + PH_FLAGS, 7);
    refuses(CELLA_ERR_FORMAT, "executable stack");
    put32(phdr(2) + PH_FLAGS, 7);
    refuses(CELLA_ERR_FORMAT, "writable and executable");
    put32(phdr(2) + PH_FLAGS, 2);
    refuses(CELLA_ERR_FORMAT, "cannot be read");
    put64(phdr(2) + PH_FILE_SIZE, 0x5000);
    put64(phdr(2) + PH_SIZE, 0x5000);
    refuses(CELLA_ERR_FORMAT, "beyond the end");
    put64(phdr(2) + PH_FILE_SIZE, 0x3000);
    refuses(CELLA_ERR_FORMAT, "absurd size");
    put64(phdr(2) + PH_SIZE, 1ULL << 40);
    refuses(CELLA_ERR_FORMAT, "absurd size");
    put64(phdr(2) + PH_ADDRESS, 0xffffffffffff4040ULL);
    refuses(CELLA_ERR_FORMAT, "absurd size");
    put64(phdr(2) + PH_OFFSET, 0xffffffffffffff40ULL);
    refuses(CELLA_ERR_FORMAT, "alignment");
    put64(phdr(2) + PH_ADDRESS, 0x2040);
    refuses(CELLA_ERR_FORMAT, "share a page");
    put64(phdr(2) + PH_ALIGN, 3);
    refuses(CELLA_ERR_FORMAT, "alignment");
    put64(file + 24, 0x4050); /* entry in data */
    refuses(CELLA_ERR_FORMAT, "entry point");
    put64(file + 24, 0);
    refuses(CELLA_ERR_FORMAT, "entry point");
    put64(file + 32, SAMPLE_ELF_SIZE - 8);
    refuses(CELLA_ERR_FORMAT, "program headers");
    file[56] = 0;
    refuses(CELLA_ERR_FORMAT, "program headers");
    file[56] = 200;
    refuses(CELLA_ERR_FORMAT, "program headers");
}

static void dynamic_section(void **state) {
    (void)state;
    static const struct {
        uint64_t tag, value;
        enum cella_code code;
        const char *words;
    } cases[] = {
        {1, 5, CELLA_ERR_UNSUPPORTED, "shared libraries"},
        {22, 0, CELLA_ERR_FORMAT, "text relocations"},
        {30, 4, CELLA_ERR_FORMAT, "text relocations"},
    };
    for (size_t i = 0; i < 3; i++) {
        sample_elf(file, false, 0, false);
        put32(phdr(3), 2);
        put64(phdr(3) + PH_OFFSET, 0x3050);
        put64(phdr(3) + PH_FILE_SIZE, 32);
        put64(file + 0x3050, cases[i].tag);
        put64(file + 0x3058, cases[i].value);
        put64(file + 0x3060, 0);
        refuses(cases[i].code, cases[i].words);
    }
}

static void truncate_and_flip(void **state) {
    (void)state;
    sample_elf(file, false, 0, false);
    for (size_t size = 0; size < 0x3040; size += 3) {
        struct cella_result r = cella_elf_read(cella_bytes(file, size), "prog", &elf);
        assert_true(cella_failed(r));
        cella_result_drop(r);
    }
    for (size_t i = 0; i < 64 + 4 * SAMPLE_PHDR_SIZE; i++)
        for (unsigned bit = 0; bit < 8; bit++) {
            file[i] ^= (uint8_t)(1U << bit);
            struct cella_result r = cella_elf_read(CELLA_BYTES_OF(file), "prog", &elf);
            if (!cella_failed(r)) /* then all views lie in the file */
                for (uint32_t k = 0; k < elf.segment_count; k++)
                    assert_true(cella_range_inside((uint64_t)elf.segment[k].content.data,
                                                   elf.segment[k].content.size, (uint64_t)file,
                                                   sizeof(file)));
            cella_result_drop(r);
            file[i] ^= (uint8_t)(1U << bit);
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepts),
        cmocka_unit_test(refusals),
        cmocka_unit_test(dynamic_section),
        cmocka_unit_test(truncate_and_flip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
