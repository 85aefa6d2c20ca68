/* Any bytes as a grant: none may become a key, since no owner made it. */
#include "../tests/shim/fake.h"
#include "shim/keys.h"

static void prepare(void) {
    fake_start();
    shim.config.key_count = 1;
    shim.config.key[0] = cella_bytes_text("k");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static bool started;
    if (!started) prepare();
    started = true;
    if (size > sizeof(fake.grants[0])) return 0;
    __builtin_memcpy(fake.grants[0], data, size);
    fake.grant_size[0] = size;
    fake.grant_count = 1;
    fake.grant_next = 0;
    fake_clear();
    struct cella_result result = shim_keys_start();
    if (!cella_failed(result)) __builtin_trap();
    cella_result_drop(result);
    shim_keys_wipe();
    return 0;
}
