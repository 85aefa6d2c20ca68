/* The issuer's life, its documents, and which request is which. */
#include "identity/issuer.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "base/log.h"
#include "identity/access.h"
#include "identity/issuer_inner.h"

enum { DEFAULT_TOKEN_S = 3600, DEFAULT_ROTATE_S = 30 * 86400 };

/* --- Life --- */

static CELLA_RESULT copy_url(const char *url, char out[URL_MAX + 1]) {
    size_t size = strlen(url);
    ENSURE(plain_text(cella_bytes_text(url), URL_MAX) && strncmp(url, "https://", 8) == 0 &&
               size > 8 && url[size - 1] != '/',
           CELLA_ERR_USAGE, NULL,
           "expected an https URL of up to %d characters without a slash at the end, found '%.80s'",
           URL_MAX, url);
    memcpy(out, url, size + 1);
    return CELLA_SUCCESS;
}

static CELLA_RESULT take_settings(struct cella_issuer *issuer,
                                  const struct cella_issuer_settings *settings) {
    TRY_IN(copy_url(settings->url, issuer->url), "issuer");
    ENSURE(guid_read(cella_bytes_text(settings->tenant), issuer->tenant), CELLA_ERR_USAGE, NULL,
           "issuer: a tenant is a GUID, found '%.60s'", settings->tenant);
    issuer->token_s = settings->token_s ? settings->token_s : DEFAULT_TOKEN_S;
    issuer->rotate_s = settings->rotate_s ? settings->rotate_s : DEFAULT_ROTATE_S;
    issuer->assertion_once = settings->assertion_once;
    ENSURE(issuer->token_s <= CELLA_ISSUER_TOKEN_S_MAX && issuer->rotate_s >= ROTATE_S_MIN,
           CELLA_ERR_USAGE, NULL, "issuer: tokens live for up to %d s, and keys for %d s or more",
           CELLA_ISSUER_TOKEN_S_MAX, ROTATE_S_MIN);
    ENSURE(settings->resource_count <= CELLA_ISSUER_RESOURCES, CELLA_ERR_LIMIT, NULL,
           "issuer: more resources than %d", CELLA_ISSUER_RESOURCES);
    for (size_t i = 0; i < settings->resource_count; i++)
        TRY_IN(copy_url(settings->resource[i], issuer->resource[issuer->resource_count++]),
               "issuer: resource");
    return CELLA_SUCCESS;
}

static void make_names(struct cella_issuer *i) {
    snprintf(i->iss_v1, TEXT_MAX, "%s/%s/", i->url, i->tenant);
    snprintf(i->iss_v2, TEXT_MAX, "%s/%s/v2.0", i->url, i->tenant);
    snprintf(i->endpoint_v1, TEXT_MAX, "%s/%s/oauth2/token", i->url, i->tenant);
    snprintf(i->endpoint_v2, TEXT_MAX, "%s/%s/oauth2/v2.0/token", i->url, i->tenant);
}

void cella_issuer_free(struct cella_issuer **issuer) {
    struct cella_issuer *i = *issuer;
    if (!i) return;
    ring_release(&i->ring);
    pthread_mutex_destroy(&i->lock);
    free(i);
    *issuer = NULL;
}

CELLA_RESULT cella_issuer_new(const struct cella_issuer_settings *settings,
                              struct cella_database *database, const struct cella_sealer *sealer,
                              struct cella_issuer **out) {
    __attribute__((cleanup(cella_issuer_free))) struct cella_issuer *issuer =
        calloc(1, sizeof(*issuer));
    ENSURE(issuer, CELLA_ERR_MEMORY, NULL, "no memory for the issuer");
    pthread_mutex_init(&issuer->lock, NULL);
    issuer->database = database;
    issuer->sealer = sealer;
    TRY(take_settings(issuer, settings));
    make_names(issuer);
    TRY(cella_identity_migrate(database));
    TRY(ring_open(issuer, unix_now()));
    *out = MOVE(issuer);
    return CELLA_SUCCESS;
}

