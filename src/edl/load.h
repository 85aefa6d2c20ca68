/* Files: finding them, importing them once each, and the one interface they make together. */
#ifndef CELLA_EDL_LOAD_H
#define CELLA_EDL_LOAD_H

#include "edl/parse.h"

/* A file that was read, with all it imports. */
struct cella_edl_loaded {
    const char *path;            /* as realpath() gives it */
    struct cella_edl_tree *tree; /* NULL while it is being read */
};

struct cella_edl_loader {
    struct cella_arena *arena;
    struct cella_edl_macros macros;
    const char *const *folders; /* --search-path, in this order */
    size_t folder_count;
    struct {
        struct cella_edl_loaded *item;
        uint32_t count, capacity;
    } files;
    uint32_t depth;
};

/* Reads the interface file at path, with all it imports, unchecked. */
CELLA_RESULT cella_edl_load(struct cella_edl_loader *loader, const char *path,
                            struct cella_edl_tree **tree);
/* For tests and fuzzing: a text instead of a file; imports are looked for as from the folder ".".
 */
CELLA_RESULT cella_edl_load_text(struct cella_edl_loader *loader, const char *name,
                                 struct cella_bytes text, struct cella_edl_tree **tree);
/* For the parser: file's types, headers and functions into the tree being parsed; of the functions
 * only names, when names is given. */
CELLA_RESULT cella_edl_import(struct cella_edl_parser *parser, const struct cella_edl_word *file,
                              const struct cella_edl_words *names);

#endif
