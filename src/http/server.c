#include "http/server.h"

#include <h2o.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "http/tls.h"

enum { BACKLOG = 512, ACCEPT_BURST = 16, TICK_MS = 50 };

/* Of one client; found again from its socket, whose on_close holds it. */
struct connection {
    struct connection *next, **back;
    struct cella_http_server *server;
    struct site *site;
    h2o_socket_t *socket;
    size_t answered_at; /* bytes that had come when the last request was answered */
    bool answered;
};

struct handler {
    h2o_handler_t super; /* first: h2o gives it back */
    struct cella_http_server *server;
};

struct site {
    struct cella_http_server *server;
    struct cella_http_site given;
    int fd; /* -1 once the loop owns it */
    uint16_t port;
    SSL_CTX *tls;
    h2o_accept_ctx_t accept;
    h2o_socket_t *listener;
};

struct cella_http_server {
    struct cella_http_settings settings;
    struct site site[CELLA_HTTP_SITES];
    h2o_globalconf_t config;
    h2o_context_t context;
    h2o_socket_t *stop;
    struct connection *connections;
    uint32_t count, body_max;
    bool running, waiting, stopping;
};

void cella_http_header(struct cella_http_response *response, const char *name, const char *value) {
    if (response->header_count == CELLA_HTTP_HEADERS) return;
    response->header[response->header_count].name = name;
    response->header[response->header_count++].value = value;
}

void cella_http_header_copy(struct cella_http_response *response, const char *name,
                            struct cella_bytes value) {
    (void)response, (void)name, (void)value;
}

bool cella_http_request_header(const struct cella_http_request *request, const char *name,
                               struct cella_bytes *value) {
    const h2o_req_t *req = request->inside;
    bool found = false;
    *value = cella_bytes(NULL, 0);
    for (size_t i = 0; req && i < req->headers.size; i++) {
        const h2o_header_t *h = &req->headers.entries[i];
        if (h->name->len != strlen(name) || memcmp(h->name->base, name, h->name->len) != 0)
            continue;
        if (found) return false;
        *value = cella_bytes(h->value.base, h->value.len);
        found = true;
    }
    return found;
}

/* --- Requests --- */

static const char *phrase(int status) {
    switch (status) {
    case 200: return "OK";
    case 400: return "Bad Request";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 413: return "Content Too Large";
    case 431: return "Request Header Fields Too Large";
    case 503: return "Service Unavailable";
    default: return status < 400 ? "OK" : status < 500 ? "Bad Request" : "Internal Server Error";
    }
}

static size_t header_size(const h2o_req_t *req) {
    size_t size = req->input.method.len + req->input.path.len;
    for (size_t i = 0; i < req->headers.size; i++)
        size += req->headers.entries[i].name->len + req->headers.entries[i].value.len + 4;
    return size;
}

/* h2o wants names in lower case, and sends them as given beside. */
static void add_header(h2o_req_t *req, const char *name, const char *value) {
    size_t size = strlen(name);
    h2o_iovec_t lower = h2o_strdup(&req->pool, name, size),
                text = h2o_strdup(&req->pool, value, strlen(value));
    for (size_t i = 0; i < size; i++)
        if (lower.base[i] >= 'A' && lower.base[i] <= 'Z')
            lower.base[i] = (char)(lower.base[i] - 'A' + 'a');
    h2o_add_header_by_str(&req->pool, &req->res.headers, lower.base, size, 1, name, text.base,
                          text.len);
}

static void send_response(h2o_req_t *req, const struct cella_http_response *response) {
    int status = response->status ? response->status : 500;
    req->res.status = status;
    req->res.reason = phrase(status);
    struct cella_bytes body =
        response->body.size ? response->body : cella_buffer_bytes(&response->text);
    req->res.content_length = body.size;
    if (response->content_type) add_header(req, "Content-Type", response->content_type);
    for (size_t i = 0; i < response->header_count; i++)
        add_header(req, response->header[i].name, response->header[i].value);
    h2o_send_inline(req, (const char *)body.data, body.size);
}

static struct connection *connection_of(h2o_req_t *req) {
    h2o_socket_t *socket = req->conn->callbacks->get_socket(req->conn);
    return socket ? socket->on_close.data : NULL;
}

