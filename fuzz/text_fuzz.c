/* Text encodings: whatever is accepted must be the one spelling of its value (threats.md A32, A33).
 */
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void base64(struct cella_bytes text, bool url) {
    CELLA_BUFFER value = {0};
    CELLA_BUFFER again = {0};
    struct cella_result r = cella_base64_decode(text, url, &value);
    if (!cella_failed(r)) {
        r = cella_base64_encode(cella_buffer_bytes(&value), url, &again);
        if (cella_failed(r) || again.size != text.size) abort();
        if (text.size && memcmp(again.data, text.data, text.size) != 0) abort();
    }
    cella_result_drop(r);
}

static void hex(struct cella_bytes text) {
    CELLA_BUFFER value = {0};
    struct cella_result r = cella_hex_decode_all(text, &value);
    if (!cella_failed(r)) {
        char *again = malloc(2 * value.size + 1);
        if (!again || 2 * value.size != text.size) abort();
        cella_hex_encode(cella_buffer_bytes(&value), again);
        if (text.size && strncasecmp(again, (const char *)text.data, text.size) != 0) abort();
        free(again);
    }
    cella_result_drop(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct cella_bytes text = cella_bytes(data, size);
    base64(text, false);
    base64(text, true);
    hex(text);
    return 0;
}
