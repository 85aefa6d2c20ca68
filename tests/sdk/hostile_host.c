/* A hostile host: writes what it likes into the ring of a real enclave, in every state the enclave
 * can be in (R09, R11, R24, R29). The enclave ends with its own word for it (status 125), or
 * refuses and goes on; it never crashes. hostile_host CELLA IMAGE, with a platform running. */
#include "results.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "rig.h"
#include "sdk/host.h"

static const char *command, *image;
static struct cella_enclave *e;
static char said[4096];

enum { BROKEN = 125, CAPACITY = (1 << 20) - 32 };

static void keep_line(void *context, const char *line, size_t size) {
    (void)context;
    size_t used = strlen(said);
    snprintf(said + used, sizeof(said) - used, "%.*s\n", (int)size, line);
}

static size_t echo(struct cella_peer *peer, struct cella_slot *slot, uint32_t function,
                   size_t size) {
    (void)peer, (void)slot, (void)function;
    return size;
}

static void create(void) {
    const struct cella_enclave_settings settings = {
        .cella = command, .serve = echo, .log = keep_line};
    said[0] = 0;
    GOOD(cella_enclave_create(image, &settings, &e));
}

static void set32(uint32_t slot, size_t at, uint32_t v) {
    __atomic_store_n((uint32_t *)(e->ring + slot * e->slot_size + at), v, __ATOMIC_SEQ_CST);
}
static uint32_t get32(uint32_t slot, size_t at) {
    return __atomic_load_n((uint32_t *)(e->ring + slot * e->slot_size + at), __ATOMIC_SEQ_CST);
}

/* The turn word alone, and a wake for whoever sleeps on it. */
static void set_turn(uint32_t slot, uint32_t value) {
    cella_slot_stop(e->ring + slot * e->slot_size);
    set32(slot, CELLA_CALLS_AT_TURN, value);
    cella_slot_stop(e->ring + slot * e->slot_size);
    set32(slot, CELLA_CALLS_AT_TURN, value);
}

/* A message as the format has it, or not; by hand. */
static void post(uint32_t slot, uint32_t kind, uint32_t function, uint32_t status, uint64_t size) {
    const struct cella_slot_message message = {kind, function, status, size};
    cella_slot_hand_over(&e->slot[slot].end, &message);
}

/* Waits until the enclave has ended; how. */
static struct cella_enclave_end ended(void) {
    for (int i = 0; i < 1000 && cella_enclave_alive(e); i++) usleep(2000);
    struct cella_enclave_end end = {0};
    if (cella_enclave_alive(e)) fail_msg("it goes on");
    cella_enclave_destroy(e, 0, &end);
    e = NULL;
    return end;
}
static void ended_broken(const char *what) {
    struct cella_enclave_end end = ended();
    if (end.signalled || end.status != BROKEN || !strstr(said, "broke the format"))
        fail_msg("%s: signal %d, status %u: %s", what, end.signalled, end.status, said);
}

/* What the enclave answers to a message posted by hand. */
static struct cella_slot_message answer(uint32_t slot) {
    struct cella_slot_message m = {0};
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    uint64_t until = ((uint64_t)now.tv_sec + 5) * 1000000000;
    assert_int_equal(cella_slot_wait(&e->slot[slot].end, &e->gone, until, &m), CELLA_SLOT_TURN);
    return m;
}
static void refused(uint32_t slot) {
    struct cella_slot_message m = answer(slot);
    assert_int_equal(m.kind, CELLA_CALLS_RETURN);
    assert_int_equal(m.status, CELLA_CALLS_REFUSED);
    assert_int_equal(m.size, 0);
}

/* ---- while the enclave waits for a call ---- */

static void turns(void **state) {
    (void)state;
    static const uint32_t values[] = {0, 1, 2,          3,          6,          7,
                                      8, 9, 0x7ffffffe, 0x80000000, 0xfffffffe, 0xffffffff};
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        create();
        uint32_t now = get32(0, CELLA_CALLS_AT_TURN) & ~1U; /* 4: after HELLO */
        assert_int_equal(now, 4);
        set32(0, CELLA_CALLS_AT_KIND, CELLA_CALLS_CALL);
        set32(0, CELLA_CALLS_AT_STATUS, 0);
        set_turn(0, values[i]);
        if ((values[i] & ~1U) == now + 2) { /* a call, and one it answers */
            e->slot[0].end.turn = (now + 2) >> 1;
            (void)answer(0);
            cella_enclave_destroy(e, 1000, NULL);
        } else {
            ended_broken("turn");
        }
    }
}

