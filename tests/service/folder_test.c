/* The data folder: locked, and made whole or not at all, from whatever point a first start ended.
 */
#include "service/folder.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
/* cmocka wants these before it */
#include <setjmp.h>
#include <cmocka.h>

#include "base/file.h"

static char work[] = "/tmp/cella-folder-XXXXXX";
static char data[64];

static void path_of(const char *name, char path[128]) { snprintf(path, 128, "%s/%s", data, name); }

static bool there(const char *name) {
    char path[128];
    path_of(name, path);
    return access(path, F_OK) == 0;
}

static void put(const char *name, const char *text) {
    char path[128];
    path_of(name, path);
    assert_false(cella_failed(cella_file_write(path, cella_bytes_text(text), 0600, 0)));
}

static void clean(void) {
    char command[128];
    snprintf(command, sizeof(command), "rm -rf '%s'", data);
    assert_int_equal(system(command), 0);
}

static int set_up(void **state) {
    (void)state;
    if (!mkdtemp(work)) return 1;
    snprintf(data, sizeof(data), "%s/data", work);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    clean();
    return rmdir(work);
}

struct plan {
    int fail_at; /* the file that is not written any more; -1: all are */
    int calls;
};

static CELLA_RESULT make(const char *folder, const char *final, void *context) {
    static const char *const names[] = {"a", "sub", "cella.conf"};
    struct plan *plan = context;
    char path[256];
    assert_string_equal(final, data);
    plan->calls++;
    for (int i = 0; i < 3; i++) {
        ENSURE(i != plan->fail_at, CELLA_ERR_IO, NULL, "ended early");
        snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
        if (i == 1) {
            TRY(cella_file_make_folder(path, 0700));
            strcat(path, "/b");
        }
        TRY(cella_file_write(path, cella_bytes_text(names[i]), 0600, 0));
    }
    return CELLA_SUCCESS;
}

static struct cella_result start(struct plan *plan, bool *made) {
    char path[CELLA_SERVICE_PATH];
    CELLA_FD lock = -1;
    TRY(cella_service_folder_open(data, path, &lock));
    return cella_service_folder_make(path, make, plan, made);
}

static void check_whole(void) {
    assert_true(there("a") && there("sub/b") && there("cella.conf"));
    assert_false(there(".first"));
}

static void makes_once(void **state) {
    (void)state;
    struct plan plan = {-1, 0};
    struct stat st;
    bool made;
    assert_false(cella_failed(start(&plan, &made)));
    assert_true(made);
    check_whole();
    assert_int_equal(stat(data, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    assert_false(cella_failed(start(&plan, &made)));
    assert_false(made);
    assert_int_equal(plan.calls, 1);
    clean();
}

/* Whatever file was the last: the next start makes all anew. */
static void begins_anew(void **state) {
    (void)state;
    for (int i = 0; i < 3; i++) {
        struct plan broken = {i, 0}, good = {-1, 0};
        bool made;
        struct cella_result r = start(&broken, &made);
        assert_true(cella_failed(r));
        cella_result_drop(r);
        assert_false(there("cella.conf") || there("a"));
        assert_false(cella_failed(start(&good, &made)));
        assert_true(made);
        check_whole();
        clean();
    }
}

/* Whole, and ended while it was moved: the next start moves the rest, and makes nothing. */
static void finishes(void **state) {
    (void)state;
    for (int moved = 0; moved < 4; moved++) {
        static const char *const first[] = {".first/a", ".first/sub/b"};
        struct plan plan = {-1, 0};
        bool made;
        char path[128];
        assert_int_equal(mkdir(data, 0700), 0);
        path_of(".first", path);
        assert_int_equal(mkdir(path, 0700), 0);
        path_of(moved & 2 ? "sub" : ".first/sub", path);
        assert_int_equal(mkdir(path, 0700), 0);
        put(moved & 1 ? "a" : first[0], "a");
        put(moved & 2 ? "sub/b" : first[1], "b");
        put(".first/cella.conf", "c");
        assert_false(cella_failed(start(&plan, &made)));
        assert_true(made);
        assert_int_equal(plan.calls, 0);
        check_whole();
        clean();
    }
}

static void refuses_others(void **state) {
    (void)state;
    struct plan plan = {-1, 0};
    bool made;
    assert_int_equal(mkdir(data, 0700), 0);
    put("thesis.txt", "years of work");
    struct cella_result r = start(&plan, &made);
    assert_int_equal(cella_code_of(r), CELLA_ERR_USAGE);
    assert_non_null(strstr(r.error->what, "there is thesis.txt"));
    cella_result_drop(r);
    assert_int_equal(plan.calls, 0);
    assert_true(there("thesis.txt") && !there(".first"));
    clean();
}

static void locks(void **state) {
    (void)state;
    char path[CELLA_SERVICE_PATH];
    CELLA_FD first = -1;
    CELLA_FD second = -1;
    assert_false(cella_failed(cella_service_folder_open(data, path, &first)));
    struct cella_result r = cella_service_folder_open(data, path, &second);
    assert_int_equal(cella_code_of(r), CELLA_ERR_EXISTS);
    assert_non_null(strstr(r.error->what, "another server has the data folder"));
    cella_result_drop(r);
    cella_fd_close(&first);
    assert_false(cella_failed(cella_service_folder_open(data, path, &second)));
    clean();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(makes_once),     cmocka_unit_test(begins_anew), cmocka_unit_test(finishes),
        cmocka_unit_test(refuses_others), cmocka_unit_test(locks),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
