/* One client: handshake, requests, answers, end. */
#include <errno.h>
#include <netdb.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/memory.h"
#include "http/server_inner.h"

enum {
    FIRST_ROOM = 4096,
    BODY_ROOM = 65536,     /* of a body, what is made room for before it comes */
    REQUESTS_AT_ONCE = 16, /* of one client, before others have their turn */
    LINGER_MS = 1000,
    UPDATES_MAX = 16,       /* messages of a handshake after it, within one request */
    IDLE_OUT_MAX = 1 << 16, /* bytes that a worker keeps for its next answer */
};

static void expect_within(struct connection *c, uint32_t ms) {
    c->deadline_ms = c->worker->now_ms + ms;
}

static const struct cella_http_settings *settings(const struct connection *c) {
    return &c->worker->server->settings;
}

static void watch(struct connection *c, uint32_t events) {
    struct epoll_event event = {.events = events, .data.ptr = c};
    if (events == c->events) return;
    if (epoll_ctl(c->worker->epoll, EPOLL_CTL_MOD, c->fd, &event) == 0) c->events = events;
}

/* --- Life --- */

/* New keys are a client's right in TLS 1.3, and asking to renegotiate in 1.2; but OpenSSL goes
 * through as many as come before it gives a byte, and a worker with it (K17, K18). An end of stream
 * stops it. */
static void on_message(int sending, int version, int type, const void *data, size_t size, SSL *ssl,
                       void *context) {
    struct connection *c = context;
    (void)version, (void)data, (void)size, (void)ssl;
    if (sending || type != SSL3_RT_HANDSHAKE || c->state == HANDSHAKE) return;
    if (++c->updates == UPDATES_MAX) shutdown(c->fd, SHUT_RD);
}

void cella_http_connection_open(struct worker *w, const struct inbox *entry) {
    struct connection *c = calloc(1, sizeof(*c));
    SSL *ssl = NULL;
    pthread_mutex_lock(&entry->site->lock);
    if (c) ssl = SSL_new(entry->site->tls);
    pthread_mutex_unlock(&entry->site->lock);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    if (!ssl || SSL_set_fd(ssl, entry->fd) != 1 ||
        epoll_ctl(w->epoll, EPOLL_CTL_ADD, entry->fd, &event) != 0) {
        SSL_free(ssl);
        free(c);
        close(entry->fd);
        cella_http_worker_leave(w, &entry->peer);
        return;
    }
    *c = (struct connection){.worker = w,
                             .site = entry->site,
                             .ssl = ssl,
                             .fd = entry->fd,
                             .events = EPOLLIN,
                             .peer = entry->peer,
                             .next = w->connections,
                             .back = &w->connections};
    if (c->next) c->next->back = &c->next;
    w->connections = c;
    getnameinfo((const struct sockaddr *)&entry->address, entry->address_size, c->peer_text,
                sizeof(c->peer_text), NULL, 0, NI_NUMERICHOST);
    SSL_set_accept_state(ssl);
    SSL_set_msg_callback(ssl, on_message);
    SSL_set_msg_callback_arg(ssl, c);
    expect_within(c, settings(c)->request_ms);
}

void cella_http_connection_close(struct connection *c) {
    *c->back = c->next;
    if (c->next) c->next->back = c->back;
    SSL_free(c->ssl);
    close(c->fd);
    cella_buffer_free(&c->in);
    cella_buffer_free(&c->out);
    atomic_fetch_sub(&c->worker->server->held, c->held);
    cella_http_worker_leave(c->worker, &c->peer);
    free(c);
}

/* --- Bytes --- */

enum moved { MOVED, LATER, OVER };

/* What OpenSSL wants before it can go on. */
static enum moved outcome(struct connection *c, int result) {
    switch (SSL_get_error(c->ssl, result)) {
    case SSL_ERROR_WANT_READ: watch(c, EPOLLIN); return LATER;
    case SSL_ERROR_WANT_WRITE: watch(c, EPOLLOUT); return LATER;
    default: ERR_clear_error(); return OVER;
    }
}

/* Room for size bytes in all, more than are there. */
static bool make_room(struct cella_buffer *buffer, size_t size) {
    uint8_t *unused = NULL;
    size_t there = buffer->size;
    if (buffer->capacity >= size) return true;
    struct cella_result r = cella_buffer_extend(buffer, size - there, &unused);
    bool good = !cella_failed(r);
    cella_result_drop(r);
    buffer->size = there;
    return good;
}

/* Counts what the connection holds beyond its fair share; whether all of them hold no more than
 * they may (K17). */
static bool hold(struct connection *c) {
    struct cella_http_server *server = c->worker->server;
    size_t now = (c->in.capacity > BODY_ROOM ? c->in.capacity : 0) +
                 (c->out.capacity > BODY_ROOM ? c->out.capacity : 0);
    if (now == c->held) return true;
    bool more = now > c->held;
    size_t all = atomic_fetch_add(&server->held, now - c->held) + now - c->held;
    c->held = now;
    return !more || all <= server->settings.memory_max;
}

