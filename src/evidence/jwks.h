/* JSON Web Key Sets (RFC 7517) as collateral: RSA keys to check RS256 tokens with, found by their
 * exact kid.
 *
 * That the set is the issuer's is the word of who gives it; nothing in it vouches for itself. A
 * certificate in x5c carries the key and says for whom and when. Entries that are unusable are
 * kept, so that a token that names one is refused for the right reason and no other key is tried in
 * its place (A25).
 */
#ifndef CELLA_EVIDENCE_JWKS_H
#define CELLA_EVIDENCE_JWKS_H

#include "crypto/verifykey.h"
#include "evidence/jwt.h"

enum { CELLA_JWKS_MAX = 128, CELLA_JWK_ISSUER_SIZE = 128 };

struct cella_jwk {
    uint8_t kid[CELLA_JWT_KID_MAX];
    size_t kid_size;
    struct cella_verifykey *key; /* owned; NULL: unusable, for this reason */
    char unusable[96];
    uint8_t spki_digest[32];
    char issuer[CELLA_JWK_ISSUER_SIZE]; /* the URL that its self-signed certificate is made out to,
                                           or "" */
    bool has_validity;
    uint64_t not_before_unix, not_after_unix;
};

struct cella_jwks {
    size_t count;
    struct cella_jwk entry[CELLA_JWKS_MAX];
};

/* Whether this is a JSON object with a list of keys. */
bool cella_jwks_detect(struct cella_bytes content);
/* Adds the entries of one set. CELLA_ERR_FORMAT when it is not a key set; entries before the fault
 * stay. */
CELLA_RESULT cella_jwks_add(struct cella_jwks *set, struct cella_bytes content);
void cella_jwks_free(struct cella_jwks *set);
/* The key of that kid. Several certificates may carry the same key; _next goes on among them, NULL
 * at the end. Fails for none, for different keys under one kid, and for an unusable one. */
CELLA_RESULT cella_jwks_find(const struct cella_jwks *set, struct cella_bytes kid,
                             const struct cella_jwk **out);
const struct cella_jwk *cella_jwks_next(const struct cella_jwks *set,
                                        const struct cella_jwk *entry);

#endif
