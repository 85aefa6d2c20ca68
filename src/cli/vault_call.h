/* What `cella key`, `cella secret` and `cella cert` share: a vault, a client, an answer shown. */
#ifndef CELLA_CLI_VAULT_CALL_H
#define CELLA_CLI_VAULT_CALL_H

#include <jansson.h>

#include "client/client.h"

#define CELLA_VAULT_API "7.6"
#define CELLA_VAULT_HELP                                                                           \
    "  --vault URL    the vault (default: CELLA_VAULT)\n"                                          \
    "  --ca FILE      authority of its TLS certificate (default: CELLA_CA, else the system's)\n"   \
    "  --json         the service's answer as it is\n"                                             \
    "Credentials come from AZURE_AUTHORITY_HOST, AZURE_TENANT_ID, AZURE_CLIENT_ID and "            \
    "AZURE_CLIENT_SECRET.\n"

struct cella_vault_option {
    const char *name;   /* "--size" */
    bool flag;          /* takes no value */
    const char **value; /* set to the value, or for flags to "" */
};
struct cella_vault_arguments {
    const char *command; /* "key": for messages */
    const char *vault, *ca;
    bool json;
    size_t count; /* of words besides options */
    const char *word[4];
};
/* Reads the arguments behind the command; own options of the command besides the common ones. */
CELLA_RESULT cella_vault_arguments(int argc, char **argv, const char *command,
                                   const struct cella_vault_option *option, size_t count,
                                   struct cella_vault_arguments *out);
struct cella_vault_client {
    struct cella_client *client;
    char base[512], resource[256];
};
void cella_vault_client_free(struct cella_vault_client *vault);
#define CELLA_VAULT_CLIENT                                                                         \
    __attribute__((cleanup(cella_vault_client_free))) struct cella_vault_client
CELLA_RESULT cella_vault_open(const struct cella_vault_arguments *arguments,
                              struct cella_vault_client *out);
/* path: "/keys/k1", without the query; body NULL: none. *reply new or NULL. */
CELLA_RESULT cella_vault_send(struct cella_vault_client *vault, const char *method,
                              const char *path, const json_t *body, json_t **reply);
/* The whole list, page after page, as one array in "value". */
CELLA_RESULT cella_vault_send_list(struct cella_vault_client *vault, const char *path,
                                   json_t **reply);
/* On standard output: JSON, or a line for each member; of lists a line for each item. */
void cella_vault_print(const struct cella_vault_arguments *arguments, const json_t *reply);

#endif
