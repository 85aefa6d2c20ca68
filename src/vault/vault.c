#include "vault/vault.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/memory.h"
#include "http/target.h"
#include "vault/authority.h"
#include "vault/vault_inner.h"

/* Every version that Key Vault's clients send (azure-keyvault 1.1). */
static const char *const api_versions[] = {"7.0",
                                           "7.1",
                                           "7.2",
                                           "7.3-preview",
                                           "7.3",
                                           "7.4-preview.1",
                                           "7.4",
                                           "7.5-preview.1",
                                           "7.5",
                                           "7.6-preview.1",
                                           "7.6-preview.2",
                                           "7.6",
                                           "2025-06-01-preview",
                                           "2025-07-01",
                                           "2026-01-01-preview",
                                           "2026-03-01-preview",
                                           "2026-04-01",
                                           "2026-05-01-preview",
                                           "2026-07-01-preview"};

/* --- Life --- */

CELLA_RESULT cella_vaults_new(const struct cella_vault_parts *parts, struct cella_vaults **out) {
    struct cella_vaults *made = calloc(1, sizeof(*made));
    *out = NULL;
    ENSURE(made, CELLA_ERR_MEMORY, NULL, "no memory for vaults");
    made->parts = *parts;
    struct cella_result result = cella_records_migrate(parts->database);
    if (!cella_failed(result)) result = cella_rate_new(&made->rate);
    if (!cella_failed(result)) result = cella_keyring_new(parts->sealer, &made->keyring);
    if (!cella_failed(result)) result = cella_signer_new(&made->signer);
    if (cella_failed(result)) {
        cella_vaults_free(&made);
        return result;
    }
    made->answered =
        cella_metrics_add(parts->metrics, CELLA_METRIC_COUNTER, "cella_vault_requests_total",
                          "verdict=\"allowed\"", "Calls to vaults that a role allowed, and others");
    made->refused =
        cella_metrics_add(parts->metrics, CELLA_METRIC_COUNTER, "cella_vault_requests_total",
                          "verdict=\"refused\"", "Calls to vaults that a role allowed, and others");
    made->seconds = cella_metrics_add(parts->metrics, CELLA_METRIC_SECONDS, "cella_vault_seconds",
                                      "", "Time to answer a call to a vault");
    *out = made;
    return CELLA_SUCCESS;
}

void cella_vaults_free(struct cella_vaults **vaults) {
    if (!*vaults) return;
    cella_rate_free(&(*vaults)->rate);
    cella_keyring_free(&(*vaults)->keyring);
    for (size_t i = 0; i < (*vaults)->hsm_count; i++) cella_hsm_close(&(*vaults)->hsm[i]);
    cella_signer_free(&(*vaults)->signer);
    free(*vaults);
    *vaults = NULL;
}

CELLA_RESULT cella_vaults_certify(struct cella_vaults *vaults, struct cella_bytes chain,
                                  struct cella_bytes key) {
    return cella_signer_set(vaults->signer, chain, key);
}

