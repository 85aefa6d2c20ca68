/* kill -9 before every call to the kernel that writes, of every operation that changes a vault:
 * what is found afterwards is the state before or the state after, whole, and the log knows of it.
 */
#include "audit/audit.h"
#include "fixture.h"
#include "vault/whole.h"

#include <signal.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define V     "?api-version=7.4"
#define ECDSA "{\"alg\":\"ES256\",\"value\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}"
#define CERTIFICATE                                                                                \
    "{\"policy\":{\"key_props\":{\"kty\":\"EC\",\"crv\":\"P-256\"},\"x509_props\":{\"subject\":"   \
    "\"CN=a\"},\"issuer\":{\"name\":\"Self\"}}}"
enum { STEPS_MAX = 200 };

/* --- What is true of a vault --- */

static int status_of(struct rig *rig, const char *method, const char *target, const char *body) {
    int status = 0;
    json_decref(call_as(rig, rig->token, method, target, body, &status));
    return status;
}

/* How many versions there are, each of which can be used. */
static size_t whole_versions(struct rig *rig, const char *name) {
    char target[256];
    int status = 0;
    size_t i, count;
    json_t *item;
    snprintf(target, sizeof(target), "/keys/%s/versions" V, name);
    json_t *list = call_as(rig, rig->token, "GET", target, NULL, &status);
    count = status == 200 ? json_array_size(json_object_get(list, "value")) : 0;
    json_array_foreach(json_object_get(list, "value"), i, item) {
        snprintf(target, sizeof(target), "%s/sign" V, at(item, "kid") + strlen("https://" HOST));
        assert_int_equal(status_of(rig, "POST", target, ECDSA), 200);
    }
    json_decref(list);
    snprintf(target, sizeof(target), "/keys/%s" V, name);
    assert_int_equal(status_of(rig, "GET", target, NULL), count ? 200 : 404);
    return count;
}

/* Certificate, key and secret go together; whether they are there, or as many are deleted. */
static bool whole_certificate(struct rig *rig, bool deleted) {
    static const char *const plurals[] = {"certificates", "keys", "secrets"};
    int found[3];
    for (size_t i = 0; i < 3; i++) {
        char target[64];
        snprintf(target, sizeof(target), "/%s%s/c" V, deleted ? "deleted" : "", plurals[i]);
        found[i] = status_of(rig, "GET", target, NULL);
    }
    assert_int_equal(found[0], found[1]);
    assert_int_equal(found[0], found[2]);
    if (found[0] == 200 && !deleted)
        assert_int_equal(status_of(rig, "POST", "/keys/c/sign" V, ECDSA), 200);
    return found[0] == 200;
}

/* --- Operations: what is there before, what is done, and whether it was --- */

static char backup[16384];

