/* The program's memory as the shim keeps it, compiled for the host: the range predicates against
 * 128-bit arithmetic over all edges (R20, R21, R22, R23), and give and take against a plain model.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants those first */

#include <elf.h>
#include <string.h>
#include <cmocka.h>

#include "shim/core.h"

enum {
    PAGE = 4096,
    ENCLAVE_PAGES = 1024,
    HEAP_AT = 512,
    HEAP_PAGES = 256,
    STACK_AT = 64,
    STACK_PAGES = 16
};
enum { TEXT_AT = 0, DATA_AT = 8, DATA_PAGES = 4 };

struct shim_state shim;
static uint8_t enclave[ENCLAVE_PAGES * PAGE] __attribute__((aligned(PAGE)));
static long refuse_protect; /* result of mprotect, when not 0 */

long shim_syscall(long number, long a, long b, long c, long d, long e, long f) {
    (void)a, (void)b, (void)c, (void)d, (void)e, (void)f;
    return number == __NR_mprotect ? refuse_protect : 0;
}
static int held;
void shim_lock(struct shim_lock *lock) {
    (void)lock;
    assert_int_equal(held++, 0);
}
void shim_unlock(struct shim_lock *lock) {
    (void)lock;
    assert_int_equal(held--, 1);
}
void shim_say(const char *format, ...) { (void)format; }
static jmp_buf on_abort;
void shim_abort(const char *format, ...) {
    (void)format;
    longjmp(on_abort, 1);
}
long shim_file_read_at(int fd, void *to, uint64_t size, uint64_t offset) {
    if (fd != 9) return -EBADF;
    if (offset >= 6000) return 0;
    uint64_t n = size < 6000 - offset ? size : 6000 - offset;
    memset(to, 0x42, n);
    return (long)n;
}

static uint64_t shared_at; /* what a shared mapping of descriptor 8 gives */
long shim_file_map_shared(int fd, uint64_t size, int prot, uint64_t offset) {
    (void)size, (void)prot, (void)offset;
    return fd == 8 ? (long)shared_at : -ENODEV;
}

static int start(void **state) {
    (void)state;
    memset(enclave, 0, ENCLAVE_PAGES * PAGE);
    refuse_protect = held = 0;
    shim = (struct shim_state){.base = (uint64_t)enclave, .size = ENCLAVE_PAGES * PAGE, .flags = 1};
    struct cella_config *c = &shim.config;
    c->heap = (struct cella_config_range){HEAP_AT * PAGE, HEAP_PAGES};
    c->stack = (struct cella_config_range){STACK_AT * PAGE, STACK_PAGES};
    c->program_count = 1;
    c->program[0] =
        (struct cella_config_program){.whole = {0, 16},
                                      .phdr = 64,
                                      .phdr_count = 2,
                                      .segment_count = 1,
                                      .segment[0] = {.data = {DATA_AT * PAGE, DATA_PAGES},
                                                     .init_offset = 4 * PAGE,
                                                     .init_size = 100}};
    Elf64_Phdr *header = (Elf64_Phdr *)(enclave + 64);
    header[0] =
        (Elf64_Phdr){.p_type = PT_LOAD, .p_flags = PF_R | PF_X, .p_vaddr = 0, .p_memsz = 3 * PAGE};
    header[1] = (Elf64_Phdr){
        .p_type = PT_LOAD, .p_flags = PF_R | PF_W, .p_vaddr = DATA_AT * PAGE, .p_memsz = PAGE};
    memset(enclave + 4 * PAGE, 0x77, 100);
    shim_vm_init();
    shim_vm_reset(0);
    return 0;
}

static uint64_t at(uint64_t page) { return shim.base + page * PAGE; }
static long call(shim_handler *handler, long a, long b, long c, long d, long e, long f) {
    const long arguments[6] = {a, b, c, d, e, f};
    return handler(arguments);
}
static long map(uint64_t hint, uint64_t size, int prot, int flags) {
    return call(shim_sys_mmap, (long)hint, (long)size, prot, flags | MAP_PRIVATE | MAP_ANONYMOUS,
                -1, 0);
}

