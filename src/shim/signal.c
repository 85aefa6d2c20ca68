/* Signals of the program: actions, masks, what is pending. The kernel's own mask stays empty;
 * blocking is ours, so a signal that the host sends is always seen at once and waits here. Pending
 * sets are bits: a signal that is pending already is not counted twice, real-time signals included.
 */
#include "shim/core.h"

static struct {
    struct shim_lock lock; /* guards action */
    struct shim_action action[SHIM_SIGNAL_COUNT];
    _Atomic uint64_t pending; /* for the process */
    _Atomic uint64_t
        handled; /* signals whose action is a function or the default that ends: worth waking for */
    _Atomic uint32_t timers; /* bit 0..2: setitimer armed REAL, VIRTUAL, PROF */
} signals = {.handled = ~0ULL};

#define BIT(signal) (1ULL << ((signal)-1))
enum { DEFAULT = 0, IGNORE = 1, SECOND = 1000000000 };

static const uint64_t unblockable = BIT(SIGKILL) | BIT(SIGSTOP);
/* Default actions that do nothing here: an enclave cannot be stopped by itself. */
static const uint64_t default_ignored = BIT(SIGCHLD) | BIT(SIGURG) | BIT(SIGWINCH) | BIT(SIGCONT) |
                                        BIT(SIGTSTP) | BIT(SIGTTIN) | BIT(SIGTTOU) | BIT(SIGSTOP);

bool shim_signal_ignored(uint32_t signal, const struct shim_action *action) {
    return action->handler == IGNORE ||
           (action->handler == DEFAULT && (default_ignored & BIT(signal)));
}

struct shim_action shim_signal_action(uint32_t signal) {
    shim_lock(&signals.lock);
    struct shim_action action = signals.action[signal - 1];
    shim_unlock(&signals.lock);
    return action;
}

void shim_signal_set_default(uint32_t signal) {
    shim_lock(&signals.lock);
    signals.action[signal - 1] = (struct shim_action){0};
    shim_unlock(&signals.lock);
}

bool shim_signal_waiting(struct shim_thread *thread) {
    return ((thread->pending | signals.pending) & ~thread->mask) != 0;
}

/* Wakes a thread of the process that does not block the signal. Atomics only. */
static void wake_any(uint32_t signal) {
    struct shim_thread *self = shim_thread_current(), *other = NULL;
    if (self->busy == 1 && !(self->mask & BIT(signal))) {
        self->attention = 1;
        return;
    }
    for (uint32_t i = 0; i < shim.config.thread_count && !other; i++) {
        struct shim_thread *t = shim_thread_slot(i);
        if (t != self && t->busy == 1 && t->host_tid && !(t->mask & BIT(signal))) other = t;
    }
    if (!other) return;
    other->attention = 1;
    gate_thread_wake(other);
}

/* Signals of the process for which this thread may have been chosen and which it takes no more:
 * whoever else sleeps without blocking them must wake. */
static void hand_on(uint64_t set) {
    for (; set; set &= set - 1) wake_any((uint32_t)__builtin_ctzll(set) + 1);
}

void shim_signal_refresh(struct shim_thread *thread) {
    /* Cleared first, looked at after: a sender makes pending first and sets the word after. */
    thread->attention = 0;
    if (thread->die || shim_signal_waiting(thread)) thread->attention = 1;
    hand_on(signals.pending & thread->mask);
}

void shim_signal_leave(struct shim_thread *thread) { hand_on(signals.pending & ~thread->mask); }

void shim_signal_send(struct shim_thread *thread, uint32_t signal) {
    if (!(signals.handled & BIT(signal))) return; /* ignored: not even kept */
    if (!thread) {
        __atomic_fetch_or((uint64_t *)&signals.pending, BIT(signal), __ATOMIC_SEQ_CST);
        wake_any(signal);
        return;
    }
    __atomic_fetch_or((uint64_t *)&thread->pending, BIT(signal), __ATOMIC_SEQ_CST);
    if (thread->mask & BIT(signal)) return;
    thread->attention = 1;
    if (thread != shim_thread_current()) gate_thread_wake(thread);
}

static uint32_t take_from(uint64_t *pending, uint64_t wanted) {
    for (;;) {
        uint64_t ready = __atomic_load_n(pending, __ATOMIC_SEQ_CST) & wanted;
        if (!ready) return 0;
        uint64_t bit = ready & -ready;
        if (__atomic_fetch_and(pending, ~bit, __ATOMIC_SEQ_CST) & bit)
            return (uint32_t)__builtin_ctzll(bit) + 1;
    }
}

