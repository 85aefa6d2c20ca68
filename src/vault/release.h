/* Secure key release: from a token to a key wrapped to the key that the token proves
 * (azure-keyvault 8.4 to 8.7). No store and no HTTP here. */
#ifndef CELLA_VAULT_RELEASE_H
#define CELLA_VAULT_RELEASE_H

#include "crypto/jose.h"
#include "vault/material.h"
#include "vault/release_policy.h"

/* Authorities: issuers of attestation tokens whose keys are known, by exact URL. Key sets are given
 * by the operator or by the attestation service of the same server; nothing is fetched on a request
 * (K20). Thread-safe; sets are replaced whole. */
struct cella_authorities;
CELLA_RESULT cella_authorities_new(struct cella_authorities **out);
void cella_authorities_free(struct cella_authorities **authorities);
CELLA_RESULT cella_authorities_set(struct cella_authorities *authorities, const char *url,
                                   struct cella_bytes jwks);

enum cella_release_wrap {
    CELLA_WRAP_SHA1, /* CKM_RSA_AES_KEY_WRAP, the default */
    CELLA_WRAP_SHA256,
    CELLA_WRAP_SHA384
};
bool cella_release_wrap_find(const char *name, enum cella_release_wrap *wrap);
const char *cella_release_wrap_name(enum cella_release_wrap wrap);

enum cella_release_verdict {
    CELLA_RELEASE_REFUSED = 0,       /* A35 */
    CELLA_RELEASE_UNKNOWN_AUTHORITY, /* AKV.SKR.1012 */
    CELLA_RELEASE_UNVERIFIED,        /* signature, time, issuer */
    CELLA_RELEASE_UNMET,             /* the policy */
    CELLA_RELEASE_NO_KEY,            /* no key to wrap to (K05) */
    CELLA_RELEASE_GRANTED
};
struct cella_release {
    enum cella_release_verdict verdict;
    char why[256]; /* for the audit log */
    char issuer[256], token_id[128];
    json_t *wrap_key; /* owned: the JWK of the token */
};
void cella_release_free(struct cella_release *release);
#define CELLA_RELEASE __attribute__((cleanup(cella_release_free))) struct cella_release
/* Judges a token; success whatever the verdict. */
CELLA_RESULT cella_release_judge(struct cella_authorities *authorities,
                                 const struct cella_release_policy *policy,
                                 struct cella_bytes token, uint64_t now_unix,
                                 struct cella_release *out);
/* key_hsm (8.6): the material wrapped to the release's key. */
CELLA_RESULT cella_release_wrap(const struct cella_release *release, enum cella_release_wrap wrap,
                                const struct cella_material *material,
                                struct cella_buffer *key_hsm);

#endif
