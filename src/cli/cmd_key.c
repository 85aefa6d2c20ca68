#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/text.h"
#include "cli/cli.h"
#include "cli/key_import.h"
#include "cli/vault_call.h"
#include "crypto/jose.h"

const char cella_help_key[] =
    "usage: cella key create NAME [--kty RSA|EC|oct] [--size BITS] [--curve NAME] [--hsm] "
    "[--release-policy FILE]\n"
    "       cella key import NAME --key FILE [--hsm] [--release-policy FILE]\n"
    "       cella key show|versions|rotate|delete|recover|purge NAME\n"
    "       cella key list [--deleted]\n"
    "       cella key disable|enable NAME\n"
    "       cella key backup NAME -o FILE, restore FILE\n"
    "       cella key release NAME --token FILE [-o FILE]\n\n"
    "Keys of a vault, over its protocol. NAME may be NAME/VERSION where a version can be meant.\n\n"
    "  --key FILE             a data key (`cella keygen --data`), or a private RSA or EC key in "
    "PEM\n"
    "  --release-policy FILE  the key may be released to what the policy (JSON) describes; see\n"
    "                         `cella policy release`\n"
    "  --token FILE           token of an attestation service that the policy "
    "names\n" CELLA_VAULT_HELP;

enum { FILE_MAX = 1 << 20 };

struct options {
    const char *kty, *size, *curve, *hsm, *policy, *token, *output, *deleted, *key;
};

static CELLA_RESULT read_policy(const char *path, json_t **out) {
    CELLA_BUFFER text = {0}, data = {0};
    TRY(cella_file_read(path, FILE_MAX, &text));
    TRY(cella_base64_encode(cella_buffer_bytes(&text), true, &data));
    *out = json_pack("{s:s%}", "data", (const char *)data.data, data.size);
    ENSURE(*out, CELLA_ERR_MEMORY, NULL, "no memory for a policy");
    return CELLA_SUCCESS;
}

/* The key may be released to what the policy describes. */
static CELLA_RESULT add_policy(const char *path, json_t *body) {
    json_t *policy = NULL;
    if (!path) return CELLA_SUCCESS;
    TRY(read_policy(path, &policy));
    json_object_set_new(body, "release_policy", policy);
    json_object_set_new(body, "attributes", json_pack("{s:b}", "exportable", 1));
    return CELLA_SUCCESS;
}

static CELLA_RESULT import_key(struct cella_vault_client *vault, const char *name,
                               const struct options *o, json_t **reply) {
    __attribute__((cleanup(cella_key_import_free))) json_t *jwk = NULL;
    char path[512];
    ENSURE(o->key, CELLA_ERR_USAGE, NULL, "import: expected --key FILE");
    TRY(cella_key_import_read(o->key, o->hsm || o->policy, &jwk));
    CELLA_JSON body = json_pack("{s:O}", "key", jwk);
    ENSURE(body, CELLA_ERR_MEMORY, NULL, "no memory for a request");
    TRY(add_policy(o->policy, body));
    snprintf(path, sizeof(path), "/keys/%.300s", name);
    return cella_vault_send(vault, "PUT", path, body, reply);
}

static CELLA_RESULT create(struct cella_vault_client *vault, const char *name,
                           const struct options *o, json_t **reply) {
    char kty[16], path[512];
    uint64_t size = 0;
    CELLA_JSON body = json_object();
    snprintf(kty, sizeof(kty), "%.7s%s", o->kty ? o->kty : "RSA",
             o->hsm || o->policy ? "-HSM" : "");
    json_object_set_new(body, "kty", json_string(kty));
    ENSURE(!o->size || cella_number_read(o->size, &size), CELLA_ERR_USAGE, NULL,
           "--size: expected bits, found %s", o->size);
    if (o->size) json_object_set_new(body, "key_size", json_integer((json_int_t)size));
    if (o->curve) json_object_set_new(body, "crv", json_string(o->curve));
    TRY(add_policy(o->policy, body));
    snprintf(path, sizeof(path), "/keys/%.300s/create", name);
    return cella_vault_send(vault, "POST", path, body, reply);
}

static CELLA_RESULT enable(struct cella_vault_client *vault, const char *name, bool on,
                           json_t **reply) {
    char path[512];
    CELLA_JSON body = json_pack("{s:{s:b}}", "attributes", "enabled", on);
    snprintf(path, sizeof(path), "/keys/%.300s", name);
    return cella_vault_send(vault, "PATCH", path, body, reply);
}

static CELLA_RESULT put(const char *path, const json_t *reply) {
    const char *value = json_string_value(json_object_get(reply, "value"));
    ENSURE(value, CELLA_ERR_PROTOCOL, NULL, "no value in the answer");
    return cella_file_write(path ? path : "-", cella_bytes_text(value), 0600, 0);
}

