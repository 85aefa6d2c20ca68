/* From what a client sent to a token: evidence, claims, policy, audit, signature
 * (azure-attestation 3 to 6, 9.5). */
#ifndef CELLA_ATTEST_DECIDE_H
#define CELLA_ATTEST_DECIDE_H

#include <cella/policy.h>

#include "attest/instance.h"
#include "http/server.h"

/* What one attestation is about, once its body was read and its evidence verified; filled by the
 * types' own files, used by the common end. Zeroed first. */
struct cella_decision {
    struct cella_attest_instance *instance;
    enum cella_attest_type type;
    const struct cella_http_request *request;
    struct cella_policy_claims *claims; /* owned: of the language, issuer AttestationService and
                                           CustomClaim */
    json_t *service; /* owned: claims of the token that the service adds itself besides those:
                        x-ms-runtime, nonce ...; may be NULL */
    struct cella_bytes draft;    /* draftPolicyForAttestation; empty: the stored policy */
    uint8_t evidence_digest[32]; /* SHA-256 of the evidence as sent */
    uint64_t now_unix;
    bool stale; /* collateral was past its time, within grace */
    bool issued_only; /* of the claims only those that the policy issues come into the token (Tpm:
                         its incoming ones are whole logs) */
};
void cella_decision_free(struct cella_decision *decision);
#define CELLA_DECISION __attribute__((cleanup(cella_decision_free))) struct cella_decision

/* The common end: policy, audit record, explanation kept under the request's id, token. On a denial
 * fills the error answer and leaves *token empty; success with a token otherwise. lifetime_s 0: the
 * instance's. header: 0 plain, 1 x5c, 2 x5t (TPM). Of type Tpm the policy's own properties go before
 * both: report_validity_in_minutes (1 to a year) and omit_x5c. A member of service goes before the
 * claim of the same name, which the policy saw as text. */
CELLA_RESULT cella_decide(struct cella_decision *decision, uint32_t lifetime_s, int header,
                          struct cella_http_response *response, struct cella_buffer *token);
/* A refusal before the policy: of evidence that does not hold or does not bind. Audited, kept for
 * explanation, answered with 400 and the code. */
void cella_decide_refuse(struct cella_decision *decision, struct cella_http_response *response,
                         const char *code, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* The types' own ways in; body is the whole request's body. (enclave.c, guest.c, tpm.c) */
void cella_attest_enclave(struct cella_decision *decision, struct cella_http_response *response);
void cella_attest_guest(struct cella_decision *decision, struct cella_http_response *response);
void cella_attest_tpm(struct cella_decision *decision, struct cella_http_response *response);

/* Explanations of recent decisions, by request id; bounded, in memory. */
struct cella_explanations;

#endif
