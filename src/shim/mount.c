#include "shim/mount.h"

#include "shim/file_host.h"
#include "shim/file_protected.h"
#include "shim/file_trusted.h"
#include "shim/file_virtual.h"
#include "shim/path.h"

const struct shim_tree *shim_mount_find(const char *path, struct shim_place *place) {
    const struct cella_config *config = &shim.config;
    *place = (struct shim_place){.mount = UINT32_MAX, .path = path, .rest = path + 1};
    size_t longest = 0;
    for (uint32_t i = 0; i < config->mount_count; i++) {
        const char *rest;
        if (config->mount[i].path.size < longest || !shim_path_inside(path, config->mount[i].path, &rest)) continue;
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
