#include "platform/zygote_loop.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "abi/sgx.h"
#include "base/log.h"
#include "base/memory.h"
#include "platform/backend_software.h"
#include "platform/channel.h"
#include "platform/confine.h"
#include "platform/pool.h"

enum { CONTROL = 3, SCRUB_PAGES = 64, OPEN_FILES_MAX = 4096 };

enum instance_state { NONE = 0, RUNNING, REFUSED, EXITED };
struct instance {
    enum instance_state state;
    uint64_t id;
    pid_t pid;
    uint64_t first, pages; /* its slice */
    bool signalled;
    uint32_t status;
    struct cella_result error; /* of REFUSED; owned */
};

/* All of the zygote's state; children inherit it and use none of it. */
static struct {
    struct cella_pool pool;
    struct instance instances[CELLA_ZYGOTE_INSTANCE_MAX];
    struct cella_load load;
    uint8_t message[CELLA_ZYGOTE_MESSAGE_MAX];
    pid_t self;
} zygote;

static struct instance *find(uint64_t id) {
    for (size_t i = 0; i < CELLA_ZYGOTE_INSTANCE_MAX; i++)
        if (zygote.instances[i].state != NONE && zygote.instances[i].id == id)
            return &zygote.instances[i];
    return NULL;
}

static struct instance *new_instance(uint64_t id) {
    for (size_t i = 0; i < CELLA_ZYGOTE_INSTANCE_MAX; i++) {
        struct instance *in = &zygote.instances[i];
        if (in->state != NONE) continue;
        *in = (struct instance){.state = REFUSED, .id = id};
        return in;
    }
    return NULL;
}

static void put_text(struct cella_writer *w, const char *text) {
    size_t size = text ? strlen(text) : 0;
    if (size > 512) size = 512;
    cella_writer_u16le(w, (uint16_t)size);
    cella_writer_put(w, cella_bytes(text, size));
}

static void put_error(struct cella_writer *w, struct cella_result r) {
    cella_writer_u32le(w, cella_code_of(r));
    put_text(w, r.error->what);
    put_text(w, r.error->hint);
}

/* In the forked child. */
__attribute__((noreturn)) static void become_enclave(const struct instance *in, const int *fds) {
    struct cella_software_child child = {
        .image_fd = fds[0],
        .fd = {fds[1], fds[2], fds[3], fds[4], fds[5]},
        .pool = zygote.pool.memory,
        .pool_size = zygote.pool.pages * CELLA_PAGE_SIZE,
        .slice = in->pages ? zygote.pool.memory + in->first * CELLA_PAGE_SIZE : NULL,
    };
    struct cella_result r = CELLA_SUCCESS;
    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0 || getppid() != zygote.self)
        r = CELLA_FAILURE(CELLA_ERR_UNAVAILABLE, NULL, "the platform is stopping");
    if (!cella_failed(r)) r = cella_software_enter(&zygote.load, &child);
    uint8_t message[1200];
    struct cella_writer w = cella_writer(message, sizeof(message));
    put_error(&w, r);
    if (cella_channel_send(fds[5], cella_writer_bytes(&w), NULL, 0, 0) != CELLA_CHANNEL_MESSAGE)
        (void)cella_channel_send(CELLA_FD_PLATFORM, cella_writer_bytes(&w), NULL, 0,
                                 0); /* moved already */
    _exit(1);
}

static struct cella_result launch(struct cella_reader *r, const struct cella_received *got,
                                  struct instance *in) {
    TRY(cella_load_decode(r, &zygote.load));
    ENSURE(got->fd_count == CELLA_ZYGOTE_LAUNCH_FDS, CELLA_ERR_INTERNAL, NULL,
           "a launch came with %d descriptors", got->fd_count);
    if (zygote.load.secret) {
        uint64_t pages = cella_load_writable_pages(&zygote.load);
        TRY(cella_pool_take(&zygote.pool, pages, &in->first));
        in->pages = pages;
    }
    in->pid = fork();
    if (in->pid == 0) become_enclave(in, got->fd);
    ENSURE(in->pid > 0, CELLA_ERR_UNAVAILABLE, NULL, "cannot fork: %s", strerror(errno));
    in->state = RUNNING;
    return CELLA_SUCCESS;
}

