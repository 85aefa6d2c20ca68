/* Types, attributes, declarations and the expressions in them. */
#include <string.h>

#include "base/memory.h"
#include "edl/parse.h"

/* ---- expressions: sums of products, C's precedence ---- */

static CELLA_RESULT make(struct cella_edl_parser *p, enum cella_edl_operator kind,
                         struct cella_edl_expression **out) {
    struct cella_edl_expression *e = cella_arena_take(p->arena, sizeof(*e));
    ENSURE(e, CELLA_ERR_LIMIT, NULL, "the interface takes too much memory");
    e->kind = kind;
    e->place = p->lexer.place;
    *out = e;
    return CELLA_SUCCESS;
}

static CELLA_RESULT sum(struct cella_edl_parser *p, uint32_t depth,
                        struct cella_edl_expression **out);

static CELLA_RESULT size_of(struct cella_edl_parser *p, struct cella_edl_expression **out) {
    TRY(make(p, CELLA_EDL_SIZEOF, out));
    TRY(cella_edl_next(p));
    TRY(cella_edl_expect(p, '(', "after sizeof"));
    struct cella_edl_type *type = cella_arena_take(p->arena, sizeof(*type));
    ENSURE(type, CELLA_ERR_LIMIT, NULL, "the interface takes too much memory");
    TRY(cella_edl_parse_type(p, type));
    (*out)->type = type;
    return cella_edl_expect(p, ')', "after the type of sizeof");
}

static CELLA_RESULT factor(struct cella_edl_parser *p, uint32_t depth,
                           struct cella_edl_expression **out) {
    if (depth > CELLA_EDL_NESTING_MAX)
        CELLA_EDL_WRONG(p->lexer.place, NULL, "more than %d parentheses in one another",
                        CELLA_EDL_NESTING_MAX);
    if (cella_edl_at(p, '(')) {
        TRY(cella_edl_next(p));
        TRY(sum(p, depth + 1, out));
        return cella_edl_expect(p, ')', "in the expression");
    }
    if (cella_edl_at_word(p, "sizeof")) return size_of(p, out);
    if (p->lexer.token == CELLA_EDL_INTEGER) {
        TRY(make(p, CELLA_EDL_NUMBER, out));
        (*out)->number = p->lexer.number;
        return cella_edl_next(p);
    }
    if (p->lexer.token != CELLA_EDL_WORD)
        CELLA_EDL_WRONG(p->lexer.place, "a number, a parameter's name, sizeof(type) or ( ... )",
                        "expected a size, found %s", cella_edl_lexer_found(&p->lexer));
    TRY(make(p, CELLA_EDL_NAME, out));
    (*out)->name = p->lexer.text;
    return cella_edl_next(p);
}

static CELLA_RESULT joined(struct cella_edl_parser *p, enum cella_edl_operator kind,
                           struct cella_edl_expression **left) {
    struct cella_edl_expression *e = NULL;
    TRY(make(p, kind, &e));
    TRY(cella_edl_next(p));
    e->left = *left;
    *left = e;
    return CELLA_SUCCESS;
}

static CELLA_RESULT product(struct cella_edl_parser *p, uint32_t depth,
                            struct cella_edl_expression **out) {
    TRY(factor(p, depth, out));
    while (cella_edl_at(p, '*') || cella_edl_at(p, '/') || cella_edl_at(p, '%')) {
        TRY(joined(p,
                   cella_edl_at(p, '*')   ? CELLA_EDL_MULTIPLY
                   : cella_edl_at(p, '/') ? CELLA_EDL_DIVIDE
                                          : CELLA_EDL_REMAINDER,
                   out));
        TRY(factor(p, depth, &(*out)->right));
    }
    return CELLA_SUCCESS;
}

