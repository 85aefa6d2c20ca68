/* The one writer of wire bytes: into a buffer the caller gives, never past its capacity.
 *
 * The first put that does not fit sets `failed` and writes nothing; later puts are ignored, so a
 * serialiser checks once at the end. Fields are written one by one, never a struct as it lies in
 * memory (threats.md R27). Freestanding.
 */
#ifndef CELLA_BASE_WRITER_H
#define CELLA_BASE_WRITER_H

#include <cella/bytes.h>
#include <stdbool.h>

struct cella_writer {
    uint8_t *data;
    size_t capacity;
    size_t size; /* bytes written so far */
    bool failed;
};

static inline struct cella_writer cella_writer(void *data, size_t capacity) {
    return (struct cella_writer){(uint8_t *)data, capacity, 0, false};
}
static inline struct cella_bytes cella_writer_bytes(const struct cella_writer *w) {
    return w->failed ? (struct cella_bytes){NULL, 0} : cella_bytes(w->data, w->size);
}

void cella_writer_put(struct cella_writer *w, struct cella_bytes bytes);
void cella_writer_zero(struct cella_writer *w, size_t size);
void cella_writer_u8(struct cella_writer *w, uint8_t v);
void cella_writer_u16le(struct cella_writer *w, uint16_t v);
void cella_writer_u32le(struct cella_writer *w, uint32_t v);
void cella_writer_u64le(struct cella_writer *w, uint64_t v);
void cella_writer_u16be(struct cella_writer *w, uint16_t v);
void cella_writer_u32be(struct cella_writer *w, uint32_t v);
void cella_writer_u64be(struct cella_writer *w, uint64_t v);
/* Overwrites a u32 written before, for lengths known only afterwards. `at` must lie in what was
 * written. */
void cella_writer_patch_u32le(struct cella_writer *w, size_t at, uint32_t v);

#endif
