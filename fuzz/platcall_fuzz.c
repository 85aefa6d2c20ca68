/* An enclave's platform calls, against a platform in a folder of its own. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "platform/authority.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct cella_authority authority;

static bool must(struct cella_result r) {
    bool ok = !cella_failed(r);
    cella_result_print(r);
    cella_result_drop(r);
    return ok;
}

static void open_once(void) {
    static char folder[] = "/tmp/cella-fuzz-XXXXXX";
    static bool done;
    if (done) return;
    done = true;
    if (!mkdtemp(folder) || !must(cella_state_lock(folder, &authority.state)) ||
        !must(cella_state_open(folder, &authority.state)) ||
        !must(cella_authority_open(&authority, "file", "/nonexistent")))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    open_once();
    struct cella_caller caller = {.identity = {.svn = 3, .product_id = 1}, .memory_secret = true};
    CELLA_BUFFER reply = {0};
    struct cella_result r =
        cella_authority_answer(&authority, &caller, cella_bytes(data, size), &reply);
    if (!cella_failed(r) && reply.size < 8) abort(); /* every answer has its header */
    cella_result_drop(r);
    return 0;
}
