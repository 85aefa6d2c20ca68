/* What a request to a vault asks for: its path in the one form, and the action that a role must
 * allow (azure-keyvault 1.1, 2.1, 5, 6, 9). Canonical first, authorised then, handled last (K19).
 */
#ifndef CELLA_VAULT_ROUTE_H
#define CELLA_VAULT_ROUTE_H

#include <cella/bytes.h>
#include <stdbool.h>

#include "vault/records.h"

enum cella_route_family {
    CELLA_ROUTE_KEYS,
    CELLA_ROUTE_SECRETS,
    CELLA_ROUTE_CERTIFICATES,
    CELLA_ROUTE_RANDOM, /* /rng */
    CELLA_ROUTE_ADMIN,  /* of a Managed HSM: roles, settings, backup, security domain */
    CELLA_ROUTE_NONE,   /* not found */
};
/* What of a Managed HSM (azure-keyvault 7). */
enum cella_route_admin {
    CELLA_ADMIN_NONE,
    CELLA_ADMIN_DEFINITIONS, /* SCOPE/providers/Microsoft.Authorization/roleDefinitions[/ITEM] */
    CELLA_ADMIN_ASSIGNMENTS, /* .../roleAssignments[/ITEM] */
    CELLA_ADMIN_SETTINGS,    /* /settings[/ITEM] */
    CELLA_ADMIN_BACKUP,      /* /backup, /backup/ITEM/pending */
    CELLA_ADMIN_RESTORE,     /* /restore, /restore/ITEM/pending */
    CELLA_ADMIN_PREBACKUP,
    CELLA_ADMIN_PRERESTORE,
    CELLA_ADMIN_KEY_RESTORE, /* /keys/NAME/restore */
    CELLA_ADMIN_DOWNLOAD,    /* /securitydomain/download[/pending] */
    CELLA_ADMIN_UPLOAD,      /* /securitydomain/upload[/pending] */
};
enum cella_route_fault { CELLA_ROUTE_GOOD, CELLA_ROUTE_UNKNOWN, CELLA_ROUTE_BAD_NAME };
enum { CELLA_ROUTE_OPERATION_MAX = 32, CELLA_ROUTE_ACTION_MAX = 96, CELLA_ROUTE_ITEM_MAX = 80 };

struct cella_route {
    enum cella_route_fault fault;
    enum cella_route_family family;
    bool deleted; /* /deletedkeys ... */
    char name[CELLA_RECORD_NAME_MAX + 1];
    char version[CELLA_RECORD_VERSION_SIZE + 1];
    char operation[CELLA_ROUTE_OPERATION_MAX]; /* lower case: "create", "pending/merge", or "" */
    char found[80];                            /* of a bad name, for the message */
    enum cella_route_admin admin;              /* of the family of that name, and these: */
    bool keys, pending;                        /* a scope of "/keys" or below; ".../pending" */
    char item[CELLA_ROUTE_ITEM_MAX + 1];       /* [0-9A-Za-z._-], or "" */
};
/* path: without the query. Empty parts are dropped: clients send /keys/k1/ and /keys/k1//sign. */
void cella_route_read(struct cella_bytes method, struct cella_bytes path, struct cella_route *out);
/* "Microsoft.KeyVault/vaults/keys/sign/action"; false for what no role can allow: 404 or 405. */
bool cella_route_action(const struct cella_route *route, struct cella_bytes method, bool hsm,
                        char action[CELLA_ROUTE_ACTION_MAX]);
/* "/vault/NAME/keys/KEY", names in lower case; of the operations on a whole vault "/vault/NAME". */
void cella_route_scope(const struct cella_route *route, const char *vault, char scope[256]);

#endif
