/* Proof by a signed assertion (RFC 7523): of the application's own certificate, or a token that an
 * external issuer made for what stands for the application. */
#include <ctype.h>
#include <stdio.h>
#include <strings.h>

#include "base/text.h"
#include "crypto/digest.h"
#include "identity/issuer_inner.h"

enum {
    LIFE_MAX_S = 3600, /* of an assertion that an application makes itself; SDKs take 600 */
    JTI_MAX = 256,
    ALLOWED = CELLA_JOSE_RS256 | CELLA_JOSE_PS256 | CELLA_JOSE_ES256,
};

/* Passes on what is wrong with the issuer itself; a fault of the assertion is told to the client.
 */
static CELLA_RESULT assertion_fault(struct token_call *call, struct cella_result r, unsigned code,
                                    const char *text) {
    if (!cella_failed(r) || cella_code_of(r) == CELLA_ERR_MEMORY) return r;
    struct cella_result refused =
        token_refuse(call, 401, "invalid_client", code, "%s [Reason - %s]", text, r.error->what);
    cella_result_drop(r);
    return refused;
}
static const char bad_signature[] = "Client assertion failed signature validation.";
static const char bad_times[] = "Client assertion is not within its valid time range.";

/* --- Certificates --- */

/* base64url of a thumbprint, as headers name certificates; some clients pad it. */
static bool names_base64(const char *text, struct cella_bytes digest) {
    CELLA_BUFFER wanted = {0};
    struct cella_result r = cella_base64_encode(digest, true, &wanted);
    bool failed = cella_failed(r);
    cella_result_drop(r);
    size_t size = strlen(text);
    while (size > 0 && text[size - 1] == '=') size--;
    return !failed && size == wanted.size && cella_equal(text, wanted.data, size);
}

static bool names_hex(const char *text, struct cella_bytes digest) {
    char hex[2 * CELLA_SHA256_SIZE + 1];
    cella_hex_encode(digest, hex);
    return strcasecmp(text, hex) == 0;
}

/* By x5t#S256 and x5t, both when both are there; else by kid, which clients make of either digest.
 * The digests only say which certificate is meant: the signature must hold under its key. */
static CELLA_RESULT certificate_named(const struct cella_jws *jws, struct cella_bytes der,
                                      bool *named) {
    uint8_t sha1[20], sha256[CELLA_SHA256_SIZE];
    const struct cella_bytes a = CELLA_BYTES_OF(sha1), b = CELLA_BYTES_OF(sha256);
    const char *x5t = json_string_value(json_object_get(jws->header, "x5t"));
    const char *x5t256 = json_string_value(json_object_get(jws->header, "x5t#S256"));
    TRY(cella_hash(CELLA_HASH_SHA1, &der, 1, sha1));
    TRY(cella_sha256(der, sha256));
    *named = x5t || x5t256;
    if (x5t) *named = *named && names_base64(x5t, a);
    if (x5t256) *named = *named && names_base64(x5t256, b);
    if (!x5t && !x5t256 && jws->kid)
        *named = names_base64(jws->kid, a) || names_base64(jws->kid, b) || names_hex(jws->kid, a) ||
                 names_hex(jws->kid, b);
    return CELLA_SUCCESS;
}

static CELLA_RESULT check_certificate(struct token_call *call, const struct cella_jws *jws,
                                      struct cella_bytes der, uint64_t ends_unix) {
    __attribute__((cleanup(cella_jose_key_free))) struct cella_jose_key *key = NULL;
    TRY(cella_jose_key_certificate(der, &key));
    TRY(assertion_fault(call, cella_jws_check(jws, key, ALLOWED), 700027, bad_signature));
    if (call->now_unix <= ends_unix) return CELLA_SUCCESS;
    return token_refuse(call, 401, "invalid_client", 700027,
                        "%s [Reason - The certificate used is expired.]", bad_signature);
}