struct words {
    uint32_t kind, function, status;
    uint64_t size;
};
static const struct words impossible[] = {
    {0, 0, 0, 0},
    {3, 0, 0, 0},
    {UINT32_MAX, 0, 0, 0},
    {CELLA_CALLS_RETURN, 0, 0, 0}, /* nobody called */
    {CELLA_CALLS_RETURN, 0, 4, 0},
    {CELLA_CALLS_CALL, 0, 1, 0},
    {CELLA_CALLS_CALL, 0, UINT32_MAX, 0},
    {CELLA_CALLS_CALL, CALLS_ECHO, 0, CAPACITY + 1},
    {CELLA_CALLS_CALL, CALLS_ECHO, 0, 1ULL << 32},
    {CELLA_CALLS_CALL, CALLS_ECHO, 0, INT64_MAX},
    {CELLA_CALLS_CALL, CALLS_ECHO, 0, UINT64_MAX},
    {CELLA_CALLS_CALL, CALLS_ECHO, 0, UINT64_MAX - 31},
};
static void words(void **state) {
    (void)state;
    for (uint32_t slot = 0; slot < 2; slot++)
        for (size_t i = 0; i < sizeof(impossible) / sizeof(impossible[0]); i++) {
            const struct words *w = &impossible[i];
            create();
            post(slot, w->kind, w->function, w->status, w->size);
            ended_broken("words");
        }
}

/* Every function number at the edges of what there is: refused, and the enclave goes on (R06). */
static void functions(void **state) {
    (void)state;
    static const uint32_t numbers[] = {CELLA_CALLS_OWN, CELLA_CALLS_OWN + 2, 0x8000ffff,
                                       0x90000000,      0xfffffffe,          0xffffffff};
    create();
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        for (uint32_t slot = 0; slot < 2; slot++) {
            post(slot, CELLA_CALLS_CALL, numbers[i], 0, 4);
            refused(slot);
        }
    post(1, CELLA_CALLS_CALL, CELLA_CALLS_GOODBYE, 0, 0); /* not on that slot */
    refused(1);
    GOOD(rig_call(e, CALLS_EMPTY, NULL, 0, NULL, NULL));
    cella_enclave_destroy(e, 1000, NULL);
}

/* ---- before HELLO and after GOODBYE (R11) ---- */

static void order(void **state) {
    (void)state;
    struct cella_enclave_end end;
    create();
    /* GOODBYE, then calls on the other slot: refused until the program's end takes it along */
    post(0, CELLA_CALLS_CALL, CELLA_CALLS_GOODBYE, 0, 0);
    assert_int_equal(answer(0).status, CELLA_CALLS_DONE);
    post(1, CELLA_CALLS_CALL, CALLS_EXIT, 0, 4);
    struct cella_slot_message m;
    enum cella_slot_waited w = cella_slot_wait(&e->slot[1].end, &e->gone, 0, &m);
    assert_true(w == CELLA_SLOT_STOPPED || m.status == CELLA_CALLS_REFUSED);
    end = ended();
    assert_true(!end.signalled && end.status == 42); /* main's own, not EXIT's */
}

/* An enclave that nobody has greeted refuses every call, and does not greet twice. */
static void first(void **state) {
    (void)state;
    const struct cella_enclave_settings settings = {
        .cella = command, .serve = echo, .log = keep_line};
    GOOD(cella_host_begin(image, &settings, &e));
    static const uint32_t numbers[] = {
        CALLS_EMPTY, CALLS_EXIT, 0xffff, CELLA_CALLS_GOODBYE, CELLA_CALLS_GOODBYE + 1, UINT32_MAX};
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        post(0, CELLA_CALLS_CALL, numbers[i], 0, 4);
        refused(0);
    }
    GOOD(cella_host_hello(e));
    post(0, CELLA_CALLS_CALL, CELLA_CALLS_HELLO, 0, 4);
    refused(0);
    GOOD(rig_call(e, CALLS_EMPTY, NULL, 0, NULL, NULL));
    cella_enclave_destroy(e, 1000, NULL);
    /* another version, or a greeting of another size */
    for (int i = 0; i < 2; i++) {
        said[0] = 0;
        GOOD(cella_host_begin(image, &settings, &e));
        memset(cella_slot_data(&e->slot[0].end), 2 - i, 4);
        post(0, CELLA_CALLS_CALL, CELLA_CALLS_HELLO, 0, i ? 3 : 4);
        ended_broken("greeting");
    }
}

