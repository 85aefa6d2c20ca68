/* JMESPath (jmespath.org, its specification of 2015) over JSON: the whole grammar and all its
 * functions, and Azure's equals_ignore_case(). No regular expressions are in it; time and memory
 * are bounded by the steps and the arena of the caller.
 *
 * A query is compiled into an arena and may then be run by any number of threads. */
#ifndef CELLA_POLICY_QUERY_H
#define CELLA_POLICY_QUERY_H

#include "policy/document.h"

struct cella_query;

/* NULL when it is no query: *failed, static, says why, and *at at which byte. */
const struct cella_query *cella_query_compile(struct cella_arena *arena, struct cella_bytes text,
                                              const char **failed, size_t *at);

struct cella_query_run {
    struct cella_arena *arena;
    uint64_t *steps;    /* counted up; it fails above CELLA_POLICY_STEPS_MAX */
    const char *failed; /* static: the first thing that was wrong */
};
/* NULL when it failed; a query without a match gives null. */
const struct cella_document *cella_query_run(const struct cella_query *query,
                                             const struct cella_document *on,
                                             struct cella_query_run *run);

#endif
