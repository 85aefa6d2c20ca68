/* The target of a request, and what the collateral service answers to it: every target has one of
 * four answers, and what is read from it keeps its promises whatever the bytes. */
#include <stdlib.h>
#include <string.h>

#include "collateral/pccs.h"
#include "http/target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_target(struct cella_bytes text) {
    struct cella_http_target target;
    struct cella_result r = cella_http_target_parse(text, &target);
    if (!cella_failed(r)) {
        if (target.path.size == 0 || target.path.data[0] != '/') abort();
        if (memmem(target.path.data, target.path.size, "//", 2) ||
            memchr(target.path.data, '%', target.path.size))
            abort();
        for (size_t i = 0; i < target.count; i++)
            for (size_t k = 0; k < i; k++)
                if (target.parameter[i].name.size == target.parameter[k].name.size &&
                    memcmp(target.parameter[i].name.data, target.parameter[k].name.data,
                           target.parameter[i].name.size) == 0)
                    abort();
    }
    cella_result_drop(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const struct cella_store empty;
    static struct cella_pccs *pccs;
    struct cella_http_response response = {0};
    struct cella_http_request request = {.method = cella_bytes_text("GET"),
                                         .target = cella_bytes(data, size)};
    if (!pccs && cella_failed(cella_pccs_new(&empty, &pccs))) abort();
    check_target(request.target);
    cella_pccs_answer(pccs, &request, &response);
    if (response.status != 400 && response.status != 404) abort(); /* of an empty store */
    cella_buffer_free(&response.text);
    return 0;
}
