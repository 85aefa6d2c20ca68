/* The system call table: number to handler. docs/features.md lists every call with its status and
 * reason. */
#include "shim/core.h"
#include "shim/syscall_names.h"

static long nothing(const long a[6]) { /* accepted, has no effect in an enclave */
    (void)a;
    return 0;
}

static long absent(
    const long a[6]) { /* refused without a word: every libc asks and has another way */
    (void)a;
    return -ENOSYS;
}

static shim_handler *const table[] = {
    /* memory */
    [__NR_mmap] = shim_sys_mmap,
    [__NR_munmap] = shim_sys_munmap,
    [__NR_mprotect] = shim_sys_mprotect,
    [__NR_mremap] = shim_sys_mremap,
    [__NR_madvise] = shim_sys_madvise,
    [__NR_brk] = shim_sys_brk,
    [__NR_msync] = shim_sys_msync,
    [__NR_mincore] = shim_sys_mincore,
    [__NR_mlock] = shim_sys_mlock,
    [__NR_munlock] = shim_sys_mlock,
    [__NR_mlock2] = shim_sys_mlock,
    [__NR_mlockall] = shim_sys_mlock,
    [__NR_munlockall] = shim_sys_mlock,
    /* threads and programs */
    [__NR_clone] = shim_sys_clone,
    [__NR_clone3] = absent,
    [__NR_fork] = shim_sys_fork,
    [__NR_vfork] = shim_sys_fork,
    [__NR_execve] = shim_sys_execve,
    [__NR_exit] = shim_sys_exit,
    [__NR_exit_group] = shim_sys_exit_group,
    [__NR_wait4] = shim_sys_wait4,
    [__NR_waitid] = shim_sys_wait4,
    [__NR_set_tid_address] = shim_sys_set_tid_address,
    [__NR_set_robust_list] = shim_sys_set_robust_list,
    [__NR_get_robust_list] = shim_sys_get_robust_list,
    [__NR_rseq] = absent,
    [__NR_membarrier] = absent,
    [__NR_gettid] = shim_sys_gettid,
    [__NR_futex] = shim_sys_futex,
    [__NR_sched_yield] = shim_sys_sched_yield,
    [__NR_sched_getaffinity] = shim_sys_sched_getaffinity,
    [__NR_sched_setaffinity] = nothing,
    [__NR_sched_getscheduler] = nothing, /* SCHED_OTHER */
    [__NR_sched_get_priority_max] = nothing,
    [__NR_sched_get_priority_min] = nothing,
    [__NR_setpriority] = nothing,
    [__NR_getcpu] = shim_sys_getcpu,
    [__NR_arch_prctl] = shim_sys_arch_prctl,
    [__NR_prctl] = shim_sys_prctl,
    /* signals */
    [__NR_rt_sigaction] = shim_sys_rt_sigaction,
    [__NR_rt_sigprocmask] = shim_sys_rt_sigprocmask,
    [__NR_rt_sigpending] = shim_sys_rt_sigpending,
    [__NR_rt_sigsuspend] = shim_sys_rt_sigsuspend,
    [__NR_rt_sigtimedwait] = shim_sys_rt_sigtimedwait,
    [__NR_rt_sigqueueinfo] = shim_sys_rt_sigqueueinfo,
    [__NR_rt_tgsigqueueinfo] = shim_sys_rt_tgsigqueueinfo,
    [__NR_sigaltstack] = shim_sys_sigaltstack,
    [__NR_kill] = shim_sys_kill,
    [__NR_tkill] = shim_sys_tkill,
    [__NR_tgkill] = shim_sys_tgkill,
    [__NR_pause] = shim_sys_pause,
    [__NR_alarm] = shim_sys_alarm,
    [__NR_setitimer] = shim_sys_setitimer,
    /* time and randomness */
    [__NR_clock_gettime] = shim_sys_clock_gettime,
    [__NR_clock_getres] = shim_sys_clock_getres,
    [__NR_gettimeofday] = shim_sys_gettimeofday,
    [__NR_time] = shim_sys_time,
    [__NR_nanosleep] = shim_sys_nanosleep,
    [__NR_clock_nanosleep] = shim_sys_clock_nanosleep,
    [__NR_getrusage] = shim_sys_getrusage,
    [__NR_times] = shim_sys_times,
    [__NR_getrandom] = shim_sys_getrandom,
    /* who and where */
    [__NR_getpid] = shim_sys_getpid,
    [__NR_getppid] = shim_sys_getppid,
    [__NR_getpgrp] = shim_sys_getpid,
    [__NR_getpgid] = shim_sys_getpid,
    [__NR_getsid] = shim_sys_getpid,
    [__NR_getuid] = shim_sys_getuid,
    [__NR_geteuid] = shim_sys_getuid,
    [__NR_getgid] = shim_sys_getuid,
    [__NR_getegid] = shim_sys_getuid,
    [__NR_getresuid] = shim_sys_getresuid,
    [__NR_getresgid] = shim_sys_getresuid,
    [__NR_getgroups] = shim_sys_getgroups,
    [__NR_setuid] = shim_sys_setuid,
    [__NR_setgid] = shim_sys_setuid,
    [__NR_uname] = shim_sys_uname,
    [__NR_sysinfo] = shim_sys_sysinfo,
    [__NR_getrlimit] = shim_sys_getrlimit,
    [__NR_setrlimit] = shim_sys_setrlimit,
    [__NR_prlimit64] = shim_sys_prlimit64,
    /* files */
    [__NR_read] = shim_sys_read,
    [__NR_write] = shim_sys_write,
    [__NR_readv] = shim_sys_readv,
    [__NR_writev] = shim_sys_writev,
    [__NR_pread64] = shim_sys_pread64,
    [__NR_pwrite64] = shim_sys_pwrite64,
    [__NR_preadv] = shim_sys_preadv,
    [__NR_pwritev] = shim_sys_pwritev,
    [__NR_open] = shim_sys_open,
    [__NR_openat] = shim_sys_openat,
    [__NR_creat] = shim_sys_creat,
    [__NR_close] = shim_sys_close,
    [__NR_stat] = shim_sys_stat,
    [__NR_lstat] = shim_sys_lstat,
    [__NR_fstat] = shim_sys_fstat,
    [__NR_newfstatat] = shim_sys_newfstatat,
    [__NR_statx] = shim_sys_statx,
    [__NR_lseek] = shim_sys_lseek,
    [__NR_ioctl] = shim_sys_ioctl,
    [__NR_access] = shim_sys_access,
    [__NR_faccessat] = shim_sys_faccessat,
    [__NR_faccessat2] = shim_sys_faccessat2,
    [__NR_dup] = shim_sys_dup,
    [__NR_dup2] = shim_sys_dup2,
    [__NR_dup3] = shim_sys_dup3,
    [__NR_fcntl] = shim_sys_fcntl,
    [__NR_flock] = shim_sys_flock,
    [__NR_fsync] = shim_sys_fsync,
    [__NR_fdatasync] = shim_sys_fdatasync,
    [__NR_truncate] = shim_sys_truncate,
    [__NR_ftruncate] = shim_sys_ftruncate,
    [__NR_getdents64] = shim_sys_getdents64,
    [__NR_getcwd] = shim_sys_getcwd,
    [__NR_chdir] = shim_sys_chdir,
    [__NR_fchdir] = shim_sys_fchdir,
    [__NR_rename] = shim_sys_rename,
    [__NR_renameat] = shim_sys_renameat,
    [__NR_renameat2] = shim_sys_renameat2,
    [__NR_mkdir] = shim_sys_mkdir,
    [__NR_mkdirat] = shim_sys_mkdirat,
    [__NR_rmdir] = shim_sys_rmdir,
    [__NR_unlink] = shim_sys_unlink,
    [__NR_unlinkat] = shim_sys_unlinkat,
    [__NR_readlink] = shim_sys_readlink,
    [__NR_readlinkat] = shim_sys_readlinkat,
    [__NR_chmod] = shim_sys_chmod,
    [__NR_fchmod] = shim_sys_fchmod,
    [__NR_umask] = shim_sys_umask,
    [__NR_poll] = shim_sys_poll,
    [__NR_ppoll] = shim_sys_ppoll,
    [__NR_statfs] = shim_sys_statfs,
    [__NR_fstatfs] = shim_sys_fstatfs,
    [__NR_fadvise64] = shim_sys_fadvise64,
    [__NR_fallocate] = shim_sys_fallocate,
    [__NR_sendfile] = shim_sys_sendfile,
    [__NR_close_range] = shim_sys_close_range,
    [__NR_copy_file_range] = shim_sys_copy_file_range,
    [__NR_utimensat] = shim_sys_utimensat,
    [__NR_sync] = shim_sys_sync,
};
enum { TABLE_COUNT = sizeof table / sizeof table[0] };

