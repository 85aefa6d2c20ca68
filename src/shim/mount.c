#include "shim/mount.h"

#include "shim/file_host.h"
#include "shim/file_protected.h"
#include "shim/file_trusted.h"
#include "shim/file_virtual.h"
#include "shim/path.h"

/* Even a mount at the root leaves these to the shim. */
static bool always_own(const char *path) {
    static const char *const folders[] = {"/dev", "/proc", "/sys"};
    const char *rest;
    for (unsigned i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
        if (shim_path_inside(path, cella_bytes_text(folders[i]), &rest)) return true;
    return false;
}

const struct shim_tree *shim_mount_find(const char *path, struct shim_place *place) {
    const struct cella_config *config = &shim.config;
    *place = (struct shim_place){.mount = UINT32_MAX, .path = path, .rest = path + 1};
    size_t longest = 0;
    for (uint32_t i = 0; i < config->mount_count; i++) {
        const char *rest;
        if (config->mount[i].path.size < longest ||
            !shim_path_inside(path, config->mount[i].path, &rest))
            continue;
        if (config->mount[i].path.size == 1 && always_own(path)) continue;
        longest = config->mount[i].path.size;
        place->mount = i;
        place->rest = rest;
    }
    if (place->mount == UINT32_MAX) return &shim_virtual_tree;
    switch (config->mount[place->mount].type) {
    case CELLA_MOUNT_PROTECTED: return &shim_protected_tree;
    case CELLA_MOUNT_TRUSTED: return &shim_trusted_tree;
    default: return &shim_host_tree;
    }
}

long shim_mount_stat(const char *path, struct shim_stat *out) {
    struct shim_place place;
    return shim_mount_find(path, &place)->stat(&place, out);
}

void shim_mount_start(void) {
    shim_trusted_start();
    shim_protected_start();
}
