/* Wrapping under an AES key that never leaves an HSM, for the root of a store: AES-GCM within the
 * HSM. uri names the key (RFC 7512); each call finds the HSM, logs in, and leaves it again. */
#ifndef CELLA_HSM_ROOT_H
#define CELLA_HSM_ROOT_H

#include "base/buffer.h"
#include "base/secret.h"

enum { CELLA_HSM_IV_SIZE = 12, CELLA_HSM_TAG_SIZE = 16 };

/* wrapped: appended, key and tag. CELLA_ERR_USAGE: the URI; UNAVAILABLE: no module or token;
 * PERMISSION: the PIN; NOT_FOUND: no such key; UNSUPPORTED: the key or token can't. */
CELLA_RESULT cella_hsm_root_wrap(const char *uri, const char *folder, struct cella_bytes key,
                                 uint8_t iv[CELLA_HSM_IV_SIZE], struct cella_buffer *wrapped);
/* Also CELLA_ERR_INTEGRITY: it was not wrapped under this key. */
CELLA_RESULT cella_hsm_root_unwrap(const char *uri, const char *folder, struct cella_bytes iv,
                                   struct cella_bytes wrapped, struct cella_secret *key);

#endif
