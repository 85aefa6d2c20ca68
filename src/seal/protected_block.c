#include "seal/protected_internal.h"

/* ---- the free map: 32 blocks a word, 2 bits a block ----
 * FREE; KEPT by the last commit; FRESH since then, so it may be overwritten; DROPPED since then, so
 * it must stay until the next commit is done. */
enum state { FREE = 0, KEPT = 1, FRESH = 2, DROPPED = 3 };
#define LOW_BITS 0x5555555555555555u

uint64_t protected_map_blocks(uint64_t max_size) {
    uint64_t level = blocks_of(max_size), sum = 0;
    for (int i = 0; i <= DEPTH_MAX; i++) {
        sum += level;
        level = (level + FANOUT - 1) >> FANOUT_BITS;
    }
    return 2 * sum + 64; /* a commit may rewrite all of the file beside the last one */
}

static enum state map_state(const struct cella_protected *f, uint64_t block) {
    if (block >= f->map_capacity) return KEPT; /* of a once larger file: never reused */
    if (block / 32 >= f->map_words_ready) return FREE;
    return (enum state)(f->map[block / 32] >> (block % 32 * 2) & 3);
}

static void map_set(struct cella_protected *f, uint64_t block, enum state state) {
    if (block >= f->map_capacity) {
        if (block > f->map_beyond) f->map_beyond = block;
        return;
    }
    uint64_t word = block / 32;
    if (word >=
        f->map_words_ready) { /* zeroed as it grows: the memory may be large and never touched */
        cella_zero(f->map + f->map_words_ready, (word + 1 - f->map_words_ready) * sizeof(*f->map));
        f->map_words_ready = word + 1;
    }
    f->map[word] = (f->map[word] & ~((uint64_t)3 << block % 32 * 2)) | (uint64_t)state
                                                                           << block % 32 * 2;
    if (word < f->map_low) f->map_low = word;
    if (word + 1 > f->map_high) f->map_high = word + 1;
}

static bool map_find(const struct cella_protected *f, uint64_t from, uint64_t *out) {
    for (uint64_t word = from / 32; word < f->map_words_ready; word++) {
        uint64_t w = f->map[word], empty = ~(w | w >> 1) & LOW_BITS;
        if (word == from / 32) empty &= ~(uint64_t)0 << from % 32 * 2;
        if (!empty) continue;
        *out = word * 32 + (unsigned)__builtin_ctzll(empty) / 2;
        return *out < f->map_capacity;
    }
    *out = f->map_words_ready * 32 > from ? f->map_words_ready * 32 : from;
    return *out < f->map_capacity;
}

static struct cella_result map_take(struct cella_protected *f, uint32_t *block) {
    uint64_t found;
    ENSURE(map_find(f, f->map_hint, &found) || map_find(f, 1, &found), CELLA_ERR_LIMIT,
           "commit more often, or open the file with a larger maximum",
           "no place is left for a block: expected at most %llu blocks",
           (unsigned long long)f->map_capacity);
    map_set(f, found, FRESH);
    f->map_hint = found + 1;
    *block = (uint32_t)found;
    return CELLA_SUCCESS;
}

void protected_map_release(struct cella_protected *f, uint32_t block) {
    if (block == 0 || block >= f->map_capacity) return;
    map_set(f, block, map_state(f, block) == FRESH ? FREE : DROPPED);
}

void protected_map_settle(struct cella_protected *f, bool certain) {
    for (uint64_t word = f->map_low; word < f->map_high; word++) {
        uint64_t low = f->map[word] & LOW_BITS, high = f->map[word] >> 1 & LOW_BITS;
        f->map[word] = certain ? low ^ high : (low | high) | (low & high) << 1;
    }
    f->map_hint = 1;
    if (!certain) return;
    f->map_low = f->map_capacity;
    f->map_high = 0;
}

uint64_t protected_map_end(struct cella_protected *f) {
    if (f->map_beyond) return f->map_beyond + 1;
    for (uint64_t word = f->map_words_ready; word-- > 0;) {
        uint64_t w = f->map[word], live = (w ^ w >> 1) & LOW_BITS; /* KEPT or FRESH */
        if (live) return word * 32 + (63 - (unsigned)__builtin_clzll(live)) / 2 + 1;
    }
    return 1;
}

static struct cella_result map_mark(struct cella_protected *f, uint32_t block) {
    ENSURE(block < f->end, CELLA_ERR_INTEGRITY, NULL,
           "the tree refers to block %u: expected below %llu", block, (unsigned long long)f->end);
    map_set(f, block, KEPT);
    return CELLA_SUCCESS;
}

