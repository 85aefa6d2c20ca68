/* A client's request, decoded from bytes that anybody on the machine may have written. */
#ifndef CELLA_PLATFORM_REQUEST_H
#define CELLA_PLATFORM_REQUEST_H

#include <cella/bytes.h>
#include <cella/result.h>
#include <stdint.h>

#include "platform/protocol.h"

struct cella_request {
    uint32_t op;
    char name[CELLA_PROTOCOL_NAME_MAX + 1]; /* START: printable ASCII, else '?' */
    int signal;                             /* SIGNAL: 1 to 64 */
};

/* CELLA_ERR_PROTOCOL when malformed, CELLA_ERR_UNSUPPORTED for another version. fd_count: that came
 * along. */
CELLA_RESULT cella_request_decode(struct cella_bytes bytes, int fd_count,
                                  struct cella_request *out);

#endif
