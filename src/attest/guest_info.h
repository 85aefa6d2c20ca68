/* What a guest of a cloud sends about itself: AttestationInfo, version 2.0
 * (docs/formats/attestation-guest.md). Parsed, nothing of it checked yet. */
#ifndef CELLA_ATTEST_GUEST_INFO_H
#define CELLA_ATTEST_GUEST_INFO_H

#include <jansson.h>

#include "evidence/tpm_companion.h"

enum cella_guest_isolation {
    CELLA_GUEST_TRUSTED_LAUNCH,
    CELLA_GUEST_SNP,
    CELLA_GUEST_TDX,
};

enum { CELLA_GUEST_INFO_MAX = 3 << 20 /* bytes of the JSON */ };

struct cella_guest_info {
    /* The guest's own word, proven by nothing: */
    struct cella_buffer os_type, os_distro, os_build; /* owned, as all buffers here; UTF-8 */
    int64_t os_major, os_minor;                       /* -1: not said */
    json_t *client_payload; /* owned: an object of strings as they were sent, or NULL */
    struct cella_buffer protocol;

    struct cella_buffer log, ak_certificate, ak_public, quote, quote_signature;
    struct cella_buffer key_public, key_certify, key_certify_signature;
    struct cella_tpm_pcrs pcrs[CELLA_TPM_HASH_COUNT]; /* SHA-256 alone */
    uint32_t pcr_set;

    enum cella_guest_isolation isolation;
    struct cella_buffer hardware; /* SNP report or TDX quote */
    struct cella_buffer chain;    /* PEM: VCEK, ASK, ARK */
    struct cella_buffer runtime;
};
void cella_guest_info_free(struct cella_guest_info *info);
#define CELLA_GUEST_INFO __attribute__((cleanup(cella_guest_info_free))) struct cella_guest_info

/* json: decoded AttestationInfo. The error names the member. */
CELLA_RESULT cella_guest_info_parse(struct cella_bytes json, struct cella_guest_info *out);

#endif
