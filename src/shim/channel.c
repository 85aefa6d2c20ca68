#include "shim/channel.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "shim/fd.h"

enum {
    CONTROL_SIZE = CMSG_SPACE(2 * sizeof(int))
}; /* room for one descriptor too many, so that it is seen */

static void send_request(const struct shim_channel *channel, size_t size) {
    long n;
    do {
        n = shim_syscall(SYS_sendto, channel->fd, (long)channel->buffer, (long)size, MSG_NOSIGNAL,
                         0, 0);
        (void)shim_checked(n, size, "sendto");
    } while (n == -EINTR);
    if (n < 0)
        shim_abort("the %s is gone (error %u while asking); the enclave ends", channel->peer,
                   (uint64_t)-n);
    if ((size_t)n != size) shim_broken_contract("a message was sent only in part");
}

/* Exactly one descriptor in one control message of the one type asked for (R46). */
static int take_descriptor(struct msghdr *message) {
    struct cmsghdr head;
    int fd;
    if (message->msg_controllen == 0) return -1;
    if (message->msg_controllen < CMSG_LEN(sizeof(int)) ||
        message->msg_controllen > CMSG_SPACE(sizeof(int)))
        shim_broken_contract("a reply brought more or less than one descriptor");
    __builtin_memcpy(&head, message->msg_control, sizeof(head));
    if (head.cmsg_level != SOL_SOCKET || head.cmsg_type != SCM_RIGHTS ||
        head.cmsg_len != CMSG_LEN(sizeof(int)))
        shim_broken_contract("a reply brought something other than one descriptor");
    __builtin_memcpy(&fd, (uint8_t *)message->msg_control + CMSG_LEN(0), sizeof(fd));
    if (fd < CELLA_FD_FIRST_FREE)
        shim_broken_contract("a received descriptor has the number of another");
    return fd;
}

size_t shim_channel_exchange(struct shim_channel *channel, size_t size, int *received) {
    _Alignas(struct cmsghdr) uint8_t control[CONTROL_SIZE] = {0};
    struct iovec part = {channel->buffer, sizeof(channel->buffer)};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    long n;
    send_request(channel, size);
    do {
        message.msg_control = control;
        message.msg_controllen = sizeof(control);
        message.msg_flags = 0;
        n = shim_syscall(SYS_recvmsg, channel->fd, (long)&message, MSG_CMSG_CLOEXEC, 0, 0, 0);
        (void)shim_checked(n, sizeof(channel->buffer), "recvmsg");
    } while (n == -EINTR);
    if (n <= 0)
        shim_abort("the %s is gone (error %u while waiting); the enclave ends", channel->peer,
                   (uint64_t)-n);
    if ((message.msg_flags & MSG_TRUNC) != 0)
        shim_broken_contract("a reply is longer than any may be");
    if ((message.msg_flags & MSG_CTRUNC) != 0 || message.msg_controllen > sizeof(control))
        shim_broken_contract("a reply brought too many descriptors");
    int fd = take_descriptor(&message);
    if (fd >= 0 && !received) shim_broken_contract("a reply brought a descriptor nobody asked for");
    if (received) *received = fd;
    return (size_t)n;
}
