/* cmocka wants these before it. */
#ifndef CELLA_TESTS_PLATFORM_CMOCKA_ALL_H
#define CELLA_TESTS_PLATFORM_CMOCKA_ALL_H
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <cella/result.h>

/* Asserts a result's code and drops it. */
#define assert_code(code, expr)                                                                    \
    do {                                                                                           \
        struct cella_result r_ = (expr);                                                           \
        if (cella_code_of(r_) != (code)) cella_result_print(r_);                                   \
        assert_int_equal((code), cella_code_of(r_));                                               \
        cella_result_drop(r_);                                                                     \
    } while (0)
#define assert_ok(expr) assert_code(CELLA_OK, expr)
#endif
