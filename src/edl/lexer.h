/* The tokens of an interface file, after the preprocessor's work.
 *
 * The preprocessor is a part of the C one, done here so that every token keeps its place and no
 * other program has to run: #ifdef, #ifndef, #if, #elif, #else, #endif over integers and defined(),
 * #define and #undef of names without arguments, #error, and names given on the command line.
 * #include is not taken: `import` and `include` of the language say which of its two meanings is
 * wanted. */
#ifndef CELLA_EDL_LEXER_H
#define CELLA_EDL_LEXER_H

#include "edl/tree.h"

/* Names of the preprocessor: given by -D and by #define, for all files of one interface. */
struct cella_edl_macro {
    const char *name;
    const char *value; /* "1" when only the name was given */
    bool is_bare;      /* only the name was given: not replaced in text */
    bool is_gone;      /* #undef */
    bool is_open;      /* being replaced: not again inside of itself */
};
struct cella_edl_macros {
    struct cella_edl_macro *item;
    uint32_t count, capacity;
};
/* NAME or NAME=VALUE. */
CELLA_RESULT cella_edl_define(struct cella_arena *arena, struct cella_edl_macros *macros,
                              const char *name, const char *value, bool is_bare);
struct cella_edl_macro *cella_edl_macro_find(struct cella_edl_macros *macros, const char *name);

enum cella_edl_token {
    CELLA_EDL_END,
    CELLA_EDL_WORD,    /* text */
    CELLA_EDL_INTEGER, /* number */
    CELLA_EDL_TEXT,    /* text, between its quotes */
    CELLA_EDL_SIGN,    /* sign: one character, or CELLA_EDL_DOUBLED(c) for cc and c= */
};

/* Text being read: a file, or the value of a macro in it. */
struct cella_edl_input {
    const char *data;
    size_t size, at;
    uint32_t line, column;
    struct cella_edl_macro *macro; /* whose value it is, or NULL */
};

struct cella_edl_condition {
    struct cella_edl_place place;
    bool is_live, was_live, outer_live, has_else;
};

struct cella_edl_lexer {
    struct cella_arena *arena;
    struct cella_edl_macros *macros;
    const char *file;
    struct cella_edl_input input[CELLA_EDL_NESTING_MAX];
    uint32_t inputs;
    struct cella_edl_condition condition[CELLA_EDL_NESTING_MAX];
    uint32_t conditions;
    bool line_begins; /* nothing but blanks since the line's start */

    enum cella_edl_token token;
    struct cella_edl_place place; /* of the token */
    const char *text;
    uint64_t number;
    char sign;
};

CELLA_RESULT cella_edl_lexer_begin(struct cella_edl_lexer *lexer, struct cella_arena *arena,
                                   struct cella_edl_macros *macros, const char *file,
                                   struct cella_bytes text);
CELLA_RESULT cella_edl_lexer_next(struct cella_edl_lexer *lexer);

static inline bool cella_edl_lexer_is_sign(const struct cella_edl_lexer *l, char sign) {
    return l->token == CELLA_EDL_SIGN && l->sign == sign;
}
bool cella_edl_lexer_is_word(const struct cella_edl_lexer *lexer, const char *word);
/* The token for an error: "`name'", "`{'", "the end of the file". */
const char *cella_edl_lexer_found(const struct cella_edl_lexer *lexer);

/* ---- for directive.c ---- */

static inline bool cella_edl_lexer_live(const struct cella_edl_lexer *l) {
    return l->conditions == 0 || l->condition[l->conditions - 1].is_live;
}
static inline struct cella_edl_input *cella_edl_lexer_input(struct cella_edl_lexer *l) {
    return &l->input[l->inputs - 1];
}
struct cella_edl_place cella_edl_lexer_here(const struct cella_edl_lexer *lexer);
/* One character on; counts lines. */
void cella_edl_lexer_step(struct cella_edl_lexer *lexer);
/* Past blanks and comments, but not past the line's end. */
CELLA_RESULT cella_edl_lexer_blanks(struct cella_edl_lexer *lexer);
/* A name, copied to the arena, or NULL where none stands. */
CELLA_RESULT cella_edl_lexer_name(struct cella_edl_lexer *lexer, const char **name);
CELLA_RESULT cella_edl_lexer_integer(struct cella_edl_lexer *lexer, uint64_t *number);
/* At a '#' that begins a line: does what the directive says and leaves the cursor at the line's
 * end. */
CELLA_RESULT cella_edl_directive(struct cella_edl_lexer *lexer);
/* #if: the value of the rest of the line. */
CELLA_RESULT cella_edl_condition_value(struct cella_edl_lexer *lexer, bool *value);

#endif
