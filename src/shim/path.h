/* Paths of the program: made absolute and normal inside the shim, so that no "..", "." or doubled
 * slash ever reaches a mount or the host. There are no symbolic links inside an enclave but
 * /proc/self/exe. */
#ifndef CELLA_SHIM_PATH_H
#define CELLA_SHIM_PATH_H

#include "shim/fd.h"

/* Pure: joins base (absolute, normal) and path, and writes the normal absolute form with its NUL to
 * out. ".." above the root stays at the root. 0, -ENOENT for an empty path, -ENAMETOOLONG.
 * *wants_folder: it ended in a slash, "." or "..". */
long shim_path_join(const char *base, const char *path, char out[SHIM_PATH_MAX],
                    bool *wants_folder);
/* The same for a path in the program's memory, relative to the folder dirfd (or AT_FDCWD). -EFAULT,
 * -EBADF, -ENOTDIR besides. */
long shim_path_take(int dirfd, const char *path, char out[SHIM_PATH_MAX], bool *wants_folder);

/* Whether path lies in folder (or is it); *rest is what follows, without a leading slash. */
bool shim_path_inside(const char *path, struct cella_bytes folder, const char **rest);
/* A name that may stand in a folder: 1 to 255 bytes, no slash, no NUL, not "." or ".." (R29, R45).
 */
bool shim_path_name_valid(struct cella_bytes name);
/* -errno when text ++ NUL does not fit. */
long shim_text_put(char *to, uint64_t size, struct cella_bytes text);

#endif
