/* Inside an enclave: serving the calls of its host program. For programs linked with
 * libcella-enclave, whose image has `calls` in its manifest. <cella/enclave.h> is the other side.
 *
 * Nothing here believes the host: a message that breaks the format of calls ends the enclave (exit
 * status 125, a line on stderr says what). A host that does not answer, or never calls, keeps a
 * thread waiting and no more; when it ends, the platform ends the enclave.
 */
#ifndef CELLA_INSIDE_H
#define CELLA_INSIDE_H

#include <cella/result.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct cella_transport;
struct cella_slot;
struct cella_peer;

/* What an enclave serves. run is called on several threads at once, one per slot. */
struct cella_inside {
    struct cella_peer *peer;
    size_t (*run)(struct cella_peer *peer, struct cella_slot *slot, uint32_t function,
                  size_t request_size);
    /* Threads that serve, the calling one included; 0: as many as the image has. The others are
     * started once the host has come. */
    uint32_t threads;
    size_t stack_size; /* bytes of each further thread's stack, from the heap; 0: 256 KiB */
};

/* Serves until the host says goodbye: to be called by main, once. CELLA_ERR_UNAVAILABLE: no host
 * program made a ring (`cella run` starts enclaves without calls); CELLA_ERR_MEMORY: the heap is
 * too small for the threads. */
CELLA_RESULT cella_serve(const struct cella_inside *inside);

/* For generated code (sdk/transport.h): calls of the host from the thread that serves a call,
 * within that call. On any other thread its begin fails with CELLA_ERR_UNAVAILABLE. */
struct cella_transport *cella_inside_transport(void);
/* The enclave's own memory: what is wholly inside is private, what is wholly outside is the host's.
 * Known where a host program made a ring; CELLA_ERR_UNAVAILABLE elsewhere. */
CELLA_RESULT cella_inside_range(uint64_t *base, uint64_t *size);
/* The peer given to cella_serve(). */
struct cella_peer *cella_host_peer(void);

#ifdef __cplusplus
}
#endif

#endif
