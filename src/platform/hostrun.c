#include "platform/hostrun.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/file.h"
#include "platform/channel.h"

enum { PENDING_PAUSE_MS = 50 };

CELLA_RESULT cella_run_watch_signals(int *out) {
    static const int passed[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2};
    sigset_t set;
    sigemptyset(&set);
    for (size_t i = 0; i < sizeof(passed) / sizeof(passed[0]); i++) sigaddset(&set, passed[i]);
    sigprocmask(SIG_BLOCK, &set, NULL);
    *out = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    ENSURE(*out >= 0, CELLA_ERR_INTERNAL, NULL, "signalfd: %s", strerror(errno));
    return CELLA_SUCCESS;
}

static struct cella_result pass_signal(struct cella_run *run) {
    struct signalfd_siginfo info;
    if (read(run->signals, &info, sizeof(info)) != sizeof(info)) return CELLA_SUCCESS;
    run->last_signal = (int)info.ssi_signo;
    return cella_client_signal(run->socket, run->last_signal);
}

static struct cella_result answer(struct cella_run *run) {
    CELLA_FD fd = -1;
    size_t size;
    enum cella_host_answer a = cella_host_serve(
        run->server, cella_bytes(run->request, run->request_size), run->reply, &size, &fd);
    if (a == CELLA_HOST_PENDING) return CELLA_SUCCESS;
    run->request_size = 0;
    if (a == CELLA_HOST_ANSWERED && cella_channel_send(run->channel, cella_bytes(run->reply, size),
                                                       &fd, fd >= 0, 0) == CELLA_CHANNEL_MESSAGE)
        return CELLA_SUCCESS;
    cella_fd_close(
        &run->channel); /* malformed or not listening: its next call fails, and it ends */
    return CELLA_SUCCESS;
}

static struct cella_result take_call(struct cella_run *run) {
    struct cella_received got;
    enum cella_channel_state state =
        cella_channel_receive(run->channel, run->request, sizeof(run->request), MSG_DONTWAIT, &got);
    if (state == CELLA_CHANNEL_AGAIN) return CELLA_SUCCESS;
    if (state != CELLA_CHANNEL_MESSAGE) {
        cella_fd_close(&run->channel);
        return CELLA_SUCCESS;
    }
    cella_received_close(&got);
    run->request_size = got.size;
    return answer(run);
}

CELLA_RESULT cella_run_serve(struct cella_run *run, struct cella_client_exited *out) {
    for (;;) {
        bool pending = run->request_size > 0;
        struct pollfd wait[3] = {{.fd = run->socket, .events = POLLIN},
                                 {.fd = run->signals, .events = POLLIN},
                                 {.fd = pending ? -1 : run->channel, .events = POLLIN}};
        if (poll(wait, 3, pending ? PENDING_PAUSE_MS : -1) < 0 && errno != EINTR)
            FAIL(CELLA_ERR_INTERNAL, NULL, "poll: %s", strerror(errno));
        if (wait[1].revents) TRY(pass_signal(run));
        if (wait[2].revents) TRY(take_call(run));
        if (pending) TRY(answer(run));
        if (wait[0].revents) break;
    }
    struct cella_result r = cella_client_wait(run->socket, out);
    if (cella_code_of(r) != CELLA_ERR_UNAVAILABLE) return r;
    cella_result_drop(r);
    FAIL(CELLA_ERR_UNAVAILABLE, "start it again",
         "the platform stopped; the enclave ended with it");
}
