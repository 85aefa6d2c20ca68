/* R01, R02, R03: system calls with hostile flags and floating-point control words: each works, and
 * the program finds its own as it left them. */
#define _GNU_SOURCE
#include <stdint.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "check.h"

enum { DIRECTION = 0x400, ALIGNMENT = 0x40000, CARRY = 1 };

static uint64_t flags_after;
static long call(long number, long a, long b, long c, uint64_t flags) {
    long result;
    register long rsi __asm__("rsi") = b, rdx __asm__("rdx") = c;
    __asm__ volatile(
        "lea -128(%%rsp), %%rsp\n pushfq\n pop %%rbx\n push %[flags]\n popfq\n syscall\n pushfq\n"
        "pop %%r12\n push %%rbx\n popfq\n lea 128(%%rsp), %%rsp\n mov %%r12, %[after]"
        : "=a"(result), [after] "=m"(flags_after)
        : "a"(number), "D"(a), "r"(rsi), "r"(rdx), [flags] "r"(flags)
        : "rcx", "r11", "rbx", "r12", "memory");
    return result;
}

static void test_flags(void) {
    static unsigned char buffer[8192];
    for (unsigned i = 0; i < 8; i++) {
        uint64_t flags =
            0x202 | (i & 1 ? DIRECTION : 0) | (i & 2 ? ALIGNMENT : 0) | (i & 4 ? CARRY : 0);
        memset(buffer, 0xee, sizeof buffer);
        CHECK(call(SYS_getrandom, (long)buffer + 1001, 3333, 0, flags) == 3333);
        CHECK((flags_after & (DIRECTION | ALIGNMENT | CARRY)) ==
              (flags & (DIRECTION | ALIGNMENT | CARRY)));
        for (int k = 0; k < 1001; k++) CHECK(buffer[k] == 0xee);
        for (int k = 1001 + 3333; k < 8192; k++) CHECK(buffer[k] == 0xee);
        CHECK(call(SYS_uname, (long)buffer + 1, 0, 0, flags) == 0);
    }
}

static void test_float(void) {
    unsigned char buffer[99];
    for (uint32_t i = 0; i < 16; i++) {
        uint32_t mxcsr = 0x1f80 | (i & 3) << 13 | (i & 4 ? 0x8040 : 0), mxcsr_after;
        uint16_t control = (uint16_t)(0x037f | (i & 3) << 10), control_after;
        if (i & 8) mxcsr &= ~0x1f80U, control &= (uint16_t)~0x3f; /* every exception unmasked */
        __asm__ volatile("ldmxcsr %0; fldcw %1; fld1; fld1; fld1" : : "m"(mxcsr), "m"(control));
        long n = syscall(SYS_getrandom, buffer, sizeof buffer, 0);
        double top;
        __asm__ volatile("stmxcsr %0; fnstcw %1; fstpl %2; fstp %%st(0); fstp %%st(0)"
                         : "=m"(mxcsr_after), "=m"(control_after), "=m"(top));
        uint32_t plain = 0x1f80;
        __asm__ volatile("fninit; ldmxcsr %0" : : "m"(plain));
        CHECK(n == (long)sizeof buffer && mxcsr == mxcsr_after && control == control_after &&
              top == 1.0);
    }
}

int main(void) {
    test_flags();
    test_float();
    printf("hygiene ok\n");
    return 0;
}
