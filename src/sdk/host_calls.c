/* Calls from the host's side: taking slots, calling, and being called back. */
#include <errno.h>
#include <linux/futex.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "sdk/host.h"

enum {
    OWNED = 1, /* cookie: this begin took the slot */
    INDEX_SHIFT = 8,
    REAP_PAUSE_NS = 5000000,
    PAUSE_MIN_NS = 1000000, /* how soon who waits for a slot looks again, and how seldom later */
    PAUSE_MAX_NS = 16000000,
};

/* The calls of an enclave that this thread is serving, innermost first: calls that it makes then
 * are nested and go by the same slot. */
struct frame {
    const struct cella_enclave *enclave;
    uint32_t index;
    struct frame *up;
};
static __thread struct frame *frames;
static __thread uint32_t last_index; /* where this thread's last call went: likely still awake */

uint64_t cella_host_now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static bool is_gone(const struct cella_enclave *e) {
    return __atomic_load_n(&e->gone, __ATOMIC_SEQ_CST);
}

static struct cella_result gone(const struct cella_enclave *e) {
    ENSURE(!__atomic_load_n(&e->broken, __ATOMIC_SEQ_CST), CELLA_ERR_PROTOCOL, "destroy it",
           "the enclave broke the format of calls and is not believed any more");
    FAIL(CELLA_ERR_UNAVAILABLE, "create it again", "the enclave has ended: %s", e->why);
}

static struct cella_result late(void) {
    FAIL(CELLA_ERR_EXPIRED, "give calls a longer timeout_ms", "the enclave did not answer in time");
}

/* ---- slots ---- */

/* Wakes all who wait for a slot, or one. */
static void tell(struct cella_enclave *e, int count) {
    if (__atomic_load_n(&e->waiting, __ATOMIC_SEQ_CST) == 0) return;
    __atomic_add_fetch(&e->given, 1, __ATOMIC_SEQ_CST);
    (void)syscall(SYS_futex, &e->given, FUTEX_WAKE_PRIVATE, count, NULL, NULL, 0);
}

/* Once the bit is set, the enclave may be destroyed: nothing is read after it but by a user. Who
 * begins to wait between the two steps is not woken and looks again by itself. */
static void give_back(struct cella_enclave *e, uint32_t index) {
    e->slot[index].late = false;
    e->slot[index].depth = 0;
    if (__atomic_load_n(&e->waiting, __ATOMIC_SEQ_CST) == 0) {
        __atomic_or_fetch(&e->free, 1ULL << index, __ATOMIC_SEQ_CST);
        return;
    }
    __atomic_add_fetch(&e->users, 1, __ATOMIC_SEQ_CST);
    __atomic_or_fetch(&e->free, 1ULL << index, __ATOMIC_SEQ_CST);
    tell(e, 1);
    __atomic_sub_fetch(&e->users, 1, __ATOMIC_SEQ_CST);
}

