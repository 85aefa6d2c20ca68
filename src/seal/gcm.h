/* AES-256-GCM for files and blobs, in and out of the shim: intel-ipsec-mb's routines chosen by
 * CPUID, BearSSL where the processor lacks AES-NI or PCLMULQDQ. Freestanding, no allocation,
 * constant time. A context holds no pointers to itself; wipe it with cella_wipe. Use by one thread
 * at a time is not needed: contexts are read-only after _init. */
#ifndef CELLA_SEAL_GCM_H
#define CELLA_SEAL_GCM_H

#include <cella/bytes.h>
#include <stdbool.h>

enum { CELLA_GCM_KEY_SIZE = 32, CELLA_GCM_NONCE_SIZE = 12, CELLA_GCM_TAG_SIZE = 16 };

struct cella_gcm {
    _Alignas(
        64) uint8_t opaque[4096]; /* key schedule and hash keys; the size is asserted in gcm.c */
};

void cella_gcm_init(struct cella_gcm *gcm, const uint8_t key[CELLA_GCM_KEY_SIZE]);
/* out has in.size bytes and may be the same memory as in. A nonce must never repeat under one key.
 */
void cella_gcm_encrypt(const struct cella_gcm *gcm, const uint8_t nonce[CELLA_GCM_NONCE_SIZE],
                       struct cella_bytes aad, struct cella_bytes in, uint8_t *out,
                       uint8_t tag[CELLA_GCM_TAG_SIZE]);
/* False when the tag does not match; out is then zeroed. */
bool cella_gcm_decrypt(const struct cella_gcm *gcm, const uint8_t nonce[CELLA_GCM_NONCE_SIZE],
                       struct cella_bytes aad, struct cella_bytes in, uint8_t *out,
                       const uint8_t tag[CELLA_GCM_TAG_SIZE]);

#endif
