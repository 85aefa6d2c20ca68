#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "policy/query_tree.h"

typedef const struct cella_document *doc;
typedef struct cella_query_run run_;
#define ARGUMENTS run_ *run, const doc *a, uint32_t count

static doc wrong(run_ *run) {
    return cella_query_fail(run, "a function of the query got a value of the wrong type");
}
static bool is(doc d, enum cella_document_type type) { return d->type == type; }
static bool is_text(doc d) { return is(d, CELLA_DOCUMENT_STRING); }
static bool is_list(doc d) { return is(d, CELLA_DOCUMENT_ARRAY); }

/* Whether all items are numbers, or all strings. */
static bool all_numbers(doc list) {
    for (uint32_t i = 0; i < list->count; i++)
        if (!cella_document_is_number(list->item[i])) return false;
    return true;
}
static bool all_texts(doc list) {
    for (uint32_t i = 0; i < list->count; i++)
        if (!is_text(list->item[i])) return false;
    return true;
}

static int order(doc a, doc b) {
    if (is_text(a)) {
        size_t size = a->text.size < b->text.size ? a->text.size : b->text.size;
        int by_bytes = size ? memcmp(a->text.data, b->text.data, size)
                            : 0; /* UTF-8 sorts as its code points do */
        return by_bytes ? by_bytes : (a->text.size > b->text.size) - (a->text.size < b->text.size);
    }
    if (is(a, CELLA_DOCUMENT_INTEGER) && is(b, CELLA_DOCUMENT_INTEGER))
        return (a->integer > b->integer) - (a->integer < b->integer);
    double x = cella_document_number(a), y = cella_document_number(b);
    return (x > y) - (x < y);
}

/* --- Numbers --- */

static doc f_abs(ARGUMENTS) {
    (void)count;
    if (is(a[0], CELLA_DOCUMENT_INTEGER) && a[0]->integer != INT64_MIN)
        return cella_query_integer(run, a[0]->integer < 0 ? -a[0]->integer : a[0]->integer);
    return cella_document_is_number(a[0]) ? cella_query_real(run, fabs(cella_document_number(a[0])))
                                          : wrong(run);
}

static doc rounded(run_ *run, doc a, double (*how)(double)) {
    if (is(a, CELLA_DOCUMENT_INTEGER)) return a;
    if (!is(a, CELLA_DOCUMENT_REAL)) return wrong(run);
    double n = how(a->real);
    return fabs(n) < 9e18 ? cella_query_integer(run, (int64_t)n) : cella_query_real(run, n);
}
static doc f_ceil(ARGUMENTS) { return (void)count, rounded(run, a[0], ceil); }
static doc f_floor(ARGUMENTS) { return (void)count, rounded(run, a[0], floor); }

static doc f_sum(ARGUMENTS) {
    (void)count;
    int64_t whole = 0;
    double real = 0;
    bool exact = true;
    if (!is_list(a[0]) || !all_numbers(a[0]) || !cella_query_step(run, a[0]->count))
        return wrong(run);
    for (uint32_t i = 0; i < a[0]->count; i++) {
        doc n = a[0]->item[i];
        real += cella_document_number(n);
        exact = exact && is(n, CELLA_DOCUMENT_INTEGER) &&
                !__builtin_add_overflow(whole, n->integer, &whole);
    }
    return exact ? cella_query_integer(run, whole) : cella_query_real(run, real);
}

static doc f_avg(ARGUMENTS) {
    doc sum = f_sum(run, a, count);
    if (!sum || a[0]->count == 0) return sum ? cella_query_null() : NULL;
    return cella_query_real(run, cella_document_number(sum) / a[0]->count);
}

static doc f_to_number(ARGUMENTS) {
    (void)count;
    const char *failed = NULL;
    size_t at = 0;
    if (cella_document_is_number(a[0])) return a[0];
    if (!is_text(a[0])) return cella_query_null();
    doc n = cella_document_read(run->arena, a[0]->text, &failed, &at);
    return n && cella_document_is_number(n) ? n : cella_query_null();
}

/* --- Text --- */

