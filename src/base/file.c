#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"

static enum cella_code code_of_errno(int error) {
    switch (error) {
    case ENOENT:
    case ENOTDIR: return CELLA_ERR_NOT_FOUND;
    case EACCES:
    case EPERM: return CELLA_ERR_PERMISSION;
    case EEXIST: return CELLA_ERR_EXISTS;
    default: return CELLA_ERR_IO;
    }
}

#define FAIL_ERRNO(...) FAIL(code_of_errno(errno), NULL, __VA_ARGS__)

void cella_fd_close(int *fd) {
    if (*fd >= 0) close(*fd);
    *fd = -1;
}

CELLA_RESULT cella_file_read_fd(int fd, const char *name, size_t max, struct cella_buffer *out) {
    uint8_t chunk[65536];
    for (;;) {
        ssize_t n = read(fd, chunk, sizeof(chunk));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) FAIL_ERRNO("cannot read %s: %s", name, strerror(errno));
        if (n == 0) break;
        ENSURE((size_t)n <= max - out->size && out->size <= max, CELLA_ERR_LIMIT, NULL,
               "%s is larger than the %zu bytes allowed", name, max);
        TRY(cella_buffer_append(out, cella_bytes(chunk, (size_t)n)));
    }
    cella_wipe(chunk, sizeof(chunk)); /* the file may have been a key */
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_file_read(const char *path, size_t max, struct cella_buffer *out) {
    if (strcmp(path, "-") == 0) return cella_file_read_fd(STDIN_FILENO, "standard input", max, out);
    CELLA_FD fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0) FAIL_ERRNO("cannot open %s: %s", path, strerror(errno));
    return cella_file_read_fd(fd, path, max, out);
}

CELLA_RESULT cella_file_read_secret(const char *path, size_t max, struct cella_secret *out) {
    *out = (struct cella_secret){NULL, 0};
    CELLA_FD fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0) FAIL_ERRNO("cannot open %s: %s", path, strerror(errno));
    struct stat st;
    if (fstat(fd, &st) != 0) FAIL_ERRNO("cannot stat %s: %s", path, strerror(errno));
    ENSURE((st.st_mode & 077) == 0, CELLA_ERR_PERMISSION,
           "chmod 600 it, and consider whether the key is still secret",
           "%s holds a secret but its mode is %04o: others may read or change it", path,
           st.st_mode & 07777);
    CELLA_BUFFER buffer = {0};
    TRY(cella_buffer_extend(&buffer, max < 65536 ? max + 1 : 65536, &(uint8_t *){NULL}));
    buffer.size = 0; /* grown once, so that no realloc leaves a copy behind */
    struct cella_result r = cella_file_read_fd(fd, path, max, &buffer);
    if (!cella_failed(r) && buffer.size > 0)
        r = cella_secret_from(cella_buffer_bytes(&buffer), out);
    if (buffer.data) cella_wipe(buffer.data, buffer.capacity);
    TRY(r);
    ENSURE(out->size > 0, CELLA_ERR_FORMAT, NULL, "%s is empty", path);
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_file_write_fd(int fd, const char *name, struct cella_bytes content) {
    for (size_t at = 0; at < content.size;) {
        ssize_t n = write(fd, content.data + at, content.size - at);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) FAIL_ERRNO("cannot write %s: %s", name, strerror(errno));
        at += (size_t)n;
    }
    return CELLA_SUCCESS;
}

static void sync_folder_of(const char *path) {
    char folder[PATH_MAX];
    snprintf(folder, sizeof(folder), "%s", path);
    char *slash = strrchr(folder, '/');
    if (slash == folder) slash++;
    if (slash) *slash = 0;
    CELLA_FD fd = open(slash ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) (void)fsync(fd); /* some file systems refuse; the rename is atomic all the same */
}

static struct cella_result write_and_sync(int fd, const char *path, struct cella_bytes content,
                                          unsigned mode) {
    TRY(cella_file_write_fd(fd, path, content));
    if (fchmod(fd, mode) != 0 || fsync(fd) != 0)
        FAIL_ERRNO("cannot write %s: %s", path, strerror(errno));
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_file_write(const char *path, struct cella_bytes content, unsigned mode,
                              unsigned flags) {
    if (strcmp(path, "-") == 0)
        return cella_file_write_fd(STDOUT_FILENO, "standard output", content);
    char temporary[PATH_MAX];
    int n = snprintf(temporary, sizeof(temporary), "%s.%d.tmp", path, (int)gettid());
    ENSURE(n > 0 && (size_t)n < sizeof(temporary), CELLA_ERR_LIMIT, NULL, "path too long: %s",
           path);
    const int how = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW;
    CELLA_FD fd = open(temporary, how, 0600);
    /* No other thread has this name, but one that was killed may have left it: in a container the
     * numbers are the same at every start. */
    if (fd < 0 && errno == EEXIST && unlink(temporary) == 0) fd = open(temporary, how, 0600);
    if (fd < 0) FAIL_ERRNO("cannot create %s: %s", temporary, strerror(errno));
    struct cella_result r = write_and_sync(fd, path, content, mode);
    if (!cella_failed(r)) {
        int bad = flags & CELLA_FILE_EXCLUSIVE ? link(temporary, path) : rename(temporary, path);
        if (bad)
            r = CELLA_FAILURE(code_of_errno(errno),
                              errno == EEXIST ? "choose another name or move the old file away"
                                              : NULL,
                              "cannot create %s: %s", path, strerror(errno));
    }
    if (cella_failed(r) || flags & CELLA_FILE_EXCLUSIVE) unlink(temporary);
    TRY(r);
    sync_folder_of(path);
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_file_make_folder(const char *path, unsigned mode) {
    char part[PATH_MAX];
    ENSURE(strlen(path) < sizeof(part), CELLA_ERR_LIMIT, NULL, "path too long: %s", path);
    for (size_t i = 1; path[i]; i++) {
        if (path[i] != '/') continue;
        memcpy(part, path, i);
        part[i] = 0;
        if (mkdir(part, 0755) != 0 && errno != EEXIST)
            FAIL_ERRNO("cannot create folder %s: %s", part, strerror(errno));
    }
    if (mkdir(path, mode) != 0 && errno != EEXIST)
        FAIL_ERRNO("cannot create folder %s: %s", path, strerror(errno));
    return CELLA_SUCCESS;
}
