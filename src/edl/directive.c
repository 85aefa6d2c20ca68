/* The preprocessor's lines. */
#include <string.h>

#include "base/memory.h"
#include "edl/lexer.h"

static char look(const struct cella_edl_lexer *l) {
    const struct cella_edl_input *in = &l->input[l->inputs - 1];
    return in->at < in->size ? in->data[in->at] : 0;
}
static char look2(const struct cella_edl_lexer *l) {
    const struct cella_edl_input *in = &l->input[l->inputs - 1];
    return in->size - in->at > 1 ? in->data[in->at + 1] : 0;
}

/* ---- #if: C's precedence over 64 bit integers, unknown names are 0 ---- */

struct reader {
    struct cella_edl_lexer *l;
    uint32_t depth;
};

static CELLA_RESULT binary(struct reader *r, int level, int64_t *value);

static CELLA_RESULT defined(struct reader *r, int64_t *value) {
    const char *name;
    TRY(cella_edl_lexer_blanks(r->l));
    bool open = look(r->l) == '(';
    if (open) cella_edl_lexer_step(r->l);
    TRY(cella_edl_lexer_blanks(r->l));
    TRY(cella_edl_lexer_name(r->l, &name));
    TRY(cella_edl_lexer_blanks(r->l));
    bool closed = !open || look(r->l) == ')';
    if (!name || !closed)
        CELLA_EDL_WRONG(cella_edl_lexer_here(r->l), "write defined(NAME)",
                        "`defined' without a name");
    if (open) cella_edl_lexer_step(r->l);
    *value = cella_edl_macro_find(r->l->macros, name) != NULL;
    return CELLA_SUCCESS;
}

static CELLA_RESULT name_value(struct reader *r, const char *name, int64_t *value) {
    if (strcmp(name, "defined") == 0) return defined(r, value);
    struct cella_edl_macro *m = cella_edl_macro_find(r->l->macros, name);
    *value = 0;
    if (!m) return CELLA_SUCCESS;
    struct cella_edl_lexer inner = *r->l;
    inner.inputs = 1;
    inner.input[0] = (struct cella_edl_input){
        .data = m->value, .size = strlen(m->value), .line = r->l->place.line, .column = 1};
    if (m->is_open) return CELLA_SUCCESS;
    m->is_open = true;
    struct reader in = {&inner, r->depth + 1};
    if (in.depth > CELLA_EDL_NESTING_MAX)
        CELLA_EDL_WRONG(r->l->place, NULL, "the condition is nested too deep");
    struct cella_result result = binary(&in, 0, value);
    m->is_open = false;
    return result;
}

static CELLA_RESULT unary(struct reader *r, int64_t *value) {
    TRY(cella_edl_lexer_blanks(r->l));
    char c = look(r->l);
    if (++r->depth > CELLA_EDL_NESTING_MAX)
        CELLA_EDL_WRONG(r->l->place, NULL, "the condition is nested too deep");
    if (c == '!' || c == '-' || c == '+') {
        cella_edl_lexer_step(r->l);
        TRY(unary(r, value));
        if (c == '!') *value = !*value;
        if (c == '-') *value = (int64_t)(0 - (uint64_t)*value);
    } else if (c == '(') {
        cella_edl_lexer_step(r->l);
        TRY(binary(r, 0, value));
        if (look(r->l) != ')')
            CELLA_EDL_WRONG(cella_edl_lexer_here(r->l), NULL, "expected `)' in the condition");
        cella_edl_lexer_step(r->l);
    } else if (c >= '0' && c <= '9') {
        uint64_t number;
        TRY(cella_edl_lexer_integer(r->l, &number));
        *value = (int64_t)number;
    } else {
        const char *name;
        TRY(cella_edl_lexer_name(r->l, &name));
        if (!name)
            CELLA_EDL_WRONG(cella_edl_lexer_here(r->l), NULL,
                            "expected a number or a name in the condition");
        TRY(name_value(r, name, value));
    }
    r->depth--;
    return cella_edl_lexer_blanks(r->l);
}

