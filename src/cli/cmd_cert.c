#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "cli/cli.h"
#include "cli/vault_call.h"
#include "crypto/jose.h"
#include "crypto/x509.h"

const char cella_help_cert[] =
    "usage: cella cert create NAME --subject CN=... [--dns NAME]... [--months N] [--kty RSA|EC] "
    "[--csr]\n"
    "       cella cert import NAME --file FILE.pfx|FILE.pem [--password-file FILE]\n"
    "       cella cert merge NAME --file CHAIN.pem\n"
    "       cella cert show|pending|versions|delete|recover|purge NAME\n"
    "       cella cert list [--deleted]\n\n"
    "Certificates of a vault, over its protocol. create makes a self-signed one, or with --csr a "
    "request that your\n"
    "authority signs (pending shows it), whose answer merge takes.\n\n" CELLA_VAULT_HELP;

enum { FILE_MAX = 1 << 20, DNS_MAX = 16 };

struct options {
    const char *subject, *months, *kty, *csr, *file, *password, *deleted;
    const char *dns[DNS_MAX];
    size_t dns_count;
};

static CELLA_RESULT create(struct cella_vault_client *vault, const char *name,
                           const struct options *o, json_t **reply) {
    char path[512];
    uint64_t months = 12;
    if (!o->subject) return cella_cli_usage("cert", "create: expected --subject CN=NAME");
    if (o->months && !cella_number_read(o->months, &months))
        return cella_cli_usage("cert", "--months: expected a number, found %s", o->months);
    CELLA_JSON body = json_pack("{s:{s:{s:s}, s:{s:s}, s:{s:s, s:i, s:{s:[]}}}}", "policy",
                                "key_props", "kty", o->kty ? o->kty : "RSA", "issuer", "name",
                                o->csr ? "Unknown" : "Self", "x509_props", "subject", o->subject,
                                "validity_months", (int)months, "sans", "dns_names");
    json_t *sans = json_object_get(
        json_object_get(json_object_get(json_object_get(body, "policy"), "x509_props"), "sans"),
        "dns_names");
    for (size_t i = 0; i < o->dns_count; i++) json_array_append_new(sans, json_string(o->dns[i]));
    snprintf(path, sizeof(path), "/certificates/%.300s/create", name);
    return cella_vault_send(vault, "POST", path, body, reply);
}

static CELLA_RESULT import(struct cella_vault_client *vault, const char *name,
                           const struct options *o, json_t **reply) {
    char path[512];
    CELLA_BUFFER file = {0}, text = {0}, password = {0};
    if (!o->file) return cella_cli_usage("cert", "import: expected --file FILE");
    TRY(cella_file_read(o->file, FILE_MAX, &file));
    if (o->password) TRY(cella_file_read(o->password, 1024, &password));
    while (password.size && password.data[password.size - 1] == '\n') password.size--;
    bool pem = file.size > 11 && cella_equal(file.data, "-----BEGIN ", 11);
    if (pem)
        text = MOVE(file);
    else
        TRY(cella_base64_encode(cella_buffer_bytes(&file), false, &text));
    CELLA_JSON body = json_pack("{s:s%, s:s%}", "value", (const char *)text.data, text.size, "pwd",
                                password.data ? (const char *)password.data : "", password.size);
    cella_wipe(text.data, text.capacity);
    ENSURE(body, CELLA_ERR_FORMAT, NULL, "%s: not text", o->file);
    snprintf(path, sizeof(path), "/certificates/%.300s/import", name);
    return cella_vault_send(vault, "POST", path, body, reply);
}

