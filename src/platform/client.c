#include "platform/client.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "abi/start.h"
#include "base/file.h"
#include "base/reader.h"
#include "base/writer.h"
#include "platform/channel.h"
#include "platform/client_start.h"

enum { START_TRIES = 20, CONNECT_TRIES = 10, CONNECT_PAUSE_MS = 25 };

enum attempt { CONNECTED, NOBODY_THERE, FAILED };

static enum attempt try_connect(const char *path, int *out) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (fd < 0) return FAILED;
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0) {
        *out = fd;
        return CONNECTED;
    }
    enum attempt result =
        errno == ENOENT || errno == ECONNREFUSED || errno == ENOTDIR ? NOBODY_THERE : FAILED;
    close(fd);
    return result;
}

/* Whoever could make the socket's file could pretend to be a platform: only root and oneself are
 * believed. */
static struct cella_result check_peer(int fd, const char *path, bool overridden) {
    struct ucred who;
    socklen_t size = sizeof(who);
    ENSURE(getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size) == 0, CELLA_ERR_PERMISSION, NULL,
           "cannot learn who serves %s", path);
    bool own = who.uid == 0 || who.uid == geteuid() || (overridden && geteuid() == 0);
    ENSURE(own, CELLA_ERR_PERMISSION, "use a platform of root's or of your own",
           "%s is served by user %u", path, who.uid);
    return CELLA_SUCCESS;
}

/* The platform that answers first: the one named, else the system's, else one's own. */
static enum attempt connect_any(const struct cella_client_options *o, int *fd, const char **path) {
    *path = CELLA_SYSTEM_SOCKET;
    if (!o->paths.overridden && geteuid() != 0 && try_connect(*path, fd) == CONNECTED)
        return CONNECTED;
    *path = o->paths.socket;
    return try_connect(*path, fd);
}

CELLA_RESULT cella_client_connect(const struct cella_client_options *options, int *out) {
    *out = -1;
    const char *path;
    CELLA_FD fd = -1;
    enum attempt attempt = connect_any(options, &fd, &path);
    /* Another client's platform may have won the race and still be starting, or one may be ending
     * and hold the lock for a last moment: try either again. */
    for (int i = 0; options->start_on_demand && attempt == NOBODY_THERE && i < START_TRIES; i++) {
        TRY(cella_client_start_platform(&options->paths, options->program));
        for (int k = 0; attempt == NOBODY_THERE && k < CONNECT_TRIES; k++) {
            attempt = connect_any(options, &fd, &path);
            if (attempt == NOBODY_THERE)
                nanosleep(&(struct timespec){0, CONNECT_PAUSE_MS * 1000000L}, NULL);
        }
    }
    ENSURE(attempt != NOBODY_THERE, CELLA_ERR_UNAVAILABLE, "start it with `cella platform`",
           "no platform runs at %s", path);
    ENSURE(attempt == CONNECTED, CELLA_ERR_IO, NULL, "cannot connect to the platform at %s: %s",
           path, strerror(errno));
    TRY(check_peer(fd, path, options->paths.overridden));
    *out = MOVE_FD(fd);
    return CELLA_SUCCESS;
}

static struct cella_result send_request(int socket, const struct cella_writer *w, const int *fds,
                                        int count) {
    ENSURE(!w->failed, CELLA_ERR_LIMIT, NULL, "a request to the platform is too long");
    enum cella_channel_state state =
        cella_channel_send(socket, cella_writer_bytes(w), fds, count, 0);
    /* a platform that refused the connection has said why, then closed: the answer is still to be
     * read */
    ENSURE(state == CELLA_CHANNEL_MESSAGE || state == CELLA_CHANNEL_GONE, CELLA_ERR_IO, NULL,
           "cannot send to the platform: %s", strerror(errno));
    return CELLA_SUCCESS;
}

static struct cella_writer request(uint8_t *space, size_t capacity, uint32_t op) {
    struct cella_writer w = cella_writer(space, capacity);
    cella_writer_u32le(&w, op);
    cella_writer_u32le(&w, CELLA_PROTOCOL_VERSION);
    return w;
}

