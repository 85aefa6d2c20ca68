/* A load client for benchmarks: HTTPS with keep-alive over TLS 1.3, one thread, many connections.
 *
 * Without a rate each connection sends its next request when it has its answer. With a rate,
 * requests fall due at fixed times, and an answer's time counts from when its request was due: a
 * server that stalls does not make the client ask less. */
#ifndef CELLA_BENCH_LOAD_H
#define CELLA_BENCH_LOAD_H

#include <cella/bytes.h>
#include <cella/result.h>
#include <stdint.h>

struct load_settings {
    const char *address; /* numeric IPv4 */
    uint16_t port;
    const char *ca;        /* PEM file of the server's certificate or its root; NULL: not checked */
    const char *authority; /* Host, and the name of the handshake up to its ':' */
    const char *method, *target;
    /* Targets in place of one: a '#' of target stands for a number of 0 to spread - 1 in seven
     * digits, up to 20,000 of them, far from each other, in turn. 0: none. */
    unsigned spread;
    const char *headers;            /* more of them, each "Name: value\r\n"; or NULL */
    const struct cella_bytes *body; /* sent in turn; without any, no body is sent */
    size_t body_count;
    unsigned connections;  /* [1] */
    double seconds;        /* [5] */
    double rate;           /* requests a second over all connections; 0: as many as there can be */
    uint64_t requests_max; /* 0: no end but time */
    int status;            /* other answers are failures [200] */
};
struct load_result {
    uint64_t requests, failures; /* answers, among them those with another status */
    int failed_status;           /* of the last failure */
    double seconds, per_second;
    double p50_us, p99_us, max_us;
};
/* Fails when the server cannot be reached, or closes a connection without being asked to. */
CELLA_RESULT load_run(const struct load_settings *settings, struct load_result *out);

#endif
