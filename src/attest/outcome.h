/* The claims of a token: what the service says, and what the policy issued (azure-attestation 4.2,
 * 9.5). */
#ifndef CELLA_ATTEST_OUTCOME_H
#define CELLA_ATTEST_OUTCOME_H

#include "attest/decide.h"

/* New; *ignored: names of issued claims that are not a policy's to say, owned by the caller, NULL
 * when there are none. NULL without memory. */
json_t *cella_outcome_claims(const struct cella_decision *decision,
                             const struct cella_policy_outcome *outcome, json_t **ignored);

#endif
