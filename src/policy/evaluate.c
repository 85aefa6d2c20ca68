#include "policy/evaluate.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

typedef struct cella_policy_evaluation evaluation;
typedef const struct cella_policy_claim claim_;

/* --- Errors --- */

bool cella_policy_fail(evaluation *e, struct cella_policy_place place, const char *expected,
                       const char *format, ...) {
    va_list list;
    if (e->failed) return false;
    e->failed = true;
    e->error.line = place.line;
    e->error.column = place.column;
    snprintf(e->error.path, sizeof(e->error.path), "policy > %s",
             e->rule ? cella_policy_section_name(e->rule->section) : "evaluation");
    snprintf(e->error.expected, sizeof(e->error.expected), "%s", expected);
    va_start(list, format);
    vsnprintf(e->error.found, sizeof(e->error.found), format, list);
    va_end(list);
    return false;
}

bool cella_policy_no_memory(evaluation *e, struct cella_policy_place place) {
    return cella_policy_fail(e, place, "an evaluation within its memory of 64 MiB",
                             "that it needs more");
}

bool cella_policy_step(evaluation *e, uint64_t n) {
    static const struct cella_policy_place start = {1, 1};
    e->steps += n;
    if (e->steps <= CELLA_POLICY_STEPS_MAX) return !e->failed;
    return cella_policy_fail(e, e->rule ? e->rule->place : start,
                             "an evaluation of at most 2000000 steps", "more");
}

static bool push(evaluation *e, struct cella_policy_list *list, claim_ *claim) {
    claim_ **slot = cella_arena_push(&e->arena, (void **)&list->item, &list->count, &list->capacity,
                                     sizeof(*slot));
    if (!slot)
        return cella_policy_no_memory(e,
                                      e->rule ? e->rule->place : (struct cella_policy_place){1, 1});
    *slot = claim;
    return true;
}

/* --- Comparison --- */

static bool equal(const struct cella_policy_value *a, const struct cella_policy_value *b) {
    if (a->type != CELLA_POLICY_STRING) return a->integer == b->integer;
    return a->text.size == b->text.size && cella_equal(a->text.data, b->text.data, a->text.size);
}

bool cella_policy_compare(const struct cella_policy_value *a, enum cella_policy_operator op,
                          const struct cella_policy_value *b) {
    if (a->type != b->type) return false; /* "1" is not 1, and not unequal to it either (A38) */
    if (op <= OPERATOR_NE) return equal(a, b) == (op == OPERATOR_EQ);
    if (a->type != CELLA_POLICY_INTEGER) return false;
    switch (op) {
    case OPERATOR_LT: return a->integer < b->integer;
    case OPERATOR_LE: return a->integer <= b->integer;
    case OPERATOR_GT: return a->integer > b->integer;
    default: return a->integer >= b->integer;
    }
}

/* Most of all work is here: no value is copied for what most rules do, asking for a type. */
static bool meets_literal(claim_ *claim, const struct cella_policy_match *m,
                          const struct cella_policy_value *literal) {
    struct cella_policy_value word;
    if (m->property == PROPERTY_VALUE) return cella_policy_compare(&claim->value, m->op, literal);
    if (m->property == PROPERTY_TYPE) {
        size_t size = literal->text.size;
        bool same =
            claim->type.size == size && cella_equal(claim->type.data, literal->text.data, size);
        return same == (m->op == OPERATOR_EQ);
    }
    word = cella_policy_property_of(claim, m->property);
    return cella_policy_compare(&word, m->op, literal);
}

bool cella_policy_meets(claim_ *claim, const struct cella_policy_match *m,
                        const struct cella_policy_values *values) {
    if (!values) return meets_literal(claim, m, &m->expression->literal);
    for (uint32_t i = 0; i < values->count; i++) { /* any of them; of none, false (A38) */
        struct cella_policy_value value = cella_policy_property_of(claim, m->property);
        if (cella_policy_compare(&value, m->op, &values->item[i])) return true;
    }
    return false;
}

/* --- Conditions --- */

/* The values of each comparison's expression, found when a claim first gets that far. */
struct needed {
    struct cella_policy_values space[CELLA_POLICY_MATCHES_MAX], *of[CELLA_POLICY_MATCHES_MAX];
};

