/* A host, a platform and a kernel that lie: every reply outside its contract ends the enclave, none
 * is used (threats.md R24, R29, R40, R44, R45, R46). */

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <cmocka.h>

#include "abi/hostcall.h"
#include "abi/platcall.h"
#include "base/writer.h"
#include "fake.h"
#include "shim/hostcall.h"
#include "shim/platcall.h"

#define CALL(name, ...) shim_sys_##name((const long[6]){__VA_ARGS__})
#define P(x)            ((long)(x))
#define SAID(text)      assert_non_null(strstr(fake.said, text))

static int start(void **state) {
    (void)state;
    fake_start();
    fake_mount("/shared", CELLA_MOUNT_SHARED, 0, 0, true);
    fake_write(0, "f", "content", 7);
    return 0;
}
static int stop(void **state) {
    (void)state;
    fake.lie_kernel = NULL;
    fake_unlock_all();
    for (int fd = 0; fd < SHIM_FD_MAX; fd++) (void)CALL(close, fd);
    fake_end();
    return 0;
}

/* ---- one lie at a time, told about one call ---- */

static uint32_t lie_op;
static int64_t lie_result;
static uint8_t lie_payload[64];
static size_t lie_size;
static enum { RESULT, PAYLOAD, SHORT, LONG, DESCRIPTORS, ANY_DESCRIPTOR, CONNECTED, HUGE } lie_kind;
static unsigned lie_count;
static int lie_fd;

static void lie(uint32_t op, struct fake_reply *reply) {
    if (op != lie_op) return;
    struct cella_writer w = cella_writer(reply->bytes, sizeof(reply->bytes));
    switch (lie_kind) {
    case RESULT: cella_writer_u64le(&w, (uint64_t)lie_result); break;
    case PAYLOAD:
        cella_writer_u64le(&w, (uint64_t)lie_result);
        cella_writer_u32le(&w, (uint32_t)lie_size);
        cella_writer_put(&w, cella_bytes(lie_payload, lie_size));
        reply->size = w.size;
        reply->fd_count = 0;
        break;
    case SHORT: reply->size--; break;
    case LONG: reply->size++; break;
    case HUGE: reply->size = FAKE_MESSAGE_MAX; break;
    case DESCRIPTORS:
        for (unsigned i = 0; i < 3; i++)
            reply->fds[i] = open(fake_path(0, "f"), O_RDONLY | O_CREAT | O_CLOEXEC, 0600);
        reply->fd_count = lie_count;
        break;
    case CONNECTED: /* a good connection, but for the rest */
        cella_writer_u64le(&w, (uint64_t)lie_result);
        cella_writer_u32le(&w, (uint32_t)lie_size);
        cella_writer_put(&w, cella_bytes(lie_payload, lie_size));
        reply->size = w.size;
        break;
    case ANY_DESCRIPTOR:
        reply->fds[0] = lie_fd;
        reply->fd_count = 1;
        break;
    }
}

/* The calls that stand for all: each makes the host answer op. */
static void call(uint32_t op) {
    struct stat s;
    struct shim_stat stat;
    struct shim_host_listing listing;
    static uint8_t buffer[65536], grant[512];
    switch (op) {
    case CELLA_HOSTCALL_OPEN: (void)shim_host_open(0, "f", O_RDONLY, 0, &stat); break;
    case CELLA_HOSTCALL_STAT: (void)CALL(stat, P("/shared/f"), P(&s)); break;
    case CELLA_HOSTCALL_READDIR: (void)shim_host_readdir(0, "", 0, buffer, &listing); break;
    case CELLA_HOSTCALL_KEY_GRANT: (void)shim_host_key_grant(grant, sizeof(grant)); break;
    case CELLA_HOSTCALL_RENAME: (void)shim_host_rename(0, "f", "g"); break;
    case CELLA_HOSTCALL_CONNECT: (void)shim_host_connect("host:1"); break;
    default: (void)shim_host_name(op, 0, "x", 0700); break;
    }
}
static bool ends(uint32_t op) {
    lie_op = op;
    fake.lie_host = lie;
    bool aborted = FAKE_ABORTS(call(op));
    fake_unlock_all();
    return aborted;
}

static const uint32_t ops[] = {CELLA_HOSTCALL_OPEN,    CELLA_HOSTCALL_STAT,
                               CELLA_HOSTCALL_READDIR, CELLA_HOSTCALL_UNLINK,
                               CELLA_HOSTCALL_RMDIR,   CELLA_HOSTCALL_MKDIR,
                               CELLA_HOSTCALL_RENAME,  CELLA_HOSTCALL_KEY_GRANT,
                               CELLA_HOSTCALL_CONNECT};
enum { OP_COUNT = sizeof(ops) / sizeof(ops[0]) };

