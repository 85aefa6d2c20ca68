#include "policy/query.h"

#include "base/memory.h"
#include "policy/query_tree.h"

static const struct cella_document null_value = {.type = CELLA_DOCUMENT_NULL};
static const struct cella_document true_value = {.type = CELLA_DOCUMENT_BOOLEAN, .boolean = true};
static const struct cella_document false_value = {.type = CELLA_DOCUMENT_BOOLEAN, .boolean = false};

typedef const struct cella_document *doc;
typedef const struct cella_query *node;

/* --- Values --- */

doc cella_query_null(void) { return &null_value; }
doc cella_query_boolean(bool yes) { return yes ? &true_value : &false_value; }

doc cella_query_fail(struct cella_query_run *run, const char *why) {
    if (!run->failed) run->failed = why;
    return NULL;
}

bool cella_query_step(struct cella_query_run *run, uint64_t n) {
    *run->steps += n;
    if (run->failed) return false;
    if (*run->steps <= CELLA_POLICY_STEPS_MAX) return true;
    cella_query_fail(run, "more steps than an evaluation may take");
    return false;
}

struct cella_document *cella_query_new(struct cella_query_run *run, enum cella_document_type type) {
    struct cella_document *d = run->failed ? NULL : cella_arena_take(run->arena, sizeof(*d));
    if (!d) {
        cella_query_fail(run, "needs more memory than an evaluation may have");
        return NULL;
    }
    d->type = type;
    return d;
}

doc cella_query_integer(struct cella_query_run *run, int64_t n) {
    struct cella_document *d = cella_query_new(run, CELLA_DOCUMENT_INTEGER);
    if (d) d->integer = n;
    return d;
}

doc cella_query_real(struct cella_query_run *run, double n) {
    struct cella_document *d = cella_query_new(run, CELLA_DOCUMENT_REAL);
    if (d) d->real = n;
    return d;
}

doc cella_query_string(struct cella_query_run *run, struct cella_bytes text) {
    struct cella_document *d = cella_query_new(run, CELLA_DOCUMENT_STRING);
    if (d) d->text = text;
    return d;
}

bool cella_query_append(struct cella_query_run *run, struct cella_document *array, doc item) {
    if (!cella_query_step(run, 1)) return false;
    doc *slot = cella_arena_push(run->arena, (void **)&array->item, &array->count, &array->capacity,
                                 sizeof(*slot));
    if (!slot)
        return cella_query_fail(run, "needs more memory than an evaluation may have") != NULL;
    *slot = item;
    return true;
}

/* Replaces a member of that name. */
bool cella_query_put(struct cella_query_run *run, struct cella_document *object,
                     struct cella_bytes key, doc value) {
    if (!cella_query_step(run, 1 + object->count)) return false;
    for (uint32_t i = 0; i < object->count; i++) {
        struct cella_document_member *m = &object->member[i];
        if (m->key.size != key.size || !cella_equal(m->key.data, key.data, key.size)) continue;
        m->value = value;
        return true;
    }
    struct cella_document_member *slot = cella_arena_push(
        run->arena, (void **)&object->member, &object->count, &object->capacity, sizeof(*slot));
    if (!slot)
        return cella_query_fail(run, "needs more memory than an evaluation may have") != NULL;
    *slot = (struct cella_document_member){key, value};
    return true;
}

bool cella_query_truth(doc d) {
    switch (d->type) {
    case CELLA_DOCUMENT_NULL: return false;
    case CELLA_DOCUMENT_BOOLEAN: return d->boolean;
    case CELLA_DOCUMENT_STRING: return d->text.size > 0;
    case CELLA_DOCUMENT_ARRAY:
    case CELLA_DOCUMENT_OBJECT: return d->count > 0;
    case CELLA_DOCUMENT_INTEGER:
    case CELLA_DOCUMENT_REAL:
    case CELLA_DOCUMENT_EXPRESSION: break;
    }
    return true;
}

/* --- Lists --- */

static doc at_index(doc list, int64_t index) {
    if (list->type != CELLA_DOCUMENT_ARRAY) return &null_value;
    if (index < 0) index += list->count;
    return index >= 0 && index < (int64_t)list->count ? list->item[index] : &null_value;
}

