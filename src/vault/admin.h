/* The endpoints of a Managed HSM beside its keys (azure-keyvault 7). The caller's role for them was
 * checked like that of any other route (vault.c). For the files of these alone. */
#ifndef CELLA_VAULT_ADMIN_H
#define CELLA_VAULT_ADMIN_H

#include "identity/access.h"
#include "vault/change.h"

#define CELLA_HSM_ACTIONS "Microsoft.KeyVault/managedHsm/"

struct cella_admin_call {
    struct cella_vault_call *call;
    const char *method;
    const struct cella_route *route;
    const struct cella_http_target *target;
    char root[256];  /* of the vault: "/vault/NAME" */
    char scope[256]; /* of the path: the root, or below */
    char who[400];   /* the caller, for `cella identity changes` */
};
/* "/", "/keys", "/keys/NAME": a scope as the vault's people write it. */
const char *cella_admin_scope(const struct cella_admin_call *a, const char *scope);
/* Whether a filter begins with these words, in any case; a blank may have come as "+". */
bool cella_admin_begins(struct cella_bytes filter, const char *words);
/* The member "properties" of the body, new; answers the error itself and returns NULL. */
json_t *cella_admin_properties(struct cella_admin_call *a);
/* Of a failed result: status, code and words for NOT_FOUND, EXISTS and REFUSED. */
struct cella_admin_words {
    const char *missing, *missing_text, *exists, *refused;
};
void cella_admin_failure(struct cella_admin_call *a, const struct cella_admin_words *words,
                         struct cella_result result);
/* The audit record with its own members (taken), then the commit; answers the error itself. */
bool cella_admin_commit(struct cella_admin_call *a, struct cella_session **session,
                        const char *action, const char *id, json_t *more);

/* Of the roles that are everywhere one of a Managed HSM's. */
bool cella_admin_is_built_in(const struct cella_role *role);

void cella_admin_definitions(struct cella_admin_call *a);
void cella_admin_assignments(struct cella_admin_call *a);
void cella_admin_settings(struct cella_admin_call *a);

#endif
