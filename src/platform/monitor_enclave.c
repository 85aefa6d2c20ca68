#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "abi/config.h"
#include "abi/platcall.h"
#include "abi/start.h"
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "crypto/digest.h"
#include "platform/monitor_internal.h"

static uint64_t id_of(const struct monitor *m, const struct client *c) {
    return (uint64_t)c->generation << 16 | (uint64_t)(c - m->clients);
}

static struct client *client_of(struct monitor *m, uint64_t id) {
    size_t index = id & 0xffff;
    if (index >= CLIENT_MAX) return NULL;
    struct client *c = &m->clients[index];
    return c->state != CLIENT_FREE && c->generation == (uint32_t)(id >> 16) ? c : NULL;
}

/* The answer to START when there will be no enclave. */
static void refuse(struct monitor *m, struct client *c, struct cella_result r) {
    cella_log(CELLA_LOG_INFO, "%s: %s", c->name, r.error->what);
    for (int i = 0; i < CELLA_PROTOCOL_START_FDS; i++) cella_fd_close(&c->fds[i]);
    c->state = CLIENT_OPEN;
    c->deadline_ms = monitor_now_ms() + REQUEST_TIMEOUT_MS;
    client_reply(m, c, r, cella_bytes(NULL, 0));
}

/* Secret memory, unless it is a debug enclave, or the manifest allows private memory and secret
 * memory can never be had here. Never a silent downgrade: evidence and `cella run` say which it was
 * (T12). */
static struct cella_result choose_memory(const struct monitor *m,
                                         const struct cella_intake_image *image,
                                         struct cella_load *load) {
    load->debug = image->identity.debug;
    load->secret = !load->debug;
    if (load->debug) return CELLA_SUCCESS;
    uint64_t size = cella_load_writable_pages(load) * CELLA_PAGE_SIZE;
    if (size <= m->zygote.pool_size) return CELLA_SUCCESS;
    if (image->config_flags & CELLA_CONFIG_MEMORY_PRIVATE) {
        load->secret = false;
        return CELLA_SUCCESS;
    }
    ENSURE(m->zygote.pool_size > 0, CELLA_ERR_UNAVAILABLE,
           "mend that, or sign the program with memory = private, which evidence then reports",
           "this platform has no secret memory: %s", m->zygote.reason);
    FAIL(CELLA_ERR_UNAVAILABLE,
         "start the platform with a larger --pool where the memory-lock limit allows it, or sign "
         "the program with a "
         "smaller heap or memory = private",
         "the enclave needs %llu KiB of secret memory; the platform's whole pool has %llu KiB%s%s",
         (unsigned long long)size / 1024, (unsigned long long)m->zygote.pool_size / 1024,
         m->zygote.reason[0] ? ": " : "", m->zygote.reason);
}

static struct cella_result open_channel(struct monitor *m, struct client *c, int *enclave_end_fd) {
    int ends[2];
    TRY(cella_channel_pair(ends));
    *enclave_end_fd = ends[1];
    c->channel = ends[0];
    int on = 1;
    ENSURE(fcntl(ends[0], F_SETFL, O_NONBLOCK) == 0 &&
               setsockopt(ends[0], SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) == 0,
           CELLA_ERR_INTERNAL, NULL, "cannot prepare the platform channel: %s", strerror(errno));
    return monitor_watch(m, ends[0], monitor_tag(m, EVENT_CHANNEL, c));
}

static struct cella_result launch(struct monitor *m, struct client *c,
                                  const struct cella_intake_image *image) {
    static struct cella_load load;
    load = image->load;
    TRY(choose_memory(m, image, &load));
    CELLA_FD other = -1;
    TRY(open_channel(m, c, &other));
    c->caller.identity = image->identity;
    c->caller.memory_secret = load.secret;
    TRY(cella_random(c->caller.instance_id, sizeof(c->caller.instance_id)));
    c->host_signals = image->host_signals;
    c->debug = load.debug;
    const int fds[CELLA_ZYGOTE_LAUNCH_FDS] = {image->fd, c->fds[1], c->fds[2],
                                              c->fds[3], c->fds[4], other};
    TRY(cella_zygote_launch(&m->zygote, id_of(m, c), &load, fds));
    c->pages = load.secret ? cella_load_writable_pages(&load) : 0;
    return CELLA_SUCCESS;
}

static void launch_or_refuse(struct monitor *m, struct client *c,
                             const struct cella_intake_image *image) {
    struct cella_result r = launch(m, c, image);
    if (cella_failed(r)) {
        cella_fd_close(&c->channel);
        refuse(m, c, r);
        return;
    }
    for (int i = 0; i < CELLA_PROTOCOL_START_FDS; i++) cella_fd_close(&c->fds[i]);
    c->state = CLIENT_STARTING;
    c->deadline_ms = monitor_now_ms() + START_TIMEOUT_MS;
}