static CELLA_RESULT sum(struct cella_edl_parser *p, uint32_t depth,
                        struct cella_edl_expression **out) {
    uint32_t terms = 0;
    TRY(product(p, depth, out));
    while (cella_edl_at(p, '+') || cella_edl_at(p, '-')) {
        if (++terms > CELLA_EDL_NESTING_MAX)
            CELLA_EDL_WRONG(p->lexer.place, NULL, "more than %d terms in one size",
                            CELLA_EDL_NESTING_MAX);
        TRY(joined(p, cella_edl_at(p, '+') ? CELLA_EDL_ADD : CELLA_EDL_SUBTRACT, out));
        TRY(product(p, depth, &(*out)->right));
    }
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_edl_parse_expression(struct cella_edl_parser *p,
                                        struct cella_edl_expression **out) {
    *out = NULL;
    return sum(p, 0, out);
}

/* ---- types ---- */

static const struct {
    const char *word;
    enum cella_edl_base base;
    bool is_unsigned;
} single[] = {
    {"void", CELLA_EDL_VOID, false},     {"bool", CELLA_EDL_BOOL, false},
    {"_Bool", CELLA_EDL_BOOL, false},    {"int8_t", CELLA_EDL_INT8, false},
    {"int16_t", CELLA_EDL_INT16, false}, {"int32_t", CELLA_EDL_INT32, false},
    {"int64_t", CELLA_EDL_INT64, false}, {"uint8_t", CELLA_EDL_INT8, true},
    {"uint16_t", CELLA_EDL_INT16, true}, {"uint32_t", CELLA_EDL_INT32, true},
    {"uint64_t", CELLA_EDL_INT64, true}, {"size_t", CELLA_EDL_SIZE, true},
    {"wchar_t", CELLA_EDL_WCHAR, false}, {"float", CELLA_EDL_FLOAT, false},
    {"double", CELLA_EDL_DOUBLE, false},
};

/* The words that make up C's integer types, in any order that C takes. */
struct integer_words {
    uint32_t signs, unsigneds, chars, shorts, ints, longs, doubles;
};

static CELLA_RESULT take_integer_words(struct cella_edl_parser *p, struct integer_words *w,
                                       bool *any) {
    *any = false;
    for (;;) {
        uint32_t *which = cella_edl_at_word(p, "signed")                    ? &w->signs
                          : cella_edl_at_word(p, "unsigned")                ? &w->unsigneds
                          : cella_edl_at_word(p, "char")                    ? &w->chars
                          : cella_edl_at_word(p, "short")                   ? &w->shorts
                          : cella_edl_at_word(p, "int")                     ? &w->ints
                          : cella_edl_at_word(p, "long")                    ? &w->longs
                          : w->longs == 1 && cella_edl_at_word(p, "double") ? &w->doubles
                                                                            : NULL;
        if (!which) return CELLA_SUCCESS;
        *any = true;
        ++*which;
        TRY(cella_edl_next(p));
    }
}

static CELLA_RESULT integer_type(const struct integer_words *w, struct cella_edl_type *type) {
    uint32_t sizes = w->chars + w->shorts + (w->longs != 0);
    bool good = w->signs + w->unsigneds <= 1 && sizes <= 1 && w->ints <= 1 && w->longs <= 2 &&
                !(w->chars && w->ints) && w->doubles <= 1;
    if (w->doubles) good = good && w->signs + w->unsigneds + w->ints == 0 && w->longs == 1;
    if (!good)
        CELLA_EDL_WRONG(type->place, "write one of C's types: unsigned long, short, long long, ...",
                        "these words make no type of C");
    type->is_unsigned = w->unsigneds != 0;
    type->base = w->doubles      ? CELLA_EDL_LONG_DOUBLE
                 : w->chars      ? CELLA_EDL_CHAR
                 : w->shorts     ? CELLA_EDL_SHORT
                 : w->longs == 2 ? CELLA_EDL_LONG_LONG
                 : w->longs      ? CELLA_EDL_LONG
                                 : CELLA_EDL_INT;
    return CELLA_SUCCESS;
}

static CELLA_RESULT named_type(struct cella_edl_parser *p, struct cella_edl_type *type) {
    for (size_t i = 0; i < sizeof(single) / sizeof(single[0]); i++)
        if (cella_edl_at_word(p, single[i].word)) {
            type->base = single[i].base;
            type->is_unsigned = single[i].is_unsigned;
            return cella_edl_next(p);
        }
    type->tag = cella_edl_at_word(p, "struct")  ? CELLA_EDL_STRUCT
                : cella_edl_at_word(p, "union") ? CELLA_EDL_UNION
                : cella_edl_at_word(p, "enum")  ? CELLA_EDL_ENUM
                                                : CELLA_EDL_UNTAGGED;
    if (type->tag) TRY(cella_edl_next(p));
    struct cella_edl_word word;
    TRY(cella_edl_identifier(p, "type", &word));
    type->name = word.text;
    type->base = type->tag ? CELLA_EDL_AGGREGATE : CELLA_EDL_FOREIGN;
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_edl_parse_type(struct cella_edl_parser *p, struct cella_edl_type *type) {
    struct integer_words words = {0};
    bool any = false;
    *type = (struct cella_edl_type){.place = p->lexer.place};
    if (cella_edl_at_word(p, "const")) {
        type->is_const = true;
        TRY(cella_edl_next(p));
    }
    TRY(take_integer_words(p, &words, &any));
    if (any)
        TRY(integer_type(&words, type));
    else
        TRY(named_type(p, type));
    for (; cella_edl_at(p, '*'); type->pointers++) {
        if (type->pointers == CELLA_EDL_NESTING_MAX)
            CELLA_EDL_WRONG(p->lexer.place, NULL, "more than %d stars", CELLA_EDL_NESTING_MAX);
        TRY(cella_edl_next(p));
    }
    if (cella_edl_at_word(p, "const"))
        CELLA_EDL_WRONG(p->lexer.place, "put const before the type: const char *text",
                        "const is taken before the type only");
    return CELLA_SUCCESS;
}

/* ---- attributes ---- */

static const struct {
    const char *word;
    enum cella_edl_attribute attribute;
} attributes[] = {
    {"in", CELLA_EDL_IN},
    {"out", CELLA_EDL_OUT},
    {"string", CELLA_EDL_STRING},
    {"wstring", CELLA_EDL_WSTRING},
    {"user_check", CELLA_EDL_USER_CHECK},
    {"isptr", CELLA_EDL_ISPTR},
    {"isary", CELLA_EDL_ISARY},
    {"readonly", CELLA_EDL_READONLY},
    {"size", CELLA_EDL_SIZED},
    {"count", CELLA_EDL_COUNTED},
};

static CELLA_RESULT attribute(struct cella_edl_parser *p, struct cella_edl_field *field) {
    uint32_t found = 0;
    struct cella_edl_place place = p->lexer.place;
    const char *word = p->lexer.token == CELLA_EDL_WORD ? p->lexer.text : "";
    for (size_t i = 0; i < sizeof(attributes) / sizeof(attributes[0]); i++)
        if (strcmp(word, attributes[i].word) == 0) found = attributes[i].attribute;
    if (strcmp(word, "sizefunc") == 0)
        CELLA_EDL_WRONG(place, "use size= with an expression", "sizefunc is not taken any more");
    if (!found)
        CELLA_EDL_WRONG(place,
                        "in, out, size=, count=, string, wstring, user_check, isptr, isary or "
                        "readonly",
                        "unknown attribute %s", cella_edl_lexer_found(&p->lexer));
    if (field->attributes & found)
        CELLA_EDL_WRONG(place, "write it once", "the attribute `%s' stands here twice", word);
    field->attributes |= found;
    TRY(cella_edl_next(p));
    if (found != CELLA_EDL_SIZED && found != CELLA_EDL_COUNTED) {
        if (cella_edl_at(p, '='))
            CELLA_EDL_WRONG(p->lexer.place, NULL, "the attribute `%s' takes no value", word);
        return CELLA_SUCCESS;
    }
    if (!cella_edl_at(p, '='))
        CELLA_EDL_WRONG(p->lexer.place, "write size=n or count=n", "`%s' without a value", word);
    TRY(cella_edl_next(p));
    return cella_edl_parse_expression(p, found == CELLA_EDL_SIZED ? &field->size : &field->count);
}

static CELLA_RESULT attribute_list(struct cella_edl_parser *p, struct cella_edl_field *field) {
    field->attributes_place = p->lexer.place;
    if (!cella_edl_at(p, '[')) return CELLA_SUCCESS;
    field->has_attributes = true;
    TRY(cella_edl_next(p));
    if (cella_edl_at(p, ']'))
        CELLA_EDL_WRONG(p->lexer.place, "say what it is or leave [] away", "no attribute in []");
    for (;;) {
        TRY(attribute(p, field));
        if (!cella_edl_at(p, ',')) break;
        TRY(cella_edl_next(p));
    }
    return cella_edl_expect(p, ']', "after the attributes");
}

static CELLA_RESULT dimensions(struct cella_edl_parser *p, struct cella_edl_field *field) {
    while (cella_edl_at(p, '[')) {
        TRY(cella_edl_next(p));
        if (cella_edl_at(p, ']'))
            CELLA_EDL_WRONG(p->lexer.place, "give the number of elements, or a pointer and count=",
                            "`%s' is an array of no known size", field->name);
        if (field->dimensions.count == 8)
            CELLA_EDL_WRONG(p->lexer.place, NULL, "more than 8 dimensions");
        struct cella_edl_expression **e;
        CELLA_EDL_PUSH(p->arena, &field->dimensions, e);
        TRY(cella_edl_parse_expression(p, e));
        if ((*e)->kind == CELLA_EDL_NUMBER && (*e)->number == 0)
            CELLA_EDL_WRONG((*e)->place, NULL, "`%s' is an array of 0 elements", field->name);
        TRY(cella_edl_expect(p, ']', "after the dimension"));
    }
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_edl_parse_field(struct cella_edl_parser *p, const char *of,
                                   struct cella_edl_field *field) {
    struct cella_edl_word word;
    *field = (struct cella_edl_field){0};
    TRY(attribute_list(p, field));
    TRY(cella_edl_parse_type(p, &field->type));
    if (cella_edl_at(p, '('))
        CELLA_EDL_WRONG(p->lexer.place,
                        "a function of one side has no address on the other; pass a number that "
                        "the other side looks up",
                        "function pointers cannot cross the border");
    TRY(cella_edl_identifier(p, of, &word));
    field->name = word.text;
    field->place = word.place;
    TRY(dimensions(p, field));
    if (field->type.base == CELLA_EDL_VOID && !field->type.pointers)
        CELLA_EDL_WRONG(field->place, NULL, "the %s `%s' is void", of, field->name);
    return CELLA_SUCCESS;
}
