#include <cella/image.h>
#include <stdlib.h>

#include "abi/sgx.h"
#include "base/memory.h"
#include "base/reader.h"
#include "image/region.h"

#define FORM(cond, ...)                                                                            \
    ENSURE(cond, CELLA_ERR_FORMAT, "the image is damaged or was changed; sign it again",           \
           __VA_ARGS__)
/* So that a stranger's image cannot keep a measurer busy for hours with terabytes of zeros. */
#define ADDED_MAX    (1ULL << 28) /* pages: 1 TiB */
#define EXTENDED_MAX (1ULL << 20) /* pages hashed: 4 GiB */
enum { LOW_HOLE = 0x10000, ENCLAVE_SIZE_MAX_LOG2 = 46, HEADER_END = CELLA_IMAGE_AT_END };

static uint64_t page_up(uint64_t v) {
    return (v + CELLA_PAGE_SIZE - 1) / CELLA_PAGE_SIZE * CELLA_PAGE_SIZE;
}

static CELLA_RESULT read_header(struct cella_bytes file, struct cella_image *image) {
    FORM(file.size >= CELLA_IMAGE_REGIONS_OFFSET + CELLA_PAGE_SIZE &&
             file.size % CELLA_PAGE_SIZE == 0,
         "image: %zu bytes are not a whole image", file.size);
    struct cella_reader r = cella_reader(cella_bytes(file.data, CELLA_IMAGE_SIGSTRUCT_OFFSET));
    cella_reader_expect(&r, cella_bytes_text(CELLA_IMAGE_MAGIC));
    FORM(!r.failed, "image: does not begin with " CELLA_IMAGE_MAGIC);
    uint32_t version = cella_reader_u32le(&r);
    ENSURE(version == CELLA_IMAGE_VERSION, CELLA_ERR_UNSUPPORTED,
           "sign the program again with this release", "image: expected version %d, found %u",
           CELLA_IMAGE_VERSION, version);
    image->region_count = cella_reader_u32le(&r);
    uint64_t file_size = cella_reader_u64le(&r);
    image->enclave_size = cella_reader_u64le(&r);
    image->base_mode = cella_reader_u32le(&r);
    image->ssa_pages = cella_reader_u32le(&r);
    image->entry = cella_reader_u64le(&r);
    image->config_offset = cella_reader_u64le(&r);
    image->config_size = cella_reader_u64le(&r);
    image->thread_count = cella_reader_u32le(&r);
    cella_reader_zero(&r, CELLA_IMAGE_SIGSTRUCT_OFFSET - HEADER_END);
    FORM(cella_reader_done(&r), "image: the header's unused bytes are not zero");
    FORM(file_size == file.size, "image: its header says %llu bytes, the file has %zu",
         (unsigned long long)file_size, file.size);
    uint64_t size = image->enclave_size;
    FORM(size >= CELLA_SLOT_STRIDE && size <= 1ULL << ENCLAVE_SIZE_MAX_LOG2 &&
             (size & (size - 1)) == 0,
         "image: the enclave size %llu is not a power of two in range", (unsigned long long)size);
    FORM(image->base_mode <= CELLA_IMAGE_BASE_ZERO, "image: unknown base mode %u",
         image->base_mode);
    FORM(image->ssa_pages == 1, "image: expected save area frames of 1 page, found %u",
         image->ssa_pages);
    FORM(image->thread_count >= 1 && image->thread_count <= CELLA_SLOT_MAX,
         "image: %u threads, expected 1 to %d", image->thread_count, CELLA_SLOT_MAX);
    FORM(image->region_count >= 1 && image->region_count <= CELLA_IMAGE_REGION_MAX,
         "image: %u regions, expected 1 to %d", image->region_count, CELLA_IMAGE_REGION_MAX);
    return CELLA_SUCCESS;
}

static struct cella_region get_region(struct cella_reader *r, bool *clean) {
    struct cella_region g = {0};
    g.offset = cella_reader_u64le(r);
    g.pages = cella_reader_u64le(r);
    g.file_offset = cella_reader_u64le(r);
    g.flags = cella_reader_u64le(r);
    g.kind = cella_reader_u32le(r);
    g.index = cella_reader_u32le(r);
    uint32_t measured = cella_reader_u32le(r), reserved = cella_reader_u32le(r);
    g.measured = measured == 1;
    *clean = measured <= 1 && reserved == 0;
    return g;
}

