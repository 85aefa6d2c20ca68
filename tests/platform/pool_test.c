#include "cmocka_all.h"

#include <linux/capability.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "platform/pool.h"

enum { PAGE = 4096, PAGES = 64 };

static void fresh(struct cella_pool *pool) {
    assert_ok(cella_pool_new_insecure_for_test(PAGES * PAGE, pool));
}

static void test_begins_dirty_and_scrubs(void **state) {
    (void)state;
    struct cella_pool pool;
    fresh(&pool);
    assert_int_equal(pool.dirty_pages, PAGES);
    assert_true(cella_pool_scrub(&pool, 10));
    assert_int_equal(pool.free_pages, 10);
    assert_false(cella_pool_scrub(&pool, 1000));
    assert_int_equal(pool.free_pages, PAGES);
    cella_pool_free(&pool);
}

/* T11, R51: what one enclave left, also by a crash, the next never sees, scrubbed in between or
 * not. */
static void test_canary_is_gone(void **state) {
    (void)state;
    struct cella_pool pool;
    fresh(&pool);
    for (int round = 0; round < 8; round++) {
        uint64_t first;
        assert_ok(cella_pool_take(&pool, 40, &first));
        uint8_t *slice = pool.memory + first * PAGE;
        for (size_t i = 0; i < 40 * PAGE; i++) assert_int_equal(slice[i], 0);
        memset(slice, 0xa5, 40 * PAGE);
        cella_pool_give_back(&pool, first, 40);
        if (round % 2) (void)cella_pool_scrub(&pool, (uint64_t)round * 7);
    }
    cella_pool_free(&pool);
}

static void test_free_only_after_scrub(void **state) {
    (void)state;
    struct cella_pool pool;
    fresh(&pool);
    (void)cella_pool_scrub(&pool, PAGES);
    uint64_t first;
    assert_ok(cella_pool_take(&pool, 8, &first));
    assert_int_equal(pool.free_pages, PAGES - 8);
    cella_pool_give_back(&pool, first, 8);
    assert_int_equal(pool.free_pages, PAGES - 8); /* given back is not free yet */
    assert_int_equal(pool.dirty_pages, 8);
    cella_pool_give_back(&pool, first, 8); /* twice changes nothing */
    assert_int_equal(pool.dirty_pages, 8);
    assert_false(cella_pool_scrub(&pool, 8));
    assert_int_equal(pool.free_pages, PAGES);
    cella_pool_free(&pool);
}

static void test_slices_never_overlap(void **state) {
    (void)state;
    struct cella_pool pool;
    fresh(&pool);
    struct {
        uint64_t first, pages;
    } held[16] = {{0}};
    uint32_t seed = 1;
    for (int round = 0; round < 4000; round++) {
        seed = seed * 1664525 + 1013904223;
        unsigned i = seed >> 28;
        if (held[i].pages) {
            uint8_t *p = pool.memory + held[i].first * PAGE;
            for (uint64_t k = 0; k < held[i].pages; k++)
                assert_int_equal(p[k * PAGE], i + 1); /* nobody else wrote it */
            cella_pool_give_back(&pool, held[i].first, held[i].pages);
            held[i].pages = 0;
            continue;
        }
        uint64_t pages = 1 + (seed >> 20) % 12;
        struct cella_result r = cella_pool_take(&pool, pages, &held[i].first);
        if (!cella_failed(r)) {
            held[i].pages = pages;
            for (uint64_t k = 0; k < pages; k++) {
                uint8_t *p = pool.memory + (held[i].first + k) * PAGE;
                assert_int_equal(*p, 0);
                *p = (uint8_t)(i + 1);
            }
        }
        cella_result_drop(r);
    }
    cella_pool_free(&pool);
}

static void test_refuses_clearly(void **state) {
    (void)state;
    struct cella_pool pool;
    fresh(&pool);
    uint64_t first, second;
    assert_code(CELLA_ERR_UNAVAILABLE, cella_pool_take(&pool, PAGES + 1, &first));
    assert_code(CELLA_ERR_UNAVAILABLE, cella_pool_take(&pool, 0, &first));
    assert_code(CELLA_ERR_UNAVAILABLE, cella_pool_take(&pool, UINT64_MAX, &first));
    assert_ok(cella_pool_take(&pool, 40, &first));
    struct cella_result r = cella_pool_take(&pool, 40, &second);
    assert_int_equal(cella_code_of(r), CELLA_ERR_UNAVAILABLE);
    assert_non_null(strstr(r.error->what, "160 KiB"));
    assert_non_null(strstr(r.error->what, "largest piece has 96 KiB"));
    assert_non_null(r.error->hint);
    cella_result_drop(r);
    cella_pool_free(&pool);
}

