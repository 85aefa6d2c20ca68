#include <string.h>
#include <wchar.h>

#include "base/memory.h"
#include "sdk/message.h"

enum { SIMPLE = CELLA_LAYOUT_DENSE, LED = CELLA_LAYOUT_POINTERS | CELLA_LAYOUT_HANDLES };

/* The elements of one piece on their way out. */
struct writer {
    struct cella_message *m;
    uint32_t child; /* the piece of the next pointer */
    bool with_sizes;
};

static bool is_whole(const struct cella_call_layout *l) {
    return (l->flags & SIMPLE) && !(l->flags & LED);
}

/* ---- types whose members are not known ---- */

enum { TEMPORARY = 512 };

/* Whether elements have padding: whoever clears it changes a byte that was 0xff. */
static bool has_padding(const struct cella_call_layout *l, uint8_t *room) {
    memset(room, 0xff, l->size);
    l->clear_padding(room);
    bool all = true;
    for (uint32_t i = 0; i < l->size; i++) all &= room[i] == 0xff;
    return !all;
}

static bool write_unknown(struct cella_message *m, const struct cella_call_layout *l,
                          const uint8_t *from, uint8_t *host_to, size_t size) {
    uint8_t small[TEMPORARY] __attribute__((aligned(CELLA_CALL_ALIGN_MAX)));
    struct cella_scratch_mark mark = cella_scratch_begin();
    uint8_t *room = l->size <= sizeof(small) ? small : cella_scratch_take(l->size);
    if (!room) return cella_message_wrong(m, CELLA_CALL_MEMORY, "no memory for a struct");
    if (!l->clear_padding || !m->peer->is_host || !has_padding(l, room)) {
        cella_copy(host_to, from, size);
        size = 0;
    }
    for (; size >= l->size; size -= l->size, from += l->size, host_to += l->size) {
        cella_copy(room, from, l->size);
        l->clear_padding(room);
        cella_copy(host_to, room, l->size);
    }
    cella_copy(host_to, from, size);
    cella_scratch_end(mark);
    return true;
}

/* ---- out ---- */

/* An address that is passed and not followed. One of this enclave's own would tell the host where
 * things are, and would come back as if it were the host's. (R30) */
static bool write_handle(struct writer *w, const uint8_t *from, uint8_t *host_to) {
    uint64_t address;
    cella_copy(&address, from, sizeof(address));
    const struct cella_peer *p = w->m->peer;
    if (address && p->is_host &&
        !cella_range_is_outside(address, 1, p->private_base, p->private_size))
        return cella_message_wrong(w->m, CELLA_CALL_RESULT,
                                   "a user_check pointer leads into the enclave");
    cella_copy(host_to, &address, sizeof(address));
    return true;
}

static bool write_elements(struct writer *w, uint16_t layout, const uint8_t *from, uint8_t *host_to,
                           size_t count);

static bool write_member(struct writer *w, const struct cella_call_member *member,
                         const uint8_t *from, uint8_t *host_to) {
    uint64_t marker = 0;
    switch ((enum cella_call_kind)member->kind) {
    case CELLA_MEMBER_BYTES:
    case CELLA_MEMBER_BOOL: cella_copy(host_to, from, (size_t)member->size * member->count); break;
    case CELLA_MEMBER_STRUCT:
        return write_elements(w, member->layout, from, host_to, member->count);
    case CELLA_MEMBER_POINTER:
        if (w->with_sizes) marker = w->m->piece[w->child++].size;
        cella_copy(host_to, &marker, sizeof(marker));
        break;
    case CELLA_MEMBER_HANDLE: return write_handle(w, from, host_to);
    }
    return true;
}

static bool write_elements(struct writer *w, uint16_t layout, const uint8_t *from, uint8_t *host_to,
                           size_t count) {
    const struct cella_call_layout *l = cella_layout(w->m, layout);
    if (l->count == 0) return write_unknown(w->m, l, from, host_to, count * l->size);
    if (is_whole(l)) {
        cella_copy(host_to, from, count * l->size);
        return true;
    }
    for (; count; count--, from += l->size, host_to += l->size)
        for (uint32_t i = 0; i < l->count; i++) {
            const struct cella_call_member *member = &w->m->interface->members[l->first + i];
            if (!(member->flags & CELLA_MEMBER_RESULT) &&
                !write_member(w, member, from + member->offset, host_to + member->offset))
                return false;
        }
    return true;
}

/* What is after a text's end stays here. (R28) */
static void write_text(const struct cella_piece *p, uint8_t *host_to) {
    size_t unit = p->flags & CELLA_MEMBER_WSTRING ? sizeof(wchar_t) : 1;
    size_t used = unit == 1 ? strnlen((const char *)p->at, p->size - 1)
                            : wcsnlen((const wchar_t *)p->at, p->size / unit - 1) * unit;
    cella_copy(host_to, p->at, used);
    cella_zero(host_to + used, p->size - used);
}

