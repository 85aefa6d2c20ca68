#include "cli/policy_release.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/text.h"
#include "cli/cli.h"
#include "crypto/jose.h"
#include "vault/release_policy.h"

/* The names that each TEE's tokens have for the same things; NULL: it has none. */
static const struct tee {
    const char *word, *type; /* of --tee, and x-ms-attestation-type */
    const char *measurement, *signer, *product, *svn, *debug, *config;
} tees[] = {
    {"software", "cella-software", "x-ms-cella-mrenclave", "x-ms-cella-mrsigner",
     "x-ms-cella-product-id", "x-ms-cella-svn", "x-ms-cella-is-debuggable", "x-ms-cella-config-id"},
    {"sgx", "sgx", "x-ms-sgx-mrenclave", "x-ms-sgx-mrsigner", "x-ms-sgx-product-id", "x-ms-sgx-svn",
     "x-ms-sgx-is-debuggable", "x-ms-sgx-config-id"},
    {"snp", "sevsnpvm", "x-ms-sevsnpvm-launchmeasurement", "x-ms-sevsnpvm-idkeydigest", NULL,
     "x-ms-sevsnpvm-guestsvn", "x-ms-sevsnpvm-is-debuggable", "x-ms-sevsnpvm-hostdata"},
    {"tdx", "tdxvm", "tdx_mrtd", NULL, NULL, NULL, "tdx_td_attributes_debug", "tdx_mrconfigid"},
};

struct wish {
    const struct tee *tee;
    const char *authority, *output, *assurance;
    bool allow_debug;
    json_t *all, *measurements; /* conditions, and those of which one must hold */
};

static CELLA_RESULT usage(const char *text) {
    return cella_cli_usage("policy", "release: %s", text);
}

static CELLA_RESULT add(json_t *list, const char *claim, const char *op, json_t *value) {
    json_t *condition = json_pack("{s:s, s:o}", "claim", claim, op, value);
    ENSURE(condition && json_array_append_new(list, condition) == 0, CELLA_ERR_MEMORY, NULL,
           "no memory for a policy");
    return CELLA_SUCCESS;
}

/* Hex of a measurement, in the lower case that tokens have. */
static CELLA_RESULT add_hex(json_t *list, const char *claim, const char *flag, const char *hex) {
    CELLA_BUFFER bytes = {0};
    char text[257];
    if (!claim) return cella_cli_usage("policy", "release: %s: this TEE has no such claim", flag);
    TRY_IN(cella_hex_decode_all(cella_bytes_text(hex), &bytes), "%s", flag);
    ENSURE(bytes.size >= 16 && bytes.size <= 64, CELLA_ERR_USAGE, NULL,
           "%s: expected 16 to 64 bytes in hex, found %zu", flag, bytes.size);
    cella_hex_encode(cella_buffer_bytes(&bytes), text);
    return add(list, claim, "equals", json_string(text));
}

static CELLA_RESULT add_number(json_t *list, const char *claim, const char *flag, const char *op,
                               const char *text) {
    uint64_t number = 0;
    if (!claim) return cella_cli_usage("policy", "release: %s: this TEE has no such claim", flag);
    if (!cella_number_read(text, &number) || number > UINT32_MAX)
        return cella_cli_usage("policy", "release: %s: expected a number, found '%s'", flag, text);
    return add(list, claim, op, json_integer((json_int_t)number));
}

static CELLA_RESULT add_claim(json_t *list, const char *text) {
    char name[257];
    const char *equals = strchr(text, '=');
    if (!equals || equals == text || (size_t)(equals - text) >= sizeof(name))
        return usage("--claim: expected NAME=VALUE");
    snprintf(name, sizeof(name), "%.*s", (int)(equals - text), text);
    return add(list, name, "equals", json_string(equals + 1));
}

static CELLA_RESULT take(struct wish *w, const char *flag, const char *value) {
    const struct tee *tee = w->tee;
    if (strcmp(flag, "--authority") == 0)
        w->authority = value;
    else if (strcmp(flag, "--assurance") == 0)
        w->assurance = value;
    else if (strcmp(flag, "-o") == 0)
        w->output = value;
    else if (strcmp(flag, "--mrenclave") == 0 || strcmp(flag, "--measurement") == 0)
        return add_hex(w->measurements, tee->measurement, flag, value);
    else if (strcmp(flag, "--mrsigner") == 0)
        return add_hex(w->all, tee->signer, flag, value);
    else if (strcmp(flag, "--config-id") == 0)
        return add_hex(w->all, tee->config, flag, value);
    else if (strcmp(flag, "--product-id") == 0)
        return add_number(w->all, tee->product, flag, "equals", value);
    else if (strcmp(flag, "--min-svn") == 0)
        return add_number(w->all, tee->svn, flag, "greaterOrEquals", value);
    else if (strcmp(flag, "--claim") == 0)
        return add_claim(w->all, value);
    else
        return cella_cli_usage("policy", "release: unknown option %s", flag);
    return CELLA_SUCCESS;
}

