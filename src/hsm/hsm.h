/* Keys that live in a PKCS #11 HSM and are used there: made or taken in, sensitive and not
 * extractable, found by an id of 16 bytes (CKA_ID), destroyed at the end.
 *
 * From any thread. Sessions are kept and lent; when the token goes away they are opened anew, at
 * most once a second, and until then every call is CELLA_ERR_UNAVAILABLE, having done nothing. A
 * PIN that was refused is not tried again until its file changes: tokens lock after a few. */
#ifndef CELLA_HSM_HSM_H
#define CELLA_HSM_HSM_H

#include <openssl/types.h>
#include <stdbool.h>

#include "base/buffer.h"
#include "base/secret.h"

enum { CELLA_HSM_ID_SIZE = 16, CELLA_HSM_PLATFORM_SIZE = 160 };

struct cella_hsm;
/* The URI of a token (RFC 7512), without object= and id=, with pin-source (K25); nothing is asked
 * of the HSM. CELLA_ERR_USAGE. */
CELLA_RESULT cella_hsm_check(const char *uri, const char *folder);
/* Finds it and logs in; uri and folder are copied. Errors: see place.h. */
CELLA_RESULT cella_hsm_open(const char *uri, const char *folder, struct cella_hsm **out);
void cella_hsm_close(struct cella_hsm **hsm);
/* Whether it answers now, or again. */
CELLA_RESULT cella_hsm_look(struct cella_hsm *hsm);
const char *cella_hsm_uri(const struct cella_hsm *hsm);
/* "pkcs11:manufacturer=...;model=...": what the token says of itself. */
const char *cella_hsm_platform(const struct cella_hsm *hsm);

/* --- Keys --- */

enum cella_hsm_kind { CELLA_HSM_RSA, CELLA_HSM_EC, CELLA_HSM_AES };
struct cella_hsm_shape {
    enum cella_hsm_kind kind;
    unsigned bits;     /* of RSA and AES */
    uint32_t exponent; /* of RSA */
    const char *group; /* of EC: OpenSSL's name */
};
/* Makes a key in the token; public: new, NULL of AES. CELLA_ERR_UNSUPPORTED: the token can't. What
 * the token made otherwise than asked (K11: sensitive, not extractable) is destroyed again. */
CELLA_RESULT cella_hsm_make(struct cella_hsm *hsm, const uint8_t id[CELLA_HSM_ID_SIZE],
                            const char *label, const struct cella_hsm_shape *shape,
                            EVP_PKEY **public);
/* Puts a key from outside into the token: key of RSA and EC with its private part, or bytes of AES
 * when key is NULL. */
CELLA_RESULT cella_hsm_take(struct cella_hsm *hsm, const uint8_t id[CELLA_HSM_ID_SIZE],
                            const char *label, EVP_PKEY *key, struct cella_bytes bytes);
/* Nothing of that id is there afterwards; it is no error when nothing was. */
CELLA_RESULT cella_hsm_destroy(struct cella_hsm *hsm, const uint8_t id[CELLA_HSM_ID_SIZE]);
/* Every private and secret key of the token whose label begins so; a failure of see ends it. */
CELLA_RESULT cella_hsm_each(struct cella_hsm *hsm, const char *label,
                            struct cella_result (*see)(void *context,
                                                       const uint8_t id[CELLA_HSM_ID_SIZE],
                                                       const char *label),
                            void *context);

/* --- Use --- */

enum cella_hsm_scheme {
    CELLA_HSM_PKCS1,   /* sign: what stands behind the padding */
    CELLA_HSM_PSS,     /* sign: a digest; salt of its size */
    CELLA_HSM_ECDSA,   /* sign: a digest; r || s */
    CELLA_HSM_RSA_RAW, /* decrypt: the block with its padding, of the modulus' size */
    CELLA_HSM_OAEP,    /* decrypt, by the token itself */
    CELLA_HSM_GCM,     /* encrypt, decrypt; the tag stands behind the ciphertext */
    CELLA_HSM_CBC,     /* whole blocks */
    CELLA_HSM_KW,      /* RFC 3394 */
    CELLA_HSM_KWP,     /* RFC 5649 */
};
struct cella_hsm_use {
    enum cella_hsm_scheme scheme;
    bool back;            /* decrypt, unwrap */
    unsigned digest_size; /* of PSS and OAEP: 20, 32, 48 or 64 */
    struct cella_bytes iv, aad;
};
/* out: room bytes, more than the result by 32 at least. CELLA_ERR_NOT_FOUND: the token does not
 * have the key; UNSUPPORTED: it does not do that; INTEGRITY: it does not decrypt, whatever the
 * cause. */
CELLA_RESULT cella_hsm_use(struct cella_hsm *hsm, const uint8_t id[CELLA_HSM_ID_SIZE],
                           const struct cella_hsm_use *how, struct cella_bytes in, uint8_t *out,
                           size_t room, size_t *size);
/* Whether the token says that it has the mechanism; else use is refused. */
bool cella_hsm_does(struct cella_hsm *hsm, enum cella_hsm_scheme scheme);

#endif
