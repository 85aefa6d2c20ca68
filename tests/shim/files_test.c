/* Descriptors, mounts of all types and the shim's own files, as a program uses them. */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>
#include <cmocka.h>

#include "crypto/digest.h"
#include "fake.h"
#include "shim/file_protected.h"
#include "shim/keys.h"

#define CALL(name, ...) shim_sys_##name((const long[6]){__VA_ARGS__})
#define P(x)            ((long)(x))
#define SAID(text)      assert_non_null(strstr(fake.said, text))

static long open_(const char *path, int flags) { return CALL(open, P(path), flags, 0600); }
static long read_(long fd, void *to, size_t n) { return CALL(read, fd, P(to), (long)n); }
static long write_(long fd, const void *from, size_t n) {
    return CALL(write, fd, P(from), (long)n);
}
static long close_(long fd) { return CALL(close, fd); }

enum { SHARED, READONLY, TRUSTED, VAULT, SEALED };
static uint8_t pinned[150000], hashes[3 * 32];

static int start(void **state) {
    (void)state;
    fake_start();
    fake_mount("/shared", CELLA_MOUNT_SHARED, 0, 0, true);
    fake_mount("/readonly", CELLA_MOUNT_SHARED, 0, 0, false);
    fake_mount("/trusted", CELLA_MOUNT_TRUSTED, 0, 0, false);
    fake_mount("/vault", CELLA_MOUNT_PROTECTED, CELLA_KEY_SEAL_ENCLAVE, 0, true);
    fake_mount("/shared/deep/seal", CELLA_MOUNT_PROTECTED, CELLA_KEY_SEAL_SIGNER, 0, true);
    for (size_t i = 0; i < sizeof(pinned); i++) pinned[i] = (uint8_t)(i * 31 + i / 256);
    for (size_t i = 0; i < 3; i++) {
        size_t left = sizeof(pinned) - i * CELLA_TRUSTED_CHUNK;
        cella_result_drop(
            cella_sha256(cella_bytes(pinned + i * CELLA_TRUSTED_CHUNK,
                                     left < CELLA_TRUSTED_CHUNK ? left : CELLA_TRUSTED_CHUNK),
                         hashes + 32 * i));
    }
    mkdir(fake_path(TRUSTED, "sub"), 0700);
    fake_write(TRUSTED, "sub/model", pinned, sizeof(pinned));
    fake_write(TRUSTED, "extra", "not pinned", 10);
    shim.config.trusted_count = 1;
    shim.config.trusted[0] = (struct cella_config_trusted){.mount = TRUSTED,
                                                           .path = cella_bytes_text("sub/model"),
                                                           .size = sizeof(pinned),
                                                           .hashes = CELLA_BYTES_OF(hashes)};
    struct cella_result r = shim_files_start();
    return cella_failed(r);
}
static int stop(void **state) {
    (void)state;
    for (int fd = 0; fd < SHIM_FD_MAX; fd++) (void)close_(fd);
    fake_end();
    return 0;
}

/* ---- descriptors ---- */

static void descriptors(void **state) {
    (void)state;
    char text[16] = {0};
    fake_write(SHARED, "a", "0123456789", 10);
    long fd = open_("/shared/a", O_RDONLY);
    assert_int_equal(fd, 3);
    assert_int_equal(CALL(dup, fd), 4);
    assert_int_equal(CALL(dup2, fd, 9), 9);
    assert_int_equal(CALL(dup3, fd, fd, 0), -EINVAL);
    assert_int_equal(CALL(dup2, fd, SHIM_FD_MAX), -EBADF);
    assert_int_equal(CALL(dup2, 77, 5), -EBADF);
    assert_int_equal(read_(fd, text, 4), 4);
    assert_int_equal(read_(9, text, 3), 3); /* dup shares the offset */
    assert_memory_equal(text, "456", 3);
    assert_int_equal(CALL(lseek, 4, 0, SEEK_CUR), 7);
    assert_int_equal(CALL(lseek, 4, -2, SEEK_END), 8);
    assert_int_equal(CALL(lseek, 4, -11, SEEK_END), -EINVAL);
    assert_int_equal(CALL(lseek, 4, INT64_MAX, SEEK_CUR), -EOVERFLOW);
    assert_int_equal(CALL(lseek, 4, 3, SEEK_HOLE), 10);
    assert_int_equal(write_(fd, "x", 1), -EBADF);
    assert_int_equal(close_(fd), 0);
    assert_int_equal(close_(fd), -EBADF);
    assert_int_equal(CALL(pread64, 4, P(text), 4, 2), 4);
    assert_memory_equal(text, "2345", 4);
    assert_int_equal(CALL(pread64, 4, P(text), 4, -1), -EINVAL);
    assert_int_equal(CALL(fcntl, 4, F_SETFD, FD_CLOEXEC), 0);
    assert_int_equal(CALL(fcntl, 4, F_GETFD), FD_CLOEXEC);
    assert_int_equal(CALL(fcntl, 9, F_GETFD), 0);
    shim_files_exec();
    assert_int_equal(CALL(fcntl, 4, F_GETFD), -EBADF);
    assert_int_equal(CALL(fcntl, 9, F_DUPFD, 100), 100);
    assert_int_equal(CALL(fcntl, 9, F_DUPFD, SHIM_FD_MAX), -EINVAL);
    assert_int_equal(CALL(close_range, 5, 1000, 0), 0);
    assert_int_equal(CALL(fcntl, 100, F_GETFD), -EBADF);
}

