/* Azure Attestation tokens: the parts of their verifier (evidence-formats 15). For files of the
 * evidence part. */
#ifndef CELLA_EVIDENCE_MAA_H
#define CELLA_EVIDENCE_MAA_H

#include "evidence/family.h"
#include "evidence/jwt.h"

struct cella_maa_times {
    uint64_t issued_unix, not_before_unix, expires_unix; /* NumericDate, seconds */
};

enum { CELLA_MAA_ISSUER_SIZE = 256, CELLA_MAA_STATUS_SIZE = 48 };

/* What a token says of itself. */
struct cella_maa_token {
    struct cella_maa_times times;
    char issuer[CELLA_MAA_ISSUER_SIZE];
    char tcb_status[CELLA_MAA_STATUS_SIZE]; /* "" where the service gives none */
};

/* Reads the whole payload strictly and takes what the checks need. Only of a payload whose
 * signature holds. */
CELLA_RESULT cella_maa_read(struct cella_bytes payload, struct cella_maa_token *out);
/* All claims, under maa. and by their common names. Decodes strings in place: the payload is of no
 * use afterwards. */
void cella_maa_claims(uint8_t *payload, size_t size, struct cella_claimset *claims);

#endif
