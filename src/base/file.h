/* Whole files and descriptors. Every write is whole or not at all: a temporary file beside the
 * target, fsync, rename, fsync of the folder. */
#ifndef CELLA_BASE_FILE_H
#define CELLA_BASE_FILE_H

#include "base/buffer.h"
#include "base/secret.h"

enum { CELLA_FILE_EXCLUSIVE = 1 /* fail with CELLA_ERR_EXISTS instead of replacing */ };

/* Reads a regular file, pipe or "-" (stdin), at most max bytes (CELLA_ERR_LIMIT above). */
CELLA_RESULT cella_file_read(const char *path, size_t max, struct cella_buffer *out);
/* Reads all of a descriptor from its current offset. */
CELLA_RESULT cella_file_read_fd(int fd, const char *name, size_t max, struct cella_buffer *out);
/* Reads a file with secret content; refuses one that others may read or write (mode & 077). */
CELLA_RESULT cella_file_read_secret(const char *path, size_t max, struct cella_secret *out);
/* Writes atomically with the mode given (0600 for secrets); "-" is stdout. flags:
 * CELLA_FILE_EXCLUSIVE. */
CELLA_RESULT cella_file_write(const char *path, struct cella_bytes content, unsigned mode,
                              unsigned flags);
/* Writes all bytes to a descriptor, through short writes and EINTR. */
CELLA_RESULT cella_file_write_fd(int fd, const char *name, struct cella_bytes content);
/* mkdir -p with mode for the last part. */
CELLA_RESULT cella_file_make_folder(const char *path, unsigned mode);

/* An owned descriptor; -1 is empty. */
void cella_fd_close(int *fd);
#define CELLA_FD __attribute__((cleanup(cella_fd_close))) int
#define MOVE_FD(fd)                                                                                \
    ({                                                                                             \
        int moved_ = (fd);                                                                         \
        (fd) = -1;                                                                                 \
        moved_;                                                                                    \
    })

#endif
