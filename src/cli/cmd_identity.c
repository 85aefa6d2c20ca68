#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/moment.h"
#include "base/text.h"
#include "cli/cli.h"
#include "identity/access.h"
#include "identity/apps.h"
#include "service/config.h"
#include "store/database.h"

const char cella_help_identity[] =
    "usage: cella identity --data DIR COMMAND [--json]\n"
    "Applications of a server's embedded issuer, what they prove themselves with, and what they\n"
    "and the objects of other issuers may do. A running server takes every change at once.\n\n"
    "  app create NAME [--id GUID]       a new application: prints client id and object id\n"
    "  app list | app show APP | app delete APP\n"
    "  secret create APP [--days N]      prints the secret, this once (365 days, at most 730)\n"
    "  secret list APP | secret delete APP ID\n"
    "  certificate add APP FILE.pem      whoever has its key may sign for the application\n"
    "  certificate list APP | certificate delete APP THUMBPRINT\n"
    "  federation add APP --issuer I --subject S [--audience A]\n"
    "                                    tokens of [issuer] I in cella.conf for S stand for it\n"
    "                                    (audience: api://AzureADTokenExchange)\n"
    "  federation list APP | federation delete APP --issuer I --subject S [--audience A]\n"
    "  role list                         roles, and what each allows\n"
    "  assign APP|OBJECT ROLE --scope SCOPE [--issuer I]\n"
    "  revoke APP|OBJECT ROLE --scope SCOPE [--issuer I]\n"
    "  assignments [APP|OBJECT]\n"
    "  changes [--count N]               who changed what, the newest first (20)\n\n"
    "APP: name, client id or object id. OBJECT: the oid, else the sub, of another issuer's "
    "tokens;\n"
    "--issuer: of that issuer's alone. SCOPE: /, /attest/NAME, /vault/NAME, "
    "/vault/NAME/keys/KEY\n";

enum { WORDS_MAX = 5, PEM_MAX = 1 << 20, CHANGES = 20, CHANGES_MAX = 10000 };
static const char default_audience[] = "api://AzureADTokenExchange";

struct arguments {
    const char *data, *id, *scope, *issuer, *subject, *audience;
    unsigned days;
    size_t count;
    bool json;
    const char *word[WORDS_MAX]; /* behind the verb */
    size_t words;
    struct cella_database *database;
};

/* --- Output --- */

static struct cella_result print_json(json_t *value) {
    char *text = value ? json_dumps(value, JSON_INDENT(2)) : NULL;
    if (!text) FAIL(CELLA_ERR_MEMORY, NULL, "no memory to print");
    puts(text);
    free(text);
    return CELLA_SUCCESS;
}

static void cell(const json_t *value, const char *name, char *out, size_t size) {
    char when[CELLA_TIME_TEXT];
    bool time = strcmp(name, "made") == 0 || strcmp(name, "ends") == 0 || strcmp(name, "at") == 0;
    if (json_is_string(value)) {
        snprintf(out, size, "%s", json_string_value(value));
    } else if (time) {
        cella_time_show((uint64_t)json_integer_value(value), when);
        snprintf(out, size, "%s", when);
    } else {
        snprintf(out, size, "%lld", (long long)json_integer_value(value));
    }
}

enum { CELL_MAX = 1200, COLUMNS_MAX = 8 };

static size_t width_of(const json_t *list, const char *name) {
    char text[CELL_MAX];
    size_t width = strlen(name);
    for (size_t i = 0; i < json_array_size(list); i++) {
        cell(json_object_get(json_array_get(list, i), name), name, text, sizeof(text));
        if (strlen(text) > width) width = strlen(text);
    }
    return width;
}

/* A row of names, then one of values for each object; the last column is not filled up. */
static void print_table(const json_t *list, const char *const *name, size_t count) {
    char text[CELL_MAX];
    int width[COLUMNS_MAX];
    for (size_t c = 0; c < count; c++) width[c] = c + 1 < count ? (int)width_of(list, name[c]) : 0;
    for (size_t c = 0; c < count; c++)
        printf("%-*s%s", width[c], name[c], c + 1 < count ? "  " : "\n");
    for (size_t i = 0; i < json_array_size(list); i++)
        for (size_t c = 0; c < count; c++) {
            cell(json_object_get(json_array_get(list, i), name[c]), name[c], text, sizeof(text));
            printf("%-*s%s", width[c], text, c + 1 < count ? "  " : "\n");
        }
}

