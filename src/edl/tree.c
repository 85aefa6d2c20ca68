#include "edl/tree.h"

#include <stdio.h>
#include <string.h>

struct cella_edl_aggregate *cella_edl_find_aggregate(const struct cella_edl_tree *tree,
                                                     const char *name) {
    for (uint32_t i = 0; i < tree->aggregates.count; i++)
        if (strcmp(tree->aggregates.item[i]->name, name) == 0) return tree->aggregates.item[i];
    return NULL;
}

const struct cella_edl_enumerator *cella_edl_find_enumerator(const struct cella_edl_tree *tree,
                                                             const char *name) {
    for (uint32_t i = 0; i < tree->aggregates.count; i++) {
        const struct cella_edl_aggregate *a = tree->aggregates.item[i];
        for (uint32_t j = 0; j < a->enumerators.count; j++)
            if (strcmp(a->enumerators.item[j].name, name) == 0) return &a->enumerators.item[j];
    }
    return NULL;
}

struct cella_edl_function *cella_edl_find_function(const struct cella_edl_functions *functions,
                                                   const char *name) {
    for (uint32_t i = 0; i < functions->count; i++)
        if (strcmp(functions->item[i]->name, name) == 0) return functions->item[i];
    return NULL;
}

struct cella_edl_field *cella_edl_find_field(const struct cella_edl_fields *fields,
                                             const char *name) {
    for (uint32_t i = 0; i < fields->count; i++)
        if (strcmp(fields->item[i].name, name) == 0) return &fields->item[i];
    return NULL;
}

void cella_edl_type_show(const struct cella_edl_type *type, char *text, size_t size) {
    static const char *const names[] = {"void",    "bool",    "char",      "short",
                                        "int",     "long",    "long long", "int8_t",
                                        "int16_t", "int32_t", "int64_t",   "size_t",
                                        "wchar_t", "float",   "double",    "long double"};
    static const char *const tags[] = {"", "struct ", "union ", "enum "};
    bool named = type->base == CELLA_EDL_AGGREGATE || type->base == CELLA_EDL_FOREIGN;
    bool fixed = type->base >= CELLA_EDL_INT8 && type->base <= CELLA_EDL_INT64;
    const char *unsign = !type->is_unsigned || type->base == CELLA_EDL_SIZE ? ""
                         : fixed                                            ? "u"
                                                                            : "unsigned ";
    enum cella_edl_tag tag = type->definition ? type->definition->tag : type->tag;
    int used =
        snprintf(text, size, "%s%s%s%s", type->is_const ? "const " : "", named ? tags[tag] : unsign,
                 named ? type->name : names[type->base], type->pointers ? " " : "");
    for (uint32_t i = 0; i < type->pointers && (size_t)used + 1 < size; i++) {
        text[used++] = '*';
        text[used] = 0;
    }
}

bool cella_edl_type_is_integer(const struct cella_edl_type *type) {
    return !type->pointers && type->base >= CELLA_EDL_CHAR && type->base <= CELLA_EDL_WCHAR;
}
