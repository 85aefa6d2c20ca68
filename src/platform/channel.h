/* Messages with descriptors over SOCK_SEQPACKET unix sockets: one message in, one out, never split.
 */
#ifndef CELLA_PLATFORM_CHANNEL_H
#define CELLA_PLATFORM_CHANNEL_H

#include <cella/bytes.h>
#include <cella/result.h>
#include <sys/types.h>

enum { CELLA_CHANNEL_FD_MAX = 8 };

enum cella_channel_state {
    CELLA_CHANNEL_MESSAGE, /* one was received or sent */
    CELLA_CHANNEL_AGAIN,   /* nothing there, or no room: try when poll says so */
    CELLA_CHANNEL_GONE,    /* the peer closed its end */
    CELLA_CHANNEL_BROKEN, /* larger than the buffer, too many descriptors, or an error of the socket
                           */
};

struct cella_received {
    size_t size;                  /* bytes */
    int fd[CELLA_CHANNEL_FD_MAX]; /* owned by the holder: cella_received_close */
    int fd_count;
    pid_t pid; /* of the sender, as the kernel says, where the socket has SO_PASSCRED; else 0 */
};

/* Two connected ends, close-on-exec, blocking. */
CELLA_RESULT cella_channel_pair(int ends[2]);
/* flags: MSG_DONTWAIT or 0. Never raises SIGPIPE; goes on after EINTR. */
enum cella_channel_state cella_channel_send(int socket, struct cella_bytes message, const int *fds,
                                            int fd_count, int flags);
/* Received descriptors are close-on-exec; on any state but MESSAGE none is left open. */
enum cella_channel_state cella_channel_receive(int socket, void *buffer, size_t capacity, int flags,
                                               struct cella_received *out);
void cella_received_close(struct cella_received *received);

#endif
