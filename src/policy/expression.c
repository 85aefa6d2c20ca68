#include <string.h>

#include "base/memory.h"
#include "policy/evaluate.h"

typedef struct cella_policy_evaluation evaluation;
typedef struct cella_policy_values values_;
typedef struct cella_policy_value value_;
typedef const struct cella_policy_expression *expression_;

/* --- Sets --- */

static bool push(evaluation *e, expression_ x, values_ *to, value_ value) {
    if (!cella_policy_step(e, 1)) return false;
    value_ *slot =
        cella_arena_push(&e->arena, (void **)&to->item, &to->count, &to->capacity, sizeof(*slot));
    if (!slot) return cella_policy_no_memory(e, x->place);
    *slot = value;
    return true;
}

static value_ text_value(struct cella_bytes text) {
    return (value_){.type = CELLA_POLICY_STRING, .text = text};
}
static value_ boolean_value(bool yes) {
    return (value_){.type = CELLA_POLICY_BOOLEAN, .integer = yes};
}

value_ cella_policy_property_of(const struct cella_policy_claim *claim,
                                enum cella_policy_property property) {
    value_ out = claim->value;
    switch (property) {
    case PROPERTY_VALUE: return out;
    case PROPERTY_TYPE: out = text_value(claim->type); break;
    case PROPERTY_VALUE_TYPE:
        out = text_value(cella_bytes_text(cella_policy_value_type_name(claim->value.type)));
        break;
    case PROPERTY_ISSUER:
        out = text_value(cella_bytes_text(cella_policy_issuer_name(claim->issuer)));
        break;
    }
    return out;
}

static bool property(evaluation *e, expression_ x, values_ *out) {
    const struct cella_policy_list *bound = &e->bound[x->condition];
    for (uint32_t i = 0; i < bound->count; i++)
        if (!push(e, x, out, cella_policy_property_of(bound->item[i], x->property))) return false;
    return true;
}

/* --- JSON --- */

struct cella_policy_parsed {
    const struct cella_policy_parsed *next;
    struct cella_bytes text;
    const struct cella_document *document;
};

/* Reads the same text once: dozens of rules ask one event log. By address, as values never change.
 */
static const struct cella_document *parse(evaluation *e, expression_ x, struct cella_bytes text,
                                          const char **failed) {
    size_t at = 0;
    *failed = NULL;
    for (const struct cella_policy_parsed *p = e->parsed; p; p = p->next)
        if (p->text.data == text.data && p->text.size == text.size) return p->document;
    if (!cella_policy_step(e, 1 + text.size / 16)) return NULL;
    const struct cella_document *document = cella_document_read(&e->arena, text, failed, &at);
    struct cella_policy_parsed *p = document ? cella_arena_take(&e->arena, sizeof(*p)) : NULL;
    if (!p) {
        if (e->arena.failed) cella_policy_no_memory(e, x->place);
        return NULL;
    }
    *p = (struct cella_policy_parsed){e->parsed, text, document};
    e->parsed = p;
    return document;
}

static bool json_path(evaluation *e, expression_ x, const value_ *json, const value_ *query,
                      values_ *out) {
    const char *failed = NULL;
    size_t at = 0;
    const struct cella_query *q = x->query;
    if (json->type != CELLA_POLICY_STRING || query->type != CELLA_POLICY_STRING)
        return cella_policy_fail(e, x->place, "two strings for JmesPath", "%s and %s",
                                 cella_policy_value_type_name(json->type),
                                 cella_policy_value_type_name(query->type));
    if (!q) q = cella_query_compile(&e->arena, query->text, &failed, &at);
    if (!q)
        return cella_policy_fail(e, x->place, "a JMESPath query", "at its byte %zu: %s", at,
                                 failed);
    const struct cella_document *document = parse(e, x, json->text, &failed);
    if (!document)
        return cella_policy_fail(e, x->place, "JSON for JmesPath", "%s",
                                 failed ? failed : "too much");
    struct cella_query_run run = {.arena = &e->arena, .steps = &e->steps};
    const struct cella_document *found = cella_query_run(q, document, &run);
    if (!found)
        return cella_policy_fail(e, x->place, "a JMESPath query that fits the JSON", "%s",
                                 run.failed);
    value_ value = text_value(cella_document_write(&e->arena, found));
    if (!value.text.data)
        return cella_policy_fail(e, x->place, "a value of at most 1 MiB", "a longer one");
    value.read_only = json->read_only || query->read_only;
    return cella_policy_step(e, value.text.size / 16) && push(e, x, out, value);
}

/* A JSON value as values of the language; null gives none. */
static bool scalar(evaluation *e, expression_ x, const struct cella_document *d, bool read_only,
                   values_ *out) {
    value_ value = {.read_only = read_only};
    switch (d->type) {
    case CELLA_DOCUMENT_NULL: return true;
    case CELLA_DOCUMENT_BOOLEAN:
        value.type = CELLA_POLICY_BOOLEAN;
        value.integer = d->boolean;
        break;
    case CELLA_DOCUMENT_INTEGER:
        value.type = CELLA_POLICY_INTEGER;
        value.integer = d->integer;
        break;
    case CELLA_DOCUMENT_STRING: value.text = d->text; break;
    case CELLA_DOCUMENT_REAL:
        return cella_policy_fail(e, x->place, "an integer, a boolean or a string in JSON",
                                 "a fraction");
    default:
        return cella_policy_fail(
            e, x->place, "an integer, a boolean, a string or a list of them in JSON", "%s",
            d->type == CELLA_DOCUMENT_ARRAY ? "a list in a list" : "an object");
    }
    return push(e, x, out, value);
}

