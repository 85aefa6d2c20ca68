/* Ranges and sizes against arithmetic in 128 bits, over every pair of edge values. (R20 to R22) */
#include "../results.h"
#include "sdk/size.h"

typedef unsigned __int128 wide;
static const uint64_t base = 0x10000, span = 0x2000;
static const uint64_t edges[] = {
    0,       1,      0xffff, 0x10000, 0x10001,           0x11fff,        0x12000,
    0x12001, 0x1fff, 0x2000, 0x2001,  (uint64_t)1 << 63, UINT64_MAX - 1, UINT64_MAX};
enum { EDGES = sizeof(edges) / sizeof(edges[0]) };

static void test_ranges(void **state) {
    (void)state;
    for (int i = 0; i < EDGES; i++)
        for (int j = 0; j < EDGES; j++) {
            wide first = edges[i], after = first + (edges[j] ? edges[j] : 1),
                 end = (wide)base + span;
            bool wraps = after > (wide)1 << 64;
            assert_int_equal(cella_range_is_inside(edges[i], edges[j], base, span),
                             first >= base && after <= end);
            assert_int_equal(cella_range_is_outside(edges[i], edges[j], base, span),
                             !wraps && (after <= base || first >= end));
        }
}

static void test_products(void **state) {
    (void)state;
    struct two {
        uint64_t a, b;
    };
    static const uint8_t operations[] = {CELLA_TERM_ADD, CELLA_TERM_SUBTRACT, CELLA_TERM_MULTIPLY,
                                         CELLA_TERM_DIVIDE, CELLA_TERM_REMAINDER};
    for (int o = 0; o < 5; o++)
        for (int i = 0; i < EDGES; i++)
            for (int j = 0; j < EDGES; j++) {
                struct cella_call_term terms[] = {
                    {CELLA_TERM_MEMBER, 8, 0, offsetof(struct two, a), 0},
                    {CELLA_TERM_MEMBER, 8, 0, offsetof(struct two, b), 0},
                    {operations[o], 0, 0, 0, 0},
                    {CELLA_TERM_END, 0, 0, 0, 0}};
                struct cella_call_interface interface = {.terms = terms};
                struct cella_call_member member = {.size = 1, .count = 1, .terms = 1};
                struct two in = {edges[i], edges[j]};
                size_t size = 0;
                wide a = in.a, b = in.b, want = 0;
                bool good = true;
                if (o == 0) want = a + b;
                if (o == 1) good = a >= b, want = good ? a - b : 0;
                if (o == 2) want = a * b;
                if (o >= 3) good = b != 0, want = !b ? 0 : o == 3 ? a / b : a % b;
                good = good && want <= UINT64_MAX;
                assert_int_equal(cella_size_of(&interface, &member, &in, &size), good);
                assert_true(size == (good ? (size_t)want : 0));
            }
}

static void test_signs(void **state) {
    (void)state;
    struct cella_call_term terms[] = {{CELLA_TERM_MEMBER, 4, 1, 0, 0},
                                      {CELLA_TERM_END, 0, 0, 0, 0}};
    struct cella_call_interface interface = {.terms = terms};
    struct cella_call_member member = {.size = 1, .count = 1, .terms = 1};
    int32_t in = -1;
    size_t size;
    assert_false(cella_size_of(&interface, &member, &in, &size));
    in = INT32_MAX;
    assert_true(cella_size_of(&interface, &member, &in, &size) && size == INT32_MAX);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_ranges),
                                       cmocka_unit_test(test_products),
                                       cmocka_unit_test(test_signs)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
