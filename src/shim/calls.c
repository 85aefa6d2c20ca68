#include "shim/calls.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "abi/calls.h"
#include "base/writer.h"
#include "shim/file_cella.h"
#include "shim/file_host.h"
#include "shim/hostcall.h"

#define HALF       (1ULL << 32) /* the filter of seccomp.c compares words of 32 bits */
#define USER_SPACE (1ULL << 47)
enum {
    SEALS = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW,
    SEALS_ALL = 0xff, /* whatever a kernel may know */
};

static uint64_t ring_size(void) { return shim.config.thread_count * shim.config.calls_size; }

static void check_descriptor(int fd, uint64_t size) {
    struct shim_stat stat;
    if (shim_host_size(fd, &stat) < 0 || !S_ISREG(stat.mode) || stat.size != size)
        shim_broken_contract("the call ring has another size than the image wants");
    long seals =
        shim_checked(shim_syscall(SYS_fcntl, fd, F_GET_SEALS, 0, 0, 0, 0), SEALS_ALL, "fcntl");
    if (seals < 0 || (seals & SEALS) != SEALS)
        shim_broken_contract("the call ring is not sealed against another size");
}

static uint64_t map_at(int fd, uint64_t at, uint64_t size) {
    long result = shim_syscall(SYS_mmap, (long)at, (long)size, PROT_READ | PROT_WRITE,
                               MAP_SHARED | (at ? MAP_FIXED_NOREPLACE : 0), fd, 0);
    if (result >= -4095 && result < 0) return 0;
    uint64_t from = (uint64_t)result;
    if (from == 0 || from % 4096 != 0 || (at && from != at) || from > USER_SPACE - size)
        shim_broken_contract("mmap");
    /* R20: what the host writes lies wholly outside the enclave. */
    if (from < shim.base + shim.size && shim.base < from + size)
        shim_broken_contract("the call ring was mapped over the enclave");
    return from;
}

/* Within one 4 GiB, as the filter wants it. */
static uint64_t map(int fd, uint64_t size) {
    uint64_t at = map_at(fd, 0, size);
    if (at == 0 || at / HALF == (at + size - 1) / HALF) return at;
    if (shim_syscall(SYS_munmap, (long)at, (long)size, 0, 0, 0, 0) != 0)
        shim_broken_contract("munmap");
    return map_at(fd, at / HALF * HALF + HALF - size, size);
}

void shim_calls_start(void) {
    uint64_t size = ring_size();
    struct cella_bytes reply;
    int fd = -1;
    if (size == 0) return;
    long result = shim_host_begin(
        &(struct shim_host_request){.op = CELLA_HOSTCALL_CALLS, .a = size}, &reply, &fd);
    if (result > 0 || reply.size > 0) shim_broken_contract("calls' result is not 0 or an error");
    if ((result == 0) != (fd >= 0))
        shim_broken_contract("calls brought no descriptor, or an error brought one");
    shim_host_end();
    if (result < 0) return; /* the host makes no calls: `cella run` */
    check_descriptor(fd, size);
    shim.calls = map(fd, size);
    if (shim.calls == 0) shim_abort("cannot map the call ring of %u bytes", size);
    shim.calls_size = size;
    (void)shim_syscall(SYS_close, fd, 0, 0, 0, 0, 0);
}

void shim_calls_geometry(uint8_t out[32]) {
    struct cella_writer w = cella_writer(out, CELLA_CALLS_GEOMETRY);
    cella_writer_u32le(&w, CELLA_CALLS_VERSION);
    cella_writer_u32le(&w, shim.config.thread_count);
    cella_writer_u64le(&w, shim.config.calls_size);
    cella_writer_u64le(&w, shim.base);
    cella_writer_u64le(&w, shim.size);
}

long shim_file_map_shared(int fd, uint64_t size, int prot, uint64_t offset) {
    struct shim_file *file = shim_file_get(fd);
    if (!file) return -EBADF;
    bool ring = shim_cella_is_calls(file), writes = shim_file_may_write(file);
    bool reads = shim_file_may_read(file);
    (void)shim_file_put(file);
    if (!ring) return -ENODEV;
    if (!reads || !writes) return -EACCES;
    /* The one mapping there is, whole and as it is. */
    if (offset != 0 || size != shim.calls_size || prot != (PROT_READ | PROT_WRITE)) return -EINVAL;
    return (long)shim.calls;
}
