/* From tokens to the tree. What a name means, and whether attributes fit, is check.h's work. */
#ifndef CELLA_EDL_PARSE_H
#define CELLA_EDL_PARSE_H

#include "edl/lexer.h"

struct cella_edl_loader; /* load.h: import goes back to it */

struct cella_edl_parser {
    struct cella_edl_lexer lexer;
    struct cella_arena *arena;
    struct cella_edl_tree *tree;
    struct cella_edl_loader *loader;
};

/* Reads one file's `enclave { ... }` into parser->tree. */
CELLA_RESULT cella_edl_parse(struct cella_edl_parser *parser);

/* ---- pieces, shared by the parser's files ---- */

#define CELLA_EDL_PUSH(arena, list, out)                                                           \
    do {                                                                                           \
        ENSURE((list)->count < CELLA_EDL_ITEMS_MAX, CELLA_ERR_LIMIT, "split the interface",        \
               "more than %d items in one list", CELLA_EDL_ITEMS_MAX);                             \
        (out) = CELLA_ARENA_PUSH(arena, list);                                                     \
        ENSURE(out, CELLA_ERR_LIMIT, "split the interface",                                        \
               "the interface takes too much memory");                                             \
    } while (0)

static inline CELLA_RESULT cella_edl_next(struct cella_edl_parser *p) {
    return cella_edl_lexer_next(&p->lexer);
}
static inline bool cella_edl_at(const struct cella_edl_parser *p, char sign) {
    return cella_edl_lexer_is_sign(&p->lexer, sign);
}
static inline bool cella_edl_at_word(const struct cella_edl_parser *p, const char *word) {
    return cella_edl_lexer_is_word(&p->lexer, word);
}
/* Takes the sign, or refuses: "expected `;' after the parameters". */
CELLA_RESULT cella_edl_expect(struct cella_edl_parser *p, char sign, const char *where);
/* Takes a name that C can declare. */
CELLA_RESULT cella_edl_identifier(struct cella_edl_parser *p, const char *of,
                                  struct cella_edl_word *word);
CELLA_RESULT cella_edl_parse_expression(struct cella_edl_parser *p,
                                        struct cella_edl_expression **out);
CELLA_RESULT cella_edl_parse_type(struct cella_edl_parser *p, struct cella_edl_type *type);
/* [attributes] type name[dimensions] */
CELLA_RESULT cella_edl_parse_field(struct cella_edl_parser *p, const char *of,
                                   struct cella_edl_field *field);
/* struct, union or enum, after that word. */
CELLA_RESULT cella_edl_parse_aggregate(struct cella_edl_parser *p, enum cella_edl_tag tag);
/* One function of a trusted or untrusted block. */
CELLA_RESULT cella_edl_parse_function(struct cella_edl_parser *p, bool trusted);

#endif
