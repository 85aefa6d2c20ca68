/* A whole vault in a file, and back in another store: what comes along, what opens it, and how much
 * memory it takes (K21, K24). */
#include "fixture.h"

#include <sys/resource.h>

#include "base/file.h"
#include "base/memory.h"
#include "vault/records.h"
#include "vault/whole.h"

static const char *in(const struct rig *rig, const char *name) {
    static char path[2][128];
    static int turn;
    turn = !turn;
    snprintf(path[turn], sizeof(path[turn]), "%s/%s", rig->folder, name);
    return path[turn];
}

#ifdef __has_feature
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
#define SANITIZED 1
#endif
#ifndef SANITIZED
#define SANITIZED 0 /* else what was freed is kept for a while */
#endif

struct noted {
    unsigned times;
    bool fails;
};
static CELLA_RESULT note(void *context, const char *vault,
                         const struct cella_vault_whole_count *count) {
    struct noted *noted = context;
    (void)vault, (void)count;
    noted->times++;
    ENSURE(!noted->fails, CELLA_ERR_IO, NULL, "the audit log is full");
    return CELLA_SUCCESS;
}
static struct cella_vault_whole whole_of(const struct rig *rig, const char *root,
                                         struct noted *noted) {
    return (struct cella_vault_whole){.database = rig->database,
                                      .sealer = rig->sealer,
                                      .root = root,
                                      .folder = rig->folder,
                                      .note = note,
                                      .context = noted};
}
static void passphrase(const struct rig *rig, const char *words) {
    GOOD(cella_file_write(in(rig, "words"), cella_bytes_text(words), 0600, 0));
}
static void refused(enum cella_code code, struct cella_result result) {
    if (cella_code_of(result) != code && cella_failed(result))
        print_error("%s\n", result.error->what);
    assert_int_equal(cella_code_of(result), code);
    cella_result_drop(result);
}
static void done(json_t *reply) { json_decref(reply); }

#define V "?api-version=7.4"

static void fill(struct rig *rig) {
    done(call(rig, "POST", "/keys/Sign/create" V, "{\"kty\":\"EC\",\"crv\":\"P-256\"}", 200));
    done(call(rig, "POST", "/keys/sign/rotate" V, "", 200));
    done(call(rig, "PUT", "/keys/sign/rotationpolicy" V,
              "{\"lifetimeActions\":[{\"trigger\":{\"timeAfterCreate\":\"P30D\"},\"action\":"
              "{\"type\":\"Rotate\"}}],\"attributes\":{\"expiryTime\":\"P60D\"}}",
              200));
    /* with a release policy, to which it is sealed: anyOf [{authority, allOf: [a equals 1]}] */
    done(call(
        rig, "POST", "/keys/out/create" V,
        "{\"kty\":\"EC-HSM\",\"attributes\":{\"exportable\":true},\"release_policy\":{\"data\":"
        "\"eyJ2ZXJzaW9uIjoiMS4wLjAiLCJhbnlPZiI6W3siYXV0aG9yaXR5IjoiaHR0cHM6Ly9hdHQudGVzdCIsImFs"
        "bE9mIjpbeyJjbGFpbSI6ImEiLCJlcXVhbHMiOjF9XX1dfQ\"}}",
        200));
    done(call(rig, "PUT", "/secrets/s" V, "{\"value\":\"first\",\"tags\":{\"a\":\"b\"}}", 200));
    done(call(rig, "PUT", "/secrets/s" V, "{\"value\":\"second\"}", 200));
    done(call(rig, "PUT", "/secrets/gone" V, "{\"value\":\"recoverable\"}", 200));
    done(call(rig, "DELETE", "/secrets/gone" V, NULL, 200));
    done(call(rig, "POST", "/certificates/Wait/create" V,
              "{\"policy\":{\"issuer\":{\"name\":\"Unknown\"},\"x509_props\":{\"subject\":"
              "\"CN=x.test\"},\"key_props\":{\"kty\":\"EC\",\"crv\":\"P-256\"}}}",
              202));
    done(call(rig, "PUT", "/certificates/contacts" V,
              "{\"contacts\":[{\"email\":\"a@b.example\"}]}", 200));
}

