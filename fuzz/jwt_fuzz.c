/* Tokens and key sets from strangers: the input as a whole token, as a payload whose signature
 * would hold, and as a key set. Claims of any payload that is read fit their set (A29, A31, A35).
 */
#include <cella/verify.h>
#include <stdlib.h>
#include <string.h>

#include "evidence/family.h"
#include "evidence/jwks.h"
#include "evidence/maa.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool done(struct cella_result r) {
    bool good = !cella_failed(r);
    cella_result_drop(r);
    return good;
}

static void payload(struct cella_bytes input) {
    struct cella_maa_token token;
    struct cella_claimset *claims = NULL;
    if (!done(cella_maa_read(input, &token))) return;
    uint8_t *copy = malloc(input.size); /* exactly as large: a NUL too far is seen */
    if (!copy || !done(cella_claimset_new(&claims))) abort();
    memcpy(copy, input.data, input.size);
    cella_maa_claims(copy, input.size, claims);
    if (!done(cella_claimset_result(claims))) abort();
    if (!cella_claimset_find(claims, "tee") || !cella_claimset_find(claims, "maa.iss")) abort();
    cella_claimset_free(&claims);
    free(copy);
}

static void key_set(struct cella_bytes input) {
    struct cella_jwks *set = calloc(1, sizeof(*set));
    const struct cella_jwk *found = NULL;
    if (!set) abort();
    bool whole = done(cella_jwks_add(set, input));
    if (whole && !cella_jwks_detect(input)) abort();
    for (size_t i = 0; i < set->count; i++) {
        const struct cella_jwk *entry = &set->entry[i];
        if ((entry->key == NULL) != (entry->unusable[0] != 0)) abort();
        if (done(cella_jwks_find(set, cella_bytes(entry->kid, entry->kid_size), &found)) &&
            !found->key)
            abort();
    }
    cella_jwks_free(set);
    free(set);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct cella_bytes input = cella_bytes(data, size);
    CELLA_JWT jwt = {0};
    CELLA_VERIFICATION out = {0};
    const struct cella_evidence_options options = {.type = CELLA_EVIDENCE_MAA,
                                                   .time_unix = 1654037279};
    (void)cella_detect_maa(input);
    if (done(cella_jwt_open(input, &jwt))) payload(jwt.payload);
    payload(input);
    key_set(input);
    if (!done(cella_verify(input, NULL, &options, &out))) abort();
    if (out.verdict || out.authentic) abort(); /* there is no key */
    return 0;
}
