/* What a hostile enclave may reach through `cella run`: files below its mounts and nothing else. */
#include "cmocka_all.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/reader.h"
#include "base/writer.h"
#include "platform/hostserver.h"

static char root[64];
static struct cella_host_server server;
static struct cella_config config;
static uint8_t reply[CELLA_HOSTCALL_MAX];
static size_t reply_size;
static int reply_fd;

static void path_of(const char *name, char out[160]) { snprintf(out, 160, "%s/%s", root, name); }

static void put(const char *name, const char *text) {
    char path[160];
    path_of(name, path);
    assert_ok(cella_file_write(path, cella_bytes_text(text), 0644, 0));
}

static int set_up(void **state) {
    (void)state;
    char path[160];
    strcpy(root, "/tmp/cella-host-XXXXXX");
    assert_non_null(mkdtemp(root));
    static const char *const folders[] = {"in", "in/sub", "out", "grants"};
    for (int i = 0; i < 4; i++) {
        path_of(folders[i], path);
        assert_int_equal(mkdir(path, 0755), 0);
    }
    put("secret", "not below the mount");
    put("in/a", "content");
    put("in/sub/b", "deep");
    path_of("in/link", path);
    assert_int_equal(symlink("../secret", path), 0);
    path_of("in/folder-link", path);
    assert_int_equal(symlink("..", path), 0);
    path_of("in/self", path);
    assert_int_equal(symlink("a", path), 0);
    path_of("in/sub-link", path);
    assert_int_equal(symlink("sub", path), 0);
    path_of("in/fifo", path);
    assert_int_equal(mkfifo(path, 0644), 0);
    config = (struct cella_config){.key_count = 2,
                                   .key = {cella_bytes_text("one"), cella_bytes_text("two")}};
    server = (struct cella_host_server){.mount_count = 2, .config = &config};
    path_of("in", path);
    server.mount[0].folder = open(path, O_PATH | O_DIRECTORY);
    path_of("out", path);
    server.mount[1].folder = open(path, O_PATH | O_DIRECTORY);
    server.mount[1].writable = true;
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    char command[128];
    cella_host_server_close(&server);
    snprintf(command, sizeof(command), "rm -rf '%s'", root);
    return system(command);
}

static long call(uint32_t op, uint32_t mount, uint64_t a, uint64_t b, const void *payload,
                 size_t size) {
    static uint8_t request[CELLA_HOSTCALL_MAX];
    struct cella_writer w = cella_writer(request, sizeof(request));
    cella_writer_u32le(&w, op);
    cella_writer_u32le(&w, mount);
    cella_writer_u64le(&w, a);
    cella_writer_u64le(&w, b);
    cella_writer_u32le(&w, (uint32_t)size);
    cella_writer_put(&w, cella_bytes(payload, size));
    enum cella_host_answer answer =
        cella_host_serve(&server, cella_writer_bytes(&w), reply, &reply_size, &reply_fd);
    if (answer == CELLA_HOST_PENDING) return -9999;
    assert_int_equal(answer, CELLA_HOST_ANSWERED);
    struct cella_reader r = cella_reader(cella_bytes(reply, reply_size));
    long result = (long)cella_reader_u64le(&r);
    uint32_t payload_size = cella_reader_u32le(&r);
    assert_int_equal(payload_size, cella_reader_left(&r));
    assert_true(result >= -4095);
    if (result < 0) {
        assert_int_equal(reply_size, CELLA_HOSTCALL_REPLY_HEADER);
        assert_int_equal(reply_fd, -1);
    }
    return result;
}

static long on_path(uint32_t op, uint32_t mount, uint64_t a, uint64_t b, const char *path) {
    return call(op, mount, a, b, path, strlen(path));
}

static void test_open_and_stat(void **state) {
    (void)state;
    char text[16];
    assert_int_equal(on_path(CELLA_HOSTCALL_OPEN, 0, O_RDONLY, 0, "sub/b"), 0);
    assert_int_equal(read(reply_fd, text, sizeof(text)), 4);
    close(reply_fd);
    assert_int_equal(on_path(CELLA_HOSTCALL_STAT, 0, 0, 0, "a"), 0);
    assert_int_equal(reply[CELLA_HOSTCALL_REPLY_HEADER + CELLA_HOSTSTAT_SIZE_AT], 7);
    assert_int_equal(on_path(CELLA_HOSTCALL_STAT, 0, 0, 0, ""), 0);
    assert_int_equal(on_path(CELLA_HOSTCALL_STAT, 0, 0, 0, "none"), -ENOENT);
}

