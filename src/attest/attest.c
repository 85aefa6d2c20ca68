#include "attest/attest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "attest/answer.h"
#include "attest/decide.h"
#include "attest/discovery.h"
#include "attest/explain.h"
#include "attest/meters.h"
#include "attest/policies.h"
#include "attest/references.h"
#include "attest/route.h"
#include "attest/tokens.h"
#include "attest/tpm_challenge.h"
#include "base/log.h"
#include "base/memory.h"

enum { INSTANCES_MAX = 64, AUTHORITY_MAX = 264 };

static const char audience[] = "https://attest.azure.net"; /* azure-attestation 1 */

struct origin {
    char authority[AUTHORITY_MAX]; /* of the instance's URL, lower case, port always there */
    struct cella_attest_instance instance;
};

struct cella_attest {
    struct cella_attest_parts parts;
    struct cella_attest_meters meters;
    size_t count;
    struct origin *origin[INSTANCES_MAX]; /* owned */
};

/* --- Life --- */

CELLA_RESULT cella_attest_new(const struct cella_attest_parts *parts, struct cella_attest **out) {
    *out = NULL;
    TRY(cella_tpm_challenges_migrate(parts->database));
    *out = calloc(1, sizeof(**out));
    ENSURE(*out, CELLA_ERR_MEMORY, NULL, "no memory for the attestation service");
    (*out)->parts = *parts;
    cella_attest_meters_add(parts->metrics, &(*out)->meters);
    return CELLA_SUCCESS;
}

static void origin_free(struct origin *origin) {
    struct cella_attest_instance *instance = &origin->instance;
    cella_policies_free(&instance->policies);
    cella_tokens_free(&instance->tokens);
    cella_explanations_free(&instance->explanations);
    struct cella_references *references = (void *)(uintptr_t)instance->references;
    cella_references_free(&references);
    free(origin);
}

void cella_attest_free(struct cella_attest **attest) {
    if (!*attest) return;
    for (size_t i = 0; i < (*attest)->count; i++) origin_free((*attest)->origin[i]);
    free(*attest);
    *attest = NULL;
}

static CELLA_RESULT check_name(const char *name) {
    size_t size = strlen(name);
    ENSURE(size > 0 && size < CELLA_ATTEST_NAME_MAX &&
               strspn(name, "0123456789abcdefghijklmnopqrstuvwxyz-") == size,
           CELLA_ERR_USAGE, "use lower-case letters, digits and -",
           "attestation instance '%.80s': a name of 1 to %d characters was expected", name,
           CELLA_ATTEST_NAME_MAX - 1);
    return CELLA_SUCCESS;
}

/* Lower case, with the port that https has when none is said. */
static bool normal_authority(struct cella_bytes text, char out[AUTHORITY_MAX]) {
    size_t size = 0;
    bool port = false;
    if (text.size == 0 || text.size + sizeof(":443") > AUTHORITY_MAX) return false;
    for (; size < text.size; size++) {
        char c = (char)text.data[size];
        if (c <= ' ' || c > '~' || c == '/' || c == '@') return false;
        out[size] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
        port = c == ':' || (port && c != ']'); /* not the colons within [::1] */
    }
    out[size] = 0;
    if (!port) memcpy(out + size, ":443", sizeof(":443"));
    return true;
}

static CELLA_RESULT name_origin(const struct cella_attest *attest, struct origin *origin) {
    static const char scheme[] = "https://";
    const char *url = origin->instance.settings.url;
    ENSURE(strncmp(url, scheme, sizeof(scheme) - 1) == 0 &&
               normal_authority(cella_bytes_text(url + sizeof(scheme) - 1), origin->authority),
           CELLA_ERR_USAGE, "write https://HOST[:PORT], without a slash at the end",
           "attestation instance %s: expected an origin, found '%.100s'",
           origin->instance.settings.name, url);
    for (size_t i = 0; i < attest->count; i++) {
        const struct origin *other = attest->origin[i];
        ENSURE(strcmp(other->authority, origin->authority) != 0, CELLA_ERR_USAGE,
               "give each its own host name or port",
               "attestation instances %s and %s have one origin", other->instance.settings.name,
               origin->instance.settings.name);
        ENSURE(strcmp(other->instance.settings.name, origin->instance.settings.name) != 0,
               CELLA_ERR_USAGE, NULL, "two attestation instances are called %s",
               origin->instance.settings.name);
    }
    return CELLA_SUCCESS;
}

static CELLA_RESULT fill(const struct cella_attest *attest, struct origin *origin) {
    struct cella_attest_instance *instance = &origin->instance;
    struct cella_references *references = NULL;
    TRY(check_name(instance->settings.name));
    TRY(name_origin(attest, origin));
    snprintf(instance->scope, sizeof(instance->scope), "/attest/%s", instance->settings.name);
    TRY_IN(cella_references_new(instance->settings.reference_values, &references),
           "attestation instance %s", instance->settings.name);
    instance->references = references;
    TRY(cella_explanations_new(&instance->explanations));
    TRY(cella_tokens_new(instance, (uint64_t)time(NULL), &instance->tokens));
    return cella_policies_new(instance, &instance->policies);
}

