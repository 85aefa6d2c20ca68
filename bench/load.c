#include "load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/memory.h"

enum { SPREAD_MAX = 20000, SPREAD_STEP = 611953 /* a prime */ };
enum { ANSWER_MAX = 1 << 20, EVENTS = 128, HEAD_MAX = 65536 };

struct client {
    SSL *ssl;
    int fd;
    bool busy;
    uint64_t due_ns;
    size_t sent;
    const struct cella_buffer *request;
    uint8_t *in;                  /* owned */
    size_t size, capacity, whole; /* whole: of the answer, 0 while unknown */
    struct client *next;          /* among the free */
};

struct load {
    const struct load_settings *settings;
    SSL_CTX *tls;
    int epoll;
    struct client *client, *free;
    struct cella_buffer *request; /* one for each body */
    size_t request_count, turn;
    uint64_t start_ns, end_ns, begun, busy;
    uint32_t *latency_us;
    size_t latency_count, latency_room;
    struct load_result result;
};

static uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* --- Before --- */

static CELLA_RESULT make_target(const struct load_settings *s, size_t turn, char *out,
                                size_t room) {
    const char *mark = s->spread ? strchr(s->target, '#') : NULL;
    unsigned number = s->spread ? (unsigned)(turn * SPREAD_STEP % s->spread) : 0;
    int size = !mark ? snprintf(out, room, "%s", s->target)
                     : snprintf(out, room, "%.*s%07u%s", (int)(mark - s->target), s->target, number,
                                mark + 1);
    ENSURE(size > 0 && (size_t)size < room, CELLA_ERR_LIMIT, NULL, "a target this long");
    return CELLA_SUCCESS;
}

static CELLA_RESULT make_request(const struct load_settings *s, struct cella_bytes body,
                                 size_t turn, struct cella_buffer *out) {
    char head[HEAD_MAX], length[48] = "", target[2048];
    TRY(make_target(s, turn, target, sizeof(target)));
    if (s->body_count) snprintf(length, sizeof(length), "Content-Length: %zu\r\n", body.size);
    int size = snprintf(head, sizeof(head), "%s %s HTTP/1.1\r\nHost: %s\r\n%s%s\r\n", s->method,
                        target, s->authority, s->headers ? s->headers : "", length);
    ENSURE(size > 0 && (size_t)size < sizeof(head), CELLA_ERR_LIMIT, NULL, "headers too long");
    TRY(cella_buffer_append(out, cella_bytes(head, (size_t)size)));
    return cella_buffer_append(out, body);
}

static CELLA_RESULT make_requests(struct load *l) {
    const struct load_settings *s = l->settings;
    l->request_count = s->body_count ? s->body_count : 1;
    if (s->spread) l->request_count = s->spread < SPREAD_MAX ? s->spread : SPREAD_MAX;
    l->request = calloc(l->request_count, sizeof(*l->request));
    ENSURE(l->request, CELLA_ERR_MEMORY, NULL, "no memory");
    for (size_t i = 0; i < l->request_count; i++)
        TRY(make_request(s, s->body_count ? s->body[i % s->body_count] : cella_bytes(NULL, 0), i,
                         &l->request[i]));
    return CELLA_SUCCESS;
}

static CELLA_RESULT make_tls(struct load *l) {
    l->tls = SSL_CTX_new(TLS_client_method());
    ENSURE(l->tls && SSL_CTX_set_min_proto_version(l->tls, TLS1_3_VERSION) == 1, CELLA_ERR_INTERNAL,
           NULL, "TLS");
    SSL_CTX_set_mode(l->tls, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_read_ahead(l->tls, 1);
    if (!l->settings->ca) return CELLA_SUCCESS;
    SSL_CTX_set_verify(l->tls, SSL_VERIFY_PEER, NULL);
    ENSURE(SSL_CTX_load_verify_locations(l->tls, l->settings->ca, NULL) == 1, CELLA_ERR_FORMAT,
           NULL, "%s: no certificates", l->settings->ca);
    return CELLA_SUCCESS;
}

static CELLA_RESULT open_client(struct load *l, struct client *c) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(l->settings->port)};
    char name[256] = "";
    int on = 1;
    size_t size = strcspn(l->settings->authority, ":");
    cella_copy(name, l->settings->authority, size < sizeof(name) ? size : 0);
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ENSURE(inet_pton(AF_INET, l->settings->address, &to.sin_addr) == 1 && c->fd >= 0 &&
               connect(c->fd, (struct sockaddr *)&to, sizeof(to)) == 0,
           CELLA_ERR_UNAVAILABLE, NULL, "cannot connect to %s:%u: %m", l->settings->address,
           l->settings->port);
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    c->ssl = SSL_new(l->tls);
    ENSURE(c->ssl && SSL_set_fd(c->ssl, c->fd) == 1 && SSL_set_tlsext_host_name(c->ssl, name) == 1,
           CELLA_ERR_MEMORY, NULL, "no memory for a connection");
    if (l->settings->ca) SSL_set1_host(c->ssl, name);
    ENSURE(SSL_connect(c->ssl) == 1, CELLA_ERR_PROTOCOL, NULL, "handshake: %s",
           ERR_reason_error_string(ERR_peek_last_error()));
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    ENSURE(fcntl(c->fd, F_SETFL, O_NONBLOCK) == 0 &&
               epoll_ctl(l->epoll, EPOLL_CTL_ADD, c->fd, &event) == 0,
           CELLA_ERR_IO, NULL, "cannot watch a connection: %m");
    c->next = l->free;
    l->free = c;
    return CELLA_SUCCESS;
}

