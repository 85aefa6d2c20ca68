/* Key requests from a stranger, as an owner reads them. */
#include <stdlib.h>

#include "evidence/keygrant.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool done(struct cella_result r) {
    bool good = !cella_failed(r);
    cella_result_drop(r);
    return good;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const uint8_t key[CELLA_KEY_SIZE];
    struct cella_key_request request;
    struct cella_buffer grant = {0};
    if (!done(cella_key_request_parse(cella_bytes(data, size), &request))) return 0;
    if (request.key_count < 1 || request.key_count > CELLA_CONFIG_KEY_MAX) abort();
    if (request.evidence.data + request.evidence.size != data + size)
        abort(); /* every byte is accounted for */
    bool sealed = done(
        cella_key_grant(&request, request.key[request.key_count - 1], CELLA_BYTES_OF(key), &grant));
    if (sealed && grant.size > CELLA_KEY_GRANT_MAX) abort();
    cella_buffer_free(&grant);
    return 0;
}
