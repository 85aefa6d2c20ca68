/* Manifests. What is accepted must encode, but for the layout, which signing adds. */
#include "image/manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct cella_manifest m;
    static uint8_t room[1 << 20];
    struct cella_result r = cella_manifest_parse(cella_bytes(data, size), "fuzz", "/app", &m);
    if (!cella_failed(r)) {
        struct cella_writer w = cella_writer(room, sizeof(room));
        struct cella_result encoded = cella_config_encode(&m.config, &w);
        if (cella_failed(encoded)) __builtin_trap();
        cella_manifest_free(&m);
    }
    cella_result_drop(r);
    return 0;
}
