#include "edl/load.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"

enum { FILE_MAX = 1 << 20 };

static const char *copy_text(struct cella_arena *arena, const char *text, size_t size) {
    char *copy = cella_arena_take(arena, size + 1);
    if (copy) cella_copy(copy, text, size);
    return copy;
}

/* Where the file is: beside the one that imports it, then in the folders searched. */
static CELLA_RESULT find(struct cella_edl_loader *l, const char *from, const char *name,
                         struct cella_edl_place place, const char **shown, const char **real) {
    char path[PATH_MAX], absolute[PATH_MAX];
    const char *slash = from ? strrchr(from, '/') : NULL;
    int beside = slash && name[0] != '/' ? (int)(slash - from + 1) : 0;
    for (size_t i = 0; i <= l->folder_count; i++) {
        int size = i == 0 ? snprintf(path, sizeof(path), "%.*s%s", beside, from ? from : "", name)
                          : snprintf(path, sizeof(path), "%s/%s", l->folders[i - 1], name);
        if (size <= 0 || (size_t)size >= sizeof(path) || access(path, R_OK) != 0 ||
            !realpath(path, absolute))
            continue;
        *shown = copy_text(l->arena, path, strlen(path));
        *real = copy_text(l->arena, absolute, strlen(absolute));
        ENSURE(*shown && *real, CELLA_ERR_LIMIT, NULL, "the interface takes too much memory");
        return CELLA_SUCCESS;
    }
    if (!from)
        FAIL(CELLA_ERR_NOT_FOUND, "name the file, or add its folder by --search-path",
             "no interface file %s", name);
    CELLA_EDL_WRONG(place, "put it beside the file, or add its folder by --search-path",
                    "no file \"%s\" to import", name);
}

static const char *short_name(struct cella_arena *arena, const char *path) {
    const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
    size_t size = strlen(base);
    if (size > 4 && strcmp(base + size - 4, ".edl") == 0) size -= 4;
    return copy_text(arena, base, size);
}

/* The parser holds a lexer with room for all its nesting: too big to stack up import by import. */
static CELLA_RESULT parse_text(struct cella_edl_loader *l, const char *shown,
                               struct cella_bytes text, struct cella_edl_tree **tree) {
    struct cella_edl_parser *p = cella_arena_take(l->arena, sizeof(*p));
    struct cella_edl_tree *t = cella_arena_take(l->arena, sizeof(*t));
    struct cella_bytes copy = cella_arena_copy(l->arena, text);
    ENSURE(p && t && copy.data, CELLA_ERR_LIMIT, NULL, "the interface takes too much memory");
    p->arena = l->arena;
    p->loader = l;
    p->tree = t;
    t->name = short_name(l->arena, shown);
    ENSURE(t->name, CELLA_ERR_LIMIT, NULL, "the interface takes too much memory");
    TRY(cella_edl_lexer_begin(&p->lexer, l->arena, &l->macros, shown, copy));
    TRY(cella_edl_parse(p));
    *tree = t;
    return CELLA_SUCCESS;
}

