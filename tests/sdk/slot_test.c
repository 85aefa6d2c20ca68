/* One end of a slot against whatever the other side may write into it: every word, every edge value
 * (R24, R29), and against its own sleep: no wake is lost, no wait without an end (R47). */
#include "results.h"

#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "sdk/bulk.h"
#include "sdk/slot.h"

enum { SIZE = 65536, CAPACITY = SIZE - 32 };

static uint8_t *slot;
static struct cella_slot_end own, other;

static int start(void **state) {
    (void)state;
    slot = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(slot != MAP_FAILED);
    cella_slot_init(&own, slot, SIZE);
    cella_slot_init(&other, slot, SIZE);
    return 0;
}
static int stop(void **state) {
    (void)state;
    munmap(slot, SIZE);
    return 0;
}

static void set32(size_t at, uint32_t v) { memcpy(slot + at, &v, sizeof(v)); }
static void set64(size_t at, uint64_t v) { memcpy(slot + at, &v, sizeof(v)); }

static uint64_t in_ms(uint64_t ms) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec + ms * 1000000;
}

static const uint64_t edges[] = {0,
                                 1,
                                 2,
                                 3,
                                 4,
                                 5,
                                 6,
                                 7,
                                 31,
                                 32,
                                 CAPACITY - 1,
                                 CAPACITY,
                                 CAPACITY + 1,
                                 SIZE,
                                 0x7ffffffe,
                                 0x7fffffff,
                                 0x80000000,
                                 0xfffffffe,
                                 0xffffffff,
                                 1ULL << 32,
                                 (1ULL << 32) + 1,
                                 INT64_MAX,
                                 1ULL << 63,
                                 UINT64_MAX - CAPACITY,
                                 UINT64_MAX};
enum { EDGES = sizeof(edges) / sizeof(edges[0]) };

/* Of all turns there are, an end believes its own and the next. */
static void turns(void **state) {
    (void)state;
    static const uint32_t at[] = {0, 1, 2, 1000, 0x3fffffff, 0x7ffffffe, 0x7fffffff, 0xffffffff};
    struct cella_slot_message m;
    set32(CELLA_CALLS_AT_KIND, CELLA_CALLS_CALL);
    for (size_t i = 0; i < sizeof(at) / sizeof(at[0]); i++)
        for (size_t k = 0; k < 2 * EDGES + 16; k++) {
            uint32_t value = k < 16           ? (at[i] << 1) + (uint32_t)k - 8
                             : k < EDGES + 16 ? (uint32_t)edges[k - 16]
                                              : ~(uint32_t)edges[k - EDGES - 16];
            uint32_t turn = value & ~1U;
            own.turn = at[i];
            set32(CELLA_CALLS_AT_TURN, value);
            enum cella_slot_waited want = turn == at[i] << 1         ? CELLA_SLOT_LATE
                                          : turn == (at[i] + 1) << 1 ? CELLA_SLOT_TURN
                                                                     : CELLA_SLOT_BROKEN;
            assert_int_equal(cella_slot_look(&own, &m), want);
            own.turn = at[i];
            own.spin.cycles = 0;
            assert_int_equal(cella_slot_wait(&own, NULL, in_ms(0), &m), want);
        }
}

static void words(void **state) {
    (void)state;
    struct cella_slot_message m;
    for (size_t kind = 0; kind < EDGES; kind++)
        for (size_t status = 0; status < EDGES; status++)
            for (size_t size = 0; size < EDGES; size++) {
                own.turn = 0;
                set32(CELLA_CALLS_AT_TURN, 2);
                set32(CELLA_CALLS_AT_KIND, (uint32_t)edges[kind]);
                set32(CELLA_CALLS_AT_FUNCTION, (uint32_t)edges[status]);
                set32(CELLA_CALLS_AT_STATUS, (uint32_t)edges[status]);
                set64(CELLA_CALLS_AT_SIZE, edges[size]);
                uint32_t k = (uint32_t)edges[kind], s = (uint32_t)edges[status];
                bool good = edges[size] <= CAPACITY && ((k == 1 && s == 0) || (k == 2 && s < 4));
                assert_int_equal(cella_slot_look(&own, &m),
                                 good ? CELLA_SLOT_TURN : CELLA_SLOT_BROKEN);
                if (good) assert_true(m.kind == k && m.status == s && m.size == edges[size]);
            }
}