/* ---- while the enclave waits for an answer ---- */

/* A call that makes the enclave call the host with `size` bytes. */
static void inside_ocall(size_t size) {
    create();
    uint8_t *data = cella_slot_data(&e->slot[0].end);
    memset(data, 0, size + 4);
    post(0, CELLA_CALLS_CALL, CALLS_OCALL, 0, size + 4);
    struct cella_slot_message m = answer(0);
    assert_true(m.kind == CELLA_CALLS_CALL && m.size == size);
}

static void answers(void **state) {
    (void)state;
    static const struct words bad[] = {
        {0, 0, 0, 0},
        {3, 0, 0, 0},
        {CELLA_CALLS_RETURN, 0, 4, 0},
        {CELLA_CALLS_RETURN, 0, UINT32_MAX, 0},
        {CELLA_CALLS_RETURN, 0, 0, CAPACITY + 1},
        {CELLA_CALLS_RETURN, 0, 0, 1ULL << 63},
        {CELLA_CALLS_RETURN, 0, 0, UINT64_MAX},
        {CELLA_CALLS_CALL, 0, 2, 0},
        {CELLA_CALLS_CALL, 0, 0, UINT64_MAX},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        inside_ocall(100);
        post(0, bad[i].kind, bad[i].function, bad[i].status, bad[i].size);
        ended_broken("answer");
    }
    /* statuses and sizes that the format has: the call within fails or not, the enclave goes on */
    for (uint32_t status = 0; status < CELLA_CALLS_STATUS_COUNT; status++)
        for (int large = 0; large < 2; large++) {
            inside_ocall(100);
            post(0, CELLA_CALLS_RETURN, 0, status, large ? CAPACITY : 0);
            struct cella_slot_message m = answer(0);
            assert_int_equal(m.kind, CELLA_CALLS_RETURN);
            assert_int_equal(m.size, status == 0 && large ? CAPACITY : 0);
            cella_enclave_destroy(e, 1000, NULL);
        }
}

/* Every function during a call of the enclave's: the ring's own are refused, the program's served,
 * and the outer call goes on. */
static void nested(void **state) {
    (void)state;
    static const uint32_t own[] = {CELLA_CALLS_HELLO, CELLA_CALLS_GOODBYE, CELLA_CALLS_OWN + 2,
                                   UINT32_MAX};
    inside_ocall(8);
    for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
        post(0, CELLA_CALLS_CALL, own[i], 0, 4);
        refused(0);
    }
    post(0, CELLA_CALLS_CALL, CALLS_ECHO, 0, 64);
    struct cella_slot_message m = answer(0);
    assert_true(m.kind == CELLA_CALLS_RETURN && m.status == 0 && m.size == 64);
    post(0, CELLA_CALLS_RETURN, 0, 0, 8);
    m = answer(0);
    assert_true(m.kind == CELLA_CALLS_RETURN && m.size == 8);
    cella_enclave_destroy(e, 1000, NULL);
}

/* The host goes deeper than it may: the enclave's own calls stop at its own count. */
static void deep(void **state) {
    (void)state;
    create();
    const uint32_t host_function = CALLS_HOST_ECHO;
    for (int depth = 0; depth < CELLA_CALLS_DEPTH_MAX; depth++) {
        memcpy(cella_slot_data(&e->slot[0].end), &host_function, 4);
        post(0, CELLA_CALLS_CALL, CALLS_OCALL, 0, 8);
        assert_int_equal(answer(0).kind, CELLA_CALLS_CALL);
    }
    memcpy(cella_slot_data(&e->slot[0].end), &host_function, 4);
    post(0, CELLA_CALLS_CALL, CALLS_OCALL, 0, 8); /* its ninth call of the host: refused inside */
    struct cella_slot_message m = answer(0);
    assert_true(m.kind == CELLA_CALLS_RETURN && m.size == 0);
    for (int depth = 0; depth < CELLA_CALLS_DEPTH_MAX; depth++) {
        post(0, CELLA_CALLS_RETURN, 0, 0, 4);
        m = answer(0);
        assert_true(m.kind == CELLA_CALLS_RETURN && m.size == 4);
    }
    cella_enclave_destroy(e, 1000, NULL);
}

