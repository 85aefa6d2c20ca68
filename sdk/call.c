/* The caller's half. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#include "base/memory.h"
#include "sdk/frame.h"
#include "sdk/message.h"

/* ---- the request ---- */

static bool measure(struct cella_message *m, const struct cella_call_member *member,
                    const uint8_t *in, const uint8_t *to, bool is_in, size_t *size) {
    bool text = is_in && (member->flags & (CELLA_MEMBER_STRING | CELLA_MEMBER_WSTRING));
    *size = 0;
    if (!text && !cella_size_of(m->interface, member, in, size))
        return cella_message_wrong(m, CELLA_CALL_MALFORMED, "a size is negative or overflows");
    if (to && text)
        *size = member->flags & CELLA_MEMBER_STRING
                    ? strlen((const char *)to) + 1
                    : (wcslen((const wchar_t *)to) + 1) * sizeof(wchar_t);
    if (to || *size == 0 || (member->flags & CELLA_MEMBER_OPTIONAL)) return true;
    /* R23: whoever reads the size would follow the NULL. */
    if (!(m->interface->flags & CELLA_INTERFACE_NULL_ANY_SIZE))
        return cella_message_wrong(m, CELLA_CALL_MALFORMED, "a pointer is NULL and has a size");
    return true;
}

/* One pointer of the parameters or of a struct that goes in. */
static bool gather(struct cella_message *m, uint32_t parent, const struct cella_call_member *member,
                   uint8_t *in) {
    uint8_t *to;
    struct cella_piece *p = cella_message_push(m, parent, member);
    if (!p) return false;
    cella_copy(&to, in + member->offset, sizeof(to));
    size_t size;
    if (!measure(m, member, in, to, p->flags & CELLA_MEMBER_IN, &size)) return false;
    if (!to || size == 0) return true;
    const struct cella_peer *peer = m->peer;
    if (peer->private_size && !cella_range_is_inside((uint64_t)(uintptr_t)to, size,
                                                     peer->private_base, peer->private_size))
        return cella_message_wrong(m, CELLA_CALL_MALFORMED,
                                   "a buffer does not lie wholly in the enclave"); /* R20 */
    p->at = to;
    p->size = size;
    if (!cella_message_elements(m, member, p))
        return cella_message_wrong(m, CELLA_CALL_MALFORMED, "a size leaves a part of a struct");
    if (((p->flags & CELLA_MEMBER_IN) &&
         !cella_message_place(&m->request_size, size, &p->request)) ||
        ((p->flags & CELLA_MEMBER_OUT) && !cella_message_place(&m->reply_size, size, &p->reply)))
        return cella_message_wrong(m, CELLA_CALL_LIMIT, "its buffers are larger than a message");
    m->has_late |= !(p->flags & CELLA_MEMBER_IN) &&
                   (cella_layout(m, p->layout)->flags & CELLA_LAYOUT_POINTERS);
    return true;
}

static bool gather_all(struct cella_message *m) {
    for (uint32_t i = 0; i < m->count; i++) {
        m->piece[i].first_child = m->count;
        if ((m->piece[i].flags & CELLA_MEMBER_IN) && !cella_message_walk(m, i, gather))
            return false;
    }
    return true;
}

static bool write_request(struct cella_message *m, uint8_t *host_data) {
    for (uint32_t i = 0; i < m->count; i++)
        if ((m->piece[i].flags & CELLA_MEMBER_IN) &&
            !cella_image_write(m, i, host_data + m->piece[i].request, true))
            return false;
    return true;
}

/* ---- the reply ---- */

struct arriving {
    const uint8_t *host_data;
    size_t size;
};

/* One pointer of a struct that the callee filled: in its place stands how much it leads to. The
 * transport's slot bounds what is allocated. */
static bool receive(struct cella_message *m, uint32_t parent,
                    const struct cella_call_member *member, uint8_t *in) {
    size_t size;
    uint64_t marker;
    void *none = NULL;
    cella_copy(&marker, in + member->offset, sizeof(marker));
    cella_copy(in + member->offset, &none, sizeof(none));
    struct cella_piece *p = cella_message_push(m, parent, member);
    if (!p) return false;
    p->flags |= CELLA_PIECE_LATE;
    if (!cella_size_of(m->interface, member, in, &size) || marker != (marker ? size : 0) ||
        (!marker && size && !(member->flags & CELLA_MEMBER_OPTIONAL) &&
         !(m->interface->flags & CELLA_INTERFACE_NULL_ANY_SIZE)))
        return cella_message_wrong(m, CELLA_CALL_MALFORMED, "a returned size is not what it says");
    if (!marker) return true;
    p->size = size;
    if (!cella_message_elements(m, member, p) ||
        !cella_message_place(&m->reply_size, size, &p->reply))
        return cella_message_wrong(m, CELLA_CALL_MALFORMED, "a returned size is out of bounds");
    return true;
}

