#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/file.h"
#include "base/memory.h"

static char folder[] = "/tmp/cella-file-test-XXXXXX";
static char path[128];

static int begin(void **state) {
    (void)state;
    if (!mkdtemp(folder)) return 1;
    snprintf(path, sizeof(path), "%s/file", folder);
    return 0;
}

static int files_in_folder(void) {
    int count = 0;
    DIR *d = opendir(folder);
    for (struct dirent *e; d && (e = readdir(d));) count += e->d_name[0] != '.';
    if (d) closedir(d);
    return count;
}

static int end(void **state) {
    (void)state;
    unlink(path);
    return rmdir(folder);
}

static void expect_code(struct cella_result r, enum cella_code code) {
    assert_int_equal(cella_code_of(r), code);
    if (code) assert_non_null(r.error->what);
    cella_result_drop(r);
}

static void writes_whole_and_reads_back(void **state) {
    (void)state;
    expect_code(cella_file_write(path, cella_bytes_text("one"), 0600, 0), CELLA_OK);
    expect_code(cella_file_write(path, cella_bytes_text("two"), 0600, CELLA_FILE_EXCLUSIVE),
                CELLA_ERR_EXISTS);
    CELLA_BUFFER content = {0};
    expect_code(cella_file_read(path, 100, &content), CELLA_OK);
    assert_int_equal(content.size, 3);
    assert_true(cella_equal(content.data, "one", 3));
    assert_int_equal(files_in_folder(), 1);
    CELLA_BUFFER small = {0};
    expect_code(cella_file_read(path, 2, &small), CELLA_ERR_LIMIT);
    CELLA_BUFFER none = {0};
    expect_code(cella_file_read("/nonexistent/x", 2, &none), CELLA_ERR_NOT_FOUND);
}

static void secrets_must_be_private(void **state) {
    (void)state;
    expect_code(cella_file_write(path, cella_bytes_text("secret"), 0644, 0), CELLA_OK);
    CELLA_SECRET secret = {0};
    expect_code(cella_file_read_secret(path, 100, &secret), CELLA_ERR_PERMISSION);
    assert_null(secret.data);
    chmod(path, 0600);
    expect_code(cella_file_read_secret(path, 100, &secret), CELLA_OK);
    assert_int_equal(secret.size, 6);
    expect_code(cella_file_write(path, cella_bytes(NULL, 0), 0600, 0), CELLA_OK);
    CELLA_SECRET empty = {0};
    expect_code(cella_file_read_secret(path, 100, &empty), CELLA_ERR_FORMAT);
}

/* A writer killed at a random moment leaves the old or the new content, never a part. */
static void killed_writer_leaves_old_or_new(void **state) {
    (void)state;
    static uint8_t old_content[300000], new_content[300000];
    memset(old_content, 'o', sizeof(old_content));
    memset(new_content, 'n', sizeof(new_content));
    for (unsigned i = 0; i < 40; i++) {
        expect_code(cella_file_write(path, CELLA_BYTES_OF(old_content), 0600, 0), CELLA_OK);
        pid_t child = fork();
        if (child == 0) {
            cella_result_drop(cella_file_write(path, CELLA_BYTES_OF(new_content), 0600, 0));
            _exit(0);
        }
        usleep(i * 40);
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        CELLA_BUFFER now = {0};
        expect_code(cella_file_read(path, 1 << 20, &now), CELLA_OK);
        assert_int_equal(now.size, sizeof(old_content));
        assert_true(cella_equal(now.data, old_content, now.size) ||
                    cella_equal(now.data, new_content, now.size));
        char temporary[160];
        snprintf(temporary, sizeof(temporary), "%s.%d.tmp", path, (int)child);
        unlink(temporary);
    }
}

static void errors_carry_their_trail(void **state) {
    (void)state;
    CELLA_BUFFER none = {0};
    struct cella_result r = cella_file_read("/nonexistent", 1, &none);
    r = cella_result_trace(r, "here:1");
    r = cella_result_context(r, "here:2", "reading %s", "the key");
    assert_int_equal(r.error->trail_count, 2);
    assert_true(strncmp(r.error->what, "reading the key: cannot open /nonexistent", 41) == 0);
    cella_result_drop(r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_whole_and_reads_back),
        cmocka_unit_test(secrets_must_be_private),
        cmocka_unit_test(killed_writer_leaves_old_or_new),
        cmocka_unit_test(errors_carry_their_trail),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
