#include "platform/monitor.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "abi/platcall.h"
#include "base/file.h"
#include "base/log.h"
#include "platform/monitor_internal.h"

enum { LISTEN_BACKLOG = 128, EVENT_BATCH = 32, TICK_MS = 1000 };

int64_t monitor_now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

uint64_t monitor_tag(const struct monitor *m, enum event_kind kind, const struct client *client) {
    uint64_t tag = (uint64_t)kind << 56;
    return client ? tag | (uint64_t)(client - m->clients) << 32 | client->generation : tag;
}

CELLA_RESULT monitor_watch(struct monitor *m, int fd, uint64_t tag) {
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = tag};
    ENSURE(epoll_ctl(m->epoll, EPOLL_CTL_ADD, fd, &event) == 0, CELLA_ERR_INTERNAL, NULL,
           "epoll: %s", strerror(errno));
    return CELLA_SUCCESS;
}

unsigned monitor_count(const struct monitor *m, enum client_state state) {
    unsigned count = 0;
    for (size_t i = 0; i < CLIENT_MAX; i++) count += m->clients[i].state == state;
    return count;
}

/* ---- start ---- */

/* One daemon per socket, whatever its state folder; a socket file without a holder of the lock is a
 * dead one's. */
static struct cella_result lock_socket(struct monitor *m) {
    char path[sizeof(m->options->paths.socket) + 8];
    TRY(cella_paths_prepare_socket(&m->options->paths));
    snprintf(path, sizeof(path), "%s.lock", m->options->paths.socket);
    m->socket_lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    ENSURE(m->socket_lock >= 0, CELLA_ERR_IO, NULL, "cannot open %s: %s", path, strerror(errno));
    ENSURE(flock(m->socket_lock, LOCK_EX | LOCK_NB) == 0, CELLA_ERR_EXISTS,
           "use that one, or `cella platform stop` it first", "another platform serves %s",
           m->options->paths.socket);
    return CELLA_SUCCESS;
}

static struct cella_result listen_on_socket(struct monitor *m) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const char *path = m->options->paths.socket;
    memcpy(address.sun_path, path, strlen(path) + 1);
    m->listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    ENSURE(m->listener >= 0, CELLA_ERR_IO, NULL, "cannot make a socket: %s", strerror(errno));
    (void)unlink(path);
    mode_t old = umask(
        m->uid == 0 ? 0111 : 0177); /* connecting is writing: the system's is for all local users */
    int bad = bind(m->listener, (struct sockaddr *)&address, sizeof(address));
    umask(old);
    ENSURE(!bad && listen(m->listener, LISTEN_BACKLOG) == 0, CELLA_ERR_IO, NULL,
           "cannot listen on %s: %s", path, strerror(errno));
    return monitor_watch(m, m->listener, monitor_tag(m, EVENT_LISTENER, NULL));
}

static struct cella_result watch_signals(struct monitor *m) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    signal(SIGPIPE, SIG_IGN);
    sigprocmask(SIG_BLOCK, &set, NULL);
    m->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    ENSURE(m->signals >= 0, CELLA_ERR_INTERNAL, NULL, "signalfd: %s", strerror(errno));
    return monitor_watch(m, m->signals, monitor_tag(m, EVENT_SIGNAL, NULL));
}

/* The user that enclaves run as when the daemon is root. */
static void choose_user(struct cella_zygote_options *z) {
    if (geteuid() != 0) return;
    const struct passwd *user = getpwnam("cella");
    if (!user) user = getpwnam("nobody");
    z->drop = true;
    z->uid = user ? user->pw_uid : 65534;
    z->gid = user ? user->pw_gid : 65534;
}

static struct cella_result start_zygote(struct monitor *m) {
    struct cella_zygote_options z = {.pool_size = m->options->pool_size};
    choose_user(&z);
    TRY(cella_zygote_start(&z, &m->zygote));
    if (m->zygote.reason[0])
        cella_log(CELLA_LOG_WARN, "pool of secret memory: %s", m->zygote.reason);
    return monitor_watch(m, m->zygote.control, monitor_tag(m, EVENT_ZYGOTE, NULL));
}

/* From here on no core, no debugger of this user, no swap where the lock limit lets us. Workers
 * that check images are forked: they get zeros where these secrets lie. */
static struct cella_result protect_keys(struct monitor *m) {
    const struct cella_secret *secrets[] = {&m->authority.state.seal_root,
                                            &m->authority.report.secret};
    for (size_t i = 0; i < sizeof(secrets) / sizeof(secrets[0]); i++)
        (void)madvise(secrets[i]->data, CELLA_PAGE_SIZE, MADV_WIPEONFORK);
    /* on fault: a client's image of a gigabyte, mapped for a look at its head, is not to be read in
     * whole */
    if (m->uid == 0) (void)mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT);
    return CELLA_SUCCESS;
}

static struct cella_result start(struct monitor *m) {
    m->uid = geteuid();
    m->epoll = epoll_create1(EPOLL_CLOEXEC);
    ENSURE(m->epoll >= 0, CELLA_ERR_INTERNAL, NULL, "epoll_create1: %s", strerror(errno));
    ENSURE(prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0,
           CELLA_ERR_INTERNAL, NULL, "cannot become non-dumpable");
    TRY(watch_signals(m));
    TRY(lock_socket(m));
    TRY(cella_state_lock(m->options->paths.state, &m->authority.state));
    TRY(start_zygote(m)); /* before any key exists in this process (software-tee section 5) */
    TRY(cella_state_open(m->options->paths.state, &m->authority.state));
    TRY(cella_authority_open(&m->authority, m->options->root, ""));
    TRY(protect_keys(m));
    TRY(cella_buffer_extend(&m->reply, CELLA_PLATCALL_MAX, &(uint8_t *){NULL}));
    return listen_on_socket(m);
}

