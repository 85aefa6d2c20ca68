/* What a client (`cella run`, `cella platform ...`) and the platform say to each other:
 * SOCK_SEQPACKET, one request per message, all integers little-endian. One connection has at most
 * one enclave; when the client closes it, the enclave is ended.
 *
 *   request: u32 op | u32 version | body
 *     START   u16 size + name for messages; descriptors: image, stdin, stdout, stderr, host channel
 *     SIGNAL  u32 number, to the connection's enclave; KILL where the image does not let it in
 *     KEY, STATUS, STOP   no body
 *   answer:  u32 kind | ...
 *     REPLY   u32 enum cella_code | u16 size + what | u16 size + hint | body
 *             START: u32 pid | u64 base | u32 flags (CELLA_START_*);  KEY: PEM;  STATUS:
 * "name=value" lines EXITED  u32 signalled | u32 exit status or signal number
 */
#ifndef CELLA_PLATFORM_PROTOCOL_H
#define CELLA_PLATFORM_PROTOCOL_H

enum {
    CELLA_PROTOCOL_VERSION = 1,
    CELLA_PROTOCOL_REQUEST_MAX = 1024, /* bytes */
    CELLA_PROTOCOL_ANSWER_MAX = 16384,
    CELLA_PROTOCOL_NAME_MAX = 255,
    CELLA_PROTOCOL_TEXT_MAX = 1024,
    CELLA_PROTOCOL_START_FDS = 5,

    CELLA_PROTOCOL_START = 1,
    CELLA_PROTOCOL_SIGNAL = 2,
    CELLA_PROTOCOL_KEY = 3,
    CELLA_PROTOCOL_STATUS = 4,
    CELLA_PROTOCOL_STOP = 5,

    CELLA_PROTOCOL_REPLY = 1,
    CELLA_PROTOCOL_EXITED = 2,
};

#endif
