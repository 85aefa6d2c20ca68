/* Re-wrapping without downtime: a server goes on writing and reading while another process seals
 * the store under one root after the other; whether it takes the new keys or not, all that it wrote
 * opens afterwards, under the last root alone. */
#include "fixture.h"

#include <sys/wait.h>

#define V "?api-version=7.4"
enum { SECRETS = 120, ROOTS = 6 };

static const char *root_of(int i) {
    static const char *const roots[] = {"file:root.key", "file:1.key", "file:2.key", "file:3.key",
                                        "file:4.key",    "file:5.key", "file:6.key"};
    return roots[i];
}

/* Writes and reads until it has all; refreshes: takes new keys now and then, as a server does. */
static _Noreturn void serve(struct rig *rig, const char *name, bool refreshes) {
    rig_open(rig);
    for (int i = 0; i < SECRETS; i++) {
        char path[64], body[64];
        int status = 0;
        snprintf(path, sizeof(path), "/secrets/%s%d" V, name, i);
        snprintf(body, sizeof(body), "{\"value\":\"%s %d\"}", name, i);
        json_decref(call_as(rig, rig->token, "PUT", path, body, &status));
        if (status != 200) _exit(3);
        snprintf(path, sizeof(path), "/secrets/%s%d" V, name, i / 2);
        json_decref(call_as(rig, rig->token, "GET", path, NULL, &status));
        if (status != 200) _exit(4);
        if (refreshes && cella_failed(cella_sealer_refresh(rig->sealer))) _exit(5);
    }
    _exit(0);
}

static void all_are_there(struct rig *rig, const char *name) {
    for (int i = 0; i < SECRETS; i++) {
        char path[64], value[64];
        snprintf(path, sizeof(path), "/secrets/%s%d" V, name, i);
        snprintf(value, sizeof(value), "%s %d", name, i);
        json_t *got = call(rig, "GET", path, NULL, 200);
        assert_string_equal(at(got, "value"), value);
        json_decref(got);
    }
}

static void roots_change_under_servers(void **state) {
    struct rig *rig = *state;
    pid_t children[2];
    char path[128];
    rig_close(rig);
    for (int i = 0; i < 2; i++)
        if ((children[i] = fork()) == 0) serve(rig, i ? "refreshed" : "kept", i);
    for (int i = 0; i < ROOTS; i++) {
        usleep(20000);
        GOOD(cella_sealer_rewrap(root_of(0), rig->folder, root_of(i + 1)));
    }
    for (int i = 0; i < 2; i++) {
        int status = 0;
        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_int_equal(status, 0);
    }
    for (int i = 0; i < ROOTS; i++) { /* the last root is all that is needed */
        snprintf(path, sizeof(path), "%s/%s", rig->folder, root_of(i) + strlen("file:"));
        assert_int_equal(unlink(path), 0);
    }
    rig_open(rig);
    all_are_there(rig, "kept");
    all_are_there(rig, "refreshed");
}

/* Nor with another root in its place. */
static void no_other_root_opens_it(void **state) {
    struct rig *rig = *state;
    CELLA_SEALER other = NULL;
    char command[256];
    GOOD(cella_sealer_rewrap(root_of(0), rig->folder, root_of(1)));
    snprintf(command, sizeof(command), "cp '%s/root.key' '%s/1.key'", rig->folder, rig->folder);
    assert_int_equal(system(command), 0);
    struct cella_result result = cella_sealer_open(root_of(0), rig->folder, &other);
    assert_int_equal(cella_code_of(result), CELLA_ERR_INTEGRITY);
    cella_result_drop(result);
}

static int set_up(void **state) {
    *state = rig_new(false);
    return 0;
}
static int tear_down(void **state) {
    rig_free(*state);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(roots_change_under_servers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(no_other_root_opens_it, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
