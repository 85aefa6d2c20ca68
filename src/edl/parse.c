#include "edl/parse.h"

#include <string.h>

#include "base/memory.h"
#include "edl/load.h"

/* Words that C keeps for itself: a header could not declare them. */
static const char *const reserved[] = {
    "auto",     "break",   "case",    "char",     "const",    "continue", "default",  "do",
    "double",   "else",    "enum",    "extern",   "float",    "for",      "goto",     "if",
    "inline",   "int",     "long",    "register", "restrict", "return",   "short",    "signed",
    "sizeof",   "static",  "struct",  "switch",   "typedef",  "union",    "unsigned", "void",
    "volatile", "while",   "_Bool",   "bool",     "size_t",   "wchar_t",  "int8_t",   "int16_t",
    "int32_t",  "int64_t", "uint8_t", "uint16_t", "uint32_t", "uint64_t",
};

CELLA_RESULT cella_edl_expect(struct cella_edl_parser *p, char sign, const char *where) {
    if (!cella_edl_at(p, sign))
        CELLA_EDL_WRONG(p->lexer.place, NULL, "expected `%c' %s, found %s", sign, where,
                        cella_edl_lexer_found(&p->lexer));
    return cella_edl_next(p);
}

CELLA_RESULT cella_edl_identifier(struct cella_edl_parser *p, const char *of,
                                  struct cella_edl_word *word) {
    if (p->lexer.token != CELLA_EDL_WORD)
        CELLA_EDL_WRONG(p->lexer.place, NULL, "expected the name of a %s, found %s", of,
                        cella_edl_lexer_found(&p->lexer));
    for (size_t i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++)
        if (strcmp(p->lexer.text, reserved[i]) == 0)
            CELLA_EDL_WRONG(p->lexer.place, NULL, "expected the name of a %s, found C's word `%s'",
                            of, reserved[i]);
    *word = (struct cella_edl_word){p->lexer.text, p->lexer.place};
    return cella_edl_next(p);
}

/* ---- struct, union, enum ---- */

static CELLA_RESULT enumerator(struct cella_edl_parser *p, struct cella_edl_aggregate *a) {
    struct cella_edl_enumerator *e;
    struct cella_edl_word word;
    TRY(cella_edl_identifier(p, "constant", &word));
    CELLA_EDL_PUSH(p->arena, &a->enumerators, e);
    e->name = word.text;
    e->place = word.place;
    if (!cella_edl_at(p, '=')) return CELLA_SUCCESS;
    TRY(cella_edl_next(p));
    if (p->lexer.token == CELLA_EDL_INTEGER) {
        e->has_number = true;
        e->number = p->lexer.number;
        return cella_edl_next(p);
    }
    TRY(cella_edl_identifier(p, "constant", &word));
    e->value = word.text;
    return CELLA_SUCCESS;
}

static CELLA_RESULT enumerators(struct cella_edl_parser *p, struct cella_edl_aggregate *a) {
    while (!cella_edl_at(p, '}')) {
        TRY(enumerator(p, a));
        if (!cella_edl_at(p, ',')) break;
        TRY(cella_edl_next(p));
    }
    if (a->enumerators.count == 0) CELLA_EDL_WRONG(a->place, NULL, "an enum without constants");
    return CELLA_SUCCESS;
}

