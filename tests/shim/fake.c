#include "fake.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "abi/hostcall.h"
#include "abi/platcall.h"
#include "base/reader.h"
#include "base/writer.h"
#include "shim/gate.h"
#include "shim/platcall.h"

struct fake fake;
struct shim_state shim;
static struct fake_reply next_reply;
static struct shim_lock *held[16];
static unsigned held_count;
static void *arenas[256];
static unsigned arena_count;

/* ---- what the core promises ---- */

void *shim_arena(uint64_t size) {
    if (arena_count == sizeof(arenas) / sizeof(arenas[0])) abort();
    void *p = aligned_alloc(4096, (size + 4095) & ~4095UL);
    if (p) memset(p, 0, size);
    return arenas[arena_count++] = p;
}
bool shim_readable(const void *p, uint64_t n) { return n == 0 || p != NULL; }
bool shim_writable(void *p, uint64_t n) { return n == 0 || p != NULL; }
long shim_copy_text(char *to, const char *from, uint64_t size) {
    if (!from) return -EFAULT;
    size_t n = strlen(from);
    if (n >= size) return -ENAMETOOLONG;
    memcpy(to, from, n + 1);
    return (long)n;
}
/* Nothing interrupts here, so nothing is made again. */
uint64_t shim_wait_end(uint64_t ns) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec + ns;
}
uint64_t shim_wait_left(uint64_t end) {
    uint64_t now = shim_wait_end(0);
    return end > now ? end - now : 0;
}
long shim_wait_result(uint64_t end, long result) {
    (void)end;
    return result;
}
/* One thread: a lock taken twice is a bug of the code under test. */
void shim_lock(struct shim_lock *lock) {
    if (lock->word || held_count == 16) abort();
    lock->word = 1;
    held[held_count++] = lock;
}
void shim_unlock(struct shim_lock *lock) {
    if (!lock->word) abort();
    lock->word = 0;
    for (unsigned i = 0; i < held_count; i++)
        if (held[i] == lock) held[i--] = held[--held_count];
}
void fake_unlock_all(void) {
    while (held_count) held[--held_count]->word = 0;
}
bool shim_random(void *out, size_t size) { return getrandom(out, size, 0) == (ssize_t)size; }

static void say(const char *format, va_list a) {
    size_t used = strlen(fake.said);
    for (const char *p = format; *p && used + 600 < sizeof(fake.said); p++) {
        if (*p != '%') {
            fake.said[used++] = *p;
            continue;
        }
        p++;
        if (*p == 's')
            used += (size_t)snprintf(fake.said + used, 500, "%s", va_arg(a, const char *));
        if (*p == 'u')
            used += (size_t)snprintf(fake.said + used, 500, "%llu",
                                     (unsigned long long)va_arg(a, uint64_t));
        if (*p == 'x')
            used += (size_t)snprintf(fake.said + used, 500, "%llx",
                                     (unsigned long long)va_arg(a, uint64_t));
    }
    fake.said[used++] = '\n';
    fake.said[used] = 0;
}
void shim_say(const char *format, ...) {
    va_list a;
    va_start(a, format);
    say(format, a);
    va_end(a);
}
void shim_abort(const char *format, ...) {
    va_list a;
    va_start(a, format);
    say(format, a);
    va_end(a);
    if (fake.catching) longjmp(fake.on_abort, 1);
    fprintf(stderr, "ended: %s", fake.said);
    abort();
}

/* ---- the host program ---- */

