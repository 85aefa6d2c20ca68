/* What sessions and statements promise, and what is refused. */
#include "store_test.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <time.h>

#include "base/memory.h"

/* --- Values --- */

static void values_come_back_as_they_went(void **state) {
    const struct place *p = *state;
    static const char *const steps[] = {
        "CREATE TABLE value_one (k BIGINT PRIMARY KEY, i BIGINT, t TEXT, b BLOB)"};
    static const uint8_t bytes[] = {0, 1, 255, 0, '\''};
    CELLA_DATABASE d = NULL;
    CELLA_SESSION s = NULL;
    CELLA_ROWS rows = NULL;
    bool there = false;
    char text[64], little[4];
    GOOD(cella_database_open(p->database, &d));
    GOOD(cella_database_migrate(d, "value", steps, 1));
    GOOD(cella_session_begin(d, true, &s));
    const struct cella_value rows_in[][4] = {
        {cella_value_integer(1), cella_value_integer(INT64_MIN),
         cella_value_text("Gr\xc3\xbc\xc3\x9f'e; --"), cella_value_bytes(CELLA_BYTES_OF(bytes))},
        {cella_value_integer(2), cella_value_integer(INT64_MAX), cella_value_text(""),
         cella_value_bytes(cella_bytes(NULL, 0))},
        {cella_value_integer(3),
         {.type = CELLA_VALUE_NULL},
         cella_value_text(NULL),
         {.type = CELLA_VALUE_NULL}}};
    for (size_t i = 0; i < 3; i++)
        GOOD(cella_execute(s, "INSERT INTO value_one VALUES (?, ?, ?, ?)", rows_in[i], 4, NULL));
    GOOD(cella_query(s, "SELECT i, t, b FROM value_one ORDER BY k", NULL, 0, &rows));

    GOOD(cella_rows_next(rows, &there));
    assert_true(there && cella_rows_integer(rows, 0) == INT64_MIN);
    assert_true(cella_rows_text(rows, 1, text, sizeof(text)));
    assert_string_equal(text, "Gr\xc3\xbc\xc3\x9f'e; --");
    assert_false(cella_rows_text(rows, 1, little, sizeof(little)));
    assert_string_equal(little, "Gr\xc3");
    assert_int_equal(cella_rows_bytes(rows, 2).size, sizeof(bytes));
    assert_memory_equal(cella_rows_bytes(rows, 2).data, bytes, sizeof(bytes));

    GOOD(cella_rows_next(rows, &there));
    assert_true(there && cella_rows_integer(rows, 0) == INT64_MAX);
    assert_false(cella_rows_null(rows, 1)); /* empty is not absent */
    assert_false(cella_rows_null(rows, 2));
    assert_int_equal(cella_rows_bytes(rows, 2).size, 0);

    GOOD(cella_rows_next(rows, &there));
    assert_true(there);
    for (unsigned i = 0; i < 3; i++) assert_true(cella_rows_null(rows, i));
    GOOD(cella_rows_next(rows, &there));
    assert_false(there);
    assert_int_equal(cella_rows_integer(rows, 0), 0);
    assert_true(cella_rows_null(rows, 0));
}

