/* Roles with Azure's names, ids and data actions (azure-keyvault 7 and 9; the attestation roles as
 * Azure's list of built-in roles has them). A "*" stands for any characters, as in Azure. */
#include <strings.h>

#include "identity/access.h"
#include "identity/identity_inner.h"

#define VAULT(action) "Microsoft.KeyVault/vaults/" action
#define HSM(action)   "Microsoft.KeyVault/managedHsm/" action
#define COUNT(array)  (sizeof(array) / sizeof((array)[0]))

static const char *const attestation_reader[] = {CELLA_ACTION_ATTESTATION_READ};
static const char *const attestation_contributor[] = {
    CELLA_ACTION_ATTESTATION_READ, CELLA_ACTION_ATTESTATION_WRITE, CELLA_ACTION_ATTESTATION_DELETE};
static const char *const attestation_explainer[] = {CELLA_ACTION_ATTESTATION_EXPLAIN};

static const char *const vault_administrator[] = {VAULT("*")};
static const char *const vault_reader[] = {VAULT("*/read"), VAULT("secrets/readMetadata/action")};
static const char *const certificates_officer[] = {VAULT("certificatecas/*"),
                                                   VAULT("certificates/*"),
                                                   VAULT("certificatecontacts/write"),
                                                   VAULT("certificatecontacts/read")};
static const char *const certificate_user[] = {VAULT("certificates/read"),
                                               VAULT("secrets/getSecret/action"),
                                               VAULT("secrets/readMetadata/action"),
                                               VAULT("keys/read")};
static const char *const crypto_officer[] = {VAULT("keys/*"), VAULT("keyrotationpolicies/*")};
static const char *const crypto_user[] = {
    VAULT("keys/read"),           VAULT("keys/update/action"),  VAULT("keys/backup/action"),
    VAULT("keys/encrypt/action"), VAULT("keys/decrypt/action"), VAULT("keys/wrap/action"),
    VAULT("keys/unwrap/action"),  VAULT("keys/sign/action"),    VAULT("keys/verify/action")};
static const char *const crypto_encryption_user[] = {VAULT("keys/read"), VAULT("keys/wrap/action"),
                                                     VAULT("keys/unwrap/action")};
static const char *const crypto_release_user[] = {VAULT("keys/release/action")};
static const char *const secrets_officer[] = {VAULT("secrets/*")};
static const char *const secrets_user[] = {VAULT("secrets/getSecret/action"),
                                           VAULT("secrets/readMetadata/action")};
/* Who may say who may use a vault: an action of Azure's management side, and no data. */
static const char *const access_administrator[] = {"Microsoft.Authorization/roleAssignments/read",
                                                   "Microsoft.Authorization/roleAssignments/write",
                                                   "Microsoft.Authorization/roleAssignments/delete",
                                                   "Microsoft.Authorization/roleDefinitions/read"};

/* As a Managed HSM lists them: its own answers recorded by Azure's SDKs, and Azure's table of them.
 */
#define HSM_ROLE_READ HSM("roleAssignments/read/action"), HSM("roleDefinitions/read/action")
#define HSM_ROLE_MANAGEMENT                                                                        \
    HSM_ROLE_READ, HSM("roleAssignments/write/action"), HSM("roleAssignments/delete/action"),      \
        HSM("roleDefinitions/write/action"), HSM("roleDefinitions/delete/action")
static const char *const hsm_administrator[] = {HSM_ROLE_MANAGEMENT,
                                                HSM("securitydomain/download/action"),
                                                HSM("securitydomain/download/read"),
                                                HSM("securitydomain/upload/action"),
                                                HSM("securitydomain/upload/read"),
                                                HSM("securitydomain/transferkey/read"),
                                                HSM("backup/start/action"),
                                                HSM("backup/status/action"),
                                                HSM("restore/start/action"),
                                                HSM("restore/status/action"),
                                                HSM("settings/read/action"),
                                                HSM("settings/write/action")};
static const char *const hsm_officer[] = {HSM_ROLE_MANAGEMENT, HSM("keys/deletedKeys/read/action"),
                                          HSM("keys/deletedKeys/delete"),
                                          HSM("keys/deletedKeys/recover/action"),
                                          HSM("keys/export/action")};
static const char *const hsm_user[] = {HSM_ROLE_READ,
                                       HSM("keys/read/action"),
                                       HSM("keys/write/action"),
                                       HSM("keys/delete"),
                                       HSM("keys/create"),
                                       HSM("keys/rotate/action"),
                                       HSM("keys/import/action"),
                                       HSM("keys/release/action"),
                                       HSM("keys/backup/action"),
                                       HSM("keys/restore/action"),
                                       HSM("keys/encrypt/action"),
                                       HSM("keys/decrypt/action"),
                                       HSM("keys/wrap/action"),
                                       HSM("keys/unwrap/action"),
                                       HSM("keys/sign/action"),
                                       HSM("keys/verify/action"),
                                       HSM("keys/derive/action"),
                                       HSM("rng/action")};
static const char *const hsm_policy[] = {HSM_ROLE_MANAGEMENT};
static const char *const hsm_auditor[] = {HSM_ROLE_READ, HSM("keys/read/action"),
                                          HSM("keys/deletedKeys/read/action")};
