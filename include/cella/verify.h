/* Verification of evidence of every TEE: evidence + collateral + time + options -> claims and a
 * verdict with a reason.
 *
 * One pure, re-entrant function (docs/architecture.md, decision 7): no clock, no network, no global
 * state. Collateral is an immutable object, parsed once and shared by any number of threads
 * (include/cella/collateral.h).
 */
#ifndef CELLA_VERIFY_H
#define CELLA_VERIFY_H

#include <cella/bytes.h>
#include <cella/claims.h>
#include <cella/collateral.h>
#include <cella/result.h>

enum cella_evidence_type {
    CELLA_EVIDENCE_AUTO = 0, /* detected from the bytes */
    CELLA_EVIDENCE_SGX,      /* "sgx": DCAP quote v3, v4, v5 body type 1 */
    CELLA_EVIDENCE_TDX,      /* "tdx": quote v4, v5 */
    CELLA_EVIDENCE_SNP,      /* "snp": attestation report, alone or with its certificate table */
    CELLA_EVIDENCE_TPM,      /* "tpm": TPM 2.0 quote and its signature */
    CELLA_EVIDENCE_AZURE,    /* "azure": HCL report with vTPM quote */
    CELLA_EVIDENCE_NITRO,    /* "nitro": AWS attestation document */
    CELLA_EVIDENCE_MAA,      /* "maa": Azure Attestation token */
    CELLA_EVIDENCE_RATLS,    /* "ra-tls": certificate that carries evidence */
    CELLA_EVIDENCE_SOFTWARE, /* "software": cella's own */
    CELLA_EVIDENCE_TYPE_COUNT
};
const char *cella_evidence_type_name(enum cella_evidence_type type);
/* CELLA_ERR_USAGE for a name that is none. */
CELLA_RESULT cella_evidence_type_of(const char *name, enum cella_evidence_type *out);

enum {
    CELLA_EVIDENCE_INPUT_MAX = 1 << 20 /* bytes */,
    CELLA_REASON_TEXT = 256,
    CELLA_CHAIN_MAX = 64
};

/* Why evidence is refused: the first check that did not hold. */
struct cella_reason {
    char step[64];  /* which check: "pck chain", "tcb level", "quote signature", ... */
    char field[64]; /* which field of what: "qe report.mrsigner", "tcb info.fmspc", ... */
    char expected[CELLA_REASON_TEXT];
    char found[CELLA_REASON_TEXT];
    char remedy[CELLA_REASON_TEXT]; /* what would satisfy it */
};

/* One link of the chain of trust, for --explain and --dot; [0] is the root. */
struct cella_link {
    int32_t parent;   /* index of what vouches for it; -1: the root of a tree */
    char what[64];    /* "certificate", "report", "tcb info", ... */
    char name[128];   /* subject, id */
    char detail[192]; /* how it is bound to its parent, validity */
    bool held;
};

enum cella_verify_verdict {
    CELLA_VERIFY_REFUSED = 0,
    CELLA_VERIFY_ACCEPTED = 1
}; /* A35: default refuses */

struct cella_verification {
    enum cella_evidence_type type;
    bool authentic; /* signatures and chain hold up to a trusted root */
    enum cella_verify_verdict verdict;
    struct cella_reason reason;    /* of a refusal; empty when accepted */
    char tcb_status[48];           /* in the maker's words; empty where there is none */
    struct cella_claimset *claims; /* owned; only what was verified, empty unless authentic */
    uint32_t link_count;
    struct cella_link link[CELLA_CHAIN_MAX];
    char scratch[8][CELLA_REASON_TEXT]; /* for the texts above while they are made */
    uint32_t scratch_next;
    const struct cella_envelope *envelope; /* of the evidence, while it is verified */
};
void cella_verification_free(struct cella_verification *verification);
#define CELLA_VERIFICATION                                                                         \
    __attribute__((cleanup(cella_verification_free))) struct cella_verification

struct cella_evidence_options {
    enum cella_evidence_type type; /* CELLA_EVIDENCE_AUTO or forced */
    uint64_t time_unix;            /* seconds: at which validity is judged */
    const char *const
        *accept_tcb; /* statuses accepted besides "UpToDate" (A01), in the maker's words */
    size_t accept_tcb_count;
    uint64_t grace_s;   /* collateral may be this many seconds stale; then claim collateral-stale */
    uint64_t max_age_s; /* evidence that says when it was made; 0: any */
};

/* Success means the verification was carried out, whatever the verdict; errors are for wrong
 * arguments and memory. evidence: raw, hex, base64, base64url, PEM or the JSON envelopes of
 * docs/formats/envelopes.md. */
CELLA_RESULT cella_verify(struct cella_bytes evidence, const struct cella_collateral *collateral,
                          const struct cella_evidence_options *options,
                          struct cella_verification *out);

#endif
