#include "attest/references.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"

enum { SIZE = 48, COUNT_MAX = 65536 };

struct cella_references {
    size_t count;
    uint8_t value[][SIZE];
};

void cella_references_free(struct cella_references **references) {
    free(*references);
    *references = NULL;
}

/* The next line, without comment and white space around it; false after the last. */
static bool next_line(struct cella_bytes *left, struct cella_bytes *line) {
    if (left->size == 0) return false;
    const uint8_t *end = memchr(left->data, '\n', left->size);
    size_t size = end ? (size_t)(end - left->data) : left->size;
    *line = cella_bytes(left->data, size);
    *left = end ? cella_bytes(end + 1, left->size - size - 1) : cella_bytes(NULL, 0);
    const uint8_t *comment = size ? memchr(line->data, '#', size) : NULL;
    if (comment) line->size = (size_t)(comment - line->data);
    while (line->size > 0 && line->data[0] <= ' ')
        *line = cella_bytes(line->data + 1, line->size - 1);
    while (line->size > 0 && line->data[line->size - 1] <= ' ') line->size--;
    return true;
}

static size_t count_lines(struct cella_bytes text) {
    size_t count = 0;
    for (struct cella_bytes line; next_line(&text, &line);) count += line.size > 0;
    return count;
}

static int compare(const void *a, const void *b) { return memcmp(a, b, SIZE); }

static CELLA_RESULT fill(struct cella_references *references, struct cella_bytes text) {
    size_t number = 0;
    for (struct cella_bytes line; next_line(&text, &line);) {
        number++;
        if (line.size == 0) continue;
        ENSURE(line.size == (size_t)2 * SIZE, CELLA_ERR_FORMAT,
               "write one launch measurement a line, as `cella measure` prints it",
               "reference values: line %zu: expected %d hex digits, found %zu characters", number,
               2 * SIZE, line.size);
        TRY_IN(cella_hex_decode(line, references->value[references->count++], SIZE),
               "reference values: line %zu", number);
    }
    qsort(references->value, references->count, SIZE, compare);
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_references_new(struct cella_bytes text, struct cella_references **out) {
    size_t count = count_lines(text);
    *out = NULL;
    if (count == 0) return CELLA_SUCCESS;
    ENSURE(count <= COUNT_MAX, CELLA_ERR_LIMIT, NULL, "reference values: more than %d", COUNT_MAX);
    struct cella_references *made = calloc(1, sizeof(*made) + count * SIZE);
    ENSURE(made, CELLA_ERR_MEMORY, NULL, "no memory for reference values");
    struct cella_result r = fill(made, text);
    if (cella_failed(r)) cella_references_free(&made);
    *out = made;
    return r;
}

bool cella_references_have(const struct cella_references *references,
                           struct cella_bytes measurement) {
    return references && measurement.size == SIZE &&
           bsearch(measurement.data, references->value, references->count, SIZE, compare) != NULL;
}
