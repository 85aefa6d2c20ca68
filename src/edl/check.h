/* What names mean, and whether what the file says is safe to do.
 *
 * Refused, each with the place and the way out: a pointer that does not say what is behind it, a
 * pointer to a pointer, a returned pointer, attributes that contradict one another or would be
 * without effect, a struct that would carry an address across. (threats.md R21, R30, R32) */
#ifndef CELLA_EDL_CHECK_H
#define CELLA_EDL_CHECK_H

#include "edl/tree.h"

/* Worth a line, not worth a refusal. */
struct cella_edl_warnings {
    struct cella_edl_word *item; /* text with file:line:column */
    uint32_t count, capacity;
};

/* Resolves and checks the whole interface; sorts its types so that each comes after those it holds
 * by value. */
CELLA_RESULT cella_edl_check(struct cella_arena *arena, struct cella_edl_tree *tree,
                             struct cella_edl_warnings *warnings);

/* ---- shared by the check's files ---- */

struct cella_edl_checker {
    struct cella_arena *arena;
    struct cella_edl_tree *tree;
    struct cella_edl_warnings *warnings;
};
CELLA_RESULT cella_edl_check_types(struct cella_edl_checker *c);
CELLA_RESULT cella_edl_resolve(struct cella_edl_checker *c, struct cella_edl_type *type);
/* The size, the count and the dimensions of one of fields. */
CELLA_RESULT cella_edl_check_sizes(struct cella_edl_checker *c, struct cella_edl_fields *fields,
                                   struct cella_edl_field *field, bool of_function);
CELLA_RESULT cella_edl_check_parameter(struct cella_edl_checker *c, struct cella_edl_function *f,
                                       struct cella_edl_field *field);
/* A struct whose bytes are to cross: no address among them. */
CELLA_RESULT cella_edl_check_crossing(const struct cella_edl_type *type,
                                      struct cella_edl_place place, const char *what);

#endif