static void with_key(struct rig *rig) {
    json_decref(call(rig, "POST", "/keys/k/create" V, "{\"kty\":\"EC\"}", 200));
}
static int create(struct rig *rig) {
    return status_of(rig, "POST", "/keys/k/create" V, "{\"kty\":\"EC\"}");
}
static bool was_created(struct rig *rig) { return whole_versions(rig, "k") == 1; }
static int rotate(struct rig *rig) { return status_of(rig, "POST", "/keys/k/rotate" V, ""); }
static bool was_rotated(struct rig *rig) {
    size_t count = whole_versions(rig, "k");
    assert_in_range(count, 1, 2);
    return count == 2;
}
static int issue(struct rig *rig) {
    int status = status_of(rig, "POST", "/certificates/c/create" V, CERTIFICATE);
    return status == 202 ? 200 : status;
}
static bool was_issued(struct rig *rig) { return whole_certificate(rig, false); }
static void with_certificate(struct rig *rig) { assert_int_equal(issue(rig), 200); }
static int delete (struct rig *rig) { return status_of(rig, "DELETE", "/certificates/c" V, NULL); }
static bool was_deleted(struct rig *rig) {
    bool gone = whole_certificate(rig, true);
    assert_int_equal(whole_certificate(rig, false), !gone);
    return gone;
}
static void with_deleted(struct rig *rig) {
    with_certificate(rig);
    assert_int_equal(delete (rig), 200);
}
static int purge(struct rig *rig) {
    int status = status_of(rig, "DELETE", "/deletedcertificates/c" V, NULL);
    return status == 204 ? 200 : status;
}
static bool was_purged(struct rig *rig) {
    if (whole_certificate(rig, true)) return false;
    assert_false(whole_certificate(rig, false));
    with_certificate(rig); /* the name is free, with nothing left of it */
    with_deleted(rig);
    return true;
}
static void with_backup(struct rig *rig) {
    for (int i = 0; i < 3; i++) with_key(rig);
    json_t *made = call(rig, "POST", "/keys/k/backup" V, NULL, 200);
    snprintf(backup, sizeof(backup), "{\"value\":\"%s\"}", at(made, "value"));
    json_decref(made);
    json_decref(call(rig, "DELETE", "/keys/k" V, NULL, 200));
    json_decref(call(rig, "DELETE", "/deletedkeys/k" V, NULL, 204));
}
static int restore(struct rig *rig) { return status_of(rig, "POST", "/keys/restore" V, backup); }
static bool was_restored(struct rig *rig) {
    size_t count = whole_versions(rig, "k");
    assert_true(count == 0 || count == 3);
    return count == 3;
}
/* A whole vault, from a file: two versions of a key, and a certificate. */
static struct cella_result note_whole(void *context, const char *vault,
                                      const struct cella_vault_whole_count *count) {
    (void)count;
    CELLA_JSON line = json_pack("{s:s, s:s}", "action", "restore", "object", vault);
    return cella_audit_append(context, line);
}
static struct cella_result whole(struct rig *rig, bool make) {
    struct cella_vault_whole_count count;
    struct cella_vault_whole of = {.database = rig->database,
                                   .sealer = rig->sealer,
                                   .root = "file:root.key",
                                   .folder = rig->folder,
                                   .note = note_whole,
                                   .context = rig->audit};
    char path[128];
    snprintf(path, sizeof(path), "%s/whole", rig->folder);
    return make ? cella_vault_whole_backup(&of, "v1", path, &count)
                : cella_vault_whole_restore(&of, path, NULL, &count);
}
static void with_whole(struct rig *rig) {
    with_key(rig);
    with_key(rig);
    with_deleted(rig);
    assert_int_equal(status_of(rig, "POST", "/deletedcertificates/c/recover" V, NULL), 200);
    GOOD(whole(rig, true));
    json_decref(call(rig, "DELETE", "/keys/k" V, NULL, 200));
    json_decref(call(rig, "DELETE", "/deletedkeys/k" V, NULL, 204));
    json_decref(call(rig, "DELETE", "/certificates/c" V, NULL, 200));
    json_decref(call(rig, "DELETE", "/deletedcertificates/c" V, NULL, 204));
}
static int restore_whole(struct rig *rig) {
    struct cella_result result = whole(rig, false);
    bool failed = cella_failed(result);
    cella_result_drop(result);
    return failed ? 500 : 200;
}
static bool was_restored_whole(struct rig *rig) {
    size_t count = whole_versions(rig, "k");
    assert_true(count == 0 || count == 2);
    assert_int_equal(whole_certificate(rig, false), count == 2);
    return count == 2;
}
static int update(struct rig *rig) {
    return status_of(rig, "PATCH", "/keys/k" V, "{\"tags\":{\"a\":\"b\"}}");
}
static bool was_updated(struct rig *rig) {
    json_t *key = call(rig, "GET", "/keys/k" V, NULL, 200);
    bool tagged = at(key, "tags.a") != NULL;
    json_decref(key);
    assert_int_equal(whole_versions(rig, "k"), 1);
    return tagged;
}
static int rewrap(struct rig *rig) {
    struct cella_result result = cella_sealer_rewrap("file:root.key", rig->folder, "file:new.key");
    bool failed = cella_failed(result);
    cella_result_drop(result);
    return failed ? 500 : 200;
}
static bool was_rewrapped(struct rig *rig) {
    CELLA_BUFFER root = {0};
    assert_int_equal(whole_versions(rig, "k"), 1);
    GOOD(cella_sealer_root("file:root.key", rig->folder, &root));
    return strcmp((const char *)root.data, "file:new.key") == 0;
}

static const struct operation {
    const char *name, *action; /* action: in the log, or NULL */
    void (*before)(struct rig *rig);
    int (*run)(struct rig *rig); /* status */
    bool (*done)(struct rig *rig);
} operations[] = {
    {"create", "create", NULL, create, was_created},
    {"rotate", "rotate", with_key, rotate, was_rotated},
    {"issue a certificate", "create", NULL, issue, was_issued},
    {"delete a certificate", "delete", with_certificate, delete, was_deleted},
    {"purge a certificate", "purge", with_deleted, purge, was_purged},
    {"restore", "restore", with_backup, restore, was_restored},
    {"restore a whole vault", "restore", with_whole, restore_whole, was_restored_whole},
    {"update", "update", with_key, update, was_updated},
    {"re-wrap", NULL, with_key, rewrap, was_rewrapped},
};

