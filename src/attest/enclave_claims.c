#include "attest/enclave_claims.h"

#include <stdio.h>

#include "attest/references.h"
#include "base/text.h"
#include "crypto/digest.h"

enum { HEX_SIZE = 2 * CELLA_SHA256_SIZE + 1 };

static void put_text(struct cella_decision *decision, const char *name, const char *text) {
    cella_policy_claims_text(decision->claims, name, cella_bytes_text(text), CELLA_POLICY_SERVICE);
}

/* --- SGX: the collateral that the verdict rests on --- */

static const struct {
    const char *name, *claim; /* claim NULL: the evidence itself */
} hashes[] = {
    {"qeidcertshash", "sgx.qe-identity-signer-hash"},
    {"qeidcrlhash", "sgx.root-crl-hash"},
    {"qeidhash", "sgx.qe-identity-hash"},
    {"quotehash", NULL},
    {"tcbinfocertshash", "sgx.tcb-info-signer-hash"},
    {"tcbinfocrlhash", "sgx.root-crl-hash"},
    {"tcbinfohash", "sgx.tcb-info-hash"},
};
enum { HASH_COUNT = sizeof(hashes) / sizeof(hashes[0]) };

/* quotehash is of the evidence as it was sent: with Open Enclave's header, where it had one. */
static json_t *collateral_object(const struct cella_decision *decision,
                                 const struct cella_claimset *verified) {
    json_t *out = json_object();
    for (size_t i = 0; i < HASH_COUNT; i++) {
        char hex[HEX_SIZE];
        struct cella_bytes digest = CELLA_BYTES_OF(decision->evidence_digest);
        const struct cella_claim *claim =
            hashes[i].claim ? cella_claimset_find(verified, hashes[i].claim) : NULL;
        if (claim) digest = claim->bytes;
        if ((hashes[i].claim && !claim) || digest.size != CELLA_SHA256_SIZE) continue;
        cella_hex_encode(digest, hex);
        json_object_set_new(out, hashes[i].name, json_string(hex));
    }
    return out;
}

static CELLA_RESULT put_collateral(struct cella_decision *decision,
                                   const struct cella_claimset *verified) {
    json_t *object = collateral_object(decision, verified);
    char text[HASH_COUNT * (HEX_SIZE + 32)];
    size_t size =
        object ? json_dumpb(object, text, sizeof(text), JSON_COMPACT | JSON_SORT_KEYS) : 0;
    int failed = size == 0 || size > sizeof(text);
    if (!failed)
        cella_policy_claims_text(decision->claims, "x-ms-sgx-collateral", cella_bytes(text, size),
                                 CELLA_POLICY_SERVICE);
    failed |= json_object_set(decision->service, "x-ms-sgx-collateral", object);
    failed |= json_object_set_new(decision->service, "maa-attestationcollateral", object);
    ENSURE(!failed, CELLA_ERR_MEMORY, NULL, "no memory for claims");
    return CELLA_SUCCESS;
}

/* The TCB baseline that the policy named; judged is what settings allow (docs). */
static void put_identifier(struct cella_decision *decision) {
    const struct cella_policy_value *value =
        cella_decision_setting(decision, "x-ms-sgx-tcbidentifier");
    if (value && value->type == CELLA_POLICY_STRING)
        cella_policy_claims_text(decision->claims, "x-ms-sgx-tcbidentifier", value->text,
                                 CELLA_POLICY_SERVICE);
}

/* --- Confidential virtual machines: what the operator knows --- */

static void put_compliance(struct cella_decision *decision, const struct cella_claimset *verified) {
    const struct cella_claim *measurement = cella_claimset_find(verified, "measurement");
    if (measurement && cella_references_have(decision->instance->references, measurement->bytes))
        put_text(decision, "x-ms-compliance-status", "azure-compliant-cvm");
}

/* --- Software: whose request it is --- */

static void put_request(struct cella_decision *decision, const struct cella_key_request *request) {
    char hex[HEX_SIZE];
    cella_hex_encode(CELLA_BYTES_OF(request->digest), hex);
    put_text(decision, "x-ms-cella-key-request", hex);
}

CELLA_RESULT cella_enclave_claims(struct cella_decision *decision,
                                  const struct cella_claimset *verified,
                                  const struct cella_key_request *request) {
    cella_policy_claims_verified(decision->claims, verified, false);
    switch (decision->type) {
    case CELLA_ATTEST_SGX:
    case CELLA_ATTEST_OPEN_ENCLAVE:
        put_identifier(decision);
        TRY(put_collateral(decision, verified));
        break;
    case CELLA_ATTEST_SNP:
    case CELLA_ATTEST_TDX: put_compliance(decision, verified); break;
    default: break;
    }
    if (request) put_request(decision, request);
    if (decision->stale)
        cella_policy_claims_boolean(decision->claims, "x-ms-cella-collateral-stale", true,
                                    CELLA_POLICY_SERVICE);
    return cella_policy_claims_result(decision->claims);
}
