#include "platform/zygote.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "platform/channel.h"
#include "platform/confine.h"
#include "platform/zygote_loop.h"

enum { READY_TIMEOUT_MS = 20000 };

static struct cella_result receive_ready(struct cella_zygote *z) {
    uint8_t message[512];
    struct cella_received got;
    struct pollfd wait = {.fd = z->control, .events = POLLIN};
    int ready = poll(&wait, 1, READY_TIMEOUT_MS);
    ENSURE(ready == 1 && cella_channel_receive(z->control, message, sizeof(message), 0, &got) ==
                             CELLA_CHANNEL_MESSAGE,
           CELLA_ERR_UNAVAILABLE,
           "see the lines above; `cella doctor` tries what the machine offers",
           "the process that makes enclaves did not start");
    struct cella_reader r = cella_reader(cella_bytes(message, got.size));
    uint32_t event = cella_reader_u32le(&r);
    z->pool_size = cella_reader_u64le(&r);
    z->namespaces = cella_reader_u32le(&r) != 0;
    struct cella_bytes reason = cella_reader_rest(&r);
    snprintf(z->reason, sizeof(z->reason), "%.*s", (int)reason.size, (const char *)reason.data);
    ENSURE(!r.failed && event == CELLA_ZYGOTE_READY, CELLA_ERR_INTERNAL, NULL,
           "unexpected first message of the zygote");
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_zygote_start(const struct cella_zygote_options *options,
                                struct cella_zygote *out) {
    *out = (struct cella_zygote){.control = -1};
    int ends[2];
    TRY(cella_channel_pair(ends));
    pid_t pid = cella_confine_fork(options->drop, &out->namespaces);
    if (pid == 0) {
        close(ends[0]);
        cella_zygote_main(ends[1], options, out->namespaces);
    }
    close(ends[1]);
    out->pid = pid;
    out->control = ends[0];
    struct cella_result r =
        pid < 0 ? CELLA_FAILURE(CELLA_ERR_IO, NULL, "cannot fork: %s", strerror(errno))
                : receive_ready(out);
    if (cella_failed(r)) cella_zygote_stop(out);
    return r;
}

void cella_zygote_stop(struct cella_zygote *zygote) {
    if (zygote->control >= 0) close(zygote->control);
    zygote->control = -1;
    if (zygote->pid > 0) {
        kill(zygote->pid, SIGKILL); /* its children have it as parent-death signal, or it is their
                                       namespace's init */
        waitpid(zygote->pid, NULL, 0);
    }
    zygote->pid = 0;
}

static struct cella_result send_to(const struct cella_zygote *z, const struct cella_writer *w,
                                   const int *fds, int count) {
    ENSURE(!w->failed, CELLA_ERR_INTERNAL, NULL, "a message to the zygote is too long");
    ENSURE(cella_channel_send(z->control, cella_writer_bytes(w), fds, count, 0) ==
               CELLA_CHANNEL_MESSAGE,
           CELLA_ERR_UNAVAILABLE, NULL, "the process that makes enclaves is gone");
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_zygote_launch(const struct cella_zygote *zygote, uint64_t id,
                                 const struct cella_load *load,
                                 const int fds[CELLA_ZYGOTE_LAUNCH_FDS]) {
    static uint8_t message[CELLA_ZYGOTE_MESSAGE_MAX];
    struct cella_writer w = cella_writer(message, sizeof(message));
    cella_writer_u32le(&w, CELLA_ZYGOTE_LAUNCH);
    cella_writer_u64le(&w, id);
    cella_load_encode(load, &w);
    return send_to(zygote, &w, fds, CELLA_ZYGOTE_LAUNCH_FDS);
}

void cella_zygote_signal(const struct cella_zygote *zygote, uint64_t id, int number) {
    uint8_t message[16];
    struct cella_writer w = cella_writer(message, sizeof(message));
    cella_writer_u32le(&w, CELLA_ZYGOTE_SIGNAL);
    cella_writer_u64le(&w, id);
    cella_writer_u32le(&w, (uint32_t)number);
    cella_result_drop(send_to(zygote, &w, NULL, 0));
}