bool cella_image_write(struct cella_message *m, uint32_t piece, uint8_t *host_to, bool with_sizes) {
    const struct cella_piece *p = &m->piece[piece];
    struct writer w = {m, p->first_child, with_sizes};
    if (!p->at || p->size == 0) return true;
    if (p->flags & (CELLA_MEMBER_STRING | CELLA_MEMBER_WSTRING)) {
        write_text(p, host_to);
        return true;
    }
    const struct cella_call_layout *l = cella_layout(m, p->layout);
    if (p->layout == 0 || is_whole(l)) {
        cella_copy(host_to, p->at, p->size);
        return true;
    }
    if (l->count == 0) return write_unknown(m, l, p->at, host_to, p->size);
    return write_elements(&w, p->layout, p->at, host_to, p->elements);
}

bool cella_image_write_result(struct cella_message *m, uint8_t *host_to) {
    struct writer w = {m, 0, false};
    return !m->result || write_member(&w, m->result, m->piece[0].at + m->result->offset, host_to);
}

/* ---- in ---- */

struct reader {
    const struct cella_message *m;
    bool late;
};

static bool checked(const struct cella_message *m, uint16_t layout, const uint8_t *at,
                    size_t count);

static void read_elements(const struct reader *r, uint16_t layout, uint8_t *to,
                          const uint8_t *host_from, size_t count);

static void read_member(const struct reader *r, const struct cella_call_member *member, uint8_t *to,
                        const uint8_t *host_from) {
    bool kept = member->kind == CELLA_MEMBER_POINTER || (member->flags & CELLA_MEMBER_MEASURE);
    if (kept && !r->late) return;
    if (member->kind == CELLA_MEMBER_STRUCT)
        read_elements(r, member->layout, to, host_from, member->count);
    else
        cella_fetch(to, host_from, (size_t)member->size * member->count);
}

static void read_elements(const struct reader *r, uint16_t layout, uint8_t *to,
                          const uint8_t *host_from, size_t count) {
    const struct cella_call_layout *l = cella_layout(r->m, layout);
    if (l->count == 0 || !(l->flags & CELLA_LAYOUT_POINTERS)) {
        cella_fetch(to, host_from, count * l->size);
        return;
    }
    for (; count; count--, to += l->size, host_from += l->size)
        for (uint32_t i = 0; i < l->count; i++) {
            const struct cella_call_member *member = &r->m->interface->members[l->first + i];
            if (member->kind == CELLA_MEMBER_POINTER && r->late) /* size of what it leads to */
                cella_fetch(to + member->offset, host_from + member->offset, sizeof(uint64_t));
            else
                read_member(r, member, to + member->offset, host_from + member->offset);
        }
}

bool cella_image_read(struct cella_message *m, uint32_t piece, const uint8_t *host_from) {
    const struct cella_piece *p = &m->piece[piece];
    const struct cella_call_layout *l = cella_layout(m, p->layout);
    struct reader r = {m, !(p->flags & CELLA_MEMBER_IN)};
    if (!p->at || p->size == 0) return true;
    if (p->layout == 0 || !(l->flags & CELLA_LAYOUT_POINTERS))
        cella_fetch(p->at, host_from, p->size);
    else
        read_elements(&r, p->layout, p->at, host_from, p->elements);
    if (p->flags & CELLA_MEMBER_STRING) p->at[p->size - 1] = 0; /* R25 */
    if (p->flags & CELLA_MEMBER_WSTRING)
        cella_zero(p->at + p->size - sizeof(wchar_t), sizeof(wchar_t));
    return cella_image_check(m, p);
}

bool cella_image_read_result(struct cella_message *m, const uint8_t *host_from) {
    if (!m->result) return true;
    uint8_t *to = m->piece[0].at + m->result->offset;
    size_t size = (size_t)m->result->size * m->result->count;
    cella_fetch(to, host_from, size);
    if (m->result->kind == CELLA_MEMBER_BOOL) return *to <= 1;
    return m->result->kind != CELLA_MEMBER_STRUCT ||
           checked(m, m->result->layout, to, m->result->count);
}

/* ---- bools ---- */

static bool checked(const struct cella_message *m, uint16_t layout, const uint8_t *at,
                    size_t count) {
    const struct cella_call_layout *l = cella_layout(m, layout);
    if (!(l->flags & CELLA_LAYOUT_CHECKED)) return true;
    bool good = true;
    for (; count; count--, at += l->size)
        for (uint32_t i = 0; i < l->count; i++) {
            const struct cella_call_member *member = &m->interface->members[l->first + i];
            if (member->flags & CELLA_MEMBER_RESULT) continue;
            if (member->kind == CELLA_MEMBER_BOOL)
                for (uint32_t k = 0; k < member->count; k++) good &= at[member->offset + k] <= 1;
            if (member->kind == CELLA_MEMBER_STRUCT)
                good &= checked(m, member->layout, at + member->offset, member->count);
        }
    return good;
}

bool cella_image_check(const struct cella_message *m, const struct cella_piece *piece) {
    return !piece->at || checked(m, piece->layout, piece->at, piece->elements);
}
