/* Synchronous faults: to the program's handler with the siginfo that Linux gives, or the end with a
 * line that says where. */
#include "shim/core.h"

static const char *name_of(uint32_t signal) {
    switch (signal) {
    case SIGSEGV: return "segmentation fault";
    case SIGBUS: return "bus error";
    case SIGFPE: return "arithmetic error";
    case SIGILL: return "illegal instruction";
    case SIGTRAP: return "breakpoint";
    case SIGABRT: return "abort";
    default: return "signal";
    }
}

void shim_fault(struct shim_thread *thread, const struct gate_event *event) {
    siginfo_t info;
    cella_zero(&info, sizeof info);
    info.si_signo = (int)event->signal;
    info.si_code = event->code;
    info.si_addr = (void *)event->address;
    if (shim_deliver_now(thread, event->signal, &info)) return;
    shim_say("%s at address 0x%x, instruction at offset 0x%x of the enclave: the program has ended",
             name_of(event->signal), event->address, thread->context->rip - shim.base);
    shim_die(event->signal);
}

/* The first thread to end the enclave closes the files; the others wait for its end. */
static void end_once(void) {
    static uint32_t ending;
    static uint32_t never;
    if (!__atomic_exchange_n(&ending, 1, __ATOMIC_SEQ_CST)) return shim_files_exit();
    for (;;) shim_syscall(__NR_futex, (long)&never, FUTEX_WAIT_PRIVATE, 0, 0, 0, 0);
}

/* Ends the way a process ends by a signal, so that whoever started it sees the same. */
void shim_die(uint32_t signal) {
    uint64_t none = 0;
    uint64_t action[4] = {0, 0, 0, 0};
    end_once();
    shim_syscall(__NR_rt_sigaction, signal, (long)action, 0, 8, 0, 0);
    shim_syscall(__NR_rt_sigprocmask, SIG_SETMASK, (long)&none, 0, 8, 0, 0);
    uint32_t tid = shim_thread_current()->host_tid;
    shim_syscall(__NR_tgkill, shim_pid(), tid, signal, 0, 0, 0);
    for (;;) shim_syscall(__NR_exit_group, 128 + (int)signal, 0, 0, 0, 0, 0);
}

void shim_exit(int status) {
    end_once();
    for (;;) shim_syscall(__NR_exit_group, status, 0, 0, 0, 0, 0);
}