static const struct {
    char text[3];
    int level;
} operators[] = {{"||", 1}, {"&&", 2}, {"==", 3}, {"!=", 3}, {"<=", 4}, {">=", 4}, {"<", 4},
                 {">", 4},  {"+", 5},  {"-", 5},  {"*", 6},  {"/", 6},  {"%", 6}};
enum { OPERATORS = sizeof(operators) / sizeof(operators[0]) };

static int next_operator(const struct cella_edl_lexer *l) {
    for (int i = 0; i < OPERATORS; i++)
        if (operators[i].text[0] == look(l) &&
            (!operators[i].text[1] || operators[i].text[1] == look2(l)))
            return i;
    return -1;
}

static CELLA_RESULT apply(struct reader *r, const char *text, int64_t right, int64_t *value) {
    int64_t left = *value;
    uint64_t a = (uint64_t)left, b = (uint64_t)right;
    bool divides = text[0] == '/' || text[0] == '%';
    if (divides && (right == 0 || (right == -1 && left == INT64_MIN)))
        CELLA_EDL_WRONG(r->l->place, NULL, "a division by zero in the condition");
    switch (text[0]) {
    case '|': *value = left || right; break;
    case '&': *value = left && right; break;
    case '=': *value = left == right; break;
    case '!': *value = left != right; break;
    case '<': *value = text[1] ? left <= right : left < right; break;
    case '>': *value = text[1] ? left >= right : left > right; break;
    case '+': *value = (int64_t)(a + b); break;
    case '-': *value = (int64_t)(a - b); break;
    case '*': *value = (int64_t)(a * b); break;
    case '/': *value = left / right; break;
    default: *value = left % right; break;
    }
    return CELLA_SUCCESS;
}

static CELLA_RESULT binary(struct reader *r, int level, int64_t *value) {
    TRY(unary(r, value));
    for (;;) {
        int i = next_operator(r->l);
        if (i < 0 || operators[i].level <= level) return CELLA_SUCCESS;
        cella_edl_lexer_step(r->l);
        if (operators[i].text[1]) cella_edl_lexer_step(r->l);
        int64_t right;
        TRY(binary(r, operators[i].level, &right));
        TRY(apply(r, operators[i].text, right, value));
    }
}

CELLA_RESULT cella_edl_condition_value(struct cella_edl_lexer *lexer, bool *value) {
    struct reader r = {lexer, 0};
    int64_t number = 0;
    TRY(binary(&r, 0, &number));
    *value = number != 0;
    return CELLA_SUCCESS;
}

/* ---- the directives ---- */

static CELLA_RESULT line_end(struct cella_edl_lexer *l) {
    TRY(cella_edl_lexer_blanks(l));
    if (look(l) && look(l) != '\n')
        CELLA_EDL_WRONG(cella_edl_lexer_here(l), NULL, "text after the directive: `%c'", look(l));
    return CELLA_SUCCESS;
}

static void rest_skip(struct cella_edl_lexer *l) {
    while (look(l) && look(l) != '\n') cella_edl_lexer_step(l);
}

static CELLA_RESULT needed_name(struct cella_edl_lexer *l, const char *directive,
                                const char **name) {
    TRY(cella_edl_lexer_blanks(l));
    TRY(cella_edl_lexer_name(l, name));
    if (!*name)
        CELLA_EDL_WRONG(cella_edl_lexer_here(l), NULL, "expected a name after #%s", directive);
    return CELLA_SUCCESS;
}

static CELLA_RESULT open_condition(struct cella_edl_lexer *l, bool live) {
    if (l->conditions == CELLA_EDL_NESTING_MAX)
        CELLA_EDL_WRONG(l->place, NULL, "more than %d conditions in one another",
                        CELLA_EDL_NESTING_MAX);
    bool outer = cella_edl_lexer_live(l);
    l->condition[l->conditions++] = (struct cella_edl_condition){
        .place = l->place, .is_live = outer && live, .was_live = live, .outer_live = outer};
    return CELLA_SUCCESS;
}

static CELLA_RESULT do_if(struct cella_edl_lexer *l, const char *directive) {
    const char *name;
    bool live = false;
    if (strcmp(directive, "if") == 0) {
        if (cella_edl_lexer_live(l))
            TRY(cella_edl_condition_value(l, &live));
        else
            rest_skip(l);
    } else {
        TRY(needed_name(l, directive, &name));
        live = (cella_edl_macro_find(l->macros, name) != NULL) == (directive[2] == 'd');
    }
    TRY(line_end(l));
    return open_condition(l, live);
}

