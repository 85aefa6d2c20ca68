/* Inside libcella's host side: an enclave and its ring. host.c has its life, host_calls.c its
 * calls.
 */
#ifndef CELLA_SDK_HOST_H
#define CELLA_SDK_HOST_H

#include <cella/enclave.h>
#include <pthread.h>

#include "abi/image.h"
#include "platform/hostimage.h"
#include "platform/hostrun.h"
#include "sdk/slot.h"
#include "sdk/transport.h"

struct cella_host_slot {
    struct cella_slot_end end;
    uint32_t depth;       /* calls of the host that have not come back */
    bool late;            /* the deadline passed: what still comes back is the reaper's */
    uint64_t deadline_ns; /* of the call that took the slot; 0: none */
} __attribute__((aligned(64)));

struct cella_enclave {
    struct cella_transport transport; /* first: the address of one is that of the other */
    cella_service_function *serve;
    struct cella_peer *peer;
    uint32_t timeout_ms;
    bool busy_fails;

    uint8_t *ring;
    size_t ring_size, slot_size;
    uint32_t slot_count;                        /* that the enclave serves */
    bool gone;                                  /* no call goes in or comes back any more */
    bool closing;                               /* none begins any more */
    char why[160];                              /* it is gone; set before gone */
    bool broken;                                /* the enclave broke the format */
    uint64_t free __attribute__((aligned(64))); /* bit i: slot i is free; changed atomically */
    uint64_t late;    /* bit i: slot i is the reaper's; changed atomically */
    uint32_t given;   /* how often a slot was given back while somebody waited */
    bool reaping;     /* a thread looks after late slots */
    uint32_t users;   /* threads in the slow parts of taking and giving back; cella_enclave_destroy
                         waits */
    uint32_t waiting; /* host threads that wait for a slot */
    struct cella_host_slot slot[CELLA_SLOT_MAX];

    struct cella_image_file file;
    struct cella_client_started started;
    struct cella_host_server server;
    struct cella_run run;
    pthread_t thread; /* runs cella_run_serve */
    bool thread_runs, log_runs;
    bool ended; /* end is known; under the lock */
    struct cella_enclave_end end;
    pthread_mutex_t lock;
    pthread_cond_t changed; /* ended */
    int memory;             /* the ring's memfd; -1 */

    void (*log)(void *log_context, const char *line, size_t size);
    void *log_context;
    int log_pipe; /* reading end; -1 */
    pthread_t log_thread;
};

/* host.c: cella_enclave_create() without the first call. *out is to be destroyed also after an
 * error, unless it is NULL. */
CELLA_RESULT cella_host_begin(const char *image, const struct cella_enclave_settings *settings,
                              struct cella_enclave **out);

/* A thread of the library's: signals are the program's own threads' business. */
CELLA_RESULT cella_host_thread(pthread_t *thread, void *(*body)(void *), void *arg);

/* host_calls.c */
void cella_host_calls_init(struct cella_enclave *enclave);
/* The first call: waits until the enclave serves. */
CELLA_RESULT cella_host_hello(struct cella_enclave *enclave);
/* Asks it to leave cella_serve(); takes all slots first, until the deadline. False: not in time. */
bool cella_host_goodbye(struct cella_enclave *enclave, uint64_t deadline_ns);
/* The enclave is gone: every call under way fails. */
void cella_host_calls_stop(struct cella_enclave *enclave);
/* Waits until no thread is inside a call any more. */
void cella_host_calls_drain(struct cella_enclave *enclave);
uint64_t cella_host_now_ns(void);

#endif
