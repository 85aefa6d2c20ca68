/* The trust's own parts. For trust*.c. */
#ifndef CELLA_ATTEST_TRUST_INNER_H
#define CELLA_ATTEST_TRUST_INNER_H

#include <pthread.h>
#include <stdatomic.h>

#include "attest/trust.h"
#include "base/buffer.h"
#include "collateral/fetch.h"

enum {
    CELLA_TRUST_PATHS = 64,
    CELLA_TRUST_PENDING = 16, /* evidences whose wants wait */
    CELLA_TRUST_TRIED = 32,   /* wants of evidence in a minute */
};

struct cella_trust_set {
    unsigned refs; /* under the lock */
    struct cella_collateral *collateral;
};

struct cella_trust_tried {
    uint8_t digest[32]; /* of what was wanted */
    uint64_t at_ms;
};

struct cella_trust {
    /* Copied settings */
    char *path[CELLA_TRUST_PATHS], *platform[CELLA_TRUST_PATHS];
    size_t path_count, platform_count;
    char *cache, *ca, *roots;
    struct cella_sources sources;
    bool fetches;
    uint32_t refresh_s, timeout_ms;
    atomic_bool stop;

    /* Of the thread that tends */
    struct cella_store known; /* what holds now, settled */
    uint8_t signature[32];    /* of the files as they were read last */
    uint64_t next_unix, last_attempt_unix;

    pthread_mutex_t lock; /* of what follows; held for a few instructions */
    struct cella_trust_set *current;
    struct cella_wants *pending[CELLA_TRUST_PENDING]; /* owned */
    size_t pending_count;
    struct cella_trust_tried tried[CELLA_TRUST_TRIED];
    size_t tried_next;
    uint64_t success_unix;
    struct cella_trust_state state; /* without its age */
};

/* trust_load.c: the set and the store of the files, the cache and what is known. */
CELLA_RESULT cella_trust_load(struct cella_trust *trust, struct cella_collateral **set,
                              struct cella_store *store);
/* A digest of names, sizes and times of all files that _load reads. */
CELLA_RESULT cella_trust_signature(const struct cella_trust *trust, uint8_t signature[32]);

/* trust_fetch.c: fetches into the cache's file what is pending, and with due what is known. */
CELLA_RESULT cella_trust_fetch(struct cella_trust *trust, bool due, uint64_t now_unix);
bool cella_trust_has_pending(struct cella_trust *trust);
void cella_trust_free_pending(struct cella_trust *trust);

#endif
