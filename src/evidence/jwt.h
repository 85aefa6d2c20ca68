/* JSON Web Tokens in the compact form (RFC 7515, RFC 7519), read strictly, and the text of JSON
 * strings.
 *
 * Opening a token decodes its three parts and reads the header; it trusts nothing. Of the header
 * only alg and kid are ever used, and both only to be compared with what the caller's own key says:
 * jku, x5u, x5c and jwk are not looked at (A24, A25, A26). The payload is not parsed here: first
 * its signature, then its content.
 */
#ifndef CELLA_EVIDENCE_JWT_H
#define CELLA_EVIDENCE_JWT_H

#include "base/buffer.h"

enum {
    CELLA_JWT_SIZE_MAX = 256 * 1024 /* bytes */,
    CELLA_JWT_KID_MAX = 256,
    CELLA_JWT_SKEW_S = 60 /* A27 */
};

struct cella_jwt {
    struct cella_bytes signed_part;        /* of the caller's text */
    struct cella_bytes payload, signature; /* of the store */
    uint8_t *payload_store;                /* the payload again: its strings are decoded in place */
    char alg[16];                          /* "" when it is no short text */
    bool has_kid;
    uint8_t kid[CELLA_JWT_KID_MAX];
    size_t kid_size;
    struct cella_buffer store; /* owned */
};
void cella_jwt_free(struct cella_jwt *jwt);
#define CELLA_JWT __attribute__((cleanup(cella_jwt_free))) struct cella_jwt

/* text must stay while the token is used. CELLA_ERR_FORMAT for all that is no token in its one
 * spelling (A32). */
CELLA_RESULT cella_jwt_open(struct cella_bytes text, struct cella_jwt *out);
/* Whether text looks like one: three parts of base64url, the first of them a JSON object. */
bool cella_jwt_detect(struct cella_bytes text);

/* A JSON string as the strict reader gives it raw, quotes included, which it has checked: without
 * quotes and escapes. out has room for raw.size bytes and may be raw.data itself. */
size_t cella_jwt_text(struct cella_bytes raw, uint8_t *out);

#endif
