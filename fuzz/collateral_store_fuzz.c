/* Anything offered to the store: items, bundles, certificate tables, texts. Nothing of it holds
 * that the makers did not sign, and what is written can be read again to the same. */
#include <stdlib.h>
#include <string.h>

#include "collateral/store.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(struct cella_result r) {
    if (cella_failed(r)) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    CELLA_STORE store = {0};
    CELLA_STORE again = {0};
    CELLA_BUFFER first = {0}, second = {0};
    size_t taken = 0;
    cella_result_drop(cella_store_add(&store, "item", cella_bytes(data, size), &taken));
    need(cella_store_check(&store));
    need(cella_store_settle(&store, false));
    need(cella_store_bundle(&store, &first));
    need(cella_store_add(&again, "bundle", cella_buffer_bytes(&first), &taken));
    need(cella_store_check(&again));
    need(cella_store_settle(&again, false));
    need(cella_store_bundle(&again, &second));
    bool other =
        false; /* names of what this part does not know are hints, and may change the second time */
    for (size_t i = 0; i < store.count; i++)
        other = other || store.item[i].kind == CELLA_ITEM_OTHER;
    if (!other && (first.size != second.size || memcmp(first.data, second.data, first.size) != 0))
        abort();
    return 0;
}