/* --- Killing --- */

static bool writes(uint64_t number) {
    static const long calls[] = {SYS_write,     SYS_pwrite64,  SYS_writev,    SYS_pwritev,
                                 SYS_fsync,     SYS_fdatasync, SYS_ftruncate, SYS_unlink,
                                 SYS_unlinkat,  SYS_rename,    SYS_renameat,  SYS_renameat2,
                                 SYS_fallocate, SYS_link,      SYS_linkat};
    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
        if (number == (uint64_t)calls[i]) return true;
    return false;
}

/* Runs the operation in a process that is killed before its step-th call that writes; false when
 * it has no more than that, and was done. */
static bool killed_at(struct rig *rig, const struct operation *operation, int step) {
    int status = 0;
    pid_t child = fork();
    if (child == 0) {
        ptrace(PTRACE_TRACEME, 0, NULL, NULL);
        rig_open(rig);
        raise(SIGSTOP);
        _exit(operation->run(rig) == 200 ? 0 : 3);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSTOPPED(status));
    assert_int_equal(ptrace(PTRACE_SETOPTIONS, child, NULL, PTRACE_O_TRACESYSGOOD), 0);
    for (int seen = 0;;) {
        struct __ptrace_syscall_info info = {0};
        assert_int_equal(ptrace(PTRACE_SYSCALL, child, NULL, NULL), 0);
        assert_int_equal(waitpid(child, &status, 0), child);
        if (WIFEXITED(status)) break;
        ptrace(PTRACE_GET_SYSCALL_INFO, child, sizeof(info), &info);
        if (info.op != PTRACE_SYSCALL_INFO_ENTRY || !writes(info.entry.nr) || ++seen < step)
            continue;
        assert_int_equal(kill(child, SIGKILL), 0);
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status));
        return true;
    }
    assert_int_equal(WEXITSTATUS(status), 0);
    return false;
}

static void copy_folder(const char *from, const char *to) {
    char command[256];
    snprintf(command, sizeof(command), "rm -rf '%s' && cp -a '%s' '%s'", to, from, to);
    assert_int_equal(system(command), 0);
}

static void the_log_holds(struct rig *rig, const char *action) {
    static const uint8_t audit_key[32] = {1};
    struct cella_audit_verdict verdict;
    char command[256];
    snprintf(command, sizeof(command), "%s/audit.log", rig->folder);
    GOOD(cella_audit_verify(command, CELLA_BYTES_OF(audit_key), &verdict));
    if (verdict.broken_line) fail_msg("line %d: %s", (int)verdict.broken_line, verdict.why);
    if (!action) return;
    snprintf(command, sizeof(command), "grep -q '\"action\":\"%s\"' %s/audit.log", action,
             rig->folder);
    assert_int_equal(system(command), 0);
}

static void killed_at_every_step(struct rig *rig, const struct operation *operation) {
    char template[64], work[80];
    int step = 1, done = 0;
    if (operation->before) operation->before(rig);
    rig_close(rig);
    snprintf(template, sizeof(template), "%s", rig->folder);
    snprintf(work, sizeof(work), "%.60s-work", template);
    snprintf(rig->folder, sizeof(rig->folder), "%.63s", work);
    for (bool killed = true; killed; step++) {
        assert_true(step < STEPS_MAX);
        copy_folder(template, work);
        killed = killed_at(rig, operation, step);
        rig_open(rig);
        bool was = operation->done(rig);
        if (!killed) assert_true(was);
        done += was;
        the_log_holds(rig, was ? operation->action : NULL);
        if (!was) { /* and can be done now */
            assert_int_equal(operation->run(rig), 200);
            assert_true(operation->done(rig));
        }
        rig_close(rig);
    }
    print_message("%s: %d steps, done after %d of them\n", operation->name, step - 1, done);
    assert_true(step > 4);
    copy_folder(template, work); /* for rig_free */
    rig_open(rig);
    snprintf(work, sizeof(work), "rm -rf '%s'", template);
    assert_int_equal(system(work), 0);
}

static void operations_are_whole(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(operations) / sizeof(operations[0]); i++) {
        struct rig *rig = rig_new(false);
        killed_at_every_step(rig, &operations[i]);
        rig_free(rig);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(operations_are_whole)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
