/* Protected files: contents against an oracle, refusal of every change, names, keys. */
#include "seal/protected.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "storage.h"

enum { B = CELLA_PROTECTED_BLOCK, CACHE = 8 };
static const uint64_t max_size = 64 << 20;
static const struct cella_protected_key key = {.kind = CELLA_PROTECTED_KEY_GIVEN, .key = {1, 2, 3}};

static void ok(struct cella_result r) {
    if (cella_failed(r)) cella_result_print(r);
    assert_false(cella_failed(r));
}
static void fails(struct cella_result r, enum cella_code code) {
    if (cella_code_of(r) != code) {
        printf("expected %s, found %s\n", cella_code_name(code), cella_code_name(cella_code_of(r)));
        if (cella_failed(r)) cella_result_print(r);
    }
    assert_int_equal(cella_code_of(r), code);
    cella_result_drop(r);
}

static uint8_t pattern(uint64_t at, unsigned seed) {
    return (uint8_t)((at * 2654435761u >> 7) + seed * 37 + at / B);
}

static void fill(uint8_t *p, uint64_t offset, uint64_t size, unsigned seed) {
    for (uint64_t i = 0; i < size; i++) p[i] = pattern(offset + i, seed);
}

/* A file of size bytes of pattern, committed. */
static struct storage make(uint64_t size, unsigned seed, const struct cella_protected_key *k,
                           const char *name) {
    struct storage s = storage_new();
    struct opened o;
    uint8_t *data = malloc(size + 1);
    fill(data, 0, size, seed);
    ok(open_storage(&o, &s, true, CACHE, max_size, k, name));
    ok(cella_protected_write(o.file, 0, data, size));
    ok(cella_protected_commit(o.file, true));
    close_opened(&o);
    free(data);
    return s;
}

/* Reads all; the first error there is. *same: content is the pattern of that size. */
static struct cella_result read_all(struct storage *s, uint64_t size, unsigned seed, bool *same) {
    struct opened o;
    *same = false;
    struct cella_result r = open_storage(&o, s, false, CACHE, 0, &key, "name");
    if (cella_failed(r)) return r;
    uint64_t length = cella_protected_length(o.file), done;
    assert_true(length <= max_size);
    uint8_t *data = malloc(length + 1), *want = malloc(size + 1);
    r = cella_protected_read(o.file, 0, data, length + 1, &done);
    fill(want, 0, size, seed);
    *same = !cella_failed(r) && done == size && memcmp(data, want, size) == 0;
    free(data), free(want);
    close_opened(&o);
    return r;
}

static void must_read(struct storage *s, uint64_t size, unsigned seed) {
    bool same;
    ok(read_all(s, size, seed, &same));
    assert_true(same);
}
static void must_refuse(struct storage *s) {
    bool same;
    fails(read_all(s, 0, 0, &same), CELLA_ERR_INTEGRITY);
}

static const uint64_t sizes[] = {0,       1,           15,         4096,       B - 1,
                                 B,       B + 1,       5 * B,      5 * B + 77, 512 * B - 1,
                                 512 * B, 512 * B + 1, 530 * B + 3};

static void round_trips(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct storage s = make(sizes[i], 3, &key, "name");
        must_read(&s, sizes[i], 3);
        uint64_t blocks = (sizes[i] + B - 1) / B;
        assert_true(s.size <= B * (1 + blocks + blocks / 512 + 3)); /* no space is wasted */
        free(s.data);
    }
}

static void small_writes_are_one_file(void **state) {
    (void)state;
    struct storage s = storage_new();
    struct opened o;
    uint64_t size = 3 * B + 1234;
    uint8_t *data = malloc(size);
    fill(data, 0, size, 9);
    ok(open_storage(&o, &s, true, CACHE, max_size, &key, "name"));
    for (uint64_t at = 0; at < size; at += 1000)
        ok(cella_protected_write(o.file, at, data + at, size - at < 1000 ? size - at : 1000));
    ok(cella_protected_commit(o.file, false));
    close_opened(&o);
    must_read(&s, size, 9);
    free(data), free(s.data);
}

