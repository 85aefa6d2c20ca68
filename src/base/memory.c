#include "base/memory.h"

bool cella_equal_secret(const void *a, const void *b, size_t size) {
    const volatile uint8_t *x = a, *y = b;
    uint8_t diff = 0;
    for (size_t i = 0; i < size; i++) diff |= x[i] ^ y[i];
    return diff == 0;
}

void cella_wipe(void *to, size_t size) {
    __builtin_memset(to, 0, size);
    __asm__ volatile("" : : "r"(to) : "memory");
}
