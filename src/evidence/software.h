/* Making evidence of the software platform: a COSE_Sign1 (RFC 9052, ES256) over an EAT (RFC 9711).
 * docs/formats/evidence.md. */
#ifndef CELLA_EVIDENCE_SOFTWARE_H
#define CELLA_EVIDENCE_SOFTWARE_H

#include <cella/evidence.h>

#include "base/buffer.h"
#include "crypto/key.h"

/* A signer prepared once by the platform; holds the key's prepared context and the root's encoded
 * evidence. root_evidence: for CELLA_ROOT_FILE empty; for CELLA_ROOT_TPM the CBOR that
 * evidence/tpm.h makes; for SNP the report with its certificate table, if any; for TDX the quote.
 */
struct cella_software_signer;
/* "file", "tpm", "snp", "tdx"; static. */
const char *cella_root_name(enum cella_root root);
/* Whether it is a confidential VM's: snp or tdx. */
bool cella_root_is_hardware(enum cella_root root);
/* The report data by which an SNP report or a TDX quote binds the platform key: SHA-512("cella
 * platform key v1", one NUL, SubjectPublicKeyInfo). */
CELLA_RESULT cella_root_binding(struct cella_bytes platform_spki, uint8_t report_data[64]);
CELLA_RESULT cella_software_signer_new(const struct cella_key *platform_key, enum cella_root root,
                                       struct cella_bytes root_evidence,
                                       struct cella_software_signer **out);
void cella_software_signer_free(struct cella_software_signer **signer);
/* Appends signed evidence to out. */
CELLA_RESULT cella_software_evidence(struct cella_software_signer *signer,
                                     const struct cella_software_claims *claims,
                                     struct cella_buffer *out);

#endif