static bool read_late(struct cella_message *m, uint32_t i, const struct arriving *a) {
    struct cella_piece *p = &m->piece[i];
    if (p->size == 0) return true;
    if (m->reply_size > a->size)
        return cella_message_wrong(m, CELLA_CALL_MALFORMED, "the reply ends early");
    p->at = calloc(1, p->size);
    if (!p->at) return cella_message_wrong(m, CELLA_CALL_MEMORY, "no memory for what is returned");
    return true;
}

/* A pointer of what was received, to the piece that it leads to. */
static bool connect(struct cella_message *m, uint32_t parent,
                    const struct cella_call_member *member, uint8_t *in) {
    (void)parent;
    uint8_t *to = m->piece[m->child++].at;
    cella_copy(in + member->offset, &to, sizeof(to));
    return true;
}

static bool read_pieces(struct cella_message *m, const struct arriving *a) {
    for (uint32_t i = 1; i < m->count; i++) {
        bool late = m->piece[i].flags & CELLA_PIECE_LATE;
        bool deep = cella_layout(m, m->piece[i].layout)->flags & CELLA_LAYOUT_POINTERS;
        if (!(m->piece[i].flags & CELLA_MEMBER_OUT) || !m->piece[i].size) continue;
        if (late && !read_late(m, i, a)) return false;
        if (!cella_image_read(m, i, a->host_data + m->piece[i].reply))
            return cella_message_wrong(m, CELLA_CALL_MALFORMED, "a bool is neither 0 nor 1");
        if (!deep || (m->piece[i].flags & CELLA_MEMBER_IN)) continue;
        m->piece[i].first_child = m->count;
        if (!cella_message_walk(m, i, receive)) return false;
    }
    return true;
}

/* Only when all is there: what fails half-way leaves no pointer behind. */
static void connect_all(struct cella_message *m) {
    for (uint32_t i = 1; m->has_late && i < m->count; i++) {
        const struct cella_piece *p = &m->piece[i];
        if (!(p->flags & CELLA_MEMBER_OUT) || (p->flags & CELLA_MEMBER_IN)) continue;
        m->child = p->first_child;
        (void)cella_message_walk(m, i, connect);
    }
}

static CELLA_RESULT refusal(const char *name, uint32_t status) {
    static const struct {
        enum cella_code code;
        const char *what, *hint;
    } known[CELLA_CALL_STATUS_COUNT] = {
        [CELLA_CALL_UNAGREED] = {CELLA_ERR_REFUSED,
                                 "the other side has not agreed on the interface",
                                 "wait for the enclave's creation to end"},
        [CELLA_CALL_UNKNOWN] = {CELLA_ERR_PROTOCOL, "the other side knows no such function", NULL},
        [CELLA_CALL_REFUSED] = {CELLA_ERR_REFUSED, "the enclave does not allow it now",
                                "make it public, or name it in allow() of the function being run"},
        [CELLA_CALL_MALFORMED] = {CELLA_ERR_PROTOCOL, "the other side found the request malformed",
                                  "do not change buffers while a call is made"},
        [CELLA_CALL_MEMORY] = {CELLA_ERR_MEMORY, "the other side has not enough memory", NULL},
        [CELLA_CALL_LIMIT] = {CELLA_ERR_LIMIT, "the reply is larger than a slot",
                              "pass less at once, or raise the slots' size"},
        [CELLA_CALL_RESULT] = {CELLA_ERR_PROTOCOL,
                               "the function returned a pointer or size that it may not", NULL},
        [CELLA_CALL_INTERFACE] = {CELLA_ERR_REFUSED,
                                  "the sides were built from different interfaces",
                                  "build both from one file"},
    };
    if (status >= CELLA_CALL_STATUS_COUNT)
        FAIL(CELLA_ERR_PROTOCOL, NULL, "%s: the other side answers with the unknown status %u",
             name, status);
    return cella_result_new(known[status].code, CELLA_WHERE, known[status].hint, "%s: %s", name,
                            known[status].what);
}

static CELLA_RESULT wrong(const struct cella_message *m, const char *name, bool theirs) {
    enum cella_code code = m->wrong == CELLA_CALL_MEMORY  ? CELLA_ERR_MEMORY
                           : m->wrong == CELLA_CALL_LIMIT ? CELLA_ERR_LIMIT
                           : theirs                       ? CELLA_ERR_PROTOCOL
                                                          : CELLA_ERR_USAGE;
    return cella_result_new(code, CELLA_WHERE, NULL, "%s: %s", name,
                            m->what ? m->what : "the message is wrong");
}

