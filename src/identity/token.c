/* The token endpoint: client credentials in, an access token out (RFC 6749 4.4), spoken as Entra ID
 * does. */
#include <stdarg.h>
#include <stdio.h>
#include <strings.h>

#include "base/log.h"
#include "base/text.h"
#include "crypto/digest.h"
#include "identity/issuer_inner.h"

enum { UTI_SIZE = 16 };

/* --- Refusals --- */

CELLA_RESULT token_refuse(struct token_call *call, int status, const char *error, unsigned code,
                          const char *format, ...) {
    va_list args;
    call->fault.status = status;
    call->fault.error = error;
    call->fault.code = code;
    va_start(args, format);
    vsnprintf(call->fault.text, sizeof(call->fault.text), format, args);
    va_end(args);
    return CELLA_FAILURE(CELLA_ERR_REFUSED, NULL, "AADSTS%u", code);
}

void token_shown(struct cella_bytes text, char *out, size_t size) {
    size_t n = text.size < size - 1 ? text.size : size - 1;
    for (size_t i = 0; i < n; i++)
        out[i] = text.data[i] >= ' ' && text.data[i] <= '~' ? (char)text.data[i] : '?';
    out[n] = 0;
}

/* Clients name their request in three places; anything that is no GUID is not repeated. */
static void correlate(struct token_call *call, const struct cella_http_target *target) {
    struct cella_bytes id;
    bool found = (target && cella_http_parameter(target, "client-request-id", &id) &&
                  guid_read(id, call->correlation)) ||
                 (cella_http_request_header(call->request, "client-request-id", &id) &&
                  guid_read(id, call->correlation));
    if (!found) snprintf(call->correlation, GUID_SIZE, "%.36s", call->request->id);
}

static void send_json(struct token_call *call, int status, json_t *body) {
    struct cella_http_response *response = call->response;
    char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
    json_decref(body);
    struct cella_result r = text ? cella_buffer_append(&response->text, cella_bytes_text(text))
                                 : CELLA_FAILURE(CELLA_ERR_MEMORY, NULL, "no memory");
    if (text) cella_wipe(text, strlen(text)); /* it may hold a token */
    free(text);
    bool failed = cella_failed(r);
    cella_result_drop(r);
    if (failed) return; /* status 0: the server says 500 */
    response->status = status;
    response->content_type = "application/json; charset=utf-8";
    response->body = cella_buffer_bytes(&response->text);
    /* RFC 6749 5.1: a token stays in no cache */
    cella_http_header(response, "Cache-Control", "no-store, no-cache");
    cella_http_header(response, "Pragma", "no-cache");
}

void token_answer_fault(struct token_call *call) {
    char when[32] = "", text[1024];
    time_t now = (time_t)call->now_unix;
    struct tm parts;
    if (gmtime_r(&now, &parts)) strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%SZ", &parts);
    snprintf(text, sizeof(text), "AADSTS%u: %s Trace ID: %s Correlation ID: %s Timestamp: %s",
             call->fault.code, call->fault.text, call->request->id, call->correlation, when);
    json_t *body = json_pack("{s:s, s:o, s:[I], s:s, s:s, s:s}", "error", call->fault.error,
                             "error_description", cella_json_text(text), "error_codes",
                             (json_int_t)call->fault.code, "timestamp", when, "trace_id",
                             call->request->id, "correlation_id", call->correlation);
    if (call->basic && call->fault.status == 401) /* RFC 6749 5.2 */
        cella_http_header(call->response, "WWW-Authenticate", "Basic realm=\"cella\"");
    call->response->note = call->fault.error;
    send_json(call, call->fault.status, body);
}

/* --- What is asked for --- */

static CELLA_RESULT need(struct token_call *call, const char *name, struct cella_bytes *value) {
    if (cella_form_find(&call->form, name, value) && value->size > 0) return CELLA_SUCCESS;
    return token_refuse(call, 400, "invalid_request", 900144,
                        "The request body must contain the following parameter: '%s'.", name);
}

