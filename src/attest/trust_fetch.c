/* From sources to the cache. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "attest/trust_inner.h"
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "crypto/digest.h"

enum { AGAIN_MS = 60000 };

static uint64_t now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* --- What evidence wants --- */

static CELLA_RESULT digest_wants(const struct cella_wants *wants, uint8_t digest[32]) {
    CELLA_BUFFER paths = {0};
    for (size_t i = 0; i < wants->count; i++)
        TRY(cella_buffer_append(&paths,
                                cella_bytes(wants->want[i].path, strlen(wants->want[i].path) + 1)));
    return cella_sha256(cella_buffer_bytes(&paths), digest);
}

/* Under the lock. Callers choose what they want, so the memory of what was tried is a ring that
 * grows for nobody, and no faster asked for than it forgets: nobody makes us flood a source (K20).
 */
static bool tried_lately(struct cella_trust *trust, const uint8_t digest[32], uint64_t at_ms) {
    const struct cella_trust_tried *oldest = &trust->tried[trust->tried_next];
    if (oldest->at_ms && at_ms - oldest->at_ms < AGAIN_MS) return true;
    for (size_t i = 0; i < CELLA_TRUST_TRIED; i++) {
        const struct cella_trust_tried *tried = &trust->tried[i];
        if (tried->at_ms && at_ms - tried->at_ms < AGAIN_MS &&
            cella_equal(tried->digest, digest, 32))
            return true;
    }
    return false;
}

static void remember(struct cella_trust *trust, const uint8_t digest[32], uint64_t at_ms) {
    struct cella_trust_tried *tried = &trust->tried[trust->tried_next];
    trust->tried_next = (trust->tried_next + 1) % CELLA_TRUST_TRIED;
    cella_copy(tried->digest, digest, 32);
    tried->at_ms = at_ms;
}

static bool put_pending(struct cella_trust *trust, struct cella_wants *wants,
                        const uint8_t digest[32]) {
    uint64_t at_ms = now_ms();
    pthread_mutex_lock(&trust->lock);
    bool put = trust->pending_count < CELLA_TRUST_PENDING && !tried_lately(trust, digest, at_ms);
    if (put) {
        trust->pending[trust->pending_count++] = wants;
        remember(trust, digest, at_ms);
    }
    pthread_mutex_unlock(&trust->lock);
    return put;
}

void cella_trust_want(struct cella_trust *trust, struct cella_bytes evidence) {
    uint8_t digest[32];
    if (!trust->fetches) return;
    struct cella_wants *wants = calloc(1, sizeof(*wants));
    if (!wants) return;
    struct cella_result r = cella_wants_evidence(wants, evidence, NULL);
    if (!cella_failed(r)) r = digest_wants(wants, digest);
    bool put = !cella_failed(r) && wants->count > 0 && put_pending(trust, wants, digest);
    cella_result_drop(r); /* nothing that can be fetched */
    if (!put) free(wants);
}

bool cella_trust_fetches(const struct cella_trust *trust) { return trust->fetches; }

bool cella_trust_has_pending(struct cella_trust *trust) {
    pthread_mutex_lock(&trust->lock);
    bool has = trust->pending_count > 0;
    pthread_mutex_unlock(&trust->lock);
    return has;
}

static struct cella_wants *take_pending(struct cella_trust *trust) {
    pthread_mutex_lock(&trust->lock);
    struct cella_wants *wants =
        trust->pending_count ? trust->pending[--trust->pending_count] : NULL;
    pthread_mutex_unlock(&trust->lock);
    return wants;
}

void cella_trust_free_pending(struct cella_trust *trust) {
    while (trust->pending_count) free(trust->pending[--trust->pending_count]);
}

/* --- Fetching --- */

struct fetch {
    struct cella_trust *trust;
    struct cella_store store;  /* of the cache */
    struct cella_result error; /* the first; later ones are logged by the fetching itself */
    uint64_t now_unix;
    bool settled; /* the store may be written */
};

