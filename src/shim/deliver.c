/* Delivery: the program's handlers are entered with the frame that the kernel would have made, on
 * the program's stack, by editing the registers with which the gate goes back. */
#include "shim/core.h"

/* As Linux lays it out on x86-64; unwinders and debuggers know it. */
struct program_frame {
    uint64_t return_address;
    uint64_t flags, link;
    struct shim_signal_stack stack;
    struct gate_context context;
    uint64_t mask;
    siginfo_t info;
};
_Static_assert(sizeof(struct program_frame) == 440, "layout of rt_sigframe");

enum { RED_ZONE = 128, FRAME_FLAGS = 7, SYSCALL_SIZE = 2 };
#define RESTORER     0x04000000UL
#define RESUME_FLAGS (0x100UL | 0x400UL | 0x10000UL) /* TF, DF, RF: off in a handler */
#define USER_FLAGS   0x40dd5UL /* arithmetic flags, TF, DF, AC: what sigreturn may set */

static bool on_altstack(const struct shim_thread *t, uint64_t rsp) {
    return !(t->altstack.flags & SS_DISABLE) && rsp > t->altstack.base &&
           rsp - t->altstack.base <= t->altstack.size;
}

static uint64_t stack_for(const struct shim_thread *t, const struct shim_action *action) {
    uint64_t rsp = t->context->rsp;
    bool alternate =
        (action->flags & SA_ONSTACK) && !(t->altstack.flags & SS_DISABLE) && !on_altstack(t, rsp);
    return alternate ? t->altstack.base + t->altstack.size : rsp - RED_ZONE;
}

/* False when the stack has no room: the program dies of SIGSEGV, as under Linux. */
static bool push_frame(struct shim_thread *t, uint32_t signal, const struct shim_action *action,
                       const siginfo_t *info, uint64_t mask) {
    struct gate_context *c = t->context;
    uint64_t size = gate_extended_size(c), sp = stack_for(t, action);
    uint64_t extended = (sp - size) & ~(uint64_t)63;
    struct program_frame *frame =
        (struct program_frame *)(((extended - sizeof *frame) & ~(uint64_t)15) - 8);
    if (!shim_writable(frame, sp - (uint64_t)frame)) return false;
    if (size) gate_extended_save(c, (void *)extended);
    frame->return_address = action->restorer;
    frame->flags = FRAME_FLAGS;
    frame->link = 0;
    frame->stack = t->altstack;
    frame->context = *c;
    frame->context.extended = size ? (void *)extended : NULL;
    frame->mask = mask;
    frame->info = *info;
    if (t->altstack.flags & SHIM_SS_AUTODISARM)
        t->altstack = (struct shim_signal_stack){.flags = SS_DISABLE};
    c->rdi = signal;
    c->rsi = (uint64_t)&frame->info;
    c->rdx = (uint64_t)&frame->flags;
    c->rax = 0;
    c->rip = action->handler;
    c->rsp = (uint64_t)frame;
    c->eflags &= ~RESUME_FLAGS;
    c->extended = NULL; /* a handler starts with fresh vector state */
    return true;
}

/* Goes back before the interrupted call, so that it is made again. */
static void restart(struct shim_thread *t) {
    t->context->rax = (uint64_t)t->restart_number;
    t->context->rip -= SYSCALL_SIZE;
    t->restart_number = -1;
}

static bool run_handler(struct shim_thread *t, uint32_t signal, const struct shim_action *action,
                        const siginfo_t *info) {
    uint64_t mask = t->has_wait_mask ? t->wait_mask : t->mask;
    bool again = t->restart_always || ((action->flags & SA_RESTART) && t->restart_handler);
    if (t->restart_number >= 0 && again) restart(t);
    t->restart_number = -1;
    t->has_wait_mask = false;
    t->wait_end = 0;
    if (!(action->flags & RESTORER) || !push_frame(t, signal, action, info, mask)) return false;
    uint64_t bit = 1ULL << (signal - 1);
    t->mask = (t->mask | action->mask | (action->flags & SA_NODEFER ? 0 : bit)) &
              ~(1ULL << (SIGKILL - 1) | 1ULL << (SIGSTOP - 1));
    if (action->flags & SA_RESETHAND) shim_signal_set_default(signal);
    return true;
}

/* One signal that was pending. */
static void deliver_one(struct shim_thread *t, uint32_t signal) {
    struct shim_action action = shim_signal_action(signal);
    if (shim_signal_ignored(signal, &action)) return;
    if (action.handler == 0) shim_die(signal);
    siginfo_t info;
    cella_zero(&info, sizeof info);
    info.si_signo = (int)signal;
    info.si_code =
        signal == SIGALRM || signal == SIGVTALRM || signal == SIGPROF ? SI_KERNEL : SI_TKILL;
    if (info.si_code == SI_TKILL) {
        info.si_pid = (int)shim_pid();
        info.si_uid = SHIM_UID;
    }
    if (!run_handler(t, signal, &action, &info)) shim_die(SIGSEGV);
}

void shim_deliver(struct shim_thread *t) {
    for (uint32_t signal; (signal = shim_signal_take(t, t->mask)) != 0;) deliver_one(t, signal);
    if (t->has_wait_mask && t->restart_number >= 0) { /* sigsuspend ends only with a handler */
        t->mask = t->wait_mask;
        t->has_wait_mask = false;
    }
    if (t->restart_number >= 0) restart(t); /* nothing ran: the call goes on */
}

bool shim_deliver_now(struct shim_thread *t, uint32_t signal, const siginfo_t *info) {
    struct shim_action action = shim_signal_action(signal);
    if (action.handler <= 1 || (t->mask & 1ULL << (signal - 1))) return false;
    return run_handler(t, signal, &action, info);
}

/* rt_sigreturn: the program's frame back into the registers, every word checked that could do harm.
 */
long shim_deliver_return(struct shim_thread *t) {
    struct gate_context *c = t->context, saved;
    const struct program_frame *frame = (const struct program_frame *)(c->rsp - 8);
    if (!shim_readable(frame, sizeof *frame)) shim_die(SIGSEGV);
    cella_copy(&saved, &frame->context, sizeof saved);
    uint64_t size = gate_extended_size(c);
    if (saved.extended && size) {
        if (!shim_readable(saved.extended, size) || !gate_extended_load(c, saved.extended, size))
            shim_die(SIGSEGV);
    } else {
        c->extended = NULL;
    }
    uint64_t flags = (c->eflags & ~USER_FLAGS) | (saved.eflags & USER_FLAGS);
    void *extended = c->extended;
    uint16_t cs = c->cs, ss = c->ss, gs = c->gs, fs = c->fs;
    *c = saved;
    c->extended = extended;
    c->eflags = flags;
    c->cs = cs;
    c->ss = ss;
    c->gs = gs;
    c->fs = fs;
    t->altstack = frame->stack;
    t->mask = frame->mask & ~(1ULL << (SIGKILL - 1) | 1ULL << (SIGSTOP - 1));
    shim_signal_refresh(t);
    return 0;
}