static bool ends(struct cella_bytes text, struct cella_bytes with, size_t from) {
    return with.size <= text.size &&
           cella_equal(text.data + (from ? text.size - with.size : 0), with.data, with.size);
}
static doc f_starts_with(ARGUMENTS) {
    (void)count;
    return is_text(a[0]) && is_text(a[1]) ? cella_query_boolean(ends(a[0]->text, a[1]->text, 0))
                                          : wrong(run);
}
static doc f_ends_with(ARGUMENTS) {
    (void)count;
    return is_text(a[0]) && is_text(a[1]) ? cella_query_boolean(ends(a[0]->text, a[1]->text, 1))
                                          : wrong(run);
}

static uint8_t small(uint8_t c) { return c >= 'A' && c <= 'Z' ? (uint8_t)(c | 0x20) : c; }

/* Azure's own. Of letters of ASCII; what is no string equals nothing (A38). */
static doc f_equals_ignore_case(ARGUMENTS) {
    (void)count;
    if (!is_text(a[0]) || !is_text(a[1]) || a[0]->text.size != a[1]->text.size)
        return cella_query_boolean(false);
    if (!cella_query_step(run, a[0]->text.size / 64)) return NULL;
    for (size_t i = 0; i < a[0]->text.size; i++)
        if (small(a[0]->text.data[i]) != small(a[1]->text.data[i]))
            return cella_query_boolean(false);
    return cella_query_boolean(true);
}

static doc f_contains(ARGUMENTS) {
    (void)count;
    if (is_text(a[0])) {
        struct cella_bytes in = a[0]->text;
        if (!is_text(a[1])) return cella_query_boolean(false);
        /* glibc's memmem is linear: no text and no pattern makes it slow */
        return cella_query_step(run, in.size / 64)
                   ? cella_query_boolean(a[1]->text.size == 0 ||
                                         memmem(in.data, in.size, a[1]->text.data, a[1]->text.size))
                   : NULL;
    }
    if (!is_list(a[0])) return wrong(run);
    for (uint32_t i = 0; i < a[0]->count; i++)
        if (cella_document_equal(a[0]->item[i], a[1], run->steps)) return cella_query_boolean(true);
    return cella_query_step(run, 0) ? cella_query_boolean(false) : NULL;
}

static doc f_join(ARGUMENTS) {
    (void)count;
    size_t size = 0;
    if (!is_text(a[0]) || !is_list(a[1]) || !all_texts(a[1])) return wrong(run);
    for (uint32_t i = 0; i < a[1]->count; i++)
        size += a[1]->item[i]->text.size + (i ? a[0]->text.size : 0);
    if (size > CELLA_POLICY_VALUE_MAX)
        return cella_query_fail(run, "a value longer than one may be");
    uint8_t *out =
        cella_query_step(run, a[1]->count + size / 64) ? cella_arena_take(run->arena, size) : NULL;
    if (!out) return cella_query_fail(run, "needs more memory than an evaluation may have");
    for (uint32_t i = 0, at = 0; i < a[1]->count; i++) {
        struct cella_bytes part = a[1]->item[i]->text;
        if (i) cella_copy(out + at, a[0]->text.data, a[0]->text.size);
        if (i) at += (uint32_t)a[0]->text.size;
        cella_copy(out + at, part.data, part.size);
        at += (uint32_t)part.size;
    }
    return cella_query_string(run, cella_bytes(out, size));
}

static doc f_to_string(ARGUMENTS) {
    (void)count;
    if (is_text(a[0])) return a[0];
    struct cella_bytes json = cella_document_write(run->arena, a[0]);
    if (!json.data) return cella_query_fail(run, "a value longer than one may be");
    return cella_query_step(run, json.size / 16) ? cella_query_string(run, json) : NULL;
}

static bool continues(uint8_t c) { return (c & 0xc0) == 0x80; }

static doc f_length(ARGUMENTS) {
    (void)count;
    int64_t n = a[0]->count;
    if (is_text(a[0])) {
        if (!cella_query_step(run, a[0]->text.size / 64)) return NULL;
        for (size_t i = 0; i < a[0]->text.size; i++) n += !continues(a[0]->text.data[i]);
    } else if (!is_list(a[0]) && !is(a[0], CELLA_DOCUMENT_OBJECT)) {
        return wrong(run);
    }
    return cella_query_integer(run, n);
}

static doc reversed_text(run_ *run, struct cella_bytes text) {
    uint8_t *out =
        cella_query_step(run, text.size / 16) ? cella_arena_take(run->arena, text.size) : NULL;
    if (!out) return cella_query_fail(run, "needs more memory than an evaluation may have");
    for (size_t at = 0, n; at < text.size; at += n) {
        for (n = 1; at + n < text.size && continues(text.data[at + n]);) n++;
        cella_copy(out + text.size - at - n, text.data + at, n);
    }
    return cella_query_string(run, cella_bytes(out, text.size));
}