static void results(void **state) {
    (void)state;
    static const int64_t outside[] = {INT64_MIN, -4096, INT32_MIN, -1000000};
    lie_kind = PAYLOAD;
    lie_size = 0;
    for (unsigned i = 0; i < OP_COUNT; i++) {
        for (unsigned k = 0; k < 4; k++) {
            lie_result = outside[k];
            assert_true(ends(ops[i]));
        }
        lie_result = -4095;
        assert_false(ends(ops[i]));
        lie_result = -EIO;
        assert_false(ends(ops[i]));
        lie_result = 1;
        if (!ends(ops[i])) fail_msg("op %u", ops[i]); /* READDIR: goes on without an entry */
        lie_result = INT64_MAX;
        assert_true(ends(ops[i]));
        lie_result = -EIO;
        lie_size = 1; /* an error with content */
        assert_true(ends(ops[i]));
        lie_size = 0;
    }
}

static void sizes(void **state) {
    (void)state;
    for (unsigned i = 0; i < OP_COUNT; i++) {
        lie_kind = SHORT;
        assert_true(ends(ops[i]));
        lie_kind = LONG;
        assert_true(ends(ops[i]));
        lie_kind = HUGE;
        assert_true(ends(ops[i]));
    }
    lie_kind = PAYLOAD;
    lie_result = 0;
    memset(lie_payload, 0, sizeof(lie_payload));
    for (lie_size = 0; lie_size < sizeof(lie_payload); lie_size++) {
        lie_payload[1] = 0x80; /* S_IFREG */
        assert_int_equal(ends(CELLA_HOSTCALL_STAT), lie_size != CELLA_HOSTSTAT_SIZE);
    }
}

static void descriptors(void **state) {
    (void)state;
    lie_kind = DESCRIPTORS;
    for (unsigned i = 0; i < OP_COUNT; i++)
        for (lie_count = ops[i] == CELLA_HOSTCALL_OPEN ? 2 : 1; lie_count <= 3; lie_count++)
            assert_true(ends(ops[i]));
    fake_write(0, "f", "content", 7); /* the rename above was done */
    lie_count = 0;                    /* open without one */
    assert_true(ends(CELLA_HOSTCALL_OPEN));
    int ends_of_pipe[2];
    assert_int_equal(pipe(ends_of_pipe), 0);
    lie_kind =
        ANY_DESCRIPTOR; /* what is not a regular file, or one of the enclave's own channels */
    const int bad[] = {
        ends_of_pipe[0], open("/tmp", O_RDONLY), open("/dev/null", O_RDONLY), 0, 3, 4, -1, 1 << 20};
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        lie_fd = bad[i];
        if (!ends(CELLA_HOSTCALL_OPEN)) fail_msg("descriptor %u was taken", i);
    }
    lie_fd = open(fake_path(0, "f"), O_RDONLY);
    assert_false(ends(CELLA_HOSTCALL_OPEN));
}

/* A connection is one socket or pipe, and nothing else: a file would be the host's to change, a
 * folder or a channel of the enclave's own would mean something else (R29, R40). */
static void connections(void **state) {
    (void)state;
    int ends_of_pipe[2], pair[2];
    assert_int_equal(pipe(ends_of_pipe), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    lie_kind = DESCRIPTORS;
    lie_count = 0;
    assert_true(ends(CELLA_HOSTCALL_CONNECT));
    SAID("connect brought no descriptor");
    lie_kind = ANY_DESCRIPTOR;
    const int bad[] = {open(fake_path(0, "f"), O_RDWR),
                       open("/tmp", O_RDONLY),
                       open("/dev/null", O_RDWR),
                       open("/dev/zero", O_RDWR),
                       memfd_create("x", MFD_CLOEXEC),
                       open("/tmp", O_PATH),
                       0,
                       3,
                       4,
                       -1,
                       1 << 20};
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        lie_fd = bad[i];
        fake_clear();
        if (!ends(CELLA_HOSTCALL_CONNECT)) fail_msg("descriptor %u was taken", i);
    }
    const int good[] = {pair[0], ends_of_pipe[0]};
    for (unsigned i = 0; i < 2; i++) {
        lie_fd = good[i];
        assert_false(ends(CELLA_HOSTCALL_CONNECT));
    }
    lie_kind = CONNECTED;
    lie_result = 0;
    lie_size = 0;
    assert_false(ends(CELLA_HOSTCALL_CONNECT));
    lie_result = 1;
    assert_true(ends(CELLA_HOSTCALL_CONNECT));
    SAID("connect's result is not 0 or an error");
    fake_clear();
    lie_result = 0;
    lie_size = 1;
    assert_true(ends(CELLA_HOSTCALL_CONNECT));
    SAID("connect's result is not 0 or an error");
    /* an error with one */
    lie_kind = ANY_DESCRIPTOR;
    fake.connect_error = ECONNREFUSED;
    lie_fd = pair[0];
    assert_true(ends(CELLA_HOSTCALL_CONNECT));
    SAID("an error brought one");
    fake.lie_host = NULL;
    assert_int_equal(shim_host_connect("host:1"), -ECONNREFUSED);
}