static void release_slice(struct instance *in) {
    if (in->pages) cella_pool_give_back(&zygote.pool, in->first, in->pages);
    in->pages = 0;
}

static void handle(const struct cella_received *got) {
    struct cella_reader r = cella_reader(cella_bytes(zygote.message, got->size));
    uint32_t op = cella_reader_u32le(&r);
    uint64_t id = cella_reader_u64le(&r);
    if (op == CELLA_ZYGOTE_LAUNCH) {
        struct instance *in = new_instance(id);
        if (!in) return; /* the monitor counts too and does not send so many */
        in->error = launch(&r, got, in);
        if (cella_failed(in->error)) release_slice(in);
    } else if (op == CELLA_ZYGOTE_SIGNAL) {
        struct instance *in = find(id);
        int number = (int)cella_reader_u32le(&r);
        if (in && in->state == RUNNING && !r.failed)
            kill(in->pid, number); /* not reaped yet: the pid is its own */
    }
}

static void reap(void) {
    int status;
    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;)
        for (size_t i = 0; i < CELLA_ZYGOTE_INSTANCE_MAX; i++) {
            struct instance *in = &zygote.instances[i];
            if (in->state != RUNNING || in->pid != pid) continue;
            in->state = EXITED;
            in->signalled = WIFSIGNALED(status);
            in->status = (uint32_t)(WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
            release_slice(in);
        }
}

/* Tells the monitor what happened; what does not fit its queue now is told at the next turn. */
static bool tell_events(void) {
    for (size_t i = 0; i < CELLA_ZYGOTE_INSTANCE_MAX; i++) {
        struct instance *in = &zygote.instances[i];
        if (in->state != REFUSED && in->state != EXITED) continue;
        uint8_t message[1200];
        struct cella_writer w = cella_writer(message, sizeof(message));
        cella_writer_u32le(&w, in->state == REFUSED ? CELLA_ZYGOTE_REFUSED : CELLA_ZYGOTE_EXITED);
        cella_writer_u64le(&w, in->id);
        if (in->state == REFUSED)
            put_error(&w, in->error);
        else {
            cella_writer_u32le(&w, in->signalled);
            cella_writer_u32le(&w, in->status);
        }
        if (cella_channel_send(CONTROL, cella_writer_bytes(&w), NULL, 0, MSG_DONTWAIT) !=
            CELLA_CHANNEL_MESSAGE)
            return true;
        if (in->state == REFUSED) cella_result_drop(in->error);
        in->state = NONE;
    }
    return false;
}

static void limit_resources(void) {
    (void)setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0}); /* R50 */
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_max > OPEN_FILES_MAX)
        (void)setrlimit(RLIMIT_NOFILE, &(struct rlimit){OPEN_FILES_MAX, OPEN_FILES_MAX});
}

/* What a container may forbid and an enclave can do without: its filter lets it open nothing
 * anyway. */
static void go_without(struct cella_result r) {
    if (cella_failed(r))
        cella_log(CELLA_LOG_WARN, "enclaves keep the machine's root folder: %s", r.error->what);
    cella_result_drop(r);
}

/* The pool first: it may need root's right to lock memory. */
static struct cella_result confine(int control, const struct cella_zygote_options *options,
                                   bool namespaces) {
    TRY(cella_confine_descriptors(control));
    if (options->drop) {
        if (namespaces) go_without(cella_confine_root_folder());
        TRY(cella_confine_drop(options->uid, options->gid));
    }
    TRY(cella_confine_self());
    limit_resources();
    return CELLA_SUCCESS;
}

