#include "shim/fetch.h"

#include <errno.h>

#include "shim/file_stream.h"
#include "shim/hostcall.h"
#include "shim/keys.h"
#include "shim/path.h"

static bool fetching;

static struct {
    uint32_t argc, envc;
    struct cella_bytes argv[sizeof(shim.argv) / sizeof(shim.argv[0])], envv[CELLA_CONFIG_ENV_MAX];
} kept;
_Static_assert(sizeof(kept.argv) == sizeof(shim.argv) && sizeof(kept.envv) == sizeof(shim.envv),
               "kept whole");

bool shim_fetching(void) { return fetching; }

uint32_t shim_program_count(void) {
    bool fetches = (shim.config.flags & CELLA_CONFIG_FETCH) != 0;
    return shim.config.program_count - (fetches ? 1 : 0);
}

uint32_t shim_fetch_begin(void) {
    uint32_t index = shim_program_count();
    if ((shim.config.flags & CELLA_CONFIG_FETCH) == 0) return 0;
    fetching = true;
    kept.argc = shim.argc;
    kept.envc = shim.envc;
    cella_copy(kept.argv, shim.argv, sizeof(kept.argv));
    cella_copy(kept.envv, shim.envv, sizeof(kept.envv));
    shim.argv[0] = shim.config.program[index].path;
    shim.argc = 1;
    shim.envc = 0;
    return index;
}

void shim_fetch_over(void) {
    shim_keys_complete();
    shim_fds_exit();
    fetching = false;
    shim.argc = kept.argc;
    shim.envc = kept.envc;
    cella_copy(shim.argv, kept.argv, sizeof(kept.argv));
    cella_copy(shim.envv, kept.envv, sizeof(kept.envv));
}

long shim_fetch_connect(const char *path, struct shim_file *file) {
    const char *name;
    if (!fetching || !shim_path_inside(path, cella_bytes_text("/dev/cella/connect"), &name) ||
        !*name)
        return -ENOENT;
    long fd = shim_host_connect(name);
    if (fd < 0) return fd;
    shim_file_connection(file, (int)fd);
    return 0;
}
