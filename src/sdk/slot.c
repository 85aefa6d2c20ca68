#include "sdk/slot.h"

#include <errno.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum {
    /* In cycles; at 2 to 5 GHz, 1 us is 2000 to 5000. Sleeping and being woken costs some 5 to 50
     * us, so what comes within SPIN_MAX is worth spinning for, and nothing later is. */
    SPIN_MIN = 2000,
    SPIN_START = 100000,
    SPIN_MAX = 200000,
    SHORT = 4 * SPIN_MAX, /* a wait so short, sleep included, might do without the sleep */
    LOOKS = 32,           /* between readings of the counter */
    MISSES = 8,           /* after so many spins in vain, no more... */
    TRIAL = 100,          /* ...but so many waits' worth: a scheduler that has put both sides on one
                             processor takes milliseconds to part them */
    PAUSE_MIN = 128,      /* short waits between trials, first... */
    PAUSE_MAX = 16384     /* ...and at last */
};

static inline uint32_t *word_of(uint8_t *host_slot) {
    return (uint32_t *)(host_slot + CELLA_CALLS_AT_TURN);
}
static inline uint32_t value_of(uint32_t turn) { return turn << 1; }

/* The counter may be the host's invention: it decides how long to spin and nothing else. */
static inline uint64_t cycles(void) { return __builtin_ia32_rdtsc(); }

static uint32_t read_u32(const struct cella_slot_end *end, size_t at) {
    return __atomic_load_n((const uint32_t *)(end->host_slot + at), __ATOMIC_RELAXED);
}
static uint64_t read_u64(const struct cella_slot_end *end, size_t at) {
    return __atomic_load_n((const uint64_t *)(end->host_slot + at), __ATOMIC_RELAXED);
}

static void write_u32(struct cella_slot_end *end, size_t at, uint32_t value) {
    __atomic_store_n((uint32_t *)(end->host_slot + at), value, __ATOMIC_RELAXED);
}

void cella_slot_init(struct cella_slot_end *end, uint8_t *host_slot, size_t size) {
    *end = (struct cella_slot_end){
        .host_slot = host_slot,
        .size = size,
        .spin = {.cycles = SPIN_START, .until = PAUSE_MIN, .pause = PAUSE_MIN}};
}

void cella_slot_hand_over(struct cella_slot_end *end, const struct cella_slot_message *message) {
    write_u32(end, CELLA_CALLS_AT_KIND, message->kind);
    write_u32(end, CELLA_CALLS_AT_FUNCTION, message->function);
    write_u32(end, CELLA_CALLS_AT_STATUS, message->status);
    __atomic_store_n((uint64_t *)(end->host_slot + CELLA_CALLS_AT_SIZE), message->size,
                     __ATOMIC_RELAXED);
    end->turn++;
    uint32_t *word = word_of(end->host_slot);
    /* Both a release of the message and the point from which a parked waiter is seen. */
    uint32_t before = __atomic_exchange_n(word, value_of(end->turn), __ATOMIC_SEQ_CST);
    if (before & CELLA_CALLS_PARKED) (void)syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0);
}

/* What one reading of the turn word means to an end that has handed over. */
enum sight { NOT_YET, MINE, IMPOSSIBLE };
static inline enum sight judge(const struct cella_slot_end *end, uint32_t value) {
    uint32_t turn = value & ~(uint32_t)CELLA_CALLS_PARKED;
    if (turn == value_of(end->turn)) return NOT_YET;
    return turn == value_of(end->turn + 1) ? MINE : IMPOSSIBLE;
}

/* Each word of the description is read here, once, and checked before it is used (R24, R29). */
static enum cella_slot_waited take(struct cella_slot_end *end, struct cella_slot_message *out) {
    *out = (struct cella_slot_message){.kind = read_u32(end, CELLA_CALLS_AT_KIND),
                                       .function = read_u32(end, CELLA_CALLS_AT_FUNCTION),
                                       .status = read_u32(end, CELLA_CALLS_AT_STATUS),
                                       .size = read_u64(end, CELLA_CALLS_AT_SIZE)};
    end->turn++;
    bool call = out->kind == CELLA_CALLS_CALL, reply = out->kind == CELLA_CALLS_RETURN;
    if ((!call && !reply) || out->size > cella_slot_capacity(end)) return CELLA_SLOT_BROKEN;
    if (reply ? out->status >= CELLA_CALLS_STATUS_COUNT : out->status != 0)
        return CELLA_SLOT_BROKEN;
    return CELLA_SLOT_TURN;
}

enum cella_slot_waited cella_slot_look(struct cella_slot_end *end, struct cella_slot_message *out) {
    switch (judge(end, __atomic_load_n(word_of(end->host_slot), __ATOMIC_ACQUIRE))) {
    case MINE: return take(end, out);
    case IMPOSSIBLE: return CELLA_SLOT_BROKEN;
    default: return CELLA_SLOT_LATE;
    }
}

