/* HPKE (RFC 9180), base mode, single shot, opening only: DHKEM(X25519, HKDF-SHA256), HKDF-SHA256,
 * AES-256-GCM. */
#ifndef CELLA_SHIM_HPKE_H
#define CELLA_SHIM_HPKE_H

#include "shim/shim.h"

enum {
    SHIM_HPKE_ENC_SIZE = 32,
    SHIM_HPKE_NONCE_SIZE = 12,
    SHIM_HPKE_KEY_MAX = 32,
    SHIM_HPKE_TAG_SIZE = 16
};

/* Section 4.1 Decap: false when the shared point is zero. */
bool shim_hpke_decap(const uint8_t private[32], const uint8_t public[32],
                     const uint8_t enc[SHIM_HPKE_ENC_SIZE], uint8_t shared_secret[32]);
/* Section 5.1 KeySchedule of base mode for an AEAD with keys of key_size bytes. The AEAD is a
 * parameter so that RFC 9180's own vectors can be put to it; false when info is too long. */
bool shim_hpke_schedule(const uint8_t shared_secret[32], uint16_t aead, size_t key_size,
                        struct cella_bytes info, uint8_t *key, uint8_t nonce[SHIM_HPKE_NONCE_SIZE]);
/* Opens ciphertext || tag into out (ciphertext.size - 16 bytes). False: anything does not match. */
bool shim_hpke_open(const uint8_t private[32], const uint8_t public[32],
                    const uint8_t enc[SHIM_HPKE_ENC_SIZE], struct cella_bytes info,
                    struct cella_bytes aad, struct cella_bytes ciphertext, uint8_t *out);

#endif