static void exhausts_descriptors(void **state) {
    (void)state;
    fake_write(SHARED, "a", "x", 1);
    long fd = open_("/shared/a", O_RDONLY), last = fd;
    while (last >= 0 && last < SHIM_FD_MAX) last = CALL(dup, fd);
    assert_int_equal(last, -EMFILE);
    assert_int_equal(CALL(close_range, fd, SHIM_FD_MAX, 0), 0);
    unsigned count = 0;
    while ((last = open_("/shared/a", O_RDONLY)) >= 0) count++;
    assert_int_equal(last, -ENFILE);
    assert_int_equal(count, SHIM_FILE_MAX - 3);
    assert_int_equal(CALL(close_range, fd, SHIM_FD_MAX, 0), 0);
    assert_true(open_("/shared/a", O_RDONLY) >= 0);
}

static void vectors(void **state) {
    (void)state;
    char a[3] = {0}, b[8] = {0};
    struct iovec parts[2] = {{a, 2}, {b, 7}}, bad[2] = {{a, 2}, {NULL, 7}};
    fake_write(SHARED, "v", "abcdef", 6);
    long fd = open_("/shared/v", O_RDWR);
    assert_int_equal(CALL(readv, fd, P(parts), 2), 6);
    assert_string_equal(b, "cdef");
    assert_int_equal(CALL(preadv, fd, P(bad), 2, 0), 2); /* what came before the bad piece counts */
    assert_int_equal(CALL(readv, fd, P(parts), 1025), -EINVAL);
    assert_int_equal(CALL(readv, 88, P(parts), 0), -EBADF);
    struct iovec out[2] = {{a, 2}, {b, 4}};
    assert_int_equal(CALL(pwritev, fd, P(out), 2, 6), 6);
    assert_int_equal(fake_read(SHARED, "v", b, 8), 8);
}

/* ---- shared mounts ---- */

static void shared_files(void **state) {
    (void)state;
    char text[32];
    struct stat s;
    assert_int_equal(open_("/shared/new", O_RDONLY), -ENOENT);
    long fd = open_("/shared/new", O_CREAT | O_RDWR | O_APPEND);
    assert_int_equal(write_(fd, "one ", 4), 4);
    CALL(lseek, fd, 0, SEEK_SET);
    assert_int_equal(write_(fd, "two", 3), 3);
    assert_int_equal(fake_read(SHARED, "new", text, 32), 7);
    assert_memory_equal(text, "one two", 7);
    assert_int_equal(CALL(fstat, fd, P(&s)), 0);
    assert_int_equal(s.st_size, 7);
    assert_true(S_ISREG(s.st_mode));
    assert_int_equal(CALL(ftruncate, fd, 2), 0);
    assert_int_equal(CALL(ftruncate, fd, -1), -EINVAL);
    assert_int_equal(CALL(fallocate, fd, 0, 0, 100), 0);
    assert_int_equal(CALL(fallocate, fd, 1, 0, 100), -EOPNOTSUPP);
    assert_int_equal(CALL(stat, P("/shared/new"), P(&s)), 0);
    assert_int_equal(s.st_size, 100);
    assert_int_equal(CALL(stat, P("/shared/new/"), P(&s)), -ENOTDIR);
    assert_int_equal(open_("/shared/new", O_CREAT | O_EXCL | O_RDWR), -EEXIST);
    assert_int_equal(open_("/shared/new", O_DIRECTORY), -ENOTDIR);
    assert_int_equal(CALL(mkdir, P("/shared/d"), 0700), 0);
    assert_int_equal(CALL(mkdir, P("/shared"), 0700), -EEXIST);
    assert_int_equal(CALL(rename, P("/shared/new"), P("/shared/d/moved")), 0);
    assert_int_equal(CALL(rename, P("/shared/d"), P("/shared/d/x")), -EINVAL);
    assert_int_equal(CALL(rename, P("/shared/d"), P("/vault/d")), -EXDEV);
    assert_int_equal(CALL(rename, P("/shared"), P("/x")), -EBUSY);
    assert_int_equal(CALL(unlink, P("/shared/d/moved")), 0);
    assert_int_equal(CALL(rmdir, P("/shared/d")), 0);
    assert_int_equal(CALL(rmdir, P("/shared")), -EBUSY);
    assert_int_equal(open_("/shared", O_RDWR), -EISDIR);
}

