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
/* The value in the spelling that is shown: hex, decimal, yes or no, RFC 3339, text; cut to size. */
void cella_claim_show(const struct cella_claim *claim, char *text, size_t size);
/* A new object, for the caller to json_decref; names with dots are objects in it. NULL without
 * memory. */
json_t *cella_claimset_json(const struct cella_claimset *set);
/* Seconds since 1970 as RFC 3339. */
enum { CELLA_TIME_TEXT = 32 };
void cella_time_show(uint64_t unix_s, char text[CELLA_TIME_TEXT]);
/* Reads RFC 3339 (any offset; fractions are cut off), and a decimal number below 2^64; false for
 * all else. */
bool cella_time_read(const char *text, uint64_t *unix_s);
bool cella_number_read(const char *text, uint64_t *number);
/* What the level does not stop, in one sentence; static. */
const char *cella_assurance_gap(uint32_t assurance);

#endif
