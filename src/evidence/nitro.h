/* AWS Nitro attestation documents (evidence-formats 14): what is in one, read without any trust in
 * it. Source: AWS "Nitro Enclaves attestation process" (COSE_Sign1, RFC 9052; payload map;
 * certificate chain). */
#ifndef CELLA_EVIDENCE_NITRO_H
#define CELLA_EVIDENCE_NITRO_H

#include <cella/bytes.h>
#include <cella/result.h>
#include <stdint.h>

enum {
    CELLA_NITRO_DOCUMENT_MAX = 32 * 1024, /* bytes; the device answers with at most 12 KiB */
    CELLA_NITRO_PCR_MAX = 32,
    CELLA_NITRO_BUNDLE_MAX = 8, /* certificates; AWS uses 4 */
    CELLA_NITRO_SIGNATURE_SIZE = 96,
};

struct cella_nitro_document {
    struct cella_bytes protected_header, payload, signature;
    struct cella_bytes module_id, digest; /* text */
    uint64_t timestamp_ms;
    bool tpm;             /* of EC2 NitroTPM: nitrotpm_pcrs */
    uint32_t pcr_present; /* bit per index */
    struct cella_bytes pcr[CELLA_NITRO_PCR_MAX];
    struct cella_bytes certificate;                    /* DER, of the key that signed */
    struct cella_bytes bundle[CELLA_NITRO_BUNDLE_MAX]; /* DER, root first */
    size_t bundle_count;
    bool has_public_key, has_user_data, has_nonce;
    struct cella_bytes public_key, user_data, nonce;
};

/* Views into bytes. CELLA_ERR_FORMAT names the field; no signature is checked. */
CELLA_RESULT cella_nitro_parse(struct cella_bytes bytes, struct cella_nitro_document *out);

#endif
