/* Memory of one task (a policy compiled, a file parsed): taken piece by piece, given back at once,
 * bounded. */
#ifndef CELLA_BASE_ARENA_H
#define CELLA_BASE_ARENA_H

#include <cella/bytes.h>
#include <stdbool.h>

struct cella_arena_block;

struct cella_arena {
    struct cella_arena_block *block; /* newest first */
    size_t used, limit;              /* bytes, with what blocks cost */
    bool failed;                     /* over the limit, or no memory: all further pieces are NULL */
};

void cella_arena_begin(struct cella_arena *arena, size_t limit);
void cella_arena_free(struct cella_arena *arena);
/* size bytes, zeroed and aligned for any object; NULL when failed. Size 0 gives an address that is
 * not NULL. */
void *cella_arena_take(struct cella_arena *arena, size_t size);
/* count elements of size bytes. */
void *cella_arena_array(struct cella_arena *arena, size_t count, size_t size);
/* A copy; data is NULL when failed. */
struct cella_bytes cella_arena_copy(struct cella_arena *arena, struct cella_bytes bytes);

/* A list that doubles in an arena: items of size bytes in *items, count of them used, room for
 * *capacity. Makes room for one more and gives its address, zeroed; NULL when the arena failed. */
void *cella_arena_push(struct cella_arena *arena, void **items, uint32_t *count, uint32_t *capacity,
                       size_t size);
#define CELLA_ARENA_PUSH(arena, list)                                                              \
    ((__typeof__((list)->item))cella_arena_push((arena), (void **)&(list)->item, &(list)->count,   \
                                                &(list)->capacity, sizeof(*(list)->item)))

#endif
