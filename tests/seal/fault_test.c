/* Protected files under faults: a crash at every write, torn writes, lost unsynced writes, a full
 * disk, a failing sync. Afterwards the file holds the content of the last commit or of the one
 * being made, whole. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "seal/protected.h"
#include "storage.h"

enum { B = CELLA_PROTECTED_BLOCK, CACHE = 8, STATES = 5 };
static const uint64_t max_size = 1 << 20;
static const struct cella_protected_key key = {.kind = CELLA_PROTECTED_KEY_GIVEN, .key = {4, 5, 6}};

static void ok(struct cella_result r) {
    if (cella_failed(r)) cella_result_print(r);
    assert_false(cella_failed(r));
}

/* The job: STATES commits, each after changes of several kinds. state_length and state_byte say
 * what the file holds after commit n (0: as it was found). */
static uint64_t state_length(int state) {
    static const uint64_t lengths[STATES + 1] = {20 * B + 7,   20 * B + 7,   33 * B,
                                                 12 * B + 900, 12 * B + 901, 40 * B + 1};
    return lengths[state];
}

static uint8_t state_byte(int state, uint64_t at) {
    uint64_t block = at / B;
    int origin = 0; /* the last state that wrote this byte */
    if (state >= 1 && block % 3 == 1) origin = 1;
    if (state >= 2 && at >= 19 * B) origin = 2;
    if (state >= 3 && at >= state_length(3))
        return state >= 5 && block >= 30 ? (uint8_t)(at * 31 + 5 * 77) : 0;
    if (state >= 4 && at == state_length(3)) origin = 4;
    return (uint8_t)(at * 31 + (uint64_t)origin * 77);
}

static void expected(int state, uint8_t *out) {
    for (uint64_t i = 0; i < state_length(state); i++) out[i] = state_byte(state, i);
    if (state >= 4) out[state_length(3)] = 0xee;
}

static struct cella_result put(struct cella_protected *f, int origin, uint64_t from, uint64_t to,
                               uint64_t step) {
    uint8_t data[4 * B];
    for (uint64_t at = from; at < to; at += step) {
        uint64_t n = to - at < step ? to - at : step;
        for (uint64_t i = 0; i < n; i++) data[i] = (uint8_t)((at + i) * 31 + (uint64_t)origin * 77);
        struct cella_result r = cella_protected_write(f, at, data, n);
        if (cella_failed(r)) return r;
    }
    return CELLA_SUCCESS;
}

static struct cella_result change(struct cella_protected *f, int state) {
    struct cella_result r = CELLA_SUCCESS;
    switch (state) {
    case 1:
        for (uint64_t block = 1; block < 20 && !cella_failed(r); block += 3)
            r = put(f, 1, block * B, (block + 1) * B, 5000);
        return r;
    case 2: return put(f, 2, 19 * B, state_length(2), 3 * B);
    case 3: return cella_protected_resize(f, state_length(3));
    case 4: return cella_protected_write(f, state_length(3), "\xee", 1);
    default: return put(f, 5, 30 * B, state_length(5), 4 * B);
    }
}

/* Runs the job, counting the commits that reported success. */
static struct cella_result job(struct storage *s, struct cella_protected_io io, int *done) {
    uint64_t size = cella_protected_memory(CACHE, max_size);
    void *memory = aligned_alloc(64, size);
    struct cella_protected *f;
    (void)s;
    *done = 0;
    struct cella_result r = cella_protected_open(&f, memory, size, CACHE, max_size, &io,
                                                 &test_crypto, &key, cella_bytes_text("name"));
    for (int state = 1; state <= STATES && !cella_failed(r); state++) {
        r = change(f, state);
        if (!cella_failed(r)) r = cella_protected_commit(f, true);
        if (!cella_failed(r)) *done = state;
    }
    free(memory);
    return r;
}

static struct storage first_state(void) {
    struct storage s = storage_new();
    struct opened o;
    uint8_t *data = malloc(state_length(0));
    expected(0, data);
    ok(open_storage(&o, &s, true, CACHE, max_size, &key, "name"));
    ok(cella_protected_write(o.file, 0, data, state_length(0)));
    ok(cella_protected_commit(o.file, true));
    close_opened(&o);
    free(data);
    s.changes = s.syncs = 0;
    return s;
}

/* Which state the storage holds: it must be one of at_least, at_least + 1; and the file must still
 * be usable. */
