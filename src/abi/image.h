/* The image file (app.cella): layout of the file and of the enclave's address range.
 * docs/formats/image.md is the full text. All integers little-endian.
 *
 * file:  page 0 header | page 1 SIGSTRUCT (1808 bytes, zero padded) | page 2.. region table (zero
 * padded to a page) | content pages, in region order Every page of content is page aligned in the
 * file, so that a platform can map it from a sealed copy.
 *
 * MRENCLAVE: ECREATE(ssa_frame_pages, enclave_size), then for each region in table order, for each
 * page: EADD(offset, flags), then 16 EEXTENDs when the region is measured. Zero-filled regions
 * measure as zeros.
 *
 * Regions that are written at run time (W) have no content: they start as zeros, and the shim fills
 * program data from its read-only copy (PROGRAM_INIT). So all content is immutable and may be
 * shared text.
 */
#ifndef CELLA_ABI_IMAGE_H
#define CELLA_ABI_IMAGE_H

enum {
    CELLA_IMAGE_VERSION = 1,
    CELLA_IMAGE_SIGSTRUCT_OFFSET = 4096,
    CELLA_IMAGE_REGIONS_OFFSET = 8192,
    CELLA_IMAGE_REGION_SIZE = 48,
    CELLA_IMAGE_REGION_MAX = 1024,

    /* header field offsets */
    CELLA_IMAGE_AT_MAGIC = 0,          /* 8 bytes CELLA_IMAGE_MAGIC */
    CELLA_IMAGE_AT_VERSION = 8,        /* u32 */
    CELLA_IMAGE_AT_REGION_COUNT = 12,  /* u32 */
    CELLA_IMAGE_AT_FILE_SIZE = 16,     /* u64, bytes, the whole file */
    CELLA_IMAGE_AT_ENCLAVE_SIZE = 24,  /* u64, SECS.SIZE, a power of two */
    CELLA_IMAGE_AT_BASE_MODE = 32,     /* u32, enum cella_image_base */
    CELLA_IMAGE_AT_SSA_PAGES = 36,     /* u32, SECS.SSAFRAMESIZE, pages */
    CELLA_IMAGE_AT_ENTRY = 40,         /* u64, offset of the shim's entry from the enclave base */
    CELLA_IMAGE_AT_CONFIG_OFFSET = 48, /* u64, offset of the CONFIG region from the base */
    CELLA_IMAGE_AT_CONFIG_SIZE = 56,   /* u64, bytes used of the CONFIG region */
    CELLA_IMAGE_AT_THREAD_COUNT = 64,  /* u32 */
    CELLA_IMAGE_AT_END = 68,           /* the rest of the page is zero */

    /* region entry field offsets */
    CELLA_IMAGE_REGION_OFFSET =
        0, /* u64 from the enclave base, page aligned, ascending, no overlap */
    CELLA_IMAGE_REGION_PAGES = 8,        /* u64, at least 1 */
    CELLA_IMAGE_REGION_FILE_OFFSET = 16, /* u64, page aligned; 0: zero-filled */
    CELLA_IMAGE_REGION_FLAGS = 24,       /* u64, SECINFO.FLAGS */
    CELLA_IMAGE_REGION_KIND = 32,        /* u32, enum cella_region_kind */
    CELLA_IMAGE_REGION_INDEX = 36,       /* u32: program or thread slot */
    CELLA_IMAGE_REGION_MEASURED = 40,    /* u32: 1 = EEXTEND every page */
    CELLA_IMAGE_REGION_RESERVED = 44,    /* u32, zero */
};
#define CELLA_IMAGE_MAGIC "CELLAIMG"

enum cella_image_base {
    CELLA_IMAGE_BASE_ANY = 0, /* any address aligned to enclave_size, chosen at load */
    CELLA_IMAGE_BASE_ZERO =
        1, /* address 0 (fixed-address programs); the first 64 KiB stay unmapped */
};

enum cella_region_kind {
    CELLA_REGION_SHIM_TEXT = 1, /* RX content */
    CELLA_REGION_SHIM_RODATA,   /* R  content, holds the initial bytes of SHIM_DATA */
    CELLA_REGION_SHIM_DATA,    /* RW zero, measured; the shim's start code fills and relocates it */
    CELLA_REGION_CONFIG,       /* R  content: struct cella_config, encoded */
    CELLA_REGION_PROGRAM_TEXT, /* RX content; index = program */
    CELLA_REGION_PROGRAM_RODATA, /* R  content */
    CELLA_REGION_PROGRAM_DATA,   /* RW zero, measured */
    CELLA_REGION_PROGRAM_INIT,   /* R  content: the first bytes of PROGRAM_DATA */
    CELLA_REGION_TCS,    /* TCS content; index = thread slot; not mapped by the software backend */
    CELLA_REGION_SSA,    /* RW zero, measured; not mapped by the software backend */
    CELLA_REGION_THREAD, /* RW zero, measured: the slot's thread block page, see below */
    CELLA_REGION_THREAD_STACK, /* RW zero, measured: the shim's stack of the slot */
    CELLA_REGION_STACK,        /* RW zero, measured: the program's first stack */
    CELLA_REGION_HEAP,         /* RW zero, not measured by EEXTEND */
    CELLA_REGION_START, /* RW zero, not measured by EEXTEND: one page, the start block (start.h) */
};

/* Thread slot i lies at slots_offset + i * CELLA_SLOT_STRIDE; slots_offset is a multiple of the
 * stride and so is every base, so the shim finds its thread block by masking the stack pointer.
 * Pages not named are gaps. */
enum {
    CELLA_SLOT_STRIDE = 0x10000,
    CELLA_SLOT_TCS = 0x0,
    CELLA_SLOT_SSA = 0x1000, /* CELLA_SLOT_NSSA frames of one page */
    CELLA_SLOT_NSSA = 3,
    CELLA_SLOT_THREAD = 0x4000, /* one page */
    CELLA_SLOT_STACK = 0x6000,  /* up to the end of the slot */
    CELLA_SLOT_STACK_END = 0x10000,
    CELLA_SLOT_MAX = 64, /* most threads of an enclave */
};

#endif
