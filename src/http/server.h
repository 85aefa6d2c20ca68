/* The HTTPS server of every service: HTTP/1.1 with keep-alive over TLS 1.3, and nothing in plain
 * text or HTTP/2.
 *
 * A server has one or more sites, each an address with a certificate and a handler, and one worker
 * thread per processor that serves them all. A handler answers each request at once, in a worker's
 * thread; several run at the same time. It waits for no network. Limits are the server's: a request
 * over them never reaches the handler (A37, K16, K17). */
#ifndef CELLA_HTTP_SERVER_H
#define CELLA_HTTP_SERVER_H

#include <cella/bytes.h>
#include <cella/result.h>
#include <stdint.h>

#include "base/buffer.h"
#include "http/metrics.h"

struct cella_http_request {
    struct cella_bytes method, target; /* as they came */
    struct cella_bytes authority;      /* the Host header, as it came; exactly one (K16) */
    struct cella_bytes body;
    const char *id;     /* a GUID made for this request: sent back as x-ms-request-id, and logged */
    const char *peer;   /* numeric address of the client */
    unsigned worker;    /* 0 .. workers - 1: the thread that this is */
    const void *inside; /* of the server */
};
/* The value of a header that came once, name in lower case; of one that came more often nothing
 * (false). */
bool cella_http_request_header(const struct cella_http_request *request, const char *name,
                               struct cella_bytes *value);
enum { CELLA_HTTP_HEADERS = 12 };

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
    struct cella_buffer header_text; /* owned: room for values of headers */
    const char *note; /* static, or NULL: a word for the access log ("policy denied") */
};
typedef void cella_http_handler(void *context, const struct cella_http_request *request,
                                struct cella_http_response *response);
/* A header more; beyond CELLA_HTTP_HEADERS it is left out. */
void cella_http_header(struct cella_http_response *response, const char *name, const char *value);
/* The same with a value that is copied. */
void cella_http_header_copy(struct cella_http_response *response, const char *name,
                            struct cella_bytes value);

enum { CELLA_HTTP_SITES = 64 };
struct cella_http_site {
    const char *listen; /* "ADDRESS:PORT", numeric; [::1]:8081 for IPv6; port 0: any free one. Sites
                           with the same address must be one site: the handler tells hosts apart */
    const char *name;   /* of the access log and the metrics: "attest" */
    struct cella_bytes certificate, key; /* PEM: chain, leaf first; private key */
    cella_http_handler *handler;
    void *context;
    uint32_t body_max; /* bytes [0]; more is 413 */
};

struct cella_http_settings {
    const struct cella_http_site *site; /* copied; texts must live as long as the server */
    size_t site_count;
    /* 0: the default in brackets */
    uint32_t workers;        /* threads [1] */
    uint32_t header_max;     /* bytes of request line and headers [16384]; more is 431 */
    uint32_t request_ms;     /* for a handshake, a whole request, and to take an answer [10000] */
    uint32_t idle_ms;        /* to sit between requests [three times request_ms] */
    uint32_t connection_max; /* of all workers [4096]; more wait in the kernel's queue */
    uint32_t peer_max;       /* connections of one address, for IPv6 of one /64 [connection_max]
                                (K17) */
    uint64_t memory_max;     /* bytes of requests and answers under way that are larger than 64 KiB
                                [256 MiB]; more is 503 (K17) */
    uint32_t drain_ms;       /* for requests under way when told to stop [5000] */
    bool tls12;              /* also TLS 1.2, with ECDHE and AEAD alone (K18) */
    int access_log_fd;       /* [0: none] a line a request: no query, no header, no body (K11) */
    struct cella_metrics *metrics; /* or NULL */
};

struct cella_http_server;
/* Binds and listens. */
CELLA_RESULT cella_http_server_new(const struct cella_http_settings *settings,
                                   struct cella_http_server **out);
void cella_http_server_free(struct cella_http_server **server);
#define CELLA_HTTP_SERVER                                                                          \
    __attribute__((cleanup(cella_http_server_free))) struct cella_http_server *
uint16_t cella_http_server_port(const struct cella_http_server *server, size_t site);
/* Another certificate for the connections that come from now on; from any thread. What does not fit
 * is refused, and the old one stays. */
CELLA_RESULT cella_http_server_certify(struct cella_http_server *server, size_t site,
                                       struct cella_bytes certificate, struct cella_bytes key);
/* Serves until stop_fd becomes readable; then no connection more is taken, and requests under way
 * are answered within drain_ms. The calling thread is worker 0. Once for each server. SIGPIPE is
 * ignored from then on, and the limit on descriptors raised to what connection_max asks for. */
CELLA_RESULT cella_http_server_run(struct cella_http_server *server, int stop_fd);

/* A self-signed certificate for localhost, 127.0.0.1 and ::1, and its key, in PEM, for a year.
 * Insecure: nobody vouches for it; for development, where a client is given this very certificate.
 */
CELLA_RESULT cella_http_insecure_certificate(struct cella_buffer *certificate,
                                             struct cella_buffer *key);

#endif
