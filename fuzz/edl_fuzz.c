/* Interface files. */
#include "edl/edl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    CELLA_EDL edl;
    cella_edl_begin(&edl, NULL, 0);
    cella_result_drop(cella_edl_read_text(&edl, "fuzz.edl", cella_bytes(data, size)));
    return 0;
}
