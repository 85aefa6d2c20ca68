/* Public keys for checking signatures of evidence: parsed once, immutable, shared by threads. The
 * fastest well-kept library per algorithm stands behind this header (docs/decisions). */
#ifndef CELLA_CRYPTO_VERIFYKEY_H
#define CELLA_CRYPTO_VERIFYKEY_H

#include <cella/bytes.h>
#include <cella/result.h>
#include <stdint.h>

enum cella_signature_algorithm {
    CELLA_SIG_NONE = 0,
    CELLA_SIG_ECDSA_P256_SHA256,
    CELLA_SIG_ECDSA_P384_SHA384,
    CELLA_SIG_ECDSA_P256_SHA384, /* met in the wild in X.509 */
    CELLA_SIG_ECDSA_P384_SHA256,
    CELLA_SIG_RSA_PKCS1_SHA256,
    CELLA_SIG_RSA_PKCS1_SHA384,
    CELLA_SIG_RSA_PKCS1_SHA512,
    CELLA_SIG_RSA_PSS_SHA256,
    CELLA_SIG_RSA_PSS_SHA384,
    CELLA_SIG_RSA_PSS_SHA512,
};

struct cella_verifykey;
enum cella_verifykey_kind { CELLA_VERIFYKEY_P256, CELLA_VERIFYKEY_P384, CELLA_VERIFYKEY_RSA };
enum cella_verifykey_kind cella_verifykey_kind(const struct cella_verifykey *key);
/* From SubjectPublicKeyInfo DER: P-256, P-384, RSA 2048 to 4096 with odd exponent >= 3. Points are
 * checked (A20). */
CELLA_RESULT cella_verifykey_new(struct cella_bytes spki, struct cella_verifykey **out);
/* From an uncompressed point x || y (64 bytes P-256, 96 bytes P-384). */
CELLA_RESULT cella_verifykey_from_point(struct cella_bytes xy, struct cella_verifykey **out);
void cella_verifykey_free(struct cella_verifykey **key);
#define CELLA_VERIFYKEY __attribute__((cleanup(cella_verifykey_free))) struct cella_verifykey *

/* ECDSA signatures are r || s of the curve's size, big-endian; RSA as an integer, big-endian.
 * CELLA_ERR_INTEGRITY when it does not match, also for r or s of 0 or >= n. CELLA_ERR_FORMAT when
 * the algorithm does not fit the key (A24: the algorithm is the caller's, never the message's
 * alone). */
CELLA_RESULT cella_verifykey_check(const struct cella_verifykey *key,
                                   enum cella_signature_algorithm algorithm,
                                   struct cella_bytes message, struct cella_bytes signature);
/* DER ECDSA-Sig-Value, strict, to r || s of size bytes each. */
CELLA_RESULT cella_ecdsa_from_der(struct cella_bytes der, uint8_t *rs, size_t size);

#endif
