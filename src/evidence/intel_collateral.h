/* Collateral of Intel's SGX and TDX: TCB infos, enclave identities, certificates and revocation
 * lists, with their own signatures verified once, when the set is finished; and event logs, which
 * are evidence's companions.
 *
 * An item that is malformed or wrongly signed stays, with its failure: the verification that finds
 * nothing better tells it. Times are judged at verification. For files of the evidence part.
 */
#ifndef CELLA_EVIDENCE_INTEL_COLLATERAL_H
#define CELLA_EVIDENCE_INTEL_COLLATERAL_H

#include "base/buffer.h"
#include "crypto/x509.h"
#include "evidence/family.h"
#include "evidence/identity.h"
#include "evidence/tcbinfo.h"

enum cella_intel_role {
    CELLA_INTEL_OTHER = 0,
    CELLA_INTEL_ROOT,
    CELLA_INTEL_PROCESSOR_CA,
    CELLA_INTEL_PLATFORM_CA,
    CELLA_INTEL_TCB_SIGNING,
    CELLA_INTEL_PCK,
};
/* By the subject's common name; whether the rest fits the role is cella_intel_role_holds. */
enum cella_intel_role cella_intel_role(const struct cella_certificate *certificate);
const char *cella_intel_role_name(enum cella_intel_role role);
/* Whether constraints and key usage are those of the role (A07), and no unknown extension is
 * critical. */
bool cella_intel_role_holds(const struct cella_certificate *certificate,
                            enum cella_intel_role role);

enum {
    CELLA_INTEL_FAILURE = 200,
    CELLA_INTEL_ROOTS = 16,
    CELLA_INTEL_ITEMS = 1024,
    CELLA_INTEL_LOGS = 16
};

struct cella_intel_certificate {
    struct cella_certificate x509;
    enum cella_intel_role role;
    bool held; /* chains to a root; PCK certificates are checked when they are used */
    struct cella_verifykey *key;    /* owned; of those that are held */
    struct cella_bytes signer_spki; /* of the root that it is signed with */
    uint8_t chain_hash[32];         /* of a TCB signing certificate that holds: intel_hashes.c */
    char failure[CELLA_INTEL_FAILURE];
};
struct cella_intel_crl {
    struct cella_crl crl;
    uint8_t hash[32]; /* SHA-256 of it */
    bool held;
    struct cella_bytes signer_spki; /* of the key it is signed with */
    char failure[CELLA_INTEL_FAILURE];
};
/* What TCB infos and identities have in common. */
struct cella_intel_signed {
    bool held;
    uint8_t hash[32];               /* of the whole document: intel_hashes.c */
    struct cella_bytes signer_spki; /* of the TCB signing certificate */
    char failure[CELLA_INTEL_FAILURE];
};
struct cella_intel_tcbinfo {
    struct cella_intel_signed sign;
    struct cella_tcbinfo info;
};
struct cella_intel_identity {
    struct cella_intel_signed sign;
    struct cella_enclave_identity identity;
};
struct cella_intel_root {
    struct cella_bytes spki;
    struct cella_verifykey *key; /* owned */
};
enum cella_intel_kind {
    CELLA_INTEL_KIND_TCBINFO,
    CELLA_INTEL_KIND_IDENTITY,
    CELLA_INTEL_KIND_CERTIFICATE,
    CELLA_INTEL_KIND_CRL,
    CELLA_INTEL_KIND_COUNT
};

struct cella_intel {
    uint32_t root_count, certificate_count, crl_count, tcbinfo_count, identity_count, log_count;
    struct cella_intel_root root[CELLA_INTEL_ROOTS];
    struct cella_intel_certificate *certificate; /* owned arrays */
    struct cella_intel_crl *crl;
    struct cella_intel_tcbinfo **tcbinfo;
    struct cella_intel_identity **identity;
    struct cella_bytes log[CELLA_INTEL_LOGS];
    uint32_t decoded_count;
    uint8_t **decoded; /* owned: what PEM and hex texts held */
    char malformed[CELLA_INTEL_KIND_COUNT]
                  [CELLA_INTEL_FAILURE]; /* first failure to read an item of the kind */
};

/* Hashes of collateral, by which a verdict says what it rests on; made once, when the set is.
 * (intel_hashes.c) Of a document: SHA-256 of its text and a NUL. Of a TCB signing certificate:
 * SHA-256 of it and its root in PEM, lines of 64, and a NUL; of it alone where no root is there. */
CELLA_RESULT cella_intel_document_hash(struct cella_bytes text, uint8_t hash[32]);
CELLA_RESULT cella_intel_chain_hash(const struct cella_intel *state,
                                    struct cella_intel_certificate *certificate);

/* Whether the certificate's own bytes are among those that hold: then its key needs no further
 * check. NULL: not. */
const struct cella_intel_certificate *cella_intel_known(const struct cella_intel *state,
                                                        struct cella_bytes der);
/* A pinned root with this SubjectPublicKeyInfo, or NULL (A08). */
const struct cella_intel_root *cella_intel_root_of(const struct cella_intel *state,
                                                   struct cella_bytes spki);

#endif
