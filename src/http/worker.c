/* A thread's loop: it takes connections, hands each to the worker with the fewest, drives its own,
 * and ends those whose time is up. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "http/server_inner.h"

enum {
    EVENTS = 64,
    ACCEPT_BURST = 16,
    TICK_MS = 100,
    GRACE_MS = 200, /* when stopping: what was on its way to an idle connection has come by then */
};

/* --- What epoll tells: a connection, or one of these --- */

static bool is_site(const struct worker *w, const void *data) {
    const struct site *site = data, *first = w->server->site;
    return (uintptr_t)site >= (uintptr_t)first &&
           (uintptr_t)site < (uintptr_t)(first + CELLA_HTTP_SITES);
}

static CELLA_RESULT add(struct worker *w, int fd, uint32_t events, void *data) {
    struct epoll_event event = {.events = events, .data.ptr = data};
    ENSURE(epoll_ctl(w->epoll, EPOLL_CTL_ADD, fd, &event) == 0, CELLA_ERR_IO, NULL,
           "cannot watch a descriptor: %m");
    return CELLA_SUCCESS;
}

/* Exclusive: one worker wakes for a connection, not all. */
static void listen_again(struct worker *w) {
    w->listening = true;
    for (size_t i = 0; i < w->server->settings.site_count; i++) {
        struct site *site = &w->server->site[i];
        struct cella_result r = add(w, site->fd, EPOLLIN | EPOLLEXCLUSIVE, site);
        if (cella_failed(r)) w->listening = false; /* and again at the next tick */
        cella_result_drop(r);
    }
}

static void listen_no_more(struct worker *w) {
    w->listening = false;
    for (size_t i = 0; i < w->server->settings.site_count; i++)
        epoll_ctl(w->epoll, EPOLL_CTL_DEL, w->server->site[i].fd, NULL);
}

/* --- Connections that come --- */

static void wake(struct worker *w) {
    uint64_t one = 1;
    if (write(w->wake, &one, sizeof(one)) != sizeof(one)) return; /* full: it wakes anyway */
}

void cella_http_worker_leave(struct worker *w, const struct cella_http_peer *peer) {
    cella_http_peers_leave(w->server->peers, peer);
    atomic_fetch_sub(&w->count, 1);
    atomic_fetch_sub(&w->server->count, 1);
    cella_metric_count(w->server->connections, (uint64_t)-1);
}

static struct worker *least_busy(struct worker *w) {
    struct cella_http_server *server = w->server;
    struct worker *best = w;
    for (uint32_t i = 0; i < server->settings.workers; i++)
        if (atomic_load(&server->worker[i].count) < atomic_load(&best->count))
            best = &server->worker[i];
    return best;
}

static void hand_over(struct worker *w, const struct inbox *entry) {
    struct worker *to = least_busy(w);
    atomic_fetch_add(&to->count, 1);
    atomic_fetch_add(&w->server->count, 1);
    cella_metric_count(w->server->accepted, 1);
    cella_metric_count(w->server->connections, 1);
    if (to == w) return cella_http_connection_open(w, entry);
    struct inbox *copy = malloc(sizeof(*copy));
    if (!copy) {
        close(entry->fd);
        return cella_http_worker_leave(to, &entry->peer);
    }
    *copy = *entry;
    pthread_mutex_lock(&to->lock);
    copy->next = to->inbox;
    to->inbox = copy;
    pthread_mutex_unlock(&to->lock);
    wake(to);
}

static void take_inbox(struct worker *w) {
    uint64_t unused;
    if (read(w->wake, &unused, sizeof(unused)) < 0) { /* somebody woke it twice, and read once */
    }
    pthread_mutex_lock(&w->lock);
    struct inbox *entry = w->inbox;
    w->inbox = NULL;
    pthread_mutex_unlock(&w->lock);
    for (struct inbox *next; entry; entry = next) {
        next = entry->next;
        cella_http_connection_open(w, entry);
        free(entry);
    }
}