static void holes_take_no_space(void **state) {
    (void)state;
    struct storage s = storage_new();
    struct opened o;
    uint64_t done, far = 3000ull * B + 5;
    ok(open_storage(&o, &s, true, CACHE, max_size, &key, "name"));
    ok(cella_protected_write(o.file, 10, "abc", 3));
    ok(cella_protected_write(o.file, far, "x", 1));
    ok(cella_protected_commit(o.file, true));
    assert_true(s.size < 8 * B);
    uint8_t buffer[B + 20], zero[B] = {0};
    ok(cella_protected_read(o.file, 0, buffer, 20, &done));
    assert_memory_equal(buffer, "\0\0\0\0\0\0\0\0\0\0abc\0\0\0\0\0\0\0", 20);
    ok(cella_protected_read(o.file, 1000 * B, buffer, B, &done));
    assert_memory_equal(buffer, zero, B);
    ok(cella_protected_read(o.file, far - 1, buffer, 100, &done));
    assert_int_equal(done, 2);
    assert_memory_equal(buffer, "\0x", 2);
    close_opened(&o);
    free(s.data);
}

static void shrinking_forgets(void **state) {
    (void)state;
    struct storage s = make(700 * B + 9, 5, &key, "name");
    struct opened o;
    uint64_t done;
    uint8_t buffer[200], zero[200] = {0};
    ok(open_storage(&o, &s, false, CACHE, max_size, &key, "name"));
    ok(cella_protected_resize(o.file, 100));
    ok(cella_protected_resize(o.file, 600 * B));
    ok(cella_protected_read(o.file, 100, buffer, 200, &done));
    assert_memory_equal(buffer, zero, 200); /* old content does not come back */
    ok(cella_protected_read(o.file, 550 * B, buffer, 200, &done));
    assert_memory_equal(buffer, zero, 200);
    ok(cella_protected_resize(o.file, 100));
    ok(cella_protected_commit(o.file, true));
    ok(cella_protected_write(o.file, 100, "z", 1));
    ok(cella_protected_commit(o.file, true)); /* moves the last block down */
    ok(cella_protected_resize(o.file, 100));
    ok(cella_protected_commit(o.file, true));
    assert_true(s.size < 10 * B); /* and the space is given back */
    close_opened(&o);
    must_read(&s, 100, 5);
    free(s.data);
}

static void truncation_is_refused(void **state) {
    (void)state;
    uint64_t size = 20 * B + 5;
    struct storage s = make(size, 1, &key, "name");
    uint64_t whole = s.size;
    for (uint64_t cut = B; cut < whole; cut += B) {
        s.size = cut; /* the storage ends at every block ... */
        must_refuse(&s);
        s.size = cut + 1;
        must_refuse(&s);
    }
    s.size = whole - 1; /* ... or one byte early */
    must_refuse(&s);
    s.size = whole;
    must_read(&s, size, 1);
    free(s.data);
}

static void swapped_blocks_are_refused(void **state) {
    (void)state;
    uint64_t size = 12 * B;
    struct storage s = make(size, 1, &key, "name");
    uint64_t blocks = s.size / B;
    for (uint64_t a = 1; a < blocks; a++)
        for (uint64_t b = a + 1; b < blocks; b++) {
            struct storage t = storage_copy(&s);
            memcpy(t.data + a * B, s.data + b * B, B);
            memcpy(t.data + b * B, s.data + a * B, B);
            must_refuse(&t);
            memcpy(t.data + b * B, s.data + b * B, B); /* one block doubled */
            must_refuse(&t);
            free(t.data);
        }
    free(s.data);
}

static void spliced_blocks_are_refused(void **state) {
    (void)state;
    struct storage s = make(12 * B, 1, &key, "name"), other = make(12 * B, 1, &key, "name");
    assert_int_equal(s.size, other.size);
    for (uint64_t block = 1; block < s.size / B; block++) {
        struct storage t = storage_copy(&s);
        memcpy(t.data + block * B, other.data + block * B,
               B); /* same content, key, name and place */
        must_refuse(&t);
        free(t.data);
    }
    struct storage t = storage_copy(&s);
    memcpy(t.data, other.data, B); /* the other's header over these blocks */
    must_refuse(&t);
    free(t.data), free(s.data), free(other.data);
}

