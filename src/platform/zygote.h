/* The zygote: the process that holds the pool of secret memory and forks each enclave from itself.
 *
 * Forked from the monitor before that loads any key, so that neither it nor an enclave ever held
 * one. It confines itself once for all its children: own namespaces and user where it may (root
 * only), no capabilities, empty root folder, no_new_privs, non-dumpable, dies with the monitor. It
 * trusts what the monitor sends and nothing else; no byte from an enclave or a client is read here.
 *
 * monitor -> zygote:  u32 op | u64 id | ...        zygote -> monitor:  u32 event | u64 id | ...
 *   LAUNCH  load plan; descriptors: image, stdin, stdout, stderr, host channel, platform channel
 *   SIGNAL  u32 number                                REFUSED  u32 code | u16 size + what | u16
 * size + hint EXITED   u32 signalled | u32 status or signal
 */
#ifndef CELLA_PLATFORM_ZYGOTE_H
#define CELLA_PLATFORM_ZYGOTE_H

#include <cella/result.h>
#include <stdint.h>
#include <sys/types.h>

#include "platform/load.h"

enum { CELLA_ZYGOTE_LAUNCH = 1, CELLA_ZYGOTE_SIGNAL = 2 };
enum { CELLA_ZYGOTE_READY = 1, CELLA_ZYGOTE_REFUSED = 2, CELLA_ZYGOTE_EXITED = 3 };
enum {
    CELLA_ZYGOTE_INSTANCE_MAX = 256, /* enclaves at a time */
    CELLA_ZYGOTE_MESSAGE_MAX = CELLA_LOAD_ENCODED_MAX + 64,
    CELLA_ZYGOTE_LAUNCH_FDS = 6,
};

struct cella_zygote_options {
    uint64_t pool_size; /* bytes wanted */
    bool drop;          /* change to uid and gid, enter own namespaces: the caller is root */
    uid_t uid;
    gid_t gid;
};

struct cella_zygote {
    pid_t pid;
    int control;        /* the monitor's end; owned */
    uint64_t pool_size; /* bytes it got; 0: no secret memory */
    bool namespaces;    /* it runs in pid, net, ipc, uts and mount namespaces of its own */
    char reason[256];   /* why the pool is smaller than wanted or missing; empty: it is not */
};

/* Forks it and waits until it is ready. Call before keys are loaded, in a single-threaded process.
 */
CELLA_RESULT cella_zygote_start(const struct cella_zygote_options *options,
                                struct cella_zygote *out);
/* Closes the control channel, which ends it and every enclave, and waits. */
void cella_zygote_stop(struct cella_zygote *zygote);

CELLA_RESULT cella_zygote_launch(const struct cella_zygote *zygote, uint64_t id,
                                 const struct cella_load *load,
                                 const int fds[CELLA_ZYGOTE_LAUNCH_FDS]);
/* A zygote that is gone shows itself by the control channel closing, so nothing is returned. */
void cella_zygote_signal(const struct cella_zygote *zygote, uint64_t id, int number);

#endif
