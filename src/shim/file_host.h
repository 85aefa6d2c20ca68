/* Shared mounts: files of the host in clear. Everything read is the host's word, everything written
 * is public. Its folders serve protected mounts too. */
#ifndef CELLA_SHIM_FILE_HOST_H
#define CELLA_SHIM_FILE_HOST_H

#include "shim/mount.h"

extern const struct shim_tree shim_host_tree;

/* The inode number told for a host file: the host's. Device number of a mount: index + 16. */
enum { SHIM_DEVICE_MOUNT = 16 };

/* Opens a folder of the host for listing when rest names one: 1 done, 0 it is no folder, -errno. */
long shim_host_folder(const struct shim_place *place, struct shim_file *file);
long shim_host_tree_stat(const struct shim_place *place, struct shim_stat *out);
long shim_host_tree_mkdir(const struct shim_place *place, uint32_t mode);
long shim_host_tree_rmdir(const struct shim_place *place);

/* Raw calls on a received descriptor, with their contracts checked; whole transfers through short
 * ones. */
long shim_host_pread(int fd, void *to, uint64_t size, uint64_t at);
long shim_host_pwrite(int fd, const void *from, uint64_t size, uint64_t at);
long shim_host_truncate(int fd, uint64_t size);
long shim_host_sync(int fd, bool data_only);
long shim_host_size(int fd, struct shim_stat *out);
void shim_host_close(int fd);

#endif
