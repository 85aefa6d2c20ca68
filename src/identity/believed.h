/* Access tokens that were believed lately, so that a client that shows one again does not cost a
 * signature check each time. Found by the digest of the whole token, signature included.
 *
 * Nothing is believed longer for being here: whoever asks checks times and audience anew, and an
 * entry counts only while its issuer has the very key set that the token was checked with, so a key
 * that is withdrawn takes its tokens along at once (A25, A27). Roles are not kept here. Bounded;
 * only what verified gets in. Thread-safe. */
#ifndef CELLA_IDENTITY_BELIEVED_H
#define CELLA_IDENTITY_BELIEVED_H

#include "crypto/digest.h"
#include "identity/issuers_inner.h"

struct believed;
CELLA_RESULT believed_new(struct believed **out);
void believed_free(struct believed **believed);
/* digest: of the whole token. keys: those it was checked with, to be released. false: not here. */
bool believed_find(struct believed *believed, const uint8_t digest[CELLA_SHA256_SIZE],
                   struct issuers_token *out, struct issuers_keys **keys);
void believed_keep(struct believed *believed, const uint8_t digest[CELLA_SHA256_SIZE],
                   const struct issuers_token *token, struct issuers_keys *keys);

#endif
