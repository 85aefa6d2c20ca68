/* X.509 certificates and revocation lists, read strictly (DER only, A30), each parsed once, nothing
 * allocated: views into the caller's bytes. Knows what evidence needs: names as bytes, validity,
 * key, constraints, extensions, signature. Not a general path builder: chains are given in order
 * and each link is checked by its role (A07). */
#ifndef CELLA_CRYPTO_X509_H
#define CELLA_CRYPTO_X509_H

#include <cella/bytes.h>
#include <cella/result.h>
#include <stdint.h>

#include "crypto/verifykey.h"

struct cella_certificate {
    struct cella_bytes der;    /* the whole certificate, exactly */
    struct cella_bytes tbs;    /* what is signed */
    struct cella_bytes serial; /* INTEGER content, not negative (AMD's are 0), minimal, at most 20
                                  bytes of value */
    struct cella_bytes issuer, subject; /* Name, DER, compared byte for byte */
    struct cella_bytes spki;            /* SubjectPublicKeyInfo, DER */
    uint64_t not_before_unix, not_after_unix;
    bool has_basic_constraints, is_ca;
    int32_t path_length; /* -1: none given */
    bool has_key_usage;
    uint16_t key_usage;            /* bit 0 digitalSignature ... bit 5 keyCertSign, bit 6 cRLSign */
    bool unknown_critical;         /* a critical extension that is not basicConstraints, keyUsage or
                                      extKeyUsage */
    struct cella_bytes extensions; /* content of the SEQUENCE OF Extension */
    /* NONE: not one of the enum, no signature check will pass. X.509 names the digest alone: for
     * ECDSA this is the curve usual with it, and cella_certificate_check takes the curve of the
     * issuer's key. */
    enum cella_signature_algorithm signature_algorithm;
    struct cella_bytes signature; /* BIT STRING content: DER ECDSA-Sig-Value or RSA integer */
};

struct cella_crl {
    struct cella_bytes der, tbs, issuer;
    uint64_t this_update_unix, next_update_unix; /* next 0: none given */
    struct cella_bytes revoked;                  /* content of revokedCertificates, may be empty */
    struct cella_bytes number;                   /* CRLNumber, may be empty */
    enum cella_signature_algorithm signature_algorithm;
    struct cella_bytes signature;
};

/* der must hold exactly one certificate; _first takes the first and gives its size. */
CELLA_RESULT cella_certificate_parse(struct cella_bytes der, struct cella_certificate *out);
CELLA_RESULT cella_certificate_parse_first(struct cella_bytes der, struct cella_certificate *out);
/* The extension's value (content of its OCTET STRING) by its OID content bytes; false when absent.
 */
bool cella_certificate_extension(const struct cella_certificate *certificate,
                                 struct cella_bytes oid, struct cella_bytes *value);
/* Common name of subject or issuer into text, for people; "" when none. */
void cella_name_common(struct cella_bytes name, char *text, size_t size);
/* Signature of certificate or list under a key. */
CELLA_RESULT cella_certificate_check(const struct cella_certificate *certificate,
                                     const struct cella_verifykey *issuer);
CELLA_RESULT cella_crl_parse(struct cella_bytes der, struct cella_crl *out);
CELLA_RESULT cella_crl_check(const struct cella_crl *crl, const struct cella_verifykey *issuer);
/* Whether the serial is on the list; CELLA_ERR_FORMAT when the list is malformed further on. */
CELLA_RESULT cella_crl_revokes(const struct cella_crl *crl, struct cella_bytes serial,
                               bool *revoked);
/* Next PEM block of the label ("CERTIFICATE") at *at: decoded into out (appended), *at moved
 * behind; false: none. */
struct cella_buffer;
CELLA_RESULT cella_pem_next(struct cella_bytes text, const char *label, size_t *at,
                            struct cella_buffer *out, bool *found);
/* The certificates of a text that is nothing but CERTIFICATE blocks, with only line ends and NUL
 * around them: decoded into storage, nothing allocated, in the order of the text. More than max, or
 * than fit, is refused. */
CELLA_RESULT cella_pem_certificates(struct cella_bytes text, uint8_t *storage, size_t size,
                                    struct cella_bytes *der, size_t max, size_t *count);

#endif
