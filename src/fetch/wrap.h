/* The key that released keys are encrypted to: RSA of 2048 bits, made anew at each start, proven by
 * the enclave's evidence, gone with the program (azure-keyvault 8.5, 8.6). */
#ifndef CELLA_FETCH_WRAP_H
#define CELLA_FETCH_WRAP_H

#include <jansson.h>
#include <openssl/evp.h>

#include "base/secret.h"

CELLA_RESULT cella_wrap_key_new(EVP_PKEY **out);
/* {"keys": [JWK]}: the runtime data of evidence. New. */
CELLA_RESULT cella_wrap_key_set(const EVP_PKEY *key, json_t **out);
/* Opens what a vault's release answers. jws: its "value"; url: the key that was asked for, which
 * it must be about. *out: the key as it was released. */
CELLA_RESULT cella_wrap_open(EVP_PKEY *key, const char *jws, const char *url,
                             struct cella_secret *out);

#endif
