#include "platform/load.h"

#include <sys/mman.h>

#include "abi/sgx.h"
#include "base/memory.h"

static bool is_mapped(uint32_t kind) {
    return kind != CELLA_REGION_TCS && kind != CELLA_REGION_SSA;
}

static uint32_t prot_of(uint64_t flags) {
    return (flags & CELLA_SGX_SECINFO_R ? PROT_READ : 0U) |
           (flags & CELLA_SGX_SECINFO_W ? PROT_WRITE : 0U) |
           (flags & CELLA_SGX_SECINFO_X ? PROT_EXEC : 0U);
}

CELLA_RESULT cella_load_from_image(const struct cella_image *image, struct cella_load *out) {
    out->enclave_size = image->enclave_size;
    out->base_mode = image->base_mode;
    out->secret = out->debug = false;
    out->entry = image->entry;
    out->config_offset = image->config_offset;
    out->config_size = image->config_size;
    out->stack_top = out->start_offset = 0;
    out->region_count = 0;
    ENSURE(image->region_count <= CELLA_IMAGE_REGION_MAX, CELLA_ERR_LIMIT, NULL,
           "the image has %u regions, at most %d", image->region_count, CELLA_IMAGE_REGION_MAX);
    for (uint32_t i = 0; i < image->region_count; i++) {
        const struct cella_region *r = &image->regions[i];
        if (!is_mapped(r->kind)) continue;
        out->region[out->region_count++] = (struct cella_load_region){
            r->offset, r->pages, r->file_offset, prot_of(r->flags), r->kind};
        if (r->kind == CELLA_REGION_THREAD_STACK && r->index == 0)
            out->stack_top = r->offset + r->pages * CELLA_PAGE_SIZE;
        if (r->kind == CELLA_REGION_START) out->start_offset = r->offset;
    }
    ENSURE(out->stack_top && out->start_offset, CELLA_ERR_FORMAT, "sign the program again",
           "the image has no start region or no stack for its first thread");
    return CELLA_SUCCESS;
}

void cella_load_encode(const struct cella_load *load, struct cella_writer *w) {
    cella_writer_u64le(w, load->enclave_size);
    cella_writer_u32le(w, load->base_mode);
    cella_writer_u32le(w, (load->secret ? 1U : 0U) | (load->debug ? 2U : 0U));
    cella_writer_u64le(w, load->entry);
    cella_writer_u64le(w, load->stack_top);
    cella_writer_u64le(w, load->start_offset);
    cella_writer_u64le(w, load->config_offset);
    cella_writer_u64le(w, load->config_size);
    cella_writer_u32le(w, load->region_count);
    for (uint32_t i = 0; i < load->region_count; i++) {
        cella_writer_u64le(w, load->region[i].offset);
        cella_writer_u64le(w, load->region[i].pages);
        cella_writer_u64le(w, load->region[i].file_offset);
        cella_writer_u32le(w, load->region[i].prot);
        cella_writer_u32le(w, load->region[i].kind);
    }
}

static bool region_is_sound(const struct cella_load_region *r, uint64_t low, uint64_t size) {
    size_t bytes;
    if (r->pages == 0 || !cella_mul(r->pages, CELLA_PAGE_SIZE, &bytes)) return false;
    if (r->offset % CELLA_PAGE_SIZE || r->file_offset % CELLA_PAGE_SIZE) return false;
    if (r->offset < low || !cella_range_inside(r->offset, bytes, 0, size)) return false;
    if (r->prot & ~(uint32_t)(PROT_READ | PROT_WRITE | PROT_EXEC)) return false;
    /* R49: never writable and executable; content is immutable, what is written starts as zeros */
    bool writable = r->prot & PROT_WRITE;
    return !(writable && (r->prot & PROT_EXEC)) && writable == (r->file_offset == 0);
}

CELLA_RESULT cella_load_decode(struct cella_reader *r, struct cella_load *out) {
    out->enclave_size = cella_reader_u64le(r);
    out->base_mode = cella_reader_u32le(r);
    uint32_t flags = cella_reader_u32le(r);
    out->secret = flags & 1;
    out->debug = flags & 2;
    out->entry = cella_reader_u64le(r);
    out->stack_top = cella_reader_u64le(r);
    out->start_offset = cella_reader_u64le(r);
    out->config_offset = cella_reader_u64le(r);
    out->config_size = cella_reader_u64le(r);
    out->region_count = cella_reader_u32le(r);
    uint64_t size = out->enclave_size;
    ENSURE(!r->failed && out->region_count <= CELLA_IMAGE_REGION_MAX && flags < 3 &&
               out->base_mode <= 1 && size >= CELLA_PAGE_SIZE && size <= 1ULL << 46 &&
               (size & (size - 1)) == 0 && out->entry < size && out->stack_top <= size &&
               out->config_offset < size &&
               cella_range_inside(out->start_offset, CELLA_PAGE_SIZE, 0, size),
           CELLA_ERR_FORMAT, NULL, "a load plan is malformed");
    uint64_t low = out->base_mode == CELLA_IMAGE_BASE_ZERO ? 0x10000 : 0;
    for (uint32_t i = 0; i < out->region_count; i++) {
        struct cella_load_region *region = &out->region[i];
        region->offset = cella_reader_u64le(r);
        region->pages = cella_reader_u64le(r);
        region->file_offset = cella_reader_u64le(r);
        region->prot = cella_reader_u32le(r);
        region->kind = cella_reader_u32le(r);
        ENSURE(!r->failed && region_is_sound(region, low, size), CELLA_ERR_FORMAT, NULL,
               "region %u of a load plan is malformed", i);
        low = region->offset + region->pages * CELLA_PAGE_SIZE;
    }
    return CELLA_SUCCESS;
}

uint64_t cella_load_writable_pages(const struct cella_load *load) {
    uint64_t pages = 0;
    for (uint32_t i = 0; i < load->region_count; i++)
        if (load->region[i].prot & PROT_WRITE) pages += load->region[i].pages;
    return pages;
}
