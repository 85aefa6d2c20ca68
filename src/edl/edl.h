/* The interface compiler: what a host and its enclave call of one another, written in EDL, the
 * language of Open Enclave and of Intel's SDK (docs/guides/edl.md). */
#ifndef CELLA_EDL_EDL_H
#define CELLA_EDL_EDL_H

#include "edl/check.h"
#include "edl/load.h"

/* An interface file with all it imports, read and checked. */
struct cella_edl {
    struct cella_arena arena;
    struct cella_edl_loader loader;
    struct cella_edl_tree *tree;
    struct cella_edl_warnings warnings;
};

/* Ready for cella_edl_name and cella_edl_read; folders are searched for what is imported, and must
 * stay. */
void cella_edl_begin(struct cella_edl *edl, const char *const *folders, size_t folder_count);
/* A name of the preprocessor: NAME or NAME=VALUE. */
CELLA_RESULT cella_edl_name(struct cella_edl *edl, const char *definition);
CELLA_RESULT cella_edl_read(struct cella_edl *edl, const char *path);
/* A text instead of a file. */
CELLA_RESULT cella_edl_read_text(struct cella_edl *edl, const char *name, struct cella_bytes text);
void cella_edl_free(struct cella_edl *edl);
#define CELLA_EDL __attribute__((cleanup(cella_edl_free))) struct cella_edl

#endif