/* Whether more of the request may come, and up to which size. */
static size_t room_wanted(const struct connection *c) {
    size_t limit = settings(c)->header_max, size = c->in.size;
    if (c->framed && c->chunked) return size + FIRST_ROOM;
    if (c->framed) limit = c->head_size + c->body_size;
    size_t step = c->framed && c->body_size <= BODY_ROOM ? limit : 2 * size;
    if (step < FIRST_ROOM) step = FIRST_ROOM;
    return step < limit ? step : limit;
}

static enum moved refuse(struct connection *c, int status, const char *why);

static enum moved receive(struct connection *c) {
    size_t room = room_wanted(c);
    bool first = c->in.size == 0;
    /* All that had come to the socket was taken in; of more, epoll tells. */
    if (!c->fresh && !SSL_has_pending(c->ssl)) return LATER;
    c->fresh = false;
    if (!make_room(&c->in, room)) return OVER;
    if (!hold(c)) return refuse(c, 503, "too much is being received at once");
    int got = SSL_read(c->ssl, c->in.data + c->in.size, (int)(room - c->in.size));
    if (got <= 0) {
        if (first) cella_buffer_free(&c->in); /* an idle client costs no room */
        return outcome(c, got);
    }
    c->in.size += (size_t)got;
    cella_metric_count(c->worker->server->received, (uint64_t)got);
    if (first) expect_within(c, settings(c)->request_ms);
    return MOVED;
}

/* Of out, what was not sent yet. */
static enum moved send_on(struct connection *c, struct cella_bytes bytes, size_t *sent) {
    while (*sent < bytes.size) {
        size_t left = bytes.size - *sent;
        int part = left < INT32_MAX ? (int)left : INT32_MAX;
        int done = SSL_write(c->ssl, bytes.data + *sent, part);
        if (done <= 0) return outcome(c, done);
        *sent += (size_t)done;
        cella_metric_count(c->worker->server->sent, (uint64_t)done);
    }
    return MOVED;
}

/* --- End --- */

/* The answer is out; the client may still be sending, and a close now would take the answer away
 * from it. So: an end of what we send, and what comes is thrown away for a moment. */
static enum moved start_linger(struct connection *c) {
    SSL_shutdown(c->ssl);
    ERR_clear_error();
    shutdown(c->fd, SHUT_WR);
    cella_buffer_free(&c->in);
    c->state = LINGERING;
    expect_within(c, LINGER_MS);
    watch(c, EPOLLIN);
    return MOVED;
}

static enum moved linger(struct connection *c) {
    uint8_t waste[4096];
    for (int i = 0; i < REQUESTS_AT_ONCE; i++) {
        ssize_t got = recv(c->fd, waste, sizeof(waste), MSG_DONTWAIT);
        if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) return OVER;
        if (got < 0) return LATER;
    }
    return LATER;
}

/* --- Requests --- */

/* After an answer: what came behind its request is the next one. */
static void next_request(struct connection *c) {
    size_t used = c->head_size + (c->chunked ? c->chunks.raw : c->body_size);
    size_t left = c->in.size - used;
    c->framed = c->chunked = false;
    c->head_size = c->body_size = 0;
    c->updates = 0;
    c->scan = (struct cella_http_scan){0};
    c->chunks = (struct cella_http_chunks){0};
    if (left) memmove(c->in.data, c->in.data + used, left);
    c->in.size = left;
    if (!left) cella_buffer_free(&c->in);
    c->worker->now_ms = cella_http_now_ns() / 1000000;
    expect_within(c, left ? settings(c)->request_ms : settings(c)->idle_ms);
}

static enum moved answered(struct connection *c) {
    c->out_from = 0;
    cella_buffer_free(&c->out);
    if (c->last) return start_linger(c);
    c->state = READING;
    next_request(c);
    return MOVED;
}

/* Sends what the worker holds; what the client does not take now, the connection keeps. */
static enum moved send_answer(struct connection *c, bool made) {
    struct cella_buffer *out = &c->worker->out;
    size_t sent = 0;
    if (!made) return OVER;
    expect_within(c, settings(c)->request_ms);
    enum moved m = send_on(c, cella_buffer_bytes(out), &sent);
    if (m == LATER) {
        struct cella_result r =
            cella_buffer_append(&c->out, cella_bytes(out->data + sent, out->size - sent));
        if (cella_failed(r)) m = OVER;
        cella_result_drop(r);
        c->state = WRITING;
        if (!hold(c)) m = OVER;
    }
    if (out->capacity > IDLE_OUT_MAX) cella_buffer_free(out);
    return m == MOVED ? answered(c) : m;
}

static enum moved refuse(struct connection *c, int status, const char *why) {
    return send_answer(c, cella_http_refuse(c, (struct cella_http_refusal){status, why}));
}

static enum moved go_on_sending(struct connection *c) {
    enum moved m = send_on(c, cella_buffer_bytes(&c->out), &c->out_from);
    if (m == MOVED) watch(c, EPOLLIN);
    return m == MOVED ? answered(c) : m;
}

