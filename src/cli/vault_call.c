#include "cli/vault_call.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/moment.h"
#include "cli/cli.h"

enum { PATH_MAX_BYTES = 1024, PAGES_MAX = 100000 };

static bool common(const char *name, const char *value, struct cella_vault_arguments *out,
                   bool *takes) {
    *takes = true;
    if (strcmp(name, "--vault") == 0) {
        out->vault = value;
    } else if (strcmp(name, "--ca") == 0) {
        out->ca = value;
    } else if (strcmp(name, "--json") == 0) {
        out->json = true;
        *takes = false;
    } else {
        return false;
    }
    return true;
}

static bool own(const char *name, const char *value, const struct cella_vault_option *option,
                size_t count, bool *takes) {
    for (size_t i = 0; i < count; i++) {
        if (strcmp(name, option[i].name) != 0) continue;
        *takes = !option[i].flag;
        *option[i].value = option[i].flag ? "" : value;
        return true;
    }
    return false;
}

CELLA_RESULT cella_vault_arguments(int argc, char **argv, const char *command,
                                   const struct cella_vault_option *option, size_t count,
                                   struct cella_vault_arguments *out) {
    *out = (struct cella_vault_arguments){.command = command, .vault = getenv("CELLA_VAULT")};
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        bool takes = false;
        if (strncmp(argv[i], "--", 2) != 0) {
            if (out->count == sizeof(out->word) / sizeof(out->word[0]))
                return cella_cli_usage(command, "unexpected argument '%s'", argv[i]);
            out->word[out->count++] = argv[i];
            continue;
        }
        if (!common(argv[i], value, out, &takes) && !own(argv[i], value, option, count, &takes))
            return cella_cli_usage(command, "unknown option %s", argv[i]);
        if (takes && !value) return cella_cli_usage(command, "%s: a value is missing", argv[i]);
        i += takes;
    }
    if (out->count == 0) return cella_cli_usage(command, "expected what to do");
    return CELLA_SUCCESS;
}

void cella_vault_client_free(struct cella_vault_client *vault) {
    cella_client_free(&vault->client);
}

CELLA_RESULT cella_vault_open(const struct cella_vault_arguments *arguments,
                              struct cella_vault_client *out) {
    struct cella_client_settings settings;
    *out = (struct cella_vault_client){NULL, "", ""};
    if (!arguments->vault)
        return cella_cli_usage(arguments->command,
                               "no vault: give --vault URL, or set CELLA_VAULT");
    cella_client_environment(&settings);
    if (arguments->ca) settings.ca = arguments->ca;
    size_t size = strlen(arguments->vault);
    while (size && arguments->vault[size - 1] == '/') size--;
    snprintf(out->base, sizeof(out->base), "%.*s", (int)size, arguments->vault);
    cella_client_vault_resource(out->base, out->resource, sizeof(out->resource));
    return cella_client_new(&settings, &out->client);
}

CELLA_RESULT cella_vault_send(struct cella_vault_client *vault, const char *method,
                              const char *path, const json_t *body, json_t **reply) {
    char url[PATH_MAX_BYTES];
    int size = snprintf(url, sizeof(url), "%s%s?api-version=" CELLA_VAULT_API, vault->base, path);
    ENSURE(size > 0 && (size_t)size < sizeof(url), CELLA_ERR_LIMIT, NULL, "a name this long");
    struct cella_client_call call = {
        .method = method, .url = url, .resource = vault->resource, .body = body};
    return cella_client_send(vault->client, &call, reply);
}

CELLA_RESULT cella_vault_send_list(struct cella_vault_client *vault, const char *path,
                                   json_t **reply) {
    json_t *all = json_array(), *page = NULL;
    struct cella_result result = cella_vault_send(vault, "GET", path, NULL, &page);
    for (int i = 0; !cella_failed(result) && all && i < PAGES_MAX; i++) {
        json_array_extend(all, json_object_get(page, "value"));
        const char *next = json_string_value(json_object_get(page, "nextLink"));
        if (!next) break;
        json_t *more = NULL;
        struct cella_client_call call = {.method = "GET", .url = next, .resource = vault->resource};
        if (strncmp(next, vault->base, strlen(vault->base)) != 0)
            result = CELLA_FAILURE(CELLA_ERR_PROTOCOL, NULL, "a link to another server: %s", next);
        else
            result = cella_client_send(vault->client, &call, &more);
        json_decref(page);
        page = more;
    }
    json_decref(page);
    if (cella_failed(result) || !all) {
        json_decref(all);
        return result;
    }
    *reply = json_pack("{s:o}", "value", all);
    return CELLA_SUCCESS;
}

/* --- Showing --- */

static bool is_time(const char *name) {
    static const char *const times[] = {"created", "updated",     "nbf",
                                        "exp",     "deletedDate", "scheduledPurgeDate"};
    for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++)
        if (strcmp(name, times[i]) == 0) return true;
    return false;
}

static void print_value(const char *name, const json_t *value) {
    char text[CELLA_TIME_TEXT];
    if (json_is_string(value)) {
        fputs(json_string_value(value), stdout);
    } else if (json_is_integer(value) && is_time(name) && json_integer_value(value) >= 0) {
        cella_time_show((uint64_t)json_integer_value(value), text);
        fputs(text, stdout);
    } else {
        char *json = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
        if (json) fputs(json, stdout);
        free(json);
    }
}

/* Members of members under their own names: "key.kid" is kid. */
static void print_members(const json_t *object) {
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)object, name, value) {
        if (json_is_object(value) && strcmp(name, "tags") != 0) {
            print_members(value);
            continue;
        }
        printf("%-18s ", name);
        print_value(name, value);
        putchar('\n');
    }
}

static void print_item(const json_t *item) {
    const char *id = json_string_value(json_object_get(item, "kid"));
    const json_t *attributes = json_object_get(item, "attributes");
    if (!id) id = json_string_value(json_object_get(item, "id"));
    const char *state =
        json_is_false(json_object_get(attributes, "enabled")) ? "disabled" : "enabled";
    printf("%-9s %s\n", state, id ? id : "?");
}

void cella_vault_print(const struct cella_vault_arguments *arguments, const json_t *reply) {
    const json_t *list = json_object_get(reply, "value");
    if (!reply) return;
    if (arguments->json) {
        json_dumpf(reply, stdout, JSON_INDENT(2));
        putchar('\n');
        return;
    }
    if (!json_is_array(list)) {
        print_members(reply);
        return;
    }
    for (size_t i = 0; i < json_array_size(list); i++) print_item(json_array_get(list, i));
}