static void there_and_back(void **state) {
    (void)state;
    struct cella_slot_message m;
    own.turn = other.turn = 0x7ffffff0; /* and past the end of the count */
    set32(CELLA_CALLS_AT_TURN, own.turn << 1);
    for (uint32_t i = 0; i < 64; i++) {
        const struct cella_slot_message call = {CELLA_CALLS_CALL, i, 0, i * 100},
                                        reply = {CELLA_CALLS_RETURN, 0, i % 4, i};
        assert_int_equal(cella_slot_look(&other, &m), CELLA_SLOT_LATE);
        cella_slot_hand_over(&own, &call);
        assert_int_equal(cella_slot_wait(&other, NULL, 0, &m), CELLA_SLOT_TURN);
        assert_true(m.kind == CELLA_CALLS_CALL && m.function == i && m.size == i * 100);
        cella_slot_hand_over(&other, &reply);
        assert_int_equal(cella_slot_wait(&own, NULL, 0, &m), CELLA_SLOT_TURN);
        assert_true(m.kind == CELLA_CALLS_RETURN && m.status == i % 4 && m.size == i);
    }
}

/* ---- sleeping ---- */

enum { ROUNDS = 20000 };
static bool never_spin, jitter;

static void *answer(void *arg) {
    struct cella_slot_message m;
    (void)arg;
    for (uint32_t i = 0; i < ROUNDS; i++) {
        if (never_spin) other.spin.cycles = 0;
        if (cella_slot_wait(&other, NULL, in_ms(10000), &m) != CELLA_SLOT_TURN || m.function != i)
            return (void *)1;
        for (uint32_t n = jitter ? i * 37 % 301 : 0; n > 0; n--) __asm__ volatile("pause");
        const struct cella_slot_message reply = {CELLA_CALLS_RETURN, 0, 0, i};
        cella_slot_hand_over(&other, &reply);
    }
    return NULL;
}

static void ping_pong(bool sleepy, bool shaky) {
    pthread_t thread;
    struct cella_slot_message m;
    void *failed;
    never_spin = sleepy;
    jitter = shaky;
    assert_int_equal(pthread_create(&thread, NULL, answer, NULL), 0);
    for (uint32_t i = 0; i < ROUNDS; i++) {
        const struct cella_slot_message call = {CELLA_CALLS_CALL, i, 0, 0};
        cella_slot_hand_over(&own, &call);
        if (sleepy) own.spin.cycles = 0;
        for (uint32_t n = shaky ? i * 53 % 307 : 0; n > 0; n--) __asm__ volatile("pause");
        assert_int_equal(cella_slot_wait(&own, NULL, in_ms(10000), &m), CELLA_SLOT_TURN);
        assert_int_equal(m.size, i);
    }
    pthread_join(thread, &failed);
    assert_null(failed);
}
static void wakes(void **state) {
    (void)state;
    ping_pong(false, false);
}
static void wakes_asleep(void **state) {
    (void)state;
    ping_pong(true, false);
}
static void wakes_between(
    void **state) { /* the hand-over falls before, between, after the parking */
    (void)state;
    ping_pong(true, true);
}

/* Both sides on one processor: who spins keeps the other from answering, and has to notice. */
static void one_processor(void **state) {
    (void)state;
    cpu_set_t before, first;
    assert_int_equal(sched_getaffinity(0, sizeof(before), &before), 0);
    CPU_ZERO(&first);
    for (int i = 0; i < CPU_SETSIZE && CPU_COUNT(&first) == 0; i++)
        if (CPU_ISSET(i, &before)) CPU_SET(i, &first);
    assert_int_equal(sched_setaffinity(0, sizeof(first), &first), 0); /* and so the other thread */
    uint64_t begin = in_ms(0);
    ping_pong(false, false);
    uint64_t took_ms = (in_ms(0) - begin) / 1000000;
    assert_int_equal(sched_setaffinity(0, sizeof(before), &before), 0);
    /* 20,000 rounds: some 0.5 s; with a time slice spun away at each, a minute and more */
    assert_in_range(took_ms, 0, 10000);
}

static void deadlines(void **state) {
    (void)state;
    struct cella_slot_message m;
    uint64_t begin = in_ms(0);
    assert_int_equal(cella_slot_wait(&own, NULL, in_ms(50), &m), CELLA_SLOT_LATE);
    uint64_t took = (in_ms(0) - begin) / 1000000;
    assert_in_range(took, 50, 2000);
    /* a late wait can be waited for again */
    const struct cella_slot_message call = {.kind = CELLA_CALLS_CALL};
    cella_slot_hand_over(&other, &call);
    assert_int_equal(cella_slot_wait(&own, NULL, in_ms(1000), &m), CELLA_SLOT_TURN);
}

static bool stopped;
static void *stopper(void *arg) {
    (void)arg;
    usleep(30000);
    __atomic_store_n(&stopped, true, __ATOMIC_SEQ_CST);
    cella_slot_stop(slot);
    return NULL;
}
static void stops(void **state) {
    (void)state;
    struct cella_slot_message m;
    static const uint32_t at[] = {0, 5, 0x7ffffffe, 0x7fffffff};
    for (size_t i = 0; i < 4; i++) {
        pthread_t thread;
        stopped = false;
        own.turn = at[i];
        set32(CELLA_CALLS_AT_TURN, at[i] << 1);
        assert_int_equal(pthread_create(&thread, NULL, stopper, NULL), 0);
        assert_int_equal(cella_slot_wait(&own, &stopped, 0, &m), CELLA_SLOT_STOPPED);
        pthread_join(thread, NULL);
    }
}

