/* Opening by name, listing folders, and the calls that change names. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <sys/stat.h>

#include "shim/file_virtual.h"
#include "shim/mount.h"
#include "shim/path.h"

/* ---- open ---- */

/* "/dev/stdin" and "/dev/fd/N" name descriptors: opening one means dup. Returns the number or -1.
 */
static int named_descriptor(const char *path) {
    static const char *const names[3] = {"/dev/stdin", "/dev/stdout", "/dev/stderr"};
    for (int fd = 0; fd < 3; fd++)
        if (cella_equal(path, names[fd], __builtin_strlen(names[fd]) + 1)) return fd;
    const char *digits = NULL;
    if (!shim_path_inside(path, cella_bytes_text("/dev/fd"), &digits) &&
        !shim_path_inside(path, cella_bytes_text("/proc/self/fd"), &digits))
        return -1;
    int fd = 0;
    if (!*digits) return -1;
    for (; *digits; digits++) {
        if (*digits < '0' || *digits > '9' || fd >= SHIM_FD_MAX) return -1;
        fd = fd * 10 + (*digits - '0');
    }
    return fd;
}

static long open_place(const char *path, uint32_t flags, uint32_t mode, struct shim_file *file) {
    struct shim_place place;
    const struct shim_tree *tree = shim_mount_find(path, &place);
    file->flags = flags & (O_ACCMODE | O_APPEND | O_NONBLOCK);
    (void)shim_text_put(file->path, sizeof(file->path),
                        cella_bytes_text(path)); /* path has been measured */
    const uint32_t meant = O_ACCMODE | O_CREAT | O_EXCL | O_TRUNC | O_DIRECTORY;
    long e = tree->open(&place, flags & meant, mode & 0777, file);
    if (e < 0) return e;
    if (!file->kind->folder) return (flags & O_DIRECTORY) != 0 ? -ENOTDIR : 0;
    return (flags & O_ACCMODE) != O_RDONLY || (flags & O_CREAT) != 0 ? -EISDIR : 0;
}

long shim_sys_openat(const long a[6]) {
    char path[SHIM_PATH_MAX];
    bool wants_folder;
    uint32_t flags = (uint32_t)a[2];
    bool close_on_exec = (flags & O_CLOEXEC) != 0;
    if ((flags & O_TMPFILE) == O_TMPFILE) return -EOPNOTSUPP;
    if ((flags & O_PATH) != 0) flags &= (uint32_t) ~(O_ACCMODE | O_CREAT | O_TRUNC | O_PATH);
    if ((flags & O_ACCMODE) == O_ACCMODE) return -EINVAL;
    long e = shim_path_take((int)a[0], (const char *)a[1], path, &wants_folder);
    if (e < 0) return e;
    if (wants_folder && (flags & O_CREAT) != 0) return -EISDIR;
    if (wants_folder) flags |= O_DIRECTORY;
    int named = named_descriptor(path);
    if (named >= 0)
        return shim_sys_fcntl(
            (long[6]){named, close_on_exec ? F_DUPFD_CLOEXEC : F_DUPFD, 0, 0, 0, 0});
    struct shim_file *file = shim_file_new();
    if (!file) return -ENFILE;
    e = open_place(path, flags, (uint32_t)a[3], file);
    if (e < 0) {
        (void)shim_file_put(file); /* closes what a refused open had already opened */
        return e;
    }
    return shim_fd_install(file, 0, close_on_exec);
}

long shim_sys_open(const long a[6]) {
    return shim_sys_openat((long[6]){AT_FDCWD, a[0], a[1], a[2], 0, 0});
}
long shim_sys_creat(const long a[6]) {
    return shim_sys_openat((long[6]){AT_FDCWD, a[0], O_CREAT | O_WRONLY | O_TRUNC, a[1], 0, 0});
}

/* ---- listing ---- */

/* One entry in the kernel's linux_dirent64 form; 0 when it does not fit. */
static uint64_t put_dirent(uint8_t *to, uint64_t room, const struct shim_entry *entry,
                           uint64_t next) {
    enum { AT_INODE = 0, AT_NEXT = 8, AT_SIZE = 16, AT_TYPE = 18, AT_NAME = 19 };
    uint64_t size = (AT_NAME + entry->name_size + 1U + 7U) & ~7UL, inode = next;
    uint16_t short_size = (uint16_t)size;
    if (size > room) return 0;
    cella_zero(to, size);
    __builtin_memcpy(to + AT_INODE, &inode, sizeof(inode));
    __builtin_memcpy(to + AT_NEXT, &next, sizeof(next));
    __builtin_memcpy(to + AT_SIZE, &short_size, sizeof(short_size));
    to[AT_TYPE] = entry->type;
    cella_copy(to + AT_NAME, entry->name, entry->name_size);
    return size;
}

static long next_entry(struct shim_file *file, struct shim_entry *entry) {
    if (file->offset >= 2) return file->kind->list(file, file->offset - 2, entry);
    *entry =
        (struct shim_entry){.type = DT_DIR, .name_size = (uint8_t)(file->offset + 1), .name = ".."};
    return 1;
}

static long list_folder(struct shim_file *file, uint8_t *to, uint64_t size) {
    uint64_t used = 0;
    struct shim_entry entry;
    for (;;) {
        uint64_t index = file->cookie_index,
                 cookie = file->cookie; /* to put back an entry that does not fit */
        long n = next_entry(file, &entry);
        if (n <= 0) return used > 0 ? (long)used : n;
        uint64_t put = put_dirent(to + used, size - used, &entry, file->offset + 1);
        if (put == 0) {
            file->cookie_index = index;
            file->cookie = cookie;
            return used > 0 ? (long)used : -EINVAL;
        }
        used += put;
        file->offset++;
    }
}