static void read_only_mount(void **state) {
    (void)state;
    struct stat s;
    fake_write(READONLY, "f", "x", 1);
    assert_int_equal(open_("/readonly/f", O_RDWR), -EROFS);
    assert_int_equal(open_("/readonly/f", O_RDONLY | O_TRUNC), -EROFS);
    assert_int_equal(open_("/readonly/g", O_RDONLY | O_CREAT), -EROFS);
    assert_int_equal(CALL(unlink, P("/readonly/f")), -EROFS);
    assert_int_equal(CALL(mkdir, P("/readonly/d"), 0700), -EROFS);
    assert_int_equal(CALL(rename, P("/readonly/f"), P("/readonly/g")), -EROFS);
    assert_int_equal(CALL(stat, P("/readonly/f"), P(&s)), 0);
    assert_int_equal(s.st_mode & 0222, 0);
    assert_int_equal(CALL(access, P("/readonly/f"), W_OK), -EACCES);
    assert_int_equal(CALL(access, P("/readonly/f"), R_OK), 0);
}

static void links_lead_nowhere(void **state) {
    (void)state;
    struct stat s;
    assert_int_equal(symlink("/etc/passwd", fake_path(SHARED, "link")), 0);
    assert_int_equal(open_("/shared/../etc/passwd", O_RDONLY), -ENOENT);
    assert_true(
        FAKE_ABORTS((void)open_("/shared/link", O_RDONLY))); /* the host may not even show one */
    SAID("neither file nor folder");
    fake_unlock_all();
    assert_int_equal(CALL(stat, P("/proc/self/exe"), P(&s)), 0);
    char text[16];
    assert_int_equal(CALL(readlink, P("/proc/self/exe"), P(text), 16), 8);
    assert_memory_equal(text, "/bin/app", 8);
    assert_int_equal(CALL(readlink, P("/dev/null"), P(text), 16), -EINVAL);
    assert_int_equal(CALL(readlink, P("/none"), P(text), 16), -ENOENT);
}

/* Lists a folder through a buffer of size bytes; each name once, in names. */
static unsigned list(const char *path, size_t size, char names[64][64], bool deleting) {
    uint8_t buffer[4096];
    unsigned count = 0;
    long fd = open_(path, O_RDONLY | O_DIRECTORY), n;
    assert_true(fd >= 0);
    while ((n = CALL(getdents64, fd, P(buffer), (long)size)) > 0)
        for (long at = 0; at < n;) {
            uint16_t length;
            memcpy(&length, buffer + at + 16, 2);
            const char *name = (char *)buffer + at + 19;
            assert_int_equal(length % 8, 0);
            strcpy(names[count++], name);
            char full[128];
            snprintf(full, sizeof(full), "%s/%s", path, name);
            if (deleting && name[0] != '.') assert_int_equal(CALL(unlink, P(full)), 0);
            at += length;
        }
    assert_int_equal(n, 0);
    close_(fd);
    return count;
}
static bool has(char names[64][64], unsigned count, const char *name) {
    unsigned found = 0;
    for (unsigned i = 0; i < count; i++) found += strcmp(names[i], name) == 0;
    assert_true(found <= 1);
    return found;
}

static void folders(void **state) {
    (void)state;
    char names[64][64], name[16];
    for (unsigned i = 0; i < 15; i++) {
        snprintf(name, sizeof(name), "file%u", i);
        fake_write(SHARED, name, "x", 1);
    }
    for (size_t size = 32; size <= 4096; size *= 2) {
        unsigned n = list("/shared", size, names, false);
        assert_int_equal(n, 17);
        assert_true(has(names, n, "file0") && has(names, n, "file14") && has(names, n, ".") &&
                    has(names, n, ".."));
    }
    uint8_t small[16];
    long fd = open_("/shared", O_RDONLY);
    assert_int_equal(CALL(getdents64, fd, P(small), 16), -EINVAL);
    assert_int_equal(CALL(getdents64, 0, P(small), 16), -ENOTDIR);
    assert_int_equal(CALL(read, fd, P(small), 16), -EISDIR);
    close_(fd);
    unsigned n = list("/", 4096, names, false);
    assert_true(has(names, n, "shared") && has(names, n, "vault") && has(names, n, "dev") &&
                has(names, n, "bin"));
    assert_false(has(names, n, ""));
    n = list("/dev/cella", 4096, names, false);
    assert_true(has(names, n, "seal") && has(names, n, "report") && has(names, n, "keys"));
    n = list("/trusted", 4096, names, false); /* what is pinned, not what the host has */
    assert_int_equal(n, 3);
    assert_true(has(names, n, "sub"));
}

