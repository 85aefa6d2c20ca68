/* Collateral from a stranger beside a genuine set: never accepted for what it is, and no item makes
 * the caller fail. */
#include <stdlib.h>

#include "evidence/intel_collateral.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char *const names[] = {"pck_crl.der", "tcb_info.json", "qe_identity.json",
                                        "chain.pem", "item"};
    void *state = NULL;
    bool taken;
    if (size == 0) return 0;
    cella_result_drop(cella_family_intel.new_state(&state));
    if (!state) return 0;
    const char *name = names[data[0] % 5];
    cella_result_drop(cella_family_intel.add(state, name, cella_bytes(data + 1, size - 1), &taken));
    cella_result_drop(cella_family_intel.finish(state));
    cella_family_intel.free_state(state);
    return 0;
}
