/* What the core's files share (shim.h lists them). */
#ifndef CELLA_SHIM_CORE_H
#define CELLA_SHIM_CORE_H

#include <linux/errno.h>

#include "shim/gate.h"
#include "shim/linux.h"
#include "shim/shim.h"

#define SHIM_PAGE         4096UL
#define SHIM_PAGE_UP(x)   (((uint64_t)(x) + SHIM_PAGE - 1) & ~(SHIM_PAGE - 1))
#define SHIM_PAGE_DOWN(x) ((uint64_t)(x) & ~(SHIM_PAGE - 1))

enum {
    SHIM_ABORT_STATUS = 125, /* exit status when the shim ends the enclave */
    SHIM_UID = 1000,         /* the one user and group that a program sees */
};
/* The enclave's process id, as the kernel gave it at start. */
uint32_t shim_pid(void);

/* ---- thread (thread.c): one block per slot, in its own page of the image ---- */
enum shim_thread_busy {
    SHIM_BUSY_FREE,
    SHIM_BUSY_USED,
    SHIM_BUSY_LEAVING, /* ended; free once the kernel clears host_tid */
    SHIM_BUSY_PARKED,  /* slot 0 after its program thread's end: shim_thread_end */
};
enum shim_order { SHIM_ORDER_NONE, SHIM_ORDER_END, SHIM_ORDER_EXEC };
enum shim_thread_state { SHIM_STATE_PROGRAM = 1, SHIM_STATE_SHIM = 2 };

struct shim_signal_stack {
    uint64_t base;
    int32_t flags;
    uint64_t size;
};

struct shim_thread {
    _Atomic uint32_t state;     /* enum shim_thread_state (R08) */
    _Atomic uint32_t attention; /* not 0: look for signals and orders before entering the program */
    _Atomic uint32_t
        host_tid; /* set by shim_thread_create, cleared by the kernel when the thread is gone */
    uint32_t slot;
    _Atomic uint32_t busy; /* enum shim_thread_busy: slot taken (R10) */
    _Atomic uint32_t die;  /* enum shim_order, from exec */
    uint32_t start;        /* start token of a new thread: 0 wait, 1 go, 2 gone (R47) */
    uint64_t fs_base;      /* the program's, while in the shim */
    uint64_t
        fs_block[8]; /* what FS points at in the shim: fs_block[5] is the stack canary of BearSSL */
    struct gate_context
        *context;             /* the program's registers, in the signal frame on the shim stack */
    uint64_t frame;           /* address of that frame */
    _Atomic uint64_t mask;    /* signals the program blocked; bit n-1 */
    _Atomic uint64_t pending; /* signals sent to this thread */
    uint64_t wait_mask;       /* sigsuspend: mask to put back after delivery */
    bool has_wait_mask;
    struct shim_signal_stack altstack;
    uint64_t clear_tid;   /* program's word, cleared and woken at exit; 0: none */
    uint64_t robust_list; /* program's list head; 0: none */
    long restart_number;  /* system call to restart when no handler ran after -EINTR; -1: none */
    bool restart_handler; /* ... and also when a handler with SA_RESTART ran */
    bool restart_always;  /* ... and after any handler: waits for inherited priority */
    uint64_t wait_end;    /* monotonic end of a relative wait that is to go on; 0: none */
    uint32_t tid;
    char name[16];
};
_Static_assert(sizeof(struct shim_thread) <= 4096, "a thread block is one page");

#ifdef CELLA_FREESTANDING
static inline struct shim_thread *shim_thread_current(void) {
    uint64_t rsp;
    __asm__ volatile("mov %%rsp, %0" : "=r"(rsp));
    return (struct shim_thread *)((rsp & ~(uint64_t)(CELLA_SLOT_STRIDE - 1)) + CELLA_SLOT_THREAD);
}
#else /* tests on the host give their own */
struct shim_thread *shim_thread_current(void);
#endif
struct shim_thread *shim_thread_slot(uint32_t slot);
/* Ends the calling thread of the program: robust list, join wake, then the host thread. */
__attribute__((noreturn)) void shim_thread_end(struct shim_thread *thread, int status);
/* A new thread's first step: waits until clone has told its id to all. */
void shim_thread_started(struct shim_thread *thread);
/* exec: ends all other threads and waits until they are gone. */
void shim_thread_end_others(struct shim_thread *self);
void shim_thread_init(void);
/* The thread with this id, or NULL. */
struct shim_thread *shim_thread_find(uint64_t tid);

/* ---- program loading (load.c) ---- */
/* On the first thread, which got the order: goes on with the exec of another. */
void shim_exec_take(struct shim_thread *first);
/* Resets memory and fills program index's data, stack and first registers. argv and envv are
 * shim.argv/envv. Returns 0 or -errno; before anything of the old program is touched. */
long shim_load(struct shim_thread *thread, uint32_t index, struct cella_bytes exec_path);
/* The program that fetches keys has ended. After status 0 the first program is loaded in its place,
 * and 0 returned; any other status ends the enclave. */
