#include "shim/file_host.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "shim/hostcall.h"

/* ---- raw calls on received descriptors ---- */

long shim_host_pread(int fd, void *to, uint64_t size, uint64_t at) {
    uint64_t done = 0;
    while (done < size) {
        long n = shim_checked(shim_syscall(SYS_pread64, fd, (long)to + (long)done,
                                           (long)(size - done), (long)(at + done), 0, 0),
                              size - done, "pread");
        if (n == -EINTR) continue;
        if (n < 0) return done > 0 ? (long)done : n;
        if (n == 0) break;
        done += (uint64_t)n;
    }
    return (long)done;
}

long shim_host_pwrite(int fd, const void *from, uint64_t size, uint64_t at) {
    uint64_t done = 0;
    while (done < size) {
        long n = shim_checked(shim_syscall(SYS_pwrite64, fd, (long)from + (long)done,
                                           (long)(size - done), (long)(at + done), 0, 0),
                              size - done, "pwrite");
        if (n == -EINTR) continue;
        if (n < 0) return done > 0 ? (long)done : n;
        if (n == 0) return done > 0 ? (long)done : -EIO;
        done += (uint64_t)n;
    }
    return (long)done;
}

long shim_host_truncate(int fd, uint64_t size) {
    long e;
    do e = shim_checked(shim_syscall(SYS_ftruncate, fd, (long)size, 0, 0, 0, 0), 0, "ftruncate");
    while (e == -EINTR);
    return e;
}

long shim_host_sync(int fd, bool data_only) {
    long e;
    do
        e = shim_checked(shim_syscall(data_only ? SYS_fdatasync : SYS_fsync, fd, 0, 0, 0, 0, 0), 0,
                         "fsync");
    while (e == -EINTR);
    return e;
}

long shim_host_size(int fd, struct shim_stat *out) {
    struct stat s;
    cella_zero(&s, sizeof(s));
    long e = shim_checked(shim_syscall(SYS_fstat, fd, (long)&s, 0, 0, 0, 0), 0, "fstat");
    if (e < 0) return e;
    if (s.st_size < 0) shim_broken_contract("fstat gave a negative size");
    *out = (struct shim_stat){.mode = s.st_mode & (S_IFMT | 0777),
                              .size = (uint64_t)s.st_size,
                              .inode = s.st_ino,
                              .mtime = s.st_mtim.tv_sec};
    return 0;
}

void shim_host_close(int fd) {
    (void)shim_checked(shim_syscall(SYS_close, fd, 0, 0, 0, 0, 0), 0, "close");
}

/* ---- files in clear ---- */

static long host_read(struct shim_file *file, void *to, uint64_t size, uint64_t at) {
    return shim_host_pread(file->host_fd, to, size, at);
}

static long host_stat(struct shim_file *file, struct shim_stat *out) {
    long e = shim_host_size(file->host_fd, out);
    if (e == 0 && !S_ISREG(out->mode))
        shim_broken_contract("a regular file turned into something else");
    out->device = SHIM_DEVICE_MOUNT + file->index;
    return e;
}

static long host_write(struct shim_file *file, const void *from, uint64_t size, uint64_t *at) {
    struct shim_stat stat;
    if (*at == SHIM_AT_END) {
        long e = host_stat(file, &stat);
        if (e < 0) return e;
        if (stat.size > INT64_MAX - size) return -EFBIG;
        *at = stat.size;
    }
    return shim_host_pwrite(file->host_fd, from, size, *at);
}

static long host_resize(struct shim_file *file, uint64_t size) {
    return shim_host_truncate(file->host_fd, size);
}
static long host_sync(struct shim_file *file, bool data_only) {
    return shim_host_sync(file->host_fd, data_only);
}

static long host_close(struct shim_file *file) {
    if (file->host_fd >= 0) shim_host_close(file->host_fd);
    return 0;
}

static const struct shim_file_kind host_kind = {.read = host_read,
                                                .write = host_write,
                                                .stat = host_stat,
                                                .resize = host_resize,
                                                .sync = host_sync,
                                                .close = host_close};

/* ---- folders ---- */

/* The last listing asked for, so that a program that deletes while it lists sees every entry once.
 */
static struct {
    struct shim_lock lock; /* guards all of it */
    const struct shim_file *file;
    uint32_t serial;
    uint64_t cookie;
    struct shim_host_listing listing;
    uint8_t buffer[65536];
} listed;
static _Atomic uint32_t folder_serial;

