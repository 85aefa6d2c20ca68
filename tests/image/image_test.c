#include "sample.h"

#include "image/foreign.h"
#include "image/region.h"

static void accepts(void **state) {
    (void)state;
    for (int fixed = 0; fixed < 2; fixed++) {
        static struct sample s;
        struct cella_image image;
        struct cella_identity id;
        sample_image(&s, fixed);
        assert_ok(cella_image_open(cella_buffer_bytes(&s.image), &image));
        assert_ok(cella_image_verify(&image, &id));
        assert_int_equal(image.base_mode, fixed);
        assert_int_equal(id.product_id, 5);
        assert_int_equal(id.svn, 9);
        assert_int_equal(id.config_id[0], 0xaa);
        assert_false(id.debug);
        cella_image_free(&image);
        cella_buffer_free(&s.image);
    }
}

/* Writable memory has no content; slots are where the shim will mask its stack pointer to; guard
 * gaps. */
static void layout_holds(void **state) {
    (void)state;
    static struct sample s;
    struct cella_image image;
    sample_image(&s, false);
    assert_ok(cella_image_open(cella_buffer_bytes(&s.image), &image));
    assert_int_equal(s.config.slots_offset % CELLA_SLOT_STRIDE, 0);
    for (uint32_t i = 0; i < image.region_count; i++) {
        const struct cella_region *g = &image.regions[i], *next = g + 1;
        assert_false((g->flags & CELLA_SGX_SECINFO_W) && g->file_offset);
        assert_false((g->flags & CELLA_SGX_SECINFO_W) && (g->flags & CELLA_SGX_SECINFO_X));
        bool stack = g->kind == CELLA_REGION_STACK || g->kind == CELLA_REGION_THREAD_STACK ||
                     g->kind == CELLA_REGION_HEAP;
        if (stack && i + 1 < image.region_count && next->kind != CELLA_REGION_TCS)
            assert_true(next->offset > g->offset + g->pages * CELLA_PAGE_SIZE);
        if (stack && i > 0) assert_true(g[-1].offset + g[-1].pages * CELLA_PAGE_SIZE < g->offset);
    }
    const struct cella_region *init = cella_image_region(&image, CELLA_REGION_PROGRAM_INIT, 0);
    assert_non_null(init);
    const uint8_t *page = image.file.data + init->file_offset;
    for (size_t i = 0; i < 0x40; i++) assert_int_equal(page[i], 0);
    assert_memory_equal(page + 0x40, s.program_file + 0x3040, 0x90);
    assert_int_equal(s.config.program[0].segment[0].init_size, 0x40 + 0x90);
    assert_true(s.config.program[0].entry == s.config.program[0].bias + 0x1010);
    cella_image_free(&image);
    cella_buffer_free(&s.image);
}

static void same_inputs_same_bytes(void **state) {
    (void)state;
    static struct sample a, b;
    sample_image(&a, false);
    sample_image(&b, false);
    assert_int_equal(a.image.size, b.image.size);
    assert_memory_equal(a.image.data, b.image.data, a.image.size);
    cella_buffer_free(&a.image);
    cella_buffer_free(&b.image);
}

/* T09: every byte of header, signature page and region table. */
static void every_byte_of_the_front_counts(void **state) {
    (void)state;
    static struct sample s;
    static const uint8_t flips[] = {0x01, 0x80, 0xff};
    sample_image(&s, false);
    size_t front = CELLA_IMAGE_REGIONS_OFFSET + CELLA_PAGE_SIZE;
    for (size_t i = 0; i < front; i++)
        for (size_t k = 0; k < sizeof(flips); k++) {
            s.image.data[i] ^= flips[k];
            struct cella_result r = sample_check(cella_buffer_bytes(&s.image));
            if (!cella_failed(r)) fail_msg("byte %zu flipped by 0x%x was accepted", i, flips[k]);
            cella_result_drop(r);
            s.image.data[i] ^= flips[k];
        }
    assert_ok(sample_check(cella_buffer_bytes(&s.image)));
    cella_buffer_free(&s.image);
}

