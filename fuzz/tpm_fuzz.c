/* Root evidence from a stranger: TPMS_ATTEST, TPMT_SIGNATURE, and the CBOR around them. */
#include <stdlib.h>

#include "evidence/tpm.h"
#include "evidence/tpm_attest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool done(struct cella_result r) {
    bool good = !cella_failed(r);
    cella_result_drop(r);
    return good;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct cella_key *ak;
    if (!ak && !done(cella_key_new_p256(&ak))) abort();
    struct cella_bytes input = cella_bytes(data, size);
    struct cella_tpm_attest attest;
    struct cella_tpm_quote quote;
    if (done(cella_tpm_attest_parse(input, &attest)) && attest.bank_count > CELLA_TPM_BANK_MAX)
        abort();
    if (done(cella_tpm_signature_verify(ak, cella_bytes_text("message"), input)))
        abort(); /* nobody has this key */
    if (done(cella_tpm_quote_verify(input, cella_bytes_text("no key"), &quote)))
        abort(); /* nobody binds that */
    return 0;
}
