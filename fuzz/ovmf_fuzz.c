/* Firmware images whose launch is measured. */
#include <stdlib.h>
#include <string.h>

#include "image/ovmf.h"
#include "image/snp_measure.h"
#include "image/tdx_measure.h"

enum { PADDED = 8192, PAGES = 256 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool done(struct cella_result r) {
    bool good = !cella_failed(r);
    cella_result_drop(r);
    return good;
}

/* The input is the end of an image: what its tables say is there. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static uint8_t image[PADDED];
    static struct cella_ovmf ovmf;
    uint8_t digest[CELLA_SNP_DIGEST_SIZE];
    size_t digest_size;
    uint64_t total = 0;
    if (size > PADDED) return 0;
    memset(image, 0, sizeof(image));
    memcpy(image + PADDED - size, data, size);
    struct cella_bytes bytes = cella_bytes(image, PADDED);
    if (!done(cella_ovmf_read(bytes, &ovmf))) return 0;
    for (uint32_t i = 0; i < ovmf.sev_count; i++) total += ovmf.sev[i].size / 4096;
    for (uint32_t i = 0; i < ovmf.tdx_count; i++) {
        const struct cella_ovmf_tdx_section *s = &ovmf.tdx[i];
        if (s->content.size > s->size) abort();
        if (s->content.size &&
            (s->content.data < image || s->content.data + s->content.size > image + PADDED))
            abort();
        if (s->size / 4096 > PAGES) return 0; /* measured, but not a thousand times a second */
        total += s->size / 4096;
    }
    if (total > PAGES) return 0;
    struct cella_snp_launch l = {.ovmf = bytes,
                                 .svsm = bytes,
                                 .vcpus = 2,
                                 .vcpu_signature = 0x00a00f11,
                                 .guest_features = 1};
    for (int mode = 0; mode < 4; mode++) {
        l.mode = (enum cella_snp_mode)mode;
        l.has_kernel = size & 1 && mode != CELLA_MODE_SNP_SVSM;
        (void)done(cella_snp_launch_digest(&l, digest, &digest_size));
    }
    (void)done(cella_tdx_mrtd(bytes, size & 2, digest));
    return 0;
}
