/* Client secrets: shown once, kept as salted hashes. */
#include <stdio.h>

#include "base/text.h"
#include "crypto/digest.h"
#include "identity/credentials.h"
#include "identity/identity_inner.h"

enum { DAY_S = 86400 };

CELLA_RESULT secret_hash(struct cella_bytes salt, struct cella_bytes secret,
                         uint8_t hash[SECRET_HASH]) {
    return cella_hmac_sha256(salt, secret, hash);
}

/* base64url, and no dash first: commands would take it for an option. */
static CELLA_RESULT make_text(struct cella_secret *out) {
    CELLA_SECRET random = {0};
    TRY(cella_secret_new(SECRET_RANDOM, &random));
    for (int i = 0; i < 100; i++) {
        CELLA_BUFFER text = {0};
        TRY(cella_random(random.data, random.size));
        TRY(cella_base64_encode(cella_secret_bytes(&random), true, &text));
        struct cella_result r = CELLA_SUCCESS;
        bool good = text.size == SECRET_SIZE && text.data[0] != '-';
        if (good) r = cella_secret_from(cella_buffer_bytes(&text), out);
        cella_wipe(text.data, text.size);
        if (good) return r;
    }
    FAIL(CELLA_ERR_INTERNAL, NULL, "the random generator gives dashes alone");
}

CELLA_RESULT credentials_room(struct cella_session *session, const char *sql, const char *client) {
    const struct cella_value key = text_value(client);
    CELLA_ROWS rows = NULL;
    bool there = false;
    TRY(cella_query(session, sql, &key, 1, &rows));
    TRY(cella_rows_next(rows, &there));
    ENSURE(cella_rows_integer(rows, 0) < CELLA_APP_SECRETS_MAX, CELLA_ERR_LIMIT,
           "delete one that is not used any more", "the application has %d of these already",
           CELLA_APP_SECRETS_MAX);
    return CELLA_SUCCESS;
}

static CELLA_RESULT insert(struct cella_session *session, const struct cella_app *app,
                           const char *id, struct cella_bytes secret, unsigned days) {
    uint8_t salt[SECRET_SALT], hash[SECRET_HASH];
    uint64_t now = unix_now();
    TRY(cella_random(salt, sizeof(salt)));
    TRY(secret_hash(CELLA_BYTES_OF(salt), secret, hash));
    const struct cella_value row[] = {text_value(app->client),
                                      text_value(id),
                                      cella_value_bytes(CELLA_BYTES_OF(salt)),
                                      cella_value_bytes(CELLA_BYTES_OF(hash)),
                                      time_value(now),
                                      time_value(now + (uint64_t)days * DAY_S)};
    return cella_execute(session,
                         "INSERT INTO identity_secret (client, id, salt, hash, made_unix,"
                         " ends_unix) VALUES (?, ?, ?, ?, ?, ?)",
                         row, 6, NULL);
}

CELLA_RESULT cella_app_secret_create(struct cella_database *database, const struct cella_app *app,
                                     unsigned days, char id[CELLA_ID_TEXT],
                                     struct cella_secret *secret) {
    CELLA_SECRET made = {0};
    CELLA_SESSION session = NULL;
    ENSURE(days > 0 && days <= CELLA_APP_DAYS_MAX, CELLA_ERR_USAGE, NULL,
           "a secret holds for 1 to %d days", CELLA_APP_DAYS_MAX);
    TRY(guid_make(id));
    TRY(make_text(&made));
    TRY(cella_session_begin(database, true, &session));
    TRY(credentials_room(session, "SELECT COUNT(*) FROM identity_secret WHERE client = ?",
                         app->client));
    TRY(insert(session, app, id, cella_secret_bytes(&made), days));
    TRY(identity_note(session, "secret create", app->client, id));
    TRY(cella_session_commit(&session));
    *secret = MOVE(made);
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_app_secret_delete(struct cella_database *database, const struct cella_app *app,
                                     const char *id) {
    const struct cella_value key[] = {text_value(app->client), text_value(id)};
    uint64_t changed = 0;
    CELLA_SESSION session = NULL;
    TRY(cella_session_begin(database, true, &session));
    TRY(cella_execute(session, "DELETE FROM identity_secret WHERE client = ? AND id = ?", key, 2,
                      &changed));
    ENSURE(changed == 1, CELLA_ERR_NOT_FOUND, "`cella identity secret list APP` shows the ids",
           "%s has no secret %.80s", app->name, id);
    TRY(identity_note(session, "secret delete", app->client, id));
    return cella_session_commit(&session);
}

CELLA_RESULT cella_app_secrets_list(struct cella_database *database, const char *client,
                                    json_t **out) {
    static const char *const names[] = {"id", "+made", "+ends"};
    const struct cella_value key = text_value(client);
    CELLA_SESSION session = NULL;
    CELLA_ROWS rows = NULL;
    TRY(cella_session_begin(database, false, &session));
    TRY(cella_query(session,
                    "SELECT id, made_unix, ends_unix FROM identity_secret WHERE client = ?"
                    " ORDER BY made_unix, id",
                    &key, 1, &rows));
    return identity_rows_json(rows, names, 3, out);
}

/* --- Checking --- */

/* Every secret is compared, wherever the right one is. */
static CELLA_RESULT compare(struct cella_bytes salt, struct cella_bytes kept,
                            struct cella_bytes secret, bool *same) {
    uint8_t hash[SECRET_HASH];
    ENSURE(kept.size == SECRET_HASH && salt.size == SECRET_SALT, CELLA_ERR_INTEGRITY, NULL,
           "a client secret's hash in the store has %zu bytes", kept.size);
    TRY(secret_hash(salt, secret, hash));
    *same = cella_equal_secret(hash, kept.data, SECRET_HASH); /* K07 */
    return CELLA_SUCCESS;
}

CELLA_RESULT secret_check(struct cella_session *session, const char *client,
                          struct cella_bytes secret, uint64_t now_unix,
                          enum secret_verdict *verdict) {
    static const uint8_t nobody[SECRET_HASH] = {0};
    const struct cella_value key = text_value(client);
    CELLA_ROWS rows = NULL;
    bool there = false, same = false;
    size_t count = 0;
    *verdict = SECRET_WRONG;
    TRY(cella_query(session, "SELECT salt, hash, ends_unix FROM identity_secret WHERE client = ?",
                    &key, 1, &rows));
    for (;; count++) {
        TRY(cella_rows_next(rows, &there));
        if (!there) break;
        TRY(compare(cella_rows_bytes(rows, 0), cella_rows_bytes(rows, 1), secret, &same));
        if (!same) continue;
        bool over = (int64_t)now_unix >= cella_rows_integer(rows, 2);
        *verdict = over ? SECRET_EXPIRED : SECRET_GOOD;
    }
    if (count == 0)
        TRY(compare(cella_bytes(nobody, SECRET_SALT), CELLA_BYTES_OF(nobody), secret, &same));
    return CELLA_SUCCESS;
}
