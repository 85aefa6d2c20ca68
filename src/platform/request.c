#include "platform/request.h"

#include <signal.h>

#include "base/reader.h"

/* The name ends up in messages and logs: no control characters, no escape sequences of terminals.
 */
static void take_name(struct cella_reader *r, char out[CELLA_PROTOCOL_NAME_MAX + 1]) {
    uint16_t size = cella_reader_u16le(r);
    struct cella_bytes name = cella_reader_bytes(r, size);
    if (size > CELLA_PROTOCOL_NAME_MAX) r->failed = true;
    if (r->failed) return;
    for (size_t i = 0; i < name.size; i++)
        out[i] = name.data[i] >= 0x20 && name.data[i] < 0x7f ? (char)name.data[i] : '?';
    out[name.size] = 0;
}

CELLA_RESULT cella_request_decode(struct cella_bytes bytes, int fd_count,
                                  struct cella_request *out) {
    *out = (struct cella_request){0};
    struct cella_reader r = cella_reader(bytes);
    uint32_t op = cella_reader_u32le(&r);
    uint32_t version = cella_reader_u32le(&r);
    ENSURE(!r.failed, CELLA_ERR_PROTOCOL, NULL, "a request of %zu bytes is too short", bytes.size);
    ENSURE(version == CELLA_PROTOCOL_VERSION, CELLA_ERR_UNSUPPORTED,
           "use `cella` and platform of one version; `cella platform stop` ends an old one",
           "the client speaks protocol %u, this platform %d", version, CELLA_PROTOCOL_VERSION);
    ENSURE(op >= CELLA_PROTOCOL_START && op <= CELLA_PROTOCOL_STOP, CELLA_ERR_PROTOCOL, NULL,
           "no request has the number %u", op);
    int wanted = op == CELLA_PROTOCOL_START ? CELLA_PROTOCOL_START_FDS : 0;
    ENSURE(fd_count == wanted, CELLA_ERR_PROTOCOL, NULL,
           "request %u came with %d descriptors instead of %d", op, fd_count, wanted);
    if (op == CELLA_PROTOCOL_START) take_name(&r, out->name);
    if (op == CELLA_PROTOCOL_SIGNAL) {
        uint32_t number = cella_reader_u32le(&r);
        if (number < 1 || number >= NSIG) r.failed = true;
        out->signal = r.failed ? 0 : (int)number;
    }
    ENSURE(cella_reader_done(&r), CELLA_ERR_PROTOCOL, NULL, "request %u is malformed", op);
    out->op = op;
    return CELLA_SUCCESS;
}
