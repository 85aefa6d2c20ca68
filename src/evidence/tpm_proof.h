/* What one TPM signed, checked part by part, for protocols that bring the parts themselves: a quote
 * with its PCR values, the log that explains them, a certified key (A22). Who vouches for the
 * attestation key is another question, which the caller answers. Pure; errors name the link that
 * does not hold. */
#ifndef CELLA_EVIDENCE_TPM_PROOF_H
#define CELLA_EVIDENCE_TPM_PROOF_H

#include <cella/collateral.h>

#include "evidence/tpm_companion.h"

struct cella_tpm_proof {
    struct cella_tpm_attest attest; /* views into the message */
    enum cella_hash bank;           /* of the PCRs: the only one that was quoted */
    uint32_t quoted;                /* bit i: PCR i, value[i] of which is the TPM's word */
    struct cella_tpm_pcrs values;
    uint32_t explained; /* of those quoted: PCRs that the log replays to */
};

/* message: TPMS_ATTEST or TPM2B_ATTEST. signature: TPMT_SIGNATURE or the bare integer. The key is
 * SubjectPublicKeyInfo. values: of the bank that was quoted, exactly the PCRs that the quote
 * selects or more. */
CELLA_RESULT cella_tpm_proof_quote(struct cella_bytes ak_spki, struct cella_bytes message,
                                   struct cella_bytes signature,
                                   const struct cella_tpm_pcrs values[CELLA_TPM_HASH_COUNT],
                                   struct cella_tpm_proof *out);
/* Replays a log (empty: explains nothing). Every PCR that it extends and that was quoted must come
 * out as quoted (A21). */
CELLA_RESULT cella_tpm_proof_log(struct cella_tpm_proof *proof, struct cella_bytes log);
/* An event says what its PCR holds only when that PCR is explained; its data only when its digest
 * is that of the data (a firmware that measures something else says nothing by the data). */
bool cella_tpm_proof_event(const struct cella_tpm_proof *proof, const struct cella_event *event,
                           bool *data_measured);

/* That the key of a TPM2B_PUBLIC lives in the TPM of the attestation key: name recomputed from the
 * public area, statement signed. attributes: TPMA_OBJECT that it must have. */
CELLA_RESULT cella_tpm_proof_certified(struct cella_bytes ak_spki, struct cella_bytes info,
                                       struct cella_bytes signature, struct cella_bytes public,
                                       uint32_t attributes, struct cella_tpm_public *out);
/* name_hash || hash(public area), 2 + 64 bytes of room. */
CELLA_RESULT cella_tpm_name(const struct cella_tpm_public *public, uint8_t *name, size_t *size);

/* That somebody who is trusted vouches for an attestation key: the key is trusted itself, or its
 * certificate leads through the collateral's certificates to a pinned root of TPMs. *by:
 * "trusted" or "certificate". Refusals say what to give. certificate: DER, perhaps with padding
 * behind it; may be empty. azure: another cloud's root that is built in does not count. */
CELLA_RESULT cella_tpm_proof_vouched(const struct cella_collateral *collateral,
                                     struct cella_bytes ak_spki, struct cella_bytes certificate,
                                     uint64_t time_unix, bool azure, const char **by);

#endif
