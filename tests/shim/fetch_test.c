/* The program that fetches keys: what is there while it runs, and for nobody else; and that nothing
 * of it is left. */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>
#include <cmocka.h>

#include "crypto/digest.h"
#include "fake.h"
#include "shim/fetch.h"
#include "shim/keys.h"

#define CALL(name, ...) shim_sys_##name((const long[6]){__VA_ARGS__})
#define P(x)            ((long)(x))
#define SAID(text)      assert_non_null(strstr(fake.said, text))

enum { FIRST, OWNED, PINNED, SETTINGS_SIZE = 9000, CONNECTIONS = 20 };
static const uint8_t key_1[32] = "the first key, 32 bytes in all..",
                     key_2[32] = "the pinned key, 32 bytes in all.";
static uint8_t settings[SETTINGS_SIZE], id[32];

static long open_(const char *path, int flags) { return CALL(open, P(path), flags, 0600); }
static long write_(long fd, const void *from, size_t n) {
    return CALL(write, fd, P(from), (long)n);
}
static long read_(long fd, void *to, size_t n) { return CALL(read, fd, P(to), (long)n); }
static long close_(long fd) { return CALL(close, fd); }

static int start(void **state) {
    (void)state;
    uint8_t input[16 + 32] = "cella key id v1";
    fake_start();
    memcpy(input + 16, key_2, 32);
    cella_result_drop(cella_sha256(CELLA_BYTES_OF(input), id));
    for (size_t i = 0; i < sizeof(settings); i++) settings[i] = (uint8_t)('a' + i % 23);
    shim.config.flags = CELLA_CONFIG_FETCH;
    shim.config.program_count = 3;
    shim.config.program[1].path = cella_bytes_text("/bin/second");
    shim.config.program[2].path = cella_bytes_text("/cella/fetch");
    shim.config.key_count = 3;
    shim.config.key[FIRST] = cella_bytes_text("first");
    shim.config.key[OWNED] = cella_bytes_text("owned");
    shim.config.key[PINNED] = cella_bytes_text("pinned");
    shim.config.key_vault[FIRST] = shim.config.key_vault[PINNED] = true;
    shim.config.key_id[PINNED] = CELLA_BYTES_OF(id);
    shim.config.vault = CELLA_BYTES_OF(settings);
    shim.argc = 2;
    shim.argv[0] = cella_bytes_text("app");
    shim.argv[1] = cella_bytes_text("an argument");
    shim.envc = 1;
    shim.envv[0] = cella_bytes_text("A=b");
    shim_fds_start();
    return 0;
}

/* Ends the phase, whatever is missing, so that the next test begins outside it. */
static int stop(void **state) {
    (void)state;
    shim.config.key_count = 0;
    shim_fetch_over();
    shim_keys_wipe();
    for (int fd = 0; fd < SHIM_FD_MAX; fd++) (void)close_(fd);
    fake_end();
    return 0;
}

/* All keys are there: the owner's, which the grants of the start would have brought, is no part. */
static void over(void) {
    shim.config.key_count = 3;
    shim.config.key_vault[OWNED] = true;
    if (!shim_keys_have(FIRST)) assert_int_equal(shim_keys_take(FIRST, key_1), 0);
    if (!shim_keys_have(OWNED)) assert_int_equal(shim_keys_take(OWNED, key_1), 0);
    if (!shim_keys_have(PINNED)) assert_int_equal(shim_keys_take(PINNED, key_2), 0);
    shim.config.key_vault[OWNED] = false;
    shim_fetch_over();
}

static bool text_is(struct cella_bytes bytes, const char *text) {
    return bytes.size == strlen(text) && memcmp(bytes.data, text, bytes.size) == 0;
}

static void first_program_and_its_words(void **state) {
    (void)state;
    assert_int_equal(shim_fetch_begin(), 2);
    assert_true(shim_fetching());
    assert_true(shim.argc == 1 && shim.envc == 0 && text_is(shim.argv[0], "/cella/fetch"));
    assert_int_equal(shim_program_count(), 2); /* exec starts the image's own alone */
    over();
    assert_false(shim_fetching());
    assert_true(shim.argc == 2 && text_is(shim.argv[0], "app") &&
                text_is(shim.argv[1], "an argument"));
    assert_true(shim.envc == 1 && text_is(shim.envv[0], "A=b"));
    assert_int_equal(shim_program_count(), 2);
}