static CELLA_RESULT members(struct cella_edl_parser *p, struct cella_edl_aggregate *a) {
    while (!cella_edl_at(p, '}')) {
        struct cella_edl_field *field;
        CELLA_EDL_PUSH(p->arena, &a->fields, field);
        TRY(cella_edl_parse_field(p, "member", field));
        TRY(cella_edl_expect(p, ';', "after the member"));
        for (uint32_t i = 0; i + 1 < a->fields.count; i++)
            if (strcmp(a->fields.item[i].name, field->name) == 0)
                CELLA_EDL_WRONG(field->place, NULL, "the member `%s' stands here twice",
                                field->name);
    }
    if (a->fields.count == 0)
        CELLA_EDL_WRONG(a->place, "give it a member, C has no empty structs", "`%s' has no members",
                        a->name);
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_edl_parse_aggregate(struct cella_edl_parser *p, enum cella_edl_tag tag) {
    struct cella_edl_word word = {"", p->lexer.place};
    if (tag != CELLA_EDL_ENUM || !cella_edl_at(p, '{')) TRY(cella_edl_identifier(p, "type", &word));
    struct cella_edl_aggregate *a = cella_arena_take(p->arena, sizeof(*a)), **slot;
    ENSURE(a, CELLA_ERR_LIMIT, NULL, "the interface takes too much memory");
    a->tag = tag;
    a->name = word.text;
    a->place = word.place;
    TRY(cella_edl_expect(p, '{', "after the type's name"));
    if (tag == CELLA_EDL_ENUM)
        TRY(enumerators(p, a));
    else
        TRY(members(p, a));
    TRY(cella_edl_expect(p, '}', "after the last member"));
    TRY(cella_edl_expect(p, ';', "after the type"));
    struct cella_edl_aggregate *old = *a->name ? cella_edl_find_aggregate(p->tree, a->name) : NULL;
    if (old)
        CELLA_EDL_WRONG(a->place, "rename one of them", "the type `%s' is already defined at %s:%u",
                        a->name, old->place.file, old->place.line);
    CELLA_EDL_PUSH(p->arena, &p->tree->aggregates, slot);
    *slot = a;
    return CELLA_SUCCESS;
}

/* ---- functions ---- */

/* [cdecl], [dllimport] and their like say something on Windows only; here they are checked. */
static CELLA_RESULT conventions(struct cella_edl_parser *p) {
    uint32_t calls = 0, imports = 0;
    TRY(cella_edl_next(p));
    for (;;) {
        bool is_call = cella_edl_at_word(p, "cdecl") || cella_edl_at_word(p, "stdcall") ||
                       cella_edl_at_word(p, "fastcall");
        if (!is_call && !cella_edl_at_word(p, "dllimport"))
            CELLA_EDL_WRONG(p->lexer.place, "cdecl, stdcall, fastcall or dllimport",
                            "unknown attribute of a function %s", cella_edl_lexer_found(&p->lexer));
        if (++*(is_call ? &calls : &imports) > 1)
            CELLA_EDL_WRONG(p->lexer.place, NULL, "a second one: %s",
                            cella_edl_lexer_found(&p->lexer));
        TRY(cella_edl_next(p));
        if (!cella_edl_at(p, ',')) break;
        TRY(cella_edl_next(p));
    }
    return cella_edl_expect(p, ']', "after the attributes");
}

static CELLA_RESULT parameters(struct cella_edl_parser *p, struct cella_edl_function *f) {
    TRY(cella_edl_expect(p, '(', "after the function's name"));
    while (!cella_edl_at(p, ')')) {
        struct cella_edl_field *field;
        if (f->parameters.count == 0 && cella_edl_at_word(p, "void")) {
            /* (void) alone, or the first parameter is a void pointer */
            struct cella_edl_lexer before = p->lexer;
            TRY(cella_edl_next(p));
            if (cella_edl_at(p, ')')) break;
            p->lexer = before;
        }
        CELLA_EDL_PUSH(p->arena, &f->parameters, field);
        if (cella_edl_at(p, '.'))
            CELLA_EDL_WRONG(p->lexer.place, NULL, "a variable number of parameters");
        TRY(cella_edl_parse_field(p, "parameter", field));
        for (uint32_t i = 0; i + 1 < f->parameters.count; i++)
            if (strcmp(f->parameters.item[i].name, field->name) == 0)
                CELLA_EDL_WRONG(field->place, NULL, "the parameter `%s' stands here twice",
                                field->name);
        if (!cella_edl_at(p, ',')) break;
        TRY(cella_edl_next(p));
        if (cella_edl_at(p, ')'))
            CELLA_EDL_WRONG(p->lexer.place, NULL, "expected a parameter after `,', found `)'");
    }
    return cella_edl_expect(p, ')', "after the parameters");
}

static CELLA_RESULT allow_list(struct cella_edl_parser *p, struct cella_edl_function *f) {
    if (!cella_edl_at_word(p, "allow")) return CELLA_SUCCESS;
    if (f->is_trusted)
        CELLA_EDL_WRONG(p->lexer.place, "put it at the untrusted function that calls back",
                        "allow() at a trusted function");
    f->has_allow = true;
    TRY(cella_edl_next(p));
    TRY(cella_edl_expect(p, '(', "after allow"));
    while (!cella_edl_at(p, ')')) {
        struct cella_edl_word *word;
        CELLA_EDL_PUSH(p->arena, &f->allow, word);
        TRY(cella_edl_identifier(p, "trusted function", word));
        if (!cella_edl_at(p, ',')) break;
        TRY(cella_edl_next(p));
    }
    return cella_edl_expect(p, ')', "after the functions allowed");
}

static CELLA_RESULT suffixes(struct cella_edl_parser *p, struct cella_edl_function *f) {
    for (;;) {
        bool is_errno = cella_edl_at_word(p, "propagate_errno");
        if (!is_errno && !cella_edl_at_word(p, "transition_using_threads")) return CELLA_SUCCESS;
        if (is_errno && f->is_trusted)
            CELLA_EDL_WRONG(p->lexer.place, "errno comes from the host's functions only",
                            "propagate_errno at a trusted function");
        bool *which = is_errno ? &f->propagates_errno : &f->is_switchless;
        if (*which)
            CELLA_EDL_WRONG(p->lexer.place, "write it once", "%s stands here twice",
                            cella_edl_lexer_found(&p->lexer));
        *which = true;
        TRY(cella_edl_next(p));
    }
}

static CELLA_RESULT access(struct cella_edl_parser *p, struct cella_edl_function *f) {
    if (!f->is_trusted) return CELLA_SUCCESS;
    f->is_public = cella_edl_at_word(p, "public");
    if (f->is_public) return cella_edl_next(p);
    return cella_edl_at_word(p, "private") ? cella_edl_next(p) : CELLA_SUCCESS;
}

static CELLA_RESULT add_function(struct cella_edl_parser *p, struct cella_edl_function *f) {
    struct cella_edl_function *old = cella_edl_find_function(&p->tree->ecalls, f->name), **slot;
    if (!old) old = cella_edl_find_function(&p->tree->ocalls, f->name);
    if (old)
        CELLA_EDL_WRONG(f->place, "rename one of them",
                        "the function `%s' is already declared at %s:%u", f->name, old->place.file,
                        old->place.line);
    struct cella_edl_functions *list = f->is_trusted ? &p->tree->ecalls : &p->tree->ocalls;
    CELLA_EDL_PUSH(p->arena, list, slot);
    *slot = f;
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_edl_parse_function(struct cella_edl_parser *p, bool trusted) {
    struct cella_edl_function *f = cella_arena_take(p->arena, sizeof(*f));
    struct cella_edl_word word;
    ENSURE(f, CELLA_ERR_LIMIT, NULL, "the interface takes too much memory");
    f->is_trusted = trusted;
    if (cella_edl_at(p, '[')) {
        if (trusted) CELLA_EDL_WRONG(p->lexer.place, NULL, "attributes before a trusted function");
        TRY(conventions(p));
    }
    TRY(access(p, f));
    TRY(cella_edl_parse_type(p, &f->result));
    if (cella_edl_at(p, '['))
        CELLA_EDL_WRONG(p->lexer.place, "return it through an [out] parameter",
                        "a function that returns an array");
    TRY(cella_edl_identifier(p, "function", &word));
    f->name = word.text;
    f->place = word.place;
    TRY(parameters(p, f));
    TRY(allow_list(p, f));
    TRY(suffixes(p, f));
    TRY(cella_edl_expect(p, ';', "after the function"));
    return add_function(p, f);
}

/* ---- the file ---- */

static CELLA_RESULT include(struct cella_edl_parser *p) {
    TRY(cella_edl_next(p));
    if (p->lexer.token != CELLA_EDL_TEXT)
        CELLA_EDL_WRONG(p->lexer.place, "write include \"x.h\"", "expected a header, found %s",
                        cella_edl_lexer_found(&p->lexer));
    bool known = false;
    for (uint32_t i = 0; i < p->tree->includes.count; i++)
        known |= strcmp(p->tree->includes.item[i].text, p->lexer.text) == 0;
    if (!known) {
        struct cella_edl_word *word;
        CELLA_EDL_PUSH(p->arena, &p->tree->includes, word);
        *word = (struct cella_edl_word){p->lexer.text, p->lexer.place};
    }
    return cella_edl_next(p);
}

static CELLA_RESULT block(struct cella_edl_parser *p, bool trusted) {
    TRY(cella_edl_next(p));
    TRY(cella_edl_expect(p, '{', trusted ? "after trusted" : "after untrusted"));
    while (!cella_edl_at(p, '}'))
        if (cella_edl_at_word(p, "include"))
            TRY(include(p));
        else
            TRY(cella_edl_parse_function(p, trusted));
    TRY(cella_edl_next(p));
    return cella_edl_expect(p, ';', "after the block");
}

static CELLA_RESULT import(struct cella_edl_parser *p, bool from) {
    struct cella_edl_words names = {0};
    struct cella_edl_word file;
    TRY(cella_edl_next(p));
    if (p->lexer.token != CELLA_EDL_TEXT)
        CELLA_EDL_WRONG(p->lexer.place, "write import \"x.edl\"",
                        "expected an interface file, found %s", cella_edl_lexer_found(&p->lexer));
    file = (struct cella_edl_word){p->lexer.text, p->lexer.place};
    TRY(cella_edl_next(p));
    if (!from) {
        if (cella_edl_at(p, ';')) TRY(cella_edl_next(p));
        return cella_edl_import(p, &file, NULL);
    }
    if (!cella_edl_at_word(p, "import"))
        CELLA_EDL_WRONG(p->lexer.place, "write from \"x.edl\" import a, b; or import *;",
                        "expected import, found %s", cella_edl_lexer_found(&p->lexer));
    TRY(cella_edl_next(p));
    bool all = cella_edl_at(p, '*');
    if (all) TRY(cella_edl_next(p));
    while (!all) {
        struct cella_edl_word *word;
        CELLA_EDL_PUSH(p->arena, &names, word);
        TRY(cella_edl_identifier(p, "function", word));
        if (!cella_edl_at(p, ',')) break;
        TRY(cella_edl_next(p));
    }
    TRY(cella_edl_expect(p, ';', "after the import"));
    return cella_edl_import(p, &file, all ? NULL : &names);
}

static CELLA_RESULT item(struct cella_edl_parser *p) {
    bool is_struct = cella_edl_at_word(p, "struct"), is_union = cella_edl_at_word(p, "union");
    if (cella_edl_at_word(p, "trusted")) return block(p, true);
    if (cella_edl_at_word(p, "untrusted")) return block(p, false);
    if (cella_edl_at_word(p, "include")) return include(p);
    if (cella_edl_at_word(p, "import")) return import(p, false);
    if (cella_edl_at_word(p, "from")) return import(p, true);
    if (is_struct || is_union || cella_edl_at_word(p, "enum")) {
        TRY(cella_edl_next(p));
        return cella_edl_parse_aggregate(p, is_struct  ? CELLA_EDL_STRUCT
                                            : is_union ? CELLA_EDL_UNION
                                                       : CELLA_EDL_ENUM);
    }
    CELLA_EDL_WRONG(p->lexer.place,
                    "trusted, untrusted, include, import, from, struct, union or enum",
                    "unexpected %s", cella_edl_lexer_found(&p->lexer));
}

CELLA_RESULT cella_edl_parse(struct cella_edl_parser *parser) {
    TRY(cella_edl_next(parser));
    if (!cella_edl_at_word(parser, "enclave"))
        CELLA_EDL_WRONG(parser->lexer.place, "an interface file is enclave { ... };",
                        "expected enclave, found %s", cella_edl_lexer_found(&parser->lexer));
    TRY(cella_edl_next(parser));
    TRY(cella_edl_expect(parser, '{', "after enclave"));
    while (!cella_edl_at(parser, '}')) TRY(item(parser));
    TRY(cella_edl_next(parser));
    if (cella_edl_at(parser, ';')) TRY(cella_edl_next(parser));
    if (parser->lexer.token != CELLA_EDL_END)
        CELLA_EDL_WRONG(parser->lexer.place, "put everything inside of enclave { ... };",
                        "%s after the end of enclave", cella_edl_lexer_found(&parser->lexer));
    return CELLA_SUCCESS;
}
