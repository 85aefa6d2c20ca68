/* RSA-3072 with public exponent 3 and PKCS#1 v1.5 over SHA-256: the one signature SGX knows
 * (SIGSTRUCT). Numbers are little-endian here, as SIGSTRUCT has them. Const use of a key is
 * thread-safe. */
#ifndef CELLA_CRYPTO_RSA3072_H
#define CELLA_CRYPTO_RSA3072_H

#include <cella/bytes.h>
#include <cella/result.h>
#include <stdint.h>

#include "base/buffer.h"

enum { CELLA_RSA3072_SIZE = 384 /* bytes of a modulus or signature */ };

struct cella_rsa3072; /* a private or public key */
void cella_rsa3072_free(struct cella_rsa3072 **key);
#define CELLA_RSA3072 __attribute__((cleanup(cella_rsa3072_free))) struct cella_rsa3072 *

/* A new key pair; takes about half a second. */
CELLA_RESULT cella_rsa3072_new(struct cella_rsa3072 **out);
/* PKCS#8 PEM, not encrypted, 0600, never overwriting (CELLA_ERR_EXISTS). */
CELLA_RESULT cella_rsa3072_save(const struct cella_rsa3072 *key, const char *path);
/* A private key from a PEM file that only its owner may read. Refuses other sizes and exponents. */
CELLA_RESULT cella_rsa3072_load(const char *path, struct cella_rsa3072 **out);
/* A public key of SubjectPublicKeyInfo, PEM text or DER. Refuses other sizes and exponents. */
CELLA_RESULT cella_rsa3072_public(struct cella_bytes spki, struct cella_rsa3072 **out);
/* SubjectPublicKeyInfo as PEM, appended. */
CELLA_RESULT cella_rsa3072_public_pem(const struct cella_rsa3072 *key, struct cella_buffer *out);
CELLA_RESULT cella_rsa3072_modulus(const struct cella_rsa3072 *key,
                                   uint8_t modulus[CELLA_RSA3072_SIZE]);
CELLA_RESULT cella_rsa3072_sign(const struct cella_rsa3072 *key, struct cella_bytes message,
                                uint8_t signature[CELLA_RSA3072_SIZE]);
/* CELLA_ERR_INTEGRITY when the signature is not one of message under modulus and exponent 3. */
CELLA_RESULT cella_rsa3072_verify(const uint8_t modulus[CELLA_RSA3072_SIZE],
                                  struct cella_bytes message,
                                  const uint8_t signature[CELLA_RSA3072_SIZE]);
/* The two numbers that spare the processor divisions: q1 = floor(S*S/M), q2 = floor((S*S*S -
 * q1*S*M)/M). CELLA_ERR_FORMAT when M is zero or a quotient has more than 384 bytes. */
CELLA_RESULT cella_rsa3072_quotients(const uint8_t modulus[CELLA_RSA3072_SIZE],
                                     const uint8_t signature[CELLA_RSA3072_SIZE],
                                     uint8_t q1[CELLA_RSA3072_SIZE],
                                     uint8_t q2[CELLA_RSA3072_SIZE]);

#endif
