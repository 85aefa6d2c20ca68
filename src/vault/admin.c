/* The endpoints of a Managed HSM beside its keys (azure-keyvault 7). None is served: what they do,
 * this server does by commands. Who makes one checks the caller's role here: routing has not
 * (vault.c). */
#include "vault/call.h"

void cella_vault_admin(struct cella_vault_call *call, const struct cella_http_target *target) {
    (void)target;
    cella_vault_error(
        call, 501, "NotImplemented", NULL,
        "This endpoint of a Managed HSM is not served. Roles: `cella identity`; whole "
        "backups: `cella vault backup`; there are no settings and no security domain.");
}
