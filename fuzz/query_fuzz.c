/* A query of JMESPath, then after a NUL the JSON that it is asked of. What comes out is JSON. */
#include <stdlib.h>
#include <string.h>

#include "policy/query.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const uint8_t *nul = memchr(data, 0, size);
    size_t split = nul ? (size_t)(nul - data) : size, at = 0;
    struct cella_bytes text = cella_bytes("{\"a\":[1,\"x\",{\"b\":null}],\"c\":{\"d\":1.5}}", 38);
    if (nul) text = cella_bytes(nul + 1, size - split - 1);
    struct cella_arena arena;
    const char *failed = NULL;
    uint64_t steps = 0;
    cella_arena_begin(&arena, CELLA_POLICY_MEMORY_MAX);
    struct cella_query_run run = {.arena = &arena, .steps = &steps};
    const struct cella_document *on = cella_document_read(&arena, text, &failed, &at),
                                *found = NULL;
    const struct cella_query *query =
        cella_query_compile(&arena, cella_bytes(data, split), &failed, &at);
    if (on && query) found = cella_query_run(query, on, &run);
    if (on && query && !found && !run.failed) abort();
    if (found) {
        struct cella_bytes out = cella_document_write(&arena, found);
        const char *why = NULL;
        if (out.data && !cella_document_read(&arena, out, &why, &at) && !arena.failed &&
            !strstr(why, "deeper"))
            abort();
    }
    cella_arena_free(&arena);
    return 0;
}
