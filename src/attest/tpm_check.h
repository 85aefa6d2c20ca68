/* Whether what a TPM's client sent holds: attestation key vouched for, quote over the challenge,
 * PCR values, logs (A14, A22). Pure. */
#ifndef CELLA_ATTEST_TPM_CHECK_H
#define CELLA_ATTEST_TPM_CHECK_H

#include "attest/tpm_events.h"
#include "attest/tpm_request.h"

enum { CELLA_TPM_PCR_MASK = 0xffffff };

struct cella_tpm_demand {       /* of the policy's configuration rules (azure-attestation 9.5) */
    bool require_valid_aik;     /* [true] */
    uint32_t required_pcr_mask; /* [0xffffff] */
};

struct cella_tpm_checked {
    bool aik_validated;
    const char *aik_vouched; /* "trusted" or "certificate"; NULL */
    bool key_bound;          /* the quote names attest_key, not the challenge alone */
    struct cella_tpm_proof current, boot;
    json_t *events, *boot_events; /* owned; boot_events NULL: no boot claim */
    struct cella_boot_facts facts;
};
void cella_tpm_checked_free(struct cella_tpm_checked *checked);
#define CELLA_TPM_CHECKED __attribute__((cleanup(cella_tpm_checked_free))) struct cella_tpm_checked

/* What a quote's extraData must be in cella's own form: SHA-256(challenge || thumbprint of
 * attest_key, RFC 7638). */
CELLA_RESULT cella_tpm_binding_of(const struct cella_tpm_request *request, uint8_t binding[32]);
CELLA_RESULT cella_tpm_request_check(const struct cella_tpm_request *request,
                                     const struct cella_tpm_demand *demand,
                                     const struct cella_collateral *collateral, uint64_t time_unix,
                                     struct cella_tpm_checked *out);

#endif
