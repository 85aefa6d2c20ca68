/* The tables of the identity part. */
#include <pwd.h>
#include <stdio.h>
#include <unistd.h>

#include "base/moment.h"
#include "identity/access.h"
#include "identity/identity_inner.h"

static const char *const steps[] = {
    "CREATE TABLE identity_app ("
    " client TEXT PRIMARY KEY, object TEXT NOT NULL UNIQUE, name TEXT NOT NULL UNIQUE,"
    " made_unix BIGINT NOT NULL);"
    "CREATE TABLE identity_secret ("
    " client TEXT NOT NULL, id TEXT NOT NULL, salt BLOB NOT NULL, hash BLOB NOT NULL,"
    " made_unix BIGINT NOT NULL, ends_unix BIGINT NOT NULL, PRIMARY KEY (client, id));"
    "CREATE TABLE identity_certificate ("
    " client TEXT NOT NULL, sha256 TEXT NOT NULL, sha1 TEXT NOT NULL, subject TEXT NOT NULL,"
    " ends_unix BIGINT NOT NULL, made_unix BIGINT NOT NULL, certificate BLOB NOT NULL,"
    " PRIMARY KEY (client, sha256));"
    "CREATE TABLE identity_federation ("
    " client TEXT NOT NULL, issuer TEXT NOT NULL, subject TEXT NOT NULL, audience TEXT NOT NULL,"
    " made_unix BIGINT NOT NULL, PRIMARY KEY (client, issuer, subject, audience));"
    "CREATE TABLE identity_assertion (id TEXT PRIMARY KEY, ends_unix BIGINT NOT NULL);"
    "CREATE TABLE identity_key ("
    " kid TEXT PRIMARY KEY, made_unix BIGINT NOT NULL, signs_unix BIGINT NOT NULL,"
    " sealed BLOB NOT NULL, certificate BLOB NOT NULL);"
    "CREATE TABLE identity_assignment ("
    " object TEXT NOT NULL, scope TEXT NOT NULL, role TEXT NOT NULL, issuer TEXT NOT NULL,"
    " made_unix BIGINT NOT NULL, PRIMARY KEY (object, scope, role, issuer));"
    "CREATE TABLE identity_change ("
    " seq BIGINT PRIMARY KEY, at_unix BIGINT NOT NULL, who TEXT NOT NULL, what TEXT NOT NULL,"
    " subject TEXT NOT NULL, detail TEXT NOT NULL)",
    /* Roles of a vault's own, and names by which its people know assignments. */
    "CREATE TABLE identity_role ("
    " root TEXT NOT NULL, id TEXT NOT NULL, name TEXT NOT NULL, fold TEXT NOT NULL,"
    " properties TEXT NOT NULL, made_unix BIGINT NOT NULL, PRIMARY KEY (root, id),"
    " UNIQUE (root, fold));"
    "ALTER TABLE identity_assignment ADD COLUMN root TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE identity_assignment ADD COLUMN name TEXT NOT NULL DEFAULT '';"
    "CREATE UNIQUE INDEX identity_assignment_name ON identity_assignment (root, name)"
    " WHERE name <> ''",
};

CELLA_RESULT cella_identity_migrate(struct cella_database *database) {
    TRY(cella_database_migrate(database, "identity", steps, sizeof(steps) / sizeof(steps[0])));
    return assignments_complete(database);
}

static void this_user(char *out, size_t size) {
    struct passwd entry, *found = NULL;
    char text[1024];
    uid_t uid = getuid();
    if (getpwuid_r(uid, &entry, text, sizeof(text), &found) == 0 && found)
        snprintf(out, size, "uid %u (%s)", (unsigned)uid, entry.pw_name);
    else
        snprintf(out, size, "uid %u", (unsigned)uid);
}

static CELLA_RESULT next_number(struct cella_session *session, int64_t *out) {
    CELLA_ROWS rows = NULL;
    bool there = false;
    TRY(cella_query(session, "SELECT COALESCE(MAX(seq), 0) + 1 FROM identity_change", NULL, 0,
                    &rows));
    TRY(cella_rows_next(rows, &there));
    *out = cella_rows_integer(rows, 0);
    return CELLA_SUCCESS;
}

CELLA_RESULT identity_note_of(struct cella_session *session, const char *who, const char *what,
                              const char *subject, const char *detail) {
    char user[128];
    int64_t number = 0;
    if (!who) this_user(user, sizeof(user));
    TRY(next_number(session, &number));
    const struct cella_value row[] = {cella_value_integer(number),  time_value(unix_now()),
                                      text_value(who ? who : user), text_value(what),
                                      text_value(subject),          text_value(detail)};
    return cella_execute(session,
                         "INSERT INTO identity_change (seq, at_unix, who, what, subject, detail)"
                         " VALUES (?, ?, ?, ?, ?, ?)",
                         row, 6, NULL);
}

/* --- Lists --- */

static json_t *column_json(const struct cella_rows *rows, unsigned column, const char *name) {
    if (name[0] == '+') return json_integer(cella_rows_integer(rows, column));
    struct cella_bytes text = cella_rows_bytes(rows, column);
    return text.size ? json_stringn((const char *)text.data, text.size) : json_string("");
}

CELLA_RESULT identity_rows_json(struct cella_rows *rows, const char *const *name, size_t count,
                                json_t **out) {
    CELLA_JSON list = json_array();
    bool there = false, good = list != NULL;
    for (;;) {
        TRY(cella_rows_next(rows, &there));
        if (!there) break;
        json_t *row = json_object();
        for (unsigned i = 0; row && i < count; i++)
            good &= json_object_set_new(row, name[i] + (name[i][0] == '+'),
                                        column_json(rows, i, name[i])) == 0;
        good &= json_array_append_new(list, row) == 0;
        ENSURE(good, CELLA_ERR_MEMORY, NULL, "no memory for a list, or a text in it is not UTF-8");
    }
    *out = MOVE(list);
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_identity_changes(struct cella_database *database, size_t count, json_t **out) {
    static const char *const names[] = {"+seq", "+at", "who", "what", "subject", "detail"};
    const struct cella_value limit = cella_value_integer((int64_t)count);
    CELLA_SESSION session = NULL;
    CELLA_ROWS rows = NULL;
    TRY(cella_session_begin(database, false, &session));
    TRY(cella_query(session,
                    "SELECT seq, at_unix, who, what, subject, detail FROM identity_change"
                    " ORDER BY seq DESC LIMIT ?",
                    &limit, 1, &rows));
    return identity_rows_json(rows, names, 6, out);
}
