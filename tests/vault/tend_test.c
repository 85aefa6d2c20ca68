/* What servers do by themselves, several over one store at the same moment (K23): a rotation, a
 * renewal and a purge that are due are done once; and a clock that goes back and forth does none
 * twice. */
#include "fixture.h"

#include <sched.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/wait.h>

#define V "?api-version=7.4"
enum { SERVERS = 4, DAY_S = 86400, KEYS = 5 };

static int set_up(void **state) {
    struct rig *rig = rig_new(false);
    char path[64];
    for (int i = 0; i < KEYS; i++) {
        snprintf(path, sizeof(path), "/keys/k%d/create" V, i);
        json_decref(call(rig, "POST", path, "{\"kty\":\"EC\"}", 200));
        snprintf(path, sizeof(path), "/keys/k%d/rotationpolicy" V, i);
        json_decref(
            call(rig, "PUT", path,
                 "{\"lifetimeActions\":[{\"trigger\":{\"timeAfterCreate\":\"P30D\"},"
                 "\"action\":{\"type\":\"Rotate\"}}],\"attributes\":{\"expiryTime\":\"P90D\"}}",
                 200));
        snprintf(path, sizeof(path), "/secrets/gone%d" V, i);
        json_decref(call(rig, "PUT", path, "{\"value\":\"x\"}", 200));
        json_decref(call(rig, "DELETE", path, NULL, 200));
    }
    json_decref(
        call(rig, "POST", "/certificates/c/create" V,
             "{\"policy\":{\"key_props\":{\"kty\":\"EC\",\"crv\":\"P-256\"},\"x509_props\":{"
             "\"subject\":\"CN=a\",\"validity_months\":1},\"issuer\":{\"name\":\"Self\"}}}",
             202));
    *state = rig;
    return 0;
}
static int tear_down(void **state) {
    rig_free(*state);
    return 0;
}

/* All at once, each a process of its own. */
static void tend_at_once(struct rig *rig, uint64_t now) {
    _Atomic int *ready =
        mmap(NULL, sizeof(*ready), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal((void *)ready, MAP_FAILED);
    rig_close(rig);
    for (int i = 0; i < SERVERS; i++) {
        if (fork() != 0) continue;
        rig_open(rig);
        atomic_fetch_add(ready, 1);
        while (atomic_load(ready) < SERVERS) sched_yield();
        struct cella_result result = cella_vaults_tend(rig->vaults, now);
        if (cella_failed(result)) cella_result_print(result);
        _exit(cella_failed(result));
    }
    for (int i = 0; i < SERVERS; i++) {
        int status = 0;
        assert_true(wait(&status) > 0);
        assert_int_equal(status, 0);
    }
    munmap((void *)ready, sizeof(*ready));
    rig_open(rig);
}

static size_t versions(struct rig *rig, const char *of) {
    char target[128];
    snprintf(target, sizeof(target), "/%s/versions" V, of);
    json_t *list = call(rig, "GET", target, NULL, 200);
    size_t count = json_array_size(json_object_get(list, "value"));
    json_decref(list);
    return count;
}

static void all_have(struct rig *rig, size_t of_keys, size_t of_certificates, size_t deleted) {
    char of[32];
    for (int i = 0; i < KEYS; i++) {
        snprintf(of, sizeof(of), "keys/k%d", i);
        assert_int_equal(versions(rig, of), of_keys);
    }
    assert_int_equal(versions(rig, "certificates/c"), of_certificates);
    assert_int_equal(versions(rig, "keys/c"), of_certificates);
    assert_int_equal(versions(rig, "secrets/c"), of_certificates);
    json_t *list = call(rig, "GET", "/deletedsecrets" V, NULL, 200);
    assert_int_equal(json_array_size(json_object_get(list, "value")), deleted);
    json_decref(list);
}

static size_t lines_with(const struct rig *rig, const char *words) {
    char path[128], line[4096];
    size_t count = 0;
    snprintf(path, sizeof(path), "%s/audit.log", rig->folder);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    while (fgets(line, sizeof(line), file)) count += strstr(line, words) != NULL;
    fclose(file);
    return count;
}

static void done_once(void **state) {
    struct rig *rig = *state;
    uint64_t now = (uint64_t)time(NULL);
    all_have(rig, 1, 1, KEYS);
    tend_at_once(rig, now + 20 * DAY_S);
    all_have(rig, 1, 1, KEYS); /* nothing is due */
    tend_at_once(rig, now + 31 * DAY_S);
    all_have(rig, 2, 2, KEYS);
    tend_at_once(rig, now); /* a clock that is set back */
    tend_at_once(rig, now + 31 * DAY_S);
    all_have(rig, 2, 2, KEYS);
    tend_at_once(rig, now + 91 * DAY_S);
    all_have(rig, 3, 3, 0);
    tend_at_once(rig, now + 91 * DAY_S);
    all_have(rig, 3, 3, 0);
    assert_int_equal(lines_with(rig, "\"action\":\"purge\""), KEYS);
    assert_int_equal(lines_with(rig, "\"action\":\"rotate\""), 2 * KEYS);
}

/* Times and durations at their ends: no moment before 1900 or beyond all days confuses what is due.
 */
static void far_times(void **state) {
    struct rig *rig = *state;
    static const char *const expiries[] = {"0", "1", "86399", "4102444800", "68719476720"};
    static const char *const triggers[] = {"P7D", "P1199M", "P100Y", "P36500D", "P99Y11M"};
    char body[512];
    json_decref(call(rig, "POST", "/keys/far/create" V, "{\"kty\":\"EC\"}", 200));
    for (size_t i = 0; i < 25; i++) {
        snprintf(body, sizeof(body), "{\"attributes\":{\"exp\":%s}}", expiries[i / 5]);
        json_decref(call(rig, "PATCH", "/keys/far" V, body, 200));
        snprintf(body, sizeof(body),
                 "{\"lifetimeActions\":[{\"trigger\":{\"timeBeforeExpiry\":\"%s\"},\"action\":{"
                 "\"type\":\"Rotate\"}}],\"attributes\":{\"expiryTime\":\"P100Y\"}}",
                 triggers[i % 5]);
        json_decref(call(rig, "PUT", "/keys/far/rotationpolicy" V, body, 200));
        GOOD(cella_vaults_tend(rig->vaults, (uint64_t)time(NULL)));
    }
    static const struct {
        const char *days;
        int status;
    } rows[] = {{"1", 202}, {"3660", 202}, {"3661", 400}, {"0", 400}, {"9223372036854775807", 400}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        snprintf(
            body, sizeof(body),
            "{\"policy\":{\"key_props\":{\"kty\":\"EC\",\"crv\":\"P-256\"},\"x509_props\":{"
            "\"subject\":\"CN=a\"},\"lifetime_actions\":[{\"trigger\":{\"days_before_expiry\":%s},"
            "\"action\":{\"action_type\":\"AutoRenew\"}}],\"issuer\":{\"name\":\"Self\"}}}",
            rows[i].days);
        json_decref(call(rig, "POST", "/certificates/far-c/create" V, body, rows[i].status));
        GOOD(cella_vaults_tend(rig->vaults, (uint64_t)time(NULL)));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(done_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(far_times, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
