/* A bundle or one item of collateral, offered to every family, and finished: hostile collateral may
 * make a set useless, never break it. */
#include <cella/collateral.h>
#include <stdlib.h>

#include "evidence/bundle.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct cella_collateral *set = NULL;
    struct cella_bundle_file file;
    bool taken = false, found = true;
    struct cella_result r = CELLA_SUCCESS;
    for (size_t at = 0; found && !cella_failed(r);)
        r = cella_bundle_next(cella_bytes(data, size), &at, &file, &found);
    cella_result_drop(r);
    r = cella_collateral_new(&set);
    if (cella_failed(r)) abort();
    cella_result_drop(cella_collateral_add(set, "item", cella_bytes(data, size), &taken));
    cella_result_drop(
        cella_collateral_add(set, "tcb_signing_chain.pem", cella_bytes(data, size), &taken));
    cella_result_drop(cella_collateral_finish(set));
    cella_collateral_free(&set);
    return 0;
}