static struct cella_result map_walk(struct cella_protected *f, uint32_t level, uint64_t index) {
    struct slot *s;
    TRY(protected_get(f, level, index, &s));
    s->children++; /* pinned: at most one node a level */
    struct cella_result r = CELLA_SUCCESS;
    for (uint64_t i = 0; i < FANOUT && !cella_failed(r); i++) {
        uint32_t block = entry_block(s->data + i * ENTRY);
        if (!block) continue;
        r = map_mark(f, block);
        if (!cella_failed(r) && level > 1) r = map_walk(f, level - 1, index << FANOUT_BITS | i);
    }
    s->children--;
    return r;
}

CELLA_RESULT protected_map_prepare(struct cella_protected *f) {
    if (f->map_ready) return CELLA_SUCCESS;
    f->map_words_ready = 0;
    map_set(f, 0, KEPT); /* the header slots */
    if (entry_block(f->root)) {
        TRY(map_mark(f, entry_block(f->root)));
        if (f->depth > 0) TRY(map_walk(f, f->depth, 0));
    }
    f->map_low = f->map_capacity;
    f->map_high = 0;
    f->map_hint = 1;
    f->map_ready = true;
    return CELLA_SUCCESS;
}

/* ---- the storage ---- */

CELLA_RESULT protected_write_storage(struct cella_protected *f, const void *data, uint64_t size,
                                     uint64_t offset) {
    if (f->reset_storage) {
        int64_t bad = f->io.truncate(f->io.context, 0);
        ENSURE(bad >= 0, CELLA_ERR_IO, NULL, "cannot empty the new file: error %lld",
               (long long)-bad);
        f->reset_storage = false;
    }
    int64_t put = f->io.write(f->io.context, data, size, offset);
    if (put == -28 /* ENOSPC */)
        FAIL(CELLA_ERR_IO, "free some space and try again; what was committed before is intact",
             "no space left for %llu bytes at %llu", (unsigned long long)size,
             (unsigned long long)offset);
    ENSURE(put == (int64_t)size, CELLA_ERR_IO, "what was committed before is intact",
           "cannot write %llu bytes at %llu: result %lld", (unsigned long long)size,
           (unsigned long long)offset, (long long)put);
    uint64_t high = (offset + size + BLOCK - 1) / BLOCK;
    if (high > f->high) f->high = high;
    return CELLA_SUCCESS;
}

CELLA_RESULT protected_block_flush(struct cella_protected *f) {
    if (!f->stage_bytes) return CELLA_SUCCESS;
    TRY(protected_write_storage(f, f->stage, f->stage_bytes, f->stage_first * BLOCK));
    f->stage_bytes = 0;
    return CELLA_SUCCESS;
}

/* Makes sure that blocks about to be read are in the storage. */
static struct cella_result settle_stage(struct cella_protected *f, uint64_t first, uint64_t count) {
    uint64_t staged = blocks_of(f->stage_bytes);
    if (!staged || first >= f->stage_first + staged || f->stage_first >= first + count)
        return CELLA_SUCCESS;
    return protected_block_flush(f);
}

CELLA_RESULT protected_next_nonce(struct cella_protected *f, uint8_t nonce[CELLA_GCM_NONCE_SIZE]) {
    if (!f->nonce_ready) {
        ENSURE(f->sessions < SESSIONS_MAX, CELLA_ERR_LIMIT,
               "copy the content to a new file, which has a new key",
               "the file was opened for writing %u times, the maximum under one key", f->sessions);
        ENSURE(f->crypto->random(f->nonce, sizeof(f->nonce)), CELLA_ERR_UNAVAILABLE, NULL,
               "no randomness for a nonce");
        f->sessions++;
        f->nonce_ready = true;
    }
    ENSURE(f->writes < WRITES_MAX, CELLA_ERR_LIMIT,
           "copy the content to a new file, which has a new key",
           "%llu blocks were written, the maximum under one key", (unsigned long long)f->writes);
    f->writes++;
    for (int i = 0; i < CELLA_GCM_NONCE_SIZE && ++f->nonce[i] == 0; i++) continue;
    cella_copy(nonce, f->nonce, sizeof(f->nonce));
    return CELLA_SUCCESS;
}

struct block_aad {
    uint8_t bytes[16]; /* u32 level | u64 index | u32 size: a block is good at its own place only
                          (R45) */
};

