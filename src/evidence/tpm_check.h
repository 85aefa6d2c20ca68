/* The checks of one TPM quote, whoever vouches for its key: form, selection, signature, PCR values,
 * event log (A22, A21); and of the certificates of an attestation key. For files of the evidence
 * part only. */
#ifndef CELLA_EVIDENCE_TPM_CHECK_H
#define CELLA_EVIDENCE_TPM_CHECK_H

#include "evidence/family.h"
#include "evidence/tpm_companion.h"

enum { CELLA_TPM_ANCHOR_MAX = 16, CELLA_TPM_TRUSTED_MAX = 256 };

struct cella_tpm_anchor {
    char name[80];
    struct cella_spki spki;
};

struct cella_tpm_state { /* the family's collateral */
    uint32_t root_count, trusted_count;
    struct cella_tpm_anchor root[CELLA_TPM_ANCHOR_MAX];
    struct cella_bytes
        trusted[CELLA_TPM_TRUSTED_MAX]; /* SubjectPublicKeyInfo of attestation keys */
    struct cella_tpm_companions companions;
};
extern const struct cella_family cella_family_tpm;

struct cella_tpm_check {
    struct cella_verification *out;
    const struct cella_evidence_options *options;
    const struct cella_tpm_state *state;
    struct cella_tpm_companions own; /* of the evidence's envelope */
    struct cella_bytes message;      /* TPMS_ATTEST */
    struct cella_tpm_attest attest;
    struct cella_bytes signature; /* that came with the message, or empty: then a companion's */
    uint16_t hash;                /* TPM_ALG_ID of the quote's digest */
    bool has_values;              /* the digest was found to be that of value[] */
    uint32_t explained;           /* PCRs that the event log explains */
    const struct cella_tpm_pcrs *values[CELLA_TPM_BANK_MAX];
    struct cella_tpm_pcrs from_log;
};

/* Prepares, and reads what the envelope holds. _free in any case. */
CELLA_RESULT cella_tpm_check_begin(struct cella_tpm_check *check,
                                   const struct cella_tpm_state *state,
                                   const struct cella_evidence_options *options,
                                   struct cella_verification *out);
void cella_tpm_check_free(struct cella_tpm_check *check);
/* TPMS_ATTEST, alone or as TPM2B_ATTEST, perhaps with its TPMT_SIGNATURE behind it. Magic, type,
 * selection. */
struct cella_result cella_tpm_check_message(struct cella_tpm_check *check,
                                            struct cella_bytes bytes);
/* Plain failure, no reason recorded, since other keys may be tried; success when a signature holds
 * under the key. */
CELLA_RESULT cella_tpm_check_signature(const struct cella_tpm_check *check,
                                       struct cella_bytes spki);
/* The PCR values that are given are those quoted, and the event log explains them. */
struct cella_result cella_tpm_check_pcrs(struct cella_tpm_check *check);
/* What a TPM said of the key, where that is known: it signs, and nothing but the TPM's own
 * statements. */
struct cella_result cella_tpm_check_attributes(const struct cella_tpm_check *check,
                                               struct cella_bytes spki);
/* Those who hold certificates of the key, or NULL; and whether these lead, leaf first, to a pinned
 * root, none revoked. link: where the leaf stands in the chain of trust. */
const struct cella_tpm_companions *cella_tpm_certificates(const struct cella_tpm_check *check);
struct cella_result cella_tpm_check_certificates(const struct cella_tpm_check *check,
                                                 const struct cella_tpm_companions *from,
                                                 int32_t *link);
/* Everything under tpm. */
void cella_tpm_check_claims(const struct cella_tpm_check *check);

#endif
