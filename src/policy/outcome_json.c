#include "policy/outcome_json.h"

static json_t *text(struct cella_bytes bytes) {
    return json_stringn((const char *)bytes.data, bytes.size);
}

static json_t *value_of(const struct cella_policy_value *value) {
    switch (value->type) {
    case CELLA_POLICY_INTEGER: return json_integer(value->integer);
    case CELLA_POLICY_BOOLEAN: return json_boolean(value->integer);
    case CELLA_POLICY_STRING: break;
    }
    return text(value->text);
}

/* One more claim: alone, or in a list with those before it. */
static int put_claim(json_t *to, const struct cella_policy_claim *claim) {
    const char *key = (const char *)claim->type.data;
    json_t *before = json_object_getn(to, key, claim->type.size);
    if (!before) return json_object_setn_new(to, key, claim->type.size, value_of(&claim->value));
    if (json_is_array(before)) return json_array_append_new(before, value_of(&claim->value));
    json_t *list = json_pack("[O]", before);
    if (!list || json_array_append_new(list, value_of(&claim->value)) != 0)
        return json_decref(list), -1;
    return json_object_setn_new(to, key, claim->type.size, list);
}

json_t *cella_policy_claims_object(const struct cella_policy_claim *claim, size_t count) {
    json_t *out = json_object();
    for (size_t i = 0; out && i < count; i++) {
        if (put_claim(out, &claim[i]) == 0) continue;
        json_decref(out);
        return NULL;
    }
    return out;
}

static json_t *condition_object(const struct cella_policy_condition_trace *c) {
    json_t *out = json_object();
    json_object_set_new(out, "condition", text(c->text));
    json_object_set_new(out, "result",
                        json_string(!c->reached ? "not reached"
                                    : c->held   ? "held"
                                                : "failed"));
    if (!c->reached) return out;
    json_object_set_new(out, "claims", json_integer(c->matched));
    if (c->expected[0]) json_object_set_new(out, "expected", json_string(c->expected));
    if (c->found[0]) json_object_set_new(out, "found", json_string(c->found));
    return out;
}

static json_t *rule_object(const struct cella_policy_rule_trace *rule) {
    json_t *out = json_object(), *conditions = json_array();
    json_object_set_new(out, "section", json_string(rule->section));
    json_object_set_new(out, "line", json_integer(rule->line));
    json_object_set_new(out, "column", json_integer(rule->column));
    json_object_set_new(out, "action", text(rule->action));
    json_object_set_new(out, "fired", json_boolean(rule->fired));
    if (rule->fired) json_object_set_new(out, "made", json_integer(rule->made));
    if (rule->note) json_object_set_new(out, "note", json_string(rule->note));
    for (uint32_t i = 0; i < rule->condition_count; i++)
        json_array_append_new(conditions, condition_object(&rule->condition[i]));
    json_object_set_new(out, "conditions", conditions);
    return out;
}

static json_t *error_object(const struct cella_policy_fault *error) {
    return json_pack("{s:i,s:i,s:s,s:s,s:s}", "line", (int)error->line, "column",
                     (int)error->column, "path", error->path, "expected", error->expected, "found",
                     error->found);
}

json_t *cella_policy_outcome_object(const struct cella_policy_outcome *outcome) {
    json_t *out = json_object(), *rules = json_array();
    json_object_set_new(out, "verdict",
                        json_string(outcome->verdict == CELLA_POLICY_PERMITTED ? "permitted"
                                                                               : "denied"));
    json_object_set_new(out, "reason", json_string(outcome->reason));
    if (outcome->error.line) json_object_set_new(out, "error", error_object(&outcome->error));
    json_object_set_new(out, "issued",
                        cella_policy_claims_object(outcome->issued, outcome->issued_count));
    json_object_set_new(out, "properties",
                        cella_policy_claims_object(outcome->property, outcome->property_count));
    for (size_t i = 0; i < outcome->trace_count; i++)
        json_array_append_new(rules, rule_object(&outcome->trace[i]));
    if (outcome->trace_count) json_object_set(out, "rules", rules);
    json_decref(rules);
    json_object_set_new(out, "steps", json_integer((json_int_t)outcome->steps));
    return out;
}
