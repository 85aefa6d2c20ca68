/* The untrusted side of an enclave's host calls (abi/hostcall.h): what `cella run` serves. Nothing
 * here protects the enclave, which checks every answer; what is protected here is the host: an
 * enclave reaches only what lies below the folders of its mounts, by real files and folders alone,
 * and writes only where the mount says so; it is connected only to the peers that its image names.
 */
#ifndef CELLA_PLATFORM_HOSTSERVER_H
#define CELLA_PLATFORM_HOSTSERVER_H

#include <cella/bytes.h>
#include <cella/result.h>
#include <stdbool.h>

#include "abi/config.h"
#include "abi/hostcall.h"

enum { CELLA_HOST_GRANT_MAX = 64 };

struct cella_host_peer {
    const char *name;              /* "HOST:PORT" */
    struct cella_bytes credential; /* the caller's access token for it; empty: none */
};

struct cella_host_server {
    struct {
        int folder; /* O_PATH descriptor, owned; -1: none */
        bool writable;
    } mount[CELLA_CONFIG_MOUNT_MAX];
    uint32_t mount_count;
    char *const *args; /* for BOOT; not owned */
    uint32_t arg_count;
    char *const *envs; /* "NAME=value"; not owned */
    uint32_t env_count;
    const char *request_path; /* where the key request goes; NULL: nobody asked for it */
    const char *grant_paths[CELLA_HOST_GRANT_MAX]; /* grants at hand */
    uint32_t grant_count, grants_given;
    const char *grant_folder;            /* NAME.grant files appear here; NULL: none */
    const struct cella_config *config;   /* names of the keys */
    const struct cella_host_peer *peers; /* what it may be connected to; not owned */
    uint32_t peer_count;
    bool taken[CELLA_CONFIG_KEY_MAX];
    int calls;           /* the call ring (abi/calls.h), where calls_size is not 0; not owned */
    uint64_t calls_size; /* bytes */
};

enum cella_host_answer {
    CELLA_HOST_ANSWERED, /* reply is complete; *fd >= 0: send it along and close it */
    CELLA_HOST_PENDING,  /* no grant yet: ask again with the same request in a while */
    CELLA_HOST_BROKEN,   /* the request is malformed: end the enclave */
};

/* reply: CELLA_HOSTCALL_MAX bytes. May read and write files; never waits for another process. */
enum cella_host_answer cella_host_serve(struct cella_host_server *server,
                                        struct cella_bytes request, uint8_t *reply,
                                        size_t *reply_size, int *fd);
void cella_host_server_close(struct cella_host_server *server);

#endif
