/* Policies in the store: sealed, so that who can write to the database cannot set one (K21). */
#include <stdio.h>

#include "attest/policies_inner.h"

static const char *const steps[] = {
    "CREATE TABLE attest_policies_entry ("
    " instance TEXT NOT NULL, type TEXT NOT NULL, version BIGINT NOT NULL,"
    " sealed BLOB, PRIMARY KEY (instance, type));"
    "CREATE TABLE attest_policies_certificate ("
    " instance TEXT NOT NULL, digest TEXT NOT NULL, position BIGINT NOT NULL,"
    " sealed BLOB NOT NULL, PRIMARY KEY (instance, digest));"
    "CREATE TABLE attest_policies_import ("
    " instance TEXT NOT NULL PRIMARY KEY, imported_unix BIGINT NOT NULL)",
};

CELLA_RESULT policies_migrate(const struct cella_attest_instance *instance) {
    return cella_database_migrate(instance->database, "attest_policies", steps,
                                  sizeof(steps) / sizeof(steps[0]));
}

enum { CONTEXT_SIZE = CELLA_ATTEST_NAME_MAX + 64 };

static void context_of(const struct cella_attest_instance *instance, enum cella_attest_type type,
                       char context[CONTEXT_SIZE]) {
    snprintf(context, CONTEXT_SIZE, "attest|%s|policy|%s", instance->settings.name,
             cella_attest_type_name(type));
}

static struct cella_result query_row(const struct cella_attest_instance *instance,
                                     struct cella_session *session, enum cella_attest_type type,
                                     struct cella_rows **rows, bool *there) {
    const struct cella_value key[] = {cella_value_text(instance->settings.name),
                                      cella_value_text(cella_attest_type_name(type))};
    TRY(cella_query(
        session,
        "SELECT version, sealed FROM attest_policies_entry WHERE instance = ? AND type = ?", key, 2,
        rows));
    return cella_rows_next(*rows, there);
}

CELLA_RESULT policies_version(const struct cella_attest_instance *instance,
                              struct cella_session *session, enum cella_attest_type type,
                              uint64_t *version) {
    CELLA_ROWS rows = NULL;
    bool there = false;
    TRY(query_row(instance, session, type, &rows, &there));
    *version = there ? (uint64_t)cella_rows_integer(rows, 0) : 0;
    return CELLA_SUCCESS;
}

CELLA_RESULT policies_row(const struct cella_attest_instance *instance,
                          struct cella_session *session, enum cella_attest_type type,
                          uint64_t *version, struct cella_buffer *jws) {
    char context[CONTEXT_SIZE];
    CELLA_ROWS rows = NULL;
    CELLA_SECRET opened = {0};
    bool there = false;
    *version = 0;
    TRY(query_row(instance, session, type, &rows, &there));
    if (!there) return CELLA_SUCCESS;
    *version = (uint64_t)cella_rows_integer(rows, 0);
    if (cella_rows_null(rows, 1)) return CELLA_SUCCESS;
    context_of(instance, type, context);
    TRY_IN(cella_sealer_unseal(instance->sealer, context, cella_rows_bytes(rows, 1), &opened),
           "stored policy %s of attestation instance %s", cella_attest_type_name(type),
           instance->settings.name);
    return cella_buffer_append(jws, cella_secret_bytes(&opened));
}

CELLA_RESULT policies_store(const struct cella_attest_instance *instance,
                            struct cella_session *session, enum cella_attest_type type,
                            struct cella_bytes jws, uint64_t *version) {
    char context[CONTEXT_SIZE];
    CELLA_BUFFER sealed = {0};
    uint64_t changed = 0;
    context_of(instance, type, context);
    if (jws.size) TRY(cella_sealer_seal(instance->sealer, context, jws, &sealed));
    TRY(policies_version(instance, session, type, version));
    ++*version;
    const struct cella_value row[] = {
        cella_value_integer((int64_t)*version),
        jws.size ? cella_value_bytes(cella_buffer_bytes(&sealed))
                 : (struct cella_value){.type = CELLA_VALUE_NULL},
        cella_value_text(instance->settings.name),
        cella_value_text(cella_attest_type_name(type)),
    };
    TRY(cella_execute(session,
                      "UPDATE attest_policies_entry SET version = ?, sealed = ?"
                      " WHERE instance = ? AND type = ?",
                      row, 4, &changed));
    if (changed) return CELLA_SUCCESS;
    return cella_execute(
        session,
        "INSERT INTO attest_policies_entry (version, sealed, instance, type) VALUES (?, ?, ?, ?)",
        row, 4, NULL);
}
