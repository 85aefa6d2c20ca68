/* Requests a caller may make a second: a bucket of tokens each, in a table of fixed size. Callers
 * that share a place in it share a bucket, which errs on the strict side. Thread-safe. */
#ifndef CELLA_VAULT_RATE_H
#define CELLA_VAULT_RATE_H

#include <cella/result.h>
#include <stdint.h>

struct cella_rate;
CELLA_RESULT cella_rate_new(struct cella_rate **out);
void cella_rate_free(struct cella_rate **rate);
/* Takes one of the caller's tokens, of which there are per_s a second and at most twice as many
 * saved; false: none left. */
bool cella_rate_take(struct cella_rate *rate, const char *caller, uint32_t per_s, uint64_t now_ns);

#endif