/* ---- predicates ---- */
static bool reference(uint64_t p, uint64_t n, uint64_t from, uint64_t to) {
    return n == 0 || ((unsigned __int128)p >= from && (unsigned __int128)p + n <= to);
}

static void test_predicates(void **state) {
    (void)state;
    uint64_t stack = at(STACK_AT), stack_end = at(STACK_AT + STACK_PAGES),
             end = shim.base + shim.size;
    uint64_t edge[] = {0,
                       1,
                       2,
                       PAGE - 1,
                       PAGE,
                       PAGE + 1,
                       shim.base - 1,
                       shim.base,
                       shim.base + 1,
                       end - 1,
                       end,
                       end + 1,
                       stack - 1,
                       stack,
                       stack + 1,
                       stack_end - 1,
                       stack_end,
                       stack_end + 1,
                       shim.size,
                       shim.size - 1,
                       1ULL << 32,
                       (1ULL << 63) - 1,
                       1ULL << 63,
                       (1ULL << 63) + 1,
                       ~0ULL - 1,
                       ~0ULL,
                       -shim.base,
                       -stack,
                       STACK_PAGES * PAGE,
                       STACK_PAGES * PAGE + 1,
                       STACK_PAGES * PAGE - 1};
    size_t count = sizeof edge / sizeof edge[0], checked = 0;
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < count; j++) {
            /* Writable is the stack, and data and nothing else here; those edges do not touch data.
             */
            bool want = reference(edge[i], edge[j], stack, stack_end);
            assert_int_equal(shim_writable((void *)edge[i], edge[j]), want);
            bool text = reference(edge[i], edge[j], shim.base, at(3));
            assert_int_equal(shim_readable((void *)edge[i], edge[j]), want || text);
            checked++;
        }
    assert_int_equal(checked, count * count);
}

static void test_kinds(void **state) {
    (void)state;
    assert_true(shim_vm_executable(at(TEXT_AT), PAGE));
    assert_false(shim_writable((void *)at(TEXT_AT), 1));
    assert_false(shim_vm_executable(at(DATA_AT), 1));
    assert_true(shim_writable((void *)at(DATA_AT), DATA_PAGES * PAGE));
    assert_false(shim_readable((void *)at(3), 1));       /* a gap of the program */
    assert_false(shim_readable((void *)at(HEAP_AT), 1)); /* heap that nobody asked for */
    assert_false(shim_readable((void *)at(900), 1));     /* the shim's */
    assert_false(shim_readable(NULL, 1));
    assert_true(shim_readable(NULL, 0));
    assert_int_equal(((uint8_t *)at(DATA_AT))[99], 0x77);
    assert_int_equal(((uint8_t *)at(DATA_AT))[100], 0);
}

static void test_copy_text(void **state) {
    (void)state;
    char out[16], *end = (char *)at(STACK_AT + STACK_PAGES);
    memcpy(end - 4, "abc", 4);
    assert_int_equal(shim_copy_text(out, end - 4, sizeof out), 3);
    assert_string_equal(out, "abc");
    assert_int_equal(shim_copy_text(out, end - 4, 4), 3);
    assert_int_equal(shim_copy_text(out, end - 4, 3), -ENAMETOOLONG);
    end[-1] = 'd'; /* no NUL before the end (R25) */
    assert_int_equal(shim_copy_text(out, end - 4, sizeof out), -EFAULT);
    assert_int_equal(shim_copy_text(out, end, sizeof out), -EFAULT);
    assert_int_equal(shim_copy_text(out, NULL, sizeof out), -EFAULT);
}

