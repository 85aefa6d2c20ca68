/* The body of an attest request (azure-attestation 3): JSON with the evidence, the data it binds, a
 * draft policy and a nonce. */
#ifndef CELLA_ATTEST_BODY_H
#define CELLA_ATTEST_BODY_H

#include <jansson.h>
#include <stdbool.h>

#include "base/buffer.h"

struct cella_attest_data {
    bool there;
    struct cella_bytes bytes; /* decoded, of the body's store */
    json_t *object;           /* owned: of dataType JSON; NULL: Binary */
};

struct cella_attest_body {
    json_t *root;                /* owned */
    struct cella_buffer store;   /* owned */
    struct cella_bytes evidence; /* decoded, of store */
    struct cella_attest_data runtime, init;
    struct cella_bytes draft; /* of root; empty: none */
    const json_t *nonce;      /* of root: a string or an integer; NULL: none */
};
void cella_attest_body_free(struct cella_attest_body *body);
#define CELLA_ATTEST_BODY __attribute__((cleanup(cella_attest_body_free))) struct cella_attest_body

/* member: of the evidence, "quote". CELLA_ERR_FORMAT says which member is not as expected, and
 * never what stands in it. */
CELLA_RESULT cella_attest_body_read(struct cella_bytes text, const char *member,
                                    struct cella_attest_body *out);
/* base64 of either alphabet, with or without padding, appended: clients differ (azure-attestation
 * 3). Spare bits must be zero, and nothing else may stand in it (A32). False otherwise. */
bool cella_attest_base64(struct cella_bytes text, uint8_t *out, size_t *size);

#endif
