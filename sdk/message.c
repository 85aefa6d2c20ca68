#include "sdk/message.h"

#include "base/memory.h"

enum { ALIGN = 16, ALIGN_LARGE = 64, LARGE = 1024 };

bool cella_message_wrong(struct cella_message *m, enum cella_call_status status, const char *what) {
    if (!m->what) {
        m->wrong = status;
        m->what = what;
    }
    return false;
}

bool cella_message_place(size_t *cursor, size_t size, size_t *at) {
    size_t align = size < LARGE ? ALIGN : ALIGN_LARGE, end;
    if (!cella_add(*cursor, align - 1, at)) return false;
    *at = *at / align * align;
    if (!cella_add(*at, size, &end) || end > CELLA_MESSAGE_MAX) return false;
    *cursor = end;
    return true;
}

static const struct cella_call_member *find_result(const struct cella_message *m, uint16_t layout) {
    const struct cella_call_layout *l = cella_layout(m, layout);
    const struct cella_call_member *last = &m->interface->members[l->first + l->count];
    return layout && l->count && (last[-1].flags & CELLA_MEMBER_RESULT) ? &last[-1] : NULL;
}

void cella_message_begin(struct cella_message *m, const struct cella_peer *peer, uint16_t layout,
                         void *parameters) {
    m->peer = peer;
    m->interface = peer->interface;
    m->piece = m->first;
    m->count = 1;
    m->capacity = sizeof(m->first) / sizeof(m->first[0]);
    m->has_late = false;
    m->child = 0;
    m->wrong = CELLA_CALL_DONE;
    m->what = NULL;
    m->request_size = layout ? cella_layout(m, layout)->size : 0;
    m->first[0] = (struct cella_piece){.at = parameters,
                                       .size = m->request_size,
                                       .elements = layout != 0,
                                       .layout = layout,
                                       .flags = CELLA_MEMBER_IN};
    m->result = find_result(m, layout);
    m->reply_size = sizeof(struct cella_reply_head);
    m->result_at = 0;
    if (m->result)
        (void)cella_message_place(&m->reply_size, (size_t)m->result->size * m->result->count,
                                  &m->result_at);
}

static bool grow(struct cella_message *m) {
    size_t size;
    if (m->count < m->capacity) return true;
    if (m->count >= CELLA_PIECES_MAX)
        return cella_message_wrong(m, CELLA_CALL_LIMIT,
                                   "its structs lead to more than 4194304 others: a cycle?");
    if (!cella_mul(2 * (size_t)m->capacity, sizeof(*m->piece), &size)) return false;
    struct cella_piece *larger = cella_scratch_take(size);
    if (!larger) return cella_message_wrong(m, CELLA_CALL_MEMORY, "no memory for its pieces");
    cella_copy(larger, m->piece, m->count * sizeof(*larger));
    m->piece = larger;
    m->capacity *= 2;
    return true;
}

struct cella_piece *cella_message_push(struct cella_message *m, uint32_t parent,
                                       const struct cella_call_member *member) {
    enum {
        WAY = CELLA_MEMBER_IN | CELLA_MEMBER_OUT,
        TEXT = CELLA_MEMBER_STRING | CELLA_MEMBER_WSTRING
    };
    if (!grow(m)) return NULL;
    const struct cella_piece *above = &m->piece[parent];
    uint32_t depth = above->depth + 1;
    if (depth > CELLA_PIECE_DEPTH_MAX) {
        (void)cella_message_wrong(m, CELLA_CALL_LIMIT,
                                  "its structs lead more than 65536 deep: a cycle?");
        return NULL;
    }
    uint16_t way = parent == 0 ? member->flags & WAY : above->flags & (WAY | CELLA_PIECE_LATE);
    struct cella_piece *piece = &m->piece[m->count++];
    *piece = (struct cella_piece){.depth = depth,
                                  .layout = member->layout,
                                  .flags = (uint16_t)(way | (member->flags & TEXT))};
    return piece;
}

bool cella_message_elements(const struct cella_message *m, const struct cella_call_member *member,
                            struct cella_piece *piece) {
    const struct cella_call_layout *l = cella_layout(m, piece->layout);
    size_t elements = member->size ? piece->size / member->size : 0;
    if (elements > UINT32_MAX) return piece->layout == 0;
    piece->elements = (uint32_t)elements;
    /* Bytes may end anywhere, and so may a type of a C header, as a sockaddr does. */
    return piece->layout == 0 || l->count == 0 || piece->size % member->size == 0;
}

/* Structs in structs are a tree of the interface's, at most 16 deep: recursion is bounded by it. */
static bool walk(struct cella_message *m, uint32_t parent, uint16_t layout, uint8_t *in,
                 cella_visit *visit) {
    const struct cella_call_layout *l = cella_layout(m, layout);
    for (uint32_t i = 0; i < l->count; i++) {
        const struct cella_call_member *member = &m->interface->members[l->first + i];
        if (member->kind == CELLA_MEMBER_POINTER && !visit(m, parent, member, in)) return false;
        if (member->kind != CELLA_MEMBER_STRUCT ||
            !(cella_layout(m, member->layout)->flags & CELLA_LAYOUT_POINTERS))
            continue;
        for (uint32_t k = 0; k < member->count; k++)
            if (!walk(m, parent, member->layout, in + member->offset + (size_t)k * member->size,
                      visit))
                return false;
    }
    return true;
}

bool cella_message_walk(struct cella_message *m, uint32_t parent, cella_visit *visit) {
    const struct cella_piece piece = m->piece[parent];
    const struct cella_call_layout *l = cella_layout(m, piece.layout);
    if (!piece.at || !(l->flags & CELLA_LAYOUT_POINTERS)) return true;
    for (uint32_t i = 0; i < piece.elements; i++)
        if (!walk(m, parent, piece.layout, piece.at + (size_t)i * l->size, visit)) return false;
    return true;
}