/* Vaults that name the same token share what leads to it. */
static CELLA_RESULT open_hsm(struct cella_vaults *vaults, struct cella_vault *vault) {
    const char *uri = vault->settings.hsm_keys, *folder = vault->settings.folder;
    char labels[CELLA_VAULT_NAME_MAX + 16];
    for (size_t i = 0; i < vaults->hsm_count && !vault->hsm; i++)
        if (strcmp(cella_hsm_uri(vaults->hsm[i]), uri) == 0) vault->hsm = vaults->hsm[i];
    if (!vault->hsm) {
        TRY_IN(cella_hsm_open(uri, folder ? folder : ".", &vaults->hsm[vaults->hsm_count]),
               "hsm_keys");
        vault->hsm = vaults->hsm[vaults->hsm_count++];
    }
    snprintf(labels, sizeof(labels), "vault=\"%s\"", vault->settings.name);
    struct cella_metrics *metrics = vaults->parts.metrics;
    vault->hsm_up = cella_metrics_add(metrics, CELLA_METRIC_GAUGE, "cella_vault_hsm_up", labels,
                                      "1 while the HSM of a vault's keys answers");
    vault->hsm_missing =
        cella_metrics_add(metrics, CELLA_METRIC_GAUGE, "cella_vault_hsm_missing_keys", labels,
                          "keys of a vault that were not in its HSM at start");
    cella_metric_set(vault->hsm_up, 1);
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_vaults_add(struct cella_vaults *vaults,
                              const struct cella_vault_settings *settings) {
    char url[CELLA_AUTHORITY_MAX] = "";
    ENSURE(vaults->count < CELLA_VAULTS_MAX, CELLA_ERR_LIMIT, NULL, "more than %d vaults",
           CELLA_VAULTS_MAX);
    ENSURE(!settings->url || cella_authority_normal(settings->url, url), CELLA_ERR_USAGE, NULL,
           "vault %s: expected an https URL, found '%s'", settings->name, settings->url);
    struct cella_vault *vault = &vaults->vault[vaults->count++];
    *vault = (struct cella_vault){.settings = *settings, .service = vaults};
    snprintf(vault->authority, sizeof(vault->authority), "%s",
             *url ? url + strlen("https://") : "");
    struct cella_vault_settings *s = &vault->settings;
    if (!s->resource)
        s->resource = s->hsm ? "https://managedhsm.azure.net" : "https://vault.azure.net";
    if (!s->recover_days) s->recover_days = 90;
    if (!s->rate) s->rate = 2000;
    return s->hsm_keys ? open_hsm(vaults, vault) : CELLA_SUCCESS;
}

/* --- A request --- */

static struct cella_vault *find_vault(struct cella_vaults *vaults, struct cella_bytes authority) {
    struct cella_vault *rest = NULL;
    for (size_t i = 0; i < vaults->count; i++) {
        struct cella_vault *vault = &vaults->vault[i];
        if (!vault->authority[0]) rest = vault;
        if (strlen(vault->authority) == authority.size && authority.size > 0 &&
            strncasecmp(vault->authority, (const char *)authority.data, authority.size) == 0)
            return vault;
    }
    return rest;
}

static void common_headers(struct cella_http_response *response) {
    static const char *const headers[][2] = {{"Cache-Control", "no-cache"},
                                             {"Pragma", "no-cache"},
                                             {"Expires", "-1"},
                                             {"X-Content-Type-Options", "nosniff"},
                                             {"Strict-Transport-Security",
                                              "max-age=31536000; includeSubDomains"},
                                             {"x-ms-keyvault-service-version", "1.9"},
                                             {"x-ms-keyvault-region", "local"}};
    for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++)
        cella_http_header(response, headers[i][0], headers[i][1]);
}

static void challenge(struct cella_vault_call *call, const char *message) {
    char text[1024];
    int size = snprintf(text, sizeof(text), "Bearer authorization=\"%s\", resource=\"%s\"",
                        call->settings->login, call->settings->resource);
    cella_http_header_copy(call->response, "WWW-Authenticate", cella_bytes(text, (size_t)size));
    cella_vault_error(call, 401, "Unauthorized", NULL, "%s", message);
}

/* Before anything of the request is looked at: clients send their first one empty, to be told where
 * to get a token (azure-keyvault 1.2). */
static bool know_caller(struct cella_vault_call *call) {
    struct cella_bytes authorization;
    const char *audience[] = {call->settings->resource, call->base};
    char text[512];
    if (!cella_http_request_header(call->request, "authorization", &authorization)) {
        challenge(call, "AKV10000: Request is missing a Bearer or PoP token.");
        return false;
    }
    struct cella_result result = cella_bearer_check(call->parts->issuers, authorization, audience,
                                                    2, call->now_unix, &call->caller);
    if (!cella_failed(result)) return true;
    snprintf(text, sizeof(text), "AKV10001: The token is not accepted: %s", result.error->what);
    cella_result_drop(result);
    challenge(call, text);
    return false;
}

static bool known_version(struct cella_vault_call *call, const struct cella_http_target *target) {
    struct cella_bytes value;
    if (!cella_http_parameter(target, "api-version", &value)) {
        cella_vault_error(call, 400, "BadParameter", NULL,
                          "api-version must be specified, for example api-version=7.4");
        return false;
    }
    for (size_t i = 0; i < sizeof(api_versions) / sizeof(api_versions[0]); i++)
        if (strlen(api_versions[i]) == value.size &&
            cella_equal(api_versions[i], value.data, value.size)) {
            call->api_version = api_versions[i];
            return true;
        }
    cella_vault_error(call, 400, "BadParameter", NULL, "api-version '%.*s' is not known",
                      (int)(value.size < 40 ? value.size : 40), (const char *)value.data);
    return false;
}

