/* The GET part of the PCCS v4 API (Intel, "Provisioning Certificate Caching Service", API version
 * 4), answered from a store: what Intel's quote provider library asks for when it verifies.
 *
 *   /sgx/certification/v4/tcb?fmspc=  /tdx/certification/v4/tcb?fmspc=
 *   /sgx/certification/v4/qe/identity  /sgx/certification/v4/qve/identity
 * /tdx/certification/v4/qe/identity
 *   /sgx/certification/v4/pckcrl?ca=processor|platform[&encoding=der|pem]
 * /sgx/certification/v4/rootcacrl
 *
 * Bodies are the signed bytes as they came; issuer chains go percent-encoded in headers. rootcacrl
 * is DER in hexadecimal, as Intel's service gives it and its library expects it. pckcert needs a
 * platform's registration, which a bundle does not have: it is 404. */
#ifndef CELLA_COLLATERAL_PCCS_H
#define CELLA_COLLATERAL_PCCS_H

#include "collateral/store.h"
#include "http/server.h"

struct cella_pccs;
/* Over a store that was checked and settled, and outlives it; only what holds is served. */
CELLA_RESULT cella_pccs_new(const struct cella_store *store, struct cella_pccs **out);
void cella_pccs_free(struct cella_pccs **pccs);
#define CELLA_PCCS __attribute__((cleanup(cella_pccs_free))) struct cella_pccs *
size_t cella_pccs_count(const struct cella_pccs *pccs); /* of items that can be asked for */

/* A cella_http_handler; context is the pccs. */
void cella_pccs_answer(void *context, const struct cella_http_request *request,
                       struct cella_http_response *response);

#endif