static bool need(evaluation *e, const struct cella_policy_match *m, struct needed *needed,
                 uint32_t i) {
    if (m->expression->kind == EXPRESSION_LITERAL || needed->of[i]) return true;
    needed->space[i] = (struct cella_policy_values){0};
    if (!cella_policy_values_of(e, m->expression, &needed->space[i])) return false;
    needed->of[i] = &needed->space[i];
    return true;
}

static bool claim_meets(evaluation *e, const struct cella_policy_condition *c, claim_ *claim,
                        struct needed *needed) {
    for (uint32_t i = 0; i < c->count; i++) {
        if (!need(e, &c->match[i], needed, i) ||
            !cella_policy_meets(claim, &c->match[i], needed->of[i]))
            return false;
        if (needed->of[i] && !cella_policy_step(e, needed->of[i]->count)) return false;
    }
    return true;
}

/* Nearly every condition asks for a type first: claims of another are passed over without more. */
static const struct cella_bytes *first_type(const struct cella_policy_condition *c) {
    bool asked = c->count && c->match[0].property == PROPERTY_TYPE &&
                 c->match[0].op == OPERATOR_EQ &&
                 c->match[0].expression->kind == EXPRESSION_LITERAL;
    return asked ? &c->match[0].expression->literal.text : NULL;
}

/* Names begin alike and end apart, so the last byte tells most. */
static inline bool differs(const struct cella_bytes *a, const struct cella_bytes *b) {
    return a->size != b->size || a->size == 0 || a->data[a->size - 1] != b->data[b->size - 1];
}

/* True when it holds; false also when the evaluation failed. */
static bool condition_holds(evaluation *e, const struct cella_policy_condition *c,
                            struct cella_policy_list *bound,
                            struct cella_policy_condition_trace *trace) {
    struct needed needed;
    const struct cella_bytes *type = first_type(c);
    bool all = c->name.size || trace; /* else the first that matches decides */
    cella_zero(needed.of, sizeof(needed.of));
    *bound = (struct cella_policy_list){0};
    if (!cella_policy_step(e, e->incoming.count)) return false;
    for (uint32_t i = 0; i < e->incoming.count && (all || bound->count == 0); i++) {
        claim_ *claim = e->incoming.item[i];
        if (type && differs(&claim->type, type)) continue;
        if (claim_meets(e, c, claim, &needed) && !push(e, bound, claim)) return false;
    }
    if (e->failed) return false;
    bool held = (bound->count > 0) != c->negated;
    if (!trace) return held;
    trace->held = held;
    cella_policy_trace_condition(e, c, bound, needed.of, trace);
    return held;
}

static bool conditions_hold(evaluation *e, struct cella_policy_condition_trace *trace) {
    for (uint32_t i = 0; i < e->rule->count; i++) {
        if (trace) trace[i].reached = true;
        if (!condition_holds(e, &e->rule->condition[i], &e->bound[i], trace ? &trace[i] : NULL))
            return false;
    }
    return !e->failed;
}

/* --- Actions --- */

static bool starts(struct cella_bytes text, const char *with) {
    size_t size = strlen(with);
    return text.size >= size && cella_equal(text.data, with, size);
}

/* What the service alone says in a token: a policy that issued it could lie about the evidence. */
static bool reserved(struct cella_bytes type) {
    static const char *const name[] = {"iss", "exp", "nbf", "iat", "jti"};
    for (size_t i = 0; i < sizeof(name) / sizeof(name[0]); i++)
        if (type.size == 3 && cella_equal(type.data, name[i], 3)) return true;
    return starts(type, "x-ms-");
}

