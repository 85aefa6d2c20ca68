/* The signed enclave of Intel's SDK: an ELF shared object with metadata that says what the loader
 * does. Source: the SDK's public loader behaviour, as reproduced for MRENCLAVE of enclaves in the
 * field; docs/formats/image.md, "Enclaves of other makers". */
#include <stdlib.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "base/reader.h"
#include "image/foreign.h"
#include "image/measure.h"

enum {
    META_MIN = 1872 + 16,
    SIGSTRUCT_AT = 64,
    DIR_PATCH_AT = 1872,
    DIR_LAYOUT_AT = 1880,
    ENTRY_SIZE = 32,
    GROUP = 1 << 12,
    LAYOUT_MAX = 4096,
    ATTR_EADD = 1,
    ATTR_EEXTEND = 2,
    FILE_MAX = 256 << 20,
    PHDR_MAX = 64,
    PHDR_SIZE = 56,
    PT_LOAD = 1,
    PT_DYNAMIC = 2,
    DT_TEXTREL = 22,
    DT_FLAGS = 30,
    DF_TEXTREL = 4,
    DT_RELA = 7,
    DT_RELASZ = 8,
    PF_X = 1,
    PF_W = 2,
    PF_R = 4,
};
#define MAGIC 0x86A80294635D0E4CULL
/* Bounds on the work that a file can ask for. */
#define EXTENDED_MAX    (1ULL << 18) /* pages hashed: 1 GiB */
#define PAGES_MAX       (1ULL << 22) /* pages added, and layout entries taken: 16 GiB */
#define FORM(cond, ...) ENSURE(cond, CELLA_ERR_FORMAT, NULL, __VA_ARGS__)

struct meta {
    struct cella_bytes bytes; /* from the magic to the end of the file */
    uint64_t version, size;
    uint32_t ssa_pages;
    struct cella_bytes patch, layout;
};

struct load {
    struct cella_bytes file; /* patched */
    struct cella_measure measure;
    uint64_t pages, extended;       /* so far */
    struct cella_bytes relocations; /* only with text relocations */
};

static size_t find_magic(struct cella_bytes file) {
    uint8_t magic[8];
    for (size_t i = 0; i < 8; i++) magic[i] = (uint8_t)(MAGIC >> (8 * i));
    for (size_t at = 0; at + META_MIN <= file.size; at++)
        if (file.data[at] == magic[0] && cella_equal(file.data + at, magic, 8)) return at;
    return file.size;
}

bool cella_sdk_is(struct cella_bytes file) {
    return file.size > 4 &&
           cella_equal(file.data,
                       "\x7f"
                       "ELF",
                       4) &&
           find_magic(file) < file.size;
}

static struct cella_bytes directory(struct cella_bytes meta, size_t at) {
    struct cella_reader r = cella_reader(cella_bytes(meta.data + at, 8));
    uint32_t offset = cella_reader_u32le(&r), size = cella_reader_u32le(&r);
    struct cella_reader body = cella_reader(meta);
    cella_reader_skip(&body, offset);
    return cella_reader_bytes(&body, size);
}

static CELLA_RESULT read_meta(struct cella_bytes file, struct meta *m) {
    size_t at = find_magic(file);
    FORM(at < file.size, "Intel SDK enclave: no metadata; not signed, or not of this kind");
    m->bytes = cella_bytes(file.data + at, file.size - at);
    struct cella_reader r = cella_reader(m->bytes);
    cella_reader_skip(&r, 8);
    m->version = cella_reader_u64le(&r);
    cella_reader_skip(&r, 8);
    m->ssa_pages = cella_reader_u32le(&r);
    cella_reader_skip(&r, 12);
    m->size = cella_reader_u64le(&r);
    m->patch = directory(m->bytes, DIR_PATCH_AT);
    m->layout = directory(m->bytes, DIR_LAYOUT_AT);
    FORM(m->size && (m->size & (m->size - 1)) == 0,
         "Intel SDK enclave: its size is not a power of two");
    FORM(m->layout.size && m->layout.size % ENTRY_SIZE == 0 &&
             m->layout.size / ENTRY_SIZE <= LAYOUT_MAX && m->patch.size % ENTRY_SIZE == 0,
         "Intel SDK enclave: its metadata is malformed");
    return CELLA_SUCCESS;
}

