/* From asking for an enclave to its program's main and exit, against posix_spawn of the same
 * program. start_bench RUNS PROGRAM IMAGE...   with a platform running (CELLA_PLATFORM_SOCKET);
 * images of one program, with different heaps, show whether the heap counts. */
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cella/image.h>

#include "base/file.h"
#include "bench.h"
#include "platform/channel.h"
#include "platform/client.h"
#include "platform/hostserver.h"

extern char **environ;

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static struct cella_result serve_until_end(int socket, int channel,
                                           struct cella_client_exited *exited) {
    static uint8_t request[CELLA_HOSTCALL_MAX], reply[CELLA_HOSTCALL_MAX];
    static struct cella_config config;
    struct cella_host_server server = {.config = &config};
    struct cella_received got;
    while (cella_channel_receive(channel, request, sizeof(request), 0, &got) ==
           CELLA_CHANNEL_MESSAGE) {
        size_t size;
        int fd;
        if (cella_host_serve(&server, cella_bytes(request, got.size), reply, &size, &fd) !=
            CELLA_HOST_ANSWERED)
            break;
        if (cella_channel_send(channel, cella_bytes(reply, size), NULL, 0, 0) !=
            CELLA_CHANNEL_MESSAGE)
            break;
    }
    return cella_client_wait(socket, exited);
}

static struct cella_result run_enclave(const struct cella_client_options *options, int image,
                                       int null) {
    CELLA_FD socket = -1;
    int ends[2];
    struct cella_client_started started;
    struct cella_client_exited exited;
    TRY(cella_client_connect(options, &socket));
    TRY(cella_channel_pair(ends));
    CELLA_FD channel = ends[0];
    struct cella_client_start start = {
        .name = "bench", .image = image, .stdio = {null, null, null}, .host_channel = ends[1]};
    struct cella_result r = cella_client_start(socket, &start, &started);
    close(ends[1]);
    TRY(r);
    TRY(serve_until_end(socket, channel, &exited));
    ENSURE(!exited.signalled && exited.status == 0, CELLA_ERR_INTERNAL, NULL,
           "the enclave ended with %s %u", exited.signalled ? "signal" : "status", exited.status);
    return CELLA_SUCCESS;
}

static void spawn_and_wait(char *program, int null) {
    char *argv[] = {program, NULL};
    pid_t pid;
    int status;
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, null, 1);
    if (posix_spawn(&pid, program, &actions, NULL, argv, environ) != 0 ||
        waitpid(pid, &status, 0) != pid || status != 0)
        exit(1);
    posix_spawn_file_actions_destroy(&actions);
}

int main(int argc, char **argv) {
    int runs = argc > 3 ? atoi(argv[1]) : 0, images = argc - 3;
    if (argc == 1) return printf("notice: start_bench.sh runs this\n"), 0;
    if (runs < 1) return fprintf(stderr, "usage: start_bench RUNS PROGRAM IMAGE...\n"), 2;
    struct cella_client_options options = {0};
    cella_result_drop(cella_paths_find(NULL, NULL, &options.paths));
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    double *times = calloc((size_t)runs * (size_t)(images + 1), sizeof(double));
    for (int i = -3; i < runs; i++) /* interleaved, so that a noisy neighbour meets all alike */
        for (int k = 0; k <= images; k++) {
            int image = k ? open(argv[2 + k], O_RDONLY | O_CLOEXEC) : -1;
            double start = clock_us(CLOCK_MONOTONIC);
            struct cella_result r = CELLA_SUCCESS;
            if (k)
                r = run_enclave(&options, image, null);
            else
                spawn_and_wait(argv[2], null);
            double spent = clock_us(CLOCK_MONOTONIC) - start;
            cella_result_print(r);
            if (cella_failed(r)) return 1;
            if (i >= 0) times[k * runs + i] = spent;
            if (image >= 0) close(image);
            usleep(20000); /* what the one before left is being scrubbed: not part of a start */
        }
    printf("%-28s %10s %10s %10s\n", "start to main and exit, us", "median", "best", "ratio");
    double base = 0;
    for (int k = 0; k <= images; k++) {
        qsort(times + k * runs, (size_t)runs, sizeof(double), by_value);
        double median = times[k * runs + runs / 2];
        if (k == 0) base = median;
        const char *name = strrchr(argv[2 + k], '/');
        printf("%-28s %10.0f %10.0f %9.1fx\n",
               k ? name ? name + 1 : argv[2 + k] : "posix_spawn of it", median, times[k * runs],
               median / base);
    }
    return 0;
}
