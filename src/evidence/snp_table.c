/* The certificate table of the extended guest request: a list of {GUID, u32 offset, u32 size} that
 * a zero entry ends, offsets from the start of the list. The host makes it; nothing of it is
 * trusted. */
#include "base/buffer.h"
#include "base/memory.h"
#include "base/reader.h"
#include "base/writer.h"
#include "evidence/snp_report.h"

enum { GUID_SIZE = 16, ENTRY_SIZE = 24, ENTRY_MAX = 32, KIND_COUNT = 5 };

/* In the order of struct cella_snp_table; as bytes, that is mixed-endian. */
static const uint8_t guids[KIND_COUNT][GUID_SIZE] = {
    /* 63da758d-e664-4564-adc5-f4b93be8accd */
    {0x8d, 0x75, 0xda, 0x63, 0x64, 0xe6, 0x64, 0x45, 0xad, 0xc5, 0xf4, 0xb9, 0x3b, 0xe8, 0xac,
     0xcd},
    /* a8074bc2-a25a-483e-aae6-39c045a0b8a1 */
    {0xc2, 0x4b, 0x07, 0xa8, 0x5a, 0xa2, 0x3e, 0x48, 0xaa, 0xe6, 0x39, 0xc0, 0x45, 0xa0, 0xb8,
     0xa1},
    /* 4ab7b379-bbac-4fe4-a02f-05aef327c782 */
    {0x79, 0xb3, 0xb7, 0x4a, 0xac, 0xbb, 0xe4, 0x4f, 0xa0, 0x2f, 0x05, 0xae, 0xf3, 0x27, 0xc7,
     0x82},
    /* c0b406a4-a803-4952-9743-3fb6014cd0ae */
    {0xa4, 0x06, 0xb4, 0xc0, 0x03, 0xa8, 0x52, 0x49, 0x97, 0x43, 0x3f, 0xb6, 0x01, 0x4c, 0xd0,
     0xae},
    /* 92f81bc3-5811-4d3d-97ff-d19f88dc67ea */
    {0xc3, 0x1b, 0xf8, 0x92, 0x11, 0x58, 0x3d, 0x4d, 0x97, 0xff, 0xd1, 0x9f, 0x88, 0xdc, 0x67,
     0xea},
};

struct entry {
    int kind; /* -1: not known */
    bool last;
    uint32_t offset, size;
};

static struct entry read_entry(struct cella_reader *r) {
    static const uint8_t none[GUID_SIZE];
    struct cella_bytes guid = cella_reader_bytes(r, GUID_SIZE);
    struct entry e = {.kind = -1};
    e.offset = cella_reader_u32le(r);
    e.size = cella_reader_u32le(r);
    if (r->failed) return e;
    e.last = cella_equal(guid.data, none, GUID_SIZE) && e.offset == 0 && e.size == 0;
    for (int i = 0; i < KIND_COUNT; i++)
        if (cella_equal(guid.data, guids[i], GUID_SIZE)) e.kind = i;
    return e;
}

bool cella_snp_table_is(struct cella_bytes bytes) {
    struct cella_reader r = cella_reader(bytes);
    return read_entry(&r).kind >= 0;
}

CELLA_RESULT cella_snp_table_parse(struct cella_bytes bytes, struct cella_snp_table *out) {
    static const char hint[] =
        "pass the table on as the host gave it, or leave it out and give the "
        "certificates as collateral";
    *out = (struct cella_snp_table){0};
    struct cella_bytes found[KIND_COUNT] = {0};
    struct cella_reader r = cella_reader(bytes);
    struct entry entries[ENTRY_MAX];
    size_t count = 0;
    for (;; count++) {
        ENSURE(count < ENTRY_MAX, CELLA_ERR_LIMIT, hint,
               "certificate table: expected at most %d entries and then a zero one", ENTRY_MAX);
        entries[count] = read_entry(&r);
        ENSURE(!r.failed, CELLA_ERR_FORMAT, hint,
               "certificate table: expected a zero entry at its end; found the end of the bytes");
        if (entries[count].last) break;
    }
    for (size_t i = 0; i < count; i++) {
        const struct entry *e = &entries[i];
        ENSURE(
            e->offset >= r.at && cella_range_inside(e->offset, e->size, 0, bytes.size),
            CELLA_ERR_FORMAT, hint,
            "certificate table: expected entry %zu behind the list and inside of %zu bytes; found "
            "offset %u, size %u",
            i, bytes.size, e->offset, e->size);
        if (e->kind < 0) continue;
        ENSURE(found[e->kind].size == 0 && e->size > 0, CELLA_ERR_FORMAT, hint,
               "certificate table: expected each kind once, and not empty");
        found[e->kind] = cella_bytes(bytes.data + e->offset, e->size);
    }
    *out = (struct cella_snp_table){found[0], found[1], found[2], found[3], found[4]};
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_snp_table_append(const struct cella_snp_table *table, struct cella_buffer *out) {
    const struct cella_bytes parts[KIND_COUNT] = {table->vcek, table->vlek, table->ask, table->ark,
                                                  table->crl};
    uint8_t head[(KIND_COUNT + 1) * ENTRY_SIZE];
    struct cella_writer w = cella_writer(head, sizeof(head));
    size_t offset = ENTRY_SIZE;
    for (size_t i = 0; i < KIND_COUNT; i++) offset += parts[i].size ? ENTRY_SIZE : 0;
    for (size_t i = 0; i < KIND_COUNT; i++) {
        if (parts[i].size == 0) continue;
        ENSURE(parts[i].size <= 1 << 20, CELLA_ERR_LIMIT, NULL, "a certificate of %zu bytes",
               parts[i].size);
        cella_writer_put(&w, CELLA_BYTES_OF(guids[i]));
        cella_writer_u32le(&w, (uint32_t)offset);
        cella_writer_u32le(&w, (uint32_t)parts[i].size);
        offset += parts[i].size;
    }
    cella_writer_zero(&w, ENTRY_SIZE);
    TRY(cella_buffer_append(out, cella_writer_bytes(&w)));
    for (size_t i = 0; i < KIND_COUNT; i++)
        if (parts[i].size) TRY(cella_buffer_append(out, parts[i]));
    return CELLA_SUCCESS;
}
