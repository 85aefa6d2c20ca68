/* Outcomes of policies as JSON: the claims for a token, and the explanation. */
#ifndef CELLA_POLICY_OUTCOME_JSON_H
#define CELLA_POLICY_OUTCOME_JSON_H

#include <cella/policy.h>
#include <jansson.h>

/* A new object, for the caller to json_decref: booleans, numbers and strings under the types of the
 * claims; of several claims of one type a list. NULL without memory. */
json_t *cella_policy_claims_object(const struct cella_policy_claim *claim, size_t count);
/* verdict, reason, error, issued, properties and, where it was traced, rules with their conditions.
 */
json_t *cella_policy_outcome_object(const struct cella_policy_outcome *outcome);

#endif