/* Operations that begin by reading a record, and make nothing before it that takes long. */
static bool begins_by_reading(const struct cella_vault_call *call) {
    static const char *const uses[] = {"sign",    "verify",  "encrypt",   "decrypt",
                                       "wrapkey", "release", "unwrapkey", "versions"};
    bool found = !*call->operation && call->request->method.size == 3 &&
                 cella_equal(call->request->method.data, "GET", 3);
    for (size_t i = 0; !found && i < sizeof(uses) / sizeof(uses[0]); i++)
        found = strcmp(call->operation, uses[i]) == 0;
    return found;
}

static bool allowed(struct cella_vault_call *call, const struct cella_route *route,
                    const char *action) {
    char scope[256];
    bool good = false;
    cella_route_scope(route, call->settings->name, scope);
    struct cella_result result =
        cella_session_begin(call->parts->database, false, &call->looked_in);
    if (!cella_failed(result))
        result = cella_access_allows_in(call->looked_in, &call->caller, action, scope, &good);
    if (!good || !begins_by_reading(call)) cella_session_end(&call->looked_in);
    if (cella_failed(result)) {
        cella_vault_failure(call, CELLA_RECORD_KEY, result);
        return false;
    }
    if (good) return true;
    /* K27: said before anything is looked up, so that it tells nothing of what is there */
    if (!cella_vault_audit(call, action, scope, "refused", "no role of the caller's allows it"))
        return false;
    cella_vault_error(
        call, 403, "Forbidden", "ForbiddenByRbac",
        "Caller is not authorized to perform action on resource.\r\nIf role "
        "assignments, deny assignments or role definitions were changed recently, "
        "please observe propagation time.\r\nCaller: appid=%s;oid=%s;iss=%s\r\nAction: "
        "'%s'\r\nResource: '%s'\r\nAssignment: (not found)\r\n",
        call->caller.app, call->caller.object, call->caller.issuer, action, scope);
    return false;
}

/* Before all else of a known caller, so that nobody fills the audit log faster than this; what is
 * over the rate is no line of it. */
static bool within_rate(struct cella_vault_call *call) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    uint64_t now = (uint64_t)t.tv_sec * 1000000000U + (uint64_t)t.tv_nsec;
    if (cella_rate_take(call->vault->service->rate, call->caller.object, call->settings->rate, now))
        return true;
    cella_http_header(call->response, "Retry-After", "1");
    cella_vault_error(call, 429, "Throttled", NULL,
                      "More than %u requests a second; try again in a second",
                      call->settings->rate);
    return false;
}

static void dispatch(struct cella_vault_call *call, const struct cella_route *route,
                     const struct cella_http_target *target) {
    char method[16] = "";
    size_t size = call->request->method.size;
    cella_copy(method, call->request->method.data, size < sizeof(method) ? size : 0);
    switch (route->family) {
    case CELLA_ROUTE_KEYS: cella_vault_keys(call, method, route->deleted); return;
    case CELLA_ROUTE_SECRETS: cella_vault_secrets(call, method, route->deleted); return;
    case CELLA_ROUTE_CERTIFICATES: cella_vault_certificates(call, method, route->deleted); return;
    case CELLA_ROUTE_RANDOM: cella_vault_random(call); return;
    case CELLA_ROUTE_ADMIN: cella_vault_admin(call, method, route, target); return;
    default: cella_vault_error(call, 404, "NotFound", NULL, "There is nothing at this path");
    }
}

static void answer_route(struct cella_vault_call *call, struct cella_http_target *target) {
    struct cella_route route;
    char after[CELLA_VAULT_AFTER_MAX] = "";
    cella_route_read(call->request->method, target->path, &route);
    if (route.fault == CELLA_ROUTE_BAD_NAME) {
        cella_vault_error(call, 400, "BadParameter", NULL,
                          "The request URI contains an invalid name: %s", route.found);
        return;
    }
    if (route.fault != CELLA_ROUTE_GOOD ||
        !cella_route_action(&route, call->request->method, call->settings->hsm, call->action)) {
        cella_vault_error(call, 404, "NotFound", NULL,
                          "There is nothing at this path for this method");
        return;
    }
    call->name = route.name;
    call->version = route.version;
    call->operation = route.operation;
    call->page_after = after;
    if (!known_version(call, target) || !allowed(call, &route, call->action)) return;
    cella_metric_count(call->vault->service->answered, 1);
    if (!cella_vault_page(call, target, after)) return;
    dispatch(call, &route, target);
}

