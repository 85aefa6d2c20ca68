/* An instance of the attestation service: what its operator set, and the parts it works with. One
 * origin, one name, its own keys, policies and certificates (azure-attestation 1). */
#ifndef CELLA_ATTEST_INSTANCE_H
#define CELLA_ATTEST_INSTANCE_H

#include "attest/trust.h"
#include "audit/audit.h"
#include "crypto/jose.h"
#include "http/metrics.h"
#include "identity/access.h"
#include "store/database.h"
#include "store/sealer.h"

enum cella_attest_mode {
    CELLA_ATTEST_AAD = 0,  /* policies unsigned or signed by anyone; roles guard them */
    CELLA_ATTEST_ISOLATED, /* policies signed by a policy management certificate */
    CELLA_ATTEST_SHARED,   /* default policies only, nothing can be set */
};

enum cella_attest_type {
    CELLA_ATTEST_SGX,
    CELLA_ATTEST_OPEN_ENCLAVE,
    CELLA_ATTEST_SNP,
    CELLA_ATTEST_TDX,
    CELLA_ATTEST_AZURE_GUEST,
    CELLA_ATTEST_TPM,
    CELLA_ATTEST_SOFTWARE, /* "SoftwareEnclave": cella's own evidence */
    CELLA_ATTEST_TYPE_COUNT
};
/* "SgxEnclave" ...; found in any case (azure-attestation 1.2). */
const char *cella_attest_type_name(enum cella_attest_type type);
bool cella_attest_type_find(struct cella_bytes name, enum cella_attest_type *type);

enum { CELLA_ATTEST_NAME_MAX = 64 /* [0-9a-z-] */, CELLA_ATTEST_TCB_MAX = 16 };

struct cella_attest_settings {
    const char *name; /* of the store, of scopes: "/attest/NAME" */
    const char *url;  /* its origin, "https://localhost:8445"; the tokens' iss */
    enum cella_attest_mode mode;
    struct cella_bytes policy_certificates; /* PEM: the first policy management certificates; must
                                               not be empty when isolated and the store has none */
    unsigned algorithm; /* of tokens: CELLA_JOSE_RS256 (default of 0) or CELLA_JOSE_ES256 */
    uint32_t token_s;   /* lifetime of attestation tokens; 0: 28800 */
    uint32_t rotate_s;  /* age at which a new signing key is made; 0: 90 days */
    const char *accept_tcb[CELLA_ATTEST_TCB_MAX]; /* besides UpToDate (A01) */
    size_t accept_tcb_count;
    uint64_t grace_s;       /* collateral may be this stale */
    uint64_t insecure_time; /* evidence and collateral are judged as of then; 0: now. For tests with
                               evidence that was recorded */
    struct cella_bytes reference_values; /* launch measurements, SHA-384 in hex, a line each, "#"
                                            comments: of these x-ms-compliance-status is
                                            azure-compliant-cvm */
    struct cella_bytes evidence; /* of the service itself, DER for extension 1.3.6.1.4.1.311.105.1
                                    of its signing certificates; empty: none */
    /* The same over each signing key, by its SubjectPublicKeyInfo; appended. Asked for as keys are
     * made, and at start for keys without it. It goes before evidence; NULL: none */
    struct cella_result (*evidence_over)(void *context, struct cella_bytes spki,
                                         struct cella_buffer *der);
    void *evidence_context;
};

struct cella_tokens;
struct cella_policies;
struct cella_explanations;
struct cella_attest_meters;
struct cella_references;

struct cella_attest_instance {
    struct cella_attest_settings settings;
    char scope[CELLA_ATTEST_NAME_MAX + 16];
    struct cella_database *database; /* borrowed, as the next ones */
    const struct cella_sealer *sealer;
    const struct cella_issuers *issuers;
    struct cella_audit *audit;
    struct cella_trust *trust;
    struct cella_metrics *metrics;
    struct cella_tokens *tokens;               /* owned: tokens.h */
    struct cella_policies *policies;           /* owned: policies.h */
    struct cella_explanations *explanations;   /* owned: explain.h; or NULL */
    const struct cella_attest_meters *meters;  /* borrowed: meters.h; or NULL */
    const struct cella_references *references; /* owned: references.h; or NULL */
};

#endif