static void statements_that_are_off_are_refused(void **state) {
    const struct place *p = *state;
    const struct cella_value one = cella_value_integer(1);
    const struct cella_value nul = {.type = CELLA_VALUE_TEXT, .bytes = cella_bytes("a\0b", 3)};
    CELLA_DATABASE d = NULL;
    CELLA_SESSION s = NULL;
    CELLA_ROWS rows = NULL;
    open_numbers(p->database, &d);
    GOOD(cella_session_begin(d, true, &s));
    REFUSED(cella_execute(s, "DELETE FROM absent", NULL, 0, NULL), CELLA_ERR_INTERNAL);
    REFUSED(cella_execute(s, "", NULL, 0, NULL), CELLA_ERR_INTERNAL);
    REFUSED(cella_execute(s, "SELECT 1", NULL, 0, NULL), CELLA_ERR_INTERNAL);
    REFUSED(cella_execute(s, "DELETE FROM test_number; DROP TABLE test_number", NULL, 0, NULL),
            CELLA_ERR_INTERNAL);
    REFUSED(cella_execute(s, "DELETE FROM test_number WHERE number = ?", NULL, 0, NULL),
            CELLA_ERR_INTERNAL);
    REFUSED(cella_execute(s, "DELETE FROM test_number", &one, 1, NULL), CELLA_ERR_INTERNAL);
    REFUSED(cella_execute(s, "DELETE FROM test_number WHERE content = ?", &nul, 1, NULL),
            CELLA_ERR_FORMAT);
    /* "double quotes" are names and never a text by mistake */
    REFUSED(cella_query(s, "SELECT \"nothing\"", NULL, 0, &rows), CELLA_ERR_INTERNAL);
    GOOD(insert(s, 1, cella_bytes(NULL, 0))); /* and the session goes on */
    GOOD(cella_session_commit(&s));
    assert_int_equal(count_alone(d), 1);
}

static void keys_that_are_there_are_told(void **state) {
    const struct place *p = *state;
    uint64_t changed = 7;
    CELLA_DATABASE d = NULL;
    CELLA_SESSION s = NULL;
    open_numbers(p->database, &d);
    GOOD(cella_session_begin(d, true, &s));
    GOOD(insert(s, 1, cella_bytes(NULL, 0)));
    REFUSED(insert(s, 1, cella_bytes(NULL, 0)), CELLA_ERR_EXISTS);
    GOOD(insert(s, 2, cella_bytes(NULL, 0)));
    GOOD(cella_execute(s, "DELETE FROM test_number WHERE number > 5", NULL, 0, &changed));
    assert_int_equal(changed, 0);
    GOOD(cella_execute(s, "UPDATE test_number SET content = NULL", NULL, 0, &changed));
    assert_int_equal(changed, 2);
    GOOD(cella_session_commit(&s));
    assert_int_equal(count_alone(d), 2);
}

static void foreign_keys_hold(void **state) {
    const struct place *p = *state;
    static const char *const steps[] = {
        "CREATE TABLE owner_one (id BIGINT PRIMARY KEY);"
        "CREATE TABLE owner_thing (owner BIGINT NOT NULL REFERENCES owner_one (id));"};
    CELLA_DATABASE d = NULL;
    CELLA_SESSION s = NULL;
    GOOD(cella_database_open(p->database, &d));
    GOOD(cella_database_migrate(d, "owner", steps, 1));
    GOOD(cella_session_begin(d, true, &s));
    REFUSED(cella_execute(s, "INSERT INTO owner_thing VALUES (1)", NULL, 0, NULL),
            CELLA_ERR_REFUSED);
}

/* --- Sessions --- */

static void what_is_not_committed_is_undone(void **state) {
    const struct place *p = *state;
    CELLA_DATABASE d = NULL;
    open_numbers(p->database, &d);
    {
        CELLA_SESSION s = NULL;
        GOOD(cella_session_begin(d, true, &s));
        GOOD(insert(s, 1, cella_bytes(NULL, 0)));
        assert_int_equal(ask(s, "SELECT COUNT(*) FROM test_number"), 1);
        assert_int_equal(count_alone(d), 0); /* others do not see it */
    }
    assert_int_equal(count_alone(d), 0);
}

static void readers_see_one_moment_and_do_not_write(void **state) {
    const struct place *p = *state;
    CELLA_DATABASE d = NULL;
    CELLA_SESSION s = NULL;
    open_numbers(p->database, &d);
    GOOD(insert_alone(d, 1, cella_bytes(NULL, 0)));
    GOOD(cella_session_begin(d, false, &s));
    assert_int_equal(ask(s, "SELECT COUNT(*) FROM test_number"), 1);
    GOOD(insert_alone(d, 2, cella_bytes(NULL, 0)));
    assert_int_equal(ask(s, "SELECT COUNT(*) FROM test_number"), 1);
    REFUSED(insert(s, 3, cella_bytes(NULL, 0)), CELLA_ERR_INTERNAL);
    CELLA_ROWS rows = NULL; /* nor by the other way */
    bool there;
    GOOD(cella_query(s, "DELETE FROM test_number", NULL, 0, &rows));
    REFUSED(cella_rows_next(rows, &there), CELLA_ERR_PERMISSION);
    cella_rows_free(&rows);
    GOOD(cella_session_commit(&s));
    assert_null(s);
    assert_int_equal(count_alone(d), 2);
}