static const char *name_of(uint64_t number) {
    const char *name = syscall_names_low;
    if (number >= SYSCALL_NAMES_HIGH_FIRST && number < SYSCALL_NAMES_END) {
        name = syscall_names_high;
        number -= SYSCALL_NAMES_HIGH_FIRST;
    } else if (number >= SYSCALL_NAMES_LOW_COUNT) {
        return "of unknown name";
    }
    while (number--) name += __builtin_strlen(name) + 1;
    return name;
}

/* One line per number, so that a program that asks in a loop is still readable. */
static long refuse(uint64_t number) {
    static uint64_t said[8];
    uint64_t bit = 1ULL << number % 64;
    bool known = number < 512;
    if (!known || !(__atomic_fetch_or(&said[number / 64], bit, __ATOMIC_RELAXED) & bit))
        shim_say("system call %u (%s) is not served in an enclave (ENOSYS)", number,
                 name_of(number));
    return -ENOSYS;
}

/* Calls that Linux restarts after a handler with SA_RESTART; the others then end with EINTR
 * (signal(7)). */
static bool restarts(uint64_t number) {
    switch (number) {
    case __NR_rt_sigsuspend:
    case __NR_pause:
    case __NR_rt_sigtimedwait:
    case __NR_nanosleep:
    case __NR_clock_nanosleep:
    case __NR_poll:
    case __NR_ppoll: return false;
    default: return true;
    }
}

long shim_dispatch(struct shim_thread *thread, uint64_t number, const long a[6], bool *replaced) {
    if (number == __NR_rt_sigreturn) {
        *replaced = true;
        return shim_deliver_return(thread);
    }
    if (number >= TABLE_COUNT || !table[number]) return refuse(number);
    thread->restart_handler = restarts(number);
    thread->restart_always = false;
    long result = table[number](a);
    /* exit_group comes back only for the program after the one that fetches keys. */
    if ((number == __NR_execve || number == __NR_exit_group) && result == 0) *replaced = true;
    if (result == -EPIPE &&
        (number == __NR_write || number == __NR_writev || number == __NR_pwrite64))
        shim_signal_send(thread,
                         SIGPIPE); /* ignored in the kernel, where it would not wait for us */
    return result;
}
