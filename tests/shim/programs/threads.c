/* T10: threads start, share, wait and end; each slot is used many times. */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "check.h"

enum { THREADS = 6, ROUNDS = 64, STEPS = 2000, REUSES = 2000 };

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t full = PTHREAD_COND_INITIALIZER, empty = PTHREAD_COND_INITIALIZER;
static int slot;
static long counter;
static __thread long own;

static void *count(void *argument) {
    for (int i = 0; i < STEPS; i++) {
        pthread_mutex_lock(&mutex);
        counter++;
        pthread_mutex_unlock(&mutex);
        own++;
    }
    CHECK(own == STEPS);
    return argument;
}

static void *produce(void *argument) {
    for (int i = 1; i <= STEPS; i++) {
        pthread_mutex_lock(&mutex);
        while (slot != 0) pthread_cond_wait(&empty, &mutex);
        slot = i;
        pthread_cond_signal(&full);
        pthread_mutex_unlock(&mutex);
    }
    return argument;
}

static void test_join(void) {
    pthread_t thread[THREADS];
    for (int round = 0; round < ROUNDS; round++) {
        for (long i = 0; i < THREADS; i++)
            CHECK(pthread_create(&thread[i], NULL, count, (void *)i) == 0);
        for (long i = 0; i < THREADS; i++) {
            void *result;
            CHECK(pthread_join(thread[i], &result) == 0 && result == (void *)i);
        }
    }
    CHECK(counter == (long)THREADS * ROUNDS * STEPS);
    printf("counted %ld\n", counter);
}

static void test_cond(void) {
    pthread_t thread;
    long sum = 0;
    CHECK(pthread_create(&thread, NULL, produce, NULL) == 0);
    for (int i = 1; i <= STEPS; i++) {
        pthread_mutex_lock(&mutex);
        while (slot == 0) pthread_cond_wait(&full, &mutex);
        sum += slot;
        slot = 0;
        pthread_cond_signal(&empty);
        pthread_mutex_unlock(&mutex);
    }
    CHECK(pthread_join(thread, NULL) == 0);
    printf("sum %ld\n", sum);
}

static void *idle(void *argument) {
    pthread_mutex_lock(&mutex);
    pthread_mutex_unlock(&mutex);
    return argument;
}

/* With a limit given, one thread too many is EAGAIN and all the others are fine. */
static void test_full(int limit) {
    pthread_t thread[128];
    int made = 0, error = 0;
    pthread_mutex_lock(&mutex);
    while (made < 128 && (error = pthread_create(&thread[made], NULL, idle, NULL)) == 0) made++;
    pthread_mutex_unlock(&mutex);
    for (int i = 0; i < made; i++) CHECK(pthread_join(thread[i], NULL) == 0);
    if (limit && made != limit - 1) printf("%d threads, error %d\n", made, error);
    if (limit) CHECK(made == limit - 1 && error == EAGAIN);
    if (limit)
        CHECK(pthread_create(&thread[0], NULL, idle, NULL) == 0 &&
              pthread_join(thread[0], NULL) == 0);
}

static void *nothing(void *argument) { return argument; }

/* A joined thread's slot is there for the next, with every slot in use: never EAGAIN. */
static void test_reuse(int limit) {
    pthread_t thread[128];
    int count = limit > 1 ? limit - 1 : THREADS;
    for (int i = 0; i < count; i++) CHECK(pthread_create(&thread[i], NULL, nothing, NULL) == 0);
    for (int i = 0; i < REUSES; i++) {
        CHECK(pthread_join(thread[i % count], NULL) == 0);
        CHECK(pthread_create(&thread[i % count], NULL, nothing, NULL) == 0);
    }
    for (int i = 0; i < count; i++) CHECK(pthread_join(thread[i], NULL) == 0);
}

static void *die_holding(void *argument) {
    CHECK(pthread_mutex_lock(argument) == 0);
    return NULL;
}

static void test_robust(void) {
    pthread_mutexattr_t attribute;
    pthread_mutex_t robust;
    pthread_t thread;
    pthread_mutexattr_init(&attribute);
    pthread_mutexattr_setrobust(&attribute, PTHREAD_MUTEX_ROBUST);
    CHECK(pthread_mutex_init(&robust, &attribute) == 0);
    CHECK(pthread_create(&thread, NULL, die_holding, &robust) == 0 &&
          pthread_join(thread, NULL) == 0);
    CHECK(pthread_mutex_lock(&robust) == EOWNERDEAD);
    CHECK(pthread_mutex_consistent(&robust) == 0 && pthread_mutex_unlock(&robust) == 0);
}

static void *hold(void *argument) {
    CHECK(pthread_mutex_lock(argument) == 0);
    usleep(20000);
    CHECK(pthread_mutex_unlock(argument) == 0);
    return NULL;
}

static void test_inheriting(void) {
    pthread_mutexattr_t attribute;
    pthread_mutex_t inheriting;
    pthread_t thread;
    pthread_mutexattr_init(&attribute);
    CHECK(pthread_mutexattr_setprotocol(&attribute, PTHREAD_PRIO_INHERIT) == 0);
    CHECK(pthread_mutex_init(&inheriting, &attribute) == 0);
    CHECK(pthread_create(&thread, NULL, hold, &inheriting) == 0);
    usleep(5000);
    CHECK(pthread_mutex_lock(&inheriting) == 0 && pthread_mutex_unlock(&inheriting) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
}

static void test_timed(void) {
    struct timespec until;
    pthread_mutex_lock(&mutex);
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += 5000000;
    if (until.tv_nsec >= 1000000000) until.tv_sec++, until.tv_nsec -= 1000000000;
    CHECK(pthread_cond_timedwait(&full, &mutex, &until) == ETIMEDOUT);
    pthread_mutex_unlock(&mutex);
}

static void *detached(void *argument) {
    __atomic_fetch_add((int *)argument, 1, __ATOMIC_SEQ_CST);
    return NULL;
}

static void test_detached(void) {
    int done = 0;
    for (int i = 0; i < 64; i++) {
        pthread_t thread;
        while (pthread_create(&thread, NULL, detached, &done) != 0) usleep(100);
        pthread_detach(thread);
    }
    while (__atomic_load_n(&done, __ATOMIC_SEQ_CST) != 64) usleep(100);
}

static void *cancelled(void *argument) {
    for (;;) pause();
    return argument;
}

static void test_cancel(void) {
    pthread_t thread;
    void *result;
    CHECK(pthread_create(&thread, NULL, cancelled, NULL) == 0);
    usleep(2000);
    CHECK(pthread_cancel(thread) == 0 && pthread_join(thread, &result) == 0 &&
          result == PTHREAD_CANCELED);
}

int main(int argc, char **argv) {
    test_join();
    test_cond();
    test_full(argc > 1 ? atoi(argv[1]) : 0);
    test_reuse(argc > 1 ? atoi(argv[1]) : 0);
    test_robust();
    test_inheriting();
    test_timed();
    test_detached();
    test_cancel();
    CHECK(getpid() == (int)syscall(SYS_gettid));
    printf("threads ok\n");
    return 0;
}
