/* Calls of an enclave and of its host, beside what the machine can do between two processes at all:
 * a cache line that both spin on, the same with sleeping, futexes, a socket. One run, one table;
 * the least of many short runs, since other work on the machine only lengthens them. calls_bench
 * CELLA IMAGE, with a platform running (bench/calls_bench.sh). */
#include "bench.h"

#include <cella/enclave.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../tests/sdk/calls.h"
#include "../tests/sdk/rig.h"

enum { RUNS = 30, CALLS = 2000, MIB = 1 << 20 };

static double sample[CALLS];
static uint8_t *buffer;
static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

struct figures {
    double p50, p99; /* us; each the least of its runs */
};

/* One step is one round trip. */
typedef void step(void *context);

static struct figures measure(step *one, void *context, int calls) {
    struct figures best = {1e9, 1e9};
    if (calls > CALLS) calls = CALLS;
    for (int r = 0; r < RUNS; r++) {
        for (int i = 0; i < calls / 10; i++) one(context);
        double before = clock_us(CLOCK_MONOTONIC);
        for (int i = 0; i < calls; i++) {
            one(context);
            double now = clock_us(CLOCK_MONOTONIC);
            sample[i] = now - before;
            before = now;
        }
        qsort(sample, (size_t)calls, sizeof(sample[0]), by_value);
        double p50 = sample[calls / 2], p99 = sample[calls * 99 / 100];
        if (p50 < best.p50) best.p50 = p50;
        if (p99 < best.p99) best.p99 = p99;
    }
    return best;
}

/* The mean, without a reading of the clock between: for what is near a reading's own length. */
static double mean(step *one, void *context, int calls) {
    double best = 1e9;
    for (int r = 0; r < RUNS; r++) {
        for (int i = 0; i < calls / 10; i++) one(context);
        double begin = clock_us(CLOCK_MONOTONIC);
        for (int i = 0; i < calls; i++) one(context);
        double each = (clock_us(CLOCK_MONOTONIC) - begin) / calls;
        if (each < best) best = each;
    }
    return best;
}

static double print(const char *what, step *one, void *context, int calls) {
    double each = mean(one, context, calls);
    struct figures f = measure(one, context, calls);
    printf("%-44s %9.3f %9.3f %9.3f\n", what, each, f.p50, f.p99);
    fflush(stdout);
    return each;
}

/* ---- two processes and a cache line ---- */

struct line {
    uint32_t word;
    uint32_t other;
} __attribute__((aligned(64)));

