#include <stdlib.h>
#include <time.h>

#include "store/database_inner.h"

/* --- Connections of sessions --- */

static CELLA_RESULT take_writer(struct cella_database *d, struct database_connection **out) {
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += DATABASE_WAIT_MS / 1000;
    int waited = 0;
    pthread_mutex_lock(&d->lock);
    while (d->writing && waited == 0) waited = pthread_cond_timedwait(&d->freed, &d->lock, &until);
    bool free_now = !d->writing;
    if (free_now) d->writing = true;
    pthread_mutex_unlock(&d->lock);
    ENSURE(free_now, CELLA_ERR_UNAVAILABLE, NULL,
           "database %s: another writer has not ended within %d s", d->path,
           DATABASE_WAIT_MS / 1000);
    *out = d->writer;
    return CELLA_SUCCESS;
}

static CELLA_RESULT take_reader(struct cella_database *d, struct database_connection **out) {
    pthread_mutex_lock(&d->lock);
    struct database_connection *c = d->idle;
    if (c) {
        d->idle = c->next;
        d->idle_count--;
    }
    pthread_mutex_unlock(&d->lock);
    *out = c;
    return c ? CELLA_SUCCESS : database_connection_open(d->path, d->folder != NULL, false, out);
}

static void give_back(struct cella_database *d, struct database_connection *c, bool write) {
    bool kept = true;
    pthread_mutex_lock(&d->lock);
    if (write) {
        d->writing = false;
        pthread_cond_signal(&d->freed);
    } else if (d->idle_count < DATABASE_IDLE_MAX) {
        c->next = d->idle;
        d->idle = c;
        d->idle_count++;
    } else {
        kept = false;
    }
    pthread_mutex_unlock(&d->lock);
    if (!kept) database_connection_close(&c);
}

/* --- Sessions --- */

/* The one statement that every session for reading runs: while it stands at its row, all others of
 * the connection read from the same snapshot. Cheaper than BEGIN and COMMIT around them. */
static CELLA_RESULT begin_read(struct database_connection *c) {
    int code = sqlite3_step(c->version_stmt);
    if (code != SQLITE_ROW) {
        struct cella_result r = database_error(c->db, "begin a transaction of");
        sqlite3_reset(c->version_stmt);
        return r;
    }
    int64_t version = sqlite3_column_int64(c->version_stmt, 0);
    if (version != c->version) database_memo_clear(c);
    c->version = version;
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_session_begin(struct cella_database *database, bool write,
                                 struct cella_session **out) {
    struct database_connection *c = NULL;
    ENSURE(!atomic_load(&database->broken), CELLA_ERR_INTEGRITY,
           "restore the database from a backup", "database %s is damaged", database->path);
    struct cella_session *s = calloc(1, sizeof(*s));
    ENSURE(s, CELLA_ERR_MEMORY, NULL, "no memory for a session");
    struct cella_result r = write ? take_writer(database, &c) : take_reader(database, &c);
    if (!cella_failed(r)) {
        r = write ? database_run(c->db, "BEGIN IMMEDIATE", "begin a transaction of")
                  : begin_read(c);
        if (cella_failed(r)) give_back(database, c, write);
    }
    if (cella_failed(r)) {
        free(s);
        return r;
    }
    *s = (struct cella_session){.database = database, .connection = c, .write = write};
    *out = s;
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_session_commit(struct cella_session **session) {
    struct cella_session *s = *session;
    struct cella_result r = CELLA_SUCCESS;
    database_rows_end(s);
    /* A full disk may have undone the transaction at a statement already. */
    if (s->write && sqlite3_get_autocommit(s->connection->db))
        r = CELLA_FAILURE(CELLA_ERR_IO, "see the error before this one",
                          "database %s: the transaction was undone before it was committed",
                          s->database->path);
    else if (s->write)
        r = database_run(s->connection->db, "COMMIT", "commit to");
    cella_session_end(session);
    return r;
}

void cella_session_end(struct cella_session **session) {
    struct cella_session *s = *session;
    if (!s) return;
    database_rows_end(s);
    sqlite3 *db = s->connection->db;
    if (!s->write)
        sqlite3_reset(s->connection->version_stmt);
    else if (!sqlite3_get_autocommit(db))
        (void)sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
    give_back(s->database, s->connection, s->write);
    free(s);
    *session = NULL;
}