const char *fake_path(uint32_t mount, const char *rest) {
    static char path[4096];
    snprintf(path, sizeof(path), "%s/%u/%s", fake.folder, mount, rest);
    return path;
}
void fake_write(uint32_t mount, const char *rest, const void *bytes, size_t size) {
    int fd = open(fake_path(mount, rest), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (fd < 0 || write(fd, bytes, size) != (ssize_t)size) abort();
    close(fd);
}
size_t fake_read(uint32_t mount, const char *rest, void *bytes, size_t size) {
    int fd = open(fake_path(mount, rest), O_RDONLY);
    ssize_t n = fd < 0 ? -1 : read(fd, bytes, size);
    if (fd >= 0) close(fd);
    return n < 0 ? SIZE_MAX : (size_t)n;
}

static long do_stat(const char *path, struct cella_writer *w) {
    struct stat s;
    if (lstat(path, &s) != 0) return -errno;
    cella_writer_u32le(w, s.st_mode & (S_IFMT | 0777));
    cella_writer_u32le(w, 0);
    cella_writer_u64le(w, (uint64_t)s.st_size);
    cella_writer_u64le(w, (uint64_t)s.st_mtime);
    cella_writer_u64le(w, s.st_ino);
    return 0;
}

/* Two entries per reply, so that cookies are used. */
static long do_readdir(const char *path, uint64_t cookie, struct cella_writer *w) {
    DIR *d = opendir(path);
    if (!d) return -errno;
    uint64_t at = 0;
    long next = 0;
    struct dirent *e;
    while ((e = readdir(d))) {
        if (e->d_name[0] == '.' || at++ < cookie) continue;
        if (at > cookie + 2) {
            next = (long)at - 1;
            break;
        }
        cella_writer_u8(w, e->d_type);
        cella_writer_u8(w, (uint8_t)strlen(e->d_name));
        cella_writer_put(w, cella_bytes_text(e->d_name));
    }
    closedir(d);
    return next;
}

/* A socket, or the end of a pipe from which a token is read. */
static long do_connect(const char *name, struct fake_reply *reply) {
    int ends[2];
    snprintf(fake.connected, sizeof(fake.connected), "%.255s", name);
    fake.connect_count++;
    if (fake.connect_error) return -fake.connect_error;
    bool credential = strncmp(name, "credential/", 11) == 0;
    if (credential ? pipe2(ends, O_CLOEXEC)
                   : socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends))
        abort();
    if (credential && write(ends[1], "token", 5) != 5) abort();
    if (credential) close(ends[1]);
    fake.peer = credential ? -1 : ends[1];
    reply->fds[0] = ends[0];
    reply->fd_count = 1;
    return 0;
}

