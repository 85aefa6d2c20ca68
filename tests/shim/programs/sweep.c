/* Makes one system call over and over until SIGUSR2; prints how many SIGUSR1 it saw, at most one in
 * each call. */
#define _GNU_SOURCE
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "check.h"

static volatile sig_atomic_t count, done;
static void note(int signal) {
    if (signal == SIGUSR1)
        count++;
    else
        done = 1;
}

/* The whole vector state and the general registers that a call must not change. */
static long careful(long number) {
    unsigned long long a = 0x1122334455667788, b = ~a, c, d;
    double x = 1.5, y = 0;
    long result;
    __asm__ volatile(
        "movsd %[x], %%xmm9\n mov %[a], %%r12\n mov %[b], %%r15\n syscall\n movsd %%xmm9, %[y]\n"
        "mov %%r12, %[c]\n mov %%r15, %[d]"
        : "=a"(result), [y] "=m"(y), [c] "=&r"(c), [d] "=&r"(d)
        : "a"(number), [x] "m"(x), [a] "r"(a), [b] "r"(b)
        : "rcx", "r11", "r12", "r15", "xmm9", "memory");
    CHECK(x == y && a == c && b == d);
    return result;
}

int main(int argc, char **argv) {
    struct sigaction action = {.sa_handler = note};
    CHECK(argc == 2 && sigaction(SIGUSR1, &action, NULL) == 0);
    long number = atol(argv[1]), expected = number == SYS_getppid ? 0 : -EINTR;
    CHECK(sigaction(SIGUSR2, &action, NULL) == 0);
    while (!done) {
        int before = count;
        CHECK(careful(number) == expected);
        CHECK(count == before || count == before + 1);
        /* A wait ends at once by the signal that came on the way into it, or not at all (R47). */
        if (number == SYS_pause) CHECK(done || count == before + 1);
    }
    printf("%d\n", count);
    return 0;
}
