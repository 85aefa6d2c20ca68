#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "cli/cli.h"
#include "cli/vault_call.h"
#include "crypto/jose.h"

const char cella_help_secret[] = "usage: cella secret set NAME --file FILE [--type CONTENT-TYPE]\n"
                                 "       cella secret get NAME [-o FILE]\n"
                                 "       cella secret versions|delete|recover|purge NAME\n"
                                 "       cella secret list [--deleted]\n\n"
                                 "Secrets of a vault, over its protocol. A value is never given on "
                                 "the command line, where others "
                                 "could read it;\n"
                                 "--file - reads standard input. get writes the value alone, to "
                                 "standard output or to a file that "
                                 "only you can read.\n\n" CELLA_VAULT_HELP;

enum { VALUE_MAX = 25 * 1024 };

static CELLA_RESULT set(struct cella_vault_client *vault, const char *name, const char *file,
                        const char *type, json_t **reply) {
    char path[512];
    CELLA_BUFFER value = {0};
    if (!file) return cella_cli_usage("secret", "set: expected --file FILE");
    TRY(cella_file_read(file, VALUE_MAX, &value));
    CELLA_JSON body =
        json_pack("{s:s%}", "value", value.data ? (const char *)value.data : "", value.size);
    if (value.data) cella_wipe(value.data, value.capacity);
    ENSURE(body, CELLA_ERR_FORMAT, "encode it as text, for example with base64",
           "%s: a secret is UTF-8 text", file);
    if (type) json_object_set_new(body, "contentType", json_string(type));
    snprintf(path, sizeof(path), "/secrets/%.300s", name);
    TRY(cella_vault_send(vault, "PUT", path, body, reply));
    json_object_del(*reply, "value"); /* not shown again */
    return CELLA_SUCCESS;
}

static CELLA_RESULT get(struct cella_vault_client *vault, const char *name, const char *output,
                        bool json, json_t **reply) {
    char path[512];
    snprintf(path, sizeof(path), "/secrets/%.300s", name);
    TRY(cella_vault_send(vault, "GET", path, NULL, reply));
    if (json) return CELLA_SUCCESS;
    const json_t *value = json_object_get(*reply, "value");
    ENSURE(json_is_string(value), CELLA_ERR_PROTOCOL, NULL, "no value in the answer");
    struct cella_result result =
        cella_file_write(output ? output : "-",
                         cella_bytes(json_string_value(value), json_string_length(value)), 0600, 0);
    json_decref(*reply);
    *reply = NULL;
    return result;
}

static const struct {
    const char *word, *method, *family, *tail;
} simple[] = {
    {"delete", "DELETE", "secrets", ""},
    {"recover", "POST", "deletedsecrets", "/recover"},
    {"purge", "DELETE", "deletedsecrets", ""},
};

CELLA_RESULT cella_cmd_secret(int argc, char **argv) {
    const char *file = NULL, *type = NULL, *output = NULL, *deleted = NULL;
    const struct cella_vault_option options[] = {{"--file", false, &file},
                                                 {"--type", false, &type},
                                                 {"--output", false, &output},
                                                 {"--deleted", true, &deleted}};
    struct cella_vault_arguments arguments;
    CELLA_VAULT_CLIENT vault = {0};
    CELLA_JSON reply = NULL;
    char path[512];
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "-o") == 0) argv[i] = (char *)"--output";
    TRY(cella_vault_arguments(argc, argv, "secret", options, 4, &arguments));
    const char *word = arguments.word[0], *name = arguments.word[1];
    bool list = strcmp(word, "list") == 0;
    if (arguments.count != (list ? 1 : 2))
        return cella_cli_usage("secret", "expected %s", list ? "list alone" : "a word and a name");
    TRY(cella_vault_open(&arguments, &vault));
    if (list) {
        TRY(cella_vault_send_list(&vault, deleted ? "/deletedsecrets" : "/secrets", &reply));
    } else if (strcmp(word, "set") == 0) {
        TRY(set(&vault, name, file, type, &reply));
    } else if (strcmp(word, "get") == 0) {
        TRY(get(&vault, name, output, arguments.json, &reply));
    } else if (strcmp(word, "versions") == 0) {
        snprintf(path, sizeof(path), "/secrets/%.300s/versions", name);
        TRY(cella_vault_send_list(&vault, path, &reply));
    } else {
        size_t i = 0, count = sizeof(simple) / sizeof(simple[0]);
        while (i < count && strcmp(word, simple[i].word) != 0) i++;
        if (i == count) return cella_cli_usage("secret", "unknown word '%s'", word);
        snprintf(path, sizeof(path), "/%s/%.300s%s", simple[i].family, name, simple[i].tail);
        TRY(cella_vault_send(&vault, simple[i].method, path, NULL, &reply));
    }
    cella_vault_print(&arguments, reply);
    return CELLA_SUCCESS;
}
