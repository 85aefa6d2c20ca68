/* Calls an enclave makes of its untrusted host (`cella run`), over SOCK_SEQPACKET (descriptor
 * CELLA_FD_HOST). The host may lie in every reply: the shim checks each against its contract
 * (threats.md R24, R29, R40). request: u32 op | u32 mount index | u64 a | u64 b | u32 size | size
 * bytes reply:   i64 result (>= 0, or -errno with 1 <= errno <= 4095) | u32 size | size bytes; OPEN
 * and CONNECT bring one descriptor by SCM_RIGHTS when result is 0 Paths are relative to the mount's
 * folder, without leading or doubled slash, "." or "..", and without NUL. */
#ifndef CELLA_ABI_HOSTCALL_H
#define CELLA_ABI_HOSTCALL_H

enum {
    CELLA_HOSTCALL_REQUEST_HEADER = 28,
    CELLA_HOSTCALL_REPLY_HEADER = 12,
    CELLA_HOSTCALL_MAX = 65536, /* bytes of a whole message */

    /* -> payload: u32 arg count, then each u32 size + bytes; u32 env count, then each u32 size +
     * "NAME=value". Arguments come only if the configuration has CELLA_CONFIG_HOST_ARGS, names only
     * those it allows. */
    CELLA_HOSTCALL_BOOT = 1,
    /* a = open flags (O_ACCMODE, O_CREAT, O_EXCL, O_TRUNC, O_DIRECTORY only), b = mode; payload
       path */
    CELLA_HOSTCALL_OPEN = 2,
    /* payload path -> payload CELLA_HOSTSTAT_SIZE bytes; symbolic links are not followed */
    CELLA_HOSTCALL_STAT = 3,
    /* a = cookie (0 first); payload folder path -> result = next cookie (0: end);
     * payload: entries, each u8 type (DT_REG, DT_DIR), u8 name size, name */
    CELLA_HOSTCALL_READDIR = 4,
    CELLA_HOSTCALL_UNLINK = 5, /* payload path */
    CELLA_HOSTCALL_RMDIR = 6,  /* payload path */
    CELLA_HOSTCALL_MKDIR = 7,  /* b = mode; payload path */
    /* a = size of the first path in the payload; payload: old path then new path, same mount */
    CELLA_HOSTCALL_RENAME = 8,
    /* payload: a key request (keygrant.h) for the owners -> result 0 once it is handed over */
    CELLA_HOSTCALL_KEY_REQUEST = 9,
    /* waits for the next grant -> payload: a grant (keygrant.h); -ECANCELED: none will come */
    CELLA_HOSTCALL_KEY_GRANT = 10,
    /* payload: "HOST:PORT" -> one descriptor, a connection; "credential/HOST:PORT" -> one from
     * which the caller's access token for that peer is read. Only for the program that fetches
     * keys. */
    CELLA_HOSTCALL_CONNECT = 11,
    /* a = bytes of the call ring (calls.h) -> 0 with the descriptor of a memfd of that size, sealed
       against any other; -errno: this host makes no calls. Asked for once, at start. */
    CELLA_HOSTCALL_CALLS = 12,

    /* STAT payload */
    CELLA_HOSTSTAT_MODE = 0,    /* u32 st_mode: S_IFREG or S_IFDIR and 0777 */
    CELLA_HOSTSTAT_SIZE_AT = 8, /* u64 bytes */
    CELLA_HOSTSTAT_MTIME = 16,  /* i64 seconds, untrusted */
    CELLA_HOSTSTAT_INODE = 24,  /* u64 */
    CELLA_HOSTSTAT_SIZE = 32,
};

#endif