static long serve(uint32_t op, uint32_t mount, uint64_t a, uint64_t b, struct cella_bytes payload,
                  struct cella_writer *w, struct fake_reply *reply) {
    char text[2048], second[2048], path[4096];
    if (payload.size > 0 && payload.size < 2047) memcpy(text, payload.data, payload.size);
    text[payload.size < 2047 ? payload.size : 0] = 0;
    if (op == CELLA_HOSTCALL_RENAME) {
        snprintf(second, sizeof(second), "%s", fake_path(mount, text + a));
        text[a] = 0;
    }
    snprintf(path, sizeof(path), "%s", fake_path(mount, text));
    switch (op) {
    case CELLA_HOSTCALL_BOOT: cella_writer_put(w, cella_bytes(fake.boot, fake.boot_size)); return 0;
    case CELLA_HOSTCALL_OPEN:
        reply->fds[0] = open(path, (int)a | O_NOFOLLOW | O_CLOEXEC, (mode_t)b);
        if (reply->fds[0] < 0) return -errno;
        reply->fd_count = 1;
        return 0;
    case CELLA_HOSTCALL_STAT: return do_stat(path, w);
    case CELLA_HOSTCALL_READDIR: return do_readdir(path, a, w);
    case CELLA_HOSTCALL_UNLINK: return unlink(path) ? -errno : 0;
    case CELLA_HOSTCALL_RMDIR: return rmdir(path) ? -errno : 0;
    case CELLA_HOSTCALL_MKDIR: return mkdir(path, (mode_t)b) ? -errno : 0;
    case CELLA_HOSTCALL_RENAME: return rename(path, second) ? -errno : 0;
    case CELLA_HOSTCALL_KEY_REQUEST:
        memcpy(fake.request, payload.data, fake.request_size = payload.size);
        return 0;
    case CELLA_HOSTCALL_KEY_GRANT:
        if (fake.grant_next == fake.grant_count) return -ECANCELED;
        cella_writer_put(w, cella_bytes(fake.grants[fake.grant_next],
                                        fake.grant_size[fake.grant_next]));
        fake.grant_next++;
        return 0;
    case CELLA_HOSTCALL_CONNECT: return do_connect(text, reply);
    case CELLA_HOSTCALL_CALLS:
        reply->fds[0] = memfd_create("calls", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        if (reply->fds[0] < 0 || ftruncate(reply->fds[0], (off_t)a) != 0) abort();
        fcntl(reply->fds[0], F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW);
        reply->fd_count = 1;
        return 0;
    default: return -EINVAL;
    }
}

static void host_request(struct cella_bytes bytes) {
    struct cella_reader r = cella_reader(bytes);
    struct fake_reply *reply = &next_reply;
    uint32_t op = cella_reader_u32le(&r), mount = cella_reader_u32le(&r);
    uint64_t a = cella_reader_u64le(&r), b = cella_reader_u64le(&r);
    struct cella_bytes payload = cella_reader_bytes(&r, cella_reader_u32le(&r));
    if (!cella_reader_done(&r)) abort();
    memset(reply, 0, sizeof(*reply));
    struct cella_writer w = cella_writer(reply->bytes, sizeof(reply->bytes));
    cella_writer_zero(&w, CELLA_HOSTCALL_REPLY_HEADER);
    long result = serve(op, mount, a, b, payload, &w, reply);
    reply->size = w.size;
    struct cella_writer head = cella_writer(reply->bytes, CELLA_HOSTCALL_REPLY_HEADER);
    cella_writer_u64le(&head, (uint64_t)result);
    cella_writer_u32le(&head, (uint32_t)(w.size - CELLA_HOSTCALL_REPLY_HEADER));
    if (fake.lie_host) fake.lie_host(op, reply);
}

/* ---- the platform: keys and reports that depend on what was asked ---- */

static void answer(uint32_t op, struct cella_bytes body, struct cella_writer *w) {
    uint8_t key[32];
    switch (op) {
    case CELLA_PLATCALL_REPORT: /* a report that holds what it is over */
        cella_writer_put(w, cella_bytes(body.data + SHIM_TARGETINFO_SIZE, SHIM_REPORT_DATA_SIZE));
        cella_writer_zero(w, SHIM_REPORT_SIZE - SHIM_REPORT_DATA_SIZE);
        break;
    case CELLA_PLATCALL_SEAL_KEY:
        fake.seal_count++;
        for (unsigned i = 0; i < 32; i++)
            key[i] = (uint8_t)(body.data[8 + i] ^ body.data[0] ^ (uint8_t)(body.data[2] << 4));
        cella_writer_put(w, CELLA_BYTES_OF(key));
        break;
    case CELLA_PLATCALL_EVIDENCE:
        fake.evidence_count++;
        cella_writer_put(w, cella_bytes_text("evidence over "));
        cella_writer_put(w, body);
        break;
    case CELLA_PLATCALL_TARGETINFO: cella_writer_zero(w, SHIM_TARGETINFO_SIZE); break;
    case CELLA_PLATCALL_INFO:
        cella_writer_put(w, cella_bytes_text("assurance=S0\nroot=file\n"));
        break;
    default: break;
    }
}

static void platform_request(struct cella_bytes bytes) {
    struct cella_reader r = cella_reader(bytes);
    struct fake_reply *reply = &next_reply;
    uint32_t op = cella_reader_u32le(&r), code = 0;
    struct cella_bytes body = cella_reader_bytes(&r, cella_reader_u32le(&r));
    if (!cella_reader_done(&r)) abort();
    memset(reply, 0, sizeof(*reply));
    struct cella_writer w = cella_writer(reply->bytes, sizeof(reply->bytes));
    if (op == CELLA_PLATCALL_VERIFY_REPORT && body.data[0] == 0) code = CELLA_ERR_INTEGRITY;
    cella_writer_u32le(&w, code);
    cella_writer_u32le(&w, 0);
    if (code == 0) answer(op, body, &w);
    cella_writer_patch_u32le(&w, 4, (uint32_t)(w.size - 8));
    reply->size = w.size;
    if (fake.lie_platform) fake.lie_platform(op, reply);
}

/* ---- raw system calls ---- */

static long receive(struct msghdr *m) {
    struct fake_reply *reply = &next_reply;
    size_t room = m->msg_iov[0].iov_len, n = reply->size < room ? reply->size : room;
    memcpy(m->msg_iov[0].iov_base, reply->bytes, n);
    m->msg_flags = reply->size > room ? MSG_TRUNC : 0;
    size_t control = reply->fd_count ? CMSG_LEN(reply->fd_count * sizeof(int)) : 0;
    if (control > m->msg_controllen) {
        m->msg_flags |= MSG_CTRUNC;
        control = 0;
    }
    m->msg_controllen = control;
    if (control) {
        struct cmsghdr head = {
            .cmsg_len = control, .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
        memcpy(m->msg_control, &head, sizeof(head));
        memcpy((uint8_t *)m->msg_control + CMSG_LEN(0), reply->fds, reply->fd_count * sizeof(int));
    }
    return (long)n;
}

long shim_syscall(long number, long a, long b, long c, long d, long e, long f) {
    long result;
    if (number == SYS_sendto) {
        struct cella_bytes bytes = cella_bytes((const void *)b, (size_t)c);
        if (a == CELLA_FD_HOST)
            host_request(bytes);
        else
            platform_request(bytes);
        result = c;
    } else if (number == SYS_recvmsg) {
        result = receive((struct msghdr *)b);
    } else {
        result = syscall(number, a, b, c, d, e, f);
        if (result < 0) result = -errno;
    }
    return fake.lie_kernel ? fake.lie_kernel(number, result) : result;
}
long shim_syscall_wait(long number, long a, long b, long c, long d, long e, long f) {
    return shim_syscall(number, a, b, c, d, e, f);
}

/* ---- the stage ---- */

void fake_clear(void) { fake.said[0] = 0; }

void fake_start(void) {
    memset(&fake, 0, sizeof(fake));
    memset(&shim, 0, sizeof(shim));
    for (int fd = 3; fd < CELLA_FD_FIRST_FREE;
         fd++) /* the channels' numbers: keep real files off them */
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDONLY | O_CLOEXEC) != fd) abort();
    fake_unlock_all();
    snprintf(fake.folder, sizeof(fake.folder), "/tmp/cella-shim-XXXXXX");
    if (!mkdtemp(fake.folder)) abort();
    shim.config.svn = 2;
    shim.config.heap.pages = 2048;
    shim.config.program_count = 1;
    shim.config.program[0].path = cella_bytes_text("/bin/app");
    memset(fake.boot, 0, fake.boot_size = 8);
}

uint32_t fake_mount(const char *path, uint32_t type, uint32_t key, uint32_t key_index,
                    bool writable) {
    uint32_t i = shim.config.mount_count++;
    shim.config.mount[i] = (struct cella_config_mount){.path = cella_bytes_text(path),
                                                       .type = type,
                                                       .key = key,
                                                       .key_index = key_index,
                                                       .writable = writable};
    if (mkdir(fake_path(i, ""), 0700) != 0) abort();
    return i;
}

void fake_reset(void) {
    fake_unlock_all();
    for (long fd = 0; fd < SHIM_FD_MAX; fd++) (void)shim_sys_close((const long[6]){fd});
    while (arena_count) free(arenas[--arena_count]);
    for (unsigned i = 0; i < next_reply.fd_count; i++) (void)close(next_reply.fds[i]);
    next_reply.fd_count = 0;
}

void fake_end(void) {
    char command[128];
    snprintf(command, sizeof(command), "rm -rf '%s'", fake.folder);
    if (system(command) != 0) abort();
    while (arena_count) free(arenas[--arena_count]);
}
