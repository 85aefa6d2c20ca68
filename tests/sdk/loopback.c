#include "loopback.h"

#include <stddef.h>
#include <stdlib.h>

#include "sdk/scratch.h"

static struct cella_enclave *only;
struct cella_peer *cella_host_peer(void) {
    return &only->host;
}
struct cella_peer *cella_enclave_peer(struct cella_enclave *e) {
    return &e->enclave;
}

static struct cella_result begin(struct cella_transport *t, size_t size, struct cella_slot *slot) {
    (void)t;
    if (size > LOOPBACK_ROOM)
        return CELLA_FAILURE(CELLA_ERR_LIMIT, NULL, "a message of %zu bytes", size);
    slot->host_data = aligned_alloc(CELLA_SLOT_ALIGN, LOOPBACK_ROOM);
    if (!slot->host_data) return CELLA_FAILURE(CELLA_ERR_MEMORY, NULL, "no memory for a slot");
    slot->capacity = LOOPBACK_ROOM;
    only->used++;
    return CELLA_SUCCESS;
}

static void end(struct cella_transport *t, struct cella_slot *slot) {
    (void)t;
    free(slot->host_data);
    only->used--;
}

static struct cella_result pass(struct cella_peer *to, struct cella_slot *slot, uint32_t function,
                                size_t size, size_t *reply_size) {
    if (only->on_request) only->on_request(slot->host_data, &size);
    *reply_size = cella_peer_serve(to, slot, function, size);
    if (only->on_reply) only->on_reply(slot->host_data, reply_size);
    return CELLA_SUCCESS;
}

static struct cella_result call_up(struct cella_transport *t, struct cella_slot *slot,
                                   uint32_t function, uint32_t flags, size_t size,
                                   size_t *reply_size) {
    (void)t, (void)flags;
    return pass(&only->host, slot, function, size, reply_size);
}
static struct cella_result call_down(struct cella_transport *t, struct cella_slot *slot,
                                     uint32_t function, uint32_t flags, size_t size,
                                     size_t *reply_size) {
    (void)t, (void)flags;
    return pass(&only->enclave, slot, function, size, reply_size);
}

struct cella_enclave *loopback_new(const struct cella_call_side *host,
                                   const struct cella_call_side *enclave) {
    struct cella_enclave *e = calloc(1, sizeof(*e));
    if (!e) abort();
    only = e;
    e->up = (struct cella_transport){begin, call_up, end};
    e->down = (struct cella_transport){begin, call_down, end};
    e->enclave.transport = &e->up;
    e->enclave.interface = host->interface;
    e->enclave.thunks = host->thunks;
    e->host.transport = &e->down;
    e->host.interface = enclave->interface;
    e->host.thunks = enclave->thunks;
    e->host.is_host = true;
    return e;
}

void loopback_free(struct cella_enclave *e) {
    cella_scratch_free();
    free(e);
}
