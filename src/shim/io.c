/* Reading, writing and all else that a program does with an open file. */
#include <errno.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "shim/fd.h"
#include "shim/file_stream.h"

enum {
    AT_OFFSET = -1,    /* of read_at and write_at: at the file's own offset, which moves */
    VECTOR_MAX = 1024, /* pieces of one readv or writev, as Linux has it */
};

/* One read of memory already checked. at < 0: at the file's offset. */
static long read_at(struct shim_file *file, void *to, uint64_t size, int64_t at) {
    if (!shim_file_may_read(file)) return -EBADF;
    if (file->kind->folder) return -EISDIR;
    if (!file->kind->read) return -EINVAL;
    if (file->kind->stream && at < 0) return file->kind->read(file, to, size, 0);
    if (file->kind->stream) /* the kernel knows whether this stream can seek */
        return shim_checked(shim_syscall(SYS_pread64, file->host_fd, (long)to, (long)size, at, 0,
                                         0),
                            size, "pread");
    shim_lock(&file->lock);
    long n = file->kind->read(file, to, size, at < 0 ? file->offset : (uint64_t)at);
    if (n > 0 && at < 0) file->offset += (uint64_t)n;
    shim_unlock(&file->lock);
    return n;
}

static long write_at(struct shim_file *file, const void *from, uint64_t size, int64_t at) {
    if (!shim_file_may_write(file)) return -EBADF;
    if (!file->kind->write) return -EINVAL;
    uint64_t where = (uint64_t)at;
    if (file->kind->stream && at < 0) return file->kind->write(file, from, size, &where);
    if (file->kind->stream)
        return shim_checked(shim_syscall(SYS_pwrite64, file->host_fd, (long)from, (long)size, at, 0,
                                         0),
                            size, "pwrite");
    shim_lock(&file->lock);
    if (at < 0) where = file->offset;
    if ((file->flags & O_APPEND) != 0) where = SHIM_AT_END;
    long n = where != SHIM_AT_END && where > (uint64_t)INT64_MAX - size
                 ? -EFBIG
                 : file->kind->write(file, from, size, &where);
    if (n > 0 && at < 0) file->offset = where + (uint64_t)n;
    shim_unlock(&file->lock);
    return n;
}

/* Linux moves at most this much in one call. */
static uint64_t capped(uint64_t size) { return size > 0x7ffff000 ? 0x7ffff000 : size; }

static long read_call(int fd, void *to, uint64_t size, int64_t at) {
    size = capped(size);
    if (!shim_writable(to, size)) return -EFAULT;
    struct shim_file *file = shim_file_get(fd);
    if (!file) return -EBADF;
    long n = read_at(file, to, size, at);
    (void)shim_file_put(file);
    return n;
}

static long write_call(int fd, const void *from, uint64_t size, int64_t at) {
    size = capped(size);
    if (!shim_readable(from, size)) return -EFAULT;
    struct shim_file *file = shim_file_get(fd);
    if (!file) return -EBADF;
    long n = write_at(file, from, size, at);
    (void)shim_file_put(file);
    return n;
}

long shim_sys_read(const long a[6]) {
    return read_call((int)a[0], (void *)a[1], (uint64_t)a[2], AT_OFFSET);
}
long shim_sys_write(const long a[6]) {
    return write_call((int)a[0], (void *)a[1], (uint64_t)a[2], AT_OFFSET);
}
long shim_sys_pread64(const long a[6]) {
    return a[3] < 0 ? -EINVAL : read_call((int)a[0], (void *)a[1], (uint64_t)a[2], a[3]);
}
long shim_sys_pwrite64(const long a[6]) {
    return a[3] < 0 ? -EINVAL : write_call((int)a[0], (void *)a[1], (uint64_t)a[2], a[3]);
}

typedef long piece_call(int fd, void *memory, uint64_t size, int64_t at);

static long write_piece(int fd, void *memory, uint64_t size, int64_t at) {
    return write_call(fd, memory, size, at);
}

/* readv and kin: piece by piece, each piece's address and size read once from the program's table.
 */
static long vector_call(piece_call *call, int fd, const struct iovec *table, uint64_t count,
                        int64_t at) {
    if (count > VECTOR_MAX) return -EINVAL;
    if (!shim_readable(table, count * sizeof(*table))) return -EFAULT;
    long total = 0;
    bool any = false;
    for (uint64_t i = 0; i < count; i++) {
        struct iovec piece;
        __builtin_memcpy(&piece, (const void *)&table[i], sizeof(piece));
        if (piece.iov_len > (uint64_t)INT64_MAX - (uint64_t)total) return any ? total : -EINVAL;
        if (piece.iov_len == 0) continue;
        long n = call(fd, piece.iov_base, piece.iov_len, at < 0 ? at : at + total);
        any = true;
        if (n < 0) return total > 0 ? total : n;
        total += n;
        if ((uint64_t)n < piece.iov_len) return total;
    }
    return any ? total : call(fd, NULL, 0, at); /* all empty: still says EBADF where it must */
}

