/* The zygote's pool of secret memory (spec: software-tee section 5): one memfd_secret region, made
 * at start and its descriptor closed at once, from which enclaves inherit slices.
 *
 * Pages are free, in use, or dirty. A pool begins all dirty: scrubbing a page (writing zeros) also
 * faults it in, which costs 15 to 30 us the first time and nothing later. A page becomes free only
 * by being scrubbed, so no enclave sees what another left, also after a crash (R51, T11). One
 * thread uses a pool.
 */
#ifndef CELLA_PLATFORM_POOL_H
#define CELLA_PLATFORM_POOL_H

#include <cella/result.h>
#include <stdint.h>

struct cella_pool {
    uint8_t *memory; /* NULL: no secret memory on this machine */
    uint64_t pages;
    uint8_t *state; /* per page; owned */
    uint64_t free_pages, dirty_pages;
    uint64_t next_dirty; /* where scrubbing goes on */
    bool secret;         /* false only in tests: the same bookkeeping over ordinary memory */
};

/* Size in bytes that the lock limit of this process lets a pool have, at most wanted; page
 * multiple. */
uint64_t cella_pool_affordable(uint64_t wanted);
/* Fails with CELLA_ERR_UNAVAILABLE and the reason: secretmem.enable=0, kernel without it, lock
 * limit. */
CELLA_RESULT cella_pool_new(uint64_t size, struct cella_pool *out);
/* Ordinary shared memory instead; for tests of the bookkeeping. */
CELLA_RESULT cella_pool_new_insecure_for_test(uint64_t size, struct cella_pool *out);
void cella_pool_free(struct cella_pool *pool);

/* First fit of pages contiguous free pages, all zero; scrubs dirty ones as far as that needs. Fails
 * with CELLA_ERR_UNAVAILABLE saying sizes. *first is a page number. */
CELLA_RESULT cella_pool_take(struct cella_pool *pool, uint64_t pages, uint64_t *first);
/* Gives pages back as dirty. They were taken before. */
void cella_pool_give_back(struct cella_pool *pool, uint64_t first, uint64_t pages);
/* Scrubs up to pages dirty pages. False when none is left. */
bool cella_pool_scrub(struct cella_pool *pool, uint64_t pages);
uint64_t cella_pool_largest_free(const struct cella_pool *pool);

#endif
