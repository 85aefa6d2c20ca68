#include "base/memory.h"
#include "evidence/collateral.h"
#include "evidence/detect.h"
#include "evidence/envelope.h"
#include "evidence/family.h"

/* The kind that the caller forces, else what the bytes look like, raw or out of their envelope. For
 * a forced type that the bytes do not look like, its verifier still judges them: its reason says
 * more than "not detected". */
static struct cella_result choose(struct cella_bytes input,
                                  const struct cella_evidence_options *options,
                                  struct cella_envelope *envelope, struct cella_verification *out,
                                  const struct cella_evidence_kind **kind) {
    bool forced = options->type != CELLA_EVIDENCE_AUTO;
    *kind = forced ? cella_evidence_kind(options->type) : cella_evidence_detect(input);
    envelope->evidence = input;
    if (forced && !*kind)
        REFUSE(out, CELLA_ERR_UNSUPPORTED, "format", "type", "use a build with that verifier",
               "a type this build verifies", cella_evidence_type_name(options->type));
    if (forced ? (*kind)->detect(input) : *kind != NULL) return CELLA_SUCCESS;
    struct cella_result opened = cella_envelope_open(input, envelope);
    if (cella_code_of(opened) == CELLA_ERR_MEMORY) return opened;
    if (!forced) *kind = cella_failed(opened) ? NULL : cella_evidence_detect(envelope->evidence);
    if (!*kind)
        REFUSE_TRY(
            out, opened, "format", "evidence",
            "give evidence of a type that is listed, or name it with --type",
            "evidence of a known type: sgx, tdx, snp, tpm, azure, nitro, maa, ra-tls or software");
    if (cella_failed(opened)) envelope->evidence = input;
    cella_result_drop(opened);
    if (!*kind)
        REFUSE(
            out, CELLA_ERR_FORMAT, "format", "evidence",
            "give evidence of a type that is listed, or name it with --type",
            "evidence of a known type: sgx, tdx, snp, tpm, azure, nitro, maa, ra-tls or software",
            "none of them");
    return CELLA_SUCCESS;
}

static struct cella_result run(struct cella_bytes input, const struct cella_collateral *collateral,
                               const struct cella_evidence_options *options,
                               struct cella_verification *out) {
    CELLA_ENVELOPE envelope = {0};
    const struct cella_evidence_kind *kind = NULL;
    const char *family = NULL;
    out->type = options->type;
    if (input.size > CELLA_EVIDENCE_INPUT_MAX)
        REFUSE(out, CELLA_ERR_LIMIT, "format", "size", "evidence is never this large",
               cella_text(out, "at most %d bytes", CELLA_EVIDENCE_INPUT_MAX),
               cella_text(out, "%zu bytes", input.size));
    TRY(choose(input, options, &envelope, out, &kind));
    out->type = kind->type;
    const struct cella_error *failure = cella_collateral_failure(collateral, &family);
    if (failure)
        REFUSE(out, failure->code, "collateral", family, "leave out the damaged collateral",
               "collateral that can be read", failure->what);
    out->envelope = &envelope;
    struct cella_result r = kind->verify(envelope.evidence, collateral, options, out);
    out->envelope = NULL;
    if (cella_failed(r)) return r;
    if (!out->authentic) /* A35: a verifier that says yes must have shown it */
        REFUSE(out, CELLA_ERR_INTERNAL, "verdict", "authentic", "report this: it is a bug in cella",
               "signatures and chain shown to hold", "not shown");
    REFUSE_TRY(out, cella_claimset_result(out->claims), "claims",
               cella_evidence_type_name(kind->type), NULL, "claims within their limits");
    return CELLA_SUCCESS;
}

/* Claims of evidence that is not authentic are nobody's claims. */
static struct cella_result clear_claims(struct cella_verification *out) {
    cella_claimset_free(&out->claims);
    return cella_claimset_new(&out->claims);
}

/* A refusal that came through as a plain error gets its reason from it. */
static struct cella_result settle(struct cella_verification *out, struct cella_result r) {
    out->verdict = CELLA_VERIFY_REFUSED;
    if (!out->reason.step[0])
        r = cella_refuse_because(out, r, "evidence", cella_evidence_type_name(out->type), NULL,
                                 "well-formed, genuine evidence");
    cella_result_drop(r);
    return out->authentic ? CELLA_SUCCESS : clear_claims(out);
}

CELLA_RESULT cella_verify(struct cella_bytes evidence, const struct cella_collateral *collateral,
                          const struct cella_evidence_options *options,
                          struct cella_verification *out) {
    cella_zero(out, sizeof(*out));
    ENSURE(options && (unsigned)options->type < CELLA_EVIDENCE_TYPE_COUNT, CELLA_ERR_USAGE, NULL,
           "verify: options with a type of evidence are needed");
    if (!collateral) collateral = cella_collateral_none();
    ENSURE(collateral, CELLA_ERR_MEMORY, NULL, "no memory for collateral");
    ENSURE(cella_collateral_finished(collateral), CELLA_ERR_USAGE, NULL,
           "verify: collateral must be finished first");
    TRY(cella_claimset_new(&out->claims));
    struct cella_result r = run(evidence, collateral, options, out);
    if (cella_code_of(r) == CELLA_ERR_MEMORY) {
        cella_verification_free(out);
        cella_zero(out, sizeof(*out));
        return r;
    }
    if (cella_failed(r)) return settle(out, r);
    cella_zero(&out->reason,
               sizeof(out->reason)); /* of ways that were tried before the one that held */
    out->verdict = CELLA_VERIFY_ACCEPTED;
    return CELLA_SUCCESS;
}