static void working_folder(void **state) {
    (void)state;
    char text[64];
    struct stat s;
    fake_write(SHARED, "here", "x", 1);
    assert_int_equal(CALL(chdir, P("/shared/here")), -ENOTDIR);
    assert_int_equal(CALL(chdir, P("/none")), -ENOENT);
    assert_int_equal(CALL(chdir, P("/shared")), 0);
    assert_int_equal(CALL(getcwd, P(text), 64), 8);
    assert_string_equal(text, "/shared");
    assert_int_equal(CALL(getcwd, P(text), 7), -ERANGE);
    assert_int_equal(CALL(stat, P("here"), P(&s)), 0);
    long fd = open_("/", O_RDONLY);
    assert_int_equal(CALL(newfstatat, fd, P("shared/here"), P(&s), 0), 0);
    assert_int_equal(CALL(newfstatat, 55, P("shared/here"), P(&s), 0), -EBADF);
    assert_int_equal(CALL(newfstatat, 0, P("shared/here"), P(&s), 0), -ENOTDIR);
    assert_int_equal(CALL(newfstatat, fd, P(""), P(&s), AT_EMPTY_PATH), 0);
    assert_int_equal(CALL(newfstatat, fd, P(""), P(&s), 0), -ENOENT);
    assert_int_equal(CALL(chdir, P("/")), 0);
}

/* ---- trusted mounts ---- */

static void trusted_files(void **state) {
    (void)state;
    static uint8_t out[sizeof(pinned) + 10];
    struct stat s;
    long fd = open_("/trusted/sub/model", O_RDONLY);
    assert_true(fd >= 0);
    size_t done = 0;
    long n;
    while ((n = read_(fd, out + done, 4097)) > 0) done += (size_t)n;
    assert_int_equal(done, sizeof(pinned));
    assert_memory_equal(out, pinned, sizeof(pinned));
    assert_int_equal(CALL(pread64, fd, P(out), 10, 149995), 5);
    assert_int_equal(CALL(fstat, fd, P(&s)), 0);
    assert_int_equal(s.st_size, sizeof(pinned));
    assert_int_equal(open_("/trusted/extra", O_RDONLY), -ENOENT);
    assert_int_equal(open_("/trusted/sub/model", O_RDWR), -EROFS);
    assert_int_equal(open_("/trusted/sub/mode", O_RDONLY), -ENOENT);
    assert_int_equal(CALL(unlink, P("/trusted/sub/model")), -EROFS);
}

static void trusted_files_are_what_was_pinned(void **state) {
    (void)state;
    static uint8_t changed[sizeof(pinned)];
    uint8_t out[64];
    for (unsigned chunk = 0; chunk < 3; chunk++) { /* T09: one bit, anywhere */
        memcpy(changed, pinned, sizeof(pinned));
        changed[chunk * CELLA_TRUSTED_CHUNK + 777] ^= 4;
        fake_write(TRUSTED, "sub/model", changed, sizeof(changed));
        long fd = open_("/trusted/sub/model", O_RDONLY);
        /* the cache of earlier tests is of the true file: read each chunk's neighbours first */
        for (unsigned other = 0; other < 3; other++)
            if (other != chunk)
                assert_int_equal(CALL(pread64, fd, P(out), 64, other * CELLA_TRUSTED_CHUNK), 64);
        fake_clear();
        assert_int_equal(CALL(pread64, fd, P(out), 64, chunk * CELLA_TRUSTED_CHUNK), -EIO);
        SAID("/trusted/sub/model: it is not what the manifest pins");
        close_(fd);
    }
    fake_write(TRUSTED, "sub/model", pinned, sizeof(pinned) - 1);
    assert_int_equal(open_("/trusted/sub/model", O_RDONLY), -EIO);
    SAID("149999 bytes");
}

/* ---- protected mounts ---- */

