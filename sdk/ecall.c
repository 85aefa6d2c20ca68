/* The host's calls. */
#include "sdk/peer.h"

CELLA_RESULT cella_call_enclave(struct cella_enclave *enclave,
                                const struct cella_call_interface *interface, uint32_t function,
                                void *parameters) {
    return cella_peer_call(cella_enclave_peer(enclave), interface, function, parameters);
}
