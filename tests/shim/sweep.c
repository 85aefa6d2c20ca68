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
#include <unistd.h>

enum { EXIT_LOADER = 120, POPF_CODE = 0x9d, SYSCALL_CODE = 0x050f, TRAP_FLAG = 0x100 };

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

static long code_at(const struct sweep *s, uint64_t rip) {
    return ptrace(PTRACE_PEEKTEXT, s->pid, rip, NULL);
}

static int step(struct sweep *s, int deliver, int *status, struct user_regs_struct *r) {
    ptrace(PTRACE_SINGLESTEP, s->pid, NULL, deliver);
    if (waitpid(s->pid, status, 0) < 0 || !WIFSTOPPED(*status)) return 0;
    *r = registers(s->pid);
    s->finished |= !in_shim(s, r->rip);
    return !s->finished;
}

/* A call that waits would hold the step for ever: the signal goes in front of it, and the sweep is
 * over. */
static int is_wait(const struct sweep *s, const struct user_regs_struct *r) {
    return r->rax == SYS_futex && (code_at(s, r->rip) & 0xffff) == SYSCALL_CODE;
}

/* From the SIGSYS stop into the shim; leaves the program stopped, the signal sent. */
static void step_into(struct sweep *s, int *status) {
    struct user_regs_struct r;
    if (!step(s, SIGSYS, status, &r)) return;
    /* Before popf the kernel takes the tracer's trap flag for the program's own: never stop there.
     */
    for (long i = 0; i < s->steps || (code_at(s, r.rip) & 0xff) == POPF_CODE; i++) {
        if (is_wait(s, &r)) {
            s->finished = 1;
            break;
        }
        if (!step(s, 0, status, &r)) return;
    }
    if (r.eflags & TRAP_FLAG) { /* the tracer's, which popf made the kernel forget */
        r.eflags &= ~(unsigned long long)TRAP_FLAG;
        ptrace(PTRACE_SETREGS, s->pid, NULL, &r);
    }
    s->steps++;
    s->injected++;
    kill(s->pid,
         SIGUSR1); /* not by PTRACE_CONT: a stop at a handler's first instruction would drop it */
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
        step_into(&s, &status);
        signal = 0;
        if (!WIFSTOPPED(status)) break;
    }
    fprintf(stderr, "sweep: %ld signals%s\n", s.injected, s.finished ? ", every instruction" : "");
    return status;
}

/* R12: only a tracer can send the codes of the kernel; the trap number is what it cannot forge
 * here.
 */
int forge(pid_t pid, uint64_t text, uint64_t text_end, int call) {
    struct sweep s = {.pid = pid, .text = text, .text_end = text_end};
    int status, signal = 0, wanted = 0;
    ptrace(PTRACE_SETOPTIONS, pid, NULL, PTRACE_O_EXITKILL);
    for (;;) {
        ptrace(PTRACE_CONT, pid, NULL, signal);
        if (wanted) { /* a stop a little later, where the program computes */
            usleep(20000);
            kill(pid, SIGUSR2);
        }
        if (waitpid(pid, &status, 0) < 0) err(EXIT_LOADER, "waitpid");
        if (!WIFSTOPPED(status)) break;
        signal = WSTOPSIG(status);
        if (signal == SIGSTOP) signal = 0;
        if (signal == SIGSYS && registers(pid).rax == (unsigned long long)call) wanted = 1;
        if (signal != SIGUSR2 || !wanted || in_shim(&s, registers(pid).rip)) continue;
        siginfo_t info = {.si_signo = SIGSEGV, .si_code = SEGV_MAPERR};
        signal = SIGSEGV;
        if (ptrace(PTRACE_SETSIGINFO, pid, NULL, &info) < 0) err(EXIT_LOADER, "PTRACE_SETSIGINFO");
        wanted = 0;
        s.injected++;
    }
    fprintf(stderr, "forged: %ld\n", s.injected);
    return status;
}