static void protected_files(void **state) {
    (void)state;
    static uint8_t big[100000], out[100000], raw[200000];
    struct stat s;
    for (size_t i = 0; i < sizeof(big); i++) big[i] = (uint8_t)(i ^ i >> 8);
    memcpy(big, "a secret that is easy to find", 29);
    assert_int_equal(open_("/vault/f", O_RDWR), -ENOENT);
    long fd = open_("/vault/f", O_RDWR | O_CREAT);
    assert_true(fd >= 0);
    assert_int_equal(write_(fd, big, sizeof(big)), sizeof(big));
    assert_int_equal(CALL(pread64, fd, P(out), sizeof(out), 0), sizeof(out));
    assert_memory_equal(out, big, sizeof(big));
    long other = open_("/vault/f", O_RDWR | O_APPEND); /* the same content */
    assert_int_equal(write_(other, "tail", 4), 4);
    assert_int_equal(CALL(fstat, fd, P(&s)), 0);
    assert_int_equal(s.st_size, sizeof(big) + 4);
    assert_int_equal(CALL(fsync, fd), 0);
    size_t size = fake_read(VAULT, "f", raw, sizeof(raw));
    assert_true(size > sizeof(big));
    assert_null(memmem(raw, size, big, 29));
    assert_int_equal(close_(fd), 0);
    assert_int_equal(close_(other), 0);
    assert_int_equal(CALL(stat, P("/vault/f"), P(&s)), 0);
    assert_int_equal(s.st_size, sizeof(big) + 4);
    fd = open_("/vault/f", O_RDONLY);
    assert_int_equal(read_(fd, out, sizeof(out)), sizeof(out));
    assert_memory_equal(out, big, sizeof(big));
    assert_int_equal(write_(fd, "x", 1), -EBADF);
    close_(fd);
    fd = open_("/vault/f", O_WRONLY | O_TRUNC);
    assert_int_equal(CALL(fstat, fd, P(&s)), 0);
    assert_int_equal(s.st_size, 0);
    close_(fd);
    assert_int_equal(open_("/vault/f", O_CREAT | O_EXCL | O_RDWR), -EEXIST);
    assert_int_equal(CALL(unlink, P("/vault/f")), 0);
    assert_int_equal(CALL(stat, P("/vault/f"), P(&s)), -ENOENT);
}

static void put_protected(const char *path, const char *text) {
    long fd = open_(path, O_WRONLY | O_CREAT | O_TRUNC);
    assert_true(fd >= 0);
    assert_int_equal(write_(fd, text, strlen(text)), strlen(text));
    assert_int_equal(close_(fd), 0);
}
static void expect_protected(const char *path, const char *text) {
    char out[64] = {0};
    long fd = open_(path, O_RDONLY);
    assert_true(fd >= 0);
    assert_int_equal(read_(fd, out, sizeof(out)), strlen(text));
    assert_string_equal(out, text);
    close_(fd);
}

static void protected_names(void **state) {
    (void)state;
    uint8_t raw[65536];
    char text[8];
    put_protected("/vault/a", "first");
    assert_int_equal(CALL(rename, P("/vault/a"), P("/vault/b")), 0);
    expect_protected("/vault/b", "first");
    long fd = open_("/vault/b", O_RDWR);
    put_protected("/vault/c", "second");
    assert_int_equal(CALL(rename, P("/vault/c"), P("/vault/b")),
                     0); /* over an open one, which lives on */
    assert_int_equal(read_(fd, text, 8), 5);
    expect_protected("/vault/b", "second");
    close_(fd);
    expect_protected("/vault/b", "second");
    assert_int_equal(CALL(mkdir, P("/vault/d"), 0700), 0);
    assert_int_equal(CALL(rename, P("/vault/d"), P("/vault/e")), -EXDEV);
    assert_int_equal(CALL(rename, P("/vault/b"), P("/vault/d/b")), 0);
    expect_protected("/vault/d/b", "second");
    /* the host swaps names: each file opens under its own only */
    put_protected("/vault/x", "xxxx");
    size_t size = fake_read(VAULT, "x", raw, sizeof(raw));
    fake_write(VAULT, "y", raw, size);
    fake_clear();
    assert_int_equal(open_("/vault/y", O_RDONLY), -EIO);
    SAID("protected file y: it does not match");
}

static void protected_damage(void **state) {
    (void)state;
    static uint8_t raw[65536];
    char out[64];
    put_protected("/vault/x", "something");
    size_t size = fake_read(VAULT, "x", raw, sizeof(raw));
    for (size_t cut = 0; cut < size; cut += 1000) {
        fake_write(VAULT, "x", raw, cut);
        long fd = open_("/vault/x", O_RDONLY);
        assert_true(fd == -EIO || read_(fd, out, sizeof(out)) == -EIO);
        if (fd >= 0) close_(fd);
    }
    unsigned noticed = 0, tried = 0;
    for (size_t at = 0; at < size; at += 97) {
        raw[at] ^= 0x20;
        fake_write(VAULT, "x", raw, size);
        raw[at] ^= 0x20;
        long fd = open_("/vault/x", O_RDONLY);
        long n = fd < 0 ? fd : read_(fd, out, sizeof(out));
        assert_true(n == -EIO || n == -EACCES ||
                    (n == 9 && memcmp(out, "something", 9) == 0)); /* never other bytes */
        if (fd >= 0) close_(fd);
        noticed += n < 0;
        tried++;
    }
    assert_true(noticed > 0 &&
                tried > 10); /* the older header slot and padding may change unnoticed */
    fake_write(VAULT, "x", raw, size);
    expect_protected("/vault/x", "something");
}

