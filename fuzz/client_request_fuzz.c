#include "platform/request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct cella_request request;
    if (size < 1) return 0;
    cella_result_drop(cella_request_decode(cella_bytes(data + 1, size - 1), data[0] % 8, &request));
    return 0;
}
