#include "image/region.h"

#include "abi/sgx.h"

#define R_ ((uint64_t)CELLA_SGX_SECINFO_REG | CELLA_SGX_SECINFO_R)
#define RX (R_ | CELLA_SGX_SECINFO_X)
#define RW (R_ | CELLA_SGX_SECINFO_W)

/* That W never has content keeps all content immutable and shareable; that X never has W is R49. */
static const struct cella_region_rule rules[] = {
    [CELLA_REGION_SHIM_TEXT] = {"shim-text", RX, true, true},
    [CELLA_REGION_SHIM_RODATA] = {"shim-rodata", R_, true, true},
    [CELLA_REGION_SHIM_DATA] = {"shim-data", RW, false, true},
    [CELLA_REGION_CONFIG] = {"config", R_, true, true},
    [CELLA_REGION_PROGRAM_TEXT] = {"program-text", RX, true, true},
    [CELLA_REGION_PROGRAM_RODATA] = {"program-rodata", R_, true, true},
    [CELLA_REGION_PROGRAM_DATA] = {"program-data", RW, false, true},
    [CELLA_REGION_PROGRAM_INIT] = {"program-init", R_, true, true},
    [CELLA_REGION_TCS] = {"tcs", CELLA_SGX_SECINFO_TCS, true, true},
    [CELLA_REGION_SSA] = {"ssa", RW, false, true},
    [CELLA_REGION_THREAD] = {"thread", RW, false, true},
    [CELLA_REGION_THREAD_STACK] = {"thread-stack", RW, false, true},
    [CELLA_REGION_STACK] = {"stack", RW, false, true},
    [CELLA_REGION_HEAP] = {"heap", RW, false, false},
    [CELLA_REGION_START] = {"start", RW, false, false},
};
enum { RULE_COUNT = sizeof(rules) / sizeof(rules[0]) };

const struct cella_region_rule *cella_region_rule(uint32_t kind) {
    return kind < RULE_COUNT && rules[kind].name ? &rules[kind] : NULL;
}

const struct cella_region *cella_image_region(const struct cella_image *image, uint32_t kind,
                                              uint32_t index) {
    for (uint32_t i = 0; i < image->region_count; i++)
        if (image->regions[i].kind == kind && image->regions[i].index == index)
            return &image->regions[i];
    return NULL;
}
