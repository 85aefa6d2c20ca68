/* Claims for people and programs: one table and one JSON object, used wherever claims are shown.
 * Names and meanings: docs/formats/claims.md. */
#ifndef CELLA_EVIDENCE_CLAIMS_H
#define CELLA_EVIDENCE_CLAIMS_H

#include <cella/evidence.h>
#include <jansson.h>
#include <stdio.h>

/* The table, one claim a line. */
void cella_claims_print(FILE *to, const struct cella_claims *claims);
/* A new object, for the caller to json_decref; NULL without memory. */
json_t *cella_claims_json(const struct cella_claims *claims);
/* What the level does not stop, in one sentence; static. */
const char *cella_assurance_gap(uint32_t assurance);

#endif
