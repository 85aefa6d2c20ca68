/* R12, R47: waits that end in time, whatever signals the host sends meanwhile; waits that a handler
 * ends, and that it does not; a signal for the process that finds a thread although the one chosen
 * blocks it or ends. */
#define _GNU_SOURCE
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "check.h"

enum { LENGTH_MS = 40, LONGEST_MS = 5000, WAIT = 0, CLOCK_REAL = 256, SENT = 300 };

static int64_t now_ms(void) {
    struct timespec t;
    CHECK(clock_gettime(CLOCK_MONOTONIC, &t) == 0);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static const struct timespec length = {0, LENGTH_MS * 1000000};

static int by_sigtimedwait(void) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    return sigtimedwait(&set, NULL, &length) == -1 && errno == EAGAIN;
}
static int by_futex(void) {
    int word = 0;
    return syscall(SYS_futex, &word, WAIT, 0, &length, NULL, 0) == -1 && errno == ETIMEDOUT;
}
static int by_poll(void) { return poll(NULL, 0, LENGTH_MS) == 0; }
static int by_ppoll(void) { return ppoll(NULL, 0, &length, NULL) == 0; }
static int by_nanosleep(void) { return nanosleep(&length, NULL) == 0; }

static void test_lengths(void) {
    int (*const waits[])(void) = {by_sigtimedwait, by_futex, by_poll, by_ppoll, by_nanosleep};
    for (int i = 0; i < 5; i++) {
        int64_t start = now_ms();
        CHECK(waits[i]());
        int64_t took = now_ms() - start;
        if (took < LENGTH_MS || took > LONGEST_MS) printf("wait %d took %d ms\n", i, (int)took);
        CHECK(took >= LENGTH_MS && took <= LONGEST_MS);
    }
    int word = 0;
    CHECK(syscall(SYS_futex, &word, WAIT | CLOCK_REAL, 0, &length, NULL, 0) == -1 &&
          errno == ENOSYS);
}

static int handled;
static void note(int signal) {
    (void)signal;
    __atomic_add_fetch(&handled, 1, __ATOMIC_SEQ_CST);
}

static void set(int signal, int flags) {
    struct sigaction action = {.sa_handler = note, .sa_flags = flags};
    CHECK(sigaction(signal, &action, NULL) == 0);
}

static pthread_t main_thread;
static int over, held;
static void *poke(void *argument) {
    while (!__atomic_load_n(&over, __ATOMIC_SEQ_CST)) {
        usleep(LENGTH_MS * 500);
        pthread_kill(main_thread, SIGUSR1);
    }
    return argument;
}

/* A handler ends a wait with an end, also with SA_RESTART. */
static void test_handler(void) {
    pthread_t thread;
    struct timespec far = {5, 0};
    int word = 0;
    main_thread = pthread_self();
    set(SIGUSR1, SA_RESTART);
    handled = 0;
    CHECK(pthread_create(&thread, NULL, poke, NULL) == 0);
    CHECK(syscall(SYS_futex, &word, WAIT, 0, &far, NULL, 0) == -1 && errno == EINTR);
    __atomic_store_n(&over, 1, __ATOMIC_SEQ_CST);
    CHECK(handled > 0 && pthread_join(thread, NULL) == 0);
}

static void *hold(void *argument) {
    CHECK(pthread_mutex_lock(argument) == 0);
    __atomic_store_n(&held, 1, __ATOMIC_SEQ_CST);
    usleep(LENGTH_MS * 1000);
    pthread_kill(main_thread, SIGUSR1);
    usleep(LENGTH_MS * 1000);
    CHECK(pthread_mutex_unlock(argument) == 0);
    return NULL;
}