/* --tee first: the names of the claims depend on it. */
static CELLA_RESULT find_tee(int argc, char **argv, struct wish *w) {
    const char *word = "software";
    for (int i = 1; i + 1 < argc; i++)
        if (strcmp(argv[i], "--tee") == 0) word = argv[i + 1];
    for (size_t i = 0; i < sizeof(tees) / sizeof(tees[0]); i++)
        if (strcmp(word, tees[i].word) == 0) w->tee = &tees[i];
    return w->tee ? CELLA_SUCCESS : usage("--tee: expected software, sgx, snp or tdx");
}

static CELLA_RESULT read_arguments(int argc, char **argv, struct wish *w) {
    TRY(find_tee(argc, argv, w));
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--allow-debug") == 0) {
            w->allow_debug = true;
            continue;
        }
        if (i + 1 == argc)
            return cella_cli_usage("policy", "release: %s: a value is missing", argv[i]);
        if (strcmp(argv[i], "--tee") != 0) TRY(take(w, argv[i], argv[i + 1]));
        i++;
    }
    if (!w->authority) return usage("expected --authority URL, the attestation service to trust");
    if (w->assurance && strcmp(w->tee->word, "software") != 0)
        return usage("--assurance: levels are of the software backend");
    if (json_array_size(w->measurements) == 0 && json_array_size(w->all) == 0)
        return usage(
            "expected --mrenclave or --mrsigner: a key is released to some code, not to any");
    return CELLA_SUCCESS;
}

/* The level and those above it: the grammar has no order of texts. */
static CELLA_RESULT add_assurance(struct wish *w) {
    static const char *const levels[] = {"S0", "S1", "S2", "S3"};
    CELLA_JSON any = json_array();
    bool found = false;
    for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
        found = found || strcmp(w->assurance, levels[i]) == 0;
        if (found) TRY(add(any, "x-ms-cella-assurance", "equals", json_string(levels[i])));
    }
    if (!found) return usage("--assurance: expected S0, S1, S2 or S3");
    json_t *group = json_pack("{s:O}", "anyOf", any);
    ENSURE(group && json_array_append_new(w->all, group) == 0, CELLA_ERR_MEMORY, NULL,
           "no memory for a policy");
    return CELLA_SUCCESS;
}

static CELLA_RESULT write_policy(struct wish *w) {
    CELLA_JSON whole = NULL;
    CELLA_BUFFER normal = {0};
    struct cella_release_policy *policy = NULL;
    TRY(add(w->all, "x-ms-attestation-type", "equals", json_string(w->tee->type)));
    if (!w->allow_debug) TRY(add(w->all, w->tee->debug, "equals", json_string("false")));
    if (w->assurance) TRY(add_assurance(w));
    if (json_array_size(w->measurements) == 1)
        json_array_append(w->all, json_array_get(w->measurements, 0));
    else if (json_array_size(w->measurements) > 1)
        json_array_append_new(w->all, json_pack("{s:O}", "anyOf", w->measurements));
    whole = json_pack("{s:s, s:[{s:s, s:O}]}", "version", "1.0.0", "anyOf", "authority",
                      w->authority, "allOf", w->all);
    char *text = whole ? json_dumps(whole, JSON_COMPACT) : NULL;
    ENSURE(text, CELLA_ERR_MEMORY, NULL, "no memory for a policy");
    struct cella_result result = cella_release_policy_new(cella_bytes_text(text), &policy);
    free(text);
    TRY(result); /* as the vault would refuse it */
    result = cella_release_policy_normal(policy, &normal);
    cella_release_policy_free(&policy);
    TRY(result);
    TRY(cella_buffer_append(&normal, cella_bytes_text("\n")));
    return cella_file_write(w->output ? w->output : "-", cella_buffer_bytes(&normal), 0644, 0);
}

CELLA_RESULT cella_cli_policy_release(int argc, char **argv) {
    struct wish w = {.all = json_array(), .measurements = json_array()};
    struct cella_result result = w.all && w.measurements
                                     ? read_arguments(argc, argv, &w)
                                     : CELLA_FAILURE(CELLA_ERR_MEMORY, NULL, "no memory");
    if (!cella_failed(result)) result = write_policy(&w);
    json_decref(w.all);
    json_decref(w.measurements);
    return result;
}
