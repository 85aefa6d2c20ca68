/* Storage in memory for tests of protected files: it counts calls, stops after so many, tears
 * writes, fills up. */
#ifndef CELLA_TESTS_SEAL_STORAGE_H
#define CELLA_TESTS_SEAL_STORAGE_H

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/digest.h"
#include "seal/protected.h"

struct storage {
    uint8_t *data;
    uint64_t size, capacity;
    long changes;       /* writes and truncates so far */
    long crash_after;   /* -1: never. From this change on nothing reaches the storage; calls report
                           success */
    uint64_t torn;      /* bytes of the change at the crash that still reach it */
    long full_after;    /* -1: never. From this change on writes fail with ENOSPC */
    long lies_at;       /* -1: never. The write of this number arrives and yet reports EIO */
    long sync_fails_at; /* -1: never. The sync of this number fails */
    long syncs;
    uint64_t limit; /* 0: none. Writes past it fail with ENOSPC */
};

static inline struct storage storage_new(void) {
    return (
        struct storage){.crash_after = -1, .full_after = -1, .lies_at = -1, .sync_fails_at = -1};
}

static inline void storage_fit(struct storage *s, uint64_t size) {
    if (size > s->capacity) {
        s->capacity = size * 2;
        s->data = realloc(s->data, s->capacity);
    }
    if (size > s->size) memset(s->data + s->size, 0, size - s->size);
}

static inline int64_t storage_read(void *context, void *buffer, uint64_t size, uint64_t offset) {
    struct storage *s = context;
    if (offset >= s->size) return 0;
    if (size > s->size - offset) size = s->size - offset;
    memcpy(buffer, s->data + offset, size);
    return (int64_t)size;
}

static inline int64_t storage_write(void *context, const void *buffer, uint64_t size,
                                    uint64_t offset) {
    struct storage *s = context;
    long number = s->changes++;
    if (s->full_after >= 0 && number >= s->full_after) return -ENOSPC;
    if (s->limit && offset + size > s->limit) return -ENOSPC;
    uint64_t kept = size;
    if (s->crash_after >= 0 && number >= s->crash_after)
        kept = number == s->crash_after ? (s->torn < size ? s->torn : size) : 0;
    if (kept) {
        storage_fit(s, offset + kept);
        memcpy(s->data + offset, buffer, kept);
        if (offset + kept > s->size) s->size = offset + kept;
    }
    return number == s->lies_at ? -EIO : (int64_t)size;
}

static inline int64_t storage_truncate(void *context, uint64_t size) {
    struct storage *s = context;
    long number = s->changes++;
    if (s->crash_after >= 0 && number >= s->crash_after) return 0;
    storage_fit(s, size);
    s->size = size;
    return 0;
}

static inline int64_t storage_sync(void *context) {
    struct storage *s = context;
    return s->syncs++ == s->sync_fails_at ? -EIO : 0;
}

static inline int64_t storage_size(void *context) {
    return (int64_t)((struct storage *)context)->size;
}

static inline struct cella_protected_io storage_io(struct storage *s) {
    return (struct cella_protected_io){storage_read, storage_write, storage_truncate,
                                       storage_sync, storage_size,  s};
}

static inline struct storage storage_copy(const struct storage *s) {
    struct storage copy = storage_new();
    storage_fit(&copy, s->size);
    memcpy(copy.data, s->data, s->size);
    copy.size = s->size;
    return copy;
}

static inline bool test_hkdf(struct cella_bytes secret, struct cella_bytes salt,
                             struct cella_bytes info, uint8_t *out, size_t size) {
    struct cella_result r = cella_hkdf_sha256(secret, salt, info, out, size);
    bool good = !cella_failed(r);
    cella_result_drop(r);
    return good;
}
static inline bool test_random(void *out, size_t size) {
    for (size_t i = 0; i < size; i++) ((uint8_t *)out)[i] = (uint8_t)rand(); /* repeatable */
    return true;
}
static const struct cella_protected_crypto test_crypto = {test_hkdf, test_random};

/* An open file with its memory. */
struct opened {
    struct cella_protected *file;
    void *memory;
};

static inline struct cella_result open_storage(struct opened *o, struct storage *s, bool create,
                                               uint32_t cache, uint64_t max_size,
                                               const struct cella_protected_key *key,
                                               const char *name) {
    struct cella_protected_io io = storage_io(s);
    uint64_t size = cella_protected_memory(cache, max_size);
    o->memory = aligned_alloc(64, size);
    memset(o->memory, 0xa5, size); /* nothing may rely on zeroed memory */
    struct cella_result r = (create ? cella_protected_create : cella_protected_open)(
        &o->file, o->memory, size, cache, max_size, &io, &test_crypto, key, cella_bytes_text(name));
    if (cella_failed(r)) {
        free(o->memory);
        *o = (struct opened){NULL, NULL};
    }
    return r;
}

static inline void close_opened(struct opened *o) {
    if (o->file) cella_protected_close(o->file);
    free(o->memory);
    *o = (struct opened){NULL, NULL};
}

#endif