static CELLA_RESULT restore(struct cella_vault_client *vault, const char *path, json_t **reply) {
    CELLA_BUFFER text = {0};
    TRY(cella_file_read(path, FILE_MAX, &text));
    CELLA_JSON body = json_pack("{s:s%}", "value", (const char *)text.data, text.size);
    return cella_vault_send(vault, "POST", "/keys/restore", body, reply);
}

static CELLA_RESULT release(struct cella_vault_client *vault, const char *name,
                            const struct options *o) {
    char path[512];
    CELLA_BUFFER token = {0};
    CELLA_JSON reply = NULL;
    if (!o->token) return cella_cli_usage("key", "release: expected --token FILE");
    TRY(cella_file_read(o->token, FILE_MAX, &token));
    while (token.size && (token.data[token.size - 1] == '\n')) token.size--;
    CELLA_JSON body = json_pack("{s:s%}", "target", (const char *)token.data, token.size);
    snprintf(path, sizeof(path), "/keys/%.300s/release", name);
    TRY(cella_vault_send(vault, "POST", path, body, &reply));
    return put(o->output, reply);
}

/* Words that are one request on a name. */
static const struct {
    const char *word, *method, *family, *tail;
} simple[] = {
    {"show", "GET", "keys", ""},
    {"rotate", "POST", "keys", "/rotate"},
    {"delete", "DELETE", "keys", ""},
    {"recover", "POST", "deletedkeys", "/recover"},
    {"purge", "DELETE", "deletedkeys", ""},
};

static CELLA_RESULT on_name(struct cella_vault_client *vault, const char *word, const char *name,
                            const struct options *o, json_t **reply) {
    char path[512];
    for (size_t i = 0; i < sizeof(simple) / sizeof(simple[0]); i++) {
        if (strcmp(word, simple[i].word) != 0) continue;
        snprintf(path, sizeof(path), "/%s/%.300s%s", simple[i].family, name, simple[i].tail);
        return cella_vault_send(vault, simple[i].method, path, NULL, reply);
    }
    if (strcmp(word, "create") == 0) return create(vault, name, o, reply);
    if (strcmp(word, "import") == 0) return import_key(vault, name, o, reply);
    if (strcmp(word, "enable") == 0 || strcmp(word, "disable") == 0)
        return enable(vault, name, word[0] == 'e', reply);
    if (strcmp(word, "restore") == 0) return restore(vault, name, reply);
    if (strcmp(word, "release") == 0) return release(vault, name, o);
    if (strcmp(word, "versions") == 0) {
        snprintf(path, sizeof(path), "/keys/%.300s/versions", name);
        return cella_vault_send_list(vault, path, reply);
    }
    if (strcmp(word, "backup") != 0) return cella_cli_usage("key", "unknown word '%s'", word);
    CELLA_JSON backup = NULL;
    snprintf(path, sizeof(path), "/keys/%.300s/backup", name);
    TRY(cella_vault_send(vault, "POST", path, NULL, &backup));
    return put(o->output, backup);
}

CELLA_RESULT cella_cmd_key(int argc, char **argv) {
    struct options o = {0};
    const struct cella_vault_option options[] = {{"--kty", false, &o.kty},
                                                 {"--size", false, &o.size},
                                                 {"--curve", false, &o.curve},
                                                 {"--hsm", true, &o.hsm},
                                                 {"--key", false, &o.key},
                                                 {"--token", false, &o.token},
                                                 {"--release-policy", false, &o.policy},
                                                 {"--deleted", true, &o.deleted},
                                                 {"--output", false, &o.output}};
    struct cella_vault_arguments arguments;
    CELLA_VAULT_CLIENT vault = {0};
    CELLA_JSON reply = NULL;
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "-o") == 0) argv[i] = (char *)"--output";
    TRY(cella_vault_arguments(argc, argv, "key", options, sizeof(options) / sizeof(options[0]),
                              &arguments));
    bool list = strcmp(arguments.word[0], "list") == 0;
    if (arguments.count != (list ? 1 : 2))
        return cella_cli_usage("key", "expected %s", list ? "list alone" : "a word and a name");
    TRY(cella_vault_open(&arguments, &vault));
    if (list)
        TRY(cella_vault_send_list(&vault, o.deleted ? "/deletedkeys" : "/keys", &reply));
    else
        TRY(on_name(&vault, arguments.word[0], arguments.word[1], &o, &reply));
    cella_vault_print(&arguments, reply);
    return CELLA_SUCCESS;
}
