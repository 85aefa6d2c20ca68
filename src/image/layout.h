/* Puts programs, shim and configuration into an enclave's address range and writes the image file.
 * docs/formats/image.md, "Layout", is the text. Pure and deterministic: same inputs, same bytes. */
#ifndef CELLA_IMAGE_LAYOUT_H
#define CELLA_IMAGE_LAYOUT_H

#include <cella/result.h>

#include "abi/config.h"
#include "abi/sgx.h"
#include "base/buffer.h"
#include "image/elf.h"
#include "image/sigstruct.h"

/* How every image is signed. MISCSELECT: EXINFO wanted, the loader may leave it out. XFRM: x87 and
 * SSE, the loader may add AVX (2), AVX-512 (5, 6, 7) and PKRU (9). AEX-Notify (flag 10) is left
 * open, all else exact. */
enum { CELLA_LAYOUT_MISCSELECT = 1 };
#define CELLA_LAYOUT_MISCMASK   0xfffffffeU
#define CELLA_LAYOUT_FLAGS_MASK (~(1ULL << 10))
#define CELLA_LAYOUT_XFRM_MASK  (~(1ULL << 2 | 1ULL << 5 | 1ULL << 6 | 1ULL << 7 | 1ULL << 9))

#define CELLA_LAYOUT_ENCLAVE_MAX (1ULL << 40) /* bytes of an enclave */

struct cella_layout_input {
    const struct cella_elf *program; /* config->program_count of them */
    const struct cella_elf *shim;
    uint64_t heap_size, stack_size; /* bytes, rounded up to pages */
    uint32_t date;                  /* BCD, for SIGSTRUCT */
};

/* Fills the layout fields of config and appends the image, signed by nobody yet, to *file.
 * CELLA_ERR_USAGE when the programs cannot lie in one enclave. */
CELLA_RESULT cella_layout_build(const struct cella_layout_input *input, struct cella_config *config,
                                struct cella_buffer *file);
/* The thread control page of the slot that begins at offset slot. */
void cella_layout_tcs(uint64_t slot, uint64_t entry, uint8_t page[CELLA_PAGE_SIZE]);

#endif
