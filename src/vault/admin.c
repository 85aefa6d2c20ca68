/* The endpoints of a Managed HSM beside its keys (azure-keyvault 7): local roles. Backups to
 * Azure's storage and security domains belong to Azure's hardware; this server's own backup is a
 * command. */
#include "vault/call.h"

void cella_vault_admin(struct cella_vault_call *call, const struct cella_http_target *target) {
    (void)target;
    cella_vault_error(call, 501, "NotImplemented", NULL,
                      "This endpoint of a Managed HSM is not served: roles are managed with `cella "
                      "identity`.");
}
