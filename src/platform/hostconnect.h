/* Connections that the host makes for an enclave (abi/hostcall.h CONNECT). */
#ifndef CELLA_PLATFORM_HOSTCONNECT_H
#define CELLA_PLATFORM_HOSTCONNECT_H

#include <cella/bytes.h>

enum {
    CELLA_CONNECT_FIRST_MS = 2000, /* for each address but the last */
    CELLA_CONNECT_WAIT_S = 30,     /* for a peer to take or give bytes */
};

/* A TCP connection to "HOST:PORT": 0 and *fd, or -errno. To the last address that the name has, the
 * connection may still be under way; reads and writes then wait for it. */
long cella_hostconnect(const char *peer, int *fd);
/* What bytes can be read from, to their end. At most 64 KiB. 0 and *fd, or -errno. */
long cella_hostconnect_bytes(struct cella_bytes bytes, int *fd);

#endif
