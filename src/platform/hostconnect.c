#include "platform/hostconnect.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/file.h"

static void free_addresses(struct addrinfo **list) {
    if (*list) freeaddrinfo(*list);
}

static long resolve(const char *peer, struct addrinfo **out) {
    char host[256];
    const char *colon = strrchr(peer, ':');
    if (!colon || (size_t)(colon - peer) >= sizeof(host)) return -EINVAL;
    snprintf(host, sizeof(host), "%.*s", (int)(colon - peer), peer);
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    int e = getaddrinfo(host, colon + 1, &hints, out);
    if (e == 0) return 0;
    *out = NULL;
    return e == EAI_SYSTEM && errno ? -errno : -EHOSTUNREACH;
}

/* 0 when connected, or still on its way and this address is the last. */
static long connect_to(int fd, const struct addrinfo *address) {
    if (connect(fd, address->ai_addr, address->ai_addrlen) == 0) return 0;
    if (errno != EINPROGRESS) return -errno;
    struct pollfd p = {.fd = fd, .events = POLLOUT};
    int ready = poll(&p, 1, address->ai_next ? CELLA_CONNECT_FIRST_MS : 0);
    if (ready <= 0) return address->ai_next ? -ETIMEDOUT : 0;
    int error = 0;
    socklen_t size = sizeof(error);
    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 ? -error : -errno;
}

static long open_to(const struct addrinfo *address, int *out) {
    const struct timeval wait = {.tv_sec = CELLA_CONNECT_WAIT_S};
    CELLA_FD fd = socket(address->ai_family, address->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK,
                         address->ai_protocol);
    if (fd < 0) return -errno;
    long e = connect_to(fd, address);
    if (e < 0) return e;
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) != 0 ||
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait)) != 0 ||
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait)) != 0)
        return -errno;
    *out = MOVE_FD(fd);
    return 0;
}

long cella_hostconnect(const char *peer, int *fd) {
    __attribute__((cleanup(free_addresses))) struct addrinfo *list = NULL;
    long e = resolve(peer, &list);
    for (const struct addrinfo *a = list; a; a = a->ai_next)
        if ((e = open_to(a, fd)) == 0) break;
    return e;
}

long cella_hostconnect_bytes(struct cella_bytes bytes, int *fd) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) return -errno;
    CELLA_FD from = ends[0], to = ends[1];
    if (write(to, bytes.data, bytes.size) != (ssize_t)bytes.size) return -EMSGSIZE;
    if (fcntl(from, F_SETFL, 0) != 0) return -errno;
    *fd = MOVE_FD(from);
    return 0;
}
