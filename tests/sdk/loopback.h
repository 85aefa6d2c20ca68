/* Host and enclave in one process, on one thread: a transport for tests whose slots a test can look
 * into and change. */
#ifndef CELLA_TESTS_SDK_LOOPBACK_H
#define CELLA_TESTS_SDK_LOOPBACK_H

#include "sdk/peer.h"

enum { LOOPBACK_ROOM = 1 << 20, LOOPBACK_SLOTS = 16 };

struct cella_enclave {
    struct cella_peer enclave, host; /* as the host sees it; as the enclave does */
    struct cella_transport up, down;
    uint32_t used;
    /* Called between the making of a request and its serving, and before its reply is read. */
    void (*on_request)(uint8_t *data, size_t *size);
    void (*on_reply)(uint8_t *data, size_t *size);
};

struct cella_enclave *loopback_new(const struct cella_call_side *host,
                                   const struct cella_call_side *enclave);
void loopback_free(struct cella_enclave *e);

#endif
