/* Whether a database is whole: at once while it is small, else beside the first sessions. */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "store/database_inner.h"

/* Up to here every page and every index is checked at start; up to the second, the pages only;
 * above, the pages while sessions already run (docs/decisions/0009-sqlite-and-sealing.md). */
enum { FULL_CHECK_MAX = 16 << 20, FIRST_CHECK_MAX = 128 << 20 };

/* SQLite says what is broken in rows of text; the first says it. */
static CELLA_RESULT run(struct database_connection *c, const char *path, off_t size) {
    sqlite3_stmt *stmt = NULL;
    const char *sql =
        size <= FULL_CHECK_MAX ? "PRAGMA integrity_check(1)" : "PRAGMA quick_check(1)";
    if (sqlite3_prepare_v2(c->db, sql, -1, &stmt, NULL) != SQLITE_OK)
        return database_error(c->db, "check");
    struct cella_result r = CELLA_SUCCESS;
    int code = sqlite3_step(stmt);
    const char *said = code == SQLITE_ROW ? (const char *)sqlite3_column_text(stmt, 0) : NULL;
    if (!said)
        r = database_error(c->db, "check");
    else if (strcmp(said, "ok") != 0)
        r = CELLA_FAILURE(CELLA_ERR_INTEGRITY, "restore the database from a backup",
                          "database %s is damaged: %.200s", path, said);
    sqlite3_finalize(stmt);
    return r;
}

/* What is found broken stops every session from then on. What could not be looked at, at the end of
 * the process for one, is no finding. */
static void *run_beside(void *context) {
    struct cella_database *d = context;
    struct cella_result r = run(d->checker, d->path, INT64_MAX);
    if (cella_code_of(r) == CELLA_ERR_INTEGRITY) atomic_store(&d->broken, true);
    if (cella_failed(r) && !atomic_load(&d->closing))
        cella_log(CELLA_LOG_ERROR, "%s", r.error->what);
    cella_result_drop(r);
    return NULL;
}

CELLA_RESULT database_check(struct cella_database *d, off_t size) {
    if (size == 0) return CELLA_SUCCESS;
    if (size <= FIRST_CHECK_MAX) return run(d->writer, d->path, size);
    TRY(database_connection_open(d->path, d->folder != NULL, false, &d->checker));
    d->checking = pthread_create(&d->check, NULL, run_beside, d) == 0;
    ENSURE(d->checking, CELLA_ERR_MEMORY, NULL, "cannot start a thread to check %s", d->path);
    return CELLA_SUCCESS;
}

void database_check_end(struct cella_database *d) {
    const struct timespec a_while = {.tv_nsec = 10000000};
    atomic_store(&d->closing, true);
    while (d->checking) { /* an interrupt before the check has begun would be for nothing */
        sqlite3_interrupt(d->checker->db);
        d->checking = pthread_tryjoin_np(d->check, NULL) != 0;
        if (d->checking) nanosleep(&a_while, NULL);
    }
    database_connection_close(&d->checker);
}
