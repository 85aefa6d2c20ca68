/* What a host prepares before it starts an enclave: the image's configuration, and from it and the
 * user's words what to serve. Words that the image does not allow are errors here rather than
 * silence inside (R44). */
#ifndef CELLA_PLATFORM_HOSTIMAGE_H
#define CELLA_PLATFORM_HOSTIMAGE_H

#include <cella/image.h>

#include "platform/hostserver.h"

struct cella_image_file {
    int fd; /* owned */
    struct cella_image image;
    struct cella_config config;
    void *map; /* owned; what image and config view */
    size_t map_size;
};

/* Read for its configuration alone. The platform makes, measures and verifies its own copy. */
CELLA_RESULT cella_image_file_open(const char *path, struct cella_image_file *out);
void cella_image_file_close(struct cella_image_file *file);

struct cella_host_words {
    const char *const *mounts; /* "PATH=FOLDER" */
    uint32_t mount_count;
    char *const *args; /* kept by the server, not copied */
    uint32_t arg_count;
    char *const *envs; /* "NAME=VALUE"; kept, not copied */
    uint32_t env_count;
    const char *request, *grants; /* as in struct cella_host_server; kept */
    const char *const *grant;
    uint32_t grant_count;
};

/* CELLA_ERR_USAGE says which word the image does not take; CELLA_ERR_NOT_FOUND which folder is not
 * there. The server is closed by its owner, also after an error. */
CELLA_RESULT cella_host_prepare(const struct cella_host_words *words,
                                const struct cella_config *config,
                                struct cella_host_server *server);

#endif
