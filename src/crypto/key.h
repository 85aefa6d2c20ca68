/* Asymmetric keys, thin over OpenSSL 3: NIST P-256 for signatures, X25519 for key agreement.
 * Keys are owned by the caller; const use is thread-safe. */
#ifndef CELLA_CRYPTO_KEY_H
#define CELLA_CRYPTO_KEY_H

#include <cella/bytes.h>
#include <cella/result.h>

#include "base/buffer.h"

struct cella_key; /* a private or a public key */
void cella_key_free(struct cella_key **key);
#define CELLA_KEY __attribute__((cleanup(cella_key_free))) struct cella_key *

enum {
    CELLA_P256_SIGNATURE_SIZE = 64, /* r || s, big-endian, as JOSE and COSE have it */
    CELLA_P256_SPKI_SIZE = 91,      /* SubjectPublicKeyInfo: 27 fixed bytes, then x || y */
};

enum cella_key_kind { CELLA_KEY_P256 = 1, CELLA_KEY_RSA = 2 };
enum cella_key_kind cella_key_kind(const struct cella_key *key);

CELLA_RESULT cella_key_new_p256(struct cella_key **out);
/* The same key once more, to be freed by its own holder. */
CELLA_RESULT cella_key_share(const struct cella_key *key, struct cella_key **out);
/* PKCS#8 PEM, not encrypted, mode 0600; created atomically, never overwritten. */
CELLA_RESULT cella_key_save(const struct cella_key *key, const char *path);
/* A P-256 private key from a PEM file that only its owner may read. */
CELLA_RESULT cella_key_load_p256(const char *path, struct cella_key **out);
/* A public key of SubjectPublicKeyInfo: DER in its one canonical form, or PEM text of one key and
 * nothing else. P-256 as a named curve with an uncompressed point on it, or RSA of 2048 to 8192
 * bits. (threats.md A20, A30) */
CELLA_RESULT cella_key_public(struct cella_bytes spki, struct cella_key **out);
/* SubjectPublicKeyInfo DER of either kind of key, appended. */
CELLA_RESULT cella_key_spki(const struct cella_key *key, struct cella_buffer *out);
/* SHA-256 of the SubjectPublicKeyInfo: the key's fingerprint everywhere in cella. */
CELLA_RESULT cella_key_fingerprint(const struct cella_key *key, uint8_t fingerprint[32]);
/* ECDSA P-256 with SHA-256 over message. Verify: CELLA_ERR_INTEGRITY when it does not match. */
CELLA_RESULT cella_key_sign_p256(const struct cella_key *key, struct cella_bytes message,
                                 uint8_t signature[CELLA_P256_SIGNATURE_SIZE]);
CELLA_RESULT cella_key_verify_p256(const struct cella_key *key, struct cella_bytes message,
                                   const uint8_t signature[CELLA_P256_SIGNATURE_SIZE]);
/* The same over a SHA-256 made before. */
CELLA_RESULT cella_key_sign_p256_digest(const struct cella_key *key, const uint8_t digest[32],
                                        uint8_t signature[CELLA_P256_SIGNATURE_SIZE]);
CELLA_RESULT cella_key_verify_p256_digest(const struct cella_key *key, const uint8_t digest[32],
                                          const uint8_t signature[CELLA_P256_SIGNATURE_SIZE]);
/* RSA with SHA-256 over message: PKCS#1 v1.5, or PSS with any size of salt, since TPMs differ in
 * it. */
CELLA_RESULT cella_key_verify_rsa(const struct cella_key *key, bool pss, struct cella_bytes message,
                                  struct cella_bytes signature);

#endif