/* With a lock limit of one page, as an ordinary user: a clear refusal, and what is affordable is
 * used. */
static void test_lock_limit(void **state) {
    (void)state;
    pid_t pid = fork();
    if (pid == 0) {
        struct cella_pool pool;
        struct rlimit limit = {8 * PAGE, 8 * PAGE};
        if (setrlimit(RLIMIT_MEMLOCK, &limit) != 0) _exit(3);
        if (geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0)) _exit(3);
        if (cella_pool_affordable(PAGES * PAGE) != 8 * PAGE) _exit(4);
        struct cella_result r = cella_pool_new(PAGES * PAGE, &pool);
        bool clear = cella_code_of(r) == CELLA_ERR_UNAVAILABLE && r.error->hint;
        if (clear && strstr(r.error->what, "no secret memory"))
            _exit(77); /* this kernel has none */
        if (!clear || !strstr(r.error->what, "256 KiB")) _exit(5);
        if (cella_failed(cella_pool_new(8 * PAGE, &pool))) _exit(6);
        uint64_t first;
        if (cella_failed(cella_pool_take(&pool, 8, &first))) _exit(7);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77) skip();
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* ---- who may lock more than the limit: each case in a child with a limit of eight pages ---- */
enum { CHILD_SKIPS = 77 };

static void keep_capabilities(uint64_t keep) {
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {{0}};
    if (syscall(SYS_capget, &header, data) != 0) _exit(3);
    for (int i = 0; i < 2; i++) data[i].effective &= (uint32_t)(keep >> 32 * i);
    if (syscall(SYS_capset, &header, data) != 0) _exit(3);
}

/* Child: what is affordable is also what a pool gets, and is as expected. */
static int take_what_is_affordable(uint64_t expected) {
    struct cella_pool pool;
    if (cella_pool_affordable(PAGES * PAGE) != expected) return 4;
    struct cella_result r = cella_pool_new(PAGES * PAGE, &pool);
    bool got = cella_code_of(r) == CELLA_OK;
    cella_result_drop(r);
    return got == (expected == PAGES * PAGE) ? 0 : 5;
}

static int with_lock_alone(void) {
    keep_capabilities(1ULL << CAP_IPC_LOCK);
    return take_what_is_affordable(PAGES * PAGE);
}
static int with_all_but_lock_and_resource(void) {
    keep_capabilities(~(1ULL << CAP_IPC_LOCK | 1ULL << CAP_SYS_RESOURCE));
    return take_what_is_affordable(8 * PAGE);
}
/* All capabilities, but in a namespace of its own, where the kernel does not count them here. */
static int in_namespace(void) {
    if (setgid(65534) != 0 || setuid(65534) != 0) return 3;
    if (unshare(CLONE_NEWUSER) != 0) return CHILD_SKIPS;
    return take_what_is_affordable(8 * PAGE);
}

static void in_child(int (*body)(void)) {
    if (geteuid() != 0) skip();
    int fd = (int)syscall(SYS_memfd_secret, 0);
    if (fd < 0) skip();
    close(fd);
    pid_t pid = fork();
    if (pid == 0) {
        struct rlimit limit = {8 * PAGE, 8 * PAGE};
        _exit(setrlimit(RLIMIT_MEMLOCK, &limit) == 0 ? body() : 3);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == CHILD_SKIPS) skip();
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_lock_capability(void **state) {
    (void)state;
    in_child(with_lock_alone);
}
static void test_no_lock_capability(void **state) {
    (void)state;
    in_child(with_all_but_lock_and_resource);
}
static void test_namespace_capability(void **state) {
    (void)state;
    in_child(in_namespace);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_begins_dirty_and_scrubs), cmocka_unit_test(test_canary_is_gone),
        cmocka_unit_test(test_free_only_after_scrub),   cmocka_unit_test(test_slices_never_overlap),
        cmocka_unit_test(test_refuses_clearly),         cmocka_unit_test(test_lock_limit),
        cmocka_unit_test(test_lock_capability),         cmocka_unit_test(test_no_lock_capability),
        cmocka_unit_test(test_namespace_capability),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
