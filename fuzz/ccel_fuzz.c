/* An event log of TDX from a stranger, in either form. */
#include <stdlib.h>

#include "evidence/ccel.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void event(void *to, const char *name, struct cella_bytes payload) {
    (void)to;
    if (!name || payload.size > 65536) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct cella_rtmr_replay replay;
    (void)cella_rtmr_log_is(cella_bytes(data, size));
    cella_result_drop(cella_rtmr_replay(cella_bytes(data, size), &replay, event, NULL));
    return 0;
}