static void everything_comes_along(void **state) {
    (void)state;
    struct rig *one = rig_new(false), *two = rig_new(false);
    struct noted noted = {0};
    struct cella_vault_whole_count made = {0}, back = {0};
    fill(one);
    json_t *key = call(one, "GET", "/keys/sign" V, NULL, 200);
    json_t *csr = call(one, "GET", "/certificates/wait/pending" V, NULL, 200);
    passphrase(one, "correct horse battery\n");
    passphrase(two, "correct horse battery\n");
    struct cella_vault_whole from = whole_of(one, "passphrase:words", &noted);
    struct cella_vault_whole to = whole_of(two, "passphrase:words", &noted);
    GOOD(cella_vault_whole_backup(&from, "v1", in(one, "file"), &made));
    GOOD(cella_vault_whole_restore(&to, in(one, "file"), NULL, &back));
    assert_int_equal(noted.times, 2);
    assert_memory_equal(&made, &back, sizeof(made));
    assert_true(made.things >= 3 && made.versions >= 5 && made.notes >= 2);

    done(call(two, "GET", "/certificates/contacts" V, NULL, 200));
    json_t *again = call(two, "GET", "/keys/sign" V, NULL, 200);
    assert_true(json_equal(key, again));
    json_t *reply = call(two, "POST", "/keys/sign/sign" V,
                         "{\"alg\":\"ES256\",\"value\":"
                         "\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}",
                         200);
    char body[512];
    snprintf(body, sizeof(body),
             "{\"alg\":\"ES256\",\"digest\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\","
             "\"value\":\"%s\"}",
             at(reply, "value"));
    done(reply);
    reply = call(one, "POST", "/keys/sign/verify" V, body, 200); /* the same key */
    assert_true(json_is_true(json_object_get(reply, "value")));
    done(reply);
    done(call(two, "POST", "/keys/out/sign" V,
              "{\"alg\":\"ES256\",\"value\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}",
              200));
    reply = call(two, "GET", "/keys/sign/rotationpolicy" V, NULL, 200);
    assert_string_equal(at(reply, "attributes.expiryTime"), "P60D");
    done(reply);
    reply = call(two, "GET", "/keys/sign/versions" V, NULL, 200);
    assert_int_equal(json_array_size(json_object_get(reply, "value")), 2);
    done(reply);
    reply = call(two, "GET", "/secrets/S" V, NULL, 200);
    assert_string_equal(at(reply, "value"), "second");
    done(reply);
    done(call(two, "GET", "/secrets/gone" V, NULL, 404));
    done(call(two, "POST", "/deletedsecrets/gone/recover" V, NULL, 200));
    reply = call(two, "GET", "/secrets/gone" V, NULL, 200);
    assert_string_equal(at(reply, "value"), "recoverable");
    done(reply);
    /* the pending request, with its key */
    reply = call(two, "GET", "/certificates/wait/pending" V, NULL, 200);
    assert_string_equal(at(csr, "csr"), at(reply, "csr"));
    done(reply);
    done(key);
    done(csr);
    done(again);
    /* a second time: never mixed */
    refused(CELLA_ERR_EXISTS, cella_vault_whole_restore(&to, in(one, "file"), NULL, &back));
    /* a backup of what came from a backup, that key too, under another name */
    GOOD(cella_vault_whole_restore(&to, in(one, "file"), "v2", &back));
    GOOD(cella_vault_whole_backup(&to, "v2", in(two, "file"), &back));
    assert_memory_equal(&made, &back, sizeof(made));
    rig_free(one);
    rig_free(two);
}

