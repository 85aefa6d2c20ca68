/* load PORT [name=value ...]: the load client of load.h on the command line.
 *
 * address=127.0.0.1 authority=localhost:PORT method=GET target=/ body=FILE header="Name: value"
 * connections=64 seconds=5 rate=0 status=200 spread=0 ca=FILE idle=N (opens N connections and waits
 * for a line on standard input) */
#include <openssl/ssl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "load.h"

struct arguments {
    struct load_settings load;
    struct cella_bytes body;
    struct cella_buffer file, headers; /* owned */
    char authority[64];
    bool pause;
};

static CELLA_RESULT read_one(struct arguments *a, const char *name, const char *value) {
    struct load_settings *l = &a->load;
    const struct {
        const char *name;
        const char **text;
    } texts[] = {{"address", &l->address},
                 {"authority", &l->authority},
                 {"method", &l->method},
                 {"target", &l->target},
                 {"ca", &l->ca}};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        if (strcmp(name, texts[i].name) == 0) {
            *texts[i].text = value;
            return CELLA_SUCCESS;
        }
    if (strcmp(name, "connections") == 0)
        l->connections = (unsigned)strtoul(value, NULL, 10);
    else if (strcmp(name, "seconds") == 0)
        l->seconds = strtod(value, NULL);
    else if (strcmp(name, "rate") == 0)
        l->rate = strtod(value, NULL);
    else if (strcmp(name, "status") == 0)
        l->status = atoi(value);
    else if (strcmp(name, "spread") == 0)
        l->spread = (unsigned)strtoul(value, NULL, 10);
    else if (strcmp(name, "requests") == 0)
        l->requests_max = strtoull(value, NULL, 10);
    else if (strcmp(name, "header") == 0) {
        TRY(cella_buffer_append(&a->headers, cella_bytes_text(value)));
        return cella_buffer_append(&a->headers, cella_bytes_text("\r\n"));
    } else if (strcmp(name, "body") == 0) {
        TRY(cella_file_read(value, 1 << 24, &a->file));
        a->body = cella_buffer_bytes(&a->file);
        l->body = &a->body;
        l->body_count = 1;
    } else
        FAIL(CELLA_ERR_USAGE, "see the head of bench/load_program.c", "unknown: %s", name);
    return CELLA_SUCCESS;
}

static CELLA_RESULT run(int argc, char **argv) {
    struct arguments a = {.load = {.address = "127.0.0.1",
                                   .method = "GET",
                                   .target = "/",
                                   .connections = 64,
                                   .authority = a.authority}};
    struct load_result r;
    ENSURE(argc >= 2, CELLA_ERR_USAGE, NULL, "load PORT [name=value ...]");
    a.load.port = (uint16_t)strtoul(argv[1], NULL, 10);
    snprintf(a.authority, sizeof(a.authority), "localhost:%u", a.load.port);
    for (int i = 2; i < argc; i++) {
        char *value = strchr(argv[i], '=');
        ENSURE(value, CELLA_ERR_USAGE, NULL, "expected name=value, found %s", argv[i]);
        *value = 0;
        TRY(read_one(&a, argv[i], value + 1));
    }
    TRY(cella_buffer_append(&a.headers, cella_bytes("", 1)));
    a.load.headers = (const char *)a.headers.data;
    TRY(load_run(&a.load, &r));
    printf("%llu requests, %llu failures (%d), %.2f s, %.0f/s, p50 %.0f us, p99 %.0f us, max %.0f "
           "us\n",
           (unsigned long long)r.requests, (unsigned long long)r.failures, r.failed_status,
           r.seconds, r.per_second, r.p50_us, r.p99_us, r.max_us);
    cella_buffer_free(&a.file);
    cella_buffer_free(&a.headers);
    return CELLA_SUCCESS;
}

int main(int argc, char **argv) {
    signal(SIGPIPE, SIG_IGN);
    struct cella_result r = run(argc, argv);
    if (!cella_failed(r)) return 0;
    cella_result_print(r);
    cella_result_drop(r);
    return 1;
}