static void protected_keys(void **state) {
    (void)state;
    static uint8_t raw[65536];
    put_protected("/vault/x", "enclave");
    put_protected("/shared/deep/seal/x", "signer");
    expect_protected("/shared/deep/seal/x", "signer");
    /* a file of the other policy is refused by its kind, before any key is asked for */
    size_t size = fake_read(SEALED, "x", raw, sizeof(raw));
    fake_write(VAULT, "x", raw, size);
    unsigned asked = fake.seal_count;
    assert_int_equal(open_("/vault/x", O_RDONLY), -EACCES);
    SAID("not under the seal key that its mount says");
    assert_int_equal(fake.seal_count, asked);
    shim.config.svn = 3; /* a newer version opens what an older one sealed */
    expect_protected("/shared/deep/seal/x", "signer");
    shim.config.svn = 1; /* never the reverse */
    fake_clear();
    assert_int_equal(open_("/shared/deep/seal/x", O_RDONLY), -EACCES);
    SAID("sealed by security version 2, and this is version 1");
    shim.config.svn = 2;
}

static void protected_limits(void **state) {
    (void)state;
    char path[32];
    long fd = 0;
    unsigned count = 0;
    for (; count < 32 && fd >= 0; count++) {
        snprintf(path, sizeof(path), "/vault/n%u", count);
        fd = open_(path, O_CREAT | O_RDWR);
    }
    assert_int_equal(fd, -ENFILE);
    assert_true(count - 1 >= 2);
    SAID("protected files are open");
    fd = open_("/vault/n0", O_RDWR);
    assert_int_equal(CALL(ftruncate, fd, INT64_MAX), -EFBIG);
    assert_int_equal(CALL(pwrite64, fd, P(path), 8, INT64_MAX - 4), -EFBIG);
    assert_int_equal(CALL(lseek, fd, INT64_MAX, SEEK_SET), INT64_MAX);
    assert_int_equal(write_(fd, path, 8), -EFBIG);
    shim_files_exit(); /* commits all that is open */
    fake_unlock_all();
    struct stat s;
    assert_int_equal(stat(fake_path(VAULT, "n1"), &s), 0);
    assert_true(s.st_size > 0);
}

static long full_disk(long number, long result) {
    return number == SYS_pwrite64 ? -ENOSPC : result;
}

static void protected_disk_full(void **state) {
    (void)state;
    put_protected("/vault/x", "before");
    long fd = open_("/vault/x", O_RDWR);
    assert_int_equal(write_(fd, "after!", 6), 6);
    fake.lie_kernel = full_disk;
    assert_int_equal(CALL(fsync, fd), -ENOSPC);
    assert_int_equal(close_(fd) < 0, 1);
    fake.lie_kernel = NULL;
    expect_protected("/vault/x", "before");
}

/* ---- the shim's own files ---- */

static void devices(void **state) {
    (void)state;
    uint8_t a[32], b[32] = {0};
    struct stat s;
    long fd = open_("/dev/urandom", O_RDONLY);
    assert_int_equal(read_(fd, a, 32), 32);
    assert_memory_not_equal(a, b, 32);
    assert_int_equal(read_(open_("/dev/zero", O_RDONLY), a, 32), 32);
    assert_memory_equal(a, b, 32);
    fd = open_("/dev/null", O_RDWR);
    assert_int_equal(read_(fd, a, 32), 0);
    assert_int_equal(write_(fd, a, 32), 32);
    assert_int_equal(CALL(fstat, fd, P(&s)), 0);
    assert_true(S_ISCHR(s.st_mode));
    assert_int_equal(open_("/dev/tty", O_RDWR), -ENOENT);
    assert_int_equal(open_("/new", O_CREAT | O_RDWR), -EROFS);
    assert_int_equal(open_("/dev/null/x", O_RDONLY), -ENOTDIR);
    assert_int_equal(open_("/bin/app", O_RDONLY), -EACCES);
    assert_int_equal(CALL(access, P("/bin/app"), X_OK), 0);
    assert_true(open_("/dev/stdout", O_WRONLY) > 0);
    assert_true(open_("/dev/fd/1", O_WRONLY) > 0);
    assert_int_equal(open_("/dev/fd/200", O_WRONLY), -EBADF);
    assert_int_equal(open_("/dev/fd/99999999999999", O_WRONLY), -ENOENT);
    assert_int_equal(CALL(ioctl, 0, 0x5413 + 99, P(a)), -ENOTTY);
    struct pollfd p[3] = {{(int)fd, POLLIN, 0}, {250, POLLIN, 0}, {-1, POLLIN, 7}};
    assert_int_equal(CALL(poll, P(p), 3, -1), 2);
    assert_int_equal(p[0].revents, POLLIN);
    assert_int_equal(p[1].revents, POLLNVAL);
    assert_int_equal(p[2].revents, 0);
}