/* T09, T10: a byte in each page of content, program, pinned hashes and arguments among them. */
static void every_page_counts(void **state) {
    (void)state;
    static struct sample s;
    sample_image(&s, true);
    for (size_t at = CELLA_IMAGE_REGIONS_OFFSET + CELLA_PAGE_SIZE; at < s.image.size; at += 509) {
        s.image.data[at] ^= 4;
        struct cella_result r = sample_check(cella_buffer_bytes(&s.image));
        if (!cella_failed(r)) fail_msg("byte %zu was changed and accepted", at);
        cella_result_drop(r);
        s.image.data[at] ^= 4;
    }
    cella_buffer_free(&s.image);
}

/* Kinds and indexes are not measured: another label on a region must not pass either. */
static void labels_are_bound(void **state) {
    (void)state;
    static struct sample s;
    sample_image(&s, false);
    uint32_t count = s.image.data[CELLA_IMAGE_AT_REGION_COUNT];
    for (uint32_t i = 0; i < count; i++) {
        uint8_t *entry = s.image.data + CELLA_IMAGE_REGIONS_OFFSET + i * CELLA_IMAGE_REGION_SIZE;
        uint8_t kind = entry[CELLA_IMAGE_REGION_KIND], index = entry[CELLA_IMAGE_REGION_INDEX];
        for (uint8_t k = 0; k < 17; k++)
            for (uint8_t n = 0; n < 3; n++) {
                if (k == kind && n == index) continue;
                entry[CELLA_IMAGE_REGION_KIND] = k;
                entry[CELLA_IMAGE_REGION_INDEX] = n;
                struct cella_result r = sample_check(cella_buffer_bytes(&s.image));
                if (!cella_failed(r)) fail_msg("region %u passed as kind %u index %u", i, k, n);
                cella_result_drop(r);
            }
        entry[CELLA_IMAGE_REGION_KIND] = kind;
        entry[CELLA_IMAGE_REGION_INDEX] = index;
    }
    cella_buffer_free(&s.image);
}

/* Nor may two regions trade labels. */
static void labels_do_not_trade(void **state) {
    (void)state;
    static struct sample s;
    sample_image(&s, false);
    uint32_t count = s.image.data[CELLA_IMAGE_AT_REGION_COUNT];
    for (uint32_t i = 0; i < count; i++)
        for (uint32_t k = 0; k < i; k++) {
            uint8_t *a = s.image.data + CELLA_IMAGE_REGIONS_OFFSET + i * CELLA_IMAGE_REGION_SIZE +
                         CELLA_IMAGE_REGION_KIND;
            uint8_t *b = s.image.data + CELLA_IMAGE_REGIONS_OFFSET + k * CELLA_IMAGE_REGION_SIZE +
                         CELLA_IMAGE_REGION_KIND;
            uint8_t was_a[8], was_b[8];
            memcpy(was_a, a, 8);
            memcpy(was_b, b, 8);
            if (memcmp(was_a, was_b, 8) == 0) continue;
            memcpy(a, was_b, 8);
            memcpy(b, was_a, 8);
            struct cella_result r = sample_check(cella_buffer_bytes(&s.image));
            if (!cella_failed(r)) fail_msg("regions %u and %u traded labels", i, k);
            cella_result_drop(r);
            memcpy(a, was_a, 8);
            memcpy(b, was_b, 8);
        }
    cella_buffer_free(&s.image);
}

