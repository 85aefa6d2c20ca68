/* Whether an image is what its signer signed. Header and region table are not measured themselves;
 * all in them that a loader acts on is bound here to what is measured: region places and flags by
 * MRENCLAVE, the entry point by the thread control pages, the configuration's place by its distance
 * to the shim, the rest by the configuration. So one MRENCLAVE stands for one behaviour. (T09, T10)
 */
#include <cella/image.h>
#include <stdlib.h>

#include "abi/config.h"
#include "base/memory.h"
#include "image/layout.h"
#include "image/region.h"
#include "image/sigstruct.h"

#define DIFFER(cond, ...)                                                                          \
    ENSURE(cond, CELLA_ERR_INTEGRITY,                                                              \
           "the image was changed after signing; get it from its signer again", __VA_ARGS__)

static bool same(const struct cella_region *g, const struct cella_config_range *range) {
    return g && g->offset == range->offset && g->pages == range->pages;
}

/* The header is not measured; without this check a host could start the shim in its middle. (T09)
 */
static CELLA_RESULT check_tcs(const struct cella_image *image) {
    for (uint32_t i = 0; i < image->thread_count; i++) {
        const struct cella_region *g = cella_image_region(image, CELLA_REGION_TCS, i);
        uint8_t expected[CELLA_PAGE_SIZE];
        cella_layout_tcs(g->offset, image->entry, expected);
        DIFFER(cella_equal(image->file.data + g->file_offset, expected, CELLA_PAGE_SIZE),
               "image: the thread control page of slot %u does not fit the header and layout", i);
    }
    return CELLA_SUCCESS;
}

static uint64_t end_of(const struct cella_region *g) {
    return g->offset + g->pages * CELLA_PAGE_SIZE;
}

/* shim data, its first bytes, one page of gap, configuration, gap: nothing else in between. */
static CELLA_RESULT check_config_place(const struct cella_image *image) {
    const struct cella_region *data = cella_image_region(image, CELLA_REGION_SHIM_DATA, 0);
    const struct cella_region *init = cella_image_region(image, CELLA_REGION_SHIM_RODATA, 1);
    const struct cella_region *config = cella_image_region(image, CELLA_REGION_CONFIG, 0);
    DIFFER(init && init->offset == end_of(data) && config->offset == end_of(init) + CELLA_PAGE_SIZE,
           "image: the configuration is not where the shim's end puts it");
    const struct cella_region *next = config + 1;
    DIFFER(next == image->regions + image->region_count || next->offset > end_of(config),
           "image: no gap after the configuration");
    uint64_t entry_end = 0;
    for (const struct cella_region *g = image->regions; g < data; g++)
        if (g->kind == CELLA_REGION_SHIM_TEXT)
            entry_end = end_of(g);
        else
            DIFFER(entry_end == 0 || g->kind == CELLA_REGION_SHIM_RODATA,
                   "image: something lies between the shim's text and its data");
    DIFFER(entry_end != 0, "image: the shim's data lies before its text");
    return CELLA_SUCCESS;
}

static bool segment_of(const struct cella_config *c, const struct cella_region *g) {
    const struct cella_config_program *p = &c->program[g->index];
    for (uint32_t i = 0; i < p->segment_count; i++) {
        const struct cella_config_segment *s = &p->segment[i];
        uint64_t init_pages = (s->init_size + CELLA_PAGE_SIZE - 1) / CELLA_PAGE_SIZE;
        if (g->kind == CELLA_REGION_PROGRAM_DATA && same(g, &s->data)) return true;
        if (g->kind == CELLA_REGION_PROGRAM_INIT && g->offset == s->init_offset &&
            g->pages == init_pages)
            return true;
    }
    return false;
}

/* Every region that belongs to a program is one the configuration knows, and the other way round.
 */
static CELLA_RESULT check_programs(const struct cella_image *image, const struct cella_config *c) {
    uint32_t found = 0, named = 0;
    for (uint32_t i = 0; i < image->region_count; i++) {
        const struct cella_region *g = &image->regions[i];
        bool loaded =
            g->kind == CELLA_REGION_PROGRAM_TEXT || g->kind == CELLA_REGION_PROGRAM_RODATA;
        bool written = g->kind == CELLA_REGION_PROGRAM_DATA || g->kind == CELLA_REGION_PROGRAM_INIT;
        if (!loaded && !written) {
            bool slot = g->kind >= CELLA_REGION_TCS && g->kind <= CELLA_REGION_THREAD_STACK;
            bool init = g->kind == CELLA_REGION_SHIM_RODATA && g->index == 1;
            DIFFER(slot || init || g->index == 0,
                   "image: region %u has an index that means nothing", i);
            for (uint32_t k = 0; k < c->program_count; k++) {
                const struct cella_config_range *w = &c->program[k].whole;
                DIFFER(end_of(g) <= w->offset ||
                           g->offset >= w->offset + w->pages * CELLA_PAGE_SIZE,
                       "image: region %u lies inside program %u and is not of it", i, k);
            }
            continue;
        }
        DIFFER(g->index < c->program_count, "image: region %u is of a program that is not there",
               i);
        const struct cella_config_range *whole = &c->program[g->index].whole;
        if (loaded)
            DIFFER(cella_range_inside(g->offset, g->pages * CELLA_PAGE_SIZE, whole->offset,
                                      whole->pages * CELLA_PAGE_SIZE),
                   "image: region %u lies outside its program", i);
        if (written)
            DIFFER(segment_of(c, g), "image: region %u is not one of its program's segments", i);
        found += written;
    }
    for (uint32_t i = 0; i < c->program_count; i++)
        for (uint32_t k = 0; k < c->program[i].segment_count; k++)
            named += c->program[i].segment[k].init_size ? 2 : 1;
    DIFFER(found == named, "image: expected %u regions of program data, found %u", named, found);
    return CELLA_SUCCESS;
}

