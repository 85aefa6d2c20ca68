#include "service/epoch.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "crypto/jose.h"
#include "service/config.h"

enum { LINE_SIZE = 1 << 16 };

/* --- In the store: the epoch, and how far the log was when it began --- */

struct row {
    int64_t epoch, lines, size;
};

static CELLA_RESULT migrate(struct cella_database *database) {
    static const char *const steps[] = {
        "CREATE TABLE epoch_now (epoch BIGINT NOT NULL, lines BIGINT NOT NULL,"
        " size BIGINT NOT NULL);"
        "CREATE TABLE epoch_counter (root TEXT PRIMARY KEY, value BIGINT NOT NULL);"};
    return cella_database_migrate(database, "epoch", steps, sizeof(steps) / sizeof(steps[0]));
}

static CELLA_RESULT read_row(struct cella_session *session, struct row *out, bool *there) {
    CELLA_ROWS rows = NULL;
    *out = (struct row){0};
    TRY(cella_query(session, "SELECT epoch, lines, size FROM epoch_now", NULL, 0, &rows));
    TRY(cella_rows_next(rows, there));
    if (!*there) return CELLA_SUCCESS;
    *out = (struct row){cella_rows_integer(rows, 0), cella_rows_integer(rows, 1),
                        cella_rows_integer(rows, 2)};
    return CELLA_SUCCESS;
}

static CELLA_RESULT write_row(struct cella_session *session, const struct row *row, bool there) {
    const struct cella_value values[] = {cella_value_integer(row->epoch),
                                         cella_value_integer(row->lines),
                                         cella_value_integer(row->size)};
    return cella_execute(session,
                         there ? "UPDATE epoch_now SET epoch = ?, lines = ?, size = ?"
                               : "INSERT INTO epoch_now (epoch, lines, size) VALUES (?, ?, ?)",
                         values, 3, NULL);
}

/* --- A TPM's counter, and what the store knows of it --- */

static CELLA_RESULT read_counter(struct cella_session *session, const struct cella_sealer *sealer,
                                 struct cella_buffer *root, struct cella_service_epoch *out) {
    uint64_t value = 0;
    bool there = false;
    CELLA_ROWS rows = NULL;
    out->counter = out->store_counter = 0;
    TRY(cella_sealer_counter(sealer, false, root, &value));
    if (root->size == 0) return CELLA_SUCCESS;
    const struct cella_value name = cella_value_text((const char *)root->data);
    TRY(cella_query(session, "SELECT value FROM epoch_counter WHERE root = ?", &name, 1, &rows));
    TRY(cella_rows_next(rows, &there));
    out->counter = (int64_t)value;
    /* under this root for the first time: from here on it counts */
    out->store_counter = there ? cella_rows_integer(rows, 0) : out->counter;
    return CELLA_SUCCESS;
}

static CELLA_RESULT write_counter(struct cella_session *session, const struct cella_buffer *root,
                                  int64_t value) {
    if (root->size == 0) return CELLA_SUCCESS;
    const struct cella_value values[] = {cella_value_text((const char *)root->data),
                                         cella_value_integer(value)};
    TRY(cella_execute(session, "DELETE FROM epoch_counter", NULL, 0, NULL));
    return cella_execute(session, "INSERT INTO epoch_counter (root, value) VALUES (?, ?)", values,
                         2, NULL);
}

/* --- In the log --- */

static void close_file(FILE **file) {
    if (*file) fclose(*file);
}

/* The number of an epoch's line, or 0. Within a text of JSON these quotes would be escaped. */
static int64_t epoch_of(const char *line) {
    CELLA_JSON record = NULL;
    if (!strstr(line, "\"action\":\"epoch\"")) return 0;
    struct cella_result r =
        cella_json_object(cella_bytes(line, strcspn(line, "\n")), "audit record", &record);
    bool good = !cella_failed(r);
    cella_result_drop(r);
    return good ? json_integer_value(json_object_get(record, "epoch")) : 0;
}

