/* The embedded OpenID Connect issuer: client credentials only (RFC 6749 §4.4), with a secret, a
 * certificate assertion (RFC 7523) or a federated token; discovery, keys, rotation. It speaks as
 * Entra ID does, so that @azure/identity takes it for its authority (azure-sdk-js-traces 3). */
#ifndef CELLA_IDENTITY_ISSUER_H
#define CELLA_IDENTITY_ISSUER_H

#include "http/server.h"
#include "identity/apps.h"
#include "identity/issuers.h"
#include "store/database.h"
#include "store/sealer.h"

enum { CELLA_ISSUER_RESOURCES = 128, CELLA_ISSUER_TOKEN_S_MAX = 86400 };

struct cella_issuer_settings {
    const char *url;    /* "https://localhost:8443", no slash at the end */
    const char *tenant; /* a GUID */
    uint32_t token_s;   /* lifetime of access tokens, up to a day; 0: 3600 */
    uint32_t rotate_s;  /* age at which a new signing key is made; 0: 30 days */
    /* What tokens are made for besides Azure's attestation, vault and managed HSM: URLs without a
     * slash at the end; copied */
    const char *const *resource;
    size_t resource_count;
    /* A client's assertion holds once (A14). The Azure SDKs send one again until it ends, ten
     * minutes, so without it only its life is bounded. */
    bool assertion_once;
};
struct cella_issuer;
/* Makes its tables and first key. All pointers must outlive it. */
CELLA_RESULT cella_issuer_new(const struct cella_issuer_settings *settings,
                              struct cella_database *database, const struct cella_sealer *sealer,
                              struct cella_issuer **out);
void cella_issuer_free(struct cella_issuer **issuer);
/* The handler of its origin; context: the issuer. */
void cella_issuer_answer(void *context, const struct cella_http_request *request,
                         struct cella_http_response *response);
/* Registers the issuer itself among those whose tokens are accepted; keys after rotation too. */
CELLA_RESULT cella_issuer_join(struct cella_issuer *issuer, struct cella_issuers *issuers);
/* Now and then, from one thread: rotates, and forgets old keys and used assertions. */
CELLA_RESULT cella_issuer_tend(struct cella_issuer *issuer, uint64_t now_unix);

#endif
