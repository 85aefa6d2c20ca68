/* Who asks for a token: client_id and one proof, in the form or by HTTP Basic (RFC 6749 2.3). */
#include <stdio.h>
#include <strings.h>

#include "base/text.h"
#include "identity/credentials.h"
#include "identity/issuer_inner.h"

enum { BASIC_MAX = 1024 };
static const char assertion_type[] = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/* What a client came with. */
struct proof {
    bool has_secret, has_assertion;
    struct cella_bytes client, secret, assertion;
    struct cella_secret decoded; /* owned: of a Basic header */
};
static void proof_free(struct proof *proof) { cella_secret_free(&proof->decoded); }
#define PROOF __attribute__((cleanup(proof_free))) struct proof

/* --- HTTP Basic --- */

/* "id:secret", each form-encoded before (RFC 6749 2.3.1); false for all else. */
static bool split_basic(struct cella_bytes text, struct proof *proof) {
    uint8_t *to = proof->decoded.data;
    const uint8_t *colon = text.size ? memchr(text.data, ':', text.size) : NULL;
    size_t client = 0, secret = 0;
    if (!colon) return false;
    size_t head = (size_t)(colon - text.data);
    if (!cella_form_decode(cella_bytes(text.data, head), to, &client) ||
        !cella_form_decode(cella_bytes(colon + 1, text.size - head - 1), to + client, &secret))
        return false;
    proof->client = cella_bytes(to, client);
    proof->secret = cella_bytes(to + client, secret);
    proof->has_secret = true;
    return client > 0 && secret > 0;
}

static bool decode_basic(struct cella_bytes header, struct proof *proof) {
    static const char scheme[] = "Basic ";
    const size_t n = sizeof(scheme) - 1;
    CELLA_BUFFER text = {0};
    if (header.size <= n || header.size > BASIC_MAX ||
        strncasecmp((const char *)header.data, scheme, n) != 0)
        return false;
    struct cella_result r =
        cella_base64_decode(cella_bytes(header.data + n, header.size - n), false, &text);
    if (!cella_failed(r) && text.size > 0) r = cella_secret_new(text.size, &proof->decoded);
    bool good = !cella_failed(r) && text.size > 0 && split_basic(cella_buffer_bytes(&text), proof);
    cella_result_drop(r);
    if (text.size) cella_wipe(text.data, text.size);
    return good;
}

static CELLA_RESULT read_basic(struct token_call *call, struct proof *proof) {
    struct cella_bytes header;
    if (!cella_http_request_header(call->request, "authorization", &header)) return CELLA_SUCCESS;
    call->basic = true;
    if (decode_basic(header, proof)) return CELLA_SUCCESS;
    return token_refuse(call, 401, "invalid_client", 90023,
                        "The Authorization header is not 'Basic' with a client id and secret.");
}

/* --- The form --- */

static CELLA_RESULT read_proof(struct token_call *call, struct proof *proof) {
    struct cella_bytes client, type;
    TRY(read_basic(call, proof));
    if (cella_form_find(&call->form, "client_id", &client)) {
        if (call->basic && (client.size != proof->client.size ||
                            !cella_equal(client.data, proof->client.data, client.size)))
            return token_refuse(call, 400, "invalid_request", 90023,
                                "The form and the Authorization header name different clients.");
        proof->client = client;
    }
    if (proof->client.size == 0)
        return token_refuse(call, 400, "invalid_request", 900144,
                            "The request body must contain the following parameter: 'client_id'.");
    bool secret = cella_form_find(&call->form, "client_secret", &proof->secret);
    proof->has_assertion = cella_form_find(&call->form, "client_assertion", &proof->assertion);
    if (secret + proof->has_assertion + call->basic > 1) /* RFC 6749 2.3: one method */
        return token_refuse(call, 400, "invalid_request", 90023,
                            "The request has more than one proof of the client; expected "
                            "client_secret, client_assertion or HTTP Basic.");
    proof->has_secret = proof->has_secret || secret;
    if (!proof->has_secret && !proof->has_assertion)
        return token_refuse(call, 401, "invalid_client", 7000216,
                            "'client_assertion' or 'client_secret' is required for the "
                            "'client_credentials' grant type.");
    if (proof->has_assertion && (!cella_form_find(&call->form, "client_assertion_type", &type) ||
                                 !bytes_are(type, assertion_type)))
        return token_refuse(call, 400, "invalid_request", 90023,
                            "client_assertion_type must be '%s'.", assertion_type);
    return CELLA_SUCCESS;
}

/* --- Proving --- */

static CELLA_RESULT find_app(struct cella_session *session, const char *client,
                             struct cella_app *out, bool *there) {
    const struct cella_value key = text_value(client);
    CELLA_ROWS rows = NULL;
    TRY(cella_query(session, "SELECT client, object, name FROM identity_app WHERE client = ?", &key,
                    1, &rows));
    TRY(cella_rows_next(rows, there));
    if (!*there) return CELLA_SUCCESS;
    *there = cella_rows_text(rows, 0, out->client, sizeof(out->client)) &&
             cella_rows_text(rows, 1, out->object, sizeof(out->object)) &&
             cella_rows_text(rows, 2, out->name, sizeof(out->name));
    return CELLA_SUCCESS;
}

static CELLA_RESULT check_secret(struct token_call *call, enum secret_verdict verdict) {
    call->proof = "1";
    if (verdict == SECRET_GOOD) return CELLA_SUCCESS;
    if (verdict == SECRET_EXPIRED)
        return token_refuse(call, 401, "invalid_client", 7000222,
                            "The provided client secret keys for app '%s' are expired. Make a new "
                            "one: `cella identity secret create`.",
                            call->client);
    return token_refuse(call, 401, "invalid_client", 7000215,
                        "Invalid client secret provided. Ensure the secret being sent in the "
                        "request is the client secret value, not the client secret ID, for a "
                        "secret added to app '%s'.",
                        call->client);
}

/* Entra says of an unknown client that it is unknown. The secret is compared all the same, so that
 * no clock says more than that (K27). */
static CELLA_RESULT prove(struct token_call *call, struct cella_session *session,
                          const struct proof *proof) {
    enum secret_verdict verdict = SECRET_WRONG;
    bool there = false;
    char shown[64];
    if (!guid_read(proof->client, call->client)) call->client[0] = 0;
    TRY(find_app(session, call->client, &call->app, &there));
    if (proof->has_secret)
        TRY(secret_check(session, call->client, proof->secret, call->now_unix, &verdict));
    token_shown(proof->client, shown, sizeof(shown));
    if (!there)
        return token_refuse(call, 400, "unauthorized_client", 700016,
                            "Application with identifier '%s' was not found in the directory "
                            "'%s'.",
                            shown, call->issuer->tenant);
    if (proof->has_secret) return check_secret(call, verdict);
    call->proof = "2";
    return assertion_check(call, session, proof->assertion);
}

/* An assertion that holds once is noted: then the session writes. */
CELLA_RESULT client_authenticate(struct token_call *call) {
    PROOF proof = {.has_secret = false};
    CELLA_SESSION session = NULL;
    TRY(read_proof(call, &proof));
    bool write = proof.has_assertion && call->issuer->assertion_once;
    TRY(cella_session_begin(call->issuer->database, write, &session));
    TRY(prove(call, session, &proof));
    return write ? cella_session_commit(&session) : CELLA_SUCCESS;
}
