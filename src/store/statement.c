#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "store/database_inner.h"

struct cella_value cella_value_text(const char *text) {
    if (!text) return (struct cella_value){.type = CELLA_VALUE_NULL};
    return (struct cella_value){.type = CELLA_VALUE_TEXT, .bytes = cella_bytes_text(text)};
}

/* --- Prepared statements --- */

static uint32_t hash_of(const char *sql) {
    uint32_t hash = 2166136261u; /* FNV-1a */
    for (; *sql; sql++) hash = (hash ^ (uint8_t)*sql) * 16777619u;
    return hash;
}

static CELLA_RESULT prepare(struct cella_session *s, const char *sql, sqlite3_stmt **out) {
    const char *rest = NULL;
    sqlite3 *db = s->connection->db;
    if (sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, out, &rest) != SQLITE_OK)
        return database_error(db, "prepare a statement of");
    if (*out && rest[strspn(rest, " \n;")] == 0) return CELLA_SUCCESS;
    sqlite3_finalize(*out);
    *out = NULL;
    FAIL(CELLA_ERR_INTERNAL, NULL, "expected one statement, found: %.80s", sql);
}

/* Found by its text, since a text may be built anew at the same address; the oldest idle one makes
 * room. *place is NULL when the statement is in use already: the caller gets one of its own. */
static CELLA_RESULT find(struct cella_session *s, const char *sql, sqlite3_stmt **stmt,
                         struct database_statement **place) {
    struct database_connection *c = s->connection;
    struct database_statement *oldest = NULL;
    uint32_t hash = hash_of(sql);
    *place = NULL;
    for (size_t i = 0; i < DATABASE_STATEMENTS; i++) {
        struct database_statement *p = &c->statement[i];
        if (p->stmt && p->hash == hash && strcmp(sqlite3_sql(p->stmt), sql) == 0) {
            if (p->busy) return prepare(s, sql, stmt);
            p->used = ++c->clock;
            *stmt = p->stmt;
            *place = p;
            return CELLA_SUCCESS;
        }
        if (!p->busy && (!oldest || p->used < oldest->used)) oldest = p;
        if (!p->stmt) break; /* places fill from the first on */
    }
    TRY(prepare(s, sql, stmt));
    if (!oldest) return CELLA_SUCCESS;
    sqlite3_finalize(oldest->stmt);
    *oldest = (struct database_statement){.stmt = *stmt, .hash = hash, .used = ++c->clock};
    *place = oldest;
    return CELLA_SUCCESS;
}

static int bind_one(sqlite3_stmt *stmt, int at, const struct cella_value *v) {
    const char *data =
        v->bytes.size ? (const char *)v->bytes.data : ""; /* NULL would be no value */
    switch (v->type) {
    case CELLA_VALUE_INTEGER: return sqlite3_bind_int64(stmt, at, v->integer);
    case CELLA_VALUE_TEXT:
        return sqlite3_bind_text64(stmt, at, data, v->bytes.size, SQLITE_TRANSIENT, SQLITE_UTF8);
    case CELLA_VALUE_BYTES:
        return sqlite3_bind_blob64(stmt, at, data, v->bytes.size, SQLITE_TRANSIENT);
    case CELLA_VALUE_NULL: break;
    }
    return sqlite3_bind_null(stmt, at);
}

static CELLA_RESULT bind(struct cella_session *s, sqlite3_stmt *stmt,
                         const struct cella_value *argument, size_t count) {
    size_t wanted = (size_t)sqlite3_bind_parameter_count(stmt);
    ENSURE(count == wanted, CELLA_ERR_INTERNAL, NULL,
           "a statement takes %zu arguments, %zu given: %.80s", wanted, count, sqlite3_sql(stmt));
    for (size_t i = 0; i < count; i++) {
        ENSURE(argument[i].type != CELLA_VALUE_TEXT || argument[i].bytes.size == 0 ||
                   !memchr(argument[i].bytes.data, 0, argument[i].bytes.size),
               CELLA_ERR_FORMAT, NULL, "text with a NUL byte is not stored");
        if (bind_one(stmt, (int)i + 1, &argument[i]) != SQLITE_OK)
            return database_error(s->connection->db, "give arguments to");
    }
    return CELLA_SUCCESS;
}

/* Bound arguments may be someone's: they do not stay. */
static void release(sqlite3_stmt *stmt, struct database_statement *place) {
    if (!place) {
        sqlite3_finalize(stmt);
        return;
    }
    sqlite3_reset(stmt);
    sqlite3_clear_bindings(stmt);
    place->busy = false;
}

