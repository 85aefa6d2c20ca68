/* Claims of a TPM for policies (azure-attestation 9.7) and what its report has besides what the
 * policy issues (docs/formats/attestation-tpm.md). */
#ifndef CELLA_ATTEST_TPM_CLAIMS_H
#define CELLA_ATTEST_TPM_CLAIMS_H

#include <cella/policy.h>

#include "attest/tpm_check.h"

/* url: of the instance, before the names of custom claims, so that no client says what the service
 * says. service: cnf, rp_data; new. */
CELLA_RESULT cella_tpm_claims(const struct cella_tpm_request *request,
                              const struct cella_tpm_checked *checked, const char *url,
                              struct cella_policy_claims *claims, json_t **service);

#endif
