/* The question: what assignments allow. */
#include <stdio.h>

#include "identity/access.h"
#include "identity/identity_inner.h"

enum { QUESTION_MAX = 1280 /* bytes of all that a decision depends on */ };

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
                    "SELECT a.object, COALESCE(p.name, ''), COALESCE(r.name, a.role), a.scope,"
                    " a.issuer, a.made_unix FROM identity_assignment a"
                    " LEFT JOIN identity_app p ON p.object = a.object"
                    " LEFT JOIN identity_role r ON r.root = a.root AND r.id = a.role"
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
        bool allows = role && cella_role_allows(role, action);
        if (!role && !cella_rows_null(rows, 1))
            TRY(definition_allows(cella_rows_bytes(rows, 1), action, &allows));
        *found = *found || allows;
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
                    "SELECT a.role, r.properties FROM identity_assignment a"
                    " LEFT JOIN identity_role r ON r.root = a.root AND r.id = a.role"
                    " WHERE a.object = ? AND (a.issuer = '' OR a.issuer = ?)"
                    " AND a.scope IN (?, ?, ?, ?, ?, ?, ?, ?)",
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
    *allowed = false;
    ENSURE(scope_good(scope), CELLA_ERR_INTERNAL, NULL, "asked about the scope '%.80s'", scope);
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
