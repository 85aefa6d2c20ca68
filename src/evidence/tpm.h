/* Root `tpm`: a TPM 2.0 quote that certifies the platform key, as nested root evidence.
 * The quote's extraData is SHA-256("cella platform key v1\0" || SubjectPublicKeyInfo DER of the
 * platform key). */
#ifndef CELLA_EVIDENCE_TPM_H
#define CELLA_EVIDENCE_TPM_H

#include <cella/evidence.h>

#include "base/buffer.h"

struct cella_tpm_quote {          /* big-endian TPM structures, as the TPM gave them */
    struct cella_bytes attest;    /* TPMS_ATTEST */
    struct cella_bytes signature; /* TPMT_SIGNATURE */
    struct cella_bytes ak_spki;   /* attestation key, SubjectPublicKeyInfo DER (P-256 or RSA) */
    uint32_t pcr_count;           /* SHA-256 bank, ascending index */
    struct {
        uint8_t index;
        uint8_t value[32];
    } pcr[24];
};

/* extraData that binds the platform key. */
CELLA_RESULT cella_tpm_binding(struct cella_bytes platform_spki, uint8_t extra_data[32]);
/* CBOR of the quote, for cella_software_signer_new. */
CELLA_RESULT cella_tpm_quote_encode(const struct cella_tpm_quote *quote, struct cella_buffer *out);
/* Decodes the CBOR, checks magic, type, extraData, PCR selection and digest, signature under
 * ak_spki. (A22) */
CELLA_RESULT cella_tpm_quote_verify(struct cella_bytes cbor, struct cella_bytes platform_spki,
                                    struct cella_tpm_quote *out);

#endif
