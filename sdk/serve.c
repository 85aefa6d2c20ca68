/* The callee's half. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#include "base/memory.h"
#include "sdk/agree.h"
#include "sdk/frame.h"
#include "sdk/message.h"

/* ---- the request, in this side's own copy ---- */

struct request {
    struct cella_message m;
    uint8_t *copy;
    size_t size, cursor;
    size_t room; /* for the reply */
};

static bool malformed(struct cella_message *m) {
    return cella_message_wrong(m, CELLA_CALL_MALFORMED, "malformed");
}

/* How much a pointer leads to: what the sizes beside it say, and a text's own length. */
static bool expected(struct cella_message *m, const struct cella_call_member *member,
                     const uint8_t *in, uint64_t marker, uint16_t flags, size_t *size) {
    if (!(flags & CELLA_MEMBER_IN) ||
        !(member->flags & (CELLA_MEMBER_STRING | CELLA_MEMBER_WSTRING))) {
        if (!cella_size_of(m->interface, member, in, size)) return malformed(m);
        /* R23 */
        if (!marker && *size && !(member->flags & CELLA_MEMBER_OPTIONAL) &&
            !(m->interface->flags & CELLA_INTERFACE_NULL_ANY_SIZE))
            return malformed(m);
        return !marker || marker == *size || malformed(m);
    }
    *size = (size_t)marker;
    return !(member->flags & CELLA_MEMBER_WSTRING) || marker % sizeof(wchar_t) == 0 || malformed(m);
}

/* Its bytes in the copy. */
static bool take_in(struct request *r, struct cella_piece *p) {
    if (!cella_message_place(&r->cursor, p->size, &p->request) || r->cursor > r->size)
        return malformed(&r->m);
    p->at = r->copy + p->request;
    if (p->flags & CELLA_MEMBER_STRING) p->at[p->size - 1] = 0; /* R25 */
    if (p->flags & CELLA_MEMBER_WSTRING)
        cella_zero(p->at + p->size - sizeof(wchar_t), sizeof(wchar_t));
    return cella_image_check(&r->m, p) || malformed(&r->m);
}

/* Zeroes for the function to fill: what it does not write goes out as zeroes. (R28) */
static bool take_out(struct request *r, struct cella_piece *p) {
    p->at = cella_scratch_take(p->size);
    if (!p->at) return cella_message_wrong(&r->m, CELLA_CALL_MEMORY, "memory");
    cella_zero(p->at, p->size);
    return true;
}

static bool accept(struct cella_message *m, uint32_t parent, const struct cella_call_member *member,
                   uint8_t *in) {
    struct request *r = (struct request *)m;
    uint64_t marker;
    size_t size;
    uint8_t *none = NULL;
    struct cella_piece *p = cella_message_push(m, parent, member);
    if (!p) return false;
    cella_copy(&marker, in + member->offset, sizeof(marker));
    cella_copy(in + member->offset, &none, sizeof(none));
    if (!expected(m, member, in, marker, p->flags, &size)) return false;
    if (!marker) return true;
    p->size = size;
    if (!cella_message_elements(m, member, p)) return malformed(m);
    if (p->flags & CELLA_MEMBER_OUT) { /* before memory is taken for it */
        if (!cella_message_place(&m->reply_size, size, &p->reply) || m->reply_size > r->room)
            return cella_message_wrong(m, CELLA_CALL_LIMIT, "limit");
    }
    if (!(p->flags & CELLA_MEMBER_IN ? take_in(r, p) : take_out(r, p))) return false;
    m->has_late |= !(p->flags & CELLA_MEMBER_IN) &&
                   (cella_layout(m, p->layout)->flags & CELLA_LAYOUT_POINTERS);
    cella_copy(in + member->offset, &p->at, sizeof(p->at));
    return true;
}

static bool accept_all(struct request *r) {
    struct cella_message *m = &r->m;
    const struct cella_piece *root = &m->piece[0];
    if (r->size < root->size) return malformed(m);
    r->cursor = root->size;
    if (m->result)
        cella_zero(root->at + m->result->offset, (size_t)m->result->size * m->result->count);
    if (!cella_image_check(m, root)) return malformed(m);
    for (uint32_t i = 0; i < m->count; i++)
        if ((m->piece[i].flags & CELLA_MEMBER_IN) && !cella_message_walk(m, i, accept))
            return false;
    return r->cursor == r->size || malformed(m);
}

/* ---- the reply ---- */

/* Goes on with the walk, which then frees what is left. */
static bool leave_wrong(struct cella_message *m, enum cella_call_status status) {
    (void)cella_message_wrong(m, status, "what the function left");
    return true;
}

/* One pointer of a struct that the function filled, to memory that it allocated. */
static bool leave(struct cella_message *m, uint32_t parent, const struct cella_call_member *member,
                  uint8_t *in) {
    const struct request *r = (const struct request *)m;
    size_t size;
    uint8_t *at;
    struct cella_piece *p = m->what ? NULL : cella_message_push(m, parent, member);
    cella_copy(&at, in + member->offset, sizeof(at));
    if (!p) { /* it is lost, but not leaked */
        free(at);
        return true;
    }
    p->flags |= CELLA_PIECE_LATE;
    p->at = at;
    if (!cella_size_of(m->interface, member, in, &size)) return leave_wrong(m, CELLA_CALL_RESULT);
    if (!p->at) {
        bool any = (member->flags & CELLA_MEMBER_OPTIONAL) ||
                   (m->interface->flags & CELLA_INTERFACE_NULL_ANY_SIZE);
        return size == 0 || any || leave_wrong(m, CELLA_CALL_RESULT);
    }
    if (size == 0) return true;
    p->size = size;
    const struct cella_peer *peer = m->peer;
    if (peer->private_size && !cella_range_is_inside((uint64_t)(uintptr_t)p->at, size,
                                                     peer->private_base, peer->private_size))
        return leave_wrong(m, CELLA_CALL_RESULT);
    if (!cella_message_elements(m, member, p)) return leave_wrong(m, CELLA_CALL_RESULT);
    if (!cella_message_place(&m->reply_size, size, &p->reply) || m->reply_size > r->room)
        return leave_wrong(m, CELLA_CALL_LIMIT);
    return true;
}

