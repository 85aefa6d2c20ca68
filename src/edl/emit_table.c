/* The tables of an interface. */
#include <stdio.h>
#include <string.h>

#include "crypto/digest.h"
#include "edl/generate.h"

enum { SIZES = CELLA_EDL_SIZED | CELLA_EDL_COUNTED };

static bool varies(const struct cella_edl_expression *e) {
    return e && (e->field || varies(e->left) || varies(e->right));
}

/* ---- layouts ---- */

static CELLA_RESULT add(struct cella_edl_tables *t, const struct cella_edl_layout *layout) {
    for (uint32_t i = 0; i < t->layouts.count; i++)
        if (strcmp(t->layouts.item[i].name, layout->name) == 0) return CELLA_SUCCESS;
    struct cella_edl_layout *slot = CELLA_ARENA_PUSH(&t->edl->arena, &t->layouts);
    ENSURE(slot, CELLA_ERR_LIMIT, NULL, "the interface takes too much memory");
    *slot = *layout;
    return CELLA_SUCCESS;
}

/* "*(x_t)0" is what an isptr name hides. */
static void element_show(const struct cella_edl_field *f, char *text, size_t size) {
    char base[300];
    cella_edl_base_show(&f->type, base, sizeof(base));
    if (f->attributes & CELLA_EDL_ISPTR)
        snprintf(text, size, "__typeof__(*(%s)0)", base);
    else
        snprintf(text, size, "%s", base);
}

static bool is_plain(const struct cella_edl_type *type) {
    bool number = type->base != CELLA_EDL_AGGREGATE && type->base != CELLA_EDL_FOREIGN;
    bool is_enum = type->tag == CELLA_EDL_ENUM ||
                   (type->definition && type->definition->tag == CELLA_EDL_ENUM);
    return (number && type->base != CELLA_EDL_BOOL && type->base != CELLA_EDL_LONG_DOUBLE) ||
           is_enum;
}

static CELLA_RESULT add_field(struct cella_edl_tables *t, const struct cella_edl_field *f) {
    char name[400];
    struct cella_edl_layout layout = {0};
    bool pointer = cella_edl_is_pointer(f);
    if ((f->attributes & CELLA_EDL_USER_CHECK) || is_plain(&f->type)) return CELLA_SUCCESS;
    if (pointer && !(f->attributes & (CELLA_EDL_IN | CELLA_EDL_OUT | SIZES))) return CELLA_SUCCESS;
    element_show(f, name, sizeof(name));
    struct cella_bytes copy = cella_arena_copy(&t->edl->arena, cella_bytes(name, strlen(name) + 1));
    ENSURE(copy.data, CELLA_ERR_LIMIT, NULL, "the interface takes too much memory");
    layout.name = (const char *)copy.data;
    layout.is_bool = f->type.base == CELLA_EDL_BOOL;
    layout.is_long_double = f->type.base == CELLA_EDL_LONG_DOUBLE;
    layout.is_pointer_name = f->attributes & (CELLA_EDL_ISPTR | CELLA_EDL_ISARY);
    if (f->type.definition && !(f->attributes & CELLA_EDL_ISPTR))
        layout.aggregate = f->type.definition;
    return add(t, &layout);
}

static const char *c_name(struct cella_arena *arena, const char *name) {
    char *copy = (char *)cella_arena_copy(arena, cella_bytes(name, strlen(name) + 1)).data;
    for (char *c = copy; c && *c; c++) {
        bool good = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') ||
                    (*c >= '0' && *c <= '9' && c != copy);
        if (!good) *c = '_';
    }
    return copy;
}

static bool has_parameters(const struct cella_edl_function *f) {
    return f->parameters.count || f->result.base != CELLA_EDL_VOID || f->result.pointers;
}

