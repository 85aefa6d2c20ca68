/* Whose access tokens are accepted: the embedded issuer and any external one (Entra ID, Keycloak)
 * by the key set that its operator configured. Nothing is fetched (A26, K20). */
#ifndef CELLA_IDENTITY_ISSUERS_H
#define CELLA_IDENTITY_ISSUERS_H

#include "crypto/jose.h"

struct cella_caller {
    bool known; /* false: anonymous */
    bool own;   /* of the embedded issuer */
    char issuer[256], tenant[64];
    char object[128]; /* oid, else sub: what roles are assigned to */
    char app[128];    /* appid or azp, or "" */
};

struct cella_issuers;
CELLA_RESULT cella_issuers_new(struct cella_issuers **out);
void cella_issuers_free(struct cella_issuers **issuers);
/* An external issuer: its exact iss, and its JWK set (a file that is read again when it changes).
 * tenant NULL: of the token's tid. */
CELLA_RESULT cella_issuers_add(struct cella_issuers *issuers, const char *iss,
                               const char *jwks_path, const char *tenant);
/* Of a key set in memory, replaced whole; thread-safe against checks. */
CELLA_RESULT cella_issuers_set(struct cella_issuers *issuers, const char *iss,
                               struct cella_bytes jwks);
/* authorization: the header's value, "Bearer TOKEN". audience: accepted ones, compared exactly but
 * for a slash at the end. Skew 60 s (A27). CELLA_ERR_PERMISSION says which check failed: for the
 * log and an honest caller, without the token. */
CELLA_RESULT cella_bearer_check(const struct cella_issuers *issuers,
                                struct cella_bytes authorization, const char *const *audience,
                                size_t count, uint64_t now_unix, struct cella_caller *out);

#endif
