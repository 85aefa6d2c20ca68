/* Sizes, counts and dimensions: what their names mean. */
#include <string.h>

#include "edl/check.h"

struct context {
    struct cella_edl_checker *c;
    struct cella_edl_fields *fields;
    struct cella_edl_field *field;
    bool is_dimension;
};

static CELLA_RESULT check_measure(const struct context *x, struct cella_edl_expression *e) {
    struct cella_edl_field *f = e->field;
    const char *of = x->field->name;
    if (f == x->field) CELLA_EDL_WRONG(e->place, NULL, "the size of `%s' is given by itself", of);
    TRY(cella_edl_resolve(x->c, &f->type));
    bool is_enum = f->type.definition && f->type.definition->tag == CELLA_EDL_ENUM;
    bool foreign = f->type.base == CELLA_EDL_FOREIGN ||
                   (f->type.base == CELLA_EDL_AGGREGATE && f->type.tag == CELLA_EDL_ENUM);
    if (f->type.pointers || f->dimensions.count || f->attributes ||
        !(is_enum || foreign || cella_edl_type_is_integer(&f->type)))
        CELLA_EDL_WRONG(e->place, "use an integer that is passed by value, best a size_t",
                        "`%s' cannot be the size of `%s': it is not an integer", f->name, of);
    f->is_measure = true;
    return CELLA_SUCCESS;
}

static CELLA_RESULT check_name(const struct context *x, struct cella_edl_expression *e) {
    e->field = cella_edl_find_field(x->fields, e->name);
    if (e->field) return check_measure(x, e);
    /* A dimension may be a constant of a C header, which the C compiler will know. */
    if (x->is_dimension || cella_edl_find_enumerator(x->c->tree, e->name)) return CELLA_SUCCESS;
    CELLA_EDL_WRONG(e->place, "name a parameter or member beside it, or a constant of an enum here",
                    "nothing here is called `%s'", e->name);
}

static CELLA_RESULT walk(const struct context *x, struct cella_edl_expression *e) {
    if (e->kind == CELLA_EDL_NAME) return check_name(x, e);
    if (e->kind == CELLA_EDL_SIZEOF) {
        struct cella_edl_type *type = (struct cella_edl_type *)e->type;
        TRY(cella_edl_resolve(x->c, type));
        if (type->base == CELLA_EDL_VOID && !type->pointers)
            CELLA_EDL_WRONG(e->place, NULL, "void has no size");
        return CELLA_SUCCESS;
    }
    if (e->left) TRY(walk(x, e->left));
    if (e->right) TRY(walk(x, e->right));
    if ((e->kind == CELLA_EDL_DIVIDE || e->kind == CELLA_EDL_REMAINDER) &&
        e->right->kind == CELLA_EDL_NUMBER && e->right->number == 0)
        CELLA_EDL_WRONG(e->right->place, NULL, "a division by zero");
    return CELLA_SUCCESS;
}

static bool names_field(const struct cella_edl_expression *e) {
    return e && (e->field || names_field(e->left) || names_field(e->right));
}

/* Constants, but the first dimension of a parameter may be a parameter: int a[n]. */
static CELLA_RESULT check_dimensions(const struct context *x, bool of_function) {
    for (uint32_t i = 0; i < x->field->dimensions.count; i++) {
        struct cella_edl_expression *e = x->field->dimensions.item[i];
        TRY(walk(x, e));
        if (!names_field(e)) continue;
        if (!of_function)
            CELLA_EDL_WRONG(e->place, "use a pointer with count=",
                            "the array `%s' in a struct has a size that varies", x->field->name);
        if (i != 0)
            CELLA_EDL_WRONG(e->place, "use a pointer with count= a product",
                            "only the first dimension of `%s' may vary", x->field->name);
    }
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_edl_check_sizes(struct cella_edl_checker *c, struct cella_edl_fields *fields,
                                   struct cella_edl_field *field, bool of_function) {
    struct context x = {c, fields, field, false};
    if (field->size) TRY(walk(&x, field->size));
    if (field->count) TRY(walk(&x, field->count));
    x.is_dimension = true;
    return check_dimensions(&x, of_function);
}
