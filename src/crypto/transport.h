/* A message to the holder of an RSA key, as Azure's guest attestation has it: AES-256-GCM under a
 * fresh key, which RSAES-PKCS1-v1_5 wraps to the receiver.
 *
 * That padding is the protocol's: the receiver is a TPM that is asked by its owner alone, so
 * nobody has an oracle to put guesses to (Bleichenbacher); new protocols take OAEP. */
#ifndef CELLA_CRYPTO_TRANSPORT_H
#define CELLA_CRYPTO_TRANSPORT_H

#include "base/buffer.h"

enum { CELLA_TRANSPORT_IV = 12, CELLA_TRANSPORT_TAG = 16 /* bytes */ };

struct cella_transport {
    struct cella_buffer wrapped_key, ciphertext; /* owned */
    uint8_t iv[CELLA_TRANSPORT_IV], tag[CELLA_TRANSPORT_TAG];
};
void cella_transport_free(struct cella_transport *transport);
#define CELLA_TRANSPORT __attribute__((cleanup(cella_transport_free))) struct cella_transport

/* spki: RSA of 2048 bits or more, SubjectPublicKeyInfo in DER. associated is authenticated, not
 * sent. */
CELLA_RESULT cella_transport_seal(struct cella_bytes spki, struct cella_bytes associated,
                                  struct cella_bytes message, struct cella_transport *out);

#endif