static void images_without_one(void **state) {
    (void)state;
    shim.config.flags = 0;
    shim.config.program_count = 2;
    assert_int_equal(shim_fetch_begin(), 0);
    assert_false(shim_fetching());
    assert_true(shim.argc == 2 && shim.envc == 1);
    assert_int_equal(shim_program_count(), 2);
    assert_int_equal(open_("/dev/cella/vault", O_RDONLY), -ENOENT);
    assert_int_equal(open_("/dev/cella/connect/h:1", O_RDWR), -ENOENT);
    assert_int_equal(fake.connect_count, 0);
}

/* --- Settings --- */

static bool listed(const char *name) {
    uint8_t entries[4096];
    long fd = open_("/dev/cella", O_RDONLY | O_DIRECTORY);
    long size = CALL(getdents64, fd, P(entries), sizeof(entries));
    (void)close_(fd);
    assert_true(size > 0);
    for (long at = 0; at < size;) {
        const struct dirent *entry = (const struct dirent *)(const void *)(entries + at);
        if (strcmp(entry->d_name, name) == 0) return true;
        at += entry->d_reclen;
    }
    return false;
}

static void settings_are_for_it_alone(void **state) {
    (void)state;
    uint8_t all[SETTINGS_SIZE + 1];
    struct stat s;
    assert_int_equal(open_("/dev/cella/vault", O_RDONLY), -ENOENT);
    assert_int_equal(CALL(stat, P("/dev/cella/vault"), P(&s)), -ENOENT);
    assert_false(listed("vault"));
    (void)shim_fetch_begin();
    assert_true(listed("vault"));
    long fd = open_("/dev/cella/vault", O_RDONLY);
    assert_true(fd >= 3);
    size_t size = 0;
    for (long n; (n = read_(fd, all + size, size < 100 ? 7 : 4096)) > 0;) size += (size_t)n;
    assert_int_equal(size, sizeof(settings));
    assert_memory_equal(all, settings, sizeof(settings));
    assert_int_equal(open_("/dev/cella/vault", O_WRONLY), -EACCES);
    assert_int_equal(open_("/dev/cella/vault", O_RDWR), -EACCES);
    over();
    assert_int_equal(read_(fd, all, 1), -EBADF);
    assert_int_equal(open_("/dev/cella/vault", O_RDONLY), -ENOENT);
    assert_false(listed("vault"));
}

/* --- Keys --- */

static void keys_are_written_once_and_whole(void **state) {
    (void)state;
    uint8_t wrong[64] = {1}, back[32];
    struct iovec halves[2] = {{wrong, 16}, {wrong + 16, 16}};
    (void)shim_fetch_begin();
    long fd = open_("/dev/cella/keys/first", O_RDWR);
    assert_true(fd >= 3);
    assert_int_equal(read_(fd, back, 32), -EAGAIN); /* not there yet */
    static const size_t sizes[] = {1, 16, 31, 33, 64};
    for (size_t i = 0; i < 5; i++) assert_int_equal(write_(fd, wrong, sizes[i]), -EMSGSIZE);
    assert_true(CALL(writev, fd, P(halves), 2) < 0);
    assert_false(shim_keys_have(FIRST));
    assert_int_equal(write_(fd, key_1, 32), 32);
    assert_memory_equal(shim_keys_named(FIRST), key_1, 32);
    assert_int_equal(write_(fd, wrong, 32), -EEXIST);
    assert_memory_equal(shim_keys_named(FIRST), key_1, 32);
    (void)close_(fd);
    fd = open_("/dev/cella/keys/first", O_WRONLY);
    assert_int_equal(write_(fd, wrong, 32), -EEXIST); /* by another descriptor as well */
    assert_int_equal(open_("/dev/cella/keys/none", O_WRONLY), -ENOENT);
    over();
    assert_int_equal(write_(fd, key_1, 32), -EBADF);
    assert_int_equal(open_("/dev/cella/keys/first", O_WRONLY), -EACCES);
    assert_int_equal(open_("/dev/cella/keys/first", O_RDWR), -EACCES);
    assert_int_equal(read_(open_("/dev/cella/keys/first", O_RDONLY), back, 32), 32);
    assert_memory_equal(back, key_1, 32);
}