static CELLA_RESULT apply_patches(const struct meta *m, struct cella_buffer *file) {
    struct cella_reader r = cella_reader(m->patch);
    while (cella_reader_left(&r) > 0) {
        uint64_t to = cella_reader_u64le(&r);
        uint32_t from = cella_reader_u32le(&r), size = cella_reader_u32le(&r);
        cella_reader_skip(&r, 16);
        FORM(cella_range_inside(to, size, 0, file->size) &&
                 cella_range_inside(from, size, 0, m->bytes.size),
             "Intel SDK enclave: a patch reaches beyond the file");
        cella_copy(file->data + to, m->bytes.data + from, size);
    }
    return CELLA_SUCCESS;
}

static CELLA_RESULT add_page(struct load *l, uint64_t offset, uint64_t flags, const uint8_t *page,
                             bool extend) {
    if (extend) l->extended++;
    FORM(++l->pages <= PAGES_MAX && l->extended <= EXTENDED_MAX,
         "Intel SDK enclave: more pages than are measured");
    TRY(cella_measure_add(&l->measure, offset, flags));
    return extend ? cella_measure_extend(&l->measure, offset, page) : CELLA_SUCCESS;
}

/* The page at offset of a run that begins at start with content and goes on with zeros. */
static void fill_page(uint64_t offset, uint64_t start, struct cella_bytes content,
                      uint8_t page[CELLA_PAGE_SIZE]) {
    cella_zero(page, CELLA_PAGE_SIZE);
    uint64_t from = offset > start ? offset : start, end = start + content.size;
    uint64_t to = offset + CELLA_PAGE_SIZE < end ? offset + CELLA_PAGE_SIZE : end;
    if (from < to)
        cella_copy(page + (from - offset), content.data + (from - start), (size_t)(to - from));
}

/* ---- segments ---- */

struct phdr {
    uint32_t type, flags;
    uint64_t offset, address, file_size, size;
};

static struct phdr get_phdr(struct cella_reader *r) {
    struct phdr p = {0};
    p.type = cella_reader_u32le(r);
    p.flags = cella_reader_u32le(r);
    p.offset = cella_reader_u64le(r);
    p.address = cella_reader_u64le(r);
    cella_reader_skip(r, 8);
    p.file_size = cella_reader_u64le(r);
    p.size = cella_reader_u64le(r);
    cella_reader_skip(r, 8);
    return p;
}

static struct cella_bytes file_range(struct cella_bytes file, uint64_t offset, uint64_t size) {
    if (!cella_range_inside(offset, size, 0, file.size)) return (struct cella_bytes){NULL, 0};
    return cella_bytes(file.data + offset, (size_t)size);
}

/* With DT_TEXTREL the loader makes pages writable that relocations change. Finds the relocations
 * then. */
static void find_relocations(struct load *l, const struct phdr *dynamic) {
    struct cella_reader r = cella_reader(file_range(l->file, dynamic->offset, dynamic->file_size));
    uint64_t at = 0, size = 0;
    bool text = false;
    while (cella_reader_left(&r) >= 16) {
        uint64_t tag = cella_reader_u64le(&r), value = cella_reader_u64le(&r);
        if (tag == 0) break;
        if (tag == DT_RELA) at = value;
        if (tag == DT_RELASZ) size = value;
        text |= tag == DT_TEXTREL || (tag == DT_FLAGS && (value & DF_TEXTREL));
    }
    if (text)
        l->relocations =
            file_range(l->file, at, size); /* the SDK links them where they lie in the file */
}

static bool relocated(const struct load *l, uint64_t page) {
    struct cella_reader r = cella_reader(l->relocations);
    while (cella_reader_left(&r) >= 24) {
        uint64_t offset = cella_reader_u64le(&r), info = cella_reader_u64le(&r);
        cella_reader_skip(&r, 8);
        if ((info & 0xffffffff) != 0 && offset + 8 > page && offset < page + CELLA_PAGE_SIZE)
            return true;
    }
    return false;
}

