/* What sessions for reading keep is never older than what a query would give. */
#include "store_test.h"

#include <pthread.h>
#include <sys/wait.h>

static int freed;
static void free_number(void *object) {
    free(object);
    freed++;
}

/* How many numbers there are: by what was kept, else counted and kept. */
static int64_t count_kept(struct cella_session *s, bool *kept) {
    int64_t *object = cella_session_recall(s, cella_bytes_text("count"));
    *kept = object != NULL;
    if (object) return *object;
    object = malloc(sizeof(*object));
    *object = ask(s, "SELECT COUNT(*) FROM test_number");
    int64_t count = *object;
    cella_session_keep(s, cella_bytes_text("count"), object, free_number);
    return count;
}
static int64_t count_once(struct cella_database *d, bool *kept) {
    CELLA_SESSION s = NULL;
    GOOD(cella_session_begin(d, false, &s));
    return count_kept(s, kept);
}
#define COUNTS(d, number, was_kept)                                                                \
    do {                                                                                           \
        bool kept_;                                                                                \
        assert_int_equal(count_once((d), &kept_), (number));                                       \
        assert_int_equal(kept_, (was_kept));                                                       \
    } while (0)

static void what_is_kept_is_found_until_a_change(void **state) {
    const struct place *p = *state;
    struct cella_database *d = NULL, *other = NULL;
    open_numbers(p->database, &d);
    GOOD(cella_database_open(p->database, &other));
    COUNTS(d, 0, false);
    COUNTS(d, 0, true);
    COUNTS(other, 0, false); /* each its own */
    GOOD(insert_alone(d, 1, cella_bytes(NULL, 0)));
    COUNTS(d, 1, false);
    COUNTS(d, 1, true);
    COUNTS(other, 1, false);
    GOOD(insert_alone(other, 2, cella_bytes(NULL, 0)));
    COUNTS(d, 2, false);
    COUNTS(other, 2, false);
    COUNTS(other, 2, true);
    cella_database_close(&other);
    cella_database_close(&d);
}

static void another_process_changes_it(void **state) {
    const struct place *p = *state;
    int status = -1;
    struct cella_database *d = NULL;
    open_numbers(p->database, &d);
    for (int i = 0; i < 20; i++) {
        COUNTS(d, i, false);
        COUNTS(d, i, true);
        pid_t child = fork();
        if (child == 0) {
            struct cella_database *own = NULL;
            struct cella_result r = cella_database_open(p->database, &own);
            if (!cella_failed(r)) r = insert_alone(own, i, cella_bytes(NULL, 0));
            _exit(cella_failed(r));
        }
        assert_true(child > 0 && waitpid(child, &status, 0) == child);
        assert_int_equal(status, 0);
    }
    COUNTS(d, 20, false);
    cella_database_close(&d);
}

/* A session that began before a change sees what was, kept or not; the next one what is. */
static void a_session_is_one_moment(void **state) {
    const struct place *p = *state;
    CELLA_DATABASE d = NULL;
    struct cella_session *s = NULL;
    bool kept = false;
    open_numbers(p->database, &d);
    COUNTS(d, 0, false);
    GOOD(cella_session_begin(d, false, &s));
    GOOD(insert_alone(d, 1, cella_bytes(NULL, 0)));
    assert_int_equal(ask(s, "SELECT COUNT(*) FROM test_number"), 0);
    assert_int_equal(count_kept(s, &kept), 0);
    assert_true(kept);
    cella_session_end(&s);
    COUNTS(d, 1, false);
}

/* What is undone changed nothing; what writers see before they commit is nobody else's. */
static void sessions_that_write_keep_nothing(void **state) {
    const struct place *p = *state;
    CELLA_DATABASE d = NULL;
    struct cella_session *s = NULL;
    bool kept = false;
    open_numbers(p->database, &d);
    COUNTS(d, 0, false);
    for (int i = 0; i < 2; i++) {
        GOOD(cella_session_begin(d, true, &s));
        GOOD(insert(s, 1, cella_bytes(NULL, 0)));
        assert_int_equal(count_kept(s, &kept), 1);
        assert_false(kept);
        cella_session_end(&s);
        COUNTS(d, 0, true);
    }
}

/* Keys are found whole; those that share a place replace each other; all is freed. */
static void many_keys(void **state) {
    const struct place *p = *state;
    enum { KEYS = 10000 };
    struct cella_database *d = NULL;
    struct cella_session *s = NULL;
    char key[32];
    int found = 0;
    open_numbers(p->database, &d);
    freed = 0;
    GOOD(cella_session_begin(d, false, &s));
    for (int i = 0; i < KEYS; i++) {
        int *object = malloc(sizeof(*object));
        *object = i;
        snprintf(key, sizeof(key), "key %d", i);
        cella_session_keep(s, cella_bytes_text(key), object, free_number);
        assert_int_equal(*(int *)cella_session_recall(s, cella_bytes_text(key)), i);
    }
    for (int i = 0; i < KEYS; i++) {
        snprintf(key, sizeof(key), "key %d", i);
        const int *object = cella_session_recall(s, cella_bytes_text(key));
        if (object) assert_int_equal(*object, i);
        found += object != NULL;
    }
    assert_true(found > 100 && found < KEYS);
    assert_int_equal(found, KEYS - freed);
    cella_session_keep(s, cella_bytes(NULL, 0), malloc(8), free_number); /* no key: not kept */
    assert_null(cella_session_recall(s, cella_bytes(NULL, 0)));
    cella_session_end(&s);
    cella_database_close(&d);
    assert_int_equal(freed, KEYS + 1);
}

struct shared {
    struct cella_database *database;
    int64_t least; /* committed */
    bool done;
};
static void *read_on(void *context) {
    struct shared *shared = context;
    bool kept;
    while (!__atomic_load_n(&shared->done, __ATOMIC_SEQ_CST)) {
        int64_t least = __atomic_load_n(&shared->least, __ATOMIC_SEQ_CST);
        if (count_once(shared->database, &kept) < least) return shared;
    }
    return NULL;
}
static void threads_see_every_commit(void **state) {
    const struct place *p = *state;
    CELLA_DATABASE d = NULL;
    pthread_t thread[3];
    void *fault = NULL;
    open_numbers(p->database, &d);
    struct shared shared = {.database = d};
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, read_on, &shared), 0);
    for (int i = 1; i <= 200; i++) {
        GOOD(insert_alone(d, i, cella_bytes(NULL, 0)));
        __atomic_store_n(&shared.least, i, __ATOMIC_SEQ_CST);
    }
    __atomic_store_n(&shared.done, true, __ATOMIC_SEQ_CST);
    for (int i = 0; i < 3; i++) {
        pthread_join(thread[i], &fault);
        assert_null(fault);
    }
}

#define PLACED(test) cmocka_unit_test_setup_teardown(test, place_make, place_remove)
int main(void) {
    const struct CMUnitTest tests[] = {
        PLACED(what_is_kept_is_found_until_a_change),
        PLACED(another_process_changes_it),
        PLACED(a_session_is_one_moment),
        PLACED(sessions_that_write_keep_nothing),
        PLACED(many_keys),
        PLACED(threads_see_every_commit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
