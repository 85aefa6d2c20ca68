/* K23: two servers over one store, several threads each, one of the servers killed: whatever the
 * callers saw of one key is what a single key would have shown, one call after another. */
#include "fixture.h"
#include "linear.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/wait.h>

#define V     "?api-version=7.4"
#define ECDSA "{\"alg\":\"ES256\",\"value\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}"
enum { ROUNDS = 20, SERVERS = 2, THREADS = 2, CALLS = 14 };

struct shared {
    _Atomic uint32_t clock, ready;
    struct linear_call call[SERVERS * THREADS * CALLS + 1];
};

/* --- The checker itself --- */

static void what_no_key_could_have_shown(void **state) {
    (void)state;
    static const struct {
        bool good;
        int count;
        struct linear_call call[5];
    } rows[] = {
        {true, 2, {{CREATE, 1, 2, 200, 7, 0}, {GET, 3, 4, 200, 7, 0}}},
        {false, 2, {{CREATE, 1, 2, 200, 7, 0}, {GET, 3, 4, 404, 0, 0}}}, /* its own write unread */
        {true, 2, {{CREATE, 1, 4, 200, 7, 0}, {GET, 2, 3, 404, 0, 0}}},
        {false, 3, {{CREATE, 1, 2, 200, 7, 0}, {CREATE, 3, 4, 200, 8, 0}, {SIGN, 5, 6, 200, 7, 0}}},
        {false, /* read back in time */
         4,
         {{CREATE, 1, 2, 200, 7, 0},
          {TAG, 3, 10, 200, 7, 5},
          {GET, 4, 5, 200, 7, 5},
          {GET, 6, 7, 200, 7, 0}}},
        {true, 3, {{CREATE, 1, 2, 200, 7, 0}, {DELETE, 3, 0, 0, 0, 0}, {GET, 4, 5, 404, 0, 0}}},
        {true, 3, {{CREATE, 1, 2, 200, 7, 0}, {DELETE, 3, 0, 0, 0, 0}, {GET, 4, 5, 200, 7, 0}}},
        {false, /* both purged it */
         4,
         {{CREATE, 1, 2, 200, 7, 0},
          {DELETE, 3, 4, 200, 0, 0},
          {PURGE, 5, 8, 200, 0, 0},
          {PURGE, 6, 7, 200, 0, 0}}},
        {false, /* a version that was lost */
         4,
         {{CREATE, 1, 2, 200, 7, 0},
          {CREATE, 3, 6, 200, 8, 0},
          {CREATE, 4, 5, 200, 9, 0},
          {GET, 7, 8, 200, 7, 0}}},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (linear(rows[i].call, rows[i].count, (struct linear_key){ABSENT, 0, 0}) != rows[i].good)
            fail_msg("row %zu", i);
}

/* --- Servers --- */

struct caller {
    struct rig *rig;
    struct shared *shared;
    struct linear_call *call; /* CALLS of them */
    unsigned seed;
};

static uint64_t version_of(const json_t *reply) {
    const char *kid = at(reply, "key.kid") ? at(reply, "key.kid") : at(reply, "kid");
    const char *slash = kid ? strrchr(kid, '/') : NULL;
    char hex[17] = "";
    if (slash) snprintf(hex, sizeof(hex), "%.16s", slash + 1);
    return strtoull(hex, NULL, 16);
}

static void one_call(struct rig *rig, struct shared *shared, struct linear_call *call) {
    static const struct {
        const char *method, *target, *body;
    } calls[] = {[CREATE] = {"POST", "/keys/h/create" V, "{\"kty\":\"EC\"}"},
                 [GET] = {"GET", "/keys/h" V, NULL},
                 [SIGN] = {"POST", "/keys/h/sign" V, ECDSA},
                 [TAG] = {"PATCH", "/keys/h" V, NULL},
                 [DELETE] = {"DELETE", "/keys/h" V, NULL},
                 [RECOVER] = {"POST", "/deletedkeys/h/recover" V, NULL},
                 [PURGE] = {"DELETE", "/deletedkeys/h" V, NULL}};
    char tag[64];
    int status = 0;
    snprintf(tag, sizeof(tag), "{\"tags\":{\"t\":\"%d\"}}", call->tag);
    call->begin = atomic_fetch_add(&shared->clock, 1) + 1;
    json_t *reply = call_as(rig, rig->token, calls[call->kind].method, calls[call->kind].target,
                            call->kind == TAG ? tag : calls[call->kind].body, &status);
    if (call->kind == GET) call->tag = at(reply, "tags.t") ? atoi(at(reply, "tags.t")) : 0;
    call->version = version_of(reply);
    call->status = status == 204 ? 200 : status;
    atomic_thread_fence(memory_order_seq_cst);
    call->end = atomic_fetch_add(&shared->clock, 1) + 1;
    json_decref(reply);
}

/* A call that is killed after it made a version: which, nobody was told. Such a version is taken
 * from what others saw of it. */
static void *caller_run(void *argument) {
    static const enum linear_kind often[] = {CREATE, CREATE, GET,    GET,     GET,     SIGN, SIGN,
                                             TAG,    TAG,    DELETE, RECOVER, RECOVER, PURGE};
    struct caller *caller = argument;
    for (int i = 0; i < CALLS; i++) {
        caller->call[i].kind =
            often[(unsigned)rand_r(&caller->seed) % (sizeof(often) / sizeof(often[0]))];
        if (caller->call[i].kind == TAG) caller->call[i].tag = rand_r(&caller->seed) % 1000 + 1;
        one_call(caller->rig, caller->shared, &caller->call[i]);
    }
    return NULL;
}

static _Noreturn void serve(struct rig *rig, struct shared *shared, int server, unsigned seed) {
    struct caller caller[THREADS];
    pthread_t thread[THREADS];
    rig_open(rig);
    atomic_fetch_add(&shared->ready, 1);
    while (atomic_load(&shared->ready) < SERVERS) sched_yield();
    for (int i = 0; i < THREADS; i++) {
        caller[i] = (struct caller){rig, shared, &shared->call[(server * THREADS + i) * CALLS],
                                    seed + (unsigned)(server * THREADS + i)};
        pthread_create(&thread[i], NULL, caller_run, &caller[i]);
    }
    for (int i = 0; i < THREADS; i++) pthread_join(thread[i], NULL);
    _exit(0);
}

/* --- Histories --- */

/* The calls that were begun, without those that never ended and would change nothing. */
static int gather(const struct shared *shared, struct linear_call *out) {
    int count = 0;
    for (size_t i = 0; i < sizeof(shared->call) / sizeof(shared->call[0]); i++) {
        const struct linear_call *call = &shared->call[i];
        if (!call->begin || (!call->end && (call->kind == GET || call->kind == SIGN))) continue;
        out[count++] = *call;
    }
    /* of a creation that never ended, the version that others saw and nobody made */
    for (int i = 0; i < count; i++)
        for (int j = 0; !out[i].end && out[i].kind == CREATE && j < count; j++) {
            bool made = out[j].version == 0 || out[j].kind == DELETE || out[j].kind == RECOVER;
            for (int k = 0; !made && k < count; k++)
                made = out[k].kind == CREATE && out[k].version == out[j].version;
            if (made) continue;
            out[i].version = out[j].version;
            break;
        }
    return count;
}

static void show(const struct linear_call *call, int count) {
    static const char *const names[] = {"create", "get",     "sign", "tag",
                                        "delete", "recover", "purge"};
    for (int i = 0; i < count; i++)
        print_error("%u-%u %s: %d version %016llx tag %d\n", call[i].begin, call[i].end,
                    names[call[i].kind], call[i].status, (unsigned long long)call[i].version,
                    call[i].tag);
}

/* Both servers run; the second is killed on its way. Then the key as it is, read by a third. */
static int one_round(struct rig *rig, struct shared *shared, unsigned round, struct linear_key *key,
                     int *killed) {
    struct linear_call call[64];
    pid_t server[SERVERS];
    int status = 0;
    memset(shared, 0, sizeof(*shared));
    rig_close(rig);
    for (int i = 0; i < SERVERS; i++)
        if ((server[i] = fork()) == 0) serve(rig, shared, i, round * 100);
    while (atomic_load(&shared->ready) < SERVERS) usleep(200);
    while (atomic_load(&shared->clock) < 5 + round * 4 % 60) usleep(100);
    kill(server[1], SIGKILL);
    assert_int_equal(waitpid(server[1], &status, 0), server[1]);
    *killed += WIFSIGNALED(status);
    assert_int_equal(waitpid(server[0], &status, 0), server[0]);
    assert_int_equal(status, 0);
    rig_open(rig);
    struct linear_call *last = &shared->call[SERVERS * THREADS * CALLS];
    last->kind = GET;
    one_call(rig, shared, last);
    int count = gather(shared, call);
    if (!linear(call, count, *key)) {
        show(call, count);
        fail_msg("round %u: no single key shows this", round);
    }
    /* where the next round begins */
    json_decref(call_as(rig, rig->token, "POST", "/deletedkeys/h/recover" V, NULL, &status));
    json_decref(call_as(rig, rig->token, "DELETE", "/keys/h" V, NULL, &status));
    json_decref(call_as(rig, rig->token, "DELETE", "/deletedkeys/h" V, NULL, &status));
    *key = (struct linear_key){ABSENT, 0, 0};
    return count;
}

static void histories_of_one_key(void **state) {
    struct rig *rig = *state;
    struct linear_key key = {ABSENT, 0, 0};
    int calls = 0, killed = 0;
    struct shared *shared =
        mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(shared, MAP_FAILED);
    for (unsigned round = 0; round < ROUNDS; round++)
        calls += one_round(rig, shared, round, &key, &killed);
    print_message("%d calls in %d rounds, %d servers killed on their way\n", calls, ROUNDS, killed);
    assert_true(killed > ROUNDS / 4);
    munmap(shared, sizeof(*shared));
}

static int set_up(void **state) {
    *state = rig_new(false);
    return 0;
}
static int tear_down(void **state) {
    rig_free(*state);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_no_key_could_have_shown),
        cmocka_unit_test_setup_teardown(histories_of_one_key, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
