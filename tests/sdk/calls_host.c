/* A host program and its enclave: calls both ways, within each other, from many threads, and what
 * remains when either side ends at any moment. calls_host CELLA IMAGE SMALL-IMAGE, where several of
 * the small one fit a platform of an ordinary user; calls_host CELLA WIDE-IMAGE, which has 64
 * threads. */
#include "results.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "rig.h"

static const char *command, *image, *small_image;
static struct cella_enclave *e;
static struct cella_enclave_settings settings;
static char said[4096];
static pthread_mutex_t said_lock = PTHREAD_MUTEX_INITIALIZER; /* lines come from a thread */

static double seconds(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void keep_line(void *context, const char *line, size_t size) {
    (void)context;
    pthread_mutex_lock(&said_lock);
    size_t used = strlen(said);
    snprintf(said + used, sizeof(said) - used, "%.*s\n", (int)size, line);
    pthread_mutex_unlock(&said_lock);
}

static bool has_said(const char *text) {
    pthread_mutex_lock(&said_lock);
    bool found = strstr(said, text);
    pthread_mutex_unlock(&said_lock);
    return found;
}

/* ---- what the host serves ---- */

/* n calls within calls; each answers one more than the one inside it. */
static uint32_t deeper(uint32_t n) {
    uint32_t request[2] = {CALLS_HOST_DEEP, n - 1}, reply = 0;
    size_t size = sizeof(reply);
    if (n == 0) return 0;
    struct cella_result r = rig_call(e, CALLS_OCALL, request, sizeof(request), &reply, &size);
    bool failed = cella_failed(r) || size != sizeof(reply);
    cella_result_drop(r);
    return failed ? 1000 : reply + 1;
}

static enum cella_code nested_code;
static enum cella_code code_of_sleep(uint64_t ms) {
    struct cella_result r = rig_call(e, CALLS_SLEEP, &ms, sizeof(ms), NULL, NULL);
    enum cella_code code = cella_code_of(r);
    cella_result_drop(r);
    return code;
}

static size_t serve(struct cella_peer *peer, struct cella_slot *slot, uint32_t function,
                    size_t size) {
    static __thread uint8_t copy[4 << 20];
    uint32_t n = 0;
    (void)peer;
    memcpy(copy, slot->host_data, size);
    switch (function) {
    case CALLS_HOST_ECHO: break;
    case CALLS_HOST_NEST: GOOD(rig_call(e, CALLS_ECHO, copy, size, copy, &size)); break;
    case CALLS_HOST_DEEP:
        memcpy(&n, copy, sizeof(n));
        n = deeper(n);
        memcpy(copy, &n, size = sizeof(n));
        break;
    case CALLS_HOST_NEST_LATE:
        nested_code = code_of_sleep(300);
        usleep(500000); /* the inner call's answer is there before this function returns */
        return 0;
    case CALLS_HOST_NAP: usleep(300000); return 0;
    default: return 0;
    }
    memcpy(slot->host_data, copy, size);
    return size;
}

static struct cella_result call(uint32_t function, const void *request, size_t size) {
    return rig_call(e, function, request, size, NULL, NULL);
}

static int start_with(const struct cella_enclave_settings *more) {
    settings = *more;
    settings.cella = command;
    settings.serve = serve;
    settings.log = keep_line;
    said[0] = 0;
    GOOD(cella_enclave_create(image, &settings, &e));
    return 0;
}
static int start(void **state) {
    (void)state;
    return start_with(&(struct cella_enclave_settings){0});
}
static int stop(void **state) {
    (void)state;
    cella_enclave_destroy(e, 2000, NULL);
    e = NULL;
    return 0;
}

/* ---- calls ---- */

static void sizes(void **state) {
    (void)state;
    static uint8_t in[2 << 20], out[2 << 20];
    const size_t most = (1 << 20) - 32;
    static const size_t all[] = {0, 1, 31, 32, 33, 63, 64, 65, 4095, 4096, 65536, 1 << 19, 0};
    for (size_t i = 0; i < most; i++) in[i] = (uint8_t)(i * 7 + i / 251);
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        size_t size = i + 1 == sizeof(all) / sizeof(all[0]) ? most : all[i], got = sizeof(out);
        memset(out, 0, sizeof(out));
        GOOD(rig_call(e, CALLS_ECHO, in, size, out, &got));
        assert_int_equal(got, size);
        assert_memory_equal(in, out, size);
    }
    REFUSED(call(CALLS_ECHO, in, most + 1), CELLA_ERR_LIMIT);
    REFUSED(call(0x80000000, NULL, 0), CELLA_ERR_USAGE); /* the ring's own */
    REFUSED(call(UINT32_MAX, NULL, 0), CELLA_ERR_USAGE);
    uint64_t sum = 0, want = 0;
    size_t got = sizeof(sum);
    for (size_t i = 0; i < most; i++) want += in[i];
    GOOD(rig_call(e, CALLS_SUM, in, most, &sum, &got));
    assert_true(sum == want);
}

