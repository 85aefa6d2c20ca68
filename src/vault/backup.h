/* Backups of one thing with all its versions: opaque to clients, sealed for this server and its
 * vaults (azure-keyvault 2.8, K21). */
#ifndef CELLA_VAULT_BACKUP_H
#define CELLA_VAULT_BACKUP_H

#include "vault/change.h"

void cella_vault_backup(struct cella_vault_call *call, enum cella_record_kind kind);
/* Into a vault where the name is neither taken nor deleted. */
void cella_vault_restore(struct cella_vault_call *call, enum cella_record_kind kind,
                         cella_vault_show *show);

#endif