static void only_the_root_opens_it_and_whole(void **state) {
    (void)state;
    struct rig *one = rig_new(false), *two = rig_new(false);
    struct noted noted = {0};
    struct cella_vault_whole_count count = {0};
    CELLA_BUFFER file = {0};
    done(call(one, "PUT", "/secrets/s" V, "{\"value\":\"canary-in-the-vault\"}", 200));
    GOOD(cella_file_write(in(one, "root2.key"),
                          cella_bytes_text("0123456789abcdef0123456789abcdef"), 0600, 0));
    struct cella_vault_whole from = whole_of(one, "file:root2.key", &noted);
    struct cella_vault_whole to = whole_of(two, "file:root2.key", &noted);
    GOOD(cella_vault_whole_backup(&from, "v1", in(one, "file"), &count));
    refused(CELLA_ERR_EXISTS, cella_vault_whole_backup(&from, "v1", in(one, "file"), &count));
    GOOD(cella_file_read(in(one, "file"), 1 << 20, &file));
    assert_null(memmem(file.data, file.size, "canary", 6));
    refused(CELLA_ERR_NOT_FOUND, cella_vault_whole_restore(&to, in(one, "file"), NULL, &count));
    to.root = "file:root.key"; /* the other store's own */
    refused(CELLA_ERR_INTEGRITY, cella_vault_whole_restore(&to, in(one, "file"), NULL, &count));
    GOOD(cella_file_write(in(two, "root2.key"),
                          cella_bytes_text("0123456789abcdef0123456789abcdef"), 0600, 0));
    to.root = "file:root2.key";
    for (size_t size = 0; size < file.size; size += size < 300 ? 13 : 1) {
        GOOD(cella_file_write(in(two, "bad"), cella_bytes(file.data, size), 0600, 0));
        struct cella_result r = cella_vault_whole_restore(&to, in(two, "bad"), NULL, &count);
        assert_true(cella_failed(r));
        cella_result_drop(r);
    }
    const uint8_t *line = memchr(file.data, '\n', file.size);
    for (size_t i = (size_t)(line - file.data) + 1; i < file.size; i++) {
        file.data[i] ^= 4;
        GOOD(cella_file_write(in(two, "bad"), cella_buffer_bytes(&file), 0600, 0));
        refused(CELLA_ERR_INTEGRITY, cella_vault_whole_restore(&to, in(two, "bad"), NULL, &count));
        file.data[i] ^= 4;
    }
    /* A root that the file names is not followed. */
    uint8_t *named = memmem(file.data, file.size, "file:root2.key", 14);
    assert_non_null(named);
    memcpy(named, "file:/dev/zero", 14);
    GOOD(cella_file_write(in(two, "bad"), cella_buffer_bytes(&file), 0600, 0));
    GOOD(cella_vault_whole_restore(&to, in(two, "bad"), "named", &count));
    memcpy(named, "file:root2.key", 14);
    /* another vault's name in its head */
    uint8_t *name = memmem(file.data, file.size, "\"v1\"", 4);
    assert_non_null(name);
    name[2] = '2';
    GOOD(cella_file_write(in(two, "bad"), cella_buffer_bytes(&file), 0600, 0));
    refused(CELLA_ERR_INTEGRITY, cella_vault_whole_restore(&to, in(two, "bad"), NULL, &count));
    static const char *const names[] = {"", "V1", "a b", "v|1", "../v"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        refused(CELLA_ERR_USAGE, cella_vault_whole_restore(&to, in(one, "file"), names[i], &count));
    /* K22: what cannot be audited is not done */
    noted.fails = true;
    refused(CELLA_ERR_IO, cella_vault_whole_restore(&to, in(one, "file"), NULL, &count));
    refused(CELLA_ERR_IO, cella_vault_whole_backup(&from, "v1", in(one, "more"), &count));
    assert_int_not_equal(access(in(one, "more"), F_OK), 0);
    noted.fails = false;
    done(call(two, "GET", "/secrets/s" V, NULL, 404));
    GOOD(cella_vault_whole_restore(&to, in(one, "file"), NULL, &count));
    json_t *reply = call(two, "GET", "/secrets/s" V, NULL, 200);
    assert_string_equal(at(reply, "value"), "canary-in-the-vault");
    done(reply);
    rig_free(one);
    rig_free(two);
}

/* Parts left out, or in another order, though each is genuine. */
static void parts_are_in_order(const struct rig *rig, const struct cella_vault_whole *whole) {
    CELLA_BUFFER file = {0}, bad = {0};
    struct cella_vault_whole_count count;
    size_t start[4];
    GOOD(cella_file_read(in(rig, "file"), 1 << 28, &file));
    start[0] = (size_t)((uint8_t *)memchr(file.data, '\n', file.size) - file.data) + 1;
    for (int i = 0; i < 3; i++) {
        const uint8_t *size = file.data + start[i];
        start[i + 1] =
            start[i] + 4 +
            ((size_t)size[0] << 24 | (size_t)size[1] << 16 | (size_t)size[2] << 8 | size[3]);
        assert_true(start[i + 1] < file.size);
    }
    for (int swap = 0; swap < 2; swap++) {
        bad.size = 0;
        GOOD(cella_buffer_append(&bad, cella_bytes(file.data, start[1])));
        if (swap)
            GOOD(cella_buffer_append(&bad, cella_bytes(file.data + start[2], start[3] - start[2])));
        if (swap)
            GOOD(cella_buffer_append(&bad, cella_bytes(file.data + start[1], start[2] - start[1])));
        GOOD(cella_buffer_append(&bad, cella_bytes(file.data + start[2 + swap],
                                                   file.size - start[2 + swap])));
        GOOD(cella_file_write(in(rig, "bad"), cella_buffer_bytes(&bad), 0600, 0));
        refused(CELLA_ERR_INTEGRITY, cella_vault_whole_restore(whole, in(rig, "bad"), "x", &count));
    }
}

static double seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}
static long memory_kib(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss;
}

