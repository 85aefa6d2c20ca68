/* What a program inside an enclave pays for memory and files; the same binary runs outside as the
 * measure. inside_program memory            "random_ns X" and "fill_gbs X" over 16 MiB of memory
 * once mapped inside_program files DIR MIB N   "write_mibs X", "read_mibs X", "random_read_us X",
 * "random_write_us X" on DIR/file */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { MEMORY = 16 << 20, STEPS = 4000000, CHUNK = 1 << 18, PIECE = 4096 };

static double now_s(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static uint64_t state = 88172645463325252ULL;
static uint64_t next_random(void) { /* xorshift64: only to spread accesses */
    state ^= state << 13;
    state ^= state >> 7;
    return state ^= state << 17;
}

static int memory(void) {
    uint32_t *p = malloc(MEMORY);
    if (!p) return 1;
    const uint32_t count = MEMORY / 4;
    for (uint32_t i = 0; i < count; i++) p[i] = i;
    for (uint32_t i = count - 1; i > 0;
         i--) { /* one cycle through all of it, so that each load waits for the last */
        uint32_t j = (uint32_t)(next_random() % i), was = p[i];
        p[i] = p[j];
        p[j] = was;
    }
    uint32_t at = 0;
    double start = now_s();
    for (int i = 0; i < STEPS; i++) at = p[at];
    double random_s = now_s() - start;
    start = now_s();
    for (int i = 0; i < 64; i++) {
        memset(p, i, MEMORY);
        __asm__ volatile("" : : "r"(p) : "memory");
    }
    double fill_s = now_s() - start;
    printf("random_ns %.2f\nfill_gbs %.2f\n", random_s / STEPS * 1e9 + (at == UINT32_MAX),
           64.0 * MEMORY / fill_s / 1e9);
    return 0;
}

static int whole(int fd, int writing, uint64_t size, uint8_t *chunk) {
    for (uint64_t at = 0; at < size; at += CHUNK) {
        ssize_t n =
            writing ? pwrite(fd, chunk, CHUNK, (off_t)at) : pread(fd, chunk, CHUNK, (off_t)at);
        if (n != CHUNK) return perror(writing ? "write" : "read"), 0;
    }
    return !writing || fsync(fd) == 0;
}

static int pieces(int fd, int writing, uint64_t size, int count, uint8_t *chunk) {
    for (int i = 0; i < count; i++) {
        off_t at = (off_t)(next_random() % (size / PIECE) * PIECE);
        ssize_t n = writing ? pwrite(fd, chunk, PIECE, at) : pread(fd, chunk, PIECE, at);
        if (n != PIECE) return perror("random"), 0;
    }
    return !writing || fsync(fd) == 0;
}

static int files(const char *folder, uint64_t size, int count) {
    static uint8_t chunk[CHUNK];
    char path[512];
    for (int i = 0; i < CHUNK; i++) chunk[i] = (uint8_t)next_random();
    snprintf(path, sizeof(path), "%s/file", folder);
    unlink(path);
    double t[5];
    t[0] = now_s();
    int fd = open(path, O_RDWR | O_CREAT, 0600);
    if (fd < 0 || !whole(fd, 1, size, chunk)) return perror(path), 1;
    t[1] = now_s();
    /* A FUSE peer reads back from the kernel's cache of plaintext; drop that, so that decrypting is
     * measured. */
    (void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    if (!whole(fd, 0, size, chunk)) return 1;
    t[2] = now_s();
    (void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    if (!pieces(fd, 0, size, count, chunk)) return 1;
    t[3] = now_s();
    if (!pieces(fd, 1, size, count, chunk)) return 1;
    t[4] = now_s();
    close(fd);
    unlink(path);
    double mib = (double)size / 1048576;
    printf("write_mibs %.0f\nread_mibs %.0f\nrandom_read_us %.2f\nrandom_write_us %.2f\n",
           mib / (t[1] - t[0]), mib / (t[2] - t[1]), (t[3] - t[2]) / count * 1e6,
           (t[4] - t[3]) / count * 1e6);
    return 0;
}

int main(int argc, char **argv) {
    if (argc == 2 && strcmp(argv[1], "memory") == 0) return memory();
    if (argc == 5 && strcmp(argv[1], "files") == 0)
        return files(argv[2], strtoull(argv[3], NULL, 10) << 20, atoi(argv[4]));
    fprintf(stderr, "usage: inside_program memory | files DIR MIB COUNT\n");
    return 2;
}