uint32_t shim_signal_take(struct shim_thread *thread, uint64_t blocked) {
    uint32_t signal = take_from((uint64_t *)&thread->pending, ~blocked);
    return signal ? signal : take_from((uint64_t *)&signals.pending, ~blocked);
}

/* exec: caught signals go back to default, ignored ones stay ignored; the mask stays. */
void shim_signal_exec(struct shim_thread *thread) {
    shim_lock(&signals.lock);
    for (uint32_t i = 0; i < SHIM_SIGNAL_COUNT; i++)
        if (signals.action[i].handler != IGNORE) signals.action[i] = (struct shim_action){0};
    shim_unlock(&signals.lock);
    thread->altstack = (struct shim_signal_stack){.flags = SS_DISABLE};
    thread->has_wait_mask = false;
    thread->clear_tid = thread->robust_list = 0;
    shim_signal_refresh(thread); /* a thread that has ended may have been chosen for a signal */
}

/* ---- events of the gate ---- */
static bool timer_expected(uint32_t signal) {
    uint32_t which = signal == SIGALRM ? 1 : signal == SIGVTALRM ? 2 : 4;
    return (signals.timers & which) != 0;
}

/* R12: what the host sends reaches the program only where the manifest says so. */
static void note(const struct gate_event *event) {
    if (event->kind == GATE_EVENT_HOST_SIGNAL && (shim.config.host_signals & BIT(event->signal)))
        shim_signal_send(NULL, event->signal);
    else if (event->kind == GATE_EVENT_TIMER && timer_expected(event->signal))
        shim_signal_send(NULL, event->signal);
    else if (event->kind == GATE_EVENT_WAKE) {
        struct shim_thread *self = shim_thread_current();
        if (self->die || shim_signal_waiting(self)) self->attention = 1;
    }
}

void shim_interrupted(struct shim_thread *thread, const struct gate_event *event) {
    if (event->kind == GATE_EVENT_SYSCALL)
        shim_abort("a system call of the program from inside the shim");
    (void)thread;
    note(event);
}

static void syscall_event(struct shim_thread *thread) {
    struct gate_context *c = thread->context;
    const long a[6] = {(long)c->rdi, (long)c->rsi, (long)c->rdx,
                       (long)c->r10, (long)c->r8,  (long)c->r9};
    uint64_t number = c->rax;
    bool replaced = false;
    thread->restart_number = -1;
    long result = shim_dispatch(thread, number, a, &replaced);
    if (replaced) return;
    c->rax = (uint64_t)result;
    if (result == -EINTR) thread->restart_number = (long)number;
}

void shim_enter(struct shim_thread *thread, const struct gate_event *event) {
    thread->restart_number = -1;
    switch (event->kind) {
    case GATE_EVENT_SYSCALL: syscall_event(thread); break;
    case GATE_EVENT_FAULT: shim_fault(thread, event); break;
    default: note(event); break;
    }
    /* An interrupted call without any handler to run goes on waiting. */
    if (thread->restart_number >= 0 && !thread->attention) shim_deliver(thread);
}

void shim_attend(struct shim_thread *thread) {
    if (thread->die == SHIM_ORDER_EXEC) return shim_exec_take(thread);
    if (thread->die) {
        thread->busy = SHIM_BUSY_LEAVING;
        gate_thread_exit(0);
    }
    shim_deliver(thread);
    shim_signal_refresh(thread);
}

/* ---- system calls ---- */
static bool is_signal(long n) { return n >= 1 && n <= SHIM_SIGNAL_COUNT; }

static void set_action(uint32_t signal, const struct shim_action *action) {
    signals.action[signal - 1] = *action;
    if (shim_signal_ignored(signal, action)) {
        __atomic_fetch_and((uint64_t *)&signals.handled, ~BIT(signal), __ATOMIC_SEQ_CST);
        __atomic_fetch_and((uint64_t *)&signals.pending, ~BIT(signal), __ATOMIC_SEQ_CST);
    } else {
        __atomic_fetch_or((uint64_t *)&signals.handled, BIT(signal), __ATOMIC_SEQ_CST);
    }
}

long shim_sys_rt_sigaction(const long a[6]) {
    struct shim_action action, old;
    if (!is_signal(a[0]) || a[3] != 8) return -EINVAL;
    if (a[1] && (BIT(a[0]) & unblockable)) return -EINVAL;
    if (a[1] && !shim_readable((const void *)a[1], sizeof action)) return -EFAULT;
    if (a[2] && !shim_writable((void *)a[2], sizeof old)) return -EFAULT;
    if (a[1]) cella_copy(&action, (const void *)a[1], sizeof action);
    shim_lock(&signals.lock);
    old = signals.action[a[0] - 1];
    if (a[1]) set_action((uint32_t)a[0], &action);
    shim_unlock(&signals.lock);
    if (a[2]) cella_copy((void *)a[2], &old, sizeof old);
    return 0;
}

