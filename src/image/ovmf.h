/* What a firmware image of a confidential VM (OVMF, TDVF, the SVSM) says about its own launch: the
 * table of GUIDs that ends 32 bytes before its end, and the SEV and TDX metadata it points to.
 * Source: edk2, OvmfPkg/ResetVector (tables and metadata); Intel 344425 (TDVF design guide), 11.
 * Untrusted bytes. */
#ifndef CELLA_IMAGE_OVMF_H
#define CELLA_IMAGE_OVMF_H

#include <cella/bytes.h>
#include <cella/result.h>
#include <stdbool.h>
#include <stdint.h>

enum cella_ovmf_sev_type {
    CELLA_OVMF_SEC_MEM = 1,
    CELLA_OVMF_SECRETS = 2,
    CELLA_OVMF_CPUID = 3,
    CELLA_OVMF_SVSM_CAA = 4,
    CELLA_OVMF_KERNEL_HASHES = 0x10,
};

struct cella_ovmf_sev_section {
    uint64_t gpa, size; /* bytes, whole pages */
    enum cella_ovmf_sev_type type;
};

enum { CELLA_OVMF_TDX_EXTEND = 1, CELLA_OVMF_TDX_AUG = 2 };

struct cella_ovmf_tdx_section {
    struct cella_bytes content; /* of the image; zeros follow up to size */
    uint64_t gpa, size;         /* bytes, whole pages */
    uint32_t type, attributes;
    bool cut_off; /* the content lies outside of the image: only a part of one is there */
};

enum { CELLA_OVMF_SECTION_MAX = 64, CELLA_OVMF_IMAGE_MAX = 64 << 20 /* bytes */ };

struct cella_ovmf {
    struct cella_bytes image;
    bool has_reset_eip, has_hash_table, has_svsm_info, has_sev, has_tdx;
    uint32_t reset_eip;      /* where processors other than the first start */
    uint32_t hash_table_gpa; /* of the table of hashes of kernel, initrd and command line */
    uint32_t svsm_entry;     /* of the SVSM: its entry, from its start */
    uint32_t sev_count, tdx_count;
    struct cella_ovmf_sev_section sev[CELLA_OVMF_SECTION_MAX];
    struct cella_ovmf_tdx_section tdx[CELLA_OVMF_SECTION_MAX];
};

/* An image without the table is one: all has_ are then false. Refuses a table or metadata that does
 * not hold together, sections that are not whole pages (A31). */
CELLA_RESULT cella_ovmf_read(struct cella_bytes image, struct cella_ovmf *out);

#endif