CELLA_RESULT cella_attest_add(struct cella_attest *attest,
                              const struct cella_attest_settings *settings,
                              struct cella_trust *trust) {
    const struct cella_attest_parts *parts = &attest->parts;
    ENSURE(attest->count < INSTANCES_MAX, CELLA_ERR_LIMIT, NULL, "more than %d instances",
           INSTANCES_MAX);
    struct origin *origin = calloc(1, sizeof(*origin));
    ENSURE(origin, CELLA_ERR_MEMORY, NULL, "no memory for an attestation instance");
    origin->instance = (struct cella_attest_instance){.settings = *settings,
                                                      .database = parts->database,
                                                      .sealer = parts->sealer,
                                                      .issuers = parts->issuers,
                                                      .audit = parts->audit,
                                                      .trust = trust,
                                                      .metrics = parts->metrics,
                                                      .meters = &attest->meters};
    struct cella_result r = fill(attest, origin);
    if (cella_failed(r))
        origin_free(origin);
    else
        attest->origin[attest->count++] = origin;
    return r;
}

CELLA_RESULT cella_attest_tend(struct cella_attest *attest, uint64_t now_unix) {
    for (size_t i = 0; i < attest->count; i++)
        TRY_IN(cella_tokens_tend(attest->origin[i]->instance.tokens, now_unix),
               "attestation instance %s", attest->origin[i]->instance.settings.name);
    return CELLA_SUCCESS;
}

/* --- Who asks --- */

struct call {
    const struct cella_attest *attest;
    struct cella_attest_instance *instance;
    const struct cella_http_request *request;
    struct cella_http_response *response;
    struct cella_caller caller;
    struct cella_attest_route route;
    uint64_t now_unix;
};

/* One answer for all who are not let in, whatever it is that they ask for (K27); 401 also for those
 * who lack a role, as the real service does (azure-attestation 10). */
static bool turn_away(struct call *call, const char *why) {
    static const char challenge[] = "Bearer resource=\"https://attest.azure.net\"";
    cella_metric_count(call->attest->meters.unauthorized, 1);
    call->response->note = "unauthorized";
    cella_http_header(call->response, "WWW-Authenticate", challenge);
    cella_answer_error(call->response, 401, "Unauthorized", "%s", why);
    return false;
}

static bool know_caller(struct call *call) {
    struct cella_bytes authorization;
    const char *const audiences[] = {audience, call->instance->settings.url};
    char why[512];
    if (!cella_http_request_header(call->request, "authorization", &authorization))
        return turn_away(call, "Authorization is required: send a bearer token for the resource "
                               "https://attest.azure.net");
    struct cella_result r = cella_bearer_check(call->instance->issuers, authorization, audiences, 2,
                                               call->now_unix, &call->caller);
    if (!cella_failed(r)) return true;
    snprintf(why, sizeof(why), "The bearer token is not accepted: %s", r.error->what);
    cella_result_drop(r);
    return turn_away(call, why);
}

static bool admit(struct call *call) {
    bool allowed = false;
    if (!call->route.permission) return true;
    if (!know_caller(call)) return false;
    struct cella_result r =
        cella_access_allows(call->instance->database, &call->caller, call->route.permission,
                            call->instance->scope, &allowed);
    if (cella_failed(r)) {
        cella_answer_failure(call->response, "InternalError", r);
        return false;
    }
    if (allowed) return true;
    char why[512];
    snprintf(why, sizeof(why),
             "The caller has no role that allows %s on %s; the operator may assign Attestation "
             "Reader or Attestation Contributor",
             call->route.permission, call->instance->scope);
    return turn_away(call, why);
}

static bool check_version(struct call *call) {
    struct cella_bytes version;
    if (!call->route.versioned) return true;
    if (!cella_http_parameter(&call->route.target, "api-version", &version)) {
        cella_answer_error(call->response, 400, "InvalidParameter",
                           "api-version is missing: add for example ?api-version=2020-10-01");
        return false;
    }
    if (cella_attest_version_known(version)) return true;
    cella_answer_error(call->response, 400, "UnsupportedApiVersion",
                       "api-version %.*s is not known: use for example 2020-10-01 or 2025-06-01",
                       (int)(version.size < 40 ? version.size : 40), (const char *)version.data);
    return false;
}

CELLA_RESULT cella_attest_keyset(struct cella_attest *attest, size_t index, const char **url,
                                 struct cella_buffer *jwks) {
    *url = NULL;
    if (index >= attest->count) return CELLA_SUCCESS;
    const struct cella_attest_instance *instance = &attest->origin[index]->instance;
    *url = instance->settings.url;
    return cella_tokens_keyset(instance->tokens, jwks);
}

/* --- Answers --- */

static void answer_keys(struct call *call) {
    struct cella_http_response *response = call->response;
    struct cella_result r = cella_tokens_keyset(call->instance->tokens, &response->text);
    if (cella_failed(r)) {
        cella_answer_failure(response, "InternalError", r);
        return;
    }
    response->status = 200; /* application/jwk+json is not read by the JavaScript client */
    response->content_type = "application/json; charset=utf-8";
    response->body = cella_buffer_bytes(&response->text);
}

