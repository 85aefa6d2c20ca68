/* Trusted mounts: read-only files of the host whose size and hashes are in the measured
 * configuration. Folders show exactly the pinned files, whatever the host has. */
#ifndef CELLA_SHIM_FILE_TRUSTED_H
#define CELLA_SHIM_FILE_TRUSTED_H

#include "shim/mount.h"

extern const struct shim_tree shim_trusted_tree;
/* Takes the chunk cache when there are trusted mounts. */
void shim_trusted_start(void);

#endif