/* Memory is the same for any size; CELLA_WHOLE_COUNT=100000 tells the time of a large one. */
static void memory_is_bounded(void **state) {
    (void)state;
    struct rig *one = rig_new(false), *two = rig_new(false);
    struct noted noted = {0};
    struct cella_vault_whole_count count = {0};
    CELLA_SESSION session = NULL;
    const char *wanted = getenv("CELLA_WHOLE_COUNT");
    long many = wanted ? strtol(wanted, NULL, 10) : 20000;
    GOOD(cella_session_begin(one->database, true, &session));
    for (long i = 0; i < many; i++) {
        CELLA_RECORD record = {.kind = CELLA_RECORD_SECRET, .enabled = true, .deleted = -1};
        char context[384];
        static const uint8_t secret[1000] = {1};
        snprintf(record.name, sizeof(record.name), "secret-%ld", i);
        record.public = json_pack("{s:s}", "contentType", "text/plain");
        GOOD(cella_record_version(record.version));
        GOOD(cella_record_context("v1", &record, context));
        GOOD(cella_sealer_seal(one->sealer, context, CELLA_BYTES_OF(secret), &record.sealed));
        GOOD(cella_records_add(session, "v1", &record));
    }
    GOOD(cella_session_commit(&session));
    struct cella_vault_whole from = whole_of(one, "file:root.key", &noted);
    long before = memory_kib();
    double start = seconds();
    GOOD(cella_vault_whole_backup(&from, "v1", in(one, "file"), &count));
    double middle = seconds();
    double end;
    from.database = two->database;
    from.sealer = two->sealer;
    GOOD(cella_vault_whole_restore(&from, in(one, "file"), NULL, &count));
    end = seconds();
    print_message("%ld secrets: backup %.1f s, restore %.1f s, %ld MiB more\n", many,
                  middle - start, end - middle, (memory_kib() - before) / 1024);
    assert_int_equal(count.versions, many);
    assert_true(SANITIZED || memory_kib() - before < 16 * 1024);
    if (!wanted) parts_are_in_order(one, &from);
    rig_free(one);
    rig_free(two);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_comes_along),
        cmocka_unit_test(only_the_root_opens_it_and_whole),
        cmocka_unit_test(memory_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
