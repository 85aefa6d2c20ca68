/* Image files, and the configuration inside them. */
#include <cella/image.h>

#include "abi/config.h"
#include "base/memory.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void config(struct cella_bytes bytes) {
    static struct cella_config c;
    static uint8_t again[1 << 20];
    struct cella_result r = cella_config_decode(bytes, &c);
    if (!cella_failed(r)) { /* one spelling */
        struct cella_writer w = cella_writer(again, sizeof(again));
        struct cella_result encoded = cella_config_encode(&c, &w);
        if (cella_failed(encoded) || w.size != bytes.size ||
            !cella_equal(again, bytes.data, w.size))
            __builtin_trap();
    }
    cella_result_drop(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct cella_image image;
    struct cella_identity id;
    config(cella_bytes(data, size));
    struct cella_result r = cella_image_open(cella_bytes(data, size), &image);
    if (!cella_failed(r)) {
        uint64_t pages = 0;
        for (uint32_t i = 0; i < image.region_count; i++) {
            const struct cella_region *g = &image.regions[i];
            pages += g->pages;
            if (g->file_offset && !cella_range_inside(g->file_offset, g->pages * 4096, 0, size))
                __builtin_trap();
        }
        config(image.config);
        if (pages < 4096) { /* measuring terabytes of zeros is slow, not wrong */
            struct cella_result verified = cella_image_verify(&image, &id);
            cella_result_drop(verified);
        }
        cella_image_free(&image);
    }
    cella_result_drop(r);
    return 0;
}