static const char *const hsm_encryption[] = {HSM("keys/read/action"), HSM("keys/wrap/action"),
                                             HSM("keys/unwrap/action")};
static const char *const hsm_release[] = {HSM("keys/release/action")};
static const char *const hsm_backup[] = {HSM("backup/start/action"), HSM("backup/status/action"),
                                         HSM("keys/backup/action")};
static const char *const hsm_restore[] = {HSM("restore/start/action"), HSM("restore/status/action"),
                                          HSM("keys/restore/action")};

#define ROLE(name, id, actions)                                                                    \
    { name, id, actions, COUNT(actions) }
static const struct cella_role roles[] = {
    ROLE("Attestation Reader", "fd1bd22b-8476-40bc-a0bc-69b95687b9f3", attestation_reader),
    ROLE("Attestation Contributor", "bbf86eb8-f7b4-4cce-96e4-18cddf81d86e",
         attestation_contributor),
    /* Cella's own, so its id is no GUID of Azure's. What a caller sent can be in an explanation, so
     * who may set policies does not see it by that. */
    ROLE("Attestation Explainer", "ce11a000-0000-4000-8000-000000000001", attestation_explainer),
    ROLE("Key Vault Administrator", "00482a5a-887f-4fb3-b363-3b7fe8e74483", vault_administrator),
    ROLE("Key Vault Reader", "21090545-7ca7-4776-b22c-e363652d74d2", vault_reader),
    ROLE("Key Vault Certificates Officer", "a4417e6f-fecd-4de8-b567-7b0420556985",
         certificates_officer),
    ROLE("Key Vault Certificate User", "db79e9a7-68ee-4b58-9aeb-b90e7c24fcba", certificate_user),
    ROLE("Key Vault Crypto Officer", "14b46e9e-c2b7-41b4-b07b-48a6ebf60603", crypto_officer),
    ROLE("Key Vault Crypto User", "12338af0-0e69-4776-bea7-57ae8d297424", crypto_user),
    ROLE("Key Vault Crypto Service Encryption User", "e147488a-f6f5-4113-8e2d-b22465e65bf6",
         crypto_encryption_user),
    ROLE("Key Vault Crypto Service Release User", "08bbd89e-9f13-488c-ac41-acfcb10c90ab",
         crypto_release_user),
    ROLE("Key Vault Secrets Officer", "b86a8fe4-44ce-4948-aee5-eccb2c155cd7", secrets_officer),
    ROLE("Key Vault Secrets User", "4633458b-17de-408a-b874-0445c86b69e6", secrets_user),
    ROLE("Key Vault Data Access Administrator", "8b54135c-b56d-4d72-a534-26097cfdc8d8",
         access_administrator),
    ROLE("Managed HSM Administrator", "a290e904-7015-4bba-90c8-60543313cdb4", hsm_administrator),
    ROLE("Managed HSM Crypto Officer", "515eb02d-2335-4d2d-92f2-b1cbdf9c3778", hsm_officer),
    ROLE("Managed HSM Crypto User", "21dbd100-6940-42c2-9190-5d6cb909625b", hsm_user),
    ROLE("Managed HSM Policy Administrator", "4bd23610-cdcf-4971-bdee-bdc562cc28e4", hsm_policy),
    ROLE("Managed HSM Crypto Auditor", "2c18b078-7c48-4d3a-af88-5a3a1b3f82b3", hsm_auditor),
    ROLE("Managed HSM Crypto Service Encryption User", "33413926-3206-4cdd-b39a-83574fe37a17",
         hsm_encryption),
    ROLE("Managed HSM Crypto Service Release User", "21dbd100-6940-42c2-9190-5d6cb909625c",
         hsm_release),
    ROLE("Managed HSM Backup", "7b127d3c-77bd-4e3e-bbe0-dbb8971fa7f8", hsm_backup),
    ROLE("Managed HSM Restore", "6efe6056-5259-49d2-8b3d-d3d73544b20b", hsm_restore),
};

const struct cella_role *cella_role_at(size_t index) {
    return index < COUNT(roles) ? &roles[index] : NULL;
}

const struct cella_role *cella_role_find(const char *name) {
    for (size_t i = 0; i < COUNT(roles); i++)
        if (strcasecmp(roles[i].name, name) == 0 || strcasecmp(roles[i].id, name) == 0)
            return &roles[i];
    return NULL;
}

/* Azure compares actions in any case. */
static bool same_letter(char a, char b) { return strncasecmp(&a, &b, 1) == 0; }

/* One "*" at most: what is before it begins the action, what is behind it ends it, and the star
 * itself stands for something (no role means "keys/" by "keys/" and a star). */
bool action_matches(const char *pattern, const char *action) {
    size_t size = strlen(action);
    const char *star = strchr(pattern, '*');
    if (!star) return strcasecmp(pattern, action) == 0;
    size_t head = (size_t)(star - pattern), tail = strlen(star + 1);
    if (size < head + 1 + tail) return false;
    for (size_t i = 0; i < head; i++)
        if (!same_letter(pattern[i], action[i])) return false;
    return strcasecmp(star + 1, action + size - tail) == 0;
}

bool cella_role_allows(const struct cella_role *role, const char *action) {
    for (size_t i = 0; i < role->action_count; i++)
        if (action_matches(role->action[i], action)) return true;
    return false;
}
