/* Protected files: AES-256-GCM in blocks under a tree (docs/formats/protected-file.md).
 *
 * Promise: whoever has the key and an untampered header generation reads exactly what one commit
 * wrote, under the name it was written for; a truncated, swapped, spliced or rolled-back block is
 * CELLA_ERR_INTEGRITY. A crash at any moment leaves the content of the last commit or of the one
 * being made (copy on write, two header slots). Not detected: putting back a whole older file
 * (threats.md T14, R70).
 *
 * The same code runs in the shim and in `cella seal`: freestanding, no allocation, memory and I/O
 * by the caller. One file is used by one thread at a time.
 */
#ifndef CELLA_SEAL_PROTECTED_H
#define CELLA_SEAL_PROTECTED_H

#include <cella/bytes.h>
#include <cella/result.h>
#include <stdbool.h>
#include <stdint.h>

enum {
    CELLA_PROTECTED_BLOCK = 16384,   /* bytes of a data block and of a tree node */
    CELLA_PROTECTED_NAME_MAX = 1024, /* bytes of a name */
    CELLA_PROTECTED_CACHE_MIN = 8,   /* blocks of cache that a file needs at least */
};

/* The untrusted storage below. Each returns bytes or 0, or -errno; short reads mean end of file. */
struct cella_protected_io {
    int64_t (*read)(void *context, void *buffer, uint64_t size, uint64_t offset);
    int64_t (*write)(void *context, const void *buffer, uint64_t size, uint64_t offset);
    int64_t (*truncate)(void *context, uint64_t size);
    int64_t (*sync)(void *context);
    int64_t (*size)(void *context); /* bytes of the file now */
    void *context;
};

/* What differs between the two sides: key derivation (RFC 5869 HKDF-SHA256) and randomness. */
struct cella_protected_crypto {
    bool (*hkdf)(struct cella_bytes secret, struct cella_bytes salt, struct cella_bytes info,
                 uint8_t *out, size_t size);
    bool (*random)(void *out, size_t size);
};

/* How the file says which key it is under; in clear in the header, authenticated. */
enum cella_protected_key_kind {
    CELLA_PROTECTED_KEY_GIVEN = 1,
    CELLA_PROTECTED_KEY_SEAL_ENCLAVE = 2,
    CELLA_PROTECTED_KEY_SEAL_SIGNER = 3
};
struct cella_protected_key {
    uint32_t kind;
    uint16_t svn;       /* seal keys: the security version it was sealed under */
    uint8_t key_id[32]; /* seal keys: key id; given keys: zeros */
    uint8_t key[32];    /* the secret; the caller wipes it */
};

struct cella_protected; /* lies in the memory given */

/* Bytes of memory for one open file with cache_blocks of cache and room to write files of up to
 * max_size bytes (0: read only); aligned to 64. */
uint64_t cella_protected_memory(uint32_t cache_blocks, uint64_t max_size);

/* Reads a header without its key, to learn which key to fetch: fills kind, svn, key_id.
 * CELLA_ERR_FORMAT when it is not a protected file. */
CELLA_RESULT cella_protected_peek(const struct cella_protected_io *io,
                                  struct cella_protected_key *out);
/* Opens an existing file. name is what it must be bound to. memory stays the caller's and must live
 * as long. */
CELLA_RESULT cella_protected_open(struct cella_protected **out, void *memory, uint64_t memory_size,
                                  uint32_t cache_blocks, uint64_t max_size,
                                  const struct cella_protected_io *io,
                                  const struct cella_protected_crypto *crypto,
                                  const struct cella_protected_key *key, struct cella_bytes name);
/* Makes a new empty file. The storage is truncated before the first block is written, at the latest
 * by the first commit: to keep old content until then, open the old file and resize it to 0
 * instead. Until the first commit the storage holds no protected file. */
CELLA_RESULT cella_protected_create(struct cella_protected **out, void *memory,
                                    uint64_t memory_size, uint32_t cache_blocks, uint64_t max_size,
                                    const struct cella_protected_io *io,
                                    const struct cella_protected_crypto *crypto,
                                    const struct cella_protected_key *key, struct cella_bytes name);
uint64_t cella_protected_length(const struct cella_protected *file); /* bytes of plaintext */
/* *done: bytes read, less than size only at the end. */
CELLA_RESULT cella_protected_read(struct cella_protected *file, uint64_t offset, void *buffer,
                                  uint64_t size, uint64_t *done);
/* Writing past the end fills the gap with zeros. */
CELLA_RESULT cella_protected_write(struct cella_protected *file, uint64_t offset,
                                   const void *buffer, uint64_t size);
CELLA_RESULT cella_protected_resize(struct cella_protected *file, uint64_t length);
/* Binds a second name, for renaming: rebind(new), commit, rename the file, rebind(new) again,
 * commit. After the first commit both names open it, after the second only the new one. */
CELLA_RESULT cella_protected_rebind(struct cella_protected *file, struct cella_bytes name);
/* Makes all writes since the last commit durable, or none. durable: call sync before and after the
 * header; without it a crash of the process is survived, a power failure only if the storage writes
 * in order. After CELLA_ERR_IO from a write (full disk) it may be tried again; after a failed sync
 * only closing is left. */
CELLA_RESULT cella_protected_commit(struct cella_protected *file, bool durable);
/* Wipes the keys and the cache. Uncommitted writes are lost. */
void cella_protected_close(struct cella_protected *file);

#endif
