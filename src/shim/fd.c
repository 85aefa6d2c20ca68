#include "shim/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/syscall.h>

#include "shim/file_stream.h"

struct slot {
    uint8_t file; /* 1 + index into files; 0: free */
    bool close_on_exec;
};

static struct shim_lock table_lock; /* guards slots and the references of files */
static struct slot slots[SHIM_FD_MAX];
static struct shim_file files[SHIM_FILE_MAX];
_Static_assert(SHIM_FILE_MAX < 255, "slot.file holds 1 + index");

long shim_checked(long result, uint64_t most, const char *what) {
    if (result < 0 ? result < -4095 : (uint64_t)result > most) shim_broken_contract(what);
    return result;
}

static struct shim_file *new_locked(void) {
    for (unsigned i = 0; i < SHIM_FILE_MAX; i++) {
        if (files[i].references > 0) continue;
        cella_zero(&files[i], sizeof(files[i]));
        files[i].references = 1;
        files[i].host_fd = -1;
        return &files[i];
    }
    return NULL;
}

struct shim_file *shim_file_new(void) {
    shim_lock(&table_lock);
    struct shim_file *file = new_locked();
    shim_unlock(&table_lock);
    return file;
}

void shim_fds_start(void) {
    for (int fd = 0; fd < 3; fd++) {
        struct shim_file *file = shim_file_new();
        if (!file) shim_abort("no room for the standard descriptors");
        shim_file_stream(file, fd);
        slots[fd].file = (uint8_t)(1 + (file - files));
    }
}

struct shim_file *shim_file_get(int fd) {
    struct shim_file *file = NULL;
    shim_lock(&table_lock);
    if (fd >= 0 && fd < SHIM_FD_MAX && slots[fd].file) {
        file = &files[slots[fd].file - 1];
        file->references++;
    }
    shim_unlock(&table_lock);
    return file;
}

long shim_file_put(struct shim_file *file) {
    shim_lock(&table_lock);
    bool last = file->references == 1;
    if (!last) file->references--;
    shim_unlock(&table_lock);
    if (!last) return 0;
    /* No descriptor names it any more, so nobody else can take it while it closes. */
    long e = file->kind && file->kind->close ? file->kind->close(file) : 0;
    shim_lock(&table_lock);
    file->kind = NULL;
    file->references = 0;
    shim_unlock(&table_lock);
    return e;
}

long shim_fd_install(struct shim_file *file, int lowest, bool close_on_exec) {
    long found = -EMFILE;
    shim_lock(&table_lock);
    for (int fd = lowest; fd < SHIM_FD_MAX; fd++) {
        if (slots[fd].file) continue;
        slots[fd] = (struct slot){(uint8_t)(1 + (file - files)), close_on_exec};
        found = fd;
        break;
    }
    shim_unlock(&table_lock);
    if (found < 0) (void)shim_file_put(file);
    return found;
}

bool shim_file_may_read(const struct shim_file *file) {
    return (file->flags & O_ACCMODE) != O_WRONLY;
}
bool shim_file_may_write(const struct shim_file *file) {
    return (file->flags & O_ACCMODE) != O_RDONLY;
}

/* Empties a slot and gives the file it held, or NULL. */
static struct shim_file *clear_slot(int fd) {
    struct shim_file *file = NULL;
    shim_lock(&table_lock);
    if (fd >= 0 && fd < SHIM_FD_MAX && slots[fd].file) {
        file = &files[slots[fd].file - 1];
        slots[fd] = (struct slot){0, false};
    }
    shim_unlock(&table_lock);
    return file;
}

void shim_files_exec(void) {
    for (int fd = 0; fd < SHIM_FD_MAX; fd++) {
        struct shim_file *file = slots[fd].close_on_exec ? clear_slot(fd) : NULL;
        if (file) (void)shim_file_put(file);
    }
}

void shim_fds_exit(void) {
    for (int fd = 3; fd < SHIM_FD_MAX; fd++) {
        struct shim_file *file = clear_slot(fd);
        if (file) (void)shim_file_put(file);
    }
}

/* ---- system calls about descriptors ---- */

long shim_sys_close(const long a[6]) {
    struct shim_file *file = clear_slot((int)a[0]);
    return file ? shim_file_put(file) : -EBADF;
}

