/* Secrets begin as zeros, alone on locked pages that no core dump has, also those that were
 * another's before. */
#include "base/secret.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../results.h"

static bool all_zero(const struct cella_secret *s) {
    for (size_t i = 0; i < s->size; i++)
        if (s->data[i]) return false;
    return true;
}

static void sizes(void **state) {
    static const size_t good[] = {1, 32, 4095, 4096, 4097, 1 << 20}, bad[] = {0, (1 << 20) + 1};
    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        CELLA_SECRET s = {0};
        GOOD(cella_secret_new(good[i], &s));
        assert_int_equal(s.size, good[i]);
        assert_true(all_zero(&s));
        memset(s.data, 0xff, s.size);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        CELLA_SECRET s = {0};
        REFUSED(cella_secret_new(bad[i], &s), CELLA_ERR_LIMIT);
        assert_null(s.data);
    }
}

/* Pages come again, wiped; those in use never do. */
static void pages_come_again_wiped(void **state) {
    enum { MANY = 600 };
    static struct cella_secret secret[MANY];
    (void)state;
    for (int round = 0; round < 4; round++) {
        for (size_t i = 0; i < MANY; i++) {
            GOOD(cella_secret_new(1 + i * 7 % 4096, &secret[i]));
            assert_true(all_zero(&secret[i]));
            memset(secret[i].data, (int)(i % 255 + 1), secret[i].size);
        }
        for (size_t i = 0; i < MANY; i++) {
            for (size_t j = 0; j < secret[i].size; j++)
                assert_int_equal(secret[i].data[j], i % 255 + 1);
            cella_secret_free(&secret[i]);
            assert_null(secret[i].data);
        }
    }
    /* whatever an owner made of its size, and wherever in its page it wrote */
    struct cella_secret s = {0};
    GOOD(cella_secret_new(64, &s));
    memset(s.data, 0xff, 4096);
    s.size = 1;
    cella_secret_free(&s);
    for (size_t i = 0; i < MANY; i++) {
        GOOD(cella_secret_new(4096, &secret[i]));
        assert_true(all_zero(&secret[i]));
    }
    for (size_t i = 0; i < MANY; i++) cella_secret_free(&secret[i]);
}

/* What the kernel says of a page; "lo" among its flags is locked, "dd" not dumped. */
static bool flag(const void *page, const char *name) {
    char line[512];
    bool inside = false, found = false;
    unsigned long from, to, at = (unsigned long)page;
    FILE *file = fopen("/proc/self/smaps", "r");
    while (file && fgets(line, sizeof(line), file)) {
        if (sscanf(line, "%lx-%lx ", &from, &to) == 2) inside = at >= from && at < to;
        if (inside && strncmp(line, "VmFlags:", 8) == 0) found = strstr(line, name) != NULL;
    }
    if (file) fclose(file);
    return found;
}

static void pages_are_locked_and_not_dumped(void **state) {
    (void)state;
    for (int i = 0; i < 3; i++) {
        CELLA_SECRET s = {0};
        GOOD(cella_secret_new(32, &s));
        assert_true(flag(s.data, " dd"));
        if (!flag(s.data, " lo")) skip(); /* this user may lock none */
    }
}

/* A child has the parent's spare pages, but not their locks: it makes its own. */
static void a_fork_begins_anew(void **state) {
    int status = -1;
    struct cella_secret s = {0};
    (void)state;
    GOOD(cella_secret_new(32, &s));
    bool locks = flag(s.data, " lo");
    cella_secret_free(&s);
    pid_t child = fork();
    if (child == 0) {
        for (int i = 0; i < 3; i++) {
            struct cella_result r = cella_secret_new(32, &s);
            if (cella_failed(r) || !flag(s.data, " dd") || (locks && !flag(s.data, " lo")))
                _exit(1);
            cella_secret_free(&s);
        }
        _exit(0);
    }
    assert_true(child > 0 && waitpid(child, &status, 0) == child);
    assert_int_equal(status, 0);
}

static void *take_and_give(void *context) {
    uint8_t mine = *(uint8_t *)context;
    for (int i = 0; i < 20000; i++) {
        struct cella_secret s = {0};
        struct cella_result r = cella_secret_new(64, &s);
        if (cella_failed(r) || !all_zero(&s)) return context;
        memset(s.data, mine, s.size);
        for (size_t j = 0; j < s.size; j++)
            if (s.data[j] != mine) return context;
        cella_secret_free(&s);
    }
    return NULL;
}

static void threads_have_their_own(void **state) {
    pthread_t thread[4];
    uint8_t mark[4] = {1, 2, 3, 4};
    void *fault = NULL;
    (void)state;
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, take_and_give, &mark[i]), 0);
    for (int i = 0; i < 4; i++) {
        pthread_join(thread[i], &fault);
        assert_null(fault);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes),
        cmocka_unit_test(pages_come_again_wiped),
        cmocka_unit_test(pages_are_locked_and_not_dumped),
        cmocka_unit_test(a_fork_begins_anew),
        cmocka_unit_test(threads_have_their_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