/* What opening alone must see, before anything is measured. */
static void structure(void **state) {
    (void)state;
    static struct sample s;
    static const uint8_t more[CELLA_PAGE_SIZE];
    struct cella_image image;
    sample_image(&s, false);
    assert_ok(cella_image_open(cella_buffer_bytes(&s.image), &image));
    uint64_t data = cella_image_region(&image, CELLA_REGION_SHIM_DATA, 0)->offset,
             entry = image.entry;
    cella_image_free(&image);
    struct cella_writer w = cella_writer(s.image.data + CELLA_IMAGE_AT_ENTRY, 8);
    cella_writer_u64le(&w, data);
    assert_code(cella_image_open(cella_buffer_bytes(&s.image), &image), CELLA_ERR_FORMAT);
    w = cella_writer(s.image.data + CELLA_IMAGE_AT_ENTRY, 8);
    cella_writer_u64le(&w, entry);
    assert_ok(cella_buffer_append(&s.image, CELLA_BYTES_OF(more)));
    w = cella_writer(s.image.data + CELLA_IMAGE_AT_FILE_SIZE, 8);
    cella_writer_u64le(&w, s.image.size); /* the header admits to the page more */
    assert_code(cella_image_open(cella_buffer_bytes(&s.image), &image), CELLA_ERR_FORMAT);
    cella_buffer_free(&s.image);
}

/* Terabytes of stack in an image of a few pages: refused before anything is measured. */
static void no_endless_work(void **state) {
    (void)state;
    static struct sample s;
    struct cella_image image;
    sample_image(&s, false);
    assert_ok(cella_image_open(cella_buffer_bytes(&s.image), &image));
    for (uint32_t i = image.region_count - 2; i < image.region_count; i++) { /* stack, heap */
        uint8_t *entry = s.image.data + CELLA_IMAGE_REGIONS_OFFSET + i * CELLA_IMAGE_REGION_SIZE;
        struct cella_writer w = cella_writer(entry, 16);
        cella_writer_u64le(&w, (1ULL << 40) * (i + 3 - image.region_count));
        cella_writer_u64le(&w, i + 1 == image.region_count ? 16 : 1 << 21);
    }
    struct cella_writer w = cella_writer(s.image.data + CELLA_IMAGE_AT_ENCLAVE_SIZE, 8);
    cella_writer_u64le(&w, 1ULL << 45);
    cella_image_free(&image);
    assert_code(cella_image_open(cella_buffer_bytes(&s.image), &image), CELLA_ERR_LIMIT);
    cella_buffer_free(&s.image);
}

static void record(struct cella_buffer *to, const char *tag, uint64_t offset, uint64_t flags) {
    uint8_t bytes[64] = {0};
    struct cella_writer w = cella_writer(bytes, sizeof(bytes));
    cella_writer_put(&w, cella_bytes(tag, 8));
    cella_writer_u64le(&w, offset);
    cella_writer_u64le(&w, flags);
    assert_ok(cella_buffer_append(to, CELLA_BYTES_OF(bytes)));
}

/* The image's records written out as an SGXS stream here, hashed by the reader that is proven on a
 * stream that others signed. */
static void measured_as_sgxs(void **state) {
    (void)state;
    static struct sample s;
    static const uint8_t zeros[CELLA_PAGE_SIZE];
    struct cella_image image;
    CELLA_BUFFER stream = {0};
    uint8_t ours[32], theirs[32], first[64] = "ECREATE";
    sample_image(&s, true);
    assert_ok(cella_image_open(cella_buffer_bytes(&s.image), &image));
    struct cella_writer w = cella_writer(first + 8, 12);
    cella_writer_u32le(&w, 1);
    cella_writer_u64le(&w, image.enclave_size);
    assert_ok(cella_buffer_append(&stream, CELLA_BYTES_OF(first)));
    for (uint32_t i = 0; i < image.region_count; i++)
        for (uint64_t k = 0; k < image.regions[i].pages; k++) {
            const struct cella_region *g = &image.regions[i];
            const uint8_t *page =
                g->file_offset ? image.file.data + g->file_offset + k * 4096 : zeros;
            record(&stream, "EADD\0\0\0", g->offset + k * 4096, g->flags);
            for (uint64_t c = 0; c < 16 && g->measured; c++) {
                record(&stream, "EEXTEND", g->offset + k * 4096 + c * 256, 0);
                assert_ok(cella_buffer_append(&stream, cella_bytes(page + c * 256, 256)));
            }
        }
    assert_ok(cella_image_measure(&image, ours));
    assert_ok(cella_sgxs_measure(cella_buffer_bytes(&stream), theirs));
    assert_memory_equal(ours, theirs, 32);
    cella_image_free(&image);
    cella_buffer_free(&s.image);
}

