#include "image/trusted.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "abi/sgx.h"
#include "base/file.h"
#include "base/memory.h"
#include "crypto/digest.h"
#include "image/manifest_value.h"

enum { PATH_SIZE = 4096, DEPTH_MAX = 32 };
#define FILE_SIZE_MAX (1ULL << 36)

struct pin {
    struct cella_manifest *m;
    uint32_t mount;
    char root[PATH_SIZE]; /* the mount's host folder */
    uint32_t first;       /* of this mount in trusted[] */
};

static CELLA_RESULT hash_file(int fd, const char *path, uint64_t size, uint8_t *hashes) {
    uint8_t *chunk = malloc(CELLA_TRUSTED_CHUNK);
    struct cella_result r = CELLA_SUCCESS;
    ENSURE(chunk, CELLA_ERR_MEMORY, NULL, "no memory to hash a file");
    for (uint64_t at = 0; !cella_failed(r) && at < size;) {
        size_t want = size - at < CELLA_TRUSTED_CHUNK ? (size_t)(size - at) : CELLA_TRUSTED_CHUNK,
               got = 0;
        while (got < want) {
            ssize_t n = pread(fd, chunk + got, want - got, (off_t)(at + got));
            if (n < 0 && errno == EINTR) continue;
            if (n <= 0) break;
            got += (size_t)n;
        }
        if (got < want)
            r = CELLA_FAILURE(CELLA_ERR_IO, NULL, "%s: cannot read, or it changed meanwhile", path);
        else
            r = cella_sha256(cella_bytes(chunk, want),
                             hashes + at / CELLA_TRUSTED_CHUNK * CELLA_SGX_HASH_SIZE);
        at += want;
    }
    free(chunk);
    return r;
}

static CELLA_RESULT pin_file(struct pin *pin, const char *name) {
    char path[PATH_SIZE];
    struct cella_config *c = &pin->m->config;
    struct stat st;
    ENSURE((size_t)snprintf(path, sizeof(path), "%s/%s", pin->root, name) < sizeof(path) &&
               cella_value_path(name, false),
           CELLA_ERR_USAGE, NULL, "trusted file '%s': not a plain relative path", name);
    for (uint32_t i = pin->first; i < c->trusted_count; i++) /* two patterns may match one file */
        if (c->trusted[i].path.size == strlen(name) &&
            cella_equal(c->trusted[i].path.data, name, strlen(name)))
            return CELLA_SUCCESS;
    ENSURE(c->trusted_count < CELLA_CONFIG_TRUSTED_MAX, CELLA_ERR_LIMIT,
           "pin fewer files, or one archive of them", "more than %d trusted files",
           CELLA_CONFIG_TRUSTED_MAX);
    CELLA_FD fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    ENSURE(fd >= 0 && fstat(fd, &st) == 0, CELLA_ERR_IO, NULL, "cannot open trusted file %s: %s",
           path, strerror(errno));
    ENSURE(S_ISREG(st.st_mode), CELLA_ERR_USAGE, NULL, "trusted file %s: not a regular file", path);
    ENSURE((uint64_t)st.st_size <= FILE_SIZE_MAX, CELLA_ERR_LIMIT, NULL,
           "trusted file %s: over 64 GiB", path);
    uint64_t size = (uint64_t)st.st_size;
    size_t hashes_size =
        (size_t)((size + CELLA_TRUSTED_CHUNK - 1) / CELLA_TRUSTED_CHUNK * CELLA_SGX_HASH_SIZE);
    uint8_t *hashes = malloc(hashes_size ? hashes_size : 1);
    TRY(cella_manifest_own(pin->m, hashes));
    TRY(hash_file(fd, path, size, hashes));
    const char *kept;
    TRY(cella_manifest_keep(pin->m, cella_bytes_text(name), &kept));
    c->trusted[c->trusted_count++] =
        (struct cella_config_trusted){.mount = pin->mount,
                                      .path = cella_bytes_text(kept),
                                      .size = size,
                                      .hashes = cella_bytes(hashes, hashes_size)};
    return CELLA_SUCCESS;
}

static CELLA_RESULT pin_path(struct pin *pin, const char *name, unsigned depth);

