#include "service/service.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "service/config_value.h"
#include "service/development.h"
#include "service/folder.h"
#include "service/instances.h"
#include "service/service_inner.h"
#include "service/vaults.h"

static uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000ULL + (uint64_t)t.tv_nsec;
}

/* --- The process --- */

/* K11: what is in memory stays there: no core, no debugger of the same user, and where the limits
 * allow, no swap. */
static void confine(void) {
    const struct rlimit none = {0, 0};
    if (setrlimit(RLIMIT_CORE, &none) != 0 || prctl(PR_SET_DUMPABLE, 0) != 0)
        cella_log(CELLA_LOG_WARN, "core dumps cannot be turned off: %m");
    struct rlimit lock;
    if (getrlimit(RLIMIT_MEMLOCK, &lock) == 0 && lock.rlim_cur == RLIM_INFINITY &&
        mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) != 0)
        cella_log(CELLA_LOG_WARN, "memory cannot be locked: %m");
}

/* Before any thread is there, so that none of them is interrupted. */
static CELLA_RESULT block_signals(struct cella_service *s) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    signal(SIGPIPE, SIG_IGN);
    if (pthread_sigmask(SIG_BLOCK, &set, NULL) == 0)
        s->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    s->stop = eventfd(0, EFD_CLOEXEC);
    s->end = eventfd(0, EFD_CLOEXEC);
    ENSURE(s->signals >= 0 && s->stop >= 0 && s->end >= 0, CELLA_ERR_IO, NULL,
           "cannot watch for signals: %m");
    return CELLA_SUCCESS;
}

/* The service manager's protocol (sd_notify(3)): one datagram when the server is ready. */
static void notify_ready(void) {
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (!path || strlen(path) >= sizeof(address.sun_path) || (path[0] != '/' && path[0] != '@'))
        return;
    memcpy(address.sun_path, path, strlen(path));
    if (path[0] == '@') address.sun_path[0] = 0; /* abstract */
    CELLA_FD fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
    (void)!sendto(fd, "READY=1", 7, MSG_NOSIGNAL, (struct sockaddr *)&address, size);
    unsetenv("NOTIFY_SOCKET");
}

/* --- Parts --- */

static CELLA_RESULT check_options(const struct cella_service_options *o) {
    char text[300];
    uint8_t address[16];
    bool six = inet_pton(AF_INET6, o->host, address) == 1;
    snprintf(text, sizeof(text), six ? "https://[%s]" : "https://%s", o->host);
    ENSURE(strlen(o->host) < 200 && cella_conf_url(text), CELLA_ERR_USAGE,
           "see `cella serve --help`",
           "--host: expected a host's name in lower case, or an address, found '%s'", o->host);
    six = o->listen && inet_pton(AF_INET6, o->listen, address) == 1;
    snprintf(text, sizeof(text), six ? "[%.200s]:1" : "%.200s:1", o->listen ? o->listen : "");
    ENSURE(!o->listen || cella_conf_listen(text), CELLA_ERR_USAGE, "see `cella serve --help`",
           "--listen: expected a numeric address, found '%s'", o->listen);
    return CELLA_SUCCESS;
}

static CELLA_RESULT open_folder(struct cella_service *s) {
    TRY(check_options(s->options));
    TRY(cella_service_folder_open(s->options->data, s->folder, &s->lock));
    TRY_IN(cella_service_folder_make(s->folder, cella_service_development_make,
                                     (void *)(uintptr_t)s->options, &s->first),
           "first start in %s", s->folder);
    return cella_service_config_read(s->folder, &s->config);
}

static CELLA_RESULT open_store(struct cella_service *s) {
    const struct cella_service_config *c = &s->config;
    CELLA_SECRET key = {0};
    TRY(cella_database_open(c->store.location, &s->database));
    TRY(cella_sealer_open(c->store.root, s->folder, &s->sealer));
    TRY(cella_service_audit_key(s->database, s->sealer, &key));
    return cella_audit_open(c->audit.path, (uint32_t)c->audit.sync_ms, cella_secret_bytes(&key),
                            &s->audit);
}