static void test_nothing_outside(void **state) {
    (void)state;
    static const char *const paths[] = {"../secret",
                                        "/etc/passwd",
                                        "sub/../../secret",
                                        "link",
                                        "folder-link/secret",
                                        "sub-link/b",
                                        "folder-link",
                                        "self",
                                        "..",
                                        "/",
                                        "sub/../..",
                                        "fifo",
                                        "./../secret"};
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
        for (uint32_t mount = 0; mount < 2; mount++) {
            assert_true(on_path(CELLA_HOSTCALL_OPEN, mount, O_RDONLY, 0, paths[i]) < 0);
            assert_true(on_path(CELLA_HOSTCALL_OPEN, mount, O_WRONLY | O_CREAT, 0600, paths[i]) <
                            0 ||
                        mount == 1);
            if (reply_fd >= 0)
                close(reply_fd); /* mount 1 may make a plain file of that name, inside */
            assert_true(on_path(CELLA_HOSTCALL_READDIR, mount, 0, 0, paths[i]) < 0);
            assert_true(on_path(CELLA_HOSTCALL_STAT, 0, 0, 0, paths[i]) < 0);
        }
    assert_true(call(CELLA_HOSTCALL_OPEN, 0, 0, 0, "a\0b", 3) == -EINVAL);
    assert_int_equal(on_path(CELLA_HOSTCALL_OPEN, 2, 0, 0, "a"), -ENOENT);
    assert_int_equal(on_path(CELLA_HOSTCALL_OPEN, UINT32_MAX, 0, 0, "a"), -ENOENT);
    static const char *const moves[] = {"../secret", "link/x", "folder-link/secret", "..", ".",
                                        "",          "sub/.."};
    for (size_t i = 0; i < sizeof(moves) / sizeof(moves[0]); i++) {
        char both[64];
        int n = snprintf(both, sizeof(both), "%smoved", moves[i]);
        assert_true(call(CELLA_HOSTCALL_RENAME, 1, strlen(moves[i]), 0, both, (size_t)n) < 0);
        assert_true(on_path(CELLA_HOSTCALL_UNLINK, 1, 0, 0, moves[i]) < 0);
        assert_true(on_path(CELLA_HOSTCALL_RMDIR, 1, 0, 0, moves[i]) < 0);
        assert_true(on_path(CELLA_HOSTCALL_MKDIR, 1, 0, 0700, moves[i]) < 0);
    }
    char path[160];
    path_of("secret", path);
    assert_int_equal(access(path, F_OK), 0);
}

static void test_read_only_mount(void **state) {
    (void)state;
    static const uint64_t flags[] = {O_WRONLY, O_RDWR, O_RDONLY | O_CREAT, O_RDONLY | O_TRUNC};
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(on_path(CELLA_HOSTCALL_OPEN, 0, flags[i], 0600, "a"), -EROFS);
    assert_int_equal(on_path(CELLA_HOSTCALL_UNLINK, 0, 0, 0, "a"), -EROFS);
    assert_int_equal(on_path(CELLA_HOSTCALL_MKDIR, 0, 0, 0700, "d"), -EROFS);
    assert_int_equal(on_path(CELLA_HOSTCALL_RMDIR, 0, 0, 0, "sub"), -EROFS);
    assert_int_equal(call(CELLA_HOSTCALL_RENAME, 0, 1, 0, "ab", 2), -EROFS);
    static const uint64_t odd[] = {O_PATH,   O_TMPFILE,  O_NOFOLLOW, O_APPEND,
                                   O_DIRECT, 1ULL << 40, O_CLOEXEC};
    for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++)
        assert_int_equal(on_path(CELLA_HOSTCALL_OPEN, 1, odd[i], 0, "a"), -EINVAL);
    assert_int_equal(on_path(CELLA_HOSTCALL_OPEN, 1, O_RDWR | O_CREAT, 04755, "suid"), -EINVAL);
}

static void test_writes_where_it_may(void **state) {
    (void)state;
    assert_int_equal(on_path(CELLA_HOSTCALL_MKDIR, 1, 0, 0700, "d"), 0);
    assert_int_equal(on_path(CELLA_HOSTCALL_OPEN, 1, O_RDWR | O_CREAT | O_EXCL, 0600, "d/x"), 0);
    assert_int_equal(write(reply_fd, "1", 1), 1);
    close(reply_fd);
    assert_int_equal(on_path(CELLA_HOSTCALL_OPEN, 1, O_RDWR | O_CREAT | O_EXCL, 0600, "d/x"),
                     -EEXIST);
    assert_int_equal(call(CELLA_HOSTCALL_RENAME, 1, 3, 0, "d/xd/y", 6), 0);
    assert_int_equal(call(CELLA_HOSTCALL_RENAME, 1, 1000, 0, "d/xd/y", 6), -EINVAL);
    assert_int_equal(on_path(CELLA_HOSTCALL_RMDIR, 1, 0, 0, "d"), -ENOTEMPTY);
    assert_int_equal(on_path(CELLA_HOSTCALL_UNLINK, 1, 0, 0, "d/y"), 0);
    assert_int_equal(on_path(CELLA_HOSTCALL_RMDIR, 1, 0, 0, "d"), 0);
}

