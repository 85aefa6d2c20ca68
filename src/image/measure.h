/* MRENCLAVE: SHA-256 over the records of ECREATE, EADD and EEXTEND (Intel SDM volume 3D, 36.4.1),
 * as the processor makes it while an enclave is built. */
#ifndef CELLA_IMAGE_MEASURE_H
#define CELLA_IMAGE_MEASURE_H

#include <cella/bytes.h>
#include <cella/result.h>
#include <stdint.h>

#include "abi/sgx.h"
#include "crypto/digest.h"

enum { CELLA_MEASURE_CHUNK = 256 /* bytes of one EEXTEND */ };

struct cella_measure {
    struct cella_sha256 sha;
};
void cella_measure_free(struct cella_measure *m);
#define CELLA_MEASURE __attribute__((cleanup(cella_measure_free))) struct cella_measure

/* ssa_pages: SSAFRAMESIZE; size: SECS.SIZE, bytes. */
CELLA_RESULT cella_measure_create(struct cella_measure *m, uint32_t ssa_pages, uint64_t size);
/* EADD of the page at offset; flags as SECINFO.FLAGS (a TCS page counts without R, W, X). */
CELLA_RESULT cella_measure_add(struct cella_measure *m, uint64_t offset, uint64_t flags);
/* 16 EEXTENDs of the page at offset. */
CELLA_RESULT cella_measure_extend(struct cella_measure *m, uint64_t offset,
                                  const uint8_t page[CELLA_PAGE_SIZE]);
/* EINIT. */
CELLA_RESULT cella_measure_end(struct cella_measure *m, uint8_t mrenclave[CELLA_SGX_HASH_SIZE]);

#endif