/* --- Requests --- */

static CELLA_RESULT note(struct load *l, const struct client *c, int status) {
    uint64_t us = (now_ns() - c->due_ns) / 1000;
    if (l->latency_count == l->latency_room) {
        size_t room = l->latency_room ? 2 * l->latency_room : 1 << 16;
        uint32_t *more = realloc(l->latency_us, room * sizeof(*more));
        ENSURE(more, CELLA_ERR_MEMORY, NULL, "no memory for %zu times", room);
        l->latency_us = more;
        l->latency_room = room;
    }
    l->latency_us[l->latency_count++] = us < UINT32_MAX ? (uint32_t)us : UINT32_MAX;
    l->result.requests++;
    if (status == (l->settings->status ? l->settings->status : 200)) return CELLA_SUCCESS;
    l->result.failures++;
    l->result.failed_status = status;
    return CELLA_SUCCESS;
}

static CELLA_RESULT watch(struct load *l, struct client *c, uint32_t events) {
    struct epoll_event event = {.events = events, .data.ptr = c};
    ENSURE(epoll_ctl(l->epoll, EPOLL_CTL_MOD, c->fd, &event) == 0, CELLA_ERR_IO, NULL,
           "cannot watch a connection: %m");
    return CELLA_SUCCESS;
}

static CELLA_RESULT send_on(struct load *l, struct client *c) {
    while (c->sent < c->request->size) {
        int done = SSL_write(c->ssl, c->request->data + c->sent, (int)(c->request->size - c->sent));
        if (done > 0) {
            c->sent += (size_t)done;
            if (c->sent == c->request->size) return watch(l, c, EPOLLIN);
            continue;
        }
        ENSURE(SSL_get_error(c->ssl, done) == SSL_ERROR_WANT_WRITE, CELLA_ERR_PROTOCOL, NULL,
               "the server ended a connection while a request was sent");
        return watch(l, c, EPOLLIN | EPOLLOUT);
    }
    return CELLA_SUCCESS;
}

static CELLA_RESULT begin(struct load *l, struct client *c, uint64_t due_ns) {
    c->busy = true;
    c->due_ns = due_ns;
    c->sent = c->size = c->whole = 0;
    c->request = &l->request[l->turn++ % l->request_count];
    l->begun++;
    l->busy++;
    int done = SSL_write(c->ssl, c->request->data, (int)c->request->size);
    if (done == (int)c->request->size) {
        c->sent = c->request->size;
        return CELLA_SUCCESS;
    }
    if (done > 0) c->sent = (size_t)done;
    return send_on(l, c);
}

static bool over(const struct load *l) {
    const struct load_settings *s = l->settings;
    return now_ns() >= l->end_ns || (s->requests_max && l->begun >= s->requests_max);
}

/* --- Answers --- */

static CELLA_RESULT read_head(struct client *c) {
    const uint8_t *end = memmem(c->in, c->size, "\r\n\r\n", 4);
    if (!end) return CELLA_SUCCESS;
    size_t head = (size_t)(end - c->in) + 4, length = 0;
    for (const char *line = (const char *)c->in; line < (const char *)end;) {
        const char *next = memchr(line, '\n', (size_t)((const char *)end + 2 - line));
        if (!next) break;
        if (strncasecmp(line, "Content-Length:", 15) == 0) length = strtoul(line + 15, NULL, 10);
        line = next + 1;
    }
    c->whole = head + length;
    ENSURE(c->whole <= ANSWER_MAX, CELLA_ERR_LIMIT, NULL, "an answer of %zu bytes", c->whole);
    return CELLA_SUCCESS;
}

static CELLA_RESULT finish(struct load *l, struct client *c) {
    ENSURE(c->size == c->whole && c->size > 12, CELLA_ERR_PROTOCOL, NULL,
           "more bytes than the answer");
    TRY(note(l, c, atoi((const char *)c->in + 9)));
    c->busy = false;
    l->busy--;
    if (l->settings->rate <= 0 && !over(l)) return begin(l, c, now_ns());
    c->next = l->free;
    l->free = c;
    return CELLA_SUCCESS;
}

