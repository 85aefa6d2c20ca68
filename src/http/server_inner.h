/* The server's parts: sites that listen, workers that serve, connections. For files of the http
 * part.
 *
 * A connection belongs to one worker and is touched by its thread alone. What workers share is
 * atomic (count), or under a lock (certificates, peers, a worker's inbox). */
#ifndef CELLA_HTTP_SERVER_INNER_H
#define CELLA_HTTP_SERVER_INNER_H

#include <openssl/ssl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>

#include "http/message.h"
#include "http/peers.h"
#include "http/server.h"

enum {
    CELLA_HTTP_ID = 37, /* a GUID and its NUL */
    CELLA_HTTP_IDS = 64,
    CELLA_HTTP_PEER = 48,
    CELLA_HTTP_DATE = 32,
    CELLA_HTTP_CLASSES = 6, /* of statuses: 1xx .. 5xx */
};

struct site {
    struct cella_http_server *server;
    struct cella_http_site given;
    int fd;
    uint16_t port;
    pthread_mutex_t lock; /* of tls */
    SSL_CTX *tls;         /* owned; replaced whole */
    struct cella_metric *requests[CELLA_HTTP_CLASSES], *seconds;
};

enum state { HANDSHAKE, READING, WRITING, LINGERING };

struct connection {
    struct connection *next, **back; /* of the worker's */
    struct connection *ready;        /* of those to go on with at once */
    struct worker *worker;
    struct site *site;
    SSL *ssl;
    uint64_t deadline_ms;
    int fd;
    uint32_t events; /* that epoll tells */
    uint8_t state;
    uint32_t updates; /* of TLS keys, within this request */
    bool fresh;       /* not read from since epoll told */
    bool waiting;     /* in the list of those to go on with */
    bool last;        /* ends after the answer */
    bool framed;      /* the head of the request in `in` was read, and says how long it is: */
    bool chunked;
    size_t head_size, body_size;
    struct cella_http_scan scan;
    struct cella_http_chunks chunks;
    struct cella_buffer in;  /* owned: empty while idle */
    struct cella_buffer out; /* owned: of an answer, what the client did not take yet */
    size_t out_from;
    size_t held; /* of both, what is counted in the server's */
    struct cella_http_peer peer;
    char peer_text[CELLA_HTTP_PEER];
};

struct worker {
    struct cella_http_server *server;
    pthread_t thread;
    unsigned index;
    int epoll, wake;
    uint64_t now_ms;
    struct connection *connections, *ready;
    _Atomic uint32_t count;
    bool listening, draining;
    pthread_mutex_t lock; /* of the inbox */
    struct inbox {
        struct inbox *next;
        struct site *site;
        struct cella_http_peer peer;
        struct sockaddr_storage address;
        socklen_t address_size;
        int fd;
    } * inbox;
    /* Of the request at hand. */
    struct cella_http_message message;
    struct cella_buffer out; /* owned: kept from answer to answer */
    uint8_t random[16 * CELLA_HTTP_IDS];
    size_t random_left;
    uint64_t date_unix;
    char date[CELLA_HTTP_DATE];
};

struct cella_http_server {
    struct cella_http_settings settings;
    struct site site[CELLA_HTTP_SITES];
    struct worker *worker; /* owned */
    struct cella_http_peers *peers;
    _Atomic uint32_t count; /* of connections, all workers' */
    _Atomic size_t held;    /* bytes of large requests and answers, all connections' */
    atomic_bool told, stopping, running;
    int stop_fd;
    uint64_t stopped_ms;
    struct cella_metric *connections, *accepted, *received, *sent, *too_many, *timeouts,
        *handshakes, *malformed, *unlogged;
};

/* connection.c */
/* Takes the descriptor over. */
void cella_http_connection_open(struct worker *worker, const struct inbox *entry);
void cella_http_connection_close(struct connection *c);
void cella_http_connection_end(
    struct connection *c); /* the same, with an end that an idle one sees */
/* Goes on as far as it can; may close it. */
void cella_http_connection_drive(struct connection *c);
/* Its time is up. */
void cella_http_connection_expire(struct connection *c);
bool cella_http_connection_idle(const struct connection *c);

/* answer.c: the answer to the request that is whole in c->in, or a refusal, in worker->out; and
 * what is counted and logged of it. */
bool cella_http_answer(struct connection *c, struct cella_bytes body);
bool cella_http_refuse(struct connection *c, struct cella_http_refusal refusal);

/* worker.c */
CELLA_RESULT cella_http_worker_open(struct cella_http_server *server, unsigned index);
void cella_http_worker_close(struct worker *worker);
void cella_http_worker_run(struct worker *worker);
void cella_http_worker_stop_all(struct worker *any);
/* A connection of this worker, or one that did not become one, is gone. */
void cella_http_worker_leave(struct worker *worker, const struct cella_http_peer *peer);
uint64_t cella_http_now_ns(void);

#endif