#define REPORTS "/sys/kernel/config/tsm/report"

static void put(const char *path, const void *bytes, size_t size) {
    long fd = open_(path, O_WRONLY);
    assert_true(fd >= 0);
    assert_int_equal(write_(fd, bytes, size), (long)size);
    assert_int_equal(close_(fd), 0);
}
static long get(const char *path, char *out, size_t size) {
    long fd = open_(path, O_RDONLY);
    if (fd < 0) return fd;
    memset(out, 0, size);
    long n = read_(fd, out, size);
    close_(fd);
    return n;
}

static void tsm_reports(void **state) {
    (void)state;
    char out[256], nonce[64];
    memset(nonce, 'n', sizeof(nonce));
    assert_int_equal(CALL(mkdir, P("/sys/kernel/config/tsm/other"), 0700), -EPERM);
    assert_int_equal(CALL(mkdir, P(REPORTS "/r"), 0700), 0);
    assert_int_equal(CALL(mkdir, P(REPORTS "/r"), 0700), -EEXIST);
    assert_int_equal(get(REPORTS "/r/provider", out, 256), 15);
    assert_string_equal(out, "cella_software\n");
    assert_int_equal(get(REPORTS "/r/generation", out, 256), 2);
    assert_string_equal(out, "0\n");
    assert_int_equal(get(REPORTS "/r/outblob", out, 256), -EINVAL);
    assert_int_equal(get(REPORTS "/r/inblob", out, 256), -EACCES);
    put(REPORTS "/r/inblob", nonce, 64);
    assert_int_equal(get(REPORTS "/r/generation", out, 256), 2);
    assert_string_equal(out, "1\n");
    assert_int_equal(get(REPORTS "/r/outblob", out, 256), 14 + 64);
    assert_memory_equal(out, "evidence over nnnn", 18);
    assert_int_equal(get(REPORTS "/r/outblob", out, 256), 14 + 64);
    assert_int_equal(fake.evidence_count, 1); /* the same question is not asked twice */
    assert_int_equal(get(REPORTS "/r/auxblob", out, 256), 0);
    long fd = open_(REPORTS "/r/outblob", O_RDONLY),
         in = open_(REPORTS "/r/inblob", O_WRONLY | O_TRUNC);
    assert_int_equal(read_(fd, out, 10), 10);
    assert_int_equal(write_(in, nonce, 64), 64);
    assert_int_equal(write_(in, nonce, 1), -EFBIG);
    assert_int_equal(read_(fd, out, 10), 10); /* not closed yet, as configfs has it */
    assert_int_equal(close_(in), 0);
    long second = open_(REPORTS "/r/outblob", O_RDONLY);
    assert_int_equal(read_(second, out, 10), 10);
    assert_int_equal(fake.evidence_count, 2);
    assert_int_equal(read_(fd, out, 10), -EWOULDBLOCK);
    put(REPORTS "/r/inblob", "short", 5);
    assert_int_equal(get(REPORTS "/r/outblob", out, 256), 14 + 64);
    assert_memory_equal(out + 14, "short\0\0", 7);
    assert_int_equal(CALL(rmdir, P(REPORTS "/r/inblob")), -ENOTDIR);
    assert_int_equal(CALL(rmdir, P(REPORTS "/none")), -ENOENT);
    assert_int_equal(CALL(rmdir, P(REPORTS "/r")), 0);
    assert_int_equal(read_(second, out, 10), -ENOENT);
    assert_int_equal(open_(REPORTS "/r/outblob", O_RDONLY), -ENOENT);
    assert_int_equal(CALL(mkdir, P(REPORTS "/r"), 0700),
                     0); /* a new one of the name is not the old one */
    assert_int_equal(read_(second, out, 10), -ENOENT);
    assert_int_equal(CALL(rmdir, P(REPORTS "/r")), 0);
}

static void tsm_limits(void **state) {
    (void)state;
    char path[128];
    long e = 0;
    unsigned count = 0;
    for (; e == 0 && count < 100; count++) {
        snprintf(path, sizeof(path), REPORTS "/r%u", count);
        e = CALL(mkdir, P(path), 0700);
    }
    assert_int_equal(e, -ENOSPC);
    for (unsigned i = 0; i + 1 < count; i++) {
        snprintf(path, sizeof(path), REPORTS "/r%u", i);
        assert_int_equal(CALL(rmdir, P(path)), 0);
    }
    memset(path + sizeof(REPORTS), 'x', 64);
    path[sizeof(REPORTS) + 64] = 0;
    assert_int_equal(CALL(mkdir, P(path), 0700), -ENAMETOOLONG);
}

