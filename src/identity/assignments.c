#include "identity/assignments.h"

#include <stdio.h>

#include "identity/access.h"
#include "identity/identity_inner.h"

#define COLUMNS "a.name, a.object, a.role, COALESCE(r.name, ''), a.scope, a.issuer"
#define JOINED                                                                                     \
    " FROM identity_assignment a LEFT JOIN identity_role r ON r.root = a.root AND r.id = a.role"

static void read_row(const struct cella_rows *rows, struct cella_assignment *out) {
    *out = (struct cella_assignment){.name = ""};
    cella_rows_text(rows, 0, out->name, sizeof(out->name));
    cella_rows_text(rows, 1, out->object, sizeof(out->object));
    cella_rows_text(rows, 2, out->role, sizeof(out->role));
    cella_rows_text(rows, 3, out->role_name, sizeof(out->role_name));
    cella_rows_text(rows, 4, out->scope, sizeof(out->scope));
    cella_rows_text(rows, 5, out->issuer, sizeof(out->issuer));
    const struct cella_role *role = cella_role_find(out->role);
    if (role) snprintf(out->role_name, sizeof(out->role_name), "%s", role->name);
}

/* --- Changes --- */

static CELLA_RESULT note(struct cella_session *session, const char *who, const char *what,
                         const struct cella_assignment *a) {
    char detail[1024];
    snprintf(detail, sizeof(detail), "%s at %s%s%s", a->role_name, a->scope,
             a->issuer[0] ? " of " : "", a->issuer);
    return identity_note_of(session, who, what, a->object, detail);
}

static CELLA_RESULT normalise(struct cella_assignment *a, char root[SCOPE_MAX + 1]) {
    char object[OBJECT_MAX + 1], scope[SCOPE_MAX + 1], name[GUID_SIZE];
    ENSURE(object_normal(a->object, object), CELLA_ERR_USAGE, NULL,
           "an object is 1 to %d printable characters", OBJECT_MAX);
    ENSURE(scope_good(a->scope), CELLA_ERR_USAGE,
           "give \"/\", \"/attest/NAME\", \"/vault/NAME\" or \"/vault/NAME/keys/KEY\"",
           "a scope is a path of up to %d parts, found '%.80s'", SCOPE_PARTS - 1, a->scope);
    ENSURE(!a->issuer[0] || plain_text(cella_bytes_text(a->issuer), 255), CELLA_ERR_USAGE, NULL,
           "an issuer is 1 to 255 printable characters");
    ENSURE(!a->name[0] || guid_read(cella_bytes_text(a->name), name), CELLA_ERR_USAGE, NULL,
           "an assignment's name is a GUID");
    if (a->name[0]) memcpy(a->name, name, sizeof(name));
    scope_normal(a->scope, scope);
    memcpy(a->object, object, sizeof(object));
    snprintf(a->scope, sizeof(a->scope), "%s", scope);
    scope_root(scope, root);
    return a->name[0] ? CELLA_SUCCESS : guid_make(a->name);
}

