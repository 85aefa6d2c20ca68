/* The life of an enclave in a host program: its ring, its start, the thread that serves its host
 * calls and learns of its end. */
#include "sdk/host.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "platform/channel.h"

enum { LOG_LINE_MAX = 4096, PLATFORM_END_NS = 50000000 };

/* ---- the ring ---- */

static struct cella_result make_ring(struct cella_enclave *e) {
    e->slot_size = e->file.config.calls_size;
    e->ring_size = e->slot_size * e->file.config.thread_count;
    e->memory = memfd_create("cella-calls", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    ENSURE(e->memory >= 0 && ftruncate(e->memory, (off_t)e->ring_size) == 0 &&
               fcntl(e->memory, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW) == 0,
           CELLA_ERR_IO, NULL, "cannot make a call ring of %zu bytes: %s", e->ring_size,
           strerror(errno));
    void *p = mmap(NULL, e->ring_size, PROT_READ | PROT_WRITE, MAP_SHARED, e->memory, 0);
    ENSURE(p != MAP_FAILED, CELLA_ERR_MEMORY, NULL, "cannot map a call ring of %zu bytes",
           e->ring_size);
    e->ring = p;
    e->server.calls = e->memory;
    e->server.calls_size = e->ring_size;
    return CELLA_SUCCESS;
}

/* ---- threads of the library ---- */

static void *serve(void *arg) {
    struct cella_enclave *e = arg;
    struct cella_client_exited exited = {.signalled = true, .status = SIGKILL};
    struct cella_result r = cella_run_serve(&e->run, &exited);
    if (cella_failed(r)) {
        snprintf(e->why, sizeof(e->why), "%s", r.error->what);
        /* The platform is gone and takes the enclave along, which must not see its ring end. */
        nanosleep(&(struct timespec){0, PLATFORM_END_NS}, NULL);
    } else {
        snprintf(e->why, sizeof(e->why), "%s %u",
                 exited.signalled ? "ended by signal" : "its program exited with status",
                 exited.status);
    }
    cella_result_drop(r);
    pthread_mutex_lock(&e->lock);
    e->end = (struct cella_enclave_end){exited.signalled, exited.status};
    e->ended = true;
    pthread_cond_broadcast(&e->changed);
    pthread_mutex_unlock(&e->lock);
    cella_host_calls_stop(e);
    return NULL;
}

/* The enclave's stderr, line by line, until its last writer is gone. */
static void *log_lines(void *arg) {
    struct cella_enclave *e = arg;
    char line[LOG_LINE_MAX];
    size_t used = 0;
    for (;;) {
        ssize_t n = read(e->log_pipe, line + used, sizeof(line) - used);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) break;
        used += (size_t)n;
        for (char *end; (end = memchr(line, '\n', used)) || used == sizeof(line);) {
            size_t size = end ? (size_t)(end - line) : used, next = end ? size + 1 : size;
            e->log(e->log_context, line, size);
            memmove(line, line + next, used -= next);
        }
    }
    if (used) e->log(e->log_context, line, used);
    return NULL;
}

/* Signals are the program's threads' business. */
CELLA_RESULT cella_host_thread(pthread_t *thread, void *(*body)(void *), void *arg) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int e = pthread_create(thread, NULL, body, arg);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    ENSURE(e == 0, CELLA_ERR_MEMORY, NULL, "cannot start a thread: %s", strerror(e));
    return CELLA_SUCCESS;
}

/* ---- start ---- */

/* The command that a platform is started with, absolute: it is started in another folder. Empty:
 * there is none. */
static struct cella_result find_command(const char *given, char out[PATH_MAX]) {
    const char *path = getenv("PATH");
    if (given) {
        ENSURE(realpath(given, out), CELLA_ERR_NOT_FOUND, NULL, "cannot find %s: %s", given,
               strerror(errno));
        return CELLA_SUCCESS;
    }
    for (const char *at = path ? path : ""; *at;) {
        size_t size = strcspn(at, ":");
        char name[PATH_MAX];
        snprintf(name, sizeof(name), "%.*s/cella", (int)size, at);
        if (size && access(name, X_OK) == 0 && realpath(name, out)) return CELLA_SUCCESS;
        at += size + (at[size] == ':');
    }
    out[0] = 0;
    return CELLA_SUCCESS;
}

