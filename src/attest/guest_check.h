/* Whether what a guest sent holds: hardware report -> runtime data -> attestation key -> quote,
 * values, log -> encryption key (A22). Pure. */
#ifndef CELLA_ATTEST_GUEST_CHECK_H
#define CELLA_ATTEST_GUEST_CHECK_H

#include <cella/verify.h>

#include "attest/guest_info.h"
#include "evidence/hcl.h"
#include "evidence/tpm_proof.h"

struct cella_guest_checked {
    struct cella_verification hardware; /* owned; without claims of trusted launch */
    struct cella_hcl_runtime runtime;   /* views into the info; empty of trusted launch */
    struct cella_spki ak;
    struct cella_tpm_proof proof;
    struct cella_tpm_public key; /* to which the answer is encrypted */
    const char *vouched;         /* of the AK: "hardware", "trusted", "certificate" */
};
void cella_guest_checked_free(struct cella_guest_checked *checked);
#define CELLA_GUEST_CHECKED                                                                        \
    __attribute__((cleanup(cella_guest_checked_free))) struct cella_guest_checked

/* The error names the link that does not hold. info must stay while out is used. */
CELLA_RESULT cella_guest_check(const struct cella_guest_info *info,
                               const struct cella_collateral *collateral,
                               const struct cella_evidence_options *options,
                               struct cella_guest_checked *out);
/* The evidence of the hardware alone, as cella_verify takes it: report and certificates, or quote.
 * Appended. */
CELLA_RESULT cella_guest_hardware(const struct cella_guest_info *info, struct cella_buffer *out);

#endif
