/* COSE_Sign1 with ES256 (RFC 9052, RFC 9053) and COSE_Key of P-256, in the one form that cella
 * makes and takes: tag 18, protected header {1: -7, 3: content type, 4: kid}, an empty unprotected
 * header, payload inside. */
#ifndef CELLA_CRYPTO_COSE_H
#define CELLA_CRYPTO_COSE_H

#include "crypto/cbor.h"
#include "crypto/digest.h"
#include "crypto/key.h"

enum { CELLA_COSE_SIGN1 = 18, CELLA_COSE_ES256 = -7, CELLA_COSE_KID_SIZE = 32 };

struct cella_cose_sign1 {         /* views into what was parsed */
    struct cella_bytes protected; /* encoded header, as signed */
    struct cella_bytes kid;       /* 32 bytes */
    struct cella_bytes payload;
    struct cella_bytes signature; /* r || s */
};

/* Parses and checks form; not the signature. content_type must be the one in the header. */
CELLA_RESULT cella_cose_sign1_parse(struct cella_bytes bytes, const char *content_type,
                                    struct cella_cose_sign1 *out);
/* SHA-256 of the Sig_structure, which is what the signature covers. sha is a digest the caller
 * keeps for reuse. */
CELLA_RESULT cella_cose_sign1_digest(struct cella_sha256 *sha, struct cella_bytes protected,
                                     struct cella_bytes payload, uint8_t digest[32]);
/* Writes the protected header. */
void cella_cose_put_protected(struct cella_writer *w, const char *content_type,
                              const uint8_t kid[CELLA_COSE_KID_SIZE]);

/* COSE_Key of a P-256 SubjectPublicKeyInfo, and back. The point is not checked to be on the curve:
 * cella_key_public does that. */
void cella_cose_put_key(struct cella_writer *w, const uint8_t spki[CELLA_P256_SPKI_SIZE]);
void cella_cose_take_key(struct cella_cbor *c, const char *field,
                         uint8_t spki[CELLA_P256_SPKI_SIZE]);

#endif
