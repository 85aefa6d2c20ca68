#include "cli/run_vault.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "client/client.h"

enum { BEARER_MAX = 65536 };

static CELLA_RESULT read_bearer(const char *path, struct cella_secret *out) {
    CELLA_BUFFER text = {0};
    TRY(cella_file_read(path, BEARER_MAX, &text));
    size_t size = text.size;
    while (size && (text.data[size - 1] == '\n' || text.data[size - 1] == '\r')) size--;
    struct cella_result result =
        size ? cella_secret_from(cella_bytes(text.data, size), out)
             : CELLA_FAILURE(CELLA_ERR_FORMAT, NULL, "%s: expected an access token", path);
    if (text.data) cella_wipe(text.data, text.size);
    return result;
}

static CELLA_RESULT ask_bearer(const char *url, struct cella_secret *out) {
    struct cella_client_settings settings;
    char resource[CELLA_FETCH_URL_MAX + 16];
    CELLA_CLIENT client = NULL;
    cella_client_vault_resource(url, resource, sizeof(resource));
    cella_client_environment(&settings);
    TRY(cella_client_new(&settings, &client));
    TRY_IN(cella_client_token(client, resource, out),
           "the image gets the key %s, whose caller you are (or give --bearer FILE)", url);
    return CELLA_SUCCESS;
}

/* The peer of a URL, added when it is not there. */
static uint32_t peer_of(struct cella_run_vault *vault, struct cella_host_server *server,
                        const struct cella_fetch_url *url) {
    uint32_t i = 0;
    while (i < server->peer_count && strcmp(vault->peer[i].name, url->peer) != 0) i++;
    if (i < server->peer_count) return i;
    vault->url[i] = *url;
    vault->peer[i].name = vault->url[i].peer;
    server->peer_count++;
    return i;
}

CELLA_RESULT cella_run_vault(const struct cella_config *config, const char *bearer,
                             struct cella_run_vault *vault, struct cella_host_server *server) {
    struct cella_fetch_url url;
    if (config->vault.size == 0) return CELLA_SUCCESS;
    TRY(cella_fetch_settings_read(config->vault, &vault->settings));
    server->peers = vault->peer;
    cella_fetch_url(vault->settings.attest, &url);
    peer_of(vault, server, &url);
    for (size_t i = 0; i < vault->settings.count; i++) {
        cella_fetch_key_url(vault->settings.key[i].url, &url);
        uint32_t peer = peer_of(vault, server, &url);
        struct cella_secret *token = &vault->bearer[peer];
        if (token->data) continue;
        TRY(bearer ? read_bearer(bearer, token) : ask_bearer(vault->settings.key[i].url, token));
        vault->peer[peer].credential = cella_secret_bytes(token);
    }
    return CELLA_SUCCESS;
}