/* The head is whole: how long is the request? */
static enum moved frame(struct connection *c) {
    struct cella_http_message *m = &c->worker->message;
    c->head_size = c->scan.at;
    struct cella_http_refusal r =
        cella_http_message_parse(cella_bytes(c->in.data, c->head_size), m);
    if (r.status) return refuse(c, r.status, r.why);
    if (m->length > c->site->given.body_max) return refuse(c, 413, "its body is too large");
    c->framed = true;
    c->last = m->last;
    c->chunked = m->chunked;
    c->body_size = (size_t)m->length;
    if (!m->expects || c->in.size > c->head_size) return MOVED;
    static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
    size_t sent = 0;
    /* 25 bytes that a client, who has not sent a body yet, does not take: it is no client. */
    return send_on(c, cella_bytes(go_on, sizeof(go_on) - 1), &sent) == MOVED ? MOVED : OVER;
}

static enum moved head(struct connection *c) {
    switch (cella_http_scan(&c->scan, cella_buffer_bytes(&c->in))) {
    case CELLA_HTTP_BAD: return refuse(c, 400, "a line does not end in CR LF");
    case CELLA_HTTP_WHOLE:
        if (c->scan.at <= settings(c)->header_max) return frame(c);
        break;
    default:
        if (c->in.size < settings(c)->header_max) return LATER;
    }
    return refuse(c, 431, "its header is too large");
}

static enum moved whole(struct connection *c, struct cella_bytes body, bool parsed) {
    if (!parsed) /* the worker has read other requests since */
        (void)cella_http_message_parse(cella_bytes(c->in.data, c->head_size), &c->worker->message);
    return send_answer(c, cella_http_answer(c, body));
}

static enum moved body_in_chunks(struct connection *c, bool parsed) {
    size_t size = c->in.size - c->head_size, max = c->site->given.body_max;
    uint8_t *data = c->in.data + c->head_size;
    enum cella_http_scanned s = cella_http_chunks(&c->chunks, data, &size, max);
    c->in.size = c->head_size + size;
    if (s == CELLA_HTTP_MORE) return LATER;
    if (s == CELLA_HTTP_WHOLE) return whole(c, cella_bytes(data, c->chunks.size), parsed);
    if (c->chunks.size > max) return refuse(c, 413, "its body is too large");
    return refuse(c, 400, "its chunks");
}

/* One step with what is in the buffer: MOVED after an answer, LATER when more must come. */
static enum moved step(struct connection *c) {
    bool parsed = false;
    if (!c->framed) {
        enum moved m = c->in.size ? head(c) : LATER;
        if (m != MOVED || !c->framed) return m;
        parsed = true;
    }
    if (c->chunked) return body_in_chunks(c, parsed);
    if (c->in.size - c->head_size < c->body_size) return LATER;
    return whole(c, cella_bytes(c->in.data + c->head_size, c->body_size), parsed);
}

static enum moved handshake(struct connection *c) {
    int result = SSL_accept(c->ssl);
    if (result != 1) {
        enum moved m = outcome(c, result);
        cella_metric_count(m == OVER ? c->worker->server->handshakes : NULL, 1);
        return m;
    }
    c->state = READING;
    watch(c, EPOLLIN);
    expect_within(c, settings(c)->idle_ms);
    return MOVED;
}

static enum moved read_on(struct connection *c) {
    enum moved m = step(c);
    return m == LATER && c->state == READING ? receive(c) : m;
}

void cella_http_connection_drive(struct connection *c) {
    static enum moved (*const ways[])(struct connection *) = {[HANDSHAKE] = handshake,
                                                              [READING] = read_on,
                                                              [WRITING] = go_on_sending,
                                                              [LINGERING] = linger};
    c->fresh = true;
    for (int i = 0; i < 2 * REQUESTS_AT_ONCE; i++) {
        enum moved m = ways[c->state](c);
        if (m == OVER) return cella_http_connection_close(c);
        if (m == MOVED) continue;
        (void)hold(c);
        return;
    }
    c->waiting = true; /* bytes may lie in OpenSSL's buffer, of which epoll knows nothing */
    c->ready = c->worker->ready;
    c->worker->ready = c;
}

bool cella_http_connection_idle(const struct connection *c) {
    return c->state == READING && c->in.size == 0;
}

void cella_http_connection_end(struct connection *c) {
    if (cella_http_connection_idle(c)) SSL_shutdown(c->ssl); /* an end for the client, and no cut */
    ERR_clear_error();
    cella_http_connection_close(c);
}

void cella_http_connection_expire(struct connection *c) {
    bool idle = cella_http_connection_idle(c);
    if (!idle && c->state != LINGERING) cella_metric_count(c->worker->server->timeouts, 1);
    if (!idle && c->state == READING && refuse(c, 408, "it did not come in time") != OVER) return;
    cella_http_connection_end(c);
}