static struct cella_result show(const struct arguments *a, json_t *list, const char *const *name,
                                size_t count) {
    struct cella_result r = CELLA_SUCCESS;
    if (a->json)
        r = print_json(list);
    else
        print_table(list, name, count);
    json_decref(list);
    return r;
}
#define SHOW(a, list, ...)                                                                         \
    show(a, list, (const char *const[]){__VA_ARGS__},                                              \
         sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

static struct cella_result show_app(const struct arguments *a, const struct cella_app *app) {
    if (!a->json) {
        printf("name    %s\nclient  %s\nobject  %s\n", app->name, app->client, app->object);
        return CELLA_SUCCESS;
    }
    json_t *object = json_pack("{s:s, s:s, s:s}", "name", app->name, "client", app->client,
                               "object", app->object);
    struct cella_result r = print_json(object);
    json_decref(object);
    return r;
}

/* --- Applications --- */

static struct cella_result app_create(struct arguments *a) {
    struct cella_app app;
    TRY(cella_app_create(a->database, a->word[0], a->id, &app));
    return show_app(a, &app);
}

static struct cella_result app_list(struct arguments *a) {
    json_t *list = NULL;
    TRY(cella_apps_list(a->database, &list));
    return SHOW(a, list, "client", "object", "made", "name");
}

static struct cella_result app_show(struct arguments *a) {
    struct cella_app app;
    TRY(cella_app_find(a->database, a->word[0], &app));
    return show_app(a, &app);
}

static struct cella_result app_delete(struct arguments *a) {
    struct cella_app app;
    TRY(cella_app_find(a->database, a->word[0], &app));
    return cella_app_delete(a->database, &app);
}

/* --- Secrets --- */

static struct cella_result secret_create(struct arguments *a) {
    struct cella_app app;
    char id[CELLA_ID_TEXT];
    CELLA_SECRET secret = {0};
    TRY(cella_app_find(a->database, a->word[0], &app));
    TRY(cella_app_secret_create(a->database, &app, a->days, id, &secret));
    printf(a->json ? "{\"id\":\"%s\",\"client\":\"%s\",\"secret\":\""
                   : "id      %s\nclient  %s\n"
                     "secret  ",
           id, app.client);
    fwrite(secret.data, 1, secret.size, stdout);
    puts(a->json ? "\"}" : "\nIt is not shown again.");
    return CELLA_SUCCESS;
}

static struct cella_result secret_list(struct arguments *a) {
    struct cella_app app;
    json_t *list = NULL;
    TRY(cella_app_find(a->database, a->word[0], &app));
    TRY(cella_app_secrets_list(a->database, app.client, &list));
    return SHOW(a, list, "id", "made", "ends");
}

static struct cella_result secret_delete(struct arguments *a) {
    struct cella_app app;
    TRY(cella_app_find(a->database, a->word[0], &app));
    return cella_app_secret_delete(a->database, &app, a->word[1]);
}

/* --- Certificates and federations --- */

static struct cella_result certificate_add(struct arguments *a) {
    struct cella_app app;
    CELLA_BUFFER pem = {0};
    char thumbprint[65];
    TRY(cella_app_find(a->database, a->word[0], &app));
    TRY(cella_file_read(a->word[1], PEM_MAX, &pem));
    TRY_IN(cella_app_certificate_add(a->database, &app, cella_buffer_bytes(&pem), thumbprint), "%s",
           a->word[1]);
    printf(a->json ? "{\"sha256\":\"%s\"}\n" : "sha256  %s\n", thumbprint);
    return CELLA_SUCCESS;
}

static struct cella_result certificate_list(struct arguments *a) {
    struct cella_app app;
    json_t *list = NULL;
    TRY(cella_app_find(a->database, a->word[0], &app));
    TRY(cella_app_certificates_list(a->database, app.client, &list));
    return SHOW(a, list, "sha256", "ends", "subject");
}

static struct cella_result certificate_delete(struct arguments *a) {
    struct cella_app app;
    TRY(cella_app_find(a->database, a->word[0], &app));
    return cella_app_certificate_delete(a->database, &app, a->word[1]);
}

static struct cella_result federation_of(struct arguments *a, struct cella_app *app,
                                         struct cella_app_federation *out) {
    if (!a->issuer || !a->subject)
        return cella_cli_usage("identity", "a federation has --issuer and --subject");
    *out = (struct cella_app_federation){a->issuer, a->subject,
                                         a->audience ? a->audience : default_audience};
    return cella_app_find(a->database, a->word[0], app);
}

static struct cella_result federation_add(struct arguments *a) {
    struct cella_app app;
    struct cella_app_federation federation;
    TRY(federation_of(a, &app, &federation));
    return cella_app_federation_add(a->database, &app, &federation);
}

static struct cella_result federation_delete(struct arguments *a) {
    struct cella_app app;
    struct cella_app_federation federation;
    TRY(federation_of(a, &app, &federation));
    return cella_app_federation_delete(a->database, &app, &federation);
}

static struct cella_result federation_list(struct arguments *a) {
    struct cella_app app;
    json_t *list = NULL;
    TRY(cella_app_find(a->database, a->word[0], &app));
    TRY(cella_app_federations_list(a->database, app.client, &list));
    return SHOW(a, list, "issuer", "subject", "audience");
}

/* --- Roles --- */

static json_t *role_json(const struct cella_role *role) {
    json_t *actions = json_array();
    for (size_t i = 0; i < role->action_count; i++)
        json_array_append_new(actions, json_string(role->action[i]));
    return json_pack("{s:s, s:s, s:o}", "name", role->name, "id", role->id, "actions", actions);
}

static struct cella_result role_list(struct arguments *a) {
    json_t *list = json_array();
    const struct cella_role *role;
    for (size_t i = 0; (role = cella_role_at(i)); i++) {
        if (a->json) {
            json_array_append_new(list, role_json(role));
            continue;
        }
        printf("%s  %s\n", role->id, role->name);
        for (size_t k = 0; k < role->action_count; k++) printf("    %s\n", role->action[k]);
    }
    struct cella_result r = a->json ? print_json(list) : CELLA_SUCCESS;
    json_decref(list);
    return r;
}

/* An application by its name stands for its object; what is none is an object of another issuer. */
static struct cella_result object_of(const struct arguments *a, struct cella_app *app,
                                     const char **object) {
    struct cella_result r = cella_app_find(a->database, a->word[0], app);
    *object = cella_failed(r) ? a->word[0] : app->object;
    if (cella_code_of(r) != CELLA_ERR_NOT_FOUND) return r;
    cella_result_drop(r);
    return CELLA_SUCCESS;
}

static struct cella_result assign(struct arguments *a) {
    struct cella_app app;
    const char *object;
    if (!a->scope) return cella_cli_usage("identity", "expected --scope");
    TRY(object_of(a, &app, &object));
    return cella_access_assign_of(a->database, a->issuer, object, a->word[1], a->scope);
}

static struct cella_result revoke(struct arguments *a) {
    struct cella_app app;
    const char *object;
    if (!a->scope) return cella_cli_usage("identity", "expected --scope");
    TRY(object_of(a, &app, &object));
    return cella_access_revoke_of(a->database, a->issuer, object, a->word[1], a->scope);
}

static struct cella_result assignments(struct arguments *a) {
    struct cella_app app;
    const char *object = NULL;
    json_t *list = NULL;
    if (a->words > 0) TRY(object_of(a, &app, &object));
    TRY(cella_access_list(a->database, object, &list));
    return SHOW(a, list, "object", "app", "role", "scope", "issuer");
}

static struct cella_result changes(struct arguments *a) {
    json_t *list = NULL;
    TRY(cella_identity_changes(a->database, a->count, &list));
    return SHOW(a, list, "seq", "at", "who", "what", "subject", "detail");
}

/* --- Words --- */

static const struct verb {
    const char *first, *second; /* second NULL: one word */
    size_t least, most;         /* words behind */
    bool no_store;
    struct cella_result (*run)(struct arguments *a);
} verbs[] = {
    {"app", "create", 1, 1, false, app_create},
    {"app", "list", 0, 0, false, app_list},
    {"app", "show", 1, 1, false, app_show},
    {"app", "delete", 1, 1, false, app_delete},
    {"secret", "create", 1, 1, false, secret_create},
    {"secret", "list", 1, 1, false, secret_list},
    {"secret", "delete", 2, 2, false, secret_delete},
    {"certificate", "add", 2, 2, false, certificate_add},
    {"certificate", "list", 1, 1, false, certificate_list},
    {"certificate", "delete", 2, 2, false, certificate_delete},
    {"federation", "add", 1, 1, false, federation_add},
    {"federation", "list", 1, 1, false, federation_list},
    {"federation", "delete", 1, 1, false, federation_delete},
    {"role", "list", 0, 0, true, role_list},
    {"assign", NULL, 2, 2, false, assign},
    {"revoke", NULL, 2, 2, false, revoke},
    {"assignments", NULL, 0, 1, false, assignments},
    {"changes", NULL, 0, 0, false, changes},
};

static const struct verb *find_verb(int argc, char **argv, int at) {
    for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
        const struct verb *v = &verbs[i];
        if (strcmp(argv[at], v->first) != 0) continue;
        if (!v->second || (at + 1 < argc && strcmp(argv[at + 1], v->second) == 0)) return v;
    }
    return NULL;
}

