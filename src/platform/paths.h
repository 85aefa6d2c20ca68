/* Where a platform's socket and state are: --socket and --state, else CELLA_PLATFORM_SOCKET and
 * CELLA_PLATFORM_STATE, else /run/cella and /var/lib/cella for root, else $XDG_RUNTIME_DIR/cella
 * (or a folder below the state) and $XDG_DATA_HOME/cella or ~/.local/share/cella. Never a folder
 * that others may write. */
#ifndef CELLA_PLATFORM_PATHS_H
#define CELLA_PLATFORM_PATHS_H

#include <cella/result.h>
#include <limits.h>
#include <stdbool.h>

#define CELLA_SYSTEM_SOCKET "/run/cella/platform.sock"
#define CELLA_SYSTEM_STATE  "/var/lib/cella"

struct cella_paths {
    char socket[108]; /* fits a socket address with its NUL */
    char state[PATH_MAX];
    bool overridden; /* the socket was named by flag or environment */
};

/* socket and state may be NULL. */
CELLA_RESULT cella_paths_find(const char *socket, const char *state, struct cella_paths *out);
/* Makes the socket's folder where needed; refuses one that is another's or that others may write.
 */
CELLA_RESULT cella_paths_prepare_socket(const struct cella_paths *paths);

#endif
