#include "sdk/agree.h"

#include "base/memory.h"
#include "sdk/message.h"

enum { DIGEST = 32, MEASURES_MAX = 4096 };

/* u32 version, u32 count, 32 bytes of digest, count sizes of u32 each: all that has to be equal. */
static size_t wanted_size(const struct cella_call_interface *i) {
    return 2 * sizeof(uint32_t) + DIGEST + (size_t)i->measure_count * sizeof(uint32_t);
}

static void write_wanted(const struct cella_call_interface *i, uint8_t *to) {
    uint32_t head[2] = {i->version, i->measure_count};
    cella_copy(to, head, sizeof(head));
    cella_copy(to + sizeof(head), i->digest, DIGEST);
    cella_copy(to + sizeof(head) + DIGEST, i->measures,
               (size_t)i->measure_count * sizeof(uint32_t));
}

/* Whether the peer's statement, a private copy, is this side's. */
static bool is_equal(const struct cella_call_interface *i, const uint8_t *theirs, size_t size) {
    uint32_t head[2] = {i->version, i->measure_count};
    return size == wanted_size(i) && cella_equal(theirs, head, sizeof(head)) &&
           cella_equal(theirs + sizeof(head), i->digest, DIGEST) &&
           cella_equal(theirs + sizeof(head) + DIGEST, i->measures,
                       (size_t)i->measure_count * sizeof(uint32_t));
}

size_t cella_agree_serve(struct cella_peer *peer, struct cella_slot *slot, size_t request_size) {
    struct cella_reply_head head = {.status = CELLA_CALL_MEMORY};
    struct cella_scratch_mark mark = cella_scratch_begin();
    uint8_t *copy = cella_scratch_take(request_size);
    if (copy) {
        cella_fetch(copy, slot->host_data, request_size);
        bool equal = is_equal(peer->interface, copy, request_size);
        head.status = equal ? CELLA_CALL_DONE : CELLA_CALL_INTERFACE;
        if (equal) atomic_store_explicit(&peer->agreed, true, memory_order_release);
    }
    cella_scratch_end(mark);
    cella_copy(slot->host_data, &head, sizeof(head));
    return sizeof(head);
}

static CELLA_RESULT read_answer(struct cella_peer *peer, const struct cella_slot *slot,
                                size_t reply_size) {
    struct cella_reply_head head;
    ENSURE(reply_size == sizeof(head), CELLA_ERR_PROTOCOL, NULL,
           "the enclave answers the start with %zu bytes, expected %zu", reply_size, sizeof(head));
    cella_fetch(&head, slot->host_data, sizeof(head));
    ENSURE(head.status != CELLA_CALL_INTERFACE, CELLA_ERR_REFUSED,
           "build host and enclave from the same interface file, with the same C headers",
           "host and enclave were built from different interfaces (%s)", peer->interface->name);
    ENSURE(head.status == CELLA_CALL_DONE, CELLA_ERR_PROTOCOL, NULL,
           "the enclave answers the start with the status %u", head.status);
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_peer_agree(struct cella_peer *peer) {
    struct cella_transport *t = peer->transport;
    struct cella_slot slot;
    size_t size = wanted_size(peer->interface), reply_size = 0;
    ENSURE(peer->interface->measure_count <= MEASURES_MAX, CELLA_ERR_LIMIT, NULL,
           "more than %d types of C headers in an interface", MEASURES_MAX);
    TRY(t->begin(t, size, &slot));
    write_wanted(peer->interface, slot.host_data);
    struct cella_result r = t->call(t, &slot, CELLA_FUNCTION_AGREE, 0, size, &reply_size);
    if (!cella_failed(r)) r = read_answer(peer, &slot, reply_size);
    t->end(t, &slot);
    if (!cella_failed(r)) atomic_store_explicit(&peer->agreed, true, memory_order_release);
    return r;
}
