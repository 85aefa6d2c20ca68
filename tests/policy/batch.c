/* Evaluates policies and queries line by line, for tests that know the answers themselves: reads
 * JSON objects
 * {"policy", "claims"} or {"query", "json"}, writes one JSON object for each. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/outcome_json.h"
#include "policy/query.h"

static struct cella_bytes text_of(const json_t *line, const char *name) {
    const json_t *value = json_object_get(line, name);
    return cella_bytes(json_string_value(value), json_string_length(value));
}

static json_t *problem(const char *kind, struct cella_result r) {
    json_t *out = json_pack("{s:s,s:s}", "problem", kind, "text", r.error->what);
    cella_result_drop(r);
    return out;
}

static json_t *run_policy(const json_t *line, bool trace) {
    struct cella_policy *policy = NULL;
    struct cella_policy_claims *claims = NULL;
    CELLA_POLICY_OUTCOME outcome = {0};
    size_t count = 0;
    struct cella_result r = cella_policy_compile(text_of(line, "policy"), &policy, NULL);
    if (cella_failed(r)) return problem("parse", r);
    r = cella_policy_claims_new(&claims);
    if (!cella_failed(r))
        r = cella_policy_claims_json(claims, text_of(line, "claims"), CELLA_POLICY_SERVICE);
    json_t *out = NULL;
    if (!cella_failed(r)) {
        const struct cella_policy_claim *claim = cella_policy_claims_at(claims, &count);
        r = cella_policy_evaluate(policy, claim, count, trace, &outcome);
    }
    out = cella_failed(r) ? problem("claims", r) : cella_policy_outcome_object(&outcome);
    cella_policy_outcome_free(&outcome);
    cella_policy_claims_free(&claims);
    cella_policy_free(&policy);
    return out;
}

static json_t *run_query(const json_t *line) {
    struct cella_arena arena;
    const char *failed = NULL;
    size_t at = 0;
    uint64_t steps = 0;
    json_t *out = NULL;
    cella_arena_begin(&arena, CELLA_POLICY_MEMORY_MAX);
    struct cella_query_run run = {.arena = &arena, .steps = &steps};
    const struct cella_document *on = cella_document_read(&arena, text_of(line, "json"), &failed,
                                                          &at),
                                *found = NULL;
    const struct cella_query *query =
        on ? cella_query_compile(&arena, text_of(line, "query"), &failed, &at) : NULL;
    if (!on || !query)
        out = json_pack("{s:s,s:s}", "problem", on ? "query" : "json", "text", failed);
    else
        found = cella_query_run(query, on, &run);
    if (query && !found) out = json_pack("{s:s,s:s}", "problem", "run", "text", run.failed);
    if (found) {
        struct cella_bytes text = cella_document_write(&arena, found);
        out = json_pack("{s:s%}", "result", text.data, text.size);
    }
    cella_arena_free(&arena);
    return out;
}

int main(int argc, char **argv) {
    char *text = NULL;
    size_t room = 0;
    bool trace = argc > 1 && strcmp(argv[1], "--trace") == 0;
    for (ssize_t n; (n = getline(&text, &room, stdin)) > 0;) {
        json_error_t error;
        json_t *line = json_loadb(text, (size_t)n, JSON_ALLOW_NUL, &error);
        if (!line) return fprintf(stderr, "batch: %s\n", error.text), 2;
        json_t *out = json_object_get(line, "query") ? run_query(line) : run_policy(line, trace);
        json_dumpf(out, stdout, JSON_COMPACT);
        putchar('\n');
        json_decref(out);
        json_decref(line);
    }
    free(text);
    return 0;
}
