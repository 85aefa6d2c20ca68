/* Futexes. All of an enclave's memory is its own, and shared keys fail on secret memory, so every
 * operation is made private; but those on words of the call ring, where a host program waits and
 * wakes too. The kernel may wake wrongly or not at all; the program's own locks
 * re-check (R47), as do ours. */
#include "shim/core.h"

enum { NANOSECONDS = 1000000000 };

void shim_lock(struct shim_lock *lock) {
    uint32_t *word = &lock->word, expected = 0;
    if (__atomic_compare_exchange_n(word, &expected, 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
        return;
    /* 2: somebody waits */
    while (__atomic_exchange_n(word, 2, __ATOMIC_ACQUIRE) != 0)
        shim_syscall(__NR_futex, (long)word, FUTEX_WAIT_PRIVATE, 2, 0, 0, 0);
}

void shim_unlock(struct shim_lock *lock) {
    if (__atomic_exchange_n(&lock->word, 0, __ATOMIC_RELEASE) == 2) shim_futex_wake(&lock->word, 1);
}

long shim_futex_wake(void *word, uint32_t count) {
    return shim_syscall(__NR_futex, (long)word, FUTEX_WAKE_PRIVATE, count, 0, 0, 0);
}

/* A word of the call ring. The host may write it at any time; the kernel compares it, the shim does
 * not. */
static bool in_ring(long p) {
    return shim.calls != 0 && p % 4 == 0 &&
           cella_range_inside((uint64_t)p, 4, shim.calls, shim.calls_size);
}

static bool word_ok(long p, bool write) {
    return p % 4 == 0 && (write ? shim_writable((void *)p, 4) : shim_readable((const void *)p, 4));
}

/* R40: 0..max or one of the errors that futex(2) names. */
static long check(long result, long max) {
    switch (result) {
    case -EAGAIN:
    case -EINTR:
    case -ETIMEDOUT:
    case -EINVAL:
    case -EFAULT:
    case -ESRCH:
    case -EDEADLK:
    case -EPERM:
    case -ENOSYS:
    case -ENOMEM: return result;
    default: return shim_check_range(result, max, "futex");
    }
}

struct time {
    int64_t s, ns;
};

/* Copies the program's timeout; 0, or -errno. */
static long copy_timeout(long p, struct time *out, struct time **use) {
    *use = NULL;
    if (!p) return 0;
    if (!shim_readable((const void *)p, sizeof *out)) return -EFAULT;
    cella_copy(out, (const void *)p, sizeof *out);
    if (out->s < 0 || out->ns < 0 || out->ns >= NANOSECONDS) return -EINVAL;
    *use = out;
    return 0;
}

/* FUTEX_WAIT counts from now, also when it is made again: so it is made with an end. */
static long wait_for(const long a[6], struct time *time, int flags) {
    if (a[1] & FUTEX_CLOCK_REALTIME) return -ENOSYS; /* as Linux */
    uint64_t end = shim_wait_end(shim_wait_ns(time->s, time->ns));
    time->s = (int64_t)(end / NANOSECONDS);
    time->ns = (int64_t)(end % NANOSECONDS);
    const int op = FUTEX_WAIT_BITSET | flags;
    long result =
        shim_syscall_wait(__NR_futex, a[0], op, a[2], (long)time, 0, (long)FUTEX_BITSET_MATCH_ANY);
    return shim_wait_result(end, check(result, 0));
}

static long wait(const long a[6], int op, int flags) {
    struct time time, *use;
    struct shim_thread *self = shim_thread_current();
    if (flags & FUTEX_PRIVATE_FLAG &&
        !word_ok(a[0], op == FUTEX_LOCK_PI || op == FUTEX_LOCK_PI2 || op == FUTEX_TRYLOCK_PI))
        return -EFAULT;
    long result = copy_timeout(op == FUTEX_TRYLOCK_PI ? 0 : a[3], &time, &use);
    if (result < 0) return result;
    /* As Linux: a handler ends a wait with an end, and never one for inherited priority. */
    self->restart_handler = !use;
    self->restart_always = op == FUTEX_LOCK_PI || op == FUTEX_LOCK_PI2;
    if (use && op == FUTEX_WAIT) return wait_for(a, &time, flags & FUTEX_PRIVATE_FLAG);
    return check(shim_syscall_wait(__NR_futex, a[0], op | flags, a[2], (long)use, 0, a[5]), 0);
}

/* Waiting and waking alone: the filter lets no other operation be shared (seccomp.c). */
static long in_ring_futex(const long a[6]) {
    int op = (int)a[1] & ~FUTEX_PRIVATE_FLAG;
    if (op == FUTEX_WAIT) return wait(a, op, 0);
    if (op != FUTEX_WAKE) return -ENOSYS;
    /* How many wake, only the host knows: its own threads may wait there too. */
    return check(shim_syscall(__NR_futex, a[0], op, a[2], 0, 0, 0), INT32_MAX);
}

long shim_sys_futex(const long a[6]) {
    if (in_ring(a[0])) return in_ring_futex(a);
    int op = (int)a[1] & FUTEX_CMD_MASK,
        flags = FUTEX_PRIVATE_FLAG | ((int)a[1] & FUTEX_CLOCK_REALTIME);
    long max = shim.config.thread_count;
    switch (op) {
    case FUTEX_WAIT:
    case FUTEX_WAIT_BITSET:
    case FUTEX_LOCK_PI:
    case FUTEX_LOCK_PI2:
    case FUTEX_TRYLOCK_PI: return wait(a, op, flags);
    case FUTEX_WAKE:
    case FUTEX_WAKE_BITSET:
        if (!word_ok(a[0], false)) return -EFAULT;
        return check(shim_syscall(__NR_futex, a[0], op | flags, a[2], 0, 0, a[5]), max);
    case FUTEX_UNLOCK_PI:
        if (!word_ok(a[0], true)) return -EFAULT;
        return check(shim_syscall(__NR_futex, a[0], op | flags, 0, 0, 0, 0), 0);
    case FUTEX_REQUEUE:
    case FUTEX_CMP_REQUEUE:
    case FUTEX_WAKE_OP:
        if (!word_ok(a[0], false) || !word_ok(a[4], op == FUTEX_WAKE_OP)) return -EFAULT;
        return check(shim_syscall(__NR_futex, a[0], op | flags, a[2], a[3], a[4], a[5]), 2 * max);
    default: return -ENOSYS; /* FUTEX_FD, requeue with priority inheritance */
    }
}
