/* R12: faults that only claim to be some. The kernel leaves the trap number of the last real fault
 * in every later signal frame, so after one of each kind the signal's code alone tells them apart;
 * and a code that claims a fault (argument "code", with a tracer that forges it) is told apart by
 * the trap number alone. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <signal.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "check.h"

static sigjmp_buf back;
static volatile sig_atomic_t real, forged, expected;

static void on_fault(int signal) {
    if (signal != expected) {
        forged++;
        return;
    }
    expected = 0;
    real++;
    siglongjmp(back, 1);
}

/* The last fault decides the trap number that stays. */
static void fault(int signal) {
    volatile long low = 16, zero = 0;
    expected = signal;
    if (sigsetjmp(back, 1) != 0) return;
    if (signal == SIGSEGV) *(volatile char *)low = 1;
    if (signal == SIGFPE) zero = low / zero;
    if (signal == SIGILL) __asm__ volatile("ud2");
    CHECK(0);
}

/* Now and then a system call, so that a signal finds the program and the shim. */
static void work(void) {
    struct timespec start, now;
    CHECK(clock_gettime(CLOCK_MONOTONIC, &start) == 0);
    do {
        for (volatile int i = 0; i < 1000; i++) {}
        CHECK(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
    } while ((now.tv_sec - start.tv_sec) * 1000 + (now.tv_nsec - start.tv_nsec) / 1000000 < 100);
}

int main(int argc, char **argv) {
    int signals[] = {SIGSEGV, SIGFPE, SIGILL};
    for (int i = 0; i < 3; i++) signal(signals[i], on_fault);
    if (argc > 1 && strcmp(argv[1], "code") == 0) {
        syscall(SYS_getppid); /* here the tracer forges a segmentation fault */
        for (volatile long i = 0; i < 100000000; i++) {}
    } else {
        for (int i = 0; i < 3; i++) {
            fault(signals[i]);
            work();
        }
        CHECK(real == 3);
    }
    printf("forged %d\n", (int)forged);
    return 0;
}
