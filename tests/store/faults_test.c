/* What befalls a database: killed writers, full disks, damaged files, two processes at once. */
#include "store_test.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "base/buffer.h"
#include "base/file.h"

enum { KILLS = 40, ROW = 700 };

static void sleep_us(unsigned us) {
    const struct timespec t = {.tv_nsec = (long)us * 1000};
    nanosleep(&t, NULL);
}

/* --- kill -9 --- */

/* Writes rows from number on, and says each that is committed. */
static _Noreturn void write_forever(const char *path, int64_t number, int to) {
    struct cella_database *d = NULL;
    uint8_t content[ROW] = {1};
    struct cella_result r = cella_database_open(path, &d);
    for (; !cella_failed(r); number++) {
        r = insert_alone(d, number, CELLA_BYTES_OF(content));
        if (!cella_failed(r) && write(to, &number, sizeof(number)) != sizeof(number)) break;
    }
    _exit(1); /* only a signal ends it */
}

/* Runs a writer for a while, kills it; the last number it said. */
static int64_t killed_writer(const char *path, int64_t number, unsigned us) {
    int pipes[2], status = 0;
    int64_t said, last = number - 1;
    assert_int_equal(pipe(pipes), 0);
    pid_t child = fork();
    if (child == 0) {
        close(pipes[0]);
        write_forever(path, number, pipes[1]);
    }
    close(pipes[1]);
    sleep_us(us);
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    while (read(pipes[0], &said, sizeof(said)) == sizeof(said)) {
        assert_int_equal(said, last + 1);
        last = said;
    }
    close(pipes[0]);
    return last;
}

static void what_was_committed_outlives_kill(void **state) {
    const struct place *p = *state;
    int64_t next = 1, total = 0;
    CELLA_DATABASE d = NULL;
    open_numbers(p->database, &d);
    cella_database_close(&d);
    srandom(20260101);
    for (int i = 0; i < KILLS; i++) {
        int64_t said = killed_writer(p->database, next, (unsigned)(random() % 120000) + 1000);
        open_numbers(p->database, &d); /* checks the integrity of the whole */
        int64_t there = count_alone(d);
        assert_in_range(there, said, said + 1); /* every one said, and at most one more */
        CELLA_SESSION s = NULL;
        GOOD(cella_session_begin(d, false, &s));
        assert_int_equal(ask(s, "SELECT COALESCE(MAX(number), 0) FROM test_number"), there);
        cella_session_end(&s);
        cella_database_close(&d);
        total += there - next + 1;
        next = there + 1;
    }
    assert_true(total > KILLS); /* it did write */
}

/* --- Full disk --- */