static int check_state(struct storage *s, int at_least) {
    struct opened o;
    uint64_t done;
    uint8_t *got = malloc(max_size), *want = malloc(max_size);
    s->crash_after = s->full_after = s->lies_at = s->sync_fails_at = -1;
    ok(open_storage(&o, s, false, CACHE, max_size, &key, "name"));
    ok(cella_protected_read(o.file, 0, got, max_size, &done));
    int found = -1;
    for (int state = 0; state <= STATES; state++) {
        expected(state, want);
        if (done == state_length(state) && memcmp(got, want, done) == 0) found = state;
    }
    if (found != at_least && found != at_least + 1)
        printf("%d commits were done, found state %d\n", at_least, found);
    assert_true(found == at_least || found == at_least + 1);
    ok(cella_protected_write(o.file, 7, "again", 5)); /* life goes on */
    ok(cella_protected_commit(o.file, true));
    close_opened(&o);
    ok(open_storage(&o, s, false, CACHE, 0, &key, "name"));
    memcpy(got + 7, "again", 5);
    uint64_t length = done;
    ok(cella_protected_read(o.file, 0, want, max_size, &done));
    assert_int_equal(done, length);
    assert_memory_equal(got, want, length);
    close_opened(&o);
    free(got), free(want);
    return found;
}

static long changes_of_job(void) {
    struct storage s = first_state();
    int done;
    ok(job(&s, storage_io(&s), &done));
    assert_int_equal(done, STATES);
    long changes = s.changes;
    assert_int_equal(check_state(&s, STATES), STATES);
    free(s.data);
    return changes;
}

static void crash_at_every_write(void **unused) {
    (void)unused;
    static const uint64_t torn[] = {0, 1, 512, 2048, 4095, 4096, B, 3 * B + 100};
    struct storage start = first_state();
    long changes = changes_of_job();
    int seen[STATES + 1] = {0};
    assert_true(changes > 15);
    for (long at = 0; at <= changes; at++)
        for (size_t t = 0; t < sizeof(torn) / sizeof(torn[0]); t++) {
            struct storage s = storage_copy(&start);
            s.crash_after = at;
            s.torn = torn[t];
            /* What the writer believes is checked by counting commits up to the crash: after it,
             * all is lost. */
            int done = 0;
            uint64_t size = cella_protected_memory(CACHE, max_size);
            void *memory = aligned_alloc(64, size);
            struct cella_protected_io io = storage_io(&s);
            struct cella_protected *f;
            ok(cella_protected_open(&f, memory, size, CACHE, max_size, &io, &test_crypto, &key,
                                    cella_bytes_text("name")));
            for (int state = 1; state <= STATES && s.changes <= at; state++) {
                ok(change(f, state));
                ok(cella_protected_commit(f, true));
                if (s.changes <= at) done = state;
            }
            free(memory);
            seen[check_state(&s, done)]++;
            free(s.data);
        }
    for (int state = 0; state <= STATES; state++) assert_true(seen[state] > 0);
    free(start.data);
}

/* Power loss: of all that was written since the last sync, any part is missing. */
struct unsynced {
    struct storage now, durable;
    struct {
        uint64_t offset, size;
        uint8_t *data;
        bool cut;
    } log[400];
    int count;
    long syncs, stop_at; /* the power fails instead of this sync */
};

static int64_t lossy_read(void *c, void *b, uint64_t size, uint64_t offset) {
    return storage_read(&((struct unsynced *)c)->now, b, size, offset);
}
static void log_change(struct unsynced *u, const void *data, uint64_t size, uint64_t offset,
                       bool cut) {
    assert_true(u->count < 400);
    u->log[u->count].offset = offset;
    u->log[u->count].size = size;
    u->log[u->count].cut = cut;
    u->log[u->count].data = NULL;
    if (!cut) {
        u->log[u->count].data = malloc(size);
        memcpy(u->log[u->count].data, data, size);
    }
    u->count++;
}
static int64_t lossy_write(void *c, const void *data, uint64_t size, uint64_t offset) {
    struct unsynced *u = c;
    if (u->syncs <= u->stop_at) log_change(u, data, size, offset, false);
    return storage_write(&u->now, data, size, offset);
}
static int64_t lossy_truncate(void *c, uint64_t size) {
    struct unsynced *u = c;
    if (u->syncs <= u->stop_at) log_change(u, NULL, size, 0, true);
    return storage_truncate(&u->now, size);
}
static void replay(struct unsynced *u, bool all) {
    for (int i = 0; i < u->count; i++) {
        if (all || rand() % 2) {
            if (u->log[i].cut)
                storage_truncate(&u->durable, u->log[i].size);
            else
                storage_write(&u->durable, u->log[i].data, u->log[i].size, u->log[i].offset);
        }
        free(u->log[i].data);
    }
    u->count = 0;
}
static int64_t lossy_sync(void *c) {
    struct unsynced *u = c;
    if (u->syncs < u->stop_at) replay(u, true);
    u->syncs++;
    return 0;
}
static int64_t lossy_size(void *c) { return (int64_t)((struct unsynced *)c)->now.size; }

