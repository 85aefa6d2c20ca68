#include <getopt.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "audit/audit.h"
#include "cli/cli.h"
#include "crypto/jose.h"
#include "service/config.h"
#include "service/epoch.h"
#include "store/database.h"
#include "store/sealer.h"
#include "vault/whole.h"

const char cella_help_vault[] =
    "usage: cella vault rewrap --data DIR --root ROOT\n"
    "       cella vault backup --data DIR NAME -o FILE [--root ROOT | --passphrase-file F]\n"
    "       cella vault restore --data DIR FILE [--as NAME] [--root ROOT | --passphrase-file F]\n"
    "       cella vault accept-rollback --data DIR\n"
    "For whoever runs a server, on its machine; each works while the server runs, and is in its "
    "audit log.\n\n"
    "rewrap seals the store's keys under another root: that of DIR/store.key alone is replaced, at "
    "once.\n"
    "backup writes a whole vault, deleted things and all versions too, into one file that the root "
    "given, and\n"
    "no other, opens (by default the store's own; a restore too). restore makes a vault of it that "
    "there is not yet.\n"
    "accept-rollback takes a store that was put back from an older copy; until then the server "
    "releases nothing.\n\n"
    "ROOT  file:PATH, passphrase:PATH, pkcs11:URI, tpm:TCTI[?pcrs=N,N], enclave or signer, as in "
    "[store] root of\n"
    "      cella.conf; paths are relative to DIR\n";

struct arguments {
    const char *data, *root, *out, *as;
    char passphrase[PATH_MAX + 16]; /* as a root */
    const char *word[2];
    int words;
};

/* --- Arguments --- */

static CELLA_RESULT set_passphrase(struct arguments *a, const char *path) {
    char real[PATH_MAX];
    ENSURE(realpath(path, real), CELLA_ERR_NOT_FOUND, "make it first, with mode 0600",
           "--passphrase-file %s: %m", path);
    snprintf(a->passphrase, sizeof(a->passphrase), "passphrase:%s", real);
    a->root = a->passphrase;
    return CELLA_SUCCESS;
}

static CELLA_RESULT read_arguments(int argc, char **argv, struct arguments *a) {
    enum { DATA = 1, ROOT, PASSPHRASE, AS };
    static const struct option options[] = {
        {"data", 1, NULL, DATA}, {"root", 1, NULL, ROOT}, {"passphrase-file", 1, NULL, PASSPHRASE},
        {"as", 1, NULL, AS},     {"out", 1, NULL, 'o'},   {NULL, 0, NULL, 0}};
    bool root = false;
    opterr = 0; /* the message is ours */
    for (int c; (c = getopt_long(argc, argv, "o:", options, NULL)) != -1;) {
        if ((c == ROOT || c == PASSPHRASE) && root)
            return cella_cli_usage("vault", "one root at a time");
        root = root || c == ROOT || c == PASSPHRASE;
        switch (c) {
        case DATA: a->data = optarg; break;
        case ROOT: a->root = optarg; break;
        case PASSPHRASE: TRY(set_passphrase(a, optarg)); break;
        case AS: a->as = optarg; break;
        case 'o': a->out = optarg; break;
        default:
            return cella_cli_usage("vault", "unknown or incomplete option '%s'", argv[optind - 1]);
        }
    }
    for (; optind < argc; optind++) {
        if (a->words == 2) return cella_cli_usage("vault", "too much: '%s'", argv[optind]);
        a->word[a->words++] = argv[optind];
    }
    if (!a->data || !*a->data) return cella_cli_usage("vault", "expected --data DIR");
    return CELLA_SUCCESS;
}

/* --- The store and its log --- */

struct opened {
    struct cella_service_config config;
    char folder[PATH_MAX];
    struct cella_database *database;
    struct cella_sealer *sealer;
    struct cella_audit *audit;
};
static void close_store(struct opened *o) {
    cella_audit_close(&o->audit);
    cella_sealer_close(&o->sealer);
    cella_database_close(&o->database);
    cella_service_config_free(&o->config);
}
#define OPENED __attribute__((cleanup(close_store))) struct opened

static CELLA_RESULT open_store(const char *data, struct opened *o) {
    CELLA_SECRET key = {0};
    ENSURE(realpath(data, o->folder), CELLA_ERR_NOT_FOUND, "give the data folder of a server",
           "--data %s: %m", data);
    TRY(cella_service_config_read(o->folder, &o->config));
    TRY(cella_service_open_store(o->folder, &o->database, &o->sealer));
    TRY(cella_service_audit_key(o->database, o->sealer, &key));
    return cella_audit_open(o->config.audit.path, 0, cella_secret_bytes(&key), &o->audit);
}

/* Takes the record. Who: the user of this machine. */
static CELLA_RESULT record(struct opened *o, json_t *made) {
    CELLA_JSON line = made;
    char who[64];
    snprintf(who, sizeof(who), "uid %u", (unsigned)getuid());
    ENSURE(line && json_object_set_new(line, "who", json_string(who)) == 0, CELLA_ERR_MEMORY, NULL,
           "no memory for an audit record");
    return cella_audit_append(o->audit, line);
}

/* A root without its query: in an HSM's a PIN may have been written by mistake (K25). */
static json_t *bare(const char *root) { return json_stringn(root, strcspn(root, "?")); }

/* --- Commands --- */