long shim_sys_readv(const long a[6]) {
    return vector_call(read_call, (int)a[0], (void *)a[1], (uint64_t)a[2], AT_OFFSET);
}
long shim_sys_writev(const long a[6]) {
    return vector_call(write_piece, (int)a[0], (void *)a[1], (uint64_t)a[2], AT_OFFSET);
}
long shim_sys_preadv(const long a[6]) {
    return a[3] < 0 ? -EINVAL
                    : vector_call(read_call, (int)a[0], (void *)a[1], (uint64_t)a[2], a[3]);
}
long shim_sys_pwritev(const long a[6]) {
    return a[3] < 0 ? -EINVAL
                    : vector_call(write_piece, (int)a[0], (void *)a[1], (uint64_t)a[2], a[3]);
}

long shim_file_read_at(int fd, void *to, uint64_t size, uint64_t offset) {
    if (offset > INT64_MAX) return -EINVAL;
    struct shim_file *file = shim_file_get(fd);
    if (!file) return -EBADF;
    uint64_t done = 0;
    long n = 0;
    while (done < size) {
        n = read_at(file, (uint8_t *)to + done, size - done, (int64_t)(offset + done));
        if (n <= 0) break;
        done += (uint64_t)n;
    }
    (void)shim_file_put(file);
    return n < 0 ? n : (long)done;
}

/* ---- the offset ---- */

static long file_size(struct shim_file *file, uint64_t *size) {
    struct shim_stat stat;
    long e = file->kind->stat ? file->kind->stat(file, &stat) : -ESPIPE;
    if (e == 0) *size = stat.size;
    return e;
}

static long seek(struct shim_file *file, int64_t offset, int whence) {
    uint64_t base = 0, size = 0;
    long e = 0;
    if (whence == SEEK_END || whence == SEEK_DATA || whence == SEEK_HOLE)
        e = file_size(file, &size);
    if (e < 0) return e;
    switch (whence) {
    case SEEK_SET: break;
    case SEEK_CUR: base = file->offset; break;
    case SEEK_END: base = size; break;
    case SEEK_DATA: /* files have no holes here: data up to the end, one hole after it */
    case SEEK_HOLE:
        if (offset < 0 || (uint64_t)offset >= size) return -ENXIO;
        return (long)(file->offset = whence == SEEK_DATA ? (uint64_t)offset : size);
    default: return -EINVAL;
    }
    int64_t sum;
    if (base > INT64_MAX || __builtin_add_overflow((int64_t)base, offset, &sum)) return -EOVERFLOW;
    if (sum < 0) return -EINVAL;
    file->offset = (uint64_t)sum;
    return sum;
}

long shim_sys_lseek(const long a[6]) {
    struct shim_file *file = shim_file_get((int)a[0]);
    if (!file) return -EBADF;
    long at;
    if (file->kind->stream) {
        at = shim_checked(shim_syscall(SYS_lseek, file->host_fd, a[1], a[2], 0, 0, 0), INT64_MAX,
                          "lseek");
    } else {
        shim_lock(&file->lock);
        at = seek(file, a[1], (int)a[2]);
        shim_unlock(&file->lock);
    }
    (void)shim_file_put(file);
    return at;
}

/* ---- size and durability ---- */

static long resize(struct shim_file *file, int64_t size, bool only_grow) {
    if (size < 0 || !shim_file_may_write(file) || !file->kind->resize) return -EINVAL;
    shim_lock(&file->lock);
    uint64_t now = 0;
    long e = only_grow ? file_size(file, &now) : 0;
    if (e == 0 && (!only_grow || (uint64_t)size > now))
        e = file->kind->resize(file, (uint64_t)size);
    shim_unlock(&file->lock);
    return e;
}

long shim_sys_ftruncate(const long a[6]) {
    struct shim_file *file = shim_file_get((int)a[0]);
    if (!file) return -EBADF;
    long e = resize(file, a[1], false);
    (void)shim_file_put(file);
    return e;
}

long shim_sys_truncate(const long a[6]) {
    long fd = shim_sys_openat((long[6]){AT_FDCWD, a[0], O_WRONLY | O_CLOEXEC, 0, 0, 0});
    if (fd < 0) return fd;
    long e = shim_sys_ftruncate((long[6]){fd, a[1], 0, 0, 0, 0});
    long closing = shim_sys_close((long[6]){fd, 0, 0, 0, 0, 0});
    return e < 0 ? e : closing;
}

