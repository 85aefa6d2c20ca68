#include "image/layout.h"

#include <stdlib.h>

#include "base/memory.h"
#include "base/writer.h"
#include "image/region.h"

enum {
    LOW_HOLE = 0x10000, /* never mapped: NULL and its surroundings; also vm.mmap_min_addr */
    STEP = 0x10000,     /* programs, shim, stack and heap begin at multiples of it */
    CONFIG_ROOM = 16 << 20,
};

struct item {
    struct cella_region region;
    struct cella_bytes content;
    uint64_t lead; /* zero bytes before content in its first page */
};

struct layout {
    const struct cella_layout_input *in;
    struct cella_config *config;
    struct item item[CELLA_IMAGE_REGION_MAX];
    uint32_t count;
    uint64_t at;    /* first free offset */
    uint64_t entry; /* of the shim */
    struct cella_bytes encoded;
    uint8_t *tcs; /* a page per slot */
};

static uint64_t align(uint64_t v, uint64_t to) { return (v + to - 1) / to * to; }
static uint64_t page_down(uint64_t v) { return v - v % CELLA_PAGE_SIZE; }
static uint64_t pages_of(uint64_t size) { return align(size, CELLA_PAGE_SIZE) / CELLA_PAGE_SIZE; }
/* The next start that leaves at least one unmapped page after what is there. */
static uint64_t after_gap(const struct layout *l) { return align(l->at + CELLA_PAGE_SIZE, STEP); }

static CELLA_RESULT add(struct layout *l, uint32_t kind, uint32_t index, uint64_t offset,
                        uint64_t pages, struct cella_bytes content, uint64_t lead) {
    ENSURE(l->count < CELLA_IMAGE_REGION_MAX, CELLA_ERR_LIMIT, "sign fewer programs or threads",
           "the image would have more than %d regions", CELLA_IMAGE_REGION_MAX);
    const struct cella_region_rule *rule = cella_region_rule(kind);
    struct item *item = &l->item[l->count++];
    *item = (struct item){.content = content, .lead = lead};
    item->region = (struct cella_region){.offset = offset,
                                         .pages = pages,
                                         .flags = rule->flags,
                                         .kind = kind,
                                         .index = index,
                                         .measured = rule->measured};
    if (offset + pages * CELLA_PAGE_SIZE > l->at) l->at = offset + pages * CELLA_PAGE_SIZE;
    ENSURE(l->at <= CELLA_LAYOUT_ENCLAVE_MAX, CELLA_ERR_LIMIT,
           "lower heap or stack in the manifest", "the enclave would be larger than 1 TiB");
    return CELLA_SUCCESS;
}

static CELLA_RESULT add_zero(struct layout *l, uint32_t kind, uint32_t index, uint64_t offset,
                             uint64_t pages) {
    return add(l, kind, index, offset, pages, (struct cella_bytes){NULL, 0}, 0);
}

/* ---- programs ---- */

static CELLA_RESULT place_segments(struct layout *l, uint32_t index, const struct cella_elf *elf,
                                   uint64_t bias) {
    struct cella_config_program *p = &l->config->program[index];
    for (uint32_t i = 0; i < elf->segment_count; i++) {
        const struct cella_elf_segment *s = &elf->segment[i];
        uint64_t start = page_down(s->address), lead = s->address - start;
        uint64_t pages = pages_of(lead + s->size);
        if (!s->writable) {
            uint32_t kind = s->executable ? CELLA_REGION_PROGRAM_TEXT : CELLA_REGION_PROGRAM_RODATA;
            TRY(add(l, kind, index, bias + start, pages, s->content, lead));
            continue;
        }
        ENSURE(p->segment_count < CELLA_CONFIG_SEGMENT_MAX, CELLA_ERR_LIMIT, NULL,
               "program %u has more than %d writable segments", index, CELLA_CONFIG_SEGMENT_MAX);
        struct cella_config_segment *c = &p->segment[p->segment_count++];
        *c = (struct cella_config_segment){.data = {bias + start, pages}};
        c->init_size = s->content.size ? lead + s->content.size : 0;
        TRY(add_zero(l, CELLA_REGION_PROGRAM_DATA, index, bias + start, pages));
    }
    return CELLA_SUCCESS;
}

static CELLA_RESULT place_program(struct layout *l, uint32_t index, uint64_t bias) {
    const struct cella_elf *elf = &l->in->program[index];
    struct cella_config_program *p = &l->config->program[index];
    p->whole =
        (struct cella_config_range){bias + elf->low, (elf->high - elf->low) / CELLA_PAGE_SIZE};
    p->bias = bias;
    p->entry = bias + elf->entry;
    p->phdr = bias + elf->phdr;
    p->phdr_count = elf->phdr_count;
    p->segment_count = 0;
    return place_segments(l, index, elf, bias);
}

