/* For the tests of JOSE: results to codes, and tokens put together from parts. */
#ifndef CELLA_TESTS_JOSE_TOOLS_H
#define CELLA_TESTS_JOSE_TOOLS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "crypto/jose.h"

static inline bool fails(struct cella_result r) {
    bool failed = cella_failed(r);
    cella_result_print(r);
    cella_result_drop(r);
    return failed;
}
#define OK(r) assert_false(fails(r))

static inline enum cella_code code_of(struct cella_result r) {
    enum cella_code code = cella_code_of(r);
    cella_result_drop(r);
    return code;
}

static inline struct cella_bytes text(const char *t) { return cella_bytes_text(t); }

#endif