static CELLA_RESULT check_registered(struct token_call *call, struct cella_session *session,
                                     const struct cella_jws *jws) {
    const struct cella_value client = text_value(call->app.client);
    CELLA_ROWS rows = NULL;
    bool there = false, named = false;
    TRY(cella_query(session,
                    "SELECT certificate, ends_unix FROM identity_certificate WHERE client = ?"
                    " ORDER BY sha256",
                    &client, 1, &rows));
    for (;;) {
        TRY(cella_rows_next(rows, &there));
        if (!there) break;
        TRY(certificate_named(jws, cella_rows_bytes(rows, 0), &named));
        if (named)
            return check_certificate(call, jws, cella_rows_bytes(rows, 0),
                                     (uint64_t)cella_rows_integer(rows, 1));
    }
    return token_refuse(call, 401, "invalid_client", 700027,
                        "The certificate with which the client assertion is signed is not "
                        "registered for application '%s'; it is named by the header's x5t#S256, "
                        "x5t or kid.",
                        call->client);
}

/* --- What the assertion says --- */

static bool claim_is(const json_t *claims, const char *name, const char *text) {
    const json_t *value = json_object_get(claims, name);
    return json_is_string(value) &&
           bytes_are(cella_bytes(json_string_value(value), json_string_length(value)), text);
}

static CELLA_RESULT check_claims(struct token_call *call, const json_t *claims) {
    const struct cella_issuer *issuer = call->issuer;
    const char *audience[] = {issuer->endpoint_v2, issuer->endpoint_v1, issuer->iss_v2,
                              issuer->iss_v1};
    uint64_t exp = 0;
    if (!claim_is(claims, "sub", call->client))
        return token_refuse(call, 401, "invalid_client", 700021,
                            "Client assertion application identifier doesn't match 'client_id' "
                            "parameter; 'iss' and 'sub' must be '%s'.",
                            call->client);
    if (!token_audience(claims, audience, 4))
        return token_refuse(call, 401, "invalid_client", 700023,
                            "Client assertion audience claim does not match Realm issuer; expected "
                            "'%s'.",
                            issuer->endpoint_v2);
    TRY(assertion_fault(call, token_times(claims, call->now_unix), 700024, bad_times));
    if (cella_json_date(claims, "exp", &exp) &&
        exp <= call->now_unix + LIFE_MAX_S + IDENTITY_SKEW_S)
        return CELLA_SUCCESS;
    return token_refuse(call, 401, "invalid_client", 700024,
                        "%s It may end %d seconds after it is sent at most.", bad_times,
                        LIFE_MAX_S);
}

static CELLA_RESULT note_used(struct token_call *call, struct cella_session *session,
                              const json_t *claims, struct cella_bytes jti) {
    const struct cella_bytes parts[] = {cella_bytes_text(call->client), cella_bytes("|", 1), jti};
    uint8_t digest[CELLA_SHA256_SIZE];
    char id[2 * CELLA_SHA256_SIZE + 1];
    uint64_t exp = 0;
    TRY(cella_hash(CELLA_HASH_SHA256, parts, 3, digest));
    cella_hex_encode(CELLA_BYTES_OF(digest), id);
    (void)cella_json_date(claims, "exp", &exp);
    const struct cella_value row[] = {text_value(id), time_value(exp + IDENTITY_SKEW_S)};
    struct cella_result r = cella_execute(
        session, "INSERT INTO identity_assertion (id, ends_unix) VALUES (?, ?)", row, 2, NULL);
    if (cella_code_of(r) != CELLA_ERR_EXISTS) return r;
    cella_result_drop(r);
    return token_refuse(call, 401, "invalid_client", 50027,
                        "Client assertion was used before, and holds once."); /* A14, K02 */
}

/* Every assertion has a name of its own; where it holds once, the name is used up in the same
 * transaction that lets the client in. */
static CELLA_RESULT check_once(struct token_call *call, struct cella_session *session,
                               const json_t *claims) {
    const json_t *value = json_object_get(claims, "jti");
    struct cella_bytes jti = cella_bytes(json_string_value(value), json_string_length(value));
    if (!json_is_string(value) || jti.size == 0 || jti.size > JTI_MAX)
        return token_refuse(call, 401, "invalid_client", 50027,
                            "Client assertion has no 'jti' of 1 to %d characters.", JTI_MAX);
    return call->issuer->assertion_once ? note_used(call, session, claims, jti) : CELLA_SUCCESS;
}