static bool take_one(struct worker *w, struct site *site) {
    struct inbox entry = {.site = site, .address_size = sizeof(entry.address)};
    int on = 1;
    entry.fd = accept4(site->fd, (struct sockaddr *)&entry.address, &entry.address_size,
                       SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (entry.fd < 0) {
        /* Out of descriptors: not again before a tick, so that the loop does not spin. */
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
            listen_no_more(w);
        return false;
    }
    entry.peer = cella_http_peer(&entry.address);
    if (!cella_http_peers_enter(w->server->peers, &entry.peer)) { /* K17 */
        cella_metric_count(w->server->too_many, 1);
        close(entry.fd);
        return true;
    }
    setsockopt(entry.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    hand_over(w, &entry);
    return true;
}

static bool full(const struct worker *w) {
    return atomic_load(&w->server->count) >= w->server->settings.connection_max;
}

static void take(struct worker *w, struct site *site) {
    for (int i = 0; i < ACCEPT_BURST; i++) {
        if (full(w)) return listen_no_more(w); /* the kernel's queue holds the rest */
        if (!take_one(w, site)) return;
    }
}

/* --- The end --- */

/* Whichever worker hears it first, for others may be at work. What waits in the kernel's queue is
 * still served, then nobody is taken. */
void cella_http_worker_stop_all(struct worker *w) {
    struct cella_http_server *server = w->server;
    if (atomic_exchange(&server->told, true)) return;
    server->stopped_ms = cella_http_now_ns() / 1000000;
    atomic_store(&server->stopping, true);
    for (size_t i = 0; i < server->settings.site_count; i++) {
        while (!full(w) && take_one(w, &server->site[i])) {}
        shutdown(server->site[i].fd, SHUT_RDWR);
    }
    for (uint32_t i = 0; i < server->settings.workers; i++) wake(&server->worker[i]);
}

static void start_to_drain(struct worker *w) {
    w->draining = true;
    epoll_ctl(w->epoll, EPOLL_CTL_DEL, w->server->stop_fd, NULL);
    listen_no_more(w);
}

static bool drained(struct worker *w) {
    uint32_t cut = 0;
    if (!w->draining) return false;
    uint64_t then = w->server->stopped_ms, since = w->now_ms > then ? w->now_ms - then : 0;
    if (since < GRACE_MS) return false;
    bool over = since >= w->server->settings.drain_ms;
    for (struct connection *c = w->connections, *next; c; c = next) {
        next = c->next;
        bool nothing_begun = cella_http_connection_idle(c) || c->state == HANDSHAKE;
        if (c->waiting || !(over || nothing_begun)) continue;
        cut += !nothing_begun && c->state != LINGERING;
        cella_http_connection_end(c);
    }
    if (cut) cella_log(CELLA_LOG_WARN, "http: %u connections cut off", cut);
    return atomic_load(&w->count) == 0 || over;
}

/* --- The loop --- */

static void expire(struct worker *w) {
    for (struct connection *c = w->connections, *next; c; c = next) {
        next = c->next;
        if (w->now_ms >= c->deadline_ms && !c->waiting) cella_http_connection_expire(c);
    }
    if (!w->listening && !w->draining && !full(w)) listen_again(w);
}

static void go_on(struct worker *w) {
    struct connection *c = w->ready;
    w->ready = NULL;
    for (struct connection *next; c; c = next) {
        next = c->ready;
        c->waiting = false;
        cella_http_connection_drive(c);
    }
}

static void dispatch(struct worker *w, const struct epoll_event *event) {
    void *data = event->data.ptr;
    if (data == w)
        take_inbox(w);
    else if (data == w->server)
        cella_http_worker_stop_all(w);
    else if (is_site(w, data))
        take(w, data);
    else if (!((struct connection *)data)->waiting) /* else its turn comes */
        cella_http_connection_drive(data);
}

void cella_http_worker_run(struct worker *w) {
    struct epoll_event event[EVENTS];
    uint64_t tick_ms = 0;
    do {
        bool asleep = !w->connections && w->listening && !w->draining;
        int count = epoll_wait(w->epoll, event, EVENTS, w->ready ? 0 : asleep ? -1 : TICK_MS);
        w->now_ms = cella_http_now_ns() / 1000000;
        for (int i = 0; i < count; i++) dispatch(w, &event[i]);
        go_on(w);
        if (atomic_load(&w->server->stopping) && !w->draining) start_to_drain(w);
        if (w->now_ms < tick_ms && !w->draining) continue;
        tick_ms = w->now_ms + TICK_MS;
        expire(w);
    } while (!drained(w));
}

CELLA_RESULT cella_http_worker_open(struct cella_http_server *server, unsigned index) {
    struct worker *w = &server->worker[index];
    *w = (struct worker){.server = server, .index = index, .epoll = -1, .wake = -1};
    pthread_mutex_init(&w->lock, NULL);
    w->epoll = epoll_create1(EPOLL_CLOEXEC);
    w->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    ENSURE(w->epoll >= 0 && w->wake >= 0, CELLA_ERR_IO, NULL, "no descriptor for a worker: %m");
    TRY(add(w, w->wake, EPOLLIN, w));
    TRY(add(w, server->stop_fd, EPOLLIN, server));
    listen_again(w);
    ENSURE(w->listening, CELLA_ERR_IO, NULL, "a worker cannot listen: %m");
    return CELLA_SUCCESS;
}

void cella_http_worker_close(struct worker *w) {
    while (w->connections) cella_http_connection_close(w->connections);
    take_inbox(w);
    while (w->connections) cella_http_connection_close(w->connections);
    cella_buffer_free(&w->out);
    cella_fd_close(&w->epoll);
    cella_fd_close(&w->wake);
    pthread_mutex_destroy(&w->lock);
}
