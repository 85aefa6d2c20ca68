#include <string.h>

#include "base/memory.h"
#include "policy/query_tree.h"

/* --- Tokens --- */

enum token {
    END,
    NAME,
    QUOTED,
    RAW,
    LITERAL,
    NUMBER,
    CURRENT,
    DOT,
    STAR,
    COMMA,
    COLON,
    PIPE,
    OR,
    AND,
    NOT,
    EXPREF,
    EQ,
    NE,
    LT,
    LE,
    GT,
    GE,
    OPEN,
    CLOSE,
    BRACKET,
    BRACKET_END,
    BRACE,
    BRACE_END,
    FLATTEN,
    FILTER,
    BAD
};

/* How strongly a token binds what stands before it. */
static const uint8_t power[] = {
    [PIPE] = 1, [OR] = 2,   [AND] = 3,    [EQ] = 5,       [NE] = 5,    [LT] = 5,
    [LE] = 5,   [GT] = 5,   [GE] = 5,     [FLATTEN] = 9,  [STAR] = 20, [FILTER] = 21,
    [DOT] = 40, [NOT] = 45, [BRACE] = 50, [BRACKET] = 55, [OPEN] = 60, [BAD] = 0};
enum { PROJECTION_ENDS = 10, NESTING_MAX = 48 };

struct parsing {
    struct cella_arena *arena;
    const uint8_t *data;
    size_t size, at; /* of the next token to be read */
    enum token token;
    size_t from;             /* of the token */
    struct cella_bytes text; /* of a name, or between the quotes */
    int64_t number;
    uint32_t nesting;
    const char *failed;
    size_t failed_at;
};

typedef struct cella_query node;

static node *fail(struct parsing *p, const char *why) {
    if (!p->failed) {
        p->failed = why;
        p->failed_at = p->from;
    }
    p->token = END;
    return NULL;
}

static bool is_letter(uint8_t c) { return (c | 0x20) >= 'a' && (c | 0x20) <= 'z'; }
static bool is_digit(uint8_t c) { return c >= '0' && c <= '9'; }

static enum token read_name(struct parsing *p) {
    while (p->at < p->size &&
           (is_letter(p->data[p->at]) || is_digit(p->data[p->at]) || p->data[p->at] == '_'))
        p->at++;
    p->text = cella_bytes(p->data + p->from, p->at - p->from);
    return NAME;
}

static enum token read_number(struct parsing *p) {
    bool minus = p->data[p->from] == '-';
    p->number = 0;
    p->at = p->from + minus;
    if (p->at == p->size || !is_digit(p->data[p->at]))
        return fail(p, "expected a digit after -"), BAD;
    for (; p->at < p->size && is_digit(p->data[p->at]); p->at++)
        if (p->number > INT32_MAX)
            return fail(p, "index too large"), BAD;
        else
            p->number = p->number * 10 + (p->data[p->at] - '0');
    if (minus) p->number = -p->number;
    return NUMBER;
}

/* From after the opening quote to the closing one, which a backslash can hide. */
static enum token read_quoted(struct parsing *p, uint8_t quote, enum token token) {
    size_t from = p->at;
    while (p->at < p->size && p->data[p->at] != quote)
        p->at += p->data[p->at] == '\\' && p->at + 1 < p->size ? 2 : 1;
    if (p->at >= p->size) return fail(p, "the quote is not closed"), BAD;
    p->text = cella_bytes(p->data + from, p->at - from);
    p->at++;
    return token;
}

static bool also(struct parsing *p, char c) {
    if (p->at == p->size || p->data[p->at] != c) return false;
    p->at++;
    return true;
}

static enum token read_sign(struct parsing *p, uint8_t c) {
    switch (c) {
    case '.': return DOT;
    case '*': return STAR;
    case ',': return COMMA;
    case ':': return COLON;
    case '@': return CURRENT;
    case '(': return OPEN;
    case ')': return CLOSE;
    case '{': return BRACE;
    case '}': return BRACE_END;
    case ']': return BRACKET_END;
    case '[': return also(p, ']') ? FLATTEN : also(p, '?') ? FILTER : BRACKET;
    case '|': return also(p, '|') ? OR : PIPE;
    case '&': return also(p, '&') ? AND : EXPREF;
    case '!': return also(p, '=') ? NE : NOT;
    case '<': return also(p, '=') ? LE : LT;
    case '>': return also(p, '=') ? GE : GT;
    case '=': return also(p, '=') ? EQ : (fail(p, "expected == to compare"), BAD);
    default: return fail(p, "no such sign in JMESPath"), BAD;
    }
}

