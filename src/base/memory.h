/* Memory primitives that work with and without a libc. Freestanding. */
#ifndef CELLA_BASE_MEMORY_H
#define CELLA_BASE_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Nothing to do, so nothing to point at: NULL is fine with size 0, as C's own functions do not
 * promise. */
static inline void cella_copy(void *to, const void *from, size_t size) {
    if (size) __builtin_memcpy(to, from, size);
}
static inline void cella_zero(void *to, size_t size) {
    if (size) __builtin_memset(to, 0, size);
}
/* For public data only: may stop at the first difference. */
static inline bool cella_equal(const void *a, const void *b, size_t size) {
    return size == 0 || __builtin_memcmp(a, b, size) == 0;
}
/* For secrets: time depends on size alone (threats.md K07, R60). */
bool cella_equal_secret(const void *a, const void *b, size_t size);
/* Zeroes in a way the compiler may not remove (threats.md R51). */
void cella_wipe(void *to, size_t size);

/* Checked arithmetic (threats.md R21): false on overflow, and *out is then 0. */
static inline bool cella_add(size_t a, size_t b, size_t *out) {
    if (!__builtin_add_overflow(a, b, out)) return true;
    *out = 0;
    return false;
}
static inline bool cella_mul(size_t a, size_t b, size_t *out) {
    if (!__builtin_mul_overflow(a, b, out)) return true;
    *out = 0;
    return false;
}
/* Whether [p, p+n) lies wholly inside [base, base+size); n == 0 asks for p alone. (threats.md R20,
 * R22) */
static inline bool cella_range_inside(uint64_t p, uint64_t n, uint64_t base, uint64_t size) {
    return p >= base && p - base <= size && n <= size - (p - base);
}

#endif
