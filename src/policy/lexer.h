/* The tokens of a policy's text, with where they stand. */
#ifndef CELLA_POLICY_LEXER_H
#define CELLA_POLICY_LEXER_H

#include "policy/syntax.h"

enum cella_policy_token {
    TOKEN_END,
    TOKEN_NAME,    /* text */
    TOKEN_STRING,  /* text, without escapes */
    TOKEN_INTEGER, /* number */
    TOKEN_EQ,
    TOKEN_NE,
    TOKEN_LT,
    TOKEN_LE,
    TOKEN_GT,
    TOKEN_GE, /* in the order of the operators */
    TOKEN_ASSIGN,
    TOKEN_ARROW,
    TOKEN_AND,
    TOKEN_NOT,
    TOKEN_COLON,
    TOKEN_SEMICOLON,
    TOKEN_COMMA,
    TOKEN_DOT,
    TOKEN_OPEN,
    TOKEN_CLOSE,
    TOKEN_BRACKET,
    TOKEN_BRACKET_END,
    TOKEN_BRACE,
    TOKEN_BRACE_END,
    TOKEN_BAD, /* wrong says why */
};

struct cella_policy_lexer {
    struct cella_arena *arena; /* for strings with escapes */
    struct cella_bytes all;
    size_t at, line_start;
    uint32_t line;
    enum cella_policy_token token;
    struct cella_policy_place place; /* of the token */
    size_t from, end, end_before;    /* of the token; of the one before */
    struct cella_bytes text;
    int64_t number;
    const char *wrong; /* static */
};

void cella_policy_lexer_begin(struct cella_policy_lexer *lexer, struct cella_arena *arena,
                              struct cella_bytes text);
void cella_policy_lexer_next(struct cella_policy_lexer *lexer);
/* The token as it is written, for an error: cut to size. */
void cella_policy_lexer_found(const struct cella_policy_lexer *lexer, char *text, size_t size);
/* Whether the token is that word, in any case of its letters. */
bool cella_policy_lexer_is(const struct cella_policy_lexer *lexer, const char *word);

#endif
