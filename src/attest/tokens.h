/* The signing keys of an instance and the tokens made with them (azure-attestation 2).
 *
 * Keys are made here, sealed at rest, rotated by age, and stay in /certs for as long as a token
 * made with them can live. A key is published a while before it signs, since clients read /certs
 * once and keep it; what the clock does meanwhile drops no key that is needed (tokens_plan.h).
 * Several processes on one database have the same keys. Thread-safe. */
#ifndef CELLA_ATTEST_TOKENS_H
#define CELLA_ATTEST_TOKENS_H

#include "attest/instance.h"

/* iat and nbf lie this far back, and exp with them: clients check nbf without slack, and their
 * clock may be a little behind (azure-attestation 2.4). */
enum { CELLA_TOKENS_BACKDATE_S = 3 };

/* Reads the keys, and makes the first one. */
CELLA_RESULT cella_tokens_new(const struct cella_attest_instance *instance, uint64_t now_unix,
                              struct cella_tokens **out);
void cella_tokens_free(struct cella_tokens **tokens);
/* A token of the claims, to which iss, iat, nbf and exp (iat + lifetime_s; 0: the instance's) are
 * added, and jti when with_jti. Members come out in the order of their names. claims is changed.
 * Appended. A lifetime longer than any before is stored first: keys stay for it. */
CELLA_RESULT cella_tokens_sign(struct cella_tokens *tokens, json_t *claims, uint64_t now_unix,
                               uint32_t lifetime_s, bool with_jti, struct cella_buffer *out);
/* With jti, and members added to the protected header (x5c or x5t of TPM reports, see x5t). */
CELLA_RESULT cella_tokens_sign_x5(struct cella_tokens *tokens, json_t *claims, uint64_t now_unix,
                                  uint32_t lifetime_s, bool x5t, struct cella_buffer *out);
/* The same claims as an unsecured token with jti, for draft policies. */
CELLA_RESULT cella_tokens_unsecured(struct cella_tokens *tokens, json_t *claims, uint64_t now_unix,
                                    uint32_t lifetime_s, struct cella_buffer *out);
/* The body of /certs, appended. Its type must be sent as application/json: the JavaScript client
 * does not read it under any other. */
CELLA_RESULT cella_tokens_keyset(struct cella_tokens *tokens, struct cella_buffer *out);
/* Rotates and forgets, and takes over what another process did. Now and then (at most hours
 * apart), from one thread. */
CELLA_RESULT cella_tokens_tend(struct cella_tokens *tokens, uint64_t now_unix);

#endif
