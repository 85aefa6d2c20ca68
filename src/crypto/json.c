/* Strict JSON of untrusted bytes (RFC 8259, A29), into the trees of jansson.
 *
 * A reader of its own, since the one of the library takes 12 us for each KiB, more than a signature
 * for the evidence in a request's body, and bounds neither depth nor what it allocates for the
 * tree; bench/jose_bench.c has both. tests/crypto/json_test.c and fuzz/jose_fuzz.c hold it to the
 * library's: both take the same and read it alike, but that the library takes a NUL after a number.
 */
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "crypto/jose.h"

struct reader {
    const uint8_t *at, *end;
    size_t depth, values;
    const char *wrong; /* NULL, or what is: from then on nothing is read */
    enum cella_code code;
    struct cella_buffer decoded; /* strings that had escapes, one on top of the other */
};

static void *fail(struct reader *r, enum cella_code code, const char *wrong) {
    if (r->wrong) return NULL;
    r->wrong = wrong;
    r->code = code;
    return NULL;
}
static void *malformed(struct reader *r, const char *wrong) {
    return fail(r, CELLA_ERR_FORMAT, wrong);
}

static uint8_t peek(struct reader *r) {
    while (r->at < r->end && (*r->at == ' ' || *r->at == '\n' || *r->at == '\r' || *r->at == '\t'))
        r->at++;
    return r->at < r->end ? *r->at : 0;
}

static bool take(struct reader *r, uint8_t c, const char *wrong) {
    if (peek(r) == c && r->at < r->end) return r->at++, true;
    malformed(r, wrong);
    return false;
}

/* --- Strings --- */

/* Letters that stand for themselves and need no look at what follows. */
static bool is_plain(uint8_t c) { return c >= 0x20 && c < 0x80 && c != '"' && c != '\\'; }

/* Size of the UTF-8 sequence at p (RFC 3629: shortest form, no surrogates, up to U+10FFFF); 0 when
 * it is none. */
static size_t utf8_size(const uint8_t *p, size_t left) {
    size_t n = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
    if (p[0] < 0xc2 || p[0] > 0xf4 || n > left) return 0;
    for (size_t i = 1; i < n; i++)
        if ((p[i] & 0xc0) != 0x80) return 0;
    if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f)) return 0;
    if ((p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f)) return 0;
    return n;
}

/* Moves over letters without escapes; what stops it is a quote, a backslash or a fault. */
static void skip_text(struct reader *r) {
    for (;;) {
        while (r->at < r->end && is_plain(*r->at)) r->at++;
        if (r->at == r->end || *r->at < 0x80) return;
        size_t n = utf8_size(r->at, (size_t)(r->end - r->at));
        if (n == 0) malformed(r, "a string that is not UTF-8");
        if (n == 0) return;
        r->at += n;
    }
}

static bool unit(struct reader *r, uint32_t *out) {
    uint8_t two[2] = {0};
    if (r->end - r->at < 4) return malformed(r, "a string without its end"), false;
    struct cella_result hex = cella_hex_decode(cella_bytes(r->at, 4), two, 2);
    bool good = !cella_failed(hex);
    cella_result_drop(hex);
    if (!good) return malformed(r, "\\u without four hex digits"), false;
    r->at += 4;
    *out = (uint32_t)two[0] << 8 | two[1];
    return true;
}

/* After \u. Surrogates only in pairs, and no NUL, at which C would end the string. */
static bool code_point(struct reader *r, uint32_t *out) {
    uint32_t low = 0;
    if (!unit(r, out)) return false;
    if (*out == 0) return malformed(r, "NUL in a string"), false;
    if (*out < 0xd800 || *out > 0xdfff) return true;
    bool pair = *out < 0xdc00 && r->end - r->at >= 2 && r->at[0] == '\\' && r->at[1] == 'u';
    if (pair) {
        r->at += 2;
        if (!unit(r, &low)) return false;
    }
    if (low < 0xdc00 || low > 0xdfff) return malformed(r, "a lone surrogate in a string"), false;
    *out = 0x10000 + ((*out - 0xd800) << 10) + (low - 0xdc00);
    return true;
}

static size_t put_utf8(uint32_t c, uint8_t out[4]) {
    if (c < 0x80) return out[0] = (uint8_t)c, 1;
    size_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = n - 1; i > 0; i--, c >>= 6) out[i] = (uint8_t)(0x80 | (c & 0x3f));
    out[0] = (uint8_t)((n == 2 ? 0xc0 : n == 3 ? 0xe0 : 0xf0) | c);
    return n;
}

