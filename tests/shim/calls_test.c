/* The call ring as the shim takes it from its host: a memfd of exactly that size, sealed, outside
 * the enclave, or the enclave ends (R20, R24, R40). */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <cmocka.h>

#include "abi/calls.h"
#include "abi/hostcall.h"
#include "base/writer.h"
#include "fake.h"
#include "shim/calls.h"

#define CALL(name, ...) shim_sys_##name((const long[6]){__VA_ARGS__})
#define P(x)            ((long)(x))
enum {
    SLOT = 65536,
    SIZE = 2 * SLOT,
    SEALS = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW,
};

static int start(void **state) {
    (void)state;
    fake_start();
    shim.base = 0x10000;
    shim.size = 0x10000;
    shim.config.thread_count = 2;
    shim.config.calls_size = SLOT;
    return 0;
}
static int stop(void **state) {
    (void)state;
    if (shim.calls) munmap((void *)shim.calls, shim.calls_size);
    fake.lie_kernel = NULL;
    fake_reset();
    fake_end();
    return 0;
}

static void there(void **state) {
    (void)state;
    uint8_t geometry[64];
    struct stat s;
    shim_calls_start();
    assert_true(shim.calls != 0 && shim.calls_size == SIZE);
    *(volatile uint32_t *)(shim.calls + SIZE - 4) = 1;
    shim_fds_start();
    long fd = CALL(open, P(CELLA_CALLS_DEVICE), O_RDWR, 0);
    assert_true(fd >= 0);
    assert_int_equal(CALL(fstat, fd, P(&s)), 0);
    assert_int_equal(s.st_size, SIZE);
    assert_int_equal(CALL(read, fd, P(geometry), sizeof(geometry)), CELLA_CALLS_GEOMETRY);
    const uint8_t want[32] = {1, 0, 0, 0, 2, 0, 0, 0, 0, 0, 1, [18] = 1, [26] = 1};
    assert_memory_equal(geometry, want, 32);

    const int both = PROT_READ | PROT_WRITE;
    assert_int_equal(shim_file_map_shared((int)fd, SIZE, both, 0), (long)shim.calls);
    assert_int_equal(shim_file_map_shared((int)fd, SIZE - 4096, both, 0), -EINVAL);
    assert_int_equal(shim_file_map_shared((int)fd, SIZE + 4096, both, 0), -EINVAL);
    assert_int_equal(shim_file_map_shared((int)fd, SIZE, PROT_WRITE, 0), -EINVAL);
    assert_int_equal(shim_file_map_shared((int)fd, SIZE, both, 4096), -EINVAL);
    assert_int_equal(shim_file_map_shared(77, SIZE, both, 0), -EBADF);
    long other = CALL(open, P("/dev/cella/platform"), O_RDONLY, 0);
    assert_int_equal(shim_file_map_shared((int)other, SIZE, both, 0), -ENODEV);
    long half = CALL(open, P(CELLA_CALLS_DEVICE), O_RDONLY, 0);
    assert_int_equal(shim_file_map_shared((int)half, SIZE, both, 0), -EACCES);
}

static void none(void **state) {
    (void)state;
    shim.config.calls_size = 0; /* the image wants none: the host is not even asked */
    shim_calls_start();
    assert_int_equal(shim.calls, 0);
    shim_fds_start();
    assert_int_equal(CALL(open, P(CELLA_CALLS_DEVICE), O_RDWR, 0), -ENXIO);
}

/* ---- a host that lies ---- */

static int64_t lie_result;
static size_t lie_more; /* bytes of content that a result must not have */
static int lie_fd;      /* instead of the host's; -1: none at all */
static bool lie_descriptor;

static void lie(uint32_t op, struct fake_reply *reply) {
    if (op != CELLA_HOSTCALL_CALLS) return;
    struct cella_writer w = cella_writer(reply->bytes, sizeof(reply->bytes));
    cella_writer_u64le(&w, (uint64_t)lie_result);
    cella_writer_u32le(&w, (uint32_t)lie_more);
    reply->size = CELLA_HOSTCALL_REPLY_HEADER + lie_more;
    if (!lie_descriptor) return;
    close(reply->fds[0]);
    reply->fds[0] = lie_fd;
    reply->fd_count = lie_fd >= 0;
}

static bool ends(int64_t result, size_t more, bool descriptor, int fd) {
    lie_result = result, lie_more = more, lie_descriptor = descriptor, lie_fd = fd;
    fake.lie_host = lie;
    bool ended = FAKE_ABORTS(shim_calls_start());
    fake_unlock_all();
    assert_int_equal(shim.calls, 0);
    return ended;
}

