/* Reference values: launch measurements that the operator knows, of which
 * x-ms-compliance-status is azure-compliant-cvm (azure-attestation 5.2). Immutable. */
#ifndef CELLA_ATTEST_REFERENCES_H
#define CELLA_ATTEST_REFERENCES_H

#include <cella/bytes.h>
#include <cella/result.h>

struct cella_references;
/* SHA-384 in hex, a line each; "#" begins a comment. An empty text gives NULL. */
CELLA_RESULT cella_references_new(struct cella_bytes text, struct cella_references **out);
void cella_references_free(struct cella_references **references);
/* NULL has none. */
bool cella_references_have(const struct cella_references *references,
                           struct cella_bytes measurement);

#endif
