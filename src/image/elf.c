#include "image/elf.h"

#include "abi/sgx.h"
#include "base/memory.h"
#include "base/reader.h"

enum {
    ELF_CLASS_64 = 2,
    ELF_LITTLE = 1,
    ELF_VERSION = 1,
    TYPE_EXEC = 2,
    TYPE_DYN = 3,
    MACHINE_X86_64 = 62,
    HEADER_SIZE = 64,
    PHDR_SIZE = 56,
    DYN_SIZE = 16,
    PT_LOAD = 1,
    PT_DYNAMIC = 2,
    PT_INTERP = 3,
    PF_X = 1,
    PF_W = 2,
    PF_R = 4,
    DT_NEEDED = 1,
    DT_TEXTREL = 22,
    DT_FLAGS = 30,
    DF_TEXTREL = 4,
    ALIGN_MAX_LOG2 = 30,
};
#define PT_GNU_STACK 0x6474e551U
#define ADDRESS_MAX  (1ULL << 46)

struct phdr {
    uint32_t type, flags;
    uint64_t offset, address, file_size, size, align;
};

static uint64_t page_down(uint64_t v) { return v & ~(uint64_t)(CELLA_PAGE_SIZE - 1); }
static uint64_t page_up(uint64_t v) { return page_down(v + CELLA_PAGE_SIZE - 1); }

#define NEED(cond, hint, ...) ENSURE(cond, CELLA_ERR_FORMAT, hint, __VA_ARGS__)
#define STATIC_HINT                                                                                \
    "link it with `gcc -static-pie` or `musl-gcc -static`; dynamic programs come in a later "      \
    "release"

static struct phdr get_phdr(struct cella_reader *r) {
    struct phdr p = {0};
    p.type = cella_reader_u32le(r);
    p.flags = cella_reader_u32le(r);
    p.offset = cella_reader_u64le(r);
    p.address = cella_reader_u64le(r);
    cella_reader_skip(r, 8); /* p_paddr */
    p.file_size = cella_reader_u64le(r);
    p.size = cella_reader_u64le(r);
    p.align = cella_reader_u64le(r);
    return p;
}

/* The bytes of a program header in the file, or a failure. */
static CELLA_RESULT content_of(struct cella_bytes file, const char *name, const struct phdr *p,
                               struct cella_bytes *out) {
    NEED(cella_range_inside(p->offset, p->file_size, 0, file.size), NULL,
         "%s: a segment reaches beyond the end of the file", name);
    *out = cella_bytes(file.data + p->offset, (size_t)p->file_size);
    return CELLA_SUCCESS;
}

static CELLA_RESULT add_load(struct cella_bytes file, const char *name, const struct phdr *p,
                             struct cella_elf *elf) {
    if (p->size == 0) return CELLA_SUCCESS;
    NEED(elf->segment_count < CELLA_ELF_SEGMENT_MAX, NULL, "%s: more than %d segments", name,
         CELLA_ELF_SEGMENT_MAX);
    NEED(p->file_size <= p->size && p->address < ADDRESS_MAX && p->size <= CELLA_ELF_SPAN_MAX, NULL,
         "%s: a segment has an absurd size or address (address 0x%llx, %llu bytes)", name,
         (unsigned long long)p->address, (unsigned long long)p->size);
    NEED(p->flags & PF_R, NULL, "%s: a segment that cannot be read", name);
    NEED(!(p->flags & PF_W) || !(p->flags & PF_X), "link it without -N and without -z rwx-segments",
         "%s: a segment is writable and executable", name);
    NEED((p->align & (p->align - 1)) == 0 && p->align <= 1ULL << ALIGN_MAX_LOG2 &&
             (p->align <= 1 || p->address % p->align == p->offset % p->align),
         NULL, "%s: a segment's alignment is off", name);
    struct cella_elf_segment *s = &elf->segment[elf->segment_count];
    *s = (struct cella_elf_segment){.address = p->address, .size = p->size};
    s->writable = p->flags & PF_W;
    s->executable = p->flags & PF_X;
    TRY(content_of(file, name, p, &s->content));
    if (elf->segment_count == 0)
        elf->low = page_down(p->address);
    else
        NEED(page_down(p->address) >= elf->high, "link it with -z separate-code, the default",
             "%s: segments out of order, or two share a page", name);
    elf->high = page_up(p->address + p->size);
    NEED(elf->high - elf->low <= CELLA_ELF_SPAN_MAX, NULL, "%s: spans more than 4 GiB", name);
    if (p->align > elf->alignment) elf->alignment = p->align;
    elf->segment_count++;
    return CELLA_SUCCESS;
}

static CELLA_RESULT check_dynamic(struct cella_bytes file, const char *name, const struct phdr *p) {
    struct cella_bytes content = {NULL, 0};
    TRY(content_of(file, name, p, &content));
    struct cella_reader r = cella_reader(content);
    while (cella_reader_left(&r) >= DYN_SIZE) {
        uint64_t tag = cella_reader_u64le(&r), value = cella_reader_u64le(&r);
        if (tag == 0) break;
        ENSURE(tag != DT_NEEDED, CELLA_ERR_UNSUPPORTED, STATIC_HINT, "%s: needs shared libraries",
               name);
        NEED(tag != DT_TEXTREL && !(tag == DT_FLAGS && (value & DF_TEXTREL)),
             "compile it with -fPIE",
             "%s: has text relocations, and an enclave's text can never be written", name);
    }
    return CELLA_SUCCESS;
}

