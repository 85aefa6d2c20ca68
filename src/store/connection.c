#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "store/database_inner.h"

enum { RETRY_NS = 2000000 };

/* --- Errors --- */

static enum cella_code code_of_constraint(int extended) {
    switch (extended) {
    case SQLITE_CONSTRAINT_PRIMARYKEY:
    case SQLITE_CONSTRAINT_UNIQUE:
    case SQLITE_CONSTRAINT_ROWID: return CELLA_ERR_EXISTS;
    case SQLITE_CONSTRAINT_FOREIGNKEY: return CELLA_ERR_REFUSED;
    default: return CELLA_ERR_INTERNAL; /* NOT NULL, CHECK: the program's own mistake */
    }
}

static enum cella_code code_of(int extended) {
    switch (extended & 0xff) {
    case SQLITE_CONSTRAINT: return code_of_constraint(extended);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB: return CELLA_ERR_INTEGRITY;
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH: return CELLA_ERR_PERMISSION;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_PROTOCOL: return CELLA_ERR_UNAVAILABLE;
    case SQLITE_FULL:
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN: return CELLA_ERR_IO;
    case SQLITE_TOOBIG: return CELLA_ERR_LIMIT;
    case SQLITE_NOMEM: return CELLA_ERR_MEMORY;
    default: return CELLA_ERR_INTERNAL;
    }
}

static const char *hint_of(enum cella_code code, int extended) {
    if ((extended & 0xff) == SQLITE_FULL) return "make room on the disk; nothing was changed";
    switch (code) {
    case CELLA_ERR_INTEGRITY: return "restore the database from a backup";
    case CELLA_ERR_PERMISSION: return "see who owns the file and its folder, and their modes";
    case CELLA_ERR_UNAVAILABLE: return "another process writes to the database for long: see which";
    case CELLA_ERR_IO: return "see whether the disk is full or failing; nothing was changed";
    default: return NULL;
    }
}

struct cella_result database_error(sqlite3 *db, const char *what) {
    int extended = sqlite3_extended_errcode(db);
    enum cella_code code = code_of(extended);
    const char *path = sqlite3_db_filename(db, "main");
    return cella_result_new(code, CELLA_WHERE, hint_of(code, extended),
                            "cannot %s database %s: %s (%s)", what, path ? path : "",
                            sqlite3_errmsg(db), sqlite3_errstr(extended));
}

/* --- Opening --- */

CELLA_RESULT database_run(sqlite3 *db, const char *sql, const char *what) {
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK) return database_error(db, what);
    return CELLA_SUCCESS;
}

/* The pragma answers with the mode that is now. */
static int take_mode(void *context, int count, char **text, char **name) {
    (void)name;
    *(bool *)context = count == 1 && text[0] && strcmp(text[0], "wal") == 0;
    return 0;
}

/* The change to WAL does not wait by itself when another process opens at the same time; and where
 * it cannot be had, SQLite stays silently with what it has, in which readers stop writers. */
static CELLA_RESULT begin_wal(sqlite3 *db) {
    const struct timespec pause = {.tv_nsec = RETRY_NS};
    bool wal = false;
    int code = SQLITE_BUSY;
    for (int left = DATABASE_WAIT_MS / (RETRY_NS / 1000000); left > 0; left--) {
        code = sqlite3_exec(db, "PRAGMA journal_mode = WAL", take_mode, &wal, NULL);
        if ((code & 0xff) != SQLITE_BUSY) break;
        nanosleep(&pause, NULL);
    }
    if (code != SQLITE_OK) return database_error(db, "open");
    ENSURE(wal, CELLA_ERR_UNSUPPORTED, "keep it on a local file system that can map files shared",
           "database %s: a write-ahead log cannot be had there", sqlite3_db_filename(db, "main"));
    return CELLA_SUCCESS;
}

/* A file may be hostile: no functions or virtual tables through its schema, no writing to the
 * schema itself, cells checked as pages are read, and never mapped, so that a file cut short is an
 * error and not a signal. */
static CELLA_RESULT harden(sqlite3 *db) {
    sqlite3_extended_result_codes(db, 1);
    sqlite3_busy_timeout(db, DATABASE_WAIT_MS);
    sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    sqlite3_db_config(db, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
    sqlite3_db_config(db, SQLITE_DBCONFIG_DQS_DDL, 0, NULL);
    return database_run(db, "PRAGMA mmap_size = 0; PRAGMA cell_size_check = ON;", "open");
}

static CELLA_RESULT set_up(sqlite3 *db, bool temporary, bool write) {
    TRY(harden(db));
    TRY(begin_wal(db));
    TRY(database_run(db,
                     "PRAGMA foreign_keys = ON; PRAGMA secure_delete = ON;"
                     "PRAGMA journal_size_limit = 67108864;",
                     "open"));
    TRY(database_run(db, temporary ? "PRAGMA synchronous = OFF" : "PRAGMA synchronous = FULL",
                     "open"));
    return write ? CELLA_SUCCESS : database_run(db, "PRAGMA query_only = ON", "open");
}

static CELLA_RESULT set_up_reader(struct database_connection *c) {
    static const char sql[] = "PRAGMA data_version";
    c->memo = calloc(DATABASE_MEMOS, sizeof(*c->memo));
    ENSURE(c->memo, CELLA_ERR_MEMORY, NULL, "no memory for a connection");
    if (sqlite3_prepare_v3(c->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &c->version_stmt, NULL) !=
        SQLITE_OK)
        return database_error(c->db, "open");
    return CELLA_SUCCESS;
}

CELLA_RESULT database_connection_open(const char *path, bool temporary, bool write,
                                      struct database_connection **out) {
    struct database_connection *made = calloc(1, sizeof(*made));
    ENSURE(made, CELLA_ERR_MEMORY, NULL, "no memory for a connection to %s", path);
    /* One thread at a time: the session's. */
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    int code = sqlite3_open_v2(path, &made->db, flags, NULL);
    struct cella_result r = CELLA_SUCCESS;
    if (code != SQLITE_OK)
        r = made->db ? database_error(made->db, "open")
                     : CELLA_FAILURE(CELLA_ERR_MEMORY, NULL, "no memory to open %s", path);
    if (!cella_failed(r)) r = set_up(made->db, temporary, write);
    if (!cella_failed(r) && !write) r = set_up_reader(made);
    if (cella_failed(r))
        database_connection_close(&made);
    else
        *out = made;
    return r;
}

void database_connection_close(struct database_connection **connection) {
    struct database_connection *c = *connection;
    if (!c) return;
    database_memo_clear(c);
    free(c->memo);
    sqlite3_finalize(c->version_stmt);
    for (size_t i = 0; i < DATABASE_STATEMENTS; i++) sqlite3_finalize(c->statement[i].stmt);
    sqlite3_close_v2(c->db);
    free(c);
    *connection = NULL;
}
