/* Role assignments of a Managed HSM: the store's own, which decide about every call
 * (azure-keyvault 7.1). Those of the vault are seen and changed here; those above it, which whoever
 * runs the server made for all vaults, are not. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/memory.h"
#include "crypto/jose.h"
#include "identity/access.h"
#include "identity/assignments.h"
#include "vault/admin.h"

static const char type[] = "Microsoft.Authorization/roleAssignments";
static const char definitions[] = "Microsoft.KeyVault/providers/Microsoft.Authorization/"
                                  "roleDefinitions/";
static const struct cella_admin_words words = {
    .missing = "RoleAssignmentNotFound",
    .missing_text = "Requested role assignment not found",
    .exists = "RoleAssignmentExists",
    .refused = "BadParameter",
};

/* --- Showing --- */

static void id_of(const struct cella_admin_call *a, const struct cella_assignment *one,
                  char id[640]) {
    const char *scope = cella_admin_scope(a, one->scope);
    snprintf(id, 640, "%s/providers/%s/%s", strcmp(scope, "/") == 0 ? "" : scope, type, one->name);
}

static json_t *show(const struct cella_admin_call *a, const struct cella_assignment *one) {
    char id[640], role[256];
    id_of(a, one, id);
    snprintf(role, sizeof(role), "%s%s", definitions, one->role);
    return json_pack("{s:s, s:s, s:{s:s, s:s, s:s}, s:s}", "id", id, "name", one->name,
                     "properties", "principalId", one->object, "roleDefinitionId", role, "scope",
                     cella_admin_scope(a, one->scope), "type", type);
}

/* A role of a vault or an attestation service, assigned here by a command, gives nothing here. */
static bool is_ours(const struct cella_assignment *one) {
    const struct cella_role *role = cella_role_find(one->role);
    return !role || cella_admin_is_built_in(role);
}

static json_t *note_of(const struct cella_assignment *one) {
    return json_pack("{s:s, s:s, s:s}", "principal", one->object, "role", one->role_name, "scope",
                     one->scope);
}

/* --- Lists --- */

struct filter {
    bool at_scope;
    char object[128]; /* "": of all */
};

static bool bad_filter(struct cella_admin_call *a) {
    cella_vault_error(a->call, 400, "BadParameter", NULL,
                      "$filter: expected atScope() or principalId eq 'ID'");
    return false;
}

static bool take_filter(struct cella_admin_call *a, struct filter *out) {
    static const char at_scope[] = "atScope()", principal[] = "principalId eq ";
    struct cella_bytes value;
    *out = (struct filter){.at_scope = false};
    if (!cella_http_parameter(a->target, "$filter", &value) || value.size == 0) return true;
    if (value.size == strlen(at_scope) && cella_admin_begins(value, at_scope))
        return out->at_scope = true;
    if (!cella_admin_begins(value, principal)) return bad_filter(a);
    const char *text = (const char *)value.data + strlen(principal);
    size_t size = value.size - strlen(principal);
    if (size > 2 && text[0] == '\'' && text[size - 1] == '\'') text++, size -= 2;
    if (size == 0 || size >= sizeof(out->object) || memchr(text, '\'', size) ||
        memchr(text, 0, size))
        return bad_filter(a);
    cella_copy(out->object, text, size);
    return true;
}

/* A page's token says which filter the list began with. */
static bool take_place(struct cella_admin_call *a, struct filter *filter,
                       char name[CELLA_ID_TEXT]) {
    const char *after = a->call->page_after;
    name[0] = 0;
    if (!*after) return take_filter(a, filter);
    *filter = (struct filter){.at_scope = after[0] == 'a'};
    int found = sscanf(after + 1, " %36s %127[^\n]", name, filter->object);
    if (found >= 1) return true;
    cella_vault_error(a->call, 400, "BadParameter", NULL, "$skiptoken: not a token of this list");
    return false;
}

