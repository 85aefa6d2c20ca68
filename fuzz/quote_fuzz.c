/* A quote from a stranger: the parser alone, and the whole verification with no collateral. What is
 * parsed must lie within the input; nothing that was not signed by Intel is authentic. */
#include <stdlib.h>

#include "evidence/family.h"
#include "evidence/sgx_quote.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool done(struct cella_result r) {
    bool good = !cella_failed(r);
    cella_result_drop(r);
    return good;
}

static void within(struct cella_bytes part, const uint8_t *data, size_t size) {
    if (part.size && (part.data < data || part.size > size || part.data > data + size - part.size))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct cella_quote quote;
    struct cella_pck_id id;
    if (done(cella_quote_parse(cella_bytes(data, size), &quote))) {
        within(quote.signed_part, data, size);
        within(quote.certification, data, size);
        within(quote.qe_auth, data, size);
        if (quote.size > size) abort();
        (void)done(cella_quote_pck_id(&quote, &id));
    }
    struct cella_evidence_options options = {.type = CELLA_EVIDENCE_AUTO, .time_unix = 1750000000};
    CELLA_VERIFICATION v;
    options.type =
        cella_detect_tdx(cella_bytes(data, size)) ? CELLA_EVIDENCE_TDX : CELLA_EVIDENCE_SGX;
    if (!done(cella_verify(cella_bytes(data, size), NULL, &options, &v))) abort();
    if (v.verdict == CELLA_VERIFY_ACCEPTED) abort(); /* without collateral */
    return 0;
}
