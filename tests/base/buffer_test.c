/* A buffer's capacity is never below its size, whatever the steps it grew in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/buffer.h"

static void extend(struct cella_buffer *buffer, size_t size) {
    uint8_t *to = NULL;
    struct cella_result r = cella_buffer_extend(buffer, size, &to);
    assert_false(cella_failed(r));
    assert_true(buffer->capacity >= buffer->size);
    memset(to, 0xaa, size);
}

/* Around twice the capacity is where an odd size once fell one byte short. */
static void grows_enough_in_every_step(void **state) {
    (void)state;
    for (size_t first = 1; first <= 600; first += 7)
        for (size_t second = 0; second <= 1300; second++) {
            CELLA_BUFFER buffer = {0};
            extend(&buffer, first);
            extend(&buffer, second);
            assert_int_equal(buffer.size, first + second);
        }
}

static void keeps_what_it_holds(void **state) {
    (void)state;
    CELLA_BUFFER buffer = {0};
    for (unsigned i = 0; i < 5000; i++) {
        uint8_t byte = (uint8_t)(i * 31);
        struct cella_result r = cella_buffer_append(&buffer, cella_bytes(&byte, 1));
        assert_false(cella_failed(r));
    }
    for (unsigned i = 0; i < 5000; i++) assert_int_equal(buffer.data[i], (uint8_t)(i * 31));
}

static void refuses_sizes_that_overflow(void **state) {
    (void)state;
    CELLA_BUFFER buffer = {0};
    uint8_t *to = NULL;
    extend(&buffer, 10);
    struct cella_result r = cella_buffer_extend(&buffer, SIZE_MAX - 5, &to);
    assert_int_equal(cella_code_of(r), CELLA_ERR_LIMIT);
    cella_result_drop(r);
    assert_null(to);
    assert_int_equal(buffer.size, 10);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grows_enough_in_every_step),
        cmocka_unit_test(keeps_what_it_holds),
        cmocka_unit_test(refuses_sizes_that_overflow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
