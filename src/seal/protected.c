#include "seal/protected_internal.h"

/* ---- memory ---- */

struct plan {
    uint64_t slots, heads, data, stage, map, total; /* offsets in bytes */
    uint32_t head_count, stage_blocks;
};

static uint64_t up64(uint64_t n) { return (n + 63) & ~(uint64_t)63; }

static struct plan plan_memory(uint32_t cache_blocks, uint64_t max_size) {
    struct plan p = {.head_count = 8};
    while (p.head_count < cache_blocks && p.head_count < (uint32_t)1 << 30) p.head_count *= 2;
    if (max_size) p.stage_blocks = cache_blocks / 2 < STAGE_MAX ? cache_blocks / 2 : STAGE_MAX;
    uint64_t map_blocks =
        max_size ? protected_map_blocks(max_size < LENGTH_MAX ? max_size : LENGTH_MAX) : 0;
    p.slots = up64(sizeof(struct cella_protected));
    p.heads = p.slots + up64(cache_blocks * sizeof(struct slot));
    p.data = p.heads + up64(p.head_count * sizeof(int32_t));
    p.stage = p.data + (uint64_t)cache_blocks * BLOCK;
    p.map = p.stage + (uint64_t)p.stage_blocks * BLOCK;
    p.total = p.map + up64((map_blocks + 31) / 32 * sizeof(uint64_t));
    return p;
}

uint64_t cella_protected_memory(uint32_t cache_blocks, uint64_t max_size) {
    return plan_memory(cache_blocks, max_size).total;
}