/* Rows that are still open when their session ends are ended with it, and say so. */
static void rows_end_with_their_session(void **state) {
    const struct place *p = *state;
    CELLA_DATABASE d = NULL;
    CELLA_SESSION s = NULL;
    CELLA_ROWS first = NULL;
    CELLA_ROWS second = NULL;
    bool there = false;
    static const char sql[] = "SELECT number FROM test_number ORDER BY number";
    open_numbers(p->database, &d);
    GOOD(insert_alone(d, 5, cella_bytes(NULL, 0)));
    GOOD(insert_alone(d, 6, cella_bytes(NULL, 0)));
    GOOD(cella_session_begin(d, true, &s));
    GOOD(cella_query(s, sql, NULL, 0, &first));
    GOOD(cella_rows_next(first, &there));
    GOOD(cella_query(s, sql, NULL, 0, &second)); /* the same statement, one inside the other */
    GOOD(cella_rows_next(second, &there));
    assert_int_equal(cella_rows_integer(second, 0), 5);
    GOOD(cella_rows_next(first, &there));
    assert_int_equal(cella_rows_integer(first, 0), 6);
    GOOD(insert(s, 7, cella_bytes(NULL, 0)));
    GOOD(cella_session_commit(&s));
    REFUSED(cella_rows_next(first, &there), CELLA_ERR_INTERNAL);
    assert_int_equal(cella_rows_integer(second, 0), 0);
    assert_int_equal(count_alone(d), 3);
}

/* More statements than are kept prepared, some of them built at one address. */
static void statements_are_found_by_their_text(void **state) {
    const struct place *p = *state;
    CELLA_DATABASE d = NULL;
    CELLA_SESSION s = NULL;
    char sql[64];
    open_numbers(p->database, &d);
    GOOD(cella_session_begin(d, false, &s));
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < 600; i++) {
            snprintf(sql, sizeof(sql), "SELECT %d", i);
            assert_int_equal(ask(s, sql), i);
        }
}

static void temporary_databases_leave_nothing(void **state) {
    (void)state;
    CELLA_DATABASE first = NULL;
    CELLA_DATABASE second = NULL;
    char command[96];
    snprintf(command, sizeof(command), "ls -d /dev/shm/cella-store-%d-* >/dev/null 2>&1",
             (int)getpid());
    open_numbers(":memory:", &first);
    open_numbers(":memory:", &second);
    assert_int_equal(system(command), 0);
    GOOD(insert_alone(first, 1, cella_bytes(NULL, 0)));
    assert_int_equal(count_alone(first), 1);
    assert_int_equal(count_alone(second), 0);
    cella_database_close(&first);
    cella_database_close(&second);
    assert_int_not_equal(system(command), 0);
}

/* --- Threads --- */

enum { THREADS = 6, EACH = 200 };
struct worker {
    struct cella_database *database;
    int number;
    int64_t seen;
    bool write, bad;
};

static struct cella_result count_up(struct worker *w) {
    CELLA_SESSION s = NULL;
    TRY(cella_session_begin(w->database, true, &s));
    TRY(cella_execute(s, "UPDATE test_number SET number = number + 1", NULL, 0, NULL));
    return cella_session_commit(&s);
}
static struct cella_result look(struct worker *w) {
    CELLA_SESSION s = NULL;
    CELLA_ROWS rows = NULL;
    bool there;
    TRY(cella_session_begin(w->database, false, &s));
    TRY(cella_query(s, "SELECT number FROM test_number", NULL, 0, &rows));
    TRY(cella_rows_next(rows, &there));
    int64_t now = cella_rows_integer(rows, 0);
    ENSURE(now >= w->seen, CELLA_ERR_INTERNAL, NULL, "backwards");
    w->seen = now;
    return CELLA_SUCCESS;
}
static void *work(void *context) {
    struct worker *w = context;
    for (int i = 0; i < EACH; i++) {
        struct cella_result r = w->write ? count_up(w) : look(w);
        w->bad = w->bad || cella_failed(r);
        cella_result_drop(r);
    }
    return NULL;
}

