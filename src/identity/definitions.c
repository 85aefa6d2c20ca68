/* Custom roles: what they are, and what they allow. */
#include "identity/definitions.h"

#include <stdio.h>
#include <strings.h>

#include "identity/access.h"
#include "identity/identity_inner.h"

enum { DESCRIPTION_MAX = 1024, PERMISSIONS_MAX = 16, ACTIONS_MAX = 128, SCOPES_MAX = 16 };

/* --- What a definition may say --- */

/* K14: what is not known is no part of a role, and is said rather than dropped. */
static CELLA_RESULT only(const json_t *object, const char *what, const char *const *known,
                         size_t count) {
    const char *name;
    json_t *value;
    ENSURE(json_is_object(object), CELLA_ERR_USAGE, NULL, "%s: expected an object", what);
    json_object_foreach((json_t *)object, name, value) {
        bool found = false;
        for (size_t i = 0; i < count; i++) found = found || strcmp(name, known[i]) == 0;
        ENSURE(found, CELLA_ERR_USAGE, NULL, "%s: there is no member \"%.40s\"", what, name);
    }
    return CELLA_SUCCESS;
}

/* Actions that no service asks for would be a promise that nothing keeps. */
static bool action_known(const char *pattern, const char *prefix) {
    const struct cella_role *role;
    const char *star = strchr(pattern, '*');
    if (strncasecmp(pattern, prefix, strlen(prefix)) != 0 || (star && strchr(star + 1, '*')))
        return false;
    for (size_t r = 0; (role = cella_role_at(r)); r++)
        for (size_t i = 0; i < role->action_count; i++)
            if (strncmp(role->action[i], prefix, strlen(prefix)) == 0 &&
                action_matches(pattern, role->action[i]))
                return true;
    return false;
}

static CELLA_RESULT check_actions(const json_t *list, const char *what, const char *prefix) {
    size_t count = json_array_size(list);
    ENSURE(!list || (json_is_array(list) && count <= ACTIONS_MAX), CELLA_ERR_USAGE, NULL,
           "%s: expected a list of up to %d actions", what, ACTIONS_MAX);
    ENSURE(prefix || count == 0, CELLA_ERR_USAGE, NULL,
           "%s: expected none, since local roles are about data: use dataActions", what);
    for (size_t i = 0; i < count; i++) {
        const char *action = json_string_value(json_array_get(list, i));
        ENSURE(action && action_known(action, prefix), CELLA_ERR_USAGE, NULL,
               "%s: expected actions as %skeys/read/action, found '%.100s'", what, prefix,
               action ? action : "what is no text");
    }
    return CELLA_SUCCESS;
}

static json_t *copy_or_empty(const json_t *object, const char *name) {
    const json_t *list = json_object_get(object, name);
    return list ? json_incref((json_t *)list) : json_array();
}

static CELLA_RESULT check_permission(const json_t *permission, const char *prefix, json_t *out) {
    static const char *const names[] = {"actions", "notActions", "dataActions", "notDataActions"};
    TRY(only(permission, "permissions", names, 4));
    for (int i = 0; i < 4; i++)
        TRY(check_actions(json_object_get(permission, names[i]), names[i], i < 2 ? NULL : prefix));
    json_t *normal = json_object();
    for (int i = 0; normal && i < 4; i++)
        json_object_set_new(normal, names[i], copy_or_empty(permission, names[i]));
    ENSURE(json_array_append_new(out, normal) == 0, CELLA_ERR_MEMORY, NULL, "no memory for a role");
    return CELLA_SUCCESS;
}

/* "/", "/keys" and the like, in the one form. */
static CELLA_RESULT check_scopes(const json_t *list, json_t *out) {
    size_t count = json_array_size(list);
    char normal[SCOPE_MAX + 1];
    if (!list)
        return json_array_append_new(out, json_string("/")) == 0
                   ? CELLA_SUCCESS
                   : CELLA_FAILURE(CELLA_ERR_MEMORY, NULL, "no memory for a role");
    ENSURE(json_is_array(list) && count > 0 && count <= SCOPES_MAX, CELLA_ERR_USAGE, NULL,
           "assignableScopes: expected a list of 1 to %d scopes", SCOPES_MAX);
    for (size_t i = 0; i < count; i++) {
        const char *scope = json_string_value(json_array_get(list, i));
        ENSURE(scope && scope_good(scope), CELLA_ERR_USAGE, NULL,
               "assignableScopes: expected \"/\", \"/keys\" or \"/keys/NAME\"");
        scope_normal(scope, normal);
        ENSURE(json_array_append_new(out, json_string(normal)) == 0, CELLA_ERR_MEMORY, NULL,
               "no memory for a role");
    }
    return CELLA_SUCCESS;
}