static CELLA_RESULT check_config(const struct cella_image *image, const struct cella_sigstruct *s,
                                 const struct cella_config *c) {
    DIFFER(c->product_id == s->product_id && c->svn == s->svn,
           "image: configuration says product %u version %u, the signature %u and %u",
           c->product_id, c->svn, s->product_id, s->svn);
    bool debug = s->flags & CELLA_SGX_ATTRIBUTE_DEBUG;
    DIFFER(debug == !!(c->flags & CELLA_CONFIG_DEBUG),
           "image: configuration and signature differ on debug");
    DIFFER(c->enclave_size == image->enclave_size && c->base_mode == image->base_mode &&
               c->thread_count == image->thread_count,
           "image: the header is not what the configuration says");
    DIFFER(same(cella_image_region(image, CELLA_REGION_HEAP, 0), &c->heap) &&
               same(cella_image_region(image, CELLA_REGION_STACK, 0), &c->stack) &&
               cella_image_region(image, CELLA_REGION_START, 0)->offset == c->start_offset &&
               cella_image_region(image, CELLA_REGION_START, 0)->pages == 1 &&
               cella_image_region(image, CELLA_REGION_TCS, 0)->offset == c->slots_offset,
           "image: the region table is not what the configuration says");
    return check_programs(image, c);
}

/* The choices every image of ours is signed with (docs/formats/image.md, "Signature"). */
static CELLA_RESULT check_attributes(const struct cella_sigstruct *s) {
    uint64_t flags = CELLA_SGX_ATTRIBUTE_MODE64BIT | CELLA_SGX_ATTRIBUTE_KSS;
    DIFFER((s->flags & ~CELLA_SGX_ATTRIBUTE_DEBUG) == flags &&
               s->flags_mask == CELLA_LAYOUT_FLAGS_MASK && s->xfrm == CELLA_SGX_XFRM_BASE &&
               s->xfrm_mask == CELLA_LAYOUT_XFRM_MASK && s->miscselect == CELLA_LAYOUT_MISCSELECT &&
               s->miscmask == CELLA_LAYOUT_MISCMASK,
           "image: signed with attributes 0x%llx, not those of an image of cella",
           (unsigned long long)s->flags);
    return CELLA_SUCCESS;
}

static CELLA_RESULT verify_all(const struct cella_image *image, struct cella_config *config,
                               struct cella_identity *id) {
    struct cella_sigstruct s;
    TRY(cella_sigstruct_parse(image->sigstruct, &s));
    bool empty =
        s.modulus[CELLA_RSA3072_SIZE - 1] == 0; /* no RSA-3072 modulus has a zero first byte */
    ENSURE(!empty, CELLA_ERR_INTEGRITY, "`cella sign --attach` puts the signature in",
           "image: not signed yet");
    TRY(cella_sigstruct_verify(&s));
    TRY(cella_image_measure(image, id->mrenclave));
    DIFFER(cella_equal(id->mrenclave, s.mrenclave, sizeof(s.mrenclave)),
           "image: its pages do not measure to the MRENCLAVE that its signer signed");
    TRY(check_attributes(&s));
    TRY(check_tcs(image));
    TRY(check_config_place(image));
    TRY(cella_config_decode(image->config, config));
    TRY(check_config(image, &s, config));
    TRY(cella_sigstruct_mrsigner(&s, id->mrsigner));
    id->product_id = s.product_id;
    id->svn = s.svn;
    id->debug = s.flags & CELLA_SGX_ATTRIBUTE_DEBUG;
    id->attributes = s.flags | CELLA_SGX_ATTRIBUTE_INIT;
    id->xfrm = s.xfrm;
    id->miscselect = s.miscselect;
    cella_copy(id->config_id, config->config_id, sizeof(id->config_id));
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_image_verify(const struct cella_image *image, struct cella_identity *out) {
    struct cella_identity id = {0};
    struct cella_config *config = malloc(sizeof(*config));
    *out = id;
    ENSURE(config, CELLA_ERR_MEMORY, NULL, "no memory for a configuration");
    struct cella_result r = verify_all(image, config, &id);
    free(config);
    if (cella_failed(r)) return cella_result_trace(r, CELLA_WHERE);
    *out = id;
    return CELLA_SUCCESS;
}