static const char *folder_rest(const struct shim_file *file) {
    const char *rest = file->path + shim.config.mount[file->index].path.size;
    return *rest == '/' ? rest + 1 : rest;
}

static long list_at(struct shim_file *file, struct shim_entry *out) {
    if (listed.file != file || listed.serial != file->serial || listed.cookie != file->cookie) {
        listed.file = NULL;
        long e = shim_host_readdir(file->index, folder_rest(file), file->cookie, listed.buffer,
                                   &listed.listing);
        if (e < 0) return e;
        listed.file = file;
        listed.serial = file->serial;
        listed.cookie = file->cookie;
    }
    return shim_host_entry(&listed.listing, file->cookie_index, out);
}

static long folder_list(struct shim_file *file, uint64_t index, struct shim_entry *out) {
    shim_lock(&listed.lock);
    if (index == 0) {
        file->cookie = file->cookie_index = 0;
        listed.file = NULL;
    }
    long n = list_at(file, out);
    while (n == 0 && listed.listing.next != 0) {
        file->cookie = listed.listing.next;
        file->cookie_index = 0;
        n = list_at(file, out);
    }
    if (n == 1) file->cookie_index++;
    shim_unlock(&listed.lock);
    return n;
}

static long folder_stat(struct shim_file *file, struct shim_stat *out) {
    struct shim_place place = {file->index, file->path, folder_rest(file)};
    return shim_host_tree_stat(&place, out);
}

static const struct shim_file_kind folder_kind = {
    .folder = true, .list = folder_list, .stat = folder_stat};

/* ---- the tree ---- */

/* A read-only mount shows no write permission, whatever the host says. */
static void limit_mode(uint32_t mount, struct shim_stat *stat) {
    if (!shim.config.mount[mount].writable) stat->mode &= ~0222U;
}

long shim_host_tree_stat(const struct shim_place *place, struct shim_stat *out) {
    long e = shim_host_stat(place->mount, place->rest, out);
    if (e < 0) return e;
    if (*place->rest == 0 && !S_ISDIR(out->mode)) return -ENOTDIR;
    limit_mode(place->mount, out);
    return 0;
}

long shim_host_folder(const struct shim_place *place, struct shim_file *file) {
    struct shim_stat stat;
    long e = shim_host_tree_stat(place, &stat);
    if (e < 0) return e;
    if (!S_ISDIR(stat.mode)) return 0;
    file->kind = &folder_kind;
    file->index = place->mount;
    file->serial = ++folder_serial;
    return 1;
}

static long host_open(const struct shim_place *place, uint32_t flags, uint32_t mode,
                      struct shim_file *file) {
    bool changes = (flags & O_ACCMODE) != O_RDONLY || (flags & (O_CREAT | O_TRUNC)) != 0;
    struct shim_stat stat;
    if (changes && !shim.config.mount[place->mount].writable) return -EROFS;
    long e = shim_host_folder(place, file);
    if (e == 1 && (flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL)) return -EEXIST;
    if (e == 1) return 0;
    if (e < 0 && (e != -ENOENT || (flags & O_CREAT) == 0)) return e;
    if ((flags & O_DIRECTORY) != 0) return -ENOTDIR;
    long fd = shim_host_open(place->mount, place->rest, flags, mode, &stat);
    if (fd < 0) return fd;
    file->kind = &host_kind;
    file->host_fd = (int)fd;
    file->index = place->mount;
    return 0;
}

static long host_unlink(const struct shim_place *place) {
    return shim_host_name(CELLA_HOSTCALL_UNLINK, place->mount, place->rest, 0);
}
long shim_host_tree_rmdir(const struct shim_place *place) {
    return shim_host_name(CELLA_HOSTCALL_RMDIR, place->mount, place->rest, 0);
}
long shim_host_tree_mkdir(const struct shim_place *place, uint32_t mode) {
    return shim_host_name(CELLA_HOSTCALL_MKDIR, place->mount, place->rest, mode);
}
static long host_rename(const struct shim_place *from, const struct shim_place *to) {
    return shim_host_rename(from->mount, from->rest, to->rest);
}

const struct shim_tree shim_host_tree = {.open = host_open,
                                         .stat = shim_host_tree_stat,
                                         .unlink = host_unlink,
                                         .rmdir = shim_host_tree_rmdir,
                                         .mkdir = shim_host_tree_mkdir,
                                         .rename = host_rename};