static CELLA_RESULT load_segment(struct load *l, const struct phdr *p) {
    uint8_t page[CELLA_PAGE_SIZE];
    struct cella_bytes content = file_range(l->file, p->offset, p->file_size);
    FORM(content.size == p->file_size && p->file_size <= p->size &&
             p->size <= PAGES_MAX * CELLA_PAGE_SIZE && p->address <= 1ULL << 46,
         "Intel SDK enclave: a segment is out of range");
    uint64_t flags = CELLA_SGX_SECINFO_REG;
    if (p->flags & PF_R) flags |= CELLA_SGX_SECINFO_R;
    if (p->flags & PF_W) flags |= CELLA_SGX_SECINFO_W;
    if (p->flags & PF_X) flags |= CELLA_SGX_SECINFO_X;
    uint64_t start = p->address - p->address % CELLA_PAGE_SIZE, end = p->address + p->size;
    for (uint64_t at = start; at < end; at += CELLA_PAGE_SIZE) {
        fill_page(at, p->address, content, page);
        uint64_t w = l->relocations.size && relocated(l, at) ? CELLA_SGX_SECINFO_W : 0;
        TRY(add_page(l, at, flags | w, page, true));
    }
    return CELLA_SUCCESS;
}

static CELLA_RESULT load_segments(struct load *l) {
    struct cella_reader r = cella_reader(l->file);
    cella_reader_skip(&r, 32);
    uint64_t phoff = cella_reader_u64le(&r);
    cella_reader_skip(&r, 14);
    uint16_t entry_size = cella_reader_u16le(&r), count = cella_reader_u16le(&r);
    struct cella_bytes table = file_range(l->file, phoff, (uint64_t)count * PHDR_SIZE);
    FORM(!r.failed && entry_size == PHDR_SIZE && count >= 1 && count <= PHDR_MAX && table.size,
         "Intel SDK enclave: its program headers are malformed");
    for (int pass = 0; pass < 2; pass++) {
        struct cella_reader t = cella_reader(table);
        for (uint16_t i = 0; i < count; i++) {
            struct phdr p = get_phdr(&t);
            if (pass == 0 && p.type == PT_DYNAMIC) find_relocations(l, &p);
            if (pass == 1 && p.type == PT_LOAD && p.size) TRY(load_segment(l, &p));
        }
    }
    return CELLA_SUCCESS;
}

/* ---- layout ---- */

struct entry {
    uint16_t id, attributes;
    uint32_t pages; /* of a group: how often it is repeated */
    uint64_t rva;   /* of a group: the step */
    uint32_t content_size, content_at;
    uint64_t flags;
};

static struct entry get_entry(struct cella_bytes layout, size_t i) {
    struct cella_reader r = cella_reader(cella_bytes(layout.data + i * ENTRY_SIZE, ENTRY_SIZE));
    struct entry e = {0};
    e.id = cella_reader_u16le(&r);
    e.attributes = cella_reader_u16le(&r); /* of a group: how many entries before it are repeated */
    e.pages = cella_reader_u32le(&r);
    e.rva = cella_reader_u64le(&r);
    e.content_size = cella_reader_u32le(&r);
    e.content_at = cella_reader_u32le(&r);
    e.flags = cella_reader_u64le(&r);
    return e;
}

static void add_u64(uint8_t *page, size_t at, uint64_t add) {
    uint64_t v = 0;
    for (size_t i = 0; i < 8; i++) v |= (uint64_t)page[at + i] << (8 * i);
    v += add;
    for (size_t i = 0; i < 8; i++) page[at + i] = (uint8_t)(v >> (8 * i));
}

