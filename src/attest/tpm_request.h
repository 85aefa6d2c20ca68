/* The request of the TPM protocol (azure-attestation 6.3; docs/formats/attestation-tpm.md): the
 * payload of the client's JWS, taken apart. Nothing of it is checked here but its form. */
#ifndef CELLA_ATTEST_TPM_REQUEST_H
#define CELLA_ATTEST_TPM_REQUEST_H

#include <jansson.h>

#include "crypto/jose.h"
#include "evidence/tpm_companion.h"

enum { CELLA_TPM_CUSTOM_MAX = 64, CELLA_TPM_LOGS = 4 };

enum cella_tpm_log { /* in the order of the members */
                     CELLA_TPM_SRTM_BOOT,
                     CELLA_TPM_SRTM_RESUME,
                     CELLA_TPM_DRTM_BOOT,
                     CELLA_TPM_DRTM_RESUME
};

/* A quote with its PCR values: a Windows platform claim (NCRYPT_TPM_PLATFORM_ATTESTATION_STATEMENT,
 * ncrypt.h) or our own tpm_quote. */
struct cella_tpm_statement {
    bool there;
    struct cella_bytes message, signature; /* views */
    struct cella_tpm_pcrs pcrs[CELLA_TPM_HASH_COUNT];
};

struct cella_tpm_request {
    json_t *root;                           /* owned; the texts below are of it */
    const json_t *rp_data;                  /* a string as sent, or NULL */
    const json_t *attest_key_jwk;           /* as sent */
    struct cella_jose_key *attest_key;      /* owned */
    struct cella_buffer challenge, context; /* owned, as all buffers here */
    const json_t *custom[CELLA_TPM_CUSTOM_MAX];
    size_t custom_count;

    struct cella_spki ak;
    bool ak_described;
    uint32_t ak_attributes; /* of tpm_quote.aik_area */
    struct cella_buffer ak_certificate, log[CELLA_TPM_LOGS];
    struct cella_buffer current_bytes, boot_bytes, quote_message, quote_signature;
    struct cella_tpm_statement current, boot;
    bool own_form; /* current is of tpm_quote */
};
void cella_tpm_request_free(struct cella_tpm_request *request);
#define CELLA_TPM_REQUEST __attribute__((cleanup(cella_tpm_request_free))) struct cella_tpm_request

/* payload: of the JWS. CELLA_ERR_UNSUPPORTED says what of the protocol this service does not
 * speak. */
CELLA_RESULT cella_tpm_request_parse(struct cella_bytes payload, struct cella_tpm_request *out);
/* The Windows claim: views into bytes. */
CELLA_RESULT cella_tpm_statement_parse(struct cella_bytes bytes, struct cella_tpm_statement *out);

#endif