static int on_request(h2o_handler_t *super, h2o_req_t *req) {
    const struct cella_http_settings *s = &((struct handler *)super)->server->settings;
    struct connection *c = connection_of(req);
    if (!c) return -1;
    const struct cella_http_site *site = &c->site->given;
    struct cella_http_response response = {0};
    struct cella_http_request request = {
        .method = cella_bytes(req->input.method.base, req->input.method.len),
        .target = cella_bytes(req->input.path.base, req->input.path.len),
        .authority = cella_bytes(req->input.authority.base, req->input.authority.len),
        .body = cella_bytes(req->entity.base, req->entity.len),
        .id = "00000000-0000-4000-8000-000000000000",
        .peer = "",
        .inside = req,
    };
    c->answered = true;
    c->answered_at = c->socket->bytes_read;
    if (header_size(req) > s->header_max) {
        response.status = 431;
        req->http1_is_persistent = 0;
    } else if (request.body.size > site->body_max) {
        response.status = 413;
        req->http1_is_persistent = 0;
    } else {
        site->handler(site->context, &request, &response);
    }
    send_response(req, &response);
    cella_buffer_free(&response.text);
    cella_buffer_free(&response.header_text);
    return 0;
}

/* --- Connections --- */

static void on_accept(h2o_socket_t *listener, const char *error);

static void on_closed(void *data) {
    struct connection *c = data;
    struct cella_http_server *server = c->server;
    *c->back = c->next;
    if (c->next) c->next->back = c->back;
    free(c);
    server->count--;
    if (!server->waiting || server->stopping) return;
    server->waiting = false;
    for (size_t i = 0; i < server->settings.site_count; i++)
        h2o_socket_read_start(server->site[i].listener, on_accept);
}

