/* Applications in the store. */
#include <stdio.h>

#include "identity/identity_inner.h"

/* --- Finding --- */

static CELLA_RESULT find_in(struct cella_session *session, const char *word,
                            struct cella_app *out) {
    char guid[GUID_SIZE] = "";
    bool there = false;
    CELLA_ROWS rows = NULL;
    (void)guid_read(cella_bytes_text(word), guid);
    const struct cella_value key[] = {text_value(guid), text_value(guid), text_value(word)};
    TRY(cella_query(session,
                    "SELECT client, object, name FROM identity_app"
                    " WHERE client = ? OR object = ? OR name = ?",
                    key, 3, &rows));
    TRY(cella_rows_next(rows, &there));
    ENSURE(there, CELLA_ERR_NOT_FOUND, "`cella identity app list` shows them",
           "there is no application '%.120s'", word);
    bool whole = cella_rows_text(rows, 0, out->client, sizeof(out->client)) &&
                 cella_rows_text(rows, 1, out->object, sizeof(out->object)) &&
                 cella_rows_text(rows, 2, out->name, sizeof(out->name));
    ENSURE(whole, CELLA_ERR_INTEGRITY, NULL, "an application in the store has too long a name");
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_app_find(struct cella_database *database, const char *word,
                            struct cella_app *out) {
    CELLA_SESSION session = NULL;
    *out = (struct cella_app){.name = ""};
    TRY(cella_session_begin(database, false, &session));
    return find_in(session, word, out);
}

CELLA_RESULT cella_apps_list(struct cella_database *database, json_t **out) {
    static const char *const names[] = {"client", "object", "name", "+made"};
    CELLA_SESSION session = NULL;
    CELLA_ROWS rows = NULL;
    TRY(cella_session_begin(database, false, &session));
    TRY(cella_query(session,
                    "SELECT client, object, name, made_unix FROM identity_app ORDER BY name", NULL,
                    0, &rows));
    return identity_rows_json(rows, names, 4, out);
}

/* --- Making --- */

/* A name that looks like an id would be one for whoever reads it (and for _find). */
static CELLA_RESULT check_name(const char *name) {
    char guid[GUID_SIZE];
    struct cella_bytes text = cella_bytes_text(name);
    ENSURE(plain_text(text, CELLA_APP_NAME_MAX) && name[0] != ' ' && name[0] != '-' &&
               name[text.size - 1] != ' ',
           CELLA_ERR_USAGE, NULL,
           "an application's name is 1 to %d printable ASCII characters, and begins with no dash "
           "or space",
           CELLA_APP_NAME_MAX);
    ENSURE(!guid_read(text, guid), CELLA_ERR_USAGE, NULL,
           "an application's name must not be a GUID");
    return CELLA_SUCCESS;
}

static CELLA_RESULT make_app(const char *name, const char *client, struct cella_app *out) {
    *out = (struct cella_app){.name = ""};
    TRY(check_name(name));
    memcpy(out->name, name, strlen(name) + 1);
    TRY(guid_make(out->object));
    if (!client) return guid_make(out->client);
    ENSURE(guid_read(cella_bytes_text(client), out->client), CELLA_ERR_USAGE, NULL,
           "an application's id is a GUID, found '%.60s'", client);
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_app_create(struct cella_database *database, const char *name, const char *client,
                              struct cella_app *out) {
    CELLA_SESSION session = NULL;
    TRY(make_app(name, client, out));
    TRY(cella_session_begin(database, true, &session));
    const struct cella_value row[] = {text_value(out->client), text_value(out->object),
                                      text_value(out->name), time_value(unix_now())};
    struct cella_result r = cella_execute(
        session, "INSERT INTO identity_app (client, object, name, made_unix) VALUES (?, ?, ?, ?)",
        row, 4, NULL);
    if (cella_code_of(r) == CELLA_ERR_EXISTS) {
        cella_result_drop(r);
        FAIL(CELLA_ERR_EXISTS, "take another name or id",
             "there is an application named '%s', or with that id, already", name);
    }
    TRY(r);
    TRY(identity_note(session, "app create", out->client, out->name));
    return cella_session_commit(&session);
}

CELLA_RESULT cella_app_delete(struct cella_database *database, const struct cella_app *app) {
    static const char *const statements[] = {
        "DELETE FROM identity_secret WHERE client = ?",
        "DELETE FROM identity_certificate WHERE client = ?",
        "DELETE FROM identity_federation WHERE client = ?",
    };
    const struct cella_value client = text_value(app->client), object = text_value(app->object);
    uint64_t changed = 0;
    CELLA_SESSION session = NULL;
    TRY(cella_session_begin(database, true, &session));
    for (size_t i = 0; i < sizeof(statements) / sizeof(statements[0]); i++)
        TRY(cella_execute(session, statements[i], &client, 1, NULL));
    TRY(cella_execute(session, "DELETE FROM identity_assignment WHERE object = ?", &object, 1,
                      NULL));
    TRY(cella_execute(session, "DELETE FROM identity_app WHERE client = ?", &client, 1, &changed));
    ENSURE(changed == 1, CELLA_ERR_NOT_FOUND, NULL, "there is no application '%s'", app->client);
    TRY(identity_note(session, "app delete", app->client, app->name));
    return cella_session_commit(&session);
}

CELLA_RESULT cella_apps_new(struct cella_database *database, const char *name,
                            char client[CELLA_ID_TEXT], char object[CELLA_ID_TEXT],
                            struct cella_secret *secret) {
    struct cella_app app;
    char id[CELLA_ID_TEXT];
    TRY(cella_app_create(database, name, NULL, &app));
    TRY(cella_app_secret_create(database, &app, CELLA_APP_DAYS_MAX, id, secret));
    memcpy(client, app.client, CELLA_ID_TEXT);
    memcpy(object, app.object, CELLA_ID_TEXT);
    return CELLA_SUCCESS;
}
