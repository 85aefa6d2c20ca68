/* The end of a side at any moment. death_host CELLA IMAGE WHAT:
 *   hammer        calls from three threads until somebody ends it
 *   enclave       ends enclaves while three threads call them, many times: every call must come
 * back platform PID  ends the platform likewise, once */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "rig.h"
#include "sdk/host.h"

enum { CALLERS = 3, ROUNDS = 40, PATIENCE_S = 3 };

static struct cella_enclave *e;

static void must(struct cella_result r) {
    if (!cella_failed(r)) return;
    cella_result_print(r);
    exit(1);
}

static size_t serve(struct cella_peer *peer, struct cella_slot *slot, uint32_t function,
                    size_t size) {
    (void)peer;
    uint8_t nested[16] = {0};
    if (function == CALLS_HOST_NEST) {
        size_t got = sizeof(nested);
        cella_result_drop(rig_call(e, CALLS_ECHO, nested, sizeof(nested), nested, &got));
    }
    (void)slot;
    return function == CALLS_HOST_ECHO ? size : 0;
}

/* Calls of all kinds until one fails; how it failed. */
static void *hammer(void *arg) {
    uint8_t request[5000] = {0};
    for (uint32_t i = (uint32_t)(uintptr_t)arg;; i++) {
        struct cella_result r;
        uint64_t count = i % 50;
        uint32_t nest = CALLS_HOST_NEST;
        switch (i % 4) {
        case 0: r = rig_call(e, CALLS_EMPTY, NULL, 0, NULL, NULL); break;
        case 1: r = rig_call(e, CALLS_ECHO, request, i % sizeof(request), NULL, NULL); break;
        case 2: r = rig_call(e, CALLS_OCALLS, &count, sizeof(count), NULL, NULL); break;
        default: r = rig_call(e, CALLS_OCALL, &nest, sizeof(nest), NULL, NULL); break;
        }
        if (i % 1000 == 999) usleep(3000); /* so that sides are asleep, too, when the end comes */
        if (!cella_failed(r)) continue;
        uintptr_t code = cella_code_of(r);
        cella_result_drop(r);
        return (void *)code;
    }
}

static void join_in_time(pthread_t thread, const char *what) {
    struct timespec until;
    void *code;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += PATIENCE_S;
    if (pthread_timedjoin_np(thread, &code, &until) != 0) {
        fprintf(stderr, "%s: a call never came back\n", what);
        exit(1);
    }
    if ((uintptr_t)code == CELLA_ERR_UNAVAILABLE) return;
    fprintf(stderr, "%s: a call ended with code %zu\n", what, (size_t)(uintptr_t)code);
    exit(1);
}

static void begin_calls(pthread_t all[CALLERS]) {
    for (uintptr_t i = 0; i < CALLERS; i++)
        if (pthread_create(&all[i], NULL, hammer, (void *)(i * 7)) != 0) exit(1);
}

static void pause_us(unsigned us) { usleep(us + 1); }

int main(int argc, char **argv) {
    if (argc < 4) return 2;
    const struct cella_enclave_settings settings = {.cella = argv[1], .serve = serve};
    bool all = strcmp(argv[3], "enclave") == 0, platform = strcmp(argv[3], "platform") == 0;
    pthread_t callers[CALLERS];
    for (unsigned round = 0; round < (all ? ROUNDS : 1U); round++) {
        must(cella_enclave_create(argv[2], &settings, &e));
        begin_calls(callers);
        if (!all && !platform) printf("calling\n");
        fflush(stdout);
        /* from the first moments on, at another one each time */
        pause_us(platform ? 20000 : round * 797 % 16000);
        if (all) must(cella_client_signal(e->run.socket, SIGKILL));
        if (platform && kill(atoi(argv[4]), SIGKILL) != 0) exit(1);
        if (!all && !platform) pause();
        for (int i = 0; i < CALLERS; i++) join_in_time(callers[i], argv[3]);
        cella_enclave_destroy(e, 1000, NULL);
    }
    printf("%s: every call came back\n", argv[3]);
    return 0;
}
