/* Answers in Azure Attestation's shapes (azure-attestation 1, 10). */
#ifndef CELLA_ATTEST_ANSWER_H
#define CELLA_ATTEST_ANSWER_H

#include <jansson.h>

#include "http/server.h"

/* {"error":{"code","message"}}; the message says which check, what was expected, what was found. */
void cella_answer_error(struct cella_http_response *response, int status, const char *code,
                        const char *format, ...) __attribute__((format(printf, 4, 5)));
/* Of a failed result, with its hint: 400 code for what the caller sent, 503 for a full disk or a
 * busy store, 500 for what is our fault (then without details). The result is dropped. */
void cella_answer_failure(struct cella_http_response *response, const char *code,
                          struct cella_result result);
void cella_answer_json(struct cella_http_response *response, int status, const json_t *body);
/* {"token":"..."}: no re-encoding of the token. */
void cella_answer_token(struct cella_http_response *response, struct cella_bytes token);

#endif
