/* What a call must give: success, or one refusal. Either way a test that fails shows the call and
 * what it said. */
#ifndef CELLA_TESTS_RESULTS_H
#define CELLA_TESTS_RESULTS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cella/result.h>
#include <cmocka.h>

#define GOOD(call)                                                                                 \
    do {                                                                                           \
        struct cella_result good_ = (call);                                                        \
        if (cella_failed(good_)) fail_msg("%s: %s", #call, good_.error->what);                     \
    } while (0)

#define REFUSED(call, expected)                                                                    \
    do {                                                                                           \
        struct cella_result refused_ = (call);                                                     \
        if (!cella_failed(refused_)) fail_msg("%s succeeded", #call);                              \
        if (cella_code_of(refused_) != (expected))                                                 \
            fail_msg("%s: %s: %s", #call, cella_code_name(cella_code_of(refused_)),                \
                     refused_.error->what);                                                        \
        cella_result_drop(refused_);                                                               \
    } while (0)

#endif