static CELLA_RESULT open_identity(struct cella_service *s) {
    const struct cella_service_config *c = &s->config;
    TRY(cella_identity_migrate(s->database));
    TRY(cella_issuers_new(&s->issuers));
    for (size_t i = 0; i < c->issuer_count; i++)
        TRY_IN(cella_issuers_add(s->issuers, c->issuer[i].issuer, c->issuer[i].jwks,
                                 c->issuer[i].tenant),
               "[issuer %s]", c->issuer[i].name);
    if (!c->identity.url) return CELLA_SUCCESS;
    _Static_assert((int)(CELLA_SERVICE_ATTEST_MAX + 2 * CELLA_SERVICE_VAULT_MAX) <=
                       (int)CELLA_ISSUER_RESOURCES,
                   "every instance and vault can be what a token is for");
    const char *resource[CELLA_SERVICE_ATTEST_MAX + 2 * CELLA_SERVICE_VAULT_MAX];
    size_t resource_count = 0;
    for (size_t i = 0; i < c->attest_count; i++) resource[resource_count++] = c->attest[i].url;
    for (size_t i = 0; i < c->vault_count; i++) {
        resource[resource_count++] = c->vault[i].url;
        if (c->vault[i].resource) resource[resource_count++] = c->vault[i].resource;
    }
    struct cella_issuer_settings settings = {.url = c->identity.url,
                                             .tenant = c->identity.tenant,
                                             .token_s = (uint32_t)c->identity.token_s,
                                             .rotate_s = (uint32_t)c->identity.rotate_s,
                                             .resource = resource,
                                             .resource_count = resource_count,
                                             .assertion_once = c->identity.assertion_once};
    TRY(cella_issuer_new(&settings, s->database, s->sealer, &s->issuer));
    return cella_issuer_join(s->issuer, s->issuers);
}

static CELLA_RESULT open_access_log(struct cella_service *s) {
    const char *path = s->config.server.access_log;
    if (strcmp(path, "stderr") == 0) s->access_log = STDERR_FILENO;
    if (s->access_log || strcmp(path, "none") == 0) return CELLA_SUCCESS;
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0600);
    ENSURE(fd >= 0, CELLA_ERR_IO, "see [server] access_log", "cannot open %s: %m", path);
    s->access_log = fd;
    return CELLA_SUCCESS;
}

static unsigned processors(void) {
    cpu_set_t set;
    int count = sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;
    return count > 0 ? (unsigned)count : 1;
}

static CELLA_RESULT open_server(struct cella_service *s) {
    const struct cella_service_server *c = &s->config.server;
    TRY(open_access_log(s));
    TRY(cella_service_sites(s));
    struct cella_http_settings settings = {
        .site = s->site,
        .site_count = s->site_count,
        .workers = c->workers ? (uint32_t)c->workers : processors(),
        .header_max = (uint32_t)c->header_max,
        .request_ms = (uint32_t)c->request_ms,
        .idle_ms = (uint32_t)c->idle_ms,
        .connection_max = (uint32_t)c->connection_max,
        .peer_max = (uint32_t)c->peer_max,
        .drain_ms = (uint32_t)c->drain_ms,
        .tls12 = c->tls12,
        .access_log_fd = s->access_log,
        .metrics = s->metrics,
    };
    return cella_http_server_new(&settings, &s->server);
}

static void warn_of_settings(const struct cella_service *s) {
    if (!cella_conf_loopback(s->config.server.metrics))
        cella_log(
            CELLA_LOG_WARN,
            "metrics: others than this machine can reach %s, and nobody is asked who they are",
            s->config.server.metrics);
    for (size_t i = 0; i < s->config.attest_count; i++)
        if (s->config.attest[i].insecure_time)
            cella_log(CELLA_LOG_WARN,
                      "[attest %s] insecure_time: evidence is judged as of a moment in the past",
                      s->config.attest[i].name);
}

/* `cella serve attest` and `cella serve vault` leave the other service out. */
static CELLA_RESULT choose(struct cella_service *s) {
    const char *only = s->options->only;
    if (!only) return CELLA_SUCCESS;
    bool vault = strcmp(only, "vault") == 0;
    *(vault ? &s->config.attest_count : &s->config.vault_count) = 0;
    ENSURE(s->config.attest_count + s->config.vault_count > 0, CELLA_ERR_USAGE,
           "add a section for it to cella.conf", "serve %s: %s has no section [%s NAME]", only,
           s->folder, only);
    return CELLA_SUCCESS;
}

