/* What a policy's owner sends: a JWS with a policy, with the wish to reset it, or with a policy
 * management certificate (azure-attestation 7.1, 7.3, 8). Read and checked on its own: whose
 * signature it is, not whether that one may. */
#ifndef CELLA_ATTEST_STATEMENT_H
#define CELLA_ATTEST_STATEMENT_H

#include "crypto/jose.h"

enum { CELLA_THUMBPRINT_TEXT = 41 /* SHA-1 in upper-case hex: how Azure's clients compare it */ };
CELLA_RESULT cella_thumbprint(struct cella_bytes certificate, char text[CELLA_THUMBPRINT_TEXT]);

struct cella_statement {
    struct cella_jws jws; /* of the text given, which must stay */
    json_t *signer;       /* owned: JWK of alg, kty and x5c as sent; NULL: unsecured */
};
void cella_statement_free(struct cella_statement *statement);
#define CELLA_STATEMENT __attribute__((cleanup(cella_statement_free))) struct cella_statement

/* The JWS of a request's body, appended: as it is, as a JSON string, or, unless NULL, as that
 * member of a JSON object. */
CELLA_RESULT cella_statement_body(struct cella_bytes body, const char *member,
                                  struct cella_buffer *jws);
/* Unsecured, or signed under the first certificate of its own x5c; jwk, jku, kid and x5u are not
 * looked at (A26). */
CELLA_RESULT cella_statement_read(struct cella_bytes jws, struct cella_statement *out);
/* The policy's text, appended: AttestationPolicy, as base64 of either alphabet or as it is. */
CELLA_RESULT cella_statement_policy(const struct cella_statement *statement,
                                    struct cella_buffer *text);
/* The certificate that it is about, DER, appended. */
CELLA_RESULT cella_statement_certificate(const struct cella_statement *statement,
                                         struct cella_buffer *der);
/* The unsecured statement of a policy, appended. */
CELLA_RESULT cella_statement_unsecured(struct cella_bytes text, struct cella_buffer *jws);

#endif
