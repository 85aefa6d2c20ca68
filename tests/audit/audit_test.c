/* The audit log from inside: what is refused, what a checkpoint notices, threads (K22). */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "../results.h"
#include "audit/audit_inner.h"
#include "base/file.h"

static const uint8_t key_bytes[32] = "a key of the tests";
#define KEY CELLA_BYTES_OF(key_bytes)

struct place {
    char folder[64], log[96], head[96], torn[96];
};
static int place_make(void **state) {
    struct place *p = calloc(1, sizeof(*p));
    snprintf(p->folder, sizeof(p->folder), "/tmp/cella-audit-XXXXXX");
    if (!mkdtemp(p->folder)) return -1;
    snprintf(p->log, sizeof(p->log), "%s/log", p->folder);
    snprintf(p->head, sizeof(p->head), "%s/log.head", p->folder);
    snprintf(p->torn, sizeof(p->torn), "%s/log.torn", p->folder);
    *state = p;
    return 0;
}
static int place_remove(void **state) {
    struct place *p = *state;
    char command[128];
    snprintf(command, sizeof(command), "rm -rf '%s'", p->folder);
    int bad = system(command);
    free(p);
    return bad;
}

static struct cella_result append_one(struct cella_audit *audit, const char *name,
                                      const char *value) {
    json_t *record = json_pack("{s:s}", name, value);
    struct cella_result r = cella_audit_append(audit, record);
    json_decref(record);
    return r;
}
static void write_lines(const struct place *p, int count) {
    struct cella_audit *audit = NULL;
    GOOD(cella_audit_open(p->log, 100, KEY, &audit));
    for (int i = 0; i < count; i++) GOOD(append_one(audit, "who", "someone"));
    cella_audit_close(&audit);
}
static void opens(const struct place *p) {
    struct cella_audit *audit = NULL;
    GOOD(cella_audit_open(p->log, 100, KEY, &audit));
    cella_audit_close(&audit);
}
static void does_not_open(const struct place *p) {
    struct cella_audit *audit = NULL;
    REFUSED(cella_audit_open(p->log, 100, KEY, &audit), CELLA_ERR_INTEGRITY);
    assert_null(audit);
}
static void verifies(const struct place *p, uint64_t count, uint64_t broken, const char *why) {
    struct cella_audit_verdict v;
    GOOD(cella_audit_verify(p->log, KEY, &v));
    assert_int_equal(v.count, count);
    assert_int_equal(v.broken_line, broken);
    if (!strstr(v.why, why)) fail_msg("\"%s\" does not say \"%s\"", v.why, why);
}
static void load(const char *path, struct cella_buffer *out) {
    out->size = 0;
    GOOD(cella_file_read(path, 1 << 24, out));
}
static void put(const char *path, struct cella_bytes content) {
    GOOD(cella_file_write(path, content, 0600, 0));
}
/* Bytes up to the end of the given line. */
static size_t end_of(const struct cella_buffer *log, int lines) {
    size_t at = 0;
    while (lines > 0)
        if (log->data[at++] == '\n') lines--;
    return at;
}

/* --- Appending --- */

static void records_that_are_none(void **state) {
    const struct place *p = *state;
    struct cella_audit *audit = NULL;
    static const char *const ours[] = {"seq", "time", "prev", "hash"};
    json_t *array = json_array(), *empty = json_object();
    char *big = malloc(1 << 16);
    memset(big, 'x', (1 << 16) - 1);
    big[(1 << 16) - 1] = 0;
    REFUSED(cella_audit_open(p->log, 0, cella_bytes("short", 5), &audit), CELLA_ERR_INTERNAL);
    GOOD(cella_audit_open(p->log, 0, KEY, &audit));
    for (size_t i = 0; i < 4; i++) REFUSED(append_one(audit, ours[i], "x"), CELLA_ERR_INTERNAL);
    REFUSED(cella_audit_append(audit, array), CELLA_ERR_INTERNAL);
    REFUSED(cella_audit_append(audit, NULL), CELLA_ERR_INTERNAL);
    REFUSED(append_one(audit, "big", big), CELLA_ERR_LIMIT);
    GOOD(cella_audit_append(audit, empty));
    GOOD(append_one(audit, "odd", "\x7f \n \",\"hash\":\"0\"}"));
    big[60000] = 0;
    GOOD(append_one(audit, "big", big));
    cella_audit_close(&audit);
    verifies(p, 3, 0, "");
    free(big);
    json_decref(array);
    json_decref(empty);
}

static void a_log_that_was_moved_takes_no_more(void **state) {
    const struct place *p = *state;
    struct cella_audit *audit = NULL;
    GOOD(cella_audit_open(p->log, 100, KEY, &audit));
    GOOD(append_one(audit, "who", "one"));
    assert_int_equal(rename(p->log, p->torn), 0);
    REFUSED(append_one(audit, "who", "two"), CELLA_ERR_IO);
    put(p->log, cella_bytes(NULL, 0));
    REFUSED(append_one(audit, "who", "two"), CELLA_ERR_IO);
    assert_int_equal(rename(p->torn, p->log), 0);
    GOOD(append_one(audit, "who", "two"));
    cella_audit_close(&audit);
    verifies(p, 2, 0, "");
}