/* Spins for at most end->spin cycles. begin: when the wait began, set after the first looks; 0 if
 * it never came to that. */
static enum sight spin(struct cella_slot_end *end, const bool *stop, uint64_t *begin) {
    const uint32_t *word = word_of(end->host_slot);
    *begin = 0;
    for (;;) {
        for (int i = 0; i < LOOKS; i++) {
            enum sight sight = judge(end, __atomic_load_n(word, __ATOMIC_ACQUIRE));
            if (sight != NOT_YET) return sight;
            __builtin_ia32_pause();
        }
        uint64_t now = cycles();
        if (*begin == 0) *begin = now;
        if (now - *begin >= end->spin.cycles || (stop && __atomic_load_n(stop, __ATOMIC_RELAXED)))
            return NOT_YET;
    }
}

/* Sleeps once, until woken, the deadline or nothing at all (R47: whoever wakes, the word decides).
 */
static void park(struct cella_slot_end *end, uint64_t deadline_ns) {
    uint32_t *word = word_of(end->host_slot), open = value_of(end->turn);
    uint32_t parked = open | CELLA_CALLS_PARKED;
    if (!__atomic_compare_exchange_n(word, &open, parked, false, __ATOMIC_SEQ_CST,
                                     __ATOMIC_SEQ_CST) &&
        open != parked)
        return;
    struct timespec until = {(time_t)(deadline_ns / 1000000000), (long)(deadline_ns % 1000000000)};
    if (deadline_ns)
        (void)syscall(SYS_futex, word, FUTEX_WAIT_BITSET, parked, &until, NULL,
                      FUTEX_BITSET_MATCH_ANY);
    else
        (void)syscall(SYS_futex, word, FUTEX_WAIT, parked, NULL, NULL, 0);
}

static bool passed(uint64_t deadline_ns) {
    struct timespec now;
    if (deadline_ns == 0) return false;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec >= deadline_ns;
}

/* Spinning is for answers that come while it lasts. They do not when the other side has much to do,
 * and neither when it has no processor because this one spins on it. */
static void missed(struct cella_slot_end *end, uint64_t waited) {
    end->spin.misses++;
    if (end->spin.trial > 1) {
        end->spin.trial--;
    } else if (end->spin.trial == 1) {
        end->spin.trial = 0;
        end->spin.cycles = SPIN_MIN;
        end->spin.until = end->spin.pause;
        if (end->spin.pause < PAUSE_MAX) end->spin.pause *= 2;
    } else if (end->spin.misses >= MISSES) {
        bool again = waited <= SHORT && --end->spin.until == 0;
        end->spin.cycles = again ? SPIN_MAX : SPIN_MIN;
        end->spin.trial = again ? TRIAL : 0;
    }
}

static void hit(struct cella_slot_end *end, uint64_t waited) {
    /* four times what was needed of late, so that a burst's end is noticed soon */
    uint64_t want = waited * 4;
    if (want < SPIN_MIN) want = SPIN_MIN;
    if (want > SPIN_MAX) want = SPIN_MAX;
    if (want > end->spin.cycles || end->spin.misses >= MISSES) end->spin.cycles = (uint32_t)want;
    end->spin.misses = end->spin.trial = 0;
    end->spin.until = end->spin.pause = PAUSE_MIN;
}

enum cella_slot_waited cella_slot_wait(struct cella_slot_end *end, const bool *stop,
                                       uint64_t deadline_ns, struct cella_slot_message *out) {
    uint64_t begin;
    enum sight sight = spin(end, stop, &begin);
    bool slept = false;
    while (sight == NOT_YET) {
        if (stop && __atomic_load_n(stop, __ATOMIC_SEQ_CST)) return CELLA_SLOT_STOPPED;
        if (passed(deadline_ns)) return CELLA_SLOT_LATE;
        park(end, deadline_ns);
        slept = true;
        sight = judge(end, __atomic_load_n(word_of(end->host_slot), __ATOMIC_ACQUIRE));
    }
    if (slept)
        missed(end, cycles() - begin);
    else if (begin || end->spin.misses)
        hit(end, begin ? cycles() - begin : 0);
    if (sight == MINE) return take(end, out);
    return stop && __atomic_load_n(stop, __ATOMIC_SEQ_CST) ? CELLA_SLOT_STOPPED : CELLA_SLOT_BROKEN;
}

void cella_slot_stop(uint8_t *host_slot) {
    /* Two turns on is none that anybody waits for: no sleep begins any more. */
    (void)__atomic_fetch_add(word_of(host_slot), value_of(2), __ATOMIC_SEQ_CST);
    (void)syscall(SYS_futex, word_of(host_slot), FUTEX_WAKE, INT32_MAX, NULL, NULL, 0);
}
