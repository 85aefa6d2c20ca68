/* Time. The host owns every clock; monotonic ones are held from going back (R42), the time of day
 * is what the host says and documented as such. */
#include "shim/core.h"

#include <linux/resource.h>
#include <linux/time.h>

#define SECOND          1000000000ULL
#define LONGEST_SECONDS 4000000000LL /* 126 years; twice that, and the kernel's own clock, fit */
#define LONGEST_WAIT    ((uint64_t)LONGEST_SECONDS * SECOND)
enum { CLOCK_COUNT = 12, TICKS = 100 };

struct moment {
    int64_t s, ns;
};

/* Highest value given out, per clock that must not go back. */
static _Atomic uint64_t last[CLOCK_COUNT];

static bool is_monotonic(int clock) {
    return clock == CLOCK_MONOTONIC || clock == CLOCK_MONOTONIC_RAW ||
           clock == CLOCK_MONOTONIC_COARSE || clock == CLOCK_BOOTTIME;
}

static bool is_clock(int clock) { return clock >= CLOCK_REALTIME && clock <= CLOCK_BOOTTIME; }

/* A negative clock names a process or thread; of those, only the enclave itself is served. */
static int own_clock(int clock) {
    if (clock >= 0) return clock;
    uint32_t pid = (uint32_t) ~(clock >> 3);
    if (clock & 4)
        return shim_thread_current()->tid == pid || pid == 0 ? CLOCK_THREAD_CPUTIME_ID : -1;
    return pid == shim_pid() || pid == 0 ? CLOCK_PROCESS_CPUTIME_ID : -1;
}

