#include "attest/trust.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "attest/trust_inner.h"
#include "base/log.h"
#include "base/memory.h"

enum { HOUR_S = 3600, AGAIN_S = 60, TIMEOUT_MS = 10000 };

/* --- The set, between threads --- */

static void free_set(struct cella_trust_set *set) {
    cella_collateral_free(&set->collateral);
    free(set);
}

const struct cella_collateral *cella_trust_take(struct cella_trust *trust, void **hold) {
    pthread_mutex_lock(&trust->lock);
    struct cella_trust_set *set = trust->current;
    set->refs++;
    pthread_mutex_unlock(&trust->lock);
    *hold = set;
    return set->collateral;
}

void cella_trust_drop(struct cella_trust *trust, void *hold) {
    struct cella_trust_set *set = hold;
    if (!set) return;
    pthread_mutex_lock(&trust->lock);
    bool last = --set->refs == 0;
    pthread_mutex_unlock(&trust->lock);
    if (last) free_set(set); /* replaced meanwhile, and this was its last request */
}

static void count_items(const struct cella_store *store, uint64_t now_unix,
                        struct cella_trust_state *state) {
    state->count = state->stale = 0;
    for (size_t i = 0; i < store->count; i++) {
        const struct cella_item *item = &store->item[i];
        if (item->kind == CELLA_ITEM_OTHER || item->state != CELLA_ITEM_HELD) continue;
        state->count++;
        state->stale += item->until_unix && item->until_unix < now_unix;
    }
}

static CELLA_RESULT replace(struct cella_trust *trust, struct cella_collateral **collateral) {
    struct cella_trust_set *set = calloc(1, sizeof(*set));
    ENSURE(set, CELLA_ERR_MEMORY, NULL, "no memory for a set of collateral");
    *set = (struct cella_trust_set){.refs = 1, .collateral = MOVE(*collateral)};
    pthread_mutex_lock(&trust->lock);
    void *old = trust->current;
    trust->current = set;
    pthread_mutex_unlock(&trust->lock);
    cella_trust_drop(trust, old);
    return CELLA_SUCCESS;
}

/* --- Settings --- */

static CELLA_RESULT copy(const char *text, char **out) {
    if (!text || !*text) return CELLA_SUCCESS;
    *out = strdup(text);
    ENSURE(*out, CELLA_ERR_MEMORY, NULL, "no memory for settings");
    return CELLA_SUCCESS;
}

static CELLA_RESULT copy_list(const char *const *list, size_t count, char **out, size_t *kept) {
    ENSURE(count <= CELLA_TRUST_PATHS, CELLA_ERR_LIMIT, NULL, "collateral: more than %d paths",
           CELLA_TRUST_PATHS);
    for (size_t i = 0; i < count; i++, ++*kept) TRY(copy(list[i], &out[i]));
    return CELLA_SUCCESS;
}

static CELLA_RESULT take_source(struct cella_trust *trust, const char *word) {
    if (strcmp(word, "none") == 0) {
        trust->fetches = false;
        return CELLA_SUCCESS;
    }
    if (strncmp(word, "pcs=", 4) == 0)
        return cella_sources_add(&trust->sources, CELLA_MAKER_INTEL, word + 4);
    if (strncmp(word, "kds=", 4) == 0)
        return cella_sources_add(&trust->sources, CELLA_MAKER_AMD, word + 4);
    FAIL(CELLA_ERR_USAGE, NULL, "collateral source: expected none, pcs=URL or kds=URL, found '%s'",
         word);
}

static CELLA_RESULT take_sources(struct cella_trust *trust, const char *source) {
    char word[CELLA_SOURCE_URL + 8];
    trust->fetches = trust->cache;
    for (const char *at = source ? source : ""; *(at += strspn(at, " \t"));) {
        size_t size = strcspn(at, " \t");
        ENSURE(size < sizeof(word), CELLA_ERR_LIMIT, NULL, "collateral source: too long");
        cella_copy(word, at, size);
        word[size] = 0;
        TRY(take_source(trust, word));
        at += size;
    }
    return cella_sources_default(&trust->sources);
}

static CELLA_RESULT take_settings(struct cella_trust *trust,
                                  const struct cella_trust_settings *settings) {
    TRY(copy_list(settings->path, settings->path_count, trust->path, &trust->path_count));
    TRY(copy_list(settings->platform, settings->platform_count, trust->platform,
                  &trust->platform_count));
    TRY(copy(settings->cache, &trust->cache));
    TRY(copy(settings->ca, &trust->ca));
    TRY(copy(settings->roots, &trust->roots));
    trust->refresh_s = settings->refresh_s ? settings->refresh_s : HOUR_S;
    trust->timeout_ms = settings->timeout_ms ? settings->timeout_ms : TIMEOUT_MS;
    return take_sources(trust, settings->source);
}

/* --- Life --- */

static CELLA_RESULT load(struct cella_trust *trust) {
    struct cella_collateral *set = NULL;
    CELLA_STORE store = {0};
    TRY(cella_trust_load(trust, &set, &store));
    struct cella_result r = replace(trust, &set);
    cella_collateral_free(&set);
    TRY(r);
    cella_store_free(&trust->known);
    trust->known = MOVE(store);
    return CELLA_SUCCESS;
}

static void settle_state(struct cella_trust *trust, uint64_t now_unix) {
    struct cella_trust_state counted = {0};
    count_items(&trust->known, now_unix, &counted);
    pthread_mutex_lock(&trust->lock);
    trust->state.count = counted.count;
    trust->state.stale = counted.stale;
    pthread_mutex_unlock(&trust->lock);
}

