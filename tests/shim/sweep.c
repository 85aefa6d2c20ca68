/* R08, R47: a signal after every single instruction of the shim's way through a system call. The
 * program makes one call per number k; the tracer steps k instructions into the shim and sends
 * SIGUSR1 there. Whatever is lost, doubled or corrupted shows in the program's count, or it hangs
 * and the time limit ends it. */
#include "sweep.h"

#include <err.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>

enum { EXIT_LOADER = 120 };

struct sweep {
    pid_t pid;
    uint64_t text, text_end;
    long steps; /* instructions to go before the signal */
    long injected;
    int finished; /* a way through the shim was shorter than steps: every instruction had its turn
                   */
};

static struct user_regs_struct registers(pid_t pid) {
    struct user_regs_struct r;
    if (ptrace(PTRACE_GETREGS, pid, NULL, &r) < 0) err(EXIT_LOADER, "PTRACE_GETREGS");
    return r;
}

static int in_shim(const struct sweep *s, uint64_t rip) {
    return rip >= s->text && rip < s->text_end;
}

/* From the SIGSYS stop into the shim; leaves the program stopped, and the signal to go on with. */
static int step_into(struct sweep *s, int *status) {
    int deliver = SIGSYS;
    for (long i = 0; i <= s->steps; i++) {
        ptrace(PTRACE_SINGLESTEP, s->pid, NULL, deliver);
        deliver = 0;
        if (waitpid(s->pid, status, 0) < 0 || !WIFSTOPPED(*status)) return 0;
        struct user_regs_struct r = registers(s->pid);
        if (!in_shim(s, r.rip)) {
            s->finished = 1;
            return 0;
        }
        /* A call that waits would hold the step for ever: the signal goes in front of it, and the
         * sweep is over. */
        if (r.rax == SYS_futex && r.rsi == 128 /* FUTEX_WAIT_PRIVATE */ && i > 100) {
            errno = 0;
            s->finished = 1;
            break;
        }
    }
    s->steps++;
    s->injected++;
    return SIGUSR1;
}

int sweep(pid_t pid, uint64_t text, uint64_t text_end, int call) {
    struct sweep s = {.pid = pid, .text = text, .text_end = text_end};
    int status, signal = 0;
    ptrace(PTRACE_SETOPTIONS, pid, NULL, PTRACE_O_EXITKILL);
    for (;;) {
        ptrace(PTRACE_CONT, pid, NULL, signal);
        if (waitpid(pid, &status, 0) < 0) err(EXIT_LOADER, "waitpid");
        if (!WIFSTOPPED(status)) break;
        signal = WSTOPSIG(status);
        if (signal == SIGSTOP) signal = 0;
        if (signal != SIGSYS || registers(pid).rax != (unsigned long long)call) continue;
        if (s.finished) {
            kill(pid, SIGUSR2);
            continue;
        }
        signal = step_into(&s, &status);
        if (!WIFSTOPPED(status)) break;
    }
    fprintf(stderr, "sweep: %ld signals%s\n", s.injected, s.finished ? ", every instruction" : "");
    return status;
}
