/* The public keys of AMD's certificate authorities that are built in. For files of the evidence
 * part. */
#ifndef CELLA_EVIDENCE_AMD_KEYS_H
#define CELLA_EVIDENCE_AMD_KEYS_H

#include "evidence/snp_report.h"

enum cella_snp_role {
    CELLA_SNP_ARK,  /* AMD's root key of a product line */
    CELLA_SNP_ASK,  /* signs the chips' own keys */
    CELLA_SNP_ASVK, /* signs the keys that are loaded for a cloud provider */
    CELLA_SNP_VCEK, /* key of one chip at one TCB */
    CELLA_SNP_VLEK, /* key of a provider at one TCB */
};

enum { CELLA_AMD_KEY_COUNT = 9, CELLA_AMD_MODULUS_SIZE = 512 /* bytes */ };

struct cella_amd_key {
    enum cella_snp_line line;
    enum cella_snp_role role;
    const char *name; /* common name of the certificate */
    uint8_t serial[3];
    uint64_t not_before_unix, not_after_unix;
    char sha256[65]; /* of the certificate, hexadecimal: these very bytes are known to be good */
    char modulus[2 * CELLA_AMD_MODULUS_SIZE + 1]; /* hexadecimal, big-endian */
};
extern const struct cella_amd_key cella_amd_keys[CELLA_AMD_KEY_COUNT];

#endif
