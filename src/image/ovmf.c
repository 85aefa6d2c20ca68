#include "image/ovmf.h"

#include "abi/sgx.h"
#include "base/memory.h"
#include "base/reader.h"

enum {
    TABLE_END = 32, /* from the end of the image: the reset vector */
    GUID_SIZE = 16,
    ENTRY_TAIL = 18, /* u16 size, GUID */
    ENTRY_COUNT_MAX = 64,
    SEV_HEADER = 16,
    TDX_HEADER = 16,
};

#define FORM(cond, ...)                                                                            \
    ENSURE(cond, CELLA_ERR_FORMAT, "use the image as its build made it", "firmware: " __VA_ARGS__)

enum kind { FOOTER, HASH_TABLE, RESET_BLOCK, SEV_METADATA, TDX_METADATA, SVSM_INFO, KIND_COUNT };
static const uint8_t guids[KIND_COUNT][GUID_SIZE] = {
    /* 96b582de-1fb2-45f7-baea-a366c55a082d */
    {0xde, 0x82, 0xb5, 0x96, 0xb2, 0x1f, 0xf7, 0x45, 0xba, 0xea, 0xa3, 0x66, 0xc5, 0x5a, 0x08,
     0x2d},
    /* 7255371f-3a3b-4b04-927b-1da6efa8d454 */
    {0x1f, 0x37, 0x55, 0x72, 0x3b, 0x3a, 0x04, 0x4b, 0x92, 0x7b, 0x1d, 0xa6, 0xef, 0xa8, 0xd4,
     0x54},
    /* 00f771de-1a7e-4fcb-890e-68c77e2fb44e */
    {0xde, 0x71, 0xf7, 0x00, 0x7e, 0x1a, 0xcb, 0x4f, 0x89, 0x0e, 0x68, 0xc7, 0x7e, 0x2f, 0xb4,
     0x4e},
    /* dc886566-984a-4798-a75e-5585a7bf67cc */
    {0x66, 0x65, 0x88, 0xdc, 0x4a, 0x98, 0x98, 0x47, 0xa7, 0x5e, 0x55, 0x85, 0xa7, 0xbf, 0x67,
     0xcc},
    /* e47a6535-984a-4798-865e-4685a7bf8ec2 */
    {0x35, 0x65, 0x7a, 0xe4, 0x4a, 0x98, 0x98, 0x47, 0x86, 0x5e, 0x46, 0x85, 0xa7, 0xbf, 0x8e,
     0xc2},
    /* a789a612-0597-4c4b-a49f-cbb1fe9d1ddd */
    {0x12, 0xa6, 0x89, 0xa7, 0x97, 0x05, 0x4b, 0x4c, 0xa4, 0x9f, 0xcb, 0xb1, 0xfe, 0x9d, 0x1d,
     0xdd},
};

static bool whole_pages(uint64_t gpa, uint64_t size) {
    return gpa % CELLA_PAGE_SIZE == 0 && size % CELLA_PAGE_SIZE == 0;
}

/* What an entry says: a u32 offset from the end of the image. */
static struct cella_reader at_offset(struct cella_bytes image, uint32_t offset) {
    struct cella_reader r = cella_reader(image);
    cella_reader_skip(&r, offset <= image.size ? image.size - offset : SIZE_MAX);
    return r;
}

static CELLA_RESULT read_sev(struct cella_bytes image, uint32_t offset, struct cella_ovmf *out) {
    struct cella_reader whole = at_offset(image, offset), r = whole;
    cella_reader_expect(&r, cella_bytes("ASEV", 4));
    uint32_t size = cella_reader_u32le(&r), version = cella_reader_u32le(&r);
    uint32_t count = cella_reader_u32le(&r);
    FORM(!r.failed && version == 1 && count <= CELLA_OVMF_SECTION_MAX && size >= SEV_HEADER,
         "expected SEV metadata (\"ASEV\", version 1, at most %d sections)",
         CELLA_OVMF_SECTION_MAX);
    r = cella_reader_sub(&whole, size);
    cella_reader_skip(&r, SEV_HEADER);
    out->has_sev = true;
    for (uint32_t i = 0; i < count; i++) {
        struct cella_ovmf_sev_section *s = &out->sev[i];
        s->gpa = cella_reader_u32le(&r);
        s->size = cella_reader_u32le(&r);
        uint32_t type = cella_reader_u32le(&r);
        FORM(!r.failed && whole_pages(s->gpa, s->size) && s->size > 0,
             "expected SEV section %u in whole pages", i);
        FORM((type >= CELLA_OVMF_SEC_MEM && type <= CELLA_OVMF_SVSM_CAA) ||
                 type == CELLA_OVMF_KERNEL_HASHES,
             "SEV section %u is of type %u, which is not known", i, type);
        s->type = (enum cella_ovmf_sev_type)type;
        out->sev_count++;
    }
    return CELLA_SUCCESS;
}

