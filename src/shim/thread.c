/* Threads: a slot of the image each. A slot is taken by compare-and-swap and is free again only
 * once the kernel has cleared its host_tid, so no two threads ever share a stack (R10). */
#include "shim/core.h"
#include "shim/fetch.h"

static uint32_t process_id;
static uint32_t living; /* threads that have not ended */

uint32_t shim_pid(void) { return process_id; }

struct shim_thread *shim_thread_slot(uint32_t slot) {
    return (struct shim_thread *)(shim.base + shim.config.slots_offset +
                                  (uint64_t)slot * CELLA_SLOT_STRIDE + CELLA_SLOT_THREAD);
}

static void prepare(struct shim_thread *t, uint32_t slot) {
    t->state = SHIM_STATE_SHIM;
    t->slot = slot;
    t->attention = 0;
    t->die = 0;
    t->mask = t->pending = 0;
    t->has_wait_mask = false;
    t->altstack = (struct shim_signal_stack){.flags = SS_DISABLE};
    t->clear_tid = t->robust_list = 0;
    t->frame = 0;
    t->context = NULL;
    t->restart_number = -1;
    t->wait_end = 0; /* of the slot's last thread, if it was ended in a sleep */
}

/* A thread or process id as a kernel gives it (R40). */
static uint32_t check_tid(long result) {
    if (result <= 0 || result > 4194304) shim_broken_contract("thread id");
    return (uint32_t)result;
}

void shim_thread_init(void) {
    struct shim_thread *self = shim_thread_current();
    if (self != shim_thread_slot(0)) shim_abort("the loader did not enter on the stack of slot 0");
    prepare(self, 0);
    self->busy = 1;
    living = 1;
    self->host_tid = 1; /* until known */
    process_id =
        check_tid(shim_syscall(__NR_set_tid_address, (long)&self->host_tid, 0, 0, 0, 0, 0));
    self->host_tid = self->tid = process_id;
}

struct shim_thread *shim_thread_find(uint64_t tid) {
    for (uint32_t i = 0; i < shim.config.thread_count; i++) {
        struct shim_thread *t = shim_thread_slot(i);
        if (t->busy && t->tid == tid && t->host_tid != 0 && !t->die) return t;
    }
    return NULL;
}