static struct cella_result check_host_channel(int fd) {
    int type = 0, domain = 0;
    socklen_t size = sizeof(int), size2 = sizeof(int);
    ENSURE(getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_SEQPACKET &&
               getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size2) == 0 && domain == AF_UNIX,
           CELLA_ERR_PROTOCOL, NULL, "the host channel is not a SOCK_SEQPACKET unix socket");
    return CELLA_SUCCESS;
}

static struct cella_result begin_job(struct monitor *m, struct client *c) {
    TRY(cella_intake_begin(c->fds[0], &c->key, &c->job));
    TRY(monitor_watch(m, c->job.done_fd, monitor_tag(m, EVENT_JOB, c)));
    c->state = CLIENT_INTAKE;
    c->deadline_ms = monitor_now_ms() + CELLA_INTAKE_TIMEOUT_MS;
    return CELLA_SUCCESS;
}

void enclave_start(struct monitor *m, struct client *c) {
    struct cella_result r = check_host_channel(c->fds[4]);
    if (!cella_failed(r)) r = cella_intake_identify(c->fds[0], &c->key);
    if (cella_failed(r)) {
        refuse(m, c, r);
        return;
    }
    const struct cella_intake_image *image = cella_intake_find(&m->intake, &c->key);
    if (image) {
        launch_or_refuse(m, c, image);
        return;
    }
    c->state = CLIENT_QUEUED;
    c->deadline_ms = monitor_now_ms() + CELLA_INTAKE_TIMEOUT_MS;
    enclave_start_queued(m);
}

void enclave_start_queued(struct monitor *m) {
    for (size_t i = 0; i < CLIENT_MAX && monitor_count(m, CLIENT_INTAKE) < WORKER_MAX; i++) {
        struct client *c = &m->clients[i];
        if (c->state != CLIENT_QUEUED) continue;
        struct cella_result r = begin_job(m, c);
        if (!cella_failed(r)) continue;
        cella_intake_cancel(&c->job);
        refuse(m, c, r);
    }
}

void enclave_job_done(struct monitor *m, struct client *c) {
    if (c->state != CLIENT_INTAKE) return;
    const struct cella_intake_image *image;
    struct cella_result r = cella_intake_finish(&m->intake, &c->job, &image);
    if (cella_failed(r))
        refuse(m, c, r);
    else
        launch_or_refuse(m, c, image);
    enclave_start_queued(m);
}

/* The loader's word before the shim runs: loaded at a base, or why not (backend_software.h,
 * zygote.h). */
static void first_word(struct monitor *m, struct client *c, struct cella_bytes message, pid_t pid) {
    struct cella_reader r = cella_reader(message);
    uint32_t code = cella_reader_u32le(&r);
    if (code != CELLA_OK) {
        struct cella_bytes what = cella_reader_bytes(&r, cella_reader_u16le(&r));
        struct cella_bytes hint = cella_reader_bytes(&r, cella_reader_u16le(&r));
        char text[520];
        snprintf(text, sizeof(text), "%.*s", (int)hint.size, (const char *)hint.data);
        client_reply(m, c,
                     CELLA_FAILURE((enum cella_code)code, text[0] ? text : NULL, "%.*s",
                                   (int)what.size, (const char *)what.data),
                     cella_bytes(NULL, 0));
        if (c->state == CLIENT_STARTING) enclave_end(m, c);
        return;
    }
    uint64_t base = cella_reader_u64le(&r);
    c->pid = pid;
    c->state = CLIENT_RUNNING;
    c->deadline_ms = 0;
    c->started_ms = monitor_now_ms();
    uint8_t body[16];
    struct cella_writer w = cella_writer(body, sizeof(body));
    cella_writer_u32le(&w, (uint32_t)pid);
    cella_writer_u64le(&w, base);
    cella_writer_u32le(&w, (c->caller.memory_secret ? CELLA_START_SECRET_MEMORY : 0U) |
                               (c->debug ? CELLA_START_DEBUG : 0U));
    client_reply(m, c, CELLA_SUCCESS, cella_writer_bytes(&w));
}

