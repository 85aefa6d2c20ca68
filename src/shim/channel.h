/* A channel to the untrusted host or to the platform: SOCK_SEQPACKET, one request, one reply, in
 * order.
 *
 * Promise: a reply is read whole, once, into memory of the enclave before anything of it is looked
 * at (R24); one that is longer than the buffer, or brings descriptors that were not asked for, ends
 * the enclave (R29, R40). When the other side is gone the enclave says so and ends.
 */
#ifndef CELLA_SHIM_CHANNEL_H
#define CELLA_SHIM_CHANNEL_H

#include "shim/shim.h"

enum { SHIM_CHANNEL_MAX = 65536 }; /* bytes of a message either way */

struct shim_channel {
    struct shim_lock
        lock;         /* guards all, held from building the request to the last look at the reply */
    int fd;           /* set with peer before each exchange: a channel is all zero in the image */
    const char *peer; /* for messages */
    uint8_t buffer[SHIM_CHANNEL_MAX];
};

/* Sends buffer[0, size) and waits; the reply replaces the request. Returns its size in bytes. The
 * caller holds the lock. received: where one descriptor may come, -1 when none did; NULL: none may.
 */
size_t shim_channel_exchange(struct shim_channel *channel, size_t size, int *received);

#endif