static void back(void **state) {
    (void)state;
    uint8_t request[4 + 1000] = {CALLS_HOST_ECHO}, reply[1000];
    size_t got = sizeof(reply);
    for (size_t i = 4; i < sizeof(request); i++) request[i] = (uint8_t)i;
    GOOD(rig_call(e, CALLS_OCALL, request, sizeof(request), reply, &got));
    assert_int_equal(got, 1000);
    assert_memory_equal(reply, request + 4, 1000);
    request[0] = CALLS_HOST_NEST; /* in, out, in, and all the way back */
    got = sizeof(reply);
    GOOD(rig_call(e, CALLS_OCALL, request, sizeof(request), reply, &got));
    assert_int_equal(got, 1000);
    assert_memory_equal(reply, request + 4, 1000);
    uint64_t many = 10000;
    GOOD(call(CALLS_OCALLS, &many, sizeof(many)));
}

static void depth(void **state) {
    (void)state;
    for (uint32_t n = 0; n < 12; n++) {
        uint32_t request[2] = {CALLS_HOST_DEEP, n}, reply = 77;
        size_t size = sizeof(reply);
        GOOD(rig_call(e, CALLS_OCALL, request, sizeof(request), &reply, &size));
        assert_int_equal(size, sizeof(reply));
        assert_int_equal(reply, n < 8 ? n : 1007); /* the ninth is refused, and all unwinds */
    }
    GOOD(call(CALLS_EMPTY, NULL, 0));
}

/* ---- threads ---- */

enum { THREADS = 6, ROUNDS = 2000 };
static void *hammer(void *arg) {
    uint64_t seed = (uint64_t)(uintptr_t)arg, failures = 0;
    for (uint32_t i = 0; i < ROUNDS; i++) {
        uint8_t in[256], out[256];
        size_t size = (i * 13 + seed * 29) % sizeof(in), got = sizeof(out);
        memset(in, (int)(seed * 31 + i), sizeof(in));
        struct cella_result r = rig_call(e, CALLS_ECHO, in, size, out, &got);
        failures += cella_failed(r) || got != size || memcmp(in, out, size) != 0;
        cella_result_drop(r);
    }
    return (void *)(uintptr_t)failures;
}

static void threads(void **state) { /* more than slots: back-pressure */
    (void)state;
    pthread_t all[THREADS];
    void *failures;
    for (uintptr_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&all[i], NULL, hammer, (void *)i), 0);
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(all[i], &failures), 0);
        assert_null(failures);
    }
}

static void *sleeper(void *arg) {
    uint64_t ms = (uint64_t)(uintptr_t)arg;
    struct cella_result r = call(CALLS_SLEEP, &ms, sizeof(ms));
    uintptr_t code = cella_code_of(r);
    cella_result_drop(r);
    return (void *)code;
}

