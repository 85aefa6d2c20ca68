/* Protected mounts: files of the host under seal/protected.h. All open files of one path share one
 * content. */
#ifndef CELLA_SHIM_FILE_PROTECTED_H
#define CELLA_SHIM_FILE_PROTECTED_H

#include "shim/mount.h"

extern const struct shim_tree shim_protected_tree;
/* Takes memory when there are protected mounts: at most a quarter of the heap, see
 * docs/features.md. */
void shim_protected_start(void);
/* Commits and closes all, wiping their keys; opening one afterwards waits for ever. */
void shim_protected_exit(void);

#endif
