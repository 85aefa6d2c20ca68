#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "platform/monitor_internal.h"

enum { ACCEPT_BATCH = 16 };

static struct client *free_slot(struct monitor *m, uid_t uid) {
    struct client *found = NULL;
    unsigned same = 0;
    for (size_t i = 0; i < CLIENT_MAX; i++) {
        struct client *c = &m->clients[i];
        if (c->state == CLIENT_FREE)
            found = found ? found : c;
        else if (c->uid == uid)
            same++;
    }
    return same < CLIENT_MAX_PER_UID || uid == m->uid ? found : NULL;
}

static void put_text(struct cella_writer *w, const char *text) {
    size_t size = text ? strlen(text) : 0;
    if (size > CELLA_PROTOCOL_TEXT_MAX) size = CELLA_PROTOCOL_TEXT_MAX;
    cella_writer_u16le(w, (uint16_t)size);
    cella_writer_put(w, cella_bytes(text, size));
}

static enum cella_channel_state send_reply(int socket, struct cella_result r,
                                           struct cella_bytes body) {
    static uint8_t message[CELLA_PROTOCOL_ANSWER_MAX];
    struct cella_writer w = cella_writer(message, sizeof(message));
    cella_writer_u32le(&w, CELLA_PROTOCOL_REPLY);
    cella_writer_u32le(&w, cella_code_of(r));
    put_text(&w, r.error ? r.error->what : NULL);
    put_text(&w, r.error ? r.error->hint : NULL);
    cella_writer_put(&w, body);
    if (w.failed) return CELLA_CHANNEL_BROKEN;
    return cella_channel_send(socket, cella_writer_bytes(&w), NULL, 0, MSG_DONTWAIT);
}

/* Whom the daemon serves: the system's every local user, a user's only that user and root. */
static struct cella_result check_user(const struct monitor *m, uid_t uid) {
    ENSURE(m->uid == 0 || uid == m->uid || uid == 0, CELLA_ERR_PERMISSION, "run one of your own",
           "this platform belongs to user %u and does not serve user %u", m->uid, uid);
    return CELLA_SUCCESS;
}

static struct cella_result admit(struct monitor *m, int fd) {
    struct ucred who;
    socklen_t size = sizeof(who);
    ENSURE(getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size) == 0, CELLA_ERR_PERMISSION, NULL,
           "unknown peer");
    TRY(check_user(m, who.uid));
    struct client *c = free_slot(m, who.uid);
    ENSURE(c, CELLA_ERR_LIMIT, "try again when another enclave has ended",
           "the platform serves at most %d clients, %d of one user", CLIENT_MAX,
           CLIENT_MAX_PER_UID);
    uint32_t generation = c->generation + 1;
    *c = (struct client){.state = CLIENT_OPEN,
                         .generation = generation,
                         .socket = fd,
                         .uid = who.uid,
                         .channel = -1,
                         .deadline_ms = monitor_now_ms() + REQUEST_TIMEOUT_MS};
    for (int i = 0; i < CELLA_PROTOCOL_START_FDS; i++) c->fds[i] = -1;
    struct cella_result r = monitor_watch(m, fd, monitor_tag(m, EVENT_CLIENT, c));
    if (cella_failed(r)) c->state = CLIENT_FREE;
    return r;
}

void client_accept(struct monitor *m) {
    for (int i = 0; i < ACCEPT_BATCH; i++) {
        int fd = accept4(m->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0) return;
        struct cella_result r = admit(m, fd);
        if (!cella_failed(r)) continue;
        (void)send_reply(fd, r, cella_bytes(NULL, 0));
        cella_result_drop(r);
        close(fd);
    }
}

void client_reply(struct monitor *m, struct client *c, struct cella_result r,
                  struct cella_bytes body) {
    if (c->socket >= 0 && send_reply(c->socket, r, body) != CELLA_CHANNEL_MESSAGE)
        client_drop(m, c);
    cella_result_drop(r);
}