static CELLA_RESULT receive(struct load *l, struct client *c) {
    do {
        if (c->size + 4096 > c->capacity) {
            c->capacity = c->capacity ? 2 * c->capacity : 16384;
            c->in = realloc(c->in, c->capacity);
            ENSURE(c->in && c->capacity <= 4 * ANSWER_MAX, CELLA_ERR_MEMORY, NULL, "no memory");
        }
        int got = SSL_read(c->ssl, c->in + c->size, (int)(c->capacity - c->size - 1));
        if (got <= 0) {
            int why = SSL_get_error(c->ssl, got);
            ENSURE(why == SSL_ERROR_WANT_READ, CELLA_ERR_PROTOCOL, NULL,
                   "the server ended a connection");
            return CELLA_SUCCESS;
        }
        c->size += (size_t)got;
        c->in[c->size] = 0;
        if (!c->whole) TRY(read_head(c));
        if (c->whole && c->size >= c->whole) return finish(l, c);
    } while (SSL_has_pending(c->ssl));
    return CELLA_SUCCESS;
}

/* --- The loop --- */

static CELLA_RESULT start_due(struct load *l) {
    double rate = l->settings->rate;
    while (l->free && !over(l)) {
        uint64_t due = now_ns();
        if (rate > 0) {
            uint64_t next = l->start_ns + (uint64_t)((double)l->begun * 1e9 / rate);
            if (next > due) return CELLA_SUCCESS;
            due = next;
        }
        struct client *c = l->free;
        l->free = c->next;
        TRY(begin(l, c, due));
    }
    return CELLA_SUCCESS;
}

static int pause_ms(const struct load *l) {
    if (l->settings->rate <= 0 || !l->free) return 100;
    uint64_t next = l->start_ns + (uint64_t)((double)l->begun * 1e9 / l->settings->rate),
             now = now_ns();
    uint64_t ms = next > now ? (next - now) / 1000000 : 0;
    return ms < 100 ? (int)ms : 100;
}

static CELLA_RESULT loop(struct load *l) {
    struct epoll_event event[EVENTS];
    l->start_ns = now_ns();
    double seconds = l->settings->seconds > 0 ? l->settings->seconds : 5;
    l->end_ns = l->start_ns + (uint64_t)(seconds * 1e9);
    uint64_t give_up = l->end_ns + 10000000000;
    while (!over(l) || l->busy > 0) {
        TRY(start_due(l));
        int count = epoll_wait(l->epoll, event, EVENTS, pause_ms(l));
        for (int i = 0; i < count; i++) {
            struct client *c = event[i].data.ptr;
            if (c->busy && (event[i].events & EPOLLOUT)) TRY(send_on(l, c));
            if (event[i].events & ~(uint32_t)EPOLLOUT) TRY(receive(l, c));
        }
        ENSURE(now_ns() < give_up, CELLA_ERR_UNAVAILABLE, NULL, "%llu requests without an answer",
               (unsigned long long)l->busy);
    }
    l->result.seconds = (double)(now_ns() - l->start_ns) / 1e9;
    return CELLA_SUCCESS;
}

static int by_size(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static void summarise(struct load *l) {
    struct load_result *r = &l->result;
    size_t n = l->latency_count;
    r->per_second = (double)r->requests / r->seconds;
    if (!n) return;
    qsort(l->latency_us, n, sizeof(*l->latency_us), by_size);
    r->p50_us = l->latency_us[n / 2];
    r->p99_us = l->latency_us[n * 99 / 100];
    r->max_us = l->latency_us[n - 1];
}

static CELLA_RESULT run(struct load *l, unsigned connections) {
    TRY(make_requests(l));
    TRY(make_tls(l));
    l->epoll = epoll_create1(EPOLL_CLOEXEC);
    l->client = calloc(connections, sizeof(*l->client));
    ENSURE(l->client && l->epoll >= 0, CELLA_ERR_MEMORY, NULL, "no memory for connections");
    for (unsigned i = 0; i < connections; i++) TRY(open_client(l, &l->client[i]));
    TRY(loop(l));
    summarise(l);
    return CELLA_SUCCESS;
}

CELLA_RESULT load_run(const struct load_settings *settings, struct load_result *out) {
    struct load l = {.settings = settings, .epoll = -1};
    unsigned connections = settings->connections ? settings->connections : 1;
    struct cella_result r = run(&l, connections);
    *out = l.result;
    for (unsigned i = 0; l.client && i < connections; i++) {
        if (l.client[i].fd > 0) close(l.client[i].fd);
        SSL_free(l.client[i].ssl);
        free(l.client[i].in);
    }
    for (size_t i = 0; l.request && i < l.request_count; i++) cella_buffer_free(&l.request[i]);
    free(l.request);
    free(l.client);
    free(l.latency_us);
    SSL_CTX_free(l.tls);
    if (l.epoll >= 0) close(l.epoll);
    return r;
}
