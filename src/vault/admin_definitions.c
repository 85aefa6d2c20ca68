/* Role definitions: those that every Managed HSM has, and the vault's own (azure-keyvault 7.1). */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "crypto/jose.h"
#include "identity/assignments.h"
#include "identity/definitions.h"
#include "vault/admin.h"

static const char type[] = "Microsoft.Authorization/roleDefinitions";
static const struct cella_admin_words words = {
    .missing = "RoleDefinitionNotFound",
    .missing_text = "Requested role definition not found",
    .exists = "RoleDefinitionWithSameNameExists",
    .refused = "BadParameter",
};

/* --- Showing --- */

static void id_of(const char *name, char id[160]) {
    snprintf(id, 160, "Microsoft.KeyVault/providers/%s/%s", type, name);
}

static json_t *show(const char *name, json_t *properties) {
    char id[160];
    id_of(name, id);
    return json_pack("{s:s, s:s, s:o, s:s}", "id", id, "name", name, "properties", properties,
                     "type", type);
}

static json_t *show_built_in(const struct cella_role *role) {
    json_t *actions = json_array();
    for (size_t i = 0; i < role->action_count; i++)
        json_array_append_new(actions, json_string(role->action[i]));
    return show(role->id,
                json_pack("{s:[s], s:s, s:[{s:[], s:o, s:[], s:[]}], s:s, s:s}", "assignableScopes",
                          "/", "description", "", "permissions", "actions", "dataActions", actions,
                          "notActions", "notDataActions", "roleName", role->name, "type",
                          "AKVBuiltInRole"));
}

bool cella_admin_is_built_in(const struct cella_role *role) {
    return role && role->action_count > 0 &&
           strncmp(role->action[0], CELLA_HSM_ACTIONS, strlen(CELLA_HSM_ACTIONS)) == 0;
}

/* --- Reading --- */

static bool take_filter(struct cella_admin_call *a, const char **kind) {
    static const struct {
        const char *filter, *kind;
    } known[] = {{"atScopeAndBelow()", NULL},
                 {"type eq 'CustomRole'", "CustomRole"},
                 {"type eq 'AKVBuiltInRole'", "AKVBuiltInRole"}};
    struct cella_bytes value;
    *kind = NULL;
    if (!cella_http_parameter(a->target, "$filter", &value) || value.size == 0) return true;
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (value.size == strlen(known[i].filter) && cella_admin_begins(value, known[i].filter)) {
            *kind = known[i].kind;
            return true;
        }
    cella_vault_error(a->call, 400, "BadParameter", NULL,
                      "$filter: expected atScopeAndBelow() or type eq 'CustomRole'");
    return false;
}

/* False and an answered error. */
static bool own_roles(struct cella_admin_call *a, const char *id, json_t **out) {
    CELLA_SESSION session = NULL;
    if (!cella_vault_begin(a->call, false, &session)) return false;
    struct cella_result result = cella_role_definitions(session, a->root, id, out);
    if (!cella_failed(result)) return true;
    cella_admin_failure(a, &words, result);
    return false;
}

static void list(struct cella_admin_call *a) {
    const char *kind, *scope = cella_admin_scope(a, a->scope);
    const struct cella_role *role;
    CELLA_JSON own = NULL;
    if (!take_filter(a, &kind) || !own_roles(a, NULL, &own)) return;
    CELLA_JSON body = json_pack("{s:[]}", "value");
    json_t *value = json_object_get(body, "value");
    for (size_t i = 0; (role = cella_role_at(i)); i++)
        if (cella_admin_is_built_in(role) && (!kind || strcmp(kind, "AKVBuiltInRole") == 0))
            json_array_append_new(value, show_built_in(role));
    for (size_t i = 0; i < json_array_size(own); i++) {
        const json_t *one = json_array_get(own, i);
        json_t *properties = json_object_get(one, "properties");
        if (cella_role_reaches(properties, scope) && (!kind || strcmp(kind, "CustomRole") == 0))
            json_array_append_new(value, show(json_string_value(json_object_get(one, "id")),
                                              json_incref(properties)));
    }
    cella_vault_json(a->call, 200, body);
}

/* The role of the path as it is shown: new, or an answered error. */
static json_t *find(struct cella_admin_call *a) {
    const struct cella_role *role = cella_role_find(a->route->item);
    char id[CELLA_ID_TEXT];
    CELLA_JSON own = NULL;
    if (cella_admin_is_built_in(role) && strcasecmp(role->id, a->route->item) == 0)
        return show_built_in(role);
    if (cella_guid_read(a->route->item, id) && !own_roles(a, id, &own)) return NULL;
    json_t *properties = json_object_get(json_array_get(own, 0), "properties");
    if (properties && cella_role_reaches(properties, cella_admin_scope(a, a->scope)))
        return show(id, json_incref(properties));
    cella_admin_failure(a, &words,
                        CELLA_FAILURE(CELLA_ERR_NOT_FOUND, NULL, "no such role definition"));
    return NULL;
}