static void *seven_deep(void *arg) {
    uint32_t request[2] = {CALLS_HOST_DEEP, 7}, reply = 77;
    size_t size = sizeof(reply);
    (void)arg;
    cella_result_drop(rig_call(e, CALLS_OCALL, request, sizeof(request), &reply, &size));
    return (void *)(uintptr_t)reply;
}

static void fill_slots(pthread_t all[2], uintptr_t ms) {
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&all[i], NULL, sleeper, (void *)ms), 0);
    usleep(150000);
}
static uintptr_t join(pthread_t thread) {
    void *code;
    assert_int_equal(pthread_join(thread, &code), 0);
    return (uintptr_t)code;
}

static void busy(void **state) { /* all slots taken: refused, or waited for */
    (void)state;
    pthread_t all[2];
    start_with(&(struct cella_enclave_settings){.busy_fails = true});
    fill_slots(all, 500);
    REFUSED(call(CALLS_EMPTY, NULL, 0), CELLA_ERR_UNAVAILABLE);
    assert_int_equal(join(all[0]) + join(all[1]), 0);
    GOOD(call(CALLS_EMPTY, NULL, 0));
    stop(NULL);
    start(NULL);
    fill_slots(all, 500);
    GOOD(call(CALLS_EMPTY, NULL, 0));
    assert_int_equal(join(all[0]) + join(all[1]), 0);
    stop(NULL);
}

/* ---- time ---- */

static void timeouts(void **state) {
    (void)state;
    uint64_t ms = 600;
    uint32_t nap[2] = {CALLS_HOST_NAP};
    start_with(&(struct cella_enclave_settings){.timeout_ms = 150});
    double begin = seconds(CLOCK_MONOTONIC);
    REFUSED(call(CALLS_SLEEP, &ms, sizeof(ms)), CELLA_ERR_EXPIRED);
    assert_true(seconds(CLOCK_MONOTONIC) - begin < 0.5);
    GOOD(call(CALLS_EMPTY, NULL, 0)); /* by the other slot */
    REFUSED(call(CALLS_SLEEP, &ms, sizeof(ms)), CELLA_ERR_EXPIRED);
    REFUSED(call(CALLS_EMPTY, NULL, 0), CELLA_ERR_EXPIRED); /* both are still inside */
    usleep(600000);
    for (int i = 0; i < 10; i++) GOOD(call(CALLS_EMPTY, NULL, 0)); /* and came back */
    /* the enclave calls back when nobody waits any more: its call is cancelled, its slot comes back
     */
    REFUSED(call(CALLS_SLEEP_THEN_OCALL, &ms, sizeof(ms)), CELLA_ERR_EXPIRED);
    usleep(700000);
    assert_true(has_said("went on")); /* without another call */
    GOOD(call(CALLS_EMPTY, NULL, 0));
    usleep(50000);
    GOOD(call(CALLS_EMPTY, NULL, 0));
    /* a call within a call is late, and so is the one around it; both come back, cancelled inside
     */
    uint32_t nest[2] = {CALLS_HOST_NEST_LATE};
    REFUSED(call(CALLS_OCALL, nest, sizeof(nest)), CELLA_ERR_EXPIRED);
    assert_int_equal(nested_code, CELLA_ERR_EXPIRED);
    for (int i = 0; i < 5; i++) GOOD(call(CALLS_EMPTY, NULL, 0)); /* by the other slot */
    usleep(700000);
    /* and both slots are free again, down to their last level; a fresh thread takes the first one
     */
    pthread_t thread;
    GOOD(call(CALLS_EMPTY, NULL, 0));
    assert_int_equal(pthread_create(&thread, NULL, seven_deep, NULL), 0);
    assert_int_equal(join(thread), 7);
    assert_int_equal(pthread_create(&thread, NULL, sleeper, (void *)(uintptr_t)100), 0);
    usleep(20000);
    assert_int_equal((uintptr_t)seven_deep(NULL), 7);
    assert_int_equal(join(thread), 0);
    /* the host's own function took too long: the call it belongs to is not late, only long */
    struct cella_result r = call(CALLS_OCALL, nap, sizeof(nap));
    assert_true(!cella_failed(r) || cella_code_of(r) == CELLA_ERR_EXPIRED);
    cella_result_drop(r);
    usleep(50000);
    GOOD(call(CALLS_EMPTY, NULL, 0));
    stop(NULL);
}

