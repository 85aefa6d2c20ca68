/* Assignments, and what they allow. */
#include <stdio.h>

#include "identity/access.h"
#include "identity/identity_inner.h"

enum {
    SCOPE_MAX = 511,
    SCOPE_PARTS = 8, /* so many scopes can hold a resource, "/" among them */
    OBJECT_MAX = 127,
    QUESTION_MAX = 1280, /* bytes of all that a decision depends on */
};

/* --- Names --- */

/* "/" or "/a/b": parts of printable ASCII, none empty, ".", or ".."; no slash at the end (K19). */
static bool scope_good(const char *scope, unsigned *parts) {
    size_t size = strlen(scope);
    *parts = 0;
    if (size == 0 || size > SCOPE_MAX || scope[0] != '/') return false;
    if (size == 1) return true;
    for (const char *at = scope; *at; (*parts)++) {
        at++;
        size_t part = strcspn(at, "/");
        for (size_t i = 0; i < part; i++)
            if (at[i] <= ' ' || at[i] > '~' || at[i] == '%' || at[i] == '\\') return false;
        if (part == 0 || (at[0] == '.' && (part == 1 || (part == 2 && at[1] == '.')))) return false;
        at += part;
    }
    return *parts < SCOPE_PARTS;
}

/* Object ids are GUIDs, which have no case; other issuers' subjects are what they are. */
static bool object_normal(const char *object, char out[OBJECT_MAX + 1]) {
    struct cella_bytes text = cella_bytes_text(object);
    if (guid_read(text, out)) return true;
    if (!plain_text(text, OBJECT_MAX)) return false;
    memcpy(out, object, text.size + 1);
    return true;
}

/* Scopes have no case, as in Azure: names of instances, vaults and what is in them have none. */
static void scope_normal(const char *scope, char out[SCOPE_MAX + 1]) {
    size_t size = strlen(scope);
    for (size_t i = 0; i <= size; i++) {
        char c = scope[i];
        out[i] = c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
    }
}

struct assignment {
    char object[OBJECT_MAX + 1], scope[SCOPE_MAX + 1];
    const struct cella_role *role;
    const char *issuer;
};

static CELLA_RESULT read_assignment(const char *object, const char *role, const char *scope,
                                    const char *issuer, struct assignment *out) {
    unsigned parts;
    *out = (struct assignment){.role = cella_role_find(role)};
    ENSURE(object_normal(object, out->object), CELLA_ERR_USAGE, NULL,
           "an object is 1 to %d printable characters", OBJECT_MAX);
    ENSURE(out->role, CELLA_ERR_NOT_FOUND, "`cella identity role list` shows them",
           "there is no role '%.80s'", role);
    ENSURE(scope_good(scope, &parts), CELLA_ERR_USAGE,
           "give \"/\", \"/attest/NAME\", \"/vault/NAME\" or \"/vault/NAME/keys/KEY\"",
           "a scope is a path of up to %d parts, found '%.80s'", SCOPE_PARTS - 1, scope);
    scope_normal(scope, out->scope);
    out->issuer = issuer ? issuer : "";
    ENSURE(!issuer || plain_text(cella_bytes_text(issuer), 255), CELLA_ERR_USAGE, NULL,
           "an issuer is 1 to 255 printable characters");
    return CELLA_SUCCESS;
}

/* --- Changes --- */

static CELLA_RESULT note(struct cella_session *session, const char *what,
                         const struct assignment *a) {
    char detail[1024];
    snprintf(detail, sizeof(detail), "%s at %s%s%s", a->role->name, a->scope,
             a->issuer[0] ? " of " : "", a->issuer);
    return identity_note(session, what, a->object, detail);
}

