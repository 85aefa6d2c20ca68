/* What the benchmarks share: calls that must succeed, and clocks. */
#ifndef CELLA_BENCH_H
#define CELLA_BENCH_H

#include <cella/result.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static inline void must(struct cella_result r) {
    if (!cella_failed(r)) return;
    cella_result_print(r);
    exit(1);
}

static inline void must_be(bool held, const char *what) {
    if (held) return;
    fprintf(stderr, "bench: cannot %s\n", what);
    exit(1);
}

/* Of CLOCK_THREAD_CPUTIME_ID: other work on the machine does not lengthen it. */
static inline double clock_s(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}
static inline double clock_us(clockid_t clock) { return clock_s(clock) * 1e6; }

#endif