long shim_sys_close_range(const long a[6]) {
    enum { UNSHARE = 2, CLOEXEC = 4 };
    uint32_t first = (uint32_t)a[0], last = (uint32_t)a[1], flags = (uint32_t)a[2];
    if (first > last || (flags & ~(uint32_t)(UNSHARE | CLOEXEC)) != 0) return -EINVAL;
    for (uint32_t fd = first; fd <= last && fd < SHIM_FD_MAX; fd++) {
        if ((flags & CLOEXEC) != 0) {
            shim_lock(&table_lock);
            slots[fd].close_on_exec = slots[fd].file != 0;
            shim_unlock(&table_lock);
            continue;
        }
        struct shim_file *file = clear_slot((int)fd);
        if (file) (void)shim_file_put(file);
    }
    return 0;
}

static long duplicate(int fd, int lowest, bool close_on_exec) {
    if (lowest < 0 || lowest >= SHIM_FD_MAX) return -EINVAL;
    struct shim_file *file = shim_file_get(fd);
    return file ? shim_fd_install(file, lowest, close_on_exec) : -EBADF;
}

static long duplicate_to(int from, int to, bool close_on_exec) {
    if (to < 0 || to >= SHIM_FD_MAX) return -EBADF;
    struct shim_file *file = shim_file_get(from);
    if (!file) return -EBADF;
    shim_lock(&table_lock);
    struct shim_file *old = slots[to].file ? &files[slots[to].file - 1] : NULL;
    slots[to] = (struct slot){(uint8_t)(1 + (file - files)), close_on_exec};
    shim_unlock(&table_lock);
    if (old) (void)shim_file_put(old);
    return to;
}

long shim_sys_dup(const long a[6]) { return duplicate((int)a[0], 0, false); }

long shim_sys_dup2(const long a[6]) {
    if ((int)a[0] != (int)a[1]) return duplicate_to((int)a[0], (int)a[1], false);
    struct shim_file *file = shim_file_get((int)a[0]);
    if (!file) return -EBADF;
    (void)shim_file_put(file);
    return (int)a[1];
}

long shim_sys_dup3(const long a[6]) {
    if ((int)a[0] == (int)a[1] || ((int)a[2] & ~O_CLOEXEC) != 0) return -EINVAL;
    return duplicate_to((int)a[0], (int)a[1], ((int)a[2] & O_CLOEXEC) != 0);
}

static long descriptor_flags(int fd, bool set, bool close_on_exec) {
    shim_lock(&table_lock);
    bool open = fd >= 0 && fd < SHIM_FD_MAX && slots[fd].file;
    long flags = open && slots[fd].close_on_exec ? FD_CLOEXEC : 0;
    if (open && set) slots[fd].close_on_exec = close_on_exec;
    shim_unlock(&table_lock);
    if (!open) return -EBADF;
    return set ? 0 : flags;
}

/* Advisory locks: nobody but this enclave's one process can hold one that counts, and a process
 * does not conflict with itself; so every lock is granted and none is ever reported. */
static long advisory_lock(int command, struct flock *lock) {
    if (command != F_GETLK && command != F_OFD_GETLK)
        return shim_readable(lock, sizeof(*lock)) ? 0 : -EFAULT;
    if (!shim_writable(lock, sizeof(*lock))) return -EFAULT;
    lock->l_type = F_UNLCK;
    return 0;
}

static long file_command(struct shim_file *file, int command, long argument) {
    const uint32_t settable = O_APPEND | O_NONBLOCK;
    switch (command) {
    case F_GETFL: return (long)(file->flags | O_LARGEFILE);
    case F_SETFL:
        shim_lock(&file->lock);
        file->flags = (file->flags & ~settable) | ((uint32_t)argument & settable);
        shim_unlock(&file->lock);
        return 0;
    case F_GETLK:
    case F_SETLK:
    case F_SETLKW:
    case F_OFD_GETLK:
    case F_OFD_SETLK:
    case F_OFD_SETLKW: return advisory_lock(command, (struct flock *)argument);
    default: return -EINVAL;
    }
}

long shim_sys_fcntl(const long a[6]) {
    int fd = (int)a[0], command = (int)a[1];
    switch (command) {
    case F_DUPFD: return duplicate(fd, (int)a[2], false);
    case F_DUPFD_CLOEXEC: return duplicate(fd, (int)a[2], true);
    case F_GETFD: return descriptor_flags(fd, false, false);
    case F_SETFD: return descriptor_flags(fd, true, ((int)a[2] & FD_CLOEXEC) != 0);
    default: break;
    }
    struct shim_file *file = shim_file_get(fd);
    if (!file) return -EBADF;
    long result = file_command(file, command, a[2]);
    (void)shim_file_put(file);
    return result;
}

long shim_sys_flock(const long a[6]) {
    struct shim_file *file = shim_file_get((int)a[0]);
    if (!file) return -EBADF;
    return shim_file_put(file);
}
