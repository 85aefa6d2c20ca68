/* What `cella run` does for an image whose keys come from vaults: it carries the connections that
 * the image names, and lends the enclave its own access tokens for the vaults. */
#ifndef CELLA_CLI_RUN_VAULT_H
#define CELLA_CLI_RUN_VAULT_H

#include "base/secret.h"
#include "fetch/settings.h"
#include "platform/hostserver.h"

struct cella_run_vault {
    struct cella_fetch_settings settings;
    struct cella_fetch_url url[CELLA_FETCH_PEER_MAX];
    struct cella_host_peer peer[CELLA_FETCH_PEER_MAX];
    struct cella_secret bearer[CELLA_FETCH_PEER_MAX];
};

/* Nothing for an image without such keys. bearer: a file with a token for every vault, or NULL: one
 * is asked for with the credentials of the environment (client/client.h). */
CELLA_RESULT cella_run_vault(const struct cella_config *config, const char *bearer,
                             struct cella_run_vault *vault, struct cella_host_server *server);

#endif
