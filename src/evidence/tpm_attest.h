/* TPM 2.0 attestation structures as a TPM gives them (TPM 2.0 Library part 2, sections 10.12
 * and 11.3), big-endian. For files of the evidence part only. */
#ifndef CELLA_EVIDENCE_TPM_ATTEST_H
#define CELLA_EVIDENCE_TPM_ATTEST_H

#include <cella/bytes.h>
#include <cella/result.h>

#include "base/reader.h"
#include "crypto/key.h"
#include "crypto/spki.h"
#include "crypto/verifykey.h"

enum {
    CELLA_TPM_ATTEST_MAX = 1024, /* bytes */
    CELLA_TPM_SIGNATURE_MAX = 1088,
    CELLA_TPM_AK_MAX = 1088,
    CELLA_TPM_PCR_MAX = 24,
    CELLA_TPM_BANK_MAX = 8,

    CELLA_TPM_MAGIC = 0xff544347, /* TPM_GENERATED_VALUE: made inside a TPM */
    CELLA_TPM_ATTEST_QUOTE = 0x8018,
    CELLA_TPM_ATTEST_CERTIFY = 0x8017,
    CELLA_TPM_SHA1 = 0x0004,
    CELLA_TPM_SHA256 = 0x000b,
    CELLA_TPM_SHA384 = 0x000c,
    CELLA_TPM_SHA512 = 0x000d,
    CELLA_TPM_RSASSA = 0x0014,
    CELLA_TPM_RSAES = 0x0015,
    CELLA_TPM_RSAPSS = 0x0016,
    CELLA_TPM_ECDSA = 0x0018,
    CELLA_TPM_NULL = 0x0010,
    CELLA_TPM_RSA = 0x0001,
    CELLA_TPM_ECC = 0x0023,

    /* TPMA_OBJECT */
    CELLA_TPM_FIXED_TPM = 0x00000002,             /* never leaves its TPM */
    CELLA_TPM_SENSITIVE_DATA_ORIGIN = 0x00000020, /* the TPM made it */
    CELLA_TPM_RESTRICTED =
        0x00010000, /* signs nothing that only looks like the TPM's own statement */
    CELLA_TPM_DECRYPT = 0x00020000,
    CELLA_TPM_SIGN = 0x00040000,
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

/* Parses a quote, all bytes of it; _read takes it from a reader and leaves what follows. */
CELLA_RESULT cella_tpm_attest_parse(struct cella_bytes bytes, struct cella_tpm_attest *out);
CELLA_RESULT cella_tpm_attest_read(struct cella_reader *r, struct cella_tpm_attest *out);

struct cella_tpm_certify { /* TPMS_ATTEST of a key (TPM2_Certify); views into what was parsed */
    struct cella_bytes signer, extra_data;
    struct cella_bytes name; /* of the key: its name's hash algorithm, then the hash */
};
/* All bytes of it. */
CELLA_RESULT cella_tpm_certify_parse(struct cella_bytes bytes, struct cella_tpm_certify *out);

/* TPMT_SIGNATURE, or what tools strip from it: the RSA integer alone, or an ECDSA-Sig-Value in DER.
 */
struct cella_tpm_signature {
    uint16_t scheme, hash;    /* 0: a bare signature, which names neither */
    struct cella_bytes value; /* RSA integer, or the DER; empty when r and s are given */
    struct cella_bytes r, s;  /* big-endian, leading zeros may lack */
};
CELLA_RESULT cella_tpm_signature_read(struct cella_reader *reader, struct cella_tpm_signature *out);
/* A whole signature in any of the three forms. */
CELLA_RESULT cella_tpm_signature_parse(struct cella_bytes bytes, struct cella_tpm_signature *out);
/* Checks it over message. hash is that of the quote's digest, for the forms that do not name it,
 * and must be the one that is named otherwise. SHA-1 is refused (A28). The scheme must fit the key
 * (A24). */
CELLA_RESULT cella_tpm_signature_check(const struct cella_verifykey *key,
                                       const struct cella_tpm_signature *signature, uint16_t hash,
                                       struct cella_bytes message);

/* TPMT_PUBLIC of an attestation key, alone or as TPM2B_PUBLIC. */
struct cella_tpm_public {
    uint16_t type, name_hash;
    uint32_t attributes;
    uint16_t scheme, scheme_hash; /* scheme CELLA_TPM_NULL: any */
    struct cella_spki spki;
    struct cella_bytes area; /* TPMT_PUBLIC itself: what the key's name is made of */
};
CELLA_RESULT cella_tpm_public_parse(struct cella_bytes bytes, struct cella_tpm_public *out);
/* Checks a TPMT_SIGNATURE (RSASSA, RSAPSS or ECDSA P-256, each with SHA-256) over message. */
CELLA_RESULT cella_tpm_signature_verify(const struct cella_key *ak, struct cella_bytes message,
                                        struct cella_bytes signature);

#endif
