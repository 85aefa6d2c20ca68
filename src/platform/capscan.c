#include "platform/capscan.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BIT(cap) (1ULL << (cap))
#define DANGEROUS                                                                                  \
    (BIT(CAP_SYS_PTRACE) | BIT(CAP_PERFMON) | BIT(CAP_BPF) | BIT(CAP_SYS_ADMIN) |                  \
     BIT(CAP_SYS_MODULE) | BIT(CAP_SYS_RAWIO) | BIT(CAP_SYS_BOOT) | BIT(CAP_CHECKPOINT_RESTORE))
#define INITIAL_PID_NAMESPACE "pid:[4026531836]" /* PROC_PID_INIT_INO, fixed in the kernel */

static bool hex_field(const char *status, const char *name, uint64_t *out) {
    const char *p = strstr(status, name);
    if (!p) return false;
    char *end;
    *out = strtoull(p + strlen(name), &end, 16);
    return end != p + strlen(name);
}

enum verdict { CLEAN, HOLDS, GONE, UNREADABLE };

static enum verdict scan_process(int proc, const char *pid, char name[32]) {
    char path[64], status[4096];
    snprintf(path, sizeof(path), "%.20s/status", pid);
    int fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return GONE;
    ssize_t n = read(fd, status, sizeof(status) - 1);
    close(fd);
    if (n <= 0) return GONE;
    status[n] = 0;
    uint64_t permitted, bounding;
    if (!hex_field(status, "\nCapPrm:\t", &permitted) ||
        !hex_field(status, "\nCapBnd:\t", &bounding))
        return UNREADABLE;
    /* Kernel threads have no memory of their own and are nobody's to command; zombies run no more.
     */
    if (!strstr(status, "\nVmSize:") || strstr(status, "\nState:\tZ")) return CLEAN;
    if (!((permitted | bounding) & DANGEROUS)) return CLEAN;
    if (sscanf(status, "Name:\t%31[^\n]", name) != 1) snprintf(name, 32, "?");
    return HOLDS;
}

static bool is_pid(const char *name) { return name[0] >= '1' && name[0] <= '9'; }

void cella_capscan(const char *root, char *out, size_t capacity) {
    char path[512], text[64], first[64] = "", name[32];
    snprintf(path, sizeof(path), "%s/proc/self/ns/pid", root);
    ssize_t n = readlink(path, text, sizeof(text) - 1);
    text[n < 0 ? 0 : n] = 0;
    snprintf(path, sizeof(path), "%s/proc", root);
    DIR *dir = opendir(path);
    bool first_seen = false;
    unsigned holders = 0, unreadable = 0;
    for (struct dirent *e; dir && (e = readdir(dir));) {
        if (!is_pid(e->d_name) || atoi(e->d_name) == getpid()) continue;
        if (strcmp(e->d_name, "1") == 0) first_seen = true;
        enum verdict verdict = scan_process(dirfd(dir), e->d_name, name);
        if (verdict == UNREADABLE) unreadable++;
        if (verdict == HOLDS && holders++ == 0)
            snprintf(first, sizeof(first), "%.10s %s", e->d_name, name);
    }
    if (dir) closedir(dir);
    if (!first_seen || unreadable)
        snprintf(out, capacity, "unreadable: not every process shows itself");
    else if (holders)
        snprintf(out, capacity, "%u processes, first %s", holders, first);
    else if (strcmp(text, INITIAL_PID_NAMESPACE) != 0)
        snprintf(out, capacity, "unreadable: inside a pid namespace");
    else
        snprintf(out, capacity, "none outside");
}

bool cella_capscan_mask_is_clean(const char *words) {
    unsigned low, high;
    char rest;
    if (sscanf(words, "%u %u%c", &low, &high, &rest) != 2) return false;
    return ((((uint64_t)high << 32) | low) & DANGEROUS) == 0;
}
