/* Types: names to definitions, order, members, and what of them is a pointer. */
#include <string.h>

#include "edl/check.h"

CELLA_RESULT cella_edl_resolve(struct cella_edl_checker *c, struct cella_edl_type *type) {
    static const char *const tags[] = {"", "a struct", "a union", "an enum"};
    if (type->base != CELLA_EDL_AGGREGATE && type->base != CELLA_EDL_FOREIGN) return CELLA_SUCCESS;
    type->definition = cella_edl_find_aggregate(c->tree, type->name);
    if (!type->definition) return CELLA_SUCCESS;
    if (type->tag && type->tag != type->definition->tag)
        CELLA_EDL_WRONG(type->place, NULL, "`%s' is %s (%s:%u), used as %s", type->name,
                        tags[type->definition->tag], type->definition->place.file,
                        type->definition->place.line, tags[type->tag]);
    type->base = CELLA_EDL_AGGREGATE;
    return CELLA_SUCCESS;
}

/* A struct or union that lies in place, not behind a pointer. */
static struct cella_edl_aggregate *inner(const struct cella_edl_field *f) {
    return f->type.pointers == 0 && f->type.definition && f->type.definition->tag != CELLA_EDL_ENUM
               ? f->type.definition
               : NULL;
}

static CELLA_RESULT check_member(struct cella_edl_checker *c, struct cella_edl_aggregate *a,
                                 struct cella_edl_field *f) {
    const char *union_hint = "a union's pointers cannot be copied: nobody knows which one is meant";
    uint32_t taken = CELLA_EDL_SIZED | CELLA_EDL_COUNTED;
    TRY(cella_edl_resolve(c, &f->type));
    if (a->tag == CELLA_EDL_UNION && f->has_attributes)
        CELLA_EDL_WRONG(f->attributes_place, union_hint, "attributes in the union `%s'", a->name);
    if (f->attributes & ~(taken | CELLA_EDL_USER_CHECK))
        CELLA_EDL_WRONG(f->attributes_place,
                        "members take size= and count=, or user_check; in and out are said where "
                        "the struct is a parameter",
                        "an attribute of the member `%s' that only parameters have", f->name);
    if (f->type.pointers && f->dimensions.count)
        CELLA_EDL_WRONG(f->place, "use a struct with a pointer in it, and an array of that",
                        "`%s' is an array of pointers", f->name);
    if (f->has_attributes && !f->type.pointers)
        CELLA_EDL_WRONG(f->attributes_place, "take the attributes away",
                        "the member `%s' is not a pointer and has attributes", f->name);
    if ((f->attributes & CELLA_EDL_USER_CHECK) && (f->attributes & taken))
        CELLA_EDL_WRONG(f->attributes_place, "user_check copies nothing, so it has no size",
                        "user_check with size or count at the member `%s'", f->name);
    if ((f->attributes & taken) && f->type.pointers > 1)
        CELLA_EDL_WRONG(f->place, "use a struct with a pointer in it, and an array of that",
                        "`%s' is a pointer to pointers, which have no defined copy", f->name);
    if ((f->attributes & taken) && f->type.base == CELLA_EDL_VOID &&
        !(f->attributes & CELLA_EDL_SIZED))
        CELLA_EDL_WRONG(f->attributes_place, "say size=, in bytes",
                        "`%s' points to void, which has no size to count", f->name);
    return CELLA_SUCCESS;
}

/* Depth-first, so that what lies in a type comes before it. */
static CELLA_RESULT order(struct cella_edl_checker *c, struct cella_edl_aggregate *a,
                          struct cella_edl_aggregates *sorted) {
    if (a->depth) return CELLA_SUCCESS;
    if (a->being_checked)
        CELLA_EDL_WRONG(a->place, "hold it by a pointer with count=", "`%s' holds itself", a->name);
    a->being_checked = true;
    uint32_t depth = 0;
    for (uint32_t i = 0; i < a->fields.count; i++) {
        struct cella_edl_aggregate *in = inner(&a->fields.item[i]);
        if (!in) continue;
        TRY(order(c, in, sorted));
        if (in->depth > depth) depth = in->depth;
    }
    if (depth >= CELLA_EDL_NESTING_MAX)
        CELLA_EDL_WRONG(a->place, NULL, "more than %d structs in one another",
                        CELLA_EDL_NESTING_MAX);
    a->depth = depth + 1;
    a->being_checked = false;
    struct cella_edl_aggregate **slot = CELLA_ARENA_PUSH(c->arena, sorted);
    ENSURE(slot, CELLA_ERR_LIMIT, NULL, "the interface takes too much memory");
    *slot = a;
    return CELLA_SUCCESS;
}

