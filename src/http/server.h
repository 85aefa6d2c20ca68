/* The HTTPS server of every service: HTTP/1.1 with keep-alive over TLS 1.3, and nothing in plain
 * text or HTTP/2.
 *
 * One handler answers each request at once, in the server's thread, from memory; what takes longer
 * will need another door. Limits are the server's: a request over them never reaches the handler
 * (threats.md A37 for what it costs others). Behind this header stands libh2o; no other part sees
 * it. */
#ifndef CELLA_HTTP_SERVER_H
#define CELLA_HTTP_SERVER_H

#include <cella/bytes.h>
#include <cella/result.h>
#include <stdint.h>

#include "base/buffer.h"

struct cella_http_request {
    struct cella_bytes method, target; /* as they came */
    struct cella_bytes body;
};
enum { CELLA_HTTP_HEADERS = 8 };

/* What the handler fills in; it starts as status 0, which is sent as 500. */
struct cella_http_response {
    int status;
    const char *content_type; /* static */
    struct cella_bytes body;  /* must stay as it is while the server runs, or lie in `text` */
    struct cella_buffer text; /* owned: room for what the handler makes; the server frees it */
    size_t header_count;
    struct {
        const char *name;  /* static, in the case to be sent */
        const char *value; /* lives as the body does */
    } header[CELLA_HTTP_HEADERS];
};
typedef void cella_http_handler(void *context, const struct cella_http_request *request,
                                struct cella_http_response *response);
/* A header more; beyond CELLA_HTTP_HEADERS it is left out. */
void cella_http_header(struct cella_http_response *response, const char *name, const char *value);

struct cella_http_settings {
    const char *listen; /* "ADDRESS:PORT", numeric; [::1]:8081 for IPv6; port 0: any free one */
    struct cella_bytes certificate, key; /* PEM: chain, leaf first; private key */
    cella_http_handler *handler;
    void *context;
    /* 0: the default in brackets */
    uint32_t header_max;     /* bytes of request line and headers [16384]; more is 431 */
    uint32_t body_max;       /* bytes [0]; more is 413 */
    uint32_t request_ms;     /* to receive a whole request, and to sit idle [10000] */
    uint32_t connection_max; /* [1024]; more wait in the kernel's queue */
    uint32_t drain_ms;       /* for requests under way when told to stop [5000] */
};

struct cella_http_server;
/* Binds and listens. The settings' texts must live as long as the server. */
CELLA_RESULT cella_http_server_new(const struct cella_http_settings *settings,
                                   struct cella_http_server **out);
void cella_http_server_free(struct cella_http_server **server);
#define CELLA_HTTP_SERVER                                                                          \
    __attribute__((cleanup(cella_http_server_free))) struct cella_http_server *
uint16_t cella_http_server_port(const struct cella_http_server *server);
/* Serves until stop_fd becomes readable; then no connection more is taken, and requests under way
 * are answered within drain_ms. Once in a process: what libh2o
 * allocated stays until it ends. */
CELLA_RESULT cella_http_server_run(struct cella_http_server *server, int stop_fd);

/* A self-signed certificate for localhost, 127.0.0.1 and ::1, and its key, in PEM, for a year.
 * Insecure: nobody vouches for it; for development, where a client is given this very certificate.
 */
CELLA_RESULT cella_http_insecure_certificate(struct cella_buffer *certificate,
                                             struct cella_buffer *key);

#endif