/* It learns: short waits are spun for, long ones are not, and short ones again. */
static void *slow_answer(void *arg) {
    struct cella_slot_message m;
    int naps = *(const int *)arg;
    for (int i = 0; i < naps; i++) {
        cella_slot_wait(&other, NULL, 0, &m);
        usleep(2000);
        const struct cella_slot_message reply = {.kind = CELLA_CALLS_RETURN};
        cella_slot_hand_over(&other, &reply);
    }
    return NULL;
}
static void learns(void **state) {
    (void)state;
    struct cella_slot_message m;
    pthread_t thread;
    int naps = 12;
    uint32_t before = own.spin.cycles;
    const struct cella_slot_message call = {.kind = CELLA_CALLS_CALL};
    assert_int_equal(pthread_create(&thread, NULL, slow_answer, &naps), 0);
    for (int i = 0; i < naps; i++) {
        cella_slot_hand_over(&own, &call);
        assert_int_equal(cella_slot_wait(&own, NULL, 0, &m), CELLA_SLOT_TURN);
    }
    pthread_join(thread, NULL);
    assert_true(own.spin.cycles < before / 10);
}

/* ---- a thread that changes every word of the description, as fast as it can ---- */

static bool over;
static void *flipper(void *arg) {
    uint64_t seed = (uint64_t)(uintptr_t)arg;
    while (!__atomic_load_n(&over, __ATOMIC_RELAXED)) {
        seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
        /* of the turn and the kind mostly what can be, so that the other words are looked at */
        static const uint32_t turn[] = {2, 3, 4, 5}, kind[] = {1, 2, 2, 3};
        size_t at = (seed >> 45) % 8;
        uint64_t v = seed >> 60 < 4 ? seed >> 20 : edges[(seed >> 33) % EDGES];
        if (at < 2 && seed >> 60) v = at ? kind[(seed >> 33) % 4] : turn[(seed >> 33) % 4];
        if ((at == 3 || at == 5) && seed >> 62) v = 0;
        uint32_t *word = (uint32_t *)(slot + 4 * at);
        __atomic_store_n(word, (uint32_t)v, __ATOMIC_RELAXED);
    }
    return NULL;
}

static void flips(void **state) {
    (void)state;
    pthread_t thread;
    unsigned seen[4] = {0};
    assert_int_equal(pthread_create(&thread, NULL, flipper, (void *)(uintptr_t)7), 0);
    for (uint64_t until = in_ms(1000); in_ms(0) < until;) {
        struct cella_slot_message m = {.kind = 77};
        own.turn = 1;
        enum cella_slot_waited w = cella_slot_wait(&own, NULL, in_ms(1), &m);
        seen[w]++;
        if (w != CELLA_SLOT_TURN) continue;
        /* what it hands out was checked after the one reading, so it holds whatever is there now */
        assert_true(m.size <= CAPACITY);
        assert_true((m.kind == CELLA_CALLS_CALL && m.status == 0) ||
                    (m.kind == CELLA_CALLS_RETURN && m.status < CELLA_CALLS_STATUS_COUNT));
    }
    __atomic_store_n(&over, true, __ATOMIC_RELAXED);
    pthread_join(thread, NULL);
    assert_true(seen[CELLA_SLOT_BROKEN] > 0 && seen[CELLA_SLOT_TURN] > 0);
}

/* ---- much at once ---- */

static void bulk(void **state) {
    (void)state;
    static uint8_t from[40000], to[40000];
    static const size_t sizes[] = {0, 1, 63, 64, 1023, 1024, 1025, 1087, 4096, 4097, 30000};
    for (size_t i = 0; i < sizeof(from); i++) from[i] = (uint8_t)(i * 31 + i / 256);
    for (size_t round = 0; round < 300; round++) /* both ways of writing, whatever is measured */
        for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
            size_t at = round * 7 % 130, off = round * 13 % 67, size = sizes[i];
            memset(to, 0xee, size + 400);
            cella_bulk_write(to + at + 64, from + off, size);
            assert_memory_equal(to + at + 64, from + off, size);
            assert_int_equal(to[at + 63], 0xee);
            assert_int_equal(to[at + 64 + size], 0xee);
        }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)
int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(turns),     TEST(words),         TEST(there_and_back), TEST(wakes),
        TEST(deadlines), TEST(wakes_asleep),  TEST(wakes_between),  TEST(stops),
        TEST(learns),    TEST(one_processor), TEST(flips),          TEST(bulk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
