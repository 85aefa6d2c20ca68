#include "base/reader.h"

#include "base/memory.h"

/* Every getter goes through here: the only place where the cursor moves. */
static const uint8_t *take(struct cella_reader *r, size_t size) {
    if (r->failed || size > r->size - r->at) {
        r->failed = true;
        return NULL;
    }
    const uint8_t *p = r->data + r->at;
    r->at += size;
    return p;
}

struct cella_bytes cella_reader_bytes(struct cella_reader *r, size_t size) {
    if (size == 0) return (struct cella_bytes){NULL, 0};
    const uint8_t *p = take(r, size);
    return p ? cella_bytes(p, size) : (struct cella_bytes){NULL, 0};
}

struct cella_reader cella_reader_sub(struct cella_reader *r, size_t size) {
    struct cella_bytes view = cella_reader_bytes(r, size);
    struct cella_reader sub = cella_reader(view);
    sub.failed = r->failed;
    return sub;
}

struct cella_bytes cella_reader_rest(struct cella_reader *r) {
    return cella_reader_bytes(r, cella_reader_left(r));
}

void cella_reader_copy(struct cella_reader *r, void *out, size_t size) {
    const uint8_t *p = size ? take(r, size) : NULL;
    if (p)
        cella_copy(out, p, size);
    else
        cella_zero(out, size);
}

void cella_reader_skip(struct cella_reader *r, size_t size) { (void)cella_reader_bytes(r, size); }

void cella_reader_zero(struct cella_reader *r, size_t size) {
    struct cella_bytes b = cella_reader_bytes(r, size);
    uint8_t any = 0;
    for (size_t i = 0; i < b.size; i++) any |= b.data[i];
    if (any) r->failed = true;
}

void cella_reader_expect(struct cella_reader *r, struct cella_bytes want) {
    struct cella_bytes b = cella_reader_bytes(r, want.size);
    if (b.size != want.size || !cella_equal(b.data, want.data, want.size)) r->failed = true;
}

static uint64_t little(struct cella_reader *r, size_t size) {
    const uint8_t *p = take(r, size);
    uint64_t v = 0;
    for (size_t i = 0; p && i < size; i++) v |= (uint64_t)p[i] << (8 * i);
    return v;
}

static uint64_t big(struct cella_reader *r, size_t size) {
    const uint8_t *p = take(r, size);
    uint64_t v = 0;
    for (size_t i = 0; p && i < size; i++) v = v << 8 | p[i];
    return v;
}

uint8_t cella_reader_u8(struct cella_reader *r) { return (uint8_t)little(r, 1); }
uint16_t cella_reader_u16le(struct cella_reader *r) { return (uint16_t)little(r, 2); }
uint32_t cella_reader_u32le(struct cella_reader *r) { return (uint32_t)little(r, 4); }
uint64_t cella_reader_u64le(struct cella_reader *r) { return little(r, 8); }
uint16_t cella_reader_u16be(struct cella_reader *r) { return (uint16_t)big(r, 2); }
uint32_t cella_reader_u32be(struct cella_reader *r) { return (uint32_t)big(r, 4); }
uint64_t cella_reader_u64be(struct cella_reader *r) { return big(r, 8); }