static void limit_files(rlim_t size) {
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = size;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* Big rows until one is refused; each row that was not refused is there. */
static void full_disk_changes_nothing(void **state) {
    const struct place *p = *state;
    CELLA_DATABASE d = NULL;
    CELLA_BUFFER content = {0};
    struct cella_result r = CELLA_SUCCESS;
    int64_t number = 0;
    GOOD(cella_buffer_extend(&content, 100000, &(uint8_t *){NULL}));
    signal(SIGXFSZ, SIG_IGN);
    open_numbers(p->database, &d);
    limit_files(2 << 20);
    while (!cella_failed(r) && number < 100) {
        r = insert_alone(d, number, cella_buffer_bytes(&content));
        if (!cella_failed(r)) number++;
    }
    assert_int_equal(cella_code_of(r), CELLA_ERR_IO);
    cella_result_drop(r);
    assert_true(number > 2 && number < 100);
    assert_int_equal(count_alone(d), number);
    REFUSED(insert_alone(d, 1000, cella_buffer_bytes(&content)), CELLA_ERR_IO);
    /* Many statements in one transaction: it is all or nothing, whichever of them found the disk
     * full, and nothing after it slips in on its own. */
    CELLA_SESSION s = NULL;
    bool refused = false;
    GOOD(cella_session_begin(d, true, &s));
    for (int i = 0; i < 40 && !refused; i++) {
        r = insert(s, 2000 + i, cella_buffer_bytes(&content));
        refused = cella_failed(r);
        cella_result_drop(r);
    }
    assert_true(refused);
    limit_files(RLIM_INFINITY);
    REFUSED(insert(s, 3000, cella_bytes("x", 1)), CELLA_ERR_IO);
    r = cella_session_commit(&s);
    assert_int_equal(cella_code_of(r), CELLA_ERR_IO);
    cella_result_drop(r);
    assert_int_equal(count_alone(d), number);
    GOOD(insert_alone(d, 1000, cella_buffer_bytes(&content)));
    assert_int_equal(count_alone(d), number + 1);
    cella_database_close(&d);
    open_numbers(p->database, &d);
    assert_int_equal(count_alone(d), number + 1);
}

static void read_only_files_are_said_to_be(void **state) {
    const struct place *p = *state;
    CELLA_DATABASE d = NULL;
    const uid_t nobody = 65534, me = geteuid();
    open_numbers(p->database, &d);
    cella_database_close(&d);
    assert_int_equal(chmod(p->database, 0400), 0);
    if (me == 0) { /* root writes everywhere: be another */
        assert_int_equal(chown(p->folder, nobody, (gid_t)-1), 0);
        assert_int_equal(chown(p->database, nobody, (gid_t)-1), 0);
        assert_int_equal(seteuid(nobody), 0);
    }
    struct cella_result r = cella_database_open(p->database, &d);
    assert_int_equal(seteuid(me), 0);
    REFUSED(r, CELLA_ERR_PERMISSION);
}

/* --- Damage --- */

static struct cella_result read_all(const char *path) {
    CELLA_DATABASE d = NULL;
    CELLA_SESSION s = NULL;
    CELLA_ROWS rows = NULL;
    bool there = true;
    TRY(cella_database_open(path, &d));
    TRY(cella_session_begin(d, false, &s));
    TRY(cella_query(s, "SELECT number, content FROM test_number ORDER BY number", NULL, 0, &rows));
    while (there) TRY(cella_rows_next(rows, &there));
    cella_rows_free(&rows);
    cella_session_end(&s);
    return insert_alone(d, 1 << 30, cella_bytes("x", 1));
}

/* A file of some pages: two levels of tree, overflow pages, an index. */
static void make_sample(const struct place *p, struct cella_buffer *file) {
    CELLA_DATABASE d = NULL;
    CELLA_SESSION s = NULL;
    uint8_t content[5000] = {0};
    open_numbers(p->database, &d);
    GOOD(cella_session_begin(d, true, &s));
    for (int i = 0; i < 300; i++)
        GOOD(insert(s, i, cella_bytes(content, i % 100 == 0 ? sizeof(content) : 90)));
    GOOD(cella_session_commit(&s));
    cella_database_close(&d);
    GOOD(cella_file_read(p->database, 1 << 24, file));
}

static void put(const char *path, struct cella_bytes content) {
    char beside[160];
    snprintf(beside, sizeof(beside), "%s-wal", path);
    unlink(beside);
    snprintf(beside, sizeof(beside), "%s-shm", path);
    unlink(beside);
    CELLA_FD fd = open(path, O_WRONLY | O_TRUNC | O_CREAT | O_CLOEXEC, 0600);
    GOOD(cella_file_write_fd(fd, path, content));
}

/* No damage crashes; what is noticed is said to be damage. Bytes of a content alone carry no
 * checksum: that is what sealing is for. */
static void damaged_files_are_refused(void **state) {
    const struct place *p = *state;
    CELLA_BUFFER file = {0};
    unsigned refused = 0, flips = 400;
    make_sample(p, &file);
    srandom(7);
    for (unsigned i = 0; i < flips; i++) {
        size_t page = (size_t)random() % (file.size / 4096);
        /* headers of pages, where the structure is, and anywhere */
        size_t at = page * 4096 + (size_t)random() % (i % 2 ? 4096 : 100);
        uint8_t old = file.data[at];
        file.data[at] ^= (uint8_t)(1u << (random() % 8));
        put(p->database, cella_buffer_bytes(&file));
        file.data[at] = old;
        struct cella_result r = read_all(p->database);
        if (cella_failed(r)) refused++;
        if (cella_failed(r) && cella_code_of(r) != CELLA_ERR_INTEGRITY &&
            cella_code_of(r) != CELLA_ERR_INTERNAL && cella_code_of(r) != CELLA_ERR_IO &&
            cella_code_of(r) != CELLA_ERR_PERMISSION)
            fail_msg("byte %zu: %s", at, r.error->what);
        cella_result_drop(r);
    }
    print_message("%u of %u flips noticed\n", refused, flips);
    assert_true(refused > flips / 4);
    put(p->database, cella_buffer_bytes(&file));
    GOOD(read_all(p->database));
}

static void cut_files_are_refused(void **state) {
    const struct place *p = *state;
    CELLA_BUFFER file = {0};
    make_sample(p, &file);
    for (size_t size = 1; size < file.size; size += size < 200 ? 1 : 997) {
        put(p->database, cella_bytes(file.data, size));
        struct cella_result r = read_all(p->database);
        if (cella_code_of(r) != CELLA_ERR_INTEGRITY)
            fail_msg("%zu bytes: %s", size, cella_failed(r) ? r.error->what : "taken");
        cella_result_drop(r);
    }
    put(p->database, cella_bytes("This is no database, and 100 bytes long, so that it is looked "
                                 "at as far as the header of one goes...",
                                 100));
    REFUSED(read_all(p->database), CELLA_ERR_INTEGRITY);
}

static void a_damaged_log_of_changes_does_not_crash(void **state) {
    const struct place *p = *state;
    char wal[160];
    CELLA_DATABASE d = NULL;
    CELLA_BUFFER file = {0}, log = {0};
    open_numbers(p->database, &d);
    for (int i = 0; i < 30; i++) GOOD(insert_alone(d, i, cella_bytes("abc", 3)));
    snprintf(wal, sizeof(wal), "%s-wal", p->database);
    GOOD(cella_file_read(p->database, 1 << 24, &file));
    GOOD(cella_file_read(wal, 1 << 24, &log));
    cella_database_close(&d);
    srandom(9);
    for (unsigned i = 0; i < 60; i++) {
        size_t at = (size_t)random() % log.size;
        put(p->database, cella_buffer_bytes(&file));
        log.data[at] ^= 0x10;
        CELLA_FD fd = open(wal, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        GOOD(cella_file_write_fd(fd, wal, cella_bytes(log.data, i % 3 ? log.size : at)));
        log.data[at] ^= 0x10;
        cella_result_drop(read_all(p->database)); /* a prefix of the changes, or a refusal */
    }
}

/* --- Two processes --- */

static void wait_for_children(int count) {
    for (int i = 0; i < count; i++) {
        int status = -1;
        assert_true(wait(&status) > 0);
        assert_int_equal(status, 0);
    }
}

/* A first start of several at once: who comes second waits, and finds the tables made. */
static void processes_make_one_database(void **state) {
    const struct place *p = *state;
    enum { PROCESSES = 4, ROUNDS = 6 };
    for (int round = 0; round < ROUNDS; round++) {
        char path[128];
        int pipes[2];
        CELLA_DATABASE d = NULL;
        snprintf(path, sizeof(path), "%s/%d.db", p->folder, round);
        assert_int_equal(pipe(pipes), 0);
        for (int i = 0; i < PROCESSES; i++) {
            if (fork() != 0) continue;
            struct cella_database *mine = NULL;
            char go;
            close(pipes[1]);
            (void)!read(pipes[0], &go, 1); /* until all are there */
            open_numbers(path, &mine);
            struct cella_result r = insert_alone(mine, i, cella_bytes("x", 1));
            _exit(cella_failed(r));
        }
        close(pipes[0]);
        close(pipes[1]);
        wait_for_children(PROCESSES);
        open_numbers(path, &d);
        assert_int_equal(count_alone(d), PROCESSES);
    }
}

/* Both open, migrate and write at once; each sees at once what the other committed. */
static void processes_share_a_database(void **state) {
    const struct place *p = *state;
    enum { PROCESSES = 4, EACH = 60 };
    CELLA_DATABASE d = NULL;
    for (int i = 0; i < PROCESSES; i++) {
        if (fork() != 0) continue;
        struct cella_database *mine = NULL;
        open_numbers(p->database, &mine); /* a failure ends the child with another status */
        for (int j = 0; j < EACH; j++) {
            struct cella_result r = insert_alone(mine, i * EACH + j, cella_bytes("x", 1));
            if (cella_failed(r)) _exit(3);
        }
        cella_database_close(&mine);
        _exit(0);
    }
    wait_for_children(PROCESSES);
    open_numbers(p->database, &d);
    assert_int_equal(count_alone(d), PROCESSES * EACH);
    if (fork() == 0) {
        struct cella_database *mine = NULL;
        open_numbers(p->database, &mine);
        struct cella_result r = insert_alone(mine, 100000, cella_bytes("x", 1));
        _exit(cella_failed(r));
    }
    wait_for_children(1);
    assert_int_equal(count_alone(d), PROCESSES * EACH + 1);
}

#define PLACED(test) cmocka_unit_test_setup_teardown(test, place_make, place_remove)
int main(void) {
    const struct CMUnitTest tests[] = {
        PLACED(what_was_committed_outlives_kill),
        PLACED(full_disk_changes_nothing),
        PLACED(read_only_files_are_said_to_be),
        PLACED(damaged_files_are_refused),
        PLACED(cut_files_are_refused),
        PLACED(a_damaged_log_of_changes_does_not_crash),
        PLACED(processes_make_one_database),
        PLACED(processes_share_a_database),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
