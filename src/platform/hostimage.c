#include "platform/hostimage.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"

#define HINT "docs/formats/manifest.md says what an image can allow its host"

CELLA_RESULT cella_image_file_open(const char *path, struct cella_image_file *out) {
    struct stat st;
    *out = (struct cella_image_file){.fd = -1};
    out->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    ENSURE(out->fd >= 0 && fstat(out->fd, &st) == 0,
           errno == ENOENT ? CELLA_ERR_NOT_FOUND : CELLA_ERR_IO, "make one with `cella sign`",
           "cannot open %s: %s", path, strerror(errno));
    ENSURE(S_ISREG(st.st_mode) && st.st_size > 0, CELLA_ERR_FORMAT,
           "make an image with `cella sign`", "%s is not an image", path);
    void *p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, out->fd, 0);
    ENSURE(p != MAP_FAILED, CELLA_ERR_IO, NULL, "cannot map %s: %s", path, strerror(errno));
    out->map = p;
    out->map_size = (size_t)st.st_size;
    TRY_IN(cella_image_open(cella_bytes(p, (size_t)st.st_size), &out->image), "%s", path);
    TRY_IN(cella_config_decode(out->image.config, &out->config), "%s", path);
    return CELLA_SUCCESS;
}

void cella_image_file_close(struct cella_image_file *file) {
    cella_image_free(&file->image);
    if (file->map) munmap(file->map, file->map_size);
    cella_fd_close(&file->fd);
    *file = (struct cella_image_file){.fd = -1};
}

static bool same_text(struct cella_bytes a, const char *text, size_t size) {
    return a.size == size && cella_equal(a.data, text, size);
}

/* The folder for a mount: the last --mount that names it, else the manifest's. */
static struct cella_result folder_of(const struct cella_host_words *o,
                                     const struct cella_config_mount *mount, char out[PATH_MAX]) {
    snprintf(out, PATH_MAX, "%.*s", (int)mount->host.size, (const char *)mount->host.data);
    for (uint32_t i = 0; i < o->mount_count; i++) {
        const char *equals = strchr(o->mounts[i], '=');
        if (equals && same_text(mount->path, o->mounts[i], (size_t)(equals - o->mounts[i])))
            snprintf(out, PATH_MAX, "%s", equals + 1);
    }
    ENSURE(out[0], CELLA_ERR_USAGE, "give --mount PATH=FOLDER",
           "the mount %.*s has no folder on the host", (int)mount->path.size,
           (const char *)mount->path.data);
    return CELLA_SUCCESS;
}

static struct cella_result check_mount_words(const struct cella_host_words *o,
                                             const struct cella_config *config) {
    for (uint32_t i = 0; i < o->mount_count; i++) {
        const char *equals = strchr(o->mounts[i], '=');
        bool known = false;
        for (uint32_t k = 0; equals && k < config->mount_count; k++)
            known |=
                same_text(config->mount[k].path, o->mounts[i], (size_t)(equals - o->mounts[i]));
        if (!equals)
            FAIL(CELLA_ERR_USAGE, HINT, "--mount wants PATH=FOLDER, found '%s'", o->mounts[i]);
        if (!known)
            FAIL(CELLA_ERR_USAGE, HINT, "the image has no mount '%.*s'",
                 (int)(equals - o->mounts[i]), o->mounts[i]);
    }
    return CELLA_SUCCESS;
}

static struct cella_result open_mounts(const struct cella_host_words *o,
                                       const struct cella_config *config,
                                       struct cella_host_server *server) {
    TRY(check_mount_words(o, config));
    for (uint32_t i = 0; i < config->mount_count; i++) {
        char folder[PATH_MAX];
        TRY(folder_of(o, &config->mount[i], folder));
        server->mount[i].folder = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
        server->mount[i].writable = config->mount[i].writable;
        server->mount_count = i + 1;
        ENSURE(server->mount[i].folder >= 0, CELLA_ERR_NOT_FOUND,
               "make it, or name another with --mount PATH=FOLDER",
               "the folder %s for the mount %.*s: %s", folder, (int)config->mount[i].path.size,
               (const char *)config->mount[i].path.data, strerror(errno));
    }
    return CELLA_SUCCESS;
}

/* What the image does not let the host say is an error here rather than silence inside (R44). */
static struct cella_result check_words(const struct cella_host_words *o,
                                       const struct cella_config *config) {
    if (o->arg_count && !(config->flags & CELLA_CONFIG_HOST_ARGS))
        FAIL(CELLA_ERR_USAGE, HINT,
             "the image takes no arguments from the host; its manifest would have to allow them");
    for (uint32_t i = 0; i < o->env_count; i++) {
        const char *equals = strchr(o->envs[i], '=');
        if (!equals) FAIL(CELLA_ERR_USAGE, HINT, "--env wants NAME=VALUE, found '%s'", o->envs[i]);
        size_t size = (size_t)(equals - o->envs[i]);
        bool allowed = false;
        for (uint32_t k = 0; k < config->env_count; k++)
            allowed |= config->env[k].from_host && same_text(config->env[k].name, o->envs[i], size);
        if (!allowed)
            FAIL(CELLA_ERR_USAGE, HINT, "the image does not let the host set the variable '%.*s'",
                 (int)size, o->envs[i]);
    }
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_host_prepare(const struct cella_host_words *o, const struct cella_config *config,
                                struct cella_host_server *server) {
    ENSURE(o->grant_count <= CELLA_HOST_GRANT_MAX, CELLA_ERR_LIMIT, NULL, "more than %d grants",
           CELLA_HOST_GRANT_MAX);
    *server = (struct cella_host_server){.args = o->args,
                                         .arg_count = o->arg_count,
                                         .envs = o->envs,
                                         .env_count = o->env_count,
                                         .request_path = o->request,
                                         .grant_count = o->grant_count,
                                         .grant_folder = o->grants,
                                         .config = config};
    for (uint32_t i = 0; i < o->grant_count; i++) server->grant_paths[i] = o->grant[i];
    TRY(check_words(o, config));
    return open_mounts(o, config, server);
}