/* After a full disk SQLite may have undone the whole transaction: what came next would then be
 * changed on its own. */
static CELLA_RESULT start(struct cella_session *s, const char *sql,
                          const struct cella_value *argument, size_t count, sqlite3_stmt **stmt,
                          struct database_statement **place) {
    ENSURE(!s->write || !sqlite3_get_autocommit(s->connection->db), CELLA_ERR_IO,
           "see the error before this one", "database %s: the transaction was undone",
           s->database->path);
    TRY(find(s, sql, stmt, place));
    if (*place) (*place)->busy = true;
    struct cella_result r = bind(s, *stmt, argument, count);
    if (cella_failed(r)) release(*stmt, *place);
    return r;
}

/* --- Statements without rows --- */

CELLA_RESULT cella_execute(struct cella_session *session, const char *sql,
                           const struct cella_value *argument, size_t count, uint64_t *changed) {
    sqlite3_stmt *stmt = NULL;
    struct database_statement *place = NULL;
    struct cella_result r = CELLA_SUCCESS;
    sqlite3 *db = session->connection->db;
    ENSURE(session->write, CELLA_ERR_INTERNAL, NULL, "this session is for reading: %.80s", sql);
    TRY(start(session, sql, argument, count, &stmt, &place));
    int code = sqlite3_step(stmt);
    if (code == SQLITE_ROW)
        r = CELLA_FAILURE(CELLA_ERR_INTERNAL, NULL, "a statement gives rows: %.80s", sql);
    else if (code != SQLITE_DONE)
        r = database_error(db, "write to");
    else if (changed)
        *changed = (uint64_t)sqlite3_changes64(db);
    release(stmt, place);
    return r;
}

/* --- Rows --- */

CELLA_RESULT cella_query(struct cella_session *session, const char *sql,
                         const struct cella_value *argument, size_t count,
                         struct cella_rows **out) {
    struct cella_rows *rows = calloc(1, sizeof(*rows));
    ENSURE(rows, CELLA_ERR_MEMORY, NULL, "no memory for rows");
    struct cella_result r = start(session, sql, argument, count, &rows->stmt, &rows->place);
    if (cella_failed(r)) {
        free(rows);
        return r;
    }
    rows->session = session;
    rows->next = session->rows;
    session->rows = rows;
    *out = rows;
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_rows_next(struct cella_rows *rows, bool *there) {
    *there = rows->row = false;
    ENSURE(rows->session, CELLA_ERR_INTERNAL, NULL, "rows of a session that has ended");
    int code = sqlite3_step(rows->stmt);
    if (code != SQLITE_ROW && code != SQLITE_DONE)
        return database_error(rows->session->connection->db, "read from");
    *there = rows->row = code == SQLITE_ROW;
    if (code == SQLITE_DONE) sqlite3_reset(rows->stmt);
    return CELLA_SUCCESS;
}

int64_t cella_rows_integer(const struct cella_rows *rows, unsigned column) {
    return rows->row ? sqlite3_column_int64(rows->stmt, (int)column) : 0;
}

struct cella_bytes cella_rows_bytes(const struct cella_rows *rows, unsigned column) {
    if (!rows->row) return cella_bytes(NULL, 0);
    const void *data = sqlite3_column_blob(rows->stmt, (int)column);
    return cella_bytes(data, data ? (size_t)sqlite3_column_bytes(rows->stmt, (int)column) : 0);
}

bool cella_rows_null(const struct cella_rows *rows, unsigned column) {
    return !rows->row || sqlite3_column_type(rows->stmt, (int)column) == SQLITE_NULL;
}

bool cella_rows_text(const struct cella_rows *rows, unsigned column, char *text, size_t size) {
    struct cella_bytes bytes = cella_rows_bytes(rows, column);
    if (size == 0) return false;
    size_t room = bytes.size < size ? bytes.size : size - 1;
    cella_copy(text, bytes.data, room);
    text[room] = 0;
    return room == bytes.size;
}

static void end(struct cella_rows *rows) {
    release(rows->stmt, rows->place);
    rows->session = NULL;
    rows->row = false;
}

void database_rows_end(struct cella_session *session) {
    while (session->rows) {
        struct cella_rows *rows = session->rows;
        session->rows = rows->next;
        end(rows);
    }
}

void cella_rows_free(struct cella_rows **rows) {
    struct cella_rows *r = *rows;
    if (!r) return;
    if (r->session) {
        struct cella_rows **at = &r->session->rows;
        while (*at != r) at = &(*at)->next;
        *at = r->next;
        end(r);
    }
    free(r);
    *rows = NULL;
}