/* One more claim by this rule's action. */
static bool make(evaluation *e, struct cella_bytes type, const struct cella_policy_value *value,
                 struct cella_policy_rule_trace *trace) {
    const struct cella_policy_rule *rule = e->rule;
    if (rule->action == ACTION_ISSUE && value->read_only)
        return cella_policy_fail(e, rule->action_place, "a claim that may be issued",
                                 "one that is read-only");
    if (e->incoming.count >= CELLA_POLICY_CLAIMS_MAX)
        return cella_policy_fail(e, rule->action_place, "at most 4096 claims", "more");
    struct cella_policy_claim *claim =
        cella_policy_step(e, 1) ? cella_arena_take(&e->arena, sizeof(*claim)) : NULL;
    if (!claim) return cella_policy_no_memory(e, rule->action_place);
    *claim = (struct cella_policy_claim){type, *value, CELLA_POLICY_POLICY};
    if (trace) trace->made++;
    if (!push(e, &e->incoming, claim)) return false;
    if (rule->action == ACTION_PROPERTY) return push(e, &e->property, claim);
    if (rule->action != ACTION_ISSUE) return true;
    if (!reserved(type)) return push(e, &e->issued, claim);
    if (trace) trace->note = "added, not issued: only the service itself says claims of this name";
    return true;
}

static bool copy_claims(evaluation *e, struct cella_policy_rule_trace *trace) {
    const struct cella_policy_list *bound = &e->bound[e->rule->claim];
    for (uint32_t i = 0; i < bound->count; i++)
        if (!make(e, bound->item[i]->type, &bound->item[i]->value, trace)) return false;
    return true;
}

static bool make_claims(evaluation *e, struct cella_policy_rule_trace *trace) {
    const struct cella_policy_rule *rule = e->rule;
    struct cella_policy_values type = {0}, value = {0};
    if (!cella_policy_values_of(e, rule->type, &type) ||
        !cella_policy_values_of(e, rule->value, &value))
        return false;
    for (uint32_t i = 0; i < type.count; i++)
        if (type.item[i].type != CELLA_POLICY_STRING ||
            !cella_policy_compare(&type.item[0], OPERATOR_EQ, &type.item[i]))
            return cella_policy_fail(e, rule->type->place, "one string as type of a claim",
                                     "another or several");
    if (value.count == 0 && trace) trace->note = "no value, so no claim";
    if (value.count == 0) return true;
    if (type.count == 0 || type.item[0].text.size == 0)
        return cella_policy_fail(e, rule->type->place, "one string as type of a claim", "none");
    for (uint32_t i = 0; i < value.count; i++)
        if (!make(e, type.item[0].text, &value.item[i], trace)) return false;
    return true;
}

static bool act(evaluation *e, struct cella_policy_outcome *out,
                struct cella_policy_rule_trace *trace) {
    switch (e->rule->action) {
    case ACTION_PERMIT: out->permits++; return true;
    case ACTION_DENY: out->denies++; return true;
    default: return e->rule->claim != NO_CONDITION ? copy_claims(e, trace) : make_claims(e, trace);
    }
}

/* --- Rules --- */

static struct cella_policy_rule_trace *begin_trace(
    evaluation *e, struct cella_policy_condition_trace **conditions) {
    const struct cella_policy_rule *rule = e->rule;
    *conditions = NULL;
    if (!e->tracing) return NULL;
    struct cella_policy_rule_trace *trace = &e->trace[e->trace_count];
    *conditions = cella_arena_array(&e->arena, rule->count, sizeof(**conditions));
    if (!*conditions) return cella_policy_no_memory(e, rule->place), NULL;
    for (uint32_t i = 0; i < rule->count; i++) (*conditions)[i].text = rule->condition[i].text;
    e->trace_count++;
    *trace = (struct cella_policy_rule_trace){
        .section = cella_policy_section_name(rule->section),
        .line = rule->place.line,
        .column = rule->place.column,
        .text = rule->text,
        .action = rule->action_text,
        .condition_count = rule->count,
        .condition = *conditions,
    };
    return trace;
}

static void run_section(evaluation *e, enum cella_policy_section section,
                        struct cella_policy_outcome *out) {
    for (uint32_t i = 0; i < e->policy->count && !e->failed; i++) {
        struct cella_policy_condition_trace *conditions = NULL;
        e->rule = &e->policy->rule[i];
        if (e->rule->section != section) continue;
        struct cella_policy_rule_trace *trace = begin_trace(e, &conditions);
        if (e->failed || !conditions_hold(e, conditions)) continue;
        if (trace) trace->fired = true;
        act(e, out, trace);
    }
}

