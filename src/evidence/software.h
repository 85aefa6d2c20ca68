/* Making evidence of the software platform: a COSE_Sign1 (RFC 9052, ES256) over an EAT (RFC 9711).
 * docs/formats/evidence.md. */
#ifndef CELLA_EVIDENCE_SOFTWARE_H
#define CELLA_EVIDENCE_SOFTWARE_H

#include <cella/evidence.h>

#include "base/buffer.h"
#include "crypto/key.h"

/* A signer prepared once by the platform; holds the key's prepared context and the root's encoded
 * evidence. root_evidence: for CELLA_ROOT_FILE empty; for CELLA_ROOT_TPM the CBOR that
 * evidence/tpm.h makes. */
struct cella_software_signer;
CELLA_RESULT cella_software_signer_new(const struct cella_key *platform_key, enum cella_root root,
                                       struct cella_bytes root_evidence,
                                       struct cella_software_signer **out);
void cella_software_signer_free(struct cella_software_signer **signer);
/* Appends signed evidence to out. */
CELLA_RESULT cella_software_evidence(struct cella_software_signer *signer,
                                     const struct cella_software_claims *claims,
                                     struct cella_buffer *out);

#endif
