#include <sys/random.h>

#include "base/memory.h"
#include "base/secret.h"
#include "service/config.h"
#include "store/database.h"
#include "store/sealer.h"

enum { AUDIT_KEY_SIZE = 32 };
static const char audit_key_context[] = "service|audit checkpoint key";
static const char audit_key_name[] = "audit";

CELLA_RESULT cella_service_open_store(const char *folder, struct cella_database **database,
                                      struct cella_sealer **sealer) {
    CELLA_SERVICE_CONFIG config = {0};
    CELLA_DATABASE opened = NULL;
    TRY(cella_service_config_read(folder, &config));
    TRY(cella_database_open(config.store.location, &opened));
    TRY(cella_sealer_open(config.store.root, folder, sealer));
    *database = MOVE(opened);
    return CELLA_SUCCESS;
}

static CELLA_RESULT make_audit_key(struct cella_session *session, const struct cella_sealer *sealer,
                                   struct cella_secret *key) {
    CELLA_SECRET made = {0};
    CELLA_BUFFER sealed = {0};
    TRY(cella_secret_new(AUDIT_KEY_SIZE, &made));
    ENSURE(getrandom(made.data, AUDIT_KEY_SIZE, 0) == AUDIT_KEY_SIZE, CELLA_ERR_INTERNAL, NULL,
           "no random bytes");
    TRY(cella_sealer_seal(sealer, audit_key_context, cella_secret_bytes(&made), &sealed));
    const struct cella_value row[] = {cella_value_text(audit_key_name),
                                      cella_value_bytes(cella_buffer_bytes(&sealed))};
    TRY(cella_execute(session, "INSERT INTO service_secret (name, sealed) VALUES (?, ?)", row, 2,
                      NULL));
    *key = MOVE(made);
    return CELLA_SUCCESS;
}

static CELLA_RESULT migrate(struct cella_database *database) {
    static const char *const steps[] = {
        "CREATE TABLE service_secret (name TEXT PRIMARY KEY, sealed BLOB NOT NULL);"
        "CREATE TABLE service_health (seen BIGINT NOT NULL);"};
    return cella_database_migrate(database, "service", steps, sizeof(steps) / sizeof(steps[0]));
}

CELLA_RESULT cella_service_audit_key(struct cella_database *database,
                                     const struct cella_sealer *sealer, struct cella_secret *key) {
    const struct cella_value name = cella_value_text(audit_key_name);
    CELLA_SESSION session = NULL;
    CELLA_ROWS rows = NULL;
    bool there;
    *key = (struct cella_secret){0};
    TRY(migrate(database));
    TRY(cella_session_begin(database, true, &session));
    TRY(cella_query(session, "SELECT sealed FROM service_secret WHERE name = ?", &name, 1, &rows));
    TRY(cella_rows_next(rows, &there));
    if (there) {
        TRY_IN(cella_sealer_unseal(sealer, audit_key_context, cella_rows_bytes(rows, 0), key),
               "the audit log's key in the store");
        ENSURE(key->size == AUDIT_KEY_SIZE, CELLA_ERR_FORMAT, NULL,
               "the audit log's key in the store has %zu bytes, expected %d", key->size,
               AUDIT_KEY_SIZE);
        return CELLA_SUCCESS;
    }
    cella_rows_free(&rows);
    TRY(make_audit_key(session, sealer, key));
    return cella_session_commit(&session);
}
