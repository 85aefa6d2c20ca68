/* The software backend: turns the calling process into an enclave (spec: docs/threat-model.md;
 * start.h).
 *
 * Called in a process that the zygote has just forked for this one enclave: single-threaded,
 * holding no keys, all signals blocked with default actions, already non-dumpable, no_new_privs
 * set.
 */
#ifndef CELLA_PLATFORM_BACKEND_SOFTWARE_H
#define CELLA_PLATFORM_BACKEND_SOFTWARE_H

#include <stddef.h>

#include "abi/start.h"
#include "platform/load.h"

struct cella_software_child {
    int image_fd;                /* sealed copy of the image */
    int fd[CELLA_FD_FIRST_FREE]; /* become descriptors 0..4 */
    void *pool;       /* the whole inherited pool, unmapped before the jump; NULL: none */
    size_t pool_size; /* bytes */
    void *slice;      /* this enclave's part of it: cella_load_writable_pages() pages, all zero */
};

/* Maps the image, fills the start block, leaves only the five descriptors, reports "loaded" by one
 * message (u32 0 | u64 base) on descriptor 4, and jumps to the shim. Returns only when it fails;
 * the process is then fit for _exit alone. */
CELLA_RESULT cella_software_enter(const struct cella_load *load,
                                  const struct cella_software_child *child);

#endif