/* Under both names: which one is in a token depends on its version. */
static CELLA_RESULT publish(struct cella_issuer *issuer) {
    RING ring = ring_hold(issuer);
    const struct cella_bytes jwks = cella_bytes_text(ring->jwks);
    TRY(issuers_own(issuer->issuers, issuer->iss_v1, issuer->tenant, jwks));
    return issuers_own(issuer->issuers, issuer->iss_v2, issuer->tenant, jwks);
}

CELLA_RESULT cella_issuer_join(struct cella_issuer *issuer, struct cella_issuers *issuers) {
    issuer->issuers = issuers;
    return publish(issuer);
}

CELLA_RESULT cella_issuer_tend(struct cella_issuer *issuer, uint64_t now_unix) {
    bool changed = false;
    TRY(ring_tend(issuer, now_unix, &changed));
    if (changed && issuer->issuers) TRY(publish(issuer));
    return assertion_forget(issuer, now_unix);
}

/* --- Documents --- */

static void send_text(struct cella_http_response *response, const char *text) {
    struct cella_result r = cella_buffer_append(&response->text, cella_bytes_text(text));
    bool failed = cella_failed(r);
    cella_result_drop(r);
    if (failed) return;
    response->status = 200;
    response->content_type = "application/json; charset=utf-8";
    response->body = cella_buffer_bytes(&response->text);
    cella_http_header(response, "Cache-Control", "max-age=300");
    cella_http_header(response, "Access-Control-Allow-Origin", "*");
}

static json_t *discovery(const struct cella_issuer *i, bool v1) {
    char authorize[TEXT_MAX + 32], keys[TEXT_MAX + 32];
    snprintf(authorize, sizeof(authorize), "%s/%s/oauth2/%sauthorize", i->url, i->tenant,
             v1 ? "" : "v2.0/");
    snprintf(keys, sizeof(keys), "%s/%s/discovery/%skeys", i->url, i->tenant, v1 ? "" : "v2.0/");
    /* MSAL wants an authorization endpoint; this issuer has no users, and it answers so. */
    return json_pack(
        "{s:s, s:s, s:s, s:s, s:[s,s,s], s:[s,s,s], s:[s], s:[], s:[s], s:[s], s:[s,s,s,s,s,s]}",
        "issuer", v1 ? i->iss_v1 : i->iss_v2, "authorization_endpoint", authorize, "token_endpoint",
        v1 ? i->endpoint_v1 : i->endpoint_v2, "jwks_uri", keys,
        "token_endpoint_auth_methods_supported", "client_secret_post", "private_key_jwt",
        "client_secret_basic", "token_endpoint_auth_signing_alg_values_supported", "RS256", "PS256",
        "ES256", "grant_types_supported", "client_credentials", "response_types_supported",
        "subject_types_supported", "pairwise", "id_token_signing_alg_values_supported", "RS256",
        "claims_supported", "aud", "iss", "oid", "sub", "tid", "appid");
}

static void answer_discovery(struct cella_issuer *issuer, bool v1,
                             struct cella_http_response *response) {
    CELLA_JSON document = discovery(issuer, v1);
    char *text = document ? json_dumps(document, JSON_COMPACT) : NULL;
    if (text) send_text(response, text);
    free(text);
}

static void answer_keys(struct cella_issuer *issuer, struct cella_http_response *response) {
    RING ring = ring_hold(issuer);
    send_text(response, ring->jwks);
}

/* --- Routes --- */

enum route { ROUTE_NONE, ROUTE_DISCOVERY, ROUTE_KEYS, ROUTE_TOKEN, ROUTE_AUTHORIZE };
static const struct {
    const char *path; /* behind the tenant */
    enum route route;
    bool v1;
} routes[] = {
    {"/v2.0/.well-known/openid-configuration", ROUTE_DISCOVERY, false},
    {"/.well-known/openid-configuration", ROUTE_DISCOVERY, true},
    {"/discovery/v2.0/keys", ROUTE_KEYS, false},
    {"/discovery/keys", ROUTE_KEYS, true},
    {"/oauth2/v2.0/token", ROUTE_TOKEN, false},
    {"/oauth2/token", ROUTE_TOKEN, true},
    {"/oauth2/v2.0/authorize", ROUTE_AUTHORIZE, false},
    {"/oauth2/authorize", ROUTE_AUTHORIZE, true},
};