/* --- Changing --- */

/* A definition holds for the whole vault: who may change it at one key only could otherwise change
 * what it gives elsewhere. */
static bool at_root(struct cella_admin_call *a) {
    if (strcmp(a->scope, a->root) == 0) return true;
    cella_vault_error(a->call, 400, "BadParameter", NULL,
                      "Role definitions are made, changed and deleted at the scope \"/\"; their "
                      "assignableScopes say where they can be assigned");
    return false;
}

static json_t *note_of(const json_t *properties) {
    return json_pack("{s:O, s:O, s:O}", "role", json_object_get(properties, "roleName"),
                     "permissions", json_object_get(properties, "permissions"), "scopes",
                     json_object_get(properties, "assignableScopes"));
}

/* Those of scopes that a vault has: "/", "/keys", "/keys/NAME". */
static CELLA_RESULT check_scopes(const json_t *properties) {
    const json_t *list = json_object_get(properties, "assignableScopes");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *scope = json_string_value(json_array_get(list, i));
        ENSURE(strcmp(scope, "/") == 0 || strcmp(scope, "/keys") == 0 ||
                   (strncmp(scope, "/keys/", 6) == 0 &&
                    cella_record_name_good(cella_bytes_text(scope + 6))),
               CELLA_ERR_USAGE, NULL,
               "assignableScopes: expected \"/\", \"/keys\" or \"/keys/NAME\", found '%.80s'",
               scope);
    }
    return CELLA_SUCCESS;
}

static void define(struct cella_admin_call *a) {
    char name[CELLA_ID_TEXT], id[160];
    CELLA_SESSION session = NULL;
    CELLA_JSON properties = NULL;
    CELLA_JSON normal = NULL;
    if (!cella_guid_read(a->route->item, name)) {
        cella_vault_error(a->call, 400, "BadParameter", NULL,
                          "Role definition name must be a GUID");
        return;
    }
    if (!at_root(a) || !(properties = cella_admin_properties(a))) return;
    struct cella_result result =
        cella_role_properties_check(properties, CELLA_HSM_ACTIONS, &normal);
    if (!cella_failed(result)) result = check_scopes(normal);
    if (!cella_failed(result) && !cella_vault_begin(a->call, true, &session)) return;
    if (!cella_failed(result)) result = cella_role_define(session, a->root, name, normal, a->who);
    if (cella_failed(result)) {
        cella_admin_failure(a, &words, result);
        return;
    }
    id_of(name, id);
    if (!cella_admin_commit(a, &session, "roleDefinitions/write", id, note_of(normal))) return;
    CELLA_JSON shown = show(name, json_incref(normal));
    cella_vault_json(a->call, 201, shown);
}

static void undefine(struct cella_admin_call *a) {
    static const struct cella_admin_words assigned = {
        .missing = "RoleDefinitionNotFound",
        .missing_text = "Requested role definition not found",
        .exists = "Conflict",
        .refused = "RoleDefinitionHasAssignments",
    };
    const struct cella_role *role = cella_role_find(a->route->item);
    char name[CELLA_ID_TEXT], id[160];
    CELLA_SESSION session = NULL;
    if (!at_root(a)) return;
    if (cella_admin_is_built_in(role)) {
        cella_vault_error(a->call, 400, "BadParameter", NULL,
                          "Cannot delete a built-in role definition");
        return;
    }
    CELLA_JSON shown = find(a);
    if (!shown || !cella_guid_read(a->route->item, name) ||
        !cella_vault_begin(a->call, true, &session))
        return;
    struct cella_result result = cella_role_undefine(session, a->root, name, a->who);
    if (cella_failed(result)) {
        cella_admin_failure(a, &assigned, result);
        return;
    }
    id_of(name, id);
    if (cella_admin_commit(a, &session, "roleDefinitions/delete", id,
                           note_of(json_object_get(shown, "properties"))))
        cella_vault_json(a->call, 200, shown);
}

void cella_admin_definitions(struct cella_admin_call *a) {
    if (strcmp(a->method, "PUT") == 0) {
        define(a);
    } else if (strcmp(a->method, "DELETE") == 0) {
        undefine(a);
    } else if (!a->route->item[0]) {
        list(a);
    } else {
        CELLA_JSON shown = find(a);
        if (shown) cella_vault_json(a->call, 200, shown);
    }
}
