/* The owner's side of giving a key to an enclave: reading its request, and sealing the key to it.
 * Layout: abi/keygrant.h; text: docs/formats/grant.md. */
#ifndef CELLA_EVIDENCE_KEYGRANT_H
#define CELLA_EVIDENCE_KEYGRANT_H

#include <cella/bytes.h>
#include <cella/result.h>

#include "abi/config.h"
#include "abi/keygrant.h"
#include "base/buffer.h"

struct cella_key_request { /* views into what was parsed */
    uint32_t key_count;
    struct cella_bytes key[CELLA_CONFIG_KEY_MAX]; /* names asked for */
    uint8_t public_key[32];
    uint8_t nonce[32];
    struct cella_bytes evidence;
    uint8_t report_data[64]; /* what the evidence must say for it to belong to this request (A13) */
    uint8_t digest[32];      /* SHA-256 of the whole request */
};

/* True when bytes begin as a key request does. */
bool cella_key_request_is(struct cella_bytes bytes);
/* Parses all of it: version, names of the right form and each once, exact sizes. The evidence
 * inside is not looked at. */
CELLA_RESULT cella_key_request_parse(struct cella_bytes bytes, struct cella_key_request *out);
/* CELLA_ERR_INTEGRITY unless the report data of the (verified) evidence binds this request: all 64
 * bytes. */
CELLA_RESULT cella_key_request_bound(const struct cella_key_request *request,
                                     const uint8_t report_data[64]);
/* Seals a named key to a request whose evidence was verified and accepted; appends the grant. The
 * name must be asked for. */
CELLA_RESULT cella_key_grant(const struct cella_key_request *request, struct cella_bytes name,
                             struct cella_bytes key, struct cella_buffer *out);

#endif
