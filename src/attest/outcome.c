#include "attest/outcome.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "policy/azure_claims.h"
#include "policy/outcome_json.h"

static bool begins(struct cella_bytes name, const char *with) {
    return name.size >= strlen(with) && cella_equal(name.data, with, strlen(with));
}
static bool is(struct cella_bytes name, const char *text) {
    return name.size == strlen(text) && begins(name, text);
}

/* What no policy may say, since a relying party takes it for the service's own word: the token's
 * frame, and every name that the service gives to a claim of some TEE (azure-attestation 9.5). */
static bool reserved(struct cella_bytes name, const json_t *service) {
    static const char *const frame[] = {"iss", "exp", "nbf", "iat", "jti"};
    for (size_t i = 0; i < sizeof(frame) / sizeof(frame[0]); i++)
        if (is(name, frame[i])) return true;
    if (json_object_getn(service, (const char *)name.data, name.size)) return true;
    if (begins(name, "x-ms-cella-") || begins(name, "$")) return true;
    return begins(name, "x-ms-") && cella_azure_claim_known(name);
}

/* Claims of the service that go into the token: not the aliases that policies alone may use. */
static size_t of_service(const struct cella_decision *decision, struct cella_policy_claim *out) {
    size_t count = 0, kept = 0;
    const struct cella_policy_claim *claim = cella_policy_claims_at(decision->claims, &count);
    for (size_t i = 0; i < count && !decision->issued_only; i++) {
        bool shown = claim[i].issuer == CELLA_POLICY_SERVICE && claim[i].type.data[0] != '$' &&
                     !json_object_getn(decision->service, (const char *)claim[i].type.data,
                                       claim[i].type.size);
        if (shown) out[kept++] = claim[i];
    }
    return kept;
}

static int add_frame(const struct cella_decision *decision, json_t *to) {
    const struct cella_policy_entry *entry = decision->entry;
    int failed = json_object_set_new(to, "x-ms-ver", json_string("1.0"));
    failed |= json_object_set_new(to, "x-ms-policy-hash", json_string(decision->policy_hash));
    if (entry && entry->signer)
        failed |= json_object_set_new(to, "x-ms-policy-signer", json_deep_copy(entry->signer));
    return failed;
}

static int note(struct cella_bytes name, json_t **ignored) {
    if (!*ignored) *ignored = json_array();
    return json_array_append_new(*ignored, json_stringn((const char *)name.data, name.size));
}

/* What the policy issued is also shown apart, as x-ms-policy. */
static int add_issued(const struct cella_policy_outcome *outcome, json_t *to, json_t **ignored,
                      struct cella_policy_claim *room) {
    size_t kept = 0;
    int failed = 0;
    for (size_t i = 0; i < outcome->issued_count; i++)
        if (reserved(outcome->issued[i].type, to))
            failed |= note(outcome->issued[i].type, ignored);
        else
            room[kept++] = outcome->issued[i];
    json_t *issued = cella_policy_claims_object(room, kept);
    failed |= json_object_update(to, issued);
    if (kept) failed |= json_object_set(to, "x-ms-policy", issued);
    json_decref(issued);
    return failed;
}

static int add_all(const struct cella_decision *decision,
                   const struct cella_policy_outcome *outcome, json_t *to, json_t **ignored,
                   struct cella_policy_claim *room) {
    int failed = add_frame(decision, to);
    if (decision->service) failed |= json_object_update(to, decision->service);
    return failed | add_issued(outcome, to, ignored, room);
}

json_t *cella_outcome_claims(const struct cella_decision *decision,
                             const struct cella_policy_outcome *outcome, json_t **ignored) {
    size_t count = 0;
    cella_policy_claims_at(decision->claims, &count);
    size_t most = count > outcome->issued_count ? count : outcome->issued_count;
    struct cella_policy_claim *room = calloc(most ? most : 1, sizeof(*room));
    *ignored = NULL;
    if (!room) return NULL;
    json_t *out = cella_policy_claims_object(room, of_service(decision, room));
    if (!out || add_all(decision, outcome, out, ignored, room) != 0) {
        json_decref(out);
        out = NULL;
    }
    free(room);
    return out;
}