static struct cella_result take_number(const char *flag, uint64_t max, uint64_t *out) {
    if (!cella_number_read(optarg, out) || *out == 0 || *out > max)
        return cella_cli_usage("identity", "--%s: expected 1 to %llu, found '%s'", flag,
                               (unsigned long long)max, optarg);
    return CELLA_SUCCESS;
}

static struct cella_result take_flags(int argc, char **argv, struct arguments *a) {
    static const struct option options[] = {{"data", 1, NULL, 'd'},     {"id", 1, NULL, 'i'},
                                            {"days", 1, NULL, 'n'},     {"scope", 1, NULL, 's'},
                                            {"issuer", 1, NULL, 'I'},   {"subject", 1, NULL, 'S'},
                                            {"audience", 1, NULL, 'A'}, {"count", 1, NULL, 'c'},
                                            {"json", 0, NULL, 'j'},     {NULL, 0, NULL, 0}};
    uint64_t number = 0;
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (c) {
        case 'd': a->data = optarg; break;
        case 'i': a->id = optarg; break;
        case 's': a->scope = optarg; break;
        case 'I': a->issuer = optarg; break;
        case 'S': a->subject = optarg; break;
        case 'A': a->audience = optarg; break;
        case 'j': a->json = true; break;
        case 'n':
            TRY(take_number("days", CELLA_APP_DAYS_MAX, &number));
            a->days = (unsigned)number;
            break;
        case 'c':
            TRY(take_number("count", CHANGES_MAX, &number));
            a->count = (size_t)number;
            break;
        default: return cella_cli_usage("identity", "unknown option or missing value");
        }
    }
    return CELLA_SUCCESS;
}