static CELLA_RESULT add_function(struct cella_edl_tables *t, const struct cella_edl_function *f) {
    struct cella_edl_field result = {.type = f->result};
    char name[600];
    for (uint32_t i = 0; i < f->parameters.count; i++) TRY(add_field(t, &f->parameters.item[i]));
    if (!has_parameters(f)) return CELLA_SUCCESS;
    if (f->result.base != CELLA_EDL_VOID) TRY(add_field(t, &result));
    snprintf(name, sizeof(name), "struct cella_%s_%s", t->name, f->name);
    struct cella_bytes copy = cella_arena_copy(&t->edl->arena, cella_bytes(name, strlen(name) + 1));
    ENSURE(copy.data, CELLA_ERR_LIMIT, NULL, "the interface takes too much memory");
    struct cella_edl_layout layout = {.name = (const char *)copy.data, .function = f};
    return add(t, &layout);
}

CELLA_RESULT cella_edl_tables(struct cella_edl_tables *t, struct cella_edl *edl) {
    struct cella_edl_layout bytes = {.name = "char"};
    *t = (struct cella_edl_tables){.edl = edl, .name = c_name(&edl->arena, edl->tree->name)};
    ENSURE(t->name, CELLA_ERR_LIMIT, NULL, "the interface takes too much memory");
    TRY(add(t, &bytes));
    const struct cella_edl_functions *lists[] = {&edl->tree->ecalls, &edl->tree->ocalls};
    for (int k = 0; k < 2; k++)
        for (uint32_t i = 0; i < lists[k]->count; i++) TRY(add_function(t, lists[k]->item[i]));
    /* Structs behind pointers and in structs, until no more are found. */
    for (uint32_t i = 0; i < t->layouts.count; i++) {
        const struct cella_edl_aggregate *a = t->layouts.item[i].aggregate;
        for (uint32_t j = 0; a && a->tag == CELLA_EDL_STRUCT && j < a->fields.count; j++)
            TRY(add_field(t, &a->fields.item[j]));
    }
    ENSURE(t->layouts.count < 65000, CELLA_ERR_LIMIT, NULL, "too many types");
    return CELLA_SUCCESS;
}

static uint32_t layout_of(const struct cella_edl_tables *t, const struct cella_edl_field *f) {
    char name[400];
    if (is_plain(&f->type)) return 0;
    element_show(f, name, sizeof(name));
    for (uint32_t i = 1; i < t->layouts.count; i++)
        if (strcmp(t->layouts.item[i].name, name) == 0) return i;
    return 0;
}

/* ---- members and terms ---- */

struct emitter {
    const struct cella_edl_tables *t;
    struct cella_edl_text *members, *terms;
    const char *holder; /* C type that the members are in */
    uint32_t member, term;
};

static void emit_term(struct emitter *e, const struct cella_edl_expression *x) {
    static const char *const words[] = {0,          0,          0,        "ADD",
                                        "SUBTRACT", "MULTIPLY", "DIVIDE", "REMAINDER"};
    if (x->left) {
        emit_term(e, x->left);
        emit_term(e, x->right);
        cella_edl_out(e->terms, "    {CELLA_TERM_%s, 0, 0, 0, 0},\n", words[x->kind]);
    } else if (x->field) {
        char type[300];
        cella_edl_type_show(&x->field->type, type, sizeof(type));
        cella_edl_out(e->terms,
                      "    {CELLA_TERM_MEMBER, sizeof(%s), CELLA_IS_SIGNED(%s), offsetof(%s, %s), "
                      "0},\n",
                      type, type, e->holder, x->field->name);
    } else {
        cella_edl_out(e->terms, "    {CELLA_TERM_NUMBER, 0, 0, 0, ");
        cella_edl_expression_show(e->terms, x);
        cella_edl_out(e->terms, "},\n");
    }
    e->term++;
}

static void emit_word(struct emitter *e, const char *word, const char *type) {
    cella_edl_out(e->terms,
                  type ? "    {CELLA_TERM_NUMBER, 0, 0, 0, sizeof(%s)},\n"
                       : "    {%s, 0, 0, 0, 0},\n",
                  type ? type : word);
    e->term++;
}

