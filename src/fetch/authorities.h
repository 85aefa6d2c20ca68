/* The authorities of an image's vaults: certificates in PEM, read in one way when the image is
 * signed, when it is shown, and by the fetching program that believes them. */
#ifndef CELLA_FETCH_AUTHORITIES_H
#define CELLA_FETCH_AUTHORITIES_H

#include <cella/bytes.h>
#include <cella/result.h>

struct cella_fetch_authority {
    struct cella_bytes der;
    uint8_t sha256[32]; /* of der */
    const char *name;   /* its subject (RFC 2253), in printable ASCII */
};

/* Gives each certificate of a PEM text, in its order, to each(context, ...); what these hold is
 * lent. At least one; a damaged one is CELLA_ERR_FORMAT, and nothing after it is read. */
CELLA_RESULT cella_fetch_authorities(
    const char *ca,
    struct cella_result (*each)(void *context, const struct cella_fetch_authority *one),
    void *context);

#endif
