/* What goes with a TPM quote and is not in it: signature, attestation key and its certificates, PCR
 * values, event log, and for Azure the TD quote. From files beside the evidence, or from the JSON
 * envelope that the evidence came in; read once, views into the bytes that were given, untrusted
 * until the quote's own checks have used them. For files of the evidence part only. */
#ifndef CELLA_EVIDENCE_TPM_COMPANION_H
#define CELLA_EVIDENCE_TPM_COMPANION_H

#include "base/buffer.h"
#include "crypto/chain.h"
#include "evidence/eventlog.h"
#include "evidence/tpm_attest.h"

enum {
    CELLA_TPM_MESSAGE_MAX = 8,
    CELLA_TPM_SIGNATURE_COUNT = 16,
    CELLA_TPM_KEY_MAX = 8,
    CELLA_TPM_LOG_MAX = 4,
    CELLA_TPM_TD_QUOTE_MAX = 4,
    CELLA_TPM_CRL_MAX = 8,
    CELLA_TPM_HASH_COUNT = 4,
};

struct cella_tpm_pcrs { /* of one bank */
    uint32_t given;     /* bit i: PCR i */
    uint8_t value[CELLA_TPM_PCR_MAX][CELLA_HASH_SIZE_MAX];
};

struct cella_tpm_ak {
    struct cella_spki spki;
    bool embedded; /* in the evidence's own JSON, also where that lies among the collateral: vouches
                      for nothing */
    bool described; /* as TPMT_PUBLIC: attributes and scheme are known */
    uint32_t attributes;
    uint16_t scheme, scheme_hash;
};

struct cella_tpm_file {
    char name[48];
    struct cella_bytes content;
};

struct cella_tpm_companions {
    uint32_t message_count, signature_count, key_count, log_count, td_quote_count, crl_count,
        certificate_count;
    struct cella_tpm_file message[CELLA_TPM_MESSAGE_MAX]; /* TPMS_ATTEST */
    struct cella_tpm_file signature[CELLA_TPM_SIGNATURE_COUNT];
    struct cella_tpm_ak key[CELLA_TPM_KEY_MAX];
    struct cella_tpm_pcrs pcrs[CELLA_TPM_HASH_COUNT]; /* by enum cella_hash */
    struct cella_tpm_file log[CELLA_TPM_LOG_MAX];
    struct cella_tpm_file td_quote[CELLA_TPM_TD_QUOTE_MAX];
    struct cella_crl crl[CELLA_TPM_CRL_MAX];
    struct cella_certificate
        certificate[CELLA_CHAIN_CERTIFICATES]; /* of the attestation key, leaf first */
    char certificate_file[48];
    struct cella_buffer
        decoded[CELLA_CHAIN_CERTIFICATES + CELLA_TPM_CRL_MAX]; /* owned: what PEM held */
    uint32_t decoded_count;
    struct cella_bytes nonce, nitro_document, key_x, key_y;
    char broken[192]; /* the first companion that could not be read, and why; "" for none */
};

void cella_tpm_companions_free(struct cella_tpm_companions *companions);
/* Takes what it recognises by name and content. A file takes the place of one before it of the same
 * name up to the first dot, for those of which one is enough, and of the same whole name for the
 * others: evidence in JSON that lies beside the files it was taken apart into is not heard twice.
 * What is malformed is noted in broken, not an error; errors are for memory. */
CELLA_RESULT cella_tpm_companions_add(struct cella_tpm_companions *companions, const char *name,
                                      struct cella_bytes content, bool *taken);
/* PCR values as text, one "INDEX HEX" a line, or as JSON {"INDEX": "HEX"} or a list; the bank is
 * told by the size. */
CELLA_RESULT cella_tpm_pcrs_parse(struct cella_bytes content,
                                  struct cella_tpm_pcrs pcrs[CELLA_TPM_HASH_COUNT]);
/* The same out of a whole attestation message of go-tpm-tools (a .pb file). */
CELLA_RESULT cella_tpm_proto_pcrs(struct cella_bytes message,
                                  struct cella_tpm_pcrs pcrs[CELLA_TPM_HASH_COUNT]);

#endif
