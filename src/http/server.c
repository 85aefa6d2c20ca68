#include "http/server.h"

#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "http/server_inner.h"
#include "http/tls.h"

enum { BACKLOG = 1024, WORKERS_MAX = 256, SPARE_DESCRIPTORS = 128 };

static void defaults(struct cella_http_settings *s) {
    if (!s->workers) s->workers = 1;
    if (!s->header_max) s->header_max = 16384;
    if (!s->request_ms) s->request_ms = 10000;
    if (!s->idle_ms) s->idle_ms = 3 * s->request_ms;
    if (!s->connection_max) s->connection_max = 4096;
    if (!s->peer_max) s->peer_max = s->connection_max;
    if (!s->memory_max) s->memory_max = UINT64_C(256) << 20;
    if (!s->drain_ms) s->drain_ms = 5000;
}

/* --- Listening --- */

static void free_addresses(struct addrinfo **list) {
    if (*list) freeaddrinfo(*list);
}

static CELLA_RESULT resolve(const char *listen, struct addrinfo **out) {
    char host[64] = "";
    const char *colon = strrchr(listen, ':'), *from = listen;
    size_t size = colon ? (size_t)(colon - listen) : 0;
    if (size >= 2 && listen[0] == '[' && listen[size - 1] == ']') {
        from++;
        size -= 2;
    }
    struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
                             .ai_socktype = SOCK_STREAM};
    bool good = colon && size > 0 && size < sizeof(host) && colon[1];
    cella_copy(host, from, good ? size : 0);
    ENSURE(good && getaddrinfo(host, colon + 1, &hints, out) == 0, CELLA_ERR_USAGE,
           "for example 127.0.0.1:8081 or [::1]:8081",
           "expected a numeric address and a port to listen on, found '%s'", listen);
    return CELLA_SUCCESS;
}