/* Processor time of another process, in ticks of 10 ms. */
static unsigned long ticks_of(int pid) {
    char path[64], text[1024] = "";
    unsigned long user = 0, kernel = 0;
    snprintf(path, sizeof(path), "/proc/%d/stat", pid);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    assert_true(fread(text, 1, sizeof(text) - 1, f) > 0);
    fclose(f);
    /* after the name: state and ten more, then the two */
    char *at = strrchr(text, ')');
    assert_non_null(at);
    assert_int_equal(
        sscanf(at + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &kernel), 2);
    return user + kernel;
}

static void idle(void **state) { /* no CPU time on either side while nobody calls */
    (void)state;
    GOOD(call(CALLS_EMPTY, NULL, 0));
    usleep(50000);
    struct cella_enclave_facts facts;
    cella_enclave_describe(e, &facts);
    double begin = seconds(CLOCK_PROCESS_CPUTIME_ID);
    unsigned long ticks = ticks_of(facts.pid);
    usleep(500000);
    assert_true(seconds(CLOCK_PROCESS_CPUTIME_ID) - begin < 0.005);
    assert_in_range(ticks_of(facts.pid) - ticks, 0, 1);
    GOOD(call(CALLS_EMPTY, NULL, 0));
}

/* ---- ends ---- */

static void leaves(void **state) {
    (void)state;
    struct cella_enclave_end end;
    start(NULL);
    GOOD(call(CALLS_LOG, "a line of the enclave", 21));
    cella_enclave_destroy(e, 2000, &end);
    assert_true(!end.signalled && end.status == 42); /* main went on and returned */
    assert_string_equal(said, "a line of the enclave\n");
    start(NULL);
    cella_enclave_destroy(e, 0, &end);
    assert_true(end.signalled && end.status == 9);
    cella_enclave_destroy(NULL, 0, NULL);
}

static void exits(void **state) { /* the enclave ends in the middle of a call, or of two */
    (void)state;
    struct cella_enclave_end end;
    pthread_t all[2];
    uint64_t status = 7;
    start(NULL);
    assert_int_equal(pthread_create(&all[0], NULL, sleeper, (void *)(uintptr_t)60000), 0);
    usleep(100000);
    REFUSED(call(CALLS_EXIT, &status, sizeof(status)), CELLA_ERR_UNAVAILABLE);
    assert_int_equal(join(all[0]), CELLA_ERR_UNAVAILABLE);
    assert_false(cella_enclave_alive(e));
    struct cella_result r = call(CALLS_EMPTY, NULL, 0);
    assert_non_null(strstr(r.error->what, "its program exited with status 7"));
    cella_result_drop(r);
    REFUSED(call(CALLS_EMPTY, NULL, 0), CELLA_ERR_UNAVAILABLE);
    cella_enclave_destroy(e, 1000, &end);
    assert_true(!end.signalled && end.status == 7);
    start(NULL);
    REFUSED(call(CALLS_CRASH, NULL, 0), CELLA_ERR_UNAVAILABLE);
    cella_enclave_destroy(e, 1000, &end);
    assert_true(end.signalled && end.status == 4);
}

