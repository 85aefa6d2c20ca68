/* What the tests of calls share on the host's side: calls of the test enclave by hand. */
#ifndef TESTS_SDK_RIG_H
#define TESTS_SDK_RIG_H

#include <cella/enclave.h>
#include <stdint.h>
#include <string.h>

#include "calls.h"
#include "sdk/bulk.h"
#include "sdk/transport.h"

/* One call: request in, up to *reply_size bytes of the reply out. */
static inline CELLA_RESULT rig_call(struct cella_enclave *e, uint32_t function, const void *request,
                                    size_t size, void *reply, size_t *reply_size) {
    struct cella_transport *t = cella_enclave_transport(e);
    struct cella_slot slot;
    size_t got;
    struct cella_result r = t->begin(t, size, &slot);
    if (cella_failed(r)) return r;
    cella_bulk_write(slot.host_data, request, size);
    r = t->call(t, &slot, function, 0, size, &got);
    if (!cella_failed(r) && reply_size) {
        if (got < *reply_size) *reply_size = got;
        if (*reply_size) memcpy(reply, slot.host_data, *reply_size);
    }
    t->end(t, &slot);
    return r;
}

#endif
