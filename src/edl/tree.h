/* What an interface file says, as a tree: types, functions, attributes, each with its place. All of
 * it lies in one arena and lives as long as that. */
#ifndef CELLA_EDL_TREE_H
#define CELLA_EDL_TREE_H

#include <cella/result.h>
#include <stdint.h>

#include "base/arena.h"

struct cella_edl_place {
    const char *file;
    uint32_t line, column; /* from 1; a tab is one column */
};

/* Refuses with file:line:column before the text. */
#define CELLA_EDL_WRONG(place_, hint, format, ...)                                                 \
    return cella_result_new(CELLA_ERR_FORMAT, CELLA_WHERE, hint, "%s:%u:%u: " format,              \
                            (place_).file, (place_).line, (place_).column, ##__VA_ARGS__)

enum {
    CELLA_EDL_NESTING_MAX = 16, /* of parentheses, imports, conditions, structs by value */
    CELLA_EDL_ITEMS_MAX = 4096, /* functions, parameters, members, types of one interface */
};

/* ---- size expressions ---- */

enum cella_edl_operator {
    CELLA_EDL_NUMBER,
    CELLA_EDL_NAME,   /* a parameter or member beside, or an enumerator */
    CELLA_EDL_SIZEOF, /* of type */
    CELLA_EDL_ADD,
    CELLA_EDL_SUBTRACT,
    CELLA_EDL_MULTIPLY,
    CELLA_EDL_DIVIDE,
    CELLA_EDL_REMAINDER,
};

struct cella_edl_type;
struct cella_edl_field;
struct cella_edl_expression {
    enum cella_edl_operator kind;
    struct cella_edl_place place;
    uint64_t number;
    const char *name;
    const struct cella_edl_type *type;
    struct cella_edl_field *field; /* what name was found to be; NULL: an enumerator or number */
    struct cella_edl_expression *left, *right;
};

/* ---- types ---- */

enum cella_edl_base {
    CELLA_EDL_VOID,
    CELLA_EDL_BOOL,
    CELLA_EDL_CHAR,
    CELLA_EDL_SHORT,
    CELLA_EDL_INT,
    CELLA_EDL_LONG,
    CELLA_EDL_LONG_LONG,
    CELLA_EDL_INT8,
    CELLA_EDL_INT16,
    CELLA_EDL_INT32,
    CELLA_EDL_INT64,
    CELLA_EDL_SIZE,
    CELLA_EDL_WCHAR,
    CELLA_EDL_FLOAT,
    CELLA_EDL_DOUBLE,
    CELLA_EDL_LONG_DOUBLE,
    CELLA_EDL_AGGREGATE, /* struct, union or enum of the interface, or of a C header */
    CELLA_EDL_FOREIGN,   /* a name that only the C compiler knows */
};

enum cella_edl_tag { CELLA_EDL_UNTAGGED, CELLA_EDL_STRUCT, CELLA_EDL_UNION, CELLA_EDL_ENUM };

struct cella_edl_aggregate;
struct cella_edl_type {
    enum cella_edl_base base;
    bool is_unsigned, is_const;
    uint32_t pointers; /* stars */
    enum cella_edl_tag tag;
    const char *name;                       /* of AGGREGATE and FOREIGN */
    struct cella_edl_aggregate *definition; /* NULL when only a C header has it */
    struct cella_edl_place place;
};

enum cella_edl_attribute {
    CELLA_EDL_IN = 1,
    CELLA_EDL_OUT = 2,
    CELLA_EDL_STRING = 4,
    CELLA_EDL_WSTRING = 8,
    CELLA_EDL_USER_CHECK = 16,
    CELLA_EDL_ISPTR = 32,
    CELLA_EDL_ISARY = 64,
    CELLA_EDL_READONLY = 128,
    CELLA_EDL_SIZED = 256,   /* size= */
    CELLA_EDL_COUNTED = 512, /* count= */
};

/* A parameter of a function or a member of a struct or union. */
struct cella_edl_field {
    const char *name;
    struct cella_edl_place place, attributes_place;
    struct cella_edl_type type;
    bool has_attributes;
    uint32_t attributes; /* enum cella_edl_attribute */
    struct cella_edl_expression *size, *count;
    struct {
        struct cella_edl_expression **item; /* a NUMBER or a NAME each */
        uint32_t count, capacity;
    } dimensions;
    bool is_measure; /* another field's size or count names it */
};

struct cella_edl_fields {
    struct cella_edl_field *item;
    uint32_t count, capacity;
};

struct cella_edl_enumerator {
    const char *name;
    struct cella_edl_place place;
    bool has_number;
    uint64_t number;
    const char *value; /* another enumerator or a constant of a C header, or NULL */
};

struct cella_edl_aggregate {
    enum cella_edl_tag tag;
    const char *name; /* "" for an enum without one */
    struct cella_edl_place place;
    struct cella_edl_fields fields;
    struct {
        struct cella_edl_enumerator *item;
        uint32_t count, capacity;
    } enumerators;
    bool is_deep;     /* has pointers with size or count, itself or in a struct by value */
    bool has_address; /* has a pointer that says nothing, itself or in a struct by value */
    uint32_t depth;   /* 1 + that of the deepest struct by value; 0: not checked yet */
    bool being_checked;
};

/* ---- functions ---- */

struct cella_edl_word {
    const char *text;
    struct cella_edl_place place;
};
struct cella_edl_words {
    struct cella_edl_word *item;
    uint32_t count, capacity;
};

struct cella_edl_function {
    const char *name;
    struct cella_edl_place place;
    bool is_trusted, is_public, is_switchless, propagates_errno;
    struct cella_edl_type result;
    struct cella_edl_fields parameters;
    bool has_allow;
    struct cella_edl_words allow;
};

/* ---- files ---- */

struct cella_edl_aggregates {
    struct cella_edl_aggregate **item;
    uint32_t count, capacity;
};
struct cella_edl_functions {
    struct cella_edl_function **item;
    uint32_t count, capacity;
};

/* A file with all it imports; in the end the interface. */
struct cella_edl_tree {
    const char *name; /* file name without folder and .edl */
    struct cella_edl_words includes;
    struct cella_edl_aggregates aggregates; /* each after those it holds by value */
    struct cella_edl_functions ecalls, ocalls;
};

struct cella_edl_aggregate *cella_edl_find_aggregate(const struct cella_edl_tree *tree,
                                                     const char *name);
/* The enumerator of any enum of the tree, or NULL. */
const struct cella_edl_enumerator *cella_edl_find_enumerator(const struct cella_edl_tree *tree,
                                                             const char *name);
struct cella_edl_function *cella_edl_find_function(const struct cella_edl_functions *functions,
                                                   const char *name);
struct cella_edl_field *cella_edl_find_field(const struct cella_edl_fields *fields,
                                             const char *name);

/* A pointer as a call sees it: stars, [isptr], or an array parameter. */
static inline bool cella_edl_is_array(const struct cella_edl_field *f) {
    return f->dimensions.count != 0 || (f->attributes & CELLA_EDL_ISARY);
}
static inline bool cella_edl_is_pointer(const struct cella_edl_field *f) {
    return f->type.pointers != 0 || (f->attributes & CELLA_EDL_ISPTR);
}

/* The type as C writes it, without the name it declares: "const char *". */
void cella_edl_type_show(const struct cella_edl_type *type, char *text, size_t size);
/* Whether integers of any kind: what a size may be. */
bool cella_edl_type_is_integer(const struct cella_edl_type *type);

#endif
