#include "edl/edl.h"

#include <string.h>

enum { MEMORY_MAX = 64 << 20 };

void cella_edl_begin(struct cella_edl *edl, const char *const *folders, size_t folder_count) {
    *edl = (struct cella_edl){0};
    cella_arena_begin(&edl->arena, MEMORY_MAX);
    edl->loader.arena = &edl->arena;
    edl->loader.folders = folders;
    edl->loader.folder_count = folder_count;
}

CELLA_RESULT cella_edl_name(struct cella_edl *edl, const char *definition) {
    const char *equals = strchr(definition, '=');
    size_t size = equals ? (size_t)(equals - definition) : strlen(definition);
    struct cella_bytes name = cella_arena_copy(&edl->arena, cella_bytes(definition, size + 1));
    ENSURE(size && size < 256, CELLA_ERR_USAGE, "write -DNAME or -DNAME=VALUE",
           "a definition without a name, or with one of more than 255 characters");
    ENSURE(name.data, CELLA_ERR_LIMIT, NULL, "the interface takes too much memory");
    ((char *)name.data)[size] = 0;
    return cella_edl_define(&edl->arena, &edl->loader.macros, (const char *)name.data,
                            equals ? equals + 1 : "1", !equals);
}

/* What the compiler of this platform defines by itself. */
static CELLA_RESULT own_names(struct cella_edl *edl) {
    TRY(cella_edl_name(edl, "__linux__"));
    return cella_edl_name(edl, "__x86_64__");
}

CELLA_RESULT cella_edl_read(struct cella_edl *edl, const char *path) {
    TRY(own_names(edl));
    TRY(cella_edl_load(&edl->loader, path, &edl->tree));
    return cella_edl_check(&edl->arena, edl->tree, &edl->warnings);
}

CELLA_RESULT cella_edl_read_text(struct cella_edl *edl, const char *name, struct cella_bytes text) {
    TRY(own_names(edl));
    TRY(cella_edl_load_text(&edl->loader, name, text, &edl->tree));
    return cella_edl_check(&edl->arena, edl->tree, &edl->warnings);
}

void cella_edl_free(struct cella_edl *edl) { cella_arena_free(&edl->arena); }
