/* Release policies: Key Vault's grammar over the claims of a token (azure-keyvault 8.2, 8.3).
 *
 * Whatever is unknown is refused when a policy is set, and again when it is used (K03). Compiled
 * once, immutable, shared by threads. */
#ifndef CELLA_VAULT_RELEASE_POLICY_H
#define CELLA_VAULT_RELEASE_POLICY_H

#include <jansson.h>

#include "base/buffer.h"

enum {
    CELLA_RELEASE_POLICY_MAX = 16384 /* bytes of text */,
    CELLA_RELEASE_POLICY_DEPTH_MAX = 16,
    CELLA_RELEASE_POLICY_CONDITIONS_MAX = 256
};

struct cella_release_policy;
/* CELLA_ERR_FORMAT says where (a JSON pointer), expected, found. */
CELLA_RESULT cella_release_policy_new(struct cella_bytes json, struct cella_release_policy **out);
void cella_release_policy_free(struct cella_release_policy **policy);
/* The text as Key Vault gives it back: no white space, legacy spelling rewritten, version expanded.
 */
CELLA_RESULT cella_release_policy_normal(const struct cella_release_policy *policy,
                                         struct cella_buffer *out);
/* Whether this issuer is one of its authorities (K01: exact but for one slash at the end and the
 * case of the host). */
bool cella_release_policy_names(const struct cella_release_policy *policy, const char *issuer);
/* Whether it holds. Evidence of software holds only what asks for it: x-ms-attestation-type equals
 * cella-software is among the conditions that hold (K03, A23). why: the first condition of the
 * entry that came nearest that failed, for the audit log ("x-ms-sevsnpvm-guestsvn greaterOrEquals
 * 2: found 1"); never for the caller. */
bool cella_release_policy_holds(const struct cella_release_policy *policy, const char *issuer,
                                const json_t *claims, char *why, size_t size);

#endif
