/* What an attestation request pays beside its verification: a token of SNP's claims, against the
 * signature over as many bytes; and the policy it is judged by, taken and given back. Interleaved
 * in one run; time of this thread alone, the best batch of many. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "attest/policies.h"
#include "attest/tokens.h"
#include "bench.h"

enum { ROUNDS = 15, SIGN_BATCH = 40, TAKE_BATCH = 100000, PAYLOAD = 2048 };
#define HEX_96                                                                                     \
    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"             \
    "0123456789abcdef"

static json_t *claims_of_snp(void) {
    static const char *const texts[] = {"authorkeydigest", "familyId",   "hostdata", "idkeydigest",
                                        "imageId",         "reportdata", "reportid"};
    static const char *const numbers[] = {"bootloader-svn", "guestsvn", "microcode-svn",
                                          "snpfw-svn",      "tee-svn",  "vmpl"};
    char name[64];
    json_t *claims = json_pack("{s:s, s:s, s:s, s:s, s:s}", "x-ms-attestation-type", "sevsnpvm",
                               "x-ms-compliance-status", "azure-compliant-cvm", "x-ms-ver", "1.0",
                               "x-ms-policy-hash", "9NY0VnTQ-IiBriBplVUpFbczcDaEBUwsiFYAzHu_gco",
                               "x-ms-sevsnpvm-launchmeasurement", HEX_96);
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        snprintf(name, sizeof(name), "x-ms-sevsnpvm-%s", texts[i]);
        json_object_set_new(claims, name, json_string(HEX_96));
    }
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        snprintf(name, sizeof(name), "x-ms-sevsnpvm-%s", numbers[i]);
        json_object_set_new(claims, name, json_integer((json_int_t)i));
    }
    return claims;
}

static double signature_us(const struct cella_jose_key *key, unsigned algorithm) {
    static const char payload[PAYLOAD];
    double start = clock_us(CLOCK_THREAD_CPUTIME_ID);
    for (int i = 0; i < SIGN_BATCH; i++) {
        CELLA_BUFFER out = {0};
        must(cella_jws_sign(key, algorithm, NULL, CELLA_BYTES_OF(payload), &out));
    }
    return (clock_us(CLOCK_THREAD_CPUTIME_ID) - start) / SIGN_BATCH;
}

static double token_us(struct cella_tokens *tokens) {
    double spent = 0;
    for (int i = 0; i < SIGN_BATCH; i++) {
        CELLA_JSON claims = claims_of_snp();
        CELLA_BUFFER out = {0};
        double start = clock_us(CLOCK_THREAD_CPUTIME_ID);
        must(cella_tokens_sign(tokens, claims, (uint64_t)time(NULL), 28800, true, &out));
        spent += clock_us(CLOCK_THREAD_CPUTIME_ID) - start;
    }
    return spent / SIGN_BATCH;
}

static double take_us(struct cella_policies *policies) {
    double start = clock_us(CLOCK_THREAD_CPUTIME_ID);
    for (int i = 0; i < TAKE_BATCH; i++) {
        const struct cella_policy_entry *entry = NULL;
        must(cella_policies_take(policies, CELLA_ATTEST_SGX, &entry));
        cella_policies_drop(policies, entry);
    }
    return (clock_us(CLOCK_THREAD_CPUTIME_ID) - start) / TAKE_BATCH;
}

static double least(double a, double b) { return a < b ? a : b; }

static void measure(struct cella_attest_instance *instance, unsigned algorithm) {
    bool rsa = algorithm == CELLA_JOSE_RS256;
    struct cella_jose_key *key = NULL;
    double signature = 1e9, token = 1e9, take = 1e9;
    instance->settings.algorithm = algorithm;
    must(cella_tokens_new(instance, (uint64_t)time(NULL), &instance->tokens));
    must(cella_jose_key_new(rsa ? CELLA_JOSE_RSA : CELLA_JOSE_P256, 2048, &key));
    for (int round = 0; round < ROUNDS; round++) {
        signature = least(signature, signature_us(key, algorithm));
        token = least(token, token_us(instance->tokens));
        take = least(take, take_us(instance->policies));
    }
    printf("%-6s %16.1f %16.1f %12.1f %18.3f\n", cella_jose_name(algorithm), signature, token,
           token - signature, take);
    cella_jose_key_free(&key);
    cella_tokens_free(&instance->tokens);
}

int main(void) {
    char folder[] = "/tmp/tokens-bench-XXXXXX", root[64];
    struct cella_sealer *sealer = NULL;
    struct cella_database *database = NULL;
    if (!mkdtemp(folder)) return 1;
    setenv("CELLA_LOG", "error", 0);
    must(cella_database_open(":memory:", &database));
    must(cella_sealer_open("file:root.key", folder, &sealer));
    struct cella_attest_instance instance = {
        .settings = {.name = "bench", .url = "https://localhost:8445"},
        .database = database,
        .sealer = sealer,
    };
    must(cella_policies_new(&instance, &instance.policies));
    printf("%-6s %16s %16s %12s %18s\n", "", "signature, us", "token, us", "beside, us",
           "policy taken, us");
    measure(&instance, CELLA_JOSE_RS256);
    measure(&instance, CELLA_JOSE_ES256);
    cella_policies_free(&instance.policies);
    cella_sealer_close(&sealer);
    cella_database_close(&database);
    static const char *const files[] = {"root.key", "store.key"};
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        snprintf(root, sizeof(root), "%s/%s", folder, files[i]);
        unlink(root);
    }
    rmdir(folder);
    return 0;
}
