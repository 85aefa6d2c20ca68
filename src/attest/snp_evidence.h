/* SEV-SNP evidence as clients of Azure Attestation send it (azure-attestation 5.1), in the form
 * that the verifier takes: a report with its certificate table. Nothing of it is checked here but
 * its form. */
#ifndef CELLA_ATTEST_SNP_EVIDENCE_H
#define CELLA_ATTEST_SNP_EVIDENCE_H

#include "base/buffer.h"

/* {"SnpReport", "VcekCertChain", "Endorsements"}, names in any case; or a report as it is, alone or
 * with its table. Appended. */
CELLA_RESULT cella_snp_evidence(struct cella_bytes report, struct cella_buffer *out);
/* A report and a chain in PEM, in any order, by what each certificate is: VCEK or VLEK, ASK or
 * ASVK, ARK; others are left out. Appended. */
CELLA_RESULT cella_snp_evidence_of(struct cella_bytes report, struct cella_bytes pem,
                                   struct cella_buffer *out);

#endif
