/* Both sides tell each other what they were built from before the first call. (threats.md R33) */
#ifndef CELLA_SDK_AGREE_H
#define CELLA_SDK_AGREE_H

#include "sdk/peer.h"

/* The enclave's answer to cella_peer_agree() of the host. */
size_t cella_agree_serve(struct cella_peer *peer, struct cella_slot *slot, size_t request_size);

#endif