/* floor: where the region may begin at the earliest; *content_at: where its content must lie in the
 * file. */
static CELLA_RESULT check_region(const struct cella_region *g, uint32_t i, uint64_t enclave_size,
                                 uint64_t floor, uint64_t *content_at) {
    const struct cella_region_rule *k = cella_region_rule(g->kind);
    FORM(k, "image: region %u is of unknown kind %u", i, g->kind);
    FORM(g->offset % CELLA_PAGE_SIZE == 0 && g->offset >= floor && g->pages >= 1 &&
             g->pages <= enclave_size / CELLA_PAGE_SIZE &&
             cella_range_inside(g->offset, g->pages * CELLA_PAGE_SIZE, 0, enclave_size),
         "image: region %u (%s) is out of order, overlaps, or lies outside the enclave", i,
         k->name);
    FORM(g->flags == k->flags, "image: region %u (%s) has flags 0x%llx, expected 0x%llx", i,
         k->name, (unsigned long long)g->flags, (unsigned long long)k->flags);
    FORM(g->measured == k->measured, "image: region %u (%s) is %smeasured", i, k->name,
         g->measured ? "" : "not ");
    FORM(g->file_offset == (k->content ? *content_at : 0),
         "image: region %u (%s) has its content out of place", i, k->name);
    if (k->content) *content_at += g->pages * CELLA_PAGE_SIZE;
    return CELLA_SUCCESS;
}

static CELLA_RESULT read_regions(struct cella_image *image) {
    uint64_t table = (uint64_t)image->region_count * CELLA_IMAGE_REGION_SIZE;
    uint64_t content_at = CELLA_IMAGE_REGIONS_OFFSET + page_up(table);
    FORM(content_at <= image->file.size, "image: the region table is cut off");
    struct cella_reader r = cella_reader(
        cella_bytes(image->file.data + CELLA_IMAGE_REGIONS_OFFSET, (size_t)page_up(table)));
    image->regions = calloc(image->region_count, sizeof(*image->regions));
    ENSURE(image->regions, CELLA_ERR_MEMORY, NULL, "no memory for %u regions", image->region_count);
    uint64_t added = 0, extended = 0;
    uint64_t floor = LOW_HOLE; /* NULL and what lies near it stay unmapped, and base 0 needs it */
    for (uint32_t i = 0; i < image->region_count; i++) {
        bool clean;
        struct cella_region g = get_region(&r, &clean);
        FORM(clean, "image: region %u has a reserved field that is not zero", i);
        TRY(check_region(&g, i, image->enclave_size, floor, &content_at));
        /* Checked anew at each step, so that sizes never add up past the file. */
        FORM(content_at <= image->file.size, "image: the content of region %u is cut off", i);
        added += g.pages;
        if (g.measured) extended += g.pages;
        ENSURE(added <= ADDED_MAX && extended <= EXTENDED_MAX, CELLA_ERR_LIMIT,
               "lower heap, stack or threads in the manifest and sign again",
               "image: more memory than an image may have (%llu pages, %llu of them measured)",
               (unsigned long long)added, (unsigned long long)extended);
        floor = g.offset + g.pages * CELLA_PAGE_SIZE;
        image->regions[i] = g;
    }
    cella_reader_zero(&r, cella_reader_left(&r));
    FORM(cella_reader_done(&r), "image: the bytes after the region table are not zero");
    FORM(content_at == image->file.size, "image: bytes after its last region");
    return CELLA_SUCCESS;
}

static uint32_t count_kind(const struct cella_image *image, uint32_t kind) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < image->region_count; i++) count += image->regions[i].kind == kind;
    return count;
}

static bool zero_from(struct cella_bytes bytes, uint64_t at) {
    for (; at < bytes.size; at++)
        if (bytes.data[at] != 0) return false;
    return true;
}

