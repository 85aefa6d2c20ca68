#include <stdio.h>
#include <string.h>

#include "policy/evaluate.h"

typedef struct cella_policy_evaluation evaluation;
typedef const struct cella_policy_claim claim_;

enum { SHOWN_MAX = 100 /* bytes of a text */ };

/* Nothing that moves the cursor of a terminal. */
static void show_text(struct cella_bytes bytes, char *text, size_t size) {
    size_t shown = bytes.size < SHOWN_MAX ? bytes.size : SHOWN_MAX - 3, at = 0;
    for (; at < shown && at + 6 < size; at++)
        text[at] = bytes.data[at] < 0x20 || bytes.data[at] == 0x7f ? '?' : (char)bytes.data[at];
    while (at > 0 && at < bytes.size && (bytes.data[at] & 0xc0) == 0x80)
        at--; /* whole characters */
    snprintf(text + at, size - at, "%s", at < bytes.size ? "..." : "");
}

void cella_policy_show_value(const struct cella_policy_value *value, char *text, size_t size) {
    char inner[SHOWN_MAX + 8];
    switch (value->type) {
    case CELLA_POLICY_INTEGER: snprintf(text, size, "%lld", (long long)value->integer); return;
    case CELLA_POLICY_BOOLEAN:
        snprintf(text, size, "%s", value->integer ? "true" : "false");
        return;
    case CELLA_POLICY_STRING: break;
    }
    show_text(value->text, inner, sizeof(inner));
    snprintf(text, size, "\"%s\"", inner);
}

void cella_policy_show_claim(claim_ *claim, char *text, size_t size) {
    char value[SHOWN_MAX + 16], type[SHOWN_MAX + 8];
    show_text(claim->type, type, sizeof(type));
    cella_policy_show_value(&claim->value, value, sizeof(value));
    snprintf(text, size, "%s = %s (%s, %s)", type, value,
             cella_policy_value_type_name(claim->value.type),
             cella_policy_issuer_name(claim->issuer));
}

static void show_wanted(const struct cella_policy_match *m,
                        const struct cella_policy_values *values, char *text, size_t size) {
    char value[SHOWN_MAX + 16] = "what its expression gives";
    bool literal = m->expression->kind == EXPRESSION_LITERAL;
    if (literal)
        cella_policy_show_value(&m->expression->literal, value, sizeof(value));
    else if (values && values->count == 0)
        snprintf(value, sizeof(value), "a value of an empty set");
    else if (values)
        cella_policy_show_value(&values->item[0], value, sizeof(value));
    snprintf(text, size, "%s %s %s", cella_policy_property_name(m->property),
             cella_policy_operator_name(m->op), value);
    size_t at = strlen(text);
    if (values && values->count > 1)
        snprintf(text + at, size - at, " or one of %u more", values->count - 1);
}

/* Which comparison a claim meets; one whose expression was never needed counts as not met. */
static bool met(claim_ *claim, const struct cella_policy_match *m,
                const struct cella_policy_values *values) {
    return (m->expression->kind == EXPRESSION_LITERAL || values) &&
           cella_policy_meets(claim, m, values);
}

/* How near a claim comes: how many comparisons it meets, and before that whether it has the type
 * that is asked for. */
static uint32_t nearness(claim_ *claim, const struct cella_policy_condition *c,
                         struct cella_policy_values *const *values) {
    uint32_t near = 0;
    for (uint32_t i = 0; i < c->count; i++)
        if (met(claim, &c->match[i], values[i]))
            near += c->match[i].property == PROPERTY_TYPE ? 1 + CELLA_POLICY_MATCHES_MAX : 1;
    return near;
}

static const struct cella_policy_match *asked_type(const struct cella_policy_condition *c) {
    for (uint32_t i = 0; i < c->count; i++)
        if (c->match[i].property == PROPERTY_TYPE && c->match[i].op == OPERATOR_EQ)
            return &c->match[i];
    return NULL;
}

/* The claim that came nearest, and what it did not meet. */
static void explain_miss(const evaluation *e, const struct cella_policy_condition *c,
                         struct cella_policy_values *const *values,
                         struct cella_policy_condition_trace *out) {
    const struct cella_policy_match *type = asked_type(c);
    claim_ *nearest = NULL;
    uint32_t best = 0;
    for (uint32_t i = 0; i < e->incoming.count; i++) {
        uint32_t near = nearness(e->incoming.item[i], c, values);
        if (nearest && near <= best) continue;
        nearest = e->incoming.item[i];
        best = near;
    }
    bool typed = nearest && type && met(nearest, type, values[type - c->match]);
    if (!nearest || (type && !typed)) {
        if (type) show_wanted(type, values[type - c->match], out->expected, sizeof(out->expected));
        snprintf(out->found, sizeof(out->found), nearest ? "no such claim" : "no claims at all");
        return;
    }
    for (uint32_t i = 0; i < c->count && !out->expected[0]; i++)
        if (!met(nearest, &c->match[i], values[i]))
            show_wanted(&c->match[i], values[i], out->expected, sizeof(out->expected));
    cella_policy_show_claim(nearest, out->found, sizeof(out->found));
}

void cella_policy_trace_condition(evaluation *e, const struct cella_policy_condition *condition,
                                  const struct cella_policy_list *matched,
                                  struct cella_policy_values *const *values,
                                  struct cella_policy_condition_trace *out) {
    out->matched = matched->count;
    if (matched->count) {
        if (condition->negated) snprintf(out->expected, sizeof(out->expected), "no such claim");
        cella_policy_show_claim(matched->item[0], out->found, sizeof(out->found));
    } else if (condition->negated) {
        snprintf(out->found, sizeof(out->found), "no such claim");
    } else {
        explain_miss(e, condition, values, out);
    }
}