static void stats(void **state) {
    (void)state;
    static const struct {
        uint32_t mode;
        uint64_t size;
        bool ends;
    } cases[] = {
        {S_IFREG | 0644, 5, false},
        {S_IFDIR | 0755, 5, false},
        {S_IFREG | 0644, INT64_MAX, false},
        {S_IFREG, 1ULL << 63, true},
        {S_IFREG, UINT64_MAX, true},
        {S_IFLNK | 0777, 5, true},
        {S_IFCHR | 0666, 5, true},
        {S_IFSOCK, 5, true},
        {0, 5, true},
        {S_IFREG | 04755, 5, true},
        {S_IFREG | 0644 | 1U << 16, 5, true},
        {UINT32_MAX, 5, true},
    };
    lie_kind = PAYLOAD;
    lie_result = 0;
    lie_size = CELLA_HOSTSTAT_SIZE;
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct cella_writer w = cella_writer(lie_payload, sizeof(lie_payload));
        cella_writer_u32le(&w, cases[i].mode);
        cella_writer_u32le(&w, 0);
        cella_writer_u64le(&w, cases[i].size);
        assert_int_equal(ends(CELLA_HOSTCALL_STAT), cases[i].ends);
    }
}

static void names(void **state) {
    (void)state;
    static const struct {
        const char *entry;
        size_t size;
        bool ends;
    } cases[] = {
        {"\10\1a", 3, false},   {"\4\1d\10\2ab", 7, false}, {"\10\3a/b", 5, true},
        {"\10\1/", 3, true},    {"\10\1.", 3, true},        {"\10\2..", 4, true},
        {"\10\3a\0b", 5, true}, {"\10\0", 2, true},         {"\10", 1, true},
        {"\10\2a", 3, true},    {"\12\1a", 3, true},        {"\0\1a", 3, true},
        {"\2\1a", 3, true},     {"\10\1a\10", 4, true},     {"\10\377a", 3, true},
    };
    lie_kind = PAYLOAD;
    lie_result = 0;
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        memcpy(lie_payload, cases[i].entry, lie_size = cases[i].size);
        assert_int_equal(ends(CELLA_HOSTCALL_READDIR), cases[i].ends);
    }
}

/* ---- start message (R25, R44) ---- */

static bool boot(const void *bytes, size_t size) {
    memcpy(fake.boot, bytes, fake.boot_size = size);
    bool aborted = FAKE_ABORTS(cella_result_drop(shim_files_start()));
    fake_unlock_all();
    for (int fd = 0; fd < SHIM_FD_MAX; fd++) (void)CALL(close, fd);
    return !aborted;
}

static void boots(void **state) {
    (void)state;
    static const char plain[8] = {0}, argument[] = "\1\0\0\0\2\0\0\0hi\0\0\0",
                      nul[] = "\1\0\0\0\2\0\0\0h\0\0\0\0";
    static const char env[] = "\0\0\0\0\1\0\0\0\6\0\0\0LANG=C",
                      twice[] = "\0\0\0\0\2\0\0\0\6\0\0\0LANG=C\6\0\0\0LANG=C";
    static const char foreign[] = "\0\0\0\0\1\0\0\0\12\0\0\0LD_X=/lib/",
                      fixed[] = "\0\0\0\0\1\0\0\0\6\0\0\0HOME=/";
    assert_true(boot(plain, 8));
    assert_int_equal(shim.argc, 1);
    assert_memory_equal(shim.argv[0].data, "/bin/app", 8);
    assert_false(boot(argument, 14));
    SAID("does not allow");
    shim.config.flags = CELLA_CONFIG_HOST_ARGS;
    assert_true(boot(argument, 14));
    assert_int_equal(shim.argc, 2);
    assert_memory_equal(shim.argv[1].data, "hi", 2);
    assert_false(boot(nul, 14));
    for (size_t cut = 0; cut < 14; cut++) assert_false(boot(argument, cut));
    shim.config.env_count = 2;
    shim.config.env[0] = (struct cella_config_env){cella_bytes_text("LANG"), {NULL, 0}, true};
    shim.config.env[1] =
        (struct cella_config_env){cella_bytes_text("HOME"), cella_bytes_text("/data"), false};
    assert_true(boot(env, 18));
    assert_int_equal(shim.envc, 2);
    assert_memory_equal(shim.envv[0].data, "LANG=C", 6);
    assert_memory_equal(shim.envv[1].data, "HOME=/data", 10);
    assert_true(boot(plain, 8));
    assert_int_equal(shim.envc, 2);
    assert_memory_equal(shim.envv[0].data, "LANG=", 5); /* no value given and no default: empty */
    assert_false(boot(twice, 28));
    assert_false(boot(foreign, 22));
    assert_false(boot(fixed, 18));
}

