/* A host that lies about time and randomness: monotonic clocks stand still rather than go back
 * (R42), values outside their legal set end the enclave (R40), bytes that repeat are refused at
 * start (R43). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants those first */
#include <linux/time.h>
#include <string.h>
#include <cmocka.h>

#include "shim/core.h"

struct shim_state shim;
static struct shim_thread self;
static int64_t host_s, host_ns;
static long host_result, random_result;
static int random_constant;
static jmp_buf on_abort;

long shim_syscall(long number, long a, long b, long c, long d, long e, long f) {
    static uint32_t next = 1;
    (void)c, (void)d, (void)e, (void)f;
    if (number == __NR_clock_gettime) {
        int64_t t[2] = {host_s, host_ns};
        memcpy((void *)b, t, sizeof t);
        return host_result;
    }
    assert_int_equal(number, __NR_getrandom);
    for (long i = 0; i < b; i++)
        ((uint8_t *)a)[i] =
            random_constant ? 0x55 : (uint8_t)((next = next * 1103515245 + 12345) >> 16);
    return random_result ? random_result : b;
}
long shim_syscall_wait(long number, long a, long b, long c, long d, long e, long f) {
    (void)number, (void)a, (void)b, (void)c, (void)d, (void)e, (void)f;
    return host_result;
}
void shim_lock(struct shim_lock *lock) { (void)lock; }
void shim_unlock(struct shim_lock *lock) { (void)lock; }
struct shim_thread *shim_thread_current(void) {
    return &self;
}
uint32_t shim_pid(void) { return 4711; }
bool shim_readable(const void *p, uint64_t n) { return n == 0 || p != NULL; }
bool shim_writable(void *p, uint64_t n) { return n == 0 || p != NULL; }
void shim_abort(const char *format, ...) {
    (void)format;
    longjmp(on_abort, 1);
}
long shim_check_zero(long result, const char *what) { return shim_check_range(result, 0, what); }
long shim_check_range(long result, long max, const char *what) {
    if (result > max || result < -4095) shim_broken_contract(what);
    return result;
}

#define ABORTS(statement)                                                                          \
    ({                                                                                             \
        volatile bool aborted = true;                                                              \
        if (setjmp(on_abort) == 0) {                                                               \
            statement;                                                                             \
            aborted = false;                                                                       \
        }                                                                                          \
        aborted;                                                                                   \
    })

static long get(long clock, int64_t out[2]) {
    const long a[6] = {clock, (long)out};
    return shim_sys_clock_gettime(a);
}
static void host_says(int64_t s, int64_t ns) {
    host_s = s;
    host_ns = ns;
}

static void test_monotonic(void **state) {
    (void)state;
    static const long clocks[] = {CLOCK_MONOTONIC, CLOCK_MONOTONIC_RAW, CLOCK_MONOTONIC_COARSE,
                                  CLOCK_BOOTTIME};
    int64_t t[2];
    for (size_t i = 0; i < 4; i++) {
        host_says(1000, 5);
        assert_int_equal(get(clocks[i], t), 0);
        host_says(0, 1); /* back to the epoch */
        assert_int_equal(get(clocks[i], t), 0);
        assert_true(t[0] == 1000 && t[1] == 5);
        host_says(1000, 6);
        assert_int_equal(get(clocks[i], t), 0);
        assert_true(t[0] == 1000 && t[1] == 6);
    }
    host_says(50, 0); /* the time of day is what the host says */
    assert_int_equal(get(CLOCK_REALTIME, t), 0);
    assert_int_equal(t[0], 50);
}

static void test_contract(void **state) {
    (void)state;
    static const int64_t bad[][2] = {{-1, 0},        {0, -1},        {0, 1000000000},
                                     {INT64_MIN, 0}, {INT64_MAX, 0}, {0, INT64_MAX}};
    int64_t t[2];
    for (volatile size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        host_says(bad[i][0], bad[i][1]);
        assert_true(ABORTS((void)get(CLOCK_REALTIME, t)));
    }
    host_says(1, 1);
    static const long results[] = {1, -1, -EINVAL, -4096, INT64_MIN, INT64_MAX};
    for (volatile size_t i = 0; i < sizeof results / sizeof results[0]; i++) {
        host_result = results[i];
        assert_true(ABORTS((void)get(CLOCK_REALTIME, t)));
    }
    host_result = 0;
    assert_int_equal(get(99, t), -EINVAL);
    assert_int_equal(get(~4711L * 8 + 2, t), 0); /* its own process; no other */
    assert_int_equal(get(~4712L * 8 + 2, t), -EINVAL);
    assert_int_equal(get(CLOCK_REALTIME, NULL), -EFAULT);
}

static void test_sleep(void **state) {
    (void)state;
    static const int64_t bad[][2] = {{-1, 0}, {0, -1}, {0, 1000000000}};
    int64_t t[2] = {1, 0};
    const long a[6] = {(long)t, 0}, none[6] = {0};
    host_says(2000, 0);
    assert_int_equal(shim_sys_nanosleep(a), 0);
    assert_int_equal(shim_sys_nanosleep(none), -EFAULT);
    for (size_t i = 0; i < 3; i++) {
        memcpy(t, bad[i], sizeof t);
        assert_int_equal(shim_sys_nanosleep(a), -EINVAL);
    }
    t[0] = INT64_MAX, t[1] = 0; /* for ever: no overflow */
    assert_int_equal(shim_sys_nanosleep(a), 0);
    host_result = 1;
    assert_true(ABORTS((void)shim_sys_nanosleep(a)));
    host_result = 0;
}

static bool refused(struct cella_result r) {
    bool failed = cella_failed(r);
    cella_result_drop(r);
    return failed;
}

static void test_random(void **state) {
    (void)state;
    uint8_t seed[64], zero[64] = {0}, one[32], two[32];
    for (int i = 0; i < 64; i++) seed[i] = (uint8_t)(i * 3 + 1);
    assert_true(refused(shim_random_init(zero))); /* a loader whose bytes repeat */
    random_constant = 1;
    assert_true(refused(shim_random_init(seed))); /* a kernel whose bytes repeat */
    random_constant = 0;
    random_result = 1; /* short */
    assert_true(ABORTS(cella_result_drop(shim_random_init(seed))));
    random_result = -EIO;
    assert_true(ABORTS(cella_result_drop(shim_random_init(seed))));
    random_result = 0;
    assert_false(refused(shim_random_init(seed)));
    assert_true(shim_random(one, sizeof one) && shim_random(two, sizeof two));
    assert_memory_not_equal(one, two, sizeof one);
    assert_false(
        refused(shim_random_init(seed))); /* same host bytes: RDRAND still makes a difference */
    assert_true(shim_random(two, sizeof two));
    assert_memory_not_equal(one, two, sizeof one);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_monotonic),
                                       cmocka_unit_test(test_contract),
                                       cmocka_unit_test(test_sleep), cmocka_unit_test(test_random)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
