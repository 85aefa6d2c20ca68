/* The client's side of a platform: connect (starting a platform of one's own where none runs),
 * start an enclave, wait for its end. One connection, one enclave; closing the connection ends it.
 */
#ifndef CELLA_PLATFORM_CLIENT_H
#define CELLA_PLATFORM_CLIENT_H

#include <cella/result.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buffer.h"
#include "platform/paths.h"
#include "platform/protocol.h"

struct cella_client_options {
    struct cella_paths paths;
    bool start_on_demand;
    const char
        *program; /* the cella program, for on-demand start; NULL: the calling program itself */
};

/* Connects. Without an override an ordinary user gets the system's platform where one runs, else
 * their own. Refuses a socket that neither root nor this user serves. */
CELLA_RESULT cella_client_connect(const struct cella_client_options *options, int *out);

struct cella_client_start {
    const char *name;                  /* for messages */
    int image, stdio[3], host_channel; /* stay the caller's */
};
struct cella_client_started {
    pid_t pid;
    uint64_t base;
    bool memory_secret, debug;
};
CELLA_RESULT cella_client_start(int socket, const struct cella_client_start *start,
                                struct cella_client_started *out);
/* A signal to the enclave; SIGKILL where its image does not let this one in. */
CELLA_RESULT cella_client_signal(int socket, int number);

struct cella_client_exited {
    bool signalled;
    uint32_t status; /* exit status, or the signal's number */
};
/* Waits for the end of the enclave. CELLA_ERR_UNAVAILABLE: the platform is gone, and the enclave
 * with it. */
CELLA_RESULT cella_client_wait(int socket, struct cella_client_exited *out);

/* KEY, STATUS or STOP: appends the body of the answer. */
CELLA_RESULT cella_client_ask(int socket, uint32_t op, struct cella_buffer *out);

#endif