static void tell_ready(struct monitor *m, struct cella_result r) {
    int fd = m->options->ready_fd;
    if (fd < 0) return;
    char text[1200];
    int n = cella_failed(r) ? snprintf(text, sizeof(text), "E%c%s%c%s", (int)cella_code_of(r),
                                       r.error->what, 0, r.error->hint ? r.error->hint : "")
                            : snprintf(text, sizeof(text), "R");
    if (n > 0) (void)!write(fd, text, (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1);
    close(fd);
}

/* ---- loop ---- */

static struct client *client_of_tag(struct monitor *m, uint64_t tag) {
    size_t index = tag >> 32 & 0xffff;
    if (index >= CLIENT_MAX) return NULL;
    struct client *c = &m->clients[index];
    return c->state != CLIENT_FREE && c->generation == (uint32_t)tag ? c : NULL;
}

static void handle_event(struct monitor *m, uint64_t tag) {
    struct client *c = NULL;
    enum event_kind kind = (enum event_kind)(tag >> 56);
    if (kind >= EVENT_CLIENT && !(c = client_of_tag(m, tag)))
        return; /* gone since the batch was read */
    switch (kind) {
    case EVENT_LISTENER: client_accept(m); break;
    case EVENT_SIGNAL: m->stopping = true; break;
    case EVENT_ZYGOTE:
        if (!enclave_zygote_readable(m)) m->zygote_gone = m->stopping = true;
        break;
    case EVENT_CLIENT:
        if (c->socket >= 0) client_readable(m, c);
        break;
    case EVENT_CHANNEL:
        if (c->channel >= 0) enclave_channel_readable(m, c);
        break;
    case EVENT_JOB: enclave_job_done(m, c); break;
    }
}

static void expire(struct monitor *m, struct client *c) {
    static const char *const what[] = {[CLIENT_OPEN] = "no request came in time",
                                       [CLIENT_QUEUED] = "too many images wait to be checked",
                                       [CLIENT_INTAKE] =
                                           "reading and checking the image took too long",
                                       [CLIENT_STARTING] = "the enclave did not start in time"};
    client_reply(m, c, CELLA_FAILURE(CELLA_ERR_UNAVAILABLE, "try again", "%s", what[c->state]),
                 cella_bytes(NULL, 0));
    if (c->state != CLIENT_FREE) client_drop(m, c);
    enclave_start_queued(m);
}

/* Deadlines and idleness. Returns how long the loop may sleep, -1: until something happens. */
static int tick(struct monitor *m) {
    int64_t now = monitor_now_ms();
    bool waiting = false, busy = false;
    for (size_t i = 0; i < CLIENT_MAX; i++) {
        struct client *c = &m->clients[i];
        if (c->state != CLIENT_FREE && c->deadline_ms && now >= c->deadline_ms) expire(m, c);
        busy |= c->state != CLIENT_FREE;
        waiting |= c->state != CLIENT_FREE && c->deadline_ms;
    }
    if (busy) m->idle_since_ms = now;
    if (m->options->idle_s && !busy) {
        waiting = true;
        if (now - m->idle_since_ms >= (int64_t)m->options->idle_s * 1000) m->stopping = true;
    }
    return waiting ? TICK_MS : -1;
}

static void serve(struct monitor *m) {
    m->idle_since_ms = monitor_now_ms();
    while (!m->stopping) {
        struct epoll_event events[EVENT_BATCH];
        int n = epoll_wait(m->epoll, events, EVENT_BATCH, tick(m));
        for (int i = 0; i < n; i++) handle_event(m, events[i].data.u64);
    }
}

static void stop(struct monitor *m) {
    if (m->listener >= 0)
        (void)unlink(m->options->paths.socket); /* who comes now starts the next */
    cella_fd_close(&m->listener);
    cella_zygote_stop(
        &m->zygote); /* enclaves first: none must outlive the channel that it trusts */
    for (size_t i = 0; i < CLIENT_MAX; i++)
        if (m->clients[i].state != CLIENT_FREE) client_free(&m->clients[i]);
    cella_fd_close(&m->signals);
    cella_fd_close(&m->epoll);
    cella_intake_free(&m->intake);
    cella_authority_close(&m->authority);
    cella_buffer_free(&m->reply);
    cella_fd_close(&m->socket_lock);
}

CELLA_RESULT cella_monitor_run(const struct cella_monitor_options *options) {
    static struct monitor monitor;
    struct monitor *m = &monitor;
    *m = (struct monitor){
        .options = options, .epoll = -1, .listener = -1, .signals = -1, .socket_lock = -1};
    m->zygote.control = m->authority.state.lock = -1;
    for (int i = 0; i < CELLA_SETTING_FILES; i++)
        m->authority.settings.fd[i] = m->authority.settings.near[i] = -1;
    for (size_t i = 0; i < CLIENT_MAX; i++) m->clients[i].socket = m->clients[i].channel = -1;
    struct cella_result r = start(m);
    tell_ready(m, r);
    if (!cella_failed(r) && options->on_ready) options->on_ready();
    if (!cella_failed(r)) serve(m);
    bool gone = m->zygote_gone;
    stop(m);
    TRY(r);
    ENSURE(!gone, CELLA_ERR_UNAVAILABLE, "start it again",
           "the process that makes enclaves died, and all enclaves with it");
    return CELLA_SUCCESS;
}
