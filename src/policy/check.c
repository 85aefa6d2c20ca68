/* What a reader of a policy would object to, without any claims at hand. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "policy/azure_claims.h"
#include "policy/evaluate.h"

struct checking {
    const struct cella_policy *policy;
    struct cella_policy_warning *warning;
    size_t count, max;
};

static void warn(struct checking *c, struct cella_policy_place place, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static void warn(struct checking *c, struct cella_policy_place place, const char *format, ...) {
    if (c->count++ >= c->max) return;
    struct cella_policy_warning *w = &c->warning[c->count - 1];
    va_list list;
    w->line = place.line;
    w->column = place.column;
    va_start(list, format);
    vsnprintf(w->text, sizeof(w->text), format, list);
    va_end(list);
}

static bool is_literal(const struct cella_policy_match *m) {
    return m->expression->kind == EXPRESSION_LITERAL;
}

static bool text_is(const struct cella_policy_value *v, const char *text) {
    return v->type == CELLA_POLICY_STRING && v->text.size == strlen(text) &&
           cella_equal(v->text.data, text, v->text.size);
}

/* --- Conditions that no claim meets --- */

/* Range of the integers that the comparisons of value leave. */
struct range {
    int64_t least, most;
    bool empty;
};

static void narrow(struct range *r, enum cella_policy_operator op, int64_t n) {
    bool never = (op == OPERATOR_LT && n == INT64_MIN) || (op == OPERATOR_GT && n == INT64_MAX);
    if (op == OPERATOR_LT) n -= !never;
    if (op == OPERATOR_GT) n += !never;
    r->empty = r->empty || never;
    if ((op == OPERATOR_EQ || op == OPERATOR_GT || op == OPERATOR_GE) && n > r->least) r->least = n;
    if ((op == OPERATOR_EQ || op == OPERATOR_LT || op == OPERATOR_LE) && n < r->most) r->most = n;
    if (r->least > r->most) r->empty = true;
}

static const char *const value_types[] = {"String", "Integer", "Boolean"};

/* Two comparisons with literals that exclude each other. */
static bool exclude(const struct cella_policy_match *a, const struct cella_policy_match *b) {
    if (!is_literal(a) || !is_literal(b)) return false;
    const struct cella_policy_value *x = &a->expression->literal, *y = &b->expression->literal;
    if (a->property == b->property) {
        if (x->type != y->type) return true;
        bool same = cella_policy_compare(x, OPERATOR_EQ, y);
        return a->op == OPERATOR_EQ &&
               (b->op == OPERATOR_EQ ? !same : b->op == OPERATOR_NE && same);
    }
    if (a->property == PROPERTY_VALUE_TYPE && a->op == OPERATOR_EQ && b->property == PROPERTY_VALUE)
        return !text_is(x, value_types[y->type]);
    return false;
}

static bool never_holds(const struct cella_policy_condition *c) {
    struct range range = {INT64_MIN, INT64_MAX, false};
    for (uint32_t i = 0; i < c->count; i++) {
        const struct cella_policy_match *m = &c->match[i];
        bool integer = is_literal(m) && m->property == PROPERTY_VALUE &&
                       m->expression->literal.type == CELLA_POLICY_INTEGER;
        if (integer && m->op != OPERATOR_NE) narrow(&range, m->op, m->expression->literal.integer);
        for (uint32_t k = 0; k < c->count; k++)
            if (k != i && exclude(m, &c->match[k])) return true;
    }
    return range.empty;
}

/* --- Words --- */

static void check_issuer(struct checking *c, const struct cella_policy_match *m) {
    if (m->property != PROPERTY_ISSUER || !is_literal(m)) return;
    for (int i = CELLA_POLICY_CUSTOM_CLAIM; i <= CELLA_POLICY_POLICY; i++)
        if (text_is(&m->expression->literal, cella_policy_issuer_name((enum cella_policy_issuer)i)))
            return;
    warn(c, m->place,
         "no claim has this issuer: there are AttestationService, AttestationPolicy and "
         "CustomClaim");
}