static bool json_value(evaluation *e, expression_ x, const value_ *json, values_ *out) {
    const char *failed = NULL;
    if (json->type != CELLA_POLICY_STRING)
        return cella_policy_fail(e, x->place, "a string for JsonToClaimValue", "%s",
                                 cella_policy_value_type_name(json->type));
    const struct cella_document *d = parse(e, x, json->text, &failed);
    if (e->failed) return false;
    /* As documented, text that is no JSON is the string itself; it never becomes another type by
     * that. */
    if (!d) return push(e, x, out, *json);
    if (d->type != CELLA_DOCUMENT_ARRAY) return scalar(e, x, d, json->read_only, out);
    for (uint32_t i = 0; i < d->count; i++)
        if (!scalar(e, x, d->item[i], json->read_only, out)) return false;
    return true;
}

/* --- Scalars --- */

static bool append(evaluation *e, expression_ x, const value_ *a, const value_ *b, values_ *out) {
    if (a->type != CELLA_POLICY_STRING || b->type != CELLA_POLICY_STRING)
        return cella_policy_fail(e, x->place, "two strings for AppendString", "%s and %s",
                                 cella_policy_value_type_name(a->type),
                                 cella_policy_value_type_name(b->type));
    size_t size = a->text.size + b->text.size; /* each is at most 1 MiB */
    if (size > CELLA_POLICY_VALUE_MAX)
        return cella_policy_fail(e, x->place, "a value of at most 1 MiB", "%zu bytes", size);
    uint8_t *joined = cella_policy_step(e, size / 64) ? cella_arena_take(&e->arena, size) : NULL;
    if (!joined) return cella_policy_no_memory(e, x->place);
    cella_copy(joined, a->text.data, a->text.size);
    cella_copy(joined + a->text.size, b->text.data, b->text.size);
    value_ value = text_value(cella_bytes(joined, size));
    value.read_only = a->read_only || b->read_only;
    return push(e, x, out, value);
}

static bool negate(evaluation *e, expression_ x, const value_ *a, values_ *out) {
    if (a->type != CELLA_POLICY_BOOLEAN)
        return cella_policy_fail(e, x->place, "a boolean for NegateBool", "%s",
                                 cella_policy_value_type_name(a->type));
    value_ value = boolean_value(!a->integer);
    value.read_only = a->read_only;
    return push(e, x, out, value);
}

static bool one(evaluation *e, expression_ x, const value_ *a, const value_ *b, values_ *out) {
    switch (x->function) {
    case FUNCTION_JMES_PATH: return json_path(e, x, a, b, out);
    case FUNCTION_JSON_TO_CLAIM_VALUE: return json_value(e, x, a, out);
    case FUNCTION_APPEND_STRING: return append(e, x, a, b, out);
    default: return negate(e, x, a, out);
    }
}

/* Functions of single values work on each value of a set, and on each pair of two sets. */
static bool each(evaluation *e, expression_ x, const values_ *argument, values_ *out) {
    bool pairs = cella_policy_function_arguments(x->function) == 2;
    for (uint32_t i = 0; i < argument[0].count; i++)
        for (uint32_t k = 0; k < (pairs ? argument[1].count : 1); k++)
            if (!one(e, x, &argument[0].item[i], pairs ? &argument[1].item[k] : NULL, out))
                return false;
    return true;
}

/* --- Whole sets --- */

static bool contains(evaluation *e, const values_ *set, const value_ *value) {
    if (!cella_policy_step(e, set->count)) return false;
    for (uint32_t i = 0; i < set->count; i++)
        if (cella_policy_compare(&set->item[i], OPERATOR_EQ, value)) return true;
    return false;
}

static bool is_subset(evaluation *e, expression_ x, const values_ *argument, values_ *out) {
    bool yes = true;
    for (uint32_t i = 0; i < argument[0].count; i++)
        yes = yes && contains(e, &argument[1], &argument[0].item[i]);
    return !e->failed && push(e, x, out, boolean_value(yes));
}

static bool contains_only(evaluation *e, expression_ x, const values_ *argument, values_ *out) {
    const values_ *set = &argument[0], *of = &argument[1];
    bool yes = set->count > 0; /* all of nothing is false here (A38) */
    bool single = of->count > 0;
    for (uint32_t i = 1; i < of->count; i++)
        single = single && cella_policy_compare(&of->item[0], OPERATOR_EQ, &of->item[i]);
    if (!single)
        return cella_policy_fail(e, x->place, "one value as second argument of ContainsOnlyValue",
                                 "%u values", of->count);
    for (uint32_t i = 0; i < set->count; i++)
        yes = yes && cella_policy_compare(&set->item[i], OPERATOR_EQ, &of->item[0]);
    return cella_policy_step(e, set->count) && push(e, x, out, boolean_value(yes));
}

static bool call(evaluation *e, expression_ x, values_ *out) {
    values_ argument[2] = {0};
    uint32_t count = cella_policy_function_arguments(x->function);
    for (uint32_t i = 0; i < count; i++) /* left to right, before the function */
        if (!cella_policy_values_of(e, x->argument[i], &argument[i])) return false;
    if (x->function == FUNCTION_IS_SUBSET_OF) return is_subset(e, x, argument, out);
    if (x->function == FUNCTION_CONTAINS_ONLY_VALUE) return contains_only(e, x, argument, out);
    return each(e, x, argument, out);
}

bool cella_policy_values_of(evaluation *e, expression_ x, values_ *out) {
    switch (x->kind) {
    case EXPRESSION_LITERAL: return push(e, x, out, x->literal);
    case EXPRESSION_PROPERTY: return property(e, x, out);
    case EXPRESSION_CALL: break;
    }
    return call(e, x, out);
}