/* A descriptor that this program closed is /dev/null inside. Owned by the caller where it is above
 * 2. */
static int standard(int fd) {
    return fcntl(fd, F_GETFD) >= 0 ? fd : open("/dev/null", O_RDWR | O_CLOEXEC);
}

static struct cella_result open_log(struct cella_enclave *e, int *writer) {
    int ends[2];
    if (!e->log) return CELLA_SUCCESS;
    ENSURE(pipe2(ends, O_CLOEXEC) == 0, CELLA_ERR_IO, NULL, "cannot make a pipe: %s",
           strerror(errno));
    e->log_pipe = ends[0];
    *writer = ends[1];
    return CELLA_SUCCESS;
}

static struct cella_result connect_platform(struct cella_enclave *e,
                                            const struct cella_enclave_settings *s) {
    char command[PATH_MAX];
    struct cella_client_options client = {.start_on_demand = !s->no_start};
    TRY(cella_paths_find(s->socket, s->state, &client.paths));
    TRY(find_command(s->cella, command));
    client.program = command;
    if (!command[0]) client.start_on_demand = false;
    return cella_client_connect(&client, &e->run.socket);
}

static struct cella_result start_with(struct cella_enclave *e, const char *image, int err) {
    int ends[2], in = standard(0), out = standard(1);
    struct cella_result r = cella_channel_pair(ends);
    if (!cella_failed(r)) {
        e->run.channel = ends[0];
        const struct cella_client_start start = {
            .name = image, .image = e->file.fd, .stdio = {in, out, err}, .host_channel = ends[1]};
        r = cella_client_start(e->run.socket, &start, &e->started);
        close(ends[1]);
    }
    if (in > 2) close(in);
    if (out > 2) close(out);
    return r;
}

static struct cella_result start(struct cella_enclave *e, const char *image) {
    int writer = -1;
    TRY(open_log(e, &writer));
    int err = writer >= 0 ? writer : standard(2);
    struct cella_result r = start_with(e, image, err);
    if (err > 2) close(err);
    if (cella_failed(r)) return r;
    if (e->log) TRY(cella_host_thread(&e->log_thread, log_lines, e));
    e->log_runs = e->log;
    TRY(cella_host_thread(&e->thread, serve, e));
    e->thread_runs = true;
    return CELLA_SUCCESS;
}

static struct cella_result prepare(struct cella_enclave *e, const char *image,
                                   const struct cella_enclave_settings *s) {
    const struct cella_host_words words = {.mounts = s->mounts,
                                           .mount_count = s->mount_count,
                                           .args = s->args,
                                           .arg_count = s->arg_count,
                                           .envs = s->envs,
                                           .env_count = s->env_count,
                                           .request = s->request,
                                           .grants = s->grants,
                                           .grant = s->grant,
                                           .grant_count = s->grant_count};
    TRY(cella_image_file_open(image, &e->file));
    ENSURE(e->file.config.calls_size, CELLA_ERR_UNSUPPORTED,
           "give its manifest `calls = SIZE` in [enclave] and sign again", "%s serves no calls",
           image);
    TRY(cella_host_prepare(&words, &e->file.config, &e->server));
    TRY(make_ring(e));
    cella_host_calls_init(e);
    return connect_platform(e, s);
}

static struct cella_enclave *new_enclave(const struct cella_enclave_settings *s) {
    struct cella_enclave *e = aligned_alloc(64, (sizeof(*e) + 63) & ~(size_t)63);
    if (!e) return NULL;
    memset(e, 0, sizeof(*e));
    e->file.fd = e->memory = e->log_pipe = -1;
    e->run.socket = e->run.channel = e->run.signals = -1;
    e->run.server = &e->server;
    e->serve = s->serve;
    e->peer = s->peer;
    e->timeout_ms = s->timeout_ms;
    e->busy_fails = s->busy_fails;
    e->log = s->log;
    e->log_context = s->log_context;
    pthread_mutex_init(&e->lock, NULL);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&e->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    return e;
}

