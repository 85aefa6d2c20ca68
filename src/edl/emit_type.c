/* The types of an interface, as C. */
#include <stdio.h>
#include <string.h>

#include "edl/generate.h"

void cella_edl_out(struct cella_edl_text *text, const char *format, ...) {
    char line[2048];
    va_list args;
    va_start(args, format);
    int size = vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    if (cella_failed(text->failed)) return;
    if (size < 0 || (size_t)size >= sizeof(line))
        text->failed = CELLA_FAILURE(CELLA_ERR_LIMIT, NULL, "a line of generated code is too long");
    else
        text->failed = cella_buffer_append(&text->buffer, cella_bytes(line, (size_t)size));
}

void cella_edl_base_show(const struct cella_edl_type *type, char *text, size_t size) {
    struct cella_edl_type base = *type;
    base.pointers = 0;
    base.is_const = false;
    cella_edl_type_show(&base, text, size);
}

void cella_edl_expression_show(struct cella_edl_text *text, const struct cella_edl_expression *e) {
    static const char signs[] = {0, 0, 0, '+', '-', '*', '/', '%'};
    char type[300];
    if (e->kind == CELLA_EDL_NUMBER) cella_edl_out(text, "%llu", (unsigned long long)e->number);
    if (e->kind == CELLA_EDL_NAME) cella_edl_out(text, "%s", e->name);
    if (e->kind == CELLA_EDL_SIZEOF) {
        cella_edl_type_show(e->type, type, sizeof(type));
        cella_edl_out(text, "sizeof(%s)", type);
    }
    if (!e->left) return;
    cella_edl_out(text, "(");
    cella_edl_expression_show(text, e->left);
    cella_edl_out(text, " %c ", signs[e->kind]);
    cella_edl_expression_show(text, e->right);
    cella_edl_out(text, ")");
}

static bool varies(const struct cella_edl_expression *e) {
    return e && (e->field || varies(e->left) || varies(e->right));
}

void cella_edl_declare(struct cella_edl_text *text, const struct cella_edl_field *f) {
    char type[300];
    cella_edl_type_show(&f->type, type, sizeof(type));
    bool varying = f->dimensions.count && varies(f->dimensions.item[0]);
    bool star = f->type.pointers != 0;
    if (varying)
        cella_edl_out(text, f->dimensions.count > 1 ? "%s (*%s)" : "%s *%s", type, f->name);
    else
        cella_edl_out(text, star ? "%s%s" : "%s %s", type, f->name);
    for (uint32_t i = varying; i < f->dimensions.count; i++) {
        cella_edl_out(text, "[");
        cella_edl_expression_show(text, f->dimensions.item[i]);
        cella_edl_out(text, "]");
    }
}

static void emit_enum(struct cella_edl_text *text, const struct cella_edl_aggregate *a) {
    cella_edl_out(text, *a->name ? "typedef enum %s {\n" : "enum%s {\n", a->name);
    for (uint32_t i = 0; i < a->enumerators.count; i++) {
        const struct cella_edl_enumerator *e = &a->enumerators.item[i];
        cella_edl_out(text, "    %s", e->name);
        if (e->has_number) cella_edl_out(text, " = %llu", (unsigned long long)e->number);
        if (e->value) cella_edl_out(text, " = %s", e->value);
        cella_edl_out(text, ",\n");
    }
    cella_edl_out(text, *a->name ? "} %s;\n" : "}%s;\n", a->name);
}

static void emit_aggregate(struct cella_edl_text *text, const struct cella_edl_aggregate *a) {
    const char *tag = a->tag == CELLA_EDL_STRUCT ? "struct" : "union";
    cella_edl_out(text, "%s %s {\n", tag, a->name);
    for (uint32_t i = 0; i < a->fields.count; i++) {
        cella_edl_out(text, "    ");
        cella_edl_declare(text, &a->fields.item[i]);
        cella_edl_out(text, ";\n");
    }
    cella_edl_out(text, "};\n");
}

/* Each type has a guard of its own: two interfaces of one program may import the same file. */
void cella_edl_emit_types(struct cella_edl_text *text, const struct cella_edl_tables *t) {
    const struct cella_edl_tree *tree = t->edl->tree;
    for (uint32_t i = 0; i < tree->includes.count; i++)
        cella_edl_out(text, "#include \"%s\"\n", tree->includes.item[i].text);
    for (int pass = 0; pass < 3; pass++)
        for (uint32_t i = 0; i < tree->aggregates.count; i++) {
            const struct cella_edl_aggregate *a = tree->aggregates.item[i];
            static const char *const kinds[] = {"CONSTANTS", "NAME", "TYPE"};
            if ((a->tag == CELLA_EDL_ENUM) != (pass == 0)) continue;
            const char *name = *a->name ? a->name : a->enumerators.item[0].name;
            cella_edl_out(text, "\n#ifndef CELLA_EDL_%s_%s\n#define CELLA_EDL_%s_%s\n", kinds[pass],
                          name, kinds[pass], name);
            if (pass == 0) emit_enum(text, a);
            if (pass == 1)
                cella_edl_out(text, "typedef %s %s %s;\n",
                              a->tag == CELLA_EDL_STRUCT ? "struct" : "union", name, name);
            if (pass == 2) emit_aggregate(text, a);
            cella_edl_out(text, "#endif\n");
        }
}
