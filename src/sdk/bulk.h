/* Writing much into shared memory that the other side reads on another core.
 *
 * An ordinary copy leaves the lines in the writer's cache, and the next one has to take them back
 * from the reader's. Where both share a cache that is the fastest way; where they do not, it was
 * seen to cost five times as much as writing past the caches (docs/performance.md). Which of the
 * two it is depends on where the scheduler has put the threads, so the writer measures its own
 * writes and changes over; now and then it tries again.
 */
#ifndef CELLA_SDK_BULK_H
#define CELLA_SDK_BULK_H

#include <stddef.h>
#include <stdint.h>

/* memcpy into a slot's message, for any size and alignment. Hand over after it: what it wrote is
 * then in memory. Never reads host_to. */
void cella_bulk_write(uint8_t *host_to, const void *from, size_t size);

#endif
