/* Sealed records from a hostile store: nothing opens that was not sealed, whatever is done to it
 * (K21). The input is a record, or what is to be done to a genuine one. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "store/sealer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char context[] = "attest|dev|signing key|k1";

static void must(bool held) {
    if (!held) abort();
}
static bool done(struct cella_result r) {
    bool good = !cella_failed(r);
    cella_result_drop(r);
    return good;
}

static struct cella_sealer *sealer;
static struct cella_buffer genuine;

static void make(void) {
    char folder[] = "/tmp/cella-fuzz-XXXXXX", path[64];
    setenv("CELLA_LOG", "error", 1);
    must(mkdtemp(folder) != NULL);
    must(done(cella_sealer_open("file:root.key", folder, &sealer)));
    must(done(cella_sealer_seal(sealer, context, cella_bytes("a secret", 8), &genuine)));
    static const char *const files[] = {"/root.key", "/store.key"};
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        memcpy(path, folder, sizeof(folder));
        strcat(path, files[i]);
        unlink(path);
    }
    rmdir(folder);
}

static void open_one(struct cella_bytes record, bool whole) {
    CELLA_SECRET secret = {0};
    bool opened = done(cella_sealer_unseal(sealer, context, record, &secret));
    must(opened == whole && opened == (secret.data != NULL));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    uint8_t record[4096];
    if (!sealer) make();
    if (size > sizeof(record)) return 0;
    open_one(cella_bytes(data, size), size == genuine.size && !memcmp(data, genuine.data, size));
    /* the input laid over a genuine record: its header is right, so that more is reached */
    size_t whole = size > genuine.size ? size : genuine.size;
    memset(record, 0, whole);
    memcpy(record, genuine.data, genuine.size);
    for (size_t i = 0; i < size; i++) record[i] ^= data[i];
    bool same = whole == genuine.size && !memcmp(record, genuine.data, whole);
    open_one(cella_bytes(record, whole), same);
    return 0;
}
