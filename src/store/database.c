#include "store/database.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "store/database_inner.h"

/* --- The file --- */

static enum cella_code code_of_errno(int error) {
    if (error == EISDIR) return CELLA_ERR_FORMAT;
    return error == EACCES || error == EROFS ? CELLA_ERR_PERMISSION : CELLA_ERR_IO;
}

/* SQLite takes a file that is shorter than a page for an empty one, and would begin anew over what
 * is left of a database. Not when a creation was cut short: then its journal is there. */
static CELLA_RESULT check_header(int fd, const char *path, off_t size) {
    static const char magic[] = "SQLite format 3"; /* and the NUL: 16 bytes */
    uint8_t header[18];
    char journal[PATH_MAX];
    int n = snprintf(journal, sizeof(journal), "%s-journal", path);
    ENSURE(n > 0 && n < PATH_MAX, CELLA_ERR_LIMIT, NULL, "path too long: %s", path);
    if (size == 0 || access(journal, F_OK) == 0) return CELLA_SUCCESS;
    bool good = pread(fd, header, sizeof(header), 0) == sizeof(header) &&
                cella_equal(header, magic, sizeof(magic));
    off_t page = good ? header[16] << 8 | header[17] : 0;
    if (page == 1) page = 65536;
    ENSURE(good && page >= 512 && size >= page, CELLA_ERR_INTEGRITY,
           "restore the database from a backup, or move the file away to begin anew",
           "%s is no database, or the beginning of one", path);
    return CELLA_SUCCESS;
}

/* SQLite gives its files beside this one the same mode, whatever the umask. */
static CELLA_RESULT make_file(const char *path, off_t *size) {
    CELLA_FD fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0600);
    ENSURE(fd >= 0, code_of_errno(errno),
           "see that its folder exists and that this user may write there",
           "cannot open database %s: %s", path, strerror(errno));
    struct stat st;
    ENSURE(fstat(fd, &st) == 0 && S_ISREG(st.st_mode), CELLA_ERR_FORMAT, NULL,
           "database %s is no ordinary file", path);
    if (st.st_size == 0) ENSURE(fchmod(fd, 0600) == 0, CELLA_ERR_IO, NULL, "cannot chmod %s", path);
    ENSURE(st.st_size == 0 || (st.st_mode & 022) == 0, CELLA_ERR_PERMISSION,
           "chmod 600 it, and consider whether what it says is still true",
           "others may change database %s: its mode is %04o", path, (unsigned)st.st_mode & 07777u);
    *size = st.st_size;
    return check_header(fd, path, st.st_size);
}

/* --- Opening and closing --- */

/* ":memory:" behaves as a file in all but that nothing outlives it: it is one, in a folder of its
 * own. */
static CELLA_RESULT make_temporary(struct cella_database *d) {
    char folder[64], path[PATH_MAX];
    snprintf(folder, sizeof(folder), "/dev/shm/cella-store-%d-XXXXXX", (int)getpid());
    ENSURE(mkdtemp(folder), CELLA_ERR_IO, NULL, "cannot make a folder in /dev/shm: %s",
           strerror(errno));
    snprintf(path, sizeof(path), "%s/db", folder);
    d->folder = strdup(folder);
    d->path = strdup(path);
    ENSURE(d->folder && d->path, CELLA_ERR_MEMORY, NULL, "no memory");
    return CELLA_SUCCESS;
}

static CELLA_RESULT open_all(const char *location, struct cella_database *d) {
    off_t size = 0;
    ENSURE(!strstr(location, "://"), CELLA_ERR_UNSUPPORTED, "give the path of a file",
           "a database is a file here, not %s", location);
    if (strcmp(location, ":memory:") == 0) {
        TRY(make_temporary(d));
    } else {
        d->path = strdup(location);
        ENSURE(d->path, CELLA_ERR_MEMORY, NULL, "no memory");
    }
    TRY(make_file(d->path, &size));
    TRY(database_connection_open(d->path, d->folder != NULL, true, &d->writer));
    return database_check(d, size);
}

/* SQLite counts its memory under one lock that every connection of the process would meet at. */
static void set_up_sqlite(void) { (void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0); }

CELLA_RESULT cella_database_open(const char *location, struct cella_database **out) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, set_up_sqlite);
    CELLA_DATABASE d = calloc(1, sizeof(*d));
    ENSURE(d, CELLA_ERR_MEMORY, NULL, "no memory for a database");
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&d->lock, NULL);
    pthread_cond_init(&d->freed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    TRY(open_all(location, d));
    *out = MOVE(d);
    return CELLA_SUCCESS;
}

static void remove_temporary(const struct cella_database *d) {
    static const char *const ends[] = {"", "-wal", "-shm"};
    char path[PATH_MAX];
    for (size_t i = 0; d->path && i < sizeof(ends) / sizeof(ends[0]); i++) {
        snprintf(path, sizeof(path), "%s%s", d->path, ends[i]);
        (void)unlink(path);
    }
    (void)rmdir(d->folder);
}

void cella_database_close(struct cella_database **database) {
    struct cella_database *d = *database;
    if (!d) return;
    database_check_end(d);
    while (d->idle) {
        struct database_connection *c = d->idle;
        d->idle = c->next;
        database_connection_close(&c);
    }
    database_connection_close(&d->writer); /* last: it brings the log into the file */
    if (d->folder) remove_temporary(d);
    pthread_cond_destroy(&d->freed);
    pthread_mutex_destroy(&d->lock);
    free(d->folder);
    free(d->path);
    free(d);
    *database = NULL;
}
