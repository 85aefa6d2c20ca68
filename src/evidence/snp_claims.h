/* The claims of a verified SEV-SNP report. For files of the evidence part. */
#ifndef CELLA_EVIDENCE_SNP_CLAIMS_H
#define CELLA_EVIDENCE_SNP_CLAIMS_H

#include <cella/claims.h>

#include "evidence/snp_cert.h"

/* crl_checked: a revocation list of the line was there and names none of the chain's keys. */
CELLA_RESULT cella_snp_claims(const struct cella_snp_report *report,
                              const struct cella_snp_cert *cert, bool crl_checked,
                              struct cella_claimset *claims);
bool cella_snp_chip_masked(const struct cella_snp_report *report);

#endif
