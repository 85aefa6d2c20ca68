/* AMD's certificates for SEV-SNP: which role one plays, and what its extensions say.
 * Source: AMD 57230 (VCEK certificate and KDS interface), tables of X.509 extensions. */
#ifndef CELLA_EVIDENCE_SNP_CERT_H
#define CELLA_EVIDENCE_SNP_CERT_H

#include "crypto/x509.h"
#include "evidence/amd_keys.h"

struct cella_snp_cert {
    struct cella_certificate x509;
    enum cella_snp_role role;
    enum cella_snp_line line;
    char name[64]; /* common name of the subject, to be shown */
    /* VCEK and VLEK only: */
    uint8_t tcb[CELLA_SNP_TCB_SIZE]; /* as TCB_VERSION of the line has it */
    char product[32];
    struct cella_bytes hwid; /* VCEK: 64 bytes, Turin 8 */
    char csp_id[128];        /* VLEK: the provider */
};

/* Whether the names are those of one of AMD's roles: *role and *line then say of which. */
bool cella_snp_cert_is(const struct cella_certificate *x509, enum cella_snp_role *role,
                       enum cella_snp_line *line);
/* Checks the role's constraints (A07: key usage, path length, no unknown critical extension, the
 * signature algorithm AMD uses, product of the extensions against the issuer's line) and reads the
 * extensions. Not the signature. CELLA_ERR_UNSUPPORTED for a certificate of no role. */
CELLA_RESULT cella_snp_cert_read(const struct cella_certificate *x509, struct cella_snp_cert *out);

#endif