static bool take_free(struct cella_enclave *e, uint32_t *index) {
    uint64_t free = __atomic_load_n(&e->free, __ATOMIC_RELAXED);
    while (free) {
        uint32_t i = last_index;
        if (!(free >> i & 1)) i = (uint32_t)__builtin_ctzll(free);
        if (!__atomic_compare_exchange_n(&e->free, &free, free & ~(1ULL << i), false,
                                         __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
            continue;
        *index = last_index = i;
        return true;
    }
    return false;
}

/* The enclave broke the format: every call fails from now on. */
static void disbelieve(struct cella_enclave *e) {
    __atomic_store_n(&e->broken, true, __ATOMIC_SEQ_CST);
    cella_host_calls_stop(e);
}

/* Goes on with a slot whose caller gave up: what the enclave calls from there is cancelled, until
 * the call has come back. True: the slot is free again. */
static bool reap_one(struct cella_enclave *e, struct cella_host_slot *slot) {
    struct cella_slot_message message;
    enum cella_slot_waited seen;
    while ((seen = cella_slot_look(&slot->end, &message)) == CELLA_SLOT_TURN) {
        if (message.kind == CELLA_CALLS_RETURN && --slot->depth == 0) return true;
        const struct cella_slot_message cancel = {.kind = CELLA_CALLS_RETURN,
                                                  .status = CELLA_CALLS_CANCELLED};
        cella_slot_hand_over(&slot->end, &cancel);
    }
    if (seen == CELLA_SLOT_BROKEN && !is_gone(e)) disbelieve(e);
    return is_gone(e);
}

static void start_reaping(struct cella_enclave *e);

static void reap(struct cella_enclave *e) {
    bool left = false;
    uint64_t some = __atomic_load_n(&e->late, __ATOMIC_ACQUIRE);
    for (; some; some &= some - 1) {
        uint32_t i = (uint32_t)__builtin_ctzll(some);
        uint64_t bit = 1ULL << i;
        if (!(__atomic_fetch_and(&e->late, ~bit, __ATOMIC_ACQ_REL) & bit)) continue;
        if (reap_one(e, &e->slot[i]))
            give_back(e, i);
        else
            __atomic_or_fetch(&e->late, bit, __ATOMIC_SEQ_CST), left = true;
    }
    if (left) start_reaping(e); /* whose thread may have seen none just now */
}

/* Looks after late slots until there are none, so that a thread of the enclave that calls from one
 * does not wait for this program's next call. A user all the while. */
static void *reap_on(void *arg) {
    struct cella_enclave *e = arg;
    const struct timespec pause = {0, REAP_PAUSE_NS};
    do {
        while (__atomic_load_n(&e->late, __ATOMIC_SEQ_CST)) {
            nanosleep(&pause, NULL);
            reap(e);
        }
        __atomic_store_n(&e->reaping, false, __ATOMIC_SEQ_CST);
    } while (__atomic_load_n(&e->late, __ATOMIC_SEQ_CST) &&
             !__atomic_exchange_n(&e->reaping, true, __ATOMIC_SEQ_CST));
    __atomic_sub_fetch(&e->users, 1, __ATOMIC_SEQ_CST);
    return NULL;
}

/* The caller is a user. Without a thread to be had, whoever wants a slot next reaps. */
static void start_reaping(struct cella_enclave *e) {
    pthread_t thread;
    if (__atomic_exchange_n(&e->reaping, true, __ATOMIC_SEQ_CST)) return;
    __atomic_add_fetch(&e->users, 1, __ATOMIC_SEQ_CST);
    struct cella_result r = cella_host_thread(&thread, reap_on, e);
    if (!cella_failed(r)) {
        pthread_detach(thread);
        return;
    }
    cella_result_drop(r);
    __atomic_store_n(&e->reaping, false, __ATOMIC_SEQ_CST);
    __atomic_sub_fetch(&e->users, 1, __ATOMIC_SEQ_CST);
}

/* Sleeps until a slot is given back, the deadline, or for as long as `pause_ns`: there may be late
 * slots to look for, and give_back may have missed that this thread waits. */
static void wait_for_slot(struct cella_enclave *e, uint64_t deadline_ns, uint64_t pause_ns) {
    __atomic_add_fetch(&e->waiting, 1, __ATOMIC_SEQ_CST);
    uint32_t seen = __atomic_load_n(&e->given, __ATOMIC_SEQ_CST);
    bool ready = __atomic_load_n(&e->free, __ATOMIC_SEQ_CST) != 0 || is_gone(e) ||
                 __atomic_load_n(&e->closing, __ATOMIC_SEQ_CST);
    uint64_t until = cella_host_now_ns() + pause_ns;
    if (deadline_ns && deadline_ns < until) until = deadline_ns;
    const struct timespec at = {(time_t)(until / 1000000000), (long)(until % 1000000000)};
    if (!ready)
        (void)syscall(SYS_futex, &e->given, FUTEX_WAIT_BITSET_PRIVATE, seen, &at, NULL,
                      FUTEX_BITSET_MATCH_ANY);
    __atomic_sub_fetch(&e->waiting, 1, __ATOMIC_SEQ_CST);
}

static struct cella_result take_later(struct cella_enclave *e, uint64_t deadline_ns,
                                      uint32_t *index) {
    for (uint64_t pause = PAUSE_MIN_NS;; pause = pause < PAUSE_MAX_NS ? pause * 2 : pause) {
        if (is_gone(e)) return gone(e);
        ENSURE(!__atomic_load_n(&e->closing, __ATOMIC_SEQ_CST), CELLA_ERR_UNAVAILABLE, NULL,
               "the enclave is being destroyed");
        if (__atomic_load_n(&e->late, __ATOMIC_RELAXED)) reap(e);
        if (take_free(e, index)) return CELLA_SUCCESS;
        ENSURE(!e->busy_fails, CELLA_ERR_UNAVAILABLE, "try again, or give the image more threads",
               "all %u threads of the enclave are in calls", e->slot_count);
        if (deadline_ns && cella_host_now_ns() >= deadline_ns) return late();
        wait_for_slot(e, deadline_ns, pause);
    }
}

static struct cella_result take_slot(struct cella_enclave *e, uint64_t deadline_ns,
                                     uint32_t *index) {
    bool quick = !is_gone(e) && !__atomic_load_n(&e->closing, __ATOMIC_RELAXED) &&
                 !__atomic_load_n(&e->late, __ATOMIC_RELAXED);
    if (quick && take_free(e, index)) return CELLA_SUCCESS;
    __atomic_add_fetch(&e->users, 1, __ATOMIC_SEQ_CST);
    struct cella_result r = take_later(e, deadline_ns, index);
    __atomic_sub_fetch(&e->users, 1, __ATOMIC_SEQ_CST);
    return r;
}

/* ---- the transport ---- */

static struct cella_enclave *of(struct cella_transport *t) { return (struct cella_enclave *)t; }

static struct cella_result begin(struct cella_transport *t, size_t size, struct cella_slot *out) {
    struct cella_enclave *e = of(t);
    size_t capacity = e->slot_size - CELLA_CALLS_AT_MESSAGE;
    ENSURE(size <= capacity, CELLA_ERR_LIMIT, "sign the image with larger calls",
           "a message of %zu bytes does not fit a slot of %zu", size, capacity);
    struct frame *frame = frames;
    while (frame && frame->enclave != e) frame = frame->up;
    uint32_t index = frame ? frame->index : 0;
    if (!frame) {
        uint64_t deadline = e->timeout_ms ? cella_host_now_ns() + e->timeout_ms * 1000000ULL : 0;
        TRY(take_slot(e, deadline, &index));
        e->slot[index].deadline_ns = deadline;
    }
    *out = (struct cella_slot){.host_data = cella_slot_data(&e->slot[index].end),
                               .capacity = capacity,
                               .cookie = (uint64_t)index << INDEX_SHIFT | (frame ? 0 : OWNED)};
    return CELLA_SUCCESS;
}

static void end(struct cella_transport *t, struct cella_slot *slot) {
    struct cella_enclave *e = of(t);
    uint32_t index = (uint32_t)(slot->cookie >> INDEX_SHIFT);
    if (!(slot->cookie & OWNED)) return;
    if (!e->slot[index].late) {
        give_back(e, index);
        return;
    }
    __atomic_add_fetch(&e->users, 1, __ATOMIC_SEQ_CST);
    __atomic_or_fetch(&e->late, 1ULL << index, __ATOMIC_SEQ_CST);
    start_reaping(e);
    __atomic_sub_fetch(&e->users, 1, __ATOMIC_SEQ_CST);
}

/* A call of the enclave's, within the one that this thread waits for. */
static void serve(struct cella_enclave *e, uint32_t index,
                  const struct cella_slot_message *message) {
    struct cella_slot_end *slot_end = &e->slot[index].end;
    struct frame frame = {e, index, frames};
    struct cella_slot slot = {.host_data = cella_slot_data(slot_end),
                              .capacity = cella_slot_capacity(slot_end),
                              .cookie = (uint64_t)index << INDEX_SHIFT};
    struct cella_slot_message reply = {.kind = CELLA_CALLS_RETURN, .status = CELLA_CALLS_REFUSED};
    if (e->serve && message->function < CELLA_CALLS_OWN) {
        frames = &frame;
        reply.size = e->serve(e->peer, &slot, message->function, message->size);
        frames = frame.up;
        reply.status = CELLA_CALLS_DONE;
        if (reply.size > slot.capacity) reply.size = 0; /* a service that breaks its contract */
    }
    if (!e->slot[index].late) cella_slot_hand_over(slot_end, &reply);
}

static struct cella_result give_up(struct cella_enclave *e, struct cella_host_slot *slot,
                                   enum cella_slot_waited why) {
    if (why == CELLA_SLOT_LATE) {
        slot->late = true;
        return late();
    }
    if (why == CELLA_SLOT_BROKEN) disbelieve(e);
    return gone(e);
}

static struct cella_result check_status(uint32_t status) {
    ENSURE(status != CELLA_CALLS_TOO_DEEP, CELLA_ERR_LIMIT, NULL, "more than %d calls within calls",
           CELLA_CALLS_DEPTH_MAX);
    ENSURE(status == CELLA_CALLS_DONE, CELLA_ERR_REFUSED, NULL,
           "the enclave takes no such call now (status %u)", status);
    return CELLA_SUCCESS;
}

static struct cella_result exchange(struct cella_enclave *e, uint32_t index, uint32_t function,
                                    size_t request_size, size_t *reply_size) {
    struct cella_host_slot *slot = &e->slot[index];
    const struct cella_slot_message request = {
        .kind = CELLA_CALLS_CALL, .function = function, .size = request_size};
    struct cella_slot_message message;
    slot->depth++;
    cella_slot_hand_over(&slot->end, &request);
    for (;;) {
        enum cella_slot_waited waited =
            cella_slot_wait(&slot->end, &e->gone, slot->deadline_ns, &message);
        if (waited != CELLA_SLOT_TURN) return give_up(e, slot, waited);
        if (message.kind == CELLA_CALLS_RETURN) break;
        serve(e, index, &message);
        if (slot->late) return late(); /* a call within it, and so all of it */
    }
    slot->depth--;
    TRY(check_status(message.status));
    *reply_size = message.size;
    return CELLA_SUCCESS;
}

static struct cella_result call(struct cella_transport *t, struct cella_slot *slot,
                                uint32_t function, uint32_t flags, size_t request_size,
                                size_t *reply_size) {
    struct cella_enclave *e = of(t);
    uint32_t index = (uint32_t)(slot->cookie >> INDEX_SHIFT);
    (void)flags; /* switchless is what calls are */
    *reply_size = 0;
    ENSURE(function < CELLA_CALLS_OWN && request_size <= slot->capacity, CELLA_ERR_USAGE, NULL,
           "a call of function %u with %zu bytes does not fit its slot", function, request_size);
    if (e->slot[index].late) return late();
    if (is_gone(e)) return gone(e);
    ENSURE(e->slot[index].depth < CELLA_CALLS_DEPTH_MAX, CELLA_ERR_LIMIT, NULL,
           "more than %d calls within calls", CELLA_CALLS_DEPTH_MAX);
    return exchange(e, index, function, request_size, reply_size);
}

/* ---- beginning and end ---- */

void cella_host_calls_init(struct cella_enclave *e) {
    e->transport = (struct cella_transport){.begin = begin, .call = call, .end = end};
    for (uint32_t i = 0; i < CELLA_SLOT_MAX && i < e->file.config.thread_count; i++)
        cella_slot_init(&e->slot[i].end, e->ring + i * e->slot_size, e->slot_size);
}

CELLA_RESULT cella_host_hello(struct cella_enclave *e) {
    uint32_t version = CELLA_CALLS_VERSION, count;
    uint8_t *data = cella_slot_data(&e->slot[0].end);
    size_t size;
    memcpy(data, &version, sizeof(version));
    e->slot[0].deadline_ns = 0;
    TRY(exchange(e, 0, CELLA_CALLS_HELLO, sizeof(version), &size));
    memcpy(&count, data, sizeof(count));
    ENSURE(size == CELLA_CALLS_HELLO_SIZE && count >= 1 && count <= e->file.config.thread_count,
           CELLA_ERR_PROTOCOL, "link its program with libcella-enclave of this release",
           "the enclave says that it serves %u slots of %u", count, e->file.config.thread_count);
    e->slot_count = count;
    uint64_t all = count == 64 ? UINT64_MAX : (1ULL << count) - 1;
    __atomic_store_n(&e->free, all, __ATOMIC_SEQ_CST);
    return CELLA_SUCCESS;
}

void cella_host_calls_stop(struct cella_enclave *e) {
    __atomic_store_n(&e->gone, true, __ATOMIC_SEQ_CST);
    for (uint32_t i = 0; i < e->file.config.thread_count; i++)
        cella_slot_stop(e->ring + i * e->slot_size);
    tell(e, INT32_MAX);
}

/* All slots at once, so that no call is under way any more. */
static bool take_all(struct cella_enclave *e, uint64_t deadline_ns) {
    const struct timespec pause = {0, 1000000};
    uint64_t all = e->slot_count == 64 ? UINT64_MAX : (1ULL << e->slot_count) - 1, taken = 0;
    while (taken != all) {
        reap(e);
        taken |= __atomic_exchange_n(&e->free, 0, __ATOMIC_SEQ_CST);
        if (taken != all && deadline_ns && cella_host_now_ns() >= deadline_ns) break;
        if (taken != all) nanosleep(&pause, NULL);
    }
    if (taken != all) __atomic_or_fetch(&e->free, taken, __ATOMIC_SEQ_CST);
    return taken == all;
}

bool cella_host_goodbye(struct cella_enclave *e, uint64_t deadline_ns) {
    size_t size;
    __atomic_store_n(&e->closing, true, __ATOMIC_SEQ_CST);
    tell(e, INT32_MAX);
    if (is_gone(e) || !take_all(e, deadline_ns)) return false;
    e->slot[0].deadline_ns = deadline_ns;
    struct cella_result r = exchange(e, 0, CELLA_CALLS_GOODBYE, 0, &size);
    bool good = !cella_failed(r);
    cella_result_drop(r);
    for (uint32_t i = 0; i < e->slot_count; i++) give_back(e, i);
    return good;
}

void cella_host_calls_drain(struct cella_enclave *e) {
    const struct timespec pause = {0, 100000};
    if (e->slot_count) (void)take_all(e, 0);
    while (__atomic_load_n(&e->users, __ATOMIC_SEQ_CST)) nanosleep(&pause, NULL);
}