/* --- Whole evaluations --- */

static claim_ *flat(evaluation *e, const struct cella_policy_list *list) {
    struct cella_policy_claim *out = cella_arena_array(&e->arena, list->count, sizeof(*out));
    for (uint32_t i = 0; out && i < list->count; i++) out[i] = *list->item[i];
    if (!out) cella_policy_no_memory(e, (struct cella_policy_place){1, 1});
    return out;
}

static void decide(const evaluation *e, struct cella_policy_outcome *out) {
    out->verdict = CELLA_POLICY_DENIED;
    if (e->failed)
        out->reason = "the policy could not be evaluated";
    else if (out->denies)
        out->reason = "a rule with deny() fired";
    else if (!out->permits)
        out->reason = "no rule with permit() fired";
    else {
        out->verdict = CELLA_POLICY_PERMITTED;
        out->reason = "a rule with permit() fired, and none with deny()";
    }
}

static void run(evaluation *e, claim_ *claim, size_t count, struct cella_policy_outcome *out) {
    static const struct cella_policy_place start = {1, 1};
    run_section(e, SECTION_CONFIGURATION, out); /* before there are claims */
    if (!e->failed && count > CELLA_POLICY_CLAIMS_MAX)
        cella_policy_fail(e, start, "at most 4096 claims", "%zu", count);
    e->rule = NULL;
    for (size_t i = 0; i < count && !e->failed; i++) push(e, &e->incoming, &claim[i]);
    run_section(e, SECTION_AUTHORIZATION, out);
    decide(e, out);
    if (out->verdict == CELLA_POLICY_PERMITTED) run_section(e, SECTION_ISSUANCE, out);
    out->property = flat(e, &e->property);
    out->issued = flat(e, &e->issued);
    decide(e, out); /* again: issuing may have failed, and then all is denied */
    out->property_count = out->property ? e->property.count : 0;
    out->issued_count = out->verdict == CELLA_POLICY_PERMITTED ? e->issued.count : 0;
}

static struct cella_result begin(const struct cella_policy *policy, bool trace,
                                 struct cella_policy_outcome *out, evaluation **e) {
    cella_zero(out, sizeof(*out));
    *e = malloc(sizeof(**e));
    ENSURE(*e, CELLA_ERR_MEMORY, NULL, "policy: no memory to evaluate");
    cella_zero(*e, sizeof(**e));
    (*e)->policy = policy;
    (*e)->tracing = trace;
    cella_arena_begin(&(*e)->arena, CELLA_POLICY_MEMORY_MAX);
    out->memory = *e;
    if (!trace) return CELLA_SUCCESS;
    (*e)->trace = cella_arena_array(&(*e)->arena, policy->count, sizeof(*(*e)->trace));
    ENSURE((*e)->trace, CELLA_ERR_MEMORY, NULL, "policy: no memory to evaluate");
    return CELLA_SUCCESS;
}

static void end(const evaluation *e, struct cella_policy_outcome *out) {
    out->error = e->error;
    out->steps = e->steps;
    out->trace = e->trace;
    out->trace_count = e->trace_count;
}

CELLA_RESULT cella_policy_evaluate(const struct cella_policy *policy, claim_ *claim, size_t count,
                                   bool trace, struct cella_policy_outcome *out) {
    evaluation *e = NULL;
    TRY(begin(policy, trace, out, &e));
    run(e, claim, count, out);
    end(e, out);
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_policy_configure(const struct cella_policy *policy,
                                    struct cella_policy_outcome *out) {
    evaluation *e = NULL;
    TRY(begin(policy, false, out, &e));
    run_section(e, SECTION_CONFIGURATION, out);
    out->property = flat(e, &e->property);
    out->property_count = e->failed ? 0 : e->property.count;
    out->reason = "configuration alone permits nothing";
    end(e, out);
    return CELLA_SUCCESS;
}

void cella_policy_outcome_free(struct cella_policy_outcome *outcome) {
    evaluation *e = outcome->memory;
    if (e) cella_arena_free(&e->arena);
    free(e);
    cella_zero(outcome, sizeof(*outcome));
}
