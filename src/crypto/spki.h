/* SubjectPublicKeyInfo in DER made from the numbers of a key, as TPMs, JWKs and COSE keys give
 * them: one spelling for every key, so that keys are compared as bytes. */
#ifndef CELLA_CRYPTO_SPKI_H
#define CELLA_CRYPTO_SPKI_H

#include <cella/bytes.h>
#include <cella/result.h>

enum { CELLA_SPKI_MAX = 576 /* bytes: RSA-4096 */ };

struct cella_spki {
    size_t size;
    uint8_t data[CELLA_SPKI_MAX];
};
static inline struct cella_bytes cella_spki_bytes(const struct cella_spki *spki) {
    return cella_bytes(spki->data, spki->size);
}
/* RSA: modulus big-endian without leading zeros, 2048 to 4096 bits; exponent odd, at least 3. */
CELLA_RESULT cella_spki_rsa(struct cella_bytes modulus, uint64_t exponent, struct cella_spki *out);
/* x || y: 64 bytes for P-256, 96 for P-384. That the point is on its curve is for
 * cella_verifykey_new to check (A20). */
CELLA_RESULT cella_spki_point(struct cella_bytes xy, struct cella_spki *out);

#endif
