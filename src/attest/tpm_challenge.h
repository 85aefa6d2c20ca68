/* Challenges of the TPM protocol (azure-attestation 6.3): random, single-use, five minutes long,
 * for the caller that asked for them (A14).
 *
 * The service remembers none that it gave out: what it must know of one is sealed in the context
 * that the client brings back. It remembers those that were used, until they would have ended,
 * in the store: by any process on it, each is used once. */
#ifndef CELLA_ATTEST_TPM_CHALLENGE_H
#define CELLA_ATTEST_TPM_CHALLENGE_H

#include "attest/instance.h"

enum { CELLA_TPM_CHALLENGE_SIZE = 32, CELLA_TPM_CHALLENGE_LIFE_S = 300 };

/* The table of used challenges. */
CELLA_RESULT cella_tpm_challenges_migrate(struct cella_database *database);
/* caller NULL: anonymous. context: sealed, appended. */
CELLA_RESULT cella_tpm_challenge_new(const struct cella_attest_instance *instance,
                                     const struct cella_caller *caller, uint64_t now_unix,
                                     uint8_t challenge[CELLA_TPM_CHALLENGE_SIZE],
                                     struct cella_buffer *context);
/* That the context is this service's, the challenge in it the one given, in time, this caller's,
 * and not used before; then it is used. CELLA_ERR_INTEGRITY, CELLA_ERR_EXPIRED,
 * CELLA_ERR_PERMISSION, CELLA_ERR_EXISTS. */
CELLA_RESULT cella_tpm_challenge_use(const struct cella_attest_instance *instance,
                                     const struct cella_caller *caller, uint64_t now_unix,
                                     struct cella_bytes challenge, struct cella_bytes context);

#endif
