/* Cryptography inside the shim, thin over BearSSL: digests, key derivation, X25519. Constant time,
 * no allocation. AES-256-GCM is seal/gcm.h. */
#ifndef CELLA_SHIM_CRYPTO_H
#define CELLA_SHIM_CRYPTO_H

#include "seal/protected.h"
#include "shim/shim.h"

enum { SHIM_SHA256_SIZE = 32, SHIM_SHA512_SIZE = 64, SHIM_X25519_SIZE = 32 };

/* Digest of up to three parts in a row; a part may be empty. */
void shim_sha256(struct cella_bytes a, struct cella_bytes b, struct cella_bytes c,
                 uint8_t out[SHIM_SHA256_SIZE]);
void shim_sha512(struct cella_bytes a, struct cella_bytes b, uint8_t out[SHIM_SHA512_SIZE]);

/* RFC 5869 with SHA-256, in one and in its two steps. size at most 255*32 bytes; false above. */
bool shim_hkdf(struct cella_bytes secret, struct cella_bytes salt, struct cella_bytes info,
               uint8_t *out, size_t size);
void shim_hkdf_extract(struct cella_bytes salt, struct cella_bytes secret,
                       uint8_t prk[SHIM_SHA256_SIZE]);
bool shim_hkdf_expand(const uint8_t prk[SHIM_SHA256_SIZE], struct cella_bytes info, uint8_t *out,
                      size_t size);

/* RFC 7748. out = the public key of private; or the shared secret, false when it is all zero (RFC
 * 9180 7.1.4). */
void shim_x25519_public(const uint8_t private[SHIM_X25519_SIZE], uint8_t out[SHIM_X25519_SIZE]);
bool shim_x25519(const uint8_t private[SHIM_X25519_SIZE], const uint8_t public[SHIM_X25519_SIZE],
                 uint8_t out[SHIM_X25519_SIZE]);

/* For protected files: shim_hkdf and shim_random. */
extern const struct cella_protected_crypto shim_protected_crypto;

#endif
