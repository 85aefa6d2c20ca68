/* What a backend must know of a verified image to make the box: the load plan.
 *
 * The monitor makes it from an image it has verified (image.h) and hands it to the zygote as bytes;
 * the zygote has no keys and parses no image. Plain values, no pointers into the image.
 */
#ifndef CELLA_PLATFORM_LOAD_H
#define CELLA_PLATFORM_LOAD_H

#include <cella/image.h>
#include <stdbool.h>
#include <stdint.h>

#include "abi/image.h"
#include "base/reader.h"
#include "base/writer.h"

struct cella_load_region {
    uint64_t offset; /* bytes from the base, page aligned */
    uint64_t pages;
    uint64_t file_offset; /* bytes into the sealed copy; 0: zero-filled and writable */
    uint32_t prot;        /* PROT_* */
    uint32_t kind;        /* enum cella_region_kind */
};

struct cella_load {
    uint64_t enclave_size; /* bytes, a power of two */
    uint32_t base_mode;    /* enum cella_image_base */
    bool secret;           /* writable regions from secret memory; else private anonymous memory */
    bool debug;            /* dumpable; never together with secret */
    uint64_t entry, stack_top, start_offset, config_offset, config_size; /* bytes from the base */
    uint32_t region_count; /* mapped regions only: no TCS, no SSA */
    struct cella_load_region region[CELLA_IMAGE_REGION_MAX];
};

enum { CELLA_LOAD_ENCODED_MAX = 80 + CELLA_IMAGE_REGION_MAX * 32 }; /* bytes */

/* The plan of a verified image; secret and debug are the caller's to set. Fails with
 * CELLA_ERR_FORMAT when a region that the start needs (START, the first thread's stack) is missing.
 */
CELLA_RESULT cella_load_from_image(const struct cella_image *image, struct cella_load *out);
void cella_load_encode(const struct cella_load *load, struct cella_writer *w);
/* Decodes and checks again what the mapping code relies on: page aligned, ascending, inside
 * enclave_size, never writable with executable. */
CELLA_RESULT cella_load_decode(struct cella_reader *r, struct cella_load *out);
/* Pages of all writable regions together: the size of the slice of secret memory. */
uint64_t cella_load_writable_pages(const struct cella_load *load);

#endif
