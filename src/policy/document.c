#include "policy/document.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

/* --- Looking --- */

double cella_document_number(const struct cella_document *n) {
    return n->type == CELLA_DOCUMENT_INTEGER ? (double)n->integer : n->real;
}

const struct cella_document *cella_document_member(const struct cella_document *object,
                                                   struct cella_bytes key) {
    for (uint32_t i = 0; i < object->count; i++) {
        struct cella_bytes k = object->member[i].key;
        if (k.size == key.size && cella_equal(k.data, key.data, key.size))
            return object->member[i].value;
    }
    return NULL;
}

static bool arrays_equal(const struct cella_document *a, const struct cella_document *b,
                         uint64_t *steps) {
    for (uint32_t i = 0; i < a->count; i++)
        if (!cella_document_equal(a->item[i], b->item[i], steps)) return false;
    return true;
}

static bool objects_equal(const struct cella_document *a, const struct cella_document *b,
                          uint64_t *steps) {
    for (uint32_t i = 0; i < a->count; i++) {
        const struct cella_document *other = cella_document_member(b, a->member[i].key);
        *steps += b->count;
        if (*steps > CELLA_POLICY_STEPS_MAX || !other ||
            !cella_document_equal(a->member[i].value, other, steps))
            return false;
    }
    return true;
}

bool cella_document_equal(const struct cella_document *a, const struct cella_document *b,
                          uint64_t *steps) {
    if (++*steps > CELLA_POLICY_STEPS_MAX) return false; /* the caller ends with an error */
    if (a->type != b->type)
        return cella_document_is_number(a) && cella_document_is_number(b) &&
               cella_document_number(a) == cella_document_number(b);
    switch (a->type) {
    case CELLA_DOCUMENT_NULL: return true;
    case CELLA_DOCUMENT_BOOLEAN: return a->boolean == b->boolean;
    case CELLA_DOCUMENT_INTEGER: return a->integer == b->integer;
    case CELLA_DOCUMENT_REAL: return a->real == b->real;
    case CELLA_DOCUMENT_STRING:
        *steps += a->text.size / 64;
        return a->text.size == b->text.size &&
               cella_equal(a->text.data, b->text.data, a->text.size);
    case CELLA_DOCUMENT_ARRAY: return a->count == b->count && arrays_equal(a, b, steps);
    case CELLA_DOCUMENT_OBJECT: return a->count == b->count && objects_equal(a, b, steps);
    case CELLA_DOCUMENT_EXPRESSION: break;
    }
    return a->expression == b->expression;
}

/* --- Writing --- */

struct writing {
    uint8_t *data; /* NULL in the first pass, which counts */
    size_t size;
};

static void put(struct writing *w, const void *bytes, size_t size) {
    if (w->data) cella_copy(w->data + w->size, bytes, size);
    w->size += size;
}
static void put_text(struct writing *w, const char *text) { put(w, text, strlen(text)); }

static void put_string(struct writing *w, struct cella_bytes text) {
    static const char from[] = "\"\\\b\f\n\r\t", to[] = "\"\\bfnrt";
    char code[8];
    put(w, "\"", 1);
    for (size_t i = 0; i < text.size; i++) {
        uint8_t c = text.data[i];
        const char *at = c ? strchr(from, c) : NULL;
        if (at) {
            put(w, "\\", 1);
            put(w, &to[at - from], 1);
        } else if (c < 0x20) {
            snprintf(code, sizeof(code), "\\u%04x", c);
            put_text(w, code);
        } else {
            put(w, &c, 1);
        }
    }
    put(w, "\"", 1);
}

/* As few digits as read back the same. */
static void put_real(struct writing *w, double n) {
    char text[40];
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof(text), "%.*g", digits, n);
        if (strtod(text, NULL) == n) break;
    }
    put_text(w, text);
    if (!strpbrk(text, ".eE")) put_text(w, ".0"); /* stays a real when it is read again */
}

static void put_value(struct writing *w, const struct cella_document *d);

static void put_array(struct writing *w, const struct cella_document *d) {
    put(w, "[", 1);
    for (uint32_t i = 0; i < d->count && w->size <= CELLA_POLICY_VALUE_MAX; i++) {
        if (i) put(w, ",", 1);
        put_value(w, d->item[i]);
    }
    put(w, "]", 1);
}

static void put_object(struct writing *w, const struct cella_document *d) {
    put(w, "{", 1);
    for (uint32_t i = 0; i < d->count && w->size <= CELLA_POLICY_VALUE_MAX; i++) {
        if (i) put(w, ",", 1);
        put_string(w, d->member[i].key);
        put(w, ":", 1);
        put_value(w, d->member[i].value);
    }
    put(w, "}", 1);
}

static void put_value(struct writing *w, const struct cella_document *d) {
    char text[24];
    switch (d->type) {
    case CELLA_DOCUMENT_NULL:
    case CELLA_DOCUMENT_EXPRESSION: put_text(w, "null"); return;
    case CELLA_DOCUMENT_BOOLEAN: put_text(w, d->boolean ? "true" : "false"); return;
    case CELLA_DOCUMENT_INTEGER:
        snprintf(text, sizeof(text), "%lld", (long long)d->integer);
        put_text(w, text);
        return;
    case CELLA_DOCUMENT_REAL: put_real(w, d->real); return;
    case CELLA_DOCUMENT_STRING: put_string(w, d->text); return;
    case CELLA_DOCUMENT_ARRAY: put_array(w, d); return;
    case CELLA_DOCUMENT_OBJECT: put_object(w, d); return;
    }
}

struct cella_bytes cella_document_write(struct cella_arena *arena,
                                        const struct cella_document *document) {
    struct writing w = {0};
    put_value(&w, document);
    if (w.size > CELLA_POLICY_VALUE_MAX) return cella_bytes(NULL, 0);
    w.data = cella_arena_take(arena, w.size);
    w.size = 0;
    if (!w.data) return cella_bytes(NULL, 0);
    put_value(&w, document);
    return cella_bytes(w.data, w.size);
}
