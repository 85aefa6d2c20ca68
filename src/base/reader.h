/* The one reader of untrusted bytes.
 *
 * A reader is a view with a cursor, passed by pointer and copied freely; it owns nothing. Getters
 * never read past the end: the first that would sets `failed`, and from then on every getter
 * returns zero or an empty view, so a parser reads like the layout it parses and checks once at the
 * end (cella_reader_done for "all bytes used", or .failed). Nested lengths get a reader of their
 * own (cella_reader_sub). Freestanding: no libc, no allocation. (threats.md A31)
 */
#ifndef CELLA_BASE_READER_H
#define CELLA_BASE_READER_H

#include <cella/bytes.h>
#include <stdbool.h>

struct cella_reader {
    const uint8_t *data;
    size_t size;
    size_t at; /* <= size */
    bool failed;
};

static inline struct cella_reader cella_reader(struct cella_bytes bytes) {
    return (struct cella_reader){bytes.data, bytes.size, 0, false};
}
static inline size_t cella_reader_left(const struct cella_reader *r) {
    return r->failed ? 0 : r->size - r->at;
}
/* True when nothing failed and every byte was used. */
static inline bool cella_reader_done(const struct cella_reader *r) {
    return !r->failed && r->at == r->size;
}

/* A view of the next size bytes; empty on failure. */
struct cella_bytes cella_reader_bytes(struct cella_reader *r, size_t size);
/* A reader of the next size bytes; already failed when they are not there. */
struct cella_reader cella_reader_sub(struct cella_reader *r, size_t size);
/* All that is left. */
struct cella_bytes cella_reader_rest(struct cella_reader *r);
/* Copies size bytes to out, zeros on failure. */
void cella_reader_copy(struct cella_reader *r, void *out, size_t size);
/* Skips size bytes; with _zero fails unless they are all zero (reserved fields). */
void cella_reader_skip(struct cella_reader *r, size_t size);
void cella_reader_zero(struct cella_reader *r, size_t size);
/* Fails unless the next bytes are these. */
void cella_reader_expect(struct cella_reader *r, struct cella_bytes bytes);

uint8_t cella_reader_u8(struct cella_reader *r);
uint16_t cella_reader_u16le(struct cella_reader *r);
uint32_t cella_reader_u32le(struct cella_reader *r);
uint64_t cella_reader_u64le(struct cella_reader *r);
uint16_t cella_reader_u16be(struct cella_reader *r);
uint32_t cella_reader_u32be(struct cella_reader *r);
uint64_t cella_reader_u64be(struct cella_reader *r);

#endif
