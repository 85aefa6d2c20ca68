/* Time: clocks agree, do not go back, sleeps last; randomness differs. */
#define _GNU_SOURCE
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/times.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "check.h"

static long long now(clockid_t clock) {
    struct timespec t;
    CHECK(clock_gettime(clock, &t) == 0 && t.tv_nsec >= 0 && t.tv_nsec < 1000000000);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

int main(void) {
    long long before = now(CLOCK_MONOTONIC), last = before;
    for (int i = 0; i < 1000; i++) {
        long long t = now(CLOCK_MONOTONIC);
        CHECK(t >= last);
        last = t;
    }
    struct timespec sleep = {0, 30000000}, bad = {0, 1000000000}, resolution;
    CHECK(nanosleep(&sleep, NULL) == 0 && now(CLOCK_MONOTONIC) - before >= 30000000);
    CHECK(nanosleep(&bad, NULL) == -1 && errno == EINVAL);
    CHECK(clock_getres(CLOCK_REALTIME, &resolution) == 0 && resolution.tv_nsec > 0);
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    CHECK(clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &until, NULL) == 0);
    struct timeval day;
    CHECK(gettimeofday(&day, NULL) == 0 && day.tv_usec < 1000000 && day.tv_sec == time(NULL));
    CHECK(now(CLOCK_PROCESS_CPUTIME_ID) > 0 && now(CLOCK_THREAD_CPUTIME_ID) > 0);
    struct timespec t;
    CHECK(clock_gettime(99, &t) == -1 && errno == EINVAL);
    struct tms ticks;
    CHECK(times(&ticks) != (clock_t)-1);
    struct rusage usage;
    CHECK(getrusage(RUSAGE_SELF, &usage) == 0);
    struct rlimit limit;
    CHECK(getrlimit(RLIMIT_STACK, &limit) == 0 && limit.rlim_cur > 0);
    unsigned char a[64] = {0}, b[64] = {0};
    CHECK(getrandom(a, 64, 0) == 64 && getrandom(b, 64, 0) == 64 && memcmp(a, b, 64) != 0);
    struct utsname name;
    CHECK(uname(&name) == 0 && strcmp(name.machine, "x86_64") == 0);
    CHECK(sysconf(_SC_NPROCESSORS_ONLN) > 0);
    printf("clock ok\n");
    return 0;
}
