/* Evidence: verified statements about enclaves, and the claims they make (docs/formats/evidence.md,
 * claims.md).
 *
 * Verification is pure and re-entrant: evidence, trust anchors and time in, claims or a reason out;
 * no clock, no network, no global state.
 */
#ifndef CELLA_EVIDENCE_H
#define CELLA_EVIDENCE_H

#include <cella/bytes.h>
#include <cella/identity.h>
#include <cella/result.h>

enum cella_assurance { /* spec: docs/threat-model.md; S0..S2 are never confidential computing */
                       CELLA_ASSURANCE_S0 = 0, /* isolated from other users and containers; not from
                                                  the machine's root */
                       CELLA_ASSURANCE_S1 =
                           1, /* S0 and root cannot ptrace, read memory, take descriptors */
                       CELLA_ASSURANCE_S2 = 2, /* S1 and no tracing, BPF, module, kexec route */
                       CELLA_ASSURANCE_S3 = 3, /* S2 inside a confidential VM whose measurement
                                                  covers kernel, command line, daemon */
};

enum { CELLA_SETTING_MAX = 32, CELLA_SETTING_NAME_MAX = 48, CELLA_SETTING_VALUE_MAX = 80 };

/* One self-reported setting of the machine, as the platform read it when it made the evidence. */
struct cella_setting {
    char name[CELLA_SETTING_NAME_MAX];   /* for example "yama.ptrace_scope" */
    char value[CELLA_SETTING_VALUE_MAX]; /* as read, or "absent" */
};

struct cella_software_claims {
    struct cella_identity identity;
    uint8_t report_data[64];
    uint64_t issued_unix;    /* seconds; the platform's clock, not trusted beyond its owner */
    uint8_t boot_id[16];     /* the kernel's boot id */
    uint8_t instance_id[16]; /* random per start of the enclave */
    uint32_t assurance;      /* enum cella_assurance, derived anew for this evidence */
    bool memory_secret; /* memfd_secret; false: ordinary private memory, allowed by the manifest */
    char platform_version[32];
    uint32_t setting_count;
    struct cella_setting setting[CELLA_SETTING_MAX];
};

enum cella_root { CELLA_ROOT_FILE = 1, CELLA_ROOT_TPM = 2, CELLA_ROOT_SNP = 3, CELLA_ROOT_TDX = 4 };

/* What verified software evidence says. */
struct cella_claims {
    struct cella_software_claims software;
    uint32_t
        root; /* enum cella_root: TPM when the chain ended in an attestation key of yours,
               * FILE when it ended in the platform key itself, SNP or TDX when the maker's
               * hardware vouches for the guest that the platform runs in (cella_verify only) */
    uint8_t platform_key[32]; /* fingerprint: SHA-256 of its SubjectPublicKeyInfo */
    uint8_t trusted_by[32];   /* fingerprint of the caller's anchor that the chain ended in; zeros
                               * when it ended in a maker's root */
    uint32_t tpm_pcr_count;   /* root tpm: the PCR values quoted, SHA-256 bank */
    struct {
        uint8_t index;
        uint8_t value[32];
    } tpm_pcr[24];
};

struct cella_verify_options {
    const struct cella_bytes
        *anchors;        /* SubjectPublicKeyInfo DER of platform keys or TPM attestation keys */
    size_t anchor_count; /* 0: every evidence is refused with CELLA_ERR_REFUSED */
    uint64_t now_unix;   /* seconds */
    uint64_t max_age_s;  /* 0: any age; else issued_unix must lie within (clock skew 60 s) */
};

/* Checks form, signature, chain to an anchor, root evidence. Says nothing of whether the claims are
 * wanted: that is policy (policy/expect.h). Size of evidence: at most 64 KiB. */
CELLA_RESULT cella_evidence_verify(struct cella_bytes evidence,
                                   const struct cella_verify_options *options,
                                   struct cella_claims *out);

/* The same with the anchors made ready once, for those who verify much. Const use is thread-safe.
 */
struct cella_verifier;
CELLA_RESULT cella_verifier_new(const struct cella_bytes *anchors, size_t anchor_count,
                                struct cella_verifier **out);
void cella_verifier_free(struct cella_verifier **verifier);
CELLA_RESULT cella_verifier_check(const struct cella_verifier *verifier,
                                  struct cella_bytes evidence, uint64_t now_unix,
                                  uint64_t max_age_s, struct cella_claims *out);

#endif
