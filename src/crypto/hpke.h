/* HPKE (RFC 9180), base mode, one message: DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM. */
#ifndef CELLA_CRYPTO_HPKE_H
#define CELLA_CRYPTO_HPKE_H

#include <cella/bytes.h>
#include <cella/result.h>

#include "base/buffer.h"
#include "base/secret.h"

enum { CELLA_X25519_SIZE = 32, CELLA_HPKE_TAG_SIZE = 16 };

/* A fresh X25519 key pair; private holds CELLA_X25519_SIZE bytes. */
CELLA_RESULT cella_x25519_new(struct cella_secret *private, uint8_t public[CELLA_X25519_SIZE]);
CELLA_RESULT cella_x25519_public(struct cella_bytes private, uint8_t public[CELLA_X25519_SIZE]);

/* Seals plain to the holder of public's private key, with a fresh ephemeral key: enc, and
 * plain.size + 16 bytes appended to out. A public key of small order, which gives an all-zero
 * shared secret, is CELLA_ERR_FORMAT. */
CELLA_RESULT cella_hpke_seal(const uint8_t public[CELLA_X25519_SIZE], struct cella_bytes info,
                             struct cella_bytes aad, struct cella_bytes plain,
                             uint8_t enc[CELLA_X25519_SIZE], struct cella_buffer *out);
/* The same with the ephemeral private key given: for test vectors only, since one used twice gives
 * all away. */
CELLA_RESULT cella_hpke_seal_with(struct cella_bytes ephemeral,
                                  const uint8_t public[CELLA_X25519_SIZE], struct cella_bytes info,
                                  struct cella_bytes aad, struct cella_bytes plain,
                                  uint8_t enc[CELLA_X25519_SIZE], struct cella_buffer *out);
/* Opens; CELLA_ERR_INTEGRITY when anything differs. sealed has at least 17 bytes. */
CELLA_RESULT cella_hpke_open(struct cella_bytes private, const uint8_t enc[CELLA_X25519_SIZE],
                             struct cella_bytes info, struct cella_bytes aad,
                             struct cella_bytes sealed, struct cella_secret *plain);

#endif
