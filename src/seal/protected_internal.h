/* Inside protected files: what its four source files share. The format is
 * docs/formats/protected-file.md.
 *
 *   protected.c         opening, reading, writing, resizing, committing   (the contract of
 * protected.h) protected_header.c  the two header slots: keys, names, generations protected_tree.c
 * the cache of blocks and nodes over the copy-on-write tree protected_block.c   one block to and
 * from the storage, in batches; which blocks are free
 *
 * Invariant of the cache: the parent of a cached block is cached, so writing a dirty block back
 * never needs to load anything. Bytes of a cached data block past the length of the file are zero.
 */
#ifndef CELLA_SEAL_PROTECTED_INTERNAL_H
#define CELLA_SEAL_PROTECTED_INTERNAL_H

#include "base/memory.h"
#include "seal/gcm.h"
#include "seal/protected.h"

enum {
    BLOCK = CELLA_PROTECTED_BLOCK,
    HEADER_SLOT = 4096, /* bytes; slots at 0 and 4096, the data area begins at block 1 */
    HEADER_AAD = 96,    /* the clear, authenticated fields */
    HEADER_CLEAR = 128, /* and nonce, tag, 4 zero bytes; the rest of the slot is encrypted */
    ENTRY = 32,         /* u32 block | nonce 12 | tag 16 */
    FANOUT_BITS = 9,    /* 512 entries in a node */
    FANOUT = 1 << FANOUT_BITS,
    DEPTH_MAX = 4,
    STAGE_MAX = 8, /* blocks written by one call at most; 128 KiB stay in the processor's cache */
    RUN_MAX = 16,  /* blocks read by one call at most */
    NONE = -1,
};
_Static_assert(FANOUT *ENTRY == BLOCK, "a node is a block");
#define LENGTH_MAX ((uint64_t)1 << 44)
/* AES-GCM under one file key (R72): with W openings for writing that encrypt T blocks in all from
 * random 96-bit starts, two nonces meet with probability <= W*T/2^96 = 2^-32 at these limits. */
#define WRITES_MAX   ((uint64_t)1 << 40)
#define SESSIONS_MAX ((uint32_t)1 << 24)

struct slot {
    uint8_t *data; /* BLOCK bytes */
    uint64_t index;
    uint32_t level;    /* 0 data, 1 node over data, ... */
    uint32_t children; /* cached children and pins: not evicted while above 0 */
    int32_t parent, newer, older, chain;
    bool used, dirty;
    bool hole; /* read from no block, and nothing written to it */
};

struct cella_protected {
    struct cella_gcm gcm; /* of the file key */
    uint8_t header[HEADER_SLOT];
    struct cella_protected_io io;
    const struct cella_protected_crypto *crypto;
    /* header fields */
    uint32_t kind;
    uint16_t svn;
    uint8_t key_id[32], file_id[32];
    uint64_t generation, writes;
    uint32_t sessions;
    uint8_t name[32], second[32];
    /* tree */
    uint8_t root[ENTRY];
    uint64_t length, max_size;
    uint32_t depth;
    uint32_t good_slot; /* which header slot holds the last commit */
    bool reset_storage; /* created, nothing written yet: truncate before the first write */
    bool changed, unsynced, broken;
    bool nonce_ready;
    uint8_t nonce[CELLA_GCM_NONCE_SIZE];
    uint64_t end;  /* blocks of the storage that the last commit reaches to */
    uint64_t high; /* blocks of the storage written so far */
    /* cache */
    struct slot *slots;
    int32_t *heads;
    uint32_t slot_count, head_count;
    int32_t newest, oldest, spare;
    /* stage: encrypted blocks on their way to consecutive places */
    uint8_t *stage;
    uint64_t stage_first;
    uint32_t stage_capacity, stage_bytes;
    /* free map: 2 bits a block */
    uint64_t *map;
    uint64_t map_capacity, map_words_ready, map_hint, map_low, map_high, map_beyond;
    bool map_ready;
};