static struct cella_result run_over_store(const struct verb *verb, struct arguments *a) {
    CELLA_DATABASE database = NULL;
    CELLA_SERVICE_CONFIG config = {0};
    if (!a->data) return cella_cli_usage("identity", "expected --data DIR");
    TRY(cella_service_config_read(a->data, &config));
    TRY(cella_database_open(config.store.location, &database));
    TRY(cella_identity_migrate(database));
    a->database = database;
    return verb->run(a);
}

CELLA_RESULT cella_cmd_identity(int argc, char **argv) {
    struct arguments a = {.days = CELLA_APP_DAYS, .count = CHANGES};
    TRY(take_flags(argc, argv, &a));
    if (optind >= argc) return cella_cli_usage("identity", "expected a command");
    const struct verb *verb = find_verb(argc, argv, optind);
    if (!verb) return cella_cli_usage("identity", "unknown command '%s'", argv[optind]);
    int at = optind + (verb->second ? 2 : 1);
    size_t words = (size_t)(argc - at);
    if (words < verb->least || words > verb->most)
        return cella_cli_usage("identity", "%s %s takes %zu words after it, found %zu", verb->first,
                               verb->second ? verb->second : "", verb->least, words);
    for (; at < argc; at++) a.word[a.words++] = argv[at];
    return verb->no_store ? verb->run(&a) : run_over_store(verb, &a);
}
