/* The door's filter, run by a small interpreter: what passes, what traps, what kills. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants those first */

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <string.h>
#include <cmocka.h>

#include "shim/core.h"

struct shim_state shim;
const char __gate_start[0x200] __attribute__((aligned(4096))) = {0};
/* The linker script gives the end in the shim; here it is a second symbol at the end of the array.
 */
__asm__(".globl __gate_end\n.set __gate_end, __gate_start + 0x200");

static struct sock_filter filter[512];
static size_t filter_size;

long shim_syscall(long number, long a, long b, long c, long d, long e, long f) {
    (void)a, (void)b, (void)d, (void)e, (void)f;
    if (number != __NR_seccomp) return -EPERM;
    const struct sock_fprog *program = (const struct sock_fprog *)c;
    filter_size = program->len;
    memcpy(filter, program->filter, filter_size * sizeof filter[0]);
    return 0;
}
uint32_t shim_pid(void) { return 4711; }
void shim_abort(const char *format, ...) {
    fail_msg("%s", format);
    __builtin_unreachable();
}

static uint32_t run(const struct seccomp_data *data) {
    uint32_t a = 0;
    for (size_t i = 0; i < filter_size; i++) {
        const struct sock_filter *f = &filter[i];
        bool yes = false;
        switch (f->code) {
        case BPF_LD | BPF_W | BPF_ABS: memcpy(&a, (const uint8_t *)data + f->k, 4); continue;
        case BPF_ALU | BPF_AND | BPF_K: a &= f->k; continue;
        case BPF_RET | BPF_K: return f->k;
        case BPF_JMP | BPF_JEQ | BPF_K: yes = a == f->k; break;
        case BPF_JMP | BPF_JGT | BPF_K: yes = a > f->k; break;
        case BPF_JMP | BPF_JGE | BPF_K: yes = a >= f->k; break;
        case BPF_JMP | BPF_JSET | BPF_K: yes = (a & f->k) != 0; break;
        default: fail_msg("code %x", f->code);
        }
        i += yes ? f->jt : f->jf;
    }
    fail_msg("ran off the end");
    return 0;
}

static uint32_t call_at(uint64_t ip, int number, uint64_t a, uint64_t b, uint64_t c) {
    struct seccomp_data data = {number, 0xC000003E, ip, {a, b, c, 0, 0, 0}};
    return run(&data);
}
static uint32_t call(int number, uint64_t a, uint64_t b, uint64_t c) {
    return call_at((uint64_t)__gate_start + 0x20, number, a, b, c);
}
#define KILL SECCOMP_RET_KILL_PROCESS

static int start(void **state) {
    (void)state;
    shim_seccomp_close();
    return 0;
}

static void test_place(void **state) {
    (void)state;
    uint64_t from = (uint64_t)__gate_start, to = from + 0x200;
    /* The pointer stands after the two bytes of the instruction. */
    uint64_t outside[] = {
        0, 1, from - 1, from, to + 1, to + 2, from + (1ULL << 32), from - (1ULL << 32), ~0ULL};
    for (size_t i = 0; i < sizeof outside / sizeof outside[0]; i++)
        for (int number = 0; number < 500; number++)
            assert_int_equal(call_at(outside[i], number, 3, 0, 0), SECCOMP_RET_TRAP);
    assert_int_equal(call_at(from + 2, __NR_write, 1, 0, 0), SECCOMP_RET_ALLOW);
    assert_int_equal(call_at(to, __NR_write, 1, 0, 0), SECCOMP_RET_ALLOW);
}

static void test_foreign(void **state) {
    (void)state;
    struct seccomp_data data = {__NR_write, 0x40000003 /* i386 */, (uint64_t)__gate_start + 2, {1}};
    assert_int_equal(run(&data), KILL);
    for (int number = 0; number < 600; number++)
        assert_int_equal(call(number | 0x40000000, 3, 0, 0), KILL); /* x32 */
}