static CELLA_RESULT load_file(struct cella_edl_loader *l, const char *shown, const char *real,
                              struct cella_edl_place place, struct cella_edl_tree **tree) {
    for (uint32_t i = 0; i < l->files.count; i++) {
        if (strcmp(l->files.item[i].path, real) != 0) continue;
        *tree = l->files.item[i].tree;
        if (!*tree)
            CELLA_EDL_WRONG(place, "move what both need to a third file",
                            "\"%s\" imports itself, by way of this file", shown);
        return CELLA_SUCCESS;
    }
    if (l->depth == CELLA_EDL_NESTING_MAX)
        CELLA_EDL_WRONG(place, NULL, "more than %d imports in one another", CELLA_EDL_NESTING_MAX);
    struct cella_edl_loaded *file;
    CELLA_EDL_PUSH(l->arena, &l->files, file);
    uint32_t index = l->files.count - 1;
    file->path = real;
    CELLA_BUFFER content = {0};
    TRY(cella_file_read(shown, FILE_MAX, &content));
    l->depth++;
    TRY(parse_text(l, shown, cella_buffer_bytes(&content), tree));
    l->depth--;
    l->files.item[index].tree = *tree;
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_edl_load(struct cella_edl_loader *loader, const char *path,
                            struct cella_edl_tree **tree) {
    const char *shown, *real;
    struct cella_edl_place nowhere = {path, 1, 1};
    TRY(find(loader, NULL, path, nowhere, &shown, &real));
    return load_file(loader, shown, real, nowhere, tree);
}

CELLA_RESULT cella_edl_load_text(struct cella_edl_loader *loader, const char *name,
                                 struct cella_bytes text, struct cella_edl_tree **tree) {
    return parse_text(loader, name, text, tree);
}

/* ---- import ---- */

static CELLA_RESULT add_types(struct cella_edl_parser *p, const struct cella_edl_word *file,
                              const struct cella_edl_tree *from) {
    for (uint32_t i = 0; i < from->aggregates.count; i++) {
        struct cella_edl_aggregate *a = from->aggregates.item[i], **slot;
        struct cella_edl_aggregate *old = cella_edl_find_aggregate(p->tree, a->name);
        bool there = false;
        for (uint32_t j = 0; j < p->tree->aggregates.count; j++)
            there |= p->tree->aggregates.item[j] == a;
        if (there) continue;
        if (old && *a->name)
            CELLA_EDL_WRONG(file->place, "rename one of them",
                            "the type `%s' is defined at %s:%u and at %s:%u", a->name,
                            old->place.file, old->place.line, a->place.file, a->place.line);
        CELLA_EDL_PUSH(p->arena, &p->tree->aggregates, slot);
        *slot = a;
    }
    return CELLA_SUCCESS;
}

static CELLA_RESULT add_headers(struct cella_edl_parser *p, const struct cella_edl_tree *from) {
    for (uint32_t i = 0; i < from->includes.count; i++) {
        bool known = false;
        struct cella_edl_word *word;
        for (uint32_t j = 0; j < p->tree->includes.count; j++)
            known |= strcmp(p->tree->includes.item[j].text, from->includes.item[i].text) == 0;
        if (known) continue;
        CELLA_EDL_PUSH(p->arena, &p->tree->includes, word);
        *word = from->includes.item[i];
    }
    return CELLA_SUCCESS;
}

static CELLA_RESULT add_function(struct cella_edl_parser *p, const struct cella_edl_word *file,
                                 struct cella_edl_function *f) {
    struct cella_edl_function *old = cella_edl_find_function(&p->tree->ecalls, f->name), **slot;
    if (!old) old = cella_edl_find_function(&p->tree->ocalls, f->name);
    if (old == f) return CELLA_SUCCESS; /* imported on two ways */
    if (old)
        CELLA_EDL_WRONG(file->place, "rename one of them",
                        "the function `%s' is declared at %s:%u and at %s:%u", f->name,
                        old->place.file, old->place.line, f->place.file, f->place.line);
    struct cella_edl_functions *list = f->is_trusted ? &p->tree->ecalls : &p->tree->ocalls;
    CELLA_EDL_PUSH(p->arena, list, slot);
    *slot = f;
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_edl_import(struct cella_edl_parser *parser, const struct cella_edl_word *file,
                              const struct cella_edl_words *names) {
    const char *shown, *real;
    struct cella_edl_tree *from;
    TRY(find(parser->loader, parser->lexer.file, file->text, file->place, &shown, &real));
    TRY(load_file(parser->loader, shown, real, file->place, &from));
    TRY(add_types(parser, file, from));
    TRY(add_headers(parser, from));
    const struct cella_edl_functions *lists[] = {&from->ecalls, &from->ocalls};
    for (int k = 0; k < 2 && !names; k++)
        for (uint32_t i = 0; i < lists[k]->count; i++)
            TRY(add_function(parser, file, lists[k]->item[i]));
    for (uint32_t i = 0; names && i < names->count; i++) {
        struct cella_edl_function *f = cella_edl_find_function(lists[0], names->item[i].text);
        if (!f) f = cella_edl_find_function(lists[1], names->item[i].text);
        if (!f)
            CELLA_EDL_WRONG(names->item[i].place, NULL, "\"%s\" has no function `%s'", file->text,
                            names->item[i].text);
        TRY(add_function(parser, file, f));
    }
    return CELLA_SUCCESS;
}
