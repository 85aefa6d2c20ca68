#include <stdio.h>
#include <string.h>

#include "store/database_inner.h"

static const char table[] = "CREATE TABLE IF NOT EXISTS cella_migration"
                            " (part TEXT PRIMARY KEY, version INTEGER NOT NULL)";

static CELLA_RESULT read_version(struct cella_session *session, const char *part,
                                 int64_t *version) {
    const struct cella_value name = cella_value_text(part);
    CELLA_ROWS rows = NULL;
    bool there = false;
    *version = 0;
    TRY(cella_query(session, "SELECT version FROM cella_migration WHERE part = ?", &name, 1,
                    &rows));
    TRY(cella_rows_next(rows, &there));
    if (there) *version = cella_rows_integer(rows, 0);
    return CELLA_SUCCESS;
}

/* Tables that are not the part's: a step that makes one would take another part's name. */
static CELLA_RESULT count_foreign(struct cella_session *session, const char *prefix,
                                  int64_t *count) {
    const struct cella_value argument[] = {cella_value_text(prefix), cella_value_text(prefix)};
    CELLA_ROWS rows = NULL;
    bool there = false;
    TRY(cella_query(session,
                    "SELECT COUNT(*) FROM sqlite_master WHERE type <> 'index'"
                    " AND SUBSTR(name, 1, LENGTH(?)) <> ?",
                    argument, 2, &rows));
    TRY(cella_rows_next(rows, &there));
    *count = cella_rows_integer(rows, 0);
    return CELLA_SUCCESS;
}

static CELLA_RESULT run_steps(struct cella_session *session, const char *part,
                              const char *const *step, int64_t version, size_t count) {
    char prefix[80];
    int64_t before = 0, after = 0;
    snprintf(prefix, sizeof(prefix), "%s_", part);
    TRY(count_foreign(session, prefix, &before));
    for (size_t i = (size_t)version; i < count; i++)
        TRY_IN(database_run(session->connection->db, step[i], "migrate"), "step %zu of part %s", i,
               part);
    ENSURE(!sqlite3_get_autocommit(session->connection->db), CELLA_ERR_INTERNAL, NULL,
           "a step of part %s ends the transaction", part);
    TRY(count_foreign(session, prefix, &after));
    ENSURE(before == after, CELLA_ERR_INTERNAL, NULL,
           "part %s makes tables whose names do not begin with %s", part, prefix);
    return CELLA_SUCCESS;
}

static CELLA_RESULT write_version(struct cella_session *session, const char *part, size_t count) {
    const struct cella_value row[] = {cella_value_integer((int64_t)count), cella_value_text(part)};
    uint64_t changed = 0;
    TRY(cella_execute(session, "UPDATE cella_migration SET version = ? WHERE part = ?", row, 2,
                      &changed));
    if (changed) return CELLA_SUCCESS;
    return cella_execute(session, "INSERT INTO cella_migration (version, part) VALUES (?, ?)", row,
                         2, NULL);
}

CELLA_RESULT cella_database_migrate(struct cella_database *database, const char *part,
                                    const char *const *step, size_t count) {
    CELLA_SESSION session = NULL;
    int64_t version = 0;
    ENSURE(strlen(part) < 64, CELLA_ERR_INTERNAL, NULL, "a part's name is too long: %s", part);
    TRY(cella_session_begin(database, true, &session));
    TRY(cella_execute(session, table, NULL, 0, NULL));
    TRY(read_version(session, part, &version));
    ENSURE(version >= 0 && (uint64_t)version <= count, CELLA_ERR_UNSUPPORTED,
           "use the newer program, or a database of this one's version",
           "database %s: part %s has version %lld, this program knows up to %zu", database->path,
           part, (long long)version, count);
    if ((size_t)version == count) return CELLA_SUCCESS;
    TRY(run_steps(session, part, step, version, count));
    TRY(write_version(session, part, count));
    return cella_session_commit(&session);
}
