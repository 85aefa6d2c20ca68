/* RA-TLS certificates from strangers: the input as a certificate, and as each thing that one
 * carries (A13, A31, A35). */
#include <cella/verify.h>
#include <stdlib.h>

#include "evidence/ratls.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool done(struct cella_result r) {
    bool good = !cella_failed(r);
    cella_result_drop(r);
    return good;
}

static void certificate(struct cella_bytes input) {
    static const uint8_t report_data[64] = {1};
    struct cella_certificate c;
    struct cella_ratls_found found = {0};
    bool weak, weak_key;
    const char *how = NULL;
    if (!done(cella_certificate_parse(input, &c))) return;
    (void)done(cella_ratls_self_signed(&c, &weak, &weak_key));
    if (!done(cella_ratls_find(&c, &found))) return;
    if (found.evidence.size &&
        (found.evidence.data < input.data ||
         found.evidence.data + found.evidence.size > input.data + input.size))
        abort();
    if (!cella_detect_ratls(input) && input.size > 0x103) abort();
    if (done(cella_ratls_binding(&c, &found, CELLA_BYTES_OF(report_data), &how)) && how)
        abort(); /* no preimage */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct cella_bytes input = cella_bytes(data, size);
    struct cella_ratls_claims claims;
    CELLA_VERIFICATION out = {0};
    const struct cella_evidence_options options = {.type = CELLA_EVIDENCE_RATLS,
                                                   .time_unix = 1700000000};
    certificate(input);
    if (done(cella_ratls_claims_parse(input, &claims)) && claims.count > CELLA_RATLS_CUSTOM_MAX)
        abort();
    if (!done(cella_verify(input, NULL, &options, &out))) abort();
    if (out.verdict) abort(); /* without collateral nothing is accepted */
    return 0;
}