static doc f_reverse(ARGUMENTS) {
    (void)count;
    if (is_text(a[0])) return reversed_text(run, a[0]->text);
    if (!is_list(a[0])) return wrong(run);
    struct cella_document *out = cella_query_new(run, CELLA_DOCUMENT_ARRAY);
    for (uint32_t i = a[0]->count; out && i > 0; i--)
        if (!cella_query_append(run, out, a[0]->item[i - 1])) return NULL;
    return out;
}

/* --- Lists and objects --- */

static doc f_keys(ARGUMENTS) {
    (void)count;
    if (!is(a[0], CELLA_DOCUMENT_OBJECT)) return wrong(run);
    struct cella_document *out = cella_query_new(run, CELLA_DOCUMENT_ARRAY);
    for (uint32_t i = 0; out && i < a[0]->count; i++) {
        doc key = cella_query_string(run, a[0]->member[i].key);
        if (!key || !cella_query_append(run, out, key)) return NULL;
    }
    return out;
}

static doc f_values(ARGUMENTS) {
    (void)count;
    if (!is(a[0], CELLA_DOCUMENT_OBJECT)) return wrong(run);
    struct cella_document *out = cella_query_new(run, CELLA_DOCUMENT_ARRAY);
    for (uint32_t i = 0; out && i < a[0]->count; i++)
        if (!cella_query_append(run, out, a[0]->member[i].value)) return NULL;
    return out;
}

static doc f_merge(ARGUMENTS) {
    struct cella_document *out = cella_query_new(run, CELLA_DOCUMENT_OBJECT);
    for (uint32_t i = 0; out && i < count; i++) {
        if (!is(a[i], CELLA_DOCUMENT_OBJECT)) return wrong(run);
        for (uint32_t k = 0; k < a[i]->count; k++)
            if (!cella_query_put(run, out, a[i]->member[k].key, a[i]->member[k].value)) return NULL;
    }
    return out;
}

static doc f_not_null(ARGUMENTS) {
    (void)run;
    for (uint32_t i = 0; i < count; i++)
        if (!is(a[i], CELLA_DOCUMENT_NULL)) return a[i];
    return cella_query_null();
}

static doc f_to_array(ARGUMENTS) {
    (void)count;
    if (is_list(a[0])) return a[0];
    struct cella_document *out = cella_query_new(run, CELLA_DOCUMENT_ARRAY);
    return out && cella_query_append(run, out, a[0]) ? out : NULL;
}

static doc f_type(ARGUMENTS) {
    (void)count;
    static const char *const name[] = {"null",   "boolean", "number", "number",
                                       "string", "array",   "object", "expref"};
    return cella_query_string(run, cella_bytes_text(name[a[0]->type]));
}

/* --- Order --- */

/* The keys by which items are ordered: the items themselves, or what an expression gives of each.
 */
static doc keys_of(run_ *run, doc list, doc by) {
    if (!is_list(list) || (by && !is(by, CELLA_DOCUMENT_EXPRESSION))) return wrong(run);
    struct cella_document *keys = cella_query_new(run, CELLA_DOCUMENT_ARRAY);
    for (uint32_t i = 0; keys && i < list->count; i++) {
        doc key = by ? cella_query_run(by->expression, list->item[i], run) : list->item[i];
        if (!key || !cella_query_append(run, keys, key)) return NULL;
    }
    if (keys && !all_numbers(keys) && !all_texts(keys)) return wrong(run);
    return keys;
}

/* The first item whose key is the largest (sign 1) or smallest (-1); null of nothing. */
static doc best(run_ *run, doc list, doc by, int sign) {
    doc keys = keys_of(run, list, by);
    if (!keys || keys->count == 0) return keys ? cella_query_null() : NULL;
    uint32_t at = 0;
    for (uint32_t i = 1; i < keys->count; i++)
        if (sign * order(keys->item[i], keys->item[at]) > 0) at = i;
    return list->item[at];
}
static doc f_max(ARGUMENTS) { return (void)count, best(run, a[0], NULL, 1); }
static doc f_min(ARGUMENTS) { return (void)count, best(run, a[0], NULL, -1); }
static doc f_max_by(ARGUMENTS) { return (void)count, best(run, a[0], a[1], 1); }
static doc f_min_by(ARGUMENTS) { return (void)count, best(run, a[0], a[1], -1); }

