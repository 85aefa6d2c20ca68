#include "platform/paths.h"

#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"

__attribute__((format(printf, 3, 4))) static struct cella_result print(char *out, size_t capacity,
                                                                       const char *format, ...) {
    va_list args;
    va_start(args, format);
    int n = vsnprintf(out, capacity, format, args);
    va_end(args);
    ENSURE(n > 0 && (size_t)n < capacity, CELLA_ERR_LIMIT, "name a shorter one",
           "path too long: %.200s", out);
    return CELLA_SUCCESS;
}

static const char *home(void) {
    const char *value = getenv("HOME");
    if (value && value[0] == '/') return value;
    const struct passwd *user = getpwuid(geteuid());
    return user ? user->pw_dir : NULL;
}

static struct cella_result find_state(const char *state, struct cella_paths *out) {
    if (!state || !state[0]) state = getenv("CELLA_PLATFORM_STATE");
    if (state && state[0]) return print(out->state, sizeof(out->state), "%s", state);
    if (geteuid() == 0) return print(out->state, sizeof(out->state), "%s", CELLA_SYSTEM_STATE);
    const char *data = getenv("XDG_DATA_HOME");
    if (data && data[0] == '/') return print(out->state, sizeof(out->state), "%s/cella", data);
    ENSURE(home(), CELLA_ERR_NOT_FOUND, "set HOME, or name a folder with --state",
           "this user has no home folder");
    return print(out->state, sizeof(out->state), "%s/.local/share/cella", home());
}

static bool is_private_folder(const char *path) {
    struct stat st;
    return lstat(path, &st) == 0 && S_ISDIR(st.st_mode) && st.st_uid == geteuid() &&
           (st.st_mode & 022) == 0;
}

CELLA_RESULT cella_paths_find(const char *socket, const char *state, struct cella_paths *out) {
    *out = (struct cella_paths){0};
    TRY(find_state(state, out));
    if (!socket || !socket[0]) socket = getenv("CELLA_PLATFORM_SOCKET");
    if (socket && socket[0]) {
        out->overridden = true;
        return print(out->socket, sizeof(out->socket), "%s", socket);
    }
    if (geteuid() == 0) return print(out->socket, sizeof(out->socket), "%s", CELLA_SYSTEM_SOCKET);
    const char *runtime = getenv("XDG_RUNTIME_DIR");
    if (runtime && runtime[0] == '/' && is_private_folder(runtime))
        return print(out->socket, sizeof(out->socket), "%s/cella/platform.sock", runtime);
    return print(out->socket, sizeof(out->socket), "%s/run/platform.sock", out->state);
}

CELLA_RESULT cella_paths_prepare_socket(const struct cella_paths *paths) {
    char folder[sizeof(paths->socket)];
    memcpy(folder, paths->socket, sizeof(folder));
    char *slash = strrchr(folder, '/');
    ENSURE(slash && slash != folder, CELLA_ERR_USAGE,
           "give --socket a path such as /run/cella/platform.sock",
           "the socket path '%s' names no folder of its own", paths->socket);
    *slash = 0;
    TRY(cella_file_make_folder(folder, geteuid() == 0 ? 0755 : 0700));
    ENSURE(is_private_folder(folder), CELLA_ERR_PERMISSION,
           "use a folder of your own that only you may write",
           "%s is another user's or others may write it: they could put a platform of theirs there",
           folder);
    return CELLA_SUCCESS;
}
