/* TPM quotes and Azure's reports with all that goes with them, from a stranger: the first byte says
 * what the rest is. Nobody but the real machines of the seeds has a key that is trusted here, so
 * nothing else may be authentic. */
#include <cella/verify.h>
#include <stdlib.h>

#include "evidence/hcl.h"
#include "evidence/tpm_check.h"
#include "evidence/tpm_keylime.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool done(struct cella_result r) {
    bool good = !cella_failed(r);
    cella_result_drop(r);
    return good;
}

static void companion(uint8_t which, struct cella_bytes content) {
    static const char *const names[] = {"quote.msg",   "quote.sig",         "ak_pub.pem",
                                        "ak_pub.tpmt", "ak_cert_chain.pem", "pcrs.txt",
                                        "eventlog",    "td_quote",          "crl.der",
                                        "ak_pub.x",    "ak_pub.y",          "x"};
    static const struct cella_evidence_options options = {.type = CELLA_EVIDENCE_TPM,
                                                          .time_unix = 1772755200};
    struct cella_collateral *set = NULL;
    bool taken;
    if (!done(cella_collateral_new(&set))) return;
    done(cella_collateral_add(set, names[which % 12], content, &taken));
    if (!done(cella_collateral_finish(set)))
        abort(); /* hostile collateral is no error of the caller */
    CELLA_VERIFICATION out = {0};
    if (done(cella_verify(cella_bytes("\xff"
                                      "TCG",
                                      4),
                          set, &options, &out)) &&
        out.authentic)
        abort();
    cella_collateral_free(&set);
}

static void verify(struct cella_bytes evidence, enum cella_evidence_type type) {
    const struct cella_evidence_options options = {.type = type, .time_unix = 1772755200};
    CELLA_VERIFICATION out = {0};
    if (!done(cella_verify(evidence, NULL, &options, &out))) return;
    if (out.verdict == CELLA_VERIFY_ACCEPTED && !out.authentic) abort();
    if (!out.authentic && cella_claimset_count(out.claims)) abort();
}

static void parse(struct cella_bytes input) {
    struct cella_tpm_companions companions = {0};
    struct cella_tpm_pcrs pcrs[CELLA_TPM_HASH_COUNT] = {{0}};
    done(cella_tpm_proto_pcrs(input, pcrs));
    struct cella_tpm_signature signature;
    struct cella_tpm_public public;
    struct cella_registers registers;
    struct cella_hcl_runtime runtime;
    struct cella_hcl hcl;
    if (cella_tpm_keylime_is(input)) done(cella_tpm_keylime_open(input, &companions));
    cella_tpm_companions_free(&companions);
    done(cella_tpm_signature_parse(input, &signature));
    if (done(cella_tpm_public_parse(input, &public)) && public.spki.size > CELLA_SPKI_MAX) abort();
    done(cella_eventlog_replay(input, CELLA_HASH_SHA256, &registers));
    done(cella_eventlog_replay(input, CELLA_HASH_SHA1, &registers));
    if (done(cella_hcl_parse(input, &hcl)) && hcl.runtime.size > input.size) abort();
    if (done(cella_hcl_runtime_parse(input, &runtime)) && runtime.vm_count > CELLA_HCL_VM_MAX)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0) return 0;
    struct cella_bytes rest = cella_bytes(data + 1, size - 1);
    switch (data[0] >> 6) {
    case 0: companion(data[0], rest); break;
    case 1: verify(rest, CELLA_EVIDENCE_TPM); break;
    case 2: verify(rest, CELLA_EVIDENCE_AZURE); break;
    default: parse(rest); break;
    }
    return 0;
}
