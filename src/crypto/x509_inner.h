/* Shared by the files of x509 only: what certificates and revocation lists have in common. */
#ifndef CELLA_CRYPTO_X509_INNER_H
#define CELLA_CRYPTO_X509_INNER_H

#include "crypto/der.h"
#include "crypto/x509.h"

enum { X509_EXTENSIONS_MAX = 32 };

struct x509_extension {
    struct cella_bytes oid, value; /* content of the OID; content of the OCTET STRING */
    bool critical;
};

/* SEQUENCE { tbs SEQUENCE, AlgorithmIdentifier, BIT STRING }: the shape of everything signed in
 * X.509. */
struct x509_signed {
    struct cella_bytes tbs;       /* whole */
    struct cella_bytes algorithm; /* whole AlgorithmIdentifier, to be found again inside tbs */
    struct cella_bytes signature;
};

bool x509_oid_is(struct cella_bytes oid, const void *bytes, size_t size);
/* One signed structure at r; false when malformed. */
bool x509_read_signed(struct cella_reader *r, struct x509_signed *out);
/* NONE for an algorithm that is not in the enum. For ECDSA the curve is the one usual with the
 * digest. */
enum cella_signature_algorithm x509_algorithm(struct cella_bytes identifier);
/* The algorithm as it is with the curve of this key: X.509 names only the digest. */
enum cella_signature_algorithm x509_algorithm_for(enum cella_signature_algorithm algorithm,
                                                  const struct cella_verifykey *key);
/* A Name, well-formed as far as its attribute types and values. */
struct cella_bytes x509_read_name(struct cella_reader *r);
/* The next of an Extensions' content; false at the end and on failure (r->failed). */
bool x509_next_extension(struct cella_reader *r, struct x509_extension *out);
/* No two of one OID, each well-formed, at most X509_EXTENSIONS_MAX, at least one. */
bool x509_extensions_are_distinct(struct cella_bytes extensions);
CELLA_RESULT x509_check(const char *what, struct cella_bytes tbs,
                        enum cella_signature_algorithm algorithm, struct cella_bytes signature,
                        const struct cella_verifykey *issuer);

#endif