/* The size in bytes of what f points to, as terms; 0 when size * count says it. */
static uint32_t emit_terms(struct emitter *e, const struct cella_edl_field *f,
                           const char *element) {
    uint32_t first = e->term + 1;
    bool varying = f->dimensions.count && varies(f->dimensions.item[0]);
    if (!f->size && !f->count && !varying) return 0;
    if (varying) {
        emit_word(e, NULL, element);
        for (uint32_t i = 0; i < f->dimensions.count; i++) {
            emit_term(e, f->dimensions.item[i]);
            emit_word(e, "CELLA_TERM_MULTIPLY", NULL);
        }
    } else {
        if (f->size)
            emit_term(e, f->size);
        else
            emit_word(e, NULL, element);
        if (f->count) {
            emit_term(e, f->count);
            emit_word(e, "CELLA_TERM_MULTIPLY", NULL);
        }
    }
    emit_word(e, "CELLA_TERM_END", NULL);
    return first;
}

static void emit_member(struct emitter *e, const struct cella_edl_field *f, const char *name,
                        const char *more, bool of_function) {
    char element[400], kind[16] = "BYTES";
    uint32_t layout = layout_of(e->t, f), terms = 0, a = f->attributes;
    bool array = f->dimensions.count || (a & CELLA_EDL_ISARY);
    bool pointer = cella_edl_is_pointer(f) || (of_function && array);
    element_show(f, element, sizeof(element));
    if (pointer && f->type.base == CELLA_EDL_VOID) snprintf(element, sizeof(element), "char");
    if (!pointer && layout)
        snprintf(kind, sizeof(kind), f->type.base == CELLA_EDL_BOOL ? "BOOL" : "STRUCT");
    if (f->type.base == CELLA_EDL_BOOL && !pointer) layout = 0;
    if (pointer) snprintf(kind, sizeof(kind), a & CELLA_EDL_USER_CHECK ? "HANDLE" : "POINTER");
    if (a & CELLA_EDL_USER_CHECK) {
        snprintf(element, sizeof(element), "void *");
        layout = 0;
        array = false;
    } else if (pointer)
        terms = emit_terms(e, f, element);
    bool fixed = !varies(f->size) && !varies(f->count) &&
                 !(f->dimensions.count && varies(f->dimensions.item[0]));
    cella_edl_out(e->members, "    {offsetof(%s, %s), sizeof(%s), ", e->holder, name, element);
    if (array && f->dimensions.count && !terms) {
        cella_edl_out(e->members, "sizeof(%s", element);
        for (uint32_t i = 0; i < f->dimensions.count; i++) {
            cella_edl_out(e->members, "[");
            cella_edl_expression_show(e->members, f->dimensions.item[i]);
            cella_edl_out(e->members, "]");
        }
        cella_edl_out(e->members, ") / sizeof(%s), ", element);
    } else
        cella_edl_out(e->members, "1, ");
    cella_edl_out(e->members, "%u, %u, CELLA_MEMBER_%s, 0%s%s%s%s%s%s%s},\n", layout, terms, kind,
                  a & CELLA_EDL_IN ? " | CELLA_MEMBER_IN" : "",
                  a & CELLA_EDL_OUT ? " | CELLA_MEMBER_OUT" : "",
                  a & CELLA_EDL_STRING ? " | CELLA_MEMBER_STRING" : "",
                  a & CELLA_EDL_WSTRING ? " | CELLA_MEMBER_WSTRING" : "",
                  f->is_measure && !of_function ? " | CELLA_MEMBER_MEASURE" : "",
                  pointer && fixed ? " | CELLA_MEMBER_OPTIONAL" : "", more);
    e->member++;
}