static CELLA_RESULT take_role(struct cella_session *session, const char *root,
                              struct cella_assignment *a) {
    ROLE_FOUND role = {.properties = NULL};
    TRY(role_resolve(session, root, a->role, &role));
    ENSURE(role_assignable(&role, root, a->scope), CELLA_ERR_USAGE, NULL,
           "the role %s cannot be assigned at this scope: its assignableScopes do not hold it",
           role.name);
    snprintf(a->role, sizeof(a->role), "%s", role.id);
    snprintf(a->role_name, sizeof(a->role_name), "%s", role.name);
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_assignment_add(struct cella_session *session, struct cella_assignment *a,
                                  const char *who) {
    char root[SCOPE_MAX + 1];
    TRY(normalise(a, root));
    TRY(take_role(session, root, a));
    const struct cella_value row[] = {text_value(a->object), text_value(a->scope),
                                      text_value(a->role),   text_value(a->issuer),
                                      text_value(root),      text_value(a->name),
                                      time_value(unix_now())};
    TRY(cella_execute(session,
                      "INSERT INTO identity_assignment"
                      " (object, scope, role, issuer, root, name, made_unix)"
                      " VALUES (?, ?, ?, ?, ?, ?, ?)",
                      row, 7, NULL));
    return note(session, who, "assign", a);
}

CELLA_RESULT cella_assignment_remove(struct cella_session *session,
                                     const struct cella_assignment *a, const char *who) {
    const struct cella_value key[] = {text_value(a->object), text_value(a->scope),
                                      text_value(a->role), text_value(a->issuer)};
    uint64_t changed = 0;
    TRY(cella_execute(session,
                      "DELETE FROM identity_assignment WHERE object = ? AND scope = ?"
                      " AND role = ? AND issuer = ?",
                      key, 4, &changed));
    ENSURE(changed == 1, CELLA_ERR_NOT_FOUND, "`cella identity assignments` shows what there is",
           "%s is not assigned %s at %s", a->object, a->role_name, a->scope);
    return note(session, who, "revoke", a);
}

/* By the words of a command: object, role and scope, for an issuer's tokens or for all. */
static CELLA_RESULT of_words(const char *issuer, const char *object, const char *role,
                             const char *scope, struct cella_assignment *out) {
    ENSURE(strlen(object) < sizeof(out->object) && strlen(scope) < sizeof(out->scope) &&
               strlen(role) <= CELLA_ROLE_NAME_MAX &&
               (!issuer || (*issuer && strlen(issuer) < sizeof(out->issuer))),
           CELLA_ERR_USAGE, NULL, "an object, a role, a scope or an issuer is too long or empty");
    *out = (struct cella_assignment){.name = ""};
    snprintf(out->object, sizeof(out->object), "%s", object);
    snprintf(out->scope, sizeof(out->scope), "%s", scope);
    snprintf(out->role, sizeof(out->role), "%s", role);
    snprintf(out->issuer, sizeof(out->issuer), "%s", issuer ? issuer : "");
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_access_assign_of(struct cella_database *database, const char *issuer,
                                    const char *object, const char *role, const char *scope) {
    struct cella_assignment a;
    CELLA_SESSION session = NULL;
    TRY(of_words(issuer, object, role, scope, &a));
    TRY(cella_session_begin(database, true, &session));
    struct cella_result r = cella_assignment_add(session, &a, NULL);
    if (cella_code_of(r) == CELLA_ERR_EXISTS) { /* it is as it should be */
        cella_result_drop(r);
        return CELLA_SUCCESS;
    }
    TRY(r);
    return cella_session_commit(&session);
}

CELLA_RESULT cella_access_revoke_of(struct cella_database *database, const char *issuer,
                                    const char *object, const char *role, const char *scope) {
    struct cella_assignment a;
    char root[SCOPE_MAX + 1];
    CELLA_SESSION session = NULL;
    TRY(of_words(issuer, object, role, scope, &a));
    TRY(normalise(&a, root));
    TRY(cella_session_begin(database, true, &session));
    TRY(take_role(session, root, &a));
    TRY(cella_assignment_remove(session, &a, NULL));
    return cella_session_commit(&session);
}

CELLA_RESULT cella_access_assign(struct cella_database *database, const char *object,
                                 const char *role, const char *scope) {
    return cella_access_assign_of(database, NULL, object, role, scope);
}

CELLA_RESULT cella_access_revoke(struct cella_database *database, const char *object,
                                 const char *role, const char *scope) {
    return cella_access_revoke_of(database, NULL, object, role, scope);
}

/* --- Finding --- */

CELLA_RESULT cella_assignment_find(struct cella_session *session, const char *scope,
                                   const char *name, struct cella_assignment *out) {
    char normal[SCOPE_MAX + 1], guid[GUID_SIZE];
    CELLA_ROWS rows = NULL;
    bool there = false;
    ENSURE(scope_good(scope), CELLA_ERR_INTERNAL, NULL, "asked about the scope '%.80s'", scope);
    scope_normal(scope, normal);
    if (guid_read(cella_bytes_text(name), guid)) {
        const struct cella_value key[] = {text_value(normal), text_value(guid)};
        TRY(cella_query(session, "SELECT " COLUMNS JOINED " WHERE a.scope = ? AND a.name = ?", key,
                        2, &rows));
        TRY(cella_rows_next(rows, &there));
    }
    ENSURE(there, CELLA_ERR_NOT_FOUND, NULL, "there is no assignment of that name at %s", scope);
    read_row(rows, out);
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_assignments_list(struct cella_session *session,
                                    const struct cella_assignments_wish *wish,
                                    struct cella_assignment *out, size_t max, size_t *count) {
    char scope[SCOPE_MAX + 1], root[SCOPE_MAX + 1], object[OBJECT_MAX + 1] = "";
    struct cella_value argument[4];
    CELLA_ROWS rows = NULL;
    bool there = true;
    *count = 0;
    ENSURE(scope_good(wish->scope), CELLA_ERR_INTERNAL, NULL, "asked about the scope '%.80s'",
           wish->scope);
    scope_normal(wish->scope, scope);
    scope_root(scope, root);
    if (wish->object && !object_normal(wish->object, object)) return CELLA_SUCCESS;
    argument[0] = text_value(root);
    argument[1] = text_value(wish->after);
    argument[2] = argument[3] = text_value(object);
    TRY(cella_query(session,
                    "SELECT " COLUMNS JOINED " WHERE a.root = ? AND a.name > ?"
                    " AND (a.object = ? OR ? = '') ORDER BY a.name",
                    argument, 4, &rows));
    while (*count < max) {
        TRY(cella_rows_next(rows, &there));
        if (!there) return CELLA_SUCCESS;
        read_row(rows, &out[*count]);
        if (scope_holds(out[*count].scope, scope) ||
            (!wish->at_or_above && scope_holds(scope, out[*count].scope)))
            ++*count;
    }
    return CELLA_SUCCESS;
}

/* --- Assignments of before --- */

static CELLA_RESULT nameless(struct cella_session *session, struct cella_assignment *out,
                             bool *there) {
    CELLA_ROWS rows = NULL;
    TRY(cella_query(session, "SELECT " COLUMNS JOINED " WHERE a.name = '' LIMIT 1", NULL, 0,
                    &rows));
    TRY(cella_rows_next(rows, there));
    if (*there) read_row(rows, out);
    return CELLA_SUCCESS;
}

CELLA_RESULT assignments_complete(struct cella_database *database) {
    struct cella_assignment a;
    char root[SCOPE_MAX + 1];
    CELLA_SESSION session = NULL;
    bool there = false;
    TRY(cella_session_begin(database, false, &session));
    TRY(nameless(session, &a, &there));
    cella_session_end(&session);
    if (!there) return CELLA_SUCCESS;
    TRY(cella_session_begin(database, true, &session));
    for (;;) {
        TRY(nameless(session, &a, &there));
        if (!there) return cella_session_commit(&session);
        scope_root(a.scope, root);
        TRY(guid_make(a.name));
        const struct cella_value row[] = {text_value(root),     text_value(a.name),
                                          text_value(a.object), text_value(a.scope),
                                          text_value(a.role),   text_value(a.issuer)};
        TRY(cella_execute(session,
                          "UPDATE identity_assignment SET root = ?, name = ? WHERE object = ?"
                          " AND scope = ? AND role = ? AND issuer = ?",
                          row, 6, NULL));
    }
}
