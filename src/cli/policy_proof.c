#include "cli/policy_proof.h"

#include "cli/policy_file.h"
#include "policy/outcome_json.h"

void cella_cli_policies_free(struct cella_cli_policies *policies) {
    for (size_t i = 0; i < policies->count; i++) {
        cella_policy_outcome_free(&policies->item[i].outcome);
        cella_policy_free(&policies->item[i].policy);
    }
    cella_policy_claims_free(&policies->claims);
    policies->count = 0;
}

CELLA_RESULT cella_cli_policies_add(struct cella_cli_policies *policies, const char *path) {
    ENSURE(policies->count < CELLA_CLI_POLICY_MAX, CELLA_ERR_USAGE, NULL,
           "--policy: more than %d policies", CELLA_CLI_POLICY_MAX);
    TRY(cella_cli_policy_read(path, &policies->item[policies->count].policy));
    policies->item[policies->count++].path = path;
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_cli_policies_judge(struct cella_cli_policies *policies,
                                      const struct cella_claimset *verified, size_t *denied) {
    size_t count = 0;
    *denied = SIZE_MAX;
    if (policies->count == 0) return CELLA_SUCCESS;
    *denied = 0; /* until all have permitted (A35) */
    TRY(cella_policy_claims_new(&policies->claims));
    cella_policy_claims_verified(policies->claims, verified, true);
    TRY(cella_policy_claims_result(policies->claims));
    const struct cella_policy_claim *claim = cella_policy_claims_at(policies->claims, &count);
    size_t first = SIZE_MAX;
    for (size_t i = 0; i < policies->count; i++) {
        TRY(cella_policy_evaluate(policies->item[i].policy, claim, count, true,
                                  &policies->item[i].outcome));
        if (policies->item[i].outcome.verdict != CELLA_POLICY_PERMITTED && first == SIZE_MAX)
            first = i;
    }
    *denied = first;
    return CELLA_SUCCESS;
}

/* The first condition that kept a permit() from firing, or what else it was. */
void cella_cli_policies_reason(const struct cella_cli_policies *policies, size_t index, char *text,
                               size_t size) {
    const struct cella_policy_outcome *o = &policies->item[index].outcome;
    if (o->error.line) {
        snprintf(text, size, "line %u: expected %s, found %s", o->error.line, o->error.expected,
                 o->error.found);
        return;
    }
    snprintf(text, size, "%s", o->reason);
    for (size_t i = 0; i < o->trace_count && o->denies == 0; i++) {
        const struct cella_policy_rule_trace *rule = &o->trace[i];
        if (rule->fired || rule->action.size == 0 || (rule->action.data[0] | 0x20) != 'p') continue;
        for (uint32_t k = 0; k < rule->condition_count; k++) {
            const struct cella_policy_condition_trace *c = &rule->condition[k];
            if (!c->reached || c->held) continue;
            snprintf(text, size, "line %u: expected %s, found %s", rule->line, c->expected,
                     c->found);
            return;
        }
    }
}

void cella_cli_policies_explain(FILE *to, const struct cella_cli_policies *policies) {
    for (size_t i = 0; i < policies->count; i++) {
        if (!policies->item[i].outcome.reason) continue;
        fprintf(to, "policy %s\n", policies->item[i].path);
        cella_cli_policy_explain(to, &policies->item[i].outcome);
    }
}

json_t *cella_cli_policies_json(const struct cella_cli_policies *policies) {
    json_t *out = NULL;
    for (size_t i = 0; i < policies->count; i++) {
        if (!policies->item[i].outcome.reason) continue;
        json_t *one = cella_policy_outcome_object(&policies->item[i].outcome);
        json_object_set_new(one, "policy", json_string(policies->item[i].path));
        if (!out) out = json_array();
        json_array_append_new(out, one);
    }
    return out;
}