static void rolled_back_blocks_are_refused(void **state) {
    (void)state;
    struct storage s = make(6 * B, 1, &key, "name"), old[4];
    struct opened o;
    uint8_t data[B];
    for (unsigned i = 0; i < 4; i++) { /* places are used again from the third commit on */
        old[i] = storage_copy(&s);
        ok(open_storage(&o, &s, false, CACHE, max_size, &key, "name"));
        fill(data, 2 * B, B, 20 + i);
        ok(cella_protected_write(o.file, 2 * B, data, B));
        ok(cella_protected_commit(o.file, true));
        close_opened(&o);
    }
    int changed = 0;
    for (unsigned i = 0; i < 4; i++) {
        for (uint64_t block = 1; block < s.size / B && (block + 1) * B <= old[i].size; block++) {
            if (memcmp(s.data + block * B, old[i].data + block * B, B) == 0) continue;
            struct storage t = storage_copy(&s);
            memcpy(t.data + block * B, old[i].data + block * B, B);
            struct cella_result r;
            bool same;
            r = read_all(&t, 0, 0, &same); /* free blocks may change; those in use may not */
            if (cella_failed(r)) changed++;
            assert_true(!cella_failed(r) || cella_code_of(r) == CELLA_ERR_INTEGRITY);
            cella_result_drop(r);
            free(t.data);
        }
        free(old[i].data);
    }
    assert_true(changed >= 2);
    free(s.data);
}

static void every_byte_of_the_header_counts(void **state) {
    (void)state;
    struct storage s = make(B + 5, 1, &key, "name");
    for (uint64_t at = 0; at < 4096; at++) {
        s.data[at] ^= (uint8_t)(1 + at % 255);
        bool same;
        struct cella_result r = read_all(&s, B + 5, 1, &same);
        assert_true(cella_code_of(r) == CELLA_ERR_INTEGRITY ||
                    cella_code_of(r) == CELLA_ERR_FORMAT);
        cella_result_drop(r);
        s.data[at] ^= (uint8_t)(1 + at % 255);
    }
    must_read(&s, B + 5, 1);
    free(s.data);
}

static void every_byte_of_the_blocks_counts(void **state) {
    (void)state;
    const uint64_t tried[] = {5, 2 * B}; /* without the unused rest of a short block */
    for (int i = 0; i < 2; i++) {
        struct storage s = make(tried[i], 1, &key, "name");
        for (uint64_t at = B; at < s.size; at += i ? 13 : 1) {
            s.data[at] ^= 1;
            must_refuse(&s);
            s.data[at] ^= 1;
        }
        must_read(&s, tried[i], 1);
        free(s.data);
    }
}

static void damaged_newest_header_leaves_the_last_commit(void **state) {
    (void)state;
    struct storage s = make(3 * B, 1, &key, "name");
    struct opened o;
    uint8_t data[3 * B];
    fill(data, 0, 3 * B, 2);
    ok(open_storage(&o, &s, false, CACHE, max_size, &key, "name"));
    ok(cella_protected_write(o.file, 0, data, 3 * B));
    ok(cella_protected_commit(o.file, true));
    close_opened(&o);
    must_read(&s, 3 * B, 2);
    s.data[4096 + 2000] ^= 1;
    must_read(&s, 3 * B, 1);
    s.data[2000] ^= 1;
    must_refuse(&s);
    free(s.data);
}

