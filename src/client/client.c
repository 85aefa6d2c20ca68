#include "client/client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/memory.h"
#include "collateral/download.h"
#include "crypto/jose.h"

enum { TOKENS = 4, EARLY_S = 60, URL_MAX = 1024, BODY_MAX = 4 << 20, FIELD_MAX = 4096 };

/* An access token, by what it is for. */
struct pass {
    char resource[256];
    struct cella_secret authorization; /* "Bearer ..." and a NUL */
    uint64_t expires_unix;
};

struct cella_client {
    struct cella_client_settings settings; /* texts are owned, but for the secrets */
    char *text[4];
    struct cella_secret secret; /* with a NUL */
    struct cella_downloader *downloader;
    struct pass pass[TOKENS];
    size_t next;
};

void cella_client_environment(struct cella_client_settings *settings) {
    const char *ca = getenv("CELLA_CA");
    *settings = (struct cella_client_settings){.ca = ca ? ca : getenv("NODE_EXTRA_CA_CERTS"),
                                               .authority = getenv("AZURE_AUTHORITY_HOST"),
                                               .tenant = getenv("AZURE_TENANT_ID"),
                                               .client_id = getenv("AZURE_CLIENT_ID"),
                                               .secret = getenv("AZURE_CLIENT_SECRET")};
}

void cella_client_free(struct cella_client **client) {
    struct cella_client *c = *client;
    if (!c) return;
    for (size_t i = 0; i < TOKENS; i++) cella_secret_free(&c->pass[i].authorization);
    for (size_t i = 0; i < sizeof(c->text) / sizeof(c->text[0]); i++) free(c->text[i]);
    cella_secret_free(&c->secret);
    cella_downloader_free(&c->downloader);
    free(c);
    *client = NULL;
}

static bool keep(const char *text, char **owned, const char **setting) {
    *owned = text ? strdup(text) : NULL;
    *setting = *owned;
    return !text || *owned;
}

