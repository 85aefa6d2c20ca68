/* poll and ppoll: files are always ready, streams are asked of the host's kernel. */
#include <errno.h>
#include <poll.h>
#include <sys/syscall.h>
#include <time.h>

#include "shim/fd.h"
#include "shim/gate.h"

enum { POLL_READY = POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM };
enum { MILLISECOND = 1000000, SECOND = 1000000000 };

/* Looks one entry up: its host descriptor for a stream (-1 otherwise), and at once what is ready.
 */
static short look(const struct pollfd *p, int *host_fd) {
    *host_fd = -1;
    if (p->fd < 0) return 0;
    struct shim_file *file = shim_file_get(p->fd);
    if (!file) return POLLNVAL;
    if (file->kind->stream) *host_fd = file->host_fd;
    short ready = file->kind->stream ? 0 : (short)(p->events & POLL_READY);
    (void)shim_file_put(file);
    return ready;
}

/* Fills host with what the kernel is to wait for. The count of entries ready without it. */
static long look_all(const struct pollfd *program, struct pollfd *host, uint64_t count) {
    long ready = 0;
    for (uint64_t i = 0; i < count; i++) {
        struct pollfd p;
        __builtin_memcpy(&p, (const void *)&program[i], sizeof(p));
        short now = look(&p, &host[i].fd);
        host[i].events = p.events;
        host[i].revents = now;
        ready += now != 0;
    }
    return ready;
}

static long wait_to(struct pollfd *program, uint64_t count, struct timespec *timeout) {
    struct pollfd host[SHIM_FD_MAX];
    struct timespec none = {0, 0};
    if (count > SHIM_FD_MAX) return -EINVAL;
    if (!shim_writable(program, count * sizeof(*program))) return -EFAULT;
    long ready = look_all(program, host, count);
    short known[SHIM_FD_MAX];
    for (uint64_t i = 0; i < count; i++) known[i] = host[i].revents;
    if (ready > 0) timeout = &none;
    long n =
        shim_checked(shim_syscall_wait(SYS_ppoll, (long)host, (long)count, (long)timeout, 0, 0, 0),
                     count, "ppoll");
    if (n < 0 && ready == 0) return n;
    long total = 0;
    for (uint64_t i = 0; i < count; i++) {
        short events = known[i];
        if (host[i].fd >= 0 && n > 0) events |= host[i].revents;
        total += events != 0;
        __builtin_memcpy((void *)&program[i].revents, &events, sizeof(events));
    }
    return total;
}

static long wait_for(struct pollfd *program, uint64_t count, uint64_t ns) {
    struct timespec t = {0, 0};
    if (ns == 0) return wait_to(program, count, &t);
    uint64_t end = shim_wait_end(ns), left = shim_wait_left(end);
    t = (struct timespec){(time_t)(left / SECOND), (long)(left % SECOND)};
    return shim_wait_result(end, wait_to(program, count, &t));
}

long shim_sys_poll(const long a[6]) {
    int ms = (int)a[2];
    if (ms < 0) return wait_to((struct pollfd *)a[0], (uint64_t)a[1], NULL);
    return wait_for((struct pollfd *)a[0], (uint64_t)a[1], (uint64_t)ms * MILLISECOND);
}

/* The signal mask is the core's affair and stays as it is: docs/features.md. */
long shim_sys_ppoll(const long a[6]) {
    struct timespec t;
    if (!a[2]) return wait_to((struct pollfd *)a[0], (uint64_t)a[1], NULL);
    if (!shim_readable((const void *)a[2], sizeof(t))) return -EFAULT;
    __builtin_memcpy(&t, (const void *)a[2], sizeof(t));
    if (t.tv_sec < 0 || t.tv_nsec < 0 || t.tv_nsec >= SECOND) return -EINVAL;
    return wait_for((struct pollfd *)a[0], (uint64_t)a[1], shim_wait_ns(t.tv_sec, t.tv_nsec));
}
