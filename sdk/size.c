#include "sdk/size.h"

#include "base/memory.h"

bool cella_range_is_inside(uint64_t p, uint64_t n, uint64_t base, uint64_t size) {
    if (n == 0) n = 1;
    return size && cella_range_inside(p, n, base, size);
}

bool cella_range_is_outside(uint64_t p, uint64_t n, uint64_t base, uint64_t size) {
    uint64_t last;
    if (n == 0) n = 1;
    if (__builtin_add_overflow(p, n - 1, &last)) return false;
    return size == 0 || last < base || (p >= base && p - base >= size);
}

/* An integer of any width; false when it is negative or wider than a size_t. */
static bool load(const struct cella_call_term *term, const uint8_t *at, size_t *value) {
    union {
        int8_t s1;
        int16_t s2;
        int32_t s4;
        int64_t s8;
        uint8_t u1;
        uint16_t u2;
        uint32_t u4;
        uint64_t u8;
    } v = {.u8 = 0};
    if (term->width != 1 && term->width != 2 && term->width != 4 && term->width != 8) return false;
    cella_copy(&v, at, term->width);
    int64_t wide = term->width == 1   ? v.s1
                   : term->width == 2 ? v.s2
                   : term->width == 4 ? v.s4
                                      : v.s8;
    if (term->is_signed && wide < 0) return false;
    return !__builtin_add_overflow(term->width == 1   ? v.u1
                                   : term->width == 2 ? v.u2
                                   : term->width == 4 ? v.u4
                                                      : v.u8,
                                   (size_t)0, value);
}

static bool apply(uint8_t operation, size_t a, size_t b, size_t *out) {
    switch (operation) {
    case CELLA_TERM_ADD: return cella_add(a, b, out);
    case CELLA_TERM_SUBTRACT: return !__builtin_sub_overflow(a, b, out);
    case CELLA_TERM_MULTIPLY: return cella_mul(a, b, out);
    case CELLA_TERM_DIVIDE: *out = b ? a / b : 0; return b != 0;
    case CELLA_TERM_REMAINDER: *out = b ? a % b : 0; return b != 0;
    default: return false;
    }
}

static bool evaluate(const struct cella_call_term *term, const uint8_t *in, size_t *size) {
    size_t stack[CELLA_CALL_TERMS_MAX];
    uint32_t depth = 0;
    for (; term->operation != CELLA_TERM_END; term++) {
        if (term->operation == CELLA_TERM_NUMBER || term->operation == CELLA_TERM_MEMBER) {
            if (depth == CELLA_CALL_TERMS_MAX) return false;
            stack[depth] = (size_t)term->number;
            if (term->operation == CELLA_TERM_MEMBER &&
                !load(term, in + term->offset, &stack[depth]))
                return false;
            depth++;
            continue;
        }
        if (depth < 2 ||
            !apply(term->operation, stack[depth - 2], stack[depth - 1], &stack[depth - 2]))
            return false;
        depth--;
    }
    *size = depth == 1 ? stack[0] : 0;
    return depth == 1;
}

bool cella_size_of(const struct cella_call_interface *interface,
                   const struct cella_call_member *member, const void *in, size_t *size) {
    *size = 0;
    if (!member->terms) return cella_mul(member->size, member->count, size);
    size_t value;
    if (!evaluate(&interface->terms[member->terms - 1], in, &value)) return false;
    *size = value;
    return true;
}
