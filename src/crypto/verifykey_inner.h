/* Shared by the files of verifykey only. One file per library: verifykey_rsa.c and verifykey_p256.c
 * stand on OpenSSL, verifykey_p384.c on nettle (docs/decisions/0007-signature-libraries.md). */
#ifndef CELLA_CRYPTO_VERIFYKEY_INNER_H
#define CELLA_CRYPTO_VERIFYKEY_INNER_H

#include <nettle/ecc.h>
#include <openssl/evp.h>

#include "crypto/verifykey.h"

enum { VERIFYKEY_DIGESTS = 3 };

struct cella_verifykey {
    enum cella_verifykey_kind kind;
    size_t size;    /* of a coordinate, or of the modulus, in bytes */
    EVP_PKEY *pkey; /* RSA, P-256 */
    EVP_PKEY_CTX
    *verify; /* P-256: made ready once; each check works on a copy, so threads may share it */
    struct ecc_point point;            /* P-384; p is NULL for others */
    EVP_MD *digest[VERIFYKEY_DIGESTS]; /* SHA-256, 384, 512: fetched once, not at every check */
};

/* What an algorithm asks of the key and of the digest. */
struct verifykey_algorithm {
    enum cella_verifykey_kind kind;
    unsigned digest; /* index in digest[] */
    bool pss;
};

/* Fill in a key that has kind, size and digests; xy of twice its size, n of its size, e odd and at
 * least 3. */
CELLA_RESULT verifykey_load_p256(struct cella_verifykey *key, struct cella_bytes xy);
CELLA_RESULT verifykey_load_p384(struct cella_verifykey *key, struct cella_bytes xy);
CELLA_RESULT verifykey_load_rsa(struct cella_verifykey *key, struct cella_bytes n, uint64_t e);
/* rs of twice the key's size, both in 1..order-1. False for every kind of failure. */
bool verifykey_check_p256(const struct cella_verifykey *key, struct cella_bytes digest,
                          const uint8_t *rs);
bool verifykey_check_p384(const struct cella_verifykey *key, struct cella_bytes digest,
                          const uint8_t *rs);
/* signature of the key's size. */
bool verifykey_check_rsa(const struct cella_verifykey *key, const struct verifykey_algorithm *a,
                         struct cella_bytes digest, const uint8_t *signature);
/* An OpenSSL key (selection EVP_PKEY_PUBLIC_KEY or _KEY_PARAMETERS) from its parameters; false when
 * refused. */
bool verifykey_pkey(const char *type, int selection, OSSL_PARAM *params, EVP_PKEY **out);

#endif
