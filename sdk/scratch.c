#include "sdk/scratch.h"

#include <pthread.h>
#include <stdlib.h>

enum { ALIGN = 64, BLOCK_MIN = 64 << 10, KEEP_MAX = 16 << 20 /* bytes kept between calls */ };

struct cella_scratch_block {
    struct cella_scratch_block *below;
    size_t size, used;
    _Alignas(ALIGN) uint8_t data[];
};

static __thread struct cella_scratch_block *top;  /* being filled, and those below it */
static __thread struct cella_scratch_block *kept; /* an empty one, for the next call */
static pthread_key_t at_thread_end;
static pthread_once_t once = PTHREAD_ONCE_INIT;

void cella_scratch_free(void) {
    if (!top) {
        free(kept);
        kept = NULL;
    }
}

static void thread_ends(void *value) {
    (void)value;
    cella_scratch_free();
}

static void make_key(void) { (void)pthread_key_create(&at_thread_end, thread_ends); }

struct cella_scratch_mark cella_scratch_begin(void) {
    return (struct cella_scratch_mark){top, top ? top->used : 0};
}

/* The larger of two empty blocks stays. */
static void keep(struct cella_scratch_block *block) {
    if (block->size > KEEP_MAX || (kept && kept->size >= block->size)) {
        free(block);
        return;
    }
    free(kept);
    kept = block;
}

void cella_scratch_end(struct cella_scratch_mark mark) {
    while (top != mark.block) {
        struct cella_scratch_block *block = top;
        top = block->below;
        keep(block);
    }
    if (top) top->used = mark.used;
}

static struct cella_scratch_block *fresh(size_t size) {
    size_t wanted = size > BLOCK_MIN ? size : BLOCK_MIN, all;
    struct cella_scratch_block *block = kept;
    if (block && block->size >= size) {
        kept = NULL;
    } else {
        if (__builtin_add_overflow(wanted, sizeof(*block) + ALIGN - 1, &all)) return NULL;
        block = aligned_alloc(ALIGN, all / ALIGN * ALIGN);
        if (!block) return NULL;
        block->size = wanted;
        (void)pthread_once(&once, make_key);
        (void)pthread_setspecific(at_thread_end, block);
    }
    block->used = 0;
    block->below = top;
    top = block;
    return block;
}

void *cella_scratch_take(size_t size) {
    size_t wanted;
    if (__builtin_add_overflow(size, ALIGN - 1, &wanted)) return NULL;
    wanted = wanted / ALIGN * ALIGN;
    struct cella_scratch_block *block = top;
    if (!block || wanted > block->size - block->used) block = fresh(wanted);
    if (!block) return NULL;
    void *piece = block->data + block->used;
    block->used += wanted;
    return piece;
}