/* A cache that is there was fetched when it was written. */
static uint64_t cache_unix(const struct cella_trust *trust) {
    struct stat st;
    if (!trust->cache || stat(trust->cache, &st) != 0 || st.st_mtime < 0) return 0;
    return (uint64_t)st.st_mtime;
}

CELLA_RESULT cella_trust_new(const struct cella_trust_settings *settings,
                             struct cella_trust **out) {
    *out = NULL;
    __attribute__((cleanup(cella_trust_free))) struct cella_trust *trust =
        calloc(1, sizeof(*trust));
    uint64_t now_unix = (uint64_t)time(NULL);
    ENSURE(trust, CELLA_ERR_MEMORY, NULL, "no memory for collateral");
    pthread_mutex_init(&trust->lock, NULL);
    TRY(take_settings(trust, settings));
    TRY(cella_trust_signature(trust, trust->signature));
    TRY(load(trust));
    settle_state(trust, now_unix);
    trust->success_unix = trust->fetches ? cache_unix(trust) : now_unix;
    if (trust->success_unix == 0) trust->success_unix = now_unix;
    trust->next_unix = trust->success_unix + trust->refresh_s;
    *out = MOVE(trust);
    return CELLA_SUCCESS;
}

void cella_trust_free(struct cella_trust **trust) {
    struct cella_trust *t = *trust;
    if (!t) return;
    cella_trust_free_pending(t);
    if (t->current) cella_trust_drop(t, t->current);
    cella_store_free(&t->known);
    for (size_t i = 0; i < CELLA_TRUST_PATHS; i++) {
        free(t->path[i]);
        free(t->platform[i]);
    }
    free(t->cache);
    free(t->ca);
    free(t->roots);
    pthread_mutex_destroy(&t->lock);
    free(t);
    *trust = NULL;
}

void cella_trust_stop(struct cella_trust *trust) { atomic_store(&trust->stop, true); }

/* Sooner than usual when something goes out of date before: an hour ahead of it. */
static uint64_t next_refresh(const struct cella_trust *trust, uint64_t now_unix) {
    uint64_t next = now_unix + trust->refresh_s;
    for (size_t i = 0; i < trust->known.count; i++) {
        uint64_t until = trust->known.item[i].until_unix;
        if (until > now_unix + HOUR_S && until - HOUR_S < next) next = until - HOUR_S;
    }
    return next;
}

static void note_outcome(struct cella_trust *trust, struct cella_result r, uint64_t now_unix) {
    pthread_mutex_lock(&trust->lock);
    if (cella_failed(r)) {
        trust->state.failures++;
        snprintf(trust->state.last, sizeof(trust->state.last), "%s", r.error->what);
    } else {
        trust->success_unix = now_unix;
        trust->state.last[0] = 0;
    }
    pthread_mutex_unlock(&trust->lock);
}

static void note_unchanged(struct cella_trust *trust, uint64_t now_unix) {
    pthread_mutex_lock(&trust->lock);
    if (!trust->fetches && !trust->state.last[0]) trust->success_unix = now_unix;
    pthread_mutex_unlock(&trust->lock);
}

static CELLA_RESULT tend_fetching(struct cella_trust *trust, uint64_t now_unix) {
    /* A clock that was set back makes everything due. */
    bool due = now_unix >= trust->next_unix || now_unix + 1 < trust->last_attempt_unix;
    if (!trust->fetches || (!due && !cella_trust_has_pending(trust))) return CELLA_SUCCESS;
    if (due) trust->last_attempt_unix = now_unix;
    struct cella_result r = cella_trust_fetch(trust, due, now_unix);
    if (due)
        trust->next_unix = !cella_failed(r)             ? next_refresh(trust, now_unix)
                           : trust->refresh_s < AGAIN_S ? now_unix + trust->refresh_s
                                                        : now_unix + AGAIN_S;
    if (due || cella_failed(r)) note_outcome(trust, r, now_unix);
    return r;
}

/* Of files that cannot be read the set stays as it was, and they are read again when they change.
 */
static CELLA_RESULT tend_files(struct cella_trust *trust, uint64_t now_unix) {
    uint8_t signature[32];
    TRY(cella_trust_signature(trust, signature));
    if (cella_equal(signature, trust->signature, sizeof(signature))) {
        note_unchanged(trust, now_unix);
        return CELLA_SUCCESS;
    }
    cella_copy(trust->signature, signature, sizeof(signature));
    struct cella_result r = load(trust);
    if (!trust->fetches || cella_failed(r)) note_outcome(trust, r, now_unix);
    return r;
}

CELLA_RESULT cella_trust_tend(struct cella_trust *trust, uint64_t now_unix) {
    struct cella_result fetched = tend_fetching(trust, now_unix);
    struct cella_result r = tend_files(trust, now_unix);
    settle_state(trust, now_unix);
    if (!cella_failed(fetched)) return r;
    cella_result_drop(r);
    return fetched;
}

void cella_trust_state(struct cella_trust *trust, uint64_t now_unix,
                       struct cella_trust_state *out) {
    pthread_mutex_lock(&trust->lock);
    *out = trust->state;
    uint64_t since = trust->success_unix;
    pthread_mutex_unlock(&trust->lock);
    out->age_s = now_unix > since ? now_unix - since : 0;
}
