#include "shim/file_stream.h"

#include <asm/ioctls.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "shim/file_host.h"
#include "shim/gate.h"
#include "shim/path.h"

enum {
    TERMIOS_SIZE = 36,
    WINSIZE_SIZE = 8
}; /* bytes the kernel writes for TCGETS and TIOCGWINSZ */

static long stream_read(struct shim_file *file, void *to, uint64_t size, uint64_t at) {
    (void)at;
    return shim_checked(shim_syscall_wait(SYS_read, file->host_fd, (long)to, (long)size, 0, 0, 0),
                        size, "read");
}

static long stream_write(struct shim_file *file, const void *from, uint64_t size, uint64_t *at) {
    (void)at;
    return shim_checked(shim_syscall_wait(SYS_write, file->host_fd, (long)from, (long)size, 0, 0,
                                          0),
                        size, "write");
}

static long stream_stat(struct shim_file *file, struct shim_stat *out) {
    struct stat host;
    cella_zero(&host, sizeof(host));
    long e =
        shim_checked(shim_syscall(SYS_fstat, file->host_fd, (long)&host, 0, 0, 0, 0), 0, "fstat");
    if (e < 0) return e;
    if (host.st_size < 0) shim_broken_contract("fstat of a stream gave a negative size");
    *out = (struct shim_stat){.mode = host.st_mode & (S_IFMT | 0777),
                              .size = (uint64_t)host.st_size,
                              .inode = host.st_ino,
                              .device = 1,
                              .mtime = host.st_mtim.tv_sec};
    return 0;
}

static long stream_sync(struct shim_file *file, bool data_only) {
    long number = data_only ? SYS_fdatasync : SYS_fsync;
    return shim_checked(shim_syscall(number, file->host_fd, 0, 0, 0, 0, 0), 0, "fsync");
}

static const struct shim_file_kind stream_kind = {.stream = true,
                                                  .read = stream_read,
                                                  .write = stream_write,
                                                  .stat = stream_stat,
                                                  .sync = stream_sync};

void shim_file_stream(struct shim_file *file, int host_fd) {
    static const char *const names[3] = {"/dev/stdin", "/dev/stdout", "/dev/stderr"};
    file->kind = &stream_kind;
    file->host_fd = host_fd;
    file->flags = O_RDWR; /* the host's kernel refuses what its descriptor is not open for */
    (void)shim_text_put(file->path, sizeof(file->path), cella_bytes_text(names[host_fd]));
}

static long connection_close(struct shim_file *file) {
    shim_host_close(file->host_fd);
    return 0;
}

static const struct shim_file_kind connection_kind = {.stream = true,
                                                      .read = stream_read,
                                                      .write = stream_write,
                                                      .stat = stream_stat,
                                                      .close = connection_close};

void shim_file_connection(struct shim_file *file, int host_fd) {
    file->kind = &connection_kind;
    file->host_fd = host_fd;
}

long shim_file_stream_ioctl(struct shim_file *file, unsigned request, void *argument) {
    uint8_t out[TERMIOS_SIZE] = {0};
    uint64_t size = request == TCGETS ? TERMIOS_SIZE : request == TIOCGWINSZ ? WINSIZE_SIZE : 0;
    if (size == 0) return -ENOTTY;
    if (!shim_writable(argument, size)) return -EFAULT;
    long e = shim_checked(shim_syscall(SYS_ioctl, file->host_fd, (long)request, (long)out, 0, 0, 0),
                          0, "ioctl");
    if (e == 0) cella_copy(argument, out, size);
    return e;
}