/* The address at which the program headers are mapped: programs look for their TLS and relocations
 * there. */
static void find_phdr(struct cella_bytes file, uint64_t offset, struct cella_elf *elf) {
    uint64_t size = (uint64_t)elf->phdr_count * PHDR_SIZE;
    for (uint32_t i = 0; i < elf->segment_count; i++) {
        const struct cella_elf_segment *s = &elf->segment[i];
        uint64_t start = (uint64_t)(s->content.data - file.data);
        if (s->writable || !cella_range_inside(offset, size, start, s->content.size)) continue;
        elf->phdr = s->address + (offset - start);
        elf->phdr_mapped = true;
        return;
    }
}

static CELLA_RESULT read_header(struct cella_reader *r, const char *name, struct cella_elf *elf,
                                uint64_t *phoff) {
    cella_reader_expect(r, cella_bytes("\x7f"
                                       "ELF",
                                       4));
    NEED(!r->failed, NULL, "%s: not an ELF file", name);
    uint8_t class = cella_reader_u8(r), order = cella_reader_u8(r), version = cella_reader_u8(r);
    cella_reader_skip(r, 9);
    uint16_t type = cella_reader_u16le(r), machine = cella_reader_u16le(r);
    uint32_t version_2 = cella_reader_u32le(r);
    elf->entry = cella_reader_u64le(r);
    *phoff = cella_reader_u64le(r);
    cella_reader_skip(r, 8 + 4 + 2); /* section headers, flags, size of this header */
    uint16_t entry_size = cella_reader_u16le(r);
    elf->phdr_count = cella_reader_u16le(r);
    cella_reader_skip(r, 6);
    NEED(!r->failed, NULL, "%s: its ELF header is cut off", name);
    ENSURE(class == ELF_CLASS_64 && order == ELF_LITTLE && machine == MACHINE_X86_64,
           CELLA_ERR_UNSUPPORTED, NULL,
           "%s: expected a program for x86-64, found ELF class %u, machine %u", name, class,
           machine);
    NEED(version == ELF_VERSION && version_2 == ELF_VERSION && entry_size == PHDR_SIZE, NULL,
         "%s: unknown ELF version or program header size", name);
    ENSURE(type == TYPE_EXEC || type == TYPE_DYN, CELLA_ERR_UNSUPPORTED, STATIC_HINT,
           "%s: expected a linked program, found ELF type %u", name, type);
    NEED(elf->phdr_count >= 1 && elf->phdr_count <= CELLA_ELF_PHDR_MAX, NULL,
         "%s: expected 1 to %d program headers, found %u", name, CELLA_ELF_PHDR_MAX,
         elf->phdr_count);
    elf->fixed = type == TYPE_EXEC;
    return CELLA_SUCCESS;
}

static CELLA_RESULT take_phdr(struct cella_bytes file, const char *name, const struct phdr *p,
                              struct cella_elf *elf) {
    if (p->type == PT_LOAD) return add_load(file, name, p, elf);
    if (p->type == PT_DYNAMIC) return check_dynamic(file, name, p);
    ENSURE(p->type != PT_INTERP, CELLA_ERR_UNSUPPORTED, STATIC_HINT,
           "%s: a dynamic program (it names a loader)", name);
    NEED(p->type != PT_GNU_STACK || !(p->flags & PF_X), "link it with -z noexecstack",
         "%s: asks for an executable stack", name);
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_elf_read(struct cella_bytes file, const char *name, struct cella_elf *out) {
    struct cella_reader r = cella_reader(file);
    struct cella_elf elf = {.alignment = CELLA_PAGE_SIZE};
    uint64_t phoff = 0;
    TRY(read_header(&r, name, &elf, &phoff));
    NEED(cella_range_inside(phoff, (uint64_t)elf.phdr_count * PHDR_SIZE, 0, file.size), NULL,
         "%s: its program headers lie beyond the end of the file", name);
    struct cella_reader table =
        cella_reader(cella_bytes(file.data + phoff, (size_t)elf.phdr_count * PHDR_SIZE));
    for (uint32_t i = 0; i < elf.phdr_count; i++) {
        struct phdr p = get_phdr(&table);
        TRY(take_phdr(file, name, &p, &elf));
    }
    NEED(elf.segment_count >= 1, NULL, "%s: no segment to load", name);
    find_phdr(file, phoff, &elf);
    bool entry_good = false;
    for (uint32_t i = 0; i < elf.segment_count; i++)
        entry_good |= elf.segment[i].executable &&
                      cella_range_inside(elf.entry, 1, elf.segment[i].address, elf.segment[i].size);
    NEED(entry_good, STATIC_HINT, "%s: its entry point 0x%llx is not in its text", name,
         (unsigned long long)elf.entry);
    *out = elf;
    return CELLA_SUCCESS;
}