void client_tell_exited(struct monitor *m, struct client *c, bool signalled, uint32_t status) {
    uint8_t message[12];
    struct cella_writer w = cella_writer(message, sizeof(message));
    cella_writer_u32le(&w, CELLA_PROTOCOL_EXITED);
    cella_writer_u32le(&w, signalled);
    cella_writer_u32le(&w, status);
    if (c->socket >= 0 && cella_channel_send(c->socket, cella_writer_bytes(&w), NULL, 0,
                                             MSG_DONTWAIT) != CELLA_CHANNEL_MESSAGE)
        cella_log(CELLA_LOG_INFO, "a client did not take the end of its enclave");
    (void)m;
}

void client_free(struct client *c) {
    if (c->socket >= 0) close(c->socket);
    if (c->channel >= 0) close(c->channel);
    for (int i = 0; i < CELLA_PROTOCOL_START_FDS; i++)
        if (c->fds[i] >= 0) close(c->fds[i]);
    cella_intake_cancel(&c->job);
    uint32_t generation = c->generation;
    *c = (struct client){.generation = generation, .socket = -1, .channel = -1};
}

void client_drop(struct monitor *m, struct client *c) {
    if (c->socket >= 0) close(c->socket);
    c->socket = -1;
    if (c->state == CLIENT_STARTING || c->state == CLIENT_RUNNING)
        enclave_end(m, c);
    else if (c->state != CLIENT_ENDING)
        client_free(c);
}

static void handle_start(struct monitor *m, struct client *c, const struct cella_request *request,
                         struct cella_received *got) {
    if (c->state != CLIENT_OPEN) {
        client_reply(m, c,
                     CELLA_FAILURE(CELLA_ERR_PROTOCOL, NULL,
                                   "this connection has its enclave already"),
                     cella_bytes(NULL, 0));
        return;
    }
    memcpy(c->name, request->name, sizeof(c->name));
    for (int i = 0; i < CELLA_PROTOCOL_START_FDS; i++) c->fds[i] = got->fd[i];
    got->fd_count = 0; /* the client's slot owns them now */
    enclave_start(m, c);
}

static void handle_stop(struct monitor *m, struct client *c) {
    if (c->uid != 0 && c->uid != m->uid) {
        client_reply(m, c,
                     CELLA_FAILURE(CELLA_ERR_PERMISSION, NULL,
                                   "only root or the platform's own user may stop it"),
                     cella_bytes(NULL, 0));
        return;
    }
    client_reply(m, c, CELLA_SUCCESS, cella_bytes(NULL, 0));
    m->stopping = true;
}

/* A text of the daemon's own making, in the shared buffer. */
static void handle_text(struct monitor *m, struct client *c, uint32_t op) {
    m->reply.size = 0;
    struct cella_result r = op == CELLA_PROTOCOL_KEY ? monitor_public_keys(m, &m->reply)
                                                     : monitor_status(m, c, &m->reply);
    client_reply(m, c, r, cella_failed(r) ? cella_bytes(NULL, 0) : cella_buffer_bytes(&m->reply));
}

static void handle(struct monitor *m, struct client *c, struct cella_bytes message,
                   struct cella_received *got) {
    struct cella_request request;
    struct cella_result r = cella_request_decode(message, got->fd_count, &request);
    if (cella_failed(r)) { /* one malformed word ends the conversation, and with it the enclave */
        cella_log(CELLA_LOG_INFO, "user %u: %s", c->uid, r.error->what);
        client_reply(m, c, r, cella_bytes(NULL, 0));
        if (c->state != CLIENT_FREE) client_drop(m, c);
        return;
    }
    switch (request.op) {
    case CELLA_PROTOCOL_START: handle_start(m, c, &request, got); break;
    case CELLA_PROTOCOL_SIGNAL: enclave_signal(m, c, request.signal); break;
    case CELLA_PROTOCOL_STOP: handle_stop(m, c); break;
    default: handle_text(m, c, request.op);
    }
}

void client_readable(struct monitor *m, struct client *c) {
    uint8_t message[CELLA_PROTOCOL_REQUEST_MAX];
    struct cella_received got;
    switch (cella_channel_receive(c->socket, message, sizeof(message), MSG_DONTWAIT, &got)) {
    case CELLA_CHANNEL_AGAIN: return;
    case CELLA_CHANNEL_MESSAGE:
        handle(m, c, cella_bytes(message, got.size), &got);
        cella_received_close(&got);
        return;
    default: client_drop(m, c);
    }
}