/* None ends a wait for inherited priority, not even without SA_RESTART. */
static void test_inheriting(void) {
    pthread_mutexattr_t attribute;
    pthread_mutex_t mutex;
    pthread_t thread;
    pthread_mutexattr_init(&attribute);
    CHECK(pthread_mutexattr_setprotocol(&attribute, PTHREAD_PRIO_INHERIT) == 0);
    CHECK(pthread_mutex_init(&mutex, &attribute) == 0);
    set(SIGUSR1, 0);
    handled = 0;
    CHECK(pthread_create(&thread, NULL, hold, &mutex) == 0);
    while (!__atomic_load_n(&held, __ATOMIC_SEQ_CST)) sched_yield();
    CHECK(pthread_mutex_lock(&mutex) == 0 && handled == 1 && pthread_mutex_unlock(&mutex) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
}

/* ---- a signal for the process: rounds, in each of which one thread may be chosen and leaves ----
 */
static int begun, ready, stop; /* the leaver is there; the sleeper is; both are to end */
static int turn;               /* the round in which the leaver can be chosen */
static int get(int *word) { return __atomic_load_n(word, __ATOMIC_SEQ_CST); }
static void put(int *word, int v) { __atomic_store_n(word, v, __ATOMIC_SEQ_CST); }

static void block(int how) {
    sigset_t s;
    sigemptyset(&s);
    sigaddset(&s, SIGUSR1);
    CHECK(pthread_sigmask(how, &s, NULL) == 0);
}

static void *sleeper(void *argument) {
    block(SIG_UNBLOCK);
    put(&ready, 1);
    while (!get(&stop)) pause();
    return argument;
}

/* Can be chosen now, and leaves a moment later, another one each round. */
static void announce(int i) {
    put(&begun, 1);
    while (!get(&ready)) sched_yield();
    put(&turn, i);
    for (volatile int j = 0; j < i % 128 * 4; j++) {}
}
static void *shy(void *argument) {
    for (int i = 1; i <= SENT; i++) {
        block(SIG_UNBLOCK);
        announce(i);
        block(SIG_BLOCK);
        while (get(&handled) < i) sched_yield();
    }
    return argument;
}
static void *brief(void *argument) {
    block(SIG_UNBLOCK);
    announce((int)(intptr_t)argument);
#ifdef __GLIBC__ /* not the library's way, which blocks all signals first */
    syscall(SYS_exit, 0);
#endif
    return NULL;
}
static void *starter(void *argument) {
    for (int i = 1; i <= SENT; i++) {
        pthread_t thread;
        CHECK(pthread_create(&thread, NULL, brief, (void *)(intptr_t)i) == 0);
        CHECK(pthread_join(thread, NULL) == 0);
        while (get(&handled) < i) sched_yield();
    }
    return argument;
}

/* Each signal must find the sleeper when it does not find the leaver. */
static void test_found(void *(*leaver)(void *)) {
    pthread_t thread[2];
    block(SIG_BLOCK);
    set(SIGUSR1, 0);
    handled = begun = ready = stop = turn = 0;
    CHECK(pthread_create(&thread[0], NULL, leaver, NULL) == 0);
    while (!get(&begun)) sched_yield(); /* so that of both it is the first to be chosen */
    CHECK(pthread_create(&thread[1], NULL, sleeper, NULL) == 0);
    for (int i = 1; i <= SENT; i++) {
        for (int spin = 0; get(&turn) < i; spin++)
            if (spin > 1000) sched_yield();
        CHECK(kill(getpid(), SIGUSR1) == 0);
        int64_t end = now_ms() + LONGEST_MS;
        while (get(&handled) < i && now_ms() <= end) sched_yield();
        if (get(&handled) < i) printf("signal %d of %d found no thread\n", i, SENT);
        CHECK(get(&handled) == i);
    }
    CHECK(pthread_join(thread[0], NULL) == 0);
    put(&stop, 1);
    do { /* it may have looked before and pause after */
        pthread_kill(thread[1], SIGUSR1);
        usleep(1000);
    } while (pthread_tryjoin_np(thread[1], NULL) != 0);
    block(SIG_UNBLOCK);
}

int main(void) {
    test_lengths();
    test_handler();
    test_inheriting();
    test_found(shy);
    test_found(starter);
    printf("waits ok\n");
    return 0;
}
