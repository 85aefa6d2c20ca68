#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "policy/lexer.h"

/* Recursive descent; after the first mistake every function gives false, up to cella_policy_parse.
 */
struct parsing {
    struct cella_policy *policy;
    struct cella_policy_lexer lexer;
    struct cella_policy_fault fault; /* line 0: none */
    enum cella_code code;
    const char *hint;
    enum cella_policy_section section;
    uint32_t rules; /* in this section */
    struct cella_policy_rule *rule;
    uint32_t nesting;
};

typedef struct cella_policy_expression expression_;

/* --- Mistakes --- */

static void say_path(const struct parsing *p, char path[64]) {
    size_t size = 64;
    if (!p->rule && p->section == SECTION_COUNT) {
        snprintf(path, size, "policy");
        return;
    }
    int n = snprintf(path, size, "policy > %s", cella_policy_section_name(p->section));
    if (!p->rule || n < 0) return;
    n += snprintf(path + n, size - (size_t)n, " > rule %u", p->rules);
    if (p->rule->count && p->rule->action == ACTION_COUNT && n < (int)size)
        snprintf(path + n, size - (size_t)n, " > condition %u", p->rule->count);
}

static bool mistake(struct parsing *p, enum cella_code code, const char *hint, const char *format,
                    va_list list) __attribute__((format(printf, 4, 0)));
static bool mistake(struct parsing *p, enum cella_code code, const char *hint, const char *format,
                    va_list list) {
    if (p->fault.line) return false;
    p->code = code;
    p->hint = hint;
    p->fault.line = p->lexer.place.line;
    p->fault.column = p->lexer.place.column;
    vsnprintf(p->fault.expected, sizeof(p->fault.expected), format, list);
    cella_policy_lexer_found(&p->lexer, p->fault.found, sizeof(p->fault.found));
    say_path(p, p->fault.path);
    return false;
}