/* The certificates of a PEM file as x5c. */
static CELLA_RESULT merge(struct cella_vault_client *vault, const char *name,
                          const struct options *o, json_t **reply) {
    char path[512];
    CELLA_BUFFER file = {0};
    CELLA_JSON body = json_pack("{s:[]}", "x5c");
    size_t at = 0;
    if (!o->file) return cella_cli_usage("cert", "merge: expected --file CHAIN.pem");
    TRY(cella_file_read(o->file, FILE_MAX, &file));
    for (bool found = true; found;) {
        CELLA_BUFFER der = {0}, text = {0};
        TRY(cella_pem_next(cella_buffer_bytes(&file), "CERTIFICATE", &at, &der, &found));
        if (!found) break;
        TRY(cella_base64_encode(cella_buffer_bytes(&der), false, &text));
        json_array_append_new(json_object_get(body, "x5c"),
                              json_stringn((const char *)text.data, text.size));
    }
    snprintf(path, sizeof(path), "/certificates/%.300s/pending/merge", name);
    return cella_vault_send(vault, "POST", path, body, reply);
}

static const struct {
    const char *word, *method, *family, *tail;
} simple[] = {
    {"show", "GET", "certificates", ""},
    {"pending", "GET", "certificates", "/pending"},
    {"delete", "DELETE", "certificates", ""},
    {"recover", "POST", "deletedcertificates", "/recover"},
    {"purge", "DELETE", "deletedcertificates", ""},
};

static CELLA_RESULT on_name(struct cella_vault_client *vault, const char *word, const char *name,
                            const struct options *o, json_t **reply) {
    char path[512];
    if (strcmp(word, "create") == 0) return create(vault, name, o, reply);
    if (strcmp(word, "import") == 0) return import(vault, name, o, reply);
    if (strcmp(word, "merge") == 0) return merge(vault, name, o, reply);
    if (strcmp(word, "versions") == 0) {
        snprintf(path, sizeof(path), "/certificates/%.300s/versions", name);
        return cella_vault_send_list(vault, path, reply);
    }
    for (size_t i = 0; i < sizeof(simple) / sizeof(simple[0]); i++) {
        if (strcmp(word, simple[i].word) != 0) continue;
        snprintf(path, sizeof(path), "/%s/%.300s%s", simple[i].family, name, simple[i].tail);
        return cella_vault_send(vault, simple[i].method, path, NULL, reply);
    }
    return cella_cli_usage("cert", "unknown word '%s'", word);
}

/* --dns may come more than once: taken out before the others are read. */
static int take_dns(int argc, char **argv, struct options *o) {
    int kept = 0;
    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], "--dns") == 0 && i + 1 < argc && o->dns_count < DNS_MAX)
            o->dns[o->dns_count++] = argv[++i];
        else
            argv[kept++] = argv[i];
    }
    return kept;
}

CELLA_RESULT cella_cmd_cert(int argc, char **argv) {
    struct options o = {0};
    const struct cella_vault_option options[] = {
        {"--subject", false, &o.subject}, {"--months", false, &o.months},
        {"--kty", false, &o.kty},         {"--csr", true, &o.csr},
        {"--file", false, &o.file},       {"--password-file", false, &o.password},
        {"--deleted", true, &o.deleted}};
    struct cella_vault_arguments arguments;
    CELLA_VAULT_CLIENT vault = {0};
    CELLA_JSON reply = NULL;
    argc = take_dns(argc, argv, &o);
    TRY(cella_vault_arguments(argc, argv, "cert", options, sizeof(options) / sizeof(options[0]),
                              &arguments));
    bool list = strcmp(arguments.word[0], "list") == 0;
    if (arguments.count != (list ? 1 : 2))
        return cella_cli_usage("cert", "expected %s", list ? "list alone" : "a word and a name");
    TRY(cella_vault_open(&arguments, &vault));
    if (list)
        TRY(cella_vault_send_list(&vault, o.deleted ? "/deletedcertificates" : "/certificates",
                                  &reply));
    else
        TRY(on_name(&vault, arguments.word[0], arguments.word[1], &o, &reply));
    cella_vault_print(&arguments, reply);
    return CELLA_SUCCESS;
}