static void next(struct parsing *p) {
    if (p->failed) return;
    while (p->at < p->size && p->data[p->at] && strchr(" \t\r\n", p->data[p->at])) p->at++;
    p->from = p->at;
    enum token token = END;
    if (p->at < p->size) {
        uint8_t c = p->data[p->at++];
        if (is_letter(c) || c == '_')
            token = read_name(p);
        else if (is_digit(c) || c == '-')
            token = read_number(p);
        else if (c == '"')
            token = read_quoted(p, c, QUOTED);
        else if (c == '\'')
            token = read_quoted(p, c, RAW);
        else if (c == '`')
            token = read_quoted(p, c, LITERAL);
        else
            token = read_sign(p, c);
    }
    p->token = p->failed ? END : token;
}

static bool match(struct parsing *p, enum token token, const char *why) {
    if (p->failed || p->token != token) return fail(p, why) != NULL;
    next(p);
    return true;
}

/* --- Nodes --- */

static node *make(struct parsing *p, enum cella_query_kind kind, const node *left,
                  const node *right) {
    node *n = p->failed ? NULL : cella_arena_take(p->arena, sizeof(*n));
    if (!n) return fail(p, "needs more memory than there may be");
    n->kind = kind;
    n->left = left;
    n->right = right;
    n->depth = 1 + (left ? left->depth : 0);
    if (right && right->depth >= n->depth) n->depth = right->depth + 1;
    if (n->depth > CELLA_POLICY_QUERY_DEPTH_MAX) return fail(p, "the query is too deep");
    return n;
}

static node *current(struct parsing *p) { return make(p, QUERY_CURRENT, NULL, NULL); }

static bool add_item(struct parsing *p, node *n, const node *item) {
    const node **slot = p->failed ? NULL
                                  : cella_arena_push(p->arena, (void **)&n->item, &n->count,
                                                     &n->capacity, sizeof(*slot));
    if (!slot) return fail(p, "needs more memory than there may be") != NULL;
    *slot = item;
    if (item->depth >= n->depth) n->depth = item->depth + 1;
    return n->depth <= CELLA_POLICY_QUERY_DEPTH_MAX || fail(p, "the query is too deep") != NULL;
}

static node *expression(struct parsing *p, unsigned binds);

/* A JSON string, with the quotes put back. */
static struct cella_bytes unquote(struct parsing *p, struct cella_bytes inner) {
    const char *failed = NULL;
    size_t at = 0;
    const struct cella_document *d =
        cella_document_read(p->arena, cella_bytes(inner.data - 1, inner.size + 2), &failed, &at);
    if (!d || d->type != CELLA_DOCUMENT_STRING) {
        fail(p, "not a string as JSON writes it");
        return cella_bytes(NULL, 0);
    }
    return d->text;
}

/* Without the backslash that stands before a quote. */
static struct cella_bytes unhide(struct parsing *p, struct cella_bytes inner, uint8_t quote) {
    uint8_t *out = cella_arena_take(p->arena, inner.size);
    size_t size = 0;
    if (!out) return fail(p, "needs more memory than there may be"), cella_bytes(NULL, 0);
    for (size_t i = 0; i < inner.size; i++) {
        if (inner.data[i] == '\\' && i + 1 < inner.size && inner.data[i + 1] == quote) i++;
        out[size++] = inner.data[i];
    }
    return cella_bytes(out, size);
}

static node *field(struct parsing *p, struct cella_bytes name) {
    node *n = make(p, QUERY_FIELD, NULL, NULL);
    if (n) n->text = name;
    return n;
}

static node *raw(struct parsing *p) {
    node *n = make(p, QUERY_LITERAL, NULL, NULL);
    struct cella_document *d = cella_arena_take(p->arena, sizeof(*d));
    if (!n || !d) return fail(p, "needs more memory than there may be");
    d->type = CELLA_DOCUMENT_STRING;
    d->text = unhide(p, p->text, '\'');
    n->value = d;
    next(p);
    return n;
}

static node *literal(struct parsing *p) {
    const char *failed = NULL;
    size_t at = 0;
    node *n = make(p, QUERY_LITERAL, NULL, NULL);
    struct cella_bytes json = unhide(p, p->text, '`');
    if (!n || p->failed) return NULL;
    n->value = cella_document_read(p->arena, json, &failed, &at);
    if (!n->value) return fail(p, "what stands between back-ticks is not JSON");
    next(p);
    return n;
}

/* --- Brackets and braces --- */

static node *list(struct parsing *p) {
    node *n = make(p, QUERY_LIST, NULL, NULL);
    while (n && !p->failed) {
        const node *item = expression(p, 0);
        if (!item || !add_item(p, n, item)) return NULL;
        if (p->token != COMMA) break;
        next(p);
    }
    return match(p, BRACKET_END, "expected a comma or ]") ? n : NULL;
}

