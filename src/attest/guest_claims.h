/* Claims of a guest under the names of the service: x-ms-azurevm-*, secureboot,
 * x-ms-isolation-tee, x-ms-runtime (azure-attestation 6.2; docs/formats/attestation-guest.md). What
 * neither evidence nor log says is absent. */
#ifndef CELLA_ATTEST_GUEST_CLAIMS_H
#define CELLA_ATTEST_GUEST_CLAIMS_H

#include <cella/policy.h>

#include "attest/guest_check.h"

/* claims: for the policy. service: the nested ones, as objects, new; the policy sees them as
 * strings of JSON. compliance: "azure-compliant-cvm" or NULL. */
CELLA_RESULT cella_guest_claims(const struct cella_guest_info *info,
                                const struct cella_guest_checked *checked, const char *compliance,
                                struct cella_policy_claims *claims, json_t **service);
/* {"kid", "kty", "n", "e", "key_ops":["encrypt"]} of an RSA key; new. */
CELLA_RESULT cella_guest_key_json(struct cella_bytes spki, json_t **out);

#endif
