/* For the image part and those that load images: what kinds of region there are and how to find
 * one. */
#ifndef CELLA_IMAGE_REGION_H
#define CELLA_IMAGE_REGION_H

#include <cella/image.h>

#include "abi/image.h"

struct cella_region_rule {
    const char *name; /* as inspect prints it */
    uint64_t flags;   /* SECINFO.FLAGS, exactly */
    bool content, measured;
};
/* NULL for a kind that is none. */
const struct cella_region_rule *cella_region_rule(uint32_t kind);
/* The first region of that kind and index, or NULL. */
const struct cella_region *cella_image_region(const struct cella_image *image, uint32_t kind,
                                              uint32_t index);

#endif
