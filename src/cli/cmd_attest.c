#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "cli/cli.h"
#include "cli/proof.h"
#include "client/client.h"
#include "crypto/jose.h"

const char cella_help_attest[] =
    "usage: cella attest FILE --url URL [options] -o TOKEN\n"
    "       cella attest policy TYPE [--set FILE | --reset] --url URL [options]\n"
    "       cella attest explain REQUEST-ID --url URL [options]\n\n"
    "Asks an attestation service, cella's or Azure's. FILE is evidence, or a key request of `cella "
    "run --request`;\n"
    "TOKEN is what a relying party checks (`cella verify`, `cella grant --token`).\n"
    "`policy` shows, sets or resets the policy of a type; FILE is its text, which is sent "
    "unsigned, "
    "or what\n"
    "`cella policy sign` made. `explain` says why a policy denied: the refusal names the request.\n"
    "  --url URL      the instance of the service (default: CELLA_ATTEST, ATTESTATION_AAD_URL)\n"
    "  --ca FILE      authority of its TLS certificate (default: CELLA_CA, else the system's)\n"
    "  --type TYPE    of FILE: SoftwareEnclave (the default), SgxEnclave, OpenEnclave, SevSnpVm, "
    "TdxVm\n"
    "  --draft FILE   try this policy; the token is then unsigned and proves nothing\n"
    "  --json         the explanation as the service gave it\n"
    "Credentials for policies and explanations come from AZURE_AUTHORITY_HOST, AZURE_TENANT_ID, "
    "AZURE_CLIENT_ID\n"
    "and AZURE_CLIENT_SECRET.\n";

enum { INPUT_MAX = 2 << 20, URL_SIZE = 1024, WORDS_MAX = 2 };
#define RESOURCE "https://attest.azure.net"
#define VERSION  "api-version=2025-06-01"

struct arguments {
    size_t count;
    const char *word[WORDS_MAX];
    const char *url, *ca, *type, *draft, *set, *out;
    bool reset, json;
};

static CELLA_RESULT parse(int argc, char **argv, struct arguments *a) {
    const char *environment = getenv("CELLA_ATTEST");
    const struct {
        const char *name, **value;
    } option[] = {{"--url", &a->url},     {"--ca", &a->ca},   {"--type", &a->type},
                  {"--draft", &a->draft}, {"--set", &a->set}, {"-o", &a->out}};
    *a = (struct arguments){.url = environment ? environment : getenv("ATTESTATION_AAD_URL"),
                            .type = "SoftwareEnclave"};
    for (int i = 1; i < argc; i++) {
        size_t k = 0, count = sizeof(option) / sizeof(option[0]);
        while (k < count && strcmp(argv[i], option[k].name) != 0) k++;
        if (k < count)
            TRY(cella_cli_value("attest", argc, argv, &i, option[k].value));
        else if (strcmp(argv[i], "--reset") == 0)
            a->reset = true;
        else if (strcmp(argv[i], "--json") == 0)
            a->json = true;
        else if (argv[i][0] == '-' && argv[i][1])
            return cella_cli_usage("attest", "unknown option %s", argv[i]);
        else if (a->count == WORDS_MAX)
            return cella_cli_usage("attest", "unexpected argument '%s'", argv[i]);
        else
            a->word[a->count++] = argv[i];
    }
    if (a->count == 0) return cella_cli_usage("attest", "expected evidence, or a key request");
    if (!a->url) return cella_cli_usage("attest", "no service: give --url URL");
    if (a->set && a->reset) return cella_cli_usage("attest", "--set or --reset, not both");
    return CELLA_SUCCESS;
}

/* --- Asking --- */

static CELLA_RESULT ask(const struct arguments *a, const char *method, const char *path,
                        const json_t *body, json_t **reply) {
    char url[URL_SIZE];
    CELLA_CLIENT client = NULL;
    struct cella_client_settings settings;
    size_t base = strlen(a->url);
    while (base && a->url[base - 1] == '/') base--;
    int size = snprintf(url, sizeof(url), "%.*s%s?" VERSION, (int)base, a->url, path);
    ENSURE(size > 0 && (size_t)size < sizeof(url), CELLA_ERR_LIMIT, NULL, "a URL this long");
    cella_client_environment(&settings);
    if (a->ca) settings.ca = a->ca;
    bool open = strncmp(path, "/attest/", 8) == 0;
    struct cella_client_call call = {
        .method = method, .url = url, .resource = open ? NULL : RESOURCE, .body = body};
    TRY(cella_client_new(&settings, &client));
    return cella_client_send(client, &call, reply);
}

