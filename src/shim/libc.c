/* What compilers and Debian's static libraries expect of a libc: memory and text primitives, and
 * the failure handlers of a build with stack protector and fortify. */
#include "shim/core.h"

void *memcpy(void *restrict to, const void *restrict from, size_t size);
void *memmove(void *to, const void *from, size_t size);
void *memset(void *to, int value, size_t size);
int memcmp(const void *a, const void *b, size_t size);
size_t strlen(const char *text);
void *__memcpy_chk(void *restrict to, const void *restrict from, size_t size, size_t room);
void *__memmove_chk(void *to, const void *from, size_t size, size_t room);
void *__memset_chk(void *to, int value, size_t size, size_t room);
char *strerror(int error);
__attribute__((noreturn)) void __stack_chk_fail(void);

void *memcpy(void *restrict to, const void *restrict from, size_t size) {
    void *result = to;
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(size) : : "memory");
    return result;
}

void *memmove(void *to, const void *from, size_t size) {
    if ((uintptr_t)to - (uintptr_t)from >= size) return memcpy(to, from, size);
    uint8_t *d = to;
    const uint8_t *s = from;
    while (size >= 8) {
        uint64_t v;
        size -= 8;
        __builtin_memcpy(&v, s + size, 8);
        *(volatile uint64_t *)(void *)(d + size) = v;
    }
    while (size--) ((volatile uint8_t *)d)[size] = s[size];
    return to;
}

void *memset(void *to, int value, size_t size) {
    void *result = to;
    __asm__ volatile("rep stosb" : "+D"(to), "+c"(size) : "a"(value) : "memory");
    return result;
}

int memcmp(const void *a, const void *b, size_t size) {
    const uint8_t *x = a, *y = b;
    for (size_t i = 0; i < size; i++)
        if (x[i] != y[i]) return x[i] - y[i];
    return 0;
}

size_t strlen(const char *text) {
    size_t n = 0;
    while (((const volatile char *)text)[n]) n++;
    return n;
}

static void check_room(size_t size, size_t room) {
    if (size > room) shim_abort("a library call would write past its buffer");
}

void *__memcpy_chk(void *restrict to, const void *restrict from, size_t size, size_t room) {
    check_room(size, room);
    return memcpy(to, from, size);
}

void *__memmove_chk(void *to, const void *from, size_t size, size_t room) {
    check_room(size, room);
    return memmove(to, from, size);
}

void *__memset_chk(void *to, int value, size_t size, size_t room) {
    check_room(size, room);
    return memset(to, value, size);
}

char *strerror(int error) {
    static char text[] = "error";
    (void)error;
    return text;
}

void __stack_chk_fail(void) { shim_abort("stack overrun inside the shim"); }