/* At the token: what would be right there. False, for `return expected(...)`. */
static bool expected(struct parsing *p, const char *hint, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static bool expected(struct parsing *p, const char *hint, const char *format, ...) {
    va_list list;
    va_start(list, format);
    mistake(p, CELLA_ERR_FORMAT, hint, format, list);
    va_end(list);
    return false;
}

static bool too_many(struct parsing *p, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static bool too_many(struct parsing *p, const char *format, ...) {
    va_list list;
    va_start(list, format);
    mistake(p, CELLA_ERR_LIMIT, NULL, format, list);
    va_end(list);
    return false;
}

/* --- Tokens --- */

static enum cella_policy_token token(const struct parsing *p) { return p->lexer.token; }
static void next(struct parsing *p) { cella_policy_lexer_next(&p->lexer); }

static bool take(struct parsing *p, enum cella_policy_token wanted) {
    if (token(p) != wanted) return false;
    next(p);
    return true;
}

static bool want(struct parsing *p, enum cella_policy_token wanted, const char *what) {
    return take(p, wanted) || expected(p, NULL, "%s", what);
}

static struct cella_bytes written(const struct parsing *p, size_t from, size_t end) {
    return cella_bytes(p->lexer.all.data + from, end - from);
}

static bool same(struct cella_bytes a, struct cella_bytes b) {
    return a.size == b.size && cella_equal(a.data, b.data, a.size);
}

/* --- Expressions --- */

static bool property(struct parsing *p, enum cella_policy_property *out) {
    for (int i = PROPERTY_TYPE; i <= PROPERTY_ISSUER; i++) {
        if (!cella_policy_lexer_is(&p->lexer, cella_policy_property_name(i))) continue;
        *out = (enum cella_policy_property)i;
        next(p);
        return true;
    }
    return expected(p, NULL, "type, value, valueType or issuer");
}

/* The condition before this point that has the name. */
static uint32_t bound(const struct parsing *p, struct cella_bytes name, uint32_t conditions) {
    for (uint32_t i = 0; i < conditions; i++)
        if (p->rule->condition[i].name.size && same(p->rule->condition[i].name, name)) return i;
    return NO_CONDITION;
}

/* A reference sees the conditions before the one it stands in, the action sees all. */
static uint32_t visible(const struct parsing *p) {
    return p->rule->action == ACTION_COUNT ? p->rule->count - 1 : p->rule->count;
}

static bool expression(struct parsing *p, const expression_ **out);

static bool is_query(struct parsing *p, expression_ *e) {
    const expression_ *query = e->argument[1];
    const char *failed = NULL;
    size_t at = 0;
    if (e->function != FUNCTION_JMES_PATH || query->kind != EXPRESSION_LITERAL) return true;
    if (query->literal.type == CELLA_POLICY_STRING)
        e->query = cella_query_compile(&p->policy->arena, query->literal.text, &failed, &at);
    if (e->query) return true;
    p->lexer.place = query->place;
    expected(p, "the queries are those of jmespath.org", "a JMESPath query; at its byte %zu: %s",
             at, failed ? failed : "it must be a string");
    snprintf(p->fault.found, sizeof(p->fault.found), "%s",
             failed ? "another string" : "another value");
    return false;
}

static bool arguments(struct parsing *p, expression_ *e) {
    uint32_t wanted = cella_policy_function_arguments(e->function);
    const char *name = cella_policy_function_name(e->function);
    for (uint32_t i = 0; i < wanted; i++) {
        if (i && !take(p, TOKEN_COMMA))
            return expected(p, NULL, "a comma and %u arguments of %s", wanted, name);
        if (!expression(p, &e->argument[i])) return false;
    }
    return take(p, TOKEN_CLOSE) ||
           expected(p, NULL, ") after %u argument%s of %s", wanted, wanted == 1 ? "" : "s", name);
}

/* At the ( after the name. */
static bool call(struct parsing *p, const struct cella_policy_lexer *at_name, expression_ *e) {
    e->kind = EXPRESSION_CALL;
    for (e->function = 0; e->function < FUNCTION_COUNT; e->function++) {
        const char *word = cella_policy_function_name(e->function);
        if (cella_policy_lexer_is(at_name, word)) break;
    }
    bool known = e->function < FUNCTION_COUNT && p->policy->version >= 12;
    if (!known) p->lexer = *at_name;
    if (e->function == FUNCTION_COUNT)
        return expected(p, NULL,
                        "one of the functions JmesPath, JsonToClaimValue, AppendString, "
                        "NegateBool, IsSubsetOf, "
                        "ContainsOnlyValue");
    if (!known)
        return expected(p, "write version=1.2;", "no function: version 1.%u has none",
                        p->policy->version - 10);
    if (p->nesting++ == CELLA_POLICY_NESTING_MAX)
        return too_many(p, "at most %d functions within each other", CELLA_POLICY_NESTING_MAX);
    next(p);
    bool good = arguments(p, e) && is_query(p, e);
    p->nesting--;
    return good;
}

static bool reference(struct parsing *p, const struct cella_policy_lexer *at_name, expression_ *e) {
    e->kind = EXPRESSION_PROPERTY;
    e->condition = bound(p, at_name->text, visible(p));
    if (e->condition == NO_CONDITION) {
        p->lexer = *at_name;
        return expected(p, "name a condition: c:[type==\"...\"]",
                        "a name that an earlier condition of this rule binds");
    }
    next(p);
    return property(p, &e->property);
}

static bool named(struct parsing *p, expression_ *e) {
    const struct cella_policy_lexer at_name = p->lexer;
    bool yes = cella_policy_lexer_is(&p->lexer, "true");
    if (yes || cella_policy_lexer_is(&p->lexer, "false")) {
        e->literal = (struct cella_policy_value){.type = CELLA_POLICY_BOOLEAN, .integer = yes};
        next(p);
        return true;
    }
    next(p);
    if (token(p) == TOKEN_OPEN) return call(p, &at_name, e);
    if (token(p) == TOKEN_DOT) return reference(p, &at_name, e);
    p->lexer = at_name;
    return expected(p, "strings stand in double quotes",
                    "a string, an integer, true, false, name.property or a function");
}

static bool expression(struct parsing *p, const expression_ **out) {
    expression_ *e = cella_arena_take(&p->policy->arena, sizeof(*e));
    if (!e) return too_many(p, "less than needs more memory than there is");
    e->place = p->lexer.place;
    *out = e;
    if (token(p) == TOKEN_NAME) return named(p, e);
    if (token(p) == TOKEN_STRING)
        e->literal =
            (struct cella_policy_value){.type = CELLA_POLICY_STRING, .text = p->lexer.text};
    else if (token(p) == TOKEN_INTEGER)
        e->literal =
            (struct cella_policy_value){.type = CELLA_POLICY_INTEGER, .integer = p->lexer.number};
    else
        return expected(p, NULL, "a string, an integer, true, false, name.property or a function");
    next(p);
    return true;
}

/* --- Conditions --- */

/* A literal that could never match is a mistake of the author, and one that a missing claim would
 * hide. */
static bool fits(struct parsing *p, const struct cella_policy_match *m) {
    const expression_ *e = m->expression;
    if (m->op >= OPERATOR_LT && m->property != PROPERTY_VALUE) {
        p->lexer.place = m->place;
        return expected(p, NULL, "== or != with %s: only integers have an order",
                        cella_policy_property_name(m->property));
    }
    if (e->kind != EXPRESSION_LITERAL) return true;
    p->lexer.place = e->place;
    if (m->op >= OPERATOR_LT && e->literal.type != CELLA_POLICY_INTEGER)
        return expected(p, "write integers without quotes", "an integer after %s",
                        cella_policy_operator_name(m->op));
    if (m->property != PROPERTY_VALUE && e->literal.type != CELLA_POLICY_STRING)
        return expected(p, NULL, "a string after %s", cella_policy_property_name(m->property));
    return true;
}

static bool match(struct parsing *p, struct cella_policy_condition *c) {
    struct cella_policy_match *m = cella_arena_push(&p->policy->arena, (void **)&c->match,
                                                    &c->count, &c->capacity, sizeof(*m));
    if (!m) return too_many(p, "less than needs more memory than there is");
    if (c->count > CELLA_POLICY_MATCHES_MAX)
        return too_many(p, "at most %d comparisons in a condition", CELLA_POLICY_MATCHES_MAX);
    m->place = p->lexer.place;
    if (!property(p, &m->property)) return false;
    if (token(p) == TOKEN_ASSIGN) return expected(p, "compare with ==", "==, !=, <, <=, > or >=");
    if (token(p) < TOKEN_EQ || token(p) > TOKEN_GE)
        return expected(p, NULL, "==, !=, <, <=, > or >=");
    m->op = (enum cella_policy_operator)(token(p) - TOKEN_EQ);
    next(p);
    struct cella_policy_lexer at_expression = p->lexer;
    if (!expression(p, &m->expression)) return false;
    struct cella_policy_lexer after = p->lexer;
    p->lexer = at_expression; /* so that a mistake shows the literal */
    bool good = fits(p, m);
    p->lexer = after;
    return good;
}

static bool matches(struct parsing *p, struct cella_policy_condition *c) {
    if (!want(p, TOKEN_BRACKET, "[")) return false;
    if (take(p, TOKEN_BRACKET_END)) return true;
    do
        if (!match(p, c)) return false;
    while (take(p, TOKEN_COMMA));
    return want(p, TOKEN_BRACKET_END, "a comma or ]");
}

static bool binding(struct parsing *p, struct cella_policy_condition *c) {
    if (bound(p, p->lexer.text, p->rule->count - 1) != NO_CONDITION)
        return expected(p, NULL, "another name: an earlier condition of this rule has this one");
    struct cella_bytes name = p->lexer.text;
    next(p);
    if (!want(p, TOKEN_COLON, ": and [ after the name")) return false;
    c->name = name;
    return true;
}

static bool condition(struct parsing *p) {
    struct cella_policy_rule *rule = p->rule;
    struct cella_policy_condition *c = cella_arena_push(
        &p->policy->arena, (void **)&rule->condition, &rule->count, &rule->capacity, sizeof(*c));
    if (!c) return too_many(p, "less than needs more memory than there is");
    if (rule->count > CELLA_POLICY_CONDITIONS_MAX)
        return too_many(p, "at most %d conditions in a rule", CELLA_POLICY_CONDITIONS_MAX);
    size_t from = p->lexer.from;
    c->place = p->lexer.place;
    if (token(p) == TOKEN_NOT) {
        if (p->policy->version < 12)
            return expected(p, "write version=1.2;", "a condition: version 1.%u has no !",
                            p->policy->version - 10);
        c->negated = true;
        next(p);
        if (token(p) == TOKEN_NAME) return expected(p, NULL, "[: what is absent has no name");
    }
    if (token(p) == TOKEN_NAME && !binding(p, c)) return false;
    if (!matches(p, c)) return false;
    c->text = written(p, from, p->lexer.end_before);
    return true;
}

/* --- Actions --- */

static bool allowed(struct parsing *p, enum cella_policy_action action) {
    static const uint8_t in[ACTION_COUNT] = {
        [ACTION_PERMIT] = 1 << SECTION_AUTHORIZATION,
        [ACTION_DENY] = 1 << SECTION_AUTHORIZATION,
        [ACTION_ADD] = 1 << SECTION_AUTHORIZATION | 1 << SECTION_ISSUANCE,
        [ACTION_ISSUE] = 1 << SECTION_ISSUANCE,
        [ACTION_PROPERTY] = 1 << SECTION_CONFIGURATION | 1 << SECTION_ISSUANCE,
    };
    static const char *const here[SECTION_COUNT] = {"issueproperty()", "permit(), deny() or add()",
                                                    "add(), issue() or issueproperty()"};
    if (action < ACTION_COUNT && in[action] >> p->section & 1) return true;
    return expected(p, NULL, "%s in %s", here[p->section], cella_policy_section_name(p->section));
}

static bool claim_argument(struct parsing *p) {
    struct cella_policy_rule *rule = p->rule;
    if (token(p) != TOKEN_NAME)
        return expected(p, NULL, "a name that a condition of this rule binds");
    rule->claim = bound(p, p->lexer.text, rule->count);
    if (rule->claim == NO_CONDITION)
        return expected(p, "name a condition: c:[type==\"...\"]",
                        "a name that a condition of this rule binds");
    next(p);
    return true;
}

static bool argument(struct parsing *p) {
    struct cella_policy_rule *rule = p->rule;
    bool claim = cella_policy_lexer_is(&p->lexer, "claim"),
         type = cella_policy_lexer_is(&p->lexer, "type");
    if (!claim && !type && !cella_policy_lexer_is(&p->lexer, "value"))
        return expected(p, NULL, "type=, value= or claim=");
    if (claim ? rule->claim != NO_CONDITION || rule->type || rule->value
              : rule->claim != NO_CONDITION || (type ? rule->type : rule->value))
        return expected(p, NULL, "type= and value=, once each, or claim= alone");
    next(p);
    if (token(p) == TOKEN_EQ) return expected(p, "arguments are given with =", "=");
    if (!want(p, TOKEN_ASSIGN, "=")) return false;
    if (claim) return claim_argument(p);
    if (type && (token(p) == TOKEN_INTEGER || cella_policy_lexer_is(&p->lexer, "true") ||
                 cella_policy_lexer_is(&p->lexer, "false")))
        return expected(p, NULL, "a string: the name of the claim");
    return expression(p, type ? &rule->type : &rule->value);
}

static bool action_arguments(struct parsing *p) {
    struct cella_policy_rule *rule = p->rule;
    const char *name = cella_policy_action_name(rule->action);
    bool bare = rule->action == ACTION_PERMIT || rule->action == ACTION_DENY;
    if (!want(p, TOKEN_OPEN, "(")) return false;
    if (bare) return want(p, TOKEN_CLOSE, "): permit and deny take no arguments");
    do
        if (!argument(p)) return false;
    while (take(p, TOKEN_COMMA));
    if (token(p) == TOKEN_CLOSE && rule->claim == NO_CONDITION && (!rule->type || !rule->value))
        return expected(p, NULL, "both type= and value= in %s(), or claim=", name);
    return want(p, TOKEN_CLOSE, "a comma or )");
}

static bool action(struct parsing *p) {
    struct cella_policy_rule *rule = p->rule;
    size_t from = p->lexer.from;
    rule->action_place = p->lexer.place;
    enum cella_policy_action found = 0;
    while (found < ACTION_COUNT &&
           !cella_policy_lexer_is(&p->lexer, cella_policy_action_name(found)))
        found++;
    if (!allowed(p, found)) return false;
    rule->action = found;
    next(p);
    if (!action_arguments(p)) return false;
    rule->action_text = written(p, from, p->lexer.end_before);
    return true;
}

/* --- Rules and sections --- */

static bool conditions(struct parsing *p) {
    do
        if (!condition(p)) return false;
    while (take(p, TOKEN_AND));
    return true;
}

static bool rule(struct parsing *p) {
    struct cella_policy *policy = p->policy;
    if (policy->count == CELLA_POLICY_RULES_MAX)
        return too_many(p, "at most %d rules", CELLA_POLICY_RULES_MAX);
    p->rule = cella_arena_push(&policy->arena, (void **)&policy->rule, &policy->count,
                               &policy->capacity, sizeof(*p->rule));
    if (!p->rule) return too_many(p, "less than needs more memory than there is");
    p->rules++;
    p->rule->section = p->section;
    p->rule->place = p->lexer.place;
    p->rule->action = ACTION_COUNT;
    p->rule->claim = NO_CONDITION;
    size_t from = p->lexer.from;
    if (token(p) != TOKEN_ARROW && !conditions(p)) return false;
    if (!want(p, TOKEN_ARROW, p->rule->count ? "&& or =>" : "a condition or =>") || !action(p))
        return false;
    p->rule->text = written(p, from, p->lexer.end_before);
    if (!want(p, TOKEN_SEMICOLON, "; after the rule")) return false;
    p->rule = NULL;
    return true;
}

static bool section(struct parsing *p, enum cella_policy_section which) {
    p->section = which;
    p->rules = 0;
    next(p);
    if (!want(p, TOKEN_BRACE, "{")) return false;
    while (!take(p, TOKEN_BRACE_END)) {
        if (token(p) == TOKEN_END) return expected(p, NULL, "a rule or }");
        if (!rule(p)) return false;
    }
    p->section = SECTION_COUNT;
    /* What is lenient: the last semicolon of the text may be missing. */
    return take(p, TOKEN_SEMICOLON) || token(p) == TOKEN_END || expected(p, NULL, "; after }");
}

static bool sections(struct parsing *p) {
    bool authorization = false;
    for (enum cella_policy_section which = 0; which < SECTION_COUNT; which++) {
        if (!cella_policy_lexer_is(&p->lexer, cella_policy_section_name(which))) continue;
        if (which == SECTION_CONFIGURATION && p->policy->version < 11)
            return expected(p, "write version=1.1; or 1.2",
                            "authorizationrules: version 1.0 has no configurationrules");
        if (!section(p, which)) return false;
        authorization = authorization || which == SECTION_AUTHORIZATION;
    }
    if (!authorization) return expected(p, NULL, "authorizationrules { ... };");
    return token(p) == TOKEN_END || expected(p, NULL,
                                             "the end: configurationrules, authorizationrules and "
                                             "issuancerules stand once, in this order");
}

static bool unsupported(struct parsing *p, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static bool unsupported(struct parsing *p, const char *format, ...) {
    va_list list;
    va_start(list, format);
    mistake(p, CELLA_ERR_UNSUPPORTED, NULL, format, list);
    va_end(list);
    return false;
}

static bool version(struct parsing *p) {
    if (!cella_policy_lexer_is(&p->lexer, "version"))
        return expected(p, NULL, "version=1.0; or 1.1 or 1.2");
    next(p);
    if (!want(p, TOKEN_ASSIGN, "=")) return false;
    if (token(p) != TOKEN_INTEGER) return expected(p, NULL, "1.0, 1.1 or 1.2");
    if (p->lexer.number != 1) return unsupported(p, "version 1.0, 1.1 or 1.2");
    next(p);
    if (!want(p, TOKEN_DOT, ". and the minor version")) return false;
    if (token(p) != TOKEN_INTEGER) return expected(p, NULL, "0, 1 or 2 after 1.");
    if (p->lexer.number < 0 || p->lexer.number > 2)
        return unsupported(p, "version 1.0, 1.1 or 1.2");
    p->policy->version = 10 + (uint32_t)p->lexer.number;
    next(p);
    return want(p, TOKEN_SEMICOLON, "; after the version");
}

CELLA_RESULT cella_policy_parse(struct cella_policy *policy, struct cella_bytes text,
                                struct cella_policy_fault *fault) {
    struct parsing p = {.policy = policy, .section = SECTION_COUNT};
    cella_policy_lexer_begin(&p.lexer, &policy->arena, text);
    bool good = version(&p) && sections(&p);
    if (good && !policy->arena.failed) return CELLA_SUCCESS;
    *fault = p.fault;
    ENSURE(!policy->arena.failed, CELLA_ERR_LIMIT, NULL,
           "policy: needs more memory than there may be");
    return CELLA_FAILURE(p.code, p.hint, "policy: line %u, column %u (%s): expected %s, found %s",
                         fault->line, fault->column, fault->path, fault->expected, fault->found);
}
