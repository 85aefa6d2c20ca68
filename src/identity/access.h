/* Who may do what: roles with Azure's names and meanings, assigned to an object (oid) at a scope;
 * what nothing allows is denied.
 *
 * Scopes are paths of exact parts: "/" (everything), "/attest/NAME", "/vault/NAME",
 * "/vault/NAME/keys/KEY"; an assignment holds for its scope and all below. Actions are Azure's data
 * actions, for example "Microsoft.Attestation/attestationProviders/attestation/write". */
#ifndef CELLA_IDENTITY_ACCESS_H
#define CELLA_IDENTITY_ACCESS_H

#include "identity/issuers.h"
#include "store/database.h"

/* The attestation service's actions. */
#define CELLA_ACTION_ATTESTATION_READ "Microsoft.Attestation/attestationProviders/attestation/read"
#define CELLA_ACTION_ATTESTATION_WRITE                                                             \
    "Microsoft.Attestation/attestationProviders/attestation/write"
#define CELLA_ACTION_ATTESTATION_DELETE                                                            \
    "Microsoft.Attestation/attestationProviders/attestation/delete"
#define CELLA_ACTION_ATTESTATION_EXPLAIN "Cella.Attestation/attestationProviders/decisions/read"

struct cella_role {
    const char *name, *id;     /* "Attestation Reader" and its GUID in Azure */
    const char *const *action; /* one "*" in it stands for any characters */
    size_t action_count;
};
/* By name (any case) or id; NULL. */
const struct cella_role *cella_role_find(const char *name);
const struct cella_role *cella_role_at(size_t index); /* NULL after the last */

bool cella_role_allows(const struct cella_role *role, const char *action);

/* The tables of the identity part; also for the commands that change them. */
CELLA_RESULT cella_identity_migrate(struct cella_database *database);
CELLA_RESULT cella_access_assign(struct cella_database *database, const char *object,
                                 const char *role, const char *scope);
CELLA_RESULT cella_access_revoke(struct cella_database *database, const char *object,
                                 const char *role, const char *scope);
/* Of an object of this issuer alone (its exact iss); NULL: of whichever issuer tells it. */
CELLA_RESULT cella_access_assign_of(struct cella_database *database, const char *issuer,
                                    const char *object, const char *role, const char *scope);
CELLA_RESULT cella_access_revoke_of(struct cella_database *database, const char *issuer,
                                    const char *object, const char *role, const char *scope);
/* An anonymous caller is allowed nothing, and a token of an external issuer nothing of what the
 * embedded issuer's applications may. Seen at once after a change by another process. */
CELLA_RESULT cella_access_allows(struct cella_database *database, const struct cella_caller *caller,
                                 const char *action, const char *scope, bool *allowed);
/* In a session for reading. */
CELLA_RESULT cella_access_allows_in(struct cella_session *session,
                                    const struct cella_caller *caller, const char *action,
                                    const char *scope, bool *allowed);

#endif
