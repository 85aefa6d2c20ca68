/* Whether a history of calls on one key is that of a single key, one call after another: a search
 * for an order of the calls that respects which ended before which began (Wing and Gong 1993), with
 * the states that were seen remembered (Lowe 2017). A call that never ended, because its process
 * was killed, may have been done or not. */
#ifndef CELLA_TESTS_VAULT_LINEAR_H
#define CELLA_TESTS_VAULT_LINEAR_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum linear_kind { CREATE, GET, SIGN, TAG, DELETE, RECOVER, PURGE, LINEAR_KINDS };
struct linear_call {
    enum linear_kind kind;
    uint32_t begin, end; /* of one clock; end 0: it never ended */
    int status;          /* of the answer */
    uint64_t version;    /* that was made, read or used */
    int tag;             /* that was set or read; 0: none */
};

/* The key: what it should be to begin with is absent. */
struct linear_key {
    enum { ABSENT, LIVE, DELETED } phase;
    int tag;
    uint64_t version;
};

/* What a call does to the key; false when its answer is another than the key's. */
static inline bool linear_apply(struct linear_key *key, const struct linear_call *call) {
    bool ended = call->end != 0, live = key->phase == LIVE, gone = key->phase == DELETED;
    int wanted = call->kind == CREATE                           ? (gone ? 409 : 200)
                 : call->kind == RECOVER || call->kind == PURGE ? (gone ? 200 : 404)
                                                                : (live ? 200 : 404);
    if (ended && call->status != wanted) return false;
    if (wanted != 200) return true;
    switch (call->kind) {
    case CREATE: *key = (struct linear_key){LIVE, 0, call->version}; return true;
    case GET: return !ended || (call->version == key->version && call->tag == key->tag);
    case SIGN: return !ended || call->version == key->version;
    case TAG: key->tag = call->tag; return !ended || call->version == key->version;
    case DELETE: key->phase = DELETED; return true;
    case RECOVER: key->phase = LIVE; return true;
    default: *key = (struct linear_key){ABSENT, 0, 0}; return true;
    }
}

enum { LINEAR_SEEN = 1 << 18 };
struct linear_search {
    const struct linear_call *call;
    int count;
    struct {
        uint64_t done;
        struct linear_key key;
        bool used;
    } * seen;
};

/* Notes a state; false when it was there already. */
static inline bool linear_first_time(struct linear_search *search, uint64_t done,
                                     const struct linear_key *key) {
    uint64_t hash = (done ^ key->version ^ (uint64_t)key->tag << 40 ^ (uint64_t)key->phase << 60) *
                    0x9e3779b97f4a7c15U;
    for (size_t i = hash >> 46;; i = (i + 1) % LINEAR_SEEN) {
        if (!search->seen[i].used) {
            search->seen[i].done = done;
            search->seen[i].key = *key;
            return search->seen[i].used = true;
        }
        if (search->seen[i].done == done && search->seen[i].key.phase == key->phase &&
            search->seen[i].key.tag == key->tag && search->seen[i].key.version == key->version)
            return false;
    }
}

static inline bool linear_from(struct linear_search *search, uint64_t done, struct linear_key key) {
    uint32_t first_end = UINT32_MAX;
    bool left = false;
    if (!linear_first_time(search, done, &key)) return false;
    for (int i = 0; i < search->count; i++)
        if (!(done >> i & 1) && search->call[i].end) {
            left = true;
            if (search->call[i].end < first_end) first_end = search->call[i].end;
        }
    if (!left) return true; /* what never ended need not have been done */
    for (int i = 0; i < search->count; i++) {
        struct linear_key after = key;
        if ((done >> i & 1) || search->call[i].begin > first_end) continue;
        if (linear_apply(&after, &search->call[i]) &&
            linear_from(search, done | (uint64_t)1 << i, after))
            return true;
    }
    return false;
}

/* At most 64 calls; key: as it was before them. */
static inline bool linear(const struct linear_call *call, int count, struct linear_key key) {
    struct linear_search search = {call, count, calloc(LINEAR_SEEN, sizeof(*search.seen))};
    bool good = search.seen && linear_from(&search, 0, key);
    free(search.seen);
    return good;
}

#endif
