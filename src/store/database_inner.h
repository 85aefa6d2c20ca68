/* Shared by the files of the database only: connections to SQLite and their cached statements. No
 * other part sees a word of SQLite. */
#ifndef CELLA_STORE_DATABASE_INNER_H
#define CELLA_STORE_DATABASE_INNER_H

#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/types.h>

#include "store/database.h"

enum {
    DATABASE_WAIT_MS = 10000,  /* for another writer, of this process or of another */
    DATABASE_STATEMENTS = 256, /* kept prepared by a connection */
    DATABASE_IDLE_MAX = 32,    /* connections for reading that are kept */
    DATABASE_MEMOS = 2048 /* places of a connection; two keys of one place replace each other */
};

struct database_statement {
    sqlite3_stmt *stmt; /* NULL: a free place */
    uint64_t used;      /* when, for eviction */
    uint32_t hash;      /* of the text */
    bool busy;          /* rows of it are being read */
};

struct database_memo {
    void *object; /* owned, by free; NULL: a free place */
    void (*free)(void *object);
    uint8_t *key; /* owned */
    size_t key_size;
    uint32_t hash;
};

struct database_connection {
    sqlite3 *db;
    struct database_connection *next; /* in the list of idle ones */
    /* Of one that reads: tells whether the database is another than at the session before, and
     * holds the session's snapshot while it stands at its row. */
    sqlite3_stmt *version_stmt;
    int64_t version;
    struct database_memo *memo; /* owned: DATABASE_MEMOS of them */
    size_t memo_count;
    uint64_t clock;
    struct database_statement statement[DATABASE_STATEMENTS];
};

struct cella_database {
    char *path;
    char *folder; /* of a ":memory:" database: made and removed with it; else NULL */
    pthread_mutex_t lock;
    pthread_cond_t freed;               /* the writer's connection was given back */
    struct database_connection *writer; /* one: writers of this process queue here */
    bool writing;
    struct database_connection *idle;
    size_t idle_count;
    /* check.c */
    struct database_connection *checker; /* owned: of a check that runs beside, or NULL */
    pthread_t check;
    bool checking;
    atomic_bool broken, closing;
};

struct cella_session {
    struct cella_database *database;
    struct database_connection *connection;
    struct cella_rows *rows; /* open ones, which end with the session */
    bool write;
};

struct cella_rows {
    struct cella_session *session; /* NULL: the session has ended */
    struct cella_rows *next;
    sqlite3_stmt *stmt;
    struct database_statement *place; /* NULL: not cached, to be finalised */
    bool row;                         /* stmt stands at a row */
};

/* What SQLite's newest error on the connection means to callers; what: "open", "commit", ... */
struct cella_result database_error(sqlite3 *db, const char *what);
CELLA_RESULT database_connection_open(const char *path, bool temporary, bool write,
                                      struct database_connection **out);
void database_connection_close(struct database_connection **connection);
/* Runs every statement of a text, which gives no rows that matter. */
CELLA_RESULT database_run(sqlite3 *db, const char *sql, const char *what);
/* size: of the file as it was found. */
CELLA_RESULT database_check(struct cella_database *database, off_t size);
void database_check_end(struct cella_database *database);
void database_memo_clear(struct database_connection *connection);
/* Ends rows that are still open. */
void database_rows_end(struct cella_session *session);

#endif
