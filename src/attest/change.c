#include "attest/change.h"

#include <string.h>
#include <time.h>

#include "attest/answer.h"
#include "attest/tokens.h"
#include "base/log.h"
#include "base/text.h"
#include "crypto/digest.h"

enum { RESULT_S = 3600 /* azure-attestation 2.5 */ };

static struct cella_result digest_of(struct cella_bytes jws, char out[44]) {
    CELLA_BUFFER text = {0};
    uint8_t digest[CELLA_SHA256_SIZE];
    TRY(cella_sha256(jws, digest));
    TRY(cella_base64_encode(CELLA_BYTES_OF(digest), true, &text));
    ENSURE(text.size == 43, CELLA_ERR_INTERNAL, NULL, "a hash of %zu characters", text.size);
    memcpy(out, text.data, text.size);
    out[43] = 0;
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_change_read(struct cella_change *change, const char *member,
                               struct cella_buffer *jws, struct cella_statement *out) {
    TRY(cella_statement_body(change->request->body, member, jws));
    TRY(digest_of(cella_buffer_bytes(jws), change->digest));
    TRY(cella_statement_read(cella_buffer_bytes(jws), out));
    if (out->signer) TRY(cella_thumbprint(out->jws.x5c[0], change->signer));
    return CELLA_SUCCESS;
}

static json_t *text_or_null(const char *text) {
    return text && text[0] ? json_string(text) : json_null();
}

CELLA_RESULT cella_change_audit(const struct cella_change *change, const char *verdict,
                                const char *reason) {
    const struct cella_caller *caller = change->caller;
    CELLA_JSON record =
        json_pack("{s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:s, s:o, s:o}", "action",
                  change->action, "object", change->object, "who",
                  text_or_null(caller && caller->known ? caller->object : NULL), "tenant",
                  text_or_null(caller && caller->known ? caller->tenant : NULL), "app",
                  text_or_null(caller && caller->known ? caller->app : NULL), "digest",
                  text_or_null(change->digest), "signer", text_or_null(change->signer), "detail",
                  text_or_null(change->detail), "verdict", verdict, "reason", text_or_null(reason),
                  "request", text_or_null(change->request->id));
    ENSURE(record, CELLA_ERR_MEMORY, NULL, "no memory for an audit record");
    return cella_audit_append(change->instance->audit, record);
}

static bool is_callers_fault(enum cella_code code) {
    switch (code) {
    case CELLA_ERR_IO:
    case CELLA_ERR_UNAVAILABLE:
    case CELLA_ERR_MEMORY:
    case CELLA_ERR_INTERNAL: return false;
    default: return true;
    }
}

CELLA_RESULT cella_own_fault(struct cella_result result) {
    if (!cella_failed(result) || !is_callers_fault(cella_code_of(result))) return result;
    struct cella_result own =
        CELLA_FAILURE(CELLA_ERR_INTERNAL, result.error->hint, "%s", result.error->what);
    cella_result_drop(result);
    return own;
}

void cella_change_refuse(const struct cella_change *change, const char *code,
                         struct cella_result result) {
    const char *verdict = is_callers_fault(cella_code_of(result)) ? "refused" : "failed";
    struct cella_result audit = cella_change_audit(change, verdict, result.error->what);
    change->response->note = "change refused";
    if (cella_failed(audit)) {
        cella_result_drop(result);
        result = audit;
    }
    cella_answer_failure(change->response, code, result);
}

/* The line comes first: there is no change that the log does not have (K22). */
CELLA_RESULT cella_change_commit(const struct cella_change *change,
                                 struct cella_session **session) {
    TRY(cella_change_audit(change, "done", NULL));
    return cella_session_commit(session);
}

static struct cella_result token_of(struct cella_attest_instance *instance, json_t *claims,
                                    struct cella_buffer *token) {
    ENSURE(claims, CELLA_ERR_MEMORY, NULL, "no memory for an answer");
    return cella_tokens_sign(instance->tokens, claims, (uint64_t)time(NULL), RESULT_S, false,
                             token);
}

void cella_change_answer(struct cella_attest_instance *instance, json_t *claims,
                         struct cella_http_response *response) {
    CELLA_BUFFER token = {0};
    struct cella_result r = token_of(instance, claims, &token);
    json_decref(claims);
    if (cella_failed(r))
        cella_answer_failure(response, "InternalError", r);
    else
        cella_answer_token(response, cella_buffer_bytes(&token));
}