static void block_signals(void) {
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all,
                NULL); /* blocked in enclaves too, until their shim is ready for them */
    struct sigaction plain = {.sa_handler = SIG_DFL};
    for (int n = 1; n < NSIG; n++) (void)sigaction(n, &plain, NULL);
}

/* Why the pool is smaller than asked, in words for the user. */
static void make_pool(const struct cella_zygote_options *options, char *reason, size_t capacity) {
    uint64_t size = options->pool_size;
    struct cella_result r = cella_pool_new(size, &zygote.pool); /* CAP_IPC_LOCK knows no limit */
    if (cella_failed(r) &&
        (size = cella_pool_affordable(options->pool_size)) < options->pool_size) {
        cella_result_drop(r);
        r = cella_pool_new(size, &zygote.pool);
    }
    reason[0] = 0;
    if (cella_failed(r))
        snprintf(reason, capacity, "%s; %s", r.error->what, r.error->hint ? r.error->hint : "");
    else if (size < options->pool_size)
        snprintf(reason, capacity,
                 "the memory-lock limit (ulimit -l) allows %llu of the %llu KiB wanted",
                 (unsigned long long)size / 1024, (unsigned long long)options->pool_size / 1024);
    cella_result_drop(r);
}

static void tell_ready(bool namespaces, const char *reason) {
    uint8_t message[512];
    struct cella_writer w = cella_writer(message, sizeof(message));
    cella_writer_u32le(&w, CELLA_ZYGOTE_READY);
    cella_writer_u64le(&w, zygote.pool.pages * CELLA_PAGE_SIZE);
    cella_writer_u32le(&w, namespaces);
    cella_writer_put(&w, cella_bytes_text(reason));
    if (cella_channel_send(CONTROL, cella_writer_bytes(&w), NULL, 0, 0) != CELLA_CHANNEL_MESSAGE)
        _exit(0);
}

__attribute__((noreturn)) static void serve(int children) {
    for (;;) {
        bool pending = tell_events();
        bool dirty = cella_pool_scrub(&zygote.pool, 0);
        struct pollfd wait[2] = {{.fd = CONTROL,
                                  .events = (short)(POLLIN | (pending ? POLLOUT : 0))},
                                 {.fd = children, .events = POLLIN}};
        int n = poll(wait, 2, dirty ? 0 : -1);
        if (n == 0) (void)cella_pool_scrub(&zygote.pool, SCRUB_PAGES); /* only in idle time */
        if (n <= 0) continue;
        if (wait[1].revents) {
            struct signalfd_siginfo info;
            (void)!read(children, &info, sizeof(info));
            reap();
        }
        if (!wait[0].revents) continue;
        struct cella_received got;
        enum cella_channel_state state = cella_channel_receive(
            CONTROL, zygote.message, sizeof(zygote.message), MSG_DONTWAIT, &got);
        if (state == CELLA_CHANNEL_GONE || state == CELLA_CHANNEL_BROKEN) break;
        if (state == CELLA_CHANNEL_MESSAGE) handle(&got);
        cella_received_close(&got);
    }
    for (size_t i = 0; i < CELLA_ZYGOTE_INSTANCE_MAX; i++)
        if (zygote.instances[i].state == RUNNING) kill(zygote.instances[i].pid, SIGKILL);
    _exit(0);
}

void cella_zygote_main(int control, const struct cella_zygote_options *options, bool namespaces) {
    char reason[400];
    setsid();
    block_signals();
    struct cella_result r =
        cella_confine_self(); /* before the pool: no debugger sees the descriptor's moment */
    if (!cella_failed(r)) make_pool(options, reason, sizeof(reason));
    if (!cella_failed(r)) r = confine(control, options, namespaces);
    if (cella_failed(r)) {
        cella_result_print(r);
        _exit(1);
    }
    zygote.self = getpid();
    sigset_t child;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    int children = signalfd(-1, &child, SFD_CLOEXEC);
    if (children < 0) _exit(1);
    tell_ready(namespaces, reason);
    serve(children);
}
