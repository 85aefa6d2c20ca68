#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "policy/syntax.h"

/* --- Words --- */

const char *cella_policy_issuer_name(enum cella_policy_issuer issuer) {
    static const char *const name[] = {"CustomClaim", "AttestationService", "AttestationPolicy"};
    return issuer <= CELLA_POLICY_POLICY ? name[issuer] : "";
}
const char *cella_policy_value_type_name(enum cella_policy_value_type type) {
    static const char *const name[] = {"String", "Integer", "Boolean"};
    return type <= CELLA_POLICY_BOOLEAN ? name[type] : "";
}
const char *cella_policy_section_name(enum cella_policy_section section) {
    static const char *const name[] = {"configurationrules", "authorizationrules", "issuancerules"};
    return section < SECTION_COUNT ? name[section] : "";
}
const char *cella_policy_property_name(enum cella_policy_property property) {
    static const char *const name[] = {"type", "value", "valueType", "issuer"};
    return name[property];
}
const char *cella_policy_operator_name(enum cella_policy_operator op) {
    static const char *const name[] = {"==", "!=", "<", "<=", ">", ">="};
    return name[op];
}
const char *cella_policy_function_name(enum cella_policy_function function) {
    static const char *const name[] = {"JmesPath",   "JsonToClaimValue", "AppendString",
                                       "NegateBool", "IsSubsetOf",       "ContainsOnlyValue"};
    return name[function];
}
uint32_t cella_policy_function_arguments(enum cella_policy_function function) {
    return function == FUNCTION_JSON_TO_CLAIM_VALUE || function == FUNCTION_NEGATE_BOOL ? 1 : 2;
}
const char *cella_policy_action_name(enum cella_policy_action action) {
    static const char *const name[] = {"permit", "deny", "add", "issue", "issueproperty"};
    return name[action];
}

/* --- A policy's life --- */

enum { COMPILED_MEMORY_MAX = 32 << 20 };

static struct cella_result compile(struct cella_policy *policy, struct cella_bytes text,
                                   struct cella_policy_fault *fault) {
    ENSURE(text.size <= CELLA_POLICY_TEXT_MAX, CELLA_ERR_LIMIT, NULL,
           "policy: expected at most %d bytes, found %zu", CELLA_POLICY_TEXT_MAX, text.size);
    ENSURE(text.size < 3 || !cella_equal(text.data, "\xef\xbb\xbf", 3), CELLA_ERR_FORMAT,
           "save it as UTF-8 without BOM",
           "policy: line 1, column 1: expected version, found a byte order mark");
    ENSURE(cella_document_utf8(text), CELLA_ERR_FORMAT, "save it as UTF-8",
           "policy: the text is not UTF-8");
    struct cella_bytes own = cella_arena_copy(&policy->arena, text);
    ENSURE(own.data, CELLA_ERR_MEMORY, NULL, "policy: no memory");
    return cella_policy_parse(policy, own, fault);
}

CELLA_RESULT cella_policy_compile(struct cella_bytes text, struct cella_policy **out,
                                  struct cella_policy_fault *fault) {
    struct cella_policy_fault own;
    if (!fault) fault = &own;
    cella_zero(fault, sizeof(*fault));
    *out = NULL;
    struct cella_policy *policy = calloc(1, sizeof(*policy));
    ENSURE(policy, CELLA_ERR_MEMORY, NULL, "policy: no memory");
    cella_arena_begin(&policy->arena, COMPILED_MEMORY_MAX);
    struct cella_result r = compile(policy, text, fault);
    if (cella_failed(r)) cella_policy_free(&policy);
    *out = policy;
    return r;
}

void cella_policy_free(struct cella_policy **policy) {
    if (!*policy) return;
    cella_arena_free(&(*policy)->arena);
    free(*policy);
    *policy = NULL;
}

uint32_t cella_policy_version(const struct cella_policy *policy) { return policy->version; }
uint32_t cella_policy_rule_count(const struct cella_policy *policy) { return policy->count; }
