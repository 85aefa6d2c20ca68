/* The sub-commands of `cella collateral`. */
#ifndef CELLA_CLI_COLLATERAL_H
#define CELLA_CLI_COLLATERAL_H

#include "cli/cli.h"
#include "collateral/store.h"

cella_command cella_cli_collateral_fetch, cella_cli_collateral_import, cella_cli_collateral_show,
    cella_cli_collateral_check, cella_cli_collateral_serve;

/* The bundle or folder, checked under these roots (NULL: the makers' own) and settled; what failed
 * stays when asked. */
CELLA_RESULT cella_cli_collateral_open(struct cella_store *store, const char *path,
                                       const char *roots, bool keep_failed);
/* Seconds since 1970 or RFC 3339; text NULL is now. */
CELLA_RESULT cella_cli_collateral_time(const char *text, uint64_t *unix_s);
/* Writes the settled store as a bundle, whole or not at all. */
CELLA_RESULT cella_cli_collateral_write(const struct cella_store *store, const char *path);
CELLA_RESULT cella_cli_collateral_usage(const char *text);

#endif
