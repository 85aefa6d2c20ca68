/* The collateral set as the verifier's common part sees it. For files of the evidence part only. */
#ifndef CELLA_EVIDENCE_COLLATERAL_H
#define CELLA_EVIDENCE_COLLATERAL_H

#include <cella/collateral.h>

/* Built-in roots and nothing more; static, shared. NULL when there was no memory for it. */
const struct cella_collateral *cella_collateral_none(void);
bool cella_collateral_finished(const struct cella_collateral *collateral);
/* The first item that a family failed to take in, and that family's name; NULL: none. */
const struct cella_error *cella_collateral_failure(const struct cella_collateral *collateral,
                                                   const char **family);

#endif