static uint64_t clamp(int clock, uint64_t now) {
    uint64_t seen = __atomic_load_n((uint64_t *)&last[clock], __ATOMIC_SEQ_CST);
    while (now > seen) {
        if (__atomic_compare_exchange_n((uint64_t *)&last[clock], &seen, now, false,
                                        __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
            return now;
    }
    return seen;
}

static uint64_t read_clock(int clock) {
    struct moment t = {-1, -1};
    long result = shim_syscall(__NR_clock_gettime, clock, (long)&t, 0, 0, 0, 0);
    /* R40: years up to 2500 fit the arithmetic below. */
    if (result != 0 || t.s < 0 || t.s > 17000000000 || t.ns < 0 || t.ns >= (int64_t)SECOND)
        shim_broken_contract("clock_gettime");
    uint64_t now = (uint64_t)t.s * SECOND + (uint64_t)t.ns;
    return is_monotonic(clock) ? clamp(clock, now) : now;
}

uint64_t shim_monotonic_ns(void) { return read_clock(CLOCK_MONOTONIC); }

static struct moment moment_of(uint64_t ns) {
    return (struct moment){(int64_t)(ns / SECOND), (int64_t)(ns % SECOND)};
}

long shim_sys_clock_gettime(const long a[6]) {
    int clock = own_clock((int)a[0]);
    if (!is_clock(clock)) return -EINVAL;
    if (!shim_writable((void *)a[1], sizeof(struct moment))) return -EFAULT;
    struct moment t = moment_of(read_clock(clock));
    cella_copy((void *)a[1], &t, sizeof t);
    return 0;
}

long shim_sys_clock_getres(const long a[6]) {
    int clock = own_clock((int)a[0]);
    if (!is_clock(clock)) return -EINVAL;
    if (a[1] && !shim_writable((void *)a[1], sizeof(struct moment))) return -EFAULT;
    bool coarse = clock == CLOCK_REALTIME_COARSE || clock == CLOCK_MONOTONIC_COARSE;
    struct moment t = {0, coarse ? 4000000 : 1};
    if (a[1]) cella_copy((void *)a[1], &t, sizeof t);
    return 0;
}

long shim_sys_gettimeofday(const long a[6]) {
    if (a[0] && !shim_writable((void *)a[0], sizeof(struct moment))) return -EFAULT;
    if (a[1] && !shim_writable((void *)a[1], 8)) return -EFAULT;
    struct moment t = moment_of(read_clock(CLOCK_REALTIME));
    t.ns /= 1000;
    if (a[0]) cella_copy((void *)a[0], &t, sizeof t);
    if (a[1]) cella_zero((void *)a[1], 8); /* time zone: UTC */
    return 0;
}

long shim_sys_time(const long a[6]) {
    int64_t now = (int64_t)(read_clock(CLOCK_REALTIME) / SECOND);
    if (a[0] && !shim_writable((void *)a[0], 8)) return -EFAULT;
    if (a[0]) *(volatile int64_t *)a[0] = now;
    return now;
}

/* ---- sleep ---- */
static long copy_moment(long p, uint64_t *ns) {
    struct moment t;
    if (!shim_readable((const void *)p, sizeof t)) return -EFAULT;
    cella_copy(&t, (const void *)p, sizeof t);
    if (t.s < 0 || t.ns < 0 || t.ns >= (int64_t)SECOND) return -EINVAL;
    *ns = t.s > LONGEST_SECONDS ? LONGEST_WAIT : (uint64_t)t.s * SECOND + (uint64_t)t.ns;
    return 0;
}

static long sleep_until(int clock, uint64_t deadline) {
    struct moment t = moment_of(deadline);
    struct shim_thread *self = shim_thread_current();
    for (;;) {
        long result =
            shim_syscall_wait(__NR_clock_nanosleep, clock, TIMER_ABSTIME, (long)&t, 0, 0, 0);
        if (result == -EINVAL) return result; /* a clock one cannot sleep on */
        if (result != -EINTR) return shim_check_zero(result, "clock_nanosleep");
        if (self->attention) return -EINTR;
    }
}

uint64_t shim_wait_end(uint64_t ns) {
    struct shim_thread *self = shim_thread_current();
    uint64_t end = self->wait_end;
    self->wait_end = 0;
    if (end) return end;
    return shim_monotonic_ns() + (ns > LONGEST_WAIT ? LONGEST_WAIT : ns);
}

uint64_t shim_wait_left(uint64_t end) {
    uint64_t now = shim_monotonic_ns();
    return end > now ? end - now : 0;
}

/* Delivery clears it again when a handler runs, after which nothing is made again from where it
 * was. */
long shim_wait_result(uint64_t end, long result) {
    shim_thread_current()->wait_end = result == -EINTR ? end : 0;
    return result;
}

static long sleep_for(uint64_t ns, long rest) {
    uint64_t end = shim_wait_end(ns);
    long result = sleep_until(CLOCK_MONOTONIC, end);
    if (result == -EINTR && rest && shim_writable((void *)rest, sizeof(struct moment))) {
        struct moment left = moment_of(shim_wait_left(end));
        cella_copy((void *)rest, &left, sizeof left);
    }
    return shim_wait_result(end, result);
}

long shim_sys_nanosleep(const long a[6]) {
    uint64_t ns;
    long result = copy_moment(a[0], &ns);
    return result < 0 ? result : sleep_for(ns, a[1]);
}

long shim_sys_clock_nanosleep(const long a[6]) {
    uint64_t ns;
    int clock = own_clock((int)a[0]);
    if (!is_clock(clock) || clock == CLOCK_THREAD_CPUTIME_ID) return -EINVAL;
    long result = copy_moment(a[2], &ns);
    if (result < 0) return result;
    if (a[1] & TIMER_ABSTIME) return sleep_until(clock, ns);
    return sleep_for(ns, a[3]);
}

/* ---- processor time ---- */
long shim_sys_getrusage(const long a[6]) {
    struct rusage usage;
    if (a[0] < RUSAGE_CHILDREN || a[0] > RUSAGE_THREAD) return -EINVAL;
    if (!shim_writable((void *)a[1], sizeof usage)) return -EFAULT;
    cella_zero(&usage, sizeof usage);
    if (a[0] != RUSAGE_CHILDREN) {
        uint64_t ns =
            read_clock(a[0] == RUSAGE_THREAD ? CLOCK_THREAD_CPUTIME_ID : CLOCK_PROCESS_CPUTIME_ID);
        usage.ru_utime.tv_sec = (long)(ns / SECOND);
        usage.ru_utime.tv_usec = (long)(ns % SECOND / 1000);
    }
    cella_copy((void *)a[1], &usage, sizeof usage);
    return 0;
}

long shim_sys_times(const long a[6]) {
    int64_t ticks[4] = {(int64_t)(read_clock(CLOCK_PROCESS_CPUTIME_ID) / (SECOND / TICKS)), 0, 0,
                        0};
    if (a[0] && !shim_writable((void *)a[0], sizeof ticks)) return -EFAULT;
    if (a[0]) cella_copy((void *)a[0], ticks, sizeof ticks);
    return (long)(shim_monotonic_ns() / (SECOND / TICKS));
}
