/* How fast are protected files against plain ones, and against an encrypting file system where one
 * is given? bench_seal [FOLDER [MIB [PEER_FOLDER]]]: files in FOLDER (on tmpfs), the same by plain
 * calls in PEER_FOLDER. Rounds are interleaved; figures are medians, with the ratio to the plain
 * file. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"
#include "seal/protected.h"
#include "seal/stream.h"

enum {
    ROUNDS = 3,
    CHUNK = 1 << 18,
    SMALL = 4096,
    OPERATIONS = 10000,
    COMMIT_EVERY = 1000,
    CACHE = 64,
    KINDS = 3,
    PHASES = 4
};

/* One open file of a kind. */
struct target {
    int fd;
    struct cella_protected *file; /* NULL: plain calls */
    struct cella_protected_io io;
    struct cella_seal_memory memory;
};

static uint64_t size;
static uint8_t chunk[CHUNK];

static void check(bool good, const char *what) {
    if (good) return;
    perror(what);
    exit(1);
}
static void open_target(struct target *t, const char *path, bool sealed, bool create) {
    static const struct cella_protected_key key = {.kind = CELLA_PROTECTED_KEY_GIVEN, .key = {1}};
    memset(t, 0, sizeof(*t));
    t->fd = open(path, O_RDWR | O_CLOEXEC | (create ? O_CREAT | O_TRUNC : 0), 0600);
    check(t->fd >= 0, path);
    if (!sealed) return;
    t->io = cella_seal_io(&t->fd);
    must(cella_seal_memory_new(CACHE, size, &t->memory));
    must((create ? cella_protected_create : cella_protected_open)(
        &t->file, t->memory.data, t->memory.size, CACHE, size, &t->io, &cella_seal_crypto, &key,
        cella_bytes_text("bench")));
}

static void close_target(struct target *t) {
    if (t->file) cella_protected_close(t->file);
    cella_seal_memory_free(&t->memory);
    close(t->fd);
}

static void put(struct target *t, uint64_t offset, uint64_t count) {
    if (t->file)
        must(cella_protected_write(t->file, offset, chunk, count));
    else
        check(pwrite(t->fd, chunk, count, (off_t)offset) == (ssize_t)count, "pwrite");
}
static void get(struct target *t, uint64_t offset, uint64_t count) {
    uint64_t done = count;
    if (t->file)
        must(cella_protected_read(t->file, offset, chunk, count, &done));
    else
        check(pread(t->fd, chunk, count, (off_t)offset) == (ssize_t)count, "pread");
    check(done == count, "short read");
}
static void finish(struct target *t) {
    if (t->file)
        must(cella_protected_commit(t->file, true));
    else
        check(fsync(t->fd) == 0, "fsync");
}

/* The same start for every kind: memory that the machine has just used, not such as it must first
 * be given. */
static void warm(const char *path) {
    struct target t;
    open_target(&t, path, false, true);
    for (uint64_t at = 0; at < size; at += CHUNK) put(&t, at, CHUNK);
    close_target(&t);
    unlink(path);
}

/* Seconds of one phase: 0 sequential write, 1 sequential read, 2 random read, 3 random write. */
static double phase_s(const char *path, bool sealed, int phase) {
    struct target t;
    double start = clock_s(CLOCK_MONOTONIC);
    open_target(&t, path, sealed, phase == 0);
    unsigned seed = 1;
    if (phase < 2)
        for (uint64_t at = 0; at < size; at += CHUNK) (phase == 0 ? put : get)(&t, at, CHUNK);
    else
        for (int i = 0; i < OPERATIONS; i++) {
            uint64_t at =
                ((uint64_t)rand_r(&seed) << 16 ^ (uint64_t)rand_r(&seed)) % (size / SMALL) * SMALL;
            (phase == 2 ? get : put)(&t, at, SMALL);
            if (phase == 3 && i % COMMIT_EVERY == COMMIT_EVERY - 1)
                finish(&t); /* fsync of the others */
        }
    if (phase == 0) finish(&t);
    close_target(&t);
    return clock_s(CLOCK_MONOTONIC) - start;
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv) {
    const char *folder = argc > 1 ? argv[1] : "/dev/shm", *peer = argc > 3 ? argv[3] : NULL;
    static const char *const kinds[KINDS] = {"plain", "protected", "peer"};
    static const char *const phases[PHASES] = {"sequential write", "sequential read",
                                               "4 KiB random read", "4 KiB random write"};
    char paths[KINDS + 1][4096];
    static double taken[KINDS][PHASES][ROUNDS];
    size = (uint64_t)(argc > 2 ? atoi(argv[2]) : 256) << 20;
    for (int i = 0; i <= KINDS; i++)
        snprintf(paths[i], sizeof(paths[i]), "%s/bench-%s-%d", i == 2 && peer ? peer : folder,
                 i < KINDS ? kinds[i] : "warm", (int)getpid());
    for (size_t i = 0; i < sizeof(chunk); i++) chunk[i] = (uint8_t)(i * 2654435761u >> 11);
    int count = peer ? 3 : 2;
    for (int round = 0; round < ROUNDS; round++)
        for (int phase = 0; phase < PHASES; phase++)
            for (int kind = 0; kind < count; kind++) {
                if (phase == 0) warm(paths[KINDS]);
                taken[kind][phase][round] = phase_s(paths[kind], kind == 1, phase);
            }
    for (int i = 0; i < count; i++) unlink(paths[i]);
    printf("protected files in %s, %llu MiB, median of %d interleaved rounds\n", folder,
           (unsigned long long)(size >> 20), ROUNDS);
    printf("%-20s %14s %14s %14s %10s %10s\n", "", "plain", "protected", peer ? "peer" : "",
           "to plain", peer ? "to peer" : "");
    for (int phase = 0; phase < PHASES; phase++) {
        double m[KINDS] = {0};
        printf("%-20s ", phases[phase]);
        for (int kind = 0; kind < count; kind++) {
            qsort(taken[kind][phase], ROUNDS, sizeof(double), by_value);
            m[kind] = taken[kind][phase][ROUNDS / 2];
            printf(phase < 2 ? "%8.0f MiB/s " : "%11.1f us ",
                   phase < 2 ? (double)(size >> 20) / m[kind] : m[kind] * 1e6 / OPERATIONS);
        }
        if (!peer) printf("%14s ", "");
        printf("%9.2fx", m[0] / m[1]);
        if (peer) printf(" %9.2fx", m[2] / m[1]);
        putchar('\n');
    }
    return 0;
}
