/* What a program asks about itself and its machine. Answers are fixed by the measured image, not by
 * the host (R44); process and thread ids alone are the kernel's, since priority-inheriting futexes
 * name them. */
#include "shim/core.h"

#include <linux/prctl.h>
#include <linux/resource.h>
#include <linux/sysinfo.h>
#include <linux/utsname.h>

enum {
    LIMIT_COUNT = 16,
    OPEN_FILES = 256,
    CANONICAL_BITS = 47,
    PROGRAM_NAME_SIZE = 16,
};

long shim_check_zero(long result, const char *what) { return shim_check_range(result, 0, what); }

long shim_check_range(long result, long max, const char *what) {
    if (result > max || result < -4095) shim_broken_contract(what);
    return result;
}

/* ---- who ---- */
long shim_sys_getpid(const long a[6]) {
    (void)a;
    return shim_pid();
}
long shim_sys_getppid(const long a[6]) { /* none that it could see */
    (void)a;
    return 0;
}
long shim_sys_getuid(const long a[6]) {
    (void)a;
    return SHIM_UID;
}
/* Setting an id to what it is already is the only change there is. */
long shim_sys_setuid(const long a[6]) { return (uint32_t)a[0] == SHIM_UID ? 0 : -EPERM; }

long shim_sys_getresuid(const long a[6]) {
    for (int i = 0; i < 3; i++)
        if (!shim_writable((void *)a[i], 4)) return -EFAULT;
    for (int i = 0; i < 3; i++) *(volatile uint32_t *)a[i] = SHIM_UID;
    return 0;
}

long shim_sys_getgroups(const long a[6]) {
    (void)a;
    return 0;
}

long shim_sys_wait4(const long a[6]) {
    (void)a;
    return -ECHILD;
}

/* ---- machine ---- */
long shim_sys_uname(const long a[6]) {
    static const struct new_utsname name = {"Linux", "enclave", "6.1.0",
                                            "cella", "x86_64",  "(none)"};
    if (!shim_writable((void *)a[0], sizeof name)) return -EFAULT;
    cella_copy((void *)a[0], &name, sizeof name);
    return 0;
}

long shim_sys_sysinfo(const long a[6]) {
    struct sysinfo info;
    cella_zero(&info, sizeof info);
    info.uptime = (long)(shim_monotonic_ns() / 1000000000);
    info.totalram = shim.config.heap.pages;
    info.freeram = shim_vm_free_pages();
    info.procs = 1;
    info.mem_unit = (unsigned)SHIM_PAGE;
    if (!shim_writable((void *)a[0], sizeof info)) return -EFAULT;
    cella_copy((void *)a[0], &info, sizeof info);
    return 0;
}

/* As many processors as the image has threads: what a program sizes its pools by. */
long shim_sys_sched_getaffinity(const long a[6]) {
    if (a[0] != 0 && !shim_thread_find((uint64_t)a[0])) return -ESRCH;
    if (a[1] < 8) return -EINVAL;
    if (!shim_writable((void *)a[2], 8)) return -EFAULT;
    uint32_t n = shim.config.thread_count;
    *(volatile uint64_t *)a[2] = n >= 64 ? ~0ULL : (1ULL << n) - 1;
    return 8;
}

long shim_sys_getcpu(const long a[6]) {
    for (int i = 0; i < 2; i++)
        if (a[i] && !shim_writable((void *)a[i], 4)) return -EFAULT;
    for (int i = 0; i < 2; i++)
        if (a[i]) *(volatile uint32_t *)a[i] = 0;
    return 0;
}

/* ---- limits: kept and read back; what an enclave may use is fixed by its image ---- */
static struct rlimit64 limits[LIMIT_COUNT];
static struct shim_lock limits_lock;

