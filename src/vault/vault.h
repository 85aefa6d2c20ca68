/* The key vault service: every vault behind one handler, told apart by the Host header
 * (azure-keyvault 1). */
#ifndef CELLA_VAULT_VAULT_H
#define CELLA_VAULT_VAULT_H

#include "audit/audit.h"
#include "http/server.h"
#include "identity/access.h"
#include "store/database.h"
#include "store/sealer.h"
#include "vault/release.h"

enum { CELLA_VAULT_NAME_MAX = 64 /* [0-9a-z-] */, CELLA_VAULT_BODY_MAX = 1 << 20 };

struct cella_vault_settings {
    const char *name;      /* of the store, of scopes: "/vault/NAME" */
    const char *url;       /* its origin; ids are made of it, or of the Host header when NULL */
    const char *login;     /* of the challenge: "https://localhost:8443/TENANT" */
    const char *resource;  /* of the challenge, and the tokens' audience; NULL:
                              https://vault.azure.net,  or https://managedhsm.azure.net of an hsm */
    bool hsm;              /* a Managed HSM: oct keys, local roles, /rng, settings */
    const char *hsm_keys;  /* RFC 7512: the token that keys live in; NULL: none. Opened by _add */
    const char *folder;    /* that a relative pin-source is relative to */
    uint32_t recover_days; /* 7 to 90; 0: 90 */
    bool purge_protection;
    bool insecure_release_software; /* keys without -HSM may be exportable too */
    uint32_t rate;                  /* requests a caller may make a second; 0: 2000 */
};
struct cella_vault_parts { /* borrowed; must outlive the service */
    struct cella_database *database;
    const struct cella_sealer *sealer;
    const struct cella_issuers *issuers;
    struct cella_authorities *authorities;
    struct cella_audit *audit;
    struct cella_metrics *metrics;
};
struct cella_vaults;
CELLA_RESULT cella_vaults_new(const struct cella_vault_parts *parts, struct cella_vaults **out);
void cella_vaults_free(struct cella_vaults **vaults);
CELLA_RESULT cella_vaults_add(struct cella_vaults *vaults,
                              const struct cella_vault_settings *settings);
/* What releases are signed with, before serving and whenever it changes; from any thread. PEM:
 * chain, leaf first, which carries the vaults' host names; key as PKCS#8. What does not fit is
 * refused, and the old ones stay. */
CELLA_RESULT cella_vaults_certify(struct cella_vaults *vaults, struct cella_bytes chain,
                                  struct cella_bytes key);
/* The handler; context: the service. */
void cella_vaults_answer(void *context, const struct cella_http_request *request,
                         struct cella_http_response *response);
/* Rotation and renewal by policy, purges that are due; now and then, from one thread. */
CELLA_RESULT cella_vaults_tend(struct cella_vaults *vaults, uint64_t now_unix);

#endif
