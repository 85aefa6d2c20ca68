/* A server for tests and benchmarks of the http part: stand CERTIFICATE-FILE [name=value ...].
 *
 * Two sites, "a" and "b", each with a certificate of its own (CERTIFICATE-FILE.a, .b), and "m" with
 * the metrics. It prints "a PORT b PORT m PORT"; then each line of standard input is a command:
 * "certify SITE CERTIFICATE KEY" of files, answered by "done" or the error. SIGTERM ends it.
 *
 * Settings by name: workers, memory_max, header_max, request_ms, idle_ms, connection_max, peer_max,
 * drain_ms, tls12, body_max; access_log=FILE; cert=FILE and key=FILE for both sites. */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "http/server.h"
#include "http/target.h"

enum { JSON_SIZE = 500, BIG_MAX = 1 << 23, PEM_MAX = 1 << 16 };

struct stand {
    struct cella_http_settings settings;
    struct cella_http_site site[3];
    struct cella_http_server *server;
    struct cella_metrics *metrics;
    const char *cert, *key;
    uint32_t body_max;
    atomic_bool over;
    char json[JSON_SIZE];
};

/* --- Handlers --- */

static void say(struct cella_http_response *response, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void say(struct cella_http_response *response, const char *format, ...) {
    char text[2048];
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    struct cella_result r =
        cella_buffer_append(&response->text, cella_bytes(text, (size_t)size % sizeof(text)));
    cella_result_drop(r);
}

static unsigned long number(const struct cella_http_target *target, const char *name) {
    struct cella_bytes value;
    char text[16] = "";
    if (!cella_http_parameter(target, name, &value) || value.size >= sizeof(text)) return 0;
    cella_copy(text, value.data, value.size);
    return strtoul(text, NULL, 10);
}

static void echo(const struct cella_http_request *q, struct cella_http_response *response) {
    struct cella_bytes header;
    bool has = cella_http_request_header(q, "x-test", &header);
    unsigned long sum = 0;
    for (size_t i = 0; i < q->body.size; i++) sum = (sum * 31 + q->body.data[i]) % 1000003;
    response->status = 200;
    response->content_type = "application/json";
    say(response,
        "{\"method\":\"%.*s\",\"target\":\"%.*s\",\"authority\":\"%.*s\",\"body\":%zu,\"sum\":%lu,"
        "\"worker\":%u,\"id\":\"%s\",\"peer\":\"%s\",\"test\":\"%.*s\"}",
        (int)q->method.size, (const char *)q->method.data, (int)q->target.size,
        (const char *)q->target.data, (int)q->authority.size, (const char *)q->authority.data,
        q->body.size, sum, q->worker, q->id, q->peer, has ? (int)header.size : 1,
        has ? (const char *)header.data : "-");
}

static void big(const struct cella_http_target *target, struct cella_http_response *response) {
    uint8_t *to = NULL;
    unsigned long size = number(target, "size");
    struct cella_result r = cella_buffer_extend(&response->text, size < BIG_MAX ? size : 0, &to);
    if (!cella_failed(r)) memset(to, 'x', response->text.size);
    cella_result_drop(r);
    response->status = 200;
    response->content_type = "text/plain";
}

static void slow(const struct cella_http_target *target) {
    unsigned long ms = number(target, "ms");
    struct timespec t = {.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000};
    nanosleep(&t, NULL);
}

static void headers(struct cella_http_response *response) {
    for (int i = 0; i < CELLA_HTTP_HEADERS; i++) {
        char value[64];
        snprintf(value, sizeof(value), "%d %060d", i, i);
        cella_http_header_copy(response, i % 2 ? "X-Odd" : "X-Even",
                               cella_bytes(value, strlen(value)));
    }
}

static void answer(void *context, const struct cella_http_request *q,
                   struct cella_http_response *response) {
    struct stand *s = context;
    struct cella_http_target target;
    struct cella_result r = cella_http_target_parse(q->target, &target);
    bool good = !cella_failed(r);
    cella_result_drop(r);
    if (good && cella_http_path_is(&target, "/json")) {
        response->status = 200;
        response->content_type = "application/json";
        response->body = cella_bytes(s->json, sizeof(s->json));
        return;
    }
    if (good && cella_http_path_is(&target, "/none")) return;
    echo(q, response);
    if (!good) return;
    if (cella_http_path_is(&target, "/slow")) slow(&target);
    if (cella_http_path_is(&target, "/headers")) headers(response);
    if (cella_http_path_is(&target, "/split"))
        cella_http_header(response, "X-Bad", "a\r\nX-Evil: b");
    if (cella_http_path_is(&target, "/status")) response->status = (int)number(&target, "is");
    if (cella_http_path_is(&target, "/note")) response->note = "a word";
    if (cella_http_path_is(&target, "/big")) {
        response->text.size = 0;
        big(&target, response);
    }
}

static void answer_metrics(void *context, const struct cella_http_request *q,
                           struct cella_http_response *response) {
    (void)q;
    struct cella_result r = cella_metrics_text(((struct stand *)context)->metrics, &response->text);
    response->status = cella_failed(r) ? 500 : 200;
    response->content_type = "text/plain; version=0.0.4";
    cella_result_drop(r);
}

/* --- Setting up --- */

static CELLA_RESULT read_settings(struct stand *s, int argc, char **argv) {
    struct cella_http_settings *t = &s->settings;
    const struct {
        const char *name;
        uint32_t *value;
    } numbers[] = {{"workers", &t->workers},
                   {"header_max", &t->header_max},
                   {"request_ms", &t->request_ms},
                   {"idle_ms", &t->idle_ms},
                   {"connection_max", &t->connection_max},
                   {"peer_max", &t->peer_max},
                   {"drain_ms", &t->drain_ms},
                   {"body_max", &s->body_max}};
    for (int i = 2; i < argc; i++) {
        char *value = strchr(argv[i], '=');
        ENSURE(value, CELLA_ERR_USAGE, NULL, "expected name=value, found %s", argv[i]);
        *value++ = 0;
        bool found = true;
        if (strcmp(argv[i], "access_log") == 0)
            t->access_log_fd = open(value, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        else if (strcmp(argv[i], "tls12") == 0)
            t->tls12 = *value == '1';
        else if (strcmp(argv[i], "memory_max") == 0)
            t->memory_max = strtoull(value, NULL, 10);
        else if (strcmp(argv[i], "cert") == 0)
            s->cert = value;
        else if (strcmp(argv[i], "key") == 0)
            s->key = value;
        else
            found = false;
        for (size_t k = 0; k < sizeof(numbers) / sizeof(numbers[0]); k++) {
            if (strcmp(argv[i], numbers[k].name) != 0) continue;
            *numbers[k].value = (uint32_t)strtoul(value, NULL, 10);
            found = true;
        }
        ENSURE(found, CELLA_ERR_USAGE, NULL, "unknown setting: %s", argv[i]);
    }
    return CELLA_SUCCESS;
}

static CELLA_RESULT make_pair(const struct stand *s, const char *path, const char *site,
                              struct cella_buffer *certificate, struct cella_buffer *key) {
    char name[512];
    if (s->cert) {
        TRY(cella_file_read(s->cert, PEM_MAX, certificate));
        return cella_file_read(s->key, PEM_MAX, key);
    }
    TRY(cella_http_insecure_certificate(certificate, key));
    snprintf(name, sizeof(name), "%s.%s", path, site);
    return cella_file_write(name, cella_buffer_bytes(certificate), 0644, 0);
}

static CELLA_RESULT certify(struct stand *s, const char *line) {
    char site[8], certificate_path[256], key_path[256];
    CELLA_BUFFER certificate = {0}, key = {0};
    ENSURE(sscanf(line, "certify %7s %255s %255s", site, certificate_path, key_path) == 3,
           CELLA_ERR_USAGE, NULL, "expected certify SITE CERTIFICATE KEY");
    TRY(cella_file_read(certificate_path, PEM_MAX, &certificate));
    TRY(cella_file_read(key_path, PEM_MAX, &key));
    return cella_http_server_certify(s->server, (size_t)(site[0] - 'a'),
                                     cella_buffer_bytes(&certificate), cella_buffer_bytes(&key));
}

static void *commands(void *context) {
    struct stand *s = context;
    struct pollfd in = {.fd = 0, .events = POLLIN};
    char line[1024];
    while (!atomic_load(&s->over)) {
        if (poll(&in, 1, 50) <= 0) continue;
        if (!fgets(line, sizeof(line), stdin)) break;
        struct cella_result r = certify(s, line);
        printf("%s\n", cella_failed(r) ? cella_code_name(cella_code_of(r)) : "done");
        fflush(stdout);
        cella_result_drop(r);
    }
    return NULL;
}

static CELLA_RESULT watch_signals(int *fd) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    ENSURE(sigprocmask(SIG_BLOCK, &set, NULL) == 0, CELLA_ERR_IO, NULL, "signals: %m");
    *fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    ENSURE(*fd >= 0, CELLA_ERR_IO, NULL, "signals: %m");
    return CELLA_SUCCESS;
}

static void describe(struct stand *s, struct cella_buffer certificate[2],
                     struct cella_buffer key[2]) {
    static const char *const names[] = {"a", "b", "metrics"};
    int size = snprintf(s->json, sizeof(s->json), "{\"text\":\"");
    memset(s->json + size, 'x', sizeof(s->json) - (size_t)size);
    s->json[JSON_SIZE - 2] = '"';
    s->json[JSON_SIZE - 1] = '}';
    for (int i = 0; i < 3; i++)
        s->site[i] =
            (struct cella_http_site){.listen = "127.0.0.1:0",
                                     .name = names[i],
                                     .certificate = cella_buffer_bytes(&certificate[i % 2]),
                                     .key = cella_buffer_bytes(&key[i % 2]),
                                     .handler = i == 2 ? answer_metrics : answer,
                                     .context = s,
                                     .body_max = s->body_max};
    s->settings.site = s->site;
    s->settings.site_count = 3;
    s->settings.metrics = s->metrics;
}

static CELLA_RESULT serve(struct stand *s, const char *path) {
    CELLA_HTTP_SERVER server = NULL;
    CELLA_FD stop = -1;
    struct cella_buffer certificate[2] = {{0}}, key[2] = {{0}};
    pthread_t thread;
    TRY(watch_signals(&stop));
    TRY(make_pair(s, path, "a", &certificate[0], &key[0]));
    TRY(make_pair(s, path, "b", &certificate[1], &key[1]));
    TRY(cella_metrics_new(&s->metrics));
    describe(s, certificate, key);
    TRY(cella_http_server_new(&s->settings, &server));
    s->server = server;
    ENSURE(pthread_create(&thread, NULL, commands, s) == 0, CELLA_ERR_IO, NULL, "no thread");
    printf("a %u b %u m %u\n", (unsigned)cella_http_server_port(server, 0),
           (unsigned)cella_http_server_port(server, 1),
           (unsigned)cella_http_server_port(server, 2));
    fflush(stdout);
    TRY(cella_http_server_run(server, stop));
    atomic_store(&s->over, true);
    pthread_join(thread, NULL);
    for (int i = 0; i < 2; i++) {
        cella_buffer_free(&certificate[i]);
        cella_buffer_free(&key[i]);
    }
    cella_http_server_free(&server);
    cella_metrics_free(&s->metrics);
    return CELLA_SUCCESS;
}

int main(int argc, char **argv) {
    static struct stand stand = {.body_max = 1 << 20};
    struct cella_result r = argc > 1 ? read_settings(&stand, argc, argv) : CELLA_SUCCESS;
    if (argc > 1 && !cella_failed(r)) r = serve(&stand, argv[1]);
    if (!cella_failed(r)) return argc > 1 ? 0 : 2;
    cella_result_print(r);
    cella_result_drop(r);
    return 1;
}