long shim_sys_getdents64(const long a[6]) {
    uint64_t size = (uint32_t)a[2];
    if (!shim_writable((void *)a[1], size)) return -EFAULT;
    struct shim_file *file = shim_file_get((int)a[0]);
    if (!file) return -EBADF;
    long n = -ENOTDIR;
    if (file->kind->folder) {
        shim_lock(&file->lock);
        n = list_folder(file, (uint8_t *)a[1], size);
        shim_unlock(&file->lock);
    }
    (void)shim_file_put(file);
    return n;
}

/* ---- names ---- */

static bool writable_mount(const struct shim_place *place) {
    return place->mount == UINT32_MAX || shim.config.mount[place->mount].writable;
}

/* The place of a path whose name is about to change; a mount's own folder cannot. */
static long take_place(int dirfd, const char *from, char path[SHIM_PATH_MAX],
                       struct shim_place *place, const struct shim_tree **tree,
                       bool *wants_folder) {
    long e = shim_path_take(dirfd, from, path, wants_folder);
    if (e < 0) return e;
    *tree = shim_mount_find(path, place);
    if (*place->rest == 0) return -EBUSY;
    return writable_mount(place) ? 0 : -EROFS;
}

long shim_sys_mkdirat(const long a[6]) {
    char path[SHIM_PATH_MAX];
    struct shim_place place;
    const struct shim_tree *tree;
    bool wants_folder;
    long e = take_place((int)a[0], (const char *)a[1], path, &place, &tree, &wants_folder);
    if (e == -EBUSY) return -EEXIST;
    if (e < 0) return e;
    return tree->mkdir ? tree->mkdir(&place, (uint32_t)a[2] & 0777) : -EROFS;
}

long shim_sys_unlinkat(const long a[6]) {
    char path[SHIM_PATH_MAX];
    struct shim_place place;
    const struct shim_tree *tree;
    bool wants_folder, folder = ((int)a[2] & AT_REMOVEDIR) != 0;
    if (((int)a[2] & ~AT_REMOVEDIR) != 0) return -EINVAL;
    long e = take_place((int)a[0], (const char *)a[1], path, &place, &tree, &wants_folder);
    if (e < 0) return e;
    if (folder) return tree->rmdir ? tree->rmdir(&place) : -EROFS;
    if (wants_folder) return -EISDIR;
    return tree->unlink ? tree->unlink(&place) : -EROFS;
}

long shim_sys_mkdir(const long a[6]) {
    return shim_sys_mkdirat((long[6]){AT_FDCWD, a[0], a[1], 0, 0, 0});
}
long shim_sys_unlink(const long a[6]) {
    return shim_sys_unlinkat((long[6]){AT_FDCWD, a[0], 0, 0, 0, 0});
}
long shim_sys_rmdir(const long a[6]) {
    return shim_sys_unlinkat((long[6]){AT_FDCWD, a[0], AT_REMOVEDIR, 0, 0, 0});
}

long shim_sys_renameat2(const long a[6]) {
    enum { NOREPLACE = 1 };
    char from_path[SHIM_PATH_MAX], to_path[SHIM_PATH_MAX];
    struct shim_place from, to;
    const struct shim_tree *from_tree, *to_tree;
    bool wants_folder;
    if (((uint32_t)a[4] & ~(uint32_t)NOREPLACE) != 0) return -EINVAL;
    long e = take_place((int)a[0], (const char *)a[1], from_path, &from, &from_tree, &wants_folder);
    if (e == 0)
        e = take_place((int)a[2], (const char *)a[3], to_path, &to, &to_tree, &wants_folder);
    if (e < 0) return e;
    if (from_tree != to_tree || from.mount != to.mount) return -EXDEV;
    if (!from_tree->rename) return -EROFS;
    struct shim_stat there;
    if ((a[4] & NOREPLACE) != 0 && to_tree->stat(&to, &there) == 0) return -EEXIST;
    if (cella_equal(from_path, to_path, __builtin_strlen(from_path) + 1))
        return from_tree->stat(&from, &there);
    const char *rest;
    if (shim_path_inside(to_path, cella_bytes_text(from_path), &rest))
        return -EINVAL; /* into itself */
    return from_tree->rename(&from, &to);
}

long shim_sys_renameat(const long a[6]) {
    return shim_sys_renameat2((long[6]){a[0], a[1], a[2], a[3], 0, 0});
}
long shim_sys_rename(const long a[6]) {
    return shim_sys_renameat2((long[6]){AT_FDCWD, a[0], AT_FDCWD, a[1], 0, 0});
}

/* ---- symbolic links: only /proc/self/exe ---- */

long shim_sys_readlinkat(const long a[6]) {
    char path[SHIM_PATH_MAX];
    bool wants_folder;
    long e = shim_path_take((int)a[0], (const char *)a[1], path, &wants_folder);
    if (e < 0) return e;
    struct cella_bytes target = shim_virtual_link(path);
    if (!target.data) {
        struct shim_stat stat;
        e = shim_mount_stat(path, &stat);
        return e < 0 ? e : -EINVAL;
    }
    if ((int)a[3] <= 0) return -EINVAL;
    uint64_t size = target.size < (uint32_t)a[3] ? target.size : (uint32_t)a[3];
    if (!shim_writable((void *)a[2], size)) return -EFAULT;
    cella_copy((void *)a[2], target.data, size);
    return (long)size;
}

long shim_sys_readlink(const long a[6]) {
    return shim_sys_readlinkat((long[6]){AT_FDCWD, a[0], a[1], a[2], 0, 0});
}