static void check_value_type(struct checking *c, const struct cella_policy_match *m) {
    if (m->property != PROPERTY_VALUE_TYPE || !is_literal(m)) return;
    for (int i = 0; i < 3; i++)
        if (text_is(&m->expression->literal, value_types[i])) return;
    warn(c, m->place, "no claim has this valueType: there are String, Integer and Boolean");
}

/* Whether a rule before this one adds claims of that type, or of one that is not known here. */
static bool added_before(const struct cella_policy *policy, const struct cella_policy_rule *rule,
                         struct cella_bytes type) {
    for (const struct cella_policy_rule *r = policy->rule; r < rule; r++) {
        if (!r->type) continue;
        const struct cella_policy_value *made = &r->type->literal;
        if (r->type->kind != EXPRESSION_LITERAL) return true;
        if (made->text.size == type.size && cella_equal(made->text.data, type.data, type.size))
            return true;
    }
    return false;
}

static void check_type(struct checking *c, const struct cella_policy_rule *rule,
                       const struct cella_policy_match *m) {
    if (m->property != PROPERTY_TYPE || !is_literal(m)) return;
    struct cella_bytes type = m->expression->literal.text;
    if (cella_azure_claim_known(type) || added_before(c->policy, rule, type)) return;
    warn(c, m->place, "no TEE has a claim \"%.*s\", and no earlier rule adds one",
         (int)(type.size < 80 ? type.size : 80), (const char *)type.data);
}

static void check_issued(struct checking *c, const struct cella_policy_rule *rule) {
    if (rule->action != ACTION_ISSUE || !rule->type || rule->type->kind != EXPRESSION_LITERAL)
        return;
    const struct cella_policy_value *type = &rule->type->literal;
    bool reserved = type->text.size >= 5 && cella_equal(type->text.data, "x-ms-", 5);
    static const char *const name[] = {"iss", "exp", "nbf", "iat", "jti"};
    for (size_t i = 0; i < sizeof(name) / sizeof(name[0]); i++)
        reserved = reserved || text_is(type, name[i]);
    if (reserved)
        warn(c, rule->action_place,
             "this claim is added but never issued: only the service itself says claims of this "
             "name");
}

/* --- Rules --- */

static bool can_fire(struct checking *c, const struct cella_policy_rule *rule) {
    bool can = true;
    for (uint32_t i = 0; i < rule->count; i++) {
        const struct cella_policy_condition *condition = &rule->condition[i];
        for (uint32_t k = 0; k < condition->count; k++) {
            check_issuer(c, &condition->match[k]);
            check_value_type(c, &condition->match[k]);
            if (!condition->negated) check_type(c, rule, &condition->match[k]);
        }
        if (!never_holds(condition)) continue;
        warn(c, condition->place,
             condition->negated ? "no claim meets this, so the condition always holds"
                                : "no claim meets this, so the rule never fires");
        can = can && condition->negated;
    }
    return can;
}

size_t cella_policy_check(const struct cella_policy *policy, struct cella_policy_warning *warning,
                          size_t max, bool *never_permits) {
    struct checking c = {.policy = policy, .warning = warning, .max = max};
    const struct cella_policy_rule *always_denies = NULL;
    bool permits = false;
    for (uint32_t i = 0; i < policy->count; i++) {
        const struct cella_policy_rule *rule = &policy->rule[i];
        bool can = can_fire(&c, rule);
        check_issued(&c, rule);
        permits = permits || (can && rule->action == ACTION_PERMIT);
        if (!always_denies && rule->count == 0 && rule->action == ACTION_DENY) always_denies = rule;
    }
    if (!permits)
        warn(&c, (struct cella_policy_place){1, 1}, "no rule can permit: everything is denied");
    if (always_denies) warn(&c, always_denies->place, "this rule always denies");
    *never_permits = !permits || always_denies;
    return c.count;
}
