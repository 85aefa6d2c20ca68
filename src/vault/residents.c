#include "vault/residents.h"

#include <string.h>

#include "base/memory.h"

enum { MAKING, KEPT, GOING };

#define I(number) cella_value_integer(number)
#define T(text)   cella_value_text(text)
#define COUNT(a)  (sizeof(a) / sizeof((a)[0]))

static CELLA_RESULT insert(struct cella_session *session, const char *vault, const char *fold,
                           const char *version, int state, int64_t now) {
    static const char sql[] = "INSERT INTO vault_resident (version, vault, fold, state, since)"
                              " VALUES (?, ?, ?, ?, ?)";
    const struct cella_value values[] = {T(version), T(vault), T(fold), I(state), I(now)};
    return cella_execute(session, sql, values, COUNT(values), NULL);
}

CELLA_RESULT cella_residents_begin(struct cella_database *database, const char *vault,
                                   const char *name, const char *version, int64_t now) {
    CELLA_SESSION session = NULL;
    char fold[CELLA_RECORD_NAME_MAX + 1];
    cella_record_fold(name, fold);
    TRY(cella_session_begin(database, true, &session));
    TRY(insert(session, vault, fold, version, MAKING, now));
    return cella_session_commit(&session);
}

CELLA_RESULT cella_residents_keep(struct cella_session *session, const char *version) {
    static const char sql[] = "UPDATE vault_resident SET state = ? WHERE version = ? AND state = ?";
    const struct cella_value values[] = {I(KEPT), T(version), I(MAKING)};
    uint64_t changed = 0;
    TRY(cella_execute(session, sql, values, COUNT(values), &changed));
    ENSURE(changed == 1, CELLA_ERR_UNAVAILABLE, NULL,
           "making the key took so long that it was given up");
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_residents_go(struct cella_session *session, const char *vault,
                                const char *fold) {
    static const char sql[] = "UPDATE vault_resident SET state = ? WHERE vault = ? AND fold = ?"
                              " AND state = ?";
    const struct cella_value values[] = {I(GOING), T(vault), T(fold), I(KEPT)};
    return cella_execute(session, sql, values, COUNT(values), NULL);
}

CELLA_RESULT cella_residents_restore(struct cella_session *session, const char *vault,
                                     const char *fold, const char *version) {
    static const char sql[] = "SELECT vault FROM vault_resident WHERE version = ?";
    const struct cella_value id = T(version);
    CELLA_ROWS rows = NULL;
    bool there = false;
    char other[64 + 1] = "";
    TRY(cella_query(session, sql, &id, 1, &rows));
    TRY(cella_rows_next(rows, &there));
    if (there) cella_rows_text(rows, 0, other, sizeof(other));
    ENSURE(!there, CELLA_ERR_EXISTS, "purge them there first, or restore into another store",
           "keys of this vault live in an HSM and are those of vault %s", other);
    return insert(session, vault, fold, version, KEPT, 0);
}

CELLA_RESULT cella_residents_forget(struct cella_database *database, const char *version) {
    CELLA_SESSION session = NULL;
    const struct cella_value id = T(version);
    TRY(cella_session_begin(database, true, &session));
    TRY(cella_execute(session, "DELETE FROM vault_resident WHERE version = ?", &id, 1, NULL));
    return cella_session_commit(&session);
}

static CELLA_RESULT read_one(struct cella_rows *rows, struct cella_resident *out, bool *there) {
    TRY(cella_rows_next(rows, there));
    if (!*there) return CELLA_SUCCESS;
    cella_rows_text(rows, 0, out->name, sizeof(out->name));
    cella_rows_text(rows, 1, out->version, sizeof(out->version));
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_residents_going(struct cella_database *database, const char *vault, int64_t now,
                                   struct cella_resident *at, bool *there) {
    static const char sql[] =
        "SELECT fold, version FROM vault_resident WHERE vault = ? AND version > ?"
        " AND (state = ? OR (state = ? AND since < ?)) ORDER BY version LIMIT 1";
    const struct cella_value values[] = {T(vault), T(at->version), I(GOING), I(MAKING),
                                         I(now - CELLA_RESIDENT_STALE_S)};
    CELLA_SESSION session = NULL;
    CELLA_ROWS rows = NULL;
    TRY(cella_session_begin(database, false, &session));
    TRY(cella_query(session, sql, values, COUNT(values), &rows));
    return read_one(rows, at, there);
}

CELLA_RESULT cella_residents_kept(struct cella_session *session, const char *vault,
                                  const char *name, struct cella_resident *at, bool *there) {
    static const char all[] = "SELECT fold, version FROM vault_resident WHERE vault = ?"
                              " AND version > ? AND state = ? ORDER BY version LIMIT 1";
    static const char of[] = "SELECT fold, version FROM vault_resident WHERE vault = ?"
                             " AND version > ? AND state = ? AND fold = ? ORDER BY version LIMIT 1";
    char fold[CELLA_RECORD_NAME_MAX + 1];
    cella_record_fold(name ? name : "", fold);
    const struct cella_value values[] = {T(vault), T(at->version), I(KEPT), T(fold)};
    CELLA_ROWS rows = NULL;
    TRY(cella_query(session, name ? of : all, values, name ? 4 : 3, &rows));
    return read_one(rows, at, there);
}

CELLA_RESULT cella_residents_known(struct cella_session *session, const char *vault,
                                   const char *version, bool *known) {
    static const char sql[] = "SELECT 1 FROM vault_resident WHERE version = ? AND vault = ?";
    const struct cella_value values[] = {T(version), T(vault)};
    CELLA_ROWS rows = NULL;
    TRY(cella_query(session, sql, values, COUNT(values), &rows));
    return cella_rows_next(rows, known);
}