static void keys_of_owners_are_not_its(void **state) {
    (void)state;
    struct stat s;
    (void)shim_fetch_begin();
    assert_int_equal(open_("/dev/cella/keys/owned", O_WRONLY), -EACCES);
    assert_int_equal(open_("/dev/cella/keys/owned", O_RDWR), -EACCES);
    assert_int_equal(shim_keys_take(OWNED, key_1), -EACCES);
    assert_false(shim_keys_have(OWNED));
    assert_int_equal(CALL(stat, P("/dev/cella/keys/owned"), P(&s)), 0);
    assert_int_equal(s.st_mode & 0777, 0444);
    assert_int_equal(CALL(stat, P("/dev/cella/keys/first"), P(&s)), 0);
    assert_int_equal(s.st_mode & 0777, 0666);
}

static void only_the_pinned_key(void **state) {
    (void)state;
    uint8_t almost[32], back[32];
    (void)shim_fetch_begin();
    long fd = open_("/dev/cella/keys/pinned", O_RDWR);
    for (unsigned bit = 0; bit < 256; bit += 5) {
        memcpy(almost, key_2, 32);
        almost[bit / 8] ^= (uint8_t)(1U << bit % 8);
        fake_clear();
        assert_int_equal(write_(fd, almost, 32), -EACCES);
        SAID("the vault's key pinned is refused: the manifest pins another key, by its id");
        assert_false(shim_keys_have(PINNED));
        assert_true(FAKE_ABORTS((void)shim_keys_named(PINNED)));
        assert_int_equal(read_(fd, back, 32), -EAGAIN);
    }
    fd = open_("/dev/cella/keys/pinned", O_WRONLY);
    assert_int_equal(write_(fd, key_2, 32), 32);
    assert_memory_equal(shim_keys_named(PINNED), key_2, 32);
}

static void ends_when_one_is_missing(void **state) {
    (void)state;
    (void)shim_fetch_begin();
    assert_int_equal(shim_keys_take(FIRST, key_1), 0);
    shim.config.key_vault[OWNED] = true;
    assert_int_equal(shim_keys_take(OWNED, key_1), 0);
    assert_true(FAKE_ABORTS(shim_fetch_over()));
    SAID("the key pinned was not fetched");
    assert_true(shim_fetching()); /* nothing went on */
}

/* --- Connections --- */

static void connects_while_it_runs(void **state) {
    (void)state;
    char text[16] = "";
    struct stat s;
    assert_int_equal(open_("/dev/cella/connect/host:443", O_RDWR), -ENOENT);
    assert_int_equal(fake.connect_count, 0);
    (void)shim_fetch_begin();
    long fd = open_("/dev/cella/connect/host:443", O_RDWR);
    assert_true(fd >= 3);
    assert_string_equal(fake.connected, "host:443");
    assert_int_equal(write_(fd, "hello", 5), 5);
    assert_int_equal(read(fake.peer, text, sizeof(text)), 5);
    assert_int_equal(write(fake.peer, "back", 4), 4);
    assert_int_equal(read_(fd, text, sizeof(text)), 4);
    assert_memory_equal(text, "back", 4);
    assert_int_equal(CALL(fstat, fd, P(&s)), 0);
    assert_true(S_ISSOCK(s.st_mode));
    assert_int_equal(CALL(lseek, fd, 0, 0), -ESPIPE);
    long token = open_("/dev/cella/connect/credential/host:443", O_RDONLY);
    assert_string_equal(fake.connected, "credential/host:443");
    assert_int_equal(read_(token, text, sizeof(text)), 5);
    assert_memory_equal(text, "token", 5);
    assert_int_equal(read_(token, text, sizeof(text)), 0);
    assert_int_equal(write_(token, "x", 1), -EBADF);
    assert_int_equal(CALL(stat, P("/dev/cella/connect/host:443"), P(&s)), -ENOENT);
    /* Elsewhere, nobody is asked. */
    unsigned count = fake.connect_count;
    static const char *const elsewhere[] = {"/dev/cella/connect",
                                            "/dev/cella/connect/",
                                            "/dev/cella/connected/host:443",
                                            "/dev/cella/connect/../connects/host:443",
                                            "/connect/host:443",
                                            "/cella/connect/host:443"};
    for (size_t i = 0; i < sizeof(elsewhere) / sizeof(elsewhere[0]); i++)
        assert_int_equal(open_(elsewhere[i], O_RDWR), -ENOENT);
    assert_int_equal(fake.connect_count, count);
    (void)open_("/dev/cella/connect/../connect//./host:443", O_RDWR); /* one spelling goes out */
    assert_string_equal(fake.connected, "host:443");
    fake.connect_error = ECONNREFUSED;
    assert_int_equal(open_("/dev/cella/connect/host:443", O_RDWR), -ECONNREFUSED);
}