static struct shim_thread *take_slot(void) {
    for (uint32_t i = 0; i < shim.config.thread_count; i++) {
        struct shim_thread *t = shim_thread_slot(i);
        uint32_t expected = 0;
        if (t->busy == 2 && t->host_tid == 0) { /* ended, and the kernel is off its stack */
            expected = 2;
            if (__atomic_compare_exchange_n((uint32_t *)&t->busy, &expected, 1, false,
                                            __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
                return prepare(t, i), t;
        }
        expected = 0;
        if (__atomic_compare_exchange_n((uint32_t *)&t->busy, &expected, 1, false, __ATOMIC_SEQ_CST,
                                        __ATOMIC_SEQ_CST))
            return prepare(t, i), t;
    }
    return NULL;
}

/* A thread that has ended leaves its slot a moment later, and its joiner may be here first: worth a
 * wait of up to a second before EAGAIN. */
static struct shim_thread *wait_for_slot(void) {
    enum { YIELDS = 50, PAUSE_NS = 500000, PATIENCE_NS = 1000000000 };
    const int64_t pause[2] = {0, PAUSE_NS};
    uint64_t end = 0; /* by the clock, not by pauses: each host signal cuts one short */
    for (int i = 0; !end || shim_monotonic_ns() < end; i++) {
        struct shim_thread *t = take_slot();
        if (t) return t;
        bool leaving = false;
        for (uint32_t s = 0; s < shim.config.thread_count; s++)
            leaving |= shim_thread_slot(s)->busy == 2;
        if (!leaving) return NULL;
        if (i < YIELDS) {
            shim_syscall(__NR_sched_yield, 0, 0, 0, 0, 0, 0);
            continue;
        }
        if (!end) end = shim_monotonic_ns() + PATIENCE_NS;
        shim_syscall(__NR_clock_nanosleep, 1 /* CLOCK_MONOTONIC */, 0, (long)pause, 0, 0, 0);
    }
    return NULL;
}

long shim_sys_fork(const long a[6]) {
    static _Atomic uint32_t said;
    (void)a;
    if (!__atomic_exchange_n((uint32_t *)&said, 1, __ATOMIC_RELAXED))
        shim_say("fork: an enclave is one process; use threads, or exec of another program of the "
                 "image (ENOSYS)");
    return -ENOSYS;
}

static bool words_ok(uint64_t flags, const long a[6]) {
    if ((flags & CLONE_PARENT_SETTID) && !shim_writable((void *)a[2], 4)) return false;
    if ((flags & (CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID)) && !shim_writable((void *)a[3], 4))
        return false;
    return true;
}

long shim_sys_clone(const long a[6]) {
    const uint64_t need = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD;
    const uint64_t may = need | CLONE_SYSVSEM | CLONE_SETTLS | CLONE_PARENT_SETTID |
                         CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID | CLONE_DETACHED;
    uint64_t flags = (uint64_t)a[0];
    if (!(flags & CLONE_THREAD)) return shim_sys_fork(a);
    if ((flags & need) != need || (flags & ~may) || a[1] == 0) return -EINVAL;
    if (!words_ok(flags, a)) return -EFAULT;
    struct shim_thread *self = shim_thread_current(), *child = wait_for_slot();
    if (!child) return -EAGAIN;
    struct gate_context context = *self->context;
    context.rax = 0;
    context.rsp = (uint64_t)a[1];
    cella_copy(child->fs_block, self->fs_block, sizeof child->fs_block);
    child->fs_base = flags & CLONE_SETTLS ? (uint64_t)a[4] : self->fs_base;
    child->mask = self->mask;
    child->clear_tid = flags & CLONE_CHILD_CLEARTID ? (uint64_t)a[3] : 0;
    cella_copy(child->name, self->name, sizeof child->name);
    /* The child waits in gate_child until its id is known to all; so no word of it is ever seen
     * unset. */
    child->tid = 0;
    child->host_tid = 1;
    __atomic_add_fetch(&living, 1, __ATOMIC_SEQ_CST);
    __atomic_store_n((uint32_t *)&child->start, 0, __ATOMIC_SEQ_CST);
    long result = gate_thread_create(child, &context);
    if (result < 0) {
        __atomic_sub_fetch(&living, 1, __ATOMIC_SEQ_CST);
        child->host_tid = 0;
        child->busy = 0;
        if (result != -EAGAIN && result != -ENOMEM) shim_broken_contract("clone");
        return -EAGAIN;
    }
    uint32_t tid = check_tid(result);
    if (shim_thread_find(tid)) shim_broken_contract("thread id given twice");
    child->tid = tid;
    if (flags & CLONE_PARENT_SETTID) *(volatile uint32_t *)a[2] = tid;
    if (flags & CLONE_CHILD_SETTID) *(volatile uint32_t *)a[3] = tid;
    child->host_tid = tid;
    __atomic_store_n((uint32_t *)&child->start, 1, __ATOMIC_SEQ_CST);
    shim_futex_wake((void *)&child->start, 1);
    return tid;
}

/* R47: the start token is one-time: exactly the thread that clone made passes, once. */
void shim_thread_started(struct shim_thread *thread) {
    while (__atomic_load_n((uint32_t *)&thread->start, __ATOMIC_SEQ_CST) == 0)
        shim_syscall(__NR_futex, (long)&thread->start, FUTEX_WAIT_PRIVATE, 0, 0, 0, 0);
    uint32_t expected = 1;
    if (!__atomic_compare_exchange_n((uint32_t *)&thread->start, &expected, 2, false,
                                     __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
        shim_broken_contract("a thread that started twice");
}

/* ---- end ---- */
enum { ROBUST_LIMIT = 2048 };

static void robust_one(uint64_t entry, uint64_t offset, uint32_t tid) {
    uint32_t *word = (uint32_t *)((entry & ~(uint64_t)1) + offset);
    if ((uint64_t)word % 4 || !shim_writable(word, 4)) return;
    uint32_t v = __atomic_load_n(word, __ATOMIC_SEQ_CST);
    while ((v & FUTEX_TID_MASK) == tid) {
        if (!__atomic_compare_exchange_n(word, &v, (v & FUTEX_WAITERS) | FUTEX_OWNER_DIED, false,
                                         __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
            continue;
        if (v & FUTEX_WAITERS) shim_futex_wake(word, 1);
        return;
    }
}

/* As the kernel would, on a list that the program may have broken. */
static void robust_end(struct shim_thread *thread) {
    struct {
        uint64_t next, offset, pending;
    } head;
    if (!thread->robust_list || !shim_readable((const void *)thread->robust_list, sizeof head))
        return;
    cella_copy(&head, (const void *)thread->robust_list, sizeof head);
    uint64_t at = head.next;
    for (int i = 0; i < ROBUST_LIMIT && (at & ~(uint64_t)1) != thread->robust_list; i++) {
        uint64_t *entry = (uint64_t *)(at & ~(uint64_t)1), next;
        if (!shim_readable(entry, 8)) break;
        next = *(volatile uint64_t *)entry;
        if (at != head.pending) robust_one(at, head.offset, thread->tid);
        at = next;
    }
    if (head.pending) robust_one(head.pending, head.offset, thread->tid);
}

/* The kernel's thread whose id is the process's stays until the process ends, for another thread's
 * exec: the new program's first thread must have that id too. */
static __attribute__((noreturn)) void park(struct shim_thread *first) {
    static uint32_t never;
    for (;;) {
        first->attention = 0;
        if (first->die) break;
        shim_syscall_wait(__NR_futex, (long)&never, FUTEX_WAIT_PRIVATE, 0, 0, 0, 0);
    }
    shim_exec_take(first);
    gate_resume(first);
}

void shim_thread_end(struct shim_thread *thread, int status) {
    /* Before the joiner wakes, which may want the slot; it is free once the kernel clears host_tid.
     */
    thread->busy = thread->slot == 0 ? SHIM_BUSY_PARKED : SHIM_BUSY_LEAVING;
    shim_signal_leave(thread);
    robust_end(thread);
    if (thread->clear_tid && shim_writable((void *)thread->clear_tid, 4)) {
        *(volatile uint32_t *)thread->clear_tid = 0;
        shim_futex_wake((void *)thread->clear_tid, 1);
    }
    if (thread->slot == 0) park(thread);
    gate_thread_exit(status);
}

/* A thread of the old program must not touch words of the new one: they end at once, wherever they
 * are. */
void shim_thread_end_others(struct shim_thread *self) {
    for (bool all = false; !all;) {
        all = true;
        for (uint32_t i = 0; i < shim.config.thread_count; i++) {
            struct shim_thread *t = shim_thread_slot(i);
            if (t == self || !t->busy || t->host_tid == 0) continue;
            all = false;
            t->die = SHIM_ORDER_END;
            t->attention = 1;
            if (t->busy == 1) gate_thread_wake(t);
        }
        if (!all) shim_syscall(__NR_sched_yield, 0, 0, 0, 0, 0, 0);
    }
    __atomic_store_n(&living, 1, __ATOMIC_SEQ_CST);
}

/* ---- small calls ---- */
long shim_sys_set_tid_address(const long a[6]) {
    struct shim_thread *self = shim_thread_current();
    self->clear_tid = (uint64_t)a[0];
    return self->tid;
}

long shim_sys_set_robust_list(const long a[6]) {
    if (a[1] != 24) return -EINVAL;
    shim_thread_current()->robust_list = (uint64_t)a[0];
    return 0;
}

long shim_sys_get_robust_list(const long a[6]) {
    struct shim_thread *t = a[0] ? shim_thread_find((uint64_t)a[0]) : shim_thread_current();
    if (!t) return -ESRCH;
    if (!shim_writable((void *)a[1], 8) || !shim_writable((void *)a[2], 8)) return -EFAULT;
    *(volatile uint64_t *)a[1] = t->robust_list;
    *(volatile uint64_t *)a[2] = 24;
    return 0;
}

long shim_sys_gettid(const long a[6]) {
    (void)a;
    return shim_thread_current()->tid;
}

long shim_sys_sched_yield(const long a[6]) {
    (void)a;
    return shim_check_zero(shim_syscall(__NR_sched_yield, 0, 0, 0, 0, 0, 0), "sched_yield");
}

long shim_sys_exit(const long a[6]) {
    struct shim_thread *self = shim_thread_current();
    /* The last one of the program ends it; two that end at once do not both think so. */
    if (__atomic_sub_fetch(&living, 1, __ATOMIC_SEQ_CST) == 0) shim_exit((int)a[0] & 0xff);
    shim_thread_end(self, (int)a[0] & 0xff);
}

long shim_sys_exit_group(const long a[6]) {
    int status = (int)a[0] & 0xff;
    if (shim_fetching()) return shim_load_fetched(shim_thread_current(), status);
    shim_exit(status);
}
