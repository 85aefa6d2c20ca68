/* Bodies of attest requests and the evidence of SEV-SNP within them: read or refused, whatever they
 * are. */
#include "attest/body.h"
#include "attest/snp_evidence.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char *const members[] = {"quote", "report", "evidence"};
    for (size_t i = 0; i < 3; i++) {
        CELLA_ATTEST_BODY body = {0};
        CELLA_BUFFER snp = {0};
        struct cella_result r = cella_attest_body_read(cella_bytes(data, size), members[i], &body);
        if (!cella_failed(r)) r = cella_snp_evidence(body.evidence, &snp);
        cella_result_drop(r);
    }
    return 0;
}
