#include "base/arena.h"

#include <stdlib.h>

#include "base/memory.h"

enum { ALIGN = 16, BLOCK_FIRST = 8 << 10, BLOCK_MAX = 1 << 20, LIST_FIRST = 4 };

struct cella_arena_block {
    struct cella_arena_block *next;
    size_t size, used;
    _Alignas(ALIGN) uint8_t data[];
};

void cella_arena_begin(struct cella_arena *arena, size_t limit) {
    *arena = (struct cella_arena){.limit = limit};
}

void cella_arena_free(struct cella_arena *arena) {
    for (struct cella_arena_block *b = arena->block, *next; b; b = next) {
        next = b->next;
        free(b);
    }
    *arena = (struct cella_arena){.failed = true};
}

/* A block with room for size bytes, larger each time, so that their number stays small. */
static struct cella_arena_block *grow(struct cella_arena *arena, size_t size) {
    size_t wanted = arena->block ? 2 * arena->block->size : BLOCK_FIRST;
    if (wanted > BLOCK_MAX) wanted = BLOCK_MAX;
    if (wanted < size) wanted = size;
    if (wanted > arena->limit - arena->used) wanted = size;
    if (wanted > arena->limit - arena->used) return NULL;
    struct cella_arena_block *block = malloc(sizeof(*block) + wanted);
    if (!block) return NULL;
    block->next = arena->block;
    block->size = wanted;
    block->used = 0;
    arena->block = block;
    arena->used += wanted;
    return block;
}

void *cella_arena_take(struct cella_arena *arena, size_t size) {
    struct cella_arena_block *block = arena->block;
    if (arena->failed || size > arena->limit) {
        arena->failed = true;
        return NULL;
    }
    size = (size + ALIGN - 1) / ALIGN * ALIGN;
    if (!block || size > block->size - block->used) block = grow(arena, size);
    if (!block) {
        arena->failed = true;
        return NULL;
    }
    void *piece = block->data + block->used;
    block->used += size;
    cella_zero(piece, size);
    return piece;
}

void *cella_arena_array(struct cella_arena *arena, size_t count, size_t size) {
    size_t all = 0;
    if (cella_mul(count, size, &all)) return cella_arena_take(arena, all);
    arena->failed = true;
    return NULL;
}

struct cella_bytes cella_arena_copy(struct cella_arena *arena, struct cella_bytes bytes) {
    uint8_t *copy = cella_arena_take(arena, bytes.size);
    if (!copy) return cella_bytes(NULL, 0);
    cella_copy(copy, bytes.data, bytes.size);
    return cella_bytes(copy, bytes.size);
}

void *cella_arena_push(struct cella_arena *arena, void **items, uint32_t *count, uint32_t *capacity,
                       size_t size) {
    if (*count == *capacity) {
        uint32_t wanted = *capacity ? 2 * *capacity : LIST_FIRST;
        void *larger = wanted > *capacity ? cella_arena_array(arena, wanted, size) : NULL;
        if (!larger) {
            arena->failed = true;
            return NULL;
        }
        cella_copy(larger, *items, *count * size);
        *items = larger;
        *capacity = wanted;
    }
    if (arena->failed) return NULL;
    return (uint8_t *)*items + size * (*count)++;
}
