/* Claims for people and programs: one table and one JSON object, used wherever claims are shown.
 * Names and meanings: docs/formats/claims.md. */
#ifndef CELLA_EVIDENCE_CLAIMS_H
#define CELLA_EVIDENCE_CLAIMS_H

#include <cella/claims.h>
#include <cella/evidence.h>
#include <jansson.h>
#include <stdio.h>

/* The claims of verified software evidence, under the common names and under "software.". */
void cella_claims_add(const struct cella_claims *claims, struct cella_claimset *to);
/* One line a claim. */
void cella_claimset_print(FILE *to, const struct cella_claimset *set);
/* A new object, for the caller to json_decref; names with dots are objects in it. NULL without
 * memory. */
json_t *cella_claimset_json(const struct cella_claimset *set);
/* What the level does not stop, in one sentence; static. */
const char *cella_assurance_gap(uint32_t assurance);

#endif
