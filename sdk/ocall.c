/* The enclave's calls. */
#include "sdk/peer.h"

CELLA_RESULT cella_call_host(const struct cella_call_interface *interface, uint32_t function,
                             void *parameters) {
    return cella_peer_call(cella_host_peer(), interface, function, parameters);
}