/* Within the list, as Python slices. */
static int64_t bound(node n, unsigned part, int64_t count, int64_t without) {
    int64_t step = n->has[2] ? n->number[2] : 1, at = n->number[part];
    if (!n->has[part]) return without;
    if (at < 0) at += count;
    if (at < 0) return step < 0 ? -1 : 0;
    return at >= count ? (step < 0 ? count - 1 : count) : at;
}

static doc slice(struct cella_query_run *run, node n, doc list) {
    if (list->type != CELLA_DOCUMENT_ARRAY) return &null_value;
    int64_t count = list->count, step = n->has[2] ? n->number[2] : 1;
    int64_t from = bound(n, 0, count, step < 0 ? count - 1 : 0),
            to = bound(n, 1, count, step < 0 ? -1 : count);
    struct cella_document *out = cella_query_new(run, CELLA_DOCUMENT_ARRAY);
    for (int64_t i = from; out && (step > 0 ? i < to : i > to); i += step)
        if (!cella_query_append(run, out, list->item[i])) return NULL;
    return out;
}

/* Each item through right, without those that give null; only where test holds. */
static doc project(struct cella_query_run *run, node n, doc list, node test) {
    if (list->type != CELLA_DOCUMENT_ARRAY) return &null_value;
    struct cella_document *out = cella_query_new(run, CELLA_DOCUMENT_ARRAY);
    for (uint32_t i = 0; out && i < list->count; i++) {
        doc held = test ? cella_query_run(test, list->item[i], run) : &true_value;
        if (!held) return NULL;
        doc item =
            cella_query_truth(held) ? cella_query_run(n->right, list->item[i], run) : &null_value;
        if (!item || (item->type != CELLA_DOCUMENT_NULL && !cella_query_append(run, out, item)))
            return NULL;
    }
    return out;
}

static doc project_values(struct cella_query_run *run, node n, doc object) {
    if (object->type != CELLA_DOCUMENT_OBJECT) return &null_value;
    struct cella_document *out = cella_query_new(run, CELLA_DOCUMENT_ARRAY);
    for (uint32_t i = 0; out && i < object->count; i++) {
        doc item = cella_query_run(n->right, object->member[i].value, run);
        if (!item || (item->type != CELLA_DOCUMENT_NULL && !cella_query_append(run, out, item)))
            return NULL;
    }
    return out;
}

static doc flatten(struct cella_query_run *run, doc list) {
    if (list->type != CELLA_DOCUMENT_ARRAY) return &null_value;
    struct cella_document *out = cella_query_new(run, CELLA_DOCUMENT_ARRAY);
    for (uint32_t i = 0; out && i < list->count; i++) {
        doc item = list->item[i];
        bool inner = item->type == CELLA_DOCUMENT_ARRAY;
        for (uint32_t k = 0; k < (inner ? item->count : 1); k++)
            if (!cella_query_append(run, out, inner ? item->item[k] : item)) return NULL;
    }
    return out;
}

/* --- New values --- */

static doc new_list(struct cella_query_run *run, node n, doc on) {
    if (on->type == CELLA_DOCUMENT_NULL) return &null_value;
    struct cella_document *out = cella_query_new(run, CELLA_DOCUMENT_ARRAY);
    for (uint32_t i = 0; out && i < n->count; i++) {
        doc item = cella_query_run(n->item[i], on, run);
        if (!item || !cella_query_append(run, out, item)) return NULL;
    }
    return out;
}

static doc new_hash(struct cella_query_run *run, node n, doc on) {
    if (on->type == CELLA_DOCUMENT_NULL) return &null_value;
    struct cella_document *out = cella_query_new(run, CELLA_DOCUMENT_OBJECT);
    for (uint32_t i = 0; out && i < n->count; i++) {
        doc item = cella_query_run(n->item[i], on, run);
        if (!item || !cella_query_put(run, out, n->key[i], item)) return NULL;
    }
    return out;
}