static CELLA_RESULT open_all(struct cella_service *s) {
    TRY(open_folder(s));
    TRY(choose(s));
    warn_of_settings(s);
    TRY(cella_service_certificates_open(&s->config, (uint64_t)time(NULL), false, &s->certificates));
    TRY(open_store(s));
    TRY(cella_metrics_new(&s->metrics));
    cella_service_health_open(s);
    TRY(open_identity(s));
    TRY(cella_service_instances_open(s));
    TRY(cella_service_vaults_open(s));
    TRY(open_server(s));
    return cella_service_sealed_open(s);
}

static void close_all(struct cella_service *s) {
    cella_http_server_free(&s->server);
    cella_service_sealed_close(s);
    cella_vaults_free(&s->vaults);
    cella_authorities_free(&s->authorities);
    cella_attest_free(&s->attest);
    cella_trust_free(&s->trust);
    cella_issuer_free(&s->issuer);
    cella_issuers_free(&s->issuers);
    cella_metrics_free(&s->metrics);
    cella_audit_close(&s->audit);
    cella_sealer_close(&s->sealer);
    cella_database_close(&s->database);
    cella_service_certificates_free(&s->certificates);
    for (size_t i = 0; i < s->file_count; i++) cella_buffer_free(&s->file[i]);
    for (size_t i = 0; i < s->login_count; i++) cella_buffer_free(&s->login[i]);
    cella_service_config_free(&s->config);
    if (s->access_log > STDERR_FILENO) close(s->access_log);
    cella_fd_close(&s->signals);
    cella_fd_close(&s->stop);
    cella_fd_close(&s->end);
    cella_fd_close(&s->lock);
}

/* --- Life --- */

static CELLA_RESULT tell_ready(struct cella_service *s, uint64_t start_ns) {
    unsigned long long ms = (now_ns() - start_ns) / 1000000;
    cella_metric_set(s->health.started_ms, (int64_t)ms);
    cella_log(CELLA_LOG_INFO, "ready after %llu ms", ms);
    if (s->options->quiet) return CELLA_SUCCESS;
    if (s->first) TRY(cella_service_development_tell(s->folder));
    if (s->config.identity.url) printf("identity  %s\n", s->config.identity.url);
    for (size_t i = 0; i < s->config.attest_count; i++)
        printf("attest    %s  %s\n", s->config.attest[i].url, s->config.attest[i].name);
    for (size_t i = 0; i < s->config.vault_count; i++)
        printf("vault     %s  %s\n", s->config.vault[i].url, s->config.vault[i].name);
    printf("metrics   https://%s/metrics\nready after %llu ms\n", s->config.server.metrics, ms);
    ENSURE(fflush(stdout) == 0, CELLA_ERR_IO, NULL, "cannot write standard output: %m");
    return CELLA_SUCCESS;
}

static CELLA_RESULT serve(struct cella_service *s, uint64_t start_ns) {
    TRY(block_signals(s));
    TRY(open_all(s));
    cella_service_health_look(s, (uint64_t)time(NULL));
    cella_service_health_certificates(s, (uint64_t)time(NULL));
    TRY(cella_service_background_start(s));
    TRY(tell_ready(s, start_ns));
    notify_ready();
    return cella_http_server_run(s->server, s->stop);
}

CELLA_RESULT cella_service_run(const struct cella_service_options *options) {
    uint64_t start_ns = now_ns();
    struct cella_service *s = calloc(1, sizeof(*s));
    ENSURE(s, CELLA_ERR_MEMORY, NULL, "no memory for a server");
    s->options = options;
    s->lock = s->signals = s->stop = s->end = -1;
    pthread_mutex_init(&s->health.lock, NULL);
    confine();
    struct cella_result r = serve(s, start_ns);
    cella_service_background_end(s);
    close_all(s);
    free(s);
    return r;
}

CELLA_RESULT cella_service_check(const struct cella_service_options *options) {
    CELLA_SERVICE_CONFIG config = {0};
    struct cella_service_certificates *certificates = NULL;
    TRY(cella_service_config_read(options->data, &config));
    struct cella_result r =
        cella_service_certificates_open(&config, (uint64_t)time(NULL), true, &certificates);
    cella_service_certificates_free(&certificates);
    TRY(r);
    return cella_service_instances_check(&config);
}