long shim_sys_rt_sigprocmask(const long a[6]) {
    struct shim_thread *self = shim_thread_current();
    uint64_t old = self->mask, set;
    if (a[3] != 8) return -EINVAL;
    if (a[1]) {
        if (!shim_readable((const void *)a[1], 8)) return -EFAULT;
        set = *(volatile uint64_t *)a[1];
        switch (a[0]) {
        case SIG_BLOCK: set = old | set; break;
        case SIG_UNBLOCK: set = old & ~set; break;
        case SIG_SETMASK: break;
        default: return -EINVAL;
        }
        self->mask = set & ~unblockable;
        shim_signal_refresh(self);
    }
    if (a[2] && !shim_writable((void *)a[2], 8)) return -EFAULT;
    if (a[2]) *(volatile uint64_t *)a[2] = old;
    return 0;
}

long shim_sys_rt_sigpending(const long a[6]) {
    struct shim_thread *self = shim_thread_current();
    if (a[1] != 8) return -EINVAL;
    if (!shim_writable((void *)a[0], 8)) return -EFAULT;
    *(volatile uint64_t *)a[0] = (self->pending | signals.pending) & self->mask;
    return 0;
}

/* Waits by a futex on a word that nobody changes: only an event ends it, or the monotonic time. */
static long sleep_to(const int64_t end[2]) {
    static uint32_t word;
    return shim_syscall_wait(__NR_futex, (long)&word, FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG, 0,
                             (long)end, 0, (long)FUTEX_BITSET_MATCH_ANY);
}

long shim_sys_rt_sigsuspend(const long a[6]) {
    struct shim_thread *self = shim_thread_current();
    if (a[1] != 8) return -EINVAL;
    if (!shim_readable((const void *)a[0], 8)) return -EFAULT;
    self->wait_mask = self->mask;
    self->mask = *(volatile uint64_t *)a[0] & ~unblockable;
    self->has_wait_mask = true;
    shim_signal_refresh(self);
    while (!self->attention) (void)sleep_to(NULL);
    return -EINTR;
}

long shim_sys_pause(const long a[6]) {
    struct shim_thread *self = shim_thread_current();
    (void)a;
    while (!self->attention) (void)sleep_to(NULL);
    return -EINTR;
}

static void fill_info(siginfo_t *info, uint32_t signal) {
    cella_zero(info, sizeof *info);
    info->si_signo = (int)signal;
    info->si_code = SI_USER;
    info->si_pid = (int)shim_pid();
    info->si_uid = SHIM_UID;
}

/* Sleeps until a signal of the set is taken, another one waits, or the time is over. */
static long wait_signal(struct shim_thread *self, uint64_t set, const int64_t *end) {
    for (;;) {
        shim_signal_refresh(self);
        uint32_t signal = shim_signal_take(self, ~set);
        if (signal) return signal;
        if (self->attention) return -EINTR;
        long result = sleep_to(end);
        if (result == -ETIMEDOUT) return -EAGAIN;
        if (result != -EINTR && result != 0) shim_broken_contract("futex");
    }
}

long shim_sys_rt_sigtimedwait(const long a[6]) {
    struct shim_thread *self = shim_thread_current();
    int64_t time[2] = {0, 0};
    if (a[3] != 8) return -EINVAL;
    if (!shim_readable((const void *)a[0], 8)) return -EFAULT;
    if (a[1] && !shim_writable((void *)a[1], sizeof(siginfo_t))) return -EFAULT;
    if (a[2] && !shim_readable((const void *)a[2], sizeof time)) return -EFAULT;
    if (a[2]) cella_copy(time, (const void *)a[2], sizeof time);
    if (time[0] < 0 || time[1] < 0 || time[1] >= SECOND) return -EINVAL;
    uint64_t end = 0;
    if (a[2]) {
        end = shim_wait_end(shim_wait_ns(time[0], time[1]));
        time[0] = (int64_t)(end / SECOND);
        time[1] = (int64_t)(end % SECOND);
    }
    uint64_t set = *(volatile uint64_t *)a[0] & ~unblockable, old = self->mask;
    self->mask = old & ~set; /* so that a signal of the set ends the wait */
    long result = wait_signal(self, set, a[2] ? time : NULL);
    if (result < 0) { /* one may have come since */
        uint32_t late = shim_signal_take(self, ~set);
        if (late) result = late;
    }
    self->mask = old;
    shim_signal_refresh(self);
    if (result < 0) return shim_wait_result(end, result);
    siginfo_t info;
    fill_info(&info, (uint32_t)result);
    if (a[1]) cella_copy((void *)a[1], &info, sizeof info);
    return result;
}

