#include "base/writer.h"

#include "base/memory.h"

static uint8_t *room(struct cella_writer *w, size_t size) {
    if (w->failed || size > w->capacity - w->size) {
        w->failed = true;
        return NULL;
    }
    uint8_t *p = w->data + w->size;
    w->size += size;
    return p;
}

void cella_writer_put(struct cella_writer *w, struct cella_bytes bytes) {
    if (bytes.size == 0) return;
    uint8_t *p = room(w, bytes.size);
    if (p) cella_copy(p, bytes.data, bytes.size);
}

void cella_writer_zero(struct cella_writer *w, size_t size) {
    uint8_t *p = size ? room(w, size) : NULL;
    if (p) cella_zero(p, size);
}

static void store_little(uint8_t *p, uint64_t v, size_t size) {
    for (size_t i = 0; p && i < size; i++) p[i] = (uint8_t)(v >> (8 * i));
}

static void store_big(uint8_t *p, uint64_t v, size_t size) {
    for (size_t i = 0; p && i < size; i++) p[i] = (uint8_t)(v >> (8 * (size - 1 - i)));
}

void cella_writer_u8(struct cella_writer *w, uint8_t v) { store_little(room(w, 1), v, 1); }
void cella_writer_u16le(struct cella_writer *w, uint16_t v) { store_little(room(w, 2), v, 2); }
void cella_writer_u32le(struct cella_writer *w, uint32_t v) { store_little(room(w, 4), v, 4); }
void cella_writer_u64le(struct cella_writer *w, uint64_t v) { store_little(room(w, 8), v, 8); }
void cella_writer_u16be(struct cella_writer *w, uint16_t v) { store_big(room(w, 2), v, 2); }
void cella_writer_u32be(struct cella_writer *w, uint32_t v) { store_big(room(w, 4), v, 4); }
void cella_writer_u64be(struct cella_writer *w, uint64_t v) { store_big(room(w, 8), v, 8); }

void cella_writer_patch_u32le(struct cella_writer *w, size_t at, uint32_t v) {
    if (w->failed || w->size < 4 || at > w->size - 4) {
        w->failed = true;
        return;
    }
    store_little(w->data + at, v, 4);
}
