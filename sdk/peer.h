/* A peer: the other side of the border, as this side sees it. */
#ifndef CELLA_SDK_PEER_H
#define CELLA_SDK_PEER_H

#include <cella/call.h>
#include <stdatomic.h>

#include "sdk/transport.h"

/* Function numbers above all of an interface. */
enum cella_function_special { CELLA_FUNCTION_AGREE = 0x7fffffff };

struct cella_peer {
    struct cella_transport *transport; /* how to reach it */
    const struct cella_call_interface *interface;
    cella_call_thunk *const *thunks; /* what it may call: ocalls on the host, ecalls inside */
    bool is_host;                    /* the peer is the host: this side is the enclave */
    /* This side's private memory, where its addresses lie; size 0 on the host, which keeps no
     * addresses from anybody. */
    uint64_t private_base, private_size;
    atomic_bool agreed; /* both sides have the same interface (R33) */
};

/* Before the first call, from the host: both sides tell what interface they were built with, and no
 * call is made or served before they agree. (threats.md R11, R33) */
CELLA_RESULT cella_peer_agree(struct cella_peer *peer);

/* Makes a call; what cella_call_enclave and cella_call_host do once they know the peer. */
CELLA_RESULT cella_peer_call(struct cella_peer *peer, const struct cella_call_interface *interface,
                             uint32_t function, void *parameters);

/* Serves a call: cella_service_function of sdk/transport.h. */
size_t cella_peer_serve(struct cella_peer *peer, struct cella_slot *slot, uint32_t function,
                        size_t request_size);

/* Given by the library of each side: the peer of an enclave that the host started, and the host. */
struct cella_peer *cella_enclave_peer(struct cella_enclave *enclave);
struct cella_peer *cella_host_peer(void);

#endif
