/* The host's side of one enclave's life: serves its host calls, and passes signals on, until it
 * ends. What `cella run` and the host programs of the SDK do alike. */
#ifndef CELLA_PLATFORM_HOSTRUN_H
#define CELLA_PLATFORM_HOSTRUN_H

#include "platform/client.h"
#include "platform/hostserver.h"

struct cella_run {
    int socket;  /* connection to the platform */
    int channel; /* host end of the host channel */
    int signals; /* signalfd of the signals to pass on, all blocked; -1: none */
    int last_signal;
    struct cella_host_server *server;
    /* The request being answered; it stays while its answer is pending. */
    uint8_t request[CELLA_HOSTCALL_MAX], reply[CELLA_HOSTCALL_MAX];
    size_t request_size;
};

/* The signals that reach `cella run` for its enclave, blocked from now on. */
CELLA_RESULT cella_run_watch_signals(int *out);
/* Returns when the enclave has ended. One thread at a time. */
CELLA_RESULT cella_run_serve(struct cella_run *run, struct cella_client_exited *out);

#endif