static CELLA_RESULT check_fixed(const struct layout *l, uint32_t index) {
    const struct cella_elf *elf = &l->in->program[index];
    const char *hint = "link it with `gcc -static-pie`, then it can lie anywhere";
    ENSURE(elf->low >= LOW_HOLE, CELLA_ERR_USAGE, hint,
           "program %u wants address 0x%llx; the first 64 KiB stay free", index,
           (unsigned long long)elf->low);
    for (uint32_t k = 0; k < index; k++)
        ENSURE(!l->in->program[k].fixed || l->in->program[k].high <= elf->low ||
                   l->in->program[k].low >= elf->high,
               CELLA_ERR_USAGE, hint, "programs %u and %u want the same addresses", k, index);
    return CELLA_SUCCESS;
}

static CELLA_RESULT place_programs(struct layout *l) {
    l->at = LOW_HOLE;
    for (uint32_t i = 0; i < l->config->program_count; i++) {
        if (!l->in->program[i].fixed) continue;
        TRY(check_fixed(l, i));
        TRY(place_program(l, i, 0));
        l->config->base_mode = CELLA_IMAGE_BASE_ZERO;
    }
    for (uint32_t i = 0; i < l->config->program_count; i++) {
        const struct cella_elf *elf = &l->in->program[i];
        if (elf->fixed) continue;
        uint64_t start = after_gap(l), unit = elf->alignment > STEP ? elf->alignment : STEP;
        TRY(place_program(l, i, align(start > elf->low ? start - elf->low : 0, unit)));
    }
    for (uint32_t i = 0; i < l->config->program_count; i++) {
        struct cella_config_program *p = &l->config->program[i];
        const struct cella_elf *elf = &l->in->program[i];
        for (uint32_t k = 0, n = 0; k < elf->segment_count; k++) {
            if (!elf->segment[k].writable) continue;
            struct cella_config_segment *c = &p->segment[n++];
            if (c->init_size == 0) continue;
            c->init_offset = l->at + CELLA_PAGE_SIZE;
            TRY(add(l, CELLA_REGION_PROGRAM_INIT, i, c->init_offset, pages_of(c->init_size),
                    elf->segment[k].content, elf->segment[k].address % CELLA_PAGE_SIZE));
        }
    }
    return CELLA_SUCCESS;
}

/* ---- shim ---- */

#define SHIM(cond, what)                                                                           \
    ENSURE(cond, CELLA_ERR_FORMAT, "this is a fault of the shim given, not of the program",        \
           "shim: %s", what)

/* Distances between its segments stay as in the ELF; the writable one is last, page aligned, and
 * its first bytes lie in the page after its end, where the shim's start code looks for them. */
static CELLA_RESULT place_shim(struct layout *l) {
    const struct cella_elf *elf = l->in->shim;
    uint64_t unit = elf->alignment > STEP ? elf->alignment : STEP;
    SHIM(!elf->fixed, "expected a position-independent ELF");
    const struct cella_elf_segment *data = &elf->segment[elf->segment_count - 1];
    SHIM(data->writable && data->address % CELLA_PAGE_SIZE == 0 && data->content.size > 0,
         "expected its last segment to be writable, page aligned and not empty");
    uint64_t start = after_gap(l);
    uint64_t bias = align(start > elf->low ? start - elf->low : 0, unit);
    l->entry = bias + elf->entry;
    for (uint32_t i = 0; i + 1 < elf->segment_count; i++) {
        const struct cella_elf_segment *s = &elf->segment[i];
        uint64_t first = page_down(s->address), lead = s->address - first;
        SHIM(!s->writable, "expected one writable segment");
        TRY(add(l, s->executable ? CELLA_REGION_SHIM_TEXT : CELLA_REGION_SHIM_RODATA, 0,
                bias + first, pages_of(lead + s->size), s->content, lead));
    }
    TRY(add_zero(l, CELLA_REGION_SHIM_DATA, 0, bias + data->address, pages_of(data->size)));
    return add(l, CELLA_REGION_SHIM_RODATA, 1, l->at, pages_of(data->content.size), data->content,
               0);
}

/* ---- the rest ---- */