static pid_t child(void (*body)(void *), void *context) {
    pid_t pid = fork();
    must_be(pid >= 0, "fork");
    if (pid > 0) return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    body(context);
    _exit(0);
}
static void end_child(pid_t pid) {
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

static void spin_until(const uint32_t *word, uint32_t value) {
    while (__atomic_load_n(word, __ATOMIC_ACQUIRE) != value) __builtin_ia32_pause();
}
static void spin_peer(void *context) {
    struct line *line = context;
    for (uint32_t n = 1;; n += 2) {
        spin_until(&line->word, n);
        __atomic_store_n(&line->word, n + 1, __ATOMIC_RELEASE);
    }
}
static void spin_step(void *context) {
    struct line *line = context;
    uint32_t n = line->word + 1;
    __atomic_store_n(&line->word, n, __ATOMIC_RELEASE);
    spin_until(&line->word, n + 1);
}

/* The same where the waiting side sleeps after a while: what any ring must do that leaves the
 * processor free. */
static void hand_over(struct line *line, uint32_t n) {
    if (__atomic_exchange_n(&line->word, n << 1, __ATOMIC_SEQ_CST) & 1)
        syscall(SYS_futex, &line->word, FUTEX_WAKE, 1, NULL, NULL, 0);
}
static void park_until(struct line *line, uint32_t n) {
    for (int i = 0; i < 10000; i++) {
        if (__atomic_load_n(&line->word, __ATOMIC_ACQUIRE) >> 1 == n) return;
        __builtin_ia32_pause();
    }
    for (uint32_t seen; (seen = __atomic_load_n(&line->word, __ATOMIC_ACQUIRE)) >> 1 != n;)
        if ((seen & 1) || __atomic_compare_exchange_n(&line->word, &seen, seen | 1, false,
                                                      __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
            syscall(SYS_futex, &line->word, FUTEX_WAIT, seen | 1, NULL, NULL, 0);
}
static void park_peer(void *context) {
    for (uint32_t n = 1;; n += 2) {
        park_until(context, n);
        hand_over(context, n + 1);
    }
}
static void park_step(void *context) {
    struct line *line = context;
    uint32_t n = (line->word >> 1) + 1;
    hand_over(line, n);
    park_until(line, n + 1);
}

static void futex_peer(void *context) {
    struct line *line = context;
    for (uint32_t n = 1;; n += 2) {
        for (uint32_t seen; (seen = __atomic_load_n(&line->word, __ATOMIC_ACQUIRE)) != n;)
            syscall(SYS_futex, &line->word, FUTEX_WAIT, seen, NULL, NULL, 0);
        __atomic_store_n(&line->word, n + 1, __ATOMIC_RELEASE);
        syscall(SYS_futex, &line->word, FUTEX_WAKE, 1, NULL, NULL, 0);
    }
}
static void futex_step(void *context) {
    struct line *line = context;
    uint32_t n = line->word + 1;
    __atomic_store_n(&line->word, n, __ATOMIC_RELEASE);
    syscall(SYS_futex, &line->word, FUTEX_WAKE, 1, NULL, NULL, 0);
    for (uint32_t seen; (seen = __atomic_load_n(&line->word, __ATOMIC_ACQUIRE)) != n + 1;)
        syscall(SYS_futex, &line->word, FUTEX_WAIT, seen, NULL, NULL, 0);
}

static void socket_peer(void *context) {
    const int *ends = context;
    char c;
    while (read(ends[1], &c, 1) == 1)
        if (write(ends[1], &c, 1) != 1) break;
}
static void socket_step(void *context) {
    const int *ends = context;
    char c = 0;
    must_be(write(ends[0], &c, 1) == 1 && read(ends[0], &c, 1) == 1, "use a socket");
}

static struct line *lines;

/* A message that one process writes and the other copies out, and nothing else: what large calls
 * are measured by. The way of writing is the ring's own, so it is the better of the two there are.
 */
static struct {
    uint8_t *shared, *from;
    size_t size;
} copy;
static void copy_peer(void *context) {
    struct line *line = context;
    uint8_t *to = aligned_alloc(4096, MIB);
    for (uint32_t n = 1;; n += 2) {
        spin_until(&line->word, n);
        memcpy(to, copy.shared, copy.size);
        __asm__ volatile("" : : "r"(to) : "memory");
        __atomic_store_n(&line->word, n + 1, __ATOMIC_RELEASE);
    }
}
static void copy_step(void *context) {
    cella_bulk_write(copy.shared, copy.from, copy.size);
    spin_step(context);
}
static double bare_copy(size_t size, const char *what) {
    copy.size = size;
    struct line *line = &lines[8 + size / MIB];
    pid_t peer = child(copy_peer, line);
    double each = print(what, copy_step, line, 200);
    end_child(peer);
    return each;
}

static void bare(void) {
    lines = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int ends[2];
    copy.shared = mmap(NULL, MIB, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    copy.from = buffer;
    must_be(copy.shared != MAP_FAILED && lines != MAP_FAILED &&
                socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0,
            "begin");
    pid_t peer = child(spin_peer, &lines[0]);
    print("bare: a cache line, both spin", spin_step, &lines[0], CALLS);
    end_child(peer);
    peer = child(park_peer, &lines[1]);
    print("bare: the same, spin then sleep", park_step, &lines[1], CALLS);
    end_child(peer);
    peer = child(futex_peer, &lines[2]);
    print("bare: futex ping-pong", futex_step, &lines[2], 200);
    end_child(peer);
    peer = child(socket_peer, ends);
    print("bare: unix socket, a byte there and back", socket_step, ends, 200);
    end_child(peer);
}

/* ---- calls ---- */

static struct cella_enclave *e;

struct shape {
    uint32_t function;
    size_t in;    /* bytes of the request */
    uint64_t out; /* bytes of the reply that are wanted */
};

static void call_step(void *context) {
    const struct shape *shape = context;
    size_t got = shape->out;
    must(rig_call(e, shape->function, buffer, shape->in, buffer, &got));
    must_be(got == shape->out, "get the reply");
}
static void give_step(void *context) {
    uint64_t count = *(const uint64_t *)context;
    size_t got = count;
    must(rig_call(e, CALLS_GIVE, &count, sizeof(count), buffer, &got));
    must_be(got == count, "get the reply");
}

static size_t serve(struct cella_peer *peer, struct cella_slot *slot, uint32_t function,
                    size_t size) {
    (void)peer, (void)slot, (void)size;
    must_be(function == CALLS_HOST_EMPTY, "know the call");
    return 0;
}

static double once(step *one, void *context) {
    double begin = clock_us(CLOCK_MONOTONIC);
    for (int i = 0; i < CALLS; i++) one(context);
    return (clock_us(CLOCK_MONOTONIC) - begin) / CALLS;
}

static double once_ocalls(void) {
    uint64_t count = CALLS;
    double begin = clock_us(CLOCK_MONOTONIC);
    must(rig_call(e, CALLS_OCALLS, &count, sizeof(count), NULL, NULL));
    return (clock_us(CLOCK_MONOTONIC) - begin) / CALLS;
}

static double least(const double *all, int count) {
    double best = all[0];
    for (int i = 1; i < count; i++)
        if (all[i] < best) best = all[i];
    return best;
}
static double median(double *all, int count) {
    qsort(all, (size_t)count, sizeof(all[0]), by_value);
    return all[count / 2];
}

/* The bare ring, ecalls and ocalls in turn: where a hypervisor has the two processors on one core
 * at one moment and on two the next, figures of different moments say nothing of each other. */
static void against_bare(void) {
    enum { ROUNDS = 200 };
    static double ring[ROUNDS], ecall[ROUNDS], ocall[ROUNDS], by_e[ROUNDS], by_o[ROUNDS];
    struct shape empty = {CALLS_EMPTY, 0, 0};
    struct line *own = &lines[4];
    pid_t peer = child(park_peer, own);
    for (int i = 0; i < ROUNDS; i++) {
        once(park_step, own);
        ring[i] = once(park_step, own);
        once(call_step, &empty);
        ecall[i] = once(call_step, &empty);
        ocall[i] = once_ocalls();
        by_e[i] = ecall[i] / ring[i];
        by_o[i] = ocall[i] / ring[i];
    }
    end_child(peer);
    const char *what = "in turn: bare ring, ecall, ocall; ";
    printf("%-34s%-10s %9.3f %9.3f %9.3f\n", what, "least", least(ring, ROUNDS),
           least(ecall, ROUNDS), least(ocall, ROUNDS));
    printf("%-34s%-10s %9.3f %9.3f %9.3f   (aim 0.3)\n", "", "median", median(ring, ROUNDS),
           median(ecall, ROUNDS), median(ocall, ROUNDS));
    printf("%-34s%-10s %9s %9.2f %9.2f   (aim 1.5)\n", "", "ratio", "", median(by_e, ROUNDS),
           median(by_o, ROUNDS));
}

static double copy_of_a_mib(void) {
    static uint8_t from[MIB], to[MIB];
    double best = 1e9;
    for (int r = 0; r < RUNS * 10; r++) {
        double begin = clock_us(CLOCK_MONOTONIC);
        memcpy(to, from, MIB);
        __asm__ volatile("" : : "r"(to) : "memory");
        double each = clock_us(CLOCK_MONOTONIC) - begin;
        if (each < best) best = each;
    }
    printf("%-44s %9.3f\n", "memcpy of 1 MiB", best);
    return best;
}

static void sizes(void) {
    static const struct {
        const char *name;
        size_t size;
    } all[] = {{"64 B", 64}, {"4 KiB", 4096}, {"64 KiB", 65536}, {"1 MiB", MIB}};
    double plain = copy_of_a_mib(), near = bare_copy(65536, "bare: 64 KiB written, copied out");
    double far = bare_copy(MIB, "bare: 1 MiB written, copied out");
    for (int i = 0; i < 4; i++) {
        char name[64];
        int calls = all[i].size > 65535 ? 200 : CALLS;
        uint64_t size = all[i].size;
        struct shape take = {CALLS_TAKE, size, 0}, echo = {CALLS_ECHO, size, size};
        snprintf(name, sizeof(name), "ecall [in] %s", all[i].name);
        double in = print(name, call_step, &take, calls);
        snprintf(name, sizeof(name), "ecall [out] %s", all[i].name);
        double out = print(name, give_step, &size, calls);
        snprintf(name, sizeof(name), "ecall [in,out] %s", all[i].name);
        print(name, call_step, &echo, calls);
        if (size == MIB)
            printf("%-44s %9.2f %9.2f   (aim 0.8)\n", "1 MiB against memcpy: [in], [out]",
                   plain / in, plain / out);
        if (size >= 65536)
            printf("%-44s %9.2f %9.2f\n", "  against the bare copy: [in], [out]",
                   (size == MIB ? far : near) / in, (size == MIB ? far : near) / out);
    }
}

static void *caller(void *arg) {
    static const struct shape empty = {CALLS_EMPTY, 0, 0};
    (void)arg;
    for (int i = 0; i < CALLS; i++) call_step((void *)(uintptr_t)&empty);
    return NULL;
}

static void two_threads(void) {
    double all[RUNS];
    for (int r = 0; r < RUNS; r++) {
        pthread_t thread[2];
        double begin = clock_us(CLOCK_MONOTONIC);
        for (int i = 0; i < 2; i++)
            must_be(pthread_create(&thread[i], NULL, caller, NULL) == 0, "start a thread");
        for (int i = 0; i < 2; i++) pthread_join(thread[i], NULL);
        all[r] = (clock_us(CLOCK_MONOTONIC) - begin) / (2 * CALLS);
    }
    printf("%-44s %9.3f %9.3f\n", "empty ecalls of two threads, us a call", least(all, RUNS),
           median(all, RUNS));
}

static void after_idle(void) {
    enum { TIMES = 50 };
    struct shape empty = {CALLS_EMPTY, 0, 0};
    double cpu = clock_s(CLOCK_PROCESS_CPUTIME_ID);
    usleep(500000);
    cpu = clock_s(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    for (int i = 0; i < TIMES; i++) {
        usleep(10000);
        double begin = clock_us(CLOCK_MONOTONIC);
        call_step(&empty);
        sample[i] = clock_us(CLOCK_MONOTONIC) - begin;
    }
    qsort(sample, TIMES, sizeof(sample[0]), by_value);
    printf("%-44s %9s %9.3f %9.3f\n", "empty ecall after 10 ms of idleness", "", sample[TIMES / 2],
           sample[TIMES - 1]);
    printf("%-44s %9.4f\n", "host's CPU seconds in 0.5 s of idleness", cpu);
}

static void create_and_call(const struct cella_enclave_settings *settings, const char *image) {
    struct shape empty = {CALLS_EMPTY, 0, 0};
    double best = 1e9;
    for (int i = 0; i < 10; i++) {
        cella_enclave_destroy(e, 1000, NULL);
        double begin = clock_us(CLOCK_MONOTONIC);
        must(cella_enclave_create(image, settings, &e));
        call_step(&empty);
        double each = clock_us(CLOCK_MONOTONIC) - begin;
        if (each < best) best = each;
    }
    printf("%-44s %9.0f\n", "create to first call", best);
}

int main(int argc, char **argv) {
    must_be(argc == 3, "see CELLA IMAGE");
    const struct cella_enclave_settings settings = {.cella = argv[1], .serve = serve};
    buffer = aligned_alloc(4096, MIB);
    must_be(buffer != NULL, "get memory");
    memset(buffer, 1, MIB);
    printf("%-44s %9s %9s %9s\n", "us per round trip", "mean", "p50", "p99");
    bare();
    create_and_call(&settings, argv[2]);
    struct shape empty = {CALLS_EMPTY, 0, 0};
    print("empty ecall", call_step, &empty, CALLS);
    against_bare();
    two_threads();
    sizes();
    after_idle();
    cella_enclave_destroy(e, 1000, NULL);
    return 0;
}
