#include "platform/channel.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

CELLA_RESULT cella_channel_pair(int ends[2]) {
    ENSURE(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0, CELLA_ERR_IO, NULL,
           "cannot make a pair of sockets: %s", strerror(errno));
    return CELLA_SUCCESS;
}

static enum cella_channel_state state_of_errno(void) {
    if (errno == EAGAIN || errno == EWOULDBLOCK) return CELLA_CHANNEL_AGAIN;
    if (errno == EPIPE || errno == ECONNRESET || errno == ENOTCONN) return CELLA_CHANNEL_GONE;
    return CELLA_CHANNEL_BROKEN;
}

enum cella_channel_state cella_channel_send(int socket, struct cella_bytes message, const int *fds,
                                            int fd_count, int flags) {
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int) * CELLA_CHANNEL_FD_MAX)];
    } control;
    struct iovec part = {(void *)(uintptr_t)message.data, message.size};
    struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1};
    if (fd_count > CELLA_CHANNEL_FD_MAX) return CELLA_CHANNEL_BROKEN;
    if (fd_count > 0) {
        size_t size = sizeof(int) * (size_t)fd_count;
        memset(&control, 0, sizeof(control));
        m.msg_control = &control;
        m.msg_controllen = CMSG_SPACE(size);
        struct cmsghdr *c = CMSG_FIRSTHDR(&m);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(size);
        memcpy(CMSG_DATA(c), fds, size);
    }
    ssize_t n;
    do n = sendmsg(socket, &m, flags | MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    if (n < 0) return state_of_errno();
    return (size_t)n == message.size ? CELLA_CHANNEL_MESSAGE : CELLA_CHANNEL_BROKEN;
}

static void take_control(struct msghdr *m, struct cella_received *out) {
    for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
        if (c->cmsg_level != SOL_SOCKET) continue;
        if (c->cmsg_type == SCM_CREDENTIALS) {
            struct ucred who;
            memcpy(&who, CMSG_DATA(c), sizeof(who));
            out->pid = who.pid;
        }
        if (c->cmsg_type != SCM_RIGHTS) continue;
        size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < count; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
            if (out->fd_count < CELLA_CHANNEL_FD_MAX)
                out->fd[out->fd_count++] = fd;
            else
                close(fd);
        }
    }
}

enum cella_channel_state cella_channel_receive(int socket, void *buffer, size_t capacity, int flags,
                                               struct cella_received *out) {
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int) * CELLA_CHANNEL_FD_MAX) +
                   CMSG_SPACE(sizeof(struct ucred))];
    } control;
    struct iovec part = {buffer, capacity};
    struct msghdr m = {.msg_iov = &part,
                       .msg_iovlen = 1,
                       .msg_control = &control,
                       .msg_controllen = sizeof(control)};
    *out = (struct cella_received){0};
    ssize_t n;
    do n = recvmsg(socket, &m, flags | MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    if (n < 0) return state_of_errno();
    take_control(&m, out);
    out->size = (size_t)n;
    enum cella_channel_state state = CELLA_CHANNEL_MESSAGE;
    if (n == 0 && out->fd_count == 0) state = CELLA_CHANNEL_GONE;
    /* A peer that overfills either part breaks the protocol; what arrived of it is not used. */
    if (m.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) state = CELLA_CHANNEL_BROKEN;
    if (state != CELLA_CHANNEL_MESSAGE) cella_received_close(out);
    return state;
}

void cella_received_close(struct cella_received *received) {
    for (int i = 0; i < received->fd_count; i++) close(received->fd[i]);
    received->fd_count = 0;
}