/* "Bearer TOKEN" as it is sent. */
static CELLA_RESULT keep_token(struct pass *pass, const char *text) {
    static const char scheme[] = "Bearer ";
    size_t size = strlen(text);
    cella_secret_free(&pass->authorization);
    TRY(cella_secret_new(sizeof(scheme) + size, &pass->authorization));
    cella_copy(pass->authorization.data, scheme, sizeof(scheme) - 1);
    cella_copy(pass->authorization.data + sizeof(scheme) - 1, text, size);
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_client_new(const struct cella_client_settings *settings,
                              struct cella_client **out) {
    CELLA_CLIENT c = calloc(1, sizeof(*c));
    *out = NULL;
    ENSURE(c, CELLA_ERR_MEMORY, NULL, "no memory for a client");
    ENSURE(keep(settings->ca, &c->text[0], &c->settings.ca) &&
               keep(settings->authority, &c->text[1], &c->settings.authority) &&
               keep(settings->tenant, &c->text[2], &c->settings.tenant) &&
               keep(settings->client_id, &c->text[3], &c->settings.client_id),
           CELLA_ERR_MEMORY, NULL, "no memory for a client");
    if (settings->secret && *settings->secret)
        TRY(cella_secret_from(cella_bytes(settings->secret, strlen(settings->secret) + 1),
                              &c->secret));
    if (settings->token) TRY(keep_token(&c->pass[0], settings->token));
    struct cella_download_settings download = {.ca_path = c->settings.ca, .body_max = BODY_MAX};
    TRY(cella_downloader_new(&download, &c->downloader));
    *out = c;
    c = NULL;
    return CELLA_SUCCESS;
}

/* --- Errors --- */

static enum cella_code code_of(long status) {
    switch (status) {
    case 404: return CELLA_ERR_NOT_FOUND;
    case 409: return CELLA_ERR_EXISTS;
    case 401:
    case 403: return CELLA_ERR_REFUSED;
    case 429: return CELLA_ERR_UNAVAILABLE;
    default: return status >= 500 ? CELLA_ERR_UNAVAILABLE : CELLA_ERR_USAGE;
    }
}

static CELLA_RESULT judge(const char *url, long status, const json_t *reply) {
    const json_t *error = json_object_get(reply, "error");
    const char *code = json_string_value(json_object_get(error, "code"));
    const char *message = json_string_value(json_object_get(error, "message"));
    const char *description = json_string_value(json_object_get(reply, "error_description"));
    if (status < 400) return CELLA_SUCCESS;
    if (json_is_string(error)) code = json_string_value(error);
    if (description) message = description;
    bool denied = code && strcmp(code, "PolicyEvaluationError") == 0;
    FAIL(denied ? CELLA_ERR_REFUSED : code_of(status), NULL, "%s: status %ld: %s%s%s", url, status,
         code ? code : "no reason given", message ? ": " : "", message ? message : "");
}

/* --- Tokens --- */

/* application/x-www-form-urlencoded; false when it does not fit. */
static bool add_field(struct cella_secret *form, size_t *at, const char *name, const char *value) {
    static const char hex[] = "0123456789ABCDEF";
    uint8_t *to = form->data;
    size_t most = form->size;
    if (*at && *at < most) to[(*at)++] = '&';
    for (; *name && *at < most; name++) to[(*at)++] = (uint8_t)*name;
    if (*at < most) to[(*at)++] = '=';
    for (; *value; value++) {
        uint8_t c = (uint8_t)*value;
        bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                     c == '-' || c == '_' || c == '.' || c == '~';
        if (*at + 3 > most) return false;
        if (plain) {
            to[(*at)++] = c;
            continue;
        }
        to[(*at)++] = '%';
        to[(*at)++] = (uint8_t)hex[c >> 4];
        to[(*at)++] = (uint8_t)hex[c & 15];
    }
    return *at < most;
}

static CELLA_RESULT take_reply(const struct cella_buffer *body, json_t **reply) {
    *reply = NULL;
    return body->size ? cella_json_object(cella_buffer_bytes(body), "answer", reply)
                      : CELLA_SUCCESS;
}

static CELLA_RESULT ask_token(struct cella_client *c, const char *resource, struct pass *pass) {
    char url[URL_MAX], scope[300];
    CELLA_SECRET form = {0};
    CELLA_BUFFER body = {0};
    CELLA_JSON reply = NULL;
    size_t size = 0;
    long status = 0;
    const struct cella_client_settings *s = &c->settings;
    ENSURE(s->authority && s->tenant && s->client_id && c->secret.data, CELLA_ERR_USAGE,
           "set AZURE_AUTHORITY_HOST, AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET; a "
           "development server writes them to DATA/dev/env.sh",
           "no credentials to ask for a token with");
    snprintf(url, sizeof(url), "%.300s/%.100s/oauth2/v2.0/token", s->authority, s->tenant);
    snprintf(scope, sizeof(scope), "%.255s/.default", resource);
    TRY(cella_secret_new(FIELD_MAX, &form));
    ENSURE(add_field(&form, &size, "client_id", s->client_id) &&
               add_field(&form, &size, "scope", scope) &&
               add_field(&form, &size, "grant_type", "client_credentials") &&
               add_field(&form, &size, "client_secret", (const char *)c->secret.data),
           CELLA_ERR_LIMIT, NULL, "credentials this long");
    struct cella_exchange exchange = {.method = "POST",
                                      .url = url,
                                      .content_type = "application/x-www-form-urlencoded",
                                      .body = cella_bytes(form.data, size)};
    TRY(cella_exchange(c->downloader, &exchange, &status, &body));
    TRY(take_reply(&body, &reply));
    if (body.data) cella_wipe(body.data, body.size);
    TRY(judge(url, status, reply));
    const char *text = json_string_value(json_object_get(reply, "access_token"));
    json_int_t life = json_integer_value(json_object_get(reply, "expires_in"));
    ENSURE(text, CELLA_ERR_PROTOCOL, NULL, "%s: no access_token in the answer", url);
    snprintf(pass->resource, sizeof(pass->resource), "%s", resource);
    pass->expires_unix = (uint64_t)time(NULL) + (uint64_t)(life > 0 ? life : 0);
    return keep_token(pass, text);
}

static CELLA_RESULT find_token(struct cella_client *c, const char *resource, const char **out) {
    uint64_t now = (uint64_t)time(NULL);
    *out = (const char *)c->pass[0].authorization.data;
    if (*out && !c->pass[0].resource[0]) return CELLA_SUCCESS; /* given */
    for (size_t i = 0; i < TOKENS; i++) {
        struct pass *pass = &c->pass[i];
        *out = (const char *)pass->authorization.data;
        if (*out && strcmp(pass->resource, resource) == 0 && now + EARLY_S < pass->expires_unix)
            return CELLA_SUCCESS;
    }
    struct pass *pass = &c->pass[c->next++ % TOKENS];
    TRY(ask_token(c, resource, pass));
    *out = (const char *)pass->authorization.data;
    return CELLA_SUCCESS;
}

void cella_client_vault_resource(const char *url, char *out, size_t size) {
    static const char *const common[] = {"vault.azure.net", "managedhsm.azure.net"};
    static const char scheme[] = "https://";
    const char *named = getenv("CELLA_VAULT_RESOURCE");
    size_t start = strncmp(url, scheme, sizeof(scheme) - 1) == 0 ? sizeof(scheme) - 1 : 0;
    size_t end = start + strcspn(url + start, "/");
    snprintf(out, size, "%.*s", (int)end, url);
    for (size_t i = 0; i < sizeof(common) / sizeof(common[0]); i++) {
        size_t tail = strlen(common[i]);
        if (end > start + tail && strncmp(url + end - tail, common[i], tail) == 0 &&
            url[end - tail - 1] == '.')
            snprintf(out, size, "https://%s", common[i]);
    }
    if (named) snprintf(out, size, "%s", named);
}

CELLA_RESULT cella_client_token(struct cella_client *client, const char *resource,
                                struct cella_secret *out) {
    const char *authorization = NULL;
    TRY(find_token(client, resource, &authorization));
    return cella_secret_from(cella_bytes_text(authorization + strlen("Bearer ")), out);
}

/* --- Calls --- */

CELLA_RESULT cella_client_send(struct cella_client *client, const struct cella_client_call *call,
                               json_t **reply) {
    CELLA_BUFFER answer = {0};
    long status = 0;
    const char *authorization = NULL;
    *reply = NULL;
    if (call->resource) TRY(find_token(client, call->resource, &authorization));
    char *text = call->body ? json_dumps(call->body, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
    ENSURE(!call->body || text, CELLA_ERR_MEMORY, NULL, "no memory for a request");
    struct cella_exchange exchange = {.method = call->method,
                                      .url = call->url,
                                      .content_type = text ? "application/json" : NULL,
                                      .body = cella_bytes(text, text ? strlen(text) : 0),
                                      .authorization = authorization};
    struct cella_result result = cella_exchange(client->downloader, &exchange, &status, &answer);
    if (text) cella_wipe(text, strlen(text));
    free(text);
    TRY(result);
    TRY(take_reply(&answer, reply));
    if (answer.data) cella_wipe(answer.data, answer.size);
    result = judge(call->url, status, *reply);
    if (!cella_failed(result)) return result;
    json_decref(*reply);
    *reply = NULL;
    return result;
}
