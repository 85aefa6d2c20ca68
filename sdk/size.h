/* Sizes: what the terms of an interface say, over the members of a struct that nobody changes
 * meanwhile. */
#ifndef CELLA_SDK_SIZE_H
#define CELLA_SDK_SIZE_H

#include <cella/call.h>
#include <stdbool.h>

/* The size in bytes of what a POINTER member points to, given the struct it is in. False when a
 * number is negative or the arithmetic overflows; *size is 0 then. (threats.md R21) */
bool cella_size_of(const struct cella_call_interface *interface,
                   const struct cella_call_member *member, const void *in, size_t *size);

/* Whether [p, p + n) lies wholly inside, and wholly outside, of [base, base + size). What wraps
 * around the end of the address space is neither; n == 0 asks for p alone. (threats.md R20, R22) */
bool cella_range_is_inside(uint64_t p, uint64_t n, uint64_t base, uint64_t size);
bool cella_range_is_outside(uint64_t p, uint64_t n, uint64_t base, uint64_t size);

#endif