long shim_load_fetched(struct shim_thread *thread, int status);
/* Takes memory for exec's arguments at start; false when the heap is too small. */
bool shim_load_init(void);

/* ---- memory (vm.c) ---- */
void shim_vm_init(void);
/* Every page back to its first state: heap free, stack zero, the program's data as measured. */
void shim_vm_reset(uint32_t program);
/* Zeroes the data of a program that has ended for good. */
void shim_vm_wipe(uint32_t program);
bool shim_vm_executable(uint64_t address, uint64_t size);

uint64_t shim_vm_free_pages(void);

/* ---- process (process.c) ---- */
void shim_process_init(void);

/* ---- futex (futex.c) ---- */
long shim_futex_wake(void *word, uint32_t count);

/* ---- signals (signal.c, deliver.c, fault.c) ---- */
struct shim_action {
    uint64_t handler, flags, restorer, mask;
};
enum { SHIM_SIGNAL_COUNT = 64 };
bool shim_signal_ignored(uint32_t signal, const struct shim_action *action);
/* A copy of the action of a signal. */
struct shim_action shim_signal_action(uint32_t signal);
void shim_signal_set_default(uint32_t signal);
/* Makes a signal pending for one thread, or for whichever thread takes it (thread NULL), and wakes
 * it. Safe from shim_interrupted. */
void shim_signal_send(struct shim_thread *thread, uint32_t signal);
/* Recomputes the attention word of the calling thread after its mask or what is pending changed,
 * and hands what it blocks now to a thread that does not. */
void shim_signal_refresh(struct shim_thread *thread);
/* Next signal to deliver, taken off the pending set; 0: none. */
uint32_t shim_signal_take(struct shim_thread *thread, uint64_t blocked);
bool shim_signal_waiting(struct shim_thread *thread);
/* The calling thread takes no more signals (busy is 2): others get what it was chosen for. */
void shim_signal_leave(struct shim_thread *thread);
void shim_signal_exec(struct shim_thread *thread);
/* Delivers what is pending to the program's handlers by editing thread->context. */
void shim_deliver(struct shim_thread *thread);
/* Delivers one signal now, with this siginfo; false: no handler (or blocked: synchronous signals
 * then kill). */
bool shim_deliver_now(struct shim_thread *thread, uint32_t signal, const siginfo_t *info);
long shim_deliver_return(struct shim_thread *thread);
void shim_fault(struct shim_thread *thread, const struct gate_event *event);
/* Ends the enclave as a signal ends a process. */
__attribute__((noreturn)) void shim_die(uint32_t signal);
__attribute__((noreturn)) void shim_exit(int status);

/* ---- time, randomness ---- */
CELLA_RESULT shim_random_init(const uint8_t seed[64]);
/* Monotonic nanoseconds, clamped (R42). */
uint64_t shim_monotonic_ns(void);

/* ---- door (seccomp.c) ---- */
void shim_seccomp_close(void);

/* ---- system calls (syscall.c) ---- */
/* Serves one call; returns its value or -errno, which goes to rax unless *replaced is set. */
long shim_dispatch(struct shim_thread *thread, uint64_t number, const long a[6], bool *replaced);
/* The result of a host call that may only be 0 or -errno (R40). */
long shim_check_zero(long result, const char *what);
/* ... or a value from 0 to max. */
long shim_check_range(long result, long max, const char *what);

/* handlers of the core */
shim_handler shim_sys_mmap, shim_sys_munmap, shim_sys_mprotect, shim_sys_mremap, shim_sys_madvise,
    shim_sys_brk, shim_sys_msync, shim_sys_mlock, shim_sys_mincore, shim_sys_clone, shim_sys_fork,
    shim_sys_execve, shim_sys_exit, shim_sys_exit_group, shim_sys_wait4, shim_sys_set_tid_address,
    shim_sys_set_robust_list, shim_sys_get_robust_list, shim_sys_gettid, shim_sys_futex,
    shim_sys_sched_yield, shim_sys_sched_getaffinity, shim_sys_getcpu, shim_sys_arch_prctl,
    shim_sys_prctl, shim_sys_rt_sigaction, shim_sys_rt_sigprocmask, shim_sys_rt_sigpending,
    shim_sys_rt_sigsuspend, shim_sys_rt_sigtimedwait, shim_sys_rt_sigqueueinfo,
    shim_sys_rt_tgsigqueueinfo, shim_sys_sigaltstack, shim_sys_kill, shim_sys_tkill,
    shim_sys_tgkill, shim_sys_pause, shim_sys_alarm, shim_sys_setitimer, shim_sys_clock_gettime,
    shim_sys_clock_getres, shim_sys_gettimeofday, shim_sys_time, shim_sys_nanosleep,
    shim_sys_clock_nanosleep, shim_sys_getrusage, shim_sys_times, shim_sys_getrandom,
    shim_sys_getpid, shim_sys_getppid, shim_sys_getuid, shim_sys_getresuid, shim_sys_getgroups,
    shim_sys_setuid, shim_sys_uname, shim_sys_sysinfo, shim_sys_getrlimit, shim_sys_setrlimit,
    shim_sys_prlimit64;

#endif
