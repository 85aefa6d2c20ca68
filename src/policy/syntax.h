/* The compiled form of a policy: a tree in one arena, never changed once it is made. */
#ifndef CELLA_POLICY_SYNTAX_H
#define CELLA_POLICY_SYNTAX_H

#include <cella/policy.h>

#include "policy/query.h"

struct cella_policy_place {
    uint32_t line, column; /* from 1; columns in bytes */
};

enum cella_policy_section {
    SECTION_CONFIGURATION,
    SECTION_AUTHORIZATION,
    SECTION_ISSUANCE,
    SECTION_COUNT
};
const char *cella_policy_section_name(enum cella_policy_section section);

enum cella_policy_property { PROPERTY_TYPE, PROPERTY_VALUE, PROPERTY_VALUE_TYPE, PROPERTY_ISSUER };
enum cella_policy_operator {
    OPERATOR_EQ,
    OPERATOR_NE,
    OPERATOR_LT,
    OPERATOR_LE,
    OPERATOR_GT,
    OPERATOR_GE
};
const char *cella_policy_property_name(enum cella_policy_property property);
const char *cella_policy_operator_name(enum cella_policy_operator op);

enum cella_policy_function {
    FUNCTION_JMES_PATH,
    FUNCTION_JSON_TO_CLAIM_VALUE,
    FUNCTION_APPEND_STRING,
    FUNCTION_NEGATE_BOOL,
    FUNCTION_IS_SUBSET_OF,
    FUNCTION_CONTAINS_ONLY_VALUE,
    FUNCTION_COUNT
};
const char *cella_policy_function_name(enum cella_policy_function function);
uint32_t cella_policy_function_arguments(enum cella_policy_function function);

enum cella_policy_expression_kind { EXPRESSION_LITERAL, EXPRESSION_PROPERTY, EXPRESSION_CALL };

struct cella_policy_expression {
    enum cella_policy_expression_kind kind;
    struct cella_policy_place place;
    struct cella_policy_value literal;
    uint32_t condition; /* of a property: the condition of the same rule that binds the claims */
    enum cella_policy_property property;
    enum cella_policy_function function;
    const struct cella_policy_expression *argument[2];
    const struct cella_query *query; /* of JmesPath with a literal query */
};

struct cella_policy_match {
    enum cella_policy_property property;
    enum cella_policy_operator op;
    struct cella_policy_place place;
    const struct cella_policy_expression *expression;
};

struct cella_policy_condition {
    bool negated;
    struct cella_policy_place place;
    struct cella_bytes name; /* identifier; empty: none */
    struct cella_bytes text; /* as written */
    struct cella_policy_match *match;
    uint32_t count, capacity;
};

enum cella_policy_action {
    ACTION_PERMIT,
    ACTION_DENY,
    ACTION_ADD,
    ACTION_ISSUE,
    ACTION_PROPERTY,
    ACTION_COUNT
};
const char *cella_policy_action_name(enum cella_policy_action action);

enum { NO_CONDITION = UINT32_MAX };

struct cella_policy_rule {
    enum cella_policy_section section;
    struct cella_policy_place place;
    struct cella_bytes text, action_text; /* as written */
    struct cella_policy_condition *condition;
    uint32_t count, capacity;
    enum cella_policy_action action;
    struct cella_policy_place action_place;
    uint32_t claim; /* of claim=name: the condition that binds it; else NO_CONDITION */
    const struct cella_policy_expression *type, *value;
};

struct cella_policy {
    struct cella_arena arena;
    uint32_t version; /* 10, 11, 12 */
    struct cella_policy_rule *rule;
    uint32_t count, capacity;
};

/* The tree of a text that lies in the policy's arena. */
CELLA_RESULT cella_policy_parse(struct cella_policy *policy, struct cella_bytes text,
                                struct cella_policy_fault *fault);

#endif