void cella_layout_tcs(uint64_t slot, uint64_t entry, uint8_t page[CELLA_PAGE_SIZE]) {
    struct cella_writer w = cella_writer(page, CELLA_PAGE_SIZE);
    cella_writer_zero(&w, 8 + 8);                     /* STATE, FLAGS */
    cella_writer_u64le(&w, slot + CELLA_SLOT_SSA);    /* OSSA */
    cella_writer_u32le(&w, 0);                        /* CSSA */
    cella_writer_u32le(&w, CELLA_SLOT_NSSA);          /* NSSA */
    cella_writer_u64le(&w, entry);                    /* OENTRY */
    cella_writer_u64le(&w, 0);                        /* AEP */
    cella_writer_u64le(&w, slot + CELLA_SLOT_THREAD); /* OFSBASE */
    cella_writer_u64le(&w, slot + CELLA_SLOT_THREAD); /* OGSBASE */
    cella_writer_u32le(&w, CELLA_PAGE_SIZE - 1);      /* FSLIMIT */
    cella_writer_u32le(&w, CELLA_PAGE_SIZE - 1);      /* GSLIMIT */
    cella_writer_zero(&w, CELLA_PAGE_SIZE - w.size);
}

static CELLA_RESULT place_slots(struct layout *l) {
    uint32_t count = l->config->thread_count;
    uint64_t first = after_gap(l);
    l->config->slots_offset = first;
    l->tcs = calloc(count, CELLA_PAGE_SIZE);
    ENSURE(l->tcs, CELLA_ERR_MEMORY, NULL, "no memory for thread slots");
    for (uint32_t i = 0; i < count; i++) {
        uint64_t slot = first + (uint64_t)i * CELLA_SLOT_STRIDE;
        uint8_t *page = l->tcs + (size_t)i * CELLA_PAGE_SIZE;
        cella_layout_tcs(slot, l->entry, page);
        TRY(add(l, CELLA_REGION_TCS, i, slot + CELLA_SLOT_TCS, 1,
                cella_bytes(page, CELLA_PAGE_SIZE), 0));
        TRY(add_zero(l, CELLA_REGION_SSA, i, slot + CELLA_SLOT_SSA, CELLA_SLOT_NSSA));
        TRY(add_zero(l, CELLA_REGION_THREAD, i, slot + CELLA_SLOT_THREAD, 1));
        TRY(add_zero(l, CELLA_REGION_THREAD_STACK, i, slot + CELLA_SLOT_STACK,
                     (CELLA_SLOT_STACK_END - CELLA_SLOT_STACK) / CELLA_PAGE_SIZE));
    }
    return CELLA_SUCCESS;
}

static CELLA_RESULT place_rest(struct layout *l) {
    struct cella_config *c = l->config;
    uint64_t config_at = l->at + CELLA_PAGE_SIZE;
    TRY(add(l, CELLA_REGION_CONFIG, 0, config_at, pages_of(l->encoded.size), l->encoded, 0));
    c->start_offset = l->at + CELLA_PAGE_SIZE;
    TRY(add_zero(l, CELLA_REGION_START, 0, c->start_offset, 1));
    TRY(place_slots(l));
    c->stack = (struct cella_config_range){after_gap(l), pages_of(l->in->stack_size)};
    TRY(add_zero(l, CELLA_REGION_STACK, 0, c->stack.offset, c->stack.pages));
    c->heap = (struct cella_config_range){after_gap(l), pages_of(l->in->heap_size)};
    TRY(add_zero(l, CELLA_REGION_HEAP, 0, c->heap.offset, c->heap.pages));
    c->enclave_size = CELLA_SLOT_STRIDE;
    while (c->enclave_size < l->at + CELLA_PAGE_SIZE)
        c->enclave_size *= 2; /* a gap at the end too */
    return CELLA_SUCCESS;
}

/* The encoded size does not depend on the layout's values, so room is taken first and filled at the
 * end. */
static CELLA_RESULT encode(struct layout *l, struct cella_buffer *room) {
    struct cella_writer w = cella_writer(room->data, room->size);
    TRY(cella_config_encode(l->config, &w));
    l->encoded = cella_bytes(room->data, w.size);
    return CELLA_SUCCESS;
}

static int by_offset(const void *a, const void *b) {
    uint64_t x = ((const struct item *)a)->region.offset,
             y = ((const struct item *)b)->region.offset;
    return x < y ? -1 : x > y;
}

/* ---- the file ---- */

static void write_header(const struct layout *l, uint64_t file_size, uint64_t config_offset,
                         uint8_t *page) {
    struct cella_writer w = cella_writer(page, CELLA_PAGE_SIZE);
    cella_writer_put(&w, cella_bytes_text(CELLA_IMAGE_MAGIC));
    cella_writer_u32le(&w, CELLA_IMAGE_VERSION);
    cella_writer_u32le(&w, l->count);
    cella_writer_u64le(&w, file_size);
    cella_writer_u64le(&w, l->config->enclave_size);
    cella_writer_u32le(&w, l->config->base_mode);
    cella_writer_u32le(&w, 1);
    cella_writer_u64le(&w, l->entry);
    cella_writer_u64le(&w, config_offset);
    cella_writer_u64le(&w, l->encoded.size);
    cella_writer_u32le(&w, l->config->thread_count);
}