/* ---- protected_block.c ---- */
uint64_t protected_map_blocks(
    uint64_t max_size); /* blocks of storage that a file of max_size may need */
/* Fills the free map from the tree, once, before the first change. */
CELLA_RESULT protected_map_prepare(struct cella_protected *f);
void protected_map_release(struct cella_protected *f, uint32_t block);
/* After a commit: what it dropped is free. Not written for sure (certain = false): it stays
 * reserved, and so does what the header that may or may not be there refers to. */
void protected_map_settle(struct cella_protected *f, bool certain);
uint64_t protected_map_end(
    struct cella_protected *f); /* blocks of storage that the current tree reaches to */
/* Encrypts a block to a place that no commit refers to and stores that in entry. */
CELLA_RESULT protected_block_put(struct cella_protected *f, uint32_t level, uint64_t index,
                                 const uint8_t *data, uint32_t size, uint8_t *entry);
CELLA_RESULT protected_block_get(struct cella_protected *f, uint32_t level, uint64_t index,
                                 const uint8_t *entry, uint8_t *out, uint32_t size);
/* Reads `bytes` bytes of data blocks that lie in consecutive places, from index on, by one call. */
CELLA_RESULT protected_block_get_run(struct cella_protected *f, uint64_t index,
                                     const uint8_t *entries, uint8_t *out, uint64_t bytes);
CELLA_RESULT protected_block_flush(struct cella_protected *f);
CELLA_RESULT protected_next_nonce(struct cella_protected *f, uint8_t nonce[CELLA_GCM_NONCE_SIZE]);
CELLA_RESULT protected_write_storage(struct cella_protected *f, const void *data, uint64_t size,
                                     uint64_t offset);

/* ---- protected_tree.c ---- */
void protected_cache_start(struct cella_protected *f);
struct slot *protected_cached(struct cella_protected *f, uint32_t level, uint64_t index);
/* The block or node, loaded with its parents; stays valid until the next call that may load
 * another. */
CELLA_RESULT protected_get(struct cella_protected *f, uint32_t level, uint64_t index,
                           struct slot **out);
void protected_discard(struct cella_protected *f, struct slot *s); /* forgets it, dirty or not */
void protected_touch(struct cella_protected *f, struct slot *s);   /* it is dirty now */
/* The entry that points to (level, index), and the slot it lies in (NULL: the root entry). */
CELLA_RESULT protected_entry(struct cella_protected *f, uint32_t level, uint64_t index,
                             uint8_t **entry, struct slot **holder);
CELLA_RESULT protected_grow(struct cella_protected *f, uint64_t blocks); /* deepens the tree */
CELLA_RESULT protected_trim(struct cella_protected *f,
                            uint64_t first);                 /* drops data blocks from first on */
CELLA_RESULT protected_store_all(struct cella_protected *f); /* every dirty block, bottom-up */

/* ---- protected_header.c ---- */
CELLA_RESULT protected_header_new(struct cella_protected *f, const struct cella_protected_key *key,
                                  struct cella_bytes name);
CELLA_RESULT protected_header_load(struct cella_protected *f, const struct cella_protected_key *key,
                                   struct cella_bytes name);
CELLA_RESULT protected_header_store(struct cella_protected *f);
void protected_name_hash(struct cella_bytes name, uint8_t hash[32]);

static inline uint32_t entry_block(const uint8_t *entry) {
    return (uint32_t)entry[0] | (uint32_t)entry[1] << 8 | (uint32_t)entry[2] << 16 |
           (uint32_t)entry[3] << 24;
}
static inline uint64_t blocks_of(uint64_t length) { return (length + BLOCK - 1) / BLOCK; }
/* Bytes that data block index has in the storage: the last block is stored short. */
static inline uint32_t stored_size(const struct cella_protected *f, uint32_t level,
                                   uint64_t index) {
    uint64_t left = f->length - index * BLOCK;
    return level == 0 && left < BLOCK ? (uint32_t)left : BLOCK;
}

#endif
