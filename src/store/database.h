/* The services' store: tables behind a small interface, in plain SQL that SQLite and PostgreSQL
 * both take (no vendor's words, `?` for arguments; times are integers, blobs are BLOB/bytea by
 * `BLOB`).
 *
 * SQLite: WAL, full synchronous: what is committed outlives kill -9 and power loss. A database is
 * shared by any number of threads; a session is one thread's, and short: one writer at a time, any
 * number of readers beside it. Nothing secret is stored but sealed (store/sealer.h).
 */
#ifndef CELLA_STORE_DATABASE_H
#define CELLA_STORE_DATABASE_H

#include "base/buffer.h"

struct cella_database;
/* location: a file's path, created 0600 when absent (":memory:" in tests). Checks the integrity of
 * the whole file first: CELLA_ERR_INTEGRITY says what is broken, and nothing is changed. A file
 * above 128 MiB is checked beside the first sessions; what is found broken refuses all later ones.
 */
CELLA_RESULT cella_database_open(const char *location, struct cella_database **out);
void cella_database_close(struct cella_database **database);
#define CELLA_DATABASE __attribute__((cleanup(cella_database_close))) struct cella_database *

/* Brings a part's tables to the newest version: step[i] is the SQL that leads from version i to
 * i + 1, one or more statements, all missing ones in one transaction. A database that is newer than
 * this program is refused. Table names begin with the part's name and "_". */
CELLA_RESULT cella_database_migrate(struct cella_database *database, const char *part,
                                    const char *const *step, size_t count);

/* --- Sessions --- */

struct cella_session;
/* A transaction. Writers wait for each other (up to 10 s: CELLA_ERR_UNAVAILABLE). */
CELLA_RESULT cella_session_begin(struct cella_database *database, bool write,
                                 struct cella_session **out);
/* Durable when it returns. Ends the session also when it fails. A full disk is CELLA_ERR_IO, and
 * nothing is changed. */
CELLA_RESULT cella_session_commit(struct cella_session **session);
/* Undoes what was not committed. */
void cella_session_end(struct cella_session **session);
#define CELLA_SESSION __attribute__((cleanup(cella_session_end))) struct cella_session *

/* --- What was made of rows ---
 *
 * A session for reading may keep what it made of the rows it read, under a key. Later sessions for
 * reading find it again for as long as nobody, this process or another, has changed anything in the
 * database: SQLite's own data version says so as a session begins, in the same snapshot that it
 * reads from, so what is found is never older than what a query would give. Best effort: little is
 * kept, and nothing by sessions that write. */

/* What was kept under the key, borrowed until the session ends; or NULL. It may have been kept by
 * another thread: it is not changed. */
void *cella_session_recall(struct cella_session *session, struct cella_bytes key);
/* Takes the object over, and frees it some time, or now. */
void cella_session_keep(struct cella_session *session, struct cella_bytes key, void *object,
                        void (*free_object)(void *object));

/* --- Statements --- */

enum cella_value_type {
    CELLA_VALUE_NULL,
    CELLA_VALUE_INTEGER,
    CELLA_VALUE_TEXT,
    CELLA_VALUE_BYTES
};
struct cella_value {
    enum cella_value_type type;
    int64_t integer;
    struct cella_bytes bytes; /* text: UTF-8, no NUL; text and bytes of rows: until the next row */
};
static inline struct cella_value cella_value_integer(int64_t integer) {
    return (struct cella_value){.type = CELLA_VALUE_INTEGER, .integer = integer};
}
struct cella_value cella_value_text(const char *text); /* NULL gives NULL */
static inline struct cella_value cella_value_bytes(struct cella_bytes bytes) {
    return (struct cella_value){.type = CELLA_VALUE_BYTES, .bytes = bytes};
}

/* A statement without rows. changed: rows, or NULL. CELLA_ERR_EXISTS for a key that is there. sql
 * is a constant of the program; statements are prepared once per connection. */
CELLA_RESULT cella_execute(struct cella_session *session, const char *sql,
                           const struct cella_value *argument, size_t count, uint64_t *changed);
struct cella_rows;
CELLA_RESULT cella_query(struct cella_session *session, const char *sql,
                         const struct cella_value *argument, size_t count, struct cella_rows **out);
/* *there false: no more. */
CELLA_RESULT cella_rows_next(struct cella_rows *rows, bool *there);
int64_t cella_rows_integer(const struct cella_rows *rows, unsigned column);
struct cella_bytes cella_rows_bytes(const struct cella_rows *rows, unsigned column); /* or text */
bool cella_rows_null(const struct cella_rows *rows, unsigned column);
/* Text into a buffer of size; longer is cut off and false. */
bool cella_rows_text(const struct cella_rows *rows, unsigned column, char *text, size_t size);
void cella_rows_free(struct cella_rows **rows);
#define CELLA_ROWS __attribute__((cleanup(cella_rows_free))) struct cella_rows *

#endif
