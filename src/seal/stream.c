#include "seal/stream.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "crypto/digest.h"

enum {
    CACHE_BLOCKS = 64,
    CHUNK = 1 << 18,        /* bytes read or written at once: stays in the processor's cache */
    PROGRESS_STEP = 1 << 24 /* bytes between calls of progress */
};
#define STREAM_MAX ((uint64_t)1 << 40) /* bytes of a stream whose size is not known */

/* ---- storage and crypto ---- */

static int64_t io_read(void *context, void *buffer, uint64_t size, uint64_t offset) {
    uint64_t at = 0;
    while (at < size) {
        ssize_t n =
            pread(*(const int *)context, (uint8_t *)buffer + at, size - at, (off_t)(offset + at));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return -errno;
        if (n == 0) break;
        at += (uint64_t)n;
    }
    return (int64_t)at;
}

static int64_t io_write(void *context, const void *buffer, uint64_t size, uint64_t offset) {
    uint64_t at = 0;
    while (at < size) {
        ssize_t n = pwrite(*(const int *)context, (const uint8_t *)buffer + at, size - at,
                           (off_t)(offset + at));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return -errno;
        at += (uint64_t)n;
    }
    return (int64_t)at;
}

static int64_t io_truncate(void *context, uint64_t size) {
    return ftruncate(*(const int *)context, (off_t)size) == 0 ? 0 : -errno;
}

static int64_t io_sync(void *context) { return fdatasync(*(const int *)context) == 0 ? 0 : -errno; }

static int64_t io_size(void *context) {
    struct stat st;
    return fstat(*(const int *)context, &st) == 0 ? (int64_t)st.st_size : -errno;
}

struct cella_protected_io cella_seal_io(const int *fd) {
    return (struct cella_protected_io){io_read, io_write, io_truncate,
                                       io_sync, io_size,  (void *)(uintptr_t)fd};
}

static bool said_yes(struct cella_result r) {
    bool good = !cella_failed(r);
    cella_result_drop(r);
    return good;
}
static bool hkdf(struct cella_bytes secret, struct cella_bytes salt, struct cella_bytes info,
                 uint8_t *out, size_t size) {
    return said_yes(cella_hkdf_sha256(secret, salt, info, out, size));
}
static bool random_bytes(void *out, size_t size) { return said_yes(cella_random(out, size)); }

const struct cella_protected_crypto cella_seal_crypto = {hkdf, random_bytes};

/* ---- memory ---- */

