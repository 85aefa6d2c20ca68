/* The claims of evidence of one TEE, under the names of Azure Attestation's tokens
 * (azure-attestation 4.2, 5.2, 6.1), and what the service adds to them. */
#ifndef CELLA_ATTEST_ENCLAVE_CLAIMS_H
#define CELLA_ATTEST_ENCLAVE_CLAIMS_H

#include "attest/decide.h"
#include "evidence/keygrant.h"

/* Into the decision's claims and service. request: the key request around software evidence, or
 * NULL. */
CELLA_RESULT cella_enclave_claims(struct cella_decision *decision,
                                  const struct cella_claimset *verified,
                                  const struct cella_key_request *request);

#endif
