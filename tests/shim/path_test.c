
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "shim/path.h"

static void joins(void **state) {
    (void)state;
    static const struct {
        const char *base, *path, *out;
        bool folder;
        long error;
    } cases[] = {
        {"/", "a", "/a", false, 0},
        {"/", "/", "/", true, 0},
        {"/x", ".", "/x", true, 0},
        {"/x/y", "..", "/x", true, 0},
        {"/x", "../../../etc/passwd", "/etc/passwd", false, 0},
        {"/x", "/a//b///c", "/a/b/c", false, 0},
        {"/x", "/a/./b/../c/", "/a/c", true, 0},
        {"/x", "a/..", "/x", true, 0},
        {"/", "..", "/", true, 0},
        {"/", "...", "/...", false, 0},
        {"/", "/..a/.b", "/..a/.b", false, 0},
        {"/", "", "", false, -ENOENT},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char out[SHIM_PATH_MAX];
        bool folder;
        assert_int_equal(shim_path_join(cases[i].base, cases[i].path, out, &folder),
                         cases[i].error);
        if (cases[i].error) continue;
        assert_string_equal(out, cases[i].out);
        assert_int_equal(folder, cases[i].folder);
    }
}

static void refuses_what_is_too_long(void **state) {
    (void)state;
    char path[2 * SHIM_PATH_MAX], out[SHIM_PATH_MAX];
    bool folder;
    for (size_t size = 1; size < sizeof(path); size++) {
        for (size_t i = 0; i < size; i++) path[i] = i % 200 == 0 ? '/' : 'x';
        path[size] = 0;
        long e = shim_path_join("/", path, out, &folder);
        assert_int_equal(e, size < SHIM_PATH_MAX                             ? 0
                            : size == SHIM_PATH_MAX && path[size - 1] == '/' ? 0
                                                                             : -ENAMETOOLONG);
        if (e == 0) assert_true(strlen(out) < SHIM_PATH_MAX);
    }
    memset(path, 'y', 300);
    path[256] = 0;
    assert_int_equal(shim_path_join("/", path, out, &folder), -ENAMETOOLONG);
    path[255] = 0;
    assert_int_equal(shim_path_join("/", path, out, &folder), 0);
}

/* Whatever the bytes, a joined path is normal: no empty, "." or ".." part ever reaches the host. */
static void is_always_normal(void **state) {
    (void)state;
    static const char letters[] = "/.a";
    char path[9], out[SHIM_PATH_MAX];
    bool folder;
    for (unsigned n = 0; n < 6561; n++) {
        unsigned v = n;
        for (unsigned i = 0; i < 8; i++, v /= 3) path[i] = letters[v % 3];
        path[8] = 0;
        assert_int_equal(shim_path_join("/b/c", path, out, &folder), 0);
        assert_int_equal(out[0], '/');
        assert_null(strstr(out, "//"));
        assert_null(strstr(out, "/./"));
        assert_null(strstr(out, "/../"));
        size_t size = strlen(out);
        assert_true(size == 1 || out[size - 1] != '/');
        assert_true(size < 2 || strcmp(out + size - 2, "/.") != 0);
        assert_true(size < 3 || strcmp(out + size - 3, "/..") != 0);
    }
}

static void inside(void **state) {
    (void)state;
    const char *rest;
    assert_true(shim_path_inside("/data/a", cella_bytes_text("/data"), &rest));
    assert_string_equal(rest, "a");
    assert_true(shim_path_inside("/data", cella_bytes_text("/data"), &rest));
    assert_string_equal(rest, "");
    assert_true(shim_path_inside("/x/y", cella_bytes_text("/"), &rest));
    assert_string_equal(rest, "x/y");
    assert_false(shim_path_inside("/database", cella_bytes_text("/data"), &rest));
    assert_false(shim_path_inside("/dat", cella_bytes_text("/data"), &rest));
    assert_false(shim_path_inside("/", cella_bytes_text("/data"), &rest));
}

static void names(void **state) {
    (void)state;
    char big[256];
    memset(big, 'n', sizeof(big));
    assert_true(shim_path_name_valid(cella_bytes_text("a")));
    assert_true(shim_path_name_valid(cella_bytes_text("..a")));
    assert_true(shim_path_name_valid(cella_bytes(big, 255)));
    assert_false(shim_path_name_valid(cella_bytes(big, 256)));
    assert_false(shim_path_name_valid(cella_bytes(NULL, 0)));
    assert_false(shim_path_name_valid(cella_bytes_text(".")));
    assert_false(shim_path_name_valid(cella_bytes_text("..")));
    assert_false(shim_path_name_valid(cella_bytes_text("a/b")));
    assert_false(shim_path_name_valid(cella_bytes("a\0b", 3)));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(joins),
        cmocka_unit_test(refuses_what_is_too_long),
        cmocka_unit_test(is_always_normal),
        cmocka_unit_test(inside),
        cmocka_unit_test(names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
