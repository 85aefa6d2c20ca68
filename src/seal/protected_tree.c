#include "seal/protected_internal.h"

/* ---- the cache: slots found by hash, ordered by last use ---- */

static uint32_t head_of(const struct cella_protected *f, uint32_t level, uint64_t index) {
    uint64_t mixed = (index * 8 + level) * 0x9e3779b97f4a7c15u;
    return (uint32_t)(mixed >> 32) & (f->head_count - 1);
}

static int32_t number_of(const struct cella_protected *f, const struct slot *s) {
    return (int32_t)(s - f->slots);
}

void protected_cache_start(struct cella_protected *f) {
    for (uint32_t i = 0; i < f->head_count; i++) f->heads[i] = NONE;
    f->newest = f->oldest = NONE;
    f->spare = NONE;
    for (uint32_t i = f->slot_count; i-- > 0;) {
        f->slots[i].used = false;
        f->slots[i].chain = f->spare; /* spare slots are chained */
        f->spare = (int32_t)i;
    }
}

static void unlink_use(struct cella_protected *f, struct slot *s) {
    *(s->newer == NONE ? &f->newest : &f->slots[s->newer].older) = s->older;
    *(s->older == NONE ? &f->oldest : &f->slots[s->older].newer) = s->newer;
}

static void link_newest(struct cella_protected *f, struct slot *s) {
    s->newer = NONE;
    s->older = f->newest;
    if (f->newest != NONE) f->slots[f->newest].newer = number_of(f, s);
    f->newest = number_of(f, s);
    if (f->oldest == NONE) f->oldest = f->newest;
}

struct slot *protected_cached(struct cella_protected *f, uint32_t level, uint64_t index) {
    int32_t at = f->heads[head_of(f, level, index)];
    while (at != NONE && (f->slots[at].level != level || f->slots[at].index != index))
        at = f->slots[at].chain;
    if (at == NONE) return NULL;
    if (at != f->newest) {
        unlink_use(f, &f->slots[at]);
        link_newest(f, &f->slots[at]);
    }
    return &f->slots[at];
}

void protected_discard(struct cella_protected *f, struct slot *s) {
    int32_t *link = &f->heads[head_of(f, s->level, s->index)];
    while (*link != number_of(f, s)) link = &f->slots[*link].chain;
    *link = s->chain;
    unlink_use(f, s);
    if (s->parent != NONE) f->slots[s->parent].children--;
    s->used = s->dirty = false;
    s->chain = f->spare;
    f->spare = number_of(f, s);
}

static void insert(struct cella_protected *f, struct slot *s, uint32_t level, uint64_t index,
                   struct slot *parent) {
    s->level = level;
    s->index = index;
    s->parent = parent ? number_of(f, parent) : NONE;
    if (parent) parent->children++;
    s->children = 0;
    s->used = true;
    s->dirty = s->hole = false;
    int32_t *head = &f->heads[head_of(f, level, index)];
    s->chain = *head;
    *head = number_of(f, s);
    link_newest(f, s);
}

void protected_touch(struct cella_protected *f, struct slot *s) {
    s->dirty = true;
    s->hole = false;
    f->changed = true;
}

static uint8_t *entry_in(struct cella_protected *f, struct slot *holder, uint64_t index) {
    return holder ? holder->data + index % FANOUT * ENTRY : f->root;
}

static struct cella_result store(struct cella_protected *f, struct slot *s) {
    struct slot *parent = s->parent == NONE ? NULL : &f->slots[s->parent];
    TRY(protected_block_put(f, s->level, s->index, s->data, stored_size(f, s->level, s->index),
                            entry_in(f, parent, s->index)));
    if (parent) protected_touch(f, parent);
    s->dirty = false;
    return CELLA_SUCCESS;
}

/* A slot to fill, taken out of all lists. The least recently used without cached children goes. */
static struct cella_result acquire(struct cella_protected *f, struct slot **out) {
    if (f->spare == NONE) {
        int32_t at = f->oldest;
        while (at != NONE && f->slots[at].children) at = f->slots[at].newer;
        ENSURE(at != NONE, CELLA_ERR_INTERNAL, NULL, "every block of the cache is in use");
        if (f->slots[at].dirty) TRY(store(f, &f->slots[at]));
        protected_discard(f, &f->slots[at]);
    }
    *out = &f->slots[f->spare];
    f->spare = (*out)->chain;
    return CELLA_SUCCESS;
}

static struct cella_result fill(struct cella_protected *f, struct slot *s, uint32_t level,
                                uint64_t index, const uint8_t *entry) {
    if (!entry_block(entry)) {
        cella_zero(s->data, BLOCK);
        return CELLA_SUCCESS;
    }
    uint32_t size = stored_size(f, level, index);
    TRY(protected_block_get(f, level, index, entry, s->data, size));
    cella_zero(s->data + size, BLOCK - size);
    return CELLA_SUCCESS;
}