static CELLA_RESULT next_link(struct cella_admin_call *a, const struct filter *filter,
                              const char *last, json_t *body) {
    char after[CELLA_VAULT_AFTER_MAX];
    CELLA_BUFFER url = {0};
    snprintf(after, sizeof(after), "%c %s %s", filter->at_scope ? 'a' : '-', last, filter->object);
    TRY(cella_vault_next(a->call, a->call->path, after, &url));
    ENSURE(json_object_set_new(body, "nextLink", json_stringn((const char *)url.data, url.size)) ==
               0,
           CELLA_ERR_MEMORY, NULL, "no memory for a list");
    return CELLA_SUCCESS;
}

static CELLA_RESULT make_page(struct cella_admin_call *a, struct cella_session *session,
                              const struct filter *filter, const char *after, json_t *body) {
    struct cella_assignment found[CELLA_VAULT_PAGE_MAX + 1];
    const struct cella_assignments_wish wish = {.scope = a->scope,
                                                .object = *filter->object ? filter->object : NULL,
                                                .after = after,
                                                .at_or_above = filter->at_scope};
    size_t count = 0, max = a->call->page_max;
    TRY(cella_assignments_list(session, &wish, found, max + 1, &count));
    for (size_t i = 0; i < count && i < max; i++)
        if (is_ours(&found[i]))
            json_array_append_new(json_object_get(body, "value"), show(a, &found[i]));
    return count > max ? next_link(a, filter, found[max - 1].name, body) : CELLA_SUCCESS;
}

static void list(struct cella_admin_call *a) {
    struct filter filter;
    char after[CELLA_ID_TEXT];
    CELLA_SESSION session = NULL;
    if (!take_place(a, &filter, after) || !cella_vault_begin(a->call, false, &session)) return;
    CELLA_JSON body = json_pack("{s:[]}", "value");
    struct cella_result result = make_page(a, session, &filter, after, body);
    if (cella_failed(result))
        cella_admin_failure(a, &words, result);
    else
        cella_vault_json(a->call, 200, body);
}

/* --- One --- */

static bool find(struct cella_admin_call *a, struct cella_session *session,
                 struct cella_assignment *out) {
    struct cella_result result = cella_assignment_find(session, a->scope, a->route->item, out);
    if (!cella_failed(result) && !is_ours(out))
        result = CELLA_FAILURE(CELLA_ERR_NOT_FOUND, NULL, "a role of another service");
    if (!cella_failed(result)) return true;
    cella_admin_failure(a, &words, result);
    return false;
}

static void get(struct cella_admin_call *a) {
    struct cella_assignment one;
    CELLA_SESSION session = NULL;
    if (!cella_vault_begin(a->call, false, &session) || !find(a, session, &one)) return;
    CELLA_JSON shown = show(a, &one);
    cella_vault_json(a->call, 200, shown);
}

/* The GUID at the end of a definition's id, with what Azure puts before it, or alone. */
static CELLA_RESULT take_role(const json_t *properties, struct cella_assignment *out) {
    const char *id = json_string_value(json_object_get(properties, "roleDefinitionId"));
    const char *short_form = strchr(definitions, '/');
    size_t size = strlen(definitions), other = strlen(short_form);
    ENSURE(id, CELLA_ERR_USAGE, NULL, "roleDefinitionId: expected the id of a role definition");
    if (strncasecmp(id, definitions, size) == 0)
        id += size;
    else if (strncasecmp(id, short_form, other) == 0)
        id += other;
    const struct cella_role *role = cella_role_find(id);
    ENSURE(cella_guid_read(id, out->role) && (!role || cella_admin_is_built_in(role)),
           CELLA_ERR_USAGE, NULL,
           "roleDefinitionId: expected %sGUID of a role of this vault, found '%.100s'", definitions,
           id);
    return CELLA_SUCCESS;
}

