/* The shim's own files: the folders above the mounts, devices, configfs-tsm (file_tsm.h) and
 * /dev/cella (file_cella.h). */
#ifndef CELLA_SHIM_FILE_VIRTUAL_H
#define CELLA_SHIM_FILE_VIRTUAL_H

#include "shim/mount.h"

extern const struct shim_tree shim_virtual_tree;
/* Where a symbolic link leads; data NULL: it is none. */
struct cella_bytes shim_virtual_link(const char *path);

/* One file of the shim's own, as its source lists it. */
struct shim_virtual {
    char path[SHIM_PATH_MAX];
    uint32_t mode; /* type and permissions; S_IFDIR where only the folder is to be there */
    const struct shim_file_kind *kind; /* NULL: cannot be opened */
    uint32_t index, serial;            /* given to the open file */
};
/* A source of files: fills the one of this number (an empty path: none there now); false: there are
 * no more. */
typedef bool shim_virtual_source(uint32_t number, struct shim_virtual *out);
/* Writes first / second / third (empty parts left out) as the path. */
void shim_virtual_path(struct shim_virtual *out, const char *first, struct cella_bytes second,
                       const char *third);

/* Serves a read at an offset from bytes that are all there. */
long shim_virtual_read(struct cella_bytes content, void *to, uint64_t size, uint64_t at);

#endif
