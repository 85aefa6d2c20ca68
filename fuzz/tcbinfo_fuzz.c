/* TCB info from a stranger: read, then matched, so that what was read is used. */
#include <stdlib.h>

#include "evidence/tcb_match.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void ignore(void *to, const char *text) {
    (void)to;
    if (text[0] == 0) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct cella_tcbinfo info;
    static const struct cella_enclave_identity qe = {
        .level_count = 1, .level = {{{CELLA_TCB_UP_TO_DATE, 1, {0}}, 3}}};
    static const uint8_t has[16] = {3, 1, 3, 3, 3, 3, 3, 3};
    struct cella_result r = cella_tcbinfo_parse(cella_bytes(data, size), &info);
    bool good = !cella_failed(r);
    cella_result_drop(r);
    if (!good) return 0;
    if (info.signed_part.data < data || info.signed_part.size > size ||
        info.level_count > CELLA_TCB_LEVELS)
        abort();
    struct cella_tcb_platform platform = {has, 5, info.tdx ? has : NULL, 2};
    struct cella_tcb_match match;
    cella_tcb_evaluate(&info, &qe, &platform, &match);
    cella_tcb_shortfall(&info, &qe, &platform, &match, ignore, NULL);
    return 0;
}
