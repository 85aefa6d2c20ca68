/* Generated code, both sides of it, over a transport that the test can lie on. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../results.h"
#include "loopback.h"
#include "roundtrip_u.h"

extern const struct cella_call_side roundtrip_enclave;
static struct cella_enclave *e;

int ask(int depth, int *pair) {
    long inner = 0;
    pair[0] += 1;
    if (e->on_request || e->on_reply) { /* somebody lies: any answer will do */
        cella_result_drop(hidden(e, &inner, depth));
    } else if (depth > 1) { /* allowed: hidden; not allowed: a public one */
        GOOD(hidden(e, &inner, depth));
        REFUSED(nothing(e), CELLA_ERR_REFUSED);
    }
    errno = 17;
    return (int)inner;
}
static uint64_t told;
void tell(struct flat *f, void *handle) { told = (uint64_t)(uintptr_t)handle + (uint64_t)f->a; }

static int begin(void **state) {
    (void)state;
    e = loopback_new(&roundtrip_host, &roundtrip_enclave);
    GOOD(cella_peer_agree(&e->enclave));
    e->host.agreed = true;
    return 0;
}
static int end(void **state) {
    (void)state;
    assert_int_equal(e->used, 0);
    loopback_free(e);
    return 0;
}

static void test_values(void **state) {
    (void)state;
    int numbers[] = {1, 2, 39}, one = 0;
    long total = 0;
    GOOD(sum(e, &one, numbers, 3, &total));
    assert_int_equal(total, 42);
    assert_int_equal(one, 1);
    GOOD(sum(e, &one, NULL, 0, &total));
    assert_int_equal(one, 0);
    REFUSED(sum(e, &one, NULL, 1, &total), CELLA_ERR_USAGE);               /* R23 */
    REFUSED(sum(e, &one, numbers, SIZE_MAX / 2, &total), CELLA_ERR_USAGE); /* R21 */
    GOOD(nothing(e));
    struct flat f = {1, 'b', 2, true}, g = {10, 'c', 3, true}, back;
    GOOD(value(e, &back, f, BLUE, &g, true));
    assert_int_equal(back.c, 70000);
    assert_int_equal(g.a, 11);
    assert_false(g.d);
    size_t size = 0;
    GOOD(product(e, &size, numbers, 2, 3));
    assert_int_equal(size, 6);
    REFUSED(product(e, &size, numbers, SIZE_MAX, 2), CELLA_ERR_USAGE);
}

static void test_texts(void **state) {
    (void)state;
    char t[] = "abc", copy[8];
    size_t size = 0;
    GOOD(text(e, &size, "hello", t, copy, sizeof(copy)));
    assert_string_equal(t, "ABC");
    assert_string_equal(copy, "hello");
    GOOD(text(e, &size, "hello, world", t, copy, sizeof(copy)));
    assert_string_equal(copy, "hello, "); /* cut, and ended */
}

static void test_deep(void **state) {
    (void)state;
    struct node c = {3, NULL}, b = {2, &c}, a = {1, &b};
    int all = 0;
    GOOD(chain(e, &all, &a));
    assert_int_equal(all, 6);
    GOOD(chain(e, &all, NULL));
    assert_int_equal(all, 0);
    c.next = &a; /* a cycle ends in a refusal */
    REFUSED(chain(e, &all, &a), CELLA_ERR_LIMIT);
    struct list l;
    GOOD(fill(e, &l, 5));
    assert_int_equal(l.n, 5);
    assert_int_equal(l.items[4], 4);
    assert_int_equal(l.head.a, 7);
    int *items = l.items;
    l.head.c = 4;
    GOOD(twice(e, &l));
    assert_ptr_equal(l.items, items);
    assert_int_equal(l.n, 5);
    assert_int_equal(l.items[4], 8);
    assert_int_equal(l.head.c, 8);
    free(items);
    GOOD(fill(e, &l, 0));
    assert_null(l.items);
}

static void test_nested(void **state) {
    (void)state;
    long answer = 0;
    GOOD(calls_host(e, &answer, 1));
    assert_int_equal(answer, 0 + 2 + 1);
    GOOD(calls_host(e, &answer, 5));
    assert_int_equal(answer, 105 + 6 + 1);
    REFUSED(hidden(e, &answer, 1), CELLA_ERR_REFUSED); /* private, and nothing allows it now */
    assert_int_equal(answer, 0);
}

static void test_addresses(void **state) {
    (void)state;
    uint8_t p[8];
    memset(p, 9, sizeof(p));
    told = 0;
    e->host.private_base = 0; /* everything below 2^63 is the enclave's */
    e->host.private_size = (uint64_t)1 << 63;
    GOOD(leak(e, p, sizeof(p)));
    assert_int_equal(p[0], 1); /* refused */
    assert_int_equal(p[7], 0); /* not written: zero */
    assert_int_equal(told, 0);
}

/* ---- a host and an enclave that lie ---- */

static size_t at, cut;
static uint8_t flip;
static void damage(uint8_t *data, size_t *size) {
    if (at < *size) data[at] ^= flip;
    if (cut < *size) *size = cut;
}

static void calls(void) {
    int numbers[] = {1, 2, 39}, out = 0;
    long total;
    struct list l = {0};
    struct node b = {2, NULL}, a = {1, &b};
    char t[] = "abc", copy[8];
    size_t size;
    struct flat f = {1, 'b', 2, true}, g = f, back;
    cella_result_drop(sum(e, &out, numbers, 3, &total));
    cella_result_drop(chain(e, &out, &a));
    cella_result_drop(text(e, &size, "hello", t, copy, sizeof(copy)));
    cella_result_drop(value(e, &back, f, RED, &g, true));
    struct cella_result r = fill(e, &l, 5);
    if (cella_failed(r)) assert_true(l.items == NULL && l.n == 0); /* R07 */
    cella_result_drop(r);
    if (!l.items) l.n = 0;
    free(l.items);
    cella_result_drop(calls_host(e, &total, 5));
}

/* Every byte of every request and reply flipped, and every length: an answer, and no byte out of
 * bounds (ASan). (R24, R29) */
static void test_hostile(void **state) {
    (void)state;
    static const uint8_t flips[] = {1, 0x80, 0xff, 0x55};
    for (int side = 0; side < 2; side++)
        for (at = 0; at < 200; at++)
            for (size_t i = 0; i < sizeof(flips); i++) {
                flip = flips[i];
                cut = at % 3 == 0 ? at : SIZE_MAX;
                e->on_request = side ? NULL : damage;
                e->on_reply = side ? damage : NULL;
                calls();
            }
}

/* R33 */
static void test_disagreement(void **state) {
    (void)state;
    struct cella_call_interface other = *roundtrip_enclave.interface;
    other.digest[0] ^= 1;
    e->host.agreed = e->enclave.agreed = false;
    REFUSED(nothing(e), CELLA_ERR_REFUSED);
    e->host.interface = &other;
    REFUSED(cella_peer_agree(&e->enclave), CELLA_ERR_REFUSED);
    assert_false(e->host.agreed);
    e->enclave.agreed = true; /* a host that goes on all the same */
    REFUSED(nothing(e), CELLA_ERR_REFUSED);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_values),    TEST(test_texts),   TEST(test_deep),         TEST(test_nested),
        TEST(test_addresses), TEST(test_hostile), TEST(test_disagreement),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