static CELLA_RESULT check_texts(const json_t *properties) {
    const json_t *name = json_object_get(properties, "roleName"),
                 *description = json_object_get(properties, "description"),
                 *type = json_object_get(properties, "type");
    ENSURE(json_is_string(name) &&
               plain_text(cella_bytes(json_string_value(name), json_string_length(name)),
                          CELLA_ROLE_NAME_MAX),
           CELLA_ERR_USAGE, NULL, "roleName: expected 1 to %d printable ASCII characters",
           CELLA_ROLE_NAME_MAX);
    ENSURE(!description ||
               (json_is_string(description) && json_string_length(description) <= DESCRIPTION_MAX),
           CELLA_ERR_USAGE, NULL, "description: expected a text of up to %d bytes",
           DESCRIPTION_MAX);
    const char *kind = type ? json_string_value(type) : "CustomRole";
    ENSURE(kind && strcasecmp(kind, "CustomRole") == 0, CELLA_ERR_USAGE, NULL,
           "type: expected CustomRole");
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_role_properties_check(const json_t *properties, const char *prefix,
                                         json_t **normal) {
    static const char *const names[] = {"roleName", "description", "type", "permissions",
                                        "assignableScopes"};
    TRY(only(properties, "properties", names, 5));
    TRY(check_texts(properties));
    const json_t *permissions = json_object_get(properties, "permissions"),
                 *description = json_object_get(properties, "description");
    ENSURE(!permissions ||
               (json_is_array(permissions) && json_array_size(permissions) <= PERMISSIONS_MAX),
           CELLA_ERR_USAGE, NULL, "permissions: expected a list of up to %d", PERMISSIONS_MAX);
    CELLA_JSON out =
        json_pack("{s:[], s:s, s:[], s:O, s:s}", "assignableScopes", "description",
                  description ? json_string_value(description) : "", "permissions", "roleName",
                  json_object_get(properties, "roleName"), "type", "CustomRole");
    ENSURE(out, CELLA_ERR_MEMORY, NULL, "no memory for a role");
    for (size_t i = 0; i < json_array_size(permissions); i++)
        TRY(check_permission(json_array_get(permissions, i), prefix,
                             json_object_get(out, "permissions")));
    TRY(check_scopes(json_object_get(properties, "assignableScopes"),
                     json_object_get(out, "assignableScopes")));
    *normal = MOVE(out);
    return CELLA_SUCCESS;
}

/* --- What it allows --- */

static bool any_matches(const json_t *list, const char *action) {
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *pattern = json_string_value(json_array_get(list, i));
        if (pattern && action_matches(pattern, action)) return true;
    }
    return false;
}

/* Each permission gives its actions less its own exceptions; an exception denies nothing that
 * another permission, or another role, gives. */
CELLA_RESULT definition_allows(struct cella_bytes text, const char *action, bool *allowed) {
    CELLA_JSON properties = NULL;
    *allowed = false;
    TRY(cella_json_object(text, "stored role", &properties));
    const json_t *permissions = json_object_get(properties, "permissions");
    for (size_t i = 0; !*allowed && i < json_array_size(permissions); i++) {
        const json_t *one = json_array_get(permissions, i);
        *allowed = any_matches(json_object_get(one, "dataActions"), action) &&
                   !any_matches(json_object_get(one, "notDataActions"), action);
    }
    return CELLA_SUCCESS;
}

bool cella_role_reaches(const json_t *properties, const char *scope) {
    const json_t *list = json_object_get(properties, "assignableScopes");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *outer = json_string_value(json_array_get(list, i));
        if (outer && scope_holds(outer, scope)) return true;
    }
    return false;
}

