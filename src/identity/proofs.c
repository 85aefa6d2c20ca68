/* Certificates and federations of applications in the store. */
#include <stdio.h>

#include "base/text.h"
#include "crypto/digest.h"
#include "crypto/x509.h"
#include "identity/credentials.h"
#include "identity/identity_inner.h"

enum { PROOF_TEXT_MAX = 500, CERTIFICATE_MAX = 16384 };

/* --- Certificates --- */

struct certificate {
    struct cella_buffer der; /* owned */
    char sha256[65], sha1[41], subject[256];
    uint64_t ends_unix;
};
static void certificate_free(struct certificate *c) { cella_buffer_free(&c->der); }
#define CERTIFICATE __attribute__((cleanup(certificate_free))) struct certificate

static CELLA_RESULT check_key(struct cella_bytes der) {
    __attribute__((cleanup(cella_jose_key_free))) struct cella_jose_key *key = NULL;
    TRY(cella_jose_key_certificate(der, &key));
    ENSURE(cella_jose_key_algorithms(key) &
               (CELLA_JOSE_RS256 | CELLA_JOSE_PS256 | CELLA_JOSE_ES256),
           CELLA_ERR_UNSUPPORTED, "make one with an RSA or a P-256 key",
           "the certificate's key does not sign with RS256, PS256 or ES256");
    return CELLA_SUCCESS;
}

