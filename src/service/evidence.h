/* Evidence of the server itself: where it runs in a confidential VM (SEV-SNP, TDX), the hardware's
 * report over each key that it signs tokens with. Elsewhere there is none, and nothing is claimed.
 */
#ifndef CELLA_SERVICE_EVIDENCE_H
#define CELLA_SERVICE_EVIDENCE_H

#include <stdbool.h>

#include "base/buffer.h"

struct cella_tsm;
/* Whether the kernel offers such reports here. */
bool cella_service_evidence_offered(const struct cella_tsm *tsm);
/* Of a key by its SubjectPublicKeyInfo: a report whose data is SHA-256 of it and 32 zeros, as a DER
 * OCTET STRING, appended. context: the cella_tsm. Where there is none nothing is appended, and a
 * warning says why. Errors are for memory. */
CELLA_RESULT cella_service_evidence_over(void *context, struct cella_bytes spki,
                                         struct cella_buffer *der);

#endif
