/* From what a client sent to a token: evidence, claims, policy, audit, signature
 * (azure-attestation 3 to 6, 9.5). */
#ifndef CELLA_ATTEST_DECIDE_H
#define CELLA_ATTEST_DECIDE_H

#include <cella/policy.h>
#include <cella/verify.h>

#include "attest/instance.h"
#include "attest/policies.h"
#include "http/server.h"

/* What one attestation is about, once its body was read and its evidence verified; filled by the
 * types' own files, used by the common end. Zeroed first. */
struct cella_decision {
    struct cella_attest_instance *instance;
    enum cella_attest_type type;
    const struct cella_http_request *request;
    struct cella_policy_claims *claims; /* owned: of the language, issuer AttestationService and
                                           CustomClaim */
    json_t
        *service; /* owned: claims of the token that the service adds itself besides those:
                     x-ms-runtime, nonce ...; may be NULL. They go before claims of those names */
    struct cella_bytes draft;    /* draftPolicyForAttestation; empty: the stored policy */
    uint8_t evidence_digest[32]; /* SHA-256 of the evidence as sent */
    uint64_t now_unix;
    bool stale; /* collateral was past its time, within grace */

    const struct cella_caller *caller; /* or NULL: anonymous */
    bool issued_only; /* claims are for the policy alone: the token has what it issues, and
                         service (Tpm) */
    struct cella_reason reason; /* of a refusal by the verifier, for the explanation */

    /* of cella_decide_open */
    const struct cella_policy_entry *entry; /* lent; NULL with a draft */
    struct cella_policy *draft_policy;      /* owned */
    char policy_hash[44];
    struct cella_policy_outcome settings; /* owned: properties of the configuration rules */
};
void cella_decision_free(struct cella_decision *decision);
#define CELLA_DECISION __attribute__((cleanup(cella_decision_free))) struct cella_decision

/* Before the evidence is judged: takes the policy, or compiles the draft, and runs its
 * configuration rules. false: there is no policy, or it cannot be used; answered then. */
bool cella_decide_open(struct cella_decision *decision, struct cella_http_response *response);
/* A property that the configuration rules issued, the last of that name; NULL: none. */
const struct cella_policy_value *cella_decision_setting(const struct cella_decision *decision,
                                                        const char *name);

/* The common end: policy, audit record, explanation kept under the request's id, token. On a denial
 * fills the error answer and leaves *token empty; success with a token otherwise. Opens the
 * decision when that was not done. lifetime_s 0: the instance's. header: 0 plain, 1 x5c, 2 x5t
 * (TPM). Of Tpm the policy's report_validity_in_minutes and omit_x5c go before both. */
CELLA_RESULT cella_decide(struct cella_decision *decision, uint32_t lifetime_s, int header,
                          struct cella_http_response *response, struct cella_buffer *token);
/* A refusal before the policy: of evidence that does not hold or does not bind. Audited, kept for
 * explanation, answered with 400 and the code. */
void cella_decide_refuse(struct cella_decision *decision, struct cella_http_response *response,
                         const char *code, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* Of a failed result: cella_decide_refuse with what it says; what is our own fault is no decision
 * and answered as such. The result is dropped. */
void cella_decide_fail(struct cella_decision *decision, struct cella_http_response *response,
                       const char *code, struct cella_result result);

/* The types' own ways in; body is the whole request's body. (enclave.c, guest.c, tpm.c) */
void cella_attest_enclave(struct cella_decision *decision, struct cella_http_response *response);
void cella_attest_guest(struct cella_decision *decision, struct cella_http_response *response);
void cella_attest_tpm(struct cella_decision *decision, struct cella_http_response *response);

#endif