static CELLA_RESULT read_tdx_section(struct cella_bytes image, struct cella_reader *r,
                                     struct cella_ovmf_tdx_section *s) {
    uint32_t offset = cella_reader_u32le(r), raw = cella_reader_u32le(r);
    s->gpa = cella_reader_u64le(r);
    s->size = cella_reader_u64le(r);
    s->type = cella_reader_u32le(r);
    s->attributes = cella_reader_u32le(r);
    FORM(!r->failed && whole_pages(s->gpa, s->size) && raw <= s->size &&
             s->gpa <= UINT64_MAX - s->size,
         "expected a TDX section in whole pages, its content no larger than itself");
    s->cut_off = !cella_range_inside(offset, raw, 0, image.size);
    if (!s->cut_off) s->content = cella_bytes(image.data + offset, raw);
    return CELLA_SUCCESS;
}

static CELLA_RESULT read_tdx(struct cella_bytes image, uint32_t offset, struct cella_ovmf *out) {
    struct cella_reader whole = at_offset(image, offset), r = whole;
    cella_reader_expect(&r, cella_bytes("TDVF", 4));
    uint32_t size = cella_reader_u32le(&r), version = cella_reader_u32le(&r);
    uint32_t count = cella_reader_u32le(&r);
    FORM(!r.failed && version == 1 && count <= CELLA_OVMF_SECTION_MAX && size >= TDX_HEADER,
         "expected TDX metadata (\"TDVF\", version 1, at most %d sections)",
         CELLA_OVMF_SECTION_MAX);
    r = cella_reader_sub(&whole, size);
    cella_reader_skip(&r, TDX_HEADER);
    out->has_tdx = true;
    for (uint32_t i = 0; i < count; i++) {
        TRY(read_tdx_section(image, &r, &out->tdx[i]));
        out->tdx_count++;
    }
    return CELLA_SUCCESS;
}

static CELLA_RESULT read_entry(struct cella_bytes guid, struct cella_bytes data,
                               struct cella_ovmf *out) {
    struct cella_reader r = cella_reader(data);
    enum kind kind = FOOTER;
    while (kind < KIND_COUNT && !cella_equal(guid.data, guids[kind], GUID_SIZE)) kind++;
    if (kind == KIND_COUNT) return CELLA_SUCCESS;
    uint32_t value = cella_reader_u32le(&r);
    FORM(kind != FOOTER && !r.failed, "expected 4 bytes or more in an entry of the table");
    if (kind == HASH_TABLE) out->has_hash_table = value != 0;
    if (kind == HASH_TABLE) out->hash_table_gpa = value;
    if (kind == RESET_BLOCK) out->has_reset_eip = true;
    if (kind == RESET_BLOCK) out->reset_eip = value;
    if (kind == SVSM_INFO) out->has_svsm_info = true;
    if (kind == SVSM_INFO) out->svsm_entry = value;
    if (kind == SEV_METADATA) {
        FORM(!out->has_sev, "SEV metadata is there twice");
        return read_sev(out->image, value, out);
    }
    if (kind != TDX_METADATA) return CELLA_SUCCESS;
    FORM(!out->has_tdx, "TDX metadata is there twice");
    return read_tdx(out->image, value, out);
}

/* From its end backwards: data, u16 size of data and tail, GUID. */
static CELLA_RESULT read_table(struct cella_bytes table, struct cella_ovmf *out) {
    for (size_t end = table.size, count = 0; end >= ENTRY_TAIL; count++) {
        struct cella_reader r =
            cella_reader(cella_bytes(table.data + end - ENTRY_TAIL, ENTRY_TAIL));
        size_t size = cella_reader_u16le(&r);
        FORM(size >= ENTRY_TAIL && size <= end && count < ENTRY_COUNT_MAX,
             "expected an entry of its table within the table; found size %zu", size);
        TRY(read_entry(cella_reader_bytes(&r, GUID_SIZE),
                       cella_bytes(table.data + end - size, size - ENTRY_TAIL), out));
        end -= size;
    }
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_ovmf_read(struct cella_bytes image, struct cella_ovmf *out) {
    *out = (struct cella_ovmf){.image = image};
    FORM(image.size >= CELLA_PAGE_SIZE && image.size <= CELLA_OVMF_IMAGE_MAX &&
             image.size % CELLA_PAGE_SIZE == 0,
         "expected whole pages of 4096 bytes, at most %d bytes; found %zu", CELLA_OVMF_IMAGE_MAX,
         image.size);
    size_t footer = image.size - TABLE_END - ENTRY_TAIL;
    struct cella_reader r = cella_reader(cella_bytes(image.data + footer, ENTRY_TAIL));
    size_t size = cella_reader_u16le(&r);
    if (!cella_equal(cella_reader_bytes(&r, GUID_SIZE).data, guids[FOOTER], GUID_SIZE))
        return CELLA_SUCCESS;
    FORM(size >= ENTRY_TAIL && size - ENTRY_TAIL <= footer,
         "expected its table inside the image; found size %zu", size);
    return read_table(cella_bytes(image.data + footer - (size - ENTRY_TAIL), size - ENTRY_TAIL),
                      out);
}