static doc call(struct cella_query_run *run, node n, doc on) {
    doc *argument = cella_arena_array(run->arena, n->count, sizeof(*argument));
    if (!argument) return cella_query_fail(run, "needs more memory than an evaluation may have");
    for (uint32_t i = 0; i < n->count; i++) {
        argument[i] = cella_query_run(n->item[i], on, run);
        if (!argument[i]) return NULL;
    }
    return n->function->call(run, argument, n->count);
}

static doc expression_value(struct cella_query_run *run, node n) {
    struct cella_document *d = cella_query_new(run, CELLA_DOCUMENT_EXPRESSION);
    if (d) d->expression = n->left;
    return d;
}

/* --- Comparison --- */

/* Order is of numbers alone: all else gives null, which is false (A38). */
static doc order(enum cella_query_compare compare, doc a, doc b) {
    if (!cella_document_is_number(a) || !cella_document_is_number(b)) return &null_value;
    double x = cella_document_number(a), y = cella_document_number(b);
    bool whole = a->type == CELLA_DOCUMENT_INTEGER && b->type == CELLA_DOCUMENT_INTEGER;
    bool less = whole ? a->integer < b->integer : x < y,
         same = whole ? a->integer == b->integer : x == y;
    switch (compare) {
    case QUERY_LT: return cella_query_boolean(less);
    case QUERY_LE: return cella_query_boolean(less || same);
    case QUERY_GT: return cella_query_boolean(!less && !same);
    default: return cella_query_boolean(!less);
    }
}

static doc compare(struct cella_query_run *run, node n, doc on) {
    doc a = cella_query_run(n->left, on, run), b = a ? cella_query_run(n->right, on, run) : NULL;
    if (!b) return NULL;
    if (n->compare != QUERY_EQ && n->compare != QUERY_NE) return order(n->compare, a, b);
    bool same = cella_document_equal(a, b, run->steps);
    return cella_query_step(run, 0) ? cella_query_boolean(same == (n->compare == QUERY_EQ)) : NULL;
}

/* And, or, not: the first two give one of their operands. */
static doc logic(struct cella_query_run *run, node n, doc on) {
    doc a = cella_query_run(n->left, on, run);
    if (!a) return NULL;
    if (n->kind == QUERY_NOT) return cella_query_boolean(!cella_query_truth(a));
    return cella_query_truth(a) == (n->kind == QUERY_OR) ? a : cella_query_run(n->right, on, run);
}

static doc member_of(struct cella_query_run *run, node n, doc on) {
    if (on->type != CELLA_DOCUMENT_OBJECT) return &null_value;
    doc value = cella_query_step(run, on->count / 8) ? cella_document_member(on, n->text) : NULL;
    return run->failed ? NULL : value ? value : &null_value;
}

/* What works on the value of left. */
static doc on_left(struct cella_query_run *run, node n, doc left) {
    switch (n->kind) {
    case QUERY_INDEX: return at_index(left, n->number[0]);
    case QUERY_SLICE: return slice(run, n, left);
    case QUERY_CHAIN: return cella_query_run(n->right, left, run);
    case QUERY_PROJECTION: return project(run, n, left, NULL);
    case QUERY_VALUE_PROJECTION: return project_values(run, n, left);
    case QUERY_FILTER: return project(run, n, left, n->test);
    default: return flatten(run, left);
    }
}

doc cella_query_run(node n, doc on, struct cella_query_run *run) {
    doc left = NULL;
    if (!cella_query_step(run, 1)) return NULL;
    switch (n->kind) {
    case QUERY_CURRENT: return on;
    case QUERY_LITERAL: return n->value;
    case QUERY_FIELD: return member_of(run, n, on);
    case QUERY_LIST: return new_list(run, n, on);
    case QUERY_HASH: return new_hash(run, n, on);
    case QUERY_OR:
    case QUERY_AND:
    case QUERY_NOT: return logic(run, n, on);
    case QUERY_COMPARE: return compare(run, n, on);
    case QUERY_CALL: return call(run, n, on);
    case QUERY_EXPRESSION: return expression_value(run, n);
    default: break;
    }
    left = cella_query_run(n->left, on, run);
    return left ? on_left(run, n, left) : NULL;
}
