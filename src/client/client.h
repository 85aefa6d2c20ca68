/* A client of cella's services, or of Azure's, which speak the same: takes tokens with client
 * credentials, and sends JSON.
 *
 * For one thread at a time. Nothing secret reaches a message. */
#ifndef CELLA_CLIENT_CLIENT_H
#define CELLA_CLIENT_CLIENT_H

#include <jansson.h>

#include "base/buffer.h"
#include "base/secret.h"

struct cella_client_settings {
    const char *ca;        /* PEM file of the servers' authority; NULL: the system's */
    const char *authority; /* "https://localhost:8443" */
    const char *tenant, *client_id;
    const char *secret; /* of the client; copied */
    const char *token;  /* an access token that is there already, instead of all of that; or NULL */
};
/* From the environment, as Azure's SDKs have it: AZURE_AUTHORITY_HOST, AZURE_TENANT_ID,
 * AZURE_CLIENT_ID, AZURE_CLIENT_SECRET, and for the authority of TLS CELLA_CA, else
 * NODE_EXTRA_CA_CERTS. */
void cella_client_environment(struct cella_client_settings *settings);

struct cella_client;
CELLA_RESULT cella_client_new(const struct cella_client_settings *settings,
                              struct cella_client **out);
void cella_client_free(struct cella_client **client);
#define CELLA_CLIENT __attribute__((cleanup(cella_client_free))) struct cella_client *

/* What an access token for a vault is a token for: CELLA_VAULT_RESOURCE where it is set, what all
 * of Azure's vaults have in common, else the vault's own URL. */
void cella_client_vault_resource(const char *url, char *out, size_t size);
/* An access token for a resource, as it stands behind "Bearer ", without a NUL. */
CELLA_RESULT cella_client_token(struct cella_client *client, const char *resource,
                                struct cella_secret *out);

struct cella_client_call {
    const char *method, *url;
    const char *resource; /* "https://vault.azure.net": a token for it is sent; NULL: none */
    const json_t *body;   /* or NULL */
};
/* *reply: new, an object, or NULL of an empty answer. A status of 400 or more is an error that says
 * what the service said: CELLA_ERR_NOT_FOUND of 404, CELLA_ERR_EXISTS of 409, CELLA_ERR_REFUSED of
 * 401 and 403 and of a policy that denies, CELLA_ERR_UNAVAILABLE of 429 and 5xx, else
 * CELLA_ERR_USAGE. */
CELLA_RESULT cella_client_send(struct cella_client *client, const struct cella_client_call *call,
                               json_t **reply);

#endif