/* Malformed calls end the enclave that made them and nothing else (platcall.h). */
static void answer_call(struct monitor *m, struct client *c, struct cella_bytes message) {
    m->reply.size = 0;
    struct cella_result r = cella_authority_answer(&m->authority, &c->caller, message, &m->reply);
    bool sent =
        !cella_failed(r) && cella_channel_send(c->channel, cella_buffer_bytes(&m->reply), NULL, 0,
                                               MSG_DONTWAIT) == CELLA_CHANNEL_MESSAGE;
    cella_wipe(m->reply.data, m->reply.size); /* it may have held a seal key (R51) */
    if (!sent) {
        cella_log(CELLA_LOG_WARN, "%s: ended: %s", c->name,
                  cella_failed(r) ? r.error->what : "it does not read its answers");
        cella_fd_close(&c->channel);
        cella_zygote_signal(&m->zygote, id_of(m, c), SIGKILL);
    }
    cella_result_drop(r);
}

void enclave_channel_readable(struct monitor *m, struct client *c) {
    static uint8_t message[CELLA_PLATCALL_MAX];
    struct cella_received got;
    enum cella_channel_state state =
        cella_channel_receive(c->channel, message, sizeof(message), MSG_DONTWAIT, &got);
    if (state == CELLA_CHANNEL_AGAIN) return;
    if (state !=
        CELLA_CHANNEL_MESSAGE) { /* gone: the zygote will say how it ended; broken: it must end */
        cella_fd_close(&c->channel);
        if (state == CELLA_CHANNEL_BROKEN) cella_zygote_signal(&m->zygote, id_of(m, c), SIGKILL);
        return;
    }
    cella_received_close(&got); /* no call brings descriptors */
    if (c->state == CLIENT_STARTING)
        first_word(m, c, cella_bytes(message, got.size), got.pid);
    else if (c->state == CLIENT_RUNNING)
        answer_call(m, c, cella_bytes(message, got.size));
}

void enclave_signal(struct monitor *m, struct client *c, int number) {
    if (c->state != CLIENT_RUNNING) return;
    bool allowed = number <= 64 && (c->host_signals >> (number - 1) & 1);
    cella_zygote_signal(&m->zygote, id_of(m, c), allowed ? number : SIGKILL);
}

void enclave_end(struct monitor *m, struct client *c) {
    c->state = CLIENT_ENDING;
    c->deadline_ms = 0;
    cella_fd_close(&c->channel);
    cella_zygote_signal(&m->zygote, id_of(m, c), SIGKILL);
}

static void refused_by_zygote(struct monitor *m, struct client *c, struct cella_reader *r) {
    uint32_t code = cella_reader_u32le(r);
    struct cella_bytes what = cella_reader_bytes(r, cella_reader_u16le(r));
    struct cella_bytes hint = cella_reader_bytes(r, cella_reader_u16le(r));
    char text[520];
    snprintf(text, sizeof(text), "%.*s", (int)hint.size, (const char *)hint.data);
    cella_fd_close(&c->channel);
    c->pages = 0;
    if (c->socket < 0)
        client_free(c);
    else
        refuse(m, c,
               CELLA_FAILURE((enum cella_code)code, text[0] ? text : NULL, "%.*s", (int)what.size,
                             (const char *)what.data));
}

static void exited(struct monitor *m, struct client *c, struct cella_reader *r) {
    uint32_t signalled = cella_reader_u32le(r), status = cella_reader_u32le(r);
    if (c->state == CLIENT_STARTING && c->channel >= 0)
        enclave_channel_readable(m, c); /* its word may be waiting */
    if (c->state == CLIENT_STARTING)
        client_reply(m, c,
                     CELLA_FAILURE(CELLA_ERR_UNAVAILABLE, NULL,
                                   "the enclave ended before it started (%s %u)",
                                   signalled ? "signal" : "status", status),
                     cella_bytes(NULL, 0));
    else if (c->state == CLIENT_RUNNING)
        client_tell_exited(m, c, signalled, status);
    if (c->state != CLIENT_FREE) client_free(c);
}

bool enclave_zygote_readable(struct monitor *m) {
    uint8_t message[2048];
    struct cella_received got;
    enum cella_channel_state state =
        cella_channel_receive(m->zygote.control, message, sizeof(message), MSG_DONTWAIT, &got);
    if (state == CELLA_CHANNEL_AGAIN) return true;
    if (state != CELLA_CHANNEL_MESSAGE) return false;
    cella_received_close(&got);
    struct cella_reader r = cella_reader(cella_bytes(message, got.size));
    uint32_t event = cella_reader_u32le(&r);
    struct client *c = client_of(m, cella_reader_u64le(&r));
    if (!c) return true;
    if (event == CELLA_ZYGOTE_REFUSED) refused_by_zygote(m, c, &r);
    if (event == CELLA_ZYGOTE_EXITED) exited(m, c, &r);
    return true;
}
