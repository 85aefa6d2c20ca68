/* What releases are signed with: the key of the server's certificate and its chain, replaced whole
 * while calls that began with the old one end with it. Thread-safe. */
#ifndef CELLA_VAULT_SIGNER_H
#define CELLA_VAULT_SIGNER_H

#include "crypto/jose.h"

struct cella_signer;
CELLA_RESULT cella_signer_new(struct cella_signer **out);
void cella_signer_free(struct cella_signer **signer);
/* PEM: chain, leaf first; private key as PKCS#8, not encrypted. Both are copied; what does not
 * parse or fit is refused, and the old ones stay. */
CELLA_RESULT cella_signer_set(struct cella_signer *signer, struct cella_bytes chain,
                              struct cella_bytes key);
/* A JWS of the payload, with the chain in its header (azure-keyvault 8.7); appended. */
CELLA_RESULT cella_signer_sign(struct cella_signer *signer, struct cella_bytes payload,
                               struct cella_buffer *jws);

#endif