static CELLA_RESULT do_else(struct cella_edl_lexer *l, const char *directive) {
    if (l->conditions == 0)
        CELLA_EDL_WRONG(l->place, NULL, "#%s without an #if before it", directive);
    struct cella_edl_condition *c = &l->condition[l->conditions - 1];
    bool is_endif = strcmp(directive, "endif") == 0;
    if (c->has_else && !is_endif)
        CELLA_EDL_WRONG(l->place, NULL, "#%s after #else of line %u", directive, c->place.line);
    bool live = true;
    if (strcmp(directive, "elif") == 0) {
        if (c->outer_live && !c->was_live)
            TRY(cella_edl_condition_value(l, &live));
        else
            rest_skip(l);
    } else {
        c->has_else = true;
    }
    TRY(line_end(l));
    if (is_endif)
        l->conditions--;
    else {
        c->is_live = c->outer_live && !c->was_live && live;
        c->was_live = c->was_live || live;
    }
    return CELLA_SUCCESS;
}

static CELLA_RESULT do_define(struct cella_edl_lexer *l) {
    const char *name;
    TRY(needed_name(l, "define", &name));
    if (look(l) == '(')
        CELLA_EDL_WRONG(cella_edl_lexer_here(l), "write out what it stands for",
                        "macros with arguments are not taken: `%s'", name);
    TRY(cella_edl_lexer_blanks(l));
    struct cella_edl_input *in = cella_edl_lexer_input(l);
    size_t from = in->at, end = from;
    while (look(l) && look(l) != '\n') {
        cella_edl_lexer_step(l);
        end = in->at;
        TRY(cella_edl_lexer_blanks(l));
    }
    char *value = cella_arena_take(l->arena, end - from + 1);
    ENSURE(value, CELLA_ERR_LIMIT, NULL, "the interface takes too much memory");
    cella_copy(value, in->data + from, end - from);
    return cella_edl_define(l->arena, l->macros, name, value, false);
}

static CELLA_RESULT do_undef(struct cella_edl_lexer *l) {
    const char *name;
    TRY(needed_name(l, "undef", &name));
    struct cella_edl_macro *m = cella_edl_macro_find(l->macros, name);
    if (m) m->is_gone = true;
    return line_end(l);
}

CELLA_RESULT cella_edl_directive(struct cella_edl_lexer *lexer) {
    const char *name;
    cella_edl_lexer_step(lexer);
    TRY(cella_edl_lexer_blanks(lexer));
    TRY(cella_edl_lexer_name(lexer, &name));
    if (!name) return line_end(lexer); /* a lone # */
    if (strcmp(name, "if") == 0 || strcmp(name, "ifdef") == 0 || strcmp(name, "ifndef") == 0)
        return do_if(lexer, name);
    if (strcmp(name, "else") == 0 || strcmp(name, "elif") == 0 || strcmp(name, "endif") == 0)
        return do_else(lexer, name);
    if (!cella_edl_lexer_live(lexer) || strcmp(name, "pragma") == 0) {
        rest_skip(lexer);
        return CELLA_SUCCESS;
    }
    if (strcmp(name, "define") == 0) return do_define(lexer);
    if (strcmp(name, "undef") == 0) return do_undef(lexer);
    if (strcmp(name, "error") == 0) {
        struct cella_edl_input *in = cella_edl_lexer_input(lexer);
        size_t from = in->at;
        rest_skip(lexer);
        CELLA_EDL_WRONG(lexer->place, NULL, "#error%.*s",
                        (int)(in->at - from > 200 ? 200 : in->at - from), in->data + from);
    }
    if (strcmp(name, "include") == 0)
        CELLA_EDL_WRONG(lexer->place,
                        "write include \"x.h\" for a C header, import \"x.edl\" for an interface",
                        "#include is not taken");
    CELLA_EDL_WRONG(lexer->place,
                    "see docs/guides/edl.md for the preprocessor's part that is there",
                    "unknown directive #%s", name);
}
