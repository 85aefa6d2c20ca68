/* What a program may know of a file without reading it: stat and its kin, access, statfs. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "shim/fd.h"
#include "shim/mount.h"
#include "shim/path.h"

enum { BLOCK_SIZE = 4096, SECTOR_SIZE = 512 };

/* Links, owner and devices are constants: they are the host's affair and would be its word only. */
static long put_stat(struct stat *out, const struct shim_stat *in) {
    struct stat s;
    if (!shim_writable(out, sizeof(s))) return -EFAULT;
    cella_zero(&s, sizeof(s));
    s.st_dev = in->device;
    s.st_ino = in->inode;
    s.st_mode = in->mode;
    s.st_nlink = 1;
    s.st_size = (long)in->size;
    s.st_blksize = BLOCK_SIZE;
    s.st_blocks = (long)((in->size + SECTOR_SIZE - 1) / SECTOR_SIZE);
    s.st_mtim.tv_sec = s.st_ctim.tv_sec = s.st_atim.tv_sec = in->mtime;
    cella_copy(out, &s, sizeof(s));
    return 0;
}

static long put_statx(struct statx *out, const struct shim_stat *in) {
    struct statx s;
    if (!shim_writable(out, sizeof(s))) return -EFAULT;
    cella_zero(&s, sizeof(s));
    s.stx_mask = STATX_BASIC_STATS;
    s.stx_blksize = BLOCK_SIZE;
    s.stx_nlink = 1;
    s.stx_mode = (uint16_t)in->mode;
    s.stx_ino = in->inode;
    s.stx_size = in->size;
    s.stx_blocks = (in->size + SECTOR_SIZE - 1) / SECTOR_SIZE;
    s.stx_mtime.tv_sec = s.stx_ctime.tv_sec = s.stx_atime.tv_sec = in->mtime;
    s.stx_dev_minor = (uint32_t)in->device;
    cella_copy(out, &s, sizeof(s));
    return 0;
}

static long file_stat(int fd, struct shim_stat *out) {
    struct shim_file *file = shim_file_get(fd);
    if (!file) return -EBADF;
    long e = file->kind->stat ? file->kind->stat(file, out) : -EINVAL;
    (void)shim_file_put(file);
    return e;
}

static long path_stat(int dirfd, const char *path, struct shim_stat *out) {
    char normal[SHIM_PATH_MAX];
    bool wants_folder;
    long e = shim_path_take(dirfd, path, normal, &wants_folder);
    if (e == 0) e = shim_mount_stat(normal, out);
    if (e == 0 && wants_folder && !S_ISDIR(out->mode)) e = -ENOTDIR;
    return e;
}

/* The *at calls: with AT_EMPTY_PATH and an empty (or no) path, the descriptor itself. */
static long any_stat(int dirfd, const char *path, int flags, struct shim_stat *out) {
    if ((flags & ~(AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_STATX_SYNC_TYPE)) !=
        0)
        return -EINVAL;
    if ((flags & AT_EMPTY_PATH) != 0) {
        char first = 0;
        long n = path ? shim_copy_text(&first, path, 1) : 0; /* 0 only for the empty text */
        if (n == 0 && dirfd != AT_FDCWD) return file_stat(dirfd, out);
        if (n == 0) return path_stat(dirfd, ".", out);
    }
    return path_stat(dirfd, path, out);
}

long shim_sys_fstat(const long a[6]) {
    struct shim_stat s;
    long e = file_stat((int)a[0], &s);
    return e < 0 ? e : put_stat((struct stat *)a[1], &s);
}

long shim_sys_newfstatat(const long a[6]) {
    struct shim_stat s;
    long e = any_stat((int)a[0], (const char *)a[1], (int)a[3], &s);
    return e < 0 ? e : put_stat((struct stat *)a[2], &s);
}

long shim_sys_stat(const long a[6]) {
    return shim_sys_newfstatat((long[6]){AT_FDCWD, a[0], a[1], 0, 0, 0});
}
long shim_sys_lstat(const long a[6]) { return shim_sys_stat(a); } /* there are no symbolic links */

long shim_sys_statx(const long a[6]) {
    struct shim_stat s;
    long e = any_stat((int)a[0], (const char *)a[1], (int)a[2], &s);
    return e < 0 ? e : put_statx((struct statx *)a[4], &s);
}

/* ---- access: by the mode alone; inside an enclave there is one user ---- */

static long access_at(int dirfd, const char *path, int mode, int flags) {
    struct shim_stat s;
    if ((mode & ~(R_OK | W_OK | X_OK)) != 0) return -EINVAL;
    long e = any_stat(dirfd, path, flags & (AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW), &s);
    if (e < 0) return e;
    if ((mode & W_OK) != 0 && (s.mode & 0222) == 0) return -EACCES;
    if ((mode & R_OK) != 0 && (s.mode & 0444) == 0) return -EACCES;
    if ((mode & X_OK) != 0 && (s.mode & 0111) == 0) return -EACCES;
    return 0;
}

long shim_sys_access(const long a[6]) {
    return access_at(AT_FDCWD, (const char *)a[0], (int)a[1], 0);
}
long shim_sys_faccessat(const long a[6]) {
    return access_at((int)a[0], (const char *)a[1], (int)a[2], 0);
}
long shim_sys_faccessat2(const long a[6]) {
    if (((int)a[3] & ~(AT_EACCESS | AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW)) != 0) return -EINVAL;
    return access_at((int)a[0], (const char *)a[1], (int)a[2], (int)a[3]);
}

/* ---- settings that files do not keep: accepted where the file is there, and without effect ----
 */

long shim_sys_chmod(const long a[6]) {
    struct shim_stat s;
    return path_stat(AT_FDCWD, (const char *)a[0], &s);
}
long shim_sys_fchmod(const long a[6]) {
    struct shim_stat s;
    return file_stat((int)a[0], &s);
}
long shim_sys_utimensat(const long a[6]) {
    struct shim_stat s;
    return a[1] ? path_stat((int)a[0], (const char *)a[1], &s) : file_stat((int)a[0], &s);
}

long shim_sys_umask(const long a[6]) {
    static uint32_t umask = 022;
    return (long)__atomic_exchange_n(&umask, (uint32_t)a[0] & 0777, __ATOMIC_RELAXED);
}

/* ---- statfs: constants, since free space would be the host's word ---- */

static long put_statfs(struct statfs *out) {
    struct statfs s;
    if (!shim_writable(out, sizeof(s))) return -EFAULT;
    cella_zero(&s, sizeof(s));
    s.f_type = 0x414c4c43; /* "CLLA" */
    s.f_bsize = s.f_frsize = BLOCK_SIZE;
    s.f_blocks = s.f_bfree = s.f_bavail = 1UL << 28;
    s.f_files = s.f_ffree = 1UL << 20;
    s.f_namelen = SHIM_NAME_MAX;
    cella_copy(out, &s, sizeof(s));
    return 0;
}

long shim_sys_statfs(const long a[6]) {
    struct shim_stat s;
    long e = path_stat(AT_FDCWD, (const char *)a[0], &s);
    return e < 0 ? e : put_statfs((struct statfs *)a[1]);
}
long shim_sys_fstatfs(const long a[6]) {
    struct shim_stat s;
    long e = file_stat((int)a[0], &s);
    return e < 0 ? e : put_statfs((struct statfs *)a[1]);
}