/* What another left behind or cut away while we are open. */
static void an_open_log_follows_its_file(void **state) {
    const struct place *p = *state;
    struct cella_audit *audit = NULL;
    CELLA_BUFFER log = {0};
    write_lines(p, 3);
    GOOD(cella_audit_open(p->log, 100, KEY, &audit));
    CELLA_FD fd = open(p->log, O_WRONLY | O_APPEND | O_CLOEXEC);
    assert_int_equal(write(fd, "{\"seq\":4,", 9), 9);
    GOOD(append_one(audit, "who", "after half a line"));
    assert_int_equal(access(p->torn, F_OK), 0);
    load(p->log, &log);
    assert_int_equal(ftruncate(fd, (off_t)end_of(&log, 2)), 0);
    REFUSED(append_one(audit, "who", "after lines were cut"), CELLA_ERR_INTEGRITY);
    assert_int_equal(ftruncate(fd, 0), 0);
    REFUSED(append_one(audit, "who", "after all were cut"), CELLA_ERR_INTEGRITY);
    assert_int_equal(write(fd, log.data, log.size), (ssize_t)log.size);
    GOOD(append_one(audit, "who", "after they came back"));
    cella_audit_close(&audit);
    verifies(p, 5, 0, "");
}

/* --- The checkpoint --- */

static void lines_cut_off_at_the_end_are_noticed(void **state) {
    const struct place *p = *state;
    CELLA_BUFFER log = {0}, head = {0};
    write_lines(p, 5);
    load(p->log, &log);
    load(p->head, &head);
    for (int lines = 0; lines < 5; lines++) {
        put(p->log, cella_bytes(log.data, end_of(&log, lines)));
        does_not_open(p);
        verifies(p, (uint64_t)lines, (uint64_t)lines + 1, "missing");
    }
    assert_int_equal(unlink(p->log), 0);
    verifies(p, 0, 1, "missing");
    does_not_open(p);
    put(p->log, cella_buffer_bytes(&log));
    opens(p);
    assert_int_equal(unlink(p->head), 0);
    does_not_open(p);
    verifies(p, 5, 6, "checkpoint");
    put(p->head, cella_buffer_bytes(&head));
    opens(p);
    assert_int_equal(unlink(p->head), 0);
    assert_int_equal(unlink(p->log), 0);
    opens(p); /* both gone: a new log */
    verifies(p, 0, 0, "");
}

/* Who writes the chain anew with hashes that fit is found where the checkpoint counts. */
static void a_chain_written_anew_is_noticed(void **state) {
    const struct place *p = *state;
    CELLA_BUFFER head = {0};
    write_lines(p, 4);
    load(p->head, &head);
    assert_int_equal(unlink(p->log), 0);
    assert_int_equal(unlink(p->head), 0);
    write_lines(p, 6); /* the times are others */
    put(p->head, cella_buffer_bytes(&head));
    does_not_open(p);
    verifies(p, 3, 4, "checkpoint");
}

static void changed_checkpoints_are_refused(void **state) {
    const struct place *p = *state;
    static const uint8_t other[32] = "another key";
    CELLA_BUFFER head = {0};
    struct cella_audit_verdict v;
    struct cella_audit *audit = NULL;
    write_lines(p, 2);
    load(p->head, &head);
    for (size_t i = 0; i < head.size; i++) {
        head.data[i] ^= 1;
        put(p->head, cella_buffer_bytes(&head));
        head.data[i] ^= 1;
        does_not_open(p);
        verifies(p, 2, 3, "checkpoint");
    }
    for (size_t size = 0; size < head.size; size += 3) {
        put(p->head, cella_bytes(head.data, size));
        does_not_open(p);
    }
    GOOD(cella_buffer_append(&head, cella_bytes_text("\n")));
    put(p->head, cella_buffer_bytes(&head));
    does_not_open(p);
    head.size--;
    put(p->head, cella_buffer_bytes(&head));
    REFUSED(cella_audit_open(p->log, 100, CELLA_BYTES_OF(other), &audit), CELLA_ERR_INTEGRITY);
    GOOD(cella_audit_verify(p->log, CELLA_BYTES_OF(other), &v));
    assert_int_equal(v.broken_line, 3);
    GOOD(cella_audit_verify(p->log, cella_bytes(NULL, 0), &v));
    assert_int_equal(v.broken_line, 0);
    assert_non_null(strstr(v.why, "checkpoint"));
    opens(p);
}

/* --- Damage --- */