/* Receives one answer; a REPLY with an error becomes that error. */
static struct cella_result receive_answer(int socket, uint8_t *space, size_t capacity,
                                          uint32_t *kind, struct cella_reader *body) {
    struct cella_received got;
    enum cella_channel_state state = cella_channel_receive(socket, space, capacity, 0, &got);
    ENSURE(state != CELLA_CHANNEL_GONE, CELLA_ERR_UNAVAILABLE, "start it again",
           "the platform stopped");
    ENSURE(state == CELLA_CHANNEL_MESSAGE, CELLA_ERR_PROTOCOL, NULL,
           "no valid answer of the platform: %s", strerror(errno));
    cella_received_close(&got);
    *body = cella_reader(cella_bytes(space, got.size));
    *kind = cella_reader_u32le(body);
    if (*kind == CELLA_PROTOCOL_EXITED) return CELLA_SUCCESS;
    uint32_t code = cella_reader_u32le(body);
    struct cella_bytes what = cella_reader_bytes(body, cella_reader_u16le(body));
    struct cella_bytes hint = cella_reader_bytes(body, cella_reader_u16le(body));
    ENSURE(!body->failed && *kind == CELLA_PROTOCOL_REPLY && code < CELLA_CODE_COUNT,
           CELLA_ERR_PROTOCOL, "use `cella` and platform of one version",
           "the platform's answer is malformed");
    if (code == CELLA_OK) return CELLA_SUCCESS;
    char text[CELLA_PROTOCOL_TEXT_MAX + 1];
    snprintf(text, sizeof(text), "%.*s", (int)hint.size, (const char *)hint.data);
    FAIL((enum cella_code)code, text[0] ? text : NULL, "%.*s", (int)what.size,
         (const char *)what.data);
}

CELLA_RESULT cella_client_start(int socket, const struct cella_client_start *start,
                                struct cella_client_started *out) {
    uint8_t space[CELLA_PROTOCOL_ANSWER_MAX];
    struct cella_writer w = request(space, CELLA_PROTOCOL_REQUEST_MAX, CELLA_PROTOCOL_START);
    size_t size = strlen(start->name);
    if (size > CELLA_PROTOCOL_NAME_MAX) size = CELLA_PROTOCOL_NAME_MAX;
    cella_writer_u16le(&w, (uint16_t)size);
    cella_writer_put(&w, cella_bytes(start->name, size));
    const int fds[CELLA_PROTOCOL_START_FDS] = {start->image, start->stdio[0], start->stdio[1],
                                               start->stdio[2], start->host_channel};
    TRY(send_request(socket, &w, fds, CELLA_PROTOCOL_START_FDS));
    uint32_t kind;
    struct cella_reader body;
    TRY(receive_answer(socket, space, sizeof(space), &kind, &body));
    out->pid = (pid_t)cella_reader_u32le(&body);
    out->base = cella_reader_u64le(&body);
    uint32_t flags = cella_reader_u32le(&body);
    ENSURE(cella_reader_done(&body) && kind == CELLA_PROTOCOL_REPLY, CELLA_ERR_PROTOCOL, NULL,
           "the platform's answer to a start is malformed");
    out->memory_secret = flags & CELLA_START_SECRET_MEMORY;
    out->debug = flags & CELLA_START_DEBUG;
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_client_signal(int socket, int number) {
    uint8_t space[16];
    struct cella_writer w = request(space, sizeof(space), CELLA_PROTOCOL_SIGNAL);
    cella_writer_u32le(&w, (uint32_t)number);
    return send_request(socket, &w, NULL, 0);
}

CELLA_RESULT cella_client_wait(int socket, struct cella_client_exited *out) {
    uint8_t space[CELLA_PROTOCOL_ANSWER_MAX];
    uint32_t kind = 0;
    struct cella_reader body;
    TRY(receive_answer(socket, space, sizeof(space), &kind, &body));
    out->signalled = cella_reader_u32le(&body) != 0;
    out->status = cella_reader_u32le(&body);
    ENSURE(kind == CELLA_PROTOCOL_EXITED && cella_reader_done(&body), CELLA_ERR_PROTOCOL, NULL,
           "the platform's word of an enclave's end is malformed");
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_client_ask(int socket, uint32_t op, struct cella_buffer *out) {
    uint8_t space[CELLA_PROTOCOL_ANSWER_MAX];
    struct cella_writer w = request(space, sizeof(space), op);
    TRY(send_request(socket, &w, NULL, 0));
    uint32_t kind;
    struct cella_reader body;
    TRY(receive_answer(socket, space, sizeof(space), &kind, &body));
    return cella_buffer_append(out, cella_reader_rest(&body));
}
