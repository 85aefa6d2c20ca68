/* `cella policy sign`: what an isolated attestation instance takes (docs/formats/
 * attestation-policies.md). */
#ifndef CELLA_CLI_POLICY_SIGN_H
#define CELLA_CLI_POLICY_SIGN_H

#include <cella/result.h>

struct cella_cli_policy_sign {
    const char *policy;      /* a policy's file; or ... */
    const char *manager;     /* ... a PEM certificate to add or to remove; neither: a reset */
    const char *key;         /* PKCS#8 PEM, for its owner alone */
    const char *certificate; /* PEM: the signer's, then what leads up to a managed authority */
    const char *out;         /* NULL: standard output */
};
/* Writes the JWS. A policy that does not parse, and a certificate of another key, are refused. */
CELLA_RESULT cella_cli_policy_sign(const struct cella_cli_policy_sign *arguments);

#endif