static CELLA_RESULT load_content(struct load *l, const struct meta *m, const struct entry *e,
                                 uint64_t rva) {
    uint8_t page[CELLA_PAGE_SIZE];
    struct cella_bytes content = file_range(m->bytes, e->content_at, e->content_size);
    FORM(content.size == e->content_size && content.size <= (uint64_t)e->pages * CELLA_PAGE_SIZE,
         "Intel SDK enclave: content of a layout entry is out of range");
    bool tcs = e->flags == CELLA_SGX_SECINFO_TCS;
    for (uint32_t i = 0; i < e->pages; i++) {
        uint64_t at = rva + (uint64_t)i * CELLA_PAGE_SIZE;
        fill_page(at, rva, content, page);
        if (tcs) { /* OSSA, OFSBASE and OGSBASE are stored relative to the page */
            add_u64(page, 16, rva);
            add_u64(page, 48, rva);
            add_u64(page, 56, rva);
        }
        TRY(add_page(l, at, e->flags, page, e->attributes & ATTR_EEXTEND));
    }
    return CELLA_SUCCESS;
}

static CELLA_RESULT load_entry(struct load *l, const struct meta *m, const struct entry *e,
                               uint64_t delta) {
    uint8_t page[CELLA_PAGE_SIZE];
    uint64_t rva = e->rva + delta;
    FORM(++l->pages <= PAGES_MAX, "Intel SDK enclave: more pages than are measured");
    if (!(e->attributes & ATTR_EADD) || e->flags == 0)
        return CELLA_SUCCESS; /* later, or a guard page */
    FORM(rva % CELLA_PAGE_SIZE == 0 && rva <= m->size,
         "Intel SDK enclave: a layout entry is out of range");
    if (e->content_at) return load_content(l, m, e, rva);
    for (size_t i = 0; i < CELLA_PAGE_SIZE; i++)
        page[i] = (uint8_t)(e->content_size >> (8 * (i % 4)));
    for (uint32_t i = 0; i < e->pages; i++)
        TRY(add_page(l, rva + (uint64_t)i * CELLA_PAGE_SIZE, e->flags, page,
                     e->attributes & ATTR_EEXTEND));
    return CELLA_SUCCESS;
}

static CELLA_RESULT load_layout(struct load *l, const struct meta *m) {
    size_t count = m->layout.size / ENTRY_SIZE;
    for (size_t i = 0; i < count; i++) {
        struct entry e = get_entry(m->layout, i);
        if (!(e.id & GROUP)) {
            TRY(load_entry(l, m, &e, 0));
            continue;
        }
        FORM(e.attributes <= i && e.pages <= PAGES_MAX,
             "Intel SDK enclave: a group without entries");
        for (uint32_t time = 1; time <= e.pages; time++)
            for (size_t k = i - e.attributes; k < i; k++) {
                struct entry member = get_entry(m->layout, k);
                FORM(!(member.id & GROUP), "Intel SDK enclave: a group in a group");
                TRY(load_entry(l, m, &member, time * e.rva));
            }
    }
    return CELLA_SUCCESS;
}

static CELLA_RESULT measure_patched(const struct meta *m, struct cella_bytes patched,
                                    struct cella_sdk_enclave *out) {
    struct load l = {.file = patched};
    struct cella_result r = cella_measure_create(&l.measure, m->ssa_pages, m->size);
    if (!cella_failed(r)) r = load_segments(&l);
    if (!cella_failed(r)) r = load_layout(&l, m);
    if (!cella_failed(r)) r = cella_measure_end(&l.measure, out->mrenclave);
    cella_measure_free(&l.measure);
    return r;
}

CELLA_RESULT cella_sdk_measure(struct cella_bytes file, struct cella_sdk_enclave *out) {
    struct meta m = {0};
    CELLA_BUFFER patched = {0};
    ENSURE(file.size <= FILE_MAX, CELLA_ERR_LIMIT, NULL, "Intel SDK enclave: larger than 256 MiB");
    TRY(read_meta(file, &m));
    TRY(cella_buffer_append(&patched, file));
    TRY(apply_patches(&m, &patched));
    *out = (struct cella_sdk_enclave){.version = m.version};
    out->sigstruct = cella_bytes(m.bytes.data + SIGSTRUCT_AT, CELLA_SGX_SIGSTRUCT_SIZE);
    return measure_patched(&m, cella_buffer_bytes(&patched), out);
}
