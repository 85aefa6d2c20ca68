/* The authorities of attestation keys that are built in. For files of the evidence part only. */
#ifndef CELLA_EVIDENCE_TPM_ROOTS_H
#define CELLA_EVIDENCE_TPM_ROOTS_H

enum {
    CELLA_TPM_ROOT_GOOGLE = 0,
    CELLA_TPM_ROOT_COUNT = 3,
    CELLA_TPM_ROOT_MODULUS = 512 /* bytes */
};

struct cella_tpm_root {
    const char *name;                             /* common name of its certificate */
    char modulus[2 * CELLA_TPM_ROOT_MODULUS + 1]; /* hexadecimal, big-endian */
};
extern const struct cella_tpm_root cella_tpm_roots[CELLA_TPM_ROOT_COUNT];

#endif