/* One region of each that a loader relies on, and slots complete at their places. */
static CELLA_RESULT check_kinds(struct cella_image *image) {
    static const uint32_t once[] = {CELLA_REGION_SHIM_DATA, CELLA_REGION_CONFIG, CELLA_REGION_STACK,
                                    CELLA_REGION_HEAP, CELLA_REGION_START};
    static const struct {
        uint32_t kind, at, pages;
    } slot[] = {
        {CELLA_REGION_TCS, CELLA_SLOT_TCS, 1},
        {CELLA_REGION_SSA, CELLA_SLOT_SSA, CELLA_SLOT_NSSA},
        {CELLA_REGION_THREAD, CELLA_SLOT_THREAD, 1},
        {CELLA_REGION_THREAD_STACK, CELLA_SLOT_STACK,
         (CELLA_SLOT_STACK_END - CELLA_SLOT_STACK) / CELLA_PAGE_SIZE},
    };
    for (size_t i = 0; i < sizeof(once) / sizeof(once[0]); i++)
        FORM(count_kind(image, once[i]) == 1 && cella_image_region(image, once[i], 0),
             "image: expected one region of kind %s with index 0",
             cella_region_rule(once[i])->name);
    const struct cella_region *first = cella_image_region(image, CELLA_REGION_TCS, 0);
    FORM(first && first->offset % CELLA_SLOT_STRIDE == 0, "image: no thread slot, or not aligned");
    for (size_t k = 0; k < sizeof(slot) / sizeof(slot[0]); k++) {
        FORM(count_kind(image, slot[k].kind) == image->thread_count,
             "image: expected %u regions of kind %s", image->thread_count,
             cella_region_rule(slot[k].kind)->name);
        for (uint32_t i = 0; i < image->thread_count; i++) {
            const struct cella_region *g = cella_image_region(image, slot[k].kind, i);
            FORM(g && g->offset == first->offset + (uint64_t)i * CELLA_SLOT_STRIDE + slot[k].at &&
                     g->pages == slot[k].pages,
                 "image: the %s region of thread slot %u is out of place",
                 cella_region_rule(slot[k].kind)->name, i);
        }
    }
    return CELLA_SUCCESS;
}

static CELLA_RESULT find_config(struct cella_image *image) {
    const struct cella_region *g = cella_image_region(image, CELLA_REGION_CONFIG, 0);
    FORM(g && g->offset == image->config_offset && image->config_size >= 1 &&
             image->config_size <= g->pages * CELLA_PAGE_SIZE &&
             page_up(image->config_size) == g->pages * CELLA_PAGE_SIZE,
         "image: the header and the configuration region differ");
    struct cella_bytes region =
        cella_bytes(image->file.data + g->file_offset, (size_t)(g->pages * CELLA_PAGE_SIZE));
    FORM(zero_from(region, image->config_size),
         "image: the bytes after the configuration are not zero");
    image->config = cella_bytes(region.data, (size_t)image->config_size);
    return CELLA_SUCCESS;
}

/* That it is the one entry which the measured thread control pages name, cella_image_verify checks.
 * (T09) */
static CELLA_RESULT check_entry(const struct cella_image *image) {
    bool inside = false;
    for (uint32_t i = 0; i < image->region_count; i++) {
        const struct cella_region *g = &image->regions[i];
        inside |= g->kind == CELLA_REGION_SHIM_TEXT &&
                  cella_range_inside(image->entry, 1, g->offset, g->pages * CELLA_PAGE_SIZE);
    }
    FORM(inside, "image: the entry point is not in the shim's text");
    return CELLA_SUCCESS;
}

static CELLA_RESULT open_parts(struct cella_image *image) {
    TRY(read_header(image->file, image));
    struct cella_bytes page =
        cella_bytes(image->file.data + CELLA_IMAGE_SIGSTRUCT_OFFSET, CELLA_PAGE_SIZE);
    FORM(zero_from(page, CELLA_SGX_SIGSTRUCT_SIZE),
         "image: the bytes after the signature are not zero");
    image->sigstruct = cella_bytes(page.data, CELLA_SGX_SIGSTRUCT_SIZE);
    TRY(read_regions(image));
    TRY(check_kinds(image));
    TRY(find_config(image));
    return check_entry(image);
}

CELLA_RESULT cella_image_open(struct cella_bytes file, struct cella_image *out) {
    struct cella_image image = {.file = file};
    struct cella_result r = open_parts(&image);
    if (cella_failed(r)) {
        cella_image_free(&image);
        *out = (struct cella_image){0};
        return cella_result_trace(r, CELLA_WHERE);
    }
    *out = image;
    return CELLA_SUCCESS;
}

void cella_image_free(struct cella_image *image) {
    free(image->regions);
    *image = (struct cella_image){0};
}