static bool on_altstack(const struct shim_thread *t, uint64_t rsp) {
    return !(t->altstack.flags & SS_DISABLE) && rsp > t->altstack.base &&
           rsp - t->altstack.base <= t->altstack.size;
}

long shim_sys_sigaltstack(const long a[6]) {
    struct shim_thread *self = shim_thread_current();
    struct shim_signal_stack set, old = self->altstack;
    bool active = on_altstack(self, self->context->rsp);
    if (a[0] && !shim_readable((const void *)a[0], sizeof set)) return -EFAULT;
    if (a[1] && !shim_writable((void *)a[1], sizeof old)) return -EFAULT;
    if (a[0]) {
        cella_copy(&set, (const void *)a[0], sizeof set);
        if (active) return -EPERM;
        int mode = set.flags & ~SHIM_SS_AUTODISARM;
        if (mode != 0 && mode != SS_DISABLE && mode != SS_ONSTACK) return -EINVAL;
        if (mode != SS_DISABLE && set.size < MINSIGSTKSZ) return -ENOMEM;
        if (mode == SS_DISABLE) set.base = set.size = 0;
        self->altstack = set;
    }
    if (active) old.flags |= SS_ONSTACK;
    if (a[1]) cella_copy((void *)a[1], &old, sizeof old);
    return 0;
}

/* ---- sending: to itself and its own threads only ---- */
static long send(struct shim_thread *thread, bool found, long signal) {
    if (signal < 0 || signal > SHIM_SIGNAL_COUNT) return -EINVAL;
    if (!found) return -ESRCH;
    if (signal == SIGKILL) shim_die(SIGKILL);
    if (signal != 0 && signal != SIGSTOP) shim_signal_send(thread, (uint32_t)signal);
    return 0;
}

long shim_sys_kill(const long a[6]) {
    int pid = (int)a[0];
    bool self = pid == (int)shim_pid() || pid == 0 || pid == -1 || pid == -(int)shim_pid();
    return send(NULL, self, (int)a[1]);
}

long shim_sys_tkill(const long a[6]) {
    struct shim_thread *t = shim_thread_find((uint64_t)a[0]);
    return send(t, t != NULL, (int)a[1]);
}

long shim_sys_tgkill(const long a[6]) {
    if ((uint32_t)a[0] != shim_pid()) return -ESRCH;
    const long b[6] = {a[1], a[2], 0, 0, 0, 0};
    return shim_sys_tkill(b);
}

/* The value that comes with a queued signal is not kept. */
long shim_sys_rt_sigqueueinfo(const long a[6]) { return shim_sys_kill(a); }
long shim_sys_rt_tgsigqueueinfo(const long a[6]) { return shim_sys_tgkill(a); }

/* ---- timers that end in a signal ---- */
long shim_sys_setitimer(const long a[6]) {
    int64_t value[4], old[4];
    if (a[0] < 0 || a[0] > 2) return -EINVAL;
    if (!shim_readable((const void *)a[1], sizeof value)) return -EFAULT;
    if (a[2] && !shim_writable((void *)a[2], sizeof old)) return -EFAULT;
    cella_copy(value, (const void *)a[1], sizeof value);
    uint32_t bit = 1U << a[0];
    if (value[2] | value[3]) __atomic_fetch_or((uint32_t *)&signals.timers, bit, __ATOMIC_SEQ_CST);
    long result = shim_syscall(__NR_setitimer, a[0], (long)value, (long)old, 0, 0, 0);
    if (result == -EINVAL) return result;
    shim_check_zero(result, "setitimer");
    if (a[2]) cella_copy((void *)a[2], old, sizeof old);
    return 0;
}

long shim_sys_alarm(const long a[6]) {
    int64_t value[4] = {0, 0, (uint32_t)a[0], 0}, old[4];
    __atomic_fetch_or((uint32_t *)&signals.timers, 1, __ATOMIC_SEQ_CST);
    shim_check_zero(shim_syscall(__NR_setitimer, 0, (long)value, (long)old, 0, 0, 0), "setitimer");
    return old[2] + (old[3] != 0);
}
