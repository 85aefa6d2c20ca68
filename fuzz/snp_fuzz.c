/* SEV-SNP: a report with what follows it, and anything as collateral of AMD. Nobody has AMD's keys,
 * so nothing that is found here may be authentic, but for the real reports among the seeds. */
#include <cella/verify.h>
#include <stdlib.h>

#include "evidence/amd_collateral.h"
#include "evidence/family.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool done(struct cella_result r) {
    bool good = !cella_failed(r);
    cella_result_drop(r);
    return good;
}

static bool inside(struct cella_bytes part, struct cella_bytes whole) {
    return part.size == 0 || (part.data >= whole.data && part.size <= whole.size &&
                              part.data + part.size <= whole.data + whole.size);
}

static void collateral(struct cella_bytes input) {
    static const char *const names[] = {"vcek.der", "x", "crl.pem"};
    CELLA_AMD_STATE state = NULL;
    bool taken;
    if (!done(cella_amd_state_over(NULL, &state))) return;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (!done(cella_amd_add(state, names[i], input, &taken))) abort();
    if (!done(cella_amd_finish(state))) abort(); /* hostile collateral is no error of the caller */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct cella_bytes input = cella_bytes(data, size);
    struct cella_snp_report report;
    struct cella_snp_table table;
    CELLA_VERIFICATION out = {0};
    const struct cella_evidence_options options = {.type = CELLA_EVIDENCE_SNP,
                                                   .time_unix = 1760000000};
    if (done(cella_snp_report_parse(input, &report)) &&
        (size != CELLA_SNP_REPORT_SIZE || report.version < 2 || report.version > 5))
        abort();
    if (done(cella_snp_table_parse(input, &table)) &&
        !(inside(table.vcek, input) && inside(table.vlek, input) && inside(table.ask, input) &&
          inside(table.ark, input) && inside(table.crl, input)))
        abort();
    collateral(input);
    (void)cella_detect_snp(input);
    if (!done(cella_verify(input, NULL, &options, &out))) return 0;
    if (out.authentic && !out.claims) abort();
    if (!out.authentic && cella_claimset_count(out.claims)) abort();
    if (out.verdict != CELLA_VERIFY_ACCEPTED && !out.reason.step[0]) abort();
    return 0;
}