static void *spinner(void *arg) {
    (void)arg;
    struct cella_result r = call(CALLS_SPIN, NULL, 0);
    uintptr_t code = cella_code_of(r);
    cella_result_drop(r);
    return (void *)code;
}
static void kills(void **state) { /* destroyed while a call never ends */
    (void)state;
    struct cella_enclave_end end;
    pthread_t thread;
    start(NULL);
    assert_int_equal(pthread_create(&thread, NULL, spinner, NULL), 0);
    usleep(50000);
    double begin = seconds(CLOCK_MONOTONIC);
    cella_enclave_destroy(e, 200, &end);
    assert_true(seconds(CLOCK_MONOTONIC) - begin < 2);
    assert_int_equal(join(thread), CELLA_ERR_UNAVAILABLE);
    assert_true(end.signalled && end.status == 9);
}

static void breaks(void **state) { /* an enclave that is not to be believed, either */
    (void)state;
    for (uint64_t how = 0; how < 5; how++) {
        struct cella_enclave_end end;
        pthread_t other;
        start(NULL);
        assert_int_equal(pthread_create(&other, NULL, sleeper, (void *)(uintptr_t)60000), 0);
        usleep(30000);
        REFUSED(call(CALLS_BREAK, &how, sizeof(how)), CELLA_ERR_PROTOCOL);
        assert_int_equal(join(other), CELLA_ERR_PROTOCOL);
        REFUSED(call(CALLS_EMPTY, NULL, 0), CELLA_ERR_PROTOCOL);
        assert_false(cella_enclave_alive(e));
        cella_enclave_destroy(e, 1000, &end);
        assert_true(end.signalled && end.status == 9);
    }
    /* after its caller gave up: found by whoever looks after the slot */
    uint64_t later = 300;
    start_with(&(struct cella_enclave_settings){.timeout_ms = 100});
    REFUSED(call(CALLS_BREAK, &later, sizeof(later)), CELLA_ERR_EXPIRED);
    usleep(500000);
    REFUSED(call(CALLS_EMPTY, NULL, 0), CELLA_ERR_PROTOCOL);
    stop(NULL);
}

static void several(void **state) {
    (void)state;
    struct cella_enclave *first, *second;
    settings = (struct cella_enclave_settings){.cella = command, .log = keep_line};
    GOOD(cella_enclave_create(small_image, &settings, &first));
    GOOD(cella_enclave_create(small_image, &settings, &second));
    char text[6];
    size_t size = sizeof(text);
    GOOD(rig_call(first, CALLS_ECHO, "first", 6, text, &size));
    assert_string_equal(text, "first");
    GOOD(rig_call(second, CALLS_ECHO, "other", 6, text, &size));
    assert_string_equal(text, "other");
    cella_enclave_destroy(first, 1000, NULL);
    GOOD(rig_call(second, CALLS_ECHO, "still", 6, text, &size));
    cella_enclave_destroy(second, 1000, NULL);
}

/* Several threads make, use and end enclaves of their own; nothing is left of any. */
static void *maker(void *arg) {
    struct cella_enclave *own;
    struct cella_enclave_facts facts;
    (void)arg;
    for (int i = 0; i < 5; i++) {
        char text[6] = "";
        size_t size = sizeof(text);
        if (cella_failed(cella_enclave_create(small_image, &settings, &own))) return (void *)1;
        cella_enclave_describe(own, &facts);
        if (facts.pid <= 0 || facts.threads != 2 || facts.message_size != 65536 - 32)
            return (void *)2;
        cella_result_drop(rig_call(own, CALLS_ECHO, "maker", 6, text, &size));
        cella_enclave_destroy(own, 1000, NULL);
        if (strcmp(text, "maker") != 0) return (void *)3;
    }
    return NULL;
}
static int descriptors(void) {
    int count = 0;
    for (int fd = 0; fd < 256; fd++) count += fcntl(fd, F_GETFD) >= 0;
    return count;
}
static void makers(void **state) {
    (void)state;
    pthread_t all[3];
    settings = (struct cella_enclave_settings){.cella = command, .log = keep_line};
    int before = descriptors();
    for (int i = 0; i < 3; i++) assert_int_equal(pthread_create(&all[i], NULL, maker, NULL), 0);
    for (int i = 0; i < 3; i++) assert_int_equal(join(all[i]), 0);
    assert_int_equal(descriptors(), before);
}

