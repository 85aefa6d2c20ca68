/* The trust at work, for trust_test.py: commands on standard input, an answer line for each.
 *   new PATHS... | cache FILE | source WORDS | ca FILE | roots PATH | refresh S | timeout MS | key
 * FILE open                       makes it want FILE                  evidence that needs something
 *   tend UNIX                  in the background; "tended" when asked with `wait`
 *   wait                       the outcome of the tend under way
 *   time                       takes and drops the set 1000 times: the longest, in microseconds
 *   has FMSPC                  whether the set now, and the one held, accept... (state only)
 *   state UNIX                 age, count, stale, failures, last
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "attest/trust.h"
#include "base/file.h"

static struct cella_trust *trust;
static struct {
    pthread_t thread;
    uint64_t now;
    char outcome[512];
} tending;

static void *tend(void *context) {
    (void)context;
    struct cella_result r = cella_trust_tend(trust, tending.now);
    snprintf(tending.outcome, sizeof(tending.outcome), "%s",
             cella_failed(r) ? r.error->what : "good");
    cella_result_drop(r);
    return NULL;
}

static uint64_t now_us(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static void show(struct cella_result r) {
    printf("%s\n", cella_failed(r) ? r.error->what : "good");
    cella_result_drop(r);
}

static void measure(void) {
    uint64_t longest = 0;
    for (int i = 0; i < 1000; i++) {
        void *hold;
        uint64_t from = now_us();
        const struct cella_collateral *set = cella_trust_take(trust, &hold);
        cella_trust_drop(trust, hold);
        uint64_t took = now_us() - from;
        if (!set) exit(3);
        if (took > longest) longest = took;
    }
    printf("%llu\n", (unsigned long long)longest);
}

static void want(const char *path) {
    CELLA_BUFFER evidence = {0};
    struct cella_result r = cella_file_read(path, 1 << 20, &evidence);
    if (!cella_failed(r)) cella_trust_want(trust, cella_buffer_bytes(&evidence));
    show(r);
}

static void state(uint64_t now) {
    struct cella_trust_state s;
    cella_trust_state(trust, now, &s);
    printf("%llu %llu %llu %llu %s\n", (unsigned long long)s.age_s, (unsigned long long)s.count,
           (unsigned long long)s.stale, (unsigned long long)s.failures, s.last);
}

int main(void) {
    static char line[4096];
    struct cella_trust_settings settings = {0};
    const char *paths[16], *keys[16];
    settings.path = paths;
    settings.platform = keys;
    while (fgets(line, sizeof(line), stdin)) {
        line[strcspn(line, "\n")] = 0;
        char *rest = strchr(line, ' ');
        if (rest) *rest++ = 0;
        const char *argument = rest ? strdup(rest) : ""; /* lives as long as the program */
        if (strcmp(line, "path") == 0)
            paths[settings.path_count++] = argument;
        else if (strcmp(line, "key") == 0)
            keys[settings.platform_count++] = argument;
        else if (strcmp(line, "cache") == 0)
            settings.cache = argument;
        else if (strcmp(line, "source") == 0)
            settings.source = argument;
        else if (strcmp(line, "ca") == 0)
            settings.ca = argument;
        else if (strcmp(line, "roots") == 0)
            settings.roots = argument;
        else if (strcmp(line, "refresh") == 0)
            settings.refresh_s = (uint32_t)atoi(argument);
        else if (strcmp(line, "timeout") == 0)
            settings.timeout_ms = (uint32_t)atoi(argument);
        else if (strcmp(line, "open") == 0)
            show(cella_trust_new(&settings, &trust));
        else if (strcmp(line, "want") == 0)
            want(argument);
        else if (strcmp(line, "tend") == 0) {
            tending.now = strtoull(argument, NULL, 10);
            if (pthread_create(&tending.thread, NULL, tend, NULL) != 0) return 3;
            printf("begun\n");
        } else if (strcmp(line, "wait") == 0) {
            pthread_join(tending.thread, NULL);
            printf("%s\n", tending.outcome);
        } else if (strcmp(line, "stop") == 0) {
            cella_trust_stop(trust);
            printf("stopped\n");
        } else if (strcmp(line, "time") == 0)
            measure();
        else if (strcmp(line, "state") == 0)
            state(strtoull(argument, NULL, 10));
        else
            return 2;
        fflush(stdout);
    }
    cella_trust_free(&trust);
    return 0;
}
