/* What happens beside the requests: signals and certificates; rotation and housekeeping;
 * collateral, which alone waits for the network. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "service/service_inner.h"
#include "service/vaults.h"

enum { LOOK_MS = 2000, TEND_S = 10, COLLATERAL_S = 2, PAUSE_MS = 200, AGAIN_MS = 500 };

static uint64_t now_unix(void) { return (uint64_t)time(NULL); }

/* A failure of housekeeping is told, and tried again the next time. */
static void tell(const char *what, struct cella_result r) {
    if (cella_failed(r)) cella_log(CELLA_LOG_WARN, "%s: %s", what, r.error->what);
    cella_result_drop(r);
}

/* --- Signals and certificates --- */

static CELLA_RESULT certify(void *context, const struct cella_service_pair *pair,
                            struct cella_bytes certificate, struct cella_bytes key) {
    struct cella_service *s = context;
    for (size_t i = 0; i < s->site_count; i++)
        if (s->pair[i] == pair) TRY(cella_http_server_certify(s->server, i, certificate, key));
    /* Releases are signed with the default pair: it carries the vaults' hosts (azure-keyvault 8.7).
     */
    if (s->vaults && pair == cella_service_certificates_find(s->certificates, NULL))
        TRY(cella_vaults_certify(s->vaults, certificate, key));
    return CELLA_SUCCESS;
}

/* For logrotate(8): the same descriptor, another file. */
static void reopen_access_log(const struct cella_service *s) {
    if (s->access_log <= STDERR_FILENO) return;
    CELLA_FD fd =
        open(s->config.server.access_log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || dup3(fd, s->access_log, O_CLOEXEC) < 0)
        cella_log(CELLA_LOG_WARN, "access log: %s: %m; the old file stays",
                  s->config.server.access_log);
}

static uint64_t now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* A signal that comes again at once is the same one: timeout(1) sends it to us and to our group. */
static void stop(struct cella_service *s) {
    static uint64_t first_ms; /* of the only thread that comes here */
    if (atomic_exchange(&s->stopping, true)) {
        if (now_ms() - first_ms < AGAIN_MS) return;
        cella_log(CELLA_LOG_WARN, "told to stop a second time: connections are cut off");
        _exit(1);
    }
    first_ms = now_ms();
    cella_log(CELLA_LOG_INFO, "told to stop: answering what is under way");
    pthread_mutex_lock(&s->health.lock);
    s->health.stopping = true;
    pthread_mutex_unlock(&s->health.lock);
    if (s->trust) cella_trust_stop(s->trust);
    (void)eventfd_write(s->stop, 1);
}

static void on_signal(struct cella_service *s) {
    struct signalfd_siginfo info;
    if (read(s->signals, &info, sizeof(info)) != sizeof(info)) return;
    if (info.ssi_signo == SIGHUP)
        reopen_access_log(s);
    else
        stop(s);
}

static void *watch(void *context) {
    struct cella_service *s = context;
    struct pollfd p[] = {{.fd = s->signals, .events = POLLIN}, {.fd = s->end, .events = POLLIN}};
    while (!p[1].revents) {
        if (poll(p, 2, LOOK_MS) > 0 && p[0].revents) on_signal(s);
        cella_service_certificates_tend(s->certificates, now_unix(), certify, s);
        cella_service_health_certificates(s, now_unix());
    }
    return NULL;
}

/* --- Housekeeping --- */

/* Sleeps, but not when the server is about to end. */
static bool wait(struct cella_service *s, unsigned seconds) {
    const struct timespec pause = {.tv_nsec = PAUSE_MS * 1000000L};
    for (unsigned ms = 0; ms < seconds * 1000 && !atomic_load(&s->stopping); ms += PAUSE_MS)
        nanosleep(&pause, NULL);
    return !atomic_load(&s->stopping);
}

static void *tend(void *context) {
    struct cella_service *s = context;
    while (wait(s, TEND_S)) {
        if (s->issuer) tell("identity", cella_issuer_tend(s->issuer, now_unix()));
        tell("root", cella_sealer_refresh(s->sealer));
        tell("store", cella_service_sealed_tend(s));
        bool sealed = atomic_load(&s->sealed); /* then nothing is rotated, renewed or purged */
        if (s->attest && !sealed) tell("attestation", cella_attest_tend(s->attest, now_unix()));
        if (s->vaults && !sealed) tell("vault", cella_service_vaults_tend(s, now_unix()));
        cella_service_health_look(s, now_unix());
    }
    return NULL;
}

static void *refresh(void *context) {
    struct cella_service *s = context;
    while (wait(s, COLLATERAL_S)) tell("collateral", cella_trust_tend(s->trust, now_unix()));
    return NULL;
}

/* --- Life --- */

static CELLA_RESULT start(struct cella_service *s, void *(*run)(void *)) {
    int error = pthread_create(&s->thread[s->thread_count], NULL, run, s);
    ENSURE(error == 0, CELLA_ERR_MEMORY, NULL, "cannot start a thread: %s", strerror(error));
    s->thread_count++;
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_service_background_start(struct cella_service *s) {
    TRY(start(s, watch));
    TRY(start(s, tend));
    return s->trust ? start(s, refresh) : CELLA_SUCCESS;
}

/* The watcher lasts longest: a second signal ends a drain. */
void cella_service_background_end(struct cella_service *s) {
    atomic_store(&s->stopping, true);
    if (s->trust) cella_trust_stop(s->trust);
    if (s->thread_count) (void)eventfd_write(s->end, 1);
    for (unsigned i = 0; i < s->thread_count; i++) pthread_join(s->thread[i], NULL);
    s->thread_count = 0;
}