/* What is said of a whole struct: its gaps the C compiler knows. */
static bool points(const struct cella_edl_tables *t, const struct cella_edl_layout *l) {
    (void)t;
    if (l->aggregate) return l->aggregate->tag == CELLA_EDL_STRUCT && l->aggregate->is_deep;
    for (uint32_t i = 0; l->function && i < l->function->parameters.count; i++) {
        const struct cella_edl_field *f = &l->function->parameters.item[i];
        if (f->attributes & (CELLA_EDL_IN | CELLA_EDL_OUT)) return true;
    }
    return false;
}

static bool reaches(const struct cella_edl_fields *fields, bool bools, uint32_t depth) {
    for (uint32_t i = 0; i < fields->count && depth <= CELLA_EDL_NESTING_MAX; i++) {
        const struct cella_edl_field *f = &fields->item[i];
        if (!bools && (f->attributes & CELLA_EDL_USER_CHECK)) return true;
        if (f->type.pointers) continue;
        if (bools && f->type.base == CELLA_EDL_BOOL) return true;
        const struct cella_edl_aggregate *a = f->type.definition;
        if (a && a->tag == CELLA_EDL_STRUCT && reaches(&a->fields, bools, depth + 1)) return true;
    }
    return false;
}

static void emit_layout(struct emitter *e, struct cella_edl_text *layouts, uint32_t index) {
    const struct cella_edl_layout *l = &e->t->layouts.item[index];
    const struct cella_edl_fields *fields = l->function ? &l->function->parameters
                                            : l->aggregate && l->aggregate->tag == CELLA_EDL_STRUCT
                                                ? &l->aggregate->fields
                                                : NULL;
    uint32_t first = e->member;
    bool dense = index == 0 || l->is_bool;
    e->holder = l->name;
    for (uint32_t i = 0; fields && i < fields->count; i++)
        emit_member(e, &fields->item[i], fields->item[i].name, "", l->function != NULL);
    if (l->function && (l->function->result.base != CELLA_EDL_VOID)) {
        struct cella_edl_field result = {.type = l->function->result};
        emit_member(e, &result, "cella_returned", " | CELLA_MEMBER_RESULT", false);
    }
    if (l->is_bool || l->is_long_double) {
        cella_edl_out(e->members, "    {0, %s, 1, 0, 0, CELLA_MEMBER_%s, 0},\n",
                      l->is_bool ? "1" : "10", l->is_bool ? "BOOL" : "BYTES");
        e->member++;
    }
    cella_edl_out(layouts, "    {sizeof(%s), %u, %u, 0", l->name, first, e->member - first);
    if (dense) cella_edl_out(layouts, " | CELLA_LAYOUT_DENSE");
    if (l->aggregate && fields) {
        cella_edl_out(layouts, " | (0");
        for (uint32_t i = 0; i < fields->count; i++)
            cella_edl_out(layouts, " + sizeof(((%s *)0)->%s)", l->name, fields->item[i].name);
        cella_edl_out(layouts, " == sizeof(%s) ? cella_dense_%u : 0)", l->name, index);
    }
    if (points(e->t, l)) cella_edl_out(layouts, " | CELLA_LAYOUT_POINTERS");
    if (l->is_bool || (fields && reaches(fields, true, 0)))
        cella_edl_out(layouts, " | CELLA_LAYOUT_CHECKED");
    if (fields && reaches(fields, false, 0)) cella_edl_out(layouts, " | CELLA_LAYOUT_HANDLES");
    bool unknown = index && !fields && !l->is_bool && !l->is_long_double;
    if (unknown)
        cella_edl_out(layouts, ", CELLA_CLEARED(clear_%u)},\n", index);
    else
        cella_edl_out(layouts, ", NULL},\n");
}

/* ---- structs of parameters ---- */

