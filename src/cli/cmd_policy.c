#include <jansson.h>
#include <string.h>

#include "base/file.h"
#include "cli/cli.h"
#include "cli/policy_file.h"
#include "cli/policy_release.h"
#include "cli/policy_sign.h"
#include "policy/outcome_json.h"

const char cella_help_policy[] =
    "usage: cella policy check FILE\n"
    "       cella policy test FILE --claims CLAIMS [--expect permit|deny]\n"
    "       cella policy explain FILE --claims CLAIMS [--json]\n"
    "       cella policy sign FILE|--reset|--manager PEM --key KEY --cert PEM [--out FILE]\n"
    "       cella policy release --authority URL [--tee software|sgx|snp|tdx] "
    "[--mrenclave|--measurement HEX]...\n"
    "                [--mrsigner HEX] [--product-id N] [--min-svn N] [--config-id HEX] "
    "[--assurance S0..S3]\n"
    "                [--claim NAME=VALUE]... [--allow-debug] [-o FILE]\n\n"
    "Policies in Azure Attestation's language, 1.0 to 1.2 (docs/formats/policy.md).\n"
    "  check    parses it; warns of rules that can never permit and of claims that no TEE has\n"
    "  test     evaluates it over claims and prints what it issues\n"
    "  explain  says which rule permitted, denied or did not fire, with the values compared\n"
    "  sign     makes the JWS that an isolated attestation instance takes: a policy, a reset, or\n"
    "           a policy management certificate to add or remove "
    "(docs/formats/attestation-policies.md)\n"
    "  release  writes a release policy for a key of a vault: to what code, proven to which "
    "service, it may go\n"
    "           (docs/formats/release-policy.md)\n\n"
    "  --claims FILE    JSON: an object of claims as in a token, or a list of {\"type\", "
    "\"value\", \"issuer\"}\n"
    "  --expect WORD    permit (the default) or deny: what the policy should say\n"
    "  --json           one JSON object\n"
    "  --key FILE       private key, PKCS#8 PEM, mode 0600\n"
    "  --cert FILE      its certificate in PEM, and those up to the managed authority\n"
    "Exit status: 0 as it should be, 1 not, 2 arguments or files that cannot be used.\n";

enum { WARNINGS_MAX = 64, CLAIMS_FILE_MAX = 8 << 20 };

struct arguments {
    const char *verb, *path, *claims;
    bool expect_deny, json, reset;
    struct cella_cli_policy_sign sign;
};

static void free_policy(struct cella_policy **policy) { cella_policy_free(policy); }
static void free_claims(struct cella_policy_claims **claims) { cella_policy_claims_free(claims); }
#define POLICY __attribute__((cleanup(free_policy))) struct cella_policy *
#define CLAIMS __attribute__((cleanup(free_claims))) struct cella_policy_claims *

/* --- Words --- */

static struct cella_result take_value(int argc, char **argv, int *i, const char **value) {
    if (*i + 1 >= argc) return cella_cli_usage("policy", "%s: expected a value after it", argv[*i]);
    *value = argv[++*i];
    return CELLA_SUCCESS;
}

static struct cella_result take_expect(int argc, char **argv, int *i, struct arguments *out) {
    const char *word = NULL;
    TRY(take_value(argc, argv, i, &word));
    out->expect_deny = strcmp(word, "deny") == 0;
    if (!out->expect_deny && strcmp(word, "permit") != 0)
        return cella_cli_usage("policy", "--expect: expected permit or deny, found '%s'", word);
    return CELLA_SUCCESS;
}

static const char **place_of(const char *word, struct arguments *out) {
    if (strcmp(word, "--claims") == 0) return &out->claims;
    if (strcmp(word, "--key") == 0) return &out->sign.key;
    if (strcmp(word, "--cert") == 0) return &out->sign.certificate;
    if (strcmp(word, "--manager") == 0) return &out->sign.manager;
    return strcmp(word, "--out") == 0 ? &out->sign.out : NULL;
}

static struct cella_result take_word(int argc, char **argv, int *i, struct arguments *out) {
    const char *word = argv[*i];
    const char **value = place_of(word, out);
    if (value) return take_value(argc, argv, i, value);
    if (strcmp(word, "--expect") == 0) return take_expect(argc, argv, i, out);
    if (strcmp(word, "--json") == 0)
        out->json = true;
    else if (strcmp(word, "--reset") == 0)
        out->reset = true;
    else if (word[0] == '-' && word[1])
        return cella_cli_usage("policy", "unknown flag %s", word);
    else if (!out->verb)
        out->verb = word;
    else if (!out->path)
        out->path = word;
    else
        return cella_cli_usage("policy", "one policy at a time: %s and %s", out->path, word);
    return CELLA_SUCCESS;
}

static bool place_used(const struct cella_cli_policy_sign *sign) {
    return sign->key || sign->certificate || sign->manager || sign->out;
}

