/* One policy, compiled, with what clients see of it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attest/policies_inner.h"
#include "base/text.h"
#include "crypto/digest.h"

void policy_item_free(struct policy_item *item) {
    if (!item) return;
    cella_policy_free(&item->policy);
    cella_buffer_free(&item->text);
    cella_buffer_free(&item->jws);
    json_decref(item->signer);
    free(item);
}
static void item_free(struct policy_item **item) { policy_item_free(*item); }
#define ITEM __attribute__((cleanup(item_free))) struct policy_item *

/* x-ms-policy-hash is of the base64url text, not of the policy's (azure-attestation 7.4). */
CELLA_RESULT cella_policy_hash(struct cella_bytes text, char hash[44]) {
    CELLA_BUFFER encoded = {0}, out = {0};
    uint8_t digest[CELLA_SHA256_SIZE];
    TRY(cella_base64_encode(text, true, &encoded));
    TRY(cella_sha256(cella_buffer_bytes(&encoded), digest));
    TRY(cella_base64_encode(CELLA_BYTES_OF(digest), true, &out));
    ENSURE(out.size == 43, CELLA_ERR_INTERNAL, NULL, "a hash of %zu characters", out.size);
    memcpy(hash, out.data, out.size);
    hash[43] = 0;
    return CELLA_SUCCESS;
}

/* Of text and jws. */
static struct cella_result finish(struct policy_item *item, struct policy_parsing *parsing) {
    item->entry.text = cella_buffer_bytes(&item->text);
    TRY(cella_policy_hash(item->entry.text, item->entry.hash));
    struct cella_result r =
        cella_policy_compile(item->entry.text, &item->policy, parsing ? &parsing->fault : NULL);
    if (parsing) parsing->failed = cella_failed(r) && cella_code_of(r) != CELLA_ERR_MEMORY;
    TRY(r);
    item->entry.policy = item->policy;
    item->entry.signer = item->signer;
    return CELLA_SUCCESS;
}

static struct cella_result blank(struct policy_item **out) {
    *out = calloc(1, sizeof(**out));
    ENSURE(*out, CELLA_ERR_MEMORY, NULL, "no memory for a policy");
    atomic_init(&(*out)->holders, 1);
    return CELLA_SUCCESS;
}

CELLA_RESULT policy_item_of(struct cella_bytes jws, const struct cella_statement *statement,
                            struct policy_item **out, struct policy_parsing *parsing) {
    ITEM item = NULL;
    TRY(blank(&item));
    TRY(cella_buffer_append(&item->jws, jws));
    TRY(cella_statement_policy(statement, &item->text));
    item->signer = json_incref(statement->signer);
    TRY(finish(item, parsing));
    *out = MOVE(item);
    return CELLA_SUCCESS;
}

/* The texts that Azure's service has: the hashes in recorded tokens of its shared providers are
 * theirs (tests/attest/policies_test.c). */
#define COPY(from, to) "c:[type==\"" from "\"] => issue(type=\"" to "\", value=c.value);"
static const char enclave_policy[] =
    "version= 1.0;authorizationrules{=> permit();};issuancerules{" COPY("x-ms-sgx-is-debuggable",
                                                                        "is-debuggable")
        COPY("x-ms-sgx-mrsigner", "sgx-mrsigner") COPY("x-ms-sgx-mrenclave", "sgx-mrenclave")
            COPY("x-ms-sgx-product-id", "product-id") COPY("x-ms-sgx-svn", "svn")
                COPY("x-ms-attestation-type", "tee") "};";
static const char machine_policy[] = "version= 1.0;authorizationrules{=> permit();};";

/* Where there is none; not an empty text, which makes the JavaScript client throw a TypeError. */
static const char no_policy[] = "// No policy is set for this type: it is refused until one is.\n";

static const char *default_text(enum cella_attest_type type) {
    switch (type) {
    case CELLA_ATTEST_SGX:
    case CELLA_ATTEST_OPEN_ENCLAVE: return enclave_policy;
    case CELLA_ATTEST_SNP:
    case CELLA_ATTEST_TDX:
    case CELLA_ATTEST_AZURE_GUEST: return machine_policy;
    case CELLA_ATTEST_TPM:
    case CELLA_ATTEST_SOFTWARE: /* never without a policy that names it */
    case CELLA_ATTEST_TYPE_COUNT: break;
    }
    return NULL;
}

CELLA_RESULT policy_item_default(enum cella_attest_type type, struct policy_item **out) {
    const char *text = default_text(type);
    ITEM item = NULL;
    TRY(blank(&item));
    item->entry.is_default = true;
    item->none = !text;
    TRY(cella_statement_unsecured(cella_bytes_text(text ? text : no_policy), &item->jws));
    if (text) {
        TRY(cella_buffer_append(&item->text, cella_bytes_text(text)));
        TRY(finish(item, NULL));
    }
    *out = MOVE(item);
    return CELLA_SUCCESS;
}

static struct cella_result open_stored(struct cella_bytes jws, bool must_be_signed,
                                       struct policy_item **out) {
    CELLA_STATEMENT statement = {0};
    TRY(cella_statement_read(jws, &statement));
    ENSURE(statement.signer || !must_be_signed, CELLA_ERR_REFUSED, NULL,
           "it is not signed, and the instance is isolated");
    return policy_item_of(jws, &statement, out, NULL);
}

/* A policy that this program cannot use, say after a change of the language, denies what it would
 * judge, can be read and replaced, and keeps the rest of the service running. */
CELLA_RESULT policy_item_stored(struct cella_bytes jws, bool must_be_signed,
                                struct policy_item **out) {
    struct cella_result r = open_stored(jws, must_be_signed, out);
    if (!cella_failed(r) || cella_code_of(r) == CELLA_ERR_MEMORY) return r;
    char why[sizeof((*out)->failure)];
    snprintf(why, sizeof(why), "%s", r.error->what);
    cella_result_drop(r);
    ITEM item = NULL;
    TRY(blank(&item));
    TRY(cella_buffer_append(&item->jws, jws));
    memcpy(item->failure, why, sizeof(why));
    *out = MOVE(item);
    return CELLA_SUCCESS;
}