static void answer_explanation(struct call *call) {
    CELLA_JSON found = cella_explanations_find(call->instance->explanations, call->route.id);
    if (found)
        cella_answer_json(call->response, 200, found);
    else
        cella_answer_error(call->response, 404, "NotFound",
                           "There is no decision of that request id among the last %d of this "
                           "instance since its start",
                           CELLA_EXPLANATIONS_MAX);
}

static uint64_t nanoseconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000U + (uint64_t)t.tv_nsec;
}

static void attest(struct call *call) {
    CELLA_DECISION decision = {.instance = call->instance,
                               .type = call->route.type,
                               .request = call->request,
                               .caller = &call->caller,
                               .now_unix = call->now_unix};
    uint64_t start = nanoseconds();
    switch (call->route.type) {
    case CELLA_ATTEST_AZURE_GUEST: cella_attest_guest(&decision, call->response); break;
    case CELLA_ATTEST_TPM: cella_attest_tpm(&decision, call->response); break;
    default: cella_attest_enclave(&decision, call->response);
    }
    cella_metric_observe(call->attest->meters.seconds[call->route.type], nanoseconds() - start);
}

static void dispatch(struct call *call) {
    struct cella_attest_instance *instance = call->instance;
    const struct cella_http_request *request = call->request;
    struct cella_http_response *response = call->response;
    enum cella_attest_type type = call->route.type;
    switch (call->route.action) {
    case CELLA_ATTEST_DISCOVERY: cella_discovery_answer(instance, response); return;
    case CELLA_ATTEST_KEYS: answer_keys(call); return;
    case CELLA_ATTEST_ATTEST: attest(call); return;
    case CELLA_ATTEST_POLICY_GET: cella_policies_get(instance, type, request, response); return;
    case CELLA_ATTEST_POLICY_SET:
        cella_policies_put(instance, type, &call->caller, request, response);
        return;
    case CELLA_ATTEST_POLICY_RESET:
        cella_policies_reset(instance, type, &call->caller, request, response);
        return;
    case CELLA_ATTEST_CERTIFICATES_GET: cella_certificates_get(instance, request, response); return;
    case CELLA_ATTEST_CERTIFICATES_ADD:
    case CELLA_ATTEST_CERTIFICATES_REMOVE:
        cella_certificates_change(instance, call->route.action == CELLA_ATTEST_CERTIFICATES_ADD,
                                  &call->caller, request, response);
        return;
    case CELLA_ATTEST_BASELINES: cella_baselines_get(instance, type, request, response); return;
    case CELLA_ATTEST_EXPLANATION: answer_explanation(call); return;
    }
    cella_answer_error(response, 404, "NotFound", "There is nothing at this path");
}

/* --- The handler --- */

static struct cella_attest_instance *find(const struct cella_attest *attest,
                                          struct cella_bytes host) {
    char authority[AUTHORITY_MAX];
    if (!normal_authority(host, authority)) return NULL;
    for (size_t i = 0; i < attest->count; i++)
        if (strcmp(attest->origin[i]->authority, authority) == 0)
            return &attest->origin[i]->instance;
    return NULL;
}

static bool find_route(struct call *call) {
    cella_attest_route_read(call->request->method, call->request->target, &call->route);
    switch (call->route.fault) {
    case CELLA_ATTEST_ROUTE_GOOD: return true;
    case CELLA_ATTEST_ROUTE_MALFORMED:
        cella_answer_error(call->response, 400, "InvalidParameter",
                           "The request target is malformed: expected a plain path, and in the "
                           "query every parameter once");
        return false;
    case CELLA_ATTEST_ROUTE_METHOD:
        cella_http_header(call->response, "Allow", call->route.allow);
        cella_answer_error(call->response, 405, "MethodNotAllowed",
                           "This path takes %s, nothing else", call->route.allow);
        return false;
    case CELLA_ATTEST_ROUTE_UNKNOWN: break;
    }
    cella_answer_error(call->response, 404, "NotFound",
                       "There is nothing at this path; types of evidence are SgxEnclave, "
                       "OpenEnclave, SevSnpVm, TdxVm, AzureGuest, Tpm and SoftwareEnclave");
    return false;
}

void cella_attest_answer(void *context, const struct cella_http_request *request,
                         struct cella_http_response *response) {
    struct call call;
    call.attest = context;
    call.request = request;
    call.response = response;
    call.caller = (struct cella_caller){0};
    call.now_unix = (uint64_t)time(NULL);
    call.instance = find(call.attest, request->authority);
    cella_http_header(response, "x-ms-maa-service-version", "1.0");
    cella_http_header(response, "Strict-Transport-Security", "max-age=31536000");
    if (!call.instance) {
        cella_answer_error(response, 404, "NotFound",
                           "No attestation instance is served under this host");
        return;
    }
    /* K19: one form first, then who may, then whether it is well asked, then what is done */
    if (find_route(&call) && admit(&call) && check_version(&call)) dispatch(&call);
}
