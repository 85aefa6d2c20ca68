#include "platform/load.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct cella_load load;
    struct cella_reader r = cella_reader(cella_bytes(data, size));
    struct cella_result result = cella_load_decode(&r, &load);
    if (!cella_failed(result)) (void)cella_load_writable_pages(&load);
    cella_result_drop(result);
    return 0;
}