static void power_loss(void **unused) {
    (void)unused;
    struct storage start = first_state();
    srand(11);
    for (int round = 0; round < 40; round++)
        for (long stop = 0; stop < 2 * STATES; stop++) {
            struct unsynced *u = calloc(1, sizeof(*u));
            u->now = storage_copy(&start);
            u->durable = storage_copy(&start);
            u->stop_at = stop;
            struct cella_protected_io io = {lossy_read, lossy_write, lossy_truncate,
                                            lossy_sync, lossy_size,  u};
            int done;
            ok(job(NULL, io, &done));
            replay(u, false);
            check_state(&u->durable,
                        (int)(stop / 2)); /* two syncs a commit; the second makes it sure */
            free(u->now.data), free(u->durable.data), free(u);
        }
    free(start.data);
}

static void full_disk_at_every_write(void **unused) {
    (void)unused;
    struct storage start = first_state();
    long changes = changes_of_job();
    for (long at = 0; at < changes; at++) {
        struct storage s = storage_copy(&start);
        s.full_after = at;
        int done;
        struct cella_result r = job(&s, storage_io(&s), &done);
        if (cella_failed(r)) {
            assert_int_equal(cella_code_of(r), CELLA_ERR_IO);
            assert_non_null(strstr(r.error->what, "no space left"));
            assert_non_null(r.error->hint);
            assert_int_equal(check_state(&s, done), done); /* what was committed is intact */
        }
        cella_result_drop(r);
        free(s.data);
    }
    free(start.data);
}

static void goes_on_when_space_is_freed(void **unused) {
    (void)unused;
    struct storage start = first_state();
    long changes = changes_of_job();
    for (long at = 0; at < changes; at++) {
        struct storage s = storage_copy(&start);
        struct opened o;
        s.full_after = at;
        ok(open_storage(&o, &s, false, CACHE, max_size, &key, "name"));
        for (int state = 1; state <= STATES; state++)
            for (int tries = 0;; tries++) {
                struct cella_result r = change(o.file, state);
                if (!cella_failed(r)) r = cella_protected_commit(o.file, true);
                if (!cella_failed(r)) break;
                assert_int_equal(cella_code_of(r), CELLA_ERR_IO);
                assert_int_equal(tries, 0);
                cella_result_drop(r);
                s.full_after = -1;
            }
        close_opened(&o);
        assert_int_equal(check_state(&s, STATES), STATES);
        free(s.data);
    }
    free(start.data);
}

/* A write, of a header above all, that arrives though the system says it did not; then a crash at a
 * later one. */
static void failed_write_that_arrived(void **unused) {
    (void)unused;
    struct storage start = first_state();
    long changes = changes_of_job();
    for (long at = 0; at < changes; at++)
        for (long crash = at + 1; crash <= changes; crash++) {
            struct storage s = storage_copy(&start);
            struct opened o;
            s.lies_at = at;
            s.crash_after = crash;
            s.torn = 700;
            int done = 0;
            ok(open_storage(&o, &s, false, CACHE, max_size, &key, "name"));
            for (int state = 1; state <= STATES && s.changes <= crash; state++)
                for (int failed = 1, tries = 0; failed && tries < 2; tries++) {
                    struct cella_result r = change(o.file, state);
                    if (!cella_failed(r)) r = cella_protected_commit(o.file, true);
                    failed = cella_failed(r);
                    cella_result_drop(r);
                    if (!failed && s.changes <= crash) done = state;
                }
            close_opened(&o);
            check_state(&s, done);
            free(s.data);
        }
    free(start.data);
}

static void failing_sync(void **unused) {
    (void)unused;
    struct storage start = first_state();
    for (long at = 0; at < 2 * STATES; at++) {
        struct storage s = storage_copy(&start);
        struct opened o;
        s.sync_fails_at = at;
        ok(open_storage(&o, &s, false, CACHE, max_size, &key, "name"));
        int done = 0;
        struct cella_result r = CELLA_SUCCESS;
        for (int state = 1; state <= STATES && !cella_failed(r); state++) {
            r = change(o.file, state);
            if (!cella_failed(r)) r = cella_protected_commit(o.file, true);
            if (!cella_failed(r)) done = state;
        }
        assert_int_equal(cella_code_of(r), CELLA_ERR_IO);
        cella_result_drop(r);
        r = cella_protected_commit(o.file,
                                   true); /* a second sync must not hide what the first lost */
        assert_int_equal(cella_code_of(r), CELLA_ERR_IO);
        cella_result_drop(r);
        close_opened(&o);
        check_state(&s, done);
        free(s.data);
    }
    free(start.data);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(crash_at_every_write),      cmocka_unit_test(power_loss),
        cmocka_unit_test(full_disk_at_every_write),  cmocka_unit_test(goes_on_when_space_is_freed),
        cmocka_unit_test(failed_write_that_arrived), cmocka_unit_test(failing_sync),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