/* ---- give and take ---- */
static void test_map_refuses(void **state) {
    (void)state;
    assert_int_equal(map(0, 0, PROT_READ, 0), -EINVAL);
    assert_int_equal(map(0, ~0ULL, PROT_READ, 0), -ENOMEM);
    assert_int_equal(map(0, (HEAP_PAGES + 1) * PAGE, PROT_READ, 0), -ENOMEM);
    assert_int_equal(map(0, PAGE, PROT_READ | PROT_EXEC, 0), -EACCES); /* R49 */
    assert_int_equal(map(at(STACK_AT), PAGE, PROT_READ, MAP_FIXED), -ENOMEM);
    assert_int_equal(map(at(TEXT_AT), PAGE, PROT_READ, MAP_FIXED), -ENOMEM);
    assert_int_equal(map(at(HEAP_AT) + 1, PAGE, PROT_READ, MAP_FIXED), -EINVAL);
    assert_int_equal(map(at(HEAP_AT + HEAP_PAGES), PAGE, PROT_READ, MAP_FIXED), -ENOMEM);
    assert_int_equal(map((uint64_t)-PAGE, 2 * PAGE, PROT_READ, MAP_FIXED), -ENOMEM);
    assert_int_equal(call(shim_sys_mmap, 0, PAGE, PROT_READ, MAP_ANONYMOUS, -1, 0),
                     -EINVAL); /* no type */
    assert_int_equal(call(shim_sys_mmap, 0, PAGE, PROT_WRITE, MAP_SHARED, 9, 0), -ENODEV);
    /* the call ring: where it is, and none of the program's memory otherwise */
    shared_at = (uint64_t)enclave + sizeof enclave;
    assert_int_equal(call(shim_sys_mmap, 0, PAGE, PROT_WRITE, MAP_SHARED, 8, 0), (long)shared_at);
    assert_int_equal(call(shim_sys_mmap, 0, PAGE, PROT_EXEC, MAP_SHARED, 8, 0), -EACCES);
    assert_int_equal(call(shim_sys_munmap, (long)shared_at, PAGE, 0, 0, 0, 0), -EINVAL);
    assert_false(shim_readable((void *)shared_at, 1) || shim_writable((void *)shared_at, 1));
    assert_int_equal(call(shim_sys_mmap, 0, PAGE, PROT_READ, MAP_PRIVATE, 9, 1), -EINVAL);
    assert_int_equal(call(shim_sys_mmap, 0, PAGE, PROT_READ, MAP_PRIVATE, 8, 0), -EBADF);
}

static void test_protect_refuses(void **state) {
    (void)state;
    assert_int_equal(
        call(shim_sys_mprotect, (long)at(STACK_AT), PAGE, PROT_READ | PROT_EXEC, 0, 0, 0), -EACCES);
    assert_int_equal(
        call(shim_sys_mprotect, (long)at(TEXT_AT), PAGE, PROT_READ | PROT_WRITE, 0, 0, 0), -EACCES);
    assert_int_equal(call(shim_sys_mprotect, (long)at(900), PAGE, PROT_READ, 0, 0, 0), -ENOMEM);
    assert_int_equal(call(shim_sys_mprotect, (long)at(HEAP_AT), PAGE, PROT_READ, 0, 0, 0), -ENOMEM);
    assert_int_equal(call(shim_sys_mprotect, (long)at(STACK_AT) + 1, PAGE, PROT_READ, 0, 0, 0),
                     -EINVAL);
    assert_int_equal(call(shim_sys_mprotect, (long)at(STACK_AT), -1, PROT_READ, 0, 0, 0), -EINVAL);
    assert_int_equal(
        call(shim_sys_mprotect, (long)at(STACK_AT), 0x7fffffffffff, PROT_READ, 0, 0, 0), -ENOMEM);
    assert_int_equal(call(shim_sys_mprotect, (long)at(STACK_AT), PAGE, PROT_READ, 0, 0, 0), 0);
    assert_false(shim_writable((void *)at(STACK_AT), 1));
    assert_true(shim_readable((void *)at(STACK_AT), 1));
    refuse_protect = -ENOMEM;
    assert_int_equal(call(shim_sys_mprotect, (long)at(STACK_AT), PAGE, PROT_READ, 0, 0, 0),
                     -ENOMEM);
    refuse_protect = -EACCES; /* R40: not what mprotect may say here */
    if (setjmp(on_abort) == 0) {
        call(shim_sys_mprotect, (long)at(STACK_AT), PAGE, PROT_READ, 0, 0, 0);
        fail();
    }
}