static bool hash_member(struct parsing *p, node *n) {
    if (p->token != NAME && p->token != QUOTED)
        return fail(p, "expected the name of a member") != NULL;
    struct cella_bytes name = p->token == NAME ? p->text : unquote(p, p->text);
    struct cella_bytes *key =
        cella_arena_push(p->arena, (void **)&n->key, &n->key_count, &n->key_capacity, sizeof(*key));
    if (!key || p->failed) return fail(p, "needs more memory than there may be") != NULL;
    *key = name;
    next(p);
    if (!match(p, COLON, "expected a colon after the name")) return false;
    const node *item = expression(p, 0);
    return item && add_item(p, n, item);
}

static node *hash(struct parsing *p) {
    node *n = make(p, QUERY_HASH, NULL, NULL);
    while (n && !p->failed) {
        if (!hash_member(p, n)) return NULL;
        if (p->token != COMMA) break;
        next(p);
    }
    return match(p, BRACE_END, "expected a comma or }") ? n : NULL;
}

/* After a dot. */
static node *dot_right(struct parsing *p, unsigned binds) {
    switch (p->token) {
    case NAME:
    case QUOTED:
    case STAR: return expression(p, binds);
    case BRACKET: next(p); return list(p);
    case BRACE: next(p); return hash(p);
    default: return fail(p, "expected a name, *, [ or { after the dot");
    }
}

/* What a projection does with each of its values. */
static node *projected(struct parsing *p, unsigned binds) {
    if (p->failed) return NULL;
    if (power[p->token] < PROJECTION_ENDS) return current(p);
    if (p->token == BRACKET || p->token == FILTER) return expression(p, binds);
    if (p->token != DOT) return fail(p, "not possible after a projection");
    next(p);
    return dot_right(p, binds);
}

/* [0], [-1], [1:2], [::2]; after the bracket. */
static node *index_or_slice(struct parsing *p, const node *left) {
    node *n = make(p, QUERY_INDEX, left, NULL);
    unsigned part = 0;
    for (; n && !p->failed && p->token != BRACKET_END; next(p)) {
        if (p->token == COLON && part < 2) {
            part++;
        } else if (p->token == NUMBER && !n->has[part]) {
            n->number[part] = p->number;
            n->has[part] = true;
        } else {
            return fail(p, "expected an index or a slice, like [0] or [1:3]");
        }
    }
    if (!n || !match(p, BRACKET_END, "expected ]")) return NULL;
    if (part == 0) return n;
    n->kind = QUERY_SLICE;
    if (n->has[2] && n->number[2] == 0) return fail(p, "a slice cannot step by 0");
    return make(p, QUERY_PROJECTION, n, projected(p, power[STAR]));
}

static node *filter(struct parsing *p, const node *left) {
    const node *test = expression(p, 0);
    if (!match(p, BRACKET_END, "expected ] after the filter")) return NULL;
    const node *right = p->token == FLATTEN ? current(p) : projected(p, power[FILTER]);
    node *n = right ? make(p, QUERY_FILTER, left, right) : NULL;
    if (!n) return NULL;
    n->test = test;
    if (test->depth >= n->depth) n->depth = test->depth + 1;
    return n->depth <= CELLA_POLICY_QUERY_DEPTH_MAX ? n : fail(p, "the query is too deep");
}

static node *flatten(struct parsing *p, const node *left) {
    const node *flat = make(p, QUERY_FLATTEN, left, NULL);
    return make(p, QUERY_PROJECTION, flat, projected(p, power[FLATTEN]));
}

static node *call(struct parsing *p, const node *left) {
    if (left->kind != QUERY_FIELD) return fail(p, "only a function's name can stand before (");
    node *n = make(p, QUERY_CALL, NULL, NULL);
    if (!n) return NULL;
    n->function = cella_query_function_of(left->text);
    if (!n->function) return fail(p, "no such function in JMESPath");
    while (p->token != CLOSE) {
        const node *item = expression(p, 0);
        if (!item || !add_item(p, n, item)) return NULL;
        if (p->token != COMMA) break;
        next(p);
        if (p->token == CLOSE) return fail(p, "expected an argument after the comma");
    }
    if (n->count < n->function->least ||
        (n->function->most != QUERY_ARGUMENTS_ANY && n->count > n->function->most))
        return fail(p, "wrong number of arguments for the function");
    return match(p, CLOSE, "expected a comma or )") ? n : NULL;
}

/* --- Expressions, by binding power --- */