CELLA_RESULT assertion_forget(struct cella_issuer *issuer, uint64_t now_unix) {
    const struct cella_value now = time_value(now_unix);
    CELLA_SESSION session = NULL;
    CELLA_ROWS rows = NULL;
    bool there = false;
    TRY(cella_session_begin(issuer->database, false, &session));
    TRY(cella_query(session, "SELECT id FROM identity_assertion WHERE ends_unix < ? LIMIT 1", &now,
                    1, &rows));
    TRY(cella_rows_next(rows, &there));
    cella_rows_free(&rows);
    cella_session_end(&session);
    if (!there) return CELLA_SUCCESS;
    TRY(cella_session_begin(issuer->database, true, &session));
    TRY(cella_execute(session, "DELETE FROM identity_assertion WHERE ends_unix < ?", &now, 1,
                      NULL));
    return cella_session_commit(&session);
}

/* --- Tokens of others --- */

static CELLA_RESULT match_federation(struct token_call *call, struct cella_session *session,
                                     const struct issuers_token *token) {
    const struct cella_value key[] = {text_value(call->app.client), text_value(token->issuer)};
    char subject[512], audience[512];
    const char *audiences[] = {audience};
    CELLA_ROWS rows = NULL;
    bool there = false, issuer = false, is_subject = false;
    TRY(cella_query(session,
                    "SELECT subject, audience FROM identity_federation WHERE client = ?"
                    " AND issuer = ?",
                    key, 2, &rows));
    for (;;) {
        TRY(cella_rows_next(rows, &there));
        if (!there) break;
        issuer = true;
        if (!cella_rows_text(rows, 0, subject, sizeof(subject)) ||
            !cella_rows_text(rows, 1, audience, sizeof(audience)) ||
            !claim_is(token->claims, "sub", subject))
            continue;
        is_subject = true;
        if (token_audience(token->claims, audiences, 1)) return CELLA_SUCCESS;
    }
    const char *what = is_subject ? "audience" : issuer ? "subject" : "issuer";
    return token_refuse(call, 401, "invalid_client",
                        is_subject ? 700212
                        : issuer   ? 700213
                                   : 700211,
                        "No matching federated identity record found for presented assertion %s "
                        "of application '%s'.",
                        what, call->client);
}

/* Its signature first: who made none of the tokens learns nothing of whose are expected. */
static CELLA_RESULT check_federated(struct token_call *call, struct cella_session *session,
                                    struct cella_bytes assertion) {
    ISSUERS_TOKEN token = {.claims = NULL};
    if (!call->issuer->issuers)
        return token_refuse(call, 401, "invalid_client", 700211,
                            "No matching federated identity record found for presented assertion "
                            "issuer.");
    struct cella_result r =
        issuers_verify(call->issuer->issuers, assertion, ISSUERS_ANY_TYP, call->now_unix, &token);
    TRY(assertion_fault(call, r, 50013, "Assertion failed signature validation."));
    if (token.own)
        return token_refuse(call, 401, "invalid_client", 700211,
                            "A token of this issuer itself proves no application.");
    return match_federation(call, session, &token);
}

/* --- Which of the two --- */

CELLA_RESULT assertion_check(struct token_call *call, struct cella_session *session,
                             struct cella_bytes assertion) {
    static const char bad_form[] = "Invalid JWT token.";
    CELLA_JWS jws = {0};
    CELLA_JSON claims = NULL;
    TRY(assertion_fault(call, cella_jws_open(assertion, false, &jws), 50027, bad_form));
    TRY(assertion_fault(call, cella_jws_object(&jws, &claims), 50027, bad_form));
    if (!claim_is(claims, "iss", call->client)) return check_federated(call, session, assertion);
    TRY(check_registered(call, session, &jws));
    TRY(check_claims(call, claims));
    return check_once(call, session, claims);
}