static CELLA_RESULT pin_folder(struct pin *pin, const char *name, DIR *dir, unsigned depth) {
    ENSURE(depth < DEPTH_MAX, CELLA_ERR_LIMIT, NULL, "trusted folder %s: deeper than %d", name,
           DEPTH_MAX);
    for (struct dirent *e; (e = readdir(dir));) {
        char below[PATH_SIZE];
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) continue;
        ENSURE((size_t)snprintf(below, sizeof(below), "%s/%s", name, e->d_name) < sizeof(below),
               CELLA_ERR_LIMIT, NULL, "trusted folder %s: a path is too long", name);
        TRY(pin_path(pin, below, depth + 1));
    }
    return CELLA_SUCCESS;
}

static CELLA_RESULT pin_path(struct pin *pin, const char *name, unsigned depth) {
    char path[PATH_SIZE];
    struct stat st;
    ENSURE((size_t)snprintf(path, sizeof(path), "%s/%s", pin->root, name) < sizeof(path),
           CELLA_ERR_LIMIT, NULL, "trusted file %s: its path is too long", name);
    ENSURE(lstat(path, &st) == 0, CELLA_ERR_IO, NULL, "cannot look at %s: %s", path,
           strerror(errno));
    ENSURE(!S_ISLNK(st.st_mode), CELLA_ERR_USAGE, "pin the file it leads to",
           "trusted file %s: a symbolic link", path);
    if (!S_ISDIR(st.st_mode)) return pin_file(pin, name);
    DIR *dir = opendir(path);
    ENSURE(dir, CELLA_ERR_IO, NULL, "cannot open folder %s: %s", path, strerror(errno));
    struct cella_result r = pin_folder(pin, name, dir, depth);
    closedir(dir);
    return r;
}

static CELLA_RESULT pin_pattern(struct pin *pin, const char *pattern, size_t size) {
    char path[PATH_SIZE];
    glob_t found = {0};
    ENSURE(size && pattern[0] != '/' &&
               (size_t)snprintf(path, sizeof(path), "%s/%.*s", pin->root, (int)size, pattern) <
                   sizeof(path),
           CELLA_ERR_USAGE, NULL, "pattern '%.*s': expected a path relative to the mount's folder",
           (int)size, pattern);
    int status = glob(path, GLOB_NOSORT | GLOB_ERR, NULL, &found);
    struct cella_result r = CELLA_SUCCESS;
    if (status != 0)
        r = CELLA_FAILURE(CELLA_ERR_NOT_FOUND,
                          "a trusted mount's files are looked for below its host folder, which "
                          "is relative to the manifest",
                          "no file matches %s", path);
    size_t skip = strlen(pin->root) + 1;
    for (size_t i = 0; !cella_failed(r) && i < found.gl_pathc; i++)
        r = pin_path(pin, found.gl_pathv[i] + skip, 0);
    globfree(&found);
    return r;
}

static int by_path(const void *a, const void *b) {
    struct cella_bytes x = ((const struct cella_config_trusted *)a)->path;
    struct cella_bytes y = ((const struct cella_config_trusted *)b)->path;
    int order = memcmp(x.data, y.data, x.size < y.size ? x.size : y.size);
    return order ? order : (x.size > y.size) - (x.size < y.size);
}

static CELLA_RESULT pin_mount(struct cella_manifest *m, uint32_t mount, const char *folder) {
    struct pin pin = {.m = m, .mount = mount, .first = m->config.trusted_count};
    const char *host = m->mount_host[mount], *list = m->mount_files[mount];
    int size = host[0] == '/' ? snprintf(pin.root, sizeof(pin.root), "%s", host)
                              : snprintf(pin.root, sizeof(pin.root), "%s/%s", folder, host);
    ENSURE((size_t)size < sizeof(pin.root), CELLA_ERR_LIMIT, NULL,
           "the path of folder %s is too long", host);
    while (*list) {
        size_t length = strcspn(list, " \t");
        TRY(pin_pattern(&pin, list, length));
        list += length;
        list += strspn(list, " \t");
    }
    ENSURE(m->config.trusted_count > pin.first, CELLA_ERR_NOT_FOUND, NULL,
           "no file to pin below %s", pin.root);
    qsort(&m->config.trusted[pin.first], m->config.trusted_count - pin.first,
          sizeof(m->config.trusted[0]), by_path);
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_trusted_pin(struct cella_manifest *m, const char *folder) {
    for (uint32_t i = 0; i < m->config.mount_count; i++)
        if (m->config.mount[i].type == CELLA_MOUNT_TRUSTED) TRY(pin_mount(m, i, folder));
    return CELLA_SUCCESS;
}
