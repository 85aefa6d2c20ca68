/* The signing keys of an instance and the tokens made with them (azure-attestation 2).
 *
 * Keys are made here, sealed at rest, rotated by age, and stay in /certs for as long as a token
 * made with them can live. Thread-safe. */
#ifndef CELLA_ATTEST_TOKENS_H
#define CELLA_ATTEST_TOKENS_H

#include "attest/instance.h"

CELLA_RESULT cella_tokens_new(const struct cella_attest_instance *instance, uint64_t now_unix,
                              struct cella_tokens **out);
void cella_tokens_free(struct cella_tokens **tokens);
/* A token of the claims, to which iss, iat, nbf and exp (now + lifetime_s) are added, and jti when
 * with_jti. Members come out in the order of their names. claims is changed. Appended. */
CELLA_RESULT cella_tokens_sign(struct cella_tokens *tokens, json_t *claims, uint64_t now_unix,
                               uint32_t lifetime_s, bool with_jti, struct cella_buffer *out);
/* With members added to the protected header (x5c or x5t of TPM reports, see x5t). */
CELLA_RESULT cella_tokens_sign_x5(struct cella_tokens *tokens, json_t *claims, uint64_t now_unix,
                                  uint32_t lifetime_s, bool x5t, struct cella_buffer *out);
/* The same claims as an unsecured token, for draft policies. */
CELLA_RESULT cella_tokens_unsecured(struct cella_tokens *tokens, json_t *claims, uint64_t now_unix,
                                    uint32_t lifetime_s, struct cella_buffer *out);
/* The body of /certs, appended. */
CELLA_RESULT cella_tokens_keyset(struct cella_tokens *tokens, struct cella_buffer *out);
/* Rotates and forgets. Now and then, from one thread. */
CELLA_RESULT cella_tokens_tend(struct cella_tokens *tokens, uint64_t now_unix);

#endif