/* All names once, over as many calls as it takes; links and devices are not shown. */
static void test_list(void **state) {
    (void)state;
    enum { COUNT = 3000 };
    char path[160];
    for (int i = 0; i < COUNT; i++) {
        snprintf(path, sizeof(path), "%s/out/file-with-a-rather-long-name-%05d", root, i);
        close(open(path, O_CREAT | O_WRONLY, 0600));
    }
    static bool seen[COUNT];
    unsigned total = 0, calls = 0;
    uint64_t cookie = 0;
    do {
        cookie = (uint64_t)on_path(CELLA_HOSTCALL_READDIR, 1, cookie, 0, "");
        struct cella_reader r = cella_reader(cella_bytes(reply, reply_size));
        cella_reader_skip(&r, CELLA_HOSTCALL_REPLY_HEADER);
        while (cella_reader_left(&r)) {
            assert_int_equal(cella_reader_u8(&r), DT_REG);
            struct cella_bytes name = cella_reader_bytes(&r, cella_reader_u8(&r));
            char text[64];
            snprintf(text, sizeof(text), "%.*s", (int)name.size, (const char *)name.data);
            int n = atoi(text + strlen("file-with-a-rather-long-name-"));
            assert_false(seen[n]);
            seen[n] = true;
            total++;
        }
        assert_false(r.failed);
    } while (cookie != 0 && ++calls < 100);
    assert_int_equal(total, COUNT);
    assert_int_equal(on_path(CELLA_HOSTCALL_READDIR, 0, 0, 0, ""), 0);
    assert_int_equal(reply_size - CELLA_HOSTCALL_REPLY_HEADER, 2 + 1 + 2 + 3); /* "a", "sub" */
}

static void test_grants(void **state) {
    (void)state;
    char request[160], folder[160], one[160];
    assert_int_equal(call(CELLA_HOSTCALL_KEY_REQUEST, 0, 0, 0, "req", 3),
                     -ECANCELED); /* nobody asked for it */
    path_of("request", request);
    path_of("grants", folder);
    path_of("grants/one.grant", one);
    server.request_path = request;
    assert_int_equal(call(CELLA_HOSTCALL_KEY_REQUEST, 0, 0, 0, "req", 3), 0);
    assert_int_equal(call(CELLA_HOSTCALL_KEY_GRANT, 0, 0, 0, NULL, 0),
                     -ECANCELED); /* and none will come */
    server.grant_folder = folder;
    assert_int_equal(call(CELLA_HOSTCALL_KEY_GRANT, 0, 0, 0, NULL, 0), -9999);
    put("grants/one.grant", "grant of one");
    put("grants/evil.grant", "of a key nobody has");
    assert_int_equal(call(CELLA_HOSTCALL_KEY_GRANT, 0, 0, 0, NULL, 0), 0);
    assert_memory_equal(reply + CELLA_HOSTCALL_REPLY_HEADER, "grant of one", 12);
    assert_int_equal(call(CELLA_HOSTCALL_KEY_GRANT, 0, 0, 0, NULL, 0), -9999);
    put("grants/two.grant", "2");
    assert_int_equal(call(CELLA_HOSTCALL_KEY_GRANT, 0, 0, 0, NULL, 0), 0);
    assert_int_equal(call(CELLA_HOSTCALL_KEY_GRANT, 0, 0, 0, NULL, 0), -ECANCELED);
}

static void test_boot(void **state) {
    (void)state;
    char *args[] = {(char *)(uintptr_t) "x", (char *)(uintptr_t) ""},
         *envs[] = {(char *)(uintptr_t) "A=b"};
    server.args = args;
    server.arg_count = 2;
    server.envs = envs;
    server.env_count = 1;
    assert_int_equal(call(CELLA_HOSTCALL_BOOT, 0, 0, 0, NULL, 0), 0);
    static const uint8_t want[] = {2, 0, 0, 0, 1, 0, 0, 0, 'x', 0,   0,   0,
                                   0, 1, 0, 0, 0, 3, 0, 0, 0,   'A', '=', 'b'};
    assert_int_equal(reply_size, CELLA_HOSTCALL_REPLY_HEADER + sizeof(want));
    assert_memory_equal(reply + CELLA_HOSTCALL_REPLY_HEADER, want, sizeof(want));
}