/* After the backslash: the bytes that the escape stands for, their count; 0 when it is none. */
static size_t escape(struct reader *r, uint8_t out[4]) {
    static const char letters[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
    uint32_t c = 0;
    uint8_t letter = r->at < r->end ? *r->at++ : 0;
    if (letter == 'u') return code_point(r, &c) ? put_utf8(c, out) : 0;
    const char *found = letter ? strchr(letters, letter) : NULL;
    if (!found) return malformed(r, "an unknown escape in a string"), 0;
    out[0] = (uint8_t)values[found - letters];
    return 1;
}

static bool decode(struct reader *r, struct cella_bytes part) {
    struct cella_result added = cella_buffer_append(&r->decoded, part);
    bool good = !cella_failed(added);
    cella_result_drop(added);
    if (!good) fail(r, CELLA_ERR_MEMORY, "no memory");
    return good;
}

/* As it stands in the text or, when it has escapes, in decoded, which may move: from `from` on. */
struct string {
    bool escaped;
    size_t from;
    struct cella_bytes as_is;
};

static struct cella_bytes view(const struct reader *r, const struct string *s) {
    return s->escaped ? cella_bytes(r->decoded.data + s->from, r->decoded.size - s->from)
                      : s->as_is;
}

static void drop(struct reader *r, const struct string *s) { r->decoded.size = s->from; }

static struct string read_string(struct reader *r) {
    struct string s = {false, r->decoded.size, {NULL, 0}};
    uint8_t bytes[4];
    if (!take(r, '"', "expected a string")) return s;
    const uint8_t *start = r->at;
    for (skip_text(r); !r->wrong && r->at < r->end && *r->at == '\\'; skip_text(r)) {
        s.escaped = true;
        if (!decode(r, cella_bytes(start, (size_t)(r->at - start)))) return s;
        r->at++;
        size_t n = escape(r, bytes);
        if (n == 0 || !decode(r, cella_bytes(bytes, n))) return s;
        start = r->at;
    }
    s.as_is = cella_bytes(start, (size_t)(r->at - start));
    if (s.escaped && !decode(r, s.as_is)) return s;
    if (r->at == r->end)
        malformed(r, "a string without its end");
    else if (*r->at++ != '"')
        malformed(r, "a control character in a string");
    return s;
}

/* --- Numbers and words --- */

static bool skip_digits(struct reader *r) {
    const uint8_t *start = r->at;
    while (r->at < r->end && *r->at >= '0' && *r->at <= '9') r->at++;
    return r->at > start;
}

static bool skip_one(struct reader *r, const char *any) {
    if (r->at == r->end || !*r->at || !strchr(any, *r->at)) return false;
    r->at++;
    return true;
}

static json_t *read_integer(struct reader *r, struct cella_bytes text) {
    bool negative = text.data[0] == '-';
    json_int_t value = 0;
    for (size_t i = negative; i < text.size; i++) {
        int digit = text.data[i] - '0';
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, negative ? -digit : digit, &value))
            return malformed(r, "an integer that does not fit in 64 bits");
    }
    return json_integer(value);
}

/* Integers are exact or refused; what has a fraction or an exponent, the library reads. */
static json_t *read_number(struct reader *r) {
    const uint8_t *start = r->at;
    skip_one(r, "-");
    bool zero = skip_one(r, "0");
    bool good = zero || skip_digits(r);
    struct cella_bytes whole = cella_bytes(start, (size_t)(r->at - start));
    bool fraction = good && skip_one(r, ".");
    if (fraction) good = skip_digits(r);
    bool exponent = good && skip_one(r, "eE");
    if (exponent) {
        skip_one(r, "+-");
        good = skip_digits(r);
    }
    if (!good || (r->at < r->end && *r->at >= '0' && *r->at <= '9'))
        return malformed(r, "not a number");
    if (!fraction && !exponent) return read_integer(r, whole);
    json_t *real = json_loadb((const char *)start, (size_t)(r->at - start), JSON_DECODE_ANY, NULL);
    return real ? real : malformed(r, "a number that is out of range");
}

static json_t *read_word(struct reader *r, const char *word, json_t *value) {
    size_t n = strlen(word);
    if ((size_t)(r->end - r->at) < n || !cella_equal(r->at, word, n))
        return malformed(r, "expected a value");
    r->at += n;
    return value;
}

/* --- Values --- */

static json_t *read_value(struct reader *r);

static json_t *read_array(struct reader *r) {
    CELLA_JSON array = json_array();
    if (peek(r) == ']') return r->at++, MOVE(array);
    do {
        json_t *item = read_value(r);
        if (!item) return NULL;
        if (json_array_append_new(array, item) != 0) return fail(r, CELLA_ERR_MEMORY, "no memory");
    } while (peek(r) == ',' && r->at++);
    return take(r, ']', "expected a comma or ]") ? MOVE(array) : NULL;
}