static void nothing_stays_open(void **state) {
    (void)state;
    char text[4];
    long fds[CONNECTIONS], copy;
    int peers[CONNECTIONS];
    (void)shim_fetch_begin();
    for (unsigned i = 0; i < CONNECTIONS; i++) {
        fds[i] = open_("/dev/cella/connect/host:443", O_RDWR);
        peers[i] = fake.peer;
        assert_true(fds[i] >= 3);
    }
    copy = CALL(dup, fds[0]);
    (void)close_(fds[0]); /* the copy still holds it */
    assert_int_equal(write_(copy, "x", 1), 1);
    over();
    for (unsigned i = 0; i < CONNECTIONS; i++) {
        assert_int_equal(write_(fds[i], "x", 1), -EBADF);
        if (i == 0) assert_int_equal(recv(peers[0], text, 1, MSG_DONTWAIT), 1);
        assert_int_equal(recv(peers[i], text, sizeof(text), MSG_DONTWAIT),
                         0); /* at its other end */
        close(peers[i]);
    }
    assert_int_equal(write_(copy, "x", 1), -EBADF);
    for (int fd = 3; fd < SHIM_FD_MAX; fd++) assert_int_equal(CALL(fcntl, fd, F_GETFD, 0), -EBADF);
    for (int fd = 0; fd < 3; fd++) assert_true(CALL(fcntl, fd, F_GETFD, 0) >= 0);
    unsigned count = fake.connect_count;
    assert_int_equal(open_("/dev/cella/connect/host:443", O_RDWR), -ENOENT);
    assert_int_equal(open_("/dev/cella/connect/credential/host:443", O_RDONLY), -ENOENT);
    assert_int_equal(fake.connect_count, count);
}

/* The kernel below a connection lies as it may lie below a file (R40). */
static long lie_number, lie_result;
static long lie(long number, long result) { return number == lie_number ? lie_result : result; }

static bool ends(long number, long result, long fd) {
    char text[8] = "";
    struct stat s;
    lie_number = number;
    lie_result = result;
    fake.lie_kernel = lie;
    bool aborted = FAKE_ABORTS({
        if (number == SYS_read) (void)read_(fd, text, 4);
        if (number == SYS_write) (void)write_(fd, text, 4);
        if (number == SYS_fstat) (void)CALL(fstat, fd, P(&s));
    });
    fake.lie_kernel = NULL;
    fake_unlock_all();
    return aborted;
}

static void lies_below_a_connection(void **state) {
    (void)state;
    static const long numbers[] = {SYS_read, SYS_write, SYS_fstat},
                      bad[] = {5, INT64_MAX, INT64_MIN, -4096};
    (void)shim_fetch_begin();
    long fd = open_("/dev/cella/connect/host:443", O_RDWR);
    assert_int_equal(write(fake.peer, settings, 1000), 1000); /* the true reads must not wait */
    for (unsigned i = 0; i < 3; i++) {
        for (unsigned k = 0; k < 4; k++) assert_true(ends(numbers[i], bad[k], fd));
        assert_false(ends(numbers[i], -EIO, fd));
        assert_false(ends(numbers[i], -EAGAIN, fd));
    }
    assert_false(ends(SYS_read, 0, fd));
    assert_false(ends(SYS_write, 3, fd));
}

static void it_is_no_file(void **state) {
    (void)state;
    struct stat s;
    assert_int_equal(CALL(stat, P("/cella/fetch"), P(&s)), -ENOENT);
    assert_int_equal(CALL(stat, P("/bin/second"), P(&s)), 0);
    (void)shim_fetch_begin();
    assert_int_equal(CALL(stat, P("/cella/fetch"), P(&s)), -ENOENT);
    assert_int_equal(open_("/cella/fetch", O_RDONLY), -ENOENT);
    over();
    assert_int_equal(CALL(stat, P("/cella/fetch"), P(&s)), -ENOENT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)
int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(first_program_and_its_words),
        TEST(images_without_one),
        TEST(settings_are_for_it_alone),
        TEST(keys_are_written_once_and_whole),
        TEST(keys_of_owners_are_not_its),
        TEST(only_the_pinned_key),
        TEST(ends_when_one_is_missing),
        TEST(connects_while_it_runs),
        TEST(nothing_stays_open),
        TEST(lies_below_a_connection),
        TEST(it_is_no_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