static void ask(struct fetch *f, struct cella_wants *wants) {
    struct cella_download_settings settings = {
        .ca_path = f->trust->ca, .timeout_ms = f->trust->timeout_ms, .stop = &f->trust->stop};
    if (wants->count == 0 || atomic_load(&f->trust->stop)) return;
    struct cella_result r =
        cella_fetch(&f->store, wants, &f->trust->sources, &settings, f->now_unix);
    /* What was not to be had hinders nothing that was; any other error may have left the store
     * unsettled. */
    f->settled = !cella_failed(r) || cella_code_of(r) == CELLA_ERR_UNAVAILABLE;
    wants->count = 0;
    if (cella_failed(f->error))
        cella_result_drop(r);
    else
        f->error = r;
}

static CELLA_RESULT want_of(const struct cella_trust *trust, const char *name,
                            struct cella_wants *wants) {
    static const char info[] = "tcb_info-";
    uint8_t fmspc[6];
    char line[16];
    if (strncmp(name, info, sizeof(info) - 1) == 0 && strlen(name) == sizeof(info) - 1 + 4 + 17) {
        const char *tee = name + sizeof(info) - 1;
        TRY(cella_hex_decode(cella_bytes(tee + 4, 12), fmspc, sizeof(fmspc)));
        return cella_wants_intel(wants, fmspc, tee[0] == 't',
                                 cella_store_find(&trust->known, "pck_crl-processor.der"),
                                 cella_store_find(&trust->known, "pck_crl-platform.der"));
    }
    bool vlek = strncmp(name, "asvk-", 5) == 0;
    if (sscanf(name, vlek ? "asvk-%15[a-z]-" : "crl-%15[a-z].der", line) != 1) return CELLA_SUCCESS;
    return cella_wants_amd(wants, line, vlek);
}

/* Everything that is known and goes out of date, as many at a time as are asked for at a time. */
static CELLA_RESULT ask_known(struct fetch *f, struct cella_wants *wants) {
    const struct cella_store *known = &f->trust->known;
    for (size_t i = 0; i < known->count; i++) {
        enum { ROOM = 8 }; /* at most so many for one item */
        if (wants->count + ROOM > CELLA_WANT_MAX) ask(f, wants);
        TRY(want_of(f->trust, known->item[i].name, wants));
    }
    ask(f, wants);
    return CELLA_SUCCESS;
}

static CELLA_RESULT write_cache(struct fetch *f) {
    CELLA_BUFFER bundle = {0}, before = {0};
    if (!f->settled || f->store.count == 0) return CELLA_SUCCESS;
    TRY(cella_store_bundle(&f->store, &bundle));
    struct cella_result r = cella_file_read(f->trust->cache, 64 << 20, &before);
    bool same = !cella_failed(r) && before.size == bundle.size &&
                cella_equal(before.data, bundle.data, bundle.size);
    cella_result_drop(r);
    return same ? CELLA_SUCCESS
                : cella_file_write(f->trust->cache, cella_buffer_bytes(&bundle), 0600, 0);
}

static CELLA_RESULT open_cache(struct fetch *f) {
    size_t taken = 0;
    if (f->trust->roots) TRY(cella_store_roots(&f->store, f->trust->roots));
    if (access(f->trust->cache, F_OK) != 0) return CELLA_SUCCESS;
    struct cella_result r = cella_store_add_path(&f->store, f->trust->cache, &taken);
    if (cella_code_of(r) == CELLA_ERR_MEMORY) return r;
    if (cella_failed(r))
        cella_log(CELLA_LOG_WARN, "collateral: the cache is made anew: %s", r.error->what);
    cella_result_drop(r);
    return CELLA_SUCCESS;
}

static CELLA_RESULT fetch_all(struct fetch *f, struct cella_wants *wants, bool due) {
    TRY(open_cache(f));
    for (struct cella_wants *one; (one = take_pending(f->trust)); free(one)) ask(f, one);
    if (due) TRY(ask_known(f, wants));
    TRY(write_cache(f));
    return f->error;
}

CELLA_RESULT cella_trust_fetch(struct cella_trust *trust, bool due, uint64_t now_unix) {
    struct fetch f = {.trust = trust, .now_unix = now_unix};
    struct cella_wants *wants = calloc(1, sizeof(*wants));
    ENSURE(wants, CELLA_ERR_MEMORY, NULL, "no memory to fetch collateral");
    struct cella_result r = fetch_all(&f, wants, due);
    if (r.error != f.error.error) cella_result_drop(f.error);
    free(wants);
    cella_store_free(&f.store);
    return r;
}
