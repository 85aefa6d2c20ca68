/* Files below a mount's folder, for hostserver.c: each function returns 0 or more, or -errno. path
 * is from the enclave and need not be sound: the kernel resolves it beneath the folder, following
 * no link of any kind. */
#ifndef CELLA_PLATFORM_HOSTFILES_H
#define CELLA_PLATFORM_HOSTFILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

long cella_hostfile_open(int folder, const char *path, uint64_t flags, uint64_t mode, bool writable,
                         int *fd);
long cella_hostfile_stat(int folder, const char *path, uint8_t out[32]);
/* Entries after the cookie into out, at most capacity bytes; returns the next cookie. */
long cella_hostfile_list(int folder, const char *path, uint64_t cookie, uint8_t *out,
                         size_t capacity, size_t *size);
long cella_hostfile_remove(int folder, const char *path, bool is_folder);
long cella_hostfile_mkdir(int folder, const char *path, uint64_t mode);
long cella_hostfile_rename(int folder, const char *from, const char *to);

#endif