static struct cella_result load(struct cella_protected *f, struct slot *parent, uint32_t level,
                                uint64_t index, struct slot **out) {
    struct slot *s;
    if (parent) parent->children++; /* pinned while a slot is made free */
    struct cella_result r = acquire(f, &s);
    if (parent) parent->children--;
    if (cella_failed(r)) return cella_result_trace(r, CELLA_WHERE);
    const uint8_t *entry = entry_in(f, parent, index);
    r = fill(f, s, level, index, entry);
    if (cella_failed(r)) {
        s->chain = f->spare;
        f->spare = number_of(f, s);
        return cella_result_trace(r, CELLA_WHERE);
    }
    insert(f, s, level, index, parent);
    s->hole = !entry_block(entry);
    *out = s;
    return CELLA_SUCCESS;
}

CELLA_RESULT protected_get(struct cella_protected *f, uint32_t level, uint64_t index,
                           struct slot **out) {
    *out = protected_cached(f, level, index);
    if (*out) return CELLA_SUCCESS;
    struct slot *parent = NULL;
    for (uint32_t l = f->depth;; l--) {
        uint64_t i = index >> FANOUT_BITS * (l - level);
        struct slot *s = protected_cached(f, l, i);
        if (!s) TRY(load(f, parent, l, i, &s));
        if (l == level) {
            *out = s;
            return CELLA_SUCCESS;
        }
        parent = s;
    }
}

CELLA_RESULT protected_entry(struct cella_protected *f, uint32_t level, uint64_t index,
                             uint8_t **entry, struct slot **holder) {
    *holder = NULL;
    if (level < f->depth) TRY(protected_get(f, level + 1, index >> FANOUT_BITS, holder));
    *entry = entry_in(f, *holder, index);
    return CELLA_SUCCESS;
}

/* ---- changes of shape ---- */

CELLA_RESULT protected_grow(struct cella_protected *f, uint64_t blocks) {
    while (blocks > (uint64_t)1 << FANOUT_BITS * f->depth) {
        if (protected_cached(f, f->depth, 0) || entry_block(f->root)) {
            struct slot *s;
            TRY(acquire(f, &s)); /* may store and forget the old root, so look again */
            struct slot *old = protected_cached(f, f->depth, 0);
            cella_zero(s->data, BLOCK);
            cella_copy(s->data, f->root, ENTRY);
            insert(f, s, f->depth + 1, 0, NULL);
            protected_touch(f, s);
            cella_zero(f->root, ENTRY);
            if (old) {
                old->parent = number_of(f, s);
                s->children++;
            }
        }
        f->depth++;
    }
    return CELLA_SUCCESS;
}

static void drop_child(struct cella_protected *f, uint32_t level, uint64_t index, uint8_t *entry) {
    struct slot *s = protected_cached(f, level, index);
    if (s) protected_discard(f, s);
    protected_map_release(f, entry_block(entry));
    cella_zero(entry, ENTRY);
}

/* Drops the entries of node (level, index) for data blocks from first on. */
static struct cella_result trim_node(struct cella_protected *f, uint32_t level, uint64_t index,
                                     uint64_t first) {
    struct slot *s;
    TRY(protected_get(f, level, index, &s));
    s->children++; /* pinned: at most one node a level */
    struct cella_result r = CELLA_SUCCESS;
    uint32_t shift = FANOUT_BITS * (level - 1);
    for (uint64_t i = 0; i < FANOUT && !cella_failed(r); i++) {
        uint64_t child = index << FANOUT_BITS | i;
        uint8_t *entry = s->data + i * ENTRY;
        bool there = entry_block(entry) || protected_cached(f, level - 1, child);
        if ((child + 1) << shift <= first || !there) continue;
        if (level > 1) r = trim_node(f, level - 1, child, first);
        if (cella_failed(r) || child << shift < first) continue;
        drop_child(f, level - 1, child, entry);
        protected_touch(f, s);
    }
    s->children--;
    return r;
}

CELLA_RESULT protected_trim(struct cella_protected *f, uint64_t first) {
    f->changed = true;
    for (uint32_t i = 0; i < f->slot_count; i++) { /* so that no node beyond keeps a cached child */
        struct slot *s = &f->slots[i];
        if (s->used && s->level == 0 && s->index >= first) protected_discard(f, s);
    }
    if (f->depth > 0) TRY(trim_node(f, f->depth, 0, first));
    if (first > 0) return CELLA_SUCCESS;
    drop_child(f, f->depth, 0, f->root);
    f->depth = 0;
    return CELLA_SUCCESS;
}

CELLA_RESULT protected_store_all(struct cella_protected *f) {
    for (uint32_t level = 0; level <= f->depth; level++)
        for (uint32_t i = 0; i < f->slot_count; i++) {
            struct slot *s = &f->slots[i];
            if (s->used && s->dirty && s->level == level) TRY(store(f, s));
        }
    return CELLA_SUCCESS;
}
