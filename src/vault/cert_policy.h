/* Certificate policies (azure-keyvault 6): checked, with what the client left out filled in. */
#ifndef CELLA_VAULT_CERT_POLICY_H
#define CELLA_VAULT_CERT_POLICY_H

#include <jansson.h>

#include "vault/material.h"

/* key_props, secret_props, x509_props, lifetime_actions, issuer, attributes: every member is there
 * in the result, which is new. CELLA_ERR_FORMAT names the member. base: the policy that this one
 * changes, or NULL for the defaults. */
CELLA_RESULT cella_cert_policy(const json_t *policy, const json_t *base, json_t **out);

struct cella_cert_key {
    enum cella_material_kind kind;
    enum cella_material_curve curve;
    unsigned bits;
    bool exportable, reuse;
};
/* Of a policy as above. */
void cella_cert_policy_key(const json_t *policy, struct cella_cert_key *out);
bool cella_cert_policy_pem(const json_t *policy);  /* the secret is PEM, not PKCS #12 */
bool cella_cert_policy_self(const json_t *policy); /* issuer Self */
unsigned cella_cert_policy_months(const json_t *policy);
/* When AutoRenew is due for a certificate of that time; -1: never. */
int64_t cella_cert_policy_renewal(const json_t *policy, int64_t not_before, int64_t not_after);

#endif
