/* The tree of files inside: the mounts of the configuration, each with the behaviour of its type,
 * and the shim's own files above and beside them. The longest mount path that holds a path decides.
 */
#ifndef CELLA_SHIM_MOUNT_H
#define CELLA_SHIM_MOUNT_H

#include "shim/fd.h"

struct shim_place {
    uint32_t mount;   /* index into shim.config.mount; of no meaning for the shim's own files */
    const char *path; /* absolute and normal */
    const char
        *rest; /* relative to the mount: what the host is told; "" is the mount's folder itself */
};

/* What a type of mount does. Flags are open's: O_ACCMODE, O_CREAT, O_EXCL, O_TRUNC, O_DIRECTORY. A
 * NULL member: EROFS. All fail with -errno. */
struct shim_tree {
    /* Fills kind, host_fd and what the kind keeps of a new file; path and flags are set already. */
    long (*open)(const struct shim_place *place, uint32_t flags, uint32_t mode,
                 struct shim_file *file);
    long (*stat)(const struct shim_place *place, struct shim_stat *out);
    long (*unlink)(const struct shim_place *place);
    long (*rmdir)(const struct shim_place *place);
    long (*mkdir)(const struct shim_place *place, uint32_t mode);
    long (*rename)(const struct shim_place *from,
                   const struct shim_place *to); /* within one mount */
};

/* The tree and the place of an absolute normal path; place points into path. */
const struct shim_tree *shim_mount_find(const char *path, struct shim_place *place);
long shim_mount_stat(const char *path, struct shim_stat *out);
/* Memory and checks at start; ends the enclave when the heap has no room. */
void shim_mount_start(void);

#endif
