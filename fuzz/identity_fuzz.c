/* An enclave identity from a stranger. */
#include <stdlib.h>

#include "evidence/identity.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct cella_enclave_identity identity;
    struct cella_result r = cella_enclave_identity_parse(cella_bytes(data, size), &identity);
    bool good = !cella_failed(r);
    cella_result_drop(r);
    if (good && (identity.signed_part.data < data || identity.signed_part.size > size ||
                 identity.level_count > CELLA_SVN_LEVELS))
        abort();
    return 0;
}