/* The issuer's tenant, or a name that stands for whichever there is. */
static bool is_tenant(const struct cella_issuer *issuer, struct cella_bytes name) {
    char guid[GUID_SIZE];
    return bytes_are(name, "common") || bytes_are(name, "organizations") ||
           (guid_read(name, guid) && strcmp(guid, issuer->tenant) == 0);
}

static enum route find_route(struct cella_bytes rest, bool *v1) {
    for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++)
        if (bytes_are(rest, routes[i].path)) {
            *v1 = routes[i].v1;
            return routes[i].route;
        }
    return ROUTE_NONE;
}

static void fault(struct cella_issuer *issuer, const struct cella_http_request *request,
                  struct cella_http_response *response, int status, const char *error,
                  unsigned code, const char *text) {
    struct token_call call = {
        .issuer = issuer, .request = request, .response = response, .now_unix = unix_now()};
    snprintf(call.correlation, GUID_SIZE, "%.36s", request->id);
    cella_result_drop(token_refuse(&call, status, error, code, "%s", text));
    token_answer_fault(&call);
}

static void answer_route(struct cella_issuer *issuer, const struct cella_http_request *request,
                         const struct cella_http_target *target, enum route route, bool v1,
                         struct cella_http_response *response) {
    bool post = bytes_are(request->method, "POST");
    if (route == ROUTE_AUTHORIZE) {
        fault(issuer, request, response, 400, "unsupported_response_type", 700054,
              "This issuer has applications alone and no users to sign in.");
        return;
    }
    if (post != (route == ROUTE_TOKEN) || (!post && !bytes_are(request->method, "GET"))) {
        cella_http_header(response, "Allow", route == ROUTE_TOKEN ? "POST" : "GET");
        fault(issuer, request, response, 405, "invalid_request", 900561,
              route == ROUTE_TOKEN ? "The endpoint only accepts POST requests."
                                   : "The endpoint only accepts GET requests.");
        return;
    }
    if (route == ROUTE_DISCOVERY) answer_discovery(issuer, v1, response);
    if (route == ROUTE_KEYS) answer_keys(issuer, response);
    if (route == ROUTE_TOKEN) token_answer(issuer, request, target, v1, response);
}

static void answer_unknown_tenant(struct cella_issuer *issuer, struct cella_bytes name,
                                  const struct cella_http_request *request,
                                  struct cella_http_response *response) {
    char shown[64], text[256];
    token_shown(name, shown, sizeof(shown));
    snprintf(text, sizeof(text),
             "Tenant '%s' not found. Check to make sure you have the correct tenant ID and are "
             "signing into the correct cloud.",
             shown);
    fault(issuer, request, response, 400, "invalid_request", 90002, text);
}

void cella_issuer_answer(void *context, const struct cella_http_request *request,
                         struct cella_http_response *response) {
    struct cella_issuer *issuer = context;
    struct cella_http_target target;
    bool v1 = false;
    struct cella_result r = cella_http_target_parse(request->target, &target);
    bool failed = cella_failed(r);
    cella_result_drop(r);
    if (failed) {
        fault(issuer, request, response, 400, "invalid_request", 90023,
              "The request's target is not a plain path with a query.");
        return;
    }
    struct cella_bytes path = target.path;
    const uint8_t *slash = path.size > 1 ? memchr(path.data + 1, '/', path.size - 1) : NULL;
    size_t head = slash ? (size_t)(slash - path.data) : path.size;
    struct cella_bytes tenant = cella_bytes(path.data + 1, head - 1);
    enum route route = find_route(cella_bytes(path.data + head, path.size - head), &v1);
    if (route == ROUTE_NONE)
        fault(issuer, request, response, 404, "not_found", 900561, "There is nothing here.");
    else if (!is_tenant(issuer, tenant))
        answer_unknown_tenant(issuer, tenant, request, response);
    else
        answer_route(issuer, request, &target, route, v1, response);
}
