/* Enclaves as parts of a host program: create one from its image, call its functions, end it.
 *
 * The image's manifest has `calls` (docs/formats/manifest.md), its program is linked with
 * libcella-enclave and serves calls with cella_serve() (<cella/inside.h>). The functions
 * themselves, on both sides, are made from an interface file; they send their messages through the
 * transport below (docs/formats/calls.md).
 *
 * Threads: any thread may call any function of any enclave at any time; as many calls of one
 * enclave run at once as its image has threads. Calls that come while all are taken wait (or fail,
 * see busy_fails). A call back to the host (an ocall) runs on the host thread whose call it is part
 * of.
 */
#ifndef CELLA_ENCLAVE_H
#define CELLA_ENCLAVE_H

#include <cella/result.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct cella_enclave;
struct cella_transport;
struct cella_slot;
struct cella_peer;

/* All zeros is a good start: no mounts, no words, the caller's own standard streams. Everything
 * pointed to is read during cella_enclave_create() and stays the caller's; args, envs, request,
 * grants, grant, peer and log_context must stay until the enclave is destroyed. */
struct cella_enclave_settings {
    const char *const *mounts; /* "PATH=FOLDER", as `cella run --mount` */
    uint32_t mount_count;
    char *const *args; /* further arguments, where the image lets the host give some */
    uint32_t arg_count;
    char *const *envs; /* "NAME=VALUE", where the image lets the host set them */
    uint32_t env_count;
    const char *request;      /* file for the enclave's key request; NULL: none */
    const char *grants;       /* folder in which NAME.grant files appear; NULL: none */
    const char *const *grant; /* files of grants */
    uint32_t grant_count;
    const char *socket, *state; /* another platform than root's or the user's own; NULL */
    const char *cella;   /* the command that starts a platform where none runs; NULL: from PATH */
    bool no_start;       /* fail where no platform runs */
    bool busy_fails;     /* CELLA_ERR_UNAVAILABLE instead of waiting for a free slot */
    uint32_t timeout_ms; /* of each call, waiting for a slot included; 0: none */
    /* Lines that the enclave writes to its stderr, without their end, from a thread of the
     * library's; NULL: they go to this program's stderr. */
    void (*log)(void *log_context, const char *line, size_t size);
    void *log_context;
    /* What serves the enclave's calls of the host; NULL: it may call nothing. */
    struct cella_peer *peer;
    size_t (*serve)(struct cella_peer *peer, struct cella_slot *slot, uint32_t function,
                    size_t request_size);
};

/* How an enclave ended. */
struct cella_enclave_end {
    bool signalled;
    uint32_t status; /* exit status of its program, or the signal's number */
};

/* Starts an enclave and waits until it serves. Errors: CELLA_ERR_UNSUPPORTED: the image serves no
 * calls; CELLA_ERR_UNAVAILABLE: no platform, or the enclave ended before it served (its own words
 * say why, see log); and those of the platform, which measures and verifies the image. */
CELLA_RESULT cella_enclave_create(const char *image, const struct cella_enclave_settings *settings,
                                  struct cella_enclave **out);

/* For generated code (sdk/transport.h). Errors of its calls: CELLA_ERR_UNAVAILABLE: the enclave has
 * ended, is being destroyed, or all slots are taken and busy_fails is set; CELLA_ERR_EXPIRED: the
 * call took longer than timeout_ms (it may go on inside; its slot comes back when it ends);
 * CELLA_ERR_PROTOCOL: the enclave broke the format of calls and is not believed any more. */
struct cella_transport *cella_enclave_transport(struct cella_enclave *enclave);

/* What settings.peer was, for generated code. */
struct cella_peer *cella_enclave_peer(struct cella_enclave *enclave);

/* What a person or a debugger wants to know of it. */
struct cella_enclave_facts {
    int pid;             /* of its process, as the platform sees it */
    uint64_t program;    /* address of its first program, for a debugger's add-symbol-file -o */
    bool debug;          /* its memory is open: a debug image */
    bool memory_secret;  /* false: ordinary private memory, as its manifest allows */
    uint32_t threads;    /* calls that can run at once */
    size_t message_size; /* bytes of the longest message */
};
void cella_enclave_describe(const struct cella_enclave *enclave, struct cella_enclave_facts *out);

/* True until the enclave has ended, as far as is known. */
bool cella_enclave_alive(const struct cella_enclave *enclave);

/* Ends the enclave: calls under way in other threads are waited for as long as grace_ms says, then
 * fail with CELLA_ERR_UNAVAILABLE; an enclave whose calls have all ended leaves cella_serve() and
 * exits by itself, within grace_ms, or is killed. end: how it ended, may be NULL. No other call
 * with this enclave may begin or be waiting to begin. NULL is harmless. */
void cella_enclave_destroy(struct cella_enclave *enclave, uint32_t grace_ms,
                           struct cella_enclave_end *end);

#ifdef __cplusplus
}
#endif

#endif