/* Space is the host's to give or refuse: reserving means growing the file. */
long shim_sys_fallocate(const long a[6]) {
    int64_t end;
    if (a[1] != 0) return -EOPNOTSUPP;
    if (a[2] < 0 || a[3] <= 0) return -EINVAL;
    if (__builtin_add_overflow(a[2], a[3], &end)) return -EFBIG;
    struct shim_file *file = shim_file_get((int)a[0]);
    if (!file) return -EBADF;
    long e = resize(file, end, true);
    (void)shim_file_put(file);
    return e;
}

static long sync_call(int fd, bool data_only) {
    struct shim_file *file = shim_file_get(fd);
    if (!file) return -EBADF;
    long e = file->kind->sync ? file->kind->sync(file, data_only) : -EINVAL;
    if (file->kind->folder) e = 0; /* the host orders its folders as it likes */
    (void)shim_file_put(file);
    return e;
}

long shim_sys_fsync(const long a[6]) { return sync_call((int)a[0], false); }
long shim_sys_fdatasync(const long a[6]) { return sync_call((int)a[0], true); }

long shim_sys_sync(const long a[6]) {
    (void)a;
    for (int fd = 3; fd < SHIM_FD_MAX; fd++) (void)sync_call(fd, false);
    return 0;
}

long shim_sys_fadvise64(const long a[6]) {
    struct shim_file *file = shim_file_get((int)a[0]);
    return file ? shim_file_put(file) : -EBADF;
}

/* ---- from file to file ---- */

/* Copies size bytes through a small buffer. from_at, to_at: offsets to use and move, NULL: the
 * file's own. */
static long copy(int to, int from, uint64_t size, int64_t *to_at, int64_t *from_at) {
    uint8_t buffer[4096];
    long total = 0;
    struct shim_file *in = shim_file_get(from), *out = shim_file_get(to);
    long n = in && out ? 0 : -EBADF;
    while (n >= 0 && (uint64_t)total < size) {
        uint64_t want =
            size - (uint64_t)total < sizeof(buffer) ? size - (uint64_t)total : sizeof(buffer);
        n = read_at(in, buffer, want, from_at ? *from_at : AT_OFFSET);
        if (n <= 0) break;
        long done = 0;
        while (done < n) {
            long w = write_at(out, buffer + done, (uint64_t)(n - done), to_at ? *to_at : AT_OFFSET);
            if (w <= 0) break;
            done += w;
            if (to_at) *to_at += w;
        }
        if (from_at) *from_at += done;
        total += done;
        if (done < n) n = -EIO;
    }
    cella_wipe(buffer, sizeof(buffer));
    if (in) (void)shim_file_put(in);
    if (out) (void)shim_file_put(out);
    return total > 0 ? total : n;
}

/* Reads an offset of the program once, and writes it back after. NULL stays NULL. */
static long take_offset(const int64_t *from, int64_t *value, int64_t **use) {
    *use = NULL;
    if (!from) return 0;
    if (!shim_writable((void *)(uintptr_t)from, sizeof(*from))) return -EFAULT;
    __builtin_memcpy(value, (const void *)from, sizeof(*value));
    *use = value;
    return *value < 0 ? -EINVAL : 0;
}

long shim_sys_sendfile(const long a[6]) {
    int64_t at, *use;
    long e = take_offset((const int64_t *)a[2], &at, &use);
    if (e < 0) return e;
    long n = copy((int)a[0], (int)a[1], capped((uint64_t)a[3]), NULL, use);
    if (use) __builtin_memcpy((void *)a[2], &at, sizeof(at));
    return n;
}

long shim_sys_copy_file_range(const long a[6]) {
    int64_t from_at, to_at, *from_use, *to_use;
    long e = take_offset((const int64_t *)a[1], &from_at, &from_use);
    if (e == 0) e = take_offset((const int64_t *)a[3], &to_at, &to_use);
    if (e < 0 || a[5] != 0) return e < 0 ? e : -EINVAL;
    long n = copy((int)a[2], (int)a[0], capped((uint64_t)a[4]), to_use, from_use);
    if (from_use) __builtin_memcpy((void *)a[1], &from_at, sizeof(from_at));
    if (to_use) __builtin_memcpy((void *)a[3], &to_at, sizeof(to_at));
    return n;
}

/* ---- devices ---- */

long shim_sys_ioctl(const long a[6]) {
    enum { IOCTL_FIOCLEX = 0x5451, IOCTL_FIONCLEX = 0x5450 };
    unsigned request = (unsigned)a[1];
    if (request == IOCTL_FIOCLEX || request == IOCTL_FIONCLEX)
        return shim_sys_fcntl(
            (long[6]){a[0], F_SETFD, request == IOCTL_FIOCLEX ? FD_CLOEXEC : 0, 0, 0, 0});
    struct shim_file *file = shim_file_get((int)a[0]);
    if (!file) return -EBADF;
    long e = file->kind->stream ? shim_file_stream_ioctl(file, request, (void *)a[2]) : -ENOTTY;
    (void)shim_file_put(file);
    return e;
}