/* ---- the memory itself ---- */

static void memory(void **state) {
    (void)state;
    create();
    assert_int_not_equal(ftruncate(e->memory, 4096), 0); /* sealed: no access inside can fault */
    assert_int_not_equal(ftruncate(e->memory, (off_t)(2 * e->ring_size)), 0);
    assert_int_equal(fallocate(e->memory, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
                               (off_t)e->ring_size),
                     0);
    assert_int_equal(get32(0, CELLA_CALLS_AT_TURN), 0);
    set_turn(0, 0); /* wakes it: the turn is not one that can be */
    ended_broken("punched");
}

/* ---- every word, at the highest rate, while calls run ---- */

static bool over;
static void *flipper(void *arg) {
    uint64_t seed = (uint64_t)(uintptr_t)arg * 88172645463325252ULL + 1;
    static const uint32_t edges[] = {0, 1, 2, 3, 4, 31, 32, 4096, 1 << 20, 0x7fffffff, 0xffffffff};
    bool turns_too = seed & 2;
    while (!__atomic_load_n(&over, __ATOMIC_RELAXED)) {
        seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
        size_t at = turns_too ? (seed >> 40) % 16 : 1 + (seed >> 40) % 15; /* words of the line */
        uint32_t v = seed >> 63 ? (uint32_t)(seed >> 20) : edges[(seed >> 32) % 11];
        set32((seed >> 50) & 1, at * 4, v);
        if (at == 0) cella_slot_stop(e->ring);
    }
    return NULL;
}

static void flips(void **state) {
    (void)state;
    unsigned broken = 0;
    for (uintptr_t i = 0; i < 40; i++) {
        pthread_t thread;
        create();
        over = false;
        assert_int_equal(pthread_create(&thread, NULL, flipper, (void *)i), 0);
        struct timespec begin, now;
        clock_gettime(CLOCK_MONOTONIC, &begin);
        /* by hand: the host itself may be confused, that is its own affair */
        for (uint32_t n = 0; cella_enclave_alive(e); n++) {
            clock_gettime(CLOCK_MONOTONIC, &now);
            if ((now.tv_sec - begin.tv_sec) * 1000 + (now.tv_nsec - begin.tv_nsec) / 1000000 > 100)
                break;
            struct cella_slot_message m;
            uint32_t slot = n & 1;
            e->slot[slot].end.turn = get32(slot, CELLA_CALLS_AT_TURN) >> 1;
            post(slot, CELLA_CALLS_CALL, n % 3 ? CALLS_ECHO : CALLS_OCALL, 0, 256);
            e->slot[slot].end.spin.cycles = 2000;
            uint64_t until = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec + 200000;
            (void)cella_slot_wait(&e->slot[slot].end, &e->gone, until, &m);
        }
        __atomic_store_n(&over, true, __ATOMIC_RELAXED);
        pthread_join(thread, NULL);
        struct cella_enclave_end end;
        bool alive = cella_enclave_alive(e);
        cella_enclave_destroy(e, 0, &end);
        e = NULL;
        /* killed by us, or ended by its own word; never by a fault */
        if (alive)
            assert_true(!end.signalled || end.status == 9);
        else if (end.signalled || end.status != BROKEN)
            fail_msg("round %zu: signalled %d, status %u: %s", (size_t)i, end.signalled, end.status,
                     said);
        broken += !alive;
    }
    assert_true(broken > 10); /* it did notice */
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(turns),  cmocka_unit_test(words), cmocka_unit_test(functions),
        cmocka_unit_test(order),  cmocka_unit_test(first), cmocka_unit_test(answers),
        cmocka_unit_test(nested), cmocka_unit_test(deep),  cmocka_unit_test(memory),
        cmocka_unit_test(flips),
    };
    if (argc != 3) return 2;
    command = argv[1];
    image = argv[2];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
