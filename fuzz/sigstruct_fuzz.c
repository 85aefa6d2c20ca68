/* SIGSTRUCT, and the enclaves of other makers that hold one. */
#include "base/memory.h"
#include "image/foreign.h"
#include "image/sigstruct.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void sigstruct(struct cella_bytes bytes) {
    struct cella_sigstruct s;
    struct cella_result r = cella_sigstruct_parse(bytes, &s);
    if (!cella_failed(r)) {
        uint8_t again[CELLA_SGX_SIGSTRUCT_SIZE];
        cella_sigstruct_write(&s, again); /* one spelling: what was read is what would be written */
        if (!cella_equal(again, bytes.data, sizeof(again))) __builtin_trap();
        cella_result_drop(cella_sigstruct_verify(&s));
    }
    cella_result_drop(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct cella_bytes bytes = cella_bytes(data, size);
    struct cella_sdk_enclave sdk;
    uint8_t mrenclave[32];
    sigstruct(bytes);
    cella_result_drop(cella_sgxs_measure(bytes, mrenclave));
    cella_result_drop(cella_sdk_measure(bytes, &sdk));
    return 0;
}