/* What cannot be made says why, and leaves nothing. */
static void refusals(void **state) {
    (void)state;
    int before = descriptors();
    static char fast[] = "--fast", a[] = "A=1", *argument[] = {fast}, *variable[] = {a};
    static const char *const mount[] = {"/data=/tmp"};
    struct cella_enclave_settings s = {.cella = command};
    REFUSED(cella_enclave_create("/nowhere.cella", &s, &e), CELLA_ERR_NOT_FOUND);
    assert_null(e);
    REFUSED(cella_enclave_create("/dev/null", &s, &e), CELLA_ERR_FORMAT);
    REFUSED(cella_enclave_create(command, &s, &e), CELLA_ERR_FORMAT);
    s.args = argument, s.arg_count = 1;
    REFUSED(cella_enclave_create(image, &s, &e), CELLA_ERR_USAGE);
    s.arg_count = 0, s.envs = variable, s.env_count = 1;
    REFUSED(cella_enclave_create(image, &s, &e), CELLA_ERR_USAGE);
    s.env_count = 0, s.mounts = mount, s.mount_count = 1;
    REFUSED(cella_enclave_create(image, &s, &e), CELLA_ERR_USAGE);
    s = (struct cella_enclave_settings){.cella = "/nowhere/cella"};
    REFUSED(cella_enclave_create(image, &s, &e), CELLA_ERR_NOT_FOUND);
    s = (struct cella_enclave_settings){.no_start = true, .socket = "/tmp/nowhere/p.sock"};
    REFUSED(cella_enclave_create(image, &s, &e), CELLA_ERR_UNAVAILABLE);
    assert_null(e);
    assert_int_equal(descriptors(), before);
}

/* As many threads as an image can have, and more callers than that. */
enum { WIDE = 64, WIDE_CALLERS = 80 };
static uint32_t seen[WIDE];
static void *wide_caller(void *arg) {
    uint32_t index = WIDE;
    size_t size = sizeof(index);
    uintptr_t code = (uintptr_t)sleeper(arg);
    struct cella_result r = rig_call(e, CALLS_THREAD, NULL, 0, &index, &size);
    if (!cella_failed(r) && index < WIDE) __atomic_add_fetch(&seen[index], 1, __ATOMIC_SEQ_CST);
    cella_result_drop(r);
    return (void *)code;
}
static void wide(void **state) {
    (void)state;
    pthread_t all[WIDE_CALLERS];
    uint32_t calls = 0, used = 0;
    for (int i = 0; i < WIDE_CALLERS; i++)
        assert_int_equal(pthread_create(&all[i], NULL, wide_caller, (void *)(uintptr_t)300), 0);
    for (int i = 0; i < WIDE_CALLERS; i++) assert_int_equal(join(all[i]), 0);
    for (int i = 0; i < WIDE; i++) {
        calls += seen[i];
        used += seen[i] > 0;
    }
    assert_true(calls == WIDE_CALLERS && used > WIDE / 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)
int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        TEST(sizes),
        TEST(back),
        TEST(depth),
        TEST(threads),
        TEST(idle),
        cmocka_unit_test(busy),
        cmocka_unit_test(timeouts),
        cmocka_unit_test(leaves),
        cmocka_unit_test(exits),
        cmocka_unit_test(kills),
        cmocka_unit_test(breaks),
        cmocka_unit_test(several),
        cmocka_unit_test(makers),
        cmocka_unit_test(refusals),
    };
    const struct CMUnitTest widest[] = {TEST(wide)};
    if (argc < 3) return 2;
    command = argv[1];
    image = argv[2];
    if (argc == 3) return cmocka_run_group_tests(widest, NULL, NULL);
    small_image = argv[3];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
