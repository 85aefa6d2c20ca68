#include "attest/binding.h"

#include "base/memory.h"
#include "base/text.h"
#include "crypto/digest.h"

enum { SIZE = CELLA_SHA256_SIZE, HEX_SIZE = 2 * SIZE + 1 };

/* --- Whether it is bound --- */

/* The first 32 bytes of a field are the hash of the data; of the rest nothing is said, or it is
 * zero. */
static CELLA_RESULT check(const struct cella_attest_data *data, const struct cella_claim *field,
                          const char *name, const char *where, bool rest_zero) {
    uint8_t digest[SIZE];
    char expected[HEX_SIZE], found[HEX_SIZE] = "nothing";
    if (!data->there) return CELLA_SUCCESS;
    TRY(cella_sha256(data->bytes, digest));
    cella_hex_encode(CELLA_BYTES_OF(digest), expected);
    bool there = field && field->type == CELLA_CLAIM_BYTES && field->bytes.size >= SIZE;
    if (there) cella_hex_encode(cella_bytes(field->bytes.data, SIZE), found);
    bool same = there && cella_equal(field->bytes.data, digest, SIZE);
    ENSURE(same, CELLA_ERR_INTEGRITY,
           "send exactly the bytes whose SHA-256 the evidence was asked for",
           "%s does not match the evidence: expected its SHA-256 %s in the first 32 bytes of %s, "
           "found %s",
           name, expected, where, found);
    for (size_t i = SIZE; rest_zero && i < field->bytes.size; i++)
        ENSURE(field->bytes.data[i] == 0, CELLA_ERR_INTEGRITY, NULL,
               "%s does not match the evidence: expected zeros behind the first 32 bytes of %s",
               name, where);
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_binding_check(const struct cella_attest_body *body,
                                 const struct cella_claimset *verified) {
    TRY(check(&body->runtime, cella_claimset_find(verified, "report-data"), "runtimeData",
              "report data", false));
    return check(&body->init, cella_claimset_find(verified, "config-id"), "initTimeData",
                 "the configuration id", true);
}

/* --- Claims --- */

static CELLA_RESULT set(json_t *to, const char *name, json_t *value) {
    ENSURE(json_object_set_new(to, name, value) == 0, CELLA_ERR_MEMORY, NULL,
           "no memory for claims");
    return CELLA_SUCCESS;
}

/* An object goes into the token as such, and before the policy as the text that was hashed. */
static CELLA_RESULT put_object(const struct cella_attest_data *data, const char *name,
                               struct cella_decision *decision) {
    struct cella_bytes text = data->bytes;
    while (text.size > 0 && text.data[text.size - 1] == 0) text.size--;
    cella_policy_claims_text(decision->claims, name, text, CELLA_POLICY_SERVICE);
    return set(decision->service, name, json_incref(data->object));
}

/* Held data, under the names that each TEE's clients read. */
static CELLA_RESULT put_held(const struct cella_attest_data *data,
                             struct cella_decision *decision) {
    static const char *const of_sgx[] = {"x-ms-sgx-ehd", "maa-ehd", "aas-ehd"};
    static const char *const of_others[] = {"maa-ehd"};
    bool sgx = decision->type == CELLA_ATTEST_SGX || decision->type == CELLA_ATTEST_OPEN_ENCLAVE;
    const char *const *names = sgx ? of_sgx : of_others;
    CELLA_BUFFER text = {0};
    TRY(cella_base64_encode(data->bytes, true, &text));
    for (size_t i = 0; i < (sgx ? 3U : 1U); i++)
        cella_policy_claims_text(decision->claims, names[i], cella_buffer_bytes(&text),
                                 CELLA_POLICY_SERVICE);
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_binding_claims(const struct cella_attest_body *body,
                                  struct cella_decision *decision) {
    const struct cella_attest_data *runtime = &body->runtime, *init = &body->init;
    if (runtime->object)
        TRY(put_object(runtime, "x-ms-runtime", decision));
    else if (runtime->there)
        TRY(put_held(runtime, decision));
    if (init->object) TRY(put_object(init, "x-ms-inittime", decision));
    if (body->nonce) TRY(set(decision->service, "nonce", json_deep_copy(body->nonce)));
    return CELLA_SUCCESS;
}
