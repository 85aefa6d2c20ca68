/* Images: the signed, measured file an enclave is started from (docs/formats/image.md).
 *
 * Opening is pure: bytes in, a description out, nothing allocated that outlives cella_image_free,
 * no file, clock or network. Thread-safe for different images; one image may be read by many
 * threads.
 */
#ifndef CELLA_IMAGE_H
#define CELLA_IMAGE_H

#include <cella/bytes.h>
#include <cella/identity.h>
#include <cella/result.h>

#define CELLA_IMAGE_FILE_MAX ((size_t)1 << 30) /* bytes of an image file */

struct cella_region {
    uint64_t offset;      /* bytes from the enclave base, page aligned */
    uint64_t pages;       /* 4096 bytes each, >= 1 */
    uint64_t file_offset; /* bytes into the image file, page aligned; 0: zero-filled */
    uint64_t flags;       /* SECINFO.FLAGS: 1 R, 2 W, 4 X, 0x100 TCS, 0x200 REG */
    uint32_t kind;        /* enum cella_region_kind of abi/image.h */
    uint32_t index;       /* program or thread slot */
    bool measured;        /* contents are part of MRENCLAVE */
};

struct cella_image {
    struct cella_bytes file; /* the whole file; must outlive the image */
    uint64_t enclave_size;   /* bytes, a power of two */
    uint32_t base_mode;      /* 0 any address aligned to enclave_size, 1 address 0 */
    uint32_t ssa_pages;
    uint64_t entry;                      /* bytes from the base */
    uint64_t config_offset, config_size; /* the CONFIG region's place and used bytes */
    uint32_t thread_count;
    uint32_t region_count;
    struct cella_region *regions; /* owned; ascending, not overlapping, inside enclave_size */
    struct cella_bytes sigstruct; /* 1808 bytes inside file */
    struct cella_bytes config;    /* encoded struct cella_config inside file */
};

/* Parses and checks structure: sizes, order, overlaps, flags (never W with X, content only in
 * read-only regions), exact file size, kinds required by a loader present. Does not measure or
 * check the signature. */
CELLA_RESULT cella_image_open(struct cella_bytes file, struct cella_image *out);
void cella_image_free(struct cella_image *image);
/* MRENCLAVE of the image as it lies in the file. */
CELLA_RESULT cella_image_measure(const struct cella_image *image, uint8_t mrenclave[32]);
/* Measures, checks SIGSTRUCT (RSA-3072 signature, form, ENCLAVEHASH equal to the measurement) and
 * that the configuration says the same product, version, debug and config id. Fills *out only on
 * success; the reason of a failure names what differs (CELLA_ERR_INTEGRITY) or is malformed
 * (CELLA_ERR_FORMAT). (threats.md T09, T10) */
CELLA_RESULT cella_image_verify(const struct cella_image *image, struct cella_identity *out);

#endif