CELLA_RESULT cella_host_begin(const char *image, const struct cella_enclave_settings *settings,
                              struct cella_enclave **out) {
    static const struct cella_enclave_settings none;
    if (!settings) settings = &none;
    struct cella_enclave *e = *out = new_enclave(settings);
    ENSURE(e, CELLA_ERR_MEMORY, NULL, "no memory for an enclave");
    TRY(prepare(e, image, settings));
    return start(e, image);
}

CELLA_RESULT cella_enclave_create(const char *image, const struct cella_enclave_settings *settings,
                                  struct cella_enclave **out) {
    struct cella_result r = cella_host_begin(image, settings, out);
    if (!cella_failed(r)) r = cella_host_hello(*out);
    if (!cella_failed(r)) return r;
    cella_enclave_destroy(*out, 0, NULL);
    *out = NULL;
    return cella_result_context(r, CELLA_WHERE, "%s", image);
}

struct cella_transport *cella_enclave_transport(struct cella_enclave *enclave) {
    return &enclave->transport;
}

struct cella_peer *cella_enclave_peer(struct cella_enclave *enclave) {
    return enclave->peer;
}

void cella_enclave_describe(const struct cella_enclave *enclave, struct cella_enclave_facts *out) {
    const struct cella_client_started *started = &enclave->started;
    *out = (struct cella_enclave_facts){
        .pid = started->pid,
        .program = started->base + enclave->file.config.program[0].bias,
        .debug = started->debug,
        .memory_secret = started->memory_secret,
        .threads = enclave->slot_count,
        .message_size = enclave->slot_size - CELLA_CALLS_AT_MESSAGE};
}

bool cella_enclave_alive(const struct cella_enclave *enclave) {
    return !__atomic_load_n(&enclave->gone, __ATOMIC_SEQ_CST);
}

/* ---- end ---- */

/* Waits for its end until the deadline; false: it goes on. */
static bool wait_ended(struct cella_enclave *e, uint64_t deadline_ns) {
    const struct timespec until = {(time_t)(deadline_ns / 1000000000),
                                   (long)(deadline_ns % 1000000000)};
    pthread_mutex_lock(&e->lock);
    while (!e->ended && pthread_cond_timedwait(&e->changed, &e->lock, &until) == 0) {}
    bool ended = e->ended;
    pthread_mutex_unlock(&e->lock);
    return ended;
}

static void stop(struct cella_enclave *e, uint32_t grace_ms) {
    uint64_t deadline = cella_host_now_ns() + grace_ms * 1000000ULL;
    bool left = e->slot_count && grace_ms && cella_host_goodbye(e, deadline);
    if (!(left && wait_ended(e, deadline)))
        cella_result_drop(cella_client_signal(e->run.socket, SIGKILL));
    pthread_join(e->thread, NULL); /* the platform says when it is gone, or is gone itself */
    e->thread_runs = false;
}

void cella_enclave_destroy(struct cella_enclave *e, uint32_t grace_ms,
                           struct cella_enclave_end *end) {
    if (!e) return;
    if (e->thread_runs) stop(e, grace_ms);
    cella_host_calls_drain(e);
    if (end) *end = e->end;
    cella_fd_close(&e->run.channel);
    cella_fd_close(&e->run.socket);
    if (e->log_runs) pthread_join(e->log_thread, NULL);
    cella_fd_close(&e->log_pipe);
    if (e->ring) munmap(e->ring, e->ring_size);
    cella_fd_close(&e->memory);
    cella_host_server_close(&e->server);
    cella_image_file_close(&e->file);
    pthread_cond_destroy(&e->changed);
    pthread_mutex_destroy(&e->lock);
    free(e);
}
