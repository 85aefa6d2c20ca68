/* The platform's daemon: holds the keys, takes requests, starts enclaves through the zygote,
 * answers them.
 *
 * One thread, one epoll loop; every socket is non-blocking, every list bounded, every unfinished
 * business has a deadline, so that no client and no enclave can hold up another. Not protected
 * against: a file system of the user's own making (FUSE) that does not answer when the daemon
 * closes a descriptor that came from it.
 */
#ifndef CELLA_PLATFORM_MONITOR_H
#define CELLA_PLATFORM_MONITOR_H

#include <cella/result.h>
#include <stdbool.h>
#include <stdint.h>

#include "platform/paths.h"

#define CELLA_POOL_DEFAULT (64ULL << 20) /* bytes */
enum { CELLA_IDLE_DEFAULT_S = 60 };

struct cella_monitor_options {
    struct cella_paths paths;
    uint64_t pool_size;     /* bytes */
    const char *root;       /* root.h */
    unsigned idle_s;        /* end after so many seconds without a client; 0: never */
    void (*on_ready)(void); /* called when it serves; NULL: nothing to call */
    int ready_fd; /* told "R" when it serves, or the reason for which it cannot; -1: nobody to tell
                   */
};

/* Runs until it is told to stop (SIGTERM, SIGINT, a STOP request) or is idle. */
CELLA_RESULT cella_monitor_run(const struct cella_monitor_options *options);

#endif
