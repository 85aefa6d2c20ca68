/* Protected files over descriptors: the core's storage and crypto on this side of the border. */
#ifndef CELLA_SEAL_STREAM_H
#define CELLA_SEAL_STREAM_H

#include <cella/seal.h>

#include "seal/protected.h"

extern const struct cella_protected_crypto cella_seal_crypto; /* HKDF and randomness of OpenSSL */
/* Storage in a regular file; fd stays the caller's. */
struct cella_protected_io cella_seal_io(const int *fd);

/* Memory of one open protected file: kept out of core dumps, its keys locked where the system
 * allows. */
struct cella_seal_memory {
    void *data;
    size_t size;
};
CELLA_RESULT cella_seal_memory_new(uint32_t cache_blocks, uint64_t max_size,
                                   struct cella_seal_memory *out);
void cella_seal_memory_free(struct cella_seal_memory *memory);
#define CELLA_SEAL_MEMORY __attribute__((cleanup(cella_seal_memory_free))) struct cella_seal_memory

#endif