static void threads_share_a_database(void **state) {
    (void)state;
    struct worker w[THREADS];
    pthread_t thread[THREADS];
    CELLA_DATABASE d = NULL;
    CELLA_SESSION s = NULL;
    open_numbers(":memory:", &d);
    GOOD(insert_alone(d, 0, cella_bytes(NULL, 0)));
    for (int i = 0; i < THREADS; i++) {
        w[i] = (struct worker){.database = d, .number = i, .write = i % 2 == 0};
        assert_int_equal(pthread_create(&thread[i], NULL, work, &w[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(thread[i], NULL);
        assert_false(w[i].bad);
    }
    GOOD(cella_session_begin(d, false, &s));
    assert_int_equal(ask(s, "SELECT number FROM test_number"), THREADS / 2 * EACH);
}

/* --- Files and versions --- */

static unsigned mode_of(const char *folder, const char *name) {
    char path[128];
    struct stat st;
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    assert_int_equal(stat(path, &st), 0);
    return st.st_mode & 0777u;
}

static void files_are_their_owners_alone(void **state) {
    const struct place *p = *state;
    CELLA_DATABASE d = NULL;
    mode_t old = umask(0);
    open_numbers(p->database, &d);
    umask(old);
    assert_int_equal(mode_of(p->folder, "cella.db"), 0600);
    assert_int_equal(mode_of(p->folder, "cella.db-wal"), 0600);
    assert_int_equal(mode_of(p->folder, "cella.db-shm"), 0600);
    cella_database_close(&d);
    assert_int_equal(chmod(p->database, 0666), 0);
    REFUSED(cella_database_open(p->database, &d), CELLA_ERR_PERMISSION);
}

/* Too large to be checked before anything else: what is broken is found beside the first sessions.
 */
static void a_large_one_is_checked_beside(void **state) {
    const struct place *p = *state;
    enum { ROWS = 140, ROW = 1 << 20, BROKEN_AT = 70 << 20 };
    uint8_t *row = calloc(1, ROW);
    struct cella_database *d = NULL;
    struct cella_session *s = NULL;
    open_numbers(p->database, &d);
    GOOD(cella_session_begin(d, true, &s));
    for (int i = 0; i < ROWS; i++) GOOD(insert(s, i, cella_bytes(row, ROW)));
    GOOD(cella_session_commit(&s));
    free(row);
    cella_database_close(&d);
    for (int i = 0; i < 3; i++) { /* whole: it serves, also when it ends at once */
        GOOD(cella_database_open(p->database, &d));
        assert_int_equal(count_alone(d), ROWS);
        if (i == 2) usleep(300000);
        assert_int_equal(count_alone(d), ROWS);
        cella_database_close(&d);
    }
    int fd = open(p->database, O_RDWR);
    assert_true(pwrite(fd, "\xff\xff\xff\xff", 4, BROKEN_AT) ==
                4); /* the chain of a blob's pages */
    close(fd);
    GOOD(cella_database_open(p->database, &d));
    enum cella_code code = CELLA_OK;
    for (int i = 0; i < 1000 && code == CELLA_OK; i++) {
        struct cella_result r = cella_session_begin(d, i % 2, &s);
        code = cella_code_of(r);
        cella_result_drop(r);
        cella_session_end(&s);
        usleep(10000);
    }
    assert_int_equal(code, CELLA_ERR_INTEGRITY);
    REFUSED(cella_session_begin(d, false, &s), CELLA_ERR_INTEGRITY);
    cella_database_close(&d);
}

static void locations_that_are_none(void **state) {
    const struct place *p = *state;
    struct cella_database *d = NULL;
    char path[160];
    REFUSED(cella_database_open(p->folder, &d), CELLA_ERR_FORMAT);
    snprintf(path, sizeof(path), "%s/absent/cella.db", p->folder);
    REFUSED(cella_database_open(path, &d), CELLA_ERR_IO);
    REFUSED(cella_database_open("postgresql://host/db", &d), CELLA_ERR_UNSUPPORTED);
    REFUSED(cella_database_open("/dev/null", &d), CELLA_ERR_FORMAT);
    assert_null(d);
}

static int64_t version_of(struct cella_database *d, const char *part) {
    CELLA_SESSION s = NULL;
    CELLA_ROWS rows = NULL;
    bool there;
    const struct cella_value name = cella_value_text(part);
    GOOD(cella_session_begin(d, false, &s));
    GOOD(cella_query(s, "SELECT version FROM cella_migration WHERE part = ?", &name, 1, &rows));
    GOOD(cella_rows_next(rows, &there));
    return there ? cella_rows_integer(rows, 0) : -1;
}

static void migrations_go_forward_only(void **state) {
    const struct place *p = *state;
    CELLA_DATABASE d = NULL;
    static const char *const steps[] = {
        "CREATE TABLE part_a (x BIGINT); INSERT INTO part_a VALUES (1);",
        "ALTER TABLE part_a ADD COLUMN y BIGINT;\n-- a remark\nUPDATE part_a SET y = x + 1",
        "CREATE TABLE part_b (x BIGINT); SYNTAX ERROR HERE"};
    static const char *const foreign[] = {"CREATE TABLE other_a (x BIGINT)"};
    static const char *const ends[] = {"CREATE TABLE ends_a (x BIGINT); COMMIT"};
    GOOD(cella_database_open(p->database, &d));
    GOOD(cella_database_migrate(d, "part", steps, 1));
    GOOD(cella_database_migrate(d, "part", steps, 1));
    assert_int_equal(version_of(d, "part"), 1);
    REFUSED(cella_database_migrate(d, "part", steps, 3), CELLA_ERR_INTERNAL);
    assert_int_equal(version_of(d, "part"), 1); /* all missing ones or none */
    GOOD(cella_database_migrate(d, "part", steps, 2));
    assert_int_equal(version_of(d, "part"), 2);
    {
        CELLA_SESSION s = NULL;
        GOOD(cella_session_begin(d, false, &s));
        assert_int_equal(ask(s, "SELECT y FROM part_a"), 2);
    }
    REFUSED(cella_database_migrate(d, "part", steps, 1), CELLA_ERR_UNSUPPORTED);
    REFUSED(cella_database_migrate(d, "foreign", foreign, 1), CELLA_ERR_INTERNAL);
    REFUSED(cella_database_migrate(d, "ends", ends, 1), CELLA_ERR_INTERNAL);
    assert_int_equal(version_of(d, "foreign"), -1);
    cella_database_close(&d);
    GOOD(cella_database_open(p->database, &d)); /* and it is so after a restart */
    REFUSED(cella_database_migrate(d, "part", steps, 1), CELLA_ERR_UNSUPPORTED);
    GOOD(cella_database_migrate(d, "part", steps, 2));
}

#define PLACED(test) cmocka_unit_test_setup_teardown(test, place_make, place_remove)
int main(void) {
    const struct CMUnitTest tests[] = {
        PLACED(values_come_back_as_they_went),
        PLACED(statements_that_are_off_are_refused),
        PLACED(keys_that_are_there_are_told),
        PLACED(foreign_keys_hold),
        PLACED(what_is_not_committed_is_undone),
        PLACED(readers_see_one_moment_and_do_not_write),
        PLACED(rows_end_with_their_session),
        PLACED(statements_are_found_by_their_text),
        PLACED(a_large_one_is_checked_beside),
        cmocka_unit_test(temporary_databases_leave_nothing),
        cmocka_unit_test(threads_share_a_database),
        PLACED(files_are_their_owners_alone),
        PLACED(locations_that_are_none),
        PLACED(migrations_go_forward_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