CELLA_RESULT cella_access_assign_of(struct cella_database *database, const char *issuer,
                                    const char *object, const char *role, const char *scope) {
    struct assignment a;
    CELLA_SESSION session = NULL;
    TRY(read_assignment(object, role, scope, issuer, &a));
    TRY(cella_session_begin(database, true, &session));
    const struct cella_value row[] = {text_value(a.object), text_value(a.scope),
                                      text_value(a.role->id), text_value(a.issuer),
                                      time_value(unix_now())};
    struct cella_result r =
        cella_execute(session,
                      "INSERT INTO identity_assignment (object, scope, role, issuer, made_unix)"
                      " VALUES (?, ?, ?, ?, ?)",
                      row, 5, NULL);
    if (cella_code_of(r) == CELLA_ERR_EXISTS) { /* it is as it should be */
        cella_result_drop(r);
        return CELLA_SUCCESS;
    }
    TRY(r);
    TRY(note(session, "assign", &a));
    return cella_session_commit(&session);
}

CELLA_RESULT cella_access_assign(struct cella_database *database, const char *object,
                                 const char *role, const char *scope) {
    return cella_access_assign_of(database, NULL, object, role, scope);
}

CELLA_RESULT cella_access_revoke_of(struct cella_database *database, const char *issuer,
                                    const char *object, const char *role, const char *scope) {
    struct assignment a;
    uint64_t changed = 0;
    CELLA_SESSION session = NULL;
    TRY(read_assignment(object, role, scope, issuer, &a));
    TRY(cella_session_begin(database, true, &session));
    const struct cella_value key[] = {text_value(a.object), text_value(a.scope),
                                      text_value(a.role->id), text_value(a.issuer)};
    TRY(cella_execute(session,
                      "DELETE FROM identity_assignment WHERE object = ? AND scope = ?"
                      " AND role = ? AND issuer = ?",
                      key, 4, &changed));
    ENSURE(changed == 1, CELLA_ERR_NOT_FOUND, "`cella identity assignments` shows what there is",
           "%s is not assigned %s at %s", a.object, a.role->name, a.scope);
    TRY(note(session, "revoke", &a));
    return cella_session_commit(&session);
}

CELLA_RESULT cella_access_revoke(struct cella_database *database, const char *object,
                                 const char *role, const char *scope) {
    return cella_access_revoke_of(database, NULL, object, role, scope);
}

CELLA_RESULT cella_access_list(struct cella_database *database, const char *object, json_t **out) {
    static const char *const names[] = {"object", "app", "role", "scope", "issuer", "+made"};
    char normal[OBJECT_MAX + 1] = "";
    CELLA_SESSION session = NULL;
    CELLA_ROWS rows = NULL;
    ENSURE(!object || object_normal(object, normal), CELLA_ERR_USAGE, NULL,
           "an object is 1 to %d printable characters", OBJECT_MAX);
    const struct cella_value any[] = {text_value(normal), text_value(normal)};
    TRY(cella_session_begin(database, false, &session));
    TRY(cella_query(session,
                    "SELECT a.object, COALESCE(p.name, ''), a.role, a.scope, a.issuer, a.made_unix"
                    " FROM identity_assignment a LEFT JOIN identity_app p ON p.object = a.object"
                    " WHERE a.object = ? OR ? = '' ORDER BY a.object, a.scope, a.role, a.issuer",
                    any, 2, &rows));
    TRY(identity_rows_json(rows, names, 6, out));
    for (size_t i = 0; i < json_array_size(*out); i++) {
        json_t *row = json_array_get(*out, i);
        const struct cella_role *role =
            cella_role_find(json_string_value(json_object_get(row, "role")));
        if (role) json_object_set_new(row, "role", json_string(role->name));
    }
    return CELLA_SUCCESS;
}

/* --- The question --- */

/* The scopes that hold the one asked for: exactly those whose parts it begins with, so that
 * /vault/a never holds /vault/ab. Unused places repeat "/". */
static void ancestors(const char *scope, char text[SCOPE_MAX + 1],
                      struct cella_value out[SCOPE_PARTS]) {
    size_t size = strlen(scope), count = 0;
    scope_normal(scope, text);
    for (size_t i = 1; size > 1 && i <= size; i++)
        if (text[i] == '/' || !text[i])
            out[count++] =
                (struct cella_value){.type = CELLA_VALUE_TEXT, .bytes = cella_bytes(text, i)};
    while (count < SCOPE_PARTS) out[count++] = cella_value_text("/");
}

