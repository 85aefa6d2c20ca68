/* The life of one `cella run`: serves the enclave's host calls and passes signals on until it ends.
 */
#ifndef CELLA_CLI_RUN_LOOP_H
#define CELLA_CLI_RUN_LOOP_H

#include "platform/client.h"
#include "platform/hostserver.h"

struct cella_run {
    int socket;  /* connection to the platform */
    int channel; /* host end of the host channel */
    int signals; /* signalfd of the signals to pass on; all blocked */
    int last_signal;
    struct cella_host_server *server;
};

/* The signals that reach `cella run` for its enclave, blocked from now on. */
CELLA_RESULT cella_run_watch_signals(int *out);
CELLA_RESULT cella_run_serve(struct cella_run *run, struct cella_client_exited *out);

#endif