/* From where the store knows the log: a store that is up to date has little to read. */
static CELLA_RESULT read_log(const char *path, const struct row *row, int64_t *epoch) {
    static _Thread_local char line[LINE_SIZE + 1];
    __attribute__((cleanup(close_file))) FILE *file = fopen(path, "re");
    *epoch = 0;
    if (!file && errno == ENOENT) return CELLA_SUCCESS;
    ENSURE(file && fseeko(file, 0, SEEK_END) == 0, CELLA_ERR_IO, NULL, "cannot read %s: %s", path,
           strerror(errno));
    bool shorter = ftello(file) < row->size;
    if (shorter)
        cella_log(CELLA_LOG_WARN,
                  "audit log %s is shorter than the store knows it: was it begun anew?", path);
    ENSURE(fseeko(file, shorter ? 0 : row->size, SEEK_SET) == 0, CELLA_ERR_IO, NULL,
           "cannot read %s: %s", path, strerror(errno));
    while (fgets(line, sizeof(line), file)) {
        int64_t found = epoch_of(line);
        if (found > *epoch) *epoch = found;
    }
    ENSURE(!ferror(file), CELLA_ERR_IO, NULL, "cannot read %s: %s", path, strerror(errno));
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_service_epoch_read(const struct cella_service_epoch_parts *parts,
                                      struct cella_service_epoch *out) {
    CELLA_SESSION session = NULL;
    CELLA_BUFFER root = {0};
    struct row row;
    bool there;
    TRY(migrate(parts->database));
    TRY(cella_session_begin(parts->database, false, &session));
    TRY(read_row(session, &row, &there));
    TRY(read_counter(session, parts->sealer, &root, out));
    out->store = row.epoch;
    return read_log(parts->path, &row, &out->log);
}

/* --- Going on --- */

static CELLA_RESULT tell(struct cella_audit *audit, const char *action, int64_t epoch,
                         int64_t before) {
    CELLA_JSON record = json_pack("{s:s, s:s, s:I, s:I}", "who", "server", "action", action,
                                  "epoch", (json_int_t)epoch, "before", (json_int_t)before);
    ENSURE(record, CELLA_ERR_MEMORY, NULL, "no memory for an audit record");
    return cella_audit_append(audit, record);
}

CELLA_RESULT cella_service_epoch_next(const struct cella_service_epoch_parts *parts, bool start) {
    CELLA_SESSION session = NULL;
    CELLA_BUFFER root = {0};
    struct cella_service_epoch epoch = {0};
    struct row row;
    uint64_t lines, size, raised;
    bool there;
    TRY(migrate(parts->database));
    TRY(cella_session_begin(parts->database, true, &session));
    TRY(read_row(session, &row, &there));
    cella_audit_end(parts->audit, &lines, &size);
    /* its own line is one more than it counted */
    if (!start && (int64_t)lines <= row.lines + 1) return CELLA_SUCCESS;
    int64_t before = row.epoch;
    row = (struct row){row.epoch + 1, (int64_t)lines, (int64_t)size};
    if (start) TRY(read_counter(session, parts->sealer, &root, &epoch));
    TRY(write_counter(session, &root, epoch.counter + 1));
    TRY(write_row(session, &row, there));
    TRY(cella_session_commit(&session));
    TRY(tell(parts->audit, "epoch", row.epoch, before));
    if (root.size == 0) return CELLA_SUCCESS;
    root.size = 0;
    return cella_sealer_counter(parts->sealer, true, &root, &raised);
}

CELLA_RESULT cella_service_epoch_accept(const struct cella_service_epoch_parts *parts) {
    struct cella_service_epoch epoch;
    CELLA_SESSION session = NULL;
    CELLA_BUFFER root = {0};
    struct row row;
    uint64_t lines, size;
    bool there;
    TRY(cella_service_epoch_read(parts, &epoch));
    ENSURE(cella_service_epoch_is_old(&epoch), CELLA_ERR_USAGE, NULL,
           "there is nothing to accept: the store is as new as the audit log knows it "
           "(epoch %" PRId64 ")",
           epoch.store);
    int64_t next = (epoch.log > epoch.store ? epoch.log : epoch.store) + 1;
    TRY(tell(parts->audit, "accept-rollback", next, epoch.store));
    TRY(cella_session_begin(parts->database, true, &session));
    TRY(read_row(session, &row, &there));
    TRY(read_counter(session, parts->sealer, &root, &epoch));
    cella_audit_end(parts->audit, &lines, &size);
    row = (struct row){next, (int64_t)lines, (int64_t)size};
    TRY(write_counter(session, &root, epoch.counter));
    TRY(write_row(session, &row, there));
    return cella_session_commit(&session);
}