/* A word that goes into a path. */
static CELLA_RESULT check_word(const char *what, const char *word) {
    size_t size = strspn(word, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-");
    if (size == 0 || word[size])
        return cella_cli_usage("attest", "%s: expected letters, digits and -, found '%s'", what,
                               word);
    return CELLA_SUCCESS;
}

static CELLA_RESULT put_base64(json_t *object, const char *name, struct cella_bytes bytes) {
    CELLA_BUFFER text = {0};
    TRY(cella_base64_encode(bytes, true, &text));
    ENSURE(json_object_set_new(object, name, json_stringn((const char *)text.data, text.size)) == 0,
           CELLA_ERR_MEMORY, NULL, "no memory for a request");
    return CELLA_SUCCESS;
}

static CELLA_RESULT token_of(const json_t *reply, struct cella_bytes *token) {
    const json_t *text = json_object_get(reply, "token");
    ENSURE(json_is_string(text) && json_string_length(text), CELLA_ERR_PROTOCOL, NULL,
           "no token in the service's answer");
    *token = cella_bytes(json_string_value(text), json_string_length(text));
    return CELLA_SUCCESS;
}

/* --- Evidence --- */

static const char *member_of(const char *type) {
    static const char *const members[][2] = {{"SoftwareEnclave", "evidence"},
                                             {"SgxEnclave", "quote"},
                                             {"OpenEnclave", "report"},
                                             {"SevSnpVm", "report"},
                                             {"TdxVm", "quote"}};
    for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++)
        if (strcasecmp(type, members[i][0]) == 0) return members[i][1];
    return NULL;
}

static CELLA_RESULT attest(const struct arguments *a) {
    CELLA_BUFFER evidence = {0}, draft = {0};
    CELLA_JSON body = json_object();
    CELLA_JSON reply = NULL;
    struct cella_bytes token;
    char path[64];
    const char *member = member_of(a->type);
    if (!member) return cella_cli_usage("attest", "--type: no evidence is sent as '%s'", a->type);
    if (!a->out) return cella_cli_usage("attest", "-o is missing: where the token goes");
    ENSURE(body, CELLA_ERR_MEMORY, NULL, "no memory for a request");
    TRY(cella_file_read(a->word[0], INPUT_MAX, &evidence));
    TRY(put_base64(body, member, cella_buffer_bytes(&evidence)));
    if (a->draft) {
        TRY(cella_file_read(a->draft, INPUT_MAX, &draft));
        json_t *text = json_stringn((const char *)draft.data, draft.size);
        ENSURE(json_object_set_new(body, "draftPolicyForAttestation", text) == 0, CELLA_ERR_FORMAT,
               NULL, "%s: a policy is UTF-8", a->draft);
    }
    snprintf(path, sizeof(path), "/attest/%s", a->type);
    TRY(ask(a, "POST", path, body, &reply));
    TRY(token_of(reply, &token));
    return cella_file_write(a->out, token, 0644, 0);
}

/* --- Policies --- */

/* Either a JWS already, or the text in an unsecured one. */
static CELLA_RESULT as_jws(struct cella_bytes content, struct cella_buffer *out) {
    CELLA_JSON object = json_object();
    while (content.size && content.data[content.size - 1] <= ' ') content.size--;
    if (content.size > 3 && cella_equal(content.data, "eyJ", 3))
        return cella_buffer_append(out, content);
    ENSURE(object, CELLA_ERR_MEMORY, NULL, "no memory for a policy");
    TRY(put_base64(object, "AttestationPolicy", content));
    char *text = json_dumps(object, JSON_COMPACT);
    ENSURE(text, CELLA_ERR_MEMORY, NULL, "no memory for a policy");
    struct cella_result r =
        cella_jws_sign(NULL, CELLA_JOSE_NONE, NULL, cella_bytes_text(text), out);
    free(text);
    return r;
}

/* What the service says in a token's payload. Its word is worth the TLS that it came by. */
static CELLA_RESULT claims_of(struct cella_bytes token, json_t **claims) {
    CELLA_JWS jws = {0};
    TRY_IN(cella_jws_open(token, true, &jws), "the service's token");
    return cella_jws_object(&jws, claims);
}

static CELLA_RESULT print_policy(const json_t *claims) {
    CELLA_JSON policy = NULL;
    CELLA_BUFFER text = {0};
    const char *jws = json_string_value(json_object_get(claims, "x-ms-policy"));
    ENSURE(jws, CELLA_ERR_PROTOCOL, NULL, "no policy in the service's answer");
    TRY(claims_of(cella_bytes_text(jws), &policy));
    const char *encoded = json_string_value(json_object_get(policy, "AttestationPolicy"));
    ENSURE(encoded, CELLA_ERR_PROTOCOL, NULL, "no policy in the service's answer");
    TRY(cella_base64_decode(cella_bytes_text(encoded), true, &text));
    printf("%.*s\n", (int)text.size, (const char *)text.data);
    return CELLA_SUCCESS;
}