static CELLA_RESULT read_form(struct token_call *call) {
    static const char type[] = "application/x-www-form-urlencoded";
    struct cella_bytes header, grant;
    size_t n = sizeof(type) - 1;
    bool is_form = cella_http_request_header(call->request, "content-type", &header) &&
                   header.size >= n && strncasecmp((const char *)header.data, type, n) == 0 &&
                   (header.size == n || header.data[n] == ';' || header.data[n] == ' ');
    if (!is_form)
        return token_refuse(call, 400, "invalid_request", 90023,
                            "The request body must be of the type %s.", type);
    struct cella_result r = cella_form_parse(call->request->body, &call->form);
    if (cella_code_of(r) == CELLA_ERR_MEMORY) return r;
    if (cella_failed(r)) {
        struct cella_result refused =
            token_refuse(call, 400, "invalid_request", 90023, "The request body is not read: %s.",
                         r.error->what);
        cella_result_drop(r);
        return refused;
    }
    if (cella_form_find(&call->form, "client-request-id", &header))
        (void)guid_read(header, call->correlation);
    TRY(need(call, "grant_type", &grant));
    if (!bytes_are(grant, "client_credentials"))
        return token_refuse(call, 400, "unsupported_grant_type", 70003,
                            "The app requested an unsupported grant type; this issuer has "
                            "'client_credentials' alone.");
    return CELLA_SUCCESS;
}

/* Azure's own services, by the names that their clients ask for, and what the operator serves. */
static bool find_resource(const struct cella_issuer *issuer, struct cella_bytes name,
                          char out[URL_MAX + 1]) {
    static const char *const azure[] = {"https://attest.azure.net", "https://vault.azure.net",
                                        "https://managedhsm.azure.net"};
    if (name.size > 0 && name.data[name.size - 1] == '/') name.size--;
    for (size_t i = 0; i < sizeof(azure) / sizeof(azure[0]); i++)
        if (bytes_are(name, azure[i])) return snprintf(out, URL_MAX + 1, "%s", azure[i]) > 0;
    for (size_t i = 0; i < issuer->resource_count; i++)
        if (bytes_are(name, issuer->resource[i]))
            return snprintf(out, URL_MAX + 1, "%s", issuer->resource[i]) > 0;
    return false;
}

/* v1: resource=URL. v2: scope=URL/.default, and that alone (azure-sdk-js-traces 3.1). */
static CELLA_RESULT read_resource(struct token_call *call) {
    static const char suffix[] = "/.default";
    const size_t n = sizeof(suffix) - 1;
    struct cella_bytes name;
    char shown[120];
    TRY(need(call, call->v1 ? "resource" : "scope", &name));
    token_shown(name, shown, sizeof(shown));
    if (!call->v1) {
        bool one = name.size > n && !memchr(name.data, ' ', name.size) &&
                   cella_equal(name.data + name.size - n, suffix, n);
        if (!one)
            return token_refuse(call, 400, "invalid_scope", 70011,
                                "The provided value for the input parameter 'scope' is not valid. "
                                "Client credential flows must have a scope value with /.default "
                                "suffixed to the resource identifier. The scope %s is not valid.",
                                shown);
        name.size -= n;
    }
    if (find_resource(call->issuer, name, call->resource)) return CELLA_SUCCESS;
    token_shown(name, shown, sizeof(shown));
    return token_refuse(call, 400, "invalid_resource", 500011,
                        "The resource principal named %s was not found in the tenant named %s. "
                        "Expected the URL of a service that this server has, or one of "
                        "https://attest.azure.net, https://vault.azure.net, "
                        "https://managedhsm.azure.net.",
                        shown, call->issuer->tenant);
}

/* --- The token --- */

static CELLA_RESULT make_uti(char out[32]) {
    uint8_t random[UTI_SIZE];
    CELLA_BUFFER text = {0};
    TRY(cella_random(random, sizeof(random)));
    TRY(cella_base64_encode(CELLA_BYTES_OF(random), true, &text));
    ENSURE(text.size < 32, CELLA_ERR_INTERNAL, NULL, "a token's id of %zu characters", text.size);
    memcpy(out, text.data, text.size);
    out[text.size] = 0;
    return CELLA_SUCCESS;
}

