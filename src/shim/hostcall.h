/* Calls of the untrusted host (abi/hostcall.h), each reply checked against its contract before it
 * is used: sizes, result ranges, types, names (R24, R29, R40, R45). A reply outside it ends the
 * enclave. All paths are relative to a mount, normal, without leading slash. Results: >= 0 or
 * -errno. */
#ifndef CELLA_SHIM_HOSTCALL_H
#define CELLA_SHIM_HOSTCALL_H

#include "abi/hostcall.h"
#include "shim/fd.h"

struct shim_host_request {
    uint32_t op, mount;
    uint64_t a, b;
    struct cella_bytes first, second; /* the payload in two parts */
};

/* One exchange. Returns the result; *reply views the payload and *received is the descriptor of a
 * successful OPEN or CONNECT. The host channel stays locked until shim_host_end, and the view is
 * good as long.
 */
long shim_host_begin(const struct shim_host_request *request, struct cella_bytes *reply,
                     int *received);
void shim_host_end(void);

/* A regular file: its host descriptor (>= 5) or -errno; *stat is what the kernel says of it. */
long shim_host_open(uint32_t mount, const char *path, uint32_t flags, uint32_t mode,
                    struct shim_stat *stat);
long shim_host_stat(uint32_t mount, const char *path, struct shim_stat *out);
/* UNLINK, RMDIR, MKDIR: 0 or -errno. */
long shim_host_name(uint32_t op, uint32_t mount, const char *path, uint32_t mode);
long shim_host_rename(uint32_t mount, const char *from, const char *to);

/* The entries of one READDIR reply, checked. */
struct shim_host_listing {
    struct cella_bytes entries;
    uint64_t next; /* cookie of the next reply; 0: none */
};
/* Copies one reply's entries to buffer. 0 or -errno. */
long shim_host_readdir(uint32_t mount, const char *path, uint64_t cookie, uint8_t buffer[65536],
                       struct shim_host_listing *out);
/* Entry number index of a listing: 1, or 0 when there are fewer. */
long shim_host_entry(const struct shim_host_listing *listing, uint64_t index,
                     struct shim_entry *out);

/* CONNECT: a socket or a pipe, as its host descriptor, or -errno. */
long shim_host_connect(const char *name);

/* The owners' side of keys: hand a request over; wait for a grant (its size, at most size, or
 * -ECANCELED). */
long shim_host_key_request(struct cella_bytes request);
long shim_host_key_grant(uint8_t *grant, size_t size);

#endif