static struct cella_result start(struct cella_protected **out, void *memory, uint64_t memory_size,
                                 uint32_t cache_blocks, uint64_t max_size,
                                 const struct cella_protected_io *io,
                                 const struct cella_protected_crypto *crypto) {
    struct plan p = plan_memory(cache_blocks, max_size);
    ENSURE(cache_blocks >= CELLA_PROTECTED_CACHE_MIN && cache_blocks <= INT32_MAX, CELLA_ERR_USAGE,
           NULL, "a protected file needs %d blocks of cache: found %u", CELLA_PROTECTED_CACHE_MIN,
           cache_blocks);
    ENSURE(max_size <= LENGTH_MAX, CELLA_ERR_LIMIT, NULL,
           "a protected file holds at most %llu bytes: asked for %llu",
           (unsigned long long)LENGTH_MAX, (unsigned long long)max_size);
    ENSURE(memory && memory_size >= p.total && (uintptr_t)memory % 64 == 0, CELLA_ERR_USAGE, NULL,
           "a protected file needs %llu bytes of memory aligned to 64",
           (unsigned long long)p.total);
    uint8_t *base = memory;
    struct cella_protected *f = memory;
    cella_zero(memory, p.data); /* the rest is written before it is read */
    f->io = *io;
    f->crypto = crypto;
    f->max_size = max_size;
    f->slots = (struct slot *)(base + p.slots);
    f->heads = (int32_t *)(base + p.heads);
    f->slot_count = cache_blocks;
    f->head_count = p.head_count;
    for (uint32_t i = 0; i < cache_blocks; i++)
        f->slots[i].data = base + p.data + (uint64_t)i * BLOCK;
    f->stage = base + p.stage;
    f->stage_capacity = p.stage_blocks * BLOCK;
    f->map = (uint64_t *)(base + p.map);
    f->map_capacity = max_size ? protected_map_blocks(max_size) : 0;
    protected_cache_start(f);
    *out = f;
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_protected_open(struct cella_protected **out, void *memory, uint64_t memory_size,
                                  uint32_t cache_blocks, uint64_t max_size,
                                  const struct cella_protected_io *io,
                                  const struct cella_protected_crypto *crypto,
                                  const struct cella_protected_key *key, struct cella_bytes name) {
    struct cella_protected *f;
    *out = NULL;
    TRY(start(&f, memory, memory_size, cache_blocks, max_size, io, crypto));
    struct cella_result r = protected_header_load(f, key, name);
    if (!cella_failed(r) && max_size && f->length > max_size)
        r = CELLA_FAILURE(CELLA_ERR_LIMIT, "open it with a larger maximum",
                          "the protected file has %llu bytes: expected at most %llu",
                          (unsigned long long)f->length, (unsigned long long)max_size);
    if (cella_failed(r)) {
        cella_protected_close(f);
        return cella_result_trace(r, CELLA_WHERE);
    }
    *out = f;
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_protected_create(struct cella_protected **out, void *memory,
                                    uint64_t memory_size, uint32_t cache_blocks, uint64_t max_size,
                                    const struct cella_protected_io *io,
                                    const struct cella_protected_crypto *crypto,
                                    const struct cella_protected_key *key,
                                    struct cella_bytes name) {
    struct cella_protected *f;
    *out = NULL;
    ENSURE(max_size > 0, CELLA_ERR_USAGE, NULL, "a new protected file needs a maximum size");
    TRY(start(&f, memory, memory_size, cache_blocks, max_size, io, crypto));
    struct cella_result r = protected_header_new(f, key, name);
    if (cella_failed(r)) {
        cella_protected_close(f);
        return cella_result_trace(r, CELLA_WHERE);
    }
    f->reset_storage = f->changed = true;
    *out = f;
    return CELLA_SUCCESS;
}

void cella_protected_close(struct cella_protected *f) {
    cella_wipe(f->slots[0].data,
               (uint64_t)f->slot_count * BLOCK); /* plaintext; the stage is ciphertext */
    cella_wipe(f, sizeof(*f));
}

uint64_t cella_protected_length(const struct cella_protected *f) { return f->length; }

/* ---- reading ---- */

/* Whole blocks straight into the caller's memory: as many as lie in consecutive places. *done 0:
 * the first is in the cache, or is not wanted whole. */
static struct cella_result read_whole(struct cella_protected *f, uint64_t index, uint8_t *out,
                                      uint64_t size, uint64_t *done) {
    *done = 0;
    if (size < stored_size(f, 0, index) || protected_cached(f, 0, index)) return CELLA_SUCCESS;
    uint8_t *entry;
    struct slot *holder;
    TRY(protected_entry(f, 0, index, &entry, &holder));
    uint32_t first = entry_block(entry);
    if (!first) {
        *done = stored_size(f, 0, index);
        cella_zero(out, *done);
        return CELLA_SUCCESS;
    }
    uint64_t count = 0, bytes = 0, room = holder ? FANOUT - index % FANOUT : 1;
    while (count < RUN_MAX && count < room && index + count < blocks_of(f->length)) {
        uint32_t next = stored_size(f, 0, index + count);
        if (entry_block(entry + count * ENTRY) != first + count || size - bytes < next) break;
        if (count && protected_cached(f, 0, index + count)) break;
        bytes += next;
        count++;
    }
    TRY(protected_block_get_run(f, index, entry, out, bytes));
    *done = bytes;
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_protected_read(struct cella_protected *f, uint64_t offset, void *buffer,
                                  uint64_t size, uint64_t *done) {
    uint8_t *out = buffer;
    *done = 0;
    if (offset >= f->length) return CELLA_SUCCESS;
    if (size > f->length - offset) size = f->length - offset;
    while (size > 0) {
        uint64_t index = offset / BLOCK, in = offset % BLOCK, n = 0;
        if (in == 0) TRY(read_whole(f, index, out, size, &n));
        if (n == 0) {
            struct slot *s;
            TRY(protected_get(f, 0, index, &s));
            n = size < BLOCK - in ? size : BLOCK - in;
            cella_copy(out, s->data + in, n);
        }
        out += n;
        offset += n;
        size -= n;
        *done += n;
    }
    return CELLA_SUCCESS;
}

/* ---- writing ---- */

static struct cella_result begin_change(struct cella_protected *f) {
    ENSURE(f->max_size > 0, CELLA_ERR_USAGE, NULL, "the protected file is open for reading only");
    ENSURE(!f->broken, CELLA_ERR_IO,
           "close the file and open it again: the content of the last commit is intact",
           "an earlier write to the protected file failed half-way");
    return protected_map_prepare(f);
}

/* Lengthens the file. The block that was last is stored short, so it must be written again, longer.
 */
static struct cella_result extend(struct cella_protected *f, uint64_t length) {
    if (length <= f->length) return CELLA_SUCCESS;
    if (f->length % BLOCK) {
        struct slot *s;
        TRY(protected_get(f, 0, f->length / BLOCK, &s));
        if (!s->hole) protected_touch(f, s);
    }
    TRY(protected_grow(f, blocks_of(length)));
    f->length = length;
    f->changed = true;
    return CELLA_SUCCESS;
}

/* A whole block goes straight to its place, past the cache. */
static struct cella_result write_whole(struct cella_protected *f, uint64_t index,
                                       const uint8_t *data) {
    struct slot *cached = protected_cached(f, 0, index), *holder;
    uint8_t *entry;
    if (cached) {
        cella_copy(cached->data, data, BLOCK);
        protected_touch(f, cached);
        return CELLA_SUCCESS;
    }
    TRY(protected_entry(f, 0, index, &entry, &holder));
    TRY(protected_block_put(f, 0, index, data, BLOCK, entry));
    if (holder) protected_touch(f, holder);
    f->changed = true;
    return CELLA_SUCCESS;
}

static struct cella_result write_part(struct cella_protected *f, uint64_t index, uint64_t in,
                                      const uint8_t *data, uint64_t size) {
    struct slot *s;
    TRY(protected_get(f, 0, index, &s));
    cella_copy(s->data + in, data, size);
    protected_touch(f, s);
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_protected_write(struct cella_protected *f, uint64_t offset, const void *buffer,
                                   uint64_t size) {
    const uint8_t *data = buffer;
    TRY(begin_change(f));
    ENSURE(cella_range_inside(offset, size, 0, f->max_size), CELLA_ERR_LIMIT,
           "open it with a larger maximum",
           "%llu bytes at %llu end past the maximum of the protected file, %llu bytes",
           (unsigned long long)size, (unsigned long long)offset, (unsigned long long)f->max_size);
    while (size > 0) {
        uint64_t index = offset / BLOCK, in = offset % BLOCK,
                 n = size < BLOCK - in ? size : BLOCK - in;
        TRY(extend(
            f, offset + n)); /* step by step: a failure leaves what was written, as write(2) does */
        if (n == BLOCK)
            TRY(write_whole(f, index, data));
        else
            TRY(write_part(f, index, in, data, n));
        data += n;
        offset += n;
        size -= n;
    }
    return CELLA_SUCCESS;
}

static struct cella_result shorten(struct cella_protected *f, uint64_t length) {
    if (length % BLOCK) { /* its rest must read as zeros when the file grows again */
        struct slot *s;
        TRY(protected_get(f, 0, length / BLOCK, &s));
        cella_zero(s->data + length % BLOCK, BLOCK - length % BLOCK);
        if (!s->hole) protected_touch(f, s);
    }
    f->broken = true; /* until the tree is whole again */
    TRY(protected_trim(f, blocks_of(length)));
    f->broken = false;
    f->length = length;
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_protected_resize(struct cella_protected *f, uint64_t length) {
    TRY(begin_change(f));
    ENSURE(length <= f->max_size, CELLA_ERR_LIMIT, "open it with a larger maximum",
           "%llu bytes are above the maximum of the protected file, %llu bytes",
           (unsigned long long)length, (unsigned long long)f->max_size);
    return length < f->length ? shorten(f, length) : extend(f, length);
}

CELLA_RESULT cella_protected_rebind(struct cella_protected *f, struct cella_bytes name) {
    uint8_t hash[32];
    TRY(begin_change(f));
    ENSURE(name.size > 0 && name.size <= CELLA_PROTECTED_NAME_MAX, CELLA_ERR_LIMIT, NULL,
           "the name of a protected file has %zu bytes: expected 1 to %d", name.size,
           CELLA_PROTECTED_NAME_MAX);
    protected_name_hash(name, hash);
    bool known = cella_equal(hash, f->second, 32) || cella_equal(hash, f->name, 32);
    cella_copy(known ? f->name : f->second, hash, 32);
    if (known) cella_zero(f->second, 32);
    f->changed = true;
    return CELLA_SUCCESS;
}

/* ---- committing ---- */

static struct cella_result sync_storage(struct cella_protected *f) {
    int64_t bad = f->io.sync(f->io.context);
    if (bad < 0) f->broken = true; /* what was lost is unknown, and a second sync would hide it */
    ENSURE(bad >= 0, CELLA_ERR_IO,
           "close the file and open it again: the content of the last commit is intact",
           "cannot make the protected file durable: error %lld", (long long)-bad);
    return CELLA_SUCCESS;
}

static struct cella_result store_tree(struct cella_protected *f, bool durable) {
    TRY(protected_store_all(f));
    TRY(protected_block_flush(f));
    if (durable) TRY(sync_storage(f));
    f->end = protected_map_end(f);
    return CELLA_SUCCESS;
}

static struct cella_result store_header(struct cella_protected *f, bool durable) {
    TRY(protected_header_store(f));
    if (durable) TRY(sync_storage(f));
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_protected_commit(struct cella_protected *f, bool durable) {
    TRY(begin_change(f));
    if (f->changed) {
        TRY(store_tree(f, durable));
        struct cella_result r = store_header(f, durable);
        protected_map_settle(f, !cella_failed(r)); /* a failed header may be there all the same */
        TRY(r);
        f->good_slot = 1 - f->good_slot;
        f->changed = false;
        f->unsynced = !durable;
        if (f->high > f->end && f->io.truncate(f->io.context, f->end * BLOCK) >= 0)
            f->high = f->end;
    } else if (durable && f->unsynced) {
        TRY(sync_storage(f));
        f->unsynced = false;
    }
    return CELLA_SUCCESS;
}
