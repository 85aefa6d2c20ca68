/* TPM 2.0 attestation structures as a TPM gives them (TPM 2.0 Library part 2, sections 10.12
 * and 11.3), big-endian. For files of the evidence part only. */
#ifndef CELLA_EVIDENCE_TPM_ATTEST_H
#define CELLA_EVIDENCE_TPM_ATTEST_H

#include <cella/bytes.h>
#include <cella/result.h>

#include "crypto/key.h"

enum {
    CELLA_TPM_ATTEST_MAX = 1024, /* bytes */
    CELLA_TPM_SIGNATURE_MAX = 1088,
    CELLA_TPM_AK_MAX = 1088,
    CELLA_TPM_PCR_MAX = 24,
    CELLA_TPM_BANK_MAX = 8,

    CELLA_TPM_MAGIC = 0xff544347, /* TPM_GENERATED_VALUE: made inside a TPM */
    CELLA_TPM_ATTEST_QUOTE = 0x8018,
    CELLA_TPM_SHA1 = 0x0004,
    CELLA_TPM_SHA256 = 0x000b,
    CELLA_TPM_RSASSA = 0x0014,
    CELLA_TPM_RSAPSS = 0x0016,
    CELLA_TPM_ECDSA = 0x0018,
};

struct cella_tpm_attest {      /* TPMS_ATTEST of a quote; views into what was parsed */
    struct cella_bytes signer; /* qualified name */
    struct cella_bytes extra_data;
    uint64_t clock_ms;
    uint32_t reset_count, restart_count;
    bool safe;
    uint64_t firmware;
    uint32_t bank_count;
    struct {
        uint16_t hash;
        uint32_t pcrs; /* bit i: PCR i */
    } bank[CELLA_TPM_BANK_MAX];
    struct cella_bytes pcr_digest;
};

/* Parses a quote, all bytes of it. */
CELLA_RESULT cella_tpm_attest_parse(struct cella_bytes bytes, struct cella_tpm_attest *out);
/* Checks a TPMT_SIGNATURE (RSASSA, RSAPSS or ECDSA P-256, each with SHA-256) over message. */
CELLA_RESULT cella_tpm_signature_verify(const struct cella_key *ak, struct cella_bytes message,
                                        struct cella_bytes signature);

#endif
