/* AttestationInfo of a stranger's guest: nobody vouches for its key here, so nothing of it holds.
 */
#include <stdlib.h>

#include "attest/guest_check.h"
#include "attest/guest_claims.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool done(struct cella_result r) {
    bool good = !cella_failed(r);
    cella_result_drop(r);
    return good;
}

/* What a guest can say is bounded, whether or not it is believed. */
static void claims(const struct cella_guest_info *info) {
    struct cella_guest_checked checked = {0};
    struct cella_policy_claims *to = NULL;
    json_t *service = NULL;
    struct cella_guest_info trusted = *info; /* borrows */
    trusted.isolation = CELLA_GUEST_TRUSTED_LAUNCH;
    if (done(cella_policy_claims_new(&to)))
        if (done(cella_guest_claims(&trusted, &checked, NULL, to, &service)) && !service) abort();
    json_decref(service);
    cella_policy_claims_free(&to);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const struct cella_evidence_options options = {.time_unix = 1760000000};
    CELLA_GUEST_INFO info = {0};
    CELLA_GUEST_CHECKED checked = {0};
    if (!done(cella_guest_info_parse(cella_bytes(data, size), &info))) return 0;
    claims(&info);
    if (done(cella_guest_check(&info, NULL, &options, &checked))) abort();
    return 0;
}
