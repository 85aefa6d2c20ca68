/* Interfaces that read or write another process's memory from outside. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "attack.h"

enum { CHUNK = 1 << 16 };

static int open_proc(pid_t pid, const char *name, int flags) {
    char path[96];
    snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
    return open(path, flags | O_CLOEXEC);
}

/* Reads every known range through `read_at` and looks for the canary. */
static struct finding scan(const struct target *t,
                           ssize_t (*read_at)(const struct target *, int, void *, size_t, uint64_t),
                           int fd) {
    uint8_t chunk[CHUNK];
    uint64_t got = 0, refused = 0;
    int error = 0;
    for (size_t i = 0; i < t->range_count; i++)
        for (uint64_t at = t->range[i].start; at < t->range[i].end; at += CHUNK) {
            size_t want = t->range[i].end - at < CHUNK ? t->range[i].end - at : CHUNK;
            ssize_t n = read_at(t, fd, chunk, want, at);
            if (n <= 0) {
                refused += want;
                error = errno;
                continue;
            }
            got += (uint64_t)n;
            if (has_canary(t, chunk, (size_t)n))
                return found(READS, "found the canary near address %#lx", at);
        }
    if (got == 0) return found(BLOCKED, "%s", strerror(error));
    return found(NOTHING, "%lu KiB of public text readable, %lu KiB refused (%s)", got >> 10,
                 refused >> 10, refused ? strerror(error) : "none");
}

static ssize_t read_by_mem(const struct target *t, int fd, void *to, size_t size, uint64_t at) {
    (void)t;
    return pread(fd, to, size, (off_t)at);
}

static ssize_t read_by_vm(const struct target *t, int fd, void *to, size_t size, uint64_t at) {
    (void)fd;
    struct iovec local = {to, size}, remote = {(void *)at, size};
    return process_vm_readv(t->pid, &local, 1, &remote, 1, 0);
}

struct finding attack_proc_mem_read(const struct target *t) {
    int fd = open_proc(t->pid, "mem", O_RDONLY);
    if (fd < 0) return found(BLOCKED, "open: %s", strerror(errno));
    struct finding f = scan(t, read_by_mem, fd);
    close(fd);
    return f;
}

struct finding attack_process_vm_read(const struct target *t) {
    return scan(t, read_by_vm, -1);
}

/* Changes one byte of text or data; writes the same value first, so that a success does not crash
 * the target before it is noticed. */
struct finding attack_proc_mem_write(const struct target *t) {
    int fd = open_proc(t->pid, "mem", O_RDWR);
    if (fd < 0) return found(BLOCKED, "open: %s", strerror(errno));
    int error = 0, changed = 0;
    for (size_t i = 0; i < t->range_count; i++) {
        uint8_t byte = 0;
        (void)!pread(fd, &byte, 1, (off_t)t->range[i].start);
        if (pwrite(fd, &byte, 1, (off_t)t->range[i].start) == 1)
            changed++;
        else
            error = errno;
    }
    close(fd);
    if (changed) return found(WRITES, "%d of %zu ranges writable", changed, t->range_count);
    return found(BLOCKED, "write: %s", strerror(error));
}

struct finding attack_process_vm_write(const struct target *t) {
    int error = 0;
    for (size_t i = 0; i < t->range_count; i++) {
        uint8_t byte = 0;
        struct iovec local = {&byte, 1}, remote = {(void *)t->range[i].start, 1};
        (void)!process_vm_readv(t->pid, &local, 1, &remote, 1, 0);
        if (process_vm_writev(t->pid, &local, 1, &remote, 1, 0) == 1)
            return found(WRITES, "wrote at %#lx", t->range[i].start);
        error = errno;
    }
    return found(BLOCKED, "%s", strerror(error));
}

/* The file behind a mapping: can it be opened, and does it give memory or take a change? */
struct finding attack_map_files(const struct target *t) {
    int opened = 0, error = ENOENT;
    for (size_t i = 0; i < t->range_count; i++) {
        char name[64];
        snprintf(name, sizeof(name), "map_files/%lx-%lx", t->range[i].start, t->range[i].end);
        int fd = open_proc(t->pid, name, O_RDWR);
        if (fd < 0) fd = open_proc(t->pid, name, O_RDONLY);
        if (fd < 0) {
            error = errno;
            continue;
        }
        opened++;
        void *p = mmap(NULL, t->range[i].end - t->range[i].start, PROT_READ, MAP_SHARED, fd, 0);
        bool leaked = p != MAP_FAILED && t->range[i].writable &&
                      has_canary(t, p, t->range[i].end - t->range[i].start);
        if (p != MAP_FAILED) munmap(p, t->range[i].end - t->range[i].start);
        struct stat st;
        uint8_t byte = 0;
        bool wrote = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && t->range[i].executable &&
                     pread(fd, &byte, 1, 0) == 1 && pwrite(fd, &byte, 1, 0) == 1;
        close(fd);
        if (leaked) return found(READS, "a mapping's file gives the canary");
        if (wrote) return found(WRITES, "the text's file takes writes");
    }
    if (opened == 0) return found(BLOCKED, "%s", strerror(error));
    return found(NOTHING,
                 "%d mappings open (public text, sealed), none gives secrets or takes a write",
                 opened);
}

/* Takes each descriptor of the target and maps it: a secret memory descriptor would give
 * everything. */
struct finding attack_pidfd_getfd(const struct target *t) {
    int pidfd = (int)syscall(SYS_pidfd_open, t->pid, 0);
    if (pidfd < 0) return found(BLOCKED, "pidfd_open: %s", strerror(errno));
    int taken = 0, error = 0;
    struct finding f = {0};
    for (int n = 0; n < 256 && f.outcome != READS; n++) {
        int fd = (int)syscall(SYS_pidfd_getfd, pidfd, n, 0);
        if (fd < 0) {
            if (errno != EBADF) error = errno;
            continue;
        }
        taken++;
        struct stat st;
        uint8_t *p = fstat(fd, &st) == 0 && st.st_size > 0 && st.st_size < 1 << 30
                         ? mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0)
                         : MAP_FAILED;
        if (p != MAP_FAILED) {
            if (has_canary(t, p, (size_t)st.st_size))
                f = found(READS, "descriptor %d gives the canary", n);
            munmap(p, (size_t)st.st_size);
        }
        close(fd);
    }
    close(pidfd);
    if (f.outcome == READS) return f;
    if (taken == 0) return found(BLOCKED, "%s", strerror(error));
    return found(INFORMATION, "%d descriptors taken (channels, standard streams), none is memory",
                 taken);
}

struct finding attack_kcore(const struct target *t) {
    (void)t;
    int fd = open("/proc/kcore", O_RDONLY | O_CLOEXEC);
    if (fd < 0) return found(errno == ENOENT ? NOT_OFFERED : BLOCKED, "%s", strerror(errno));
    /* Secret pages are not in the direct map, so kcore reads them as zeros; searching all memory
     * takes too long here, so only the openness is told. */
    close(fd);
    return found(INFORMATION, "open; secret pages are absent from the direct map it shows");
}

struct finding attack_dev_mem(const struct target *t) {
    (void)t;
    int fd = open("/dev/mem", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return found(errno == ENOENT || errno == ENXIO ? NOT_OFFERED : BLOCKED, "%s",
                     strerror(errno));
    uint8_t byte;
    ssize_t n = pread(fd, &byte, 1, 0x4000000);
    int error = errno;
    close(fd);
    if (n == 1)
        return found(INFORMATION,
                     "physical memory readable; secret pages are only reachable by their frame");
    return found(BLOCKED, "%s", strerror(error));
}