static CELLA_RESULT read_reply(struct cella_message *m, const struct cella_call_function *f,
                               const struct cella_slot *slot, size_t size, int *error_number) {
    struct cella_reply_head head;
    struct arriving a = {slot->host_data, size};
    ENSURE(size >= sizeof(head) && size <= slot->capacity, CELLA_ERR_PROTOCOL, NULL,
           "%s: a reply of %zu bytes in a slot of %zu", f->name, size, slot->capacity);
    cella_fetch(&head, slot->host_data, sizeof(head));
    if (head.status != CELLA_CALL_DONE) return refusal(f->name, head.status);
    ENSURE(head.error_number >= 0 && head.error_number < 4096 && head.reserved == 0,
           CELLA_ERR_PROTOCOL, NULL, "%s: the reply's head is malformed", f->name);
    /* Not one byte more or less than was asked for; what the callee allocated is added below. */
    ENSURE(m->has_late ? size >= m->reply_size : size == m->reply_size, CELLA_ERR_PROTOCOL, NULL,
           "%s: a reply of %zu bytes, expected %zu", f->name, size, m->reply_size);
    if (!cella_image_read_result(m, slot->host_data + m->result_at))
        FAIL(CELLA_ERR_PROTOCOL, NULL, "%s: the result is a bool that is neither 0 nor 1", f->name);
    if (!read_pieces(m, &a)) return wrong(m, f->name, true);
    ENSURE(size == m->reply_size, CELLA_ERR_PROTOCOL, NULL,
           "%s: a reply of %zu bytes, expected %zu", f->name, size, m->reply_size);
    connect_all(m);
    *error_number = head.error_number;
    return CELLA_SUCCESS;
}

/* ---- the call ---- */

/* Nothing of a failed call is left: no result, no half of an out buffer. (R07) */
static void undo(struct cella_message *m) {
    if (m->result)
        cella_zero(m->piece[0].at + m->result->offset, (size_t)m->result->size * m->result->count);
    for (uint32_t i = 1; i < m->count; i++) {
        struct cella_piece *p = &m->piece[i];
        if (p->flags & CELLA_PIECE_LATE)
            free(p->at);
        else if (p->at && !(p->flags & CELLA_MEMBER_IN))
            cella_zero(p->at, p->size);
    }
}

static CELLA_RESULT exchange(struct cella_peer *peer, struct cella_message *m, uint32_t number,
                             const struct cella_call_function *f, struct cella_slot *slot,
                             int *error_number) {
    uint32_t flags = f->flags & CELLA_FUNCTION_SWITCHLESS ? CELLA_CALL_SWITCHLESS : 0;
    size_t size = 0;
    if (!write_request(m, slot->host_data)) return wrong(m, f->name, false);
    struct cella_frame frame;
    cella_frame_enter(&frame, peer, f);
    struct cella_result r =
        peer->transport->call(peer->transport, slot, number, flags, m->request_size, &size);
    cella_frame_leave(&frame);
    if (cella_failed(r)) return cella_result_context(r, CELLA_WHERE, "%s", f->name);
    return read_reply(m, f, slot, size, error_number);
}

static CELLA_RESULT make(struct cella_peer *peer, struct cella_message *m, uint32_t number,
                         const struct cella_call_function *f, int *error_number) {
    struct cella_slot slot;
    if (!gather_all(m)) return wrong(m, f->name, false);
    size_t room = m->request_size > m->reply_size ? m->request_size : m->reply_size;
    TRY_IN(peer->transport->begin(peer->transport, room, &slot), "%s", f->name);
    struct cella_result r =
        slot.capacity < room
            ? CELLA_FAILURE(CELLA_ERR_INTERNAL, NULL, "%s: a slot of %zu bytes instead of %zu",
                            f->name, slot.capacity, room)
            : exchange(peer, m, number, f, &slot, error_number);
    peer->transport->end(peer->transport, &slot);
    return r;
}

CELLA_RESULT cella_peer_call(struct cella_peer *peer, const struct cella_call_interface *interface,
                             uint32_t function, void *parameters) {
    uint32_t count = peer->is_host ? interface->ocall_count : interface->ecall_count;
    const struct cella_call_function *table = peer->is_host ? interface->ocalls : interface->ecalls;
    int before = errno, error_number = 0;
    struct cella_message m;
    ENSURE(interface == peer->interface, CELLA_ERR_USAGE, "create the enclave with this interface",
           "a function of the interface %s is called, the enclave has %s", interface->name,
           peer->interface->name);
    ENSURE(function < count, CELLA_ERR_INTERNAL, NULL, "no function %u in %s", function,
           interface->name);
    ENSURE(atomic_load_explicit(&peer->agreed, memory_order_acquire), CELLA_ERR_REFUSED,
           "wait for the enclave's creation to end", "%s: called before the enclave is ready",
           table[function].name);
    struct cella_scratch_mark mark = cella_scratch_begin();
    cella_message_begin(&m, peer, table[function].layout, parameters);
    struct cella_result r = make(peer, &m, function, &table[function], &error_number);
    if (cella_failed(r)) undo(&m);
    cella_scratch_end(mark);
    bool sets = !cella_failed(r) && (table[function].flags & CELLA_FUNCTION_ERRNO);
    errno = sets ? error_number : before;
    return r;
}
