/* Policies given with evidence on the command line (--policy, again for more): all must permit its
 * verified claims. */
#ifndef CELLA_CLI_POLICY_PROOF_H
#define CELLA_CLI_POLICY_PROOF_H

#include <cella/policy.h>
#include <jansson.h>
#include <stdio.h>

enum { CELLA_CLI_POLICY_MAX = 8 };

struct cella_cli_policies {
    size_t count;
    struct {
        const char *path; /* borrowed */
        struct cella_policy *policy;
        struct cella_policy_outcome outcome; /* once it was evaluated: with a reason */
    } item[CELLA_CLI_POLICY_MAX];
    struct cella_policy_claims *claims;
};

void cella_cli_policies_free(struct cella_cli_policies *policies);
/* Reads and compiles one more. */
CELLA_RESULT cella_cli_policies_add(struct cella_cli_policies *policies, const char *path);
/* Evaluates all, over the names of Azure Attestation and cella's own. *denied: the first that
 * denies, or SIZE_MAX. */
CELLA_RESULT cella_cli_policies_judge(struct cella_cli_policies *policies,
                                      const struct cella_claimset *verified, size_t *denied);
/* Why one denied, in a line. */
void cella_cli_policies_reason(const struct cella_cli_policies *policies, size_t index, char *text,
                               size_t size);
/* What was evaluated; nothing, and NULL, when nothing was. */
void cella_cli_policies_explain(FILE *to, const struct cella_cli_policies *policies);
json_t *cella_cli_policies_json(const struct cella_cli_policies *policies);

#endif
