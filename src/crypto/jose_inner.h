/* Shared by the files of JOSE only: what a key is, and signatures over bytes by it. */
#ifndef CELLA_CRYPTO_JOSE_INNER_H
#define CELLA_CRYPTO_JOSE_INNER_H

#include <openssl/evp.h>
#include <stdatomic.h>

#include "crypto/jose.h"

enum {
    JOSE_ALGORITHMS = 9,
    JOSE_RSA_BITS_MIN = 2048,
    JOSE_RSA_BITS_MAX = 8192,
    JOSE_KID_MAX = 256, /* bytes */
    JOSE_SIGNATURE_MAX = JOSE_RSA_BITS_MAX / 8,
};

/* What RFC 7518 section 3.1 says of an algorithm. */
struct jose_algorithm {
    const char *name;
    const char *hash;
    bool rsa, pss;
    enum cella_jose_kind curve; /* of ES*: one hash for each curve, and no other (section 3.4) */
};
/* NULL when algorithm is not exactly one of the set. */
const struct jose_algorithm *jose_algorithm_of(unsigned algorithm);
/* By its name, as it is spelled and no other way (A24); false when there is none. */
bool jose_algorithm_named(const char *name, unsigned *algorithm);

/* A key made ready for one algorithm. Fetching and setting up costs more than an ES256 signature,
 * so it is done once, at the first use; each use then works on copies. */
struct jose_ready {
    EVP_MD *hash;
    EVP_PKEY_CTX *verify;
    EVP_PKEY_CTX *sign; /* NULL for a public key */
};

struct cella_jose_key {
    EVP_PKEY *pkey;
    enum cella_jose_kind kind;
    bool private;
    size_t size;         /* of a coordinate or of the modulus, bytes */
    unsigned algorithms; /* that it may be used with */
    _Atomic(struct jose_ready *) ready[JOSE_ALGORITHMS];
};

/* Takes pkey over, also on failure: checks kind, size and form, and makes a key of it. */
CELLA_RESULT jose_key_from(EVP_PKEY *pkey, bool private, struct cella_jose_key **out);
bool jose_same(const struct cella_jose_key *a, const struct cella_jose_key *b);
/* The name that RFC 7518 and OpenSSL have for a curve; size of a coordinate. */
const char *jose_curve_name(enum cella_jose_kind kind);

void jose_ready_free(struct jose_ready *ready);
/* Signature of message as JOSE has it (r || s), JOSE_SIGNATURE_MAX bytes of room. */
CELLA_RESULT jose_sign(const struct cella_jose_key *key, unsigned algorithm,
                       struct cella_bytes message, uint8_t *signature, size_t *size);
CELLA_RESULT jose_verify(const struct cella_jose_key *key, unsigned algorithm,
                         struct cella_bytes message, struct cella_bytes signature);

#endif