/* Azure's services get tokens of version 1.0 whichever endpoint was asked. */
static CELLA_RESULT make_claims(const struct token_call *call, json_t **out) {
    const struct cella_issuer *issuer = call->issuer;
    const json_int_t now = (json_int_t)call->now_unix;
    char uti[32];
    TRY(make_uti(uti));
    *out = json_pack("{s:s, s:s, s:I, s:I, s:I, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "aud",
                     call->resource, "iss", issuer->iss_v1, "iat", now, "nbf", now, "exp",
                     now + (json_int_t)issuer->token_s, "appid", call->app.client, "appidacr",
                     call->proof, "idp", issuer->iss_v1, "oid", call->app.object, "sub",
                     call->app.object, "tid", issuer->tenant, "uti", uti, "ver", "1.0");
    ENSURE(*out, CELLA_ERR_MEMORY, NULL, "no memory for a token");
    return CELLA_SUCCESS;
}

static CELLA_RESULT make_token(const struct token_call *call, struct cella_buffer *out) {
    CELLA_JSON claims = NULL;
    RING ring = ring_hold(call->issuer);
    const struct ring_key *signer = ring_signer(ring, call->now_unix);
    CELLA_JSON header = json_pack("{s:s, s:s}", "typ", "JWT", "kid", signer->kid);
    TRY(make_claims(call, &claims));
    char *payload = json_dumps(claims, JSON_COMPACT);
    ENSURE(header && payload, CELLA_ERR_MEMORY, NULL, "no memory for a token");
    struct cella_result r =
        cella_jws_sign(signer->key, CELLA_JOSE_RS256, header, cella_bytes_text(payload), out);
    free(payload);
    return r;
}

/* The old endpoint gives its numbers as texts. */
static json_t *token_body(const struct token_call *call, const struct cella_buffer *token) {
    uint32_t life = call->issuer->token_s - 1; /* as Entra: it ends a moment before */
    json_int_t expires = (json_int_t)(call->now_unix + call->issuer->token_s);
    const char *text = (const char *)token->data;
    char number[3][24];
    if (!call->v1)
        return json_pack("{s:s, s:i, s:i, s:s%}", "token_type", "Bearer", "expires_in", (int)life,
                         "ext_expires_in", (int)life, "access_token", text, token->size);
    snprintf(number[0], sizeof(number[0]), "%u", life);
    snprintf(number[1], sizeof(number[1]), "%lld", (long long)expires);
    snprintf(number[2], sizeof(number[2]), "%lld", (long long)call->now_unix);
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s%}", "token_type", "Bearer", "expires_in",
                     number[0], "ext_expires_in", number[0], "expires_on", number[1], "not_before",
                     number[2], "resource", call->resource, "access_token", text, token->size);
}

/* Who comes first: only a client that proved itself is told which resources there are (K27). */
static CELLA_RESULT answer(struct token_call *call) {
    CELLA_BUFFER token = {0};
    TRY(read_form(call));
    TRY(client_authenticate(call));
    TRY(read_resource(call));
    TRY(make_token(call, &token));
    send_json(call, 200, token_body(call, &token));
    return CELLA_SUCCESS;
}

void token_answer(struct cella_issuer *issuer, const struct cella_http_request *request,
                  const struct cella_http_target *target, bool v1,
                  struct cella_http_response *response) {
    struct token_call call = {.issuer = issuer,
                              .request = request,
                              .response = response,
                              .now_unix = unix_now(),
                              .v1 = v1};
    correlate(&call, target);
    struct cella_result r = answer(&call);
    if (cella_failed(r)) {
        if (!call.fault.status) {
            cella_log(CELLA_LOG_ERROR, "token request %s: %s", request->id, r.error->what);
            cella_result_drop(token_refuse(&call, 500, "server_error", 90033,
                                           "The service could not do that now; its log says "
                                           "why."));
        }
        cella_result_drop(r);
        token_answer_fault(&call);
    }
    cella_form_free(&call.form);
}
