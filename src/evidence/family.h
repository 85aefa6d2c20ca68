/* What the verifier of one family of TEEs (intel, amd, tpm and azure, nitro, tokens, software)
 * gives to the common part: a verify function per evidence type, and its own part of the collateral
 * set. For files of the evidence part.
 */
#ifndef CELLA_EVIDENCE_FAMILY_H
#define CELLA_EVIDENCE_FAMILY_H

#include <cella/verify.h>

/* A family's collateral. The common part owns the bytes of all items and keeps them in place until
 * free, so parsed views into them stay valid. */
struct cella_family {
    const char *name;
    CELLA_RESULT (*new_state)(void **state); /* with built-in roots */
    void (*free_state)(void *state);
    /* Replace roots by one given (called per root after a clear with content.size 0). DER
     * certificate or SPKI. */
    CELLA_RESULT (*set_root)(void *state, struct cella_bytes der);
    /* Takes an item it recognises. PEM and JSON come as they are. */
    CELLA_RESULT (*add)(void *state, const char *name, struct cella_bytes content, bool *taken);
    CELLA_RESULT (*finish)(void *state);
    /* A public key (SPKI) that the caller trusts to sign evidence itself: a platform's key, a TPM's
     * attestation key. Never a maker's root, so that who may vouch for software may not vouch for
     * hardware (A23). NULL: the family has none. */
    CELLA_RESULT (*trust)(void *state, struct cella_bytes spki);
};

extern const struct cella_family cella_family_intel, cella_family_amd, cella_family_tpm,
    cella_family_nitro, cella_family_maa, cella_family_software;
/* The family's state inside a collateral set; NULL set gives a static empty state with built-in
 * roots. */
const void *cella_collateral_of(const struct cella_collateral *collateral,
                                const struct cella_family *family);

/* What came with the evidence in one JSON envelope (docs/formats/envelopes.md), decoded:
 * "tpm_quote.msg", "vcek", ... false when there is no such part. Untrusted, as the evidence itself
 * is. */
bool cella_evidence_part(const struct cella_verification *out, const char *name,
                         struct cella_bytes *content);

/* Verifies decoded evidence of one type. Fills out: links and claims as it goes; on refusal it
 * returns what cella_refuse returned; success means all of authenticity and TCB policy held. The
 * caller has zeroed out and set type. */
typedef struct cella_result cella_family_verify(struct cella_bytes evidence,
                                                const struct cella_collateral *collateral,
                                                const struct cella_evidence_options *options,
                                                struct cella_verification *out);
cella_family_verify cella_verify_sgx, cella_verify_tdx, cella_verify_snp, cella_verify_tpm,
    cella_verify_azure, cella_verify_nitro, cella_verify_maa, cella_verify_ratls,
    cella_verify_software;
/* Whether bytes look like this type, by magic, version and sizes; cheap, never more than a hint for
 * dispatch. */
typedef bool cella_family_detect(struct cella_bytes evidence);
cella_family_detect cella_detect_sgx, cella_detect_tdx, cella_detect_snp, cella_detect_tpm,
    cella_detect_azure, cella_detect_nitro, cella_detect_maa, cella_detect_ratls,
    cella_detect_software;

/* Records the reason of a refusal and returns an error of that code, for `return` or TRY:
 *   REFUSE(out, CELLA_ERR_INTEGRITY, "qe report", "signature", "ask the machine for a new quote",
 * "valid under the PCK key", "not valid"); expected and found may be printf formats through
 * cella_text. */
struct cella_result cella_refuse(struct cella_verification *out, enum cella_code code,
                                 const char *step, const char *field, const char *remedy,
                                 const char *expected, const char *found);
/* Formats into a ring of buffers inside out, so that several may be used in one call. */
#define REFUSE(...) return cella_refuse(__VA_ARGS__)
const char *cella_text(struct cella_verification *out, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
const char *cella_text_hex(struct cella_verification *out,
                           struct cella_bytes bytes); /* cut at 48 bytes with ... */
/* TRY for a call whose failure is a reason: step and field are recorded, found is the error's text.
 */
#define REFUSE_TRY(out, expr, step, field, remedy, expected)                                       \
    do {                                                                                           \
        struct cella_result refuse_result_ = (expr);                                               \
        if (refuse_result_.error)                                                                  \
            return cella_refuse_because(out, refuse_result_, step, field, remedy, expected);       \
    } while (0)
struct cella_result cella_refuse_because(struct cella_verification *out,
                                         struct cella_result because, const char *step,
                                         const char *field, const char *remedy,
                                         const char *expected);
/* Adds a link of the chain of trust; returns its index (-1 when full). parent -1: a root. */
int32_t cella_link_add(struct cella_verification *out, int32_t parent, const char *what,
                       const char *name, const char *detail, bool held);

/* Judges a TCB status by options (A01): UpToDate or named in accept_tcb; else refuses with
 * shortfall as found. */
struct cella_result cella_judge_tcb(struct cella_verification *out,
                                    const struct cella_evidence_options *options,
                                    const char *shortfall);

#endif
