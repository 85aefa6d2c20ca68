/* Starting a platform of one's own on demand. */
#ifndef CELLA_PLATFORM_CLIENT_START_H
#define CELLA_PLATFORM_CLIENT_START_H

#include "platform/paths.h"

/* Runs `PROGRAM platform --on-demand` in a session of its own and waits until it serves. Success
 * also when another platform holds the lock: that one is starting or running. program NULL: the
 * calling program. */
CELLA_RESULT cella_client_start_platform(const struct cella_paths *paths, const char *program);

#endif
