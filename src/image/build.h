/* From program, manifest and shim to an image: reads the files that the manifest names, lays them
 * out, signs. */
#ifndef CELLA_IMAGE_BUILD_H
#define CELLA_IMAGE_BUILD_H

#include <cella/bytes.h>
#include <cella/result.h>

#include "base/buffer.h"
#include "crypto/rsa3072.h"
#include "image/sigstruct.h"

enum { CELLA_PROGRAM_FILE_MAX = 512 << 20 /* bytes of a program */ };
#define CELLA_BUILD_DATE_DEFAULT                                                                   \
    0x20000101U /* "no date": images do not depend on the day they are signed */

struct cella_build {
    const char *program;      /* file of the program started */
    const char *manifest;     /* file, or NULL for all defaults */
    struct cella_bytes shim;  /* ELF */
    struct cella_bytes fetch; /* ELF of the program that gets keys from a vault */
    uint32_t date; /* BCD; used where the manifest gives none; 0: CELLA_BUILD_DATE_DEFAULT */
};

/* Appends the image, signed by nobody yet. */
CELLA_RESULT cella_image_build(const struct cella_build *build, struct cella_buffer *out);
/* The 256 bytes that the signer of an unsigned image signs with RSA-3072, e = 3, PKCS#1 v1.5,
 * SHA-256. */
CELLA_RESULT cella_image_to_sign(struct cella_bytes unsigned_image,
                                 uint8_t out[CELLA_SIGSTRUCT_SIGNED_SIZE]);
/* Puts a signature (little-endian) in, in place, and verifies the whole image. */
CELLA_RESULT cella_image_attach(struct cella_buffer *image,
                                const uint8_t modulus[CELLA_RSA3072_SIZE],
                                const uint8_t signature[CELLA_RSA3072_SIZE]);
/* to_sign, sign and attach with a key at hand. */
CELLA_RESULT cella_image_sign(struct cella_buffer *image, const struct cella_rsa3072 *key);

#endif