/* The path without empty parts, so that nothing after this can read it in another way (K19). flat
 * must stay while the target is used. */
static CELLA_RESULT read_target(struct cella_bytes text, char flat[CELLA_HTTP_TARGET_MAX],
                                struct cella_http_target *target) {
    size_t size = 0;
    bool query = false;
    ENSURE(text.size < CELLA_HTTP_TARGET_MAX, CELLA_ERR_LIMIT, NULL, "a target this long");
    for (size_t i = 0; i < text.size; i++) {
        char c = (char)text.data[i];
        if (!query && c == '/' && size > 0 && flat[size - 1] == '/') continue;
        if (!query && c == '?' && size > 1 && flat[size - 1] == '/') size--;
        query = query || c == '?';
        flat[size++] = c;
    }
    if (!query && size > 1 && flat[size - 1] == '/') size--;
    return cella_http_target_parse(cella_bytes(flat, size), target);
}

static uint64_t nanoseconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000U + (uint64_t)t.tv_nsec;
}

/* Every answer to a known caller is in the audit log before it is sent: what changes something,
 * uses a key or shows a secret wrote its line itself; this is for lists and other reading, and for
 * what was refused before (K22). */
static void audit_rest(struct cella_vault_call *call) {
    struct cella_http_response *r = call->response;
    char object[640], method[16] = "";
    const char *verdict = r->status < 400 ? "ok" : r->status < 500 ? "refused" : "failed";
    if (call->audited) return;
    if (!call->action[0])
        cella_copy(method, call->request->method.data,
                   call->request->method.size < sizeof(method) ? call->request->method.size : 0);
    snprintf(object, sizeof(object), "%s%s", call->base, call->path);
    for (char *c = object; *c; c++)
        if (*c < ' ' || *c > '~') *c = '?'; /* a path that was refused may hold anything */
    /* What stands in the response is replaced when the line cannot be written. */
    cella_vault_audit_more(call, call->action[0] ? call->action : method, object, verdict,
                           r->status < 400 ? NULL : r->note,
                           json_pack("{s:i}", "status", r->status));
}

static void answer_caller(struct cella_vault_call *call) {
    struct cella_http_target target;
    char flat[CELLA_HTTP_TARGET_MAX], path[300] = "";
    call->path = path;
    struct cella_result result = read_target(call->request->target, flat, &target);
    if (cella_failed(result)) {
        cella_vault_error(call, 400, "BadParameter", NULL, "The request URI is malformed: %s",
                          result.error->what);
        cella_result_drop(result);
    } else {
        snprintf(path, sizeof(path), "%.*s", (int)target.path.size, (const char *)target.path.data);
        answer_route(call, &target);
    }
    cella_session_end(&call->looked_in);
    audit_rest(call);
}

void cella_vaults_answer(void *context, const struct cella_http_request *request,
                         struct cella_http_response *response) {
    struct cella_vaults *vaults = context;
    char base[300];
    uint64_t start = nanoseconds();
    struct cella_vault_call call = {.vault = find_vault(vaults, request->authority),
                                    .parts = &vaults->parts,
                                    .request = request,
                                    .response = response,
                                    .base = base,
                                    .now_unix = (uint64_t)time(NULL)};
    common_headers(response);
    if (!call.vault) {
        cella_vault_error(&call, 404, "VaultNotFound", NULL, "No vault is served under this host");
        return;
    }
    call.settings = &call.vault->settings;
    snprintf(base, sizeof(base), "https://%.*s", (int)request->authority.size,
             (const char *)request->authority.data);
    if (!know_caller(&call)) {
        cella_metric_count(vaults->refused, 1);
        return;
    }
    if (within_rate(&call)) answer_caller(&call);
    cella_metric_observe(vaults->seconds, nanoseconds() - start);
}