static void every_flip_of_a_log_is_named(void **state) {
    const struct place *p = *state;
    CELLA_BUFFER log = {0};
    struct cella_audit_verdict v;
    write_lines(p, 3);
    load(p->log, &log);
    int line = 1;
    for (size_t i = 0; i < log.size; i++) {
        for (unsigned bit = 0; bit < 8; bit += 3) {
            log.data[i] ^= (uint8_t)(1u << bit);
            put(p->log, cella_buffer_bytes(&log));
            log.data[i] ^= (uint8_t)(1u << bit);
            GOOD(cella_audit_verify(p->log, KEY, &v));
            if (v.broken_line != (uint64_t)line || v.count + 1 != (uint64_t)line)
                fail_msg("byte %zu: line %d, found %u: %s", i, line, (unsigned)v.broken_line,
                         v.why);
        }
        if (log.data[i] == '\n') line++;
    }
}

static void a_torn_line_is_set_aside(void **state) {
    const struct place *p = *state;
    CELLA_BUFFER log = {0}, torn = {0};
    write_lines(p, 3);
    load(p->log, &log);
    size_t second = end_of(&log, 2);
    put(p->head, cella_bytes(NULL, 0));
    struct audit_head head = audit_head_new();
    for (size_t size = second + 1; size < log.size; size += 13) {
        put(p->log, cella_bytes(log.data, size));
        unlink(p->torn);
        GOOD(audit_checkpoint_write(p->log, KEY, &head));
        opens(p);
        verifies(p, 2, 0, "");
        load(p->torn, &torn);
        assert_int_equal(torn.size, size - second + 1);
        assert_memory_equal(torn.data, log.data + second, size - second);
    }
}

static void logs_that_are_none(void **state) {
    const struct place *p = *state;
    struct cella_audit *audit = NULL;
    struct cella_audit_verdict v;
    CELLA_BUFFER big = {0};
    GOOD(cella_buffer_extend(&big, 300000, &(uint8_t *){NULL}));
    memset(big.data, 'x', big.size);
    REFUSED(cella_audit_open(p->folder, 0, KEY, &audit), CELLA_ERR_IO);
    REFUSED(cella_audit_verify(p->log, KEY, &v), CELLA_ERR_NOT_FOUND);
    put(p->log, cella_buffer_bytes(&big)); /* no line is this long */
    does_not_open(p);
    GOOD(cella_audit_verify(p->log, KEY, &v));
    assert_int_equal(v.broken_line, 1);
    put(p->log, cella_bytes("hello\n", 6));
    does_not_open(p);
}

/* --- Threads --- */

enum { THREADS = 4, EACH = 500 };
struct worker {
    struct cella_audit *audit;
    bool bad;
};
static void *work(void *context) {
    struct worker *w = context;
    for (int i = 0; i < EACH; i++) {
        struct cella_result r = append_one(w->audit, "who", "a thread");
        w->bad = w->bad || cella_failed(r);
        cella_result_drop(r);
    }
    return NULL;
}
static void threads_append_one_chain(void **state) {
    const struct place *p = *state;
    for (uint32_t sync_ms = 0; sync_ms <= 10; sync_ms += 10) {
        struct cella_audit *audit = NULL;
        struct worker w[THREADS];
        pthread_t thread[THREADS];
        unlink(p->log);
        unlink(p->head);
        GOOD(cella_audit_open(p->log, sync_ms, KEY, &audit));
        for (int i = 0; i < THREADS; i++) {
            w[i] = (struct worker){.audit = audit};
            assert_int_equal(pthread_create(&thread[i], NULL, work, &w[i]), 0);
        }
        for (int i = 0; i < THREADS; i++) {
            pthread_join(thread[i], NULL);
            assert_false(w[i].bad);
        }
        cella_audit_close(&audit);
        verifies(p, THREADS * EACH, 0, "");
    }
}

/* While it is open the checkpoint follows within about a second, by itself. */
static void the_checkpoint_follows(void **state) {
    const struct place *p = *state;
    struct cella_audit *audit = NULL;
    struct audit_head head;
    bool there = false;
    GOOD(cella_audit_open(p->log, 50, KEY, &audit));
    for (int i = 0; i < 7; i++) GOOD(append_one(audit, "who", "x"));
    for (int i = 0; i < 40; i++) {
        GOOD(audit_checkpoint_read(p->log, KEY, &head, &there));
        if (head.count == 7) break;
        nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
    }
    assert_true(there && head.count == 7);
    cella_audit_close(&audit);
}

#define PLACED(test) cmocka_unit_test_setup_teardown(test, place_make, place_remove)
int main(void) {
    const struct CMUnitTest tests[] = {
        PLACED(records_that_are_none),
        PLACED(a_log_that_was_moved_takes_no_more),
        PLACED(an_open_log_follows_its_file),
        PLACED(lines_cut_off_at_the_end_are_noticed),
        PLACED(a_chain_written_anew_is_noticed),
        PLACED(changed_checkpoints_are_refused),
        PLACED(every_flip_of_a_log_is_named),
        PLACED(a_torn_line_is_set_aside),
        PLACED(logs_that_are_none),
        PLACED(threads_append_one_chain),
        PLACED(the_checkpoint_follows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