static void emit_parameters(struct cella_edl_text *text, const struct cella_edl_layout *l) {
    char type[300];
    cella_edl_out(text, "%s {\n", l->name);
    for (uint32_t i = 0; i < l->function->parameters.count; i++) {
        const struct cella_edl_field *f = &l->function->parameters.item[i];
        cella_edl_base_show(&f->type, type, sizeof(type));
        if (cella_edl_is_pointer(f) || cella_edl_is_array(f))
            cella_edl_out(text, "    void *%s;\n", f->name);
        else
            cella_edl_out(text, "    %s %s;\n", type, f->name);
    }
    if (l->function->result.base != CELLA_EDL_VOID) {
        cella_edl_base_show(&l->function->result, type, sizeof(type));
        cella_edl_out(text, "    %s cella_returned;\n", type);
    }
    cella_edl_out(text, "};\n");
}

static void emit_checks(struct cella_edl_text *text, const struct cella_edl_tables *t) {
    for (uint32_t i = 1; i < t->layouts.count; i++) {
        const struct cella_edl_layout *l = &t->layouts.item[i];
        bool is_struct = l->aggregate && l->aggregate->tag == CELLA_EDL_STRUCT;
        cella_edl_out(
            text, "_Static_assert(_Alignof(%s) <= CELLA_CALL_ALIGN_MAX, \"alignment of %s\");\n",
            l->name, l->name);
        if (is_struct) {
            /* A struct with its members' gaps known and no unknown types inside is whole where it
             * has none; a member that has gaps of its own makes its struct not dense. */
            cella_edl_out(text, "enum { cella_dense_%u = 1", i);
            for (uint32_t j = 0; j < l->aggregate->fields.count; j++) {
                const struct cella_edl_field *f = &l->aggregate->fields.item[j];
                uint32_t inner = f->type.pointers ? 0 : layout_of(t, f);
                const struct cella_edl_layout *in = &t->layouts.item[inner];
                if (inner && in->aggregate && in->aggregate->tag == CELLA_EDL_STRUCT)
                    cella_edl_out(text, " && 0");
                else if (inner && !in->is_bool)
                    cella_edl_out(text, " && 0");
            }
            cella_edl_out(text, " };\n");
        } else if (!l->function && !l->is_bool && !l->is_long_double) {
            cella_edl_out(text, "CELLA_CLEAR(clear_%u, %s)\n", i, l->name);
            if (!l->is_pointer_name && !l->aggregate)
                cella_edl_out(text,
                              "_Static_assert(!CELLA_IS_ADDRESS(%s), \"%s is a pointer or an "
                              "array: isptr or isary says so\");\n",
                              l->name, l->name);
        }
    }
}

/* ---- functions ---- */

static uint32_t emit_allows(struct cella_edl_text *text, const struct cella_edl_tree *tree,
                            const struct cella_edl_function *f) {
    for (uint32_t i = 0; i < f->allow.count; i++)
        for (uint32_t j = 0; j < tree->ecalls.count; j++)
            if (strcmp(tree->ecalls.item[j]->name, f->allow.item[i].text) == 0)
                cella_edl_out(text, "    %u, /* %s allows %s */\n", j, f->name,
                              f->allow.item[i].text);
    return f->allow.count;
}

static void emit_functions(struct cella_edl_text *text, struct cella_edl_text *allows,
                           const struct cella_edl_tables *t, const struct cella_edl_functions *list,
                           uint32_t *allowed) {
    for (uint32_t i = 0; i < list->count; i++) {
        const struct cella_edl_function *f = list->item[i];
        uint32_t layout = 0;
        for (uint32_t k = 1; k < t->layouts.count; k++)
            if (t->layouts.item[k].function == f) layout = k;
        uint32_t count = emit_allows(allows, t->edl->tree, f);
        cella_edl_out(text, "    {\"%s\", %u, 0%s%s%s, %u, %u},\n", f->name, layout,
                      f->is_public ? " | CELLA_FUNCTION_PUBLIC" : "",
                      f->is_switchless ? " | CELLA_FUNCTION_SWITCHLESS" : "",
                      f->propagates_errno ? " | CELLA_FUNCTION_ERRNO" : "", *allowed, count);
        *allowed += count;
    }
}

