/* Why recent decisions came out as they did, by request id: for an operator, in memory, bounded.
 *
 * There is no evidence and no runtime data in it: claims by name alone, and of conditions what they
 * found only where that cannot be the client's data. */
#ifndef CELLA_ATTEST_EXPLAIN_H
#define CELLA_ATTEST_EXPLAIN_H

#include "attest/decide.h"

enum { CELLA_EXPLANATIONS_MAX = 1024, CELLA_EXPLANATION_SIZE_MAX = 16384 };

struct cella_explanations;
CELLA_RESULT cella_explanations_new(struct cella_explanations **out);
void cella_explanations_free(struct cella_explanations **explanations);

/* What happened, for the explanation and for the audit record. */
struct cella_decided {
    const char *verdict; /* "permitted", "denied" by policy, "refused" before it */
    const char *code;    /* of the error; NULL when permitted */
    const char *reason;
    const struct cella_policy_outcome *outcome; /* or NULL: the policy was not reached */
    const json_t *ignored; /* names of issued claims that are reserved; or NULL */
    const char *jti;       /* or NULL */
};
/* Of an instance without a ring nothing is kept. The newest drives out the oldest. */
void cella_explanations_keep(const struct cella_decision *decision,
                             const struct cella_decided *decided);
/* New, or NULL: not there (any more). */
json_t *cella_explanations_find(struct cella_explanations *explanations, struct cella_bytes id);

#endif
