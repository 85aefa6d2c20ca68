/* Verified claims under the names that Azure Attestation gives them: one table per TEE
 * (docs/formats/policy.md). */
#ifndef CELLA_POLICY_AZURE_CLAIMS_H
#define CELLA_POLICY_AZURE_CLAIMS_H

#include <cella/policy.h>

/* Whether the service gives claims of that name for some TEE; for names that cannot be told, as a
 * client's own, also true. */
bool cella_azure_claim_known(struct cella_bytes type);

#endif
