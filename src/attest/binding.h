/* What runtimeData and initTimeData are to the evidence, and the claims they give
 * (azure-attestation 3.1, 3.2). */
#ifndef CELLA_ATTEST_BINDING_H
#define CELLA_ATTEST_BINDING_H

#include "attest/body.h"
#include "attest/decide.h"

/* CELLA_ERR_INTEGRITY, with the hash expected and the one found, when data is not bound by the
 * evidence's report data and configuration (A13). */
CELLA_RESULT cella_binding_check(const struct cella_attest_body *body,
                                 const struct cella_claimset *verified);
/* Adds the claims of data that is bound, and the nonce, to claims and service. */
CELLA_RESULT cella_binding_claims(const struct cella_attest_body *body,
                                  struct cella_decision *decision);

#endif
