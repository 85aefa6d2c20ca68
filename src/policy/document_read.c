#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "policy/document.h"

struct reading {
    struct cella_arena *arena;
    const uint8_t *data;
    size_t size, at;
    uint32_t depth;
    const char *failed;
};

static const struct cella_document *value(struct reading *r);

static void *fail(struct reading *r, const char *why) {
    if (!r->failed) r->failed = why;
    return NULL;
}

static int peek(struct reading *r) {
    while (r->at < r->size && strchr(" \t\r\n", r->data[r->at]) && r->data[r->at]) r->at++;
    return r->at < r->size ? r->data[r->at] : -1;
}

static bool take(struct reading *r, char c) {
    if (peek(r) != c) return false;
    r->at++;
    return true;
}

static struct cella_document *fresh(struct reading *r, enum cella_document_type type) {
    struct cella_document *d = cella_arena_take(r->arena, sizeof(*d));
    if (!d) return fail(r, "needs more memory than there may be");
    d->type = type;
    return d;
}

/* --- Text --- */

/* Length of the UTF-8 sequence at the start, 0 when it is none (RFC 3629 section 4). */
static size_t sequence(const uint8_t *p, size_t left) {
    static const struct {
        uint8_t first, last, low, high, size;
    } form[] = {{0x00, 0x7f, 0, 0, 1},       {0xc2, 0xdf, 0x80, 0xbf, 2},
                {0xe0, 0xe0, 0xa0, 0xbf, 3}, {0xe1, 0xec, 0x80, 0xbf, 3},
                {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
                {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4},
                {0xf4, 0xf4, 0x80, 0x8f, 4}};
    for (size_t i = 0; i < sizeof(form) / sizeof(form[0]); i++) {
        if (p[0] < form[i].first || p[0] > form[i].last) continue;
        if (form[i].size > left) return 0;
        if (form[i].size > 1 && (p[1] < form[i].low || p[1] > form[i].high)) return 0;
        for (size_t k = 2; k < form[i].size; k++)
            if (p[k] < 0x80 || p[k] > 0xbf) return 0;
        return form[i].size;
    }
    return 0;
}

bool cella_document_utf8(struct cella_bytes text) {
    for (size_t at = 0, n; at < text.size; at += n) {
        n = sequence(text.data + at, text.size - at);
        if (n == 0) return false;
    }
    return true;
}

static bool hex4(struct reading *r, uint32_t *out) {
    *out = 0;
    for (int i = 0; i < 4; i++, r->at++) {
        uint8_t c = r->at < r->size ? r->data[r->at] : 0, low = (uint8_t)(c | 0x20);
        if (c >= '0' && c <= '9')
            *out = *out * 16 + (uint32_t)(c - '0');
        else if (low >= 'a' && low <= 'f')
            *out = *out * 16 + (uint32_t)(low - 'a' + 10);
        else
            return fail(r, "expected four hexadecimal digits after \\u") != NULL;
    }
    return true;
}

static size_t put_utf8(uint32_t c, uint8_t *out) {
    if (c < 0x80) return out[0] = (uint8_t)c, 1;
    if (c < 0x800)
        return out[0] = (uint8_t)(0xc0 | c >> 6), out[1] = (uint8_t)(0x80 | (c & 0x3f)), 2;
    size_t n = c < 0x10000 ? 3 : 4;
    out[0] = (uint8_t)(n == 3 ? 0xe0 | c >> 12 : 0xf0 | c >> 18);
    for (size_t i = 1; i < n; i++) out[i] = (uint8_t)(0x80 | (c >> 6 * (n - 1 - i) & 0x3f));
    return n;
}

/* After \u: one character, of two escapes when it is above the basic plane. */
static size_t unicode(struct reading *r, uint8_t *out) {
    uint32_t c = 0, low = 0;
    if (!hex4(r, &c)) return 0;
    if (c >> 10 == 0x36) {
        bool pair = r->size - r->at >= 2 && r->data[r->at] == '\\' && r->data[r->at + 1] == 'u';
        if (pair) r->at += 2;
        if (!pair || !hex4(r, &low) || low >> 10 != 0x37)
            return fail(r, "half a surrogate pair"), 0;
        c = 0x10000 + ((c & 0x3ff) << 10) + (low & 0x3ff);
    } else if (c >> 10 == 0x37) {
        return fail(r, "half a surrogate pair"), 0;
    }
    return put_utf8(c, out);
}

static size_t escape(struct reading *r, uint8_t *out) {
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    uint8_t c = r->at < r->size ? r->data[r->at++] : 0;
    if (c == 'u') return unicode(r, out);
    const char *at = c ? strchr(from, c) : NULL;
    if (!at) return fail(r, "no such escape"), 0;
    out[0] = (uint8_t)to[at - from];
    return 1;
}

static struct cella_bytes string(struct reading *r) {
    if (!take(r, '"')) return fail(r, "expected a string"), cella_bytes(NULL, 0);
    size_t end = r->at;
    while (end < r->size && r->data[end] != '"') end += r->data[end] == '\\' ? 2 : 1;
    if (end >= r->size) return fail(r, "the string is not closed"), cella_bytes(NULL, 0);
    uint8_t *out = cella_arena_take(
        r->arena, end - r->at); /* escapes are never shorter than what they stand for */
    if (!out) return fail(r, "needs more memory than there may be"), cella_bytes(NULL, 0);
    size_t size = 0;
    while (!r->failed && r->at < end) {
        uint8_t c = r->data[r->at];
        size_t n = c < 0x20 ? 0 : sequence(r->data + r->at, end - r->at);
        if (n == 0)
            return fail(r, c < 0x20 ? "control character in a string" : "not UTF-8"),
                   cella_bytes(NULL, 0);
        if (c == '\\') {
            r->at++;
            size += escape(r, out + size);
            continue;
        }
        cella_copy(out + size, r->data + r->at, n);
        size += n;
        r->at += n;
    }
    r->at = end + 1;
    return cella_bytes(out, size);
}

/* --- Numbers --- */

static size_t digits(struct reading *r) {
    size_t from = r->at;
    while (r->at < r->size && r->data[r->at] >= '0' && r->data[r->at] <= '9') r->at++;
    return r->at - from;
}

static bool at_one_of(struct reading *r, const char *set) {
    return r->at < r->size && r->data[r->at] && strchr(set, r->data[r->at]);
}

static const struct cella_document *integer(struct reading *r, size_t from) {
    bool minus = r->data[from] == '-';
    int64_t n = 0;
    for (size_t i = from + minus; i < r->at; i++) {
        int digit = r->data[i] - '0';
        if (__builtin_mul_overflow(n, 10, &n) ||
            __builtin_add_overflow(n, minus ? -digit : digit, &n))
            return fail(r, "integer beyond 64 bits"); /* exact or not at all (A29) */
    }
    struct cella_document *d = fresh(r, CELLA_DOCUMENT_INTEGER);
    if (d) d->integer = n;
    return d;
}

static const struct cella_document *real(struct reading *r, size_t from) {
    char text[64];
    if (r->at - from >= sizeof(text)) return fail(r, "number with too many digits");
    cella_copy(text, r->data + from, r->at - from);
    text[r->at - from] = 0;
    double n = strtod(text, NULL);
    if (n > 1e308 || n < -1e308) return fail(r, "number out of range");
    struct cella_document *d = fresh(r, CELLA_DOCUMENT_REAL);
    if (d) d->real = n;
    return d;
}

static const struct cella_document *number(struct reading *r) {
    size_t from = r->at;
    bool whole = true;
    if (r->data[r->at] == '-') r->at++;
    bool zero = r->at < r->size && r->data[r->at] == '0';
    size_t count = digits(r);
    if (count == 0 || (zero && count > 1)) return fail(r, "not a number as JSON writes it");
    if (at_one_of(r, ".")) {
        r->at++;
        whole = false;
        if (digits(r) == 0) return fail(r, "expected digits after the point");
    }
    if (at_one_of(r, "eE")) {
        r->at++;
        whole = false;
        if (at_one_of(r, "+-")) r->at++;
        if (digits(r) == 0) return fail(r, "expected digits of the exponent");
    }
    return whole ? integer(r, from) : real(r, from);
}

/* --- Lists and objects --- */

static const struct cella_document *array(struct reading *r) {
    struct cella_document *d = fresh(r, CELLA_DOCUMENT_ARRAY);
    r->at++;
    if (!d || take(r, ']')) return d;
    do {
        const struct cella_document *item = value(r);
        const struct cella_document **slot =
            cella_arena_push(r->arena, (void **)&d->item, &d->count, &d->capacity, sizeof(*slot));
        if (r->failed || !slot) return fail(r, "needs more memory than there may be");
        *slot = item;
    } while (take(r, ','));
    return take(r, ']') ? d : fail(r, "expected a comma or ]");
}

static int by_key(const void *a, const void *b) {
    const struct cella_bytes *x = a, *y = b;
    size_t size = x->size < y->size ? x->size : y->size;
    int order = size ? memcmp(x->data, y->data, size) : 0;
    return order ? order : (x->size > y->size) - (x->size < y->size);
}

/* By sorting: 10^5 keys must not cost their square (A29). */
static bool has_duplicates(struct reading *r, const struct cella_document *d) {
    struct cella_bytes *key = cella_arena_array(r->arena, d->count, sizeof(*key));
    if (!key) return fail(r, "needs more memory than there may be"), true;
    for (uint32_t i = 0; i < d->count; i++) key[i] = d->member[i].key;
    qsort(key, d->count, sizeof(*key), by_key);
    for (uint32_t i = 1; i < d->count; i++)
        if (by_key(&key[i - 1], &key[i]) == 0)
            return fail(r, "the same key twice in an object"), true;
    return false;
}

static bool member(struct reading *r, struct cella_document *d) {
    struct cella_bytes key = string(r);
    if (r->failed) return false;
    if (memchr(key.data, 0, key.size)) return fail(r, "NUL in a key"), false;
    if (!take(r, ':')) return fail(r, "expected a colon"), false;
    const struct cella_document *of = value(r);
    if (r->failed) return false;
    struct cella_document_member *slot =
        cella_arena_push(r->arena, (void **)&d->member, &d->count, &d->capacity, sizeof(*slot));
    if (!slot) return fail(r, "needs more memory than there may be"), false;
    *slot = (struct cella_document_member){key, of};
    return true;
}

static const struct cella_document *object(struct reading *r) {
    struct cella_document *d = fresh(r, CELLA_DOCUMENT_OBJECT);
    r->at++;
    if (!d || take(r, '}')) return d;
    do
        if (!member(r, d)) return NULL;
    while (take(r, ','));
    if (!take(r, '}')) return fail(r, "expected a comma or }");
    return has_duplicates(r, d) ? NULL : d;
}

static const struct cella_document *word(struct reading *r, const char *text,
                                         enum cella_document_type type, bool yes) {
    size_t size = strlen(text);
    if (r->size - r->at < size || !cella_equal(r->data + r->at, text, size))
        return fail(r, "expected a value");
    r->at += size;
    struct cella_document *d = fresh(r, type);
    if (d) d->boolean = yes;
    return d;
}

static const struct cella_document *text_value(struct reading *r) {
    struct cella_bytes text = string(r);
    struct cella_document *d = r->failed ? NULL : fresh(r, CELLA_DOCUMENT_STRING);
    if (d) d->text = text;
    return d;
}

static const struct cella_document *value(struct reading *r) {
    const struct cella_document *d = NULL;
    int c = peek(r);
    if (r->failed) return NULL;
    if (r->depth++ == CELLA_POLICY_JSON_DEPTH_MAX)
        return fail(r, "nested deeper than 32 levels"); /* A29 */
    switch (c) {
    case '{': d = object(r); break;
    case '[': d = array(r); break;
    case '"': d = text_value(r); break;
    case 't': d = word(r, "true", CELLA_DOCUMENT_BOOLEAN, true); break;
    case 'f': d = word(r, "false", CELLA_DOCUMENT_BOOLEAN, false); break;
    case 'n': d = word(r, "null", CELLA_DOCUMENT_NULL, false); break;
    case -1: d = fail(r, "expected a value, found the end"); break;
    default:
        d = c == '-' || (c >= '0' && c <= '9') ? number(r) : fail(r, "expected a value");
        break;
    }
    r->depth--;
    return r->failed ? NULL : d;
}

const struct cella_document *cella_document_read(struct cella_arena *arena, struct cella_bytes json,
                                                 const char **failed, size_t *at) {
    struct reading r = {.arena = arena, .data = json.data, .size = json.size};
    const struct cella_document *d = value(&r);
    if (!r.failed && peek(&r) >= 0) d = fail(&r, "something after the end of the value");
    if (!d && !r.failed) r.failed = "needs more memory than there may be";
    *failed = r.failed;
    *at = r.at;
    return r.failed ? NULL : d;
}