bool role_assignable(const struct role_found *role, const char *root, const char *scope) {
    const char *below = scope + strlen(root);
    return !role->properties || cella_role_reaches(role->properties, *below ? below : "/");
}

/* --- Finding --- */

void role_found_free(struct role_found *found) {
    json_decref(found->properties);
    found->properties = NULL;
}

static void fold_name(const char *name, char out[CELLA_ROLE_NAME_MAX + 1]) {
    size_t i = 0;
    for (; i < CELLA_ROLE_NAME_MAX && name[i]; i++)
        out[i] = name[i] >= 'A' && name[i] <= 'Z' ? (char)(name[i] - 'A' + 'a') : name[i];
    out[i] = 0;
}

CELLA_RESULT role_resolve(struct cella_session *session, const char *root, const char *word,
                          struct role_found *out) {
    const struct cella_role *role = cella_role_find(word);
    char fold[CELLA_ROLE_NAME_MAX + 1];
    CELLA_ROWS rows = NULL;
    bool there = false;
    *out = (struct role_found){.properties = NULL};
    if (role) {
        snprintf(out->id, sizeof(out->id), "%s", role->id);
        snprintf(out->name, sizeof(out->name), "%s", role->name);
        return CELLA_SUCCESS;
    }
    fold_name(word, fold);
    const struct cella_value key[] = {text_value(root), text_value(fold), text_value(fold),
                                      text_value(fold)};
    /* An id is meant before a name that looks like one. */
    TRY(cella_query(session,
                    "SELECT id, name, properties FROM identity_role WHERE root = ?"
                    " AND (id = ? OR fold = ?) ORDER BY CASE WHEN id = ? THEN 0 ELSE 1 END",
                    key, 4, &rows));
    TRY(cella_rows_next(rows, &there));
    ENSURE(there && strlen(word) <= CELLA_ROLE_NAME_MAX, CELLA_ERR_NOT_FOUND,
           "`cella identity role list` shows them", "there is no role '%.80s'%s%s", word,
           *root ? " at " : "", root);
    cella_rows_text(rows, 0, out->id, sizeof(out->id));
    cella_rows_text(rows, 1, out->name, sizeof(out->name));
    return cella_json_object(cella_rows_bytes(rows, 2), "stored role", &out->properties);
}

CELLA_RESULT cella_role_definitions(struct cella_session *session, const char *root, const char *id,
                                    json_t **out) {
    const struct cella_value key[] = {text_value(root), text_value(id ? id : ""),
                                      text_value(id ? id : "")};
    CELLA_JSON list = json_array();
    CELLA_ROWS rows = NULL;
    bool there = false;
    TRY(cella_query(session,
                    "SELECT id, properties FROM identity_role WHERE root = ? AND (id = ? OR ? = '')"
                    " ORDER BY id",
                    key, 3, &rows));
    for (;;) {
        char found[GUID_SIZE];
        CELLA_JSON properties = NULL;
        TRY(cella_rows_next(rows, &there));
        if (!there) break;
        cella_rows_text(rows, 0, found, sizeof(found));
        TRY(cella_json_object(cella_rows_bytes(rows, 1), "stored role", &properties));
        ENSURE(json_array_append_new(list, json_pack("{s:s, s:O}", "id", found, "properties",
                                                     properties)) == 0,
               CELLA_ERR_MEMORY, NULL, "no memory for roles");
    }
    *out = MOVE(list);
    return CELLA_SUCCESS;
}

/* --- Changes --- */

