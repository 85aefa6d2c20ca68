/* Strict JSON of untrusted bytes (A29), over jansson: what it does not bound is looked at before.
 */
#include <stdlib.h>
#include <string.h>

#include "crypto/jose.h"

struct scan {
    size_t depth, values; /* values: the whole, and one behind each comma and in each that opens */
    bool in_string, escaped, opened;
};

static void scan_string(struct scan *s, uint8_t c) {
    if (s->escaped)
        s->escaped = false;
    else if (c == '\\')
        s->escaped = true;
    else
        s->in_string = c != '"';
}

/* Whether to go on. What stands in strings is skipped; all else is for the parser to judge. */
static bool scan_byte(struct scan *s, uint8_t c) {
    bool opens = c == '[' || c == '{', closes = c == ']' || c == '}';
    if (s->in_string) {
        scan_string(s, c);
        return true;
    }
    if (c == ' ' || c == '\t' || c == '\n' || c == '\r') return true;
    s->values += (s->opened && !closes) + (c == ',');
    s->opened = opens;
    s->in_string = c == '"';
    if (opens) s->depth++;
    if (closes && s->depth > 0) s->depth--;
    return s->depth <= CELLA_JOSE_DEPTH_MAX && s->values <= CELLA_JSON_VALUES_MAX;
}

/* Before the parser, which recurses, takes up to 250 bytes for a value of two in the text, and
 * stops at a NUL after a number. */
static struct cella_result check_shape(struct cella_bytes text, const char *what) {
    struct scan s = {.values = 1};
    const uint8_t *nul = text.size ? memchr(text.data, 0, text.size) : NULL;
    ENSURE(!nul, CELLA_ERR_FORMAT, NULL, "%s: not strict JSON: a NUL at byte %zu", what,
           (size_t)(nul - text.data));
    for (size_t i = 0; i < text.size; i++) {
        if (scan_byte(&s, text.data[i])) continue;
        ENSURE(s.depth <= CELLA_JOSE_DEPTH_MAX, CELLA_ERR_LIMIT, NULL,
               "%s: JSON nested deeper than %d at byte %zu", what, CELLA_JOSE_DEPTH_MAX, i);
        FAIL(CELLA_ERR_LIMIT, NULL, "%s: JSON of more than %d values", what, CELLA_JSON_VALUES_MAX);
    }
    return CELLA_SUCCESS;
}

static struct cella_result load(struct cella_bytes text, const char *what, size_t flags,
                                json_t **out) {
    json_error_t error;
    *out = NULL;
    TRY(check_shape(text, what));
    *out = json_loadb((const char *)text.data, text.size, JSON_REJECT_DUPLICATES | flags, &error);
    if (*out) return CELLA_SUCCESS;
    ENSURE(json_error_code(&error) != json_error_out_of_memory, CELLA_ERR_MEMORY, NULL,
           "no memory for %s of %zu bytes", what, text.size);
    /* The parser quotes what stands there, which may be a secret. */
    char *quoted = strstr(error.text, " near '");
    if (quoted) *quoted = 0;
    FAIL(CELLA_ERR_FORMAT, NULL, "%s: not strict JSON: line %d, column %d: %s", what, error.line,
         error.column, error.text);
}

CELLA_RESULT cella_json_value(struct cella_bytes text, const char *what, json_t **out) {
    return load(text, what, JSON_DECODE_ANY, out);
}

CELLA_RESULT cella_json_object(struct cella_bytes text, const char *what, json_t **out) {
    TRY(load(text, what, 0, out));
    if (json_is_object(*out)) return CELLA_SUCCESS;
    cella_json_free(out);
    *out = NULL;
    FAIL(CELLA_ERR_FORMAT, NULL, "%s: a JSON array, expected an object", what);
}

bool cella_json_date(const json_t *object, const char *name, uint64_t *unix_s) {
    const json_t *value = json_object_get(object, name);
    json_int_t number = json_integer_value(value); /* 0 for what is none */
    *unix_s = 0;
    if (!json_is_integer(value) || number < 0 || number > ((json_int_t)1 << 53) - 1) return false;
    *unix_s = (uint64_t)number;
    return true;
}

json_t *cella_json_text(const char *text) {
    json_t *whole = text ? json_string(text) : NULL;
    if (whole || !text) return whole;
    char *plain = strdup(text);
    for (char *c = plain; c && *c; c++)
        if ((unsigned char)*c >= 0x80) *c = '?';
    whole = plain ? json_string(plain) : NULL;
    free(plain);
    return whole;
}
