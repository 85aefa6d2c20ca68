/* Evidence from a stranger: the frame, the claims in it, and the whole chain with the key it names
 * itself as anchor. What is accepted must be the one encoding of its claims: the payload parses
 * alone to the same. */
#include <cella/evidence.h>
#include <cella/verify.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/cose.h"
#include "evidence/format.h"
#include "evidence/software_parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool done(struct cella_result r) {
    bool good = !cella_failed(r);
    cella_result_drop(r);
    return good;
}

/* Roots of confidential VMs need no trusted key, so nobody may get through by them without a
 * maker's signature. */
static void try_stacked(struct cella_bytes evidence) {
    CELLA_VERIFICATION v;
    struct cella_evidence_options options = {.type = CELLA_EVIDENCE_SOFTWARE,
                                             .time_unix = 1750000000};
    if (!done(cella_verify(evidence, NULL, &options, &v))) return;
    if (v.verdict == CELLA_VERIFY_ACCEPTED || v.authentic) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct cella_cose_sign1 sign1;
    struct cella_software_payload payload;
    struct cella_claims claims;
    (void)done(
        cella_software_parse(cella_bytes(data, size), &payload)); /* inputs that are bare claims */
    if (!done(cella_cose_sign1_parse(cella_bytes(data, size), CELLA_EVIDENCE_CONTENT_TYPE, &sign1)))
        return 0;
    if (!done(cella_software_parse(sign1.payload, &payload))) return 0;
    try_stacked(cella_bytes(data, size));
    struct cella_bytes anchor = CELLA_BYTES_OF(payload.spki);
    struct cella_verify_options options = {&anchor, 1, 1750000000, 0};
    bool accepted = done(cella_evidence_verify(cella_bytes(data, size), &options, &claims));
    if (accepted && memcmp(&claims.software, &payload.claims, sizeof(claims.software)) != 0)
        abort();
    if (!accepted && claims.root != 0) abort(); /* nothing leaves a refusal */
    return 0;
}