static bool read_member(struct reader *r, json_t *object) {
    struct string key = read_string(r);
    if (r->wrong) return false;
    struct cella_bytes name = view(r, &key);
    if (json_object_getn(object, (const char *)name.data, name.size))
        return malformed(r, "a key twice in one object"), false;
    json_t *value = take(r, ':', "expected a colon after a key") ? read_value(r) : NULL;
    if (!value) return false;
    name = view(r, &key);
    bool set = json_object_setn_new_nocheck(object, (const char *)name.data, name.size, value) == 0;
    drop(r, &key);
    if (!set) fail(r, CELLA_ERR_MEMORY, "no memory");
    return set;
}

static json_t *read_object(struct reader *r) {
    CELLA_JSON object = json_object();
    if (peek(r) == '}') return r->at++, MOVE(object);
    do
        if (!read_member(r, object)) return NULL;
    while (peek(r) == ',' && r->at++);
    return take(r, '}', "expected a comma or }") ? MOVE(object) : NULL;
}

static json_t *read_text(struct reader *r) {
    struct string s = read_string(r);
    if (r->wrong) return NULL;
    struct cella_bytes text = view(r, &s);
    json_t *value = json_stringn_nocheck((const char *)text.data, text.size);
    drop(r, &s);
    return value;
}

/* Recursion is bounded by the depth; what may be allocated, by the count of values: a tree takes up
 * to 250 bytes for a value that takes two in the text. */
static json_t *read_nested(struct reader *r, json_t *(*read)(struct reader *)) {
    if (r->depth == CELLA_JOSE_DEPTH_MAX)
        return fail(r, CELLA_ERR_LIMIT, "nested deeper than 32 levels");
    r->at++;
    r->depth++;
    json_t *value = read(r);
    r->depth--;
    return value;
}

static json_t *read_any(struct reader *r) {
    switch (peek(r)) {
    case '{': return read_nested(r, read_object);
    case '[': return read_nested(r, read_array);
    case '"': return read_text(r);
    case 't': return read_word(r, "true", json_true());
    case 'f': return read_word(r, "false", json_false());
    case 'n': return read_word(r, "null", json_null());
    case '-':
    case '0' ... '9': return read_number(r);
    default: return malformed(r, "expected a value");
    }
}

static json_t *read_value(struct reader *r) {
    if (++r->values > CELLA_JSON_VALUES_MAX) return fail(r, CELLA_ERR_LIMIT, "over 65536 values");
    json_t *value = read_any(r);
    return value ? value : fail(r, CELLA_ERR_MEMORY, "no memory"); /* unless it failed before */
}

/* Of where the reader stands, counted from 1. */
static void place(const uint8_t *start, const uint8_t *at, size_t *line, size_t *column) {
    const uint8_t *line_start = start;
    *line = 1;
    for (const uint8_t *p = start; p < at; p++) {
        if (*p != '\n') continue;
        ++*line;
        line_start = p + 1;
    }
    *column = (size_t)(at - line_start) + 1;
}

/* What stands there is not told: it may be a secret. */
CELLA_RESULT cella_json_value(struct cella_bytes text, const char *what, json_t **out) {
    struct reader r = {.at = text.data, .end = text.data + text.size};
    size_t line, column;
    CELLA_JSON value = read_value(&r);
    if (value && (peek(&r) || r.at < r.end)) malformed(&r, "bytes after the end of the value");
    cella_buffer_free(&r.decoded);
    *out = NULL;
    if (r.wrong) {
        place(text.data, r.at, &line, &column);
        FAIL(r.code, NULL, "%s: JSON, line %zu, column %zu: %s", what, line, column, r.wrong);
    }
    *out = MOVE(value);
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_json_object(struct cella_bytes text, const char *what, json_t **out) {
    CELLA_JSON value = NULL;
    *out = NULL;
    TRY(cella_json_value(text, what, &value));
    ENSURE(json_is_object(value), CELLA_ERR_FORMAT, NULL,
           "%s: JSON, but not an object: expected { at its beginning", what);
    *out = MOVE(value);
    return CELLA_SUCCESS;
}

bool cella_json_date(const json_t *object, const char *name, uint64_t *unix_s) {
    const json_t *value = json_object_get(object, name);
    json_int_t number = json_integer_value(value); /* 0 for what is none */
    *unix_s = 0;
    if (!json_is_integer(value) || number < 0 || number > ((json_int_t)1 << 53) - 1) return false;
    *unix_s = (uint64_t)number;
    return true;
}
