/* Claims of a Nitro document (docs/formats/claims-nitro.md). For files of the evidence part. */
#ifndef CELLA_EVIDENCE_NITRO_CLAIMS_H
#define CELLA_EVIDENCE_NITRO_CLAIMS_H

#include <cella/claims.h>

#include "evidence/nitro.h"

/* Of a document whose signature holds. */
void cella_nitro_claims(const struct cella_nitro_document *document, struct cella_claimset *claims);

#endif