static int ring(size_t size, int seals) {
    int fd = memfd_create("ring", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    assert_true(fd >= 0 && ftruncate(fd, (off_t)size) == 0);
    assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
    return fd;
}

static void replies(void **state) {
    (void)state;
    assert_false(ends(-ENOTSUP, 0, true, -1)); /* a host without calls: no ring, and no harm */
    assert_true(ends(-ENOTSUP, 0, false, -1)); /* an error that brings a descriptor */
    assert_true(ends(0, 0, true, -1));
    assert_true(ends(1, 0, false, -1));
    assert_true(ends(0, 1, false, -1));
    assert_true(ends(-4096, 0, true, -1));
    assert_true(ends(INT64_MIN, 0, true, -1));
}

static void descriptors(void **state) {
    (void)state;
    for (int seals = 0; seals < 8; seals++)
        if (seals != SEALS) assert_true(ends(0, 0, true, ring(SIZE, seals)));
    assert_true(ends(0, 0, true, ring(0, SEALS)));
    assert_true(ends(0, 0, true, ring(SIZE - 4096, SEALS)));
    assert_true(ends(0, 0, true, ring(SIZE + 1, SEALS)));
    assert_true(ends(0, 0, true, ring(SIZE, SEALS | F_SEAL_WRITE)));
    assert_true(ends(0, 0, true, ring(SIZE, SEALS | F_SEAL_FUTURE_WRITE)));
    fake_mount("/shared", CELLA_MOUNT_SHARED, 0, 0, true);
    static const uint8_t zeros[SIZE];
    fake_write(0, "f", zeros, SIZE);
    assert_true(ends(0, 0, true, open(fake_path(0, "f"), O_RDWR | O_CLOEXEC))); /* it can shrink */
    assert_true(ends(0, 0, true, open("/dev/zero", O_RDWR | O_CLOEXEC)));
}

/* ---- a kernel that lies ---- */

static long liar, told;
static long lie_of_kernel(long number, long result) { return number == liar ? told : result; }

static bool kernel_ends(long number, long result) {
    liar = number, told = result;
    fake.lie_kernel = lie_of_kernel;
    bool ended = FAKE_ABORTS(shim_calls_start());
    fake.lie_kernel = NULL;
    fake_unlock_all();
    if (!ended) shim.calls = 0;
    return ended;
}

static void kernels(void **state) {
    (void)state;
    /* R20: a ring that touches the enclave at either end would let the host write there */
    shim.base = 0x7f0000000000;
    shim.size = 0x100000;
    assert_true(kernel_ends(SYS_mmap, (long)shim.base));
    assert_true(kernel_ends(SYS_mmap, (long)(shim.base + shim.size - 4096)));
    assert_true(kernel_ends(SYS_mmap, (long)(shim.base - SIZE + 4096)));
    assert_false(kernel_ends(SYS_mmap, (long)(shim.base + shim.size)));
    assert_false(kernel_ends(SYS_mmap, (long)(shim.base - SIZE)));
    assert_true(kernel_ends(SYS_mmap, 0));
    assert_true(kernel_ends(SYS_mmap, 0x7e0000000001));
    assert_true(kernel_ends(SYS_mmap, 0x7ffffffff000));
    assert_true(kernel_ends(SYS_mmap, INT64_MIN));
    assert_true(kernel_ends(SYS_mmap, -ENOMEM));
    assert_true(kernel_ends(SYS_fcntl, -EINVAL));
    assert_true(kernel_ends(SYS_fcntl, 256 | SEALS));
    assert_true(kernel_ends(SYS_fstat, -EIO));
    assert_true(kernel_ends(SYS_fstat, 1));
}

/* seccomp.c compares words of 32 bits: a ring across 4 GiB is mapped again below. */
static long moved_to;
static long straddle(long number, long result) {
    static int seen;
    if (number != SYS_mmap) return number == SYS_munmap ? 0 : result;
    if (seen++ == 0) return 0x7f0100000000 - SLOT;
    return moved_to = result;
}
static void straddling(void **state) {
    (void)state;
    fake.lie_kernel = straddle;
    shim_calls_start();
    fake.lie_kernel = NULL;
    assert_int_equal(shim.calls, 0x7f0100000000 - SIZE);
    assert_int_equal(moved_to, (long)shim.calls);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)
int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(there), TEST(none), TEST(replies), TEST(descriptors), TEST(kernels), TEST(straddling),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
