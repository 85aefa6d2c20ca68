/* A clock that a test moves: for programs linked with clock_dep, whose calls of time() come here.
 */
#ifndef CELLA_TESTS_VAULT_CLOCK_H
#define CELLA_TESTS_VAULT_CLOCK_H

#include <time.h>

static time_t clock_ahead; /* seconds */

time_t __real_time(time_t *out);
time_t __wrap_time(time_t *out);
time_t __wrap_time(time_t *out) {
    time_t now = __real_time(NULL) + clock_ahead;
    if (out) *out = now;
    return now;
}

#endif