static node *first_bracket(struct parsing *p) {
    if (p->token == NUMBER || p->token == COLON) return index_or_slice(p, current(p));
    if (p->token == STAR) { /* [*], or a list that begins with *.x */
        struct parsing before = *p;
        next(p);
        if (p->token == BRACKET_END) {
            next(p);
            return make(p, QUERY_PROJECTION, current(p), projected(p, power[STAR]));
        }
        *p = before;
    }
    return list(p);
}

static node *name(struct parsing *p) {
    node *n = field(p, p->text);
    next(p);
    return n;
}

static node *quoted(struct parsing *p) {
    node *n = field(p, unquote(p, p->text));
    next(p);
    return p->token == OPEN ? fail(p, "a function's name has no quotes") : n;
}

static node *parenthesised(struct parsing *p) {
    node *n = expression(p, 0);
    return match(p, CLOSE, "expected )") ? n : NULL;
}

static node *first(struct parsing *p) {
    enum token token = p->token;
    switch (token) {
    case NAME: return name(p);
    case QUOTED: return quoted(p);
    case RAW: return raw(p);
    case LITERAL: return literal(p);
    default: break;
    }
    next(p);
    switch (token) {
    case CURRENT: return current(p);
    case STAR: return make(p, QUERY_VALUE_PROJECTION, current(p), projected(p, power[STAR]));
    case FILTER: return filter(p, current(p));
    case FLATTEN: return flatten(p, current(p));
    case BRACE: return hash(p);
    case BRACKET: return first_bracket(p);
    case OPEN: return parenthesised(p);
    case NOT: return make(p, QUERY_NOT, expression(p, power[NOT]), NULL);
    case EXPREF: return make(p, QUERY_EXPRESSION, expression(p, 0), NULL);
    case END: return fail(p, "expected an expression, found the end");
    default: return fail(p, "expected an expression");
    }
}

static node *binary(struct parsing *p, enum cella_query_kind kind, const node *left,
                    enum token token) {
    const node *right = expression(p, power[token]);
    node *n = right ? make(p, kind, left, right) : NULL;
    if (n && kind == QUERY_COMPARE) n->compare = (enum cella_query_compare)(token - EQ + QUERY_EQ);
    return n;
}

static node *dot(struct parsing *p, const node *left) {
    if (p->token != STAR) {
        const node *right = dot_right(p, power[DOT]);
        return right ? make(p, QUERY_CHAIN, left, right) : NULL;
    }
    next(p);
    return make(p, QUERY_VALUE_PROJECTION, left, projected(p, power[DOT]));
}

static node *bracket(struct parsing *p, const node *left) {
    if (p->token == NUMBER || p->token == COLON) return index_or_slice(p, left);
    if (!match(p, STAR, "expected an index, a slice or *")) return NULL;
    if (!match(p, BRACKET_END, "expected ] after *")) return NULL;
    return make(p, QUERY_PROJECTION, left, projected(p, power[STAR]));
}

static node *further(struct parsing *p, const node *left) {
    enum token token = p->token;
    next(p);
    switch (token) {
    case DOT: return dot(p, left);
    case PIPE: return binary(p, QUERY_CHAIN, left, token);
    case OR: return binary(p, QUERY_OR, left, token);
    case AND: return binary(p, QUERY_AND, left, token);
    case EQ:
    case NE:
    case LT:
    case LE:
    case GT:
    case GE: return binary(p, QUERY_COMPARE, left, token);
    case OPEN: return call(p, left);
    case FILTER: return filter(p, left);
    case FLATTEN: return flatten(p, left);
    case BRACKET: return bracket(p, left);
    default: return fail(p, "not possible here");
    }
}

static node *expression(struct parsing *p, unsigned binds) {
    if (p->failed) return NULL;
    if (p->nesting++ == NESTING_MAX) return fail(p, "the query is nested too deeply");
    node *n = first(p);
    while (n && !p->failed && binds < power[p->token]) n = further(p, n);
    p->nesting--;
    return p->failed ? NULL : n;
}

const struct cella_query *cella_query_compile(struct cella_arena *arena, struct cella_bytes text,
                                              const char **failed, size_t *at) {
    struct parsing p = {.arena = arena, .data = text.data, .size = text.size};
    node *n = NULL;
    if (text.size == 0) fail(&p, "the query is empty");
    if (text.size > CELLA_POLICY_QUERY_MAX) fail(&p, "the query is too long");
    if (!p.failed && !cella_document_utf8(text)) fail(&p, "the query is not UTF-8");
    if (!p.failed) {
        next(&p);
        n = expression(&p, 0);
    }
    if (!p.failed && p.token != END) fail(&p, "something after the end of the query");
    *failed = p.failed;
    *at = p.failed_at;
    return p.failed ? NULL : n;
}