static struct block_aad block_aad(uint32_t level, uint64_t index, uint32_t size) {
    struct block_aad aad;
    for (int i = 0; i < 4; i++) aad.bytes[i] = (uint8_t)(level >> 8 * i);
    for (int i = 0; i < 8; i++) aad.bytes[4 + i] = (uint8_t)(index >> 8 * i);
    for (int i = 0; i < 4; i++) aad.bytes[12 + i] = (uint8_t)(size >> 8 * i);
    return aad;
}

static struct cella_result stage_room(struct cella_protected *f, uint32_t block) {
    bool follows = block == f->stage_first + f->stage_bytes / BLOCK &&
                   f->stage_bytes % BLOCK == 0 && f->stage_bytes < f->stage_capacity;
    if (f->stage_bytes && !follows) TRY(protected_block_flush(f));
    if (!f->stage_bytes) f->stage_first = block;
    return CELLA_SUCCESS;
}

CELLA_RESULT protected_block_put(struct cella_protected *f, uint32_t level, uint64_t index,
                                 const uint8_t *data, uint32_t size, uint8_t *entry) {
    uint8_t nonce[CELLA_GCM_NONCE_SIZE];
    TRY(protected_next_nonce(f, nonce));
    uint32_t old = entry_block(entry), block = old;
    bool rewrite = old && map_state(f, old) == FRESH;
    if (!rewrite) TRY(map_take(f, &block));
    struct cella_result room = stage_room(f, block);
    if (cella_failed(room)) {
        if (!rewrite) map_set(f, block, FREE);
        return cella_result_trace(room, CELLA_WHERE);
    }
    struct block_aad aad = block_aad(level, index, size);
    cella_gcm_encrypt(&f->gcm, nonce, CELLA_BYTES_OF(aad.bytes), cella_bytes(data, size),
                      f->stage + f->stage_bytes, entry + 16);
    f->stage_bytes += size;
    for (int i = 0; i < 4; i++) entry[i] = (uint8_t)(block >> 8 * i);
    cella_copy(entry + 4, nonce, sizeof(nonce));
    if (!rewrite) protected_map_release(f, old);
    return CELLA_SUCCESS;
}

static struct cella_result open_block(struct cella_protected *f, uint32_t level, uint64_t index,
                                      const uint8_t *entry, uint8_t *data, uint32_t size) {
    struct block_aad aad = block_aad(level, index, size);
    ENSURE(cella_gcm_decrypt(&f->gcm, entry + 4, CELLA_BYTES_OF(aad.bytes), cella_bytes(data, size),
                             data, entry + 16),
           CELLA_ERR_INTEGRITY, "the file was damaged or tampered with: restore it from a copy",
           "block %u is not what was written at level %u, position %llu", entry_block(entry), level,
           (unsigned long long)index);
    return CELLA_SUCCESS;
}

static struct cella_result read_storage(struct cella_protected *f, uint32_t block, uint8_t *out,
                                        uint64_t size) {
    ENSURE(block < f->end || f->map_ready, CELLA_ERR_INTEGRITY, NULL,
           "the tree refers to block %u: expected below %llu", block, (unsigned long long)f->end);
    TRY(settle_stage(f, block, blocks_of(size)));
    int64_t got = f->io.read(f->io.context, out, size, (uint64_t)block * BLOCK);
    ENSURE(got >= 0, CELLA_ERR_IO, NULL, "cannot read block %u: error %lld", block,
           (long long)-got);
    ENSURE(got == (int64_t)size, CELLA_ERR_INTEGRITY,
           "the file was cut short: restore it from a copy",
           "block %u: expected %llu bytes, found %lld", block, (unsigned long long)size,
           (long long)got);
    return CELLA_SUCCESS;
}

CELLA_RESULT protected_block_get(struct cella_protected *f, uint32_t level, uint64_t index,
                                 const uint8_t *entry, uint8_t *out, uint32_t size) {
    TRY(read_storage(f, entry_block(entry), out, size));
    return open_block(f, level, index, entry, out, size);
}

CELLA_RESULT protected_block_get_run(struct cella_protected *f, uint64_t index,
                                     const uint8_t *entries, uint8_t *out, uint64_t bytes) {
    struct cella_result r = read_storage(f, entry_block(entries), out, bytes);
    for (uint64_t at = 0; at < bytes && !cella_failed(r); at += BLOCK) {
        uint32_t size = bytes - at < BLOCK ? (uint32_t)(bytes - at) : BLOCK;
        r = open_block(f, 0, index + at / BLOCK, entries + at / BLOCK * ENTRY, out + at, size);
    }
    if (cella_failed(r)) cella_zero(out, bytes); /* nothing unauthenticated stays with the caller */
    return r;
}