static CELLA_RESULT bind_listener(struct site *site) {
    __attribute__((cleanup(free_addresses))) struct addrinfo *list = NULL;
    struct sockaddr_storage bound = {0};
    socklen_t size = sizeof(bound);
    int on = 1;
    const char *listen_at = site->given.listen;
    TRY(resolve(listen_at, &list));
    site->fd = socket(list->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    ENSURE(site->fd >= 0, CELLA_ERR_IO, NULL, "no socket to listen on: %m");
    setsockopt(site->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    ENSURE(bind(site->fd, list->ai_addr, list->ai_addrlen) == 0 && listen(site->fd, BACKLOG) == 0,
           CELLA_ERR_IO, "is another server there? choose another address or port",
           "cannot listen on %s: %m", listen_at);
    char port[8] = "";
    ENSURE(getsockname(site->fd, (struct sockaddr *)&bound, &size) == 0 &&
               getnameinfo((struct sockaddr *)&bound, size, NULL, 0, port, sizeof(port),
                           NI_NUMERICSERV) == 0,
           CELLA_ERR_IO, NULL, "cannot tell the port of %s: %m", listen_at);
    site->port = (uint16_t)strtoul(port, NULL, 10);
    return CELLA_SUCCESS;
}

/* --- Metrics --- */

static void add_site_metrics(struct cella_metrics *metrics, struct site *site) {
    char labels[96];
    for (unsigned i = 1; i < CELLA_HTTP_CLASSES; i++) {
        snprintf(labels, sizeof(labels), "site=\"%.40s\",class=\"%uxx\"", site->given.name, i);
        site->requests[i] =
            cella_metrics_add(metrics, CELLA_METRIC_COUNTER, "cella_http_requests_total", labels,
                              "Requests answered, by site and class of status.");
    }
    snprintf(labels, sizeof(labels), "site=\"%.40s\"", site->given.name);
    site->seconds = cella_metrics_add(metrics, CELLA_METRIC_SECONDS, "cella_http_request_seconds",
                                      labels, "Time from a whole request to its answer.");
}

static void add_metrics(struct cella_http_server *s) {
    struct cella_metrics *m = s->settings.metrics;
    for (size_t i = 0; i < s->settings.site_count; i++) {
        struct site *site = &s->site[i], *same = NULL;
        for (size_t k = 0; k < i && !same; k++) /* sites of one name are counted together */
            if (strcmp(s->site[k].given.name, site->given.name) == 0) same = &s->site[k];
        if (!same) {
            add_site_metrics(m, site);
            continue;
        }
        memcpy(site->requests, same->requests, sizeof(site->requests));
        site->seconds = same->seconds;
    }
    const struct {
        struct cella_metric **metric;
        enum cella_metric_kind kind;
        const char *name, *labels, *help;
    } rows[] = {
        {&s->connections, CELLA_METRIC_GAUGE, "cella_http_connections", "", "Connections open."},
        {&s->accepted, CELLA_METRIC_COUNTER, "cella_http_connections_total", "",
         "Connections taken."},
        {&s->received, CELLA_METRIC_COUNTER, "cella_http_received_bytes_total", "",
         "Bytes received, within TLS."},
        {&s->sent, CELLA_METRIC_COUNTER, "cella_http_sent_bytes_total", "",
         "Bytes sent, within TLS."},
        {&s->too_many, CELLA_METRIC_COUNTER, "cella_http_refused_total", "why=\"peer\"",
         "Connections and requests refused by the server itself."},
        {&s->handshakes, CELLA_METRIC_COUNTER, "cella_http_refused_total", "why=\"handshake\"", ""},
        {&s->timeouts, CELLA_METRIC_COUNTER, "cella_http_refused_total", "why=\"time\"", ""},
        {&s->malformed, CELLA_METRIC_COUNTER, "cella_http_refused_total", "why=\"malformed\"", ""},
        {&s->unlogged, CELLA_METRIC_COUNTER, "cella_http_unlogged_total", "",
         "Lines that the access log did not take."},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        *rows[i].metric =
            cella_metrics_add(m, rows[i].kind, rows[i].name, rows[i].labels, rows[i].help);
}

/* --- Life --- */

static CELLA_RESULT check(const struct cella_http_settings *s) {
    ENSURE(s->site_count > 0 && s->site_count <= CELLA_HTTP_SITES, CELLA_ERR_USAGE, NULL,
           "expected 1 to %d sites, found %zu", CELLA_HTTP_SITES, s->site_count);
    ENSURE(s->workers <= WORKERS_MAX, CELLA_ERR_LIMIT, NULL, "expected up to %d workers, found %u",
           WORKERS_MAX, s->workers);
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_http_server_new(const struct cella_http_settings *settings,
                                   struct cella_http_server **out) {
    *out = NULL;
    TRY(check(settings));
    CELLA_HTTP_SERVER server = calloc(1, sizeof(*server));
    ENSURE(server, CELLA_ERR_MEMORY, NULL, "no memory for a server");
    server->settings = *settings;
    defaults(&server->settings);
    for (size_t i = 0; i < settings->site_count; i++) {
        server->site[i].given = settings->site[i];
        server->site[i].server = server;
        server->site[i].fd = -1;
        pthread_mutex_init(&server->site[i].lock, NULL);
    }
    TRY(cella_http_peers_new(server->settings.peer_max, &server->peers));
    for (size_t i = 0; i < settings->site_count; i++) {
        struct site *site = &server->site[i];
        TRY_IN(cella_http_tls_new(site->given.certificate, site->given.key, settings->tls12,
                                  &site->tls),
               "site %s", site->given.name);
        TRY(bind_listener(site));
    }
    add_metrics(server);
    *out = server;
    server = NULL;
    return CELLA_SUCCESS;
}

uint16_t cella_http_server_port(const struct cella_http_server *server, size_t site) {
    return site < server->settings.site_count ? server->site[site].port : 0;
}

CELLA_RESULT cella_http_server_certify(struct cella_http_server *server, size_t site,
                                       struct cella_bytes certificate, struct cella_bytes key) {
    SSL_CTX *made = NULL;
    ENSURE(site < server->settings.site_count, CELLA_ERR_USAGE, NULL, "there is no site %zu", site);
    struct site *s = &server->site[site];
    TRY_IN(cella_http_tls_new(certificate, key, server->settings.tls12, &made), "site %s",
           s->given.name);
    pthread_mutex_lock(&s->lock);
    SSL_CTX *old = s->tls;
    s->tls = made;
    pthread_mutex_unlock(&s->lock);
    SSL_CTX_free(old); /* connections that have it hold it */
    return CELLA_SUCCESS;
}

void cella_http_server_free(struct cella_http_server **server) {
    struct cella_http_server *s = *server;
    if (!s) return;
    for (size_t i = 0; i < s->settings.site_count; i++) {
        cella_fd_close(&s->site[i].fd);
        SSL_CTX_free(s->site[i].tls);
        pthread_mutex_destroy(&s->site[i].lock);
    }
    cella_http_peers_free(&s->peers);
    free(s);
    *server = NULL;
}

/* --- Running --- */

static void raise_limit(const struct cella_http_settings *s) {
    struct rlimit limit;
    rlim_t wanted = (rlim_t)s->connection_max + SPARE_DESCRIPTORS;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted) return;
    limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur < wanted)
        cella_log(CELLA_LOG_WARN,
                  "http: %u connections are allowed, but only %llu descriptors; raise `ulimit -n`",
                  s->connection_max, (unsigned long long)limit.rlim_cur);
}

static void *run_worker(void *data) {
    cella_http_worker_run(data);
    return NULL;
}

static CELLA_RESULT run_all(struct cella_http_server *server, uint32_t *started) {
    sigset_t all, before;
    uint32_t count = server->settings.workers;
    for (uint32_t i = 0; i < count; i++) TRY(cella_http_worker_open(server, i));
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are the calling thread's matter */
    for (*started = 1; *started < count; ++*started) {
        struct worker *w = &server->worker[*started];
        if (pthread_create(&w->thread, NULL, run_worker, w) != 0) break;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (*started < count) cella_http_worker_stop_all(&server->worker[0]);
    ENSURE(*started == count, CELLA_ERR_UNAVAILABLE, "ask for fewer workers",
           "expected %u threads, could start %u", count, *started);
    cella_http_worker_run(&server->worker[0]);
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_http_server_run(struct cella_http_server *server, int stop_fd) {
    uint32_t started = 0, count = server->settings.workers;
    ENSURE(!atomic_exchange(&server->running, true), CELLA_ERR_USAGE, NULL, "a server runs once");
    server->worker = calloc(count, sizeof(*server->worker));
    ENSURE(server->worker, CELLA_ERR_MEMORY, NULL, "no memory for %u workers", count);
    for (uint32_t i = 0; i < count; i++) server->worker[i].epoll = server->worker[i].wake = -1;
    server->stop_fd = stop_fd;
    signal(SIGPIPE, SIG_IGN);
    raise_limit(&server->settings);
    struct cella_result r = run_all(server, &started);
    for (uint32_t i = 1; i < started; i++) pthread_join(server->worker[i].thread, NULL);
    for (uint32_t i = 0; i < count; i++) cella_http_worker_close(&server->worker[i]);
    free(server->worker);
    server->worker = NULL;
    return r;
}
