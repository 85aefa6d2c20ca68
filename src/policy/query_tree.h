/* The tree of a JMESPath query, between its parser, its evaluator and its functions. */
#ifndef CELLA_POLICY_QUERY_TREE_H
#define CELLA_POLICY_QUERY_TREE_H

#include "policy/query.h"

enum cella_query_kind {
    QUERY_CURRENT,          /* @ */
    QUERY_LITERAL,          /* value */
    QUERY_FIELD,            /* text */
    QUERY_INDEX,            /* of left: [number[0]] */
    QUERY_SLICE,            /* of left: [number[0]:number[1]:number[2]], given by has */
    QUERY_CHAIN,            /* left . right, left | right */
    QUERY_PROJECTION,       /* left[*] right */
    QUERY_VALUE_PROJECTION, /* left.* right */
    QUERY_FILTER,           /* left[? test] right */
    QUERY_FLATTEN,          /* left[] */
    QUERY_LIST,             /* [child, ...] */
    QUERY_HASH,             /* {key: child, ...} */
    QUERY_OR,
    QUERY_AND,
    QUERY_NOT,        /* left */
    QUERY_COMPARE,    /* left op right */
    QUERY_CALL,       /* function(child, ...) */
    QUERY_EXPRESSION, /* & left */
};

enum cella_query_compare { QUERY_EQ, QUERY_NE, QUERY_LT, QUERY_LE, QUERY_GT, QUERY_GE };

struct cella_query_function;

struct cella_query {
    enum cella_query_kind kind;
    enum cella_query_compare compare;
    uint32_t depth;
    const struct cella_query *left, *right, *test;
    const struct cella_query **item; /* of a list, hash, call */
    struct cella_bytes *key;         /* of a hash */
    uint32_t count, capacity, key_count, key_capacity;
    struct cella_bytes text;
    const struct cella_document *value;
    const struct cella_query_function *function;
    int64_t number[3];
    bool has[3];
};

enum { QUERY_ARGUMENTS_ANY = 255 };

struct cella_query_function {
    const char *name;
    uint8_t least, most; /* arguments; most QUERY_ARGUMENTS_ANY: as many as there are */
    const struct cella_document *(*call)(struct cella_query_run *run,
                                         const struct cella_document *const *argument,
                                         uint32_t count);
};
const struct cella_query_function *cella_query_function_of(struct cella_bytes name);

/* --- For the evaluator and the functions --- */

/* Counts n steps; false, and run failed, above the limit. */
bool cella_query_step(struct cella_query_run *run, uint64_t n);
const struct cella_document *cella_query_fail(struct cella_query_run *run, const char *why);
const struct cella_document *cella_query_null(void);
const struct cella_document *cella_query_boolean(bool yes);
/* New values; NULL, and run failed, without memory. */
struct cella_document *cella_query_new(struct cella_query_run *run, enum cella_document_type type);
const struct cella_document *cella_query_integer(struct cella_query_run *run, int64_t n);
const struct cella_document *cella_query_real(struct cella_query_run *run, double n);
const struct cella_document *cella_query_string(struct cella_query_run *run,
                                                struct cella_bytes text);
bool cella_query_append(struct cella_query_run *run, struct cella_document *array,
                        const struct cella_document *item);
bool cella_query_put(struct cella_query_run *run, struct cella_document *object,
                     struct cella_bytes key, const struct cella_document *value);
/* What JMESPath counts as true: all but null, false, and what is empty. */
bool cella_query_truth(const struct cella_document *d);

#endif