static void cella_devices(void **state) {
    (void)state;
    uint8_t question[576], out[512], other[512];
    memset(question, 7, sizeof(question));
    long fd = open_("/dev/cella/report", O_RDWR);
    assert_int_equal(read_(fd, out, 432), -EINVAL);
    assert_int_equal(write_(fd, question, 512), 512);
    assert_int_equal(read_(fd, out, 432), -EINVAL);
    assert_int_equal(write_(fd, question + 512, 65), -EMSGSIZE);
    assert_int_equal(write_(fd, question + 512, 64), 64);
    assert_int_equal(read_(fd, out, 400), 400);
    assert_int_equal(read_(fd, out + 400, 112), 32);
    assert_int_equal(read_(fd, out, 1), 0);
    assert_int_equal(out[63], 7);
    close_(fd);
    fd = open_("/dev/cella/verify", O_RDWR);
    assert_int_equal(write_(fd, out, 432), 432);
    assert_int_equal(read_(fd, other, 512), 3);
    out[0] = 0; /* the fake platform's mark of a foreign report */
    assert_int_equal(write_(fd, out, 432), 432);
    assert_int_equal(read_(fd, other, 512), -EACCES);
    close_(fd);
    assert_int_equal(get("/dev/cella/targetinfo", (char *)out, 512), 512);
    assert_int_equal(get("/dev/cella/platform", (char *)out, 512), 23);
    assert_int_equal(get("/dev/cella/seal/enclave", (char *)out, 512), 32);
    assert_int_equal(get("/dev/cella/seal/signer", (char *)other, 512), 32);
    assert_memory_not_equal(out, other, 32);
    fd = open_("/dev/cella/seal/signer", O_RDWR);
    assert_int_equal(write_(fd, question, 33), 33);
    assert_int_equal(read_(fd, out, 32), -EINVAL);
    assert_int_equal(write_(fd, question, 2), -EMSGSIZE);
    assert_int_equal(write_(fd, question, 1), 1);
    assert_int_equal(read_(fd, out, 512), 32);
    close_(fd);
    long fds[9];
    for (unsigned i = 0; i < 9; i++) fds[i] = open_("/dev/cella/platform", O_RDONLY);
    assert_int_equal(fds[8], -ENFILE);
    for (unsigned i = 0; i < 8; i++) close_(fds[i]);
    assert_int_equal(open_("/dev/cella/platform", O_RDWR), -EACCES);
    assert_int_equal(open_("/dev/cella/keys/none", O_RDONLY), -ENOENT);
}

static void copies(void **state) {
    (void)state;
    static uint8_t big[20000], out[20000];
    for (size_t i = 0; i < sizeof(big); i++) big[i] = (uint8_t)(i * 13);
    fake_write(SHARED, "from", big, sizeof(big));
    long in = open_("/shared/from", O_RDONLY), to = open_("/vault/to", O_RDWR | O_CREAT);
    int64_t at = 5;
    assert_int_equal(CALL(sendfile, to, in, P(&at), 100000), sizeof(big) - 5);
    assert_int_equal(at, sizeof(big));
    assert_int_equal(CALL(pread64, to, P(out), sizeof(out), 0), sizeof(big) - 5);
    assert_memory_equal(out, big + 5, sizeof(big) - 5);
    at = -1;
    assert_int_equal(CALL(sendfile, to, in, P(&at), 10), -EINVAL);
    assert_int_equal(CALL(copy_file_range, in, 0, to, 0, 10, 1), -EINVAL);
    assert_int_equal(CALL(copy_file_range, in, 0, 99, 0, 10, 0), -EBADF);
    assert_int_equal(shim_file_read_at((int)in, out, sizeof(out), 0), sizeof(big));
    assert_int_equal(shim_file_read_at(99, out, 1, 0), -EBADF);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)
int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(descriptors),      TEST(exhausts_descriptors),
        TEST(vectors),          TEST(shared_files),
        TEST(read_only_mount),  TEST(links_lead_nowhere),
        TEST(folders),          TEST(working_folder),
        TEST(trusted_files),    TEST(trusted_files_are_what_was_pinned),
        TEST(protected_files),  TEST(protected_names),
        TEST(protected_damage), TEST(protected_keys),
        TEST(protected_limits), TEST(protected_disk_full),
        TEST(devices),          TEST(tsm_reports),
        TEST(tsm_limits),       TEST(cella_devices),
        TEST(copies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
