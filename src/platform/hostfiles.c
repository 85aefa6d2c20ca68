#include "platform/hostfiles.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "abi/hostcall.h"
#include "base/file.h"
#include "base/writer.h"

enum { FLAGS_ALLOWED = O_ACCMODE | O_CREAT | O_EXCL | O_TRUNC | O_DIRECTORY, MODE_ALLOWED = 0777 };

static int open_beneath(int folder, const char *path, uint64_t flags, uint64_t mode) {
    struct open_how how = {
        .flags = flags | O_CLOEXEC | O_NOFOLLOW,
        .mode = flags & O_CREAT ? mode : 0,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
    };
    int fd;
    do fd = (int)syscall(SYS_openat2, folder, path[0] ? path : ".", &how, sizeof(how));
    while (fd < 0 && (errno == EINTR || errno == EAGAIN));
    return fd;
}

/* Only regular files and folders: opening or reading anything else could wait for somebody. */
static long check_kind(int fd, struct stat *st) {
    if (fstat(fd, st) != 0) return -errno;
    return S_ISREG(st->st_mode) || S_ISDIR(st->st_mode) ? 0 : -EACCES;
}

long cella_hostfile_open(int folder, const char *path, uint64_t flags, uint64_t mode, bool writable,
                         int *fd) {
    if (flags & ~(uint64_t)FLAGS_ALLOWED || mode & ~(uint64_t)MODE_ALLOWED) return -EINVAL;
    bool writes = (flags & O_ACCMODE) != O_RDONLY || flags & (O_CREAT | O_TRUNC);
    if (writes && !writable) return -EROFS;
    CELLA_FD opened = open_beneath(folder, path, flags | O_NONBLOCK | O_NOCTTY, mode);
    if (opened < 0) return -errno;
    struct stat st;
    long bad = check_kind(opened, &st);
    if (bad) return bad;
    *fd = MOVE_FD(opened);
    return 0;
}

long cella_hostfile_stat(int folder, const char *path, uint8_t out[CELLA_HOSTSTAT_SIZE]) {
    CELLA_FD fd = open_beneath(folder, path, O_PATH, 0);
    if (fd < 0) return -errno;
    struct stat st;
    long bad = check_kind(fd, &st);
    if (bad) return bad;
    struct cella_writer w = cella_writer(out, CELLA_HOSTSTAT_SIZE);
    cella_writer_u32le(&w, st.st_mode & (S_IFMT | 0777));
    cella_writer_u32le(&w, 0);
    cella_writer_u64le(&w, S_ISDIR(st.st_mode) ? 0 : (uint64_t)st.st_size);
    cella_writer_u64le(&w, (uint64_t)st.st_mtim.tv_sec);
    cella_writer_u64le(&w, st.st_ino);
    return 0;
}

struct linux_dirent64 { /* getdents64(2) */
    uint64_t d_ino;
    int64_t d_off;
    unsigned short d_reclen;
    unsigned char d_type;
    char d_name[];
};

static unsigned char kind_of(int folder, const struct linux_dirent64 *e) {
    struct stat st;
    if (e->d_type != DT_UNKNOWN) return e->d_type;
    if (fstatat(folder, e->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0) return DT_UNKNOWN;
    return S_ISREG(st.st_mode) ? DT_REG : S_ISDIR(st.st_mode) ? DT_DIR : DT_UNKNOWN;
}

long cella_hostfile_list(int folder, const char *path, uint64_t cookie, uint8_t *out,
                         size_t capacity, size_t *size) {
    CELLA_FD fd = open_beneath(folder, path, O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0) return -errno;
    if (lseek(fd, (off_t)cookie, SEEK_SET) < 0) return -EINVAL;
    struct cella_writer w = cella_writer(out, capacity);
    uint64_t next = cookie;
    union {
        struct linux_dirent64 first;
        char bytes[8192];
    } buffer;
    for (;;) {
        long n = syscall(SYS_getdents64, fd, &buffer, sizeof(buffer));
        if (n < 0) return -errno;
        *size = w.size;
        if (n == 0) return 0;
        for (long at = 0; at < n;) {
            const struct linux_dirent64 *e =
                (const struct linux_dirent64 *)(const void *)(buffer.bytes + at);
            at += e->d_reclen;
            size_t name_size = strlen(e->d_name);
            unsigned char kind = kind_of(fd, e);
            bool listed = (kind == DT_REG || kind == DT_DIR) && strcmp(e->d_name, ".") &&
                          strcmp(e->d_name, "..");
            if (listed && w.size + 2 + name_size > capacity) return (long)next;
            next = (uint64_t)e->d_off;
            if (!listed) continue;
            cella_writer_u8(&w, kind);
            cella_writer_u8(&w, (uint8_t)name_size); /* NAME_MAX is 255 */
            cella_writer_put(&w, cella_bytes(e->d_name, name_size));
            *size = w.size;
        }
    }
}

/* The folder that holds path's last part, which goes to *last. */
static int open_parent(int folder, const char *path, char *space, size_t capacity,
                       const char **last) {
    if ((size_t)snprintf(space, capacity, "%s", path) >= capacity) {
        errno = ENAMETOOLONG;
        return -1;
    }
    char *slash = strrchr(space, '/');
    *last = slash ? slash + 1 : space;
    if ((*last)[0] == 0 || strcmp(*last, ".") == 0 || strcmp(*last, "..") == 0) {
        errno = EINVAL;
        return -1;
    }
    if (slash) *slash = 0;
    return open_beneath(folder, slash ? space : "", O_PATH | O_DIRECTORY, 0);
}

long cella_hostfile_remove(int folder, const char *path, bool is_folder) {
    char space[PATH_MAX];
    const char *last;
    CELLA_FD parent = open_parent(folder, path, space, sizeof(space), &last);
    if (parent < 0 || unlinkat(parent, last, is_folder ? AT_REMOVEDIR : 0) != 0) return -errno;
    return 0;
}

long cella_hostfile_mkdir(int folder, const char *path, uint64_t mode) {
    char space[PATH_MAX];
    const char *last;
    CELLA_FD parent = open_parent(folder, path, space, sizeof(space), &last);
    if (parent < 0 || mkdirat(parent, last, (mode_t)(mode & MODE_ALLOWED)) != 0) return -errno;
    return 0;
}

long cella_hostfile_rename(int folder, const char *from, const char *to) {
    char space[PATH_MAX], space_to[PATH_MAX];
    const char *last, *last_to;
    CELLA_FD parent = open_parent(folder, from, space, sizeof(space), &last);
    if (parent < 0) return -errno;
    CELLA_FD parent_to = open_parent(folder, to, space_to, sizeof(space_to), &last_to);
    if (parent_to < 0 || renameat(parent, last, parent_to, last_to) != 0) return -errno;
    return 0;
}