void shim_process_init(void) {
    for (int i = 0; i < LIMIT_COUNT; i++)
        limits[i] = (struct rlimit64){RLIM64_INFINITY, RLIM64_INFINITY};
    uint64_t stack = shim.config.stack.pages * SHIM_PAGE;
    limits[RLIMIT_STACK] = (struct rlimit64){stack, stack};
    limits[RLIMIT_NOFILE] = (struct rlimit64){OPEN_FILES, OPEN_FILES};
    limits[RLIMIT_CORE] = (struct rlimit64){0, 0};
    limits[RLIMIT_NPROC] = (struct rlimit64){shim.config.thread_count, shim.config.thread_count};
}

static long limit(uint64_t which, uint64_t set, uint64_t get) {
    struct rlimit64 new = {0, 0}, old;
    if (which >= LIMIT_COUNT) return -EINVAL;
    if (set && !shim_readable((const void *)set, sizeof new)) return -EFAULT;
    if (get && !shim_writable((void *)get, sizeof old)) return -EFAULT;
    if (set) cella_copy(&new, (const void *)set, sizeof new);
    if (set && new.rlim_cur > new.rlim_max) return -EINVAL;
    shim_lock(&limits_lock);
    old = limits[which];
    bool raise = set && new.rlim_max > old.rlim_max;
    if (set && !raise) limits[which] = new;
    shim_unlock(&limits_lock);
    if (get) cella_copy((void *)get, &old, sizeof old);
    return raise ? -EPERM : 0;
}

long shim_sys_getrlimit(const long a[6]) { return limit((uint64_t)a[0], 0, (uint64_t)a[1]); }
long shim_sys_setrlimit(const long a[6]) { return limit((uint64_t)a[0], (uint64_t)a[1], 0); }
long shim_sys_prlimit64(const long a[6]) {
    if (a[0] != 0 && (uint64_t)a[0] != shim_pid()) return -ESRCH;
    return limit((uint64_t)a[1], (uint64_t)a[2], (uint64_t)a[3]);
}

/* ---- per thread ---- */
long shim_sys_arch_prctl(const long a[6]) {
    struct shim_thread *self = shim_thread_current();
    switch (a[0]) {
    case ARCH_SET_FS:
        if ((uint64_t)a[1] >> CANONICAL_BITS) return -EPERM;
        self->fs_base = (uint64_t)a[1];
        return 0;
    case ARCH_GET_FS:
        if (!shim_writable((void *)a[1], 8)) return -EFAULT;
        *(volatile uint64_t *)a[1] = self->fs_base;
        return 0;
    case ARCH_SET_GS:
        if ((uint64_t)a[1] >> CANONICAL_BITS) return -EPERM;
        return shim_check_zero(shim_syscall(__NR_arch_prctl, a[0], a[1], 0, 0, 0, 0), "arch_prctl");
    case ARCH_GET_GS:
        if (!shim_writable((void *)a[1], 8)) return -EFAULT;
        return shim_check_zero(shim_syscall(__NR_arch_prctl, a[0], a[1], 0, 0, 0, 0), "arch_prctl");
    default: return -EINVAL; /* shadow stacks, AMX: not in an enclave */
    }
}

long shim_sys_prctl(const long a[6]) {
    struct shim_thread *self = shim_thread_current();
    switch (a[0]) {
    case PR_SET_NAME: {
        char name[PROGRAM_NAME_SIZE];
        long n = shim_copy_text(name, (const char *)a[1], sizeof name);
        if (n == -EFAULT) return n;
        name[PROGRAM_NAME_SIZE - 1] = 0;
        cella_copy(self->name, name, sizeof name);
        return 0;
    }
    case PR_GET_NAME:
        if (!shim_writable((void *)a[1], PROGRAM_NAME_SIZE)) return -EFAULT;
        cella_copy((void *)a[1], self->name, PROGRAM_NAME_SIZE);
        return 0;
    case PR_GET_DUMPABLE: return shim.flags & CELLA_START_DEBUG ? 1 : 0;
    case PR_SET_DUMPABLE: return a[1] == 0 ? 0 : -EINVAL; /* R50 */
    case PR_GET_NO_NEW_PRIVS: return 1;
    case PR_SET_NO_NEW_PRIVS: return a[1] == 1 ? 0 : -EINVAL;
    case PR_GET_SECCOMP: return 2;
    default: return -EINVAL;
    }
}