/* One pass of a merge sort: runs of `width` places of from[] into runs of twice that in to[].
 * Stable. */
static void merge_runs(doc keys, const uint32_t *from, uint32_t *to, uint32_t width) {
    for (uint32_t start = 0; start < keys->count; start += 2 * width) {
        uint32_t middle = start + width < keys->count ? start + width : keys->count;
        uint32_t end = middle + width < keys->count ? middle + width : keys->count;
        for (uint32_t i = start, j = middle, k = start; k < end; k++) {
            bool left =
                i < middle && (j >= end || order(keys->item[from[i]], keys->item[from[j]]) <= 0);
            to[k] = left ? from[i++] : from[j++];
        }
    }
}

static doc sorted(run_ *run, doc list, doc by) {
    doc keys = keys_of(run, list, by);
    struct cella_document *out = keys ? cella_query_new(run, CELLA_DOCUMENT_ARRAY) : NULL;
    uint32_t *from =
        out ? cella_arena_array(run->arena, 2 * (size_t)keys->count, sizeof(*from)) : NULL;
    if (!from) return cella_query_fail(run, "needs more memory than an evaluation may have");
    uint32_t *to = from + keys->count;
    for (uint32_t i = 0; i < keys->count; i++) from[i] = i;
    for (uint32_t width = 1; width < keys->count; width *= 2) {
        uint32_t *other = from;
        if (!cella_query_step(run, keys->count)) return NULL;
        merge_runs(keys, from, to, width);
        from = to;
        to = other;
    }
    for (uint32_t i = 0; i < keys->count; i++)
        if (!cella_query_append(run, out, list->item[from[i]])) return NULL;
    return out;
}
static doc f_sort(ARGUMENTS) { return (void)count, sorted(run, a[0], NULL); }
static doc f_sort_by(ARGUMENTS) { return (void)count, sorted(run, a[0], a[1]); }

static doc f_map(ARGUMENTS) {
    (void)count;
    if (!is(a[0], CELLA_DOCUMENT_EXPRESSION) || !is_list(a[1])) return wrong(run);
    struct cella_document *out = cella_query_new(run, CELLA_DOCUMENT_ARRAY);
    for (uint32_t i = 0; out && i < a[1]->count; i++) {
        doc item = cella_query_run(a[0]->expression, a[1]->item[i], run);
        if (!item || !cella_query_append(run, out, item)) return NULL;
    }
    return out;
}

/* --- By name --- */

static const struct cella_query_function functions[] = {
    {"abs", 1, 1, f_abs},
    {"avg", 1, 1, f_avg},
    {"ceil", 1, 1, f_ceil},
    {"contains", 2, 2, f_contains},
    {"ends_with", 2, 2, f_ends_with},
    {"equals_ignore_case", 2, 2, f_equals_ignore_case},
    {"floor", 1, 1, f_floor},
    {"join", 2, 2, f_join},
    {"keys", 1, 1, f_keys},
    {"length", 1, 1, f_length},
    {"map", 2, 2, f_map},
    {"max", 1, 1, f_max},
    {"max_by", 2, 2, f_max_by},
    {"merge", 0, QUERY_ARGUMENTS_ANY, f_merge},
    {"min", 1, 1, f_min},
    {"min_by", 2, 2, f_min_by},
    {"not_null", 1, QUERY_ARGUMENTS_ANY, f_not_null},
    {"reverse", 1, 1, f_reverse},
    {"sort", 1, 1, f_sort},
    {"sort_by", 2, 2, f_sort_by},
    {"starts_with", 2, 2, f_starts_with},
    {"sum", 1, 1, f_sum},
    {"to_array", 1, 1, f_to_array},
    {"to_number", 1, 1, f_to_number},
    {"to_string", 1, 1, f_to_string},
    {"type", 1, 1, f_type},
    {"values", 1, 1, f_values},
};

const struct cella_query_function *cella_query_function_of(struct cella_bytes name) {
    for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++)
        if (strlen(functions[i].name) == name.size &&
            cella_equal(functions[i].name, name.data, name.size))
            return &functions[i];
    return NULL;
}
