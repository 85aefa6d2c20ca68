/* Nitro documents, and the walk through CBOR below them: what is read lies inside the input, and
 * nothing is authentic that does not reach the pinned root (A31, A35). */
#include <cella/verify.h>
#include <stdlib.h>

#include "evidence/cborwalk.h"
#include "evidence/family.h"
#include "evidence/nitro.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool done(struct cella_result r) {
    bool good = !cella_failed(r);
    cella_result_drop(r);
    return good;
}

static void inside(struct cella_bytes part, struct cella_bytes whole) {
    if (part.size && (part.data < whole.data || part.data + part.size > whole.data + whole.size))
        abort();
}

static void use(const struct cella_nitro_document *d, struct cella_bytes whole) {
    inside(d->payload, whole), inside(d->signature, whole), inside(d->protected_header, whole);
    inside(d->module_id, d->payload), inside(d->certificate, d->payload),
        inside(d->user_data, d->payload);
    inside(d->public_key, d->payload), inside(d->nonce, d->payload);
    for (unsigned i = 0; i < CELLA_NITRO_PCR_MAX; i++) {
        inside(d->pcr[i], d->payload);
        if ((d->pcr_present >> i & 1) != (d->pcr[i].size > 0)) abort();
    }
    for (size_t i = 0; i < d->bundle_count; i++) inside(d->bundle[i], d->payload);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct cella_bytes input = cella_bytes(data, size);
    struct cella_nitro_document document;
    struct cella_walk w = cella_walk(input);
    CELLA_VERIFICATION out = {0};
    const struct cella_evidence_options options = {.type = CELLA_EVIDENCE_NITRO,
                                                   .time_unix = 1749295504};
    cella_walk_skip(&w);
    if (!w.failed && w.in.at > size) abort();
    if (done(cella_nitro_parse(input, &document))) use(&document, input);
    (void)cella_detect_nitro(input);
    if (!done(cella_verify(input, NULL, &options, &out))) abort();
    if (out.verdict && !out.authentic) abort();
    if (!out.authentic && cella_claimset_count(out.claims) != 0) abort();
    return 0;
}