static uint32_t next(uint32_t *seed) { return (*seed = *seed * 1103515245 + 12345) >> 8; }

/* R51: what is given back is scrubbed, so what is given out is zero, whatever happened before. */
static void test_random_walk(void **state) {
    (void)state;
    static struct {
        uint64_t at, size;
        uint8_t fill;
    } block[32];
    memset(block, 0, sizeof block);
    uint32_t seed = 1;
    for (int step = 0; step < 20000; step++) {
        unsigned i = next(&seed) % 32;
        if (!block[i].size) {
            uint64_t size = (1 + (uint64_t)next(&seed) % 12) * PAGE;
            long p = map(0, size, PROT_READ | PROT_WRITE, 0);
            if (p == -ENOMEM) continue;
            assert_true(p >= (long)at(HEAP_AT) && (uint64_t)p + size <= at(HEAP_AT + HEAP_PAGES));
            for (uint64_t k = 0; k < size; k += 64) assert_int_equal(((uint8_t *)p)[k], 0);
            block[i].at = (uint64_t)p;
            block[i].size = size;
            block[i].fill = (uint8_t)(1 + next(&seed) % 255);
            memset((void *)p, block[i].fill, size);
        } else {
            for (uint64_t k = 0; k < block[i].size; k += 64)
                assert_int_equal(((uint8_t *)block[i].at)[k],
                                 block[i].fill); /* no overlap with another */
            if (next(&seed) % 3 == 0) {
                uint64_t size = (1 + (uint64_t)next(&seed) % 12) * PAGE;
                long p = call(shim_sys_mremap, (long)block[i].at, (long)block[i].size, (long)size,
                              MREMAP_MAYMOVE, 0, 0);
                if (p < 0) continue;
                uint64_t kept = size < block[i].size ? size : block[i].size;
                for (uint64_t k = 0; k < size; k += 64)
                    assert_int_equal(((uint8_t *)p)[k], k < kept ? block[i].fill : 0);
                block[i].at = (uint64_t)p;
                block[i].size = size;
                memset((void *)p, block[i].fill, size);
            } else {
                assert_int_equal(
                    call(shim_sys_munmap, (long)block[i].at, (long)block[i].size, 0, 0, 0, 0), 0);
                block[i].size = 0;
            }
        }
    }
}

static void test_file(void **state) {
    (void)state;
    long p = call(shim_sys_mmap, 0, 3 * PAGE, PROT_READ, MAP_PRIVATE, 9, 0);
    assert_true(p > 0);
    assert_int_equal(((uint8_t *)p)[5999], 0x42);
    assert_int_equal(((uint8_t *)p)[6000], 0);
    assert_false(shim_writable((void *)p, 1));
}

static void test_brk(void **state) {
    (void)state;
    long low = call(shim_sys_brk, 0, 0, 0, 0, 0, 0);
    assert_int_equal(low, (long)at(HEAP_AT));
    assert_int_equal(call(shim_sys_brk, low + 5000, 0, 0, 0, 0, 0), low + 5000);
    memset((void *)low, 1, 5000);
    assert_int_equal(call(shim_sys_brk, low + 10, 0, 0, 0, 0, 0), low + 10);
    assert_int_equal(call(shim_sys_brk, low + 5000, 0, 0, 0, 0, 0), low + 5000);
    for (int i = 10; i < 5000; i++) assert_int_equal(((uint8_t *)low)[i], 0);
    assert_int_equal(call(shim_sys_brk, -1, 0, 0, 0, 0, 0), low + 5000);
    assert_int_equal(call(shim_sys_brk, low - 1, 0, 0, 0, 0, 0), low + 5000);
    long p = map(at(HEAP_AT + 10), PAGE, PROT_READ, MAP_FIXED);
    assert_int_equal(p, (long)at(HEAP_AT + 10));
    assert_int_equal(call(shim_sys_brk, low + 20 * PAGE, 0, 0, 0, 0, 0),
                     low + 5000); /* would run into it */
}