/* K14: a condition, or another scope than the path's, would grant another thing than was asked. */
static CELLA_RESULT take_body(struct cella_admin_call *a, const json_t *properties,
                              struct cella_assignment *out) {
    const char *name, *principal = NULL;
    json_t *value;
    *out = (struct cella_assignment){.name = ""};
    json_object_foreach((json_t *)properties, name, value) {
        const char *text = json_string_value(value);
        if (strcmp(name, "principalId") == 0)
            principal = text;
        else if (strcmp(name, "scope") == 0)
            ENSURE(text && strcasecmp(text, cella_admin_scope(a, a->scope)) == 0, CELLA_ERR_USAGE,
                   NULL, "scope: expected that of the path, %s", cella_admin_scope(a, a->scope));
        else
            ENSURE(strcmp(name, "roleDefinitionId") == 0, CELLA_ERR_USAGE, NULL,
                   "properties: there is no member \"%.40s\"", name);
    }
    ENSURE(principal && *principal && strlen(principal) < sizeof(out->object), CELLA_ERR_USAGE,
           NULL, "principalId: expected the object id of who is to have the role");
    snprintf(out->object, sizeof(out->object), "%s", principal);
    snprintf(out->scope, sizeof(out->scope), "%s", a->scope);
    cella_guid_read(a->route->item, out->name);
    return take_role(properties, out);
}

static CELLA_RESULT add(struct cella_admin_call *a, struct cella_session *session,
                        struct cella_assignment *one) {
    struct cella_result result = cella_assignment_add(session, one, a->who);
    if (cella_code_of(result) == CELLA_ERR_NOT_FOUND) {
        cella_result_drop(result);
        FAIL(CELLA_ERR_USAGE, NULL,
             "roleDefinitionId: there is no role definition %s in this vault", one->role);
    }
    if (cella_code_of(result) != CELLA_ERR_EXISTS) return result;
    cella_result_drop(result);
    FAIL(CELLA_ERR_EXISTS, NULL,
         "A role assignment of this name, or of the same role for the same principal at the same "
         "scope, is there already");
}

static void create(struct cella_admin_call *a) {
    struct cella_assignment one;
    char name[CELLA_ID_TEXT], id[640];
    CELLA_SESSION session = NULL;
    if (!cella_guid_read(a->route->item, name)) {
        cella_vault_error(a->call, 400, "BadParameter", NULL,
                          "Role assignment name must be a GUID");
        return;
    }
    CELLA_JSON properties = cella_admin_properties(a);
    if (!properties) return;
    struct cella_result result = take_body(a, properties, &one);
    if (!cella_failed(result) && !cella_vault_begin(a->call, true, &session)) return;
    if (!cella_failed(result)) result = add(a, session, &one);
    if (cella_failed(result)) {
        cella_admin_failure(a, &words, result);
        return;
    }
    id_of(a, &one, id);
    if (!cella_admin_commit(a, &session, "roleAssignments/write", id, note_of(&one))) return;
    CELLA_JSON shown = show(a, &one);
    cella_vault_json(a->call, 201, shown);
}

static void delete (struct cella_admin_call *a) {
    struct cella_assignment one;
    char id[640];
    CELLA_SESSION session = NULL;
    if (!cella_vault_begin(a->call, true, &session) || !find(a, session, &one)) return;
    struct cella_result result = cella_assignment_remove(session, &one, a->who);
    if (cella_failed(result)) {
        cella_admin_failure(a, &words, result);
        return;
    }
    id_of(a, &one, id);
    if (!cella_admin_commit(a, &session, "roleAssignments/delete", id, note_of(&one))) return;
    CELLA_JSON shown = show(a, &one);
    cella_vault_json(a->call, 200, shown);
}

void cella_admin_assignments(struct cella_admin_call *a) {
    if (strcmp(a->method, "PUT") == 0)
        create(a);
    else if (strcmp(a->method, "DELETE") == 0)
        delete (a);
    else if (a->route->item[0])
        get(a);
    else
        list(a);
}