static bool leave_all(struct cella_message *m) {
    for (uint32_t i = 1; m->has_late && i < m->count; i++) {
        const struct cella_piece *p = &m->piece[i];
        if (!(p->flags & CELLA_MEMBER_OUT) || (p->flags & CELLA_MEMBER_IN)) continue;
        m->piece[i].first_child = m->count;
        if (p->size) (void)cella_message_walk(m, i, leave);
    }
    return !m->what;
}

/* What the function allocated was given away by that. */
static void free_late(struct cella_message *m) {
    for (uint32_t i = 1; m->has_late && i < m->count; i++)
        if (m->piece[i].flags & CELLA_PIECE_LATE) free(m->piece[i].at);
}

static bool write_reply(struct cella_message *m, uint8_t *host_data) {
    if (!cella_image_write_result(m, host_data + m->result_at)) return false;
    for (uint32_t i = 1; i < m->count; i++) {
        const struct cella_piece *p = &m->piece[i];
        if ((p->flags & CELLA_MEMBER_OUT) &&
            !cella_image_write(m, i, host_data + p->reply, !(p->flags & CELLA_MEMBER_IN)))
            return false;
    }
    return true;
}

static size_t answer(struct cella_slot *slot, enum cella_call_status status, int error_number,
                     size_t size) {
    struct cella_reply_head head = {.status = status, .error_number = error_number};
    cella_copy(slot->host_data, &head, sizeof(head));
    return status == CELLA_CALL_DONE ? size : sizeof(head);
}

/* ---- the call ---- */

/* An index into a table, also for a processor that runs ahead of the check. (R06, R61) */
static bool is_index(uint32_t *index, uint32_t count) {
    uint64_t i = *index, mask;
    if (i >= count) return false;
    mask = (uint64_t)0 - (uint64_t)((i - count) >> 63);
    *index = (uint32_t)(i & mask);
    return true;
}

static void barrier(void) {
#if defined(__x86_64__)
    __asm__ volatile("lfence" ::: "memory");
#endif
}

static bool is_allowed(const struct cella_peer *peer, uint32_t number) {
    const struct cella_call_interface *i = peer->interface;
    if (!peer->is_host) return true; /* what an enclave may ask of its host is the interface */
    const struct cella_call_function *during = cella_frame_function(peer);
    bool is_public = i->ecalls[number].flags & CELLA_FUNCTION_PUBLIC;
    if (!during) return is_public;
    if (is_public && (during->flags & CELLA_FUNCTION_ALLOWS_PUBLIC)) return true;
    for (uint32_t k = 0; k < during->allow_count; k++)
        if (i->allows[during->allow_first + k] == number) return true;
    return false;
}

static bool run(struct request *r, struct cella_peer *peer, uint32_t number,
                const struct cella_call_function *f, struct cella_slot *slot, int *error_number) {
    struct cella_message *m = &r->m;
    r->copy = cella_scratch_take(r->size);
    if (!r->copy) return cella_message_wrong(m, CELLA_CALL_MEMORY, "memory");
    cella_fetch(r->copy, slot->host_data, r->size); /* R24: the one look at shared memory */
    m->piece[0].at = r->copy;
    if (!accept_all(r)) return false;
    if (m->reply_size > r->room) return cella_message_wrong(m, CELLA_CALL_LIMIT, "limit");
    barrier();
    if (f->flags & CELLA_FUNCTION_ERRNO) errno = 0;
    peer->thunks[number](f->layout ? r->copy : NULL);
    *error_number = f->flags & CELLA_FUNCTION_ERRNO ? errno : 0;
    bool good = leave_all(m) && write_reply(m, slot->host_data);
    free_late(m);
    return good;
}

size_t cella_peer_serve(struct cella_peer *peer, struct cella_slot *slot, uint32_t function,
                        size_t request_size) {
    uint32_t count = peer->is_host ? peer->interface->ecall_count : peer->interface->ocall_count;
    const struct cella_call_function *table =
        peer->is_host ? peer->interface->ecalls : peer->interface->ocalls;
    int error_number = 0;
    if (slot->capacity < sizeof(struct cella_reply_head)) return 0;
    if (request_size > slot->capacity) return answer(slot, CELLA_CALL_MALFORMED, 0, 0);
    if (function == CELLA_FUNCTION_AGREE && peer->is_host)
        return cella_agree_serve(peer, slot, request_size);
    if (!atomic_load_explicit(&peer->agreed, memory_order_acquire))
        return answer(slot, CELLA_CALL_UNAGREED, 0, 0);
    if (!is_index(&function, count)) return answer(slot, CELLA_CALL_UNKNOWN, 0, 0);
    if (!is_allowed(peer, function)) return answer(slot, CELLA_CALL_REFUSED, 0, 0);
    struct request r = {.size = request_size, .room = slot->capacity};
    struct cella_scratch_mark mark = cella_scratch_begin();
    cella_message_begin(&r.m, peer, table[function].layout, NULL);
    bool good = run(&r, peer, function, &table[function], slot, &error_number);
    size_t size = answer(slot, good ? CELLA_CALL_DONE : r.m.wrong, error_number, r.m.reply_size);
    cella_scratch_end(mark);
    return size;
}
