/* What the monitor's files share: monitor.c start and loop, monitor_client.c clients' requests,
 * monitor_enclave.c an enclave from start to end. */
#ifndef CELLA_PLATFORM_MONITOR_INTERNAL_H
#define CELLA_PLATFORM_MONITOR_INTERNAL_H

#include <sys/types.h>

#include "platform/authority.h"
#include "platform/channel.h"
#include "platform/intake.h"
#include "platform/monitor.h"
#include "platform/request.h"
#include "platform/zygote.h"

enum {
    CLIENT_MAX = CELLA_ZYGOTE_INSTANCE_MAX,
    CLIENT_MAX_PER_UID = 128, /* of the system's daemon, so that one user leaves room for others */
    WORKER_MAX = 4,           /* images being checked at a time */
    REQUEST_TIMEOUT_MS = 10000,
    START_TIMEOUT_MS = 10000,
};

enum client_state {
    CLIENT_FREE = 0,
    CLIENT_OPEN,     /* no enclave yet: has a deadline */
    CLIENT_QUEUED,   /* its image waits for a worker */
    CLIENT_INTAKE,   /* its image is being checked */
    CLIENT_STARTING, /* the zygote was told: waits for the enclave's first word */
    CLIENT_RUNNING,
    CLIENT_ENDING, /* nobody is interested any more: waits for the zygote to say it ended */
};

struct client {
    enum client_state state;
    uint32_t generation; /* tells a reused slot from the one an old event meant */
    int socket;          /* -1: the client is gone */
    uid_t uid;
    char name[CELLA_PROTOCOL_NAME_MAX + 1];
    int64_t deadline_ms;               /* 0: none */
    int fds[CELLA_PROTOCOL_START_FDS]; /* as the client sent them, until the launch; -1 */
    struct cella_intake_key key;
    struct cella_intake_job job;
    int channel; /* platform channel; -1 */
    struct cella_caller caller;
    uint64_t host_signals;
    uint64_t pages; /* of secret memory */
    bool debug, end_asked;
    pid_t pid;
    int64_t started_ms;
};

enum event_kind {
    EVENT_LISTENER,
    EVENT_SIGNAL,
    EVENT_ZYGOTE,
    EVENT_CLIENT,
    EVENT_CHANNEL,
    EVENT_JOB
};

struct monitor {
    const struct cella_monitor_options *options;
    int epoll, listener, signals, socket_lock;
    struct cella_zygote zygote;
    struct cella_authority authority;
    struct cella_intake intake;
    struct client clients[CLIENT_MAX];
    struct cella_buffer
        reply; /* capacity for the largest answer from the start: keys in it are never moved */
    uid_t uid;
    int64_t idle_since_ms;
    bool stopping, zygote_gone;
};

int64_t monitor_now_ms(void);
uint64_t monitor_tag(const struct monitor *m, enum event_kind kind, const struct client *client);
CELLA_RESULT monitor_watch(struct monitor *m, int fd, uint64_t tag);
unsigned monitor_count(const struct monitor *m, enum client_state state);

/* ---- monitor_client.c ---- */
void client_accept(struct monitor *m);
void client_readable(struct monitor *m, struct client *c);
/* Sends a REPLY; takes the result. A client that does not read is dropped. */
void client_reply(struct monitor *m, struct client *c, struct cella_result r,
                  struct cella_bytes body);
void client_tell_exited(struct monitor *m, struct client *c, bool signalled, uint32_t status);
/* Closes the connection, ends its enclave, frees the slot as soon as that is gone. */
void client_drop(struct monitor *m, struct client *c);
void client_free(struct client *c);

/* ---- monitor_enclave.c ---- */
/* Begins the start that the client's descriptors ask for. */
void enclave_start(struct monitor *m, struct client *c);
void enclave_job_done(struct monitor *m, struct client *c);
void enclave_start_queued(struct monitor *m);
void enclave_channel_readable(struct monitor *m, struct client *c);
void enclave_signal(struct monitor *m, struct client *c, int number);
/* Kills it; what the zygote says then frees the slot. */
void enclave_end(struct monitor *m, struct client *c);
/* An event of the zygote; false when the zygote is gone. */
bool enclave_zygote_readable(struct monitor *m);

/* ---- monitor_status.c ---- */
CELLA_RESULT monitor_status(struct monitor *m, const struct client *c, struct cella_buffer *out);
CELLA_RESULT monitor_public_keys(struct monitor *m, struct cella_buffer *out);

#endif
