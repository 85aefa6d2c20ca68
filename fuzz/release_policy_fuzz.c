/* Any text as a release policy: what is taken has a normal form, which is taken and is its own
 * normal form, and both say the same of fixed claims (K01, K03). */
#include <stdlib.h>
#include <string.h>

#include "crypto/jose.h"
#include "vault/release_policy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool held) {
    if (!held) abort();
}
static bool done(struct cella_result result) {
    bool good = !cella_failed(result);
    cella_result_drop(result);
    return good;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char claims[] = "{\"t\":true,\"n\":5,\"s\":\"abc\",\"o\":{\"p\":\"x\"},\"l\":[1]}";
    struct cella_release_policy *policy = NULL, *again = NULL;
    CELLA_BUFFER normal = {0};
    CELLA_BUFFER twice = {0};
    char why[256];
    if (!done(cella_release_policy_new(cella_bytes(data, size), &policy))) {
        must(policy == NULL);
        return 0;
    }
    must(done(cella_release_policy_normal(policy, &normal)));
    if (normal.size <= CELLA_RELEASE_POLICY_MAX) {
        must(done(cella_release_policy_new(cella_buffer_bytes(&normal), &again)));
        must(done(cella_release_policy_normal(again, &twice)));
        must(normal.size == twice.size && memcmp(normal.data, twice.data, normal.size) == 0);
        CELLA_JSON object = json_loads(claims, 0, NULL);
        bool held =
            cella_release_policy_holds(policy, "https://att.test", object, why, sizeof(why));
        must(held == cella_release_policy_holds(again, "https://att.test", object, why, 256));
        must(!held || cella_release_policy_names(policy, "https://att.test"));
        must(!cella_release_policy_holds(policy, "", object, why, sizeof(why)));
    }
    cella_release_policy_free(&policy);
    cella_release_policy_free(&again);
    return 0;
}
