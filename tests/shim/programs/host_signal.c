/* Waits for SIGUSR1 of the host, many times, with system calls between. */
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "check.h"

enum { TIMES = 200 };
static volatile sig_atomic_t count;

static void note(int signal) { count += signal == SIGUSR1; }

int main(void) {
    struct sigaction action = {.sa_handler = note};
    CHECK(sigaction(SIGUSR1, &action, NULL) == 0);
    for (int i = 0; i < 3000 && count < TIMES; i++) {
        struct timespec t = {0, 10000000};
        getppid();
        nanosleep(&t, NULL);
    }
    CHECK(count >= TIMES);
    printf("signal %d\n", SIGUSR1);
    return 0;
}
