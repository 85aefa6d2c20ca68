/* RA-TLS certificates (evidence-formats 17): the parts of their verifier. For files of the evidence
 * part.
 *
 * The certificate vouches for nothing; it is a carrier. What counts is the evidence in one of its
 * extensions, verified as if it had come alone, and that the evidence's report data names the
 * certificate's public key (A13). The peer of a TLS connection that proves to have that key is then
 * the one the evidence speaks of.
 */
#ifndef CELLA_EVIDENCE_RATLS_H
#define CELLA_EVIDENCE_RATLS_H

#include "crypto/x509.h"
#include "evidence/family.h"

enum { CELLA_RATLS_CUSTOM_MAX = 32 };

/* Where evidence was found, and what it may be. */
struct cella_ratls_found {
    const char *oid;             /* dotted; static */
    struct cella_bytes evidence; /* without its wrapping */
    bool has_claims; /* interoperable RA-TLS: report data binds a claims buffer, and that the key */
    struct cella_bytes claims;
    bool intel, amd; /* which evidence the extension is for */
};

/* One of the claims buffer. */
struct cella_ratls_custom {
    struct cella_bytes name, value;
};
struct cella_ratls_claims {
    uint64_t hash_algorithm; /* IANA named information: 1 SHA-256, 7 SHA-384, 8 SHA-512 */
    struct cella_bytes hash;
    size_t count;
    struct cella_ratls_custom custom[CELLA_RATLS_CUSTOM_MAX]; /* all but pubkey-hash */
};

/* The first known extension, the interoperable one before all others. CELLA_ERR_NOT_FOUND for a
 * certificate without. */
CELLA_RESULT cella_ratls_find(const struct cella_certificate *certificate,
                              struct cella_ratls_found *out);
/* Whether bytes begin like DER and have one of those extensions' identifiers somewhere. */
bool cella_ratls_looks(struct cella_bytes der);
CELLA_RESULT cella_ratls_claims_parse(struct cella_bytes buffer, struct cella_ratls_claims *out);
/* How the 64 bytes of report data bind the key, as a static word: "claims-buffer", "spki", "pkcs1",
 * "ec-point", "pem". NULL in *how when they do not. */
CELLA_RESULT cella_ratls_binding(const struct cella_certificate *certificate,
                                 const struct cella_ratls_found *found,
                                 struct cella_bytes report_data, const char **how);
/* Whether the certificate is signed by its own key. *weak: by an algorithm or key that proves
 * little by now. */
CELLA_RESULT cella_ratls_self_signed(const struct cella_certificate *certificate, bool *weak,
                                     bool *weak_key);

#endif