static void append(struct cella_edl_text *to, struct cella_edl_text *from) {
    if (!cella_failed(to->failed))
        to->failed = cella_failed(from->failed)
                         ? from->failed
                         : cella_buffer_append(&to->buffer, cella_buffer_bytes(&from->buffer));
    cella_buffer_free(&from->buffer);
}

/* The digest is over all that the tables say, with the types they speak of. */
static CELLA_RESULT digest(struct cella_edl_text *text, const struct cella_edl_tables *t,
                           const struct cella_edl_text *types) {
    uint8_t sum[CELLA_SHA256_SIZE];
    struct cella_bytes parts[] = {cella_buffer_bytes(&text->buffer),
                                  cella_buffer_bytes(&types->buffer)};
    (void)t;
    TRY(cella_hash(CELLA_HASH_SHA256, parts, 2, sum));
    cella_edl_out(text,
                  "static const struct cella_call_interface interface = {\n    .name = \"%s\",\n"
                  "    .version = CELLA_CALL_VERSION,\n    .digest = {",
                  t->name);
    for (size_t i = 0; i < sizeof(sum); i++) cella_edl_out(text, "%s0x%02x", i ? ", " : "", sum[i]);
    cella_edl_out(text,
                  "},\n    .measures = measures,\n    .measure_count = %u,\n"
                  "    .layouts = layouts,\n    .members = members,\n    .terms = terms,\n"
                  "    .allows = allows,\n    .ecalls = ecalls,\n    .ocalls = ocalls,\n"
                  "    .ecall_count = %u,\n    .ocall_count = %u,\n};\n",
                  t->layouts.count, t->edl->tree->ecalls.count, t->edl->tree->ocalls.count);
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_edl_emit_tables(struct cella_edl_text *text, struct cella_edl_tables *t) {
    struct cella_edl_text members = {0}, terms = {0}, layouts = {0}, allows = {0}, ecalls = {0},
                          ocalls = {0}, types = {0};
    struct emitter e = {.t = t, .members = &members, .terms = &terms};
    uint32_t allowed = 0;
    for (uint32_t i = 0; i < t->layouts.count; i++) {
        if (t->layouts.item[i].function) emit_parameters(text, &t->layouts.item[i]);
        emit_layout(&e, &layouts, i);
    }
    emit_checks(text, t);
    emit_functions(&ecalls, &allows, t, &t->edl->tree->ecalls, &allowed);
    emit_functions(&ocalls, &allows, t, &t->edl->tree->ocalls, &allowed);
    cella_edl_out(text, "\nstatic const uint32_t measures[] = {\n");
    for (uint32_t i = 0; i < t->layouts.count; i++)
        cella_edl_out(text, "    sizeof(%s),\n", t->layouts.item[i].name);
    cella_edl_out(text, "};\nstatic const struct cella_call_term terms[] = {\n");
    append(text, &terms);
    cella_edl_out(text, "    {CELLA_TERM_END, 0, 0, 0, 0},\n};\n"
                        "static const struct cella_call_member members[] = {\n");
    append(text, &members);
    cella_edl_out(text, "    {0, 0, 0, 0, 0, 0, 0},\n};\n"
                        "static const struct cella_call_layout layouts[] = {\n");
    append(text, &layouts);
    cella_edl_out(text, "};\nstatic const uint16_t allows[] = {\n");
    append(text, &allows);
    cella_edl_out(text, "    0,\n};\nstatic const struct cella_call_function ecalls[] = {\n");
    append(text, &ecalls);
    cella_edl_out(text, "    {NULL, 0, 0, 0, 0},\n};\nstatic const struct cella_call_function "
                        "ocalls[] = {\n");
    append(text, &ocalls);
    cella_edl_out(text, "    {NULL, 0, 0, 0, 0},\n};\n");
    cella_edl_emit_types(&types, t);
    struct cella_result r = types.failed;
    if (!cella_failed(r)) r = digest(text, t, &types);
    cella_buffer_free(&types.buffer);
    return r;
}