static void truncated(void **state) {
    (void)state;
    static struct sample s;
    sample_image(&s, false);
    for (size_t size = 0; size < s.image.size; size += size < 9000 ? 37 : 1024)
        assert_code(sample_check(cella_bytes(s.image.data, size)), CELLA_ERR_FORMAT);
    static const uint8_t more[CELLA_PAGE_SIZE];
    assert_ok(cella_buffer_append(&s.image, CELLA_BYTES_OF(more)));
    assert_code(sample_check(cella_buffer_bytes(&s.image)), CELLA_ERR_FORMAT);
    cella_buffer_free(&s.image);
}

/* A whole other signature, well made, by another key: the image is genuine, but its signer differs.
 */
static void signer_is_seen(void **state) {
    (void)state;
    static struct sample s;
    struct cella_image image;
    struct cella_identity mine, other;
    CELLA_RSA3072 key = NULL;
    sample_image(&s, false);
    assert_ok(cella_image_open(cella_buffer_bytes(&s.image), &image));
    assert_ok(cella_image_verify(&image, &mine));
    cella_image_free(&image);
    assert_ok(cella_rsa3072_new(&key));
    assert_ok(cella_image_sign(&s.image, key));
    assert_ok(cella_image_open(cella_buffer_bytes(&s.image), &image));
    assert_ok(cella_image_verify(&image, &other));
    assert_memory_equal(mine.mrenclave, other.mrenclave, 32);
    assert_memory_not_equal(mine.mrsigner, other.mrsigner, 32);
    cella_image_free(&image);
    cella_buffer_free(&s.image);
}

/* The signer signs what the configuration says: a SIGSTRUCT for another version or a debug enclave,
 * signed well, is not for this image. */
static void signature_and_configuration_agree(void **state) {
    (void)state;
    static const struct {
        size_t at;
        uint8_t flip;
    } cases[] = {{928, 2}, {1024, 1}, {1026, 1}, {904, 1}, {944, 2}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        static struct sample s;
        sample_image(&s, false);
        s.image.data[CELLA_IMAGE_SIGSTRUCT_OFFSET + cases[i].at] ^= cases[i].flip;
        assert_code(cella_image_sign(&s.image, sample_key()), CELLA_ERR_INTEGRITY);
        cella_buffer_free(&s.image);
    }
}

static void unsigned_is_said(void **state) {
    (void)state;
    static struct sample s;
    sample_image(&s, false);
    uint8_t *sigstruct = s.image.data + CELLA_IMAGE_SIGSTRUCT_OFFSET;
    memset(sigstruct + 128, 0, 384);
    memset(sigstruct + 516, 0, 384);
    memset(sigstruct + 1040, 0, 768);
    struct cella_result r = sample_check(cella_buffer_bytes(&s.image));
    assert_int_equal(cella_code_of(r), CELLA_ERR_INTEGRITY);
    assert_non_null(strstr(r.error->what, "not signed yet"));
    cella_result_drop(r);
    cella_buffer_free(&s.image);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepts),
        cmocka_unit_test(layout_holds),
        cmocka_unit_test(same_inputs_same_bytes),
        cmocka_unit_test(every_byte_of_the_front_counts),
        cmocka_unit_test(every_page_counts),
        cmocka_unit_test(labels_are_bound),
        cmocka_unit_test(labels_do_not_trade),
        cmocka_unit_test(structure),
        cmocka_unit_test(no_endless_work),
        cmocka_unit_test(measured_as_sgxs),
        cmocka_unit_test(truncated),
        cmocka_unit_test(signer_is_seen),
        cmocka_unit_test(signature_and_configuration_agree),
        cmocka_unit_test(unsigned_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