static CELLA_RESULT rewrap(const struct arguments *a) {
    OPENED o = {.folder = ""};
    CELLA_BUFFER from = {0};
    if (!a->root || a->words > 1) return cella_cli_usage("vault", "rewrap: expected --root ROOT");
    TRY(open_store(a->data, &o));
    const char *root = o.config.store.root;
    TRY(cella_sealer_root(root, o.folder, &from));
    TRY(record(&o, json_pack("{s:s, s:o, s:o}", "action", "rewrap", "from",
                             bare((const char *)from.data), "to", bare(a->root))));
    TRY(cella_sealer_rewrap(root, o.folder, a->root));
    printf("the store's keys are under %s now", a->root);
    if (strcmp(root, a->root) != 0)
        printf("; write `root = %s` into [store] of cella.conf", a->root);
    printf("\nkeep a copy of %s/store.key: without it, and without the root, nothing opens\n",
           o.folder);
    return CELLA_SUCCESS;
}

static CELLA_RESULT note_of(struct opened *o, const char *action, const char *vault,
                            const struct cella_vault_whole_count *count) {
    return record(o, json_pack("{s:s, s:s, s:I, s:I}", "action", action, "object", vault, "things",
                               (json_int_t)count->things, "versions", (json_int_t)count->versions));
}
static CELLA_RESULT note_backup(void *context, const char *vault,
                                const struct cella_vault_whole_count *count) {
    return note_of(context, "vault-backup", vault, count);
}
static CELLA_RESULT note_restore(void *context, const char *vault,
                                 const struct cella_vault_whole_count *count) {
    return note_of(context, "vault-restore", vault, count);
}

static void print_count(const char *what, const struct cella_vault_whole_count *count) {
    printf("%s: %" PRIu64 " things, %" PRIu64 " versions, %" PRIu64 " notes\n", what, count->things,
           count->versions, count->notes);
}

static CELLA_RESULT backup(const struct arguments *a) {
    OPENED o = {.folder = ""};
    CELLA_BUFFER root = {0};
    struct cella_vault_whole_count count = {0};
    if (a->words != 2 || !a->out) return cella_cli_usage("vault", "backup: expected NAME -o FILE");
    TRY(open_store(a->data, &o));
    TRY(cella_sealer_root(o.config.store.root, o.folder, &root));
    struct cella_vault_whole whole = {.database = o.database,
                                      .sealer = o.sealer,
                                      .root = a->root ? a->root : (const char *)root.data,
                                      .folder = o.folder,
                                      .note = note_backup,
                                      .context = &o};
    TRY(cella_vault_whole_backup(&whole, a->word[1], a->out, &count));
    print_count(a->out, &count);
    return CELLA_SUCCESS;
}

static void tell_section(const struct cella_service_config *config, const char *vault) {
    for (size_t i = 0; i < config->vault_count; i++)
        if (strcmp(config->vault[i].name, vault) == 0) return;
    printf("cella.conf has no [vault %s] yet: add it, and restart the server\n", vault);
}

static CELLA_RESULT note_and_keep(void *context, const char *vault,
                                  const struct cella_vault_whole_count *count) {
    struct opened *o = context;
    TRY(note_restore(o, vault, count));
    tell_section(&o->config, vault);
    return CELLA_SUCCESS;
}

static CELLA_RESULT restore(const struct arguments *a) {
    OPENED o = {.folder = ""};
    CELLA_BUFFER root = {0};
    struct cella_vault_whole_count count = {0};
    if (a->words != 2) return cella_cli_usage("vault", "restore: expected FILE");
    TRY(open_store(a->data, &o));
    TRY(cella_sealer_root(o.config.store.root, o.folder, &root));
    struct cella_vault_whole whole = {.database = o.database,
                                      .sealer = o.sealer,
                                      .root = a->root ? a->root : (const char *)root.data,
                                      .folder = o.folder,
                                      .note = note_and_keep,
                                      .context = &o};
    TRY(cella_vault_whole_restore(&whole, a->word[1], a->as, &count));
    print_count("restored", &count);
    return CELLA_SUCCESS;
}

static CELLA_RESULT accept(const struct arguments *a) {
    OPENED o = {.folder = ""};
    if (a->words > 1) return cella_cli_usage("vault", "accept-rollback: too much");
    TRY(open_store(a->data, &o));
    const struct cella_service_epoch_parts parts = {
        .database = o.database, .sealer = o.sealer, .path = o.config.audit.path, .audit = o.audit};
    TRY(cella_service_epoch_accept(&parts));
    printf(
        "accepted: the store as it is now. A running server serves again within 10 seconds.\n"
        "What was revoked, deleted or replaced since that copy was made is back: do it again.\n");
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_cmd_vault(int argc, char **argv) {
    static const struct {
        const char *word;
        struct cella_result (*run)(const struct arguments *);
    } commands[] = {
        {"rewrap", rewrap}, {"backup", backup}, {"restore", restore}, {"accept-rollback", accept}};
    struct arguments a = {0};
    TRY(read_arguments(argc, argv, &a));
    for (size_t i = 0; a.words && i < sizeof(commands) / sizeof(commands[0]); i++)
        if (strcmp(a.word[0], commands[i].word) == 0) return commands[i].run(&a);
    return cella_cli_usage("vault", "expected rewrap, backup, restore or accept-rollback");
}