static void wrong_keys_and_names(void **state) {
    (void)state;
    struct storage s = make(100, 1, &key, "name");
    struct opened o;
    struct cella_protected_key wrong = key;
    wrong.key[31] ^= 1;
    fails(open_storage(&o, &s, false, CACHE, 0, &wrong, "name"), CELLA_ERR_INTEGRITY);
    fails(open_storage(&o, &s, false, CACHE, 0, &key, "other"), CELLA_ERR_INTEGRITY);
    fails(open_storage(&o, &s, false, CACHE, 0, &key, "nam"), CELLA_ERR_INTEGRITY);
    fails(open_storage(&o, &s, false, CACHE, 0, &key, ""), CELLA_ERR_LIMIT);
    fails(open_storage(&o, &s, false, CACHE - 1, 0, &key, "name"), CELLA_ERR_USAGE);
    ok(open_storage(&o, &s, false, CACHE, 0, &key, "name"));
    fails(cella_protected_write(o.file, 0, "x", 1), CELLA_ERR_USAGE);
    fails(cella_protected_resize(o.file, 0), CELLA_ERR_USAGE);
    fails(cella_protected_commit(o.file, true), CELLA_ERR_USAGE);
    close_opened(&o);
    ok(open_storage(&o, &s, false, CACHE, 1000, &key, "name"));
    fails(cella_protected_write(o.file, 1000, "x", 1), CELLA_ERR_LIMIT);
    fails(cella_protected_write(o.file, UINT64_MAX, "x", 1), CELLA_ERR_LIMIT);
    fails(cella_protected_resize(o.file, 1001), CELLA_ERR_LIMIT);
    close_opened(&o);
    fails(open_storage(&o, &s, false, CACHE, 99, &key, "name"), CELLA_ERR_LIMIT);
    struct storage empty = storage_new();
    fails(open_storage(&o, &empty, false, CACHE, 0, &key, "name"), CELLA_ERR_FORMAT);
    free(s.data), free(empty.data);
}

static void peek_reads_the_clear_header(void **state) {
    (void)state;
    struct cella_protected_key seal = {.kind = CELLA_PROTECTED_KEY_SEAL_SIGNER,
                                       .svn = 7,
                                       .key_id = {9, 8}},
                               found;
    struct storage s = make(100, 1, &seal, "name"), text = storage_new();
    struct cella_protected_io io = storage_io(&s), other = storage_io(&text);
    ok(cella_protected_peek(&io, &found));
    assert_int_equal(found.kind, seal.kind);
    assert_int_equal(found.svn, 7);
    assert_memory_equal(found.key_id, seal.key_id, 32);
    storage_write(&text, "plain text", 10, 0);
    fails(cella_protected_peek(&other, &found), CELLA_ERR_FORMAT);
    free(s.data), free(text.data);
}

static void renaming(void **state) {
    (void)state;
    struct storage s = make(100, 1, &key, "name");
    struct opened o;
    ok(open_storage(&o, &s, false, CACHE, max_size, &key, "name"));
    ok(cella_protected_rebind(o.file, cella_bytes_text("new")));
    ok(cella_protected_commit(o.file, true));
    close_opened(&o);
    must_read(&s, 100, 1); /* under the old name */
    ok(open_storage(&o, &s, false, CACHE, max_size, &key, "new"));
    ok(cella_protected_rebind(o.file, cella_bytes_text("new")));
    ok(cella_protected_commit(o.file, true));
    close_opened(&o);
    fails(open_storage(&o, &s, false, CACHE, 0, &key, "name"), CELLA_ERR_INTEGRITY);
    ok(open_storage(&o, &s, false, CACHE, 0, &key, "new"));
    close_opened(&o);
    free(s.data);
}

/* The oracle: the same operations on plain memory. */
struct oracle {
    uint8_t *data, *saved;
    uint64_t length, saved_length;
};

static void check_oracle(struct opened *o, struct oracle *m, uint64_t offset, uint64_t size) {
    uint8_t *got = malloc(size + 1);
    uint64_t done, want = offset >= m->length         ? 0
                          : m->length - offset < size ? m->length - offset
                                                      : size;
    assert_int_equal(cella_protected_length(o->file), m->length);
    ok(cella_protected_read(o->file, offset, got, size, &done));
    assert_int_equal(done, want);
    if (want) assert_memory_equal(got, m->data + offset, want);
    free(got);
}

static uint64_t some(uint64_t below) { return ((uint64_t)rand() << 20 ^ (uint64_t)rand()) % below; }

