/* One evaluation of a policy, between its parts: rules and conditions, expressions, trace. */
#ifndef CELLA_POLICY_EVALUATE_H
#define CELLA_POLICY_EVALUATE_H

#include "policy/syntax.h"

struct cella_policy_values {
    struct cella_policy_value *item;
    uint32_t count, capacity;
};

/* Claims by address; those of the input are the caller's, others are of the arena. */
struct cella_policy_list {
    const struct cella_policy_claim **item;
    uint32_t count, capacity;
};

struct cella_policy_parsed; /* JSON that was read before */

struct cella_policy_evaluation {
    const struct cella_policy *policy;
    struct cella_arena arena;
    uint64_t steps;
    bool failed; /* error says why; everything ends */
    struct cella_policy_fault error;
    const struct cella_policy_rule *rule;
    struct cella_policy_list incoming, issued, property;
    struct cella_policy_list bound[CELLA_POLICY_CONDITIONS_MAX]; /* by the conditions of the rule */
    struct cella_policy_parsed *parsed;
    bool tracing;
    struct cella_policy_rule_trace *trace;
    uint32_t trace_count;
};

/* Counts n steps; false, and failed, above the limit. */
bool cella_policy_step(struct cella_policy_evaluation *e, uint64_t n);
/* The first error, at a place of the policy. False, for `return cella_policy_fail(...)`. */
bool cella_policy_fail(struct cella_policy_evaluation *e, struct cella_policy_place place,
                       const char *expected, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
bool cella_policy_no_memory(struct cella_policy_evaluation *e, struct cella_policy_place place);

/* The set of values of an expression; of a property it is what its condition bound. */
bool cella_policy_values_of(struct cella_policy_evaluation *e,
                            const struct cella_policy_expression *expression,
                            struct cella_policy_values *out);
struct cella_policy_value cella_policy_property_of(const struct cella_policy_claim *claim,
                                                   enum cella_policy_property property);
/* Typed: values of two types are neither equal nor unequal, and only integers have an order (A38).
 */
bool cella_policy_compare(const struct cella_policy_value *a, enum cella_policy_operator op,
                          const struct cella_policy_value *b);

/* Whether a claim meets one comparison. values: of its expression, when that is no literal. */
bool cella_policy_meets(const struct cella_policy_claim *claim,
                        const struct cella_policy_match *match,
                        const struct cella_policy_values *values);

/* Writes what a condition found. matched: the claims, of which the first is shown. values: per
 * comparison, NULL where none were needed. */
void cella_policy_trace_condition(struct cella_policy_evaluation *e,
                                  const struct cella_policy_condition *condition,
                                  const struct cella_policy_list *matched,
                                  struct cella_policy_values *const *values,
                                  struct cella_policy_condition_trace *out);
/* "2", "\"text\"", "true": cut to size, without control characters. */
void cella_policy_show_value(const struct cella_policy_value *value, char *text, size_t size);
void cella_policy_show_claim(const struct cella_policy_claim *claim, char *text, size_t size);

#endif