/* The ring is handed out by its exact size, and the host's own descriptor stays. */
static void test_calls(void **state) {
    (void)state;
    struct stat own, given;
    assert_int_equal(call(CELLA_HOSTCALL_CALLS, 0, 65536, 0, NULL, 0), -ENOTSUP);
    server.calls = memfd_create("calls", MFD_CLOEXEC);
    server.calls_size = 65536;
    assert_int_equal(call(CELLA_HOSTCALL_CALLS, 0, 4096, 0, NULL, 0), -EINVAL);
    assert_int_equal(call(CELLA_HOSTCALL_CALLS, 0, 65536, 0, NULL, 0), 0);
    assert_true(reply_fd >= 0 && reply_fd != server.calls);
    assert_true(fstat(server.calls, &own) == 0 && fstat(reply_fd, &given) == 0);
    assert_int_equal(own.st_ino, given.st_ino);
    close(reply_fd);
    close(server.calls);
}

/* A listener of this test's own; its port as the host's name for it. */
static int listener(char name[32]) {
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(at);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &size), 0);
    snprintf(name, 32, "127.0.0.1:%u", ntohs(at.sin_port));
    return fd;
}

static long connect_to(const char *name) {
    return call(CELLA_HOSTCALL_CONNECT, 0, 0, 0, name, strlen(name));
}

static void test_connect(void **state) {
    (void)state;
    char name[32], closed[32], text[8] = "", credential[64];
    int listening = listener(name), bound = listener(closed);
    assert_int_equal(listen(listening, 1), 0);
    const struct cella_host_peer peers[] = {{name, cella_bytes_text("token")}, {closed, {NULL, 0}}};
    assert_int_equal(connect_to(name), -EACCES); /* no image names it */
    server.peers = peers;
    server.peer_count = 2;
    assert_int_equal(connect_to(name), 0);
    assert_true(reply_fd >= 0);
    CELLA_FD inside = reply_fd, other = accept(listening, NULL, NULL);
    assert_int_equal(write(inside, "hello", 5), 5);
    assert_int_equal(read(other, text, sizeof(text)), 5);
    assert_int_equal(connect_to(closed), -ECONNREFUSED);
    snprintf(credential, sizeof(credential), "credential/%s", name);
    assert_int_equal(connect_to(credential), 0);
    CELLA_FD from = reply_fd;
    assert_int_equal(read(from, text, sizeof(text)), 5);
    assert_memory_equal(text, "token", 5);
    assert_int_equal(read(from, text, sizeof(text)), 0);
    snprintf(credential, sizeof(credential), "credential/%s", closed);
    assert_int_equal(connect_to(credential), -ENOENT); /* nobody lent one */
    static const char *const others[] = {
        "127.0.0.1:22", "credential/127.0.0.1:22", "credential/", "credential", "localhost", ""};
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        assert_int_equal(connect_to(others[i]), -EACCES);
    assert_int_equal(call(CELLA_HOSTCALL_CONNECT, 0, 0, 0, "a\0b", 3), -EINVAL);
    close(listening);
    close(bound);
}

static void test_malformed(void **state) {
    (void)state;
    uint8_t good[CELLA_HOSTCALL_REQUEST_HEADER + 1] = {CELLA_HOSTCALL_STAT};
    good[24] = 1;
    good[28] = 'a';
    for (size_t size = 0; size < sizeof(good); size++)
        assert_int_equal(cella_host_serve(&server, cella_bytes(good, size), reply, &reply_size,
                                          &reply_fd),
                         CELLA_HOST_BROKEN);
    assert_int_equal(cella_host_serve(&server, CELLA_BYTES_OF(good), reply, &reply_size, &reply_fd),
                     CELLA_HOST_ANSWERED);
    good[27] = 0xff; /* a size far beyond the message */
    assert_int_equal(cella_host_serve(&server, CELLA_BYTES_OF(good), reply, &reply_size, &reply_fd),
                     CELLA_HOST_BROKEN);
    good[27] = 0;
    for (unsigned op = 0; op < 256; op++) {
        good[0] = (uint8_t)op;
        if (op >= CELLA_HOSTCALL_BOOT && op <= CELLA_HOSTCALL_CALLS) continue;
        assert_int_equal(cella_host_serve(&server, CELLA_BYTES_OF(good), reply, &reply_size,
                                          &reply_fd),
                         CELLA_HOST_BROKEN);
    }
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(test_open_and_stat),
        CASE(test_nothing_outside),
        CASE(test_read_only_mount),
        CASE(test_writes_where_it_may),
        CASE(test_list),
        CASE(test_grants),
        CASE(test_boot),
        CASE(test_calls),
        CASE(test_connect),
        CASE(test_malformed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