/* An object of the embedded issuer's own applications is told by that issuer alone: another one's
 * token with the same oid or sub is not it. */
static CELLA_RESULT is_someone_elses(struct cella_session *session,
                                     const struct cella_caller *caller, const char *object,
                                     bool *is) {
    CELLA_ROWS rows = NULL;
    const struct cella_value key = cella_value_text(object);
    *is = false;
    if (caller->own) return CELLA_SUCCESS;
    TRY(cella_query(session, "SELECT 1 FROM identity_app WHERE object = ?", &key, 1, &rows));
    return cella_rows_next(rows, is);
}

static CELLA_RESULT any_role(struct cella_rows *rows, const char *action, bool *found) {
    bool there = false;
    char id[GUID_SIZE];
    *found = false;
    for (;;) {
        TRY(cella_rows_next(rows, &there));
        if (!there) return CELLA_SUCCESS;
        const struct cella_role *role =
            cella_rows_text(rows, 0, id, sizeof(id)) ? cella_role_find(id) : NULL;
        *found = *found || (role && cella_role_allows(role, action));
    }
}

static CELLA_RESULT look_up(struct cella_session *session, const struct cella_caller *caller,
                            const char *object, const char *action, const char *scope,
                            bool *allowed) {
    char text[SCOPE_MAX + 1];
    struct cella_value argument[2 + SCOPE_PARTS];
    bool found = false, elses = true;
    CELLA_ROWS rows = NULL;
    argument[0] = text_value(object);
    argument[1] = text_value(caller->issuer);
    ancestors(scope, text, argument + 2);
    TRY(cella_query(session,
                    "SELECT role FROM identity_assignment WHERE object = ?"
                    " AND (issuer = '' OR issuer = ?) AND scope IN (?, ?, ?, ?, ?, ?, ?, ?)",
                    argument, 2 + SCOPE_PARTS, &rows));
    TRY(any_role(rows, action, &found));
    if (!found) return CELLA_SUCCESS;
    TRY(is_someone_elses(session, caller, object, &elses));
    *allowed = !elses;
    return CELLA_SUCCESS;
}

/* All that a decision depends on besides the database. A NUL is in none of these, so no two
 * questions have the same key. */
static size_t question(const struct cella_caller *caller, const char *object, const char *action,
                       const char *scope, char key[QUESTION_MAX]) {
    const char *part[] = {"access", caller->own ? "own" : "", caller->issuer, object, action,
                          scope};
    size_t size = 0;
    for (size_t i = 0; i < sizeof(part) / sizeof(part[0]); i++) {
        size_t more = strlen(part[i]) + 1;
        if (size + more > QUESTION_MAX) return 0;
        memcpy(key + size, part[i], more);
        size += more;
    }
    return size;
}

static void keep_nothing(void *object) { (void)object; }

CELLA_RESULT cella_access_allows_in(struct cella_session *session,
                                    const struct cella_caller *caller, const char *action,
                                    const char *scope, bool *allowed) {
    static char yes, no; /* what is kept of a decision: one of these */
    char object[OBJECT_MAX + 1], key[QUESTION_MAX];
    unsigned parts = 0;
    *allowed = false;
    ENSURE(scope_good(scope, &parts), CELLA_ERR_INTERNAL, NULL, "asked about the scope '%.80s'",
           scope);
    if (!caller->known || !object_normal(caller->object, object)) return CELLA_SUCCESS;
    struct cella_bytes asked = cella_bytes(key, question(caller, object, action, scope, key));
    const void *kept = asked.size ? cella_session_recall(session, asked) : NULL;
    if (kept) {
        *allowed = kept == &yes;
        return CELLA_SUCCESS;
    }
    TRY(look_up(session, caller, object, action, scope, allowed));
    cella_session_keep(session, asked, *allowed ? &yes : &no, keep_nothing);
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_access_allows(struct cella_database *database, const struct cella_caller *caller,
                                 const char *action, const char *scope, bool *allowed) {
    CELLA_SESSION session = NULL;
    *allowed = false;
    TRY(cella_session_begin(database, false, &session));
    return cella_access_allows_in(session, caller, action, scope, allowed);
}
