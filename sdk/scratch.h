/* Scratch memory of a thread: what one call needs, private, taken piece by piece and given back all
 * at once when the call ends. Calls nest, and so do their marks. A block is kept from call to call,
 * so that a call need not ask the system for memory. */
#ifndef CELLA_SDK_SCRATCH_H
#define CELLA_SDK_SCRATCH_H

#include <stddef.h>
#include <stdint.h>

struct cella_scratch_block;
struct cella_scratch_mark {
    struct cella_scratch_block *block;
    size_t used;
};

struct cella_scratch_mark cella_scratch_begin(void);
/* Gives back all that was taken since. */
void cella_scratch_end(struct cella_scratch_mark mark);
/* size bytes, not zeroed, aligned to 64; NULL when there is no memory. */
void *cella_scratch_take(size_t size);
/* Gives back what the thread keeps; done by itself when a thread ends. */
void cella_scratch_free(void);

#endif