static bool take_one(struct site *site) {
    struct cella_http_server *server = site->server;
    struct connection *c = NULL;
    h2o_socket_t *socket = h2o_evloop_socket_accept(site->listener);
    int on = 1;
    if (!socket) return false;
    c = calloc(1, sizeof(*c));
    if (!c) {
        h2o_socket_close(socket);
        return false;
    }
    setsockopt(h2o_socket_get_fd(socket), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    *c = (struct connection){.next = server->connections,
                             .back = &server->connections,
                             .server = server,
                             .site = site,
                             .socket = socket};
    if (c->next) c->next->back = &c->next;
    server->connections = c;
    server->count++;
    socket->on_close.cb = on_closed;
    socket->on_close.data = c;
    h2o_accept(&site->accept, socket);
    return true;
}

static void on_accept(h2o_socket_t *listener, const char *error) {
    struct site *site = listener->data;
    struct cella_http_server *server = site->server;
    if (error) return;
    for (int i = 0; i < ACCEPT_BURST && server->count < server->settings.connection_max; i++)
        if (!take_one(site)) return;
    if (server->count < server->settings.connection_max) return;
    server->waiting = true; /* the kernel's queue holds the rest until one closes */
    for (size_t i = 0; i < server->settings.site_count; i++)
        h2o_socket_read_stop(server->site[i].listener);
}

static void on_stop(h2o_socket_t *stop, const char *error) {
    struct cella_http_server *server = stop->data;
    (void)error;
    server->stopping = true;
    h2o_socket_read_stop(stop);
}

/* --- Life --- */

static void defaults(struct cella_http_settings *s) {
    if (!s->header_max) s->header_max = 16384;
    if (!s->request_ms) s->request_ms = 10000;
    if (!s->connection_max) s->connection_max = 1024;
    if (!s->drain_ms) s->drain_ms = 5000;
}

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

CELLA_RESULT cella_http_server_new(const struct cella_http_settings *settings,
                                   struct cella_http_server **out) {
    *out = NULL;
    CELLA_HTTP_SERVER server = calloc(1, sizeof(*server));
    ENSURE(server, CELLA_ERR_MEMORY, NULL, "no memory for a server");
    ENSURE(settings->site_count <= CELLA_HTTP_SITES, CELLA_ERR_LIMIT, NULL, "too many sites");
    for (size_t i = 0; i < CELLA_HTTP_SITES; i++) server->site[i].fd = -1;
    server->settings = *settings;
    defaults(&server->settings);
    for (size_t i = 0; i < settings->site_count; i++) {
        struct site *site = &server->site[i];
        site->given = settings->site[i];
        site->server = server;
        if (site->given.body_max > server->body_max) server->body_max = site->given.body_max;
        TRY(cella_http_tls_new(site->given.certificate, site->given.key, &site->tls));
        TRY(bind_listener(site));
    }
    *out = server;
    server = NULL;
    return CELLA_SUCCESS;
}

uint16_t cella_http_server_port(const struct cella_http_server *server, size_t site) {
    return server->site[site].port;
}

void cella_http_server_free(struct cella_http_server **server) {
    struct cella_http_server *s = *server;
    if (!s) return;
    for (size_t i = 0; i < s->settings.site_count; i++) {
        if (s->site[i].fd >= 0) close(s->site[i].fd);
        SSL_CTX_free(s->site[i].tls);
    }
    free(s);
    *server = NULL;
}

CELLA_RESULT cella_http_server_certify(struct cella_http_server *server, size_t site,
                                       struct cella_bytes certificate, struct cella_bytes key) {
    (void)server, (void)site, (void)certificate, (void)key;
    FAIL(CELLA_ERR_UNSUPPORTED, "start the server again", "certificates are read at start");
}

static void configure(struct cella_http_server *server) {
    h2o_config_init(&server->config);
    server->config.server_name = h2o_iovec_init(H2O_STRLIT("cella"));
    server->config.max_request_entity_size = server->body_max;
    server->config.handshake_timeout = server->settings.request_ms;
    server->config.http1.req_timeout = server->settings.request_ms;
    server->config.http1.upgrade_to_http2 = 0; /* and no ALPN is offered: HTTP/1.1 alone */
    h2o_hostconf_t *host =
        h2o_config_register_host(&server->config, h2o_iovec_init(H2O_STRLIT("default")), 65535);
    h2o_pathconf_t *path = h2o_config_register_path(host, "/", 0);
    struct handler *handler = (struct handler *)h2o_create_handler(path, sizeof(*handler));
    handler->super.on_req = on_request;
    handler->server = server;
    h2o_context_init(&server->context, h2o_evloop_create(), &server->config);
    for (size_t i = 0; i < server->settings.site_count; i++)
        server->site[i].accept = (h2o_accept_ctx_t){
            .ctx = &server->context, .hosts = server->config.hosts, .ssl_ctx = server->site[i].tls};
}

static h2o_socket_t *watch(struct cella_http_server *server, int fd, void *data,
                           h2o_socket_cb callback) {
    h2o_socket_t *socket =
        h2o_evloop_socket_create(server->context.loop, fd, H2O_SOCKET_FLAG_DONT_READ);
    socket->data = data;
    h2o_socket_read_start(socket, callback);
    return socket;
}

static uint64_t now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* Clients that have been answered and have sent nothing since get an end of stream; h2o then closes
 * theirs. */
static void close_idle(struct cella_http_server *server) {
    for (struct connection *c = server->connections; c; c = c->next)
        if (c->answered && c->socket->bytes_read == c->answered_at)
            shutdown(h2o_socket_get_fd(c->socket), SHUT_RD);
}

static void drain(struct cella_http_server *server) {
    uint64_t start = now_ms(), elapsed = 0;
    h2o_context_request_shutdown(&server->context); /* answers from now on say Connection: close */
    for (size_t i = 0; i < server->settings.site_count; i++)
        h2o_socket_close(server->site[i].listener);
    while (server->count > 0 && elapsed < server->settings.drain_ms) {
        if (elapsed >= 4 * TICK_MS) close_idle(server); /* what was on its way has come by then */
        h2o_evloop_run(server->context.loop, TICK_MS);
        elapsed = now_ms() - start;
    }
    if (server->count > 0) cella_log(CELLA_LOG_WARN, "http: %u connections cut off", server->count);
}

CELLA_RESULT cella_http_server_run(struct cella_http_server *server, int stop_fd) {
    CELLA_FD stop = dup(stop_fd);
    ENSURE(!server->running, CELLA_ERR_USAGE, NULL, "a server runs once");
    ENSURE(stop >= 0, CELLA_ERR_IO, NULL, "cannot watch for the end: %m");
    server->running = true;
    configure(server);
    for (size_t i = 0; i < server->settings.site_count; i++) {
        struct site *site = &server->site[i];
        site->listener = watch(server, MOVE_FD(site->fd), site, on_accept);
    }
    server->stop = watch(server, MOVE_FD(stop), server, on_stop);
    while (!server->stopping) h2o_evloop_run(server->context.loop, INT32_MAX);
    drain(server);
    h2o_socket_close(server->stop);
    /* h2o's context ends with the process: its disposal asserts that no timer is left, and there
     * are some. */
    return CELLA_SUCCESS;
}
