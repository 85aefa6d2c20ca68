/* The collateral that a service verifies with: an immutable set, replaced whole by a background
 * thread, so that a request never waits for the network. */
#ifndef CELLA_ATTEST_TRUST_H
#define CELLA_ATTEST_TRUST_H

#include <cella/collateral.h>
#include <stdint.h>

struct cella_trust_settings {
    const char *const *path; /* bundles and folders, read again when they change */
    size_t path_count;
    const char
        *cache; /* file: what the background fetched, kept over restarts; NULL: no fetching */
    const char
        *source; /* collateral sources as `cella collateral fetch` takes them; NULL: the makers */
    uint32_t refresh_s;          /* 0: an hour */
    const char *const *platform; /* files: public keys of software platforms and TPM AKs (A23) */
    size_t platform_count;
};
struct cella_trust;
/* Reads what is there; starts no thread. Texts are copied. */
CELLA_RESULT cella_trust_new(const struct cella_trust_settings *settings, struct cella_trust **out);
void cella_trust_free(struct cella_trust **trust);
/* The set of now; give it back with _drop. Lock-free enough for every request. */
const struct cella_collateral *cella_trust_take(struct cella_trust *trust, void **hold);
void cella_trust_drop(struct cella_trust *trust, void *hold);
/* Evidence needed something that is not there: remembered (bounded) and fetched by _tend. */
void cella_trust_want(struct cella_trust *trust, struct cella_bytes evidence);
/* From the background thread: reads changed files, fetches what is wanted or will soon be stale,
 * and replaces the set. Waits for the network up to a bounded time. */
CELLA_RESULT cella_trust_tend(struct cella_trust *trust, uint64_t now_unix);
/* Seconds since the last refresh that succeeded, and items that are past their time. */
void cella_trust_state(struct cella_trust *trust, uint64_t now_unix, uint64_t *age_s,
                       uint64_t *stale);

#endif