/* ---- the platform ---- */

static size_t platform_size;
static uint32_t platform_code;
static void lie_platform(uint32_t op, struct fake_reply *reply) {
    (void)op;
    struct cella_writer w = cella_writer(reply->bytes, sizeof(reply->bytes));
    cella_writer_u32le(&w, platform_code);
    cella_writer_u32le(&w, (uint32_t)platform_size);
    cella_writer_zero(&w, platform_size);
    reply->size = w.size;
}

static void platforms(void **state) {
    (void)state;
    uint8_t in[576] = {0}, out[512];
    size_t size;
    fake.lie_platform = lie_platform;
    for (platform_size = 0; platform_size < 600; platform_size++) {
        assert_int_equal(FAKE_ABORTS((void)shim_platform_seal_key(1, 1, in, out)),
                         platform_size != 32);
        fake_unlock_all();
        assert_int_equal(FAKE_ABORTS((void)shim_platform_report(in, in, out)),
                         platform_size != 432);
        fake_unlock_all();
        assert_int_equal(FAKE_ABORTS((void)shim_platform_targetinfo(out)), platform_size != 512);
        fake_unlock_all();
        assert_int_equal(FAKE_ABORTS((void)shim_platform_verify(in)), platform_size != 0);
        fake_unlock_all();
        enum cella_code code = shim_platform_evidence(in, out, 512, &size);
        assert_int_equal(code, platform_size > 512 ? CELLA_ERR_LIMIT : CELLA_OK);
        assert_int_equal(size, platform_size > 512 ? 0 : platform_size);
        fake_clear();
    }
    platform_size = 0;
    platform_code = CELLA_CODE_COUNT;
    assert_true(FAKE_ABORTS((void)shim_platform_verify(in)));
    fake_unlock_all();
    platform_code = CELLA_ERR_REFUSED;
    assert_int_equal(shim_platform_seal_key(1, 1, in, out), CELLA_ERR_REFUSED);
    platform_size = 32; /* a refusal with a key in it */
    assert_true(FAKE_ABORTS((void)shim_platform_seal_key(1, 1, in, out)));
    platform_code = 0;
}

/* ---- the kernel below (R40) ---- */

static long kernel_number, kernel_result;
static long lie_kernel(long number, long result) {
    return number == kernel_number ? kernel_result : result;
}

static bool kernel_ends(long number, long result, long fd) {
    char text[8];
    struct stat s;
    kernel_number = number;
    kernel_result = result;
    fake.lie_kernel = lie_kernel;
    bool aborted = FAKE_ABORTS({
        if (number == SYS_pread64) (void)CALL(pread64, fd, P(text), 4, 0);
        if (number == SYS_pwrite64) (void)CALL(pwrite64, fd, P("abcd"), 4, 0);
        if (number == SYS_ftruncate) (void)CALL(ftruncate, fd, 4);
        if (number == SYS_fsync) (void)CALL(fsync, fd);
        if (number == SYS_fstat) (void)CALL(fstat, fd, P(&s));
        if (number == SYS_recvmsg) (void)CALL(stat, P("/shared/f"), P(&s));
    });
    fake.lie_kernel = NULL;
    fake_unlock_all();
    return aborted;
}

static void kernels(void **state) {
    (void)state;
    static const long numbers[] = {SYS_pread64, SYS_pwrite64, SYS_ftruncate, SYS_fsync, SYS_fstat};
    shim_fds_start();
    long fd = CALL(open, P("/shared/f"), O_RDWR, 0);
    assert_true(fd >= 3);
    for (unsigned i = 0; i < 5; i++) {
        assert_true(kernel_ends(numbers[i], 5, fd));
        assert_true(kernel_ends(numbers[i], INT64_MAX, fd));
        assert_true(kernel_ends(numbers[i], INT64_MIN, fd));
        assert_true(kernel_ends(numbers[i], -4096, fd));
        assert_false(kernel_ends(numbers[i], -EIO, fd));
    }
    assert_true(kernel_ends(SYS_recvmsg, 65537, fd));
    assert_true(kernel_ends(SYS_recvmsg, 0, fd)); /* the host is gone */
    SAID("host program is gone");
    assert_true(kernel_ends(SYS_recvmsg, -ECONNRESET, fd));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)
int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(results), TEST(sizes), TEST(descriptors), TEST(connections), TEST(stats),
        TEST(names),   TEST(boots), TEST(platforms),   TEST(kernels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