static CELLA_RESULT read_certificate(struct cella_bytes pem, struct certificate *out) {
    struct cella_certificate parsed;
    uint8_t sha1[20], sha256[CELLA_SHA256_SIZE];
    size_t at = 0;
    bool found = false;
    TRY(cella_pem_next(pem, "CERTIFICATE", &at, &out->der, &found));
    ENSURE(found, CELLA_ERR_FORMAT, "give a PEM file with BEGIN CERTIFICATE",
           "no certificate in it");
    const struct cella_bytes der = cella_buffer_bytes(&out->der);
    ENSURE(der.size <= CERTIFICATE_MAX, CELLA_ERR_LIMIT, NULL, "a certificate of %zu bytes",
           der.size);
    TRY(cella_certificate_parse(der, &parsed));
    TRY(check_key(der));
    TRY(cella_hash(CELLA_HASH_SHA1, &der, 1, sha1));
    TRY(cella_sha256(der, sha256));
    cella_hex_encode(CELLA_BYTES_OF(sha1), out->sha1);
    cella_hex_encode(CELLA_BYTES_OF(sha256), out->sha256);
    cella_name_common(parsed.subject, out->subject, sizeof(out->subject));
    out->ends_unix = parsed.not_after_unix;
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_app_certificate_add(struct cella_database *database, const struct cella_app *app,
                                       struct cella_bytes pem, char thumbprint[65]) {
    CERTIFICATE c = {.sha256 = ""};
    CELLA_SESSION session = NULL;
    TRY(read_certificate(pem, &c));
    TRY(cella_session_begin(database, true, &session));
    TRY(credentials_room(session, "SELECT COUNT(*) FROM identity_certificate WHERE client = ?",
                         app->client));
    const struct cella_value row[] = {text_value(app->client),
                                      text_value(c.sha256),
                                      text_value(c.sha1),
                                      text_value(c.subject),
                                      time_value(c.ends_unix),
                                      time_value(unix_now()),
                                      cella_value_bytes(cella_buffer_bytes(&c.der))};
    struct cella_result r = cella_execute(session,
                                          "INSERT INTO identity_certificate (client, sha256, sha1,"
                                          " subject, ends_unix, made_unix, certificate)"
                                          " VALUES (?, ?, ?, ?, ?, ?, ?)",
                                          row, 7, NULL);
    memcpy(thumbprint, c.sha256, sizeof(c.sha256));
    if (cella_code_of(r) == CELLA_ERR_EXISTS) {
        cella_result_drop(r);
        FAIL(CELLA_ERR_EXISTS, NULL, "%s has the certificate %s already", app->name, c.sha256);
    }
    TRY(r);
    TRY(identity_note(session, "certificate add", app->client, c.sha256));
    return cella_session_commit(&session);
}

CELLA_RESULT cella_app_certificate_delete(struct cella_database *database,
                                          const struct cella_app *app, const char *thumbprint) {
    const struct cella_value key[] = {text_value(app->client), text_value(thumbprint)};
    uint64_t changed = 0;
    CELLA_SESSION session = NULL;
    TRY(cella_session_begin(database, true, &session));
    TRY(cella_execute(session, "DELETE FROM identity_certificate WHERE client = ? AND sha256 = ?",
                      key, 2, &changed));
    ENSURE(changed == 1, CELLA_ERR_NOT_FOUND,
           "`cella identity certificate list APP` shows the thumbprints",
           "%s has no certificate %.80s", app->name, thumbprint);
    TRY(identity_note(session, "certificate delete", app->client, thumbprint));
    return cella_session_commit(&session);
}

CELLA_RESULT cella_app_certificates_list(struct cella_database *database, const char *client,
                                         json_t **out) {
    static const char *const names[] = {"sha256", "sha1", "subject", "+ends", "+made"};
    const struct cella_value key = text_value(client);
    CELLA_SESSION session = NULL;
    CELLA_ROWS rows = NULL;
    TRY(cella_session_begin(database, false, &session));
    TRY(cella_query(session,
                    "SELECT sha256, sha1, subject, ends_unix, made_unix FROM identity_certificate"
                    " WHERE client = ? ORDER BY made_unix, sha256",
                    &key, 1, &rows));
    return identity_rows_json(rows, names, 5, out);
}

/* --- Federations --- */

static CELLA_RESULT check_federation(const struct cella_app_federation *f) {
    const char *const part[] = {f->issuer, f->subject, f->audience};
    for (size_t i = 0; i < 3; i++)
        ENSURE(part[i] && plain_text(cella_bytes_text(part[i]), i ? PROOF_TEXT_MAX : 255),
               CELLA_ERR_USAGE, NULL,
               "issuer, subject and audience are 1 to %d printable ASCII characters (issuer: 255)",
               PROOF_TEXT_MAX);
    return CELLA_SUCCESS;
}

static CELLA_RESULT note_federation(struct cella_session *session, const char *what,
                                    const struct cella_app *app,
                                    const struct cella_app_federation *f) {
    char detail[1400];
    snprintf(detail, sizeof(detail), "issuer %s subject %s audience %s", f->issuer, f->subject,
             f->audience);
    return identity_note(session, what, app->client, detail);
}

CELLA_RESULT cella_app_federation_add(struct cella_database *database, const struct cella_app *app,
                                      const struct cella_app_federation *f) {
    CELLA_SESSION session = NULL;
    TRY(check_federation(f));
    TRY(cella_session_begin(database, true, &session));
    TRY(credentials_room(session, "SELECT COUNT(*) FROM identity_federation WHERE client = ?",
                         app->client));
    const struct cella_value row[] = {text_value(app->client), text_value(f->issuer),
                                      text_value(f->subject), text_value(f->audience),
                                      time_value(unix_now())};
    struct cella_result r = cella_execute(
        session,
        "INSERT INTO identity_federation (client, issuer, subject, audience, made_unix)"
        " VALUES (?, ?, ?, ?, ?)",
        row, 5, NULL);
    if (cella_code_of(r) == CELLA_ERR_EXISTS) {
        cella_result_drop(r);
        FAIL(CELLA_ERR_EXISTS, NULL, "%s has that federation already", app->name);
    }
    TRY(r);
    TRY(note_federation(session, "federation add", app, f));
    return cella_session_commit(&session);
}

CELLA_RESULT cella_app_federation_delete(struct cella_database *database,
                                         const struct cella_app *app,
                                         const struct cella_app_federation *f) {
    uint64_t changed = 0;
    CELLA_SESSION session = NULL;
    TRY(check_federation(f));
    const struct cella_value key[] = {text_value(app->client), text_value(f->issuer),
                                      text_value(f->subject), text_value(f->audience)};
    TRY(cella_session_begin(database, true, &session));
    TRY(cella_execute(session,
                      "DELETE FROM identity_federation WHERE client = ? AND issuer = ?"
                      " AND subject = ? AND audience = ?",
                      key, 4, &changed));
    ENSURE(changed == 1, CELLA_ERR_NOT_FOUND, "`cella identity federation list APP` shows them",
           "%s has no such federation", app->name);
    TRY(note_federation(session, "federation delete", app, f));
    return cella_session_commit(&session);
}

CELLA_RESULT cella_app_federations_list(struct cella_database *database, const char *client,
                                        json_t **out) {
    static const char *const names[] = {"issuer", "subject", "audience", "+made"};
    const struct cella_value key = text_value(client);
    CELLA_SESSION session = NULL;
    CELLA_ROWS rows = NULL;
    TRY(cella_session_begin(database, false, &session));
    TRY(cella_query(session,
                    "SELECT issuer, subject, audience, made_unix FROM identity_federation"
                    " WHERE client = ? ORDER BY issuer, subject, audience",
                    &key, 1, &rows));
    return identity_rows_json(rows, names, 4, out);
}
