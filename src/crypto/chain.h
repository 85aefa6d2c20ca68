/* A certificate chain in the order given, leaf first, each link checked by its role; no paths are
 * built (A07). Revocation and the meaning of the certificates (which CA, which product) are the
 * caller's. */
#ifndef CELLA_CRYPTO_CHAIN_H
#define CELLA_CRYPTO_CHAIN_H

#include "crypto/x509.h"

enum { CELLA_CHAIN_CERTIFICATES = 8 };

enum cella_chain_check {
    CELLA_CHAIN_GOOD = 0,
    CELLA_CHAIN_COUNT,     /* none, or more than CELLA_CHAIN_CERTIFICATES */
    CELLA_CHAIN_NOT_YET,   /* time is before notBefore */
    CELLA_CHAIN_EXPIRED,   /* time is after notAfter */
    CELLA_CHAIN_CRITICAL,  /* an unknown critical extension */
    CELLA_CHAIN_NAME,      /* the issuer's name is not, byte for byte, the next subject's */
    CELLA_CHAIN_CA,        /* an issuer is not a CA (basicConstraints) */
    CELLA_CHAIN_KEY_USAGE, /* an issuer's keyUsage lacks keyCertSign */
    CELLA_CHAIN_PATH_LENGTH,
    CELLA_CHAIN_ROOT, /* the last is neither the pinned root nor signed by it */
    CELLA_CHAIN_KEY,  /* an issuer's public key cannot be used */
    CELLA_CHAIN_SIGNATURE,
};

/* Which certificate failed which check: for steps and fields of a verdict. */
struct cella_chain_fault {
    enum cella_chain_check check;
    size_t index; /* 0 is the leaf */
};

struct cella_chain_options {
    uint64_t time_unix;
    struct cella_bytes root_spki; /* the pinned root's SubjectPublicKeyInfo, DER (A08) */
    struct cella_bytes root_der;  /* the pinned root's certificate: one that is the same to the byte
                                     needs no check; or empty */
    /* That key, ready: saves making it anew; NULL makes it from root_spki. */
    const struct cella_verifykey *root_key;
    /* Each may be off only where a maker's certificates are known to lack it. */
    bool without_key_usage; /* issuers without the extension keyUsage pass; one that has it still
                               needs keyCertSign */
    bool allow_unknown_critical; /* the caller reads the critical extensions itself */
};

/* The last certificate must be signed by the pinned root's key, as the root itself and whatever it
 * issued are, or be root_der. Fails with CELLA_ERR_EXPIRED for times, CELLA_ERR_INTEGRITY for
 * signatures, CELLA_ERR_REFUSED for the rest, the error naming certificate and check; *fault, when
 * not NULL, says the same to programs. Cost: count signatures, one less with root_der. */
CELLA_RESULT cella_chain_check(const struct cella_certificate *certificates, size_t count,
                               const struct cella_chain_options *options,
                               struct cella_chain_fault *fault);
/* One word for a check, such as "notAfter" or "signature". */
const char *cella_chain_check_name(enum cella_chain_check check);

#endif