static void write_region(const struct cella_region *g, struct cella_writer *w) {
    cella_writer_u64le(w, g->offset);
    cella_writer_u64le(w, g->pages);
    cella_writer_u64le(w, g->file_offset);
    cella_writer_u64le(w, g->flags);
    cella_writer_u32le(w, g->kind);
    cella_writer_u32le(w, g->index);
    cella_writer_u32le(w, g->measured);
    cella_writer_u32le(w, 0);
}

static CELLA_RESULT write_file(struct layout *l, struct cella_buffer *file) {
    uint64_t table_at = CELLA_IMAGE_REGIONS_OFFSET, config_offset = 0;
    uint64_t size = table_at + align((uint64_t)l->count * CELLA_IMAGE_REGION_SIZE, CELLA_PAGE_SIZE);
    for (uint32_t i = 0; i < l->count; i++) {
        struct cella_region *g = &l->item[i].region;
        if (g->kind == CELLA_REGION_CONFIG) config_offset = g->offset;
        if (!cella_region_rule(g->kind)->content) continue;
        g->file_offset = size;
        size += g->pages * CELLA_PAGE_SIZE;
    }
    ENSURE(size <= CELLA_IMAGE_FILE_MAX, CELLA_ERR_LIMIT, NULL,
           "the image would be larger than 1 GiB");
    uint8_t *start;
    TRY(cella_buffer_extend(file, (size_t)size, &start));
    write_header(l, size, config_offset, start);
    struct cella_writer w =
        cella_writer(start + table_at, (size_t)l->count * CELLA_IMAGE_REGION_SIZE);
    for (uint32_t i = 0; i < l->count; i++) {
        const struct item *item = &l->item[i];
        write_region(&item->region, &w);
        if (item->content.size)
            cella_copy(start + item->region.file_offset + item->lead, item->content.data,
                       item->content.size);
    }
    return CELLA_SUCCESS;
}

/* Measures what was written and puts in the SIGSTRUCT, all but the signer's part. */
static CELLA_RESULT write_sigstruct(const struct layout *l, struct cella_buffer *file, size_t at) {
    __attribute__((cleanup(cella_image_free))) struct cella_image image = {0};
    const struct cella_config *c = l->config;
    TRY(cella_image_open(cella_bytes(file->data + at, file->size - at), &image));
    struct cella_sigstruct s = {.date = l->in->date,
                                .miscselect = CELLA_LAYOUT_MISCSELECT,
                                .miscmask = CELLA_LAYOUT_MISCMASK,
                                .xfrm = CELLA_SGX_XFRM_BASE,
                                .flags_mask = CELLA_LAYOUT_FLAGS_MASK,
                                .xfrm_mask = CELLA_LAYOUT_XFRM_MASK,
                                .product_id = c->product_id,
                                .svn = c->svn};
    s.flags = CELLA_SGX_ATTRIBUTE_MODE64BIT | CELLA_SGX_ATTRIBUTE_KSS;
    if (c->flags & CELLA_CONFIG_DEBUG) s.flags |= CELLA_SGX_ATTRIBUTE_DEBUG;
    TRY(cella_image_measure(&image, s.mrenclave));
    cella_sigstruct_write(&s, file->data + at + CELLA_IMAGE_SIGSTRUCT_OFFSET);
    return CELLA_SUCCESS;
}

static CELLA_RESULT build(struct layout *l, struct cella_buffer *room, struct cella_buffer *file) {
    size_t at = file->size;
    uint8_t *unused;
    TRY(cella_buffer_extend(room, CONFIG_ROOM, &unused));
    TRY(place_programs(l));
    TRY(encode(l, room));
    TRY(place_shim(l));
    TRY(place_rest(l));
    TRY(encode(l, room));
    qsort(l->item, l->count, sizeof(l->item[0]), by_offset);
    TRY(write_file(l, file));
    TRY(write_sigstruct(l, file, at));
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_layout_build(const struct cella_layout_input *input, struct cella_config *config,
                                struct cella_buffer *file) {
    CELLA_BUFFER room = {0};
    struct layout *l = calloc(1, sizeof(*l));
    ENSURE(l, CELLA_ERR_MEMORY, NULL, "no memory for a layout");
    l->in = input;
    l->config = config;
    config->base_mode = CELLA_IMAGE_BASE_ANY;
    struct cella_result r = build(l, &room, file);
    free(l->tcs);
    free(l);
    return cella_failed(r) ? cella_result_trace(r, CELLA_WHERE) : CELLA_SUCCESS;
}
