/* The text in which keylime's agent sends a quote: "r", then base64 of TPMS_ATTEST, of
 * TPMT_SIGNATURE and of the PCR values as tpm2-tools dumps them, with colons between. For files of
 * the evidence part only. */
#ifndef CELLA_EVIDENCE_TPM_KEYLIME_H
#define CELLA_EVIDENCE_TPM_KEYLIME_H

#include "evidence/tpm_companion.h"

bool cella_tpm_keylime_is(struct cella_bytes text);
/* Into message, signature and pcrs of out, which owns the bytes. */
CELLA_RESULT cella_tpm_keylime_open(struct cella_bytes text, struct cella_tpm_companions *out);

#endif