/* What one member says of the struct it is in; pointers to structs say what those say, so this is
 * done until nothing changes. */
static bool spread(struct cella_edl_aggregate *a, const struct cella_edl_field *f) {
    const struct cella_edl_aggregate *to = f->type.definition;
    bool sized = f->attributes & (CELLA_EDL_SIZED | CELLA_EDL_COUNTED);
    bool opaque = f->attributes & CELLA_EDL_USER_CHECK;
    bool deep = a->is_deep, address = a->has_address;
    if (f->type.pointers) {
        a->is_deep |= sized;
        a->has_address |= !sized && !opaque;
        if (sized && to) a->has_address |= to->has_address;
    } else if (to) {
        a->is_deep |= to->is_deep;
        a->has_address |= to->has_address;
    }
    /* A union is copied as bytes: a pointer in it, of whatever kind, would cross as an address. */
    if (a->tag == CELLA_EDL_UNION && (a->is_deep || f->type.pointers)) {
        a->is_deep = false;
        a->has_address = true;
    }
    return deep != a->is_deep || address != a->has_address;
}

static void find_pointers(struct cella_edl_tree *t) {
    for (bool changed = true; changed;) {
        changed = false;
        for (uint32_t i = 0; i < t->aggregates.count; i++)
            for (uint32_t j = 0; j < t->aggregates.item[i]->fields.count; j++)
                changed |= spread(t->aggregates.item[i], &t->aggregates.item[i]->fields.item[j]);
    }
}

static CELLA_RESULT check_enumerators(struct cella_edl_checker *c) {
    for (uint32_t i = 0; i < c->tree->aggregates.count; i++) {
        const struct cella_edl_aggregate *a = c->tree->aggregates.item[i];
        for (uint32_t j = 0; j < a->enumerators.count; j++) {
            const struct cella_edl_enumerator *e = &a->enumerators.item[j];
            const struct cella_edl_enumerator *first = cella_edl_find_enumerator(c->tree, e->name);
            if (first != e)
                CELLA_EDL_WRONG(e->place, "rename one of them",
                                "the constant `%s' is already defined at %s:%u", e->name,
                                first->place.file, first->place.line);
        }
    }
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_edl_check_types(struct cella_edl_checker *c) {
    struct cella_edl_aggregates sorted = {0};
    TRY(check_enumerators(c));
    for (uint32_t i = 0; i < c->tree->aggregates.count; i++) {
        struct cella_edl_aggregate *a = c->tree->aggregates.item[i];
        for (uint32_t j = 0; j < a->fields.count; j++) {
            TRY(check_member(c, a, &a->fields.item[j]));
            TRY(cella_edl_check_sizes(c, &a->fields, &a->fields.item[j], false));
        }
    }
    for (uint32_t i = 0; i < c->tree->aggregates.count; i++)
        TRY(order(c, c->tree->aggregates.item[i], &sorted));
    c->tree->aggregates = sorted;
    find_pointers(c->tree);
    return CELLA_SUCCESS;
}

/* The member that makes a struct unfit, for the message. */
static const struct cella_edl_field *culprit(const struct cella_edl_aggregate *a, uint32_t depth) {
    for (uint32_t i = 0; i < a->fields.count; i++) {
        const struct cella_edl_field *f = &a->fields.item[i];
        bool sized = f->attributes & (CELLA_EDL_SIZED | CELLA_EDL_COUNTED);
        if (f->type.pointers &&
            (a->tag == CELLA_EDL_UNION || (!sized && !(f->attributes & CELLA_EDL_USER_CHECK))))
            return f;
    }
    for (uint32_t i = 0; i < a->fields.count && depth < CELLA_EDL_NESTING_MAX; i++) {
        const struct cella_edl_aggregate *to = a->fields.item[i].type.definition;
        const struct cella_edl_field *f = to && to->has_address ? culprit(to, depth + 1) : NULL;
        if (f) return f;
    }
    return NULL;
}

CELLA_RESULT cella_edl_check_crossing(const struct cella_edl_type *type,
                                      struct cella_edl_place place, const char *what) {
    const struct cella_edl_aggregate *a = type->definition;
    if (!a || !a->has_address) return CELLA_SUCCESS;
    const struct cella_edl_field *f = culprit(a, 0);
    CELLA_EDL_WRONG(place,
                    "give the member size= or count= to have it copied, or user_check to pass an "
                    "address of the host's that nobody follows",
                    "%s is a `%s', whose member `%s' (%s:%u) is a pointer that does not say what "
                    "is behind it",
                    what, a->name, f ? f->name : "?", f ? f->place.file : "?",
                    f ? f->place.line : 0);
}