static void oracle_step(struct opened *o, struct oracle *m, struct storage *s, uint64_t room,
                        uint32_t cache) {
    uint64_t offset = some(room), size = some(3) ? some(6000) : some(6 * B);
    if (some(4) == 0) offset -= offset % B, size += B - size % B;
    if (offset + size > room) size = room - offset;
    switch (some(16)) {
    case 0: {
        uint64_t length = some(4) ? some(room) : some(room / B + 1) * B;
        ok(cella_protected_resize(o->file, length));
        if (length > m->length) memset(m->data + m->length, 0, length - m->length);
        m->length = length;
        break;
    }
    case 1:
        ok(cella_protected_commit(o->file, some(2)));
        memcpy(m->saved, m->data, m->length);
        m->saved_length = m->length;
        break;
    case 2: /* closed without a commit: the last commit is what is there */
        close_opened(o);
        ok(open_storage(o, s, false, cache, room, &key, "name"));
        memcpy(m->data, m->saved, m->saved_length);
        m->length = m->saved_length;
        break;
    case 3:
    case 4:
    case 5:
    case 6:
    case 7: check_oracle(o, m, offset, size); break;
    default:
        if (!size) break;
        if (offset > m->length) memset(m->data + m->length, 0, offset - m->length);
        fill(m->data + offset, offset, size, (unsigned)some(200));
        ok(cella_protected_write(o->file, offset, m->data + offset, size));
        if (offset + size > m->length) m->length = offset + size;
    }
}

static void run_oracle(uint64_t room, uint32_t cache, int steps, unsigned seed) {
    struct storage s = storage_new();
    struct opened o;
    struct oracle m = {malloc(room), malloc(room), 0, 0};
    srand(seed);
    ok(open_storage(&o, &s, true, cache, room, &key, "name"));
    ok(cella_protected_commit(o.file, true));
    for (int i = 0; i < steps; i++) oracle_step(&o, &m, &s, room, cache);
    for (uint64_t at = 0; at < m.length; at += 100000) check_oracle(&o, &m, at, 100000);
    uint64_t blocks = room / B + 1;
    assert_true(s.size <=
                B * (2 * (blocks + blocks / 512 + 4) + 64)); /* bounded by copy on write */
    close_opened(&o);
    free(m.data), free(m.saved), free(s.data);
}

static void random_operations(void **state) {
    (void)state;
    for (unsigned seed = 1; seed <= 4; seed++) {
        run_oracle(B / 2, 8, 1500, seed);
        run_oracle(10 * B + 100, 8, 3000, seed);
        run_oracle(600 * B, 8, 3000, seed);
        run_oracle(1100 * B, 64, 3000, seed);
    }
}

static void deep_trees(void **state) {
    (void)state;
    struct storage s = storage_new();
    struct opened o;
    uint64_t room = 5ull << 30, done; /* three levels of nodes */
    char got[4];
    ok(open_storage(&o, &s, true, CACHE, room, &key, "name"));
    for (uint64_t at = 0; at < room; at += 97ull << 20)
        ok(cella_protected_write(o.file, at, &at, sizeof(at)));
    ok(cella_protected_commit(o.file, true));
    close_opened(&o);
    ok(open_storage(&o, &s, false, CACHE, room, &key, "name"));
    for (uint64_t at = 0; at < room; at += 97ull << 20) {
        uint64_t value = 1;
        ok(cella_protected_read(o.file, at, &value, sizeof(value), &done));
        assert_int_equal(value, at);
    }
    ok(cella_protected_resize(o.file, 3));
    ok(cella_protected_commit(o.file, true));
    ok(cella_protected_read(o.file, 0, got, 4, &done));
    assert_int_equal(done, 3);
    close_opened(&o);
    free(s.data);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trips),
        cmocka_unit_test(small_writes_are_one_file),
        cmocka_unit_test(holes_take_no_space),
        cmocka_unit_test(shrinking_forgets),
        cmocka_unit_test(truncation_is_refused),
        cmocka_unit_test(swapped_blocks_are_refused),
        cmocka_unit_test(spliced_blocks_are_refused),
        cmocka_unit_test(rolled_back_blocks_are_refused),
        cmocka_unit_test(every_byte_of_the_header_counts),
        cmocka_unit_test(every_byte_of_the_blocks_counts),
        cmocka_unit_test(damaged_newest_header_leaves_the_last_commit),
        cmocka_unit_test(wrong_keys_and_names),
        cmocka_unit_test(peek_reads_the_clear_header),
        cmocka_unit_test(renaming),
        cmocka_unit_test(random_operations),
        cmocka_unit_test(deep_trees),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