CELLA_RESULT cella_seal_memory_new(uint32_t cache_blocks, uint64_t max_size,
                                   struct cella_seal_memory *out) {
    size_t size = cella_protected_memory(cache_blocks, max_size);
    void *data = mmap(NULL, size, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    ENSURE(data != MAP_FAILED, CELLA_ERR_MEMORY, NULL, "no memory for a protected file: %zu bytes",
           size);
    (void)madvise(data, size, MADV_DONTDUMP);
    (void)mlock(data, size < 8192
                          ? size
                          : 8192); /* the file key; without the right to lock it stays swappable */
    *out = (struct cella_seal_memory){data, size};
    return CELLA_SUCCESS;
}

void cella_seal_memory_free(struct cella_seal_memory *memory) {
    if (memory->data) munmap(memory->data, memory->size);
    *memory = (struct cella_seal_memory){NULL, 0};
}

/* ---- sealing and unsealing ---- */

static void close_file(struct cella_protected **f) {
    if (*f) cella_protected_close(*f);
}
#define OPEN_FILE __attribute__((cleanup(close_file))) struct cella_protected *

static void wipe_key(struct cella_protected_key *key) { cella_wipe(key, sizeof(*key)); }
#define WIPED_KEY __attribute__((cleanup(wipe_key))) struct cella_protected_key

static struct cella_result given_key(const struct cella_seal_options *options,
                                     struct cella_protected_key *key) {
    ENSURE(options->key.size == sizeof(key->key), CELLA_ERR_USAGE, NULL,
           "a seal key has %zu bytes: found %zu", sizeof(key->key), options->key.size);
    key->kind = CELLA_PROTECTED_KEY_GIVEN;
    cella_copy(key->key, options->key.data, sizeof(key->key));
    return CELLA_SUCCESS;
}

static void report(const struct cella_seal_options *o, uint64_t done, uint64_t *told,
                   uint64_t total, bool end) {
    if (!o->progress || (!end && done - *told < PROGRESS_STEP)) return;
    *told = done;
    o->progress(o->context, done, total);
}

struct chunk { /* plaintext on its way */
    uint8_t *data;
};
static void chunk_free(struct chunk *c) {
    if (!c->data) return;
    cella_wipe(c->data, CHUNK);
    munmap(c->data, CHUNK);
}
#define OWNED_CHUNK __attribute__((cleanup(chunk_free))) struct chunk

static struct cella_result chunk_new(struct chunk *c) {
    void *data = mmap(NULL, CHUNK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ENSURE(data != MAP_FAILED, CELLA_ERR_MEMORY, NULL, "no memory for a buffer");
    (void)madvise(data, CHUNK, MADV_DONTDUMP);
    c->data = data;
    return CELLA_SUCCESS;
}

/* Fills the chunk, through short reads of pipes; *size below CHUNK only at the end. */
static struct cella_result read_chunk(int in, uint8_t *data, size_t *size) {
    for (*size = 0; *size < CHUNK;) {
        ssize_t n = read(in, data + *size, CHUNK - *size);
        if (n < 0 && errno == EINTR) continue;
        ENSURE(n >= 0, CELLA_ERR_IO, NULL, "cannot read the content: %s", strerror(errno));
        if (n == 0) break;
        *size += (size_t)n;
    }
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_seal_fd(int in, int out, const struct cella_seal_options *options) {
    struct stat st;
    ENSURE(fstat(in, &st) == 0, CELLA_ERR_IO, NULL, "cannot tell what the input is: %s",
           strerror(errno));
    uint64_t total = S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0, done = 0, told = 0;
    uint64_t max_size =
        total ? total + CHUNK : STREAM_MAX; /* a file that grows meanwhile is refused */
    WIPED_KEY key = {0};
    TRY(given_key(options, &key));
    OWNED_CHUNK chunk = {NULL};
    TRY(chunk_new(&chunk));
    CELLA_SEAL_MEMORY memory = {NULL, 0};
    TRY(cella_seal_memory_new(CACHE_BLOCKS, max_size, &memory));
    OPEN_FILE file = NULL;
    struct cella_protected_io io = cella_seal_io(&out);
    TRY(cella_protected_create(&file, memory.data, memory.size, CACHE_BLOCKS, max_size, &io,
                               &cella_seal_crypto, &key, options->name));
    for (size_t size = CHUNK; size == CHUNK;) {
        TRY(read_chunk(in, chunk.data, &size));
        TRY(cella_protected_write(file, done, chunk.data, size));
        done += size;
        report(options, done, &told, total, false);
    }
    TRY(cella_protected_commit(file, true));
    report(options, done, &told, total, true);
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_unseal_fd(int in, int out, const struct cella_seal_options *options) {
    WIPED_KEY key = {0};
    TRY(given_key(options, &key));
    struct cella_protected_key found;
    struct cella_protected_io io = cella_seal_io(&in);
    TRY(cella_protected_peek(&io, &found));
    ENSURE(found.kind == CELLA_PROTECTED_KEY_GIVEN, CELLA_ERR_REFUSED,
           "only that enclave can open it",
           "the file is under a seal key, which never leaves its enclave");
    OWNED_CHUNK chunk = {NULL};
    TRY(chunk_new(&chunk));
    CELLA_SEAL_MEMORY memory = {NULL, 0};
    TRY(cella_seal_memory_new(CACHE_BLOCKS, 0, &memory));
    OPEN_FILE file = NULL;
    TRY(cella_protected_open(&file, memory.data, memory.size, CACHE_BLOCKS, 0, &io,
                             &cella_seal_crypto, &key, options->name));
    uint64_t total = cella_protected_length(file), done = 0, told = 0;
    while (done < total) {
        uint64_t size;
        TRY(cella_protected_read(file, done, chunk.data, CHUNK, &size));
        TRY(cella_file_write_fd(out, "the content", cella_bytes(chunk.data, size)));
        done += size;
        report(options, done, &told, total, false);
    }
    report(options, done, &told, total, true);
    return CELLA_SUCCESS;
}
