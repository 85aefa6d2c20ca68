/* exec of another program of the image, with threads running and memory dirty; both programs are
 * this file. */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "check.h"

static char dirty[100000];
static int initialised = 77;

static void *spin(void *argument) {
    for (volatile long i = 0;; i++) {}
    return argument;
}

static void *sleep_long(void *argument) {
    sleep(100);
    return argument;
}

static struct call { char *path, **arguments, **environment; } call;

static void *exec_now(void *argument) {
    (void)argument;
    usleep(20000);
    execve(call.path, call.arguments, call.environment);
    CHECK(0);
    return NULL;
}

/* argv: what to exec, and from which thread: 0 the first, 1 another, 2 another after the first's
 * end. */
static void first(int argc, char **argv) {
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, spin, NULL) == 0);
    CHECK(pthread_create(&thread, NULL, sleep_long, NULL) == 0);
    memset(dirty, 1, sizeof dirty);
    initialised = 78;
    char *heap = malloc(1 << 20);
    memset(heap, 1, 1 << 20);
    signal(SIGUSR1, SIG_IGN);
    char *arguments[] = {argv[0], "second", "a b", NULL}, *environment[] = {"X=y", NULL};
    CHECK(execve("/absent", arguments, environment) == -1 && errno == ENOENT);
    printf("first\n");
    fflush(stdout);
    call = (struct call){argv[1], arguments, environment};
    int from = argc > 2 ? atoi(argv[2]) : 0;
    if (from) CHECK(pthread_create(&thread, NULL, exec_now, NULL) == 0);
    if (from == 2) pthread_exit(NULL); /* the first thread ends before */
    if (from == 1)
        for (;;) pause();
    exec_now(NULL);
}

int main(int argc, char **argv) {
    for (size_t i = 0; i < sizeof dirty; i++) CHECK(dirty[i] == 0);
    CHECK(initialised == 77);
    if (argc < 3 || strcmp(argv[1], "second") != 0) first(argc, argv);
    CHECK(argc == 3 && strcmp(argv[2], "a b") == 0 && strcmp(getenv("X"), "y") == 0 &&
          getenv("HOME") == NULL);
    CHECK(getpid() == (int)syscall(SYS_gettid));
    struct sigaction action;
    CHECK(sigaction(SIGUSR1, NULL, &action) == 0 && action.sa_handler == SIG_IGN);
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, sleep_long, NULL) == 0);
    printf("second\n");
    return 3;
}
