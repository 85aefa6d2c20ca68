/* The shim's own files: the folders above the mounts, devices, configfs-tsm and /dev/cella. */
#ifndef CELLA_SHIM_FILE_VIRTUAL_H
#define CELLA_SHIM_FILE_VIRTUAL_H

#include "shim/mount.h"

extern const struct shim_tree shim_virtual_tree;
/* Where a symbolic link leads; data NULL: it is none. */
struct cella_bytes shim_virtual_link(const char *path);

#endif
