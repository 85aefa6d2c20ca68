/* A change that a caller asks for, of a policy or of a policy management certificate: what is
 * common to them, audit and refusal (K22). */
#ifndef CELLA_ATTEST_CHANGE_H
#define CELLA_ATTEST_CHANGE_H

#include "attest/instance.h"
#include "attest/statement.h"
#include "http/server.h"

struct cella_change {
    struct cella_attest_instance *instance;
    const struct cella_caller *caller;
    const struct cella_http_request *request;
    struct cella_http_response *response;
    const char *action;                 /* "policy set" ... */
    char object[160];                   /* "/attest/NAME/policies/TYPE" */
    char digest[44];                    /* b64u(SHA-256(JWS)); "" before it was read */
    char signer[CELLA_THUMBPRINT_TEXT]; /* thumbprint of the signer's certificate, or "" */
    char detail[80];                    /* or "" */
};

/* The JWS of the request's body, in jws; digest and signer of the change are filled in. */
CELLA_RESULT cella_change_read(struct cella_change *change, const char *member,
                               struct cella_buffer *jws, struct cella_statement *out);
/* A line of the audit log: "done" before the transaction is committed, "failed" when it could not
 * be. reason may be NULL. */
CELLA_RESULT cella_change_audit(const struct cella_change *change, const char *verdict,
                                const char *reason);
/* Audits the refusal and answers it; the result is dropped. What is not the caller's fault (a store
 * that is busy, a disk that is full) is audited as "failed". */
void cella_change_refuse(const struct cella_change *change, const char *code,
                         struct cella_result result);
/* Audits "done" and commits; "failed" is audited when that fails. */
CELLA_RESULT cella_change_commit(const struct cella_change *change, struct cella_session **session);
/* Of what this service has stored: no fault of the caller's, whatever the code. */
CELLA_RESULT cella_own_fault(struct cella_result result);
/* Answers with a token of the claims, which it takes over. */
void cella_change_answer(struct cella_attest_instance *instance, json_t *claims,
                         struct cella_http_response *response);

#endif