static void test_arena(void **state) {
    (void)state;
    assert_null(shim_arena(~0ULL));
    assert_null(shim_arena((uint64_t)HEAP_PAGES * PAGE));
    uint8_t *p = shim_arena(100);
    assert_non_null(p);
    assert_false(shim_readable(p, 1)); /* the shim's, not the program's */
    assert_int_equal(map((uint64_t)p, PAGE, PROT_READ, MAP_FIXED), -ENOMEM);
    assert_int_equal(call(shim_sys_munmap, (long)p, PAGE, 0, 0, 0, 0), -EINVAL);
}

/* Larger than all that is free, but not than that and the old range together. */
static void test_remap_nearly_full(void **state) {
    (void)state;
    uint64_t room = shim_vm_free_pages(), old = room / 2, size = room - 4;
    long high = map(0, 2 * PAGE, PROT_READ | PROT_WRITE, 0); /* so that it cannot grow upwards */
    long p = map(0, old * PAGE, PROT_READ | PROT_WRITE, 0);
    assert_true(high > 0 && p > 0);
    for (uint64_t i = 0; i < old; i++) *(uint64_t *)(p + (long)(i * PAGE)) = i + 1;
    /* Read-only in one page: that could fail halfway, so it is refused and nothing has moved. */
    assert_int_equal(call(shim_sys_mprotect, p, PAGE, PROT_READ, 0, 0, 0), 0);
    assert_int_equal(call(shim_sys_mremap, p, (long)(old * PAGE), (long)(size * PAGE),
                          MREMAP_MAYMOVE, 0, 0),
                     -ENOMEM);
    assert_int_equal(call(shim_sys_mprotect, p, PAGE, PROT_READ | PROT_WRITE, 0, 0, 0), 0);
    assert_int_equal(call(shim_sys_mremap, p, (long)(old * PAGE), (long)(size * PAGE), 0, 0, 0),
                     -ENOMEM);
    assert_int_equal(call(shim_sys_mremap, p, (long)(old * PAGE), (long)((room - 1) * PAGE),
                          MREMAP_MAYMOVE, 0, 0),
                     -ENOMEM);
    assert_int_equal(*(uint64_t *)p, 1);
    long to =
        call(shim_sys_mremap, p, (long)(old * PAGE), (long)(size * PAGE), MREMAP_MAYMOVE, 0, 0);
    assert_true(to > 0 && to < p);
    for (uint64_t i = 0; i < size; i++)
        assert_int_equal(*(uint64_t *)(to + (long)(i * PAGE)), i < old ? i + 1 : 0);
    assert_true(shim_writable((void *)to, size * PAGE));
    assert_int_equal(shim_vm_free_pages(), 2);
    assert_int_equal(call(shim_sys_munmap, to, (long)(size * PAGE), 0, 0, 0, 0), 0);
    assert_int_equal(shim_vm_free_pages(), room - 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_predicates, start),
        cmocka_unit_test_setup(test_kinds, start),
        cmocka_unit_test_setup(test_copy_text, start),
        cmocka_unit_test_setup(test_map_refuses, start),
        cmocka_unit_test_setup(test_protect_refuses, start),
        cmocka_unit_test_setup(test_random_walk, start),
        cmocka_unit_test_setup(test_file, start),
        cmocka_unit_test_setup(test_remap_nearly_full, start),
        cmocka_unit_test_setup(test_brk, start),
        cmocka_unit_test_setup(test_arena, start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
