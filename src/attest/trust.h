/* The collateral that a service verifies with: an immutable set, replaced whole by a background
 * thread, so that a request never waits for the network. */
#ifndef CELLA_ATTEST_TRUST_H
#define CELLA_ATTEST_TRUST_H

#include <cella/collateral.h>
#include <stdbool.h>
#include <stdint.h>

struct cella_trust_settings {
    const char *const *path; /* bundles and folders, read again when they change */
    size_t path_count;
    const char
        *cache; /* file: what the background fetched, kept over restarts; NULL: no fetching */
    const char *source;  /* where it is fetched: "pcs=URL" and "kds=URL", blanks between; NULL or
                            empty: the makers; "none": no fetching */
    const char *ca;      /* PEM: authorities for TLS to the sources; NULL: the system's */
    const char *roots;   /* file or folder that replaces the makers' roots; NULL: theirs */
    uint32_t refresh_s;  /* 0: an hour */
    uint32_t timeout_ms; /* of one answer; 0: 10000 */
    const char *const *platform; /* files: public keys of software platforms and TPM AKs (A23) */
    size_t platform_count;
};
struct cella_trust;
/* Reads what is there; starts no thread. Texts are copied. */
CELLA_RESULT cella_trust_new(const struct cella_trust_settings *settings, struct cella_trust **out);
void cella_trust_free(struct cella_trust **trust);
/* The set of now; give it back with _drop. Neither waits for _tend: the lock between them is held
 * for a few instructions. */
const struct cella_collateral *cella_trust_take(struct cella_trust *trust, void **hold);
void cella_trust_drop(struct cella_trust *trust, void *hold);
/* Evidence needed something that is not there: remembered (bounded) and fetched by _tend. The same
 * is not asked for again before a minute is over, and in a minute not more than 32 things. */
void cella_trust_want(struct cella_trust *trust, struct cella_bytes evidence);
/* Whether what is wanted is fetched at all. */
bool cella_trust_fetches(const struct cella_trust *trust);
/* From the background thread: reads changed files, fetches what is wanted or will soon be stale,
 * and replaces the set. Waits for the network up to a bounded time. What held before stays: an
 * older item never replaces a newer (A05), and of files that cannot be read nothing is taken.
 * The error is for the log; the set serves on. */
CELLA_RESULT cella_trust_tend(struct cella_trust *trust, uint64_t now_unix);
/* From any thread: a _tend under way gives up waiting for the network, and so do later ones. */
void cella_trust_stop(struct cella_trust *trust);

struct cella_trust_state {
    uint64_t age_s;    /* since the last refresh that succeeded: of the files, or by fetching */
    uint64_t count;    /* signed items that hold */
    uint64_t stale;    /* of them, those past their time */
    uint64_t failures; /* refreshes that failed, since the start */
    char last[256];    /* the error of the last refresh; "" when it succeeded */
};
/* As the last _tend left it. */
void cella_trust_state(struct cella_trust *trust, uint64_t now_unix, struct cella_trust_state *out);

#endif