/* Neither its id nor its name is taken by a role of everywhere, or by another one here. */
static CELLA_RESULT check_name(struct cella_session *session, const char *root, const char *id,
                               const char *name, bool *exists) {
    char fold[CELLA_ROLE_NAME_MAX + 1], found[GUID_SIZE];
    CELLA_ROWS rows = NULL;
    size_t count = 0;
    bool there = false, taken = false;
    ENSURE(!cella_role_find(id) && !cella_role_find(name), CELLA_ERR_REFUSED, NULL,
           "Cannot re-use the name/GUID matching that of a built-in role. Please use a unique role "
           "ID.");
    fold_name(name, fold);
    const struct cella_value key = text_value(root);
    TRY(cella_query(session, "SELECT id, fold FROM identity_role WHERE root = ?", &key, 1, &rows));
    for (*exists = false;; count++) {
        TRY(cella_rows_next(rows, &there));
        if (!there) break;
        cella_rows_text(rows, 0, found, sizeof(found));
        bool same = strcmp(found, id) == 0;
        *exists = *exists || same;
        taken = taken || (!same && bytes_are(cella_rows_bytes(rows, 1), fold));
    }
    ENSURE(!taken, CELLA_ERR_EXISTS, NULL, "A role definition with the name '%s' is there", name);
    ENSURE(*exists || count < CELLA_ROLES_MAX, CELLA_ERR_LIMIT, NULL,
           "There are %d custom role definitions, which is all that may be", CELLA_ROLES_MAX);
    return CELLA_SUCCESS;
}

/* Where it is assigned now, it must be assignable still: *assigned says whether it is at all. */
static CELLA_RESULT check_assigned(struct cella_session *session, const char *root, const char *id,
                                   const json_t *properties, bool *assigned) {
    const struct cella_value key[] = {text_value(root), text_value(id)};
    const struct role_found role = {.properties = (json_t *)properties};
    char scope[SCOPE_MAX + 1];
    CELLA_ROWS rows = NULL;
    bool there = false;
    TRY(cella_query(session, "SELECT scope FROM identity_assignment WHERE root = ? AND role = ?",
                    key, 2, &rows));
    for (*assigned = false;; *assigned = true) {
        TRY(cella_rows_next(rows, &there));
        if (!there) return CELLA_SUCCESS;
        cella_rows_text(rows, 0, scope, sizeof(scope));
        ENSURE(!properties || role_assignable(&role, root, scope), CELLA_ERR_USAGE, NULL,
               "assignableScopes: the role is assigned at %s, which they do not hold",
               scope + strlen(root));
    }
}

CELLA_RESULT cella_role_define(struct cella_session *session, const char *root, const char *id,
                               const json_t *properties, const char *who) {
    const char *name = json_string_value(json_object_get(properties, "roleName"));
    char fold[CELLA_ROLE_NAME_MAX + 1];
    bool exists = false, assigned = false;
    TRY(check_name(session, root, id, name, &exists));
    if (exists) TRY(check_assigned(session, root, id, properties, &assigned));
    fold_name(name, fold);
    char *text = json_dumps(properties, JSON_COMPACT | JSON_SORT_KEYS);
    ENSURE(text, CELLA_ERR_MEMORY, NULL, "no memory for a role");
    const struct cella_value row[] = {text_value(name), text_value(fold), text_value(text),
                                      text_value(root), text_value(id),   time_value(unix_now())};
    struct cella_result r =
        exists ? cella_execute(session,
                               "UPDATE identity_role SET name = ?, fold = ?, properties = ?"
                               " WHERE root = ? AND id = ?",
                               row, 5, NULL)
               : cella_execute(session,
                               "INSERT INTO identity_role (name, fold, properties, root, id,"
                               " made_unix) VALUES (?, ?, ?, ?, ?, ?)",
                               row, 6, NULL);
    if (!cella_failed(r))
        r = identity_note_of(session, who, exists ? "role update" : "role create", id, text);
    free(text);
    return r;
}

CELLA_RESULT cella_role_undefine(struct cella_session *session, const char *root, const char *id,
                                 const char *who) {
    const struct cella_value key[] = {text_value(root), text_value(id)};
    bool assigned = false;
    uint64_t changed = 0;
    TRY(check_assigned(session, root, id, NULL, &assigned));
    ENSURE(!assigned, CELLA_ERR_REFUSED, NULL,
           "There are existing role assignments referencing role %s", id);
    TRY(cella_execute(session, "DELETE FROM identity_role WHERE root = ? AND id = ?", key, 2,
                      &changed));
    ENSURE(changed == 1, CELLA_ERR_NOT_FOUND, NULL, "there is no role %s at %s", id, root);
    return identity_note_of(session, who, "role delete", id, root);
}