static CELLA_RESULT change_policy(const struct arguments *a, const char *path, json_t **reply) {
    CELLA_BUFFER content = {0}, jws = {0};
    if (a->set) {
        TRY(cella_file_read(a->set, INPUT_MAX, &content));
        TRY(as_jws(cella_buffer_bytes(&content), &jws));
    } else {
        TRY(cella_jws_sign(NULL, CELLA_JOSE_NONE, NULL, cella_bytes(NULL, 0), &jws));
    }
    CELLA_JSON body = json_stringn((const char *)jws.data, jws.size);
    ENSURE(body, CELLA_ERR_FORMAT, NULL, "%s: expected text", a->set ? a->set : "the reset");
    return ask(a, a->set ? "PUT" : "POST", path, body, reply);
}

static CELLA_RESULT policy(const struct arguments *a) {
    CELLA_JSON reply = NULL;
    CELLA_JSON claims = NULL;
    struct cella_bytes token;
    char path[96];
    TRY(check_word("policy", a->word[1]));
    snprintf(path, sizeof(path), "/policies/%.60s%s", a->word[1], a->reset ? ":reset" : "");
    if (a->set || a->reset)
        TRY(change_policy(a, path, &reply));
    else
        TRY(ask(a, "GET", path, NULL, &reply));
    TRY(token_of(reply, &token));
    TRY(claims_of(token, &claims));
    if (!a->set && !a->reset) return print_policy(claims);
    const char *result = json_string_value(json_object_get(claims, "x-ms-policy-result"));
    printf("policy of %s: %s\n", a->word[1], result ? result : "no word");
    return CELLA_SUCCESS;
}

/* --- Why --- */

static void print_member(const json_t *object, const char *name) {
    const char *text = json_string_value(json_object_get(object, name));
    if (text) printf("        %-9s %s\n", name, text);
}

static void print_rule(const json_t *rule) {
    const char *action = json_string_value(json_object_get(rule, "action"));
    bool fired = json_is_true(json_object_get(rule, "fired"));
    size_t i;
    json_t *condition;
    printf("  line %lld: %s: %s\n", (long long)json_integer_value(json_object_get(rule, "line")),
           action ? action : "?", fired ? "fired" : "did not fire");
    json_array_foreach(json_object_get(rule, "conditions"), i, condition) {
        const char *text = json_string_value(json_object_get(condition, "condition"));
        const char *result = json_string_value(json_object_get(condition, "result"));
        bool failed = result && strcmp(result, "failed") == 0;
        bool held = result && strcmp(result, "held") == 0;
        printf("    %s  %s\n", failed ? "NO" : held ? "ok" : "--", text ? text : "?");
        if (!failed) continue;
        print_member(condition, "expected");
        print_member(condition, "found");
    }
}

static void print_explanation(const json_t *reply) {
    static const char *const members[] = {"step", "field", "expected", "found", "remedy"};
    const json_t *evidence = json_object_get(reply, "evidence");
    const char *verdict = json_string_value(json_object_get(reply, "verdict"));
    const char *type = json_string_value(json_object_get(reply, "type"));
    const char *reason = json_string_value(json_object_get(reply, "reason"));
    size_t i;
    json_t *rule;
    printf("%s of %s: %s\n", verdict ? verdict : "?", type ? type : "?", reason ? reason : "");
    for (size_t k = 0; k < sizeof(members) / sizeof(members[0]); k++)
        print_member(evidence, members[k]);
    json_array_foreach(json_object_get(json_object_get(reply, "policy"), "rules"), i, rule)
        print_rule(rule);
}

static CELLA_RESULT explain(const struct arguments *a) {
    CELLA_JSON reply = NULL;
    char path[96];
    TRY(check_word("explain", a->word[1]));
    snprintf(path, sizeof(path), "/decisions/%.60s", a->word[1]);
    TRY(ask(a, "GET", path, NULL, &reply));
    ENSURE(reply, CELLA_ERR_PROTOCOL, NULL, "no explanation in the service's answer");
    if (!a->json) {
        print_explanation(reply);
        return CELLA_SUCCESS;
    }
    ENSURE(json_dumpf(reply, stdout, JSON_INDENT(2)) == 0, CELLA_ERR_IO, NULL, "cannot write");
    putchar('\n');
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_cmd_attest(int argc, char **argv) {
    struct arguments arguments;
    TRY(parse(argc, argv, &arguments));
    if (arguments.count == 1) return attest(&arguments);
    if (strcmp(arguments.word[0], "policy") == 0) return policy(&arguments);
    if (strcmp(arguments.word[0], "explain") == 0) return explain(&arguments);
    return cella_cli_usage("attest", "one file at a time: %s and %s", arguments.word[0],
                           arguments.word[1]);
}