static struct cella_result check_sign(const struct arguments *out) {
    if ((out->path != NULL) + (out->sign.manager != NULL) + out->reset != 1)
        return cella_cli_usage("policy", "sign: expected one of FILE, --reset and --manager");
    if (!out->sign.key || !out->sign.certificate)
        return cella_cli_usage("policy", "sign needs --key and --cert");
    if (out->claims || out->json || out->expect_deny)
        return cella_cli_usage("policy", "sign takes no --claims, --expect or --json");
    return CELLA_SUCCESS;
}

static struct cella_result parse(int argc, char **argv, struct arguments *out) {
    for (int i = 1; i < argc; i++) TRY(take_word(argc, argv, &i, out));
    if (out->verb && strcmp(out->verb, "sign") == 0) return check_sign(out);
    if (out->reset || place_used(&out->sign))
        return cella_cli_usage("policy",
                               "--key, --cert, --manager, --out and --reset are for sign");
    if (!out->verb || !out->path)
        return cella_cli_usage("policy", "expected check, test or explain and a file, or sign");
    bool check = strcmp(out->verb, "check") == 0;
    if (!check && strcmp(out->verb, "test") != 0 && strcmp(out->verb, "explain") != 0)
        return cella_cli_usage("policy", "expected check, test, explain or sign, found '%s'",
                               out->verb);
    if (check != !out->claims)
        return cella_cli_usage("policy", "%s %s --claims", out->verb, check ? "takes no" : "needs");
    return CELLA_SUCCESS;
}

/* --- check --- */

static struct cella_result check(const struct arguments *arguments) {
    static struct cella_policy_warning warning[WARNINGS_MAX];
    POLICY policy = NULL;
    bool never = false;
    TRY(cella_cli_policy_read(arguments->path, &policy));
    size_t count = cella_policy_check(policy, warning, WARNINGS_MAX, &never);
    for (size_t i = 0; i < count && i < WARNINGS_MAX; i++)
        printf("%s:%u:%u: warning: %s\n", arguments->path, warning[i].line, warning[i].column,
               warning[i].text);
    printf("%s: version 1.%u, %u rules, %zu warnings\n", arguments->path,
           cella_policy_version(policy) - 10, cella_policy_rule_count(policy), count);
    ENSURE(!never, CELLA_ERR_REFUSED, "see the warnings", "%s: this policy can never permit",
           arguments->path);
    return CELLA_SUCCESS;
}

/* --- test and explain --- */

static struct cella_result read_claims(const char *path, struct cella_policy_claims **out) {
    CELLA_BUFFER json = {0};
    TRY(cella_file_read(path, CLAIMS_FILE_MAX, &json));
    TRY(cella_policy_claims_new(out));
    TRY_IN(cella_policy_claims_json(*out, cella_buffer_bytes(&json), CELLA_POLICY_SERVICE), "%s",
           path);
    return CELLA_SUCCESS;
}

static struct cella_result print_json(json_t *object) {
    bool bad = !object || json_dumpf(object, stdout, JSON_INDENT(2)) != 0;
    json_decref(object);
    printf("\n");
    ENSURE(!bad, CELLA_ERR_MEMORY, NULL, "cannot print JSON");
    return CELLA_SUCCESS;
}

static struct cella_result print(const struct arguments *arguments,
                                 const struct cella_policy_outcome *outcome) {
    if (arguments->json) return print_json(cella_policy_outcome_object(outcome));
    cella_cli_policy_explain(stdout, outcome);
    if (outcome->issued_count == 0) return CELLA_SUCCESS;
    printf("issued ");
    return print_json(cella_policy_claims_object(outcome->issued, outcome->issued_count));
}

static struct cella_result evaluate(const struct arguments *arguments) {
    POLICY policy = NULL;
    CLAIMS claims = NULL;
    CELLA_POLICY_OUTCOME outcome = {0};
    size_t count = 0;
    bool explain = strcmp(arguments->verb, "explain") == 0;
    TRY(cella_cli_policy_read(arguments->path, &policy));
    TRY(read_claims(arguments->claims, &claims));
    const struct cella_policy_claim *claim = cella_policy_claims_at(claims, &count);
    TRY(cella_policy_evaluate(policy, claim, count, explain, &outcome));
    TRY(print(arguments, &outcome));
    bool denied = outcome.verdict != CELLA_POLICY_PERMITTED;
    ENSURE(denied == arguments->expect_deny, CELLA_ERR_REFUSED,
           explain ? NULL : "`cella policy explain` says why",
           "%s: expected that the policy %s, found that it %s", arguments->path,
           arguments->expect_deny ? "denies" : "permits", denied ? "denies" : "permits");
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_cmd_policy(int argc, char **argv) {
    struct arguments arguments = {0};
    if (argc > 1 && strcmp(argv[1], "release") == 0)
        return cella_cli_policy_release(argc - 1, argv + 1);
    TRY(parse(argc, argv, &arguments));
    if (strcmp(arguments.verb, "sign") == 0) {
        arguments.sign.policy = arguments.path;
        return cella_cli_policy_sign(&arguments.sign);
    }
    return strcmp(arguments.verb, "check") == 0 ? check(&arguments) : evaluate(&arguments);
}