static void test_refused(void **state) {
    (void)state;
    static const int never[] = {__NR_open,
                                __NR_openat,
                                __NR_execve,
                                __NR_execveat,
                                __NR_fork,
                                __NR_vfork,
                                __NR_clone3,
                                __NR_mmap,
                                __NR_munmap,
                                __NR_mremap,
                                __NR_ptrace,
                                __NR_process_vm_readv,
                                __NR_socket,
                                __NR_connect,
                                __NR_dup,
                                __NR_kill,
                                __NR_tkill,
                                __NR_rt_sigqueueinfo,
                                __NR_prctl,
                                __NR_seccomp,
                                __NR_bpf,
                                __NR_perf_event_open,
                                __NR_io_uring_setup,
                                __NR_memfd_create,
                                __NR_userfaultfd,
                                __NR_pidfd_getfd,
                                __NR_sendmsg,
                                __NR_fcntl,
                                __NR_vmsplice};
    for (size_t i = 0; i < sizeof never / sizeof never[0]; i++)
        assert_int_equal(call(never[i], 3, 0, 0), KILL);
    int allowed = 0;
    for (int number = 0; number < 600; number++)
        allowed += call(number, 3, 0, 0) == SECCOMP_RET_ALLOW;
    assert_in_range(allowed, 20, 32); /* a longer list is a decision, not an accident */
}

static void test_arguments(void **state) {
    (void)state;
    for (uint64_t prot = 0; prot < 16; prot++) /* R49 */
        assert_int_equal(call(__NR_mprotect, 4096, 4096, prot),
                         prot & PROT_EXEC ? KILL : SECCOMP_RET_ALLOW);
    for (uint64_t fd = 0; fd < 10; fd++) {
        bool channel = fd == CELLA_FD_HOST || fd == CELLA_FD_PLATFORM;
        assert_int_equal(call(__NR_recvmsg, fd, 0, 0), channel ? SECCOMP_RET_ALLOW : KILL);
        assert_int_equal(call(__NR_sendto, fd, 0, 0), channel ? SECCOMP_RET_ALLOW : KILL);
    }
    assert_int_equal(call(__NR_clone, CLONE_VM | CLONE_THREAD | CLONE_FS, 0, 0), SECCOMP_RET_ALLOW);
    assert_int_equal(call(__NR_clone, CLONE_VM, 0, 0), KILL);
    assert_int_equal(call(__NR_clone, CLONE_THREAD, 0, 0), KILL);
    assert_int_equal(call(__NR_clone, SIGCHLD, 0, 0), KILL);
    assert_int_equal(call(__NR_tgkill, 4711, 4711, 9), SECCOMP_RET_ALLOW);
    assert_int_equal(call(__NR_tgkill, 1, 1, 9), KILL);
    assert_int_equal(call(__NR_ioctl, 0, 0x5401, 0), SECCOMP_RET_ALLOW); /* TCGETS */
    assert_int_equal(call(__NR_ioctl, 0, 0x5412, 0), KILL);              /* TIOCSTI */
}

/* Shared futexes: on words of the call ring, to wait and to wake; private ones as ever. */
static void test_futex(void **state) {
    (void)state;
    const uint64_t ring = 0x7f1280010000, size = 0x20000;
    for (int with = 0; with < 2; with++) {
        shim.calls = with ? ring : 0;
        shim.calls_size = with ? size : 0;
        shim_seccomp_close();
        const uint64_t in[] = {ring, ring + 4, ring + size - 4};
        const uint64_t out[] = {0,
                                ring - 4,
                                ring - 1,
                                ring + size - 3,
                                ring + size,
                                ring + (1ULL << 32),
                                ring - (1ULL << 32),
                                ring & 0xffffffff,
                                (uint64_t)__gate_start,
                                ~0ULL};
        for (uint64_t op = 0; op < 512; op++) {
            bool may = with && (op == FUTEX_WAIT || op == FUTEX_WAKE || op == FUTEX_WAIT_BITSET);
            for (size_t i = 0; i < sizeof in / sizeof in[0]; i++)
                assert_int_equal(call(__NR_futex, in[i], op, 0),
                                 op & FUTEX_PRIVATE_FLAG || may ? SECCOMP_RET_ALLOW : KILL);
            for (size_t i = 0; i < sizeof out / sizeof out[0]; i++)
                assert_int_equal(call(__NR_futex, out[i], op, 0),
                                 op & FUTEX_PRIVATE_FLAG ? SECCOMP_RET_ALLOW : KILL);
        }
    }
    shim.calls = shim.calls_size = 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_place, start),   cmocka_unit_test_setup(test_foreign, start),
        cmocka_unit_test_setup(test_refused, start), cmocka_unit_test_setup(test_arguments, start),
        cmocka_unit_test_setup(test_futex, start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
